/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "ckptcore/outside.h"
#include "ckptcore/shared.h"
#include "ckptcore/written.h"

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

#define CHUNK 64	 /* bytes that are logged together */
#define WARM 32		 /* looks: so often they are once more after a change */
#define SMALL (64 << 10) /* so much is looked at after every call */
#define MOST (16 << 20)	 /* more than that isn't recorded */

/* One mapping whose memory may change without the program's own stores. */
struct region {
	uint64_t lo, hi, offset, inode;
	bool writable;
	bool shared;   /* else private, of a file that is written: see written.h */
	bool others;   /* somebody else may have it (anonymous: a child) */
	bool readable; /* devices' memory isn't */
	uint8_t *last; /* as it was when looked at last; NULL: unknown */
	/* By chunks, see is_due(); NULL as long as none has changed. */
	uint8_t *warm;
	char name[64];
};

struct ckpt_shared {
	struct region *regions;
	size_t n;
	uint64_t bytes;		 /* of those with others that are shared, */
	uint64_t private_bytes;	 /* and of the private ones */
	struct ckpt_range *ever; /* all that were of others at some time */
	size_t never;
};

#define TOLD 6 /* so many files are named, in a session */

static bool is_anonymous(const struct ckpt_map *m)
{
	return !strncmp(m->name, "/dev/zero", 9);
}

static void free_regions(struct region *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(r[i].last);
		free(r[i].warm);
	}
	free(r);
}

/* Whether name is news: that of a file, or of a kind of memory. */
static bool is_news(const char *name, bool too_much)
{
	static struct {
		char names[TOLD][64];
		size_t n;
		bool more;
	} told[2];
	typeof(told[0]) *t = &told[too_much];
	const char *deleted = strstr(name, " (deleted)");
	int len = deleted ? (int)(deleted - name) : (int)strlen(name);

	for (size_t i = 0; i < t->n; i++)
		if (!strncmp(t->names[i], name, (size_t)len) && !t->names[i][len])
			return false;
	if (t->n < TOLD) {
		snprintf(t->names[t->n++], sizeof(t->names[0]), "%.*s", len, name);
		return true;
	}
	if (!t->more && ckpt_warn)
		ckpt_warn("more files are mapped shared, to which the same applies");
	t->more = true;
	return false;
}

static void tell(const struct region *r, uint64_t bytes)
{
	const char *name = r->name[0] ? r->name : "memory";
	char text[256];

	if (!is_news(name, bytes > MOST))
		return;
	if (!r->readable)
		snprintf(text, sizeof(text),
			 "%s is mapped: what the device writes there isn't recorded; "
			 "the past sees zeros there",
			 name);
	else if (bytes > MOST)
		snprintf(text, sizeof(text),
			 "%llu MB of %s are shared: too much to be recorded; the past sees there "
			 "what its snapshots saw",
			 (unsigned long long)bytes >> 20, name);
	else if (!strncmp(name, "/dev/zero", 9))
		snprintf(text, sizeof(text),
			 "memory is shared with a child: what that writes is recorded at the "
			 "program's system calls only");
	else
		snprintf(text, sizeof(text),
			 "%s is mapped shared: what others write there is recorded at the "
			 "program's system calls only",
			 name);
	if (ckpt_warn)
		ckpt_warn(text);
}

/* What was known of a region stays known. False: there was none. */
static bool keep(struct ckpt_shared *s, struct region *r)
{
	bool found = false;

	for (size_t i = 0; i < s->n; i++) {
		struct region *old = &s->regions[i];

		if (old->hi <= r->lo || old->lo >= r->hi || old->inode != r->inode)
			continue;
		found = true;
		r->others |= old->others;
		if (old->lo != r->lo || old->hi != r->hi)
			continue;
		r->last = old->last;
		r->warm = old->warm;
		old->last = old->warm = NULL;
	}
	return found;
}

