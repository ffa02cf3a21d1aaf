/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>

#include "fred/trail.h"

static struct {
	struct ckpt_task *from;
	struct ckpt_goal end;		  /* its event: no later turn is taken on the way */
	uint64_t pcs[FRED_TRAIL_MAX + 1]; /* before each step, and behind the last */
	unsigned int steps;		  /* from there to what was found, which is ... */
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

static void note(struct ckpt_task *found, unsigned int steps)
{
	trail.steps = steps;
	trail.found = found;
	trail.tid = found->tid;
	trail.moves = found->play->moves;
	trail.regs = ckpt_canonical(found);
}

int fred_trail_walk(struct ckpt_task *p, const struct fred_moment *m, unsigned int steps)
{
	struct ckpt_run run = { .goal = &trail.end };

	fred_trail_forget();
	trail.end = (struct ckpt_goal){ .event = m->goal.event, .how = CKPT_END_MATCH };
	if (steps > 1 && steps <= FRED_TRAIL_MAX && ckpt_puppet_clone(p, &trail.from))
		trail.from = NULL; /* it is a matter of speed only */
	for (unsigned int i = 0; i < steps; i++) {
		if (trail.from)
			trail.pcs[i] = ckpt_regs(p)->rip;
		if (ckpt_puppet_step(p, &run) != CKPT_HALT_STEP)
			return -EPROTO;
	}
	if (trail.from)
		note(p, steps);
	return 0;
}

/* At its beginning the copy may stand before a call that another turn made: it
 * is no place to arrive at. */
static bool knows_way_to(struct ckpt_task *t)
{
	struct ckpt_general regs;

	if (!trail.from || trail.steps <= 1 || t != trail.found || t->tid != trail.tid ||
	    !t->play || t->play->moves != trail.moves || t->timeline != trail.from->timeline)
		return false;
	regs = ckpt_canonical(t);
	return !memcmp(&regs, &trail.regs, sizeof(regs));
}

bool fred_trail_leads_to(const struct fred_moment *m)
{
	return m->goal.how == CKPT_END_MATCH && m->goal.ref && m->thread == m->goal.ref->vtid &&
	       knows_way_to(m->goal.ref) && m->thread == trail.from->vtid &&
	       m->goal.event == m->goal.ref->play->event &&
	       !memcmp(&m->goal.regs, &trail.regs, sizeof(trail.regs));
}

/* A puppet so many steps along the way. */
static int go(unsigned int steps, struct ckpt_task **ret)
{
	struct ckpt_run run = { .goal = &trail.end };
	struct ckpt_task *p;
	int err = ckpt_puppet_clone(trail.from, &p);

	if (err)
		return err;
	for (unsigned int i = 0; i < steps; i++)
		if (ckpt_puppet_step(p, &run) != CKPT_HALT_STEP) {
			ckpt_puppet_destroy(p);
			fred_trail_forget();
			return -EPROTO;
		}
	note(p, steps);
	*ret = p;
	return 0;
}

int fred_trail_follow(struct ckpt_task **ret)
{
	int err = go(trail.steps - 1, ret);

	return err ? err : 1;
}

int fred_trail_skip(struct ckpt_task **p, unsigned int n, bool (*stops)(uint64_t pc))
{
	unsigned int steps = trail.steps, to = steps;
	struct ckpt_task *q;
	int err;

	if (!knows_way_to(*p))
		return 0;
	do
		to--;
	while (to > 1 && steps - to < n && !stops(trail.pcs[to]));
	err = go(to, &q);
	if (err)
		return err;
	ckpt_puppet_destroy(*p);
	*p = q;
	return (int)(steps - to);
}
