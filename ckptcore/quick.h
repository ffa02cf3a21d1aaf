/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Quick calls: those that can't sleep (or on a pipe only: they can be made again as if nothing
 * had been), and of which nothing is to be known but their result and a small output, make no
 * stop while the program runs freely. Near the `syscall' instructions from which
 * many of them come (sites) there are jumps then (sites.h) to code of ours in the
 * program (arch/x86_64/quick_code.c), which makes the call, and notes it in
 * memory that is shared with us. At the next stop that becomes events, as if each had been
 * seen.
 *
 * Calls that do change what the recorder keeps, or may sleep, do that likewise, and make one stop
 * at their end ("half" ones) instead of two.
 *
 * The kernel lets only that code's calls through (syscall user dispatch, see
 * prctl(2)); all others raise SIGSYS, and are made again with their stops. That costs
 * a stop more, so sites are used only while most calls come from them.
 *
 * Of several threads only the one whose turn it is runs the program's code: so the notes are
 * its alone. The kernel's switch is each thread's own.
 *
 * The code is the program's own again whenever somebody may look: at each stop that the
 * debugger hears of, in every copy, in children. So puppets know nothing of quick
 * calls. A stop amid our code is brought to before the call or behind it.
 */
#ifndef CKPT_QUICK_H
#define CKPT_QUICK_H

#include "ckptcore/internal.h"

/* t, whose turn it is, is at the entry of a call, th->nr and so on. Before anything else is
 * done with it. */
void ckpt_quick_entered(struct ckpt_task *t);
/* It has ended, and is recorded. */
void ckpt_quick_left(struct ckpt_task *t);
/* t is to run freely from where it stands: whether calls may be quick. Then it must go on
 * by PTRACE_CONT. */
bool ckpt_quick_arm(struct ckpt_task *t) __must_check;
enum ckpt_quick_stop {
	CKPT_QUICK_NOTHING,
	CKPT_QUICK_INTERRUPTED, /* in a call of our code's, which is as if at its site */
	/* Nobody else needs to know of these: */
	CKPT_QUICK_AGAIN,  /* it stands before a call whose stops are to come ... */
	CKPT_QUICK_BEHIND, /* ... or behind one that has made its only one ... */
	CKPT_QUICK_CUT,	   /* ... or amid one, at its site, as if at the end of a part of it */
};
/* t has stopped. Brings it out of our code, and logs the quick calls that it has made.
 * -ESRCH: it died. */
int ckpt_quick_stopped(struct ckpt_task *t, enum ckpt_quick_stop *ret) __must_check;
/* t has stopped amid quick calls, at what our code asks for itself, or, unless somebody waits for a
 * stop (due), behind one that is to be looked at: that is done, and it has gone on. */
bool ckpt_quick_goes_on(struct ckpt_task *t, bool due);
/* What the live process, which may run, has noted becomes events: others are to follow. True: it is
 * amid a quick call, that is its next event. */
bool ckpt_quick_drain(struct ckpt_timeline *tl) __must_check;
/*
 * t is about to make its call again. Where the thread whose turn it is has jumps in the code: from
 * another place, true. At its next stop, before anything else, ckpt_quick_back() has it be as
 * if at its site.
 */
bool ckpt_quick_detour(struct ckpt_task *t) __must_check;
void ckpt_quick_back(struct ckpt_task *t);
/* t, a thread, is no more. */
void ckpt_quick_died(const struct ckpt_task *t);
/* Whether the live process, which runs, sleeps in a call of our code's, on a pipe. */
bool ckpt_quick_sleeps(const struct ckpt_timeline *tl);
/* The same, and other threads wait for its turn meanwhile. */
bool ckpt_quick_keeps_turn(const struct ckpt_timeline *tl);
/* Another thread waits for its turn: whoever yields is to stop. */
void ckpt_quick_waited(struct ckpt_timeline *tl);
/* The live process is to stop at its next call. False: it makes no quick ones. */
bool ckpt_quick_interrupt(struct ckpt_timeline *tl);
/* Takes our jumps out of t's code; it is stopped, or about to be let go. */
void ckpt_quick_off(struct ckpt_task *t);
/* Takes them out of the live process's code, which may run: it is stopped for that, its stops are dealt
 * with. */
void ckpt_quick_bring_out(struct ckpt_timeline *tl);
/* The same when the debugger is about to look at memory, or change it, without having stopped it. There
 * are none from now on until the debugger resumes it. */
void ckpt_quick_look(struct ckpt_timeline *tl);
void ckpt_quick_resumed(struct ckpt_timeline *tl);
/* Takes them out for good: the memory that it shares with us may go. -ESRCH: it died. */
int ckpt_quick_end(struct ckpt_task *t) __must_check;
void ckpt_quick_destroy(struct ckpt_timeline *tl);

#endif
