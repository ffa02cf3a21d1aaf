/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <asm/termbits.h>
#include <linux/magic.h>
#include <linux/prctl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "ckptcore/quick_kinds.h"
#include "ckptcore/written.h"

#define PLAIN CKPT_QUICK_PLAIN
#define FILE_ CKPT_QUICK_FILE
#define WRITES CKPT_QUICK_WRITES
#define RANGE CKPT_QUICK_RANGE
#define WAITS CKPT_QUICK_WAITS
#define HALF CKPT_QUICK_HALF
#define MAKES CKPT_QUICK_MAKES
#define FAILS CKPT_QUICK_FAILS
#define ASKS CKPT_QUICK_ASKS

/* Outputs in argument a: so many bytes / as many units of n bytes as the result says, or argument
 * m, if that is less / as argument m says, and so on, see enum ckpt_quick_count. */
#define BYTES(a, n)                               \
	{                                         \
		.used = 1, .at = (a), .size = (n) \
	}
#define COUNT(a, c, m, n)                                                    \
	{                                                                    \
		.used = 1, .at = (a), .count = (c), .most = (m), .unit = (n) \
	}
#define UNITS(a, m, n) COUNT(a, CKPT_QUICK_RESULT, m, n)
#define RESULT(a, m) UNITS(a, m, 1)
/* ... that follow on a message's type */
#define BEHIND_TYPE(a, m)                                                                 \
	{                                                                                 \
		.used = 1, .at = (a), .count = CKPT_QUICK_RESULT, .most = (m), .unit = 1, \
		.size = sizeof(long)                                                      \
	}
#define ROOM(a, m, n) COUNT(a, CKPT_QUICK_ROOM, m, n)
#define BITS(a) COUNT(a, CKPT_QUICK_BITS, 0, 8)
#define ADDRESS(a) COUNT(a, CKPT_QUICK_LENGTH, 0, 1), BYTES((a) + 1, 4)
#define OUT(...) .outputs = { __VA_ARGS__ }

#define CALL(name, what, ...)                          \
	{                                              \
		SYS_##name,                            \
		{                                      \
			.flags = (what), ##__VA_ARGS__ \
		}                                      \
	}

