/* What system calls of many kinds take, for tests/bench: callcosts COUNT [NAME [threads]]
 * Prints a line for each (or those whose names begin so): nanoseconds that passed for one. Another thread sleeps
 * meanwhile, or not.   cc: -pthread */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <sys/wait.h>
#include <unistd.h>

static int file, null, zero, pair[2], packets[2], udp, bell, timer, watcher, poller, listener, queue, sem;
static struct sockaddr_in here;
static char buf[4096];
static char *memory;

static struct iovec two[2] = { { buf, 100 }, { buf + 200, 100 } };

static int do_readv(void) { return readv(zero, two, 2) < 0; }
static int do_preadv(void) { return preadv(file, two, 2, 0) < 0; }
static int do_writev(void) { return writev(null, two, 2) < 0; }
static int do_pwritev(void) { return pwritev(file, two, 2, 0) < 0; }
static int do_getsockopt(void)
{
	socklen_t len = sizeof(int);
	int type;

	return getsockopt(udp, SOL_SOCKET, SO_TYPE, &type, &len) || type != SOCK_DGRAM;
}
static int do_getsockname(void)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	return getsockname(udp, (struct sockaddr *)&a, &len) || a.sin_port != here.sin_port;
}
static int do_sendto_recvfrom(void)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	return sendto(udp, buf, 10, 0, (struct sockaddr *)&here, sizeof(here)) != 10 ||
	       recvfrom(udp, buf, sizeof(buf), 0, (struct sockaddr *)&a, &len) != 10 || a.sin_port != here.sin_port;
}
static int do_sendmsg_recvmsg(void)
{
	struct msghdr m = { .msg_iov = two, .msg_iovlen = 2 };

	return sendmsg(packets[0], &m, 0) != 200 || recvmsg(packets[1], &m, 0) != 200;
}
static int do_send_recv(void) { return send(pair[0], buf, 10, 0) != 10 || recv(pair[1], buf, 10, 0) != 10; }
static int do_socket_close(void) { return close(socket(AF_UNIX, SOCK_STREAM, 0)); }
static int do_accept(void)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	int c = socket(AF_INET, SOCK_STREAM, 0), s;

	if (connect(c, (struct sockaddr *)&here, sizeof(here)))
		return 1;
	s = accept4(listener, (struct sockaddr *)&a, &len, SOCK_CLOEXEC);
	return close(c) || close(s);
}
static int do_mmap_file(void)
{
	void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0);

	return p == MAP_FAILED || munmap(p, 4096);
}
static int do_poll(void)
{
	struct pollfd p = { pair[0], POLLIN, 0 };

	return poll(&p, 1, 0);
}
static int do_select(void)
{
	struct timeval none = { 0, 0 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(pair[0], &set);
	return select(pair[0] + 1, &set, NULL, NULL, &none);
}
static int do_epoll_wait(void)
{
	struct epoll_event e;

	return epoll_wait(poller, &e, 1, 0);
}
static int do_eventfd(void)
{
	eventfd_t v;

	return eventfd_write(bell, 1) || eventfd_read(bell, &v);
}
static int do_timerfd(void)
{
	struct itimerspec t = { { 0, 0 }, { 1000, 0 } };

	return timerfd_settime(timer, 0, &t, NULL) || timerfd_gettime(timer, &t);
}
static int do_setitimer(void)
{
	struct itimerval t = { { 0, 0 }, { 1000, 0 } };

	return setitimer(ITIMER_PROF, &t, NULL);
}
static int do_inotify(void) { return inotify_rm_watch(watcher, inotify_add_watch(watcher, "/proc", IN_MODIFY)); }
static int do_ioctl_fionread(void)
{
	int n;

	return ioctl(pair[0], FIONREAD, &n);
}
static int do_ioctl_tcgets(void)
{
	struct termios t;

	return !tcgetattr(file, &t);
}
static int do_flock(void) { return flock(file, LOCK_SH) || flock(file, LOCK_UN); }
static int do_fcntl_lock(void)
{
	struct flock l = { .l_type = F_WRLCK, .l_len = 1 };

	return fcntl(file, F_SETLKW, &l) || (l.l_type = F_UNLCK, fcntl(file, F_SETLK, &l));
}
static int do_fallocate(void) { return fallocate(file, 0, 0, 4096); }
static int do_futex_wait(void)
{
	static int word = 1;

	return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL) != -1;
}
static int do_sigaltstack(void)
{
	stack_t s;

	return sigaltstack(NULL, &s);
}
static int do_sigpending(void)
{
	sigset_t s;

	return sigpending(&s);
}
static int do_getrlimit(void)
{
	struct rlimit l;

	return getrlimit(RLIMIT_NOFILE, &l);
}
static int do_getpriority(void) { return getpriority(PRIO_PROCESS, 0) == -100; }
static int do_getgroups(void) { return getgroups(0, NULL) < 0; }
static int do_getresuid(void)
{
	uid_t a, b, c;

	return getresuid(&a, &b, &c);
}
static int do_getscheduler(void) { return sched_getscheduler(0) < 0; }
static int do_getname(void) { return prctl(PR_GET_NAME, buf); }
static int do_gettimeofday(void) { return (int)syscall(SYS_gettimeofday, buf, NULL); }
static int do_time(void) { return syscall(SYS_time, NULL) < 0; }
static int do_clock_getres(void) { return (int)syscall(SYS_clock_getres, CLOCK_MONOTONIC, buf); }
static int do_mlock(void) { return mlock(memory, 4096) || munlock(memory, 4096); }
static int do_mincore(void) { return mincore(memory, 4096, (unsigned char *)buf); }
static int do_madvise(void) { return madvise(memory, 4096, MADV_WILLNEED); }
static int do_msync(void) { return msync(memory, 4096, MS_ASYNC); }
static int do_mprotect(void) { return mprotect(memory, 4096, PROT_READ) || mprotect(memory, 4096, PROT_READ | PROT_WRITE); }
static int do_msg(void)
{
	struct {
		long type;
		char text[8];
	} m = { 1, "hello" };

	return msgsnd(queue, &m, 8, 0) || msgrcv(queue, &m, 8, 0, 0) != 8;
}
static int do_semop(void)
{
	struct sembuf up = { 0, 1, 0 }, down = { 0, -1, 0 };

	return semop(sem, &up, 1) || semop(sem, &down, 1);
}
static int do_chdir(void) { return chdir("/"); }
static int do_fstatfs(void)
{
	struct statfs s;

	return fstatfs(file, &s);
}
static int do_memfd(void) { return close(memfd_create("x", 0)); }
static int do_dup2(void) { return dup2(null, 100) != 100; }
static int do_pipe(void)
{
	int p[2];

	return pipe(p) || close(p[0]) || close(p[1]);
}
static int do_sendfile(void)
{
	off_t at = 0;

	return syscall(SYS_sendfile, null, file, &at, 100) < 0;
}
static int do_kill(void) { return kill(getpid(), 0); }
static int do_yield(void) { return sched_yield(); }
static int do_waitpid(void) { return waitpid(-1, NULL, WNOHANG) != -1; }

