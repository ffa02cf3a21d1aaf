/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One instruction back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ckptcore/clock.h"
#include "fred/seek.h"
#include "fred/trail.h"

#define F fred_tl
#define MAX_STEPS 2000 /* by hand, where nothing better is known */
#define MAX_WALK 50    /* steps that cost no more than a run with probes */
#define TOP_FRAMES 3
#define PIECES 24	  /* of straight code ... */
#define LONG_WALK 200	  /* ... that are some times as many steps: no more than */
#define LONG_WALKS 8	  /* searches would cost */
#define MAX_FUNCTION 4000 /* instructions of a function that all get probes */

/* Whether insns[i] is where straight code begins: behind a branch or a call, or
 * a branch's target (leads[i]). */
static void find_leaders(const struct fred_insn *insns, size_t n, bool *leads)
{
	if (n) /* it is called from elsewhere */
		leads[0] = true;
	for (size_t i = 0; i < n; i++) {
		size_t lo = 0, hi = n;

		if (insns[i].kind == FRED_INSN_OTHER || insns[i].kind == FRED_INSN_BAD)
			continue;
		if (i + 1 < n)
			leads[i + 1] = true;
		while (lo < hi) {
			size_t mid = lo + (hi - lo) / 2;

			if (insns[mid].addr < insns[i].target)
				lo = mid + 1;
			else
				hi = mid;
		}
		if (lo < n && insns[lo].addr == insns[i].target)
			leads[lo] = true;
	}
}

static int add_range(const struct ckpt_task *t, struct fred_insn *insns, size_t count, uint64_t pc,
		     bool leaders, struct ckpt_rule **rules, size_t *n)
{
	struct ckpt_rule *more = realloc(*rules, (*n + count + 1) * sizeof(*more));
	bool *leads = calloc(count + 1, sizeof(*leads));
	size_t i = 0;

	if (more)
		*rules = more;
	if (!more || !leads) {
		free(leads);
		return -ENOMEM;
	}
	if (leaders)
		find_leaders(insns, count, leads);
	else if (count > MAX_FUNCTION) /* what lies around pc */
		while (i + MAX_FUNCTION < count && insns[i + MAX_FUNCTION / 2].addr < pc)
			i++;
	for (; i < count && *n < MAX_FUNCTION; i++)
		if (insns[i].kind != FRED_INSN_BAD && (!leaders || leads[i]) &&
		    !ckpt_clock_covers(t, insns[i].addr))
			more[(*n)++] =
				(struct ckpt_rule){ .site = insns[i].addr, .cheap = leaders };
	free(leads);
	return 0;
}

int fred_seek_function_rules(struct ckpt_task *t, uint64_t pc, bool leaders,
			     struct ckpt_rule **rules, size_t *n)
{
	struct fred_sym *sym = fred_seek_symbols(t);
	struct fred_sym_reader reader = fred_seek_reader(t);
	struct fred_function f;
	int err = 0;

	*rules = NULL;
	*n = 0;
	if (!sym || fred_sym_function(sym, pc, &f)) {
		/* Code without a name: what lies around. */
		f.n_ranges = 1;
		f.ranges[0].lo = pc;
		f.ranges[0].hi = pc + 256;
	}
	for (size_t k = 0; !err && k < f.n_ranges; k++) {
		struct fred_insn *insns;
		size_t count_insns;

		if (!sym || fred_sym_instructions(sym, &reader, f.ranges[k].lo, f.ranges[k].hi,
						  &insns, &count_insns))
			continue;
		err = add_range(t, insns, count_insns, pc, leaders, rules, n);
		free(insns);
	}
	return err;
}

static bool is_moment(struct ckpt_task *p, const struct fred_moment *m)
{
	uint64_t where;

	return p->play->event == m->goal.event && m->goal.how == CKPT_END_MATCH &&
	       ckpt_same_registers(p, m->goal.ref, &m->goal.regs) &&
	       ckpt_same_memory(p, m->goal.ref, &F.tl->overlay, &where);
}

/* Leaves out all but the last of many repetitions of one instruction between p
 * and m. */
