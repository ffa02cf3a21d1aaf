/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "ckptcore/internal.h"
#include "ckptcore/sites.h"

#define MOST_SOUGHT 200
#define MET 8 /* a site from which so many calls came is one to change */
#define MOST_MET 200

static int take_out(struct ckpt_task *t, struct ckpt_site *s)
{
	int err = s->to.nr < 0 ? ckpt_write(t, s->ip, "\x0f\x05", 2) : 0;

	if (!err)
		err = ckpt_write(t, s->to.pad, s->was, sizeof(s->was));
	if (!err && s->to.hop)
		err = ckpt_write(t, s->to.hop, s->was_hop, sizeof(s->was_hop));
	s->in = false;
	return err;
}

/* NULL: there are more from which calls come. Each call from one for which there is no place makes all others
 * count less, so those that stay are those from which most come (Misra and Gries, 1982). */
static struct ckpt_site *find(struct ckpt_sites *all, struct ckpt_task *t, uint64_t ip)
{
	struct ckpt_site *rare = NULL;

	for (size_t i = 0; i < all->n; i++)
		if (all->sites[i].ip == ip)
			return &all->sites[i];
	if (all->n < CKPT_QUICK_SITES)
		rare = &all->sites[all->n++];
	for (size_t i = 0; i < all->n && !rare; i++)
		if (!all->sites[i].met)
			rare = &all->sites[i];
	for (size_t i = 0; i < all->n && !rare; i++)
		all->sites[i].met--;
	if (!rare || (rare->in && take_out(t, rare)))
		return NULL;
	*rare = (struct ckpt_site){ .ip = ip };
	return rare;
}

void ckpt_sites_used(struct ckpt_sites *all, size_t site)
{
	struct ckpt_site *s = &all->sites[site];

	s->met += s->met < MOST_MET;
}

bool ckpt_sites_met(struct ckpt_sites *all, struct ckpt_task *t, uint64_t ip)
{
	struct ckpt_site *s = find(all, t, ip);
	int64_t far;

	if (!s)
		return false;
	s->met += s->met < MOST_MET;
	if (s->refused)
		return false;
	if (s->to.pad || s->met < MET)
		return true;
	if (all->sought++ < MOST_SOUGHT)
		ckpt_quick_place(t, ip, &s->to);
	far = (int64_t)(t->near_code - s->to.pad);
	s->refused = !s->to.pad || far != (int32_t)far ||
		     ckpt_read(t, s->to.pad, s->was, sizeof(s->was)) ||
		     (s->to.hop && ckpt_read(t, s->to.hop, s->was_hop, sizeof(s->was_hop)));
	return !s->refused;
}

static int put_short_jump(struct ckpt_task *t, uint64_t at, uint64_t to)
{
	const uint8_t jump[CKPT_QUICK_HOP] = { 0xeb, (uint8_t)(to - (at + CKPT_QUICK_HOP)) };

	return ckpt_write(t, at, jump, sizeof(jump));
}

static bool is_there(struct ckpt_task *t, uint64_t addr, const void *bytes, size_t len)
{
	uint8_t now[CKPT_QUICK_PAD];

	return !ckpt_read(t, addr, now, len) && !memcmp(now, bytes, len);
}

static int put_in(struct ckpt_task *t, struct ckpt_site *s, size_t i,
		  struct ckpt_quick_notes *notes)
{
	const struct ckpt_quick_place *to = &s->to;
	const uint64_t entry = CKPT_QUICK_ENTRIES + i * CKPT_QUICK_ENTRY;
	const int32_t far = (int32_t)(t->near_code + i * CKPT_QUICK_JUMP - (to->pad + 5));
	uint8_t jump[CKPT_QUICK_PAD] = { 0xe9 }, code[CKPT_QUICK_ENTRY];
	int err;

	/* Else there is a breakpoint, or other code by now. */
	if (!is_there(t, s->ip, "\x0f\x05", 2) || !is_there(t, to->pad, s->was, sizeof(s->was)) ||
	    (to->hop && !is_there(t, to->hop, s->was_hop, sizeof(s->was_hop))))
		return 0;
	ckpt_quick_entry(entry, (unsigned int)i, to->nr, code);
	err = ckpt_write(t, entry, code, sizeof(code));
	if (err)
		return err;
	memcpy(jump + 1, &far, 4);
	notes->back[i] = s->ip + 2;
	s->in = true;
	err = ckpt_write(t, to->pad, jump, sizeof(jump));
	if (!err && to->hop)
		err = put_short_jump(t, to->hop, to->pad);
	if (!err && to->nr < 0)
		err = put_short_jump(t, s->ip, to->hop ? to->hop : to->pad);
	return err;
}

void ckpt_sites_put_in(struct ckpt_sites *all, struct ckpt_task *t, struct ckpt_quick_notes *notes)
{
	for (size_t i = 0; i < all->n; i++) {
		struct ckpt_site *s = &all->sites[i];

		if (s->to.pad && !s->refused && !s->in && put_in(t, s, i, notes))
			s->refused = true;
	}
}

void ckpt_sites_take_out(struct ckpt_sites *all, struct ckpt_task *t)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->sites[i].in && take_out(t, &all->sites[i]))
			all->sites[i].refused = true; /* unmapped meanwhile, or it died */
}

static uint64_t page_up(uint64_t addr)
{
	return (addr + CKPT_PAGE_MIN - 1) / CKPT_PAGE_MIN * CKPT_PAGE_MIN;
}

void ckpt_sites_range(const struct ckpt_sites *all, uint64_t ret[2])
{
	ret[0] = ret[1] = 0;
	for (size_t i = 0; i < all->n; i++) {
		const struct ckpt_site *s = &all->sites[i];
		uint64_t lo = s->to.nr < 0 ? s->ip : s->to.pad;

		if (!s->in)
			continue;
		if (!ret[1] || lo < ret[0])
			ret[0] = lo;
		if (s->to.pad + CKPT_QUICK_PAD > ret[1])
			ret[1] = s->to.pad + CKPT_QUICK_PAD;
	}
	ret[0] -= ret[0] % CKPT_PAGE_MIN;
	ret[1] = page_up(ret[1]);
}

bool ckpt_sites_within(const struct ckpt_sites *all, uint64_t addr, uint64_t len)
{
	len = page_up(len);
	for (size_t i = 0; i < all->n; i++)
		if (all->sites[i].ip - addr < len || all->sites[i].to.pad - addr < len)
			return true;
	return false;
}

bool ckpt_sites_jumps_at(const struct ckpt_sites *all, uint64_t rip)
{
	for (size_t i = 0; i < all->n; i++) {
		const struct ckpt_site *s = &all->sites[i];

		if (s->in && s->to.nr < 0 &&
		    (rip - s->to.pad < CKPT_QUICK_PAD ||
		     (s->to.hop && rip - s->to.hop < CKPT_QUICK_HOP)))
			return true;
	}
	return false;
}
