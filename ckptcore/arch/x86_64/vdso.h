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
 */
int ckpt_vdso_patch(struct ckpt_task *t) __must_check;

#endif
