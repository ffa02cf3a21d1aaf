/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "fred/progress.h"
#include "fred/seek.h"
#include "fred/trail.h"

#define F fred_tl
#define MAX_STEPS 2000	  /* by hand, where nothing better is known */
#define MAX_WALK 50	  /* steps that cost no more than a run with probes */
#define MAX_FUNCTION 4000 /* instructions of a function that all get probes */
#define MAX_TOLD 12	  /* frames in a message */

char fred_seek_error[1024];

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
	ret->goal.how = p->state == CKPT_ENTRY ? CKPT_END_CALL : CKPT_END_MATCH;
	ret->goal.ref = p;
	ret->goal.regs = ckpt_canonical(p);
	ret->thread = p->vtid;
}

/* The number of the event that gave the turn in whose course m's interval has
 * come to m; false: it is the turn with which the interval began. */
static bool turn_of(const struct fred_moment *m, uint64_t *ret)
{
	return ckpt_log_last_turn(F.tl, m->goal.event, ret) &&
	       *ret >= F.tl->snaps[m->interval]->event;
}

static pid_t thread_of(const struct fred_moment *m)
{
	const struct ckpt_snap *s = F.tl->snaps[m->interval];
	uint64_t e;

	if (turn_of(m, &e))
		return (pid_t)ckpt_log_event(F.tl, e).result;
	return s->copy ? s->copy->vtid : 0;
}

/* Makes m the end of the turn before the one that m is in; false: there is none
 * in recorded history. */
static bool turn_before(struct fred_moment *m)
{
	uint64_t e;

	m->owned = NULL;
	if (turn_of(m, &e) && (e > F.tl->snaps[m->interval]->event ||
			       ckpt_log_event(F.tl, e).turn == CKPT_TURN_AT_CALL)) {
		memset(&m->goal, 0, sizeof(m->goal));
		m->goal.event = e;
		m->goal.how = ckpt_log_event(F.tl, e).turn == CKPT_TURN_AT_CALL ? CKPT_END_CALL :
										  CKPT_END_EVENT;
		return true;
	}
	if (m->interval == 0)
		return false;
	m->interval--;
	ckpt_goal_of(F.tl, m->interval, &m->goal);
	return true;
}

int fred_moment_in_thread(struct fred_moment *m, pid_t tid)
{
	struct ckpt_task *p;
	struct ckpt_leg leg;
	enum ckpt_halt halt;
	int err;

	if (!tid || thread_of(m) == tid)
		return 1;
	fred_moment_deinit(m);
	do
		if (!turn_before(m))
			return 0;
	while (thread_of(m) != tid);
	err = ckpt_puppet_create(F.tl, m->interval, &p);
	if (err)
		return err;
	err = ckpt_leg_begin(&leg, p, &m->goal, NULL, 0);
	if (!err) {
		halt = ckpt_leg_run(&leg);
		err = fred_seek_failure(halt, &leg);
		ckpt_leg_end(&leg);
	}
	if (err) {
		ckpt_puppet_destroy(p);
		return err;
	}
	fred_moment_of(p, m);
	m->owned = p;
	return 1;
}

bool fred_moment_begins(const struct fred_moment *m)
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

int fred_seek_unwind(struct ckpt_task *t, struct fred_sym *sym, struct fred_frame *frames,
		     size_t max, size_t *n)
{
	struct ckpt_general g = ckpt_canonical(t);
	struct fred_sym_reader reader = fred_seek_reader(t);
	uint64_t regs[FRED_NREGS];

	memcpy(regs, g.r, sizeof(g.r));
	regs[FRED_RIP] = g.rip;
	return fred_sym_unwind(sym, regs, &reader, frames, max, n);
}

/* ------------------------------------------------------------ the primitive */

void fred_seek_tell_where(struct ckpt_task *p, char *text, size_t size)
{
	struct fred_sym *sym = p->state != CKPT_DEAD ? fred_seek_symbols(p) : NULL;
	struct fred_frame frames[MAX_TOLD];
	struct fred_function f;
	size_t n = 0, len = strlen(text);

	if (p->play && p->play->nothers)
		len += (size_t)snprintf(text + len, size - len, ", in thread (LWP %d)",
					(int)ckpt_vtid(p));
	if (!sym || fred_seek_unwind(p, sym, frames, MAX_TOLD, &n))
		return;
	for (size_t i = 0; i < n && len < size; i++) {
		const char *name = fred_sym_function(sym, frames[i].pc, &f) ? "??" : f.name;

		len += (size_t)snprintf(text + len, size - len, "\n#%-2zu 0x%016llx in %s ()", i,
					(unsigned long long)frames[i].pc, name ? name : "??");
	}
}