static int leave_out(struct ckpt_task *p, const struct fred_moment *m)
{
	uint64_t rcx = ckpt_regs(p)->rcx, amid = m->goal.regs.r[PROBE_RCX], left = 1;

	if (rcx <= MAX_WALK)
		return 0;
	if (m->goal.how == CKPT_END_MATCH && m->goal.regs.rip == ckpt_regs(p)->rip && amid < rcx)
		left = amid + 1;
	return ckpt_hurry(p, left);
}

/* Steps on from *at, at most so many times. 1: that led to m, and *at is now
 * one step before it. 0: not yet; *at is replaced by where it led. */
static int walk(struct ckpt_task **at, const struct fred_moment *m, int most)
{
	struct ckpt_run run = { .goal = &m->goal };
	struct ckpt_task *ahead;
	enum ckpt_halt halt = CKPT_HALT_STEP;
	int steps = 0, err = leave_out(*at, m);

	if (!err)
		err = ckpt_puppet_clone(*at, &ahead);
	if (err)
		return err;
	while (steps < most && halt == CKPT_HALT_STEP && (!steps || !is_moment(ahead, m))) {
		halt = ckpt_puppet_step(ahead, &run);
		steps++;
	}
	if (steps == most && halt == CKPT_HALT_STEP && !is_moment(ahead, m)) {
		ckpt_puppet_destroy(*at);
		*at = ahead;
		return 0;
	}
	ckpt_puppet_destroy(ahead);
	/* An end by an event, a call or an exit comes in the last step. */
	if (halt != CKPT_HALT_STEP && halt != CKPT_HALT_GOAL && halt != CKPT_HALT_EXIT &&
	    halt != CKPT_HALT_SIGNAL)
		return halt == CKPT_HALT_CANCELLED ? -EINTR : -EPROTO;
	err = fred_trail_walk(*at, m, (unsigned int)steps - 1);
	return err ? err : 1;
}

/* Takes the last hit of the instructions of the function at pc in *at .. m;
 * replaces *at by it when there is one. */
static int narrow(struct ckpt_task **at, const struct fred_moment *m, uint64_t pc, bool leaders)
{
	struct ckpt_rule *rules;
	struct ckpt_task *p;
	size_t n, which;
	int err = fred_seek_function_rules(*at, pc, leaders, &rules, &n);

	if (!err)
		err = fred_seek_last(m, *at, rules, n, &p, &which);
	free(rules);
	if (err <= 0)
		return err;
	ckpt_puppet_destroy(*at);
	*at = p;
	return 1;
}

/*
 * The instruction before, in interval m->interval only: from *at on. Each round
 * goes to the last piece of straight code run in one function; from there a few
 * steps lead either to m or into the function to look at next. All instructions
 * are probed only where the beginnings of straight code tell nothing.
 */
static int descend(struct ckpt_task **at, const struct fred_moment *m)
{
	uint64_t pc = m->goal.how == CKPT_END_MATCH ? m->goal.regs.rip : ckpt_regs(*at)->rip;
	int err = 0;

	for (int i = 0; i < MAX_STEPS; i++) {
		err = narrow(at, m, pc, true);
		if (err == 0)
			err = narrow(at, m, pc, false);
		if (err >= 0)
			err = walk(at, m, MAX_WALK);
		if (err)
			return err;
		pc = ckpt_regs(*at)->rip;
	}
	snprintf(fred_seek_error, sizeof(fred_seek_error), "the instruction before wasn't found");
	return -EPROTO;
}

/* Brings *begin, a puppet from which m is reached, near to it: the last visit of
 * the moment's own address, which in a loop is one round ago. */
static int near(const struct fred_moment *m, struct ckpt_task **begin)
{
	struct ckpt_rule rule = { .site = m->goal.regs.rip, .cheap = true };
	struct ckpt_task *p;
	size_t which;
	int err;

	if (m->goal.how != CKPT_END_MATCH)
		return 0;
	err = fred_seek_last(m, *begin, &rule, 1, &p, &which);
	if (err > 0) {
		ckpt_puppet_destroy(*begin);
		*begin = p;
	}
	return err < 0 ? err : 0;
}