/* What may be quick: calls of which everything is known by their registers and this. */
static const struct {
	short nr;
	struct ckpt_quick_kind kind;
} kinds[] = {
	/* Descriptors. */
	CALL(read, FILE_, OUT(RESULT(1, 2))),
	CALL(pread64, FILE_, OUT(RESULT(1, 2))),
	CALL(readv, FILE_ | CKPT_QUICK_SCATTERS),
	CALL(preadv, FILE_ | CKPT_QUICK_SCATTERS),
	CALL(write, FILE_ | WRITES),
	CALL(pwrite64, FILE_ | WRITES),
	CALL(writev, FILE_ | CKPT_QUICK_GATHERS),
	CALL(pwritev, FILE_ | CKPT_QUICK_GATHERS),
	CALL(sendfile, FILE_ | WAITS | ASKS | FAILS, OUT(BYTES(2, 8))),
	CALL(lseek, FILE_),
	CALL(ioctl, CKPT_QUICK_ONLY, OUT(BYTES(2, 36)), .only = 1, .value = TCGETS),
	CALL(ioctl, CKPT_QUICK_ONLY, OUT(BYTES(2, 4)), .only = 1, .value = FIONREAD),
	CALL(ioctl, CKPT_QUICK_ONLY, OUT(BYTES(2, 8)), .only = 1, .value = TIOCGWINSZ),
	CALL(getdents, FILE_ | CKPT_QUICK_MOVES, OUT(RESULT(1, 2))),
	CALL(getdents64, FILE_ | CKPT_QUICK_MOVES, OUT(RESULT(1, 2))),
	CALL(ftruncate, FILE_),
	CALL(fallocate, FILE_),
	CALL(fchmod, FILE_),
	CALL(fchown, FILE_),
	CALL(sync, WAITS),
	CALL(syncfs, WAITS),
	CALL(fsync, FILE_ | WAITS),
	CALL(fdatasync, FILE_ | WAITS),
	CALL(sync_file_range, FILE_ | WAITS),
	CALL(readahead, FILE_),
	CALL(fadvise64, PLAIN),
	CALL(flock, WAITS | ASKS),
	CALL(fcntl, PLAIN | CKPT_QUICK_CONTROL),
	CALL(open, CKPT_QUICK_OPENS | MAKES),
	CALL(openat, CKPT_QUICK_OPENS | MAKES, .path = 1),
	CALL(close, CKPT_QUICK_CLOSES),
	CALL(close_range, HALF),
	CALL(dup, PLAIN | CKPT_QUICK_COPIES),
	CALL(dup2, PLAIN | CKPT_QUICK_COPIES),
	CALL(dup3, PLAIN | CKPT_QUICK_COPIES),
	CALL(pipe, CKPT_QUICK_PAIR, OUT(BYTES(0, 8))),
	CALL(pipe2, CKPT_QUICK_PAIR, OUT(BYTES(0, 8))),
	CALL(memfd_create, MAKES),
	CALL(eventfd, MAKES),
	CALL(eventfd2, MAKES),
	CALL(timerfd_create, MAKES),
	CALL(timerfd_settime, PLAIN, OUT(BYTES(3, 32))),
	CALL(timerfd_gettime, PLAIN, OUT(BYTES(1, 32))),
	CALL(signalfd4, HALF),
	CALL(inotify_init, MAKES),
	CALL(inotify_init1, MAKES),
	CALL(inotify_add_watch, PLAIN),
	CALL(inotify_rm_watch, PLAIN),
	CALL(epoll_create, MAKES),
	CALL(epoll_create1, MAKES),
	CALL(epoll_ctl, PLAIN),
	CALL(epoll_wait, FILE_ | WAITS | ASKS, OUT(UNITS(1, 2, 12)), .timeout = 3),
	CALL(epoll_pwait, FILE_ | WAITS | ASKS | CKPT_QUICK_ONLY, OUT(UNITS(1, 2, 12)),
	     .timeout = 3, .only = 4),
	CALL(epoll_pwait2, FILE_ | WAITS | ASKS | CKPT_QUICK_ONLY, OUT(UNITS(1, 2, 12)), .only = 4),
	CALL(poll, WAITS | ASKS, OUT(ROOM(0, 1, 8)), .timeout = 2),
	CALL(ppoll, WAITS | ASKS | FAILS | CKPT_QUICK_ONLY, OUT(ROOM(0, 1, 8), BYTES(2, 16)),
	     .only = 3),
	CALL(select, WAITS | ASKS | FAILS, OUT(BITS(1), BITS(2), BITS(3), BYTES(4, 16))),
	CALL(pselect6, WAITS | ASKS | FAILS | CKPT_QUICK_ONLY,
	     OUT(BITS(1), BITS(2), BITS(3), BYTES(4, 16)), .only = 5),
	/* Sockets. */
	CALL(socket, MAKES),
	CALL(socketpair, CKPT_QUICK_PAIR | FAILS, OUT(BYTES(3, 8))),
	CALL(bind, PLAIN),
	CALL(listen, PLAIN),
	CALL(connect, FILE_ | WAITS | ASKS),
	CALL(accept, FILE_ | MAKES, OUT(ADDRESS(1)), .length = 2),
	CALL(accept4, FILE_ | MAKES, OUT(ADDRESS(1)), .length = 2),
	CALL(shutdown, PLAIN),
	CALL(setsockopt, PLAIN),
	CALL(getsockopt, CKPT_QUICK_OPTION | FAILS, OUT(ADDRESS(3)), .length = 4),
	CALL(getsockname, PLAIN, OUT(ADDRESS(1)), .length = 2),
	CALL(getpeername, PLAIN, OUT(ADDRESS(1)), .length = 2),
	CALL(recvfrom, FILE_ | CKPT_QUICK_TALK, OUT(RESULT(1, 2), ADDRESS(4)), .length = 5),
	CALL(sendto, FILE_ | WRITES | CKPT_QUICK_TALK),
	CALL(recvmsg, FILE_ | CKPT_QUICK_MESSAGE),
	CALL(sendmsg, FILE_ | CKPT_QUICK_MESSAGE | CKPT_QUICK_GATHERS),
	/* Paths. */
	CALL(stat, PLAIN, OUT(BYTES(1, 144))),
	CALL(lstat, PLAIN, OUT(BYTES(1, 144))),
	CALL(fstat, FILE_, OUT(BYTES(1, 144))),
	CALL(newfstatat, PLAIN, OUT(BYTES(2, 144))),
	CALL(statx, PLAIN, OUT(BYTES(4, 256))),
	CALL(statfs, PLAIN, OUT(BYTES(1, 120))),
	CALL(fstatfs, PLAIN, OUT(BYTES(1, 120))),
	CALL(readlink, PLAIN, OUT(RESULT(1, 2))),
	CALL(readlinkat, PLAIN, OUT(RESULT(2, 3))),
	CALL(getcwd, PLAIN, OUT(RESULT(0, 1))),
	CALL(chdir, CKPT_QUICK_ENTERS),
	CALL(fchdir, CKPT_QUICK_ENTERS),
	CALL(access, PLAIN),
	CALL(faccessat, PLAIN),
	CALL(faccessat2, PLAIN),
	CALL(unlink, PLAIN),
	CALL(unlinkat, PLAIN),
	CALL(rename, PLAIN),
	CALL(renameat, PLAIN),
	CALL(renameat2, PLAIN),
	CALL(link, PLAIN),
	CALL(linkat, PLAIN),
	CALL(symlink, PLAIN),
	CALL(symlinkat, PLAIN),
	CALL(mkdir, PLAIN),
	CALL(mkdirat, PLAIN),
	CALL(rmdir, PLAIN),
	CALL(chmod, PLAIN),
	CALL(fchmodat, PLAIN),
	CALL(chown, PLAIN),
	CALL(lchown, PLAIN),
	CALL(fchownat, PLAIN),
	CALL(utimensat, PLAIN),
	CALL(utimes, PLAIN),
	CALL(mknodat, PLAIN),
	CALL(setxattr, PLAIN),
	CALL(lsetxattr, PLAIN),
	CALL(fsetxattr, PLAIN),
	CALL(removexattr, PLAIN),
	CALL(fremovexattr, PLAIN),
	CALL(getxattr, PLAIN, OUT(RESULT(2, 3))),
	CALL(lgetxattr, PLAIN, OUT(RESULT(2, 3))),
	CALL(fgetxattr, PLAIN, OUT(RESULT(2, 3))),
	CALL(listxattr, PLAIN, OUT(RESULT(1, 2))),
	CALL(llistxattr, PLAIN, OUT(RESULT(1, 2))),
	CALL(flistxattr, PLAIN, OUT(RESULT(1, 2))),
	/* Memory. */
	CALL(brk, PLAIN),
	CALL(mmap, CKPT_QUICK_MAPS | CKPT_QUICK_DATA),
	CALL(munmap, RANGE),
	CALL(mremap, RANGE | CKPT_QUICK_KEEPS),
	CALL(mprotect, RANGE | CKPT_QUICK_DATA),
	CALL(mincore, FAILS, OUT(COUNT(2, CKPT_QUICK_PAGES, 1, 1))),
	CALL(mlock, PLAIN),
	CALL(munlock, PLAIN),
	CALL(membarrier, PLAIN),
	CALL(msync, CKPT_QUICK_ONLY, .only = 2, .value = MS_ASYNC),
	CALL(msync, WAITS),
	CALL(madvise, RANGE | CKPT_QUICK_ONLY, .only = 2, .value = MADV_DONTNEED),
	CALL(madvise, CKPT_QUICK_ONLY, .only = 2, .value = MADV_WILLNEED),
	CALL(madvise, RANGE | CKPT_QUICK_ONLY, .only = 2, .value = MADV_HUGEPAGE),
	CALL(madvise, RANGE | CKPT_QUICK_ONLY, .only = 2, .value = MADV_NOHUGEPAGE),
	/* Signals, processes, time. */
	CALL(rt_sigaction, CKPT_QUICK_ACTS, OUT(BYTES(2, 32))),
	CALL(rt_sigprocmask, CKPT_QUICK_MASKS, OUT(BYTES(2, 8))),
	CALL(rt_sigpending, PLAIN, OUT(ROOM(0, 1, 1))),
	CALL(rt_sigtimedwait, WAITS, OUT(BYTES(1, 128))),
	CALL(sigaltstack, PLAIN, OUT(BYTES(1, 24))),
	CALL(kill, CKPT_QUICK_ONLY, .only = 1), /* whether it lives */
	CALL(kill, CKPT_QUICK_ALONE),
	CALL(tkill, CKPT_QUICK_ONLY, .only = 1),
	CALL(tkill, CKPT_QUICK_ALONE),
	CALL(tgkill, CKPT_QUICK_ONLY, .only = 2),
	CALL(tgkill, CKPT_QUICK_ALONE),
	CALL(pause, WAITS),
	CALL(wait4, WAITS | CKPT_QUICK_REAPS),
	CALL(waitid, WAITS | HALF),
	CALL(sched_yield, CKPT_QUICK_YIELDS),
	CALL(sched_getparam, PLAIN, OUT(BYTES(1, 4))),
	CALL(sched_getscheduler, PLAIN),
	CALL(sched_get_priority_max, PLAIN),
	CALL(sched_get_priority_min, PLAIN),
	CALL(getpriority, PLAIN),
	CALL(prlimit64, CKPT_QUICK_ONLY, OUT(BYTES(3, 16)), .only = 2), /* asks */
	CALL(getrlimit, PLAIN, OUT(BYTES(1, 16))),
	CALL(prctl, CKPT_QUICK_ONLY, OUT(BYTES(1, 16)), .value = PR_GET_NAME),
	CALL(prctl, CKPT_QUICK_ONLY, .value = PR_SET_NAME),
	CALL(nanosleep, WAITS),
	CALL(clock_nanosleep, WAITS),
	CALL(clock_gettime, PLAIN, OUT(BYTES(1, 16))),
	CALL(clock_getres, PLAIN, OUT(BYTES(1, 16))),
	CALL(gettimeofday, PLAIN, OUT(BYTES(0, 16), BYTES(1, 8))),
	CALL(time, PLAIN, OUT(BYTES(0, 8))),
	CALL(times, FAILS, OUT(BYTES(0, 32))),
	CALL(getitimer, PLAIN, OUT(BYTES(1, 32))),
	CALL(setitimer, CKPT_QUICK_TIMES, OUT(BYTES(2, 32))),
	CALL(alarm, HALF),
	CALL(timer_create, HALF),
	CALL(timer_settime, PLAIN, OUT(BYTES(3, 32))),
	CALL(timer_gettime, PLAIN, OUT(BYTES(1, 32))),
	CALL(timer_getoverrun, PLAIN),
	CALL(timer_delete, HALF),
	/* Others. */
	CALL(futex, CKPT_QUICK_WAKE),
	CALL(semget, PLAIN),
	CALL(semop, WAITS | ASKS),
	CALL(semtimedop, WAITS | ASKS),
	CALL(msgget, PLAIN),
	CALL(msgsnd, WRITES | WAITS | ASKS),
	CALL(msgrcv, WAITS | ASKS, OUT(BEHIND_TYPE(1, 2))),
	CALL(mq_timedsend, WRITES | WAITS | ASKS),
	CALL(mq_timedreceive, WAITS | ASKS, OUT(RESULT(1, 2), BYTES(3, 4))),
	CALL(getrandom, PLAIN, OUT(RESULT(0, 1))),
	CALL(getrusage, PLAIN, OUT(BYTES(1, 144))),
	CALL(uname, PLAIN, OUT(BYTES(0, 390))),
	CALL(sysinfo, PLAIN, OUT(BYTES(0, 112))),
	CALL(umask, PLAIN),
	CALL(getpid, PLAIN),
	CALL(gettid, PLAIN),
	CALL(getppid, PLAIN),
	CALL(getpgid, PLAIN),
	CALL(getsid, PLAIN),
	CALL(getpgrp, PLAIN),
	CALL(getuid, PLAIN),
	CALL(geteuid, PLAIN),
	CALL(getgid, PLAIN),
	CALL(getegid, PLAIN),
	CALL(getresuid, PLAIN, OUT(BYTES(0, 4), BYTES(1, 4), BYTES(2, 4))),
	CALL(getresgid, PLAIN, OUT(BYTES(0, 4), BYTES(1, 4), BYTES(2, 4))),
	CALL(getcpu, PLAIN, OUT(BYTES(0, 4), BYTES(1, 4))),
	CALL(setpgid, PLAIN),
	CALL(getgroups, PLAIN, OUT(UNITS(1, 0, 4))),
};

