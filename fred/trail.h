/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The instruction before is found by stepping up to a moment from a puppet that
 * stands a few dozen steps earlier. That puppet is kept: further instructions
 * back are as many steps from it, less one each time.
 */
#ifndef FRED_TRAIL_H
#define FRED_TRAIL_H

#include "fred/seek.h"

/* `from' stands before what is being looked for, in its thread's turn: a copy is kept. */
void fred_trail_begin(struct ckpt_task *from);
/* What was found is this puppet, so many steps behind the copy. */
void fred_trail_end(struct ckpt_task *found, unsigned int steps);
/* Whether m is what was found last, and fred_trail_follow() knows the way. */
bool fred_trail_leads_to(const struct fred_moment *m);
/* The point one instruction before such an m; as fred_seek_instruction(). */
int fred_trail_follow(const struct fred_moment *m, struct ckpt_task **ret) __must_check;
/* The copy goes. */
void fred_trail_forget(void);

#endif
