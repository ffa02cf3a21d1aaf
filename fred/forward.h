/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What timeline.c and forward.c have of each other. */
#ifndef FRED_FORWARD_H
#define FRED_FORWARD_H

#include "fred/timeline.h"

/* Runs the puppet that plays as the debugger has asked for vt, and tells it of
 * the stop. */
void fred_forward(struct vpt_thread *vt, int request);
/* The live process goes on: those of its threads that the debugger has resumed
 * by now, as it has asked for each. */
void fred_forward_live(void);
/* Those that stand (others_stand): the debugger means to leave them running, as it does with
 * `set non-stop on'. */
void fred_forward_live_others(void);
/* Whether the debugger has resumed the thread whose turn it is: others run as
 * they did then, but don't stop at its breakpoints. */
bool fred_forward_stops_here(void);

/* timeline.c: tells the debugger that the thread tid has stopped; before that, which threads
 * have ended and which have begun, by way of vt, which it has resumed. */
void fred_timeline_tell(struct vpt_thread *vt, pid_t tid, int status, const siginfo_t *si);
/* Tells it that the program has stopped where it is now. */
void fred_timeline_announce(struct vpt_thread *vt, enum fred_arrival arrival);
/* It sees an exec: it reads the symbols of the program that plays, and knows
 * that none of its breakpoints is in it. */
void fred_timeline_announce_exec(struct vpt_thread *vt);
/* The live process plays again, as far as it still exists. */
void fred_timeline_drop_puppet(void);

/* ^C was pressed while a puppet ran, or a search was made. */
bool fred_forward_interrupted(void);
/* It ends what it was meant for: nobody else gets it. */
void fred_forward_take_interrupt(void);

#endif
