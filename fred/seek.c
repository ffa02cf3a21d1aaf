/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "fred/endless.h"
#include "fred/lasting.h"
#include "fred/progress.h"
#include "fred/seek.h"

#define F fred_tl
#define MAX_TOLD 12   /* frames in a message */
#define FIRST_PART 16 /* hits that are judged first */
#define LARGE_PART 10000
#define TO_GOAL UINT64_MAX
#define ASK_EVERY 32 /* hits: it costs more than one */

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

bool fred_moment_turn(const struct fred_moment *m, uint64_t *ret)
{
	return ckpt_log_last_turn(F.tl, m->goal.event, ret) &&
	       *ret >= F.tl->snaps[m->interval]->event;
}

pid_t fred_moment_thread(const struct fred_moment *m)
{
	const struct ckpt_snap *s = F.tl->snaps[m->interval];
	uint64_t e;

	if (fred_moment_turn(m, &e))
		return (pid_t)ckpt_log_event(F.tl, e).result;
	return s->copy ? s->copy->vtid : 0;
}

bool fred_moment_turn_before(struct fred_moment *m)
{
	uint64_t e;

	m->owned = NULL;
	if (fred_moment_turn(m, &e) && (e > F.tl->snaps[m->interval]->event ||
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

	if (!tid || fred_moment_thread(m) == tid)
		return 1;
	fred_moment_deinit(m);
	do
		if (!fred_moment_turn_before(m))
			return 0;
	while (fred_moment_thread(m) != tid);
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

static struct fred_sym *symbols(void)
{
	static struct fred_sym *sym;

	if (!sym && fred_sym_create(&sym))
		return NULL;
	return sym;
}

struct fred_sym *fred_seek_symbols(struct ckpt_task *t)
{
	struct fred_sym *sym = symbols();

	return !sym || fred_sym_refresh(sym, t->tgid) ? NULL : sym;
}

int fred_seek_tell_debug(const char *file, const char *debug)
{
	struct fred_sym *sym = symbols();

	return sym ? fred_sym_tell_debug(sym, file, debug) : -ENOMEM;
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

static void tell_progress(size_t interval)
{
	fred_progress_at("looking back: snapshot", interval + 1, F.tl->nsnaps);
}

int fred_seek_start(size_t interval, struct ckpt_task *from, struct ckpt_task **ret)
{
	tell_progress(interval);
	return from ? ckpt_puppet_clone(from, ret) : ckpt_puppet_create(F.tl, interval, ret);
}

/* What is run: an interval up to a goal; the rules count in a thread, or (0) in
 * all of them. */
struct span {
	size_t interval;
	struct ckpt_goal goal;
	pid_t thread;
};

/* Code that is never left, from pc on, and in which no rule may hold. */
static bool is_idle_from(struct ckpt_task *t, uint64_t pc, const struct ckpt_rule *rules, size_t n,
			 struct fred_endless *ret)
{
	if (!fred_endless_from(t, pc, ret))
		return false;
	for (size_t i = 0; i < n; i++)
		if (fred_endless_has(ret, rules[i].site))
			return false;
	return true;
}

/* Whether a goal's ref stands there. */
static bool stands_at(const struct span *at)
{
	const size_t next = at->interval + 1;

	if (!at->goal.ref || (at->goal.how != CKPT_END_MATCH && at->goal.how != CKPT_END_EVENT))
		return false;
	return next >= F.tl->nsnaps || at->goal.ref != F.tl->snaps[next]->copy ||
	       !F.tl->snaps[next]->before_dead;
}

/* Whether it is known without a run that no rule has held on the way. */
static bool is_idle(const struct span *at, struct ckpt_task *from, const struct ckpt_rule *rules,
		    size_t n)
{
	const struct ckpt_snap *s = F.tl->snaps[at->interval];
	struct ckpt_task *begin = from ? from : s->copy;
	struct fred_endless e;
	bool quiet;

	if (!begin || !stands_at(at))
		return false;
	quiet = !(from ? from->play->sig : s->sig) &&
		(from ? from->play->event : s->event) == at->goal.event;
	if (quiet && at->goal.how == CKPT_END_MATCH &&
	    is_idle_from(begin, ckpt_canonical(begin).rip, rules, n, &e))
		return true;
	return fred_lasting_idle(begin, &at->goal, at->thread, quiet, rules, n);
}

#define CELL_IDLE (CKPT_CELL_FREE + 1)

/* The rules, and more that stop where such code begins in which the goal is; NULL: it
 * isn't. */
static struct ckpt_rule *with_idle(const struct span *at, const struct ckpt_rule *rules, size_t n,
				   size_t *all)
{
	struct ckpt_rule *r;
	struct fred_endless e;

	if (at->goal.how != CKPT_END_MATCH ||
	    !is_idle_from(at->goal.ref, at->goal.regs.rip, rules, n, &e))
		return NULL;
	*all = n + e.n;
	r = calloc(*all, sizeof(*r));
	for (size_t i = 0; r && i < *all; i++)
		r[i] = i < n ? rules[i] :
			       (struct ckpt_rule){ .site = e.at[i - n], .cell = CELL_IDLE };
	return r;
}

/* A run of p along a span, until the rules have held so often. */
struct lap {
	struct ckpt_leg leg;
	struct ckpt_rule *all; /* the leg's, if they are more than the caller's */
};

static int lap_begin(struct lap *lap, const struct span *at, struct ckpt_task *p,
		     const struct ckpt_rule *rules, size_t n, uint64_t often)
{
	int err = ckpt_leg_begin(&lap->leg, p, &at->goal, rules, n);

	lap->leg.run.only = at->thread;
	if (!err && ckpt_cell_set(p, CKPT_CELL_FREE, often))
		err = -ESRCH;
	return err;
}

/* To the goal, or as good as there: behind the last event, in code that is never left. */
static int lap_run(struct lap *lap, const struct span *at, struct ckpt_task *p,
		   const struct ckpt_rule *rules, size_t n, uint64_t often, enum ckpt_halt *ret)
{
	size_t all;
	int err;

	lap->all = with_idle(at, rules, n, &all);
	if (lap->all) {
		err = lap_begin(lap, at, p, lap->all, all, often);
		if (!err && ckpt_cell_set(p, CELL_IDLE, 1))
			err = -ESRCH;
		if (err)
			return err;
		*ret = ckpt_leg_run(&lap->leg);
		if (*ret != CKPT_HALT_PROBE || lap->leg.run.cell != CELL_IDLE)
			return 0;
		if (p->play->event == at->goal.event) {
			*ret = CKPT_HALT_GOAL;
			return 0;
		}
		often = ckpt_cell_get(p, CKPT_CELL_FREE);
		ckpt_leg_end(&lap->leg);
	}
	err = lap_begin(lap, at, p, rules, n, often);
	if (!err)
		*ret = ckpt_leg_run(&lap->leg);
	return err;
}

/* How often the rules held between the start and the goal; -errno. */
static int count(const struct span *at, struct ckpt_task *from, const struct ckpt_rule *rules,
		 size_t n, uint64_t *ret)
{
	struct lap lap = { 0 };
	struct ckpt_task *p;
	enum ckpt_halt halt = CKPT_HALT_DEAD;
	int err;

	*ret = 0;
	if (is_idle(at, from, rules, n))
		return 0;
	err = fred_seek_start(at->interval, from, &p);
	if (err)
		return err;
	err = lap_run(&lap, at, p, rules, n, CKPT_NEVER, &halt);
	if (!err && (halt == CKPT_HALT_GOAL || halt == CKPT_HALT_EXIT))
		*ret = CKPT_NEVER - ckpt_cell_get(p, CKPT_CELL_FREE);
	else if (!err && !(halt == CKPT_HALT_DEAD && fred_seek_may_die(at->interval)))
		err = fred_seek_failure(halt, &lap.leg);
	ckpt_puppet_destroy(p);
	free(lap.all);
	ckpt_stats.probes++;
	return err;
}

/* The rule of the probe at a site. */
static size_t rule_at(const struct ckpt_rule *rules, size_t n, uint64_t site)
{
	size_t i = 0;

	while (i < n && rules[i].site != site)
		i++;
	return i < n ? i : 0;
}

static int otherwise(void)
{
	snprintf(fred_seek_error, sizeof(fred_seek_error),
		 "a second replay went otherwise than the first");
	return -EPROTO;
}

/* A puppet at the nth time that the rules hold. 0: they don't so often, but *hits times. */
static int try_stop_at(const struct span *at, struct ckpt_task *from, const struct ckpt_rule *rules,
		       size_t n, uint64_t nth, struct ckpt_task **ret, size_t *which,
		       uint64_t *hits)
{
	struct lap lap = { 0 };
	struct ckpt_task *p;
	enum ckpt_halt halt = CKPT_HALT_DEAD;
	int err;

	*hits = 0;
	if (is_idle(at, from, rules, n))
		return 0;
	err = fred_seek_start(at->interval, from, &p);
	if (err)
		return err;
	err = lap_run(&lap, at, p, rules, n, nth, &halt);
	if (!err && (halt == CKPT_HALT_GOAL || halt == CKPT_HALT_EXIT))
		*hits = nth - ckpt_cell_get(p, CKPT_CELL_FREE);
	else if (!err && halt != CKPT_HALT_PROBE &&
		 !(halt == CKPT_HALT_DEAD && fred_seek_may_die(at->interval)))
		err = fred_seek_failure(halt, &lap.leg);
	ckpt_stats.probes++;
	if (err || halt != CKPT_HALT_PROBE) {
		ckpt_puppet_destroy(p);
	} else {
		*which = rule_at(rules, n, lap.leg.run.site);
		ckpt_leg_end(&lap.leg);
		*ret = p;
		err = 1;
	}
	free(lap.all);
	return err;
}

/* The same where it is known that they do. */
static int stop_at(const struct span *at, struct ckpt_task *from, const struct ckpt_rule *rules,
		   size_t n, uint64_t nth, struct ckpt_task **ret, size_t *which)
{
	uint64_t hits;
	int err = try_stop_at(at, from, rules, n, nth, ret, which, &hits);

	return err ? err : otherwise();
}

/* Whether a leg that no rule has stopped came to its goal. */
static bool came_to_goal(enum ckpt_halt halt, const struct span *at)
{
	return halt == CKPT_HALT_GOAL || halt == CKPT_HALT_EXIT ||
	       (halt == CKPT_HALT_DEAD && fred_seek_may_die(at->interval));
}

/* Has a puppet run from one hit to the next, from number lo (0 is the first) up to hi, or, at
 * most, to the goal, and sets *last to 1 more than the number of the last one which is good. */
static int scan(const struct span *at, struct ckpt_task *from, const struct ckpt_rule *rules,
		size_t n, uint64_t lo, uint64_t hi, fred_seek_judge good, uint64_t *last)
{
	enum ckpt_halt halt = CKPT_HALT_PROBE;
	struct ckpt_leg leg;
	struct ckpt_task *p;
	int err = fred_seek_start(at->interval, from, &p);

	if (err)
		return err;
	err = ckpt_leg_begin(&leg, p, &at->goal, rules, n);
	leg.run.only = at->thread;
	for (uint64_t i = lo; i < hi && !err; i++) {
		if (ckpt_cell_set(p, CKPT_CELL_FREE, i == lo ? lo + 1 : 1))
			err = -ESRCH;
		else
			halt = ckpt_leg_run(&leg);
		if (!err && hi == TO_GOAL && came_to_goal(halt, at))
			break;
		if (!err && halt != CKPT_HALT_PROBE) {
			err = fred_seek_failure(halt, &leg);
			err = err ? err : otherwise();
		}
		if (!err && good(p, rule_at(rules, n, leg.run.site)))
			*last = i + 1;
		if (i % ASK_EVERY == 0) {
			tell_progress(at->interval);
			if (!err && ckpt_cancelled && ckpt_cancelled())
				err = -EINTR;
		}
	}
	ckpt_puppet_destroy(p);
	ckpt_stats.probes++;
	return err;
}

/*
 * The last of the hits in an interval that is good: the search goes back by parts, each
 * larger than the one before. *part: the first one's size; where there have been many hits in
 * vain, so large that all of the interval is one part, which needn't be counted before.
 */
static int last_good(const struct span *at, struct ckpt_task *from, const struct ckpt_rule *rules,
		     size_t n, fred_seek_judge good, uint64_t *part, struct ckpt_task **ret,
		     size_t *which)
{
	uint64_t last = 0, hits = 0;
	bool all = good && *part > LARGE_PART;
	int err = 0;

	if (!all)
		err = count(at, from, rules, n, &hits);
	else if (!is_idle(at, from, rules, n))
		err = scan(at, from, rules, n, 0, TO_GOAL, good, &last);
	if (!good && !err && hits)
		return stop_at(at, from, rules, n, hits, ret, which);
	while (good && hits && !last && !err) {
		uint64_t lo = hits > *part ? hits - *part : 0;

		err = scan(at, from, rules, n, lo, hits, good, &last);
		hits = lo;
		*part *= 8;
	}
	return err || !last ? err : stop_at(at, from, rules, n, last, ret, which);
}

int fred_seek_last(const struct fred_moment *m, struct ckpt_task *from,
		   const struct ckpt_rule *rules, size_t n, struct ckpt_task **ret, size_t *which)
{
	return fred_seek_last_good(m, from, rules, n, NULL, ret, which);
}

int fred_seek_last_good(const struct fred_moment *m, struct ckpt_task *from,
			const struct ckpt_rule *rules, size_t n, fred_seek_judge good,
			struct ckpt_task **ret, size_t *which)
{
	struct span at = { m->interval, m->goal, m->thread };
	size_t lowest = from ? from->play->interval : 0;
	uint64_t part = FIRST_PART;
	struct ckpt_rule *r;
	int err;

	if (!n)
		return 0;
	r = with_cell(rules, n);
	if (!r)
		return -ENOMEM;
	for (;; at.interval--) {
		struct ckpt_task *begin = from && at.interval == lowest ? from : NULL;

		err = last_good(&at, begin, r, n, good, &part, ret, which);
		if (err || at.interval == lowest)
			break;
		ckpt_goal_of(F.tl, at.interval - 1, &at.goal);
	}
	free(r);
	return err;
}

/* The rules at a site first, the others behind; how many those are. */
static size_t part_rules(struct ckpt_rule *r, size_t n, uint64_t site)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		const struct ckpt_rule rule = r[i];

		if (rule.site != site)
			continue;
		r[i] = r[k];
		r[k++] = rule;
	}
	return k;
}

/* In one interval: the last hit of the others, of which there are n - k, or, if more of the k
 * lie behind than may be skipped, of those. */
static int last_but(const struct span *at, struct ckpt_task *from, const struct ckpt_rule *r,
		    size_t n, size_t k, uint64_t *most, struct ckpt_task **ret, size_t *which)
{
	struct ckpt_task *other = NULL;
	uint64_t hits = 0;
	int err = n > k ? count(at, from, r + k, n - k, &hits) : 0;

	if (!err && hits)
		err = stop_at(at, from, r + k, n - k, hits, &other, which);
	if (err >= 0)
		err = count(at, other ? other : from, r, k, &hits);
	if (!err && hits > *most) {
		err = stop_at(at, other ? other : from, r, k, hits - *most, ret, which);
		*most = 0;
	} else if (!err) {
		*most -= hits;
		*ret = other;
		err = other != NULL;
		other = NULL;
	}
	ckpt_puppet_destroy(other);
	return err;
}

int fred_seek_last_but(const struct fred_moment *m, struct ckpt_task *from,
		       const struct ckpt_rule *rules, size_t n, struct fred_skip *skip,
		       struct ckpt_task **ret, size_t *which)
{
	struct span at = { m->interval, m->goal, m->thread };
	size_t lowest = from ? from->play->interval : 0, k;
	struct ckpt_rule *r = with_cell(rules, n);
	int err;

	if (!r)
		return -ENOMEM;
	k = part_rules(r, n, skip->site);
	for (;; at.interval--) {
		struct ckpt_task *begin = from && at.interval == lowest ? from : NULL;

		err = last_but(&at, begin, r, n, k, &skip->most, ret, which);
		if (err || at.interval == lowest)
			break;
		ckpt_goal_of(F.tl, at.interval - 1, &at.goal);
	}
	free(r);
	if (err > 0)
		*which = rule_at(rules, n, ckpt_canonical(*ret).rip);
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

		err = try_stop_at(&at, begin, r, n, nth, ret, which, &hits);
		if (!err)
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

int fred_seek_earlier(const struct fred_moment *m, struct ckpt_task *from,
		      const struct ckpt_rule *rules, size_t n, uint64_t back,
		      struct ckpt_task **ret)
{
	const struct span at = { m->interval, m->goal, m->thread };
	struct ckpt_rule *r = with_cell(rules, n);
	uint64_t hits = 0;
	size_t which;
	int err = r ? count(&at, from, r, n, &hits) : -ENOMEM;

	if (!err && hits)
		err = stop_at(&at, from, r, n, hits > back ? hits - back : 1, ret, &which);
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

	if (!fred_seek_may_die(i))
		return false;
	return F.tl->killed || (sig && WIFSIGNALED(status) && WTERMSIG(status) == sig);
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
