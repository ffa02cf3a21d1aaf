/* Many small system calls, of which most can't sleep, and what may come in between: signals, masks, children,
 * threads, descriptors that change their meaning, code that comes and goes.   cc: -pthread -ldl */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "quick.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif
#ifndef SYS_USER_DISPATCH
#define SYS_USER_DISPATCH 2
#endif

struct registers {
	unsigned long ax, bx, cx, dx, si, di, bp, sp, r8, r9, r10, r11, r12, r13, r14, r15, flags;
};

volatile unsigned long came, broken, struck;
static volatile char selector;

static void on_sys(int sig, siginfo_t *si, void *context)
{
	(void)sig;
	(void)context;
	check(si->si_code != SYS_USER_DISPATCH);
	came++;
}

static void probe_all(void)
{
	void *lib = dlopen(getenv("QUICKLIB"), RTLD_NOW);
	void (*probe)(const struct registers *, struct registers *) =
		(void (*)(const struct registers *, struct registers *))dlsym(lib, "probe");

	for (int i = 0; i < 2000; i++) {
		struct registers a, b;

		for (unsigned long *p = &a.ax; p <= &a.flags; p++)
			*p = rnd() << 32 | rnd();
		a.flags = 0x202 | (rnd() & 0xcd5); /* also the direction */
		switch (i % 3) {
		case 0:
			a.ax = SYS_getppid;
			break;
		case 1:
			a.ax = SYS_read;
			a.di = (unsigned long)in;
			a.si = (unsigned long)buf;
			a.dx = 40;
			break;
		case 2:
			a.ax = SYS_lseek;
			a.di = (unsigned long)in;
			a.si = rnd() % 1000;
			a.dx = SEEK_SET;
			break;
		}
		probe(&a, &b);
		check(b.ax == (i % 3 == 0 ? (unsigned long)getppid() : i % 3 == 1 ? 40 : a.si));
		check(b.bx == a.bx && b.bp == a.bp && b.cx == 0 && b.sp == 0 && b.dx == a.dx);
		check(b.si == a.si && b.di == a.di && b.r8 == a.r8 && b.r9 == a.r9 && b.r10 == a.r10);
		check(b.r12 == a.r12 && b.r13 == a.r13 && b.r14 == a.r14 && b.r15 == a.r15);
		check((b.flags & 0xfff) == a.flags && (b.r11 & 0xfff) == a.flags);
		sum = sum * 31 + b.ax;
		calls++;
	}
	dlclose(lib);			/* MARK probed */
}

static void signals(void)
{
	struct itimerval it = { { 0, 1000 }, { 0, 1000 } };

	signal(SIGALRM, tick);
	setitimer(ITIMER_REAL, &it, NULL);
	while (ticks < 300) {
		some(10);
		if (ticks > 20)
			sum++;		/* MARK ticking */
	}
	memset(&it, 0, sizeof(it));
	setitimer(ITIMER_REAL, &it, NULL);
}

static void masks(void)
{
	struct sigaction sa = { .sa_sigaction = on_sys, .sa_flags = SA_SIGINFO }, now;
	sigset_t all, before, is;

	sigfillset(&all);
	sigaction(SIGSYS, &sa, NULL);
	for (int i = 0; i < 50; i++) {
		some(20);
		sigprocmask(SIG_SETMASK, &all, &before);
		check(!sigismember(&before, SIGSYS));
		some(20);		/* MARK blocked */
		kill(getpid(), SIGSYS);	/* MARK still */
		check(came == (unsigned long)i);
		sigprocmask(SIG_SETMASK, &before, &is);
		check(sigismember(&is, SIGSYS));
		check(came == (unsigned long)i + 1);
		sigaction(SIGSYS, NULL, &now);
		check(now.sa_sigaction == on_sys);
	}
	signal(SIGSYS, SIG_IGN);
	some(200);
	raise(SIGSYS);
	sigaction(SIGSYS, NULL, &now);
	check(now.sa_handler == SIG_IGN);
}					/* MARK masked */

static void children(void)
{
	for (int i = 0; i < 10; i++) {
		int status = 0;
		pid_t pid;

		some(50);
		pid = fork();
		if (!pid) {
			in = open("/proc/self/exe", O_RDONLY);
			for (int k = 0; k < 200; k++)
				check(getppid() != 1 && read(in, buf, 1) == 1);
			_exit(wrong ? 1 : 5);
		}
		some(50);
		check(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 5);
		pid = vfork();
		if (!pid)
			_exit(getppid() == 1 ? 1 : 6);
		check(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 6);
	}
}					/* MARK parent */

