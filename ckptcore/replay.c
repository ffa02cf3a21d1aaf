/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Running a puppet: its calls are stopped before they happen (PTRACE_SYSEMU),
 * compared with the log and answered from it; a few that shape the process are
 * executed again. Any difference ends the run: never a silent wrong answer.
 */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "ckptcore/arch/x86_64/outer_insn.h"
#include "ckptcore/clock.h"
#include "ckptcore/probe.h"
#include "ckptcore/record.h"
#include "ckptcore/shared.h"
#include "ckptcore/signals.h"
#include "ckptcore/threads.h"

#ifndef TRAP_HWBKPT
#define TRAP_HWBKPT 4
#endif

void ckpt_goal_of(struct ckpt_timeline *tl, size_t i, struct ckpt_goal *ret)
{
	struct ckpt_snap *next = i + 1 < tl->nsnaps ? tl->snaps[i + 1] : NULL;

	memset(ret, 0, sizeof(*ret));
	if (next) {
		ret->event = next->event;
		ret->how = next->before;
		ret->ref = next->copy;
		if (!next->copy && ret->how == CKPT_END_MATCH)
			ret->how = CKPT_END_CALL; /* it will be found lost */
	} else {
		ret->event = tl->nevents;
		ret->how = ckpt_record_where(tl);
		ret->ref = tl->live;
	}
	/* An exit's event is logged when it is called. */
	if (ret->how == CKPT_END_CALL && ret->event > tl->snaps[i]->event &&
	    ckpt_log_event(tl, ret->event - 1).kind == CKPT_EV_EXIT)
		ret->event--;
	if (ret->how == CKPT_END_MATCH)
		ret->regs = ckpt_canonical(ret->ref);
}

bool ckpt_goal_is_delivery(const struct ckpt_goal *goal, struct ckpt_task *p)
{
	return goal->how == CKPT_END_MATCH && goal->event == p->play->event &&
	       ckpt_signal_is_next(p);
}

/* ------------------------------------------------------------------- calls */

static void diverged(struct ckpt_task *p, struct ckpt_run *run, const char *text)
{
	run->expected_event = p->play->event;
	snprintf(run->seen, sizeof(run->seen), "%s", text);
}

static int give_outputs(struct ckpt_task *p, const struct ckpt_event *ev)
{
	const uint8_t *at = ckpt_log_outputs(p->timeline, ev), *end = at + ev->data_len;

	if (!at)
		return -EIO;
	while (at < end) {
		uint64_t addr, len;

		memcpy(&addr, at, 8);
		memcpy(&len, at + 8, 8);
		/* Of doubles that can't be written the other one was. */
		if (addr != CKPT_NOTE && ckpt_write(p, addr, at + 16, len) &&
		    !(p->timeline->doubles && ckpt_shared_at(p->timeline, addr)))
			return -EFAULT;
		at += 16 + len;
	}
	return 0;
}

/* ------------------------------------------------------------------- threads */

/* Whether ev made a thread. */
static bool is_birth(struct ckpt_task *p, const struct ckpt_event *ev)
{
	uint64_t flags = ev->args[0];

	if ((ev->nr != SYS_clone && ev->nr != SYS_clone3) || ev->result <= 0)
		return false;
	if (ev->nr == SYS_clone3 && ckpt_read(p, ev->args[0], &flags, 8))
		return false;
	return flags & CLONE_THREAD;
}

void ckpt_watch_alike(struct ckpt_task *from, struct ckpt_task *to)
{
	const size_t at = offsetof(struct user, u_debugreg), control = at + 7 * sizeof(long);
	long dr7 = ptrace(PTRACE_PEEKUSER, from->tid, control, 0L);

	for (size_t i = 0; dr7 && i < 4; i++)
		ptrace(PTRACE_POKEUSER, to->tid, at + i * sizeof(long),
		       ptrace(PTRACE_PEEKUSER, from->tid, at + i * sizeof(long), 0L));
	if (dr7)
		ptrace(PTRACE_POKEUSER, to->tid, control, dr7);
}

