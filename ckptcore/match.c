/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Legs: a puppet's run up to a known moment, with probes on the way.
 *
 * A moment that lies at no event is recognized from the front: a probe at its
 * address compares all registers; where they are equal, memory and extended
 * state are compared too. A word of memory that differs becomes one more
 * condition of the probe, so that a loop with equal registers costs one
 * comparison of memory and not one each time round. The first equal full state
 * is the moment, since equal states have equal futures.
 *
 * A moment amid a repeated string instruction, at which single steps stop, is
 * reached from the instruction's arrival, by as many repetitions as rcx tells.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ckptcore/probe.h"
#include "ckptcore/record.h"

static int install(struct ckpt_leg *leg)
{
	const struct ckpt_goal *goal = leg->run.goal;
	struct ckpt_rule *all = calloc(leg->n + 2, sizeof(*all));
	size_t n = 0;
	int err;

	if (!all)
		return -ENOMEM;
	if (goal->how == CKPT_END_MATCH) {
		all[n++] = (struct ckpt_rule){ .site = goal->regs.rip,
					       .conds = leg->conds,
					       .nconds = leg->nconds,
					       .cell = CKPT_CELL_END };
		if (leg->counts)
			all[n++] = (struct ckpt_rule){ .site = goal->regs.rip,
						       .cell = CKPT_CELL_HITS };
	}
	if (leg->n)
		memcpy(all + n, leg->rules, leg->n * sizeof(*all));
	err = ckpt_probes_install(leg->p, all, n + leg->n);
	free(all);
	return err;
}

/* Registers that a repeated string instruction changes. */
static bool advances(int reg)
{
	return reg == PROBE_RCX || reg == PROBE_RSI || reg == PROBE_RDI;
}

/* One condition for each register. Those first that aren't at the leg's beginning what
 * they are at the goal: in a loop these are, most likely, the ones that change. */
static void compare_registers(struct ckpt_leg *leg)
{
	const struct ckpt_goal *goal = leg->run.goal;
	struct ckpt_general now = ckpt_canonical(leg->p);

	for (int same = 0; same < 2; same++)
		for (int i = 0; i < 16; i++)
			if ((now.r[i] == goal->regs.r[i]) == same && !(leg->amid && advances(i)))
				leg->conds[leg->nconds++] =
					(struct probe_cond){ .what = (enum probe_operand)i,
							     .value = goal->regs.r[i] };
}

static int leg_begin(struct ckpt_leg *leg, struct ckpt_task *p, const struct ckpt_goal *goal,
		     const struct ckpt_rule *rules, size_t n, bool counts)
{
	memset(leg, 0, sizeof(*leg));
	leg->p = p;
	leg->counts = counts;
	leg->rules = rules;
	leg->n = n;
	leg->run.goal = goal;
	if (goal->how == CKPT_END_MATCH) {
		leg->amid = ckpt_is_rep(goal->ref, goal->regs.rip);
		compare_registers(leg);
		leg->run.arm_event = goal->event;
		leg->run.arm_cell = CKPT_CELL_END;
		leg->run.arm_count = 1;
		leg->run.reset_first = CKPT_CELL_END;
		leg->run.reset_n = 2;
	}
	if (ckpt_cells_reset(p, 0, CKPT_CELL_FREE))
		return -ESRCH;
	return install(leg);
}

int ckpt_leg_begin(struct ckpt_leg *leg, struct ckpt_task *p, const struct ckpt_goal *goal,
		   const struct ckpt_rule *rules, size_t n)
{
	return leg_begin(leg, p, goal, rules, n, false);
}

static bool is_end(struct ckpt_leg *leg, uint64_t *where)
{
	const struct ckpt_goal *goal = leg->run.goal;

	*where = 0;
	return goal->how == CKPT_END_MATCH && leg->p->play->event == goal->event &&
	       ckpt_same_registers(leg->p, goal->ref, &goal->regs) &&
	       ckpt_same_memory(leg->p, goal->ref, &leg->p->timeline->overlay, where);
}

/* A word that tells this arrival from the one that is looked for. */
static int learn(struct ckpt_leg *leg, uint64_t where)
{
	const struct ckpt_goal *goal = leg->run.goal;
	uint64_t value;

	if (!where || leg->nconds == PROBE_MAX_CONDS || ckpt_read(goal->ref, where, &value, 8))
		return 0;
	leg->conds[leg->nconds++] = (struct probe_cond){ PROBE_MEM, where, value };
	ckpt_probes_remove(leg->p);
	leg->run.skip_rule = 1; /* behind the end's rule */
	return install(leg);
}

