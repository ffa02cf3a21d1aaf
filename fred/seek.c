/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fred/seek.h"

#define F fred_tl
#define MAX_STEPS 2000	  /* by hand, where nothing better is known */
#define MAX_FUNCTION 4000 /* instructions of a function that all get probes */

char fred_seek_error[256];

/* ---------------------------------------------------------------- moments */

void fred_moment_deinit(struct fred_moment *m)
{
	ckpt_puppet_destroy(m->owned);
	m->owned = NULL;
}

void fred_moment_of(struct ckpt_task *p, struct fred_moment *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->interval = p->play->interval;
	ret->goal.event = p->play->event;
	ret->goal.how = CKPT_END_MATCH;
	ret->goal.ref = p;
	ret->goal.regs = ckpt_canonical(p);
}

/* ---------------------------------------------------------------- symbols */

static int read_task(void *ctx, uint64_t addr, void *buf, size_t len)
{
	struct ckpt_task *t = ctx;
	int err = ckpt_read(t, addr, buf, len);

	if (!err)
		ckpt_overlay_mask(&F.tl->overlay, addr, buf, len);
	return err;
}

struct fred_sym_reader fred_seek_reader(struct ckpt_task *t)
{
	return (struct fred_sym_reader){ read_task, t };
}

struct fred_sym *fred_seek_symbols(struct ckpt_task *t)
{
	static struct fred_sym *sym;

	if (!sym && fred_sym_create(&sym))
		return NULL;
	if (fred_sym_refresh(sym, t->tgid))
		return NULL;
	return sym;
}

/* ------------------------------------------------------------ the primitive */

int fred_seek_failure(enum ckpt_halt halt, const struct ckpt_leg *leg)
{
	static const char *const names[] = {
		[CKPT_HALT_EVENT] = "an event",	 [CKPT_HALT_CALL] = "a call",
		[CKPT_HALT_STEP] = "a step",	 [CKPT_HALT_TRAP] = "a trap",
		[CKPT_HALT_SIGNAL] = "a signal", [CKPT_HALT_DEAD] = "its death",
	};

	if (halt == CKPT_HALT_GOAL || halt == CKPT_HALT_EXIT)
		return 0;
	if (halt == CKPT_HALT_CANCELLED)
		return -EINTR;
	if (halt == CKPT_HALT_DIVERGED)
		snprintf(fred_seek_error, sizeof(fred_seek_error),
			 "replay diverged at event %llu: %s",
			 (unsigned long long)leg->run.expected_event, leg->run.seen);
	else
		snprintf(
			fred_seek_error, sizeof(fred_seek_error),
			"replay came to %s (%d) at event %llu, pc %#llx, before the end of its interval",
			names[halt] ? names[halt] : "?", leg->p->stop.sig,
			(unsigned long long)(leg->p->play ? leg->p->play->event : 0),
			leg->p->state == CKPT_DEAD ? 0ull :
						     (unsigned long long)ckpt_regs(leg->p)->rip);
	return -EPROTO;
}

/* All rules count in one cell. */
static struct ckpt_rule *with_cell(const struct ckpt_rule *rules, size_t n)
{
	struct ckpt_rule *r = calloc(n + 1, sizeof(*r));

	for (size_t i = 0; r && i < n; i++) {
		r[i] = rules[i];
		r[i].cell = CKPT_CELL_FREE;
	}
	return r;
}

static int start(size_t interval, struct ckpt_task *from, struct ckpt_task **ret)
{
	return from ? ckpt_puppet_clone(from, ret) : ckpt_puppet_create(F.tl, interval, ret);
}