/* A thread is born: p's clone was recorded with the result vtid. */
static int birth(struct ckpt_task *p, const struct ckpt_event *ev)
{
	struct ckpt_play *play = p->play;
	struct user_regs_struct r = *ckpt_regs(p);
	uint64_t flags = ev->args[0], stack = ev->args[1], tls = ev->args[4];
	struct clone_args a = { 0 };
	struct ckpt_task *t;
	int err;

	if (ev->nr == SYS_clone3) {
		if (ckpt_read(p, ev->args[0], &a, 64))
			return -EFAULT;
		flags = a.flags;
		stack = a.stack ? a.stack + a.stack_size : 0;
		tls = a.tls;
	}
	r.rax = 0;
	r.orig_rax = (uint64_t)-1;
	if (stack)
		r.rsp = stack;
	if (flags & CLONE_SETTLS)
		r.fs_base = tls;
	err = ckpt_thread_add(p, &r, &t);
	if (err)
		return err;
	t->vtid = (pid_t)ev->result;
	t->trap_blocked = p->trap_blocked;
	ckpt_watch_alike(p, t);
	return ckpt_play_add(play, t);
}

static void swap_cell(struct ckpt_task *p, struct ckpt_run *run)
{
	uint64_t value = ckpt_cell_get(p, CKPT_CELL_FREE);

	ckpt_cell_set(p, CKPT_CELL_FREE, run->unmuted);
	run->unmuted = value;
	run->muted = !run->muted;
}

/* Whether the threads that don't count are silent, and only they. */
static void mute(struct ckpt_task *p, struct ckpt_run *run)
{
	if (!run->only || !p->play->probes || run->muted == (p->vtid != run->only))
		return;
	if (!run->muted)
		run->unmuted = CKPT_NEVER;
	swap_cell(p, run);
}

/* The next event gives the turn to another thread. 0 or -EPROTO. */
static int take_turn(struct ckpt_task *p, struct ckpt_run *run)
{
	struct ckpt_play *play = p->play;
	const struct ckpt_event event = ckpt_log_event(p->timeline, play->event), *ev = &event;
	size_t i = 0;

	while (i < play->nothers && play->others[i]->vtid != ev->result)
		i++;
	if (i == play->nothers) {
		diverged(p, run, "the turn of a thread that isn't there");
		return -EPROTO;
	}
	if (ev->turn == CKPT_TURN_AT_CALL) {
		/* It makes that call once more when its turn comes again. */
		ckpt_hide_trap_in_r11(p);
		p->state = CKPT_EVENT;
		memset(&p->stop, 0, sizeof(p->stop));
		p->waits_behind = ckpt_regs(p)->rip;
	}
	play->at_site = play->step_over = 0;
	ckpt_task_swap(p, play->others[i]);
	if (p->waits_behind) {
		ckpt_call_not_made(ckpt_regs(p), p->waits_behind);
		ckpt_regs_dirty(p);
	}
	/* It has come to that call already: no probe there counts it again. */
	if (p->waits_behind && ckpt_probe_is_site(p, ckpt_regs(p)->rip))
		play->step_over = ckpt_regs(p)->rip;
	p->waits_behind = 0;
	if (play->ended) {
		play->ended = false;
		if (ckpt_play_retire(play, i))
			return -EPROTO;
	}
	play->event++;
	mute(p, run);
	return 0;
}

static bool is_turn(const struct ckpt_task *p, enum ckpt_turn kind)
{
	struct ckpt_event ev;

	if (p->play->event >= p->timeline->nevents)
		return false;
	ev = ckpt_log_event(p->timeline, p->play->event);
	return ev.kind == CKPT_EV_TURN && ev.turn == kind;
}

