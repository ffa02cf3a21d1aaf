/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What record.c, and record_change.c, keep of a recording. */
#ifndef CKPT_RECORD_INTERNAL_H
#define CKPT_RECORD_INTERNAL_H

#include "ckptcore/replay.h"

struct ckpt_record {
	bool due;     /* the clock wants a snapshot ... */
	bool preempt; /* ... and another thread's turn */
	bool patient; /* it waits for a call, until its next tick */
	bool changed; /* the user changed the stopped target */
	/* A function that the user calls runs: */
	struct ckpt_general before_call; /* registers that will come back */
	unsigned int call_snap;		 /* 1 more than the id of the snapshot before it; 0: none */
	bool aligned;			 /* no instruction was run since the last event ... */
	uint64_t still_at;		 /* ... nor is any, if it stops there: by an int3, or ... */
	bool stepped;			 /* ... by what keeps a single step from being made; or 0 */
	bool direct;			 /* it may have descriptors with O_DIRECT */
	double began;			 /* the recording */
};

/* Takes the snapshot behind a change by the user; sig comes next, or 0. A function that the user called is
 * no part of the program's past: history goes on from before it to behind it, unless
 * other threads have gone on meanwhile. */
void ckpt_record_after_change(struct ckpt_timeline *tl, int sig);

#endif
