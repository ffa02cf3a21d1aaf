/* Uses files, pipes, sockets, timers and its own number after a point where a test changes `how'. MARKs are what tests look
 * for. Arguments: what to do, and with which file. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

long how = 1;
volatile int rung;

void point(int n) /* a test's breakpoint */
{
	(void)n;
}

static void say(const char *what, long n)
{
	char text[100];

	if (write(1, text, snprintf(text, sizeof(text), "%s %ld\n", what, n)) < 0)
		_exit(9);
}

/* Reads numbers of a file, one by one; writes them times `how' to another one, and a log. */
static void files(const char *folder)
{
	char path[200], text[32];
	int in, out, log, twin, gone;
	long sum = 0;

	if (chdir(folder))
		_exit(8);
	umask(027);
	in = open("in", O_RDONLY);
	out = open("out", O_RDWR | O_CREAT | O_TRUNC, 0666);
	log = open("log", O_WRONLY | O_APPEND | O_CREAT, 0666);
	twin = dup(out);
	gone = open("gone", O_RDWR | O_CREAT | O_TRUNC, 0666);
	snprintf(path, sizeof(path), "%s/gone", folder);
	unlink(path);
	fcntl(twin, F_SETFD, FD_CLOEXEC);
	for (int i = 0; i < 6; i++) {
		point(i);
		if (read(in, text, 4) != 4)
			_exit(7);
		text[4] = 0;
		sum += atoi(text) * how;
		snprintf(text, sizeof(text), "%07ld\n", atoi(text) * how);
		if (write(i % 2 ? twin : out, text, 8) != 8 || write(log, text, 8) != 8 || write(gone, text, 8) != 8)
			_exit(6);
	}
	lseek(out, 16, SEEK_SET);
	if (read(twin, text, 8) != 8)
		_exit(5);
	text[7] = 0;
	say("third", atol(text));
	say("gone", lseek(gone, 0, SEEK_CUR));
	close(open("new", O_WRONLY | O_CREAT, 0666));
	say("closes", fcntl(twin, F_GETFD) * 10 + fcntl(out, F_GETFD));
	say("sum", sum);
}

static void folder(const char *name)
{
	DIR *d = opendir(name);
	struct dirent *e;
	long n = 0;

	for (int i = 0; (e = readdir(d)); i++) {
		if (i == 3)
			point(i);
		n += how;
	}
	rewinddir(d);
	while ((e = readdir(d)))
		n += 1000;
	closedir(d);
	say("entries", n);
}

static void pipes(int full)
{
	char text[8];
	int fds[2];

	if (pipe(fds) || write(fds[1], "abc", 3) != 3 || (!full && read(fds[0], text, 3) != 3))
		_exit(8);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	point(0);
	if (full && read(fds[0], text, 3) != 3)
		_exit(7);
	say("empty", read(fds[0], text, 1) == -1 && errno == EAGAIN);
	text[0] = (char)how;
	if (write(fds[1], text, 1) != 1 || read(fds[0], text, 1) != 1)
		_exit(6);
	say("through", text[0]);
	close(fds[1]);
	say("end", read(fds[0], text, 1));
}

static void child(void)
{
	int to[2], from[2], n = 0;
	pid_t pid;

	if (pipe(to) || pipe(from))
		_exit(8);
	pid = fork();
	if (!pid) {
		close(to[1]);
		while (read(to[0], &n, 4) == 4)
			if (n++, write(from[1], &n, 4) != 4)
				_exit(1);
		_exit(0);
	}
	close(to[0]);
	close(from[1]);
	n = 1;
	if (write(to[1], &n, 4) != 4 || read(from[0], &n, 4) != 4)
		_exit(7);
	point(0); /* it lives */
	n *= how;
	if (write(to[1], &n, 4) != 4 || read(from[0], &n, 4) != 4)
		_exit(6);
	close(to[1]);
	close(from[0]);
	waitpid(pid, NULL, 0);
	point(1); /* it is gone */
	say("child", n * how);
}

static void sockets(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0), s = socket(AF_INET, SOCK_STREAM, 0), peer;
	char text[8];
	ssize_t n;

	if (bind(listener, (void *)&a, len) || listen(listener, 1) || getsockname(listener, (void *)&a, &len) ||
	    connect(s, (void *)&a, len) || (peer = accept(listener, NULL, NULL)) < 0 || write(peer, "ab", 2) != 2)
		_exit(8);
	point(0);
	n = read(s, text, 2);
	say("read", n < 0 ? -errno : n * how);
}

static void shared(int kind)
{
	long *m = &how;
	int fd = -1;

	if (kind)
		fd = eventfd(3, 0);
	else
		m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*m = how;
	point(0);
	say("shared", *m * how + fd);
}

static void ring(int sig)
{
	rung += sig == SIGALRM ? 1 : 100;
}

