/* Small system calls of many kinds, by which descriptors, files and memory change: more of quick.c. */
#define _GNU_SOURCE
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "quick.h"

volatile unsigned long files;
static char folder[64], path[400];

static const char *in_folder(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

/* Files by their names: opened in many ways, appended to, renamed, listed, with descriptors that get other meanings. */
static void a_file(unsigned long i)
{
	char name[300], line[64], list[2048];
	int f, g, dir, flags = rnd() % 2 ? O_APPEND : 0;
	struct stat st, st2;
	long n, at, seen;

	n = snprintf(name, sizeof(name), "f%lu", i % 10);
	if (i % 8 == 7)		/* longer than what is kept of a path */
		memset(name + n, 'x', 240), name[n + 240] = 0;
	f = open(in_folder(name), O_RDWR | O_CREAT | flags | (rnd() % 4 ? 0 : O_CLOEXEC), 0600);
	check(f > 2 && fstat(f, &st) == 0);
	for (int k = 0; k < 3; k++) {
		n = snprintf(line, sizeof(line), "%lu:%d:%lx\n", i, k, rnd());
		check(write(f, line, (size_t)n) == n);
		at = lseek(f, 0, SEEK_CUR);
		check(at == (flags ? st.st_size : 0) + n || k);
		add(&at, sizeof(at));
	}
	g = dup(f);
	check(g > f && write(g, "abc", 3) == 3 && lseek(f, 0, SEEK_CUR) == lseek(g, 0, SEEK_CUR));
	check((fcntl(f, F_GETFL) & O_APPEND) == flags);
	check(fcntl(f, F_SETFL, flags ^ O_APPEND) == 0 && lseek(f, 0, SEEK_SET) == 0);
	check(fstat(f, &st) == 0 && write(f, line, 10) == 10);
	check(lseek(f, 0, SEEK_CUR) == (flags ? 10 : st.st_size + 10));
	check(close(f) == 0 && close(f) == -1 && errno == EBADF && read(f, line, 1) == -1);
	check(fsync(g) == 0 && (rnd() % 3 || ftruncate(g, 5) == 0) && fstat(g, &st) == 0);
	check(close(g) == 0 && stat(path, &st2) == 0 && st.st_size == st2.st_size && st.st_ino == st2.st_ino);
	check(access(path, R_OK) == 0 && open("/nowhere/at/all", O_RDONLY) == -1 && errno == ENOENT);
	dir = open(folder, O_RDONLY | O_DIRECTORY);
	for (seen = 0; (n = syscall(SYS_getdents64, dir, list, sizeof(list))) > 0; seen += n)
		add(list, n);
	check(n == 0 && seen > 24 && read(dir, line, 1) == -1);
	lseek(dir, 0, SEEK_SET);
	check(syscall(SYS_getdents64, dir, list, sizeof(list)) >= 24 && close(dir) == 0);
	if (rnd() % 3 == 0) {
		char other[400];

		memcpy(other, path, sizeof(other));
		check(rename(other, in_folder("other")) == 0 && stat(other, &st) == -1 && unlink(path) == 0);
	}
	check(mkdir(in_folder("sub"), 0700) == 0 && mkdir(path, 0700) == -1 && errno == EEXIST);
	check(chmod(path, 0755) == 0 && stat(path, &st) == 0 && (st.st_mode & 0777) == 0755 && rmdir(path) == 0);
}

/* What files are open, how, and where they stand. */
static unsigned long look(void)
{
	unsigned long all = 0;

	for (int fd = 0; fd < 40; fd++) {
		long flags = fcntl(fd, F_GETFL), at = lseek(fd, 0, SEEK_CUR), n;
		char link[32], name[300];

		if (flags == -1 || at == -1)
			continue;
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, name, sizeof(name));
		flags = flags * 8 + fcntl(fd, F_GETFD);
		all = all * 31 + (unsigned long)(fd + flags * 100 + at * 7 + n);
		for (int i = 0; i < n; i++)
			all = all * 31 + (unsigned char)name[i];
	}
	return all;
}

