/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Binary search for the statement at which a judgement turns from good to bad:
 * first among the snapshots, then among the statement starts of the user's
 * code inside one interval, counted by probes. The debugger judges each staged
 * point; we keep the last good one as a puppet, so each further run is half as
 * long as the one before. After FReD (Arya et al., 2014).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fred/bisect.h"
#include "fred/reply.h"

#define F fred_tl

static struct {
	struct fred_moment m;
	struct ckpt_rule *rules;
	size_t nrules;
	enum { IDLE, AT_BEGINNING, ONE_BY_ONE, BY_SNAPSHOT, IN_INTERVAL } phase;
	size_t lo, hi; /* snapshots: lo good, hi bad */
	size_t mid;
	struct ckpt_task *good; /* the last good point */
	uint64_t count, tried;	/* statements from there to the bad one */
	uint64_t own;		/* 1: the good point is itself at a statement */
	double asked;
} b;

static void finish(void)
{
	ckpt_puppet_destroy(b.good);
	fred_moment_deinit(&b.m);
	free(b.rules);
	memset(&b, 0, sizeof(b));
}

static void give_up(json_object *out, int err)
{
	fail(out, err);
	fred_timeline_unstage();
	finish();
}

static void ask(json_object *out, struct ckpt_task *p)
{
	fred_timeline_stage(p, FRED_ARRIVE_STEP);
	b.asked = ckpt_now();
	put(out, "status", "evaluate");
}

static int statement_rules(struct ckpt_task *t)
{
	struct fred_sym *sym = fred_seek_symbols(t);
	struct fred_statement *stmts;
	size_t n;
	int err;

	if (!sym)
		return -ENOENT;
	err = fred_sym_user_statements(sym, 0, &stmts, &n);
	if (err)
		return err;
	if (n > 20000)
		n = 20000;
	b.rules = calloc(n + 1, sizeof(*b.rules));
	for (size_t i = 0; b.rules && i < n; i++)
		b.rules[b.nrules++] = (struct ckpt_rule){ .site = stmts[i].addr };
	free(stmts);
	return b.rules ? 0 : -ENOMEM;
}

/* The end of the bad interval: the next snapshot, or the moment of the request. */
static struct fred_moment bad_end(void)
{
	struct fred_moment m = b.m;

	m.owned = NULL;
	if (b.hi <= b.m.interval) {
		m.interval = b.hi - 1;
		ckpt_goal_of(F.tl, m.interval, &m.goal);
	}
	return m;
}

/* Asks about the statement in the middle, or is done. */
static void ask_inside(json_object *out)
{
	struct fred_moment end = bad_end();
	struct ckpt_task *p, *done;
	size_t which;
	int err;

	if (b.count == 0) {
		/* Nothing lies between: the good point's own statement did it. */
		done = b.good;
		b.good = NULL;
		finish();
		fred_timeline_stage(done, FRED_ARRIVE_STEP);
		put_found(out, done, "step");
		return;
	}
	b.tried = (b.count + 1) / 2;
	err = fred_seek_first(b.good, &end, b.rules, b.nrules, b.tried + b.own, &p, &which);
	if (err <= 0)
		give_up(out, err < 0 ? err : -EPROTO);
	else
		ask(out, p);
}

static bool at_statement(struct ckpt_task *p)
{
	uint64_t pc = ckpt_canonical(p).rip;

	for (size_t i = 0; i < b.nrules; i++)
		if (b.rules[i].site == pc)
			return true;
	return false;
}

/* Snapshots lo good, hi bad are neighbours: on inside of the interval. */
static void begin_inside(json_object *out)
{
	struct fred_moment end;
	int err;

	b.phase = IN_INTERVAL;
	err = ckpt_puppet_create(F.tl, b.lo, &b.good);
	if (!err)
		err = statement_rules(b.good);
	if (err) {
		give_up(out, err);
		return;
	}
	end = bad_end();
	err = fred_seek_count(b.good, &end, b.rules, b.nrules, &b.count);
	if (err) {
		give_up(out, err);
		return;
	}
	b.own = at_statement(b.good);
	b.count -= b.own;
	ask_inside(out);
}

static void ask_mid(json_object *out)
{
	struct ckpt_task *p;
	int err = fred_seek_start(b.mid, NULL, &p);

	if (err)
		give_up(out, err);
	else
		ask(out, p);
}

static void ask_snapshot(json_object *out)
{
	if (b.hi - b.lo <= 1) {
		begin_inside(out);
		return;
	}
	b.mid = b.lo + (b.hi - b.lo) / 2;
	ask_mid(out);
}

/*
 * Bad at the beginning, too: it was good in between, if at all. Which snapshot
 * tells can't be guessed, so they are asked one by one, the newest first.
 */
static void ask_one_by_one(json_object *out, bool good)
{
	if (good) {
		b.lo = b.mid;
		b.hi = b.mid + 1;
		begin_inside(out);
		return;
	}
	b.mid = b.phase == AT_BEGINNING ? b.hi - 1 : b.mid - 1;
	b.phase = ONE_BY_ONE;
	if (b.mid > 0 && b.mid < b.hi) {
		ask_mid(out);
		return;
	}
	fred_timeline_unstage();
	finish();
	put(out, "status", "always");
}

void fred_op_bisect(json_object *in, json_object *out)
{
	int err;

	(void)in;
	fred_timeline_unstage();
	finish();
	b.m.thread = 0; /* whatever thread makes it bad */
	err = fred_timeline_moment(&b.m.goal, &b.m.interval);
	if (err) {
		give_up(out, err);
		return;
	}
	ckpt_stats.searches++;
	b.phase = AT_BEGINNING;
	b.lo = b.mid = 0;
	b.hi = b.m.interval + 1;
	ask_mid(out);
}

void fred_op_verdict(json_object *in, json_object *out)
{
	bool good = get_bool(in, "good");

	ckpt_stats.evaluations++;
	ckpt_stats.evaluation_s += ckpt_now() - b.asked;
	fred_timeline_restore();
	if (b.phase == IDLE || !F.staged) {
		give_up(out, -EINVAL);
		return;
	}
	fred_timeline_peek(false);
	if (b.phase == AT_BEGINNING && good) {
		b.phase = BY_SNAPSHOT;
		ask_snapshot(out);
		return;
	}
	if (b.phase == AT_BEGINNING || b.phase == ONE_BY_ONE) {
		ask_one_by_one(out, good);
		return;
	}
	if (b.phase == BY_SNAPSHOT) {
		if (good)
			b.lo = b.mid;
		else
			b.hi = b.mid;
		ask_snapshot(out);
		return;
	}
	if (good) {
		ckpt_puppet_destroy(b.good);
		b.good = F.staged;
		F.staged = NULL;
		b.count -= b.tried;
		b.own = 1; /* it stands at a statement */
	} else {
		b.count = b.tried - 1;
	}
	ask_inside(out);
}
