/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Signals that come in calls which wait with another signal mask (sigsuspend,
 * ppoll and their like).
 *
 * The kernel keeps the former mask aside until the signal is delivered, and puts it
 * into the frame that sigreturn reads. A tracer is shown the former one, and once it
 * has set it, as behind an injected call, the kernel has forgotten that there was
 * another: the signal, blocked now, would stay pending, and interrupt the call again
 * for ever. So the wait's mask is set for the delivery, and the former one written
 * into the frame. There is no way to bring a copy to such a stop: a snapshot follows
 * behind the delivery.
 */
#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "ckptcore/record.h"
#include "ckptcore/replay.h"
#include "ckptcore/turns.h"

/* Where a signal's frame has the mask: behind the return address, in struct
 * ucontext (flags, link, stack, registers, mask). */
#define FRAME_MASK (8 + 8 + 8 + 24 + 256)

/* The mask with which t's call waits; -ENOENT: with the program's own. */
static int waits_with(struct ckpt_task *t, uint64_t *ret)
{
	const struct ckpt_thread *th = t->thread;
	uint64_t at = 0;

	switch (th->nr) {
	case SYS_rt_sigsuspend:
		at = th->args[0];
		break;
	case SYS_ppoll:
		at = th->args[3];
		break;
	case SYS_epoll_pwait:
	case SYS_epoll_pwait2:
		at = th->args[4];
		break;
	case SYS_pselect6:
		if (th->args[5] && ckpt_read(t, th->args[5], &at, 8))
			return -EFAULT;
		break;
	}
	return at ? ckpt_read(t, at, ret, 8) : -ENOENT;
}

bool ckpt_deliver_masked(struct ckpt_task *t, int sig, enum ckpt_end before)
{
	const struct user_regs_struct *r = ckpt_regs(t);
	char status[CKPT_PROC_SIZE];
	uint64_t mask, former;

	if (t->state != CKPT_SIGNAL || t->stop.sig != sig || (long)r->orig_rax != t->thread->nr ||
	    !(ckpt_interrupted((int64_t)r->rax) || (int64_t)r->rax == -EINTR) ||
	    waits_with(t, &mask))
		return false;
	ckpt_proc_read(t->tid, "status", status, sizeof(status));
	if (!(ckpt_proc_field(status, "SigCgt", 16) >> (sig - 1) & 1)) {
		if (sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU)
			return false; /* it stops, and the call goes on */
		/* Its death. */
		ckpt_snapshot(t->timeline, before, false, sig, &t->thread->siginfo);
	} else if (before != CKPT_END_CALL) {
		/* epoll_pwait has ended, by EINTR, and that is recorded. */
		if (ckpt_snapshot(t->timeline, before, false, 0, NULL))
			return false;
		before = CKPT_END_NOW;
	}
	if (ptrace(PTRACE_GETSIGMASK, t->tid, 8, &former) < 0 ||
	    ptrace(PTRACE_SETSIGMASK, t->tid, 8, &mask) < 0)
		return false;
	/* To the handler's first instruction, or to its death. */
	if (ckpt_resume(t, PTRACE_SINGLESTEP, sig))
		return false;
	while (ckpt_wait(t, NULL) == -EINTR)
		;
	if (t->state == CKPT_SIGNAL && t->stop.sig == SIGTRAP &&
	    !ckpt_write(t, ckpt_regs(t)->rsp + FRAME_MASK, &former, 8))
		ckpt_snapshot(t->timeline, before, true, 0, NULL);
	return true;
}

bool ckpt_signal_acts(struct ckpt_task *t, int sig)
{
	char text[CKPT_PROC_SIZE];
	uint64_t caught, ignored;

	ckpt_proc_read(t->tid, "status", text, sizeof(text));
	caught = ckpt_proc_field(text, "SigCgt", 16);
	ignored = ckpt_proc_field(text, "SigIgn", 16);
	if (caught >> (sig - 1) & 1)
		return true;
	if (ignored >> (sig - 1) & 1)
		return false;
	return sig != SIGCHLD && sig != SIGURG && sig != SIGWINCH && sig != SIGCONT;
}
