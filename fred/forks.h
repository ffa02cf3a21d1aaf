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
/* Whether ev is a call that may be one, and succeeded. */
bool fred_forks_may_be(const struct ckpt_event *ev);
/* PTRACE_EVENT_FORK, PTRACE_EVENT_VFORK, or 0: what kind of it; p stands before the call or behind it. */
int fred_forks_kind(struct ckpt_task *p, const struct ckpt_event *ev);
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