static const struct ckpt_quick_kind *kind_of(long nr)
{
	static const struct ckpt_quick_kind none;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (kinds[i].nr == nr)
			return &kinds[i].kind;
	return &none;
}

bool ckpt_quick_possible(long nr)
{
	return kind_of(nr)->flags;
}

bool ckpt_quick_keeps_files(long nr)
{
	const struct ckpt_quick_kind *k = kind_of(nr);

	/* FIONBIO changes a descriptor: an ioctl of no kind, and its number is all that is told here. */
	return k->flags && nr != SYS_ioctl &&
	       !(k->flags & (HALF | MAKES | CKPT_QUICK_PAIR | CKPT_QUICK_CLOSES |
			     CKPT_QUICK_COPIES | CKPT_QUICK_CONTROL | CKPT_QUICK_MAPS));
}

bool ckpt_quick_keeps_view(long nr)
{
	return nr != SYS_chroot && nr != SYS_pivot_root && nr != SYS_unshare && nr != SYS_setns;
}

void ckpt_quick_fill_kinds(struct ckpt_quick_notes *notes)
{
	_Static_assert(sizeof(kinds) / sizeof(*kinds) < CKPT_QUICK_KINDS, "room for all");
	memset(notes->kind, 0, sizeof(notes->kind));
	/* The later ones of a call are `other' ones of the one before. */
	for (size_t i = sizeof(kinds) / sizeof(*kinds); i > 0; i--) {
		uint8_t *first = &notes->kind[kinds[i - 1].nr];

		notes->kinds[i] = kinds[i - 1].kind;
		notes->kinds[i].other = *first;
		*first = (uint8_t)i;
	}
}

