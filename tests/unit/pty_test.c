// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Test of pty/. For each test: a terminal of ours (the *outer* one, with us as the user), below it
 * a process that plays fred, below that through pty/ a process that plays the debugger. Prints `ok
 * - what` per test; the first failure ends it with a message and status 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

#include "pty/pty.h"

#define BULK (1024 * 1024)
#define TIMEOUT_MS 10000

/* Seen by all three processes. */
static struct shared {
	volatile pid_t fred, keeper, debugger, group, foreground, session, parent;
	volatile int slave_fds, other_fds, blocked;
	volatile int ready, got;      /* the debugger's step; what it found */
	volatile int relaying;	      /* fred's first step */
	volatile int step, fred_done; /* the user's step, for both; fred's answer */
	volatile int stopped;	      /* the shell's step */
} * sh;

/* The outer terminal. */
static int user = -1, outer = -1;
static pid_t top;     /* our child */
static int inherited; /* descriptors that count_fds() counts, before we open any */
static struct termios modes_before;

static _Noreturn void fail(int line, const char *what)
{
	fprintf(stderr, "not ok - line %d: %s (%s)\n", line, what, strerror(errno));
	_exit(1);
}

#define check(cond) ((cond) ? (void)0 : fail(__LINE__, #cond))

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#define wait_for(cond)                                 \
	do {                                           \
		long end_ = now_ms() + TIMEOUT_MS;     \
		while (!(cond)) {                      \
			if (now_ms() > end_)           \
				fail(__LINE__, #cond); \
			usleep(1000);                  \
		}                                      \
	} while (0)

static void fill(unsigned char *buf, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525u + 1013904223u;
		buf[i] = (unsigned char)(seed >> 24);
	}
}

static void wait_step(int n)
{
	while (sh->step < n)
		usleep(1000);
}

struct play {
	int (*debugger)(void);
	void (*fred)(struct pty *p,
		     pid_t debugger); /* runs with the relay; NULL: waits for the debugger's end */
	enum { END_STOP, END_EXIT } end;
	const char *term;
	bool ignore_hup;
};

static struct pty *the_pty;

static void on_winch(int sig)
{
	(void)sig;
	pty_winch(the_pty);
}

/* The keeper reaps, so the pid goes. */
static void wait_end(pid_t pid)
{
	wait_for(kill(pid, 0) < 0);
}

static int brief_debugger(void)
{
	sh->ready = 1;
	wait_step(1);
	return 7;
}

static int debugger_main(void *arg)
{
	const struct play *play = arg;

	return play->debugger();
}

static _Noreturn void fred_main(struct play *play)
{
	pid_t debugger = 0;

	setenv("TERM", play->term ? play->term : "xterm", 1);
	if (play->ignore_hup)
		signal(SIGHUP, SIG_IGN);
	check(pty_wanted());
	check(pty_create(&the_pty) == 0);
	check(pty_relay_start(the_pty) ==
	      0); /* starting it first is allowed: the child must get clean signals */
	pty_relay_stop(the_pty);
	signal(SIGWINCH, on_winch);
	check(pty_spawn(the_pty, debugger_main, play, &debugger) == 0);
	check(pty_spawn(the_pty, debugger_main, play, &debugger) == -EBUSY);
	sh->fred = getpid();
	sh->keeper = pty_keeper(the_pty);
	sh->debugger = debugger;
	check(pty_relay_start(the_pty) == 0);
	check(pty_relay_start(the_pty) == -EBUSY);
	sh->relaying = 1;
	if (play->fred)
		play->fred(the_pty, debugger);
	else
		wait_end(debugger);
	if (play->end == END_EXIT)
		exit(0);
	pty_relay_stop(the_pty);
	pty_destroy(the_pty);
	check(waitpid(sh->keeper, NULL, __WALL) < 0 && errno == ECHILD);
	exit(0);
}

static void open_outer(void)
{
	struct winsize size = { .ws_row = 24, .ws_col = 80 };

	close(user);
	close(outer);
	memset(sh, 0, sizeof(*sh));
	check(openpty(&user, &outer, NULL, NULL, &size) == 0);
	check(tcgetattr(outer, &modes_before) == 0);
	check(fcntl(user, F_SETFL, O_NONBLOCK) == 0);
	fcntl(user, F_SETFD, FD_CLOEXEC);
}

/*
 * In a child: the outer terminal becomes the controlling terminal and 0 and 1; 2 stays, for fail().
 */
