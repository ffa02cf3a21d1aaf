/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the recorder and the log know of a program's descriptors and the like,
 * compared with /proc: a process does thousands of random things with them.
 * outside_test [SEED]
 */
#include <dirent.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
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
	int fds[2];

	switch (rnd(6)) {
	case 0:
		syscall(SYS_pipe2, fds, rnd(2) ? O_CLOEXEC : O_NONBLOCK);
		break;
	case 1:
		syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM | (rnd(2) ? SOCK_CLOEXEC : 0), 0, fds);
		break;
	case 2:
		syscall(SYS_memfd_create, "some", rnd(2) ? MFD_CLOEXEC : 0);
		break;
	case 3:
		syscall(SYS_eventfd2, 3, rnd(2) ? EFD_NONBLOCK : 0);
		break;
	case 4:
		syscall(SYS_openat, AT_FDCWD, rnd(2) ? "." : "/dev", O_RDONLY | O_DIRECTORY);
		break;
	case 5:
		syscall(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		break;
	}
}

/* What may block isn't asked for. */
static bool never_blocks(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

static void do_io(void)
{
	char buf[4096];
	struct iovec v[2] = { { buf, rnd(100) }, { buf + 200, rnd(100) } };
	int fd = any(), to = any();

	memset(buf, 'x', sizeof(buf));
	if (!never_blocks(fd))
		return;
	switch (rnd(9)) {
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
		syscall(SYS_getdents64, fd, buf, 100 + rnd(2000));
		break;
	}
}

static void do_numbers(void)
{
	int fd = any();

	switch (rnd(9)) {
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
			(rnd(2) ? O_APPEND : 0) | (rnd(2) ? O_NONBLOCK : 0));
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
	}
}

static void do_rest(void)
{
	struct itimerval it = { { 500, 0 }, { (time_t)rnd(500), 0 } };
	char path[64];
	int status;
	pid_t pid;

	switch (rnd(5)) {
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
		pid = (pid_t)syscall(SYS_fork);
		if (!pid)
			syscall(SYS_exit_group, 0);
		break;
	case 4:
		syscall(SYS_wait4, -1, &status, WNOHANG, NULL);
		break;
	}
}

static void mark(void)
{
	__asm__ volatile("int3" ::"a"(1ul) : "memory");
}

static void program(void)
{
	static void (*const what[])(void) = { do_open, do_open, do_special, do_io,	do_io,
					      do_io,   do_io,	do_numbers, do_numbers, do_rest };

	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < ROUNDS; i++) {
		for (unsigned int k = rnd(12); k; k--)
			what[rnd(10)]();
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

static void compare(const struct ckpt_outside *mine, const struct ckpt_outside *real)
{
	for (size_t i = 0; i < mine->n || i < real->n; i++) {
		const struct ckpt_file *a = &mine->files[i], *b = &real->files[i];

		if (i >= mine->n || i >= real->n || a->fd != b->fd)
			wrong("number", i < mine->n ? a->fd : -1, mine->n, real->n);
		if (a->ino != b->ino || a->mode != b->mode)
			wrong("file", a->fd, a->ino, b->ino);
		if (a->flags != b->flags)
			wrong("flags", a->fd, a->flags, b->flags);
		if ((S_ISREG(a->mode) || S_ISDIR(a->mode)) && a->offset != b->offset)
			wrong("offset", a->fd, a->offset, b->offset);
		if (strcmp(a->path, b->path))
			wrong(a->path, a->fd, 0, 0);
		for (size_t k = 0; k < i; k++)
			if ((a->same == mine->files[k].same) != (b->same == real->files[k].same))
				wrong("sharing", a->fd, a->same, (uint64_t)mine->files[k].fd);
	}
	if (strcmp(mine->folder, real->folder))
		wrong(mine->folder, -1, 0, 0);
	if (mine->nchildren != real->nchildren)
		wrong("children", -1, mine->nchildren, real->nchildren);
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

/* To the next mark; false: it has ended. */
static bool run_on(void)
{
	marked = false;
	ckpt_target_resume(tl->live, PTRACE_CONT, 0);
	while (tl->live && !marked)
		if (ckpt_wait_any() == -ECHILD)
			break;
	return tl->live && marked;
}

static void start(void)
{
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
	need(!ckpt_seize(pid, pid, &live_ops, true, &tl->live));
	need(write(go[1], &byte, 1) == 1);
	close(go[0]);
	close(go[1]);
	wait_task(tl->live);
	need(at_mark(tl->live, 1));
	tl->live->timeline = tl;
	need(!ckpt_record_start(tl));
	need(!ckpt_snapshot(tl, CKPT_END_NOW, true, 0, NULL));
}

int main(int argc, char **argv)
{
	struct ckpt_outside real, *replayed;
	uint64_t n = 0, umask_now;
	char command[80];

	start_engine();
	seed = argc > 1 ? (unsigned int)atoi(argv[1]) : (unsigned int)getpid();
	printf("# seed %u\n", seed);
	need(mkdtemp(folder) && !chdir(folder) && !mkdir("d", 0700) && !mkdir("e", 0700));
	need(!chdir("d"));
	start();
	while (run_on()) {
		need(!ckpt_outside_capture(tl->live, &real));
		compare(tl->outside, &real);
		need(!ckpt_outside_at(tl, tl->nsnaps - 1, tl->nevents, &replayed));
		compare(replayed, &real);
		umask_now = status_of(tl->live->tid, "Umask", 8);
		if (replayed->umask >= 0 && (uint64_t)replayed->umask != umask_now)
			wrong("umask", -1, (uint64_t)replayed->umask, umask_now);
		ckpt_outside_free(replayed);
		free(real.files);
		n++;
		if (n % 50 == 0)
			need(!ckpt_snapshot(tl, CKPT_END_MATCH, false, 0, NULL));
	}
	ok(n == ROUNDS && tl->recording, "%llu times as /proc says, %llu events, end %#x",
	   (unsigned long long)n, (unsigned long long)tl->nevents, tl->end_status);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	need(!system(command));
	return 0;
}