/* A puppet where the turn in which m lies begins. */
static int begin_turn(const struct fred_moment *m, struct ckpt_task **ret)
{
	struct ckpt_run run = { 0 };
	enum ckpt_halt halt;
	uint64_t e;
	int err = ckpt_puppet_create(F.tl, m->interval, ret);

	if (err || !fred_moment_turn(m, &e))
		return err;
	run.stop_event = e + 1;
	halt = ckpt_puppet_run(*ret, &run);
	if (halt == CKPT_HALT_EVENT)
		return 0;
	ckpt_puppet_destroy(*ret);
	snprintf(fred_seek_error, sizeof(fred_seek_error), "replay diverged at event %llu: %s",
		 (unsigned long long)run.expected_event, run.seen);
	return halt == CKPT_HALT_CANCELLED ? -EINTR : -EPROTO;
}

/* Whether m is where p, which stands at the beginning of its turn, is already:
 * its thread has done nothing in that turn. 1, 0 or an error. */
static int is_idle(const struct fred_moment *m, struct ckpt_task *p)
{
	struct ckpt_leg leg;
	struct ckpt_general g = ckpt_canonical(p);
	struct ckpt_task *end;
	bool same;
	int err;

	err = ckpt_puppet_take_early(p, &m->goal);
	if (err || !ckpt_puppet_only_early(p, m->goal.event))
		return err;
	if (m->goal.how == CKPT_END_EVENT)
		return 1;
	if (m->goal.how == CKPT_END_MATCH)
		return is_moment(p, m);
	/* The call at which its turn ended may be the one that it had begun with. */
	err = ckpt_puppet_clone(p, &end);
	if (err)
		return err;
	err = ckpt_leg_begin(&leg, end, &m->goal, NULL, 0);
	if (!err) {
		err = fred_seek_failure(ckpt_leg_run(&leg), &leg);
		ckpt_leg_end(&leg);
	}
	same = !err && end->state == CKPT_ENTRY && ckpt_regs(end)->rip == g.rip + 2 &&
	       ckpt_regs(end)->rsp == g.r[PROBE_RSP];
	ckpt_puppet_destroy(end);
	return err ? err : same;
}

/* Makes at a moment before which its thread has done something in the same
 * turn, and *ret a puppet where that turn begins. 0: there is none. */
static int last_turn(struct fred_moment *at, struct ckpt_task **ret)
{
	uint64_t e;
	int err;

	for (;;) {
		if (!at->thread || fred_moment_thread(at) == at->thread) {
			if (fred_moment_turn(at, &e) || !fred_moment_begins(at)) {
				err = begin_turn(at, ret);
				if (err)
					return err;
				err = fred_moment_turn(at, &e) || at->goal.how == CKPT_END_MATCH ?
					      is_idle(at, *ret) :
					      0;
				if (!err)
					return 1;
				ckpt_puppet_destroy(*ret);
				if (err < 0)
					return err;
			}
		}
		if (!fred_moment_turn_before(at))
			return 0;
	}
}

static bool has_site(const struct ckpt_rule *rules, size_t n, uint64_t site)
{
	for (size_t i = 0; i < n; i++)
		if (rules[i].site == site)
			return true;
	return false;
}

/* The straight pieces of the functions on top of the stack at a moment. */
static int pieces(const struct fred_moment *at, struct ckpt_rule **rules, size_t *n)
{
	struct ckpt_task *t = at->goal.ref;
	struct fred_sym *sym = fred_seek_symbols(t);
	struct fred_sym_reader reader = fred_seek_reader(t);
	struct fred_frame frames[TOP_FRAMES];
	uint64_t regs[FRED_NREGS];
	size_t nframes = 0, more;
	struct ckpt_rule *some, *all;
	int err = 0;

	*rules = NULL;
	*n = 0;
	memcpy(regs, at->goal.regs.r, sizeof(at->goal.regs.r));
	regs[FRED_RIP] = at->goal.regs.rip;
	if (!sym || fred_sym_unwind(sym, regs, &reader, frames, TOP_FRAMES, &nframes))
		return 0;
	for (size_t i = 0; !err && i < nframes; i++) {
		err = fred_seek_function_rules(t, frames[i].pc, true, &some, &more);
		if (!err && more && has_site(*rules, *n, some[0].site))
			more = 0; /* it has called itself */
		all = err ? NULL : realloc(*rules, (*n + more + 1) * sizeof(*all));
		if (all) {
			if (more)
				memcpy(all + *n, some, more * sizeof(*all));
			*rules = all;
			*n += more;
		} else if (!err) {
			err = -ENOMEM;
		}
		free(some);
	}
	return err;
}