int fred_seek_failure(enum ckpt_halt halt, const struct ckpt_leg *leg)
{
	static const char *const names[] = {
		[CKPT_HALT_EVENT] = "an event",	 [CKPT_HALT_CALL] = "a call",
		[CKPT_HALT_STEP] = "a step",	 [CKPT_HALT_TRAP] = "a trap",
		[CKPT_HALT_SIGNAL] = "a signal", [CKPT_HALT_DEAD] = "its death",
	};

	char memory[96] = "";

	if (halt == CKPT_HALT_GOAL || halt == CKPT_HALT_EXIT)
		return 0;
	if (halt == CKPT_HALT_CANCELLED)
		return -EINTR;
	if (leg->differs)
		snprintf(memory, sizeof(memory),
			 " (the registers were as recorded once, but memory at %#llx wasn't)",
			 (unsigned long long)leg->differs);
	if (halt == CKPT_HALT_DIVERGED)
		snprintf(fred_seek_error, sizeof(fred_seek_error),
			 "replay diverged at event %llu: %s%s",
			 (unsigned long long)leg->run.expected_event, leg->run.seen, memory);
	else
		snprintf(
			fred_seek_error, sizeof(fred_seek_error),
			"replay came to %s (%d) at event %llu, pc %#llx, before the end of its interval",
			names[halt] ? names[halt] : "?", leg->p->stop.sig,
			(unsigned long long)(leg->p->play ? leg->p->play->event : 0),
			leg->p->state == CKPT_DEAD ? 0ull :
						     (unsigned long long)ckpt_regs(leg->p)->rip);
	fred_seek_tell_where(leg->p, fred_seek_error, sizeof(fred_seek_error));
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

int fred_seek_start(size_t interval, struct ckpt_task *from, struct ckpt_task **ret)
{
	fred_progress_at("looking back: snapshot", interval + 1, F.tl->nsnaps);
	return from ? ckpt_puppet_clone(from, ret) : ckpt_puppet_create(F.tl, interval, ret);
}

/* What is run: an interval up to a goal; the rules count in a thread, or (0) in
 * all of them. */
struct span {
	size_t interval;
	struct ckpt_goal goal;
	pid_t thread;
};

/* How often the rules held between the start and the goal; -errno. */
static int count(const struct span *at, struct ckpt_task *from, const struct ckpt_rule *rules,
		 size_t n, uint64_t *ret)
{
	struct ckpt_leg leg;
	struct ckpt_task *p;
	enum ckpt_halt halt = CKPT_HALT_DEAD;
	int err = fred_seek_start(at->interval, from, &p);

	if (err)
		return err;
	err = ckpt_leg_begin(&leg, p, &at->goal, rules, n);
	if (!err) {
		leg.run.only = at->thread;
		if (ckpt_cell_set(p, CKPT_CELL_FREE, CKPT_NEVER))
			err = -ESRCH;
		halt = ckpt_leg_run(&leg);
		if (halt == CKPT_HALT_GOAL || halt == CKPT_HALT_EXIT ||
		    (halt == CKPT_HALT_DEAD && fred_seek_may_die(at->interval)))
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
static int stop_at(const struct span *at, struct ckpt_task *from, const struct ckpt_rule *rules,
		   size_t n, uint64_t nth, struct ckpt_task **ret, size_t *which)
{
	struct ckpt_leg leg;
	struct ckpt_task *p;
	enum ckpt_halt halt = CKPT_HALT_DEAD;
	int err = fred_seek_start(at->interval, from, &p);

	if (err)
		return err;
	err = ckpt_leg_begin(&leg, p, &at->goal, rules, n);
	leg.run.only = at->thread;
	if (!err && ckpt_cell_set(p, CKPT_CELL_FREE, nth))
		err = -ESRCH;
	if (!err) {
		halt = ckpt_leg_run(&leg);
		if (halt != CKPT_HALT_PROBE)
			err = fred_seek_failure(halt, &leg);
		if (!err && halt != CKPT_HALT_PROBE) {
			snprintf(fred_seek_error, sizeof(fred_seek_error),
				 "a second replay went otherwise than the first");
			err = -EPROTO;
		}
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
	struct span at = { m->interval, m->goal, m->thread };
	size_t lowest = from ? from->play->interval : 0;
	struct ckpt_rule *r;
	uint64_t hits = 0;
	int err;

	if (!n)
		return 0;
	r = with_cell(rules, n);
	if (!r)
		return -ENOMEM;
	for (;; at.interval--) {
		struct ckpt_task *begin = from && at.interval == lowest ? from : NULL;

		err = count(&at, begin, r, n, &hits);
		if (!err && hits)
			err = stop_at(&at, begin, r, n, hits, ret, which);
		if (err || hits || at.interval == lowest)
			break;
		ckpt_goal_of(F.tl, at.interval - 1, &at.goal);
	}
	free(r);
	return err;
}

/* The i-th interval on the way to m. */
static struct span span_to(const struct fred_moment *m, size_t i)
{
	struct span at = { i, m->goal, m->thread };

	if (i < m->interval)
		ckpt_goal_of(F.tl, i, &at.goal);
	return at;
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
		struct span at = span_to(m, i);

		err = count(&at, begin, r, n, &hits);
		if (!err && hits >= nth) {
			err = stop_at(&at, begin, r, n, nth, ret, which);
			break;
		}
		nth -= hits;
	}
	free(r);
	return err;
}

int fred_seek_nth(struct ckpt_task *from, const struct fred_moment *m,
		  const struct ckpt_rule *rules, size_t n, uint64_t nth, struct ckpt_task **ret,
		  size_t *which)
{
	const struct span at = { m->interval, m->goal, m->thread };
	struct ckpt_rule *r = with_cell(rules, n);
	int err = r ? stop_at(&at, from, r, n, nth, ret, which) : -ENOMEM;

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
		struct span at = span_to(m, i);

		err = count(&at, i == from->play->interval ? from : NULL, r, n, &hits);
		if (!err)
			*ret += hits;
	}
	free(r);
	return err;
}

bool fred_seek_may_die(size_t interval)
{
	return !F.tl->live && interval + 1 == F.tl->nsnaps;
}

bool fred_seek_died_at_once(size_t i)
{
	int sig = F.tl->snaps[i]->sig, status = F.tl->end_status;

	return fred_seek_may_die(i) && sig && WIFSIGNALED(status) && WTERMSIG(status) == sig;
}

int fred_seek_end(struct ckpt_task **ret)
{
	struct ckpt_goal goal;
	struct ckpt_leg leg;
	enum ckpt_halt halt = CKPT_HALT_DEAD;
	int err = ckpt_puppet_create(F.tl, F.tl->nsnaps - 1, ret);

	if (err || fred_seek_died_at_once(F.tl->nsnaps - 1))
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

/* Whether insns[i] is where straight code begins: behind a branch or a call, or
 * a branch's target (leads[i]). */
static void find_leaders(const struct fred_insn *insns, size_t n, bool *leads)
{
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

static int add_range(struct fred_insn *insns, size_t count, uint64_t pc, bool leaders,
		     struct ckpt_rule **rules, size_t *n)
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
		if (insns[i].kind != FRED_INSN_BAD && (!leaders || leads[i]))
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
		err = add_range(insns, count_insns, pc, leaders, rules, n);
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

/* Steps on from *at, at most MAX_WALK times. 1: that led to m, and *at is now
 * one step before it. 0: not yet; *at is replaced by where it led. */
static int walk(struct ckpt_task **at, const struct fred_moment *m)
{
	struct ckpt_run run = { .goal = &m->goal };
	struct ckpt_task *ahead;
	enum ckpt_halt halt = CKPT_HALT_STEP;
	int steps = 0, err = ckpt_puppet_clone(*at, &ahead);

	if (err)
		return err;
	while (steps < MAX_WALK && halt == CKPT_HALT_STEP && (!steps || !is_moment(ahead, m))) {
		halt = ckpt_puppet_step(ahead, &run);
		steps++;
	}
	if (steps == MAX_WALK && halt == CKPT_HALT_STEP && !is_moment(ahead, m)) {
		ckpt_puppet_destroy(*at);
		*at = ahead;
		return 0;
	}
	ckpt_puppet_destroy(ahead);
	/* An end by an event, a call or an exit comes in the last step. */
	if (halt != CKPT_HALT_STEP && halt != CKPT_HALT_GOAL && halt != CKPT_HALT_EXIT &&
	    halt != CKPT_HALT_SIGNAL)
		return halt == CKPT_HALT_CANCELLED ? -EINTR : -EPROTO;
	steps--;
	if (steps > 1)
		fred_trail_begin(*at);
	for (int i = 0; i < steps; i++)
		if (ckpt_puppet_step(*at, &run) != CKPT_HALT_STEP)
			return -EPROTO;
	if (steps > 1)
		fred_trail_end(*at, (unsigned int)steps);
	return 1;
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
			err = walk(at, m);
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

	if (err || !turn_of(m, &e))
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

	if (m->goal.event > p->play->event)
		return 0;
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
		if (!at->thread || thread_of(at) == at->thread) {
			if (turn_of(at, &e) || !fred_moment_begins(at)) {
				err = begin_turn(at, ret);
				if (err)
					return err;
				err = turn_of(at, &e) ? is_idle(at, *ret) : 0;
				if (!err)
					return 1;
				ckpt_puppet_destroy(*ret);
				if (err < 0)
					return err;
			}
		}
		if (!turn_before(at))
			return 0;
	}
}

/* The instruction before at, in the turn that p, which is used up, begins. */
static int in_turn(const struct fred_moment *at, struct ckpt_task *p, struct ckpt_task **ret)
{
	int err = near(at, &p);

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
	if (at.goal.how != CKPT_END_MATCH || !turn_of(&at, &e))
		return 1;
	err = begin_turn(&at, &p);
	if (err)
		return err;
	err = is_idle(&at, p);
	ckpt_puppet_destroy(p);
	if (err <= 0)
		return err ? err : 1;
	do
		if (!turn_before(&at))
			return 1;
	while (thread_of(&at) != at.thread);
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
		return fred_trail_follow(m, ret);
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
