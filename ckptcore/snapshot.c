/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Snapshots on a timeline: taking, restarting, thinning.
 *
 * A snapshot is a forked copy that never runs; copy-on-write shares its memory
 * with the target and with the other copies. A restart forks the copy again.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "ckptcore/record.h"
#include "ckptcore/replay.h"

#define MAX_SNAPS 200

static void parked_stopped(struct ckpt_task *t, const struct ckpt_stop *stop)
{
	/* Only death finds a parked copy (out of memory, somebody's kill). */
	if (stop->state == CKPT_DEAD && t->timeline)
		ckpt_snapshot_lost(t->timeline, t);
}

static const struct ckpt_task_ops parked_ops = { .name = "parked", .stopped = parked_stopped };

/* ----------------------------------------------------------------- taking */

/* Memory shared with others must neither be changed by our copies nor change
 * below them: it becomes private. */
static int make_private(struct ckpt_task *copy)
{
	struct ckpt_map *maps;
	size_t n;
	int err = ckpt_maps(copy->tid, &maps, &n);
	long res;

	for (size_t i = 0; !err && i < n; i++) {
		struct ckpt_map *m = &maps[i];
		uint8_t *buf;

		if (!m->shared || !m->w)
			continue;
		buf = malloc(m->hi - m->lo);
		if (!buf) {
			err = -ENOMEM;
			break;
		}
		/* Behind the end of a mapped file there is nothing to copy. */
		memset(buf, 0, m->hi - m->lo);
		if (ckpt_read_some(copy, m->lo, buf, m->hi - m->lo) < 0)
			memset(buf, 0, m->hi - m->lo);
		err = ckpt_inject(copy, &res, SYS_mmap, m->lo, m->hi - m->lo,
				  (m->r ? PROT_READ : 0) | PROT_WRITE | (m->x ? PROT_EXEC : 0),
				  MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0);
		if (!err && res < 0)
			err = (int)res;
		if (!err)
			err = ckpt_write(copy, m->lo, buf, m->hi - m->lo);
		free(buf);
	}
	free(maps);
	return err;
}

/* Whether t stands behind an int3 of the debugger's. */
static bool behind_int3(struct ckpt_task *t)
{
	siginfo_t si;

	return t->state == CKPT_SIGNAL && t->stop.sig == SIGTRAP &&
	       ckpt_overlay_at(&t->timeline->overlay, ckpt_regs(t)->rip - 1, NULL) &&
	       !ptrace(PTRACE_GETSIGINFO, t->tid, 0, &si) && si.si_code == SI_KERNEL;
}

struct ckpt_general ckpt_canonical(struct ckpt_task *t)
{
	struct ckpt_general g = ckpt_general_of(ckpt_regs(t));

	if (behind_int3(t))
		g.rip--;
	return g;
}

static void take_regs(struct ckpt_timeline *tl, struct ckpt_task *copy, int sig)
{
	struct user_regs_struct *r = ckpt_regs(copy);

	r->rip = ckpt_canonical(tl->live).rip;
	/* The trap flag is the tracer's. So is the resume flag, but at a fault
	 * the processor sets it, and the signal's frame shows it. */
	r->eflags &= sig ? ~0x100ull : ~0x10100ull;
	ckpt_regs_dirty(copy);
}

int ckpt_copy_prepare(struct ckpt_task *copy)
{
	int err = make_private(copy);
	long res;

	if (!err)
		err = ckpt_inject(copy, &res, SYS_mmap, CKPT_PAGE, CKPT_PAGE_SIZE,
				  PROT_READ | PROT_WRITE,
				  MAP_FIXED_NOREPLACE | MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1,
				  0);
	if (!err && res < 0)
		err = (int)res;
	return err;
}

static int prepare(struct ckpt_timeline *tl, struct ckpt_task *copy, int sig)
{
	int err;

	take_regs(tl, copy, sig);
	ckpt_overlay_remove(&tl->overlay, copy);
	err = ckpt_copy_prepare(copy);
	if (!err)
		ckpt_regs_flush(copy);
	copy->state = CKPT_PARKED;
	copy->timeline = tl;
	return err;
}

