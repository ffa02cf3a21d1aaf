/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The instruction before is found by stepping up to a moment from a puppet that
 * stands a few dozen steps earlier. That puppet is kept: further instructions
 * back are some fewer steps from it.
 */
#ifndef FRED_TRAIL_H
#define FRED_TRAIL_H

#include "fred/seek.h"

#define FRED_TRAIL_MAX 256 /* steps */

/* Steps p so many times, which leads to what is being looked for before m, in its
 * thread's turn; a copy of where it begins is kept. 0, or as ckpt_puppet_step() has
 * ended: -EPROTO. */
int fred_trail_walk(struct ckpt_task *p, const struct fred_moment *m,
		    unsigned int steps) __must_check;
/* Whether m is what was found last, and the way to it is known. */
bool fred_trail_leads_to(const struct fred_moment *m);
/* The point one instruction before the moment to which it leads; as
 * fred_seek_instruction(). */
int fred_trail_follow(struct ckpt_task **ret) __must_check;
/*
 * Replaces *p, which was found last, by the point at most n instructions before, if
 * that is known: not past one at which `stops' is true. The number of instructions,
 * 0: none, or an error, and *p is what it was.
 */
int fred_trail_skip(struct ckpt_task **p, unsigned int n, bool (*stops)(uint64_t pc)) __must_check;
/* The copy goes. */
void fred_trail_forget(void);

#endif
