/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What snapshots cost in memory is counted like this: a page that snapshot i
 * has, and snapshot i + 1 hasn't any more, because the program has written or
 * unmapped it in between, is kept on account of i (older ones may have it too).
 * So the sum over all of them is what would be free without them. When i goes,
 * the pages that it had alone are freed, and what it shared with i - 1 is kept
 * on account of that one; when the first goes, all that it keeps is freed.
 */
#include <stdio.h>
#include <string.h>

#include "ckptcore/record.h"
#include "ckptcore/replay.h"
#include "ckptcore/store.h"
#include "ckptcore/thin.h"

/* What can't be thinned may be this many times as much as what can be: then the
 * oldest part of history goes. */
#define FIRM 5

struct shift {
	struct ckpt_timeline *tl;
	size_t from;
	ssize_t delta;
};

static void shift_puppet(struct ckpt_task *t, void *arg)
{
	const struct shift *s = arg;

	if (t->play && t->timeline == s->tl && t->play->interval >= s->from)
		t->play->interval = (size_t)((ssize_t)t->play->interval + s->delta);
}

void ckpt_puppets_shift(struct ckpt_timeline *tl, size_t i, ssize_t delta)
{
	struct shift s = { tl, i, delta };

	ckpt_each_task(shift_puppet, &s);
}

uint64_t ckpt_budget_used(void)
{
	static unsigned int visit;
	uint64_t sum = ckpt_store_memory();

	visit++;
	for (const struct ckpt_timeline *tl = ckpt_timelines(); tl; tl = tl->next)
		for (size_t i = 0; i < tl->nsnaps; i++) {
			struct ckpt_snap *s = tl->snaps[i];

			/* Several timelines may have it. */
			sum += s->visit == visit ? 0 : s->kept;
			s->visit = visit;
		}
	return sum;
}

static void tell(bool *told, const char *text)
{
	if (!*told && ckpt_warn)
		ckpt_warn(text);
	*told = true;
}

/* ---------------------------------------------------------------- thinning */

/* An interval can grow over the one behind it only where replay gets through; where
 * a thread was preempted it knows from this snapshot only. */
static bool dispensable(struct ckpt_timeline *tl, size_t i)
{
	const struct ckpt_snap *s = tl->snaps[i];

	return i > 0 && i + 1 < tl->nsnaps && !s->pins && !s->before_dead && !s->sig &&
	       !s->ends_turn && (s->before == CKPT_END_MATCH || s->before == CKPT_END_EVENT);
}

/* The one of which the loss is least: of the hole that it would leave, in terms
 * of its age. 0: none can go. */
static size_t least(struct ckpt_timeline *tl)
{
	double now = ckpt_now(), best_score = 1e300;
	size_t best = 0;

	for (size_t i = 1; i + 1 < tl->nsnaps; i++) {
		double hole = tl->snaps[i + 1]->when - tl->snaps[i - 1]->when;
		double score = hole / (now - tl->snaps[i]->when + 0.1);

		if (dispensable(tl, i) && score < best_score) {
			best_score = score;
			best = i;
		}
	}
	return best;
}

/* The interval before grows over the one that began here. */
static void drop(struct ckpt_timeline *tl, size_t i)
{
	struct ckpt_snap *s = tl->snaps[i];
	uint64_t alone = s->copy ? ckpt_memory_private(s->copy->tgid) : 0;

	if (alone < s->kept && i > 0 && !s->shared)
		tl->snaps[i - 1]->kept += s->kept - alone;
	ckpt_snap_destroy(s);
	memmove(tl->snaps + i, tl->snaps + i + 1, (tl->nsnaps - i - 1) * sizeof(*tl->snaps));
	tl->nsnaps--;
	ckpt_puppets_shift(tl, i, -1);
	ckpt_stats.dropped++;
}

struct span {
	struct ckpt_timeline *tl;
	size_t lo, hi;
	bool used;
};

static void look_for_user(struct ckpt_task *t, void *arg)
{
	struct span *s = arg;

	if (t->play && t->timeline == s->tl && t->play->interval >= s->lo &&
	    t->play->interval < s->hi)
		s->used = true;
}

void ckpt_snapshots_skip(struct ckpt_timeline *tl, size_t lo, size_t hi)
{
	struct span span = { tl, lo, hi, false };

	ckpt_each_task(look_for_user, &span);
	for (size_t i = lo; i < hi; i++)
		span.used |= tl->snaps[i]->pins > 0;
	if (span.used)
		return;
	tl->snaps[hi]->before = CKPT_END_NOW;
	tl->snaps[hi]->before_dead = true;
	for (size_t i = hi; i > lo; i--)
		drop(tl, i - 1);
}

