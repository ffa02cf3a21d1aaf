/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Binary search for the statement at which a judgement turns from good to bad:
 * first among the snapshots, then among the statement starts of the user's
 * code inside one interval, counted by probes. The debugger judges each staged
 * point; we keep the last good one as a puppet, so each further run is half as
 * long as the one before. After FReD (Arya et al., 2014). Statements that would
 * cost a stop at each arrival, such as the ends of short functions, wait until
 * two neighbours among the others are good and bad. At last come the returns
 * into statements that had called functions: `x = f()' is over only after them.
 *
 * What is said of a frame's variables has a meaning only as long as the frame is
 * there: then all begins at its first statement, instead of the first snapshot.
 * There they may have no values yet, so if it is bad there and at all snapshots,
 * statements behind the beginning are sampled for a good one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fred/bisect.h"
#include "fred/reply.h"
#include "fred/reverse.h"

#define F fred_tl
#define MAX_FRAMES 64
#define SAMPLES 64

static struct {
	struct fred_moment m;
	struct ckpt_rule *rules;
	size_t nrules;
	enum { IDLE, AT_BEGINNING, ONE_BY_ONE, SAMPLING, BY_SNAPSHOT, IN_INTERVAL } phase;
	struct ckpt_task *begin; /* where the frame begins; NULL: it isn't about a frame */
	size_t lo, hi;		 /* snapshots: lo good, hi bad */
	size_t mid;
	struct ckpt_task *good; /* the last good point; SAMPLING: the last one asked about */
	struct ckpt_task *bad;	/* inside: the first bad one, unless that is the end */
	/* What counts inside; the later ones up to `bad'. */
	enum { CHEAP_STATEMENTS, ALL_STATEMENTS, RETURNS } points;
	uint64_t count, tried; /* points from there to the bad one */
	uint64_t stride;       /* SAMPLING: this many at once */
	uint64_t own;	       /* 1: the good one is itself at such a point */
	bool placed;	       /* the good one is at a statement, not just where a snapshot is */
	double asked;
} b;

