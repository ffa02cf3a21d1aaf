/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Threads that are recorded from now on, but had begun before. */
#include <string.h>
#include <sys/ptrace.h>

#include "ckptcore/record.h"
#include "ckptcore/shared.h"
#include "ckptcore/threads.h"
#include "ckptcore/turns.h"

/* t may have been attached to amid a call, which was interrupted by that. */
void ckpt_record_met(struct ckpt_task *t)
{
	struct ckpt_thread *th = t->thread;
	const struct user_regs_struct *r = ckpt_regs(t);
	const uint64_t args[6] = { r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9 };
	struct ckpt_call_reader reader = ckpt_reader(t);
	struct ckpt_rseq area;

	th->met = true;
	if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, t->tid, sizeof(area), &area) > 0 && area.at)
		ckpt_shared_unstable(t->timeline, area.at, area.len);
	th->clear_tid = ckpt_thread_clear_tid(t, r->fs_base, ckpt_vtid(t));
	if (!ckpt_calls_again(r))
		return;
	th->joined = true;
	th->nr = (long)r->orig_rax;
	th->ip = r->rip;
	memcpy(th->args, args, sizeof(args));
	th->timed_nr = th->nr;
	memcpy(th->timed_args, args, sizeof(args));
	th->call = ckpt_call_find(th->nr);
	th->class = ckpt_call_class(th->call, th->args);
	ckpt_record_classify(t);
	ckpt_call_enter(th->call, th->args, &reader, &th->entry);
}

int ckpt_record_join(struct ckpt_timeline *tl, struct ckpt_task *t)
{
	int err = ckpt_turns_add(tl, t);

	if (!err)
		ckpt_record_met(t);
	return err;
}