static const struct {
	const char *name;
	int calls; /* of them */
	int (*make)(void);
} costs[] = {
	{ "readv", 1, do_readv },
	{ "preadv", 1, do_preadv },
	{ "writev", 1, do_writev },
	{ "pwritev", 1, do_pwritev },
	{ "fallocate", 1, do_fallocate },
	{ "getsockopt", 1, do_getsockopt },
	{ "getsockname", 1, do_getsockname },
	{ "sendto, recvfrom", 2, do_sendto_recvfrom },
	{ "sendmsg, recvmsg", 2, do_sendmsg_recvmsg },
	{ "send, recv", 2, do_send_recv },
	{ "socket, close", 2, do_socket_close },
	{ "socket, connect, accept4, 2 close", 5, do_accept },
	{ "mmap of a file, munmap", 2, do_mmap_file },
	{ "poll", 1, do_poll },
	{ "select", 1, do_select },
	{ "epoll_wait", 1, do_epoll_wait },
	{ "write, read of an eventfd", 2, do_eventfd },
	{ "timerfd_settime, _gettime", 2, do_timerfd },
	{ "setitimer", 1, do_setitimer },
	{ "inotify_add_watch, _rm_watch", 2, do_inotify },
	{ "ioctl FIONREAD", 1, do_ioctl_fionread },
	{ "ioctl TCGETS", 1, do_ioctl_tcgets },
	{ "flock", 2, do_flock },
	{ "fcntl F_SETLKW, F_SETLK", 2, do_fcntl_lock },
	{ "futex FUTEX_WAIT", 1, do_futex_wait },
	{ "sigaltstack", 1, do_sigaltstack },
	{ "rt_sigpending", 1, do_sigpending },
	{ "getrlimit", 1, do_getrlimit },
	{ "getpriority", 1, do_getpriority },
	{ "getgroups", 1, do_getgroups },
	{ "getresuid", 1, do_getresuid },
	{ "sched_getscheduler", 1, do_getscheduler },
	{ "prctl PR_GET_NAME", 1, do_getname },
	{ "gettimeofday", 1, do_gettimeofday },
	{ "time", 1, do_time },
	{ "clock_getres", 1, do_clock_getres },
	{ "mlock, munlock", 2, do_mlock },
	{ "mincore", 1, do_mincore },
	{ "madvise MADV_WILLNEED", 1, do_madvise },
	{ "msync", 1, do_msync },
	{ "mprotect", 2, do_mprotect },
	{ "msgsnd, msgrcv", 2, do_msg },
	{ "semop", 2, do_semop },
	{ "chdir", 1, do_chdir },
	{ "fstatfs", 1, do_fstatfs },
	{ "memfd_create, close", 2, do_memfd },
	{ "dup2", 1, do_dup2 },
	{ "pipe, 2 close", 3, do_pipe },
	{ "sendfile", 1, do_sendfile },
	{ "kill", 1, do_kill },
	{ "sched_yield", 1, do_yield },
	{ "wait4", 1, do_waitpid },
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void open_all(void)
{
	socklen_t len = sizeof(here);
	int one = 1;

	here = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	null = open("/dev/null", O_WRONLY);
	zero = open("/dev/zero", O_RDONLY);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	udp = socket(AF_INET, SOCK_DGRAM, 0);
	bell = eventfd(0, 0);
	timer = timerfd_create(CLOCK_MONOTONIC, 0);
	watcher = inotify_init1(0);
	poller = epoll_create1(0);
	queue = msgget(IPC_PRIVATE, 0600);
	sem = semget(IPC_PRIVATE, 1, 0600);
	memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || socketpair(AF_UNIX, SOCK_DGRAM, 0, packets) ||
	    write(file, buf, sizeof(buf)) < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(listener, (struct sockaddr *)&here, len) || listen(listener, 5) ||
	    getsockname(listener, (struct sockaddr *)&here, &len) || bind(udp, (struct sockaddr *)&here, len))
		abort();
}

static void *sleep_on(void *arg)
{
	char c;

	if (read(*(int *)arg, &c, 1) < 0) /* nobody ever writes there */
		abort();
	return NULL;
}

int main(int argc, char **argv)
{
	int sleeps[2];
	pthread_t t;

	long n = argc > 1 ? atol(argv[1]) : 1000;
	const char *only = argc > 2 ? argv[2] : "";

	open_all();
	if (argc > 3 && (pipe(sleeps) || pthread_create(&t, NULL, sleep_on, sleeps)))
		abort();
	for (size_t c = 0; c < sizeof(costs) / sizeof(*costs); c++) {
		double begin;

		if (strncmp(costs[c].name, only, strlen(only)))
			continue;
		/* So that what comes of the first ones isn't counted. */
		for (long i = 0; i < 200; i++)
			if (costs[c].make())
				printf("%s failed\n", costs[c].name), i = 200;
		begin = now();
		for (long i = 0; i < n; i++)
			costs[c].make();
		printf("%-40s %9.0f\n", costs[c].name, (now() - begin) / (double)n / costs[c].calls * 1e9);
	}
	msgctl(queue, IPC_RMID, NULL);
	semctl(sem, 0, IPC_RMID);
	return 0;
}