static void take_outer(void)
{
	int err_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);

	close(user);
	check(login_tty(outer) == 0);
	dup2(err_fd, STDERR_FILENO);
	close(err_fd);
}

static void start(struct play *play)
{
	open_outer();
	fflush(stdout);
	top = fork();
	check(top >= 0);
	if (top == 0) {
		take_outer();
		fred_main(play);
	}
	wait_for(sh->relaying || waitpid(top, NULL, WNOHANG) == top);
	check(sh->relaying);
}

static void send_user(const char *text)
{
	check(write(user, text, strlen(text)) == (ssize_t)strlen(text));
}

/* What comes next is to be exactly @text. */
static void expect_text(int line, const char *text)
{
	size_t len = strlen(text), n = 0;
	char buf[1024];
	long end = now_ms() + TIMEOUT_MS;

	while (n < len && now_ms() < end) {
		ssize_t r = read(user, buf + n, sizeof(buf) - n);

		n += r > 0 ? (size_t)r : 0;
		usleep(1000);
	}
	if (n == len && memcmp(buf, text, len) == 0)
		return;
	fprintf(stderr, "# got %zu bytes: %.*s\n", n, (int)n, buf);
	fail(line, text);
}

#define expect(text) expect_text(__LINE__, text)
#define answer(text, output) (send_user(text), expect(output))

static bool outer_raw(void)
{
	struct termios t;

	check(tcgetattr(outer, &t) == 0);
	return !(t.c_lflag & (ICANON | ECHO | ISIG)) && !(t.c_oflag & OPOST);
}

static bool outer_restored(void)
{
	struct termios t;

	memset(&t, 0, sizeof(t)); /* padding */
	check(tcgetattr(outer, &t) == 0);
	return memcmp(&t, &modes_before, sizeof(t)) == 0;
}

static int wait_top(void)
{
	int status = -1;

	wait_for(waitpid(top, &status, WNOHANG) == top);
	return status;
}

static void finish(const char *what)
{
	check(wait_top() == 0 && outer_restored());
	printf("ok - %s\n", what);
}

/* Reaps what was reparented to us (we are the subreaper). */
static bool gone(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG | __WALL) == pid || (kill(pid, 0) < 0 && errno == ESRCH);
}

static void make_raw(void)
{
	struct termios t;

	check(tcgetattr(0, &t) == 0);
	cfmakeraw(&t);
	check(tcsetattr(0, TCSANOW, &t) == 0);
}

static void write_pattern(size_t len, unsigned seed)
{
	static unsigned char buf[BULK];

	fill(buf, len, seed);
	for (size_t n = 0; n < len;) {
		ssize_t r = write(1, buf + n, len - n);

		check(r > 0);
		n += (size_t)r;
	}
}

static int bulk_debugger(void)
{
	static unsigned char buf[BULK], want[BULK];

	make_raw();
	sh->ready = 1;
	if (fork() == 0) {
		write_pattern(BULK, 1);
		_exit(0);
	}
	fill(want, BULK, 2);
	for (size_t n = 0; n < BULK;) {
		ssize_t r = read(0, buf + n, BULK - n);

		check(r > 0);
		n += (size_t)r;
	}
	sh->got = memcmp(buf, want, BULK) == 0 ? 1 : -1;
	check(wait(NULL) > 0);
	return 0;
}

/*
 * Sends @out_len bytes and reads @in_len bytes at once; they are to be the patterns of @out_seed
 * and @in_seed.
 */
static void exchange(size_t out_len, unsigned out_seed, size_t in_len, unsigned in_seed)
{
	static unsigned char out[BULK], in[BULK + 1], want[BULK];
	size_t sent = 0, got = 0;
	long end = now_ms() + 3 * TIMEOUT_MS;

	fill(out, out_len, out_seed);
	fill(want, in_len, in_seed);
	while (sent < out_len || got < in_len) {
		struct pollfd pfd = { .fd = user, .events = POLLIN };
		ssize_t r;

		check(now_ms() < end);
		pfd.events |= sent < out_len ? POLLOUT : 0;
		poll(&pfd, 1, 20);
		r = sent < out_len ? write(user, out + sent, out_len - sent) : 0;
		sent += r > 0 ? (size_t)r : 0;
		r = read(user, in + got, sizeof(in) - got);
		got += r > 0 ? (size_t)r : 0;
		check(got <= in_len);
	}
	check(memcmp(in, want, in_len) == 0);
}