void ckpt_quick_doubt(struct ckpt_quick_notes *notes)
{
	const uint64_t nr = notes->nr, fd = notes->args[0];

	if (!__atomic_load_n(&notes->amid, __ATOMIC_ACQUIRE))
		return;
	if (fd < CKPT_QUICK_NUMBERS && kind_of((long)nr)->flags & FILE_)
		notes->files[fd] = 0;
	if (nr == SYS_connect) /* the next one is another descriptor's */
		notes->kind[nr] = 0;
}

/* By our own table: that in the notes the program may have overwritten. */
bool ckpt_quick_is_fit(const struct ckpt_quick_notes *notes, long nr, const uint64_t args[6])
{
	bool half;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		const struct ckpt_quick_kind *k = &kinds[i].kind;

		if (kinds[i].nr == nr &&
		    (!(k->flags & CKPT_QUICK_ONLY) || args[k->only] == k->value))
			return ckpt_quick_fits(notes, k, args, &half);
	}
	return false;
}

bool ckpt_quick_file(const struct ckpt_quick_call *c, int fd, struct ckpt_file *ret)
{
	const struct ckpt_quick_piece *p = NULL;
	const struct ckpt_quick_opened *o;

	if (c->len == CKPT_QUICK_UNREAD)
		return false;
	do {
		p = ckpt_quick_pieces(c, c->saved, c->len, p);
		o = p ? (const void *)p->bytes : NULL;
	} while (p && (p->addr != CKPT_QUICK_OPENED || (int)o->fd != fd));
	if (!p || p->len < offsetof(struct ckpt_quick_opened, path) ||
	    p->len - offsetof(struct ckpt_quick_opened, path) >= sizeof(ret->path))
		return false;
	*ret = (struct ckpt_file){
		.fd = fd, .mode = o->mode, .flags = o->flags, .dev = o->dev, .ino = o->ino
	};
	memcpy(ret->path, o->path, p->len - offsetof(struct ckpt_quick_opened, path));
	return true;
}