/* The puppet has arrived at a repeated string instruction: repeats it until so many
 * repetitions are left. *sig: what ended that earlier, see ckpt_repeat(). */
static int repeat(struct ckpt_leg *leg, uint64_t left, int *sig)
{
	struct ckpt_task *p = leg->p;
	uint64_t site = leg->run.goal->regs.rip, before = ckpt_regs(p)->rcx;
	int err = ckpt_probe_original(p, site, false);

	if (!err)
		err = ckpt_repeat(p, left, sig);
	if (!err)
		err = ckpt_probe_original(p, site, true);
	leg->steps += (uint32_t)(before - ckpt_regs(p)->rcx);
	if (ckpt_regs(p)->rcx != before)
		p->play->at_site = 0; /* another arrival follows, if it goes on amid it */
	if (!err && *sig == SIGTRAP)
		p->play->stopped_by = (siginfo_t){ .si_signo = SIGTRAP, .si_code = TRAP_HWBKPT };
	return err;
}

/* An arrival wasn't the goal: on from there. -1, or a halt. */
static int go_past(struct ckpt_leg *leg, uint64_t where)
{
	int sig = 0;

	leg->differs = where ? where : leg->differs;
	if (ckpt_cell_set(leg->p, CKPT_CELL_END, 1))
		return CKPT_HALT_DEAD;
	if (!leg->steps)
		return learn(leg, where) ? CKPT_HALT_DEAD : -1;
	/* Words may differ just because of the repetitions. */
	leg->run.skip_rule = 0;
	if (repeat(leg, 0, &sig))
		return CKPT_HALT_DEAD;
	return sig == SIGTRAP ? CKPT_HALT_TRAP : -1;
}

/* The goal's rule has stopped it at a repeated string instruction. If the goal can
 * only be amid that, the arrival lies before it: for the other rules as well. One of
 * them may stop it. */
static void count_arrival(struct ckpt_leg *leg)
{
	struct ckpt_task *p = leg->p;
	bool silent = leg->run.only && p->vtid != leg->run.only;
	uint64_t pc = ckpt_regs(p)->rip, cell = ckpt_cell_get(p, CKPT_CELL_FREE);
	int rule;

	leg->counted = ckpt_regs(p)->rcx > leg->run.goal->regs.r[PROBE_RCX];
	if (!leg->counted)
		return;
	if (silent)
		ckpt_cell_set(p, CKPT_CELL_FREE, CKPT_NEVER);
	rule = ckpt_probe_evaluate(p, pc, 1);
	if (silent)
		ckpt_cell_set(p, CKPT_CELL_FREE, cell);
	if (rule < 0)
		return;
	leg->run.site = p->play->at_site = pc;
	leg->run.cell = ckpt_probe_cell(p, pc, (size_t)rule);
	p->play->at_rule = rule;
	leg->owed = true;
}

/* As ckpt_puppet_run(), up to where the goal may be, or a rule. */
static enum ckpt_halt run_to_arrival(struct ckpt_leg *leg)
{
	enum ckpt_halt halt;

	if (leg->owed) {
		leg->owed = false;
		leg->run.cell = CKPT_CELL_END;
		return CKPT_HALT_PROBE;
	}
	leg->counted = false;
	halt = ckpt_puppet_run(leg->p, &leg->run);
	if (halt == CKPT_HALT_PROBE && leg->run.cell == CKPT_CELL_END && leg->amid)
		count_arrival(leg);
	return halt;
}

enum ckpt_halt ckpt_leg_run(struct ckpt_leg *leg)
{
	enum ckpt_halt halt;
	uint64_t where;
	int sig = 0, more;

