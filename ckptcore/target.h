/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How a target runs, whoever plays it: the live process, recorded; a puppet,
 * answered from the log; or a process without a timeline, just traced.
 */
#ifndef CKPT_TARGET_H
#define CKPT_TARGET_H

#include "ckptcore/ckptcore.h"

enum ckpt_verdict {
	CKPT_HANDLED,	   /* it runs on; nothing to tell the debugger */
	CKPT_REPORT,	   /* a stop for the debugger */
	CKPT_REPORT_TRACE, /* the end of a single step, whatever the stop was */
};

/* Resumes as the debugger asked: PTRACE_CONT, PTRACE_SYSCALL, PTRACE_SINGLESTEP. */
void ckpt_target_resume(struct ckpt_task *t, int request, int sig);
/* A stop of a target's task: what to do about it. */
enum ckpt_verdict ckpt_target_stopped(struct ckpt_task *t);
/* Whether what t does is recorded. */
bool ckpt_target_recorded(const struct ckpt_task *t);
/* Whether t, recorded, was resumed since it was last stopped. */
bool ckpt_target_resumed(const struct ckpt_task *t);
/* t, recorded, is at the event of a clone: has that call end. -ESRCH: it died. */
int ckpt_target_cloned(struct ckpt_task *t) __must_check;
/* t is at its exec event: the old program ends. */
void ckpt_target_exec(struct ckpt_task *t);
/* The debugger is about to change registers or memory of t (its breakpoints apart). */
void ckpt_target_changed(struct ckpt_task *t, bool registers);
/* Whether addr is in executable memory. */
bool ckpt_target_executable(struct ckpt_task *t, uint64_t addr);

/* The traps on rdtsc and rdrand outlive the recording, and children have them. If t
 * stands at one: true; resumed without the signal it goes on. */
bool ckpt_do_outer_insn(struct ckpt_task *t);

#endif
