/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <linux/magic.h>
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

/* Output of so many bytes in argument a / of as many as the result says, argument m at most / of
 * so many times that. */
#define BYTES(a, n) .at = (a), .size = (n)
#define RESULT(a, m) .at = (a), .most = (m), .unit = 1
#define UNITS(a, m, n) .at = (a), .most = (m), .unit = (n)

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
	CALL(read, FILE_, RESULT(1, 2)),
	CALL(pread64, FILE_, RESULT(1, 2)),
	CALL(write, FILE_ | WRITES),
	CALL(pwrite64, FILE_ | WRITES),
	CALL(writev, FILE_ | CKPT_QUICK_GATHERS),
	CALL(lseek, FILE_),
	CALL(ioctl, CKPT_QUICK_ONLY, BYTES(2, 36), .only = 1, .value = 0x5401 /* TCGETS */),
	CALL(recvfrom, FILE_ | CKPT_QUICK_TALK, RESULT(1, 2)),
	CALL(sendto, FILE_ | WRITES | CKPT_QUICK_TALK),
	CALL(getdents64, FILE_ | CKPT_QUICK_MOVES, RESULT(1, 2)),
	CALL(ftruncate, FILE_),
	CALL(fchmod, FILE_),
	CALL(fsync, FILE_ | WAITS),
	CALL(fdatasync, FILE_ | WAITS),
	CALL(fcntl, PLAIN | CKPT_QUICK_CONTROL),
	CALL(openat, CKPT_QUICK_OPENS),
	CALL(close, CKPT_QUICK_CLOSES),
	CALL(dup, PLAIN | CKPT_QUICK_COPIES),
	CALL(dup2, HALF),
	CALL(dup3, HALF),
	CALL(pipe2, HALF),
	CALL(socket, HALF),
	CALL(connect, WAITS),
	CALL(accept, HALF | WAITS | CKPT_QUICK_ONLY, .only = 1),
	CALL(accept4, HALF | WAITS | CKPT_QUICK_ONLY, .only = 1),
	CALL(bind, PLAIN),
	CALL(listen, PLAIN),
	CALL(shutdown, PLAIN),
	CALL(setsockopt, PLAIN),
	CALL(eventfd2, HALF),
	CALL(timerfd_create, HALF),
	CALL(timerfd_settime, PLAIN, BYTES(3, 32)),
	CALL(fadvise64, PLAIN),
	CALL(epoll_ctl, PLAIN),
	CALL(poll, WAITS | CKPT_QUICK_ALL, UNITS(0, 1, 8), .timeout = 2),
	CALL(ppoll, WAITS | CKPT_QUICK_ONLY, .only = 3),
	CALL(pselect6, WAITS | CKPT_QUICK_ONLY, .only = 5),
	CALL(epoll_wait, WAITS, UNITS(1, 2, 12), .timeout = 3),
	CALL(epoll_pwait, WAITS | CKPT_QUICK_ONLY, UNITS(1, 2, 12), .timeout = 3, .only = 4),
	/* Paths. */
	CALL(stat, PLAIN, BYTES(1, 144)),
	CALL(lstat, PLAIN, BYTES(1, 144)),
	CALL(fstat, FILE_, BYTES(1, 144)),
	CALL(newfstatat, PLAIN, BYTES(2, 144)),
	CALL(statx, PLAIN, BYTES(4, 256)),
	CALL(statfs, PLAIN, BYTES(1, 120)),
	CALL(readlink, PLAIN, RESULT(1, 2)),
	CALL(readlinkat, PLAIN, RESULT(2, 3)),
	CALL(getcwd, PLAIN, RESULT(0, 1)),
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
	CALL(fchownat, PLAIN),
	CALL(utimensat, PLAIN),
	CALL(getxattr, PLAIN, RESULT(2, 3)),
	CALL(lgetxattr, PLAIN, RESULT(2, 3)),
	CALL(fgetxattr, PLAIN, RESULT(2, 3)),
	CALL(listxattr, PLAIN, RESULT(1, 2)),
	CALL(llistxattr, PLAIN, RESULT(1, 2)),
	/* Memory. */
	CALL(brk, PLAIN),
	CALL(mmap, CKPT_QUICK_MAPS | CKPT_QUICK_DATA),
	CALL(munmap, RANGE),
	CALL(mremap, RANGE | CKPT_QUICK_KEEPS),
	CALL(mprotect, RANGE | CKPT_QUICK_DATA),
	CALL(madvise, RANGE | CKPT_QUICK_ONLY, .only = 2, .value = 4 /* MADV_DONTNEED */),
	/* The rest. */
	CALL(futex, CKPT_QUICK_WAKE),
	CALL(rt_sigaction, CKPT_QUICK_ACTS, BYTES(2, 32)),
	CALL(rt_sigprocmask, CKPT_QUICK_MASKS, BYTES(2, 8)),
	CALL(prlimit64, CKPT_QUICK_ONLY, BYTES(3, 16), .only = 2), /* asks */
	CALL(nanosleep, WAITS),
	CALL(clock_nanosleep, WAITS),
	CALL(wait4, WAITS),
	CALL(sched_yield, HALF),
	CALL(getrandom, PLAIN, RESULT(0, 1)),
	CALL(clock_gettime, PLAIN, BYTES(1, 16)),
	CALL(getrusage, PLAIN, BYTES(1, 144)),
	CALL(times, PLAIN, BYTES(0, 32)),
	CALL(uname, PLAIN, BYTES(0, 390)),
	CALL(sysinfo, PLAIN, BYTES(0, 112)),
	CALL(getitimer, PLAIN, BYTES(1, 32)),
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

	return k->flags && !(k->flags & (HALF | CKPT_QUICK_OPENS | CKPT_QUICK_CLOSES |
					 CKPT_QUICK_COPIES | CKPT_QUICK_CONTROL | CKPT_QUICK_MAPS));
}