static int append(struct ckpt_timeline *tl, struct ckpt_snap *s)
{
	if (tl->nsnaps == tl->snaps_room) {
		size_t room = tl->snaps_room ? tl->snaps_room * 2 : 64;
		struct ckpt_snap **more = realloc(tl->snaps, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		tl->snaps = more;
		tl->snaps_room = room;
	}
	tl->snaps[tl->nsnaps++] = s;
	return 0;
}

static int take(struct ckpt_timeline *tl, struct ckpt_snap *s)
{
	int err = ckpt_fork(tl->live, false, &parked_ops, &s->copy);

	if (err)
		return err;
	/* The kernel keeps the last fault's number and address in the thread,
	 * for the frames of signals; an int3 of ours would overwrite them. */
	if (s->sig)
		s->copy->int3_after = false;
	err = prepare(tl, s->copy, s->sig);
	if (err)
		ckpt_kill(s->copy);
	return err;
}

double ckpt_snapshot_spacing(void)
{
	double cost = ckpt_stats.snapshots ? ckpt_stats.snapshot_s / ckpt_stats.snapshots : 0.001;

	return cost * 50 > 0.03 ? cost * 50 : 0.03;
}

void ckpt_snapshot(struct ckpt_timeline *tl, enum ckpt_end before, bool dead, int sig,
		   const siginfo_t *si)
{
	struct ckpt_snap *s = calloc(1, sizeof(*s));
	double start = ckpt_now();
	char text[128];
	int err = s ? 0 : -ENOMEM;

	if (!tl->recording) {
		free(s);
		return;
	}
	if (s)
		s->sig = sig;
	if (!err)
		err = take(tl, s);
	if (!err)
		err = append(tl, s);
	if (err) {
		if (s && s->copy && err == -ENOMEM)
			ckpt_kill(s->copy);
		free(s);
		if (err == -ESRCH || (!dead && !sig && before == CKPT_END_MATCH))
			return; /* dead, or one could do without it */
		snprintf(text, sizeof(text), "no snapshot possible (%s)", strerror(-err));
		ckpt_record_stop(tl, text);
		return;
	}
	s->id = tl->next_id++;
	s->event = tl->nevents;
	s->before = before;
	s->before_dead = dead;
	if (sig)
		s->siginfo = *si;
	s->when = tl->last_snap = ckpt_now();
	s->pins = tl->nsnaps == 1;
	ckpt_stats.snapshots++;
	ckpt_stats.snapshot_s += s->when - start;
	ckpt_timeline_thin(tl);
}

/* Intervals from `from` on get other indexes. */
struct shift {
	struct ckpt_timeline *tl;
	size_t from;
	ssize_t by;
};

static void shift_puppet(struct ckpt_task *t, void *arg)
{
	const struct shift *s = arg;

	if (t->play && t->timeline == s->tl && t->play->interval >= s->from)
		t->play->interval += (size_t)s->by;
}

int ckpt_snapshot_insert(struct ckpt_timeline *tl, size_t i, struct ckpt_task *p)
{
	struct shift shift = { tl, i, 1 };
	struct ckpt_snap *s = calloc(1, sizeof(*s));
	int err = s ? append(tl, s) : -ENOMEM;

	if (err) {
		free(s);
		return err;
	}
	s->id = tl->next_id++;
	s->event = p->play->event;
	s->before = CKPT_END_MATCH;
	s->copy = p;
	s->when = i + 2 < tl->nsnaps ? tl->snaps[i + 1]->when : ckpt_now();
	free(p->play);
	p->play = NULL;
	p->ops = &parked_ops;
	ckpt_regs(p)->eflags &= ~0x10100ull;
	ckpt_regs_dirty(p);
	ckpt_regs_flush(p);
	p->state = CKPT_PARKED;
	memmove(tl->snaps + i + 2, tl->snaps + i + 1, (tl->nsnaps - i - 2) * sizeof(*tl->snaps));
	tl->snaps[i + 1] = s;
	ckpt_each_task(shift_puppet, &shift);
	return 0;
}

/* --------------------------------------------------------------- thinning */

/* An interval can grow over the one behind it only where replay gets through. */
static bool dispensable(const struct ckpt_timeline *tl, size_t i)
{
	const struct ckpt_snap *s = tl->snaps[i];

	return i > 0 && i + 1 < tl->nsnaps && !s->pins && !s->before_dead && !s->sig &&
	       (s->before == CKPT_END_MATCH || s->before == CKPT_END_EVENT);
}

static void drop(struct ckpt_timeline *tl, size_t i)
{
	struct ckpt_snap *s = tl->snaps[i];

	if (s->copy)
		ckpt_kill(s->copy);
	free(s);
	memmove(tl->snaps + i, tl->snaps + i + 1, (tl->nsnaps - i - 1) * sizeof(*tl->snaps));
	tl->nsnaps--;
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
	struct shift shift = { tl, hi, -(ssize_t)(hi - lo) };

	ckpt_each_task(look_for_user, &span);
	for (size_t i = lo; i < hi; i++)
		span.used |= tl->snaps[i]->pins > 0;
	if (span.used)
		return;
	tl->snaps[hi]->before = CKPT_END_NOW;
	tl->snaps[hi]->before_dead = true;
	for (size_t i = hi; i > lo; i--)
		drop(tl, i - 1);
	ckpt_each_task(shift_puppet, &shift);
}

void ckpt_timeline_thin(struct ckpt_timeline *tl)
{
	while (tl->nsnaps > MAX_SNAPS) {
		double now = ckpt_now(), best_score = 1e300;
		size_t best = 0;

		for (size_t i = 1; i + 1 < tl->nsnaps; i++) {
			/* The hole that it would leave, in terms of its age. */
			double hole = tl->snaps[i + 1]->when - tl->snaps[i - 1]->when;
			double score = hole / (now - tl->snaps[i]->when + 0.1);

			if (dispensable(tl, i) && score < best_score) {
				best_score = score;
				best = i;
			}
		}
		if (!best)
			return;
		drop(tl, best);
	}
}

void ckpt_snapshot_lost(struct ckpt_timeline *tl, struct ckpt_task *copy)
{
	for (size_t i = 0; i < tl->nsnaps; i++)
		if (tl->snaps[i]->copy == copy)
			tl->snaps[i]->copy = NULL;
	ckpt_forget(copy);
}

struct ckpt_timeline *ckpt_timeline_create(void)
{
	return calloc(1, sizeof(struct ckpt_timeline));
}

void ckpt_timeline_destroy(struct ckpt_timeline *tl)
{
	if (!tl)
		return;
	while (tl->nsnaps)
		drop(tl, tl->nsnaps - 1);
	free(tl->snaps);
	free(tl->events);
	free(tl->data);
	free(tl->broken);
	free(tl->record);
	free(tl->overlay.pokes);
	free(tl);
}
