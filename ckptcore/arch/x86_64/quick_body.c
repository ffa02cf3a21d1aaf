/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the code for the inside of the program decides, and notes. It is copied, and called by the
 * assembly in quick_code.c: so it refers to nothing but itself, and memory at known places (no
 * constants that aren't immediate, no tables), and uses general registers only.
 */
#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ckptcore/arch/x86_64/quick_code.h"
#include "ckptcore/clock.h"

#define OURS __attribute__((section("fred_quick")))
#define NOTES ((struct ckpt_quick_notes *)CKPT_QUICK_NOTES)
#define RING ((const struct ckpt_ring *)CKPT_RING)

bool ckpt_quick_before(void);
bool ckpt_quick_behind(void);
long ckpt_quick_ask(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e);
void ckpt_quick_copy(void *to, const void *from, uint64_t n);

OURS static bool is_mapped(const struct ckpt_quick_notes *n, uint64_t ino)
{
	if (n->nmapped > CKPT_QUICK_MAPPED)
		return true;
	for (uint64_t i = 0; i < n->nmapped; i++)
		if (n->mapped[i] == ino)
			return true;
	return false;
}

/* Whether to open a file so would cut one that is mapped, or may be. */
OURS static bool cuts_mapped(const struct ckpt_quick_notes *n, const uint64_t a[6])
{
	struct stat st;
	long err;

	if (!(a[2] & O_TRUNC))
		return false;
	err = ckpt_quick_ask(SYS_newfstatat, a[0], a[1], (uint64_t)&st, 0, 0);
	return err ? err != -ENOENT : is_mapped(n, st.st_ino);
}

/* Whether those signals by which our code works, or is kept from it, would be blocked. */
OURS static bool masks_ours(const struct ckpt_quick_notes *n, const uint64_t a[6])
{
	const uint64_t ours = 1ull << (SIGSYS - 1) | 1ull << (SIGTRAP - 1);
	struct iovec from = { (void *)a[1], 8 };
	uint64_t mask;
	struct iovec to = { &mask, 8 };

	if (n->unseen)
		return true;
	if (!a[1] || a[0] == SIG_UNBLOCK)
		return false;
	/* To read there ourselves might be a fault. */
	return ckpt_quick_ask(SYS_process_vm_readv, n->pid, (uint64_t)&to, 1, (uint64_t)&from, 1) !=
		       8 ||
	       mask & ours;
}

/* Whether the call is made from here. */
OURS bool ckpt_quick_before(void)
{
	struct ckpt_quick_notes *n = NOTES;
	uint32_t flags;
	bool half;

	if (!n->open || n->room < CKPT_QUICK_LEAST || n->nr >= CKPT_QUICK_NUMBERS ||
	    !ckpt_quick_fits(n, n->nr, n->args, &half))
		return false;
	flags = n->kinds[n->nr].flags;
	if ((flags & CKPT_QUICK_OPENS && cuts_mapped(n, n->args)) ||
	    (flags & CKPT_QUICK_MASKS && masks_ours(n, n->args)))
		return false;
	n->half = half;
	__atomic_store_n(&n->amid, 1, __ATOMIC_RELEASE);
	return true;
}

/* So many bytes of output there are, all in the program's memory. */
OURS static uint64_t output_len(const struct ckpt_quick_notes *n, const struct ckpt_quick_kind *k)
{
	if (!n->args[k->at])
		return 0;
	if (k->size)
		return k->size;
	if (k->flags & CKPT_QUICK_ALL || n->args[k->most] < (uint64_t)n->result)
		return k->unit * n->args[k->most];
	return k->unit * (uint64_t)n->result;
}

/* Fills *ret as far as the note needs it. False: the kernel doesn't tell. */
OURS static bool ask_how_opened(struct ckpt_quick_notes *n, uint64_t fd,
				struct ckpt_quick_opened *ret, uint64_t *len)
{
	char *digit = n->link + n->link_len;
	struct stat st;
	uint64_t scale = 1;
	long flags, path;

	if (n->unseen || ckpt_quick_ask(SYS_fstat, fd, (uint64_t)&st, 0, 0, 0))
		return false;
	while (fd / scale >= 10)
		scale *= 10;
	for (; scale; scale /= 10)
		*digit++ = (char)('0' + fd / scale % 10);
	*digit = 0;
	flags = ckpt_quick_ask(SYS_fcntl, fd, F_GETFL, 0, 0, 0);
	path = ckpt_quick_ask(SYS_readlink, (uint64_t)n->link, (uint64_t)ret->path,
			      sizeof(ret->path), 0, 0);
	if (flags < 0 || path < 0 || path == sizeof(ret->path))
		return false;
	ret->dev = st.st_dev;
	ret->ino = st.st_ino;
	ret->mode = st.st_mode;
	ret->flags = (uint32_t)flags;
	*len = offsetof(struct ckpt_quick_opened, path) + (uint64_t)path;
	return true;
}

/* What is known of such a descriptor without further questions; 0: nothing. */
OURS static uint8_t file_of(const struct ckpt_quick_notes *n, const struct ckpt_quick_opened *f)
{
	uint64_t i = 0;

	if ((!S_ISREG(f->mode) && !S_ISDIR(f->mode)) || f->flags & O_PATH)
		return 0;
	while (i < n->ndevs && n->devs[i].dev != f->dev)
		i++;
	if (i == n->ndevs || !n->devs[i].calm ||
	    ((f->flags & O_ACCMODE) != O_RDONLY && is_mapped(n, f->ino)))
		return 0;
	return CKPT_QUICK_CALM | CKPT_QUICK_PLACE | CKPT_QUICK_HALVES |
	       (f->flags & O_APPEND ? CKPT_QUICK_APPEND : 0);
}

/* Writes down what the call has done. Whether somebody has to look at it himself. */
OURS bool ckpt_quick_behind(void)
{
	struct ckpt_quick_notes *n = NOTES;
	struct ckpt_quick_call *c = (struct ckpt_quick_call *)(n->data + n->at);
	const struct ckpt_quick_kind *k = &n->kinds[n->nr];
	struct ckpt_quick_opened *opened = (struct ckpt_quick_opened *)c->output;
	const uint64_t fd = n->args[0];
	const bool done = n->result >= 0;
	uint64_t len = 0, size;
	bool look = n->half;

	c->nr = n->nr;
	c->site = n->site;
	for (int i = 0; i < 6; i++)
		c->args[i] = n->args[i];
	c->result = n->result;
	c->clock = RING->at;
	c->offset = CKPT_QUICK_UNREAD;
	if (done && !look && k->flags & CKPT_QUICK_OPENS) {
		look = n->result >= CKPT_QUICK_NUMBERS ||
		       !ask_how_opened(n, (uint64_t)n->result, opened, &len) ||
		       !(n->files[n->result] = file_of(n, opened));
	} else if (done && !look) {
		len = output_len(n, k);
		ckpt_quick_copy(c->output, (const void *)n->args[k->at], len);
	}
	if (done && !look &&
	    (k->flags & CKPT_QUICK_MOVES ||
	     (k->flags & CKPT_QUICK_WRITES && fd < CKPT_QUICK_NUMBERS &&
	      n->files[fd] & CKPT_QUICK_APPEND))) {
		c->offset = (uint64_t)ckpt_quick_ask(SYS_lseek, fd, 0, SEEK_CUR, 0, 0);
		look = (int64_t)c->offset < 0;
		if (look) /* it was interrupted before it could ask, for one */
			c->offset = CKPT_QUICK_UNREAD;
	}
	if (done && k->flags & CKPT_QUICK_CLOSES && fd < CKPT_QUICK_NUMBERS)
		n->files[fd] = 0;
	if (done && ckpt_quick_dups(k->flags, n->args) && n->result < CKPT_QUICK_NUMBERS)
		n->files[n->result] = fd < CKPT_QUICK_NUMBERS ? n->files[fd] : 0;
	c->len = look ? CKPT_QUICK_UNREAD : len;
	size = sizeof(*c) + (look ? 0 : (len + 7) & ~7ull);
	n->room -= size;
	__atomic_store_n(&n->at, n->at + size, __ATOMIC_RELEASE);
	__atomic_store_n(&n->amid, 0, __ATOMIC_RELEASE);
	return look;
}