/* Gives the next event to a puppet at its call. 0 or -EPROTO (see run). */
static int give_call(struct ckpt_task *p, struct ckpt_run *run)
{
	const struct ckpt_event event = ckpt_log_event(p->timeline, p->play->event), *ev = &event;
	const struct ckpt_stop *stop = &p->stop;
	const struct ckpt_call *call = ckpt_call_find(stop->nr);
	enum ckpt_call_class class = ckpt_call_class(call, stop->args);
	char text[160];
	long res = ev->result;
	bool yielded;
	int err = 0;

	if ((ev->kind != CKPT_EV_CALL && ev->kind != CKPT_EV_END) || ev->nr != stop->nr ||
	    (class != CKPT_CALL_SIGRETURN && ev->ip != ckpt_regs(p)->rip) ||
	    memcmp(ev->args, stop->args, sizeof(ev->args))) {
		snprintf(
			text, sizeof(text),
			"recorded %s(%#llx, %#llx, %#llx) at %#llx, seen %s(%#llx, %#llx, %#llx) at %#llx",
			ckpt_call_name(ev->nr), (unsigned long long)ev->args[0],
			(unsigned long long)ev->args[1], (unsigned long long)ev->args[2],
			(unsigned long long)ev->ip, ckpt_call_name(stop->nr),
			(unsigned long long)stop->args[0], (unsigned long long)stop->args[1],
			(unsigned long long)stop->args[2], (unsigned long long)ckpt_regs(p)->rip);
		diverged(p, run, text);
		return -EPROTO;
	}
	if (p->play->reads && ckpt_clock_left(p)) {
		diverged(p, run, "fewer reads of the clock than recorded");
		return -EPROTO;
	}
	p->play->reads = false;
	p->state = CKPT_EXIT; /* the call is skipped: as if it were over */
	ckpt_hide_trap_in_r11(p);
	if (ev->kind == CKPT_EV_END) {
		p->play->ended = true;
		p->play->event++;
		return give_outputs(p, ev) ? -EPROTO : 0;
	}
	yielded = ckpt_probes_yield(p, ev);
	if (class == CKPT_CALL_SIGRETURN && !ckpt_interrupted(ev->result)) {
		err = ckpt_redo_sigreturn(p);
		ckpt_play_note_mask(p);
	} else {
		if ((class == CKPT_CALL_REDO || class == CKPT_CALL_MMAP) && ev->result >= 0 &&
		    !ckpt_interrupted(ev->result))
			err = ckpt_redo(p, ev, &res);
		if (!err)
			err = give_outputs(p, ev);
		if (ev->nr == SYS_rt_sigprocmask)
			ckpt_play_note_mask(p);
		if (!err && is_birth(p, ev))
			err = birth(p, ev);
		if (!err && res != ev->result)
			err = -EPROTO;
		if (!err)
			ckpt_set_result(p, res);
	}
	if (!err && yielded)
		err = ckpt_probes_return(p);
	if (err) {
		snprintf(text, sizeof(text), "%s: result %ld, recorded %lld (%s)",
			 ckpt_call_name(ev->nr), res, (long long)ev->result, strerror(-err));
		diverged(p, run, text);
		return -EPROTO;
	}
	p->play->event++;
	return 0;
}

/* What follows from having been given an event. -1: goes on. */
static int after_event(struct ckpt_task *p, struct ckpt_run *run)
{
	if (run->reset_n)
		ckpt_cells_reset(p, run->reset_first, run->reset_n);
	if (run->arm_count && p->play->event == run->arm_event) {
		if (ckpt_probes_renew(p))
			return CKPT_HALT_DEAD;
		ckpt_cell_set(p, run->arm_cell, run->arm_count);
	}
	if (run->goal && p->play->event == run->goal->event &&
	    (run->goal->how == CKPT_END_EVENT || ckpt_goal_is_delivery(run->goal, p)))
		return CKPT_HALT_GOAL;
	if (run->stop_event && p->play->event == run->stop_event)
		return CKPT_HALT_EVENT;
	return -1;
}

/* Whether an event of this kind may be given before it happened. */
static bool may_be_early(enum ckpt_event_kind kind)
{
	return kind == CKPT_EV_WRITE || kind == CKPT_EV_CLOCK;
}

bool ckpt_puppet_only_early(const struct ckpt_task *p, uint64_t until)
{
	uint64_t i = p->play->event;

	while (i < until && i < p->timeline->nevents &&
	       may_be_early(ckpt_log_event(p->timeline, i).kind))
		i++;
	return i >= until;
}

/* Whether p's next event is to be given where it stands, which isn't at a call. What may have come of
 * the thread's next call isn't, unless it ends at the goal without one. */
static bool is_early(const struct ckpt_task *p, const struct ckpt_goal *goal)
{
	struct ckpt_event ev;

	if (p->play->event >= p->timeline->nevents)
		return false;
	ev = ckpt_log_event(p->timeline, p->play->event);
	if (ev.kind != CKPT_EV_WRITE || ev.turn != CKPT_TURN_AT_CALL)
		return may_be_early(ev.kind);
	return goal && goal->how != CKPT_END_CALL && ckpt_puppet_only_early(p, goal->event);
}

/* What the kernel wrote for other threads, and told of the time, a little later. */
static int take_early(struct ckpt_task *p, struct ckpt_run *run)
{
	const struct ckpt_event ev = ckpt_log_event(p->timeline, p->play->event);

	if (ev.kind == CKPT_EV_CLOCK ? ckpt_clock_give(p, &ev) : give_outputs(p, &ev)) {
		diverged(p, run, "what the kernel wrote meanwhile can't be given");
		return -EPROTO;
	}
	p->play->reads |= ev.kind == CKPT_EV_CLOCK;
	p->play->event++;
	return 0;
}