static void remember(struct ckpt_shared *s, const struct region *r)
{
	struct ckpt_range *more;

	for (size_t i = 0; i < s->never; i++)
		if (s->ever[i].addr <= r->lo && r->hi <= s->ever[i].addr + s->ever[i].len)
			return;
	more = realloc(s->ever, (s->never + 1) * sizeof(*more));
	if (!more)
		return; /* a moment in the past may not be found again */
	s->ever = more;
	s->ever[s->never++] = (struct ckpt_range){ r->lo, r->hi - r->lo };
}

/* Reads t's maps. forked: anonymous memory has become a child's, too. written:
 * a new mapping that can only be read is of a file that the program writes. */
static void look(struct ckpt_shared *s, struct ckpt_task *t, bool forked, bool written)
{
	struct region *regions = NULL, *more;
	struct ckpt_map *maps;
	size_t n, k = 0;
	char byte;

	if (ckpt_maps(t->tgid, &maps, &n))
		return;
	for (size_t i = 0; i < n; i++) {
		const struct ckpt_map *m = &maps[i];
		struct region *r;

		if (m->lo == CKPT_RING || !strncmp(m->name, "[v", 2) ||
		    !(m->shared ? m->r || m->w : ckpt_written_has(t->timeline, m->inode)))
			continue;
		more = realloc(regions, (k + 1) * sizeof(*regions));
		if (!more)
			break;
		regions = more;
		r = &regions[k++];
		*r = (struct region){ .lo = m->lo,
				      .hi = m->hi,
				      .offset = m->offset,
				      .inode = m->inode,
				      .writable = m->w,
				      .shared = m->shared,
				      .others = !is_anonymous(m) };
		memcpy(r->name, m->name, sizeof(r->name));
		/* What nobody writes (a cache of the C library's) is no news. */
		if (m->shared && !m->w)
			r->others = false;
		if (!keep(s, r) && m->shared && !m->w)
			r->others = written && !is_anonymous(m);
		r->others |= forked && m->w;
		r->readable = !m->r || ckpt_read_some(t, m->lo, &byte, 1) == 1 ||
			      strncmp(m->name, "/dev/", 5) || !strncmp(m->name, "/dev/shm/", 9);
		r->others |= !r->readable;
	}
	free(maps);
	free_regions(s->regions, s->n);
	s->regions = regions;
	s->n = k;
	s->bytes = s->private_bytes = 0;
	for (size_t i = 0; i < k; i++)
		if (regions[i].others && regions[i].readable)
			*(regions[i].shared ? &s->bytes : &s->private_bytes) +=
				regions[i].hi - regions[i].lo;
	for (size_t i = 0; i < k; i++)
		if (regions[i].others && regions[i].shared) {
			remember(s, &regions[i]);
			tell(&regions[i], s->bytes);
		}
}

void ckpt_shared_look(struct ckpt_timeline *tl, struct ckpt_task *t)
{
	if (!tl->shared)
		tl->shared = calloc(1, sizeof(*tl->shared));
	if (tl->shared)
		look(tl->shared, t, false, false);
}

bool ckpt_shared_written(struct ckpt_timeline *tl, struct ckpt_task *t)
{
	if (tl->shared)
		look(tl->shared, t, false, false);
	return tl->shared && tl->shared->private_bytes <= MOST;
}

void ckpt_shared_unstable(struct ckpt_timeline *tl, uint64_t addr, uint64_t len)
{
	const struct region r = { .lo = addr, .hi = addr + len };

	if (!tl->shared)
		tl->shared = calloc(1, sizeof(*tl->shared));
	if (tl->shared)
		remember(tl->shared, &r);
}

/* Whether r, private, shows all the time what a mapping that is shared has, in copies too: see doubles.h.
 * (To write there would make pages of its own.) */
static bool is_double(const struct ckpt_shared *s, const struct region *r)
{
	for (size_t i = 0; !r->shared && i < s->n; i++) {
		const struct region *o = &s->regions[i];

		if (o->shared && o->writable && o->inode == r->inode && o->offset <= r->offset &&
		    o->offset + (o->hi - o->lo) >= r->offset + (r->hi - r->lo))
			return true;
	}
	return false;
}

static bool is_recorded(const struct ckpt_shared *s, const struct region *r)
{
	return !is_double(s, r) && r->others && r->readable &&
	       (r->shared ? s->bytes : s->private_bytes) <= MOST;
}

