/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a signal does, and those that come in calls which wait with another signal
 * mask (sigsuspend, ppoll and their like).
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

#define BIT(sig) (1ull << ((sig)-1))
/* Signals that do nothing by themselves, and those that only stop. */
#define NOTHING (BIT(SIGCHLD) | BIT(SIGURG) | BIT(SIGWINCH) | BIT(SIGCONT))
#define STOPS (BIT(SIGSTOP) | BIT(SIGTSTP) | BIT(SIGTTIN) | BIT(SIGTTOU))

/* t's program's handlers, as a set of signals; what it ignores. */
static uint64_t caught(const struct ckpt_task *t, uint64_t *ignored)
{
	char status[CKPT_PROC_SIZE];

	ckpt_proc_read(t->tid, "status", status, sizeof(status));
	if (ignored)
		*ignored = ckpt_proc_field(status, "SigIgn", 16);
	return ckpt_proc_field(status, "SigCgt", 16);
}

bool ckpt_signal_has_effect(const struct ckpt_task *t, int sig)
{
	uint64_t ignored, by_handler = caught(t, &ignored);

	return BIT(sig) & (by_handler | ~(ignored | NOTHING));
}

bool ckpt_signal_kills(const struct ckpt_task *t, int sig)
{
	uint64_t ignored, by_handler = caught(t, &ignored);

	return !(BIT(sig) & (by_handler | ignored | NOTHING | STOPS));
}

bool ckpt_deliver_masked(struct ckpt_task *t, int sig, enum ckpt_end before)
{
	const struct user_regs_struct *r = ckpt_regs(t);
	uint64_t mask, former;
	bool dies = false;

	if (t->state != CKPT_SIGNAL || t->stop.sig != sig || (long)r->orig_rax != t->thread->nr ||
	    !(ckpt_interrupted((int64_t)r->rax) || (int64_t)r->rax == -EINTR) ||
	    waits_with(t, &mask))
		return false;
	if (!(caught(t, NULL) & BIT(sig))) {
		if (sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU)
			return false; /* it stops, and the call goes on */
		/* Its death, told behind its threads' if it leads some. */
		dies = t->timeline->nthreads > 1;
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
	/* To the handler's first instruction, or its death. */
	if (ckpt_resume(t, PTRACE_SINGLESTEP, sig))
		return false;
	if (dies)
		return true;
	while (ckpt_wait(t, NULL) == -EINTR)
		;
	if (t->state == CKPT_SIGNAL && t->stop.sig == SIGTRAP &&
	    !ckpt_write(t, ckpt_regs(t)->rsp + FRAME_MASK, &former, 8))
		ckpt_snapshot(t->timeline, before, true, 0, NULL);
	return true;
}
