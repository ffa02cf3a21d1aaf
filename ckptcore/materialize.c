/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/major.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "ckptcore/materialize.h"
#include "ckptcore/record.h"
#include "ckptcore/replay.h"

/* Room in the page that every copy has: for small things, and for a path. */
#define ROOM_AT (CKPT_PAGE + 2048)
#define ROOM_PATH (CKPT_PAGE + 4096)

#define PTMX_MINOR 2 /* of TTYAUX_MAJOR */

/* What becomes of a descriptor. */
enum fate {
	REOPEN, /* by a path */
	PIPE,	/* its other end is the program's, too, and nothing is in it */
	CUT,	/* a connection to somebody else */
	REFUSE,
};

struct plan {
	enum fate fate;
	char path[300];	  /* REOPEN */
	int other;	  /* PIPE: a descriptor that is the other end */
	const char *text; /* REFUSE: why; CUT, REOPEN: what is different, or NULL */
};

/* ------------------------------------------------------------------- plans */

static bool is(const char *path, const struct ckpt_file *f)
{
	struct stat st;

	return !stat(path, &st) && st.st_dev == f->dev && st.st_ino == f->ino;
}

/* A descriptor of another process for the same thing, opened the same way. */
static bool find_open(const struct ckpt_file *f, const struct ckpt_sources *from, char *ret,
		      size_t size)
{
	const pid_t pids[] = { from->live, from->debugger };

	for (size_t i = 0; i < sizeof(pids) / sizeof(*pids); i++) {
		char path[64];
		struct dirent *e;
		bool found = false;
		DIR *d;

		if (!pids[i])
			continue;
		snprintf(path, sizeof(path), "/proc/%d/fd", pids[i]);
		d = opendir(path);
		while (d && !found && (e = readdir(d))) {
			snprintf(ret, size, "/proc/%d/fd/%.20s", pids[i], e->d_name);
			found = e->d_name[0] != '.' && is(ret, f);
		}
		if (d)
			closedir(d);
		if (found)
			return true;
	}
	return false;
}

/* What f was of the process itself, below /proc, by its number then. */
static bool is_own(const struct ckpt_file *f, const struct ckpt_sources *from, char *ret,
		   size_t size)
{
	for (size_t i = 0; i < sizeof(from->was) / sizeof(*from->was); i++) {
		char own[32];
		size_t n = (size_t)snprintf(own, sizeof(own), "/proc/%d", from->was[i]);

		if (from->was[i] && !strncmp(f->path, own, n) && strchr("/", f->path[n])) {
			snprintf(ret, size, "/proc/self%s", f->path + n);
			return true;
		}
	}
	return false;
}

/* The master's side of a terminal is a new one each time that it is opened. */
static bool is_master(const struct ckpt_file *f)
{
	struct stat st;

	return S_ISCHR(f->mode) && !stat(f->path, &st) &&
	       st.st_rdev == makedev(TTYAUX_MAJOR, PTMX_MINOR);
}

/* Pipes: how much has gone through its ends, each open file counted once. */
static uint64_t through(const struct ckpt_outside *o, const struct ckpt_file *pipe, bool writing,
			int *fd)
{
	uint64_t sum = 0;

	*fd = -1;
	for (size_t i = 0; i < o->n; i++) {
		const struct ckpt_file *f = &o->files[i];
		bool counted = false;

		if (f->ino != pipe->ino || f->dev != pipe->dev ||
		    ((f->flags & O_ACCMODE) == O_WRONLY) != writing)
			continue;
		for (size_t k = 0; k < i; k++)
			counted |= o->files[k].same == f->same;
		if (!counted)
			sum += f->offset;
		*fd = f->fd;
	}
	return sum;
}

static void plan_pipe(const struct ckpt_outside *o, const struct ckpt_file *f,
		      const struct ckpt_sources *from, struct plan *p)
{
	bool writes = (f->flags & O_ACCMODE) == O_WRONLY;
	uint64_t in, out;
	int reader, writer;

	in = through(o, f, true, &writer);
	out = through(o, f, false, &reader);
	if (!f->made && reader >= 0 && writer >= 0) {
		p->fate = REFUSE;
		p->text = "is a pipe of which nobody knows what is in it";
		return;
	}
	if (!f->made) {
		p->fate = find_open(f, from, p->path, sizeof(p->path)) ? REOPEN : REFUSE;
		p->text = p->fate == REFUSE ? "is a pipe that nobody has open any more" :
			  writes	    ? NULL :
					      "is a pipe: what was read from it later is gone";
		return;
	}
	p->other = writes ? reader : writer;
	p->fate = p->other >= 0 && in == out ? PIPE : REFUSE;
	p->text = p->other < 0 ? "is a pipe whose other end is closed or another process's" :
				 "is a pipe in which something is";
}