static void warm_up(struct region *r, size_t at)
{
	if (!r->warm)
		r->warm = calloc((r->hi - r->lo) / CHUNK, 1);
	if (r->warm)
		r->warm[at / CHUNK] = WARM;
}

/* What is in a little of such memory at first may be what they will talk by. */
static void warm_up_all(struct region *r, const uint8_t *now)
{
	static const uint8_t nothing[CHUNK];

	for (size_t at = 0; at < r->hi - r->lo && r->hi - r->lo <= SMALL; at += CHUNK)
		if (memcmp(now + at, nothing, CHUNK))
			warm_up(r, at);
}

/*
 * Whether the len bytes at `at' are logged: if they aren't what they were at the last look, or
 * others and the program talk by them. Then it may have stored there since, and somebody else what
 * was there before (a semaphore that one posts and another takes): a puppet would keep its own.
 */
static bool is_due(struct region *r, const uint8_t *now, size_t at, size_t len)
{
	uint8_t *warm = r->warm ? &r->warm[at / CHUNK] : NULL;

	if (!r->last)
		return true;
	if (memcmp(r->last + at, now + at, len)) {
		warm_up(r, at);
		return true;
	}
	return warm && *warm && (*warm)--;
}

/* Appends what is due to the newest event; all of what lies at @all and behind: the program may
 * have stored there since what the call has undone. */
static int log_changes(struct ckpt_timeline *tl, struct region *r, const uint8_t *now, size_t len,
		       size_t all)
{
	size_t begin = 0, end;

	for (size_t at = 0; at < len; at = end) {
		end = at + CHUNK < len ? at + CHUNK : len;
		if (is_due(r, now, at, end - at) || end > all) {
			if (end < len)
				continue;
			at = end;
		}
		if (at > begin && ckpt_log_bytes(tl, r->lo + begin, now + begin, at - begin))
			return -ENOMEM;
		begin = end;
	}
	return 0;
}

static int look_at(struct ckpt_timeline *tl, struct ckpt_task *t, struct region *r, bool log,
		   uint64_t cut)
{
	size_t size = r->hi - r->lo;
	uint8_t *now = calloc(1, size);
	ssize_t len = now ? ckpt_read_some(t, r->lo, now, size) : 0;
	int err = now ? 0 : -ENOMEM;

	if (!err && !r->last)
		warm_up_all(r, now);
	/* A part that can't be read is behind the file's end: zeros, as in copies. */
	if (!err && log && len > 0)
		err = log_changes(tl, r, now, size,
				  cut == UINT64_MAX ? size :
				  cut > r->offset   ? cut - r->offset :
						      0);
	free(r->last);
	r->last = now;
	return err;
}

static bool maps_change(long nr, const uint64_t args[6])
{
	switch (nr) {
	case SYS_mmap:
		return args[3] & MAP_SHARED;
	case SYS_shmat:
		return true;
	default:
		return false;
	}
}

/* Whether a call maps, unmaps or protects something where such memory is. */
static bool touches(const struct ckpt_shared *s, long nr, const uint64_t args[6])
{
	if (nr == SYS_shmdt)
		return s->n;
	if (nr != SYS_munmap && nr != SYS_mremap && nr != SYS_mprotect && nr != SYS_mmap)
		return false;
	for (size_t i = 0; i < s->n; i++)
		if (args[0] < s->regions[i].hi && args[0] + args[1] > s->regions[i].lo)
			return true;
	return false;
}

static bool is_fork(long nr)
{
	return nr == SYS_fork || nr == SYS_clone || nr == SYS_clone3 || nr == SYS_vfork;
}

/* Calls that don't sleep, behind which such memory may have other contents. */
static bool shows(long nr)
{
	return nr == SYS_sched_yield || nr == SYS_ftruncate || nr == SYS_truncate ||
	       nr == SYS_fallocate || nr == SYS_madvise || nr == SYS_fork || nr == SYS_clone ||
	       nr == SYS_clone3;
}