uint64_t ckpt_quick_length(const struct ckpt_quick_call *c, uint64_t left)
{
	uint64_t len;

	if (left < sizeof(*c) || c->saved > left - sizeof(*c))
		return 0;
	len = c->len == CKPT_QUICK_UNREAD ? 0 : c->len;
	if (c->saved % 8 || len % 8) /* pieces fill words */
		return 0;
	return len > left - sizeof(*c) - c->saved ? 0 : sizeof(*c) + c->saved + len;
}

const struct ckpt_quick_piece *ckpt_quick_pieces(const struct ckpt_quick_call *c, uint64_t from,
						 uint64_t len, const struct ckpt_quick_piece *last)
{
	uint64_t at = last ? (uint64_t)((const uint8_t *)last - c->rest) + sizeof(*last) +
				      ((last->len + 7) & ~7ull) :
			     from;
	const struct ckpt_quick_piece *p = (const void *)(c->rest + at);

	if (from + len - at < sizeof(*p) || p->len > from + len - at - sizeof(*p))
		return NULL;
	return p;
}

/* ---------------------------------------------------------------------- files */

/* Whether nobody has to wait for a file system's files, but for a disk. */
static bool is_calm(struct ckpt_quick_notes *notes, pid_t pid, const struct ckpt_file *f)
{
	static const unsigned int known[] = { EXT4_SUPER_MAGIC,	 XFS_SUPER_MAGIC,
					      BTRFS_SUPER_MAGIC, TMPFS_MAGIC,
					      RAMFS_MAGIC,	 OVERLAYFS_SUPER_MAGIC,
					      F2FS_SUPER_MAGIC };
	struct statfs s;
	char path[48];
	size_t i = 0;

	if (notes->ndevs > CKPT_QUICK_DEVS) /* the program has overwritten it */
		notes->ndevs = 0;
	while (i < notes->ndevs && notes->devs[i].dev != f->dev)
		i++;
	if (i < notes->ndevs)
		return notes->devs[i].calm;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, f->fd);
	if (statfs(path, &s))
		return false;
	if (notes->ndevs == CKPT_QUICK_DEVS)
		i = notes->ndevs = 0;
	notes->devs[i].dev = f->dev;
	notes->devs[i].calm = false;
	for (size_t k = 0; k < sizeof(known) / sizeof(*known); k++)
		notes->devs[i].calm |= (unsigned int)s.f_type == known[k];
	notes->ndevs++;
	return notes->devs[i].calm;
}