/* How often the rules held between the start and the goal; -errno. */
static int count(size_t interval, struct ckpt_task *from, const struct ckpt_goal *goal,
		 const struct ckpt_rule *rules, size_t n, uint64_t *ret)
{
	struct ckpt_leg leg;
	struct ckpt_task *p;
	enum ckpt_halt halt = CKPT_HALT_DEAD;
	int err = start(interval, from, &p);

	if (err)
		return err;
	err = ckpt_leg_begin(&leg, p, goal, rules, n);
	if (!err) {
		if (ckpt_cell_set(p, CKPT_CELL_FREE, CKPT_NEVER))
			err = -ESRCH;
		halt = ckpt_leg_run(&leg);
		if (halt == CKPT_HALT_GOAL || halt == CKPT_HALT_EXIT ||
		    (halt == CKPT_HALT_DEAD && !F.tl->live && interval + 1 == F.tl->nsnaps))
			*ret = halt == CKPT_HALT_DEAD ?
				       0 :
				       CKPT_NEVER - ckpt_cell_get(p, CKPT_CELL_FREE);
		else
			err = fred_seek_failure(halt, &leg);
	}
	ckpt_puppet_destroy(p);
	ckpt_stats.probes++;
	return err;
}

/* A puppet at the nth time that the rules hold. */
static int stop_at(size_t interval, struct ckpt_task *from, const struct ckpt_goal *goal,
		   const struct ckpt_rule *rules, size_t n, uint64_t nth, struct ckpt_task **ret,
		   size_t *which)
{
	struct ckpt_leg leg;
	struct ckpt_task *p;
	enum ckpt_halt halt = CKPT_HALT_DEAD;
	int err = start(interval, from, &p);

	if (err)
		return err;
	err = ckpt_leg_begin(&leg, p, goal, rules, n);
	if (!err && ckpt_cell_set(p, CKPT_CELL_FREE, nth))
		err = -ESRCH;
	if (!err) {
		halt = ckpt_leg_run(&leg);
		if (halt != CKPT_HALT_PROBE)
			err = fred_seek_failure(halt, &leg);
	}
	if (err) {
		ckpt_puppet_destroy(p);
		return err;
	}
	*which = 0;
	for (size_t i = 0; i < n; i++)
		if (rules[i].site == leg.run.site) {
			*which = i;
			break;
		}
	ckpt_leg_end(&leg);
	ckpt_stats.probes++;
	*ret = p;
	return 1;
}

int fred_seek_last(const struct fred_moment *m, struct ckpt_task *from,
		   const struct ckpt_rule *rules, size_t n, struct ckpt_task **ret, size_t *which)
{
	struct ckpt_goal goal = m->goal;
	size_t i = m->interval, lowest = from ? from->play->interval : 0;
	struct ckpt_rule *r;
	uint64_t hits = 0;
	int err;

	if (!n)
		return 0;
	r = with_cell(rules, n);
	if (!r)
		return -ENOMEM;
	for (;; i--) {
		struct ckpt_task *begin = from && i == lowest ? from : NULL;

		err = count(i, begin, &goal, r, n, &hits);
		if (!err && hits)
			err = stop_at(i, begin, &goal, r, n, hits, ret, which);
		if (err || hits || i == lowest)
			break;
		ckpt_goal_of(F.tl, i - 1, &goal);
	}
	free(r);
	return err;
}

int fred_seek_first(struct ckpt_task *from, const struct fred_moment *m,
		    const struct ckpt_rule *rules, size_t n, uint64_t nth, struct ckpt_task **ret,
		    size_t *which)
{
	struct ckpt_rule *r = with_cell(rules, n);
	uint64_t hits;
	int err = r ? 0 : -ENOMEM;

	for (size_t i = from->play->interval; !err && i <= m->interval; i++) {
		struct ckpt_task *begin = i == from->play->interval ? from : NULL;
		struct ckpt_goal goal = m->goal;

		if (i < m->interval)
			ckpt_goal_of(F.tl, i, &goal);
		err = count(i, begin, &goal, r, n, &hits);
		if (!err && hits >= nth) {
			err = stop_at(i, begin, &goal, r, n, nth, ret, which);
			break;
		}
		nth -= hits;
	}
	free(r);
	return err;
}