/* All such before the goal. */
static int take_all_early(struct ckpt_task *p, struct ckpt_run *run, bool at_call)
{
	const struct ckpt_goal *goal = run->goal;
	uint64_t until = goal ? goal->event : UINT64_MAX;
	int err = 0;

	while (!err && p->play->event < until &&
	       (at_call ? ckpt_puppet_only_early(p, p->play->event + 1) : is_early(p, goal)))
		err = take_early(p, run);
	return err;
}

static int take_signal(struct ckpt_task *p, struct ckpt_run *run)
{
	const struct ckpt_event ev = ckpt_log_event(p->timeline, p->play->event);

	if (ckpt_signal_replay(p, &ev)) {
		diverged(p, run, "a signal struck elsewhere, or can't be given");
		return -EPROTO;
	}
	p->play->event++;
	return 0;
}

/* The kind of p's next event, if that comes before p runs any further; else -1. */
static int kind_here(const struct ckpt_task *p, const struct ckpt_goal *goal)
{
	struct ckpt_event ev;

	if (p->play->event >= p->timeline->nevents)
		return -1;
	ev = ckpt_log_event(p->timeline, p->play->event);
	if (is_early(p, goal) || ev.kind == CKPT_EV_SIGNAL ||
	    (ev.kind == CKPT_EV_TURN && ev.turn == CKPT_TURN_HERE))
		return ev.kind;
	return -1;
}

/* Events that come before p runs any further: turns, signals, what may be early.
 * @steps: a signal's delivery is a step of its own. */
static int events_here(struct ckpt_task *p, struct ckpt_run *run, bool steps)
{
	int halt = -1, kind, err;

	while (halt < 0 && (kind = kind_here(p, run->goal)) >= 0 &&
	       !(run->goal && p->play->event >= run->goal->event) &&
	       !(run->arm_count && p->play->event == run->arm_event)) {
		if (kind == CKPT_EV_SIGNAL && run->signals && !p->play->told)
			return CKPT_HALT_DELIVERY;
		err = kind == CKPT_EV_SIGNAL ? take_signal(p, run) :
		      kind == CKPT_EV_TURN   ? take_turn(p, run) :
					       take_early(p, run);
		if (err)
			return CKPT_HALT_DIVERGED;
		halt = after_event(p, run);
		if (halt < 0 && run->turn && p->vtid == run->turn)
			halt = CKPT_HALT_TURN;
		if (halt < 0 && steps && kind == CKPT_EV_SIGNAL)
			halt = CKPT_HALT_STEP;
	}
	return halt;
}

/* At a call. -1: answered, goes on. */
static int at_call(struct ckpt_task *p, struct ckpt_run *run)
{
	struct ckpt_timeline *tl = p->timeline;
	const struct ckpt_goal *goal = run->goal;
	uint64_t at;
	int halt;

	if (take_all_early(p, run, true))
		return CKPT_HALT_DIVERGED;
	at = p->play->event;
	if (at < tl->nevents && ckpt_log_event(tl, at).kind == CKPT_EV_EXIT) {
		if (!run->calls || p->shown)
			return CKPT_HALT_EXIT;
		p->shown = true;
		return CKPT_HALT_CALL;
	}
	/* The signal of its snapshot, which came amid a timed call, was nothing to it. */
	if (p->stop.nr == SYS_restart_syscall && at < tl->nevents)
		p->stop.nr = ckpt_log_event(tl, at).nr;
	if (goal && at >= goal->event) {
		if (goal->how == CKPT_END_CALL && run->calls && !p->shown) {
			p->shown = true;
			return CKPT_HALT_CALL;
		}
		if (goal->how == CKPT_END_CALL)
			return CKPT_HALT_GOAL;
		diverged(p, run, "a call where the interval should have ended");
		return CKPT_HALT_DIVERGED;
	}
	if (at >= tl->nevents) {
		diverged(p, run, "a call behind the end of the log");
		return CKPT_HALT_DIVERGED;
	}
	if (run->calls && !p->shown) {
		p->shown = true;
		return CKPT_HALT_CALL;
	}
	if (is_turn(p, CKPT_TURN_AT_CALL)) {
		if (ckpt_log_event(tl, at).nr != p->stop.nr) {
			diverged(p, run, "another call than that at which its turn ended");
			return CKPT_HALT_DIVERGED;
		}
		if (take_turn(p, run))
			return CKPT_HALT_DIVERGED;
		return run->turn && p->vtid == run->turn ? CKPT_HALT_TURN : after_event(p, run);
	}
	p->shown = false;
	if (give_call(p, run))
		return p->state == CKPT_DEAD ? CKPT_HALT_DEAD : CKPT_HALT_DIVERGED;
	halt = after_event(p, run);
	/* The end of one that was interrupted isn't told; nor is there one of a thread's exit. */
	return halt < 0 && run->calls && !p->play->ended &&
			       !ckpt_interrupted(ckpt_log_event(tl, at).result) ?
		       CKPT_HALT_CALL :
		       halt;
}