/* As enum ckpt_quick_file. Before a mapped file is written something has to be done; who waits
 * would keep the other threads from running. */
static uint8_t file_of(struct ckpt_timeline *tl, struct ckpt_quick_notes *notes,
		       const struct ckpt_file *f)
{
	static const char *const devices[] = { "/dev/null", "/dev/zero", "/dev/urandom" };
	const uint8_t half = notes->alone ? CKPT_QUICK_HALVES : 0;

	if (f->flags & (O_PATH | O_DIRECT))
		return 0;
	switch (f->mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
		if (!is_calm(notes, tl->live->tgid, f) ||
		    ((f->flags & O_ACCMODE) != O_RDONLY &&
		     ckpt_written_is_mapped(tl, f->dev, f->ino)))
			return 0;
		return CKPT_QUICK_CALM | CKPT_QUICK_HALVES |
		       (f->flags & O_APPEND ? CKPT_QUICK_APPEND : 0);
	case S_IFCHR:
		for (size_t i = 0; i < sizeof(devices) / sizeof(*devices); i++)
			if (!strcmp(f->path, devices[i]))
				return CKPT_QUICK_CALM | half;
		return half;
	case S_IFIFO:
		return CKPT_QUICK_PIPE | half;
	case S_IFSOCK:
	case 0: /* an eventfd, or the like */
		return CKPT_QUICK_PIPE | half | (f->flags & O_NONBLOCK ? CKPT_QUICK_CALM : 0);
	default:
		return 0;
	}
}

/* What the program finds in /proc is what we do, and its number is the same for it. */
static bool sees_the_same(pid_t pid)
{
	static const char *const links[] = { "root", "ns/mnt", "ns/pid" };
	char theirs[64], ours[64];

	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
		ckpt_proc_link(pid, links[i], theirs, sizeof(theirs));
		ckpt_proc_link(getpid(), links[i], ours, sizeof(ours));
		if (strcmp(theirs, ours))
			return false;
	}
	return true;
}

void ckpt_quick_know_files(struct ckpt_timeline *tl, struct ckpt_quick_files *q,
			   struct ckpt_quick_notes *notes)
{
	static const char folder[] = "/proc/self/fd/";
	const struct ckpt_outside *o = tl->outside;
	bool alone = tl->nthreads == 1;

	if (!q->seen_known) {
		notes->unseen = !sees_the_same(tl->live->tgid);
		memcpy(notes->link, folder, sizeof(folder));
		notes->link_len = strlen(folder);
	}
	q->seen_known = true;
	if (q->known && q->alone == alone)
		return;
	q->known = true;
	q->alone = alone;
	notes->alone = alone;
	notes->pid = (uint64_t)tl->live->tgid;
	notes->nmapped = ckpt_written_mapped_files(tl, notes->mapped, CKPT_QUICK_MAPPED);
	memset(notes->files, 0, sizeof(notes->files));
	q->serves = false;
	for (size_t i = 0; o && i < o->n; i++) {
		if (o->files[i].fd < CKPT_QUICK_NUMBERS)
			notes->files[o->files[i].fd] = file_of(tl, notes, &o->files[i]);
		q->serves |= !strcmp(o->files[i].path, "/dev/fuse");
	}
}
