/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The live target's threads take turns: one at a time runs the program's code,
 * so that the order in which they ran is a short list of events (TURN), and
 * replays exactly. A call that takes long lets another thread run; its results
 * are recorded once its thread's turn has come.
 *
 * Files of the engine only.
 */
#ifndef CKPT_TURNS_H
#define CKPT_TURNS_H

#include "ckptcore/internal.h"

/* Whether a call sleeps, as far as can be told before it is made. */
enum ckpt_sleeps { CKPT_SLEEPS_MAYBE, CKPT_SLEEPS_NO, CKPT_SLEEPS_YES };

/* What is known of one thread of the live target. */
struct ckpt_thread {
	bool let;	  /* the debugger lets it run */
	bool pending;	  /* stands at a stop that nobody has dealt with, until its turn */
	bool interrupted; /* a call of its was ended by us and is to go on */
	bool again;	  /* ... and is about to be made again; code: what it had ended with */
	int64_t code;
	/* Amid a transfer, see transfers.c: bytes that are moved, of which only we know; the rest is
	 * being moved by a call for so many bytes; all of them came, and more is to. */
	uint64_t done, rest;
	bool makes_rest, more;
	int owed;	    /* its call isn't made: that error was told already, to us */
	bool detour;	    /* ... from elsewhere: see quick.h, or around an int3 */
	bool met;	    /* its first stop was seen */
	bool joined;	    /* stands in a call that was interrupted before it was recorded */
	bool unborn;	    /* the call that makes it isn't over */
	unsigned int woken; /* how often its call has ended by a signal that another thread took */
	bool gone;	    /* a leader that has ended before its threads */
	bool wrote;	    /* what its call wrote is in the log already */
	bool step_call;	    /* the debugger single-steps over its call ... */
	bool step_over;	    /* ... from a breakpoint of its own, which is taken out for that */
	bool barrier;	    /* nothing but a snapshot describes its call */
	bool unlogged;	    /* ... its last one, which made no stop at its entry */
	bool births;	    /* its call starts a thread */
	bool held;	    /* the debugger gave it `sig', which it gets once that sleeps */
	double left;	    /* when it lost its turn */
	double began;	    /* when its call did ... */
	double until;	    /* ... and when that stops waiting, see timeouts.c; 0: not known yet */
	int request, sig;   /* how the debugger resumed it last */
	siginfo_t siginfo;  /* at a signal's stop, as the kernel gave it ... */
	uint64_t signal_ip; /* ... and where that was */
	bool restarts;	    /* its call was interrupted, and no instruction run since ... */
	bool refused;	    /* ... by us, see quick.h: nobody needs to know */
	bool stops_behind;  /* ... but is to stop once that call is over: somebody wants it to */
	bool struck;	    /* a signal comes to it before it runs any instruction */
	int delayed;	    /* a signal that comes at the next call, or soon ... */
	siginfo_t delayed_info; /* ... with this, also once it is sent again: resent */
	int resent;
	double since;	    /* when it struck */
	unsigned int vain;  /* that was in vain: grows with each time on end ... */
	unsigned int skips; /* ... and for so many signals isn't tried again */
	int redeliver;	    /* comes once more, to be given with siginfo */
	uint64_t clear_tid; /* where the kernel writes 0 and wakes, at its end */
	/* Its call: */
	uint64_t ip; /* behind it */
	long nr;
	uint64_t args[6];
	const struct ckpt_call *call;
	enum ckpt_call_class class;
	enum ckpt_sleeps sleeps;
	const struct ckpt_quick_call *quick; /* what was noted of it, see quick.h, or NULL */
	struct ckpt_call_entry entry;
	/* The last that is to go on by restart_syscall; others may have come since. */
	long timed_nr;
	uint64_t timed_args[6];
};

/* Makes t, or t's new thread child, one of the live target's. */
int ckpt_turns_add(struct ckpt_timeline *tl, struct ckpt_task *t) __must_check;
void ckpt_turns_born(struct ckpt_task *t, struct ckpt_task *child);
/* t is at the end of the call that has made thread tid: the rest of that event. */
void ckpt_turns_note_birth(struct ckpt_task *t, int64_t tid);
/* It is to's turn (NULL: nobody's). */
void ckpt_turns_hand_over(struct ckpt_timeline *tl, struct ckpt_task *to);
static inline bool ckpt_turns_is_stopped(const struct ckpt_task *t)
{
	return t->state != CKPT_RUNNING && t->state != CKPT_NEW && t->state != CKPT_DEAD;
}
/* t, whose turn it is, has died: perhaps where it was nobody knows, killed amid its code. */
void ckpt_turns_killed(const struct ckpt_task *t);
/* t died, and is none any more. */
void ckpt_turns_died(struct ckpt_task *t);
/* The recording ends, or the timeline: all run as the debugger says. */
void ckpt_turns_release(struct ckpt_timeline *tl);