/* As ckpt_outer_insn_at(), below probes; *pc: where the program has it. */
static bool find_outer_insn(struct ckpt_task *p, uint64_t *pc, struct ckpt_outer_insn *ret)
{
	struct probe_where w;
	bool hidden, found;

	*pc = ckpt_regs(p)->rip;
	if (!ckpt_probe_where(p, *pc, &w))
		*pc = w.addr;
	/* A probe may be its first byte. */
	hidden = p->play->probes && !ckpt_probe_original(p, ckpt_regs(p)->rip, false);
	found = ckpt_outer_insn_at(p, ret);
	if (hidden && ckpt_probe_original(p, ckpt_regs(p)->rip, true))
		return false;
	return found;
}

static int at_outer_insn(struct ckpt_task *p, struct ckpt_run *run, const struct ckpt_outer_insn *i,
			 uint64_t pc)
{
	struct ckpt_timeline *tl = p->timeline;
	struct ckpt_event ev = { .kind = CKPT_EV_EXIT };

	if (p->play->event < tl->nevents)
		ev = ckpt_log_event(tl, p->play->event);
	if (ev.kind != CKPT_EV_INSN || ev.ip != pc) {
		diverged(p, run, "rdtsc, rdrand or the like");
		return CKPT_HALT_DIVERGED;
	}
	ckpt_outer_insn_give(p, i, (uint64_t)ev.result);
	p->play->event++;
	return after_event(p, run);
}

/* -------------------------------------------------------------------- stops */

/* Brings the pc out of a trampoline after a stop inside of it. */
static void settle(struct ckpt_task *p)
{
	struct probe_where w;
	int err, steps = 0;

	while ((err = ckpt_probe_where(p, ckpt_regs(p)->rip, &w)) == -EBUSY && steps++ < 200) {
		if (ckpt_resume(p, PTRACE_SINGLESTEP, 0))
			return;
		while (ckpt_wait(p, NULL) == -EINTR)
			;
		if (p->state == CKPT_DEAD)
			return;
	}
	if (err)
		return;
	ckpt_regs(p)->rip = w.addr;
	ckpt_regs(p)->rsp += w.rsp_add;
	ckpt_regs_dirty(p);
}

/* A SIGTRAP that may be a probe's. -1: go on; -2: not ours. */
static int at_trap(struct ckpt_task *p, struct ckpt_run *run)
{
	uint64_t site, resume, behind;
	int rule;

	if (!ckpt_probe_site_of(p, ckpt_regs(p)->rip, &site, &rule))
		return -2;
	if (rule < 0)
		rule = ckpt_probe_evaluate(p, site, 0);
	ckpt_regs(p)->rip = site;
	ckpt_regs_dirty(p);
	if (rule >= 0) {
		run->site = site;
		run->cell = ckpt_probe_cell(p, site, (size_t)rule);
		p->play->at_site = site;
		p->play->at_rule = rule;
		return CKPT_HALT_PROBE;
	}
	ckpt_probe_resume(p, site, &resume, &behind, -1);
	if (resume) {
		ckpt_regs(p)->rip = resume;
		return -1;
	}
	p->play->step_over = site;
	return -1;
}

/* Continues at a site behind the rule that stopped it there, or behind the
 * first rules. -1: go on. */
