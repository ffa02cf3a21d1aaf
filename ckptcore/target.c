/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who runs a target's task: the recorder, or nobody but the debugger. */
#include <errno.h>
#include <stdlib.h>
#include <sys/ptrace.h>

#include "ckptcore/arch/x86_64/outer_insn.h"
#include "ckptcore/internal.h"
#include "ckptcore/plugin.h"
#include "ckptcore/record.h"
#include "ckptcore/replay.h"
#include "ckptcore/turns.h"
#include "ckptcore/target.h"

bool ckpt_target_recorded(const struct ckpt_task *t)
{
	return t->thread && t->timeline->recording;
}

void ckpt_target_resume(struct ckpt_task *t, int request, int sig)
{
	t->request = request;
	if (ckpt_target_recorded(t))
		ckpt_record_resume(t, request, sig);
	else
		ckpt_resume(t, request, sig);
}

bool ckpt_target_resumed(const struct ckpt_task *t)
{
	return t->thread->let;
}

bool ckpt_do_outer_insn(struct ckpt_task *t)
{
	struct ckpt_outer_insn i;

	if (t->state != CKPT_SIGNAL || !ckpt_outer_insn_at(t, &i))
		return false;
	if (!i.random)
		return t->tsc_trapped && !ckpt_trap_tsc(t, false);
	ckpt_outer_insn_give(t, &i, ckpt_outer_insn_value(&i));
	return true;
}

enum ckpt_verdict ckpt_target_stopped(struct ckpt_task *t)
{
	if (ckpt_target_recorded(t))
		return ckpt_record_stopped(t);
	if (t->state == CKPT_DEAD && t->thread)
		ckpt_turns_died(t);
	if (t->state == CKPT_SECCOMP) {
		/* Amid a call: whoever steps, or traces calls, waits for its end. */
		ckpt_resume(t, t->request ? t->request : PTRACE_CONT, 0);
		return CKPT_HANDLED;
	}
	if (ckpt_do_outer_insn(t)) {
		ckpt_resume(t, t->request, 0);
		return CKPT_HANDLED;
	}
	return CKPT_REPORT;
}

int ckpt_target_cloned(struct ckpt_task *t)
{
	if (ckpt_call_through(t))
		return -ESRCH;
	ckpt_record_cloned(t);
	return 0;
}

void ckpt_target_exec(struct ckpt_task *t)
{
	if (ckpt_target_recorded(t))
		ckpt_record_exec(t);
}

void ckpt_target_changed(struct ckpt_task *t, bool registers)
{
	if (ckpt_target_recorded(t) && registers)
		ckpt_turns_lead(t);
	if (ckpt_target_recorded(t))
		ckpt_record_changed(t);
}

bool ckpt_call_was_pushed(struct ckpt_task *t, const struct ckpt_general *before)
{
	const struct user_regs_struct *r = ckpt_regs(t);
	uint64_t back;
	uint8_t insn;

	return r->rsp < before->r[PROBE_RSP] && !ckpt_read(t, r->rsp, &back, 8) &&
	       !ckpt_read(t, back, &insn, 1) && insn == 0xcc;
}

void ckpt_hide_trap_in_flags(struct ckpt_task *t)
{
	uint64_t rsp = ckpt_regs(t)->rsp;
	uint16_t flags;

	if (ckpt_read(t, rsp, &flags, 2))
		return;
	flags &= (uint16_t)~0x100;
	if (ckpt_write(t, rsp, &flags, 2))
		return; /* it was pushed there a moment ago: it dies */
}

void ckpt_hide_trap_in_r11(struct ckpt_task *t)
{
	struct user_regs_struct *r = ckpt_regs(t);

	if (!(r->r11 & 0x100))
		return;
	r->r11 &= ~0x100ull;
	ckpt_regs_dirty(t);
}

bool ckpt_target_executable(struct ckpt_task *t, uint64_t addr)
{
	/* Breakpoints come and go at every stop, the mappings don't. */
	uint64_t *known = &t->exec_pages[(addr >> 12) % CKPT_EXEC_PAGES];
	struct ckpt_map *maps;
	size_t n;
	bool x = false;

	if (*known == addr >> 12)
		return true;
	if (ckpt_maps(t->tgid, &maps, &n))
		return false;
	for (size_t i = 0; i < n; i++)
		if (addr >= maps[i].lo && addr < maps[i].hi)
			x = maps[i].x;
	free(maps);
	if (x)
		*known = addr >> 12;
	return x;
}