static void plan_file(const struct ckpt_outside *o, const struct ckpt_file *f,
		      const struct ckpt_sources *from, struct plan *p)
{
	static char text[300];

	memset(p, 0, sizeof(*p));
	switch (f->mode & S_IFMT) {
	case S_IFIFO:
		if (f->path[0] != '/') {
			plan_pipe(o, f, from, p);
			return;
		}
		break;
	case S_IFSOCK:
		p->fate = CUT;
		p->text = "is a socket: its connection is cut, reads fail with ECONNRESET";
		return;
	case 0:
		p->fate = REFUSE;
		snprintf(text, sizeof(text), "is of a kind that can't be had again (%s)", f->path);
		p->text = text;
		return;
	}
	p->fate = REOPEN;
	if (is_own(f, from, p->path, sizeof(p->path)))
		return;
	if (is_master(f)) {
		p->fate = REFUSE;
		p->text = "is the master's side of a terminal, which can't be had again";
	} else if (f->path[0] == '/' && is(f->path, f)) {
		snprintf(p->path, sizeof(p->path), "%s", f->path);
	} else if (!find_open(f, from, p->path, sizeof(p->path))) {
		p->fate = REFUSE;
		snprintf(text, sizeof(text), "is a file that is gone: %s", f->path);
		p->text = text;
	}
}

static bool was_before(const struct ckpt_outside *o, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (o->files[k].same == o->files[i].same)
			return true;
	return false;
}

int ckpt_materialize_check(const struct ckpt_outside *o, const struct ckpt_sources *from,
			   char *named, size_t named_size, char *reason, size_t reason_size)
{
	struct plan p;
	size_t at = 0;

	named[0] = 0;
	if (o->nchildren) {
		snprintf(reason, reason_size,
			 "it has a child process (%d) there, which can't be had again",
			 o->children[0]);
		return -EPERM;
	}
	if (o->shares_memory || o->ptimers) {
		snprintf(reason, reason_size, "%s",
			 o->ptimers ?
				 "it has a timer there (timer_create), which can't be had again" :
				 "it shares memory with other processes or files there");
		return -EPERM;
	}
	for (size_t i = 0; i < o->n; i++) {
		plan_file(o, &o->files[i], from, &p);
		if (p.fate == REFUSE) {
			snprintf(reason, reason_size, "descriptor %d %s", o->files[i].fd, p.text);
			return -EPERM;
		}
		if (p.fate != PIPE && p.text && !was_before(o, i) && at < named_size)
			at += (size_t)snprintf(named + at, named_size - at, "%sdescriptor %d %s",
					       at ? "\n" : "", o->files[i].fd, p.text);
	}
	return 0;
}

/* --------------------------------------------------------------- doing it */

static long call(struct ckpt_task *p, long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	long res = 0;
	int err = ckpt_inject(p, &res, nr, a, b, c, d, 0, 0);

	return err ? err : res;
}

/* Descriptor `from' becomes number fd. */
static long place(struct ckpt_task *p, long from, const struct ckpt_file *f)
{
	long res = from;

	if (from < 0)
		return from;
	if (from != f->fd) {
		res = call(p, SYS_dup3, (uint64_t)from, (uint64_t)f->fd, 0, 0);
		call(p, SYS_close, (uint64_t)from, 0, 0, 0);
	}
	if (res >= 0 && f->flags & O_CLOEXEC)
		res = call(p, SYS_fcntl, (uint64_t)f->fd, F_SETFD, FD_CLOEXEC, 0);
	return res;
}