static int leave_site(struct ckpt_task *p, struct ckpt_run *run)
{
	uint64_t pc = ckpt_regs(p)->rip, site = p->play->at_site, resume, behind;
	int rule = -1;

	p->play->at_site = 0;
	if (run->skip_rule)
		rule = (int)run->skip_rule - 1;
	else if (site == pc)
		rule = p->play->at_rule;
	run->skip_rule = 0;
	if (!p->play->probes || rule < 0)
		return -1;
	if (ckpt_probe_resume(p, pc, &resume, &behind, rule)) {
		ckpt_regs(p)->rip = behind ? behind : resume;
		ckpt_regs_dirty(p);
		return -1;
	}
	rule = ckpt_probe_evaluate(p, pc, (size_t)rule + 1);
	if (rule >= 0) {
		run->site = p->play->at_site = pc;
		run->cell = ckpt_probe_cell(p, pc, (size_t)rule);
		p->play->at_rule = rule;
		return CKPT_HALT_PROBE;
	}
	if (resume) {
		ckpt_regs(p)->rip = resume;
		ckpt_regs_dirty(p);
	} else {
		p->play->step_over = pc;
	}
	return -1;
}

/* A trap unblocks SIGTRAP; the program would see that by its next sigprocmask. */
static void block_trap(struct ckpt_task *p)
{
	uint64_t mask;

	if (ptrace(PTRACE_GETSIGMASK, p->tid, 8, &mask) < 0)
		return;
	mask |= 1ull << (SIGTRAP - 1);
	ptrace(PTRACE_SETSIGMASK, p->tid, 8, &mask);
}

/* Resumes once and waits. */
static int run_once(struct ckpt_task *p, int request, int sig)
{
	uint64_t over;
	bool asked = false,
	     dies = sig && p->tid == p->tgid && ckpt_signal_effect(p, sig) == CKPT_EFFECT_DEATH;

	if (p->play->sig)
		ckpt_signal_queue(p);
	else if (!ckpt_probe_is_site(p, p->play->step_over))
		p->play->step_over = 0; /* it was one for another run */
	over = p->play->sig ? 0 : p->play->step_over;
	if (over) {
		if (ckpt_probe_original(p, over, false))
			return -EIO;
		request = PTRACE_SYSEMU_SINGLESTEP;
	}
	if (ckpt_resume(p, request, sig))
		return -ESRCH;
	if (dies)
		ckpt_play_reap(p->play);
	while (ckpt_wait(p, NULL) == -EINTR)
		if (!asked && ckpt_cancelled && ckpt_cancelled()) {
			ckpt_interrupt(p);
			asked = true;
		}
	if (p->trap_blocked && p->state == CKPT_SIGNAL && p->stop.sig == SIGTRAP)
		block_trap(p);
	if (over && p->state != CKPT_DEAD) {
		p->play->step_over = 0;
		if (ckpt_probe_original(p, over, true))
			return -EIO;
	}
	return over ? 1 : 0;
}

/* A stop by a signal. -1: goes on (*sig is delivered). */
static int at_signal(struct ckpt_task *p, struct ckpt_run *run, bool stepped_over, int *sig)
{
	siginfo_t *si = &p->play->stopped_by;
	struct ckpt_outer_insn insn;
	uint64_t pc;
	int halt;

	*sig = ckpt_signal_queued(p);
	if (*sig)
		return -1;
	if ((p->stop.sig == SIGSEGV || p->stop.sig == SIGILL) && find_outer_insn(p, &pc, &insn))
		return at_outer_insn(p, run, &insn, pc);
	/* Injected calls, for the probes, make stops of their own. */
	memset(si, 0, sizeof(*si));
	ptrace(PTRACE_GETSIGINFO, p->tid, 0, si);
	if (p->stop.sig == SIGTRAP) {
		/* The step over a probe of ours may be one over an int3 of the program's own. */
		if (si->si_code != TRAP_HWBKPT && !stepped_over) {
			halt = at_trap(p, run);
			if (halt != -2)
				return halt;
		}
		if (stepped_over && si->si_code != TRAP_HWBKPT && si->si_code != SI_KERNEL)
			return -1;
		settle(p);
		if (ckpt_clock_amid(p) && ckpt_clock_finish(p))
			return CKPT_HALT_DEAD;
		return si->si_code == TRAP_HWBKPT || run->traps ? CKPT_HALT_TRAP : -1;
	}
	settle(p);
	return CKPT_HALT_SIGNAL;
}

enum ckpt_halt ckpt_puppet_run(struct ckpt_task *p, struct ckpt_run *run)
{
	int halt = -1, sig = 0, over;