static void *thread(void *arg)
{
	for (int i = 0; i < 300; i++)
		check(getppid() > 1);
	return arg;
}

static void threads(void)
{
	pthread_t t;

	for (int i = 0; i < 5; i++) {
		some(50);
		pthread_create(&t, NULL, thread, NULL);
		some(20);
		pthread_join(t, NULL);
	}
}					/* MARK joined */

/* The number of a file's descriptor is a pipe's for a while. */
static void reused(void)
{
	int fds[2], file = dup(in);
	struct timespec nap = { 0, 20000000 };

	for (int i = 0; i < 3; i++) {
		pid_t pid;

		some(60);
		check(pipe(fds) == 0 && dup2(fds[0], in) == in && close(fds[0]) == 0);
		pid = fork();
		if (!pid) {
			nanosleep(&nap, NULL);
			_exit(write(fds[1], "abc", 3) == 3 ? 0 : 1);
		}
		check(read(in, buf, 3) == 3 && buf[1] == 'b');
		check(lseek(in, 0, SEEK_SET) == -1);
		waitpid(pid, NULL, 0);
		close(fds[1]);
		check(dup2(file, in) == in);
	}
	close(file);
}					/* MARK again */

/* To a child that answers, with a timer's signals in between; and more than a pipe takes at once. */
static void talk(void)
{
	struct itimerval it = { { 0, 3000 }, { 0, 3000 } }, none = { { 0, 0 }, { 0, 0 } };
	int to[2], from[2];
	long n, got;
	pid_t pid;

	check(pipe(to) == 0 && pipe(from) == 0);
	pid = fork();
	if (!pid) {
		close(to[1]);
		while ((n = read(to[0], buf, 200000)) > 0)
			if (n < 1000 && write(from[1], buf, (size_t)n) != n)
				_exit(1);
		_exit(7);
	}
	setitimer(ITIMER_REAL, &it, NULL);
	for (int i = 0; i < 1500; i++) {
		char line[200];

		n = (long)(rnd() % 190) + 1;
		memset(line, (int)(i % 100), sizeof(line));
		check(write(to[1], line, (size_t)n) == n);
		for (got = 0; got < n;) {
			long r = read(from[0], line + got, sizeof(line) - (size_t)got);

			if (r <= 0)
				break;
			got += r;
		}
		check(got == n && line[n - 1] == (char)(i % 100));
		add(line, n);
	}
	setitimer(ITIMER_REAL, &none, NULL);
	for (int i = 0; i < 20; i++) {
		n = write(to[1], buf, 150000);
		check(n == 150000);
		add(&n, sizeof(n));
	}
	close(to[1]);
	waitpid(pid, &phase_status, 0);
	check(WEXITSTATUS(phase_status) == 7);
	close(to[0]);
	close(from[0]);
	close(from[1]);
}					/* MARK talked */

static void errors(void)
{
	char *hole = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long is;

	munmap(hole + 4096, 4096);
	for (int i = 0; i < 100; i++) {
		some(5);
		check(read(-1, buf, 1) == -1 && read(1000, buf, 1) == -1 && read(77, buf, 1) == -1);
		check(pread(in, hole + 4096, 10, 0) == -1);
		is = pread(in, hole + 4090, 10, 100);
		check((is == 6 && hole[4090] == (char)(100 * 7)) || (is == -1 && errno == EFAULT));
		check(write(out, hole + 4096, 10) == -1);
		check(pread(in, buf, sizeof(buf), 0) == 65536 && buf[65535] == (char)(65535 * 7));
		check(pread(in, buf, sizeof(buf), 65536) == 0);
		add(buf, 65536);
	}
}					/* MARK failed */

/* Notes of many sizes, which fill the room for them to the last byte or not. */
static void full(void)
{
	for (long len = 7900; len < 8100; len++) {
		check(lseek(in, 0, SEEK_SET) == 0);
		for (int i = 0; i < 8; i++) /* 8 of 7988 leave no room for the last one's note */
			check(read(in, buf, (size_t)len) == len && buf[5] == (char)((i * len + 5) * 7));
		add(buf, len);
		some(1);
	}
}					/* MARK filled */