/* ----------------------------------------------------------------- cutting */

struct floor {
	const struct ckpt_timeline *tl;
	size_t n;
};

static void lower_floor(struct ckpt_task *t, void *arg)
{
	struct floor *f = arg;

	if (t->play && t->timeline == f->tl && t->play->interval < f->n)
		f->n = t->play->interval;
}

/* Has history begin with snapshot n. False: it can't be cut. */
static bool cut(struct ckpt_timeline *tl, size_t n)
{
	struct floor f = { tl, n };

	if (n == 0 || n >= tl->nsnaps)
		return false;
	tell(&tl->told_cut,
	     "that isn't enough: the oldest part of the program's history is dropped; going back ends where the rest begins");
	if (ckpt_cutting)
		ckpt_cutting(tl, n);
	/* Whoever stands there nevertheless can go on. */
	ckpt_each_task(lower_floor, &f);
	n = f.n;
	for (size_t i = 0; i < n; i++)
		ckpt_snap_destroy(tl->snaps[i]);
	memmove(tl->snaps, tl->snaps + n, (tl->nsnaps - n) * sizeof(*tl->snaps));
	tl->nsnaps -= n;
	ckpt_puppets_shift(tl, 0, -(ssize_t)n);
	ckpt_log_forget(tl, tl->snaps[0]->event);
	ckpt_stats.dropped += n;
	tl->truncated |= n > 0;
	return n > 0;
}

void ckpt_thin_lost(struct ckpt_timeline *tl)
{
	for (size_t i = tl->nsnaps; i-- > 0;) {
		if (tl->snaps[i]->copy)
			continue;
		tell(&tl->told_thin, "the system is short of memory and has ended snapshots");
		if (dispensable(tl, i))
			drop(tl, i);
		else if (cut(tl, i + 1))
			return;
	}
}

/* ------------------------------------------------------------------ policy */

static void tell_processes(struct ckpt_timeline *tl)
{
	tell(&tl->told_thin,
	     "the system grants no more processes or memory, dropping the oldest snapshots");
}

static void tell_memory(struct ckpt_timeline *tl)
{
	char text[128];

	snprintf(text, sizeof(text),
		 "snapshots and record have used up their %llu MB, dropping the oldest snapshots",
		 (unsigned long long)(ckpt_budget()->bytes >> 20));
	tell(&tl->told_thin, text);
}

/* Drops one, or has history begin later. False: nothing can go. */
static bool drop_one(struct ckpt_timeline *tl)
{
	size_t i = least(tl);

	if (!i)
		return cut(tl, 1);
	drop(tl, i);
	return true;
}

static void keep_number(struct ckpt_timeline *tl)
{
	size_t max = tl->max_snaps ? tl->max_snaps : ckpt_budget()->snaps, i;

	while (tl->nsnaps > max && (i = least(tl)) != 0) {
		if (max < CKPT_MAX_SNAPS)
			tell_processes(tl);
		drop(tl, i);
	}
	if (!tl->max_snaps)
		max *= FIRM;
	while (tl->nsnaps > max && cut(tl, 1))
		;
}

static void keep_bytes(struct ckpt_timeline *tl)
{
	uint64_t max = ckpt_budget()->bytes;
	/* The newest stands where the program is: without the one before there
	 * would be no past at all. By the end of its interval the newest will
	 * keep as much as the one before did. */
	while (tl->nsnaps > 2) {
		if (ckpt_budget_used() + tl->last_kept <= max)
			return;
		tell_memory(tl);
		if (!drop_one(tl))
			return;
	}
}

/* A record that doesn't fit any more: dropping snapshots makes no room for it. */
static void keep_log(struct ckpt_timeline *tl)
{
	const char *why;
	char text[480];

	while (tl->nsnaps > 2 && (why = ckpt_store_stuck())) {
		snprintf(
			text, sizeof(text),
			"the record can't go on to disk (%s): the oldest part of the program's history is dropped; going back ends where the rest begins",
			why);
		tell(&tl->told_cut, text);
		if (!cut(tl, 1))
			return;
	}
}

void ckpt_thin(struct ckpt_timeline *tl)
{
	ckpt_thin_lost(tl);
	keep_number(tl);
	keep_log(tl);
	keep_bytes(tl);
}

bool ckpt_thin_harder(struct ckpt_timeline *tl)
{
	/* Room for this snapshot, and for the puppets of a search. */
	size_t before = tl->nsnaps, goal = before * 3 / 4;

	if (before > 1)
		tell_processes(tl);
	while (tl->nsnaps > goal && drop_one(tl))
		;
	tl->max_snaps = tl->nsnaps > 2 ? tl->nsnaps : 2;
	return tl->nsnaps < before;
}
