/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Branches: a copy of the target that has left the past becomes a live process
 * of its own, with what can be had of what the program had outside.
 */
#ifndef CKPT_MATERIALIZE_H
#define CKPT_MATERIALIZE_H

#include "ckptcore/outside.h"

/* Processes that may have an open file that has no name any more; 0: none. */
struct ckpt_sources {
	pid_t live; /* of the timeline that the branch leaves */
	pid_t debugger;
	pid_t was[2]; /* numbers that the program itself has had, also if it has ended */
};

/*
 * Whether a program could go on with *o. 0: `named' tells, line by line, what it
 * will find different. -EPERM: `reason' says what can't be had.
 */
int ckpt_materialize_check(const struct ckpt_outside *o, const struct ckpt_sources *from,
			   char *named, size_t named_size, char *reason,
			   size_t reason_size) __must_check;

/*
 * Gives the process of n tasks, which ckpt_puppet_incarnate() has made, all of *o, in
 * which numbers of new things are changed. It is then a process like any other,
 * its threads stopped as by an interrupt. On failure it is to be destroyed; `reason'
 * says why, and nobody else has noticed.
 */
int ckpt_materialize(struct ckpt_task **tasks, size_t n, struct ckpt_outside *o,
		     const struct ckpt_sources *from, char *reason,
		     size_t reason_size) __must_check;

/* A timeline that shares what `from' has up to `event' in interval i. */
int ckpt_timeline_branch(struct ckpt_timeline *from, size_t i, uint64_t event,
			 struct ckpt_timeline **ret) __must_check;

/*
 * The live process of a branch isn't the one that the program takes itself for:
 * numbers of its own in arguments and results of calls are exchanged. t is at
 * the entry of a call / at the end of one with these arguments.
 */
void ckpt_identity_enter(struct ckpt_task *t);
int64_t ckpt_identity_leave(struct ckpt_task *t, long nr, const uint64_t args[6], int64_t result);

#endif
