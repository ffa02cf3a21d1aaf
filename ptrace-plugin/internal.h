/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of ptrace-plugin/ share. */
#ifndef VPT_INTERNAL_H
#define VPT_INTERNAL_H

#include "ptrace-plugin/vpt.h"

extern const struct vpt_control *vpt_control;

/* Answers a call of the debugger that stands at its seccomp stop. */
void vpt_answer(struct ckpt_task *t, long result);
/* Lets the kernel do the call. */
void vpt_native(struct ckpt_task *t);

/* One file each: the calls that are virtual. t stands at CKPT_SECCOMP. */
void vpt_call_ptrace(struct ckpt_task *t, const struct ckpt_stop *stop);
void vpt_call_wait4(struct ckpt_task *t, const struct ckpt_stop *stop);
void vpt_call_kill(struct ckpt_task *t, const struct ckpt_stop *stop);
void vpt_call_path(struct ckpt_task *t, const struct ckpt_stop *stop);
void vpt_call_pread(struct ckpt_task *t, const struct ckpt_stop *stop);
void vpt_call_pwrite(struct ckpt_task *t, const struct ckpt_stop *stop);
void vpt_call_pgrp(struct ckpt_task *t, const struct ckpt_stop *stop);

/* An event for d is there: answers its blocked wait or tells it. */
void vpt_notify(struct vpt_debugger *d);
/* A child of d's process died or became ours: looks at its blocked wait. */
void vpt_recheck_waiter(struct vpt_debugger *d);

/* Writes the debugger's bytes into the target; sees whose they are. */
int vpt_poke(struct vpt_thread *vt, uint64_t addr, const void *buf, size_t len) __must_check;

/* Below the debugger's stack pointer, past its red zone. */
#define VPT_SCRATCH 8192
/* Descriptors of memory that we serve have this number or a higher one. */
#define VPT_SERVED_FD 512

/* What to open for vt's memory; in buf or constant. */
const char *vpt_mem_path(struct vpt_thread *vt, char *buf, size_t size);
/* The debugger d has opened that (not: /dev/null) as fd; its task t is at the
 * end of the call. -ESRCH: it died. */
int vpt_mem_opened(struct ckpt_task *t, struct vpt_debugger *d, struct vpt_thread *vt, int fd,
		   bool real) __must_check;
void vpt_mem_forget(struct vpt_debugger *d, int fd);
/* Reports the trap that ends a PTRACE_SYSCALL or PTRACE_SINGLESTEP. */
void vpt_report_trap(struct vpt_thread *vt, int request);

/* facts.c: t, vt's debugger at its wait, is told of vt's stop. */
void vpt_facts_tell(struct ckpt_task *t, const struct vpt_thread *vt);
/* t, d's task, resumes a thread, which has stopped already: gdb shall find that
 * without a SIGCHLD and a wait of ours. False: tell it as usual. */
bool vpt_facts_tell_ahead(struct ckpt_task *t, struct vpt_debugger *d);
/* Memory is to be as d has written it; d may be NULL. */
void vpt_facts_write(struct vpt_debugger *d);
/* What they and the requests say of vt; negative errno. */
int vpt_get_dr6(const struct vpt_thread *vt, uint64_t *ret) __must_check;
int vpt_get_siginfo(const struct vpt_thread *vt, siginfo_t *ret) __must_check;

/* Tells who must know that the debugger is about to change t. */
void vpt_changing(struct ckpt_task *t, bool registers);

/* Has d's descriptors of memory mean those who play now; see vpt_settle(). */
int vpt_mem_follow(struct ckpt_task *t, struct vpt_debugger *d) __must_check;

/* The process that a real task belongs to; -ESRCH: no such task. */
pid_t vpt_tgid_of(pid_t tid);

#endif