/* What isn't a call is none. */
static void none(void)
{
	static const long numbers[] = { -1, 0xffffffff, -512, -513, 999 };

	for (int i = 0; i < 100; i++) {
		some(10);
		for (size_t k = 0; k < sizeof(numbers) / sizeof(*numbers); k++)
			check(syscall(numbers[k]) == -1 && errno == ENOSYS);
		if (i % 20 == 0) {	/* x32's getppid, if the kernel has that */
			long is = syscall(0x4000006e);

			check(is == getppid() || (is == -1 && errno == ENOSYS));
		}
	}
}					/* MARK none */

static void on_pipe(int sig)
{
	(void)sig;
	broken++;
}

/* A signal that comes of a call comes before that returns. */
static void pipes(void)
{
	signal(SIGPIPE, on_pipe);
	for (unsigned long i = 0; i < 100; i++) {
		int fds[2];

		some(10);
		check(pipe2(fds, O_NONBLOCK) == 0);
		close(fds[0]);
		for (unsigned long k = 1; k <= 3; k++) {
			check(write(fds[1], "a", 1) == -1 && errno == EPIPE);
			check(broken == 3 * i + k);
		}
		close(fds[1]);
	}
}					/* MARK broken */

static void on_signal(int sig)
{
	(void)sig;
	struck++;
}

/* Signals strike wherever they like, and others before their handlers' ends. */
static void struck_often(void)
{
	struct timespec nap = { 0, 1000000 };
	pid_t me = getpid(), pid;

	signal(SIGUSR1, on_signal);
	signal(SIGHUP, on_signal);
	pid = fork();
	if (!pid) {
		for (int i = 0; i < 3000; i++) {
			kill(me, i % 3 ? SIGUSR1 : SIGHUP);
			if (i % 50 == 0)
				nanosleep(&nap, NULL);
		}
		_exit(0);
	}
	while (waitpid(pid, NULL, WNOHANG) == 0)
		some(2);
	check(struck > 0);
}					/* MARK struck */

/* The program isn't let dispatch calls by itself, and asking about filters is none. */
static void dispatch(void)
{
	some(60);
	if (prctl(PR_SET_SYSCALL_USER_DISPATCH, 1, 0, 0, &selector))
		check(errno == EINVAL);
	else
		check(prctl(PR_SET_SYSCALL_USER_DISPATCH, 0, 0, 0, 0) == 0);
	syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &(unsigned int){ SECCOMP_RET_ALLOW });
	some(200);
}					/* MARK dispatched */

/* A handler that blocks all, as long as it runs. */
static void guarded_tick(int sig)
{
	char mine[16];

	(void)sig;
	for (int i = 0; i < 30; i++)
		check(pread(in, mine, sizeof(mine), 7) == sizeof(mine));
	ticks++;
}

static void guarded(void)
{
	struct sigaction sys = { .sa_sigaction = on_sys, .sa_flags = SA_SIGINFO }, now;
	struct sigaction tick = { .sa_handler = guarded_tick };
	struct itimerval it = { { 0, 2000 }, { 0, 2000 } }, never = { { 0, 0 }, { 0, 0 } };
	sigset_t is;

	sigfillset(&tick.sa_mask);
	sigaction(SIGSYS, &sys, NULL);
	sigaction(SIGALRM, &tick, NULL);
	ticks = 0;
	setitimer(ITIMER_REAL, &it, NULL);
	while (ticks < 40) {
		some(10);
		sigaction(SIGSYS, NULL, &now);
		sigprocmask(SIG_SETMASK, NULL, &is);
		check(now.sa_sigaction == on_sys && !sigismember(&is, SIGSYS));
	}
	setitimer(ITIMER_REAL, &never, NULL);
}					/* MARK guarded */

/* Somebody else gets to see the code of getppid. */
static void codes(void)
{
	const void *code = dlsym(RTLD_DEFAULT, "getppid");
	int self = open("/proc/self/mem", O_RDONLY);
	struct iovec v = { (void *)code, 48 };
	char back[48];

	for (int i = 0; i < 50; i++) {
		some(20);
		check(pwrite(out, code, 48, 0) == 48 && pread(out, back, 48, 0) == 48);
		check(memmem(back, 20, "\x0f\x05", 2) != NULL);
		some(5);
		check(pwritev(out, &v, 1, 0) == 48 && pread(out, back, 48, 0) == 48);
		check(memmem(back, 20, "\x0f\x05", 2) != NULL);
		some(5);
		check(pread(self, back, 48, (long)code) == 48);
		check(memmem(back, 20, "\x0f\x05", 2) != NULL);
	}
	close(self);
}					/* MARK shown */