int fred_seek_count(struct ckpt_task *from, const struct fred_moment *m,
		    const struct ckpt_rule *rules, size_t n, uint64_t *ret)
{
	struct ckpt_rule *r = with_cell(rules, n);
	int err = r ? 0 : -ENOMEM;
	uint64_t hits;

	*ret = 0;
	for (size_t i = from->play->interval; !err && i <= m->interval; i++) {
		struct ckpt_goal goal = m->goal;

		if (i < m->interval)
			ckpt_goal_of(F.tl, i, &goal);
		err = count(i, i == from->play->interval ? from : NULL, &goal, r, n, &hits);
		if (!err)
			*ret += hits;
	}
	free(r);
	return err;
}

int fred_seek_end(struct ckpt_task **ret)
{
	struct ckpt_goal goal;
	struct ckpt_leg leg;
	enum ckpt_halt halt = CKPT_HALT_DEAD;
	int err = ckpt_puppet_create(F.tl, F.tl->nsnaps - 1, ret);

	if (err || (*ret)->play->sig) /* it died of that signal, here */
		return err;
	ckpt_goal_of(F.tl, F.tl->nsnaps - 1, &goal);
	err = ckpt_leg_begin(&leg, *ret, &goal, NULL, 0);
	if (!err) {
		halt = ckpt_leg_run(&leg);
		ckpt_leg_end(&leg);
		if (halt != CKPT_HALT_EXIT && halt != CKPT_HALT_GOAL)
			err = fred_seek_failure(halt, &leg);
	}
	if (err)
		ckpt_puppet_destroy(*ret);
	return err;
}

int fred_seek_begin(struct ckpt_task **ret)
{
	return ckpt_puppet_create(F.tl, 0, ret);
}

/* ------------------------------------------------------------ instructions */

int fred_seek_function_rules(struct ckpt_task *t, uint64_t pc, struct ckpt_rule **rules, size_t *n)
{
	struct fred_sym *sym = fred_seek_symbols(t);
	struct fred_sym_reader reader = fred_seek_reader(t);
	struct fred_function f;
	size_t room = 0;

	*rules = NULL;
	*n = 0;
	if (!sym || fred_sym_function(sym, pc, &f)) {
		/* Code without a name: what lies around. */
		f.n_ranges = 1;
		f.ranges[0].lo = pc;
		f.ranges[0].hi = pc + 256;
	}
	for (size_t k = 0; k < f.n_ranges; k++) {
		struct fred_insn *insns;
		size_t count_insns;

		if (!sym || fred_sym_instructions(sym, &reader, f.ranges[k].lo, f.ranges[k].hi,
						  &insns, &count_insns))
			continue;
		if (*n + count_insns > room) {
			struct ckpt_rule *more;

			room = *n + count_insns;
			more = realloc(*rules, room * sizeof(*more));
			if (!more) {
				free(insns);
				return -ENOMEM;
			}
			*rules = more;
		}
		for (size_t i = 0; i < count_insns && *n < MAX_FUNCTION; i++)
			(*rules)[(*n)++] = (struct ckpt_rule){ .site = insns[i].addr };
		free(insns);
	}
	return 0;
}

static bool is_moment(struct ckpt_task *p, const struct fred_moment *m)
{
	uint64_t where;

	return p->play->event == m->goal.event && m->goal.how == CKPT_END_MATCH &&
	       ckpt_same_registers(p, m->goal.ref, &m->goal.regs) &&
	       ckpt_same_memory(p, m->goal.ref, &F.tl->overlay, &where);
}

/* Steps a clone of *at. 1: that leads to m, so *at is what was looked for. 0:
 * not yet; *at is replaced by the stepped one. */
static int step_towards(struct ckpt_task **at, const struct fred_moment *m)
{
	struct ckpt_run run = { .goal = &m->goal };
	struct ckpt_task *next;
	enum ckpt_halt halt = CKPT_HALT_DEAD;
	int err = ckpt_puppet_clone(*at, &next);

	if (err)
		return err;
	halt = ckpt_puppet_step(next, &run);
	if (halt == CKPT_HALT_STEP && !is_moment(next, m)) {
		ckpt_puppet_destroy(*at);
		*at = next;
		return 0;
	}
	ckpt_puppet_destroy(next);
	/* An end by an event, a call or an exit comes in this very step. */
	if (halt == CKPT_HALT_STEP || halt == CKPT_HALT_GOAL || halt == CKPT_HALT_EXIT ||
	    halt == CKPT_HALT_SIGNAL)
		return 1;
	return halt == CKPT_HALT_CANCELLED ? -EINTR : -EPROTO;
}

