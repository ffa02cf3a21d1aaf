/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <linux/futex.h>
#include <linux/magic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "ckptcore/outside.h"
#include "ckptcore/quick_kinds.h"
#include "ckptcore/written.h"

/* What may be quick. */
static const struct {
	short nr;
	uint16_t kind;
} kinds[] = {
	{ SYS_read, CKPT_QUICK_FILE | CKPT_QUICK_READS },
	{ SYS_pread64, CKPT_QUICK_FILE | CKPT_QUICK_READS },
	{ SYS_write, CKPT_QUICK_FILE | CKPT_QUICK_WRITES },
	{ SYS_pwrite64, CKPT_QUICK_FILE | CKPT_QUICK_WRITES },
	{ SYS_lseek, CKPT_QUICK_FILE },
	{ SYS_recvfrom, CKPT_QUICK_FILE | CKPT_QUICK_READS | CKPT_QUICK_TALK },
	{ SYS_sendto, CKPT_QUICK_FILE | CKPT_QUICK_WRITES | CKPT_QUICK_TALK },
	{ SYS_fstat, CKPT_QUICK_FILE | CKPT_QUICK_STAT },
	{ SYS_stat, CKPT_QUICK_STAT },
	{ SYS_lstat, CKPT_QUICK_STAT },
	{ SYS_newfstatat, CKPT_QUICK_STAT | CKPT_QUICK_THIRD },
	{ SYS_readlink, CKPT_QUICK_READS },
	{ SYS_access, CKPT_QUICK_PLAIN },
	{ SYS_faccessat, CKPT_QUICK_PLAIN },
	{ SYS_faccessat2, CKPT_QUICK_PLAIN },
	{ SYS_futex, CKPT_QUICK_WAKE },
	{ SYS_openat, CKPT_QUICK_HALF | CKPT_QUICK_OPENS },
	{ SYS_close, CKPT_QUICK_HALF },
	{ SYS_getdents64, CKPT_QUICK_HALF },
	{ SYS_brk, CKPT_QUICK_HALF },
	{ SYS_getpid, CKPT_QUICK_PLAIN },
	{ SYS_gettid, CKPT_QUICK_PLAIN },
	{ SYS_getppid, CKPT_QUICK_PLAIN },
	{ SYS_getpgrp, CKPT_QUICK_PLAIN },
	{ SYS_getuid, CKPT_QUICK_PLAIN },
	{ SYS_geteuid, CKPT_QUICK_PLAIN },
	{ SYS_getgid, CKPT_QUICK_PLAIN },
	{ SYS_getegid, CKPT_QUICK_PLAIN },
};

uint16_t ckpt_quick_kind(long nr)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (kinds[i].nr == nr)
			return kinds[i].kind;
	return CKPT_QUICK_NOT;
}

void ckpt_quick_fill_kinds(struct ckpt_quick_notes *notes)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		notes->kinds[kinds[i].nr] = kinds[i].kind;
}

/* ---------------------------------------------------------------------- files */

/* Whether nobody has to wait for a file system's files, but for a disk. */
static bool is_plain(struct ckpt_quick_files *q, pid_t pid, const struct ckpt_file *f)
{
	static const unsigned int known[] = { EXT4_SUPER_MAGIC,	 XFS_SUPER_MAGIC,
					      BTRFS_SUPER_MAGIC, TMPFS_MAGIC,
					      RAMFS_MAGIC,	 OVERLAYFS_SUPER_MAGIC,
					      F2FS_SUPER_MAGIC };
	struct statfs s;
	char path[48];
	size_t i = 0;

	while (i < q->ndevs && q->devs[i] != f->dev)
		i++;
	if (i < q->ndevs)
		return q->plain[i];
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, f->fd);
	if (statfs(path, &s))
		return false;
	if (q->ndevs == sizeof(q->devs) / sizeof(*q->devs))
		i = q->ndevs = 0;
	q->devs[i] = f->dev;
	q->plain[i] = false;
	for (size_t k = 0; k < sizeof(known) / sizeof(*known); k++)
		q->plain[i] |= (unsigned int)s.f_type == known[k];
	q->ndevs++;
	return q->plain[i];
}

