/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Timelines as the controller uses them: record, snapshot, tick. */
#ifndef CKPT_RECORD_H
#define CKPT_RECORD_H

#include "ckptcore/internal.h"

/* Begins to record tl->live, which stands at a stop outside of calls. The tracer has a
 * clock whose signals end waits, some 100 times a second. */
int ckpt_record_start(struct ckpt_timeline *tl) __must_check;
/* t, stopped, is one more thread of the process whose recording has just begun. */
int ckpt_record_join(struct ckpt_timeline *tl, struct ckpt_task *t) __must_check;
/* Takes the snapshot behind what the user changed since the target stopped, so
 * that the moment where it stands lies in an interval of its own. */
void ckpt_record_settle(struct ckpt_timeline *tl);
/* The live process of a new branch stands where the user has changed the past:
 * its first snapshot is taken as it goes on. */
void ckpt_record_branched(struct ckpt_timeline *tl);
/* Ends recording for a reason in words; what was recorded stays. */
void ckpt_record_stop(struct ckpt_timeline *tl, const char *why);
/* How the last interval ends, where the live target stands (stopped) now. */
enum ckpt_end ckpt_record_where(const struct ckpt_timeline *tl);
/* signals.c: the signal at whose delivery the live target stands, with *ret its siginfo;
 * 0: none. It is lost if the target is resumed without it. */
int ckpt_record_signal(const struct ckpt_timeline *tl, siginfo_t *ret);
/* The debugger has resumed whom it wants to, and waits: if the thread whose
 * turn it is isn't among them, another one's comes. */
void ckpt_record_idle(struct ckpt_timeline *tl);
/* t, just resumed for a step, was amid its call in the past: the step ends with the call, though t may be
 * behind it. */
void ckpt_record_step_call(struct ckpt_task *t);
/* Whether that will give the live target a signal that kills it. */
bool ckpt_record_kills(const struct ckpt_timeline *tl);
/* The debugger stops a thread t whose turn it isn't, wherever it is. -EBUSY: it
 * can't be stopped now. -ESRCH: it died. */
int ckpt_record_hold(struct ckpt_task *t) __must_check;
/*
 * clock.c: the process of tl->live, stopped, gets a ring and the code if its vdso has a place for
 * that (see ckpt_vdso_patch()) and the machine what it takes; else each read stays a
 * system call. Anew after an exec.
 */
void ckpt_clock_start(struct ckpt_timeline *tl);
/* The live process is recorded no more, and stays as it is: its tasks belong to no
 * timeline. */
void ckpt_record_forget(struct ckpt_timeline *tl);
/* The live process is killed; nobody hears of it. */
void ckpt_record_kill(struct ckpt_timeline *tl);
/* It goes on, and whoever acts by ops looks after its tasks from now on. */
void ckpt_record_let_go(struct ckpt_timeline *tl, const struct ckpt_task_ops *ops);
/* To be called some 100 times a second while the target runs: takes the
 * snapshots by clock. */
void ckpt_record_tick(struct ckpt_timeline *tl);

/*
 * Takes a snapshot of the live target, which is stopped outside of a call.
 * @before: how the interval before ends. @dead: its end isn't this state (an
 * exec, a change by the user). @sig: delivered when it goes on, with *si.
 * A failure ends nothing: the interval just grows (or, when it can't, the
 * recording ends with a message). Nothing is done if the newest is of this very
 * point. Returns 0 if the newest is, then.
 */
int ckpt_snapshot(struct ckpt_timeline *tl, enum ckpt_end before, bool dead, int sig,
		  const siginfo_t *si);
/*
 * Makes a snapshot of a puppet that stands in interval i, without probes, at no
 * particular event; it ends that interval. Puppets in later ones are told;
 * those in interval i are taken to stand behind it. 0: the puppet is used up.
 */
int ckpt_snapshot_insert(struct ckpt_timeline *tl, size_t i, struct ckpt_task *p) __must_check;
/*
 * Takes snapshots [lo, hi) out of history, which goes on from interval lo - 1
 * straight to snapshot hi. Not if a puppet stands there or one is pinned.
 */
void ckpt_snapshots_skip(struct ckpt_timeline *tl, size_t lo, size_t hi);
/* Seconds between snapshots by clock: such that they cost 1 %. */
double ckpt_snapshot_spacing(const struct ckpt_timeline *tl);

struct ckpt_timeline *ckpt_timeline_create(void);
/* All that there are, by their `next'. */
struct ckpt_timeline *ckpt_timelines(void);
/* Kills the copies and frees all. Takes NULL. */
void ckpt_timeline_destroy(struct ckpt_timeline *tl);

#endif