static void test_bulk(void)
{
	struct play play = { .debugger = bulk_debugger };

	start(&play);
	wait_for(sh->ready);
	exchange(BULK, 2, BULK, 1);
	wait_for(sh->got);
	check(sh->got == 1);
	finish("1 MiB both ways at once, byte for byte");
}

static int last_words_debugger(void)
{
	make_raw();
	write_pattern(200000, 3);
	return 0;
}

static void test_last_words(void)
{
	struct play play = { .debugger = last_words_debugger };

	start(&play);
	usleep(100000); /* a user's terminal that is late */
	exchange(0, 0, 200000, 3);
	finish("nothing of the last output is lost");
}

/* Blocks @sig, says ready, and waits for it. */
static int await(int sig)
{
	struct timespec t = { .tv_sec = TIMEOUT_MS / 1000 };
	sigset_t set;
	int got;

	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sh->ready = 1;
	do
		got = sigtimedwait(&set, NULL, &t);
	while (got < 0 && errno == EINTR);
	return sh->got = got;
}

static int size_debugger(void)
{
	return system("stty size") || await(SIGWINCH) < 0 || system("stty size");
}

static void test_size(void)
{
	struct play play = { .debugger = size_debugger };
	struct winsize size = { .ws_row = 33, .ws_col = 97 };

	start(&play);
	expect("24 80\r\n");
	wait_for(sh->ready);
	check(ioctl(user, TIOCSWINSZ, &size) == 0);
	expect("33 97\r\n");
	check(sh->got == SIGWINCH);
	finish("a new window size arrives, with SIGWINCH");
}

/*
 * Descriptors above 2 of the kinds this layer opens; some may be inherited from whoever started the
 * test.
 */
static int count_fds(void)
{
	int n = 0;

	for (int fd = 3; fd < 256; fd++) {
		char path[64], name[256] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, name, sizeof(name) - 1) > 0)
			n += strstr(name, "/pts/") || strstr(name, "ptmx") ||
			     strstr(name, "eventfd") || strstr(name, "pidfd") ||
			     strstr(name, "pipe:");
	}
	return n;
}

static int jobs_debugger(void)
{
	sigset_t set;
	struct sigaction act;

	sh->group = getpgrp();
	sh->foreground = tcgetpgrp(0);
	sh->session = getsid(0);
	sh->parent = getppid();
	sh->other_fds = count_fds();
	for (int fd = 0; fd <= 2; fd++)
		sh->slave_fds += isatty(fd) && getsid(0) == tcgetsid(fd);
	sigprocmask(SIG_SETMASK, NULL, &set);
	for (int sig = 1; sig < NSIG; sig++) {
		sh->blocked += sigismember(&set, sig) == 1;
		if (sigaction(sig, NULL, &act) == 0)
			sh->blocked += act.sa_handler != SIG_DFL;
	}
	return await(SIGINT) < 0;
}

static void test_jobs(void)
{
	struct play play = { .debugger = jobs_debugger };

	start(&play);
	wait_for(sh->ready);
	check(sh->group == sh->debugger && sh->foreground == sh->debugger);
	check(sh->session == sh->keeper && sh->parent == sh->keeper);
	check(sh->slave_fds == 3 && sh->other_fds == inherited && sh->blocked == 0);
	check(outer_raw());
	printf("ok - the debugger is the foreground group, the keeper leads, nothing leaks\n");
	send_user("\x03");
	wait_for(sh->got);
	check(sh->got == SIGINT);
	expect("^C");
	finish("^C reaches the debugger's group, and fred lives on");
}