/* Takes the last hit of all instructions of the function at pc in *at .. m;
 * replaces *at by it when there is one. */
static int narrow(struct ckpt_task **at, const struct fred_moment *m, uint64_t pc)
{
	struct ckpt_rule *rules;
	struct ckpt_task *p;
	size_t n, which;
	int err = fred_seek_function_rules(*at, pc, &rules, &n);

	if (!err)
		err = fred_seek_last(m, *at, rules, n, &p, &which);
	free(rules);
	if (err <= 0)
		return err;
	ckpt_puppet_destroy(*at);
	*at = p;
	return 1;
}

/* The instruction before, in interval m->interval only: from *at on. Each round
 * finds the last instruction run in one function; the step behind it leads
 * either to m or into the function to look at next. */
static int descend(struct ckpt_task **at, const struct fred_moment *m)
{
	int err = narrow(at, m,
			 m->goal.how == CKPT_END_MATCH ? m->goal.regs.rip : ckpt_regs(*at)->rip);

	for (int i = 0; err >= 0 && i < MAX_STEPS; i++) {
		err = step_towards(at, m);
		if (err)
			return err;
		err = narrow(at, m, ckpt_regs(*at)->rip);
	}
	if (err >= 0) {
		snprintf(fred_seek_error, sizeof(fred_seek_error),
			 "the instruction before wasn't found");
		err = -EPROTO;
	}
	return err;
}

/* Whether the interval's beginning is the moment itself. */
static bool is_empty(const struct fred_moment *m)
{
	struct ckpt_snap *s = F.tl->snaps[m->interval];
	struct ckpt_general g;
	uint64_t where;

	if (m->goal.how == CKPT_END_NOW)
		return true;
	if (m->goal.how == CKPT_END_EVENT)
		return s->event == m->goal.event;
	if (m->goal.how != CKPT_END_MATCH || !s->copy || s->event != m->goal.event)
		return false;
	if (s->sig) /* is it still to come? */
		return m->goal.ref->play && m->goal.ref->play->sig;
	g = ckpt_general_of(ckpt_regs(s->copy));
	return !memcmp(&g, &m->goal.regs, sizeof(g)) &&
	       ckpt_same_registers(s->copy, m->goal.ref, &m->goal.regs) &&
	       ckpt_same_memory(s->copy, m->goal.ref, &F.tl->overlay, &where);
}

/* A place near the end of the span to begin at: the last visit of the moment's
 * own address, which in a loop is one round ago. */
static int near(const struct fred_moment *m, struct ckpt_task **ret)
{
	struct fred_moment only = *m;
	struct ckpt_rule rule = { .site = m->goal.regs.rip };
	struct ckpt_task *begin;
	size_t which;
	int err = ckpt_puppet_create(F.tl, m->interval, &begin);

	if (err)
		return err;
	if (m->goal.how != CKPT_END_MATCH) {
		*ret = begin;
		return 0;
	}
	err = fred_seek_last(&only, begin, &rule, 1, ret, &which);
	if (err == 0) {
		*ret = begin;
		return 0;
	}
	ckpt_puppet_destroy(begin);
	return err < 0 ? err : 0;
}

int fred_seek_instruction(const struct fred_moment *m, struct ckpt_task **ret)
{
	struct fred_moment at = *m;
	struct ckpt_task *p;
	int err;

	at.owned = NULL;
	while (is_empty(&at)) {
		if (at.interval == 0)
			return 0;
		at.interval--;
		ckpt_goal_of(F.tl, at.interval, &at.goal);
	}
	err = near(&at, &p);
	if (err)
		return err;
	err = descend(&p, &at);
	if (err <= 0) {
		ckpt_puppet_destroy(p);
		return err < 0 ? err : -EPROTO;
	}
	*ret = p;
	return 1;
}