/* A stop of a thread that hasn't the turn. */
enum ckpt_verdict ckpt_turns_stopped(struct ckpt_task *t);
/* The debugger lets t, which hasn't the turn, run. */
void ckpt_turns_let(struct ckpt_task *t, int request, int sig);
/* The debugger is about to change the registers of t, stopped: it is t's turn from now on, and what it
 * runs isn't the call that it stood amid. */
void ckpt_turns_lead(struct ckpt_task *t);
/* Whether the turn has come to another thread since the first n events. */
bool ckpt_turns_since(struct ckpt_timeline *tl, uint64_t n);
/* The thread that would run if the turn was over, or NULL. */
struct ckpt_task *ckpt_turns_next(const struct ckpt_timeline *tl);
/* From now on it is to's turn. */
void ckpt_turns_turn(struct ckpt_timeline *tl, struct ckpt_task *to);
/* sleeps.c: of t's call, before which it stands. */
enum ckpt_sleeps ckpt_sleeps(struct ckpt_task *t);
/* A clock that wakes the tracer up, and goes on doing so, since it may strike
 * before the wait begins. 0: none. */
void ckpt_turns_clock(long ns);
/* The same without being heard: ckpt_wait() ends with -EINTR, and for others the clock hasn't struck. */
void ckpt_turns_grace(long ns);
/* t has just been let into the kernel: when that takes long another's turn
 * comes; its stop, if it comes soon, is dealt with. */
void ckpt_turns_called(struct ckpt_task *t);
/* t's call, whose turn it is, has ended since the debugger's step over a breakpoint is told to end
 * amid it (see there): the call will be made again. */
bool ckpt_turns_step_ends(struct ckpt_task *t);
/* ends.c: t, whose turn it is, is at the entry of its exit, and others live on. */
void ckpt_turns_exit(struct ckpt_task *t);

/* sharer.c: t's call, which has ended so, may have made a child that shares its memory. */
void ckpt_sharer_note(struct ckpt_task *t, int64_t result);
/* Whether such a child lived when t's call began. */
bool ckpt_sharer_any(struct ckpt_task *t);

/* Makes the call of t again, at whose end it stands, interrupted. The kernel
 * would do so itself, had no call been injected meanwhile. */
void ckpt_turns_again(struct ckpt_task *t);
/* t is at the end of a call that was cut: it goes on, if the debugger lets it. */
void ckpt_turns_cut(struct ckpt_task *t);
/* Whether t is at the end of a call that it would have gone on with had we not interrupted it, though its
 * result looks like another one. */
bool ckpt_turns_goes_on(struct ckpt_task *t);
/* t has stopped: first of all. */
void ckpt_turns_settle(struct ckpt_task *t);
/* th's call, a timed one, was interrupted: the kernel goes on with that by restart_syscall. */
void ckpt_turns_timed(struct ckpt_thread *th);
/* A signal came to t before it made its call again: that ended as it had, which
 * is returned; t's registers are those of the call's end. */
int64_t ckpt_turns_ended(struct ckpt_task *t);
/* transfers.c: t is at the end of its call. Whether only a part of what that is to move is moved, because
 * we have interrupted it: then the rest is to be moved once it goes on. */
bool ckpt_transfer_cut(struct ckpt_task *t);
/* timeouts.c: th's call begins. */
void ckpt_timeout_began(struct ckpt_thread *th);
/* Whether the time has passed for which t's call waits at most. */
bool ckpt_timeout_is_over(struct ckpt_task *t);
/* t is at the end of its call, interrupted by us. The same; then it has ended by that. */
bool ckpt_timeout_ends(struct ckpt_task *t);
/* Ends calls that were made again, and whose time has passed. */
void ckpt_timeouts_tick(struct ckpt_timeline *tl);
/* t is at the entry of its call. */
void ckpt_transfer_entered(struct ckpt_task *t);
/* t is about to make its call again: only for the rest, if a part is done. */
void ckpt_transfer_rest(struct ckpt_task *t);
/* t has stopped: as if there was one call. */
void ckpt_transfer_settle(struct ckpt_task *t);

/* t, about to make its call again, stays before that for now; if a part of a transfer is done, at its end, as if
 * that was all. */
void ckpt_turns_stay(struct ckpt_task *t);

/* Stops what is in the kernel / lets it go on there. -EBUSY: one can't. */
int ckpt_turns_freeze(struct ckpt_timeline *tl) __must_check;
void ckpt_turns_thaw(struct ckpt_timeline *tl);
/* Whether the debugger keeps no thread. */
bool ckpt_turns_all_run(const struct ckpt_timeline *tl);
/* Code is about to be changed: whoever makes its call again at its site is to do so from elsewhere. False:
 * somebody can't. */
bool ckpt_turns_off_sites(struct ckpt_timeline *tl);
/* Whether t isn't the last thread. */
bool ckpt_turns_others_live(const struct ckpt_task *t);
/* All living threads but the current one; *ret is the caller's to free(). */
int ckpt_turns_others(const struct ckpt_timeline *tl, struct ckpt_task ***ret,
		      size_t *n) __must_check;

#endif
