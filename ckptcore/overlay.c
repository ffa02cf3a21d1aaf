/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The overlay: which bytes in a target's memory are the debugger's. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ckptcore/internal.h"

static struct ckpt_poke *find(const struct ckpt_overlay *o, uint64_t addr)
{
	for (size_t i = 0; i < o->n; i++)
		if (o->pokes[i].addr == addr)
			return &o->pokes[i];
	return NULL;
}

bool ckpt_overlay_at(const struct ckpt_overlay *o, uint64_t addr, uint8_t *ret)
{
	struct ckpt_poke *p = find(o, addr);

	if (p && ret)
		*ret = p->original;
	return p;
}

bool ckpt_overlay_lacks(const struct ckpt_overlay *o, uint64_t addr)
{
	for (size_t i = 0; i < CKPT_TAKEN_OUT; i++)
		if (o->out[i] == addr)
			return true;
	return false;
}

int ckpt_overlay_add(struct ckpt_overlay *o, uint64_t addr, uint8_t original)
{
	for (size_t i = 0; i < CKPT_TAKEN_OUT; i++)
		if (o->out[i] == addr)
			o->out[i] = 0;
	if (o->n == o->room) {
		size_t room = o->room ? o->room * 2 : 16;
		struct ckpt_poke *more = realloc(o->pokes, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		o->pokes = more;
		o->room = room;
	}
	o->pokes[o->n++] = (struct ckpt_poke){ addr, original };
	return 0;
}

void ckpt_overlay_delete(struct ckpt_overlay *o, uint64_t addr)
{
	struct ckpt_poke *p = find(o, addr);

	if (!p)
		return;
	*p = o->pokes[--o->n];
	o->out[o->out_next++ % CKPT_TAKEN_OUT] = addr;
}

void ckpt_overlay_remove(const struct ckpt_overlay *o, struct ckpt_task *t)
{
	for (size_t i = 0; i < o->n; i++)
		if (ckpt_write(t, o->pokes[i].addr, &o->pokes[i].original, 1))
			continue; /* unmapped meanwhile: nothing to take out */
}

void ckpt_overlay_apply(struct ckpt_overlay *o, struct ckpt_task *t)
{
	for (size_t i = o->n; i-- > 0;) {
		uint8_t now;

		/* Code may not be mapped at this time of the program. */
		if (ckpt_read(t, o->pokes[i].addr, &now, 1) ||
		    ckpt_write(t, o->pokes[i].addr, "\xcc", 1))
			o->pokes[i] = o->pokes[--o->n];
		else if (now != 0xcc) /* else it is there already */
			o->pokes[i].original = now;
	}
}

void ckpt_overlay_forget(struct ckpt_overlay *o, uint64_t addr, uint64_t len)
{
	for (size_t i = o->n; i-- > 0;)
		if (o->pokes[i].addr - addr < len)
			o->pokes[i] = o->pokes[--o->n];
}

void ckpt_overlay_mask(const struct ckpt_overlay *o, uint64_t addr, uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < o->n; i++)
		if (o->pokes[i].addr - addr < len)
			buf[o->pokes[i].addr - addr] = o->pokes[i].original;
}

void ckpt_overlay_insn(struct ckpt_task *t, uint8_t insn[2])
{
	uint64_t rip = ckpt_regs(t)->rip;

	memset(insn, 0, 2);
	if (ckpt_read(t, rip, insn, 2) && ckpt_read(t, rip, insn, 1))
		return;
	ckpt_overlay_mask(&t->timeline->overlay, rip, insn, 2);
}
