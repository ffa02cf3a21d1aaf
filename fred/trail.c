/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>

#include "fred/trail.h"

static struct {
	struct ckpt_task *from;
	unsigned int steps; /* from there to what was found, which is ... */
	struct ckpt_task *found;
	pid_t tid; /* ... this task ... */
	uint64_t moves;
	struct ckpt_general regs; /* ... standing here */
} trail;

void fred_trail_forget(void)
{
	ckpt_puppet_destroy(trail.from);
	memset(&trail, 0, sizeof(trail));
}

void fred_trail_begin(struct ckpt_task *from)
{
	fred_trail_forget();
	if (ckpt_puppet_clone(from, &trail.from))
		trail.from = NULL; /* it is a matter of speed only */
}

static void note(struct ckpt_task *found, unsigned int steps)
{
	trail.steps = steps;
	trail.found = found;
	trail.tid = found->tid;
	trail.moves = found->play->moves;
	trail.regs = ckpt_canonical(found);
}

void fred_trail_end(struct ckpt_task *found, unsigned int steps)
{
	if (trail.from)
		note(found, steps);
}

bool fred_trail_leads_to(const struct fred_moment *m)
{
	struct ckpt_task *t = m->goal.ref;

	/* At its beginning the copy may stand before a call that another turn made. */
	return trail.from && trail.steps > 1 && m->goal.how == CKPT_END_MATCH && t == trail.found &&
	       t->tid == trail.tid && t->play && t->play->moves == trail.moves &&
	       t->timeline == trail.from->timeline && m->thread == trail.from->vtid &&
	       m->goal.event == t->play->event &&
	       !memcmp(&m->goal.regs, &trail.regs, sizeof(trail.regs));
}

int fred_trail_follow(const struct fred_moment *m, struct ckpt_task **ret)
{
	struct ckpt_run run = { .goal = &m->goal };
	struct ckpt_task *p;
	int err = ckpt_puppet_clone(trail.from, &p);

	for (unsigned int i = 0; !err && i < trail.steps - 1; i++)
		if (ckpt_puppet_step(p, &run) != CKPT_HALT_STEP)
			err = -EPROTO;
	if (err) {
		if (err == -EPROTO)
			ckpt_puppet_destroy(p);
		fred_trail_forget();
		return err;
	}
	note(p, trail.steps - 1);
	*ret = p;
	return 1;
}