/*
 * The instruction before at by way of a place some straight pieces of its function
 * or of its callers' earlier, if no long call lies between: found as fast as any other way, it leaves a
 * longer trail. 1: *ret is that; 0: another way has to be found.
 */
static int by_pieces(const struct fred_moment *at, struct ckpt_task *p, struct ckpt_task **ret)
{
	struct ckpt_rule *rules;
	struct ckpt_task *q;
	size_t n;
	int err;

	if (at->goal.how != CKPT_END_MATCH)
		return 0;
	err = pieces(at, &rules, &n);
	if (!err && n)
		err = fred_seek_earlier(at, p, rules, n, PIECES, &q);
	free(rules);
	if (err <= 0)
		return err;
	err = 0;
	for (int i = 0; i < LONG_WALKS && !err; i++)
		err = walk(&q, at, LONG_WALK);
	if (err > 0)
		*ret = q;
	else
		ckpt_puppet_destroy(q);
	return err;
}

/* The instruction before at, in the turn that p, which is used up, begins. */
static int in_turn(const struct fred_moment *at, struct ckpt_task *p, struct ckpt_task **ret)
{
	int err = by_pieces(at, p, ret);

	if (err) {
		ckpt_puppet_destroy(p);
		return err;
	}
	err = near(at, &p);
	if (!err)
		err = descend(&p, at);
	if (err > 0) {
		*ret = p;
		return 1;
	}
	ckpt_puppet_destroy(p);
	return err < 0 ? err : -EPROTO;
}

/* Replaces *q, which may stand before a call at which its turn had ended, as
 * that call is to be answered, by the moment at which it was made. */
static int when_made(struct ckpt_task **q)
{
	struct fred_moment at;
	struct ckpt_task *p, *made;
	uint64_t e;
	int err;

	fred_moment_of(*q, &at);
	if (at.goal.how != CKPT_END_MATCH || !fred_moment_turn(&at, &e))
		return 1;
	err = begin_turn(&at, &p);
	if (err)
		return err;
	err = is_idle(&at, p);
	ckpt_puppet_destroy(p);
	if (err <= 0)
		return err ? err : 1;
	do
		if (!fred_moment_turn_before(&at))
			return 1;
	while (fred_moment_thread(&at) != at.thread);
	if (at.goal.how != CKPT_END_CALL)
		return 1;
	err = begin_turn(&at, &p);
	if (!err)
		err = in_turn(&at, p, &made);
	if (err <= 0)
		return err;
	ckpt_puppet_destroy(*q);
	*q = made;
	return 1;
}

int fred_seek_instruction(const struct fred_moment *m, struct ckpt_task **ret)
{
	struct fred_moment at = *m;
	struct ckpt_task *p;
	int err;

	if (fred_trail_leads_to(m))
		return fred_trail_follow(ret);
	err = last_turn(&at, &p);
	if (err <= 0)
		return err;
	err = in_turn(&at, p, ret);
	if (err <= 0)
		return err;
	err = when_made(ret);
	if (err <= 0)
		ckpt_puppet_destroy(*ret);
	return err;
}

int fred_seek_thread_begin(const struct fred_moment *m, pid_t tid, struct ckpt_task **ret)
{
	struct fred_moment at = *m, first = *m;
	uint64_t e;
	int err;

	at.owned = NULL;
	do
		if (fred_moment_thread(&at) == tid)
			first = at;
	while (fred_moment_turn_before(&at));
	if (!tid || (first.interval == 0 && !fred_moment_turn(&first, &e)))
		return 0;
	err = begin_turn(&first, ret);
	return err ? err : 1;
}