static void traced_fred(struct pty *p, pid_t debugger)
{
	int status = -1;

	(void)p;
	check(ptrace(PTRACE_SEIZE, debugger, NULL, NULL) == 0);
	sh->step = 1;
	check(waitpid(debugger, &status, __WALL) == debugger);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void test_traced(void)
{
	struct play play = { .debugger = brief_debugger, .fred = traced_fred };

	start(&play);
	finish("a tracer of the debugger gets its exit status");
}

static int bystander_debugger(void)
{
	if (fork() == 0) {
		sh->ready = 1;
		wait_step(1);
		check(write(1, "still here\n", 11) == 11);
		_exit(0);
	}
	pause();
	return 0;
}

static void bystander_fred(struct pty *p, pid_t debugger)
{
	(void)p;
	(void)debugger;
	wait_step(2);
}

static void test_kill_debugger(void)
{
	struct play play = { .debugger = bystander_debugger, .fred = bystander_fred };

	start(&play);
	wait_for(sh->ready);
	check(kill(sh->debugger, SIGKILL) == 0);
	wait_for(gone(sh->debugger)); /* reaped by the keeper, no zombie */
	usleep(20000);
	check(kill(sh->keeper, 0) == 0);
	sh->step = 1;
	expect("still here\r\n");
	sh->step = 2;
	finish("killing the debugger does not hang the terminal up");
}

static void test_kill_fred(void)
{
	struct play play = { .debugger = brief_debugger };

	start(&play);
	wait_for(sh->ready);
	check(kill(sh->fred, SIGKILL) == 0);
	check(WTERMSIG(wait_top()) == SIGKILL);
	wait_for(gone(sh->keeper));
	wait_for(gone(sh->debugger)); /* by SIGHUP */
	printf("ok - keeper and debugger end with a killed fred\n");
}

static int hup_debugger(void)
{
	return await(SIGHUP) < 0;
}

static void test_hangup(void)
{
	struct play play = { .debugger = hup_debugger, .ignore_hup = true };

	start(&play);
	wait_for(sh->ready);
	close(user);
	user = -1;
	wait_for(sh->got);
	check(sh->got == SIGHUP);
	wait_for(gone(sh->debugger)); /* reparented to us, as the keeper ends */
	check(wait_top() == 0);
	printf("ok - a hangup of the user's terminal reaches the debugger\n");
}

static int prompt_debugger(void)
{
	char c;

	make_raw();
	check(write(1, "text\r\n(gdb) ", 12) == 12);
	while (read(0, &c, 1) == 1 && c != 'q') {
		if (c == 't')
			check(write(1, "\x1b[?1049h", 8) == 8);
		else if (c == 'n')
			check(write(1, "\x1b[?1049l", 8) == 8);
		else
			check(write(1, &c, 1) == 1);
	}
	return 0;
}

static const char *const texts[] = { "", "searching 42", "searching 43", NULL, NULL };

static void progress_fred(struct pty *p, pid_t debugger)
{
	pty_progress(NULL, "nowhere");
	pty_winch(NULL);
	for (int done = 0; (done = sh->step) < 9; usleep(1000)) {
		if (done == sh->fred_done)
			continue;
		pty_progress(p, done == 8 ? "in tui\x1b[31m\n" : texts[(done - 1) % 4 + 1]);
		sh->fred_done = done;
	}
	wait_end(debugger);
}

static void step(int n)
{
	sh->step = n;
	wait_for(sh->fred_done == n);
}

static void test_progress(void)
{
	struct play play = { .debugger = prompt_debugger, .fred = progress_fred };
	char c;

	start(&play);
	expect("text\r\n(gdb) ");
	step(1);
	expect("\rsearching 42\x1b[K");
	step(2);
	expect("\rsearching 43\x1b[K");
	step(3); /* NULL: erase */
	expect("\r\x1b[K(gdb) ");
	step(4); /* again: nothing */
	check(usleep(20000) == 0 && read(user, &c, 1) < 0);
	answer("X", "X");
	step(5);
	expect("\rsearching 42\x1b[K");
	answer("Y", "\r\x1b[K(gdb) XY");
	answer("t", "\x1b[?1049h");
	step(6); /* not over a full-screen program */
	check(usleep(20000) == 0 && read(user, &c, 1) < 0);
	answer("n", "\x1b[?1049l");
	step(8);
	expect("\rin tui[31m\x1b[K");
	send_user("q");
	sh->step = 9;
	check(wait_top() == 0);
	expect("\r\x1b[K(gdb) XY\x1b[?1049h\x1b[?1049l"); /* erased at the end too */
	check(outer_restored());
	printf("ok - progress is shown, replaced and erased, and the prompt comes back\n");

	play.term = "dumb";
	start(&play);
	expect("text\r\n(gdb) ");
	step(1);
	expect("searching 42");
	answer("Z", "\b\b\b\b\b\b\b\b\b\b\b\b            \b\b\b\b\b\b\b\b\b\b\b\bZ");
	send_user("q");
	sh->step = 9;
	finish("progress on a dumb terminal goes by backspaces");
}

static int long_line_debugger(void)
{
	char c, buf[600];

	make_raw();
	memset(buf, '.', sizeof(buf));
	check(write(1, buf, sizeof(buf)) == sizeof(buf));
	return read(0, &c, 1) == 1 && write(1, &c, 1) == 1 ? 0 : 1;
}

static void test_progress_long_line(void)
{
	struct play play = { .debugger = long_line_debugger, .fred = progress_fred };
	char dots[601];

	memset(dots, '.', 600);
	dots[600] = 0;
	start(&play);
	expect(dots);
	step(1);
	expect("\r\nsearching 42\x1b[K");
	answer("W", "\r\x1b[KW");
	sh->step = 9;
	finish("a line longer than the row stays, progress goes below it");
}

static void test_modes(void)
{
	struct play play = { .debugger = brief_debugger, .end = END_EXIT };

	start(&play);
	wait_for(sh->ready);
	check(outer_raw());
	sh->step = 1;
	finish("exit() without pty_relay_stop() restores the modes");
}

static void suspend_fred(struct pty *p, pid_t debugger)
{
	wait_step(1);
	check(pty_suspend(p) == 0);
	sh->fred_done = 1;
	wait_end(debugger);
}

/*
 * Starts a process that plays a shell with one job, fred in a group of its own; returns in it (top
 * == 0), and in ours.
 */
static pid_t start_shell(struct play *play)
{
	pid_t job;

	open_outer();
	fflush(stdout);
	top = fork();
	check(top >= 0);
	if (top != 0) {
		wait_for(sh->relaying);
		return 0;
	}
	take_outer();
	signal(SIGTTOU, SIG_IGN);
	job = fork();
	if (job == 0) {
		setpgid(0, 0);
		tcsetpgrp(0, getpgrp());
		signal(SIGTTOU, SIG_DFL);
		fred_main(play);
	}
	return job;
}

static int wait_job(pid_t job)
{
	int status;

	check(waitpid(job, &status, WUNTRACED) == job);
	return WIFSTOPPED(status) ? WSTOPSIG(status) : -WEXITSTATUS(status);
}

static _Noreturn void fg_to_end(pid_t job)
{
	tcsetpgrp(0, job);
	kill(-job, SIGCONT);
	_exit(-wait_job(job));
}

static _Noreturn void suspend_shell(pid_t job)
{
	check(wait_job(job) == SIGTSTP);
	tcsetpgrp(0, getpgrp());
	sh->stopped = 1;
	wait_step(2);
	/* `bg`: it must not take the terminal, but stop again. */
	kill(-job, SIGCONT);
	check(wait_job(job) == SIGTTOU);
	sh->stopped = 2;
	wait_step(3);
	fg_to_end(job);
}

static void test_suspend(void)
{
	struct play play = { .debugger = prompt_debugger, .fred = suspend_fred };
	struct winsize size = { .ws_row = 40, .ws_col = 100 };

	pid_t job = start_shell(&play);

	if (top == 0)
		suspend_shell(job);
	expect("text\r\n(gdb) ");
	check(outer_raw());
	sh->step = 1;
	wait_for(sh->stopped == 1);
	check(outer_restored());
	check(ioctl(user, TIOCSWINSZ, &size) == 0);
	sh->step = 2;
	wait_for(sh->stopped == 2);
	check(outer_restored());
	sh->step = 3;
	wait_for(sh->fred_done);
	check(outer_raw());
	answer("ok", "ok");
	send_user("q");
	finish("^Z: the shell gets its terminal back, bg stops again, fg goes on");
}

/*
 * SIGSTOP and `bg`, which fred does not see: the relay's read in the background must not count as a
 * hangup.
 */
static void test_background(void)
{
	struct play play = { .debugger = prompt_debugger };
	pid_t job = start_shell(&play);

	if (top == 0) {
		wait_step(1);
		tcsetpgrp(0, getpgrp());
		sh->step = 2;
		check(wait_job(job) == SIGTTIN);
		tcsetattr(0, TCSANOW, &modes_before);
		fg_to_end(job);
	}
	expect("text\r\n(gdb) ");
	sh->step = 1;
	wait_for(sh->step == 2);
	answer("k", "k");
	wait_for(outer_raw());
	send_user("q");
	finish("a relay put into the background waits for the foreground");
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	inherited = count_fds();
	check(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(sh != MAP_FAILED);
	test_bulk();
	test_last_words();
	test_size();
	test_jobs();
	test_traced();
	test_kill_debugger();
	test_kill_fred();
	test_hangup();
	test_progress();
	test_progress_long_line();
	test_modes();
	test_suspend();
	test_background();
	return 0;
}
