/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the recorder and the log know of a program's descriptors and the like,
 * compared with /proc: a process does thousands of random things with them.
 * outside_test [SEED]
 */
#include <poll.h>
#include <pthread.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "ckptcore/outside.h"
#include "ckptcore/record.h"
#include "engine_test.h"

#define FDS 24	   /* numbers that are used */
#define LOW 3	   /* the first of them */
#define ROUNDS 200 /* marks */

static char folder[] = "/tmp/fred-outside-XXXXXX";
static unsigned int seed;
static uint64_t room[8]; /* in the program, for calls of ours */

/* ------------------------------------------------------------- the program */

static unsigned int rnd(unsigned int n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 16) % n;
}

static int any(void)
{
	return LOW + (int)rnd(FDS);
}

static void do_open(void)
{
	static const int flags[] = { O_RDONLY,
				     O_RDWR,
				     O_WRONLY | O_APPEND,
				     O_RDWR | O_APPEND,
				     O_RDWR | O_CLOEXEC,
				     O_RDWR | O_NONBLOCK };
	char path[64];

	snprintf(path, sizeof(path), rnd(2) ? "f%u" : "../d/f%u", rnd(5));
	syscall(rnd(2) ? SYS_openat : SYS_openat, AT_FDCWD, path,
		flags[rnd(6)] | (rnd(4) ? 0 : O_TRUNC) | O_CREAT, 0600);
}

static void do_special(void)
{
	sigset_t none;
	int fds[2];

	sigemptyset(&none);
	switch (rnd(15)) {
	case 0:
	case 1:
	case 2:
		syscall(SYS_pipe2, fds, rnd(2) ? O_CLOEXEC : O_NONBLOCK);
		break;
	case 3:
		syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM | (rnd(2) ? SOCK_CLOEXEC : 0), 0, fds);
		break;
	case 4:
		syscall(SYS_memfd_create, "some", rnd(2) ? MFD_CLOEXEC : 0);
		break;
	case 5:
		syscall(SYS_eventfd2, 3, rnd(2) ? EFD_NONBLOCK : 0);
		break;
	case 6:
		syscall(SYS_openat, AT_FDCWD, rnd(2) ? "." : "/dev", O_RDONLY | O_DIRECTORY);
		break;
	case 7:
		syscall(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		break;
	case 8: /* with another number, and then other signals */
		fds[0] = (int)syscall(SYS_signalfd4, -1, &none, 8, rnd(2) ? SFD_CLOEXEC : 0);
		syscall(SYS_dup, fds[0]);
		syscall(SYS_signalfd4, fds[0], &none, 8, 0);
		break;
	case 9:
		syscall(SYS_inotify_init1, IN_NONBLOCK);
		break;
	case 10:
		syscall(SYS_epoll_create1, EPOLL_CLOEXEC);
		break;
	case 11:
		syscall(SYS_timerfd_create, CLOCK_MONOTONIC, 0);
		break;
	case 12:
		syscall(SYS_openat, AT_FDCWD, folder, O_TMPFILE | O_RDWR, 0600);
		break;
	case 13:
		syscall(SYS_open_tree, AT_FDCWD, ".", O_CLOEXEC);
		break;
	case 14: /* makes a descriptor, or tells a version */
		syscall(SYS_landlock_create_ruleset,
			&(struct landlock_ruleset_attr){ .handled_access_fs = 1 }, 8, 0);
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
		break;
	}
}

/* Two descriptors on their way through a socket, to be got by one or two calls; and
 * one through another process' eyes. */
static void do_passing(void)
{
	int ends[2], fds[2] = { any(), any() }, self;
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(fds))];
	} control = { .head = { CMSG_LEN(sizeof(fds)), SOL_SOCKET, SCM_RIGHTS } };
	char byte = 0;
	struct iovec v = { &byte, 1 };
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &v,
					  .msg_iovlen = 1,
					  .msg_control = control.bytes,
					  .msg_controllen = sizeof(control.bytes) } };

	memcpy(CMSG_DATA(&control.head), fds, sizeof(fds));
	if (rnd(2)) {
		self = (int)syscall(SYS_pidfd_open, getpid(), 0);
		syscall(SYS_pidfd_getfd, self, fds[0], 0);
		syscall(SYS_close, self);
		return;
	}
	if (syscall(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, ends))
		return;
	if (syscall(SYS_sendmsg, ends[0], &m.msg_hdr, 0) == 1) {
		memset(control.bytes, 0, sizeof(control.bytes));
		if (rnd(2))
			syscall(SYS_recvmsg, ends[1], &m.msg_hdr, rnd(2) ? MSG_CMSG_CLOEXEC : 0);
		else
			syscall(SYS_recvmmsg, ends[1], &m, 1, 0, NULL);
	}
	syscall(SYS_close, ends[0]);
	syscall(SYS_close, ends[1]);
}