/* What is opened in unusual ways: without a name, without following one, about itself, as packets. */
static void odd(const char *folder)
{
	char text[64], path[200], name[100];
	int temp, gone, self, fds[2];

	temp = open(folder, O_TMPFILE | O_RDWR, 0600);
	snprintf(path, sizeof(path), "%s/odd", folder);
	gone = open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	unlink(path);
	self = open("/proc/self/stat", O_RDONLY);
	if (temp < 0 || gone < 0 || self < 0 || pipe2(fds, O_DIRECT) || write(temp, "1234", 4) != 4 || write(gone, "56", 2) != 2)
		_exit(8);
	point(0);
	say("temp", lseek(temp, 0, SEEK_CUR) * how);
	say("gone", lseek(gone, 0, SEEK_CUR) * how);
	if (read(self, text, sizeof(text)) < 8 || write(fds[1], "ab", 2) != 2 || write(fds[1], "c", 1) != 1)
		_exit(7);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self);
	say("packet", read(fds[0], name, 9) * how);
	name[readlink(path, name, sizeof(name) - 1)] = 0;
	say("itself", atol(text) == atol(name + strlen("/proc/")));
}

/* As whom, within which limits and how urgently it runs. */
static void rights(void)
{
	const struct rlimit some = { 50, 60 };
	struct rlimit r;
	gid_t groups[2] = { 5, 7 };

	if (setrlimit(RLIMIT_NOFILE, &some) || setpriority(PRIO_PROCESS, 0, 7) || setgroups(2, groups) ||
	    setresgid(11, 12, 13) || setresuid(21, 0, 22))
		_exit(8);
	point(0);
	getrlimit(RLIMIT_NOFILE, &r);
	say("limits", (long)r.rlim_cur * 100 + (long)r.rlim_max);
	say("nice", getpriority(PRIO_PROCESS, 0) * how);
	say("groups", getgroups(2, groups) * 100 + groups[0] * 10 + groups[1]);
	say("user", getuid() * 100 + geteuid());
	say("group", getgid() * 100 + getegid());
}

static void master(void)
{
	int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY);

	point(0);
	say("master", fd * how);
}

/* One alarm, a second after it was set, of which a fifth is gone at the point. */
static void once(void)
{
	const struct itimerval one = { .it_value = { 1, 0 } };
	struct timespec begin, now;

	signal(SIGALRM, ring);
	setitimer(ITIMER_REAL, &one, NULL);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 < 200);
	point(0);
	while (!rung)
		;
	say("rung", rung * how);
}

static void *other(void *arg)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	return arg;
}

/* Threads that have ended, and what the kernel keeps for this one. */
static void threads(void)
{
	long list[2], tid[2];
	size_t len;
	pthread_t t;

	syscall(SYS_get_robust_list, 0, &list[0], &len);
	prctl(PR_GET_TID_ADDRESS, &tid[0]);
	for (int i = 0; i < 3; i++)
		if (pthread_create(&t, NULL, other, NULL) || pthread_join(t, NULL))
			_exit(8);
	point(0);
	syscall(SYS_get_robust_list, 0, &list[1], &len);
	prctl(PR_GET_TID_ADDRESS, &tid[1]);
	say("its own", (list[0] == list[1]) * 10 * how + (tid[0] == tid[1]));
}

/* An alarm that comes on its own, and its own number. */
static void timers(void)
{
	struct itimerval every = { { 0, 20000 }, { 0, 20000 } }, none = { { 0, 0 }, { 0, 0 } };

	signal(SIGALRM, ring);
	signal(SIGUSR1, ring);
	setitimer(ITIMER_REAL, &every, NULL);
	point(0);
	while (rung < 3 * how)
		;
	setitimer(ITIMER_REAL, &none, NULL);
	point(1);
	say("rung", rung >= 3 * how);
	rung = 0;
	kill(getpid(), SIGUSR1);
	say("self", rung);
	raise(SIGUSR1);
	say("raised", rung);
	point(2);
	if (how > 5)
		abort();
}

static void spin(void)
{
	point(0);
	while (how < 0)
		;
	say("how", how);
}

static void lines(void)
{
	char text[80];

	for (int i = 0; i < 3; i++) {
		ssize_t n = read(0, text, sizeof(text));

		point(i);
		if (n <= 0)
			break;
		text[n - 1] = 0;
		say(text, how);
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "files"))
		files(argv[2]);
	if (!strcmp(what, "folder"))
		folder(argv[2]);
	if (!strcmp(what, "pipe"))
		pipes(argc > 2);
	if (!strcmp(what, "child"))
		child();
	if (!strcmp(what, "socket"))
		sockets();
	if (!strcmp(what, "shared"))
		shared(argc > 2);
	if (!strcmp(what, "timers"))
		timers();
	if (!strcmp(what, "odd"))
		odd(argv[2]);
	if (!strcmp(what, "master"))
		master();
	if (!strcmp(what, "rights"))
		rights();
	if (!strcmp(what, "once"))
		once();
	if (!strcmp(what, "threads"))
		threads();
	if (!strcmp(what, "spin"))
		spin();
	if (!strcmp(what, "lines"))
		lines();
	point(99);
	return 0;
}