bool ckpt_quick_keeps_view(long nr)
{
	return nr != SYS_chroot && nr != SYS_pivot_root && nr != SYS_unshare && nr != SYS_setns;
}

void ckpt_quick_fill_kinds(struct ckpt_quick_notes *notes)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		const struct ckpt_quick_kind *k = &kinds[i].kind;

		assert(k->size + sizeof(struct ckpt_quick_call) <= CKPT_QUICK_LEAST);
		notes->kinds[kinds[i].nr] = *k;
	}
}

bool ckpt_quick_is_fit(const struct ckpt_quick_notes *notes, long nr, const uint64_t args[6])
{
	bool half;

	return nr >= 0 && nr < CKPT_QUICK_NUMBERS &&
	       ckpt_quick_fits(notes, (uint64_t)nr, args, &half);
}

uint64_t ckpt_quick_output(const struct ckpt_quick_call *c)
{
	const struct ckpt_quick_kind *k = kind_of((long)c->nr);

	return k->size || k->unit ? c->args[k->at] : 0;
}

bool ckpt_quick_file(const struct ckpt_quick_call *c, struct ckpt_file *ret)
{
	const struct ckpt_quick_opened *o = (const void *)c->output;

	if (!(kind_of((long)c->nr)->flags & CKPT_QUICK_OPENS) || c->len == CKPT_QUICK_UNREAD)
		return false;
	*ret = (struct ckpt_file){ .fd = (int)c->result,
				   .mode = o->mode,
				   .flags = o->flags | (c->args[2] & O_CLOEXEC),
				   .dev = o->dev,
				   .ino = o->ino };
	memcpy(ret->path, o->path, c->len - offsetof(struct ckpt_quick_opened, path));
	return true;
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
		return CKPT_QUICK_CALM | CKPT_QUICK_PLACE | CKPT_QUICK_HALVES |
		       (f->flags & O_APPEND ? CKPT_QUICK_APPEND : 0);
	case S_IFCHR:
		for (size_t i = 0; i < sizeof(devices) / sizeof(*devices); i++)
			if (!strcmp(f->path, devices[i]))
				return CKPT_QUICK_CALM | half;
		return half;
	case S_IFIFO:
		return notes->alone ? CKPT_QUICK_PIPE | half : 0;
	case S_IFSOCK:
		return half | (f->flags & O_NONBLOCK ? CKPT_QUICK_CALM : 0);
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
