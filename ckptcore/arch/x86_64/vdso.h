/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The vdso of a task: a place of `syscall` instructions, and of time calls
 * that no tracer sees unless they are made real ones. */
#ifndef CKPT_VDSO_H
#define CKPT_VDSO_H

#include "ckptcore/ckptcore.h"

/* Fills t->syscall_ip and t->int3_after. -ENOENT: no vdso. */
int ckpt_vdso_find(struct ckpt_task *t) __must_check;

/*
 * Makes the vdso's functions real system calls, and leaves `syscall; int3`
 * there for injections. t's stop may be any. -ENOENT: no vdso (nothing to do).
 * @clock: no thread can be amid them, so there may be room for code, see below.
 */
int ckpt_vdso_patch(struct ckpt_task *t, bool clock) __must_check;

/*
 * Puts the code that reads the clock without a call to t->clock_code, or takes it
 * away: nobody is amid it. ckpt_vdso_patch() has set that address if it found a
 * place: in a function of the vdso, so that no thread may be amid one.
 */
int ckpt_vdso_clock(struct ckpt_task *t, bool on) __must_check;

/* The address of a zero byte in t; 0: no vdso. */
uint64_t ckpt_vdso_zero(const struct ckpt_task *t);

#endif