static void on_trap(int sig)
{
	(void)sig;
	came++;
}

/* Calls that open and close, sleep, append, or read much: one stop each. With timers' signals in between, and with
 * SIGTRAP handled or blocked. */
static void halves(void)
{
	struct itimerval it = { { 0, 3000 }, { 0, 3000 } }, never = { { 0, 0 }, { 0, 0 } };
	struct timespec nap = { 0, 300000 };
	char name[] = "/tmp/quickXXXXXX", line[100];
	int log = mkstemp(name), pair[2], back = open(name, O_RDONLY), flags = fcntl(log, F_GETFL);
	struct sigaction now;
	struct stat st;
	sigset_t trap, is;
	long n;

	unlink(name);
	check(fcntl(log, F_SETFL, flags | O_APPEND) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	if (!fork()) {
		close(pair[0]);
		while ((n = read(pair[1], line, sizeof(line))) > 0) {
			if (line[0] % 4 == 0)
				nanosleep(&nap, NULL);
			if (write(pair[1], line, (size_t)n) != n)
				_exit(1);
		}
		_exit(0);
	}
	close(pair[1]);
	sigemptyset(&trap);
	sigaddset(&trap, SIGTRAP);
	signal(SIGALRM, tick);
	setitimer(ITIMER_REAL, &it, NULL);
	for (int i = 0; i < 800; i++) {
		int f = open("/dev/zero", O_RDONLY), g = open("/nowhere", O_RDONLY);

		check(f > 2 && g == -1 && errno == ENOENT && close(-1) == -1);
		check(read(f, line, 3) == 3 && !line[0] && close(f) == 0 && read(f, line, 3) == -1);
		check(fstat(log, &st) == 0 && st.st_size == i * 8l);
		n = (long)calls;
		check(write(log, &n, 8) == 8 && pread(back, line, 8, i * 8l) == 8 && !memcmp(line, &n, 8));
		add(line, 8);
		line[0] = (char)i;
		check(send(pair[0], line, 20, MSG_NOSIGNAL) == 20);
		for (n = 0; n < 20;)
			n += recv(pair[0], line + n, 20 - (size_t)n, 0);
		check(n == 20 && line[0] == (char)i);
		if (i % 50 == 0)
			check(pread(in, buf + 100000, 60000, 10) == 60000 && buf[159999] == (char)((10 + 59999) * 7));
		some(1);
		if (i % 20 == 3) {
			sigprocmask(i > 400 ? SIG_BLOCK : SIG_SETMASK, &trap, NULL);
			some(3);
			check(close(open("/dev/null", O_RDONLY)) == 0);
			sigprocmask(SIG_UNBLOCK, &trap, &is);
			sigaction(SIGTRAP, NULL, &now);
			check(sigismember(&is, SIGTRAP) && now.sa_handler == (i < 200 ? SIG_DFL : on_trap));
		}
		if (i == 200)
			signal(SIGTRAP, on_trap);
	}
	signal(SIGTRAP, SIG_DFL);
	setitimer(ITIMER_REAL, &never, NULL);
	close(pair[0]);
	wait(&phase_status);
	check(phase_status == 0);
	close(log);
	close(back);
}					/* MARK halved */

/* Children of another kind end all that; so this is the last. */
static void cloned(void)
{
	for (int i = 0; i < 5; i++) {
		int status = 0;
		pid_t pid;

		some(50);
		pid = (pid_t)syscall(SYS_clone, SIGUSR1, 0, 0, 0, 0);
		if (!pid) {
			for (int k = 0; k < 200; k++)
				check(getppid() != 1);
			_exit(wrong ? 1 : 5);
		}
		some(50);
		check(waitpid(pid, &status, __WALL) == pid && WEXITSTATUS(status) == 5);
	}
}					/* MARK cloned */

int main(int argc, char **argv)
{
	static void (*const phases[])(void) = { signals, masks, children, threads, reused, talk, errors, probe_all,
						probe_all, full, none, pipes, struck_often, dispatch, guarded, codes, halves,
						cloned };

	if (!prepare(argv[1]))
		return 1;
	some(3000);			/* MARK first */
	phase++;			/* MARK files */
	while (argc > 2)
		some(10);		/* MARK forever */
	for (unsigned int i = 0; i < sizeof(phases) / sizeof(*phases); i++) {
		phases[i]();
		phase++;		/* MARK next */
	}
	printf("%d phases, %lu calls, %lu wrong\n", phase, calls, wrong);
	return 0;			/* MARK end */
}
