/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lasting.h - what can't have been run between two moments, as frames have lasted
 *
 * A frame whose function was called where no way leads to the same call again is, if it is
 * there at both moments, the same all along; what called it ran nothing meanwhile. Of the
 * innermost such frame the ways between its two places are known. So a search for something
 * in it, or around it, needn't run what lies between.
 */
#ifndef FRED_LASTING_H
#define FRED_LASTING_H

#include "fred/seek.h"

/*
 * Whether it is sure that none of the rules has held between two moments. Neither a change
 * by the user nor an exec must lie between them.
 * @begin: stands at the first
 * @goal: the second one, how CKPT_END_MATCH, or EVENT if its ref stands there
 * @thread: the rules are about this one; 0: about all threads
 * @quiet: there was no event
 */
bool fred_lasting_idle(struct ckpt_task *begin, const struct ckpt_goal *goal, pid_t thread,
		       bool quiet, const struct ckpt_rule *rules, size_t n);

#endif
