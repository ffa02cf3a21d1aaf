/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The reverse commands, as searches for points in the past. */
#ifndef FRED_REVERSE_H
#define FRED_REVERSE_H

#include "fred/seek.h"

/* Each: the point before m where the command ends, as a puppet.
 * As fred_seek_last(); 0: it lies before the beginning of history. */
int fred_reverse_next(const struct fred_moment *m, struct ckpt_task **ret) __must_check;
int fred_reverse_step(const struct fred_moment *m, struct ckpt_task **ret) __must_check;
int fred_reverse_nexti(const struct fred_moment *m, struct ckpt_task **ret) __must_check;
/* @level: of the frame that is to be left, 0: the innermost
 * @jumps: how many tail calls led from the function that is to be left to the one that has
 *         the frame now */
int fred_reverse_finish(const struct fred_moment *m, unsigned int level, unsigned int jumps,
			struct ckpt_task **ret) __must_check;

/* The call that made the frame, no further back than from (or NULL). */
int fred_reverse_scope(const struct fred_moment *m, struct ckpt_task *from, unsigned int level,
		       struct ckpt_task **ret) __must_check;

/* The first statement behind the entry that was executed in the frame of that level.
 * 0: none before m. */
int fred_reverse_frame(const struct fred_moment *m, unsigned int level,
		       struct ckpt_task **ret) __must_check;

#endif