static long reopen(struct ckpt_task *p, const struct ckpt_file *f, const char *path)
{
	/* What has to do with names is over; O_TMPFILE contains O_DIRECTORY. */
	const uint32_t no = O_CREAT | O_EXCL | O_TRUNC | O_NOFOLLOW | O_TMPFILE | O_CLOEXEC;
	uint32_t flags = (f->flags & ~no) | (S_ISDIR(f->mode) ? O_DIRECTORY : 0) | O_NOCTTY;
	long fd, res;

	if (ckpt_write(p, ROOM_PATH, path, strlen(path) + 1))
		return -EFAULT;
	/* Nobody may be at the other end of a FIFO or a line. */
	fd = call(p, SYS_openat, (uint64_t)AT_FDCWD, ROOM_PATH, flags | O_NONBLOCK, 0);
	res = place(p, fd, f);
	if (res >= 0 && !(flags & (O_NONBLOCK | O_PATH)))
		res = call(p, SYS_fcntl, (uint64_t)f->fd, F_SETFL, flags, 0);
	/* A folder's end means nothing to ext4 before a first entry was read. */
	if (res >= 0 && f->offset && S_ISDIR(f->mode))
		res = call(p, SYS_getdents64, (uint64_t)f->fd, ROOM_AT, 1024, 0);
	if (res >= 0 && f->offset && (S_ISREG(f->mode) || S_ISDIR(f->mode) || S_ISBLK(f->mode)))
		res = call(p, SYS_lseek, (uint64_t)f->fd, f->offset, SEEK_SET, 0);
	return res;
}

/* The two ends of something new, above all numbers that are to be used. */
static long pair(struct ckpt_task *p, const struct ckpt_outside *o, long made, int ret[2])
{
	uint64_t above = (uint64_t)o->files[o->n - 1].fd + 1;
	int low[2];

	if (made < 0)
		return made;
	if (ckpt_read(p, ROOM_AT, low, sizeof(low)))
		return -EFAULT;
	for (int i = 0; i < 2; i++) {
		ret[i] = (int)call(p, SYS_fcntl, (uint64_t)low[i], F_DUPFD_CLOEXEC, above, 0);
		call(p, SYS_close, (uint64_t)low[i], 0, 0, 0);
	}
	return ret[0] < 0 ? ret[0] : ret[1] < 0 ? ret[1] : 0;
}

static long new_pipe(struct ckpt_task *p, const struct ckpt_outside *o, const struct ckpt_file *f,
		     int other)
{
	const struct ckpt_file *ends[2] = { f, f };
	int fds[2];
	long res = pair(p, o, call(p, SYS_pipe2, ROOM_AT, 0, 0, 0), fds);

	for (size_t i = 0; i < o->n; i++)
		if (o->files[i].fd == other)
			ends[(f->flags & O_ACCMODE) != O_WRONLY] = &o->files[i];
	for (int i = 0; i < 2 && res >= 0; i++) {
		res = place(p, fds[i], ends[i]);
		if (res >= 0)
			res = call(p, SYS_fcntl, (uint64_t)ends[i]->fd, F_SETFL,
				   ends[i]->flags & (O_NONBLOCK | O_DIRECT), 0);
	}
	return res;
}

/* A socket whose peer has gone with something unread: that resets it. */
static long new_cut_socket(struct ckpt_task *p, const struct ckpt_outside *o,
			   const struct ckpt_file *f)
{
	int fds[2];
	long res = pair(p, o, call(p, SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, ROOM_AT), fds);

	if (res < 0)
		return res;
	res = call(p, SYS_write, (uint64_t)fds[0], ROOM_AT, 1, 0);
	call(p, SYS_close, (uint64_t)fds[1], 0, 0, 0);
	if (res >= 0)
		res = place(p, fds[0], f);
	if (res >= 0 && f->flags & O_NONBLOCK)
		res = call(p, SYS_fcntl, (uint64_t)f->fd, F_SETFL, O_RDWR | O_NONBLOCK, 0);
	return res;
}

static bool has(pid_t pid, int fd)
{
	char path[48], to[8];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	return readlink(path, to, sizeof(to)) > 0;
}

