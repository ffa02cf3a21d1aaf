/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether two copies of the target are in the same state: equal registers,
 * extended state and writable memory. Equal states have the same future, so
 * this decides exactly where in an interval a given moment lies.
 *
 * Dead stack doesn't count: what lies below the stack pointer, and all of an
 * alternate stack that isn't in use. The dynamic linker saves registers there
 * by XSAVEC, which leaves out what the processor takes for unused; and that
 * depends on when the kernel switched tasks. Where such an area lies elsewhere
 * (the stack of who called a coroutine), it is known by its header. Neither do
 * the x87 pointers count that swapcontext and its like save.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "ckptcore/clock.h"
#include "ckptcore/probe.h"
#include "ckptcore/replay.h"
#include "ckptcore/shared.h"

#define PAGE 4096ull
#define BATCH 64 /* pages compared at once */
#define PRESENT (1ull << 63)
#define SWAPPED (1ull << 62)
#define PFN ((1ull << 55) - 1)

struct ckpt_general ckpt_general_of(const struct user_regs_struct *r)
{
	/* In the order in which the processor numbers them. */
	return (struct ckpt_general){
		{ r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp, r->rsi, r->rdi, r->r8, r->r9,
		  r->r10, r->r11, r->r12, r->r13, r->r14, r->r15 },
		r->rip,
		r->eflags & ~0x10100ull,
		r->fs_base,
		r->gs_base,
	};
}

static bool same_xstate(struct ckpt_task *a, struct ckpt_task *b)
{
	static uint8_t xa[CKPT_XSTATE_MAX], xb[CKPT_XSTATE_MAX];
	size_t na = sizeof(xa), nb = sizeof(xb);

	if (ckpt_get_xstate(a, xa, &na) || ckpt_get_xstate(b, xb, &nb) || na != nb)
		return false;
	/* The x87 instruction and operand pointers (8 to 23) differ where a
	 * probe executed a displaced instruction; the header (512 to 575) says
	 * which parts are in use, which is the processor's own business. */
	return !memcmp(xa, xb, 8) && !memcmp(xa + 24, xb + 24, 464 - 24) &&
	       !memcmp(xa + 576, xb + 576, na - 576);
}