	/* Straight behind a call that isn't replayed there is no event to come. */
	if (leg->run.goal->how == CKPT_END_NOW ||
	    (leg->run.goal->how == CKPT_END_EVENT && leg->p->play->event >= leg->run.goal->event))
		return CKPT_HALT_GOAL;
	if (leg->p->play->sig && leg->run.goal->how == CKPT_END_MATCH && leg->run.goal->ref->play &&
	    leg->run.goal->ref->play->sig) {
		leg->hits = 1; /* only at an interval's beginning a signal waits */
		return CKPT_HALT_GOAL;
	}
	leg->hits = leg->steps = 0;
	if (ckpt_goal_is_delivery(leg->run.goal, leg->p))
		return CKPT_HALT_GOAL;
	for (;;) {
		halt = run_to_arrival(leg);
		if (halt == CKPT_HALT_PROBE && leg->run.cell != CKPT_CELL_END)
			return halt;
		if (halt != CKPT_HALT_PROBE && halt != CKPT_HALT_SIGNAL)
			return halt;
		leg->steps = 0;
		if (leg->amid && halt == CKPT_HALT_PROBE) {
			if (repeat(leg, leg->run.goal->regs.r[PROBE_RCX], &sig))
				return CKPT_HALT_DEAD;
			if (sig == SIGTRAP) /* on from amid it, that is an arrival, too */
				return ckpt_cell_set(leg->p, CKPT_CELL_END, 1) ? CKPT_HALT_DEAD :
										 CKPT_HALT_TRAP;
		}
		if (is_end(leg, &where)) {
			leg->hits =
				CKPT_NEVER - ckpt_cell_get(leg->p, CKPT_CELL_HITS) + !leg->counted;
			return CKPT_HALT_GOAL;
		}
		if (halt == CKPT_HALT_SIGNAL)
			return halt;
		more = go_past(leg, where);
		if (more >= 0)
			return (enum ckpt_halt)more;
	}
}

void ckpt_leg_end(struct ckpt_leg *leg)
{
	ckpt_probes_remove(leg->p);
}

/* ---------------------------------------------------------------- positions */

static int halt_error(enum ckpt_halt halt)
{
	return halt == CKPT_HALT_CANCELLED ? -EINTR : halt == CKPT_HALT_DEAD ? -ESRCH : -EPROTO;
}

int ckpt_locate(struct ckpt_timeline *tl, size_t interval, const struct ckpt_goal *goal,
		struct ckpt_pos *ret)
{
	struct ckpt_leg leg;
	enum ckpt_halt halt;
	struct ckpt_task *p;
	int err = ckpt_puppet_create(tl, interval, &p);

	if (err)
		return err;
	err = leg_begin(&leg, p, goal, NULL, 0, true);
	if (!err) {
		halt = ckpt_leg_run(&leg);
		if (halt != CKPT_HALT_GOAL && halt != CKPT_HALT_EXIT)
			err = halt_error(halt);
	}
	if (!err)
		*ret = (struct ckpt_pos){ .interval = interval,
					  .event = goal->event,
					  .known = true,
					  .addr = goal->how == CKPT_END_MATCH ? goal->regs.rip : 0,
					  .hits = goal->how == CKPT_END_MATCH ? leg.hits : 0,
					  .steps = leg.steps };
	ckpt_puppet_destroy(p);
	return err;
}

int ckpt_goto(struct ckpt_timeline *tl, const struct ckpt_pos *pos, struct ckpt_task **ret)
{
	const struct ckpt_rule rule = { .site = pos->addr, .cell = CKPT_CELL_END };
	/* While it steps no later turn is taken. */
	const struct ckpt_goal end = { .event = pos->event, .how = CKPT_END_MATCH };
	struct ckpt_run run = { 0 };
	enum ckpt_halt halt;
	struct ckpt_task *p;
	int err = ckpt_puppet_create(tl, pos->interval, &p);

	if (err)
		return err;
	if (pos->hits) {
		run.arm_event = pos->event;
		run.arm_cell = CKPT_CELL_END;
		run.arm_count = pos->hits;
		err = ckpt_cells_reset(p, 0, CKPT_CELL_FREE);
		if (!err)
			err = ckpt_probes_install(p, &rule, 1);
		if (!err && (halt = ckpt_puppet_run(p, &run)) != CKPT_HALT_PROBE)
			err = halt_error(halt);
		ckpt_probes_remove(p);
	} else if (pos->event > tl->snaps[pos->interval]->event) {
		run.stop_event = pos->event;
		halt = ckpt_puppet_run(p, &run);
		if (halt != CKPT_HALT_EVENT)
			err = halt_error(halt);
	}
	for (uint32_t i = 0; !err && i < pos->steps; i++) {
		run = (struct ckpt_run){ .goal = &end };
		halt = ckpt_puppet_step(p, &run);
		if (halt != CKPT_HALT_STEP)
			err = halt_error(halt);
	}
	if (err) {
		ckpt_puppet_destroy(p);
		return err;
	}
	*ret = p;
	return 0;
}