static long make_file(struct ckpt_task *p, const struct ckpt_outside *o, size_t i,
		      const struct ckpt_sources *from)
{
	const struct ckpt_file *f = &o->files[i];
	struct plan plan;

	for (size_t k = 0; k < i; k++) /* another number of one that is there */
		if (o->files[k].same == f->same) {
			long fd = call(p, SYS_dup, (uint64_t)o->files[k].fd, 0, 0, 0);

			return place(p, fd, f);
		}
	if (has(p->tgid, f->fd)) /* the other end of a pipe */
		return 0;
	plan_file(o, f, from, &plan);
	switch (plan.fate) {
	case REOPEN:
		return reopen(p, f, plan.path);
	case PIPE:
		return new_pipe(p, o, f, plan.other);
	case CUT:
		return new_cut_socket(p, o, f);
	default:
		return -EPERM;
	}
}

/* Whether the terminal is the program's, as far as others know that. */
static bool group_is_its(pid_t group, const struct ckpt_sources *from)
{
	if (from->live)
		return group == getpgid(from->live);
	return group != getpgid(from->debugger) && kill(-group, 0) < 0; /* it has ended */
}

/* The debugger has given the terminal to the program that it knows. */
static void take_terminal(struct ckpt_task *p, const struct ckpt_sources *from)
{
	const uint64_t all = ~0ull;
	uint64_t mask;
	pid_t group = 0;
	long fd;

	if (ckpt_write(p, ROOM_PATH, "/dev/tty", 9) ||
	    ptrace(PTRACE_GETSIGMASK, p->tid, 8, &mask) < 0)
		return;
	fd = call(p, SYS_openat, (uint64_t)AT_FDCWD, ROOM_PATH, O_RDWR | O_NOCTTY | O_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (!call(p, SYS_ioctl, (uint64_t)fd, TIOCGPGRP, ROOM_AT, 0) &&
	    !ckpt_read(p, ROOM_AT, &group, sizeof(group)) && group_is_its(group, from) &&
	    !ckpt_write(p, ROOM_AT, &p->tgid, sizeof(p->tgid))) {
		/* Who doesn't have it gets SIGTTOU for that. */
		ptrace(PTRACE_SETSIGMASK, p->tid, 8, &all);
		call(p, SYS_ioctl, (uint64_t)fd, TIOCSPGRP, ROOM_AT, 0);
		ptrace(PTRACE_SETSIGMASK, p->tid, 8, &mask);
	}
	call(p, SYS_close, (uint64_t)fd, 0, 0, 0);
}

/* All but descriptors. */
static long make_rest(struct ckpt_task *p, struct ckpt_task **tasks, size_t n,
		      struct ckpt_outside *o, const struct ckpt_sources *from)
{
	long res = 0;

	if (o->folder[0]) {
		if (ckpt_write(p, ROOM_PATH, o->folder, strlen(o->folder) + 1))
			return -EFAULT;
		res = call(p, SYS_chdir, ROOM_PATH, 0, 0, 0);
	}
	if (res >= 0 && o->umask >= 0)
		res = call(p, SYS_umask, (uint64_t)o->umask, 0, 0, 0);
	if (res >= 0 && o->robust)
		res = call(p, SYS_set_robust_list, o->robust, o->robust_len, 0, 0);
	if (res >= 0 && o->clear_tid)
		res = call(p, SYS_set_tid_address, o->clear_tid, 0, 0, 0);
	for (uint64_t i = 0; i < 3 && res >= 0; i++) {
		if (!timerisset(&o->timers[i].it_value))
			continue;
		if (ckpt_write(p, ROOM_AT, &o->timers[i], sizeof(o->timers[i])))
			return -EFAULT;
		res = call(p, SYS_setitimer, i, ROOM_AT, 0, 0);
		o->armed[i] = ckpt_outside_clock(p->tgid, (int)i);
	}
	if (res >= 0 && p->no_exitkill) /* fred's end is its end, too */
		res = call(p, SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
	/* A group of its own: one may be given the terminal's signals. */
	if (res >= 0)
		res = call(p, SYS_setpgid, 0, 0, 0, 0);
	if (res >= 0)
		take_terminal(p, from);
	for (size_t i = 0; i < n && res >= 0 && o->rights_known; i++)
		res = ckpt_rights_give(tasks[i], ROOM_AT, &o->rights);
	if (res >= 0)
		res = call(p, SYS_munmap, CKPT_PAGE, CKPT_PAGE_SIZE, 0, 0);
	return res;
}

static void spare_it(pid_t pid)
{
	char path[48];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "0", 1) < 0) {
		/* a preference, no more */
	}
	close(fd);
}