	p->play->moves++;
	if (run->arm_count && p->play->event >= run->arm_event && !run->armed)
		ckpt_cell_set(p, run->arm_cell, run->arm_count);
	run->armed = true;
	mute(p, run);
	if (p->state == CKPT_ENTRY) /* its call isn't answered yet */
		halt = at_call(p, run);
	else
		halt = leave_site(p, run);
	while (halt < 0 && (halt = events_here(p, run, false)) < 0) {
		over = run_once(p, PTRACE_SYSEMU, sig);
		sig = 0;
		if (over < 0 || p->state == CKPT_DEAD)
			return CKPT_HALT_DEAD;
		switch (p->state) {
		case CKPT_ENTRY:
			halt = at_call(p, run);
			break;
		case CKPT_SIGNAL:
			halt = at_signal(p, run, over, &sig);
			break;
		case CKPT_EVENT:
			if (ckpt_cancelled && ckpt_cancelled() && !ckpt_fault_pending(p)) {
				settle(p);
				halt = CKPT_HALT_CANCELLED;
			}
			break;
		default:
			break;
		}
	}
	if (run->muted && p->state != CKPT_DEAD)
		swap_cell(p, run); /* what it counts to is the caller's again */
	return (enum ckpt_halt)halt;
}

static enum ckpt_halt step(struct ckpt_task *p, struct ckpt_run *run)
{
	struct user_regs_struct before;
	struct ckpt_outer_insn outer;
	enum ckpt_state from;
	uint8_t insn[2] = { 0 };
	int sig = 0;

	int turned = events_here(p, run, true);

	assert(!p->play->probes);
	p->play->moves++;
	if (turned >= 0)
		return (enum ckpt_halt)turned;
	before = *ckpt_regs(p);
	from = p->state;
	if (p->state == CKPT_ENTRY) {
		int halt = at_call(p, run);

		return halt < 0 ? CKPT_HALT_STEP : (enum ckpt_halt)halt;
	}
	if (ckpt_read(p, before.rip, insn, 2) && ckpt_read(p, before.rip, insn, 1))
		insn[0] = 0; /* it will fault */
	for (;;) {
		if (run_once(p, PTRACE_SYSEMU_SINGLESTEP, sig) < 0 || p->state == CKPT_DEAD)
			return CKPT_HALT_DEAD;
		if (p->state == CKPT_ENTRY) {
			int halt = at_call(p, run);

			return halt < 0 ? CKPT_HALT_STEP : (enum ckpt_halt)halt;
		}
		if (p->state != CKPT_SIGNAL)
			continue;
		memset(&p->play->stopped_by, 0, sizeof(siginfo_t));
		ptrace(PTRACE_GETSIGINFO, p->tid, 0, &p->play->stopped_by);
		if (p->stop.sig == SIGTRAP) {
			/* After a call's stop the first report may come before
			 * the instruction ran. */
			if (from == CKPT_EXIT && ckpt_regs(p)->rip == before.rip &&
			    ckpt_regs(p)->rcx == before.rcx) {
				from = CKPT_SIGNAL;
				continue;
			}
			if (ckpt_clock_amid(p) && ckpt_clock_finish(p))
				return CKPT_HALT_DEAD;
			if (ckpt_is_pushf(insn) && ckpt_regs(p)->rip != before.rip)
				ckpt_hide_trap_in_flags(p);
			return run->traps && p->play->stopped_by.si_code == SI_KERNEL ?
				       CKPT_HALT_TRAP :
				       CKPT_HALT_STEP;
		}
		sig = ckpt_signal_queued(p);
		if (sig)
			continue;
		if (ckpt_outer_insn_at(p, &outer)) {
			int halt = at_outer_insn(p, run, &outer, ckpt_regs(p)->rip);

			return halt < 0 ? CKPT_HALT_STEP : (enum ckpt_halt)halt;
		}
		return CKPT_HALT_SIGNAL;
	}
}

enum ckpt_halt ckpt_puppet_step(struct ckpt_task *p, struct ckpt_run *run)
{
	enum ckpt_halt halt = step(p, run);

	/* The goal may be straight behind a call, and such events. */
	if (halt == CKPT_HALT_STEP && run->goal && take_all_early(p, run, false))
		halt = CKPT_HALT_DIVERGED;
	return halt;
}

int ckpt_puppet_take_early(struct ckpt_task *p, const struct ckpt_goal *goal)
{
	struct ckpt_run run = { .goal = goal };

	return take_all_early(p, &run, false);
}