static int pagemap(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* As struct pm_scan_arg and struct page_region of linux/fs.h, since Linux 6.7. */
struct scan {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

struct region {
	uint64_t start, end, categories;
};

#define SCAN _IOWR('f', 16, struct scan)
#define IS_PRESENT (1u << 3)
#define IS_SWAPPED (1u << 4)

/* The first page from at on that has contents, hi if there is none, or (Linux before
 * 6.7) just at. */
static uint64_t next_used(int fd, uint64_t at, uint64_t hi)
{
	struct region found;
	struct scan s = { .size = sizeof(s),
			  .start = at,
			  .end = hi,
			  .vec = (uintptr_t)&found,
			  .vec_len = 1,
			  .max_pages = 1,
			  .category_anyof_mask = IS_PRESENT | IS_SWAPPED,
			  .return_mask = IS_PRESENT };
	int n = ioctl(fd, SCAN, &s);

	return n < 0 ? at : n ? found.start : hi;
}

/* Pages of neither have contents, or both have the same one. */
static bool same_page(uint64_t a, uint64_t b)
{
	if (!(a & (PRESENT | SWAPPED)) && !(b & (PRESENT | SWAPPED)))
		return true;
	return a & PRESENT && b & PRESENT && (a & PFN) && (a & PFN) == (b & PFN);
}

#define MAX_DEAD 64 /* threads beyond that have their dead stacks compared */

struct pair {
	struct ckpt_task *a, *b;
	const struct ckpt_overlay *overlay;
	const struct ckpt_map *maps;
	size_t nmaps;
	bool dead_known;
	struct {
		uint64_t lo, hi;
	} dead[MAX_DEAD];
	size_t ndead;
};

#define RED_ZONE 128
#define SCRATCH (CKPT_PAGE + 2048)

static void add_dead(struct pair *p, uint64_t lo, uint64_t hi)
{
	if (lo >= hi || p->ndead == MAX_DEAD)
		return;
	p->dead[p->ndead].lo = lo;
	p->dead[p->ndead++].hi = hi;
}

/* Below the stack pointer of a thread. */
static void add_stack(struct pair *p, struct ckpt_task *t)
{
	uint64_t rsp = ckpt_regs(t)->rsp;

	for (size_t i = 0; i < p->nmaps; i++)
		if (rsp > p->maps[i].lo && rsp <= p->maps[i].hi && rsp - RED_ZONE > p->maps[i].lo)
			add_dead(p, p->maps[i].lo, rsp - RED_ZONE);
}

static void find_dead(struct pair *p)
{
	const struct ckpt_play *play = p->a->play;
	stack_t alt;
	long res;

	p->dead_known = true;
	add_stack(p, p->a);
	for (size_t i = 0; play && i < play->nothers; i++)
		add_stack(p, play->others[i]);
	if (ckpt_inject(p->a, &res, SYS_sigaltstack, 0, SCRATCH, 0, 0, 0, 0) || res ||
	    ckpt_read(p->a, SCRATCH, &alt, sizeof(alt)) || alt.ss_flags & (SS_DISABLE | SS_ONSTACK))
		return;
	add_dead(p, (uintptr_t)alt.ss_sp, (uintptr_t)alt.ss_sp + alt.ss_size);
}

static bool is_dead(struct pair *p, uint64_t addr)
{
	if (!p->dead_known)
		find_dead(p);
	for (size_t i = 0; i < p->ndead; i++)
		if (addr >= p->dead[i].lo && addr + 8 <= p->dead[i].hi)
			return true;
	return false;
}

/* -------------------------------------- what depends on the processor's moods */

#define COMPACTED (1ull << 63)
#define SSE 2ull /* the xmm registers and mxcsr, in XSTATE_BV */

/* An area of XSAVEC. */
struct area {
	uint8_t legacy[512];
	uint64_t has, format, zero[6]; /* XSTATE_BV, XCOMP_BV */
};

static bool read_area(struct ckpt_task *t, uint64_t addr, struct area *ret)
{
	static const uint64_t zero[6];

	return !ckpt_read(t, addr, ret, sizeof(*ret)) && ret->format & COMPACTED &&
	       ret->format & SSE && !(ret->has & ~ret->format) &&
	       !memcmp(ret->zero, zero, sizeof(zero));
}

/* Whether its xmm registers are, as far as the area tells, as they are at the beginning. */
static bool is_initial(const struct area *a)
{
	static const uint8_t zero[256];
	uint32_t mxcsr;

	memcpy(&mxcsr, a->legacy + 24, 4);
	return !(a->has & SSE) || (mxcsr == 0x1f80 && !memcmp(a->legacy + 160, zero, 256));
}

/* Whether the word at addr belongs to areas that say the same of the registers
 * in it, one because they are left out. */
static bool is_left_out(const struct pair *p, uint64_t addr)
{
	struct area a, b;

	for (uint64_t at = addr & ~63ull; addr - at <= 512; at -= 64) {
		uint64_t off = addr - at;

		if ((off == 24 || (off >= 160 && off < 416) || off == 512) &&
		    read_area(p->a, at, &a) && read_area(p->b, at, &b))
			return (a.has & SSE) + (b.has & SSE) < 2 * SSE && is_initial(&a) &&
			       is_initial(&b) && ((a.has ^ b.has) & ~SSE) == 0;
	}
	return false;
}

/* Whether the word at addr differs only in the pointers to the last x87
 * instruction and its operand, within what fnstenv wrote. */
static bool is_x87_pointer(const struct pair *p, uint64_t addr, const uint8_t *wa,
			   const uint8_t *wb)
{
	for (uint64_t at = addr - 24; at < addr; at += 4) {
		uint32_t a[3], b[3];
		bool same = true;

		if (ckpt_read(p->a, at, a, sizeof(a)) || ckpt_read(p->b, at, b, sizeof(b)) ||
		    memcmp(a, b, sizeof(a)) || a[0] >> 16 != 0xffff || a[1] >> 16 != 0xffff ||
		    a[2] >> 16 != 0xffff)
			continue;
		for (uint64_t i = 0; i < 8; i++)
			same &= wa[i] == wb[i] || addr + i - at - 12 < 26 - 12;
		if (same)
			return true;
	}
	return false;
}

/* Compares pages [at, at + n) of a and b; the first difference into *where. */
static bool same_bytes(struct pair *p, uint64_t at, size_t n, uint64_t *where)
{
	static uint8_t ba[BATCH * PAGE], bb[BATCH * PAGE];
	size_t len = n * PAGE;
	ssize_t la = ckpt_read_some(p->a, at, ba, len), lb = ckpt_read_some(p->b, at, bb, len);

	if (la != lb && !ckpt_shared_at(p->a->timeline ?: p->b->timeline, at)) {
		*where = at;
		return false;
	}
	if (la <= 0 || lb <= 0)
		return true; /* neither is readable (a guard, a file's end) */
	ckpt_probes_mask(p->a, at, ba, len);
	ckpt_overlay_mask(p->overlay, at, ba, len);
	ckpt_overlay_mask(p->overlay, at, bb, len);
	la = la < lb ? la : lb;
	if (!memcmp(ba, bb, (size_t)la))
		return true;
	for (size_t i = 0; i < (size_t)la; i += 8)
		if (memcmp(ba + i, bb + i, 8) && !is_dead(p, at + i) &&
		    !ckpt_shared_at(p->a->timeline ?: p->b->timeline, at + i) &&
		    !is_left_out(p, at + i) && !is_x87_pointer(p, at + i, ba + i, bb + i)) {
			*where = at + i;
			return false;
		}
	return true;
}

static bool same_map(struct pair *p, int fa, int fb, const struct ckpt_map *m, uint64_t *where)
{
	uint64_t ea[BATCH], eb[BATCH], at = m->lo, na, nb;

	while (at < m->hi) {
		size_t n = (m->hi - at) / PAGE < BATCH ? (m->hi - at) / PAGE : BATCH;
		off_t off = (off_t)(at / PAGE * 8);
		bool used = false;

		if (pread(fa, ea, n * 8, off) != (ssize_t)(n * 8) ||
		    pread(fb, eb, n * 8, off) != (ssize_t)(n * 8)) {
			memset(ea, 0xff, sizeof(ea)); /* compare all */
			memset(eb, 0, sizeof(eb));
		}
		for (size_t i = 0; i < n; i++) {
			size_t run = 0;

			while (i + run < n && !same_page(ea[i + run], eb[i + run]))
				run++;
			if (run && !same_bytes(p, at + i * PAGE, run, where))
				return false;
			i += run;
		}
		for (size_t i = 0; !used && i < n; i++)
			used = (ea[i] | eb[i]) & (PRESENT | SWAPPED);
		at += n * PAGE;
		if (!used && at < m->hi) { /* a sanitizer's shadow has 16 TB of that */
			na = next_used(fa, at, m->hi);
			nb = next_used(fb, at, m->hi);
			at = na < nb ? na : nb;
		}
	}
	return true;
}

bool ckpt_same_memory(struct ckpt_task *a, struct ckpt_task *b, const struct ckpt_overlay *o,
		      uint64_t *where)
{
	struct pair p = { .a = a, .b = b, .overlay = o };
	struct ckpt_map *maps = NULL;
	size_t n = 0;
	bool same = true;
	int fa = pagemap(a->tgid), fb = pagemap(b->tgid);

	*where = 0;
	if (ckpt_maps(b->tgid, &maps, &n))
		same = false;
	p.maps = maps;
	p.nmaps = n;
	for (size_t i = 0; same && i < n; i++) {
		const struct ckpt_map *m = &maps[i];

		if (!m->w || (m->lo >= CKPT_PAGE && m->lo < CKPT_OURS_HI))
			continue;
		same = same_map(&p, fa, fb, m, where);
	}
	if (same && ckpt_clock_left(a) != ckpt_clock_left(b)) {
		*where = CKPT_RING;
		same = false;
	}
	free(maps);
	if (fa >= 0)
		close(fa);
	if (fb >= 0)
		close(fb);
	return same;
}

bool ckpt_same_registers(struct ckpt_task *a, struct ckpt_task *b, const struct ckpt_general *ref)
{
	struct ckpt_general ga = ckpt_general_of(ckpt_regs(a));

	return !memcmp(&ga, ref, sizeof(ga)) && same_xstate(a, b);
}