/* Before a mapped file is written something has to be done. */
static bool is_simple(struct ckpt_timeline *tl, struct ckpt_quick_files *q,
		      const struct ckpt_file *f)
{
	return S_ISREG(f->mode) && !(f->flags & O_DIRECT) && is_plain(q, tl->live->tgid, f) &&
	       ((f->flags & O_ACCMODE) == O_RDONLY || !ckpt_written_is_mapped(tl, f->dev, f->ino));
}

/* Where appending leads to has to be asked behind each call. */
static bool is_quick(struct ckpt_timeline *tl, struct ckpt_quick_files *q,
		     const struct ckpt_file *f)
{
	static const char *const devices[] = { "/dev/null", "/dev/zero", "/dev/urandom" };

	for (size_t i = 0; S_ISCHR(f->mode) && i < sizeof(devices) / sizeof(*devices); i++)
		if (!strcmp(f->path, devices[i]))
			return true;
	if (S_ISSOCK(f->mode))
		return f->flags & O_NONBLOCK;
	return !(f->flags & O_APPEND) && is_simple(tl, q, f);
}

/* Who waits would keep the other threads from running. */
static bool is_half(struct ckpt_timeline *tl, struct ckpt_quick_files *q, const struct ckpt_file *f)
{
	return S_ISREG(f->mode) ?
		       is_simple(tl, q, f) :
		       q->alone && (S_ISFIFO(f->mode) || S_ISSOCK(f->mode) || S_ISCHR(f->mode));
}

static void set(uint64_t *bits, int fd)
{
	bits[fd / 64] |= 1ull << fd % 64;
}

static bool has(const uint64_t *bits, uint64_t fd)
{
	return fd < CKPT_QUICK_NUMBERS && bits[fd / 64] >> fd % 64 & 1;
}

void ckpt_quick_know_files(struct ckpt_timeline *tl, struct ckpt_quick_files *q,
			   struct ckpt_quick_notes *notes)
{
	const struct ckpt_outside *o = tl->outside;
	bool alone = tl->nthreads == 1;

	if (q->known && q->alone == alone)
		return;
	q->known = true;
	q->alone = alone;
	memset(notes->files, 0, sizeof(notes->files));
	memset(notes->pipes, 0, sizeof(notes->pipes));
	memset(notes->halves, 0, sizeof(notes->halves));
	for (size_t i = 0; o && i < o->n; i++) {
		const struct ckpt_file *f = &o->files[i];

		if (f->fd >= CKPT_QUICK_NUMBERS)
			continue;
		if (S_ISFIFO(f->mode) && alone)
			set(notes->pipes, f->fd);
		else if (!S_ISFIFO(f->mode) && is_quick(tl, q, f))
			set(notes->files, f->fd);
		if (is_half(tl, q, f))
			set(notes->halves, f->fd);
	}
}

bool ckpt_quick_is_fit(const struct ckpt_quick_notes *notes, uint16_t kind, const uint64_t a[6])
{
	if (kind & CKPT_QUICK_FILE && !has(notes->files, a[0]) && !has(notes->halves, a[0]) &&
	    (!has(notes->pipes, a[0]) || (kind & CKPT_QUICK_WRITES && a[2] > PIPE_BUF)))
		return false;
	if (kind & CKPT_QUICK_WAKE && (a[1] & 0xffffffff & ~FUTEX_PRIVATE_FLAG) != FUTEX_WAKE)
		return false;
	if (kind & CKPT_QUICK_OPENS && a[2] & (O_TRUNC | O_DIRECT))
		return false;
	return !(kind & CKPT_QUICK_TALK) ||
	       (!a[4] && !(a[3] & 0xffffffff & ~(uint64_t)(MSG_DONTWAIT | MSG_NOSIGNAL)));
}