static void named(void)
{
	struct itimerval it = { { 0, 2500 }, { 0, 2500 } }, never = { { 0, 0 }, { 0, 0 } };
	char name[] = "/tmp/quickXXXXXX", all[600];
	int f, log, list;

	check(mkdtemp(name) != NULL);
	strcpy(folder, name);
	signal(SIGALRM, tick);
	for (unsigned long i = 0; i < 150; i++) {
		if (i == 50)
			list = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), log = open(in_folder("log"), O_WRONLY | O_CREAT | O_APPEND, 0600);
		if (i >= 50)
			check(write(log, "line\n", 5) == 5);
		if (i == 60) {
			check(syscall(SYS_getdents64, list, all, sizeof(all)) > 24);
			files = 1;	/* MARK holding */
			files = look();
			check(close(list) == 0 && close(log) == 0); /* MARK looked */
			log = open(in_folder("log"), O_WRONLY | O_CREAT | O_APPEND, 0600);
		}
		if (i == 100)
			setitimer(ITIMER_REAL, &it, NULL);
		a_file(i);	/* MARK named */
		if (i % 10 == 0) {
			f = open(in_folder("f0"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
			check(f > 2 && write(f, "abc", 3) == 3 && close(f) == 0);
		}
	}
	setitimer(ITIMER_REAL, &never, NULL);
	close(log);
	snprintf(all, sizeof(all), "rm -r %s", folder);
	phase_status = system(all);
}					/* MARK listed */

/* Memory comes, moves and goes. */
static void memory(void)
{
	char *held[20] = { NULL }, *top = sbrk(0);
	size_t size[20];

	for (int i = 0; i < 1500; i++) {
		int k = (int)(rnd() % 20);
		size_t n = (rnd() % 30 + 1) * 4096;

		if (!held[k]) {
			held[k] = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | (rnd() % 2 ? MAP_NORESERVE : 0), -1, 0);
			size[k] = n;
			check(held[k] != MAP_FAILED && !held[k][n - 1]);
			held[k][0] = held[k][n - 1] = (char)k;
		} else if (i % 5 == 0) {
			char *to = mremap(held[k], size[k], n, MREMAP_MAYMOVE);

			check(to != MAP_FAILED && to[0] == (char)k);
			held[k] = to;
			size[k] = n;
			to[n - 1] = (char)k;
		} else if (i % 5 == 1) {
			check(madvise(held[k], 4096, MADV_DONTNEED) == 0 && !held[k][0]);
			held[k][0] = held[k][size[k] - 1] = (char)k;
		} else if (i % 5 == 2) {
			check(mprotect(held[k], size[k], PROT_READ) == 0 && held[k][size[k] - 1] == (char)k);
			check(mprotect(held[k], size[k], PROT_READ | PROT_WRITE) == 0);
		} else {
			check(held[k][0] == (char)k && held[k][size[k] - 1] == (char)k && munmap(held[k], size[k]) == 0);
			held[k] = NULL;
		}
		if (i % 30 == 0) {
			check(brk(top + rnd() % 100000) == 0);
		}
		sum = sum * 31 + (unsigned long)held[k];
		calls++;
	}
	check(munmap((void *)1, 4096) == -1 && mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	for (int k = 0; k < 20; k++)
		if (held[k])
			munmap(held[k], size[k]);
	brk(top);
}					/* MARK remembered */

/* Waiting for this and that, or not; and what the kernel tells of itself, and by chance. */
static void asked(void)
{
	struct itimerval it = { { 0, 3000 }, { 0, 3000 } }, now, never = { { 0, 0 }, { 0, 0 } };
	int pair[2], ep = epoll_create1(0), pids = 0, log;
	struct epoll_event ev = { .events = EPOLLIN }, got[4];
	struct timespec nap = { 0, 200000 }, left;
	struct rusage usage;
	struct utsname name;
	struct rlimit limit;
	sigset_t mask, was;
	char line[64];
	long n;

	check(pipe(pair) == 0);
	log = open("/tmp", O_TMPFILE | O_WRONLY | O_APPEND, 0600);
	ev.data.u64 = 0x1122334455667788;
	check(epoll_ctl(ep, EPOLL_CTL_ADD, pair[0], &ev) == 0);
	signal(SIGALRM, tick);
	setitimer(ITIMER_REAL, &it, NULL);
	for (int i = 0; i < 200; i++) {
		struct pollfd p[2] = { { pair[0], POLLIN, 0 }, { pair[1], POLLOUT, 0 } };

		do	/* it may be told of a signal, too */
			n = poll(p, 1, 0);
		while (n == -1 && errno == EINTR);
		check(n == 0 && !p[0].revents && epoll_wait(ep, got, 4, 0) == 0);
		do
			n = poll(p, 2, 50);
		while (n == -1 && errno == EINTR);
		check(n == 1 && p[1].revents == POLLOUT && write(pair[1], "x", 1) == 1);
		check(poll(p, 2, 0) == 2 && p[0].revents == POLLIN && epoll_wait(ep, got, 4, 0) == 1);
		check(got[0].data.u64 == 0x1122334455667788 && epoll_wait(ep, got, 4, 1000) == 1);
		check(read(pair[0], line, 1) == 1 && line[0] == 'x');
		do
			n = poll(p, 1, 1);
		while (n == -1 && errno == EINTR);
		check(n == 0);
		left = (struct timespec){ 9, 9 };
		n = nanosleep(&nap, &left);
		check(n == 0 || (errno == EINTR && left.tv_sec == 0));
		check(syscall(SYS_getrandom, line, sizeof(line), 0) == sizeof(line));
		add(line, sizeof(line));
		check(getrusage(RUSAGE_SELF, &usage) == 0 && syscall(SYS_times, NULL) > 0);
		add(&usage, sizeof(usage));
		memset(&name, 0, sizeof(name));
		check(uname(&name) == 0 && !strcmp(name.sysname, "Linux"));
		check(syscall(SYS_getcwd, line, sizeof(line)) > 0 && line[0] == '/');
		check(syscall(SYS_getcwd, line, 1) == -1 && errno == ERANGE);
		check(sigprocmask(SIG_BLOCK, NULL, &mask) == 0 && !sigismember(&mask, SIGSYS));
		check(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > 10);
		check(getitimer(ITIMER_REAL, &now) == 0 && now.it_interval.tv_usec == 3000);
		add(&now, sizeof(now));
		sigemptyset(&mask);
		sigaddset(&mask, SIGALRM);
		check(sigprocmask(SIG_BLOCK, &mask, NULL) == 0);
		n = (long)ticks;
		for (int k = 0; k < 50; k++)
			getppid();
		check(n == (long)ticks && sigprocmask(SIG_UNBLOCK, &mask, &was) == 0 && sigismember(&was, SIGALRM));
		struct iovec v[3] = { { "ab", 2 }, { NULL, 0 }, { "cde", 3 } };
		struct sigaction act = { .sa_handler = tick, .sa_flags = i % 2 ? SA_RESTART : 0 }, old;
		struct timeval tv = { 0, 300 };
		fd_set set;

		check(writev(pair[1], v, 3) == 5 && writev(log, v, 3) == 5 && lseek(log, 0, SEEK_CUR) == 5 * (i + 1));
		check(syscall(SYS_writev, log, 8, 3) == -1 && errno == EFAULT && syscall(SYS_writev, log, v, -1) == -1);
		FD_ZERO(&set);
		FD_SET(pair[0], &set);
		check(select(pair[0] + 1, &set, NULL, NULL, &tv) == 1 && FD_ISSET(pair[0], &set));
		check(read(pair[0], line, 8) == 5 && !memcmp(line, "abcde", 5) && !isatty(pair[0]));
		FD_SET(pair[0], &set);
		n = select(pair[0] + 1, &set, NULL, NULL, &tv);
		check((n == 0 && !FD_ISSET(pair[0], &set)) || (n == -1 && errno == EINTR));
		n = ppoll(p, 1, &nap, NULL);
		check((n == 0 && !p[0].revents) || (n == -1 && errno == EINTR));
		check(sigaction(SIGUSR2, &act, &old) == 0 && old.sa_handler == (i ? tick : SIG_DFL));
		check(syscall(SYS_rt_sigprocmask, SIG_SETMASK, 8, NULL, 8) == -1 && errno == EFAULT);
		check(syscall(SYS_rt_sigprocmask, 7, &mask, NULL, 8) == -1 && errno == EINVAL);
		check(sched_yield() == 0 && umask(022) == 022 && getpgid(0) == getpgrp());
		if (i % 40 == 0 && fork() == 0)
			_exit(i / 40);
		while (waitpid(-1, &phase_status, WNOHANG) > 0)
			pids += WEXITSTATUS(phase_status);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	while ((n = wait(&phase_status)) > 0)
		pids += WEXITSTATUS(phase_status);
	check(pids == 10);
	close(pair[0]);
	close(pair[1]);
	close(ep);
	close(log);
}					/* MARK told */

/* A file that is mapped privately is cut, and written anew. */
static void cut(void)
{
	char name[] = "/tmp/quickXXXXXX", bytes[8192];
	int f = mkstemp(name);
	volatile char *m;

	memset(bytes, 1, sizeof(bytes));
	check(write(f, bytes, sizeof(bytes)) == sizeof(bytes));
	m = mmap(NULL, sizeof(bytes), PROT_READ, MAP_PRIVATE, f, 0);
	close(f);
	check(m != MAP_FAILED && m[5000] == 1);
	for (int i = 2; i < 60; i++) {
		some(3);
		sum = sum * 31 + (unsigned long)m[5000];
		f = i % 2 ? open(name, O_WRONLY | O_TRUNC) : (int)syscall(SYS_open, name, O_WRONLY | O_TRUNC);
		memset(bytes, i, sizeof(bytes));
		check(f > 2 && write(f, bytes, sizeof(bytes)) == sizeof(bytes) && close(f) == 0 && m[5000] == i);
	}
	unlink(name);
}

int main(int argc, char **argv)
{
	static void (*const phases[])(void) = { named, memory, asked, cut };

	(void)argc;
	if (!prepare(argv[1]))
		return 1;
	some(100);
	for (unsigned int i = 0; i < sizeof(phases) / sizeof(*phases); i++) {
		phases[i]();
		phase++;		/* MARK next */
	}
	printf("%d phases, %lu calls, %lu wrong\n", phase, calls, wrong);
	return 0;			/* MARK end */
}
