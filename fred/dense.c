/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A snapshot just before the moment at which the user looks back, made of a
 * puppet, when the interval there is long: every further search near that
 * moment then runs over a small part of it. What measures the way is the loops
 * of the functions on the stack or, where they tell nothing, their statements.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fred/seek.h"
#include "fred/trail.h"

#define F fred_tl
#define MAX_FRAMES 16
#define MAX_RULES 3000
#define LONG_RUN 0.01 /* seconds */
#define MIN_HITS 64
#define PART 32 /* what remains: 1/PART of the way */

struct census {
	size_t interval, strangers;
};

static void count_stranger(struct ckpt_task *t, void *arg)
{
	struct census *c = arg;

	/* Where others stand in the interval nobody knows: before or behind? */
	c->strangers += t->play && t->timeline == F.tl && t->play->interval == c->interval &&
			t != F.now && t != F.clean;
}

static int add_rule(struct ckpt_rule **rules, size_t *n, uint64_t site)
{
	if (!*rules)
		*rules = calloc(MAX_RULES, sizeof(**rules));
	if (!*rules)
		return -ENOMEM;
	for (size_t i = 0; i < *n; i++)
		if ((*rules)[i].site == site)
			return 0;
	if (*n < MAX_RULES)
		(*rules)[(*n)++] = (struct ckpt_rule){ .site = site, .cheap = true };
	return 0;
}

static int add_function(struct fred_sym *sym, struct fred_sym_reader *reader, uint64_t pc,
			struct ckpt_rule **rules, size_t *n)
{
	struct fred_statement *stmts = NULL;
	struct fred_insn *insns = NULL;
	struct fred_function f;
	size_t count = 0;
	int err = 0;

	if (fred_sym_function(sym, pc, &f))
		return 0;
	if (f.has_lines && fred_sym_statements(sym, &f, &stmts, &count))
		count = 0;
	for (size_t i = 0; !err && i < count; i++)
		err = add_rule(rules, n, stmts[i].addr);
	free(stmts);
	if (count || err ||
	    fred_sym_instructions(sym, reader, f.ranges[0].lo, f.ranges[0].hi, &insns, &count))
		return err;
	for (size_t i = 0; !err && i < count; i++)
		if (insns[i].kind == FRED_INSN_JCC || insns[i].kind == FRED_INSN_CALL)
			err = add_rule(rules, n, insns[i].addr);
	free(insns);
	return err;
}

/* The heads of its loops: the cheapest measure, one count each time round. */
static int add_loops(struct fred_sym *sym, struct fred_sym_reader *reader, uint64_t pc,
		     struct ckpt_rule **rules, size_t *n)
{
	struct fred_insn *insns;
	struct fred_function f;
	size_t count;
	int err = 0;

	if (fred_sym_function(sym, pc, &f))
		return 0;
	for (size_t k = 0; !err && k < f.n_ranges; k++) {
		if (fred_sym_instructions(sym, reader, f.ranges[k].lo, f.ranges[k].hi, &insns,
					  &count))
			continue;
		for (size_t i = 0; !err && i < count; i++)
			if ((insns[i].kind == FRED_INSN_JCC || insns[i].kind == FRED_INSN_JMP) &&
			    insns[i].target >= f.ranges[k].lo && insns[i].target <= insns[i].addr)
				err = add_rule(rules, n, insns[i].target);
		free(insns);
	}
	return err;
}

typedef int (*add_fn)(struct fred_sym *sym, struct fred_sym_reader *reader, uint64_t pc,
		      struct ckpt_rule **rules, size_t *n);

static int stack_rules(struct ckpt_task *t, add_fn add, struct ckpt_rule **rules, size_t *n)
{
	struct fred_sym *sym = fred_seek_symbols(t);
	struct fred_sym_reader reader = fred_seek_reader(t);
	struct fred_frame frames[MAX_FRAMES];
	size_t nframes = 0;
	int err;

	*rules = NULL;
	*n = 0;
	if (!sym)
		return -ENOENT;
	err = fred_seek_unwind(t, sym, frames, MAX_FRAMES, &nframes);
	for (size_t i = 0; !err && i < nframes; i++)
		err = add(sym, &reader, frames[i].pc, rules, n);
	return err;
}

/* Where the way to m lies: in its interval, or, if m is where that begins, in the
 * one before. */
static struct fred_moment way_to(const struct fred_moment *m)
{
	struct fred_moment at = *m;

	at.owned = NULL;
	if (at.interval > 0 && fred_moment_begins(m)) {
		at.interval--;
		ckpt_goal_of(F.tl, at.interval, &at.goal);
	}
	return at;
}

void fred_dense_before(struct fred_moment *m)
{
	static const add_fn measures[] = { add_loops, add_function };
	struct fred_moment at;
	struct ckpt_task *begin, *p;
	struct ckpt_rule *rules = NULL;
	double start = ckpt_now();
	struct census c = { 0 };
	size_t n = 0, which;
	uint64_t hits = 0;
	int err = 0;

	if (m->goal.how != CKPT_END_MATCH || !m->goal.ref || fred_trail_leads_to(m))
		return;
	fred_trail_forget();
	at = way_to(m);
	c.interval = at.interval;
	ckpt_each_task(count_stranger, &c);
	if (c.strangers || at.goal.how == CKPT_END_CALL || at.goal.how == CKPT_END_NOW ||
	    ckpt_puppet_create(F.tl, at.interval, &begin))
		return;
	for (size_t i = 0; !err && i < sizeof(measures) / sizeof(*measures); i++) {
		free(rules);
		err = stack_rules(m->goal.ref, measures[i], &rules, &n);
		if (!err && n)
			err = fred_seek_count(begin, &at, rules, n, &hits);
		if (hits >= MIN_HITS || (n && ckpt_now() - start <= LONG_RUN))
			break;
	}
	if (!err && hits >= MIN_HITS && ckpt_now() - start > LONG_RUN &&
	    fred_seek_nth(begin, &at, rules, n, hits - hits / PART, &p, &which) > 0) {
		if (ckpt_snapshot_insert(F.tl, at.interval, p))
			ckpt_puppet_destroy(p);
		else
			m->interval++;
	}
	free(rules);
	ckpt_puppet_destroy(begin);
}