/* From where on a call has cut a file, or taken something out of it; else UINT64_MAX. */
static uint64_t cut_at(long nr, const uint64_t args[6])
{
	switch (nr) {
	case SYS_ftruncate:
	case SYS_truncate:
		return args[1];
	case SYS_fallocate:
		return args[1] ? args[2] : UINT64_MAX;
	default:
		return UINT64_MAX;
	}
}

/* Whether t's descriptor fd can be written through. */
static bool is_writable(struct ckpt_task *t, int fd)
{
	uint64_t offset;
	uint32_t flags;

	return !ckpt_proc_descriptor(t->tgid, fd, &offset, &flags) &&
	       (flags & O_ACCMODE) != O_RDONLY;
}

/* A copy's mapping is private: there such an madvise has emptied it. */
static int refill(struct ckpt_timeline *tl, struct ckpt_task *t, const uint64_t args[6])
{
	struct ckpt_shared *s = tl->shared;

	for (size_t i = 0; i < s->n; i++) {
		struct region *r = &s->regions[i];
		int err;

		if (r->hi <= args[0] || r->lo >= args[0] + args[1] || !r->readable)
			continue;
		free(r->last);
		r->last = NULL;
		err = look_at(tl, t, r, true, UINT64_MAX);
		if (err)
			return err;
	}
	return 0;
}

int ckpt_shared_after_call(struct ckpt_timeline *tl, struct ckpt_task *t, long nr,
			   const uint64_t args[6], unsigned int flags, bool log)
{
	struct ckpt_shared *s = tl->shared;
	bool changed;
	int err;

	if (!s)
		return 0;
	changed = maps_change(nr, args) || touches(s, nr, args) ||
		  (nr == SYS_mmap && !(args[3] & MAP_ANONYMOUS) &&
		   ckpt_written_mapped(t, (int)args[4]));
	if (changed || (s->n && is_fork(nr)))
		look(s, t, is_fork(nr),
		     nr == SYS_mmap && !(args[3] & MAP_ANONYMOUS) && is_writable(t, (int)args[4]));
	if (log && s->n && nr == SYS_madvise &&
	    (args[2] == MADV_DONTNEED || args[2] == MADV_DONTNEED_LOCKED))
		return refill(tl, t, args);
	if (log && s->bytes + s->private_bytes > SMALL && !(flags & CKPT_CALL_BLOCKS) &&
	    !shows(nr) && !changed)
		return 0;
	for (size_t i = 0; i < s->n; i++) {
		if (!is_recorded(s, &s->regions[i]))
			continue;
		err = look_at(tl, t, &s->regions[i], log, cut_at(nr, args));
		if (err)
			return err;
	}
	return 0;
}

bool ckpt_shared_maps(const struct ckpt_task *t, int fd)
{
	const struct ckpt_shared *s = t->timeline->shared;
	const struct ckpt_outside *o = t->timeline->outside;
	const struct ckpt_file *f = o && s && s->n ? ckpt_outside_find(o, fd) : NULL;

	for (size_t i = 0; f && i < s->n; i++)
		if (s->regions[i].shared && s->regions[i].inode == f->ino)
			return true;
	return false;
}

bool ckpt_shared_follows(const struct ckpt_timeline *tl, uint64_t addr)
{
	const struct ckpt_shared *s = tl ? tl->shared : NULL;

	for (size_t i = 0; s && i < s->n; i++) {
		const struct region *r = &s->regions[i];

		if (!r->shared && is_recorded(s, r) && addr - r->lo < r->hi - r->lo)
			return true;
	}
	return false;
}

uint64_t ckpt_shared_bytes(const struct ckpt_timeline *tl)
{
	return tl->shared ? tl->shared->bytes + tl->shared->private_bytes : 0;
}

bool ckpt_shared_at(const struct ckpt_timeline *tl, uint64_t addr)
{
	const struct ckpt_shared *s = tl ? tl->shared : NULL;

	for (size_t i = 0; s && i < s->never; i++)
		if (addr - s->ever[i].addr < s->ever[i].len)
			return true;
	return false;
}

void ckpt_shared_destroy(struct ckpt_shared *s)
{
	if (!s)
		return;
	free_regions(s->regions, s->n);
	free(s->ever);
	free(s);
}