static void finish(void)
{
	ckpt_puppet_destroy(b.begin);
	ckpt_puppet_destroy(b.good);
	ckpt_puppet_destroy(b.bad);
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
	put_bool(out, "strict", b.phase == SAMPLING); /* unknown isn't good then */
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

/* The end of the bad interval: the next snapshot, or the moment of the request;
 * or the point that is known to be bad. */
static struct fred_moment bad_end(void)
{
	struct fred_moment m = b.m;

	m.owned = NULL;
	if (b.points != CHEAP_STATEMENTS && b.bad) {
		fred_moment_of(b.bad, &m);
		m.thread = 0;
	} else if (b.hi <= b.m.interval) {
		m.interval = b.hi - 1;
		ckpt_goal_of(F.tl, m.interval, &m.goal);
	}
	return m;
}

static bool has_rule(uint64_t pc)
{
	for (size_t i = 0; i < b.nrules; i++)
		if (b.rules[i].site == pc)
			return true;
	return false;
}

/* The places in the user's functions to which those on t's stack return,
 * instead of the statements. */
static int return_rules(struct ckpt_task *t)
{
	struct fred_sym *sym = fred_seek_symbols(t);
	struct ckpt_rule *rules = calloc(MAX_FRAMES, sizeof(*rules));
	struct fred_frame frames[MAX_FRAMES];
	struct fred_function f;
	size_t n = 0, count = 0;

	if (!rules)
		return -ENOMEM;
	if (sym && !fred_seek_unwind(t, sym, frames, MAX_FRAMES, &n))
		for (size_t i = 0; i < n; i++)
			if (!frames[i].signal && frames[i].ret &&
			    !fred_sym_function(sym, frames[i].ret, &f) && has_rule(f.entry))
				rules[count++].site = frames[i].ret;
	free(b.rules);
	b.rules = rules;
	b.nrules = count;
	return 0;
}

/* Counts the points behind the good one. */
static int count_points(void)
{
	struct fred_moment end = bad_end();
	int err;

	/* The good point's own is to count in any case, or nobody knew whether it does. */
	for (size_t i = 0; i < b.nrules; i++)
		b.rules[i].cheap = b.points == CHEAP_STATEMENTS &&
				   b.rules[i].site != ckpt_canonical(b.good).rip;
	err = fred_seek_count(b.good, &end, b.rules, b.nrules, &b.count);
	if (err)
		return err;
	b.own = b.count && has_rule(ckpt_canonical(b.good).rip);
	b.count -= b.own;
	return 0;
}

/* Between good and bad lies none of the points: the next kind. */
static int count_finer(void)
{
	int err = 0;

	while (!err && b.count == 0 && b.points != RETURNS) {
		b.points++;
		if (b.points == RETURNS)
			err = return_rules(b.good);
		if (!err)
			err = count_points();
	}
	return err;
}

static void ask_nth(json_object *out)
{
	struct fred_moment end = bad_end();
	struct ckpt_task *p;
	size_t which;
	int err = fred_seek_nth(b.good, &end, b.rules, b.nrules, b.tried + b.own, &p, &which);

	if (err <= 0)
		give_up(out, err < 0 ? err : -EPROTO);
	else
		ask(out, p);
}

/* Asks about the point in the middle, or is done. */
static void ask_inside(json_object *out)
{
	struct ckpt_task *done;
	bool placed;
	int err = count_finer();

	if (err) {
		give_up(out, err);
		return;
	}
	if (b.count == 0) {
		/* Nothing lies between: the good point's own statement did it. */
		done = b.good;
		placed = b.placed;
		b.good = NULL;
		finish();
		fred_timeline_stage(done, FRED_ARRIVE_STEP);
		put_found(out, done, "step");
		put_bool(out, "placed", placed);
		return;
	}
	b.tried = (b.count + 1) / 2;
	ask_nth(out);
}

/* What has begun by snapshot i, or, where that is earlier, with the frame. */
static struct ckpt_task *frame_at(size_t i)
{
	return b.begin && i == b.begin->play->interval ? b.begin : NULL;
}

/* Counts the statements between the beginning of interval lo and what follows, which is bad. */
static int begin_interval(void)
{
	int err = fred_seek_start(b.lo, frame_at(b.lo), &b.good);

	if (!err)
		err = statement_rules(b.good);
	if (err)
		return err;
	b.placed = has_rule(ckpt_canonical(b.good).rip);
	return count_points();
}

/* Snapshots lo good, hi bad are neighbours: on inside of the interval. */
static void begin_inside(json_object *out)
{
	int err;

	b.phase = IN_INTERVAL;
	err = begin_interval();
	if (err)
		give_up(out, err);
	else
		ask_inside(out);
}

/* Whether the frame's first interval goes up to the moment of the request. */
static bool is_one_interval(void)
{
	size_t i = b.begin->play->interval;

	return b.m.interval == i || (b.m.interval == i + 1 && fred_moment_begins(&b.m));
}

/* It was never good, as far as is known. */
static void say_always(json_object *out)
{
	put(out, "status", "always");
	put_bool(out, "frame", b.begin != NULL);
	put_bool(out, "everywhere", b.stride == 1 && is_one_interval());
	fred_timeline_unstage();
	finish();
}

static void ask_sample(json_object *out)
{
	b.tried = b.count < b.stride ? b.count : b.stride;
	if (b.tried)
		ask_nth(out);
	else
		say_always(out);
}

static void begin_sampling(json_object *out)
{
	int err;

	b.phase = SAMPLING;
	b.lo = b.begin->play->interval;
	b.hi = b.lo + 1;
	err = begin_interval();
	b.stride = b.count / SAMPLES + 1;
	if (err)
		give_up(out, err);
	else
		ask_sample(out);
}

static void ask_mid(json_object *out)
{
	struct ckpt_task *p;
	int err = fred_seek_start(b.mid, frame_at(b.mid), &p);

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
	if (b.mid > b.lo && b.mid < b.hi)
		ask_mid(out);
	else if (b.begin)
		begin_sampling(out);
	else
		say_always(out);
}

/* Sets where the frame begins that the expression is about, if it is about one. 0: it is only
 * about to begin. */
static int set_begin(json_object *in)
{
	struct fred_moment own = b.m; /* where the user's thread stands */
	int err;

	if (!json_object_object_get(in, "level"))
		return 1;
	own.owned = NULL;
	own.thread = F.now ? ckpt_vtid(F.now) : 0;
	err = fred_moment_in_thread(&own, (pid_t)get_number(in, "thread", own.thread));
	if (err > 0)
		err = fred_reverse_frame(&own, (unsigned int)get_number(in, "level", 0), &b.begin);
	fred_moment_deinit(&own);
	return err;
}

void fred_op_bisect(json_object *in, json_object *out)
{
	int err;

	fred_timeline_unstage();
	finish();
	b.m.thread = 0; /* whatever thread makes it bad */
	err = fred_timeline_moment(&b.m.goal, &b.m.interval);
	if (!err) {
		err = set_begin(in);
		if (err == 0) {
			put(out, "status", "begins");
			finish();
			return;
		}
	}
	if (err < 0) {
		give_up(out, err);
		return;
	}
	ckpt_stats.searches++;
	b.phase = AT_BEGINNING;
	b.lo = b.mid = b.begin ? b.begin->play->interval : 0;
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
	if (good || b.phase == SAMPLING) {
		ckpt_puppet_destroy(b.good);
		b.good = F.staged;
		F.staged = NULL;
		b.count -= b.tried;
		b.own = b.placed = true; /* it stands at a statement */
	} else {
		b.count = b.tried - 1;
		ckpt_puppet_destroy(b.bad);
		b.bad = F.staged;
		F.staged = NULL;
	}
	if (good && b.phase == SAMPLING)
		b.phase = IN_INTERVAL;
	if (b.phase == SAMPLING)
		ask_sample(out);
	else
		ask_inside(out);
}
