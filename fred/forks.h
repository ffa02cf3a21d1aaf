/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Forks that the program made, where it goes forward in its past: the debugger is told of them
 * if it catches them and lets the child go, as it did then. Until then a copy plays that.
 */
#ifndef FRED_FORKS_H
#define FRED_FORKS_H

#include "fred/seek.h"

/* The number of events behind the first call that may be a fork, of those from `from' on
 * and before `to'; 0: there is none, or the debugger isn't to be told. */
uint64_t fred_forks_next(uint64_t from, uint64_t to);
/* A puppet behind the last fork before m, no further back than interval `lowest'; as fred_seek_last().
 * (Those that end an interval, by vfork, aren't looked for.) */
int fred_forks_before(const struct fred_moment *m, size_t lowest,
		      struct ckpt_task **ret) __must_check;
/* F.now stands behind its last event. Tells the debugger of that by way of vt, if it is a fork
 * that it hasn't been told of; false: not. */
bool fred_forks_tell(struct vpt_thread *vt);
/* The same of a call that ended an interval, at which p stood, the end's player; F.now is the next
 * one's. */
struct ckpt_event fred_forks_at_call(struct ckpt_task *p);
bool fred_forks_tell_call(struct vpt_thread *vt, struct ckpt_event *call);
/* The debugger resumes vt: such a child, or one that has to be told of something first. */
bool fred_forks_resuming(struct vpt_thread *vt);
/* The debugger lets vt go, or ends: a child's copy goes. */
void fred_forks_let_go(struct vpt_thread *vt);
/* A request of the debugger's Python: whether it is to be told. */
void fred_op_forks(json_object *in, json_object *out);

#endif