/* From whatever its last injected call ended with to an interrupt's stop. */
static int stand_still(struct ckpt_task *p)
{
	ckpt_interrupt(p);
	do {
		int err = ckpt_resume(p, PTRACE_CONT, 0);

		if (err)
			return err;
		while (ckpt_wait(p, NULL) == -EINTR)
			;
		if (p->state == CKPT_DEAD)
			return -ESRCH;
	} while (p->state != CKPT_EVENT);
	return 0;
}

/* New pipes have new inodes, and with them other names; so has what is below /proc. */
static void note_names(struct ckpt_task *p, struct ckpt_outside *o)
{
	for (size_t i = 0; i < o->n; i++) {
		struct ckpt_file now, *f = &o->files[i];

		if (ckpt_outside_file(p->tgid, f->fd, &now))
			continue;
		f->dev = now.dev;
		f->ino = now.ino;
		memcpy(f->path, now.path, sizeof(f->path));
	}
}

/* p stands as a live thread does: its own call, in a puppet, has been answered and
 * is over, unless it was interrupted; the kernel's record of the rest of a nap isn't
 * forked. */
static int let_live(struct ckpt_task *p, struct user_regs_struct regs)
{
	int err;

	free(p->play);
	p->play = NULL;
	p->ours = false;
	p->waits_behind = 0; /* it makes it */
	if (!ckpt_interrupted((int64_t)regs.rax))
		regs.orig_rax = (unsigned long long)-1;
	else if ((int64_t)regs.rax == -516)
		regs.rax = (unsigned long long)-514;
	err = stand_still(p);
	if (err)
		return err;
	*ckpt_regs(p) = regs;
	ckpt_regs_dirty(p);
	ckpt_regs_flush(p);
	return 0;
}

int ckpt_materialize(struct ckpt_task **tasks, size_t n, struct ckpt_outside *o,
		     const struct ckpt_sources *from, char *reason, size_t reason_size)
{
	struct ckpt_task *p = tasks[0];
	struct user_regs_struct regs;
	long res = 0;
	int err;

	for (size_t i = 0; i < n; i++)
		if (tasks[i]->tid == tasks[i]->tgid)
			p = tasks[i];
	regs = *ckpt_regs(p);
	for (size_t i = 0; i < o->n && res >= 0; i++) {
		res = make_file(p, o, i, from);
		if (res < 0)
			snprintf(reason, reason_size, "descriptor %d (%s): %s", o->files[i].fd,
				 o->files[i].path, strerror((int)-res));
	}
	if (res >= 0) {
		res = make_rest(p, tasks, n, o, from);
		if (res < 0)
			snprintf(reason, reason_size, "its folder, timers, limits or user: %s",
				 strerror((int)-res));
	}
	if (res < 0)
		return (int)res;
	note_names(p, o);
	spare_it(p->tgid);
	err = let_live(p, regs);
	for (size_t i = 0; i < n && !err; i++)
		if (tasks[i] != p)
			err = let_live(tasks[i], *ckpt_regs(tasks[i]));
	if (err)
		snprintf(reason, reason_size, "its copy died");
	return err;
}

/* -------------------------------------------------------------- timelines */

int ckpt_timeline_branch(struct ckpt_timeline *from, size_t i, uint64_t event,
			 struct ckpt_timeline **ret)
{
	struct ckpt_timeline *tl = ckpt_timeline_create();
	int err = tl ? ckpt_log_share(from, event, tl) : -ENOMEM;

	if (!err) {
		tl->snaps_room = i + 16;
		tl->snaps = calloc(tl->snaps_room, sizeof(struct ckpt_snap *));
		err = tl->snaps ? 0 : -ENOMEM;
	}
	if (err) {
		ckpt_timeline_destroy(tl);
		return err;
	}
	for (; tl->nsnaps <= i; tl->nsnaps++) {
		tl->snaps[tl->nsnaps] = from->snaps[tl->nsnaps];
		tl->snaps[tl->nsnaps]->shared++;
	}
	tl->next_id = from->next_id;
	tl->snap_cost = from->snap_cost;
	tl->last_snap = ckpt_now();
	tl->max_snaps = from->max_snaps;
	tl->truncated = from->truncated;
	tl->told_thin = from->told_thin;
	tl->told_cut = from->told_cut;
	*ret = tl;
	return 0;
}