/* What may block isn't asked for. */
static bool never_blocks(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

static bool is_pipe(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISFIFO(st.st_mode);
}

/* A pipe's end of one kind, or any descriptor if there is none. */
static int any_end(int access)
{
	int fd = any();

	for (int i = 0; i < FDS; i++) {
		int k = LOW + (fd - LOW + i) % FDS;

		if (is_pipe(k) && (fcntl(k, F_GETFL) & O_ACCMODE) == access)
			return k;
	}
	return fd;
}

static bool has_something(int fd)
{
	int n;

	return is_pipe(fd) && !ioctl(fd, FIONREAD, &n) && n > 0;
}

static bool has_room(int fd)
{
	struct pollfd p = { fd, POLLOUT, 0 };

	return is_pipe(fd) && poll(&p, 1, 0) == 1 && p.revents == POLLOUT;
}

static void do_pipes(void)
{
	char buf[300];
	struct iovec v[2] = { { buf, rnd(100) }, { buf + 100, 1 + rnd(100) } };
	int fd = rnd(4) ? any_end(O_RDONLY) : any(), to = any_end(O_WRONLY);

	memset(buf, 'p', sizeof(buf));
	switch (rnd(7)) {
	case 0:
		if (has_something(fd))
			syscall(SYS_read, fd, buf, rnd(300));
		break;
	case 1:
		if (has_room(to))
			syscall(SYS_write, to, buf, rnd(300));
		break;
	case 2:
		if (has_room(to))
			syscall(SYS_writev, to, v, 2);
		if (has_something(fd))
			syscall(SYS_readv, fd, v, 2);
		break;
	case 3:
		if (has_something(fd) && has_room(to)) /* the flag is for pipes only */
			syscall(SYS_splice, fd, never_blocks(fd) && rnd(2) ? &(off_t){ 2 } : NULL,
				to, NULL, rnd(200), SPLICE_F_NONBLOCK);
		break;
	case 4:
		syscall(SYS_tee, fd, to, rnd(200), SPLICE_F_NONBLOCK);
		break;
	case 5:
		fd = rnd(2) ? fd : to;
		if (is_pipe(fd))
			syscall(SYS_vmsplice, fd, v, 2, SPLICE_F_NONBLOCK);
		break;
	case 6:
		if (never_blocks(fd) && has_room(to))
			syscall(SYS_sendfile, to, fd, rnd(2) ? NULL : &(off_t){ 3 }, rnd(100));
		break;
	}
}

static void do_io(void)
{
	char buf[4096];
	struct iovec v[2] = { { buf, rnd(100) }, { buf + 200, rnd(100) } };
	int fd = any(), to = any();

	memset(buf, 'x', sizeof(buf));
	if (!never_blocks(fd))
		return;
	switch (rnd(11)) {
	case 0:
		syscall(SYS_read, fd, buf, rnd(300));
		break;
	case 1:
		syscall(SYS_write, fd, buf, rnd(300));
		break;
	case 2:
		syscall(SYS_lseek, fd, rnd(1000), SEEK_SET);
		break;
	case 3:
		syscall(SYS_lseek, fd, rnd(2) ? 5 : 0, rnd(2) ? SEEK_CUR : SEEK_END);
		break;
	case 4:
		syscall(rnd(2) ? SYS_readv : SYS_writev, fd, v, 2);
		break;
	case 5:
		syscall(rnd(2) ? SYS_pread64 : SYS_pwrite64, fd, buf, rnd(50), rnd(500));
		break;
	case 6:
		syscall(rnd(2) ? SYS_preadv2 : SYS_pwritev2, fd, v, 2, rnd(2) ? -1l : 7l, -1l, 0);
		break;
	case 7:
		if (never_blocks(to))
			syscall(SYS_sendfile, to, fd, rnd(2) ? NULL : &(off_t){ 3 }, rnd(100));
		break;
	case 8:
		syscall(rnd(2) ? SYS_getdents64 : SYS_getdents, fd, buf, 100 + rnd(2000));
		break;
	case 9:
		syscall(SYS_pwritev2, fd, v, 2, rnd(2) ? -1l : 7l, -1l, RWF_APPEND);
		break;
	case 10:
		if (never_blocks(to))
			syscall(SYS_copy_file_range, fd, rnd(2) ? NULL : &(off_t){ 3 }, to,
				rnd(2) ? NULL : &(off_t){ 600 }, rnd(100), 0);
		break;
	}
}

static void do_numbers(void)
{
	int fd = any();

	switch (rnd(10)) {
	case 0:
		syscall(SYS_dup, fd);
		break;
	case 1:
		syscall(SYS_dup2, fd, any());
		break;
	case 2:
		syscall(SYS_dup3, fd, any(), rnd(2) ? O_CLOEXEC : 0);
		break;
	case 3:
		syscall(SYS_fcntl, fd, rnd(2) ? F_DUPFD : F_DUPFD_CLOEXEC, any());
		break;
	case 4:
		syscall(SYS_fcntl, fd, F_SETFD, rnd(2));
		break;
	case 5:
		syscall(SYS_fcntl, fd, F_SETFL,
			(rnd(2) ? O_APPEND : 0) | (rnd(2) ? O_NONBLOCK : 0) |
				(rnd(2) ? O_ASYNC : 0));
		break;
	case 6:
		syscall(SYS_ioctl, fd, rnd(2) ? FIOCLEX : FIONCLEX);
		break;
	case 7:
		syscall(SYS_close, fd);
		break;
	case 8:
		if (!rnd(4))
			syscall(SYS_close_range, fd, fd + (int)rnd(4), rnd(2) ? 4 : 0);
		break;
	case 9:
		syscall(SYS_ioctl, fd, rnd(2) ? FIONBIO : FIOASYNC, &(int){ (int)rnd(2) });
		break;
	}
}

static void mark(void)
{
	__asm__ volatile("int3" ::"a"(1ul) : "memory");
}

/* A child that uses what is open, and is waited for in one way or another. */
static void do_child(void)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	int fd = any(), status;
	siginfo_t si;
	pid_t pid =
		rnd(2) ? (pid_t)syscall(SYS_fork) : (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (!pid) {
		if (never_blocks(fd) || has_room(fd))
			syscall(SYS_write, fd, "child", 5);
		if (rnd(2))
			syscall(SYS_kill, syscall(SYS_getpid), SIGSTOP);
		syscall(SYS_exit_group, 0);
	}
	status = 0;
	switch (rnd(4)) {
	case 0: /* it may have stopped only */
		while (syscall(SYS_wait4, pid, &status, WUNTRACED, NULL) == pid &&
		       WIFSTOPPED(status)) {
			mark();
			syscall(SYS_kill, pid, SIGCONT);
		}
		break;
	case 1:
		syscall(SYS_waitid, P_PID, pid, &si, WEXITED | WSTOPPED | WNOWAIT, NULL);
		mark();
		syscall(SYS_kill, pid, SIGCONT);
		syscall(SYS_waitid, P_PID, pid, rnd(2) ? &si : NULL, WEXITED, NULL);
		break;
	default:
		while (syscall(SYS_wait4, pid, NULL, WNOHANG, NULL) == 0)
			syscall(SYS_kill, pid, SIGCONT);
	}
}

static void do_rest(void)
{
	static struct {
		void *next;
		long offset;
		void *pending;
	} robust[2] = { { robust, 0, NULL }, { robust + 1, 0, NULL } };
	static int tids[2];
	struct itimerval it = { { 500, 0 }, { 200 + (time_t)rnd(500), 0 } };
	struct rlimit limit = { 0, 1000 };
	char path[64];

	if (!rnd(3))
		timerclear(&it.it_value);
	switch (rnd(9)) {
	case 0:
		snprintf(path, sizeof(path), "%s/%s", folder, rnd(2) ? "d" : "e");
		syscall(SYS_chdir, path);
		break;
	case 1:
		syscall(SYS_umask, rnd(0777));
		break;
	case 2:
		syscall(SYS_setitimer, rnd(3), &it, NULL);
		break;
	case 3:
		syscall(SYS_alarm, 300 + rnd(100));
		break;
	case 4:
		syscall(SYS_set_robust_list, &robust[rnd(2)], sizeof(robust[0]));
		break;
	case 5:
		syscall(SYS_set_tid_address, &tids[rnd(2)]);
		break;
	case 6:
		limit.rlim_cur = rnd(1000);
		if (rnd(2))
			syscall(SYS_setrlimit, RLIMIT_CORE, &limit);
		else
			syscall(SYS_prlimit64, 0, RLIMIT_CORE, rnd(2) ? &limit : NULL, &limit);
		break;
	case 7:
		syscall(SYS_setpriority, PRIO_PROCESS, 0, rnd(3));
		break;
	case 8: /* as root, else they fail */
		if (rnd(2))
			syscall(SYS_setgroups, rnd(3), (gid_t[]){ 3, 4 });
		else
			syscall(SYS_setresgid, -1, rnd(9), -1);
		break;
	}
}

static void program(void)
{
	static void (*const what[])(
		void) = { do_open,    do_open,	  do_special, do_special, do_io,    do_io,
			  do_io,      do_io,	  do_pipes,   do_pipes,	  do_pipes, do_numbers,
			  do_numbers, do_passing, do_rest,    do_rest,	  do_child };

	signal(SIGPIPE, SIG_IGN);
	signal(SIGIO, SIG_IGN);
	for (int i = 0; i < ROUNDS; i++) {
		for (unsigned int k = rnd(12); k; k--)
			what[rnd(sizeof(what) / sizeof(*what))]();
		mark();
	}
	_exit(0);
}

/* -------------------------------------------------------------- comparing */

static struct ckpt_timeline *tl;

/* Says so, and which calls were the last. */
static void wrong(const char *what, int fd, uint64_t mine, uint64_t real)
{
	printf("not ok - %s of descriptor %d: %#llx, really %#llx (seed %u)\n", what, fd,
	       (unsigned long long)mine, (unsigned long long)real, seed);
	for (uint64_t i = tl->nevents < 12 ? 0 : tl->nevents - 12; i < tl->nevents; i++) {
		struct ckpt_event ev = ckpt_log_event(tl, i);

		printf("# %s(%lld, %#llx, %#llx, %#llx) = %lld\n", ckpt_call_name(ev.nr),
		       (long long)ev.args[0], (unsigned long long)ev.args[1],
		       (unsigned long long)ev.args[2], (unsigned long long)ev.args[3],
		       (long long)ev.result);
	}
	exit(1);
}

static void same(const char *what, uint64_t mine, uint64_t real)
{
	if (mine != real)
		wrong(what, -1, mine, real);
}

/* What is in a pipe of the program's, as its ends have counted it; -1: it has only
 * one of them. */
static int64_t content(const struct ckpt_outside *o, const struct ckpt_file *pipe)
{
	const struct ckpt_file *ends[2] = { NULL, NULL };

	for (size_t i = 0; i < o->n; i++)
		if (o->files[i].ino == pipe->ino)
			ends[(o->files[i].flags & O_ACCMODE) == O_WRONLY] = &o->files[i];
	return ends[0] && ends[1] ? (int64_t)(ends[1]->offset - ends[0]->offset) : -1;
}

static void compare_pipe(const struct ckpt_outside *mine, const struct ckpt_file *f)
{
	int64_t n = content(mine, f);
	char path[64];
	int fd, real;

	if (n < 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", tl->live->tid, f->fd);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	need(fd >= 0 && !ioctl(fd, FIONREAD, &real));
	close(fd);
	if (n != real)
		wrong("content", f->fd, (uint64_t)n, (uint64_t)real);
}

static struct ckpt_outside first; /* as it began */

static bool was_there(const struct ckpt_file *f)
{
	for (size_t i = 0; i < first.n; i++)
		if (first.files[i].ino == f->ino && first.files[i].dev == f->dev)
			return true;
	return false;
}

/* What a child moves is known once it has been waited for. */
static void compare_file(const struct ckpt_outside *mine, const struct ckpt_file *a,
			 const struct ckpt_file *b)
{
	bool made = S_ISFIFO(b->mode) && !was_there(b);

	if (a->ino != b->ino || a->mode != b->mode)
		wrong("file", a->fd, a->ino, b->ino);
	if (a->flags != b->flags)
		wrong("flags", a->fd, a->flags, b->flags);
	if ((S_ISREG(a->mode) || S_ISDIR(a->mode)) && !mine->nchildren && a->offset != b->offset)
		wrong("offset", a->fd, a->offset, b->offset);
	if (strcmp(a->path, b->path))
		wrong(a->path, a->fd, 0, 0);
	if (a->made != made)
		wrong("made", a->fd, a->made, made);
	if (made && !mine->nchildren)
		compare_pipe(mine, a);
}

/* What /proc doesn't tell, the program is made to ask for. */
static void compare_calls(struct ckpt_outside *mine, bool is_past)
{
	uint64_t value, at = (uint64_t)room;

	for (uint64_t i = 0; i < 3; i++) {
		struct itimerval it, *my = &mine->timers[i];
		bool set = timerisset(&my->it_value);

		need(!inject(tl->live, SYS_getitimer, i, at, 0));
		need(!ckpt_read(tl->live, at, &it, sizeof(it)));
		if (!is_past)
			ckpt_outside_age(mine, tl->live->tgid);
		same("timer", set, timerisset(&it.it_value));
		if (set && labs(my->it_value.tv_sec - it.it_value.tv_sec) > (is_past ? 30 : 1))
			wrong("time left", (int)i, (uint64_t)my->it_value.tv_sec,
			      (uint64_t)it.it_value.tv_sec);
		if (set)
			same("interval", (uint64_t)my->it_interval.tv_sec,
			     (uint64_t)it.it_interval.tv_sec);
	}
	need(!inject(tl->live, SYS_prctl, PR_GET_TID_ADDRESS, at, 0));
	need(!ckpt_read(tl->live, at, &value, sizeof(value)));
	if (mine->clear_tid) /* else from before */
		same("clear_tid", mine->clear_tid, value);
	if (mine->umask >= 0)
		same("umask", (uint64_t)mine->umask, status_of(tl->live->tid, "Umask", 8));
}

static void compare(struct ckpt_outside *mine, const struct ckpt_outside *real, bool is_past)
{
	for (size_t i = 0; i < mine->n || i < real->n; i++) {
		const struct ckpt_file *a = &mine->files[i], *b = &real->files[i];

		if (i >= mine->n || i >= real->n || a->fd != b->fd)
			wrong("number", i < mine->n ? a->fd : -1, mine->n, real->n);
		compare_file(mine, a, b);
		for (size_t k = 0; k < i; k++)
			if ((a->same == mine->files[k].same) != (b->same == real->files[k].same))
				wrong("sharing", a->fd, a->same, (uint64_t)mine->files[k].fd);
	}
	if (strcmp(mine->folder, real->folder))
		wrong(mine->folder, -1, 0, 0);
	same("children", mine->nchildren, real->nchildren);
	same("robust list", mine->robust, real->robust);
	need(mine->rights_known && real->rights_known);
	same("rights", (uint64_t)memcmp(&mine->rights, &real->rights, sizeof(mine->rights)), 0);
	same("robust list's length", mine->robust_len, real->robust_len);
	compare_calls(mine, is_past);
}

static bool marked;

static void live_stopped(struct ckpt_task *t, const struct ckpt_stop *stop)
{
	if (ckpt_target_stopped(t) != CKPT_REPORT || stop->state == CKPT_DEAD)
		return;
	if (t->state == CKPT_SIGNAL && t->stop.sig == SIGTRAP)
		marked = true;
	else
		ckpt_target_resume(t, PTRACE_CONT, t->state == CKPT_SIGNAL ? t->stop.sig : 0);
}

static void other_stopped(struct ckpt_task *t, const struct ckpt_stop *stop)
{
	if (stop->state == CKPT_DEAD)
		ckpt_forget(t);
	else
		ckpt_resume(t, PTRACE_CONT, 0);
}

static const struct ckpt_task_ops other_ops = { .name = "other", .stopped = other_stopped };

static void live_forked(struct ckpt_task *t, struct ckpt_task *child, int event)
{
	(void)t;
	(void)event;
	child->ops = &other_ops;
	ckpt_first_stop(child);
}

static const struct ckpt_task_ops live_ops = { .name = "live",
					       .stopped = live_stopped,
					       .forked = live_forked };

static void on_tick(int sig)
{
	(void)sig;
}

/* To the next mark; false: it has ended. */
static bool run_on(void)
{
	const struct itimerval tick = { { 0, 10000 }, { 0, 10000 } }, off = { 0 };

	marked = false;
	setitimer(ITIMER_REAL, &tick, NULL);
	ckpt_target_resume(tl->live, PTRACE_CONT, 0);
	while (tl->live && !marked)
		if (ckpt_wait_any() == -ECHILD)
			break;
	setitimer(ITIMER_REAL, &off, NULL);
	return tl->live && marked;
}

static void start(void)
{
	const struct sigaction ticks = { .sa_handler = on_tick };
	int go[2];
	char byte = 0;
	pid_t pid;

	tl = ckpt_timeline_create();
	need(tl && !pipe2(go, O_CLOEXEC));
	pid = fork();
	need(pid >= 0);
	if (!pid) {
		if (read(go[0], &byte, 1) != 1)
			_exit(9);
		close(go[0]);
		close(go[1]);
		mark();
		program();
	}
	sigaction(SIGALRM, &ticks, NULL);
	need(!ckpt_seize(pid, pid, &live_ops, true, &tl->live));
	need(write(go[1], &byte, 1) == 1);
	close(go[0]);
	close(go[1]);
	wait_task(tl->live);
	need(at_mark(tl->live, 1));
	tl->live->timeline = tl;
	need(!ckpt_record_start(tl) && !ckpt_outside_capture(tl->live, &first));
	need(!ckpt_snapshot(tl, CKPT_END_NOW, true, 0, NULL));
}

static void knows_what_was_done(void)
{
	struct ckpt_outside real, *now, *replayed;
	uint64_t n = 0;

	start();
	while (run_on()) {
		need(!ckpt_outside_capture(tl->live, &real));
		now = ckpt_outside_copy(tl->outside);
		need(now && !ckpt_outside_at(tl, tl->nsnaps - 1, tl->nevents, &replayed));
		compare(now, &real, false);
		compare(replayed, &real, true);
		ckpt_outside_free(now);
		ckpt_outside_free(replayed);
		free(real.files);
		n++;
		if (n % 50 == 0)
			need(!ckpt_snapshot(tl, CKPT_END_MATCH, false, 0, NULL));
	}
	ok(n >= ROUNDS && tl->recording, "%llu times as /proc says, %llu events, end %#x",
	   (unsigned long long)n, (unsigned long long)tl->nevents, tl->end_status);
}

static int told[2]; /* a pipe: children that were made */

static void *makes_child(void *arg)
{
	pid_t pid = fork();

	(void)arg;
	if (!pid) {
		for (;;)
			pause();
	}
	need(write(told[1], &pid, sizeof(pid)) == sizeof(pid));
	pause();
	return NULL;
}

static void sees_children_of_all_threads(void)
{
	struct ckpt_outside o;
	struct ckpt_task *t;
	pthread_t thread;
	pid_t pid, children[2];

	need(!pipe2(told, O_CLOEXEC));
	pid = fork();
	need(pid >= 0);
	if (!pid) {
		need(!pthread_create(&thread, NULL, makes_child, NULL));
		makes_child(NULL);
	}
	need(read(told[0], &children[0], sizeof(pid)) == sizeof(pid));
	need(read(told[0], &children[1], sizeof(pid)) == sizeof(pid));
	need(!ckpt_seize(pid, pid, &plain_ops, true, &t));
	ckpt_interrupt(t);
	wait_task(t);
	need(!ckpt_outside_capture(t, &o));
	ok(o.nchildren == 2 && o.children[0] + o.children[1] == children[0] + children[1] &&
		   (o.children[0] == children[0] || o.children[0] == children[1]),
	   "children of two threads");
	free(o.files);
	for (int i = 0; i < 2; i++) /* they fall to us */
		need(!kill(children[i], SIGKILL));
	ckpt_kill(t);
	for (int i = 0; i < 2; i++)
		need(waitpid(children[i], NULL, 0) == children[i]);
}

int main(int argc, char **argv)
{
	char command[80];

	start_engine();
	seed = argc > 1 ? (unsigned int)atoi(argv[1]) : (unsigned int)getpid();
	printf("# seed %u\n", seed);
	need(mkdtemp(folder) && !chdir(folder) && !mkdir("d", 0700) && !mkdir("e", 0700));
	need(!chdir("d"));
	knows_what_was_done();
	sees_children_of_all_threads();
	snprintf(command, sizeof(command), "rm -r %s", folder);
	need(!system(command));
	return 0;
}
