/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Several calls in the name of one stopped task: enter, call ..., leave.
 * ckpt_inject() is the same for a single call. For the engine only.
 */
#ifndef CKPT_INJECT_H
#define CKPT_INJECT_H

#include "ckptcore/internal.h"

/* What a task was before we used it. */
struct ckpt_guest {
	struct ckpt_task *t;
	struct user_regs_struct regs;
	uint64_t mask;
	enum ckpt_state state;
	struct ckpt_stop stop;
	siginfo_t siginfo; /* at a signal: what the debugger may ask for */
	bool int3;	   /* one stop ends a call */
	bool ran;	   /* a call was made: the kernel's stop is another one */
	bool trapped;	   /* an interrupt or a group stop came in between */
	bool stopped;	   /* so did a SIGSTOP, which can't be blocked */
};

/*
 * Takes the task over. It must be stopped outside of a call, or where a signal
 * or an interrupt ended a call that the kernel will restart. -ESRCH: it died.
 */
int ckpt_guest_enter(struct ckpt_task *t, struct ckpt_guest *ret) __must_check;

/* Makes a call; *ret: its result, negative errno too. -ESRCH: it died. */
int ckpt_guest_call(struct ckpt_guest *g, long *ret, long nr, uint64_t a0, uint64_t a1, uint64_t a2,
		    uint64_t a3, uint64_t a4, uint64_t a5) __must_check;

/*
 * Makes a clone, up to its event in the parent; *ret: the child at its first
 * stop, before any instruction of its own. ckpt_guest_cloned() must follow.
 * @ctid: for CLONE_CHILD_CLEARTID
 * The clone's own negative errno when it failed (then nothing must follow).
 */
int ckpt_guest_clone(struct ckpt_guest *g, uint64_t flags, uint64_t ctid,
		     const struct ckpt_task_ops *ops, struct ckpt_task **ret) __must_check;
int ckpt_guest_cloned(struct ckpt_guest *g) __must_check;

/* Puts everything back: registers, mask, kind of stop. -ESRCH: it died. */
int ckpt_guest_leave(struct ckpt_guest *g) __must_check;

#endif
