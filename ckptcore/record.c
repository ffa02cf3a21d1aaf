/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Recording the live target, whose threads take turns (turns.c). It stops at the entry and the exit
 * of its calls; at the exit the table says what the kernel wrote, which goes
 * into the log. What can't be described (an exec, a vfork's child writing our
 * memory, a call that the table doesn't know) is a barrier: a snapshot is taken
 * straight after it, and a replay that comes to it goes on from there. So is
 * whatever happens at an arbitrary instruction: a change by the user, a signal's
 * delivery (elsewhere it is an event: signals.c). Never a wrong answer, at worst
 * one more snapshot.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "ckptcore/arch/x86_64/outer_insn.h"
#include "ckptcore/clock.h"
#include "ckptcore/materialize.h"
#include "ckptcore/outside.h"
#include "ckptcore/quick.h"
#include "ckptcore/record.h"
#include "ckptcore/record_internal.h"
#include "ckptcore/replay.h"
#include "ckptcore/shared.h"
#include "ckptcore/signals.h"
#include "ckptcore/threads.h"
#include "ckptcore/turns.h"
#include "ckptcore/written.h"

/* How long a thread runs while others could, in seconds: each end of a turn amid
 * a thread's code is a snapshot that stays, so they get fewer with time. */
#define SLICE_MIN 0.02
#define SLICE_MAX 0.25
#define SLICE_GROWS (1 / 50.0) /* a second */

int ckpt_record_start(struct ckpt_timeline *tl)
{
	tl->record = calloc(1, sizeof(*tl->record));
	if (!tl->record)
		return -ENOMEM;
	if (ckpt_turns_add(tl, tl->live))
		return -ENOMEM;
	tl->record->began = ckpt_now();
	ckpt_record_met(tl->live);
	tl->record->direct = ckpt_direct_any(tl->live);
	if (!tl->outside)
		tl->outside = calloc(1, sizeof(*tl->outside));
	if (tl->outside && !tl->outside->next_same && ckpt_outside_capture(tl->live, tl->outside)) {
		ckpt_outside_free(tl->outside);
		tl->outside = NULL;
	}
	if (!tl->live->no_exitkill) /* an attached one outlives us */
		ckpt_affinity_share(tl->live);
	tl->recording = true;
	ckpt_clock_start(tl);
	ckpt_written_start(tl->live);
	ckpt_shared_look(tl, tl->live);
	return 0;
}

void ckpt_record_stop(struct ckpt_timeline *tl, const char *why)
{
	if (!tl->recording)
		return;
	tl->recording = false;
	ckpt_tell_end(why);
	if (tl->live)
		ckpt_quick_off(tl->live);
	free(tl->broken);
	tl->broken = strdup(why);
	ckpt_turns_release(tl);
}

enum ckpt_end ckpt_record_where(const struct ckpt_timeline *tl)
{
	if (!tl->live && tl->killed_amid)
		return tl->nevents > tl->snaps[tl->nsnaps - 1]->event ? CKPT_END_EVENT :
									CKPT_END_NOW;
	if (!tl->live || !tl->recording || tl->live->in_call)
		return CKPT_END_CALL;
	if (ckpt_calls_again(ckpt_regs(tl->live)))
		return CKPT_END_CALL;
	return tl->record->aligned ? CKPT_END_EVENT : CKPT_END_MATCH;
}

void ckpt_record_aligned(struct ckpt_timeline *tl)
{
	tl->record->aligned = true;
	tl->record->still_at = 0;
}

void ckpt_record_due(struct ckpt_timeline *tl)
{
	tl->record->due = true;
	tl->record->patient = true; /* if it runs: no stop may come by itself */
}

/* --------------------------------------------------------------- the calls */

/* Notes at which stop of t, which goes on, it won't have run any instruction. */
static void note_still(struct ckpt_task *t, int request)
{
	const struct ckpt_overlay *o = &t->timeline->overlay;
	struct ckpt_record *rec = t->timeline->record;

	rec->still_at = 0;
	if (!rec->aligned || !(o->n || request == PTRACE_SINGLESTEP))
		return;
	rec->still_at = t->state == CKPT_EXIT && !t->regs_valid ? t->stop.ip : ckpt_regs(t)->rip;
	rec->stepped = !ckpt_overlay_at(o, rec->still_at, NULL);
	if (rec->stepped && request != PTRACE_SINGLESTEP)
		rec->still_at = 0;
}

/* Whether t, which goes on anew, still stands where that was noted. */
static bool is_still(struct ckpt_task *t)
{
	const struct ckpt_record *rec = t->timeline->record;

	return rec->still_at && t->state == CKPT_SIGNAL && ckpt_regs(t)->rip == rec->still_at &&
	       (t->stop.sig == SIGTRAP ? !rec->stepped : !ckpt_signal_is_fault(t));
}

/* Lets the target run on its own account. */
static void run_on(struct ckpt_task *t, int request, int sig)
{
	struct ckpt_timeline *tl = t->timeline;

	note_still(t, request);
	tl->record->aligned = false;
	if (tl->recording && request == PTRACE_SYSCALL) {
		ckpt_clock_arm(tl);
		/* A handler's mask isn't known before it is there. */
		if (!sig && !tl->record->due && ckpt_quick_arm(t))
			request = PTRACE_CONT;
	}
	ckpt_resume(t, request, sig);
}

/* Lets t into the kernel for its call. */
static void enter(struct ckpt_task *t, int sig)
{
	bool others = t->timeline->nthreads > 1;

	t->timeline->record->aligned = false;
	if (others)
		t->thread->sleeps = ckpt_sleeps(t);
	ckpt_resume(t, PTRACE_SYSCALL, sig);
	if (others)
		ckpt_turns_called(t);
	else
		ckpt_expect(t, !(ckpt_call_flags(t->thread->call, t->thread->args) &
				 CKPT_CALL_BLOCKS));
}

void ckpt_record_entered(struct ckpt_task *t)
{
	struct ckpt_record *rec = t->timeline->record;
	struct ckpt_thread *th = t->thread;
	struct ckpt_call_reader reader = ckpt_reader(t);
	const struct ckpt_stop *stop = &t->stop;

	th->ip = stop->ip;
	if (!th->again) {
		ckpt_timeout_began(th);
		th->woken = 0;
	}
	th->wrote = th->again = th->joined = th->struck = th->restarts = th->refused = false;
	rec->aligned = false;
	if (stop->nr == SYS_restart_syscall) {
		th->nr = th->timed_nr;
		memcpy(th->args, th->timed_args, sizeof(th->args));
	} else {
		th->nr = stop->nr;
		memcpy(th->args, stop->args, sizeof(th->args));
		ckpt_identity_enter(t);
	}
	th->call = ckpt_call_find(th->nr);
	th->class = ckpt_call_class(th->call, th->args);
	ckpt_record_classify(t);
	ckpt_call_enter(th->call, th->args, &reader, &th->entry);
	ckpt_direct_note(t, &rec->direct);
}

static enum ckpt_verdict at_entry(struct ckpt_timeline *tl, struct ckpt_task *t)
{
	struct ckpt_thread *th = t->thread;

	t->in_call = true;
	ckpt_signal_release(t, true);
	ckpt_record_entered(t);
	ckpt_written_entered(t);
	ckpt_quick_entered(t);
	ckpt_transfer_entered(t);
	if (th->stops_behind)
		ckpt_interrupt(t);
	th->stops_behind = false;
	if (th->nr == SYS_exit && ckpt_turns_others_live(t)) {
		ckpt_turns_exit(t);
		return CKPT_HANDLED;
	}
	if (th->class == CKPT_CALL_EXIT) {
		struct ckpt_event ev = { .kind = CKPT_EV_EXIT,
					 .nr = (int16_t)th->nr,
					 .result = (int64_t)th->args[0],
					 .ip = ckpt_regs(t)->rip,
					 .file = -1 };

		th->barrier |= ckpt_log_add(tl, &ev) != 0;
	}
	if (th->class == CKPT_CALL_REFUSE) {
		ckpt_regs(t)->orig_rax = -1;
		ckpt_regs_dirty(t);
	}
	if (th->request == PTRACE_SYSCALL)
		return CKPT_REPORT;
	enter(t, 0);
	return CKPT_HANDLED;
}

/* Takes the snapshot that the clock, or t's call, wants. 0: the newest is of
 * this point. */
static int snapshot_if_due(struct ckpt_task *t, enum ckpt_end before, bool dead)
{
	struct ckpt_timeline *tl = t->timeline;
	struct ckpt_record *rec = tl->record;
	int err;

	if (!rec->due && !t->thread->barrier)
		return 0;
	err = ckpt_snapshot(tl, before, dead, 0, NULL);
	rec->due = t->thread->barrier = false;
	return err;
}

static double slice(const struct ckpt_timeline *tl)
{
	double s = (ckpt_now() - tl->record->began) * SLICE_GROWS;

	return s < SLICE_MIN ? SLICE_MIN : s > SLICE_MAX ? SLICE_MAX : s;
}

/* Whether t, behind a call, leaves the processor to another thread. */
static bool yields(const struct ckpt_task *t)
{
	const struct ckpt_timeline *tl = t->timeline;

	return tl->nthreads > 1 &&
	       (tl->record->preempt || tl->woken || t->thread->nr == SYS_sched_yield ||
		ckpt_now() - tl->turn_began > SLICE_MIN);
}

/* How t goes on. A single step over a call goes by the call's stops. */
static int request_of(const struct ckpt_task *t)
{
	return t->thread->request == PTRACE_SINGLESTEP && !t->thread->step_call ?
		       PTRACE_SINGLESTEP :
		       PTRACE_SYSCALL;
}

/* t, which stands behind an event or at the clock's interrupt, goes on, or
 * another thread does. */
static void go_on(struct ckpt_task *t, bool yield)
{
	struct ckpt_timeline *tl = t->timeline;
	struct ckpt_task *to = yield && t->thread->let ? ckpt_turns_next(tl) : NULL;

	tl->record->preempt = false;
	if (to) {
		ckpt_signal_release(t, false);
		ckpt_turns_turn(tl, to);
		return;
	}
	run_on(t, request_of(t), 0);
	ckpt_expect(t, tl->nthreads == 1);
}

/* What else is to be known of a call that was recorded. */
static void note_effects(struct ckpt_timeline *tl, struct ckpt_task *t, int64_t result)
{
	struct ckpt_thread *th = t->thread;

	if (th->nr == SYS_sched_getaffinity)
		ckpt_affinity_hide(t, th->args, result);
	if (th->nr == SYS_set_tid_address)
		th->clear_tid = th->args[0];
	if (result)
		return;
	if (th->nr == SYS_sched_setaffinity)
		ckpt_affinity_chosen(t, (pid_t)th->args[0]);
	if ((th->nr == SYS_unshare || th->nr == SYS_setns) && ckpt_has_namespace(t->tgid))
		ckpt_record_stop(tl, "the program has made a namespace of processes");
	if (th->nr == SYS_munmap)
		ckpt_overlay_forget(&tl->overlay, th->args[0], th->args[1]);
}

/* A call that gets no event but a snapshot behind it. */
static void at_barrier(struct ckpt_timeline *tl, struct ckpt_task *t)
{
	struct ckpt_thread *th = t->thread;

	/* Mappings have messages of their own. */
	if (th->class == CKPT_CALL_BARRIER && th->nr != SYS_mmap && th->nr != SYS_shmat &&
	    th->nr != SYS_shmdt)
		ckpt_tell_unknown(th->nr, th->args);
	if (ckpt_shared_after_call(tl, t, th->nr, th->args, 0, false))
		ckpt_record_stop(tl, "out of memory");
}

/* The end of t's call, which is recorded if it wasn't interrupted. */
static void end_call(struct ckpt_timeline *tl, struct ckpt_task *t, int64_t result)
{
	struct ckpt_thread *th = t->thread;

	t->in_call = false;
	th->done = 0;
	result = ckpt_identity_leave(t, th->nr, th->args, result);
	if (th->class == CKPT_CALL_REFUSE || th->owed) {
		int e = th->owed ? th->owed : ckpt_call_refusal(th->call, th->args);

		result = th->nr == SYS_madvise ? 0 : e ? -e : -ENOSYS;
		th->owed = 0;
		ckpt_set_result(t, result);
	}
	if (ckpt_interrupted(result))
		return; /* a signal follows, and then the call again, or its EINTR */
	note_effects(tl, t, result);
	/* Unknown to the kernel, too, it did nothing; if an event can hold its number. */
	if (th->class == CKPT_CALL_BARRIER && (result == -ENOSYS || result == -ENOTTY) &&
	    th->nr == (int16_t)th->nr)
		th->barrier = false;
	th->barrier |= tl->sharers.n && ckpt_sharer_any(t);
	ckpt_sharer_note(t, t->stop.rval);
	if (!th->barrier)
		ckpt_record_call(t, result);
	ckpt_quick_left(t);
	if (ckpt_record_random(t, result))
		ckpt_record_stop(tl, "no memory for the log");
	th->struck = th->class == CKPT_CALL_SIGRETURN && ckpt_signal_comes(t);
	if (th->barrier)
		at_barrier(tl, t);
	if (th->births && result > 0)
		ckpt_turns_note_birth(t, result);
	tl->record->aligned = true;
	if (th->barrier)
		snapshot_if_due(t, CKPT_END_CALL, true);
	else if (result == -EINTR && ckpt_call_flags(th->call, th->args) & CKPT_CALL_SIGMASK)
		tl->record->due = false; /* it would undo that mask, see signals.c */
	else
		snapshot_if_due(t, CKPT_END_EVENT, false);
}

static enum ckpt_verdict at_exit(struct ckpt_timeline *tl, struct ckpt_task *t)
{
	struct ckpt_thread *th = t->thread;

	if (ckpt_turns_step_ends(t))
		return CKPT_REPORT_TRACE;
	end_call(tl, t, t->stop.rval);
	if (th->step_call) {
		th->step_call = false;
		return CKPT_REPORT_TRACE;
	}
	if (ckpt_interrupted(t->stop.rval)) {
		th->restarts = true;
		if (tl->nthreads == 1 || ckpt_signal_comes(t))
			run_on(t, PTRACE_SYSCALL, 0);
		else
			ckpt_turns_again(t);
		return CKPT_HANDLED;
	}
	if (th->request == PTRACE_SYSCALL)
		return CKPT_REPORT;
	if (!tl->recording) {
		run_on(t, th->request, 0);
		return CKPT_HANDLED;
	}
	go_on(t, yields(t));
	return CKPT_HANDLED;
}

/* t stands behind a call that was to be recorded without its entry's stop, and couldn't be. */
static void behind_unlogged(struct ckpt_task *t)
{
	t->thread->unlogged = false;
	t->thread->barrier = true;
	at_barrier(t->timeline, t);
	t->timeline->record->aligned = true;
	snapshot_if_due(t, CKPT_END_CALL, true);
}

/* t stands behind a call that was recorded without its entry's stop. */
static void behind_call(struct ckpt_task *t)
{
	struct ckpt_timeline *tl = t->timeline;

	tl->record->aligned = true;
	snapshot_if_due(t, CKPT_END_EVENT, false);
	if (tl->recording)
		go_on(t, yields(t));
	else
		run_on(t, t->thread->request, 0);
}

void ckpt_record_cloned(struct ckpt_task *t)
{
	end_call(t->timeline, t, t->stop.rval);
	t->thread->step_call = false;
	t->thread->let = false;
}

/* ------------------------------------------- rdtsc, rdrand and their like */

static enum ckpt_verdict outer_insn(struct ckpt_timeline *tl, struct ckpt_task *t,
				    const struct ckpt_outer_insn *i)
{
	struct ckpt_event ev = { .kind = CKPT_EV_INSN,
				 .result = (int64_t)ckpt_outer_insn_value(i),
				 .ip = ckpt_regs(t)->rip,
				 .file = -1 };

	if (ckpt_log_add(tl, &ev))
		ckpt_record_stop(tl, "no memory for the log");
	ckpt_outer_insn_give(t, i, (uint64_t)ev.result);
	tl->record->aligned = true;
	if (t->thread->request == PTRACE_SINGLESTEP) {
		t->stop.sig = SIGTRAP; /* there was no fault, for whoever asks later */
		t->thread->siginfo = (siginfo_t){ .si_signo = SIGTRAP, .si_code = TRAP_TRACE };
		return CKPT_REPORT_TRACE;
	}
	run_on(t, PTRACE_SYSCALL, 0);
	return CKPT_HANDLED;
}

/* ------------------------------------------------------------------ stops */

/*
 * t has stopped. When its call had been interrupted, and the kernel was about to let it make
 * that again, it is as if that came first: so the place is found again by the
 * call, and registers that were lost in it don't matter.
 */
static void stay_interrupted(struct ckpt_task *t)
{
	const struct ckpt_thread *th = t->thread;
	struct user_regs_struct *r;

	if (t->state != CKPT_EVENT && (t->state != CKPT_SIGNAL || t->stop.sig == SIGTRAP))
		return;
	r = ckpt_regs(t);
	if (r->rip != th->ip - 2 || r->rcx != th->ip || (long)r->rax != th->nr || (int)th->nr == -1)
		return;
	r->rip = th->ip;
	r->orig_rax = r->rax;
	r->rax = (uint64_t)-CKPT_ERESTARTNOINTR;
	ckpt_regs_dirty(t);
}

/* t is kept before a call. Whoever wants it to stop, but us, gets that behind it. */
static void go_on_to_call(struct ckpt_task *t)
{
	struct ckpt_thread *th = t->thread;

	if (t->state == CKPT_EVENT)
		th->stops_behind |= !t->timeline->record->due && !th->delayed;
	else
		th->restarts = th->refused = true;
	ckpt_clock_arm(t->timeline);
	ckpt_resume(t, PTRACE_SYSCALL, 0);
}

/* A stop of the thread whose turn it is. */
static enum ckpt_verdict stopped(struct ckpt_timeline *tl, struct ckpt_task *t)
{
	struct ckpt_record *rec = tl->record;
	struct ckpt_thread *th = t->thread;
	struct ckpt_outer_insn insn;
	uint64_t left;
	bool preempt;

	switch (t->state) {
	case CKPT_DEAD:
		rec->aligned = false;
		ckpt_turns_died(t);
		return CKPT_REPORT;
	case CKPT_SECCOMP: /* its entry was seen already */
		run_on(t, PTRACE_SYSCALL, 0);
		return CKPT_HANDLED;
	case CKPT_ENTRY:
		return at_entry(tl, t);
	case CKPT_EXIT:
		return at_exit(tl, t);
	case CKPT_SIGNAL:
		if (t->in_call && th->again)
			end_call(tl, t, ckpt_turns_ended(t));
		t->in_call = false; /* what was interrupted comes again */
		if (th->redeliver && t->stop.sig == th->redeliver) {
			th->redeliver = 0;
			ptrace(PTRACE_SETSIGINFO, t->tid, 0, &th->siginfo);
			run_on(t, request_of(t), t->stop.sig);
			return CKPT_HANDLED;
		}
		if (ckpt_outer_insn_at(t, &insn))
			return outer_insn(tl, t, &insn);
		tl->signalled = ckpt_now();
		/* Injected calls make stops of their own later. */
		memset(&th->siginfo, 0, sizeof(th->siginfo));
		ptrace(PTRACE_GETSIGINFO, t->tid, 0, &th->siginfo);
		th->signal_ip = ckpt_regs(t)->rip;
		ckpt_signal_resent(t);
		ckpt_signal_release(t, false); /* it isn't the only one */
		if (!rec->changed && ckpt_signal_delay(t)) {
			run_on(t, PTRACE_SYSCALL, 0);
			return CKPT_HANDLED;
		}
		left = ckpt_regs(t)->rcx;
		if (!ckpt_signal_is_fault(t) && !th->struck && ckpt_finish_rep(t))
			return CKPT_HANDLED; /* it died: told soon */
		if (ckpt_regs(t)->rcx != left)
			rec->still_at = 0;
		return CKPT_REPORT;
	case CKPT_EVENT:
		if (t->stop.event != PTRACE_EVENT_STOP)
			return CKPT_REPORT;
		th->struck = false;
		if (t->in_call && th->again) { /* about to make its call again */
			if (!rec->due) {
				ckpt_turns_stay(t);
				return CKPT_REPORT;
			}
			ckpt_turns_again(t);
			return CKPT_HANDLED;
		}
		if (th->refused && th->request == PTRACE_CONT) { /* soon at its call */
			go_on_to_call(t);
			return CKPT_HANDLED;
		}
		/* The clock interrupted it, or an attach did. */
		if (rec->due && (th->request == PTRACE_SINGLESTEP || ckpt_fault_pending(t))) {
			/* That comes at once; another time. */
			rec->due = rec->preempt = false;
			go_on(t, false);
			return CKPT_HANDLED;
		}
		if (ckpt_finish_rep(t))
			return CKPT_HANDLED;
		if (ckpt_signal_is_late(t)) {
			ckpt_signal_release(t, false);
			if (!rec->due) {
				run_on(t, request_of(t), 0);
				return CKPT_HANDLED;
			}
		}
		if (!rec->due)
			return CKPT_REPORT;
		if (ckpt_record_where(tl) == CKPT_END_MATCH && ckpt_pass_short(t))
			return CKPT_HANDLED; /* it died: told soon */
		preempt = rec->preempt;
		if (snapshot_if_due(t, ckpt_record_where(tl), false))
			preempt = false;
		if (tl->recording)
			go_on(t, preempt);
		else
			run_on(t, th->request, 0);
		return CKPT_HANDLED;
	default:
		return CKPT_REPORT;
	}
}

enum ckpt_verdict ckpt_record_stopped(struct ckpt_task *t)
{
	struct ckpt_timeline *tl = t->timeline;
	enum ckpt_verdict verdict;
	enum ckpt_quick_stop quick;

	ckpt_turns_settle(t);
	if (ckpt_turns_goes_on(t)) {
		ckpt_turns_cut(t);
		return CKPT_HANDLED;
	}
	/* Who is about to make its call again is in none of our code. */
	if (t == tl->live && tl->clock && !t->thread->again) {
		if (ckpt_quick_goes_on(t, tl->record->due))
			return CKPT_HANDLED;
		if (ckpt_quick_stopped(t, &quick) || ckpt_clock_stopped(t))
			return CKPT_HANDLED; /* it died: told soon */
		if (t->thread->unlogged)
			behind_unlogged(t);
		if (quick == CKPT_QUICK_AGAIN)
			go_on_to_call(t);
		if (quick == CKPT_QUICK_BEHIND)
			behind_call(t);
		if (quick == CKPT_QUICK_CUT) {
			tl->record->due = false; /* another time */
			ckpt_turns_cut(t);
		}
		if (quick >= CKPT_QUICK_AGAIN)
			return CKPT_HANDLED;
	}
	if (t->thread->restarts && !t->thread->again) /* else that is known */
		stay_interrupted(t);
	verdict = t == tl->live ? stopped(tl, t) : ckpt_turns_stopped(t);
	if (verdict != CKPT_HANDLED && t->thread) {
		ckpt_quick_off(t);
		t->thread->let = false;
		ckpt_signal_release(t, false);
	}
	return verdict;
}

void ckpt_record_resume(struct ckpt_task *t, int request, int sig)
{
	struct ckpt_timeline *tl = t->timeline;
	struct ckpt_record *rec = tl->record;
	struct ckpt_thread *th = t->thread;
	enum ckpt_effect effect;
	uint8_t insn[2];

	if (t != tl->live) {
		ckpt_turns_let(t, request, sig);
		return;
	}
	ckpt_quick_resumed(tl);
	th->let = true;
	th->request = request;
	th->refused = th->stops_behind = false; /* somebody has seen it there */
	if (t->in_call) {			/* at an event or entry stop amid a call */
		th->step_call = request == PTRACE_SINGLESTEP;
		if (th->interrupted) /* that step's end was told amid it */
			ckpt_turns_again(t);
		else
			enter(t, sig);
		return;
	}
	th->step_call = th->step_over = false; /* a signal may have come before that call */
	if (is_still(t))
		rec->aligned = true;
	if (th->held && !sig)
		sig = th->sig;
	effect = sig ? ckpt_signal_effect(t, sig) : CKPT_EFFECT_NONE;
	if (effect == CKPT_EFFECT_NONE || rec->changed)
		th->struck = false;
	if (effect == CKPT_EFFECT_NONE)
		sig = 0;
	if (sig && tl->nthreads > 1 && !th->held && effect == CKPT_EFFECT_DEATH) {
		/* It kills: once the debugger has resumed the other threads, too. */
		th->held = true;
		th->sig = sig;
		return;
	}
	if (th->held)
		th->sig = 0;
	th->held = false;
	if (sig && sig != th->siginfo.si_signo) /* the user's: `signal N' */
		th->siginfo = (siginfo_t){ .si_signo = sig, .si_code = SI_USER };
	if (rec->changed) {
		ckpt_record_after_change(tl, sig);
	} else if (sig && ckpt_signal_deliver(t, sig, effect, ckpt_record_where(tl))) {
		rec->aligned = false;
		if (t->state == CKPT_RUNNING)
			return;
		if (t->state == CKPT_SIGNAL && t->stop.sig == SIGTRAP &&
		    request != PTRACE_SINGLESTEP)
			run_on(t, PTRACE_SYSCALL, 0);
		else
			t->ops->stopped(t, &t->stop);
		return;
	} else if (sig) {
		ckpt_snapshot(tl, ckpt_record_where(tl), false, sig, &th->siginfo);
	}
	if (sig && effect == CKPT_EFFECT_DEATH && !ckpt_signal_is_blocked(t, sig))
		ckpt_clock_end(t);
	/* Given elsewhere than at a signal's stop it will come as a new one,
	 * from us. */
	th->redeliver = t->state == CKPT_SIGNAL ? 0 : sig;
	if (request != PTRACE_SINGLESTEP) {
		run_on(t, PTRACE_SYSCALL, sig);
		return;
	}
	ckpt_overlay_insn(t, insn);
	th->step_call = !sig && ((insn[0] == 0x0f && (insn[1] == 0x05 || insn[1] == 0x34)) ||
				 ckpt_calls_again(ckpt_regs(t)));
	if (th->step_call) {
		th->step_over = ckpt_overlay_lacks(&tl->overlay, ckpt_regs(t)->rip) &&
				!ckpt_overlay_at(&tl->overlay, ckpt_regs(t)->rip + 2, NULL);
		run_on(t, PTRACE_SYSCALL, 0);
		return;
	}
	/* A step is over at once: no need to go to sleep for it. But a leader that the signal
	 * kills is told only behind its threads. */
	run_on(t, PTRACE_SINGLESTEP, sig);
	if (t->state != CKPT_RUNNING || (sig && tl->nthreads > 1))
		return;
	while (ckpt_wait(t, NULL) == -EINTR)
		;
	if (ckpt_is_pushf(insn) && !sig && t->state == CKPT_SIGNAL && t->stop.sig == SIGTRAP)
		ckpt_hide_trap_in_flags(t);
	t->ops->stopped(t, &t->stop);
}

void ckpt_record_exec(struct ckpt_task *t)
{
	struct ckpt_record *rec = t->timeline->record;

	t->in_call = false;
	t->thread->step_call = t->thread->barrier = false;
	t->thread->makes_rest = t->thread->more = false; /* another thread may have made the call */
	t->thread->done = 0;
	t->thread->clear_tid = 0;
	if (t->timeline->outside)
		ckpt_outside_exec(t, t->timeline->outside);
	rec->changed = false;
	rec->aligned = true;
	t->timeline->overlay.n = 0; /* gone with the old program */
	ckpt_written_start(t);
	ckpt_shared_look(t->timeline, t);
}

void ckpt_record_tick(struct ckpt_timeline *tl)
{
	struct ckpt_task *t = tl->live;
	bool waited, asked, stuck;

	if (!t || !tl->recording)
		return;
	ckpt_clock_tick(tl);
	ckpt_timeouts_tick(tl);
	if (t->state != CKPT_RUNNING)
		return;
	if (tl->record->due) {
		if (tl->record->patient && !t->in_call)
			ckpt_interrupt(t);
		tl->record->patient &= t->in_call;
		return;
	}
	if (ckpt_signal_is_late(t))
		ckpt_interrupt(t);
	waited = ckpt_turns_next(tl) != NULL;
	/* Its next call makes a stop, where it yields. */
	asked = waited && ckpt_now() - tl->turn_began > SLICE_MIN && ckpt_quick_interrupt(tl);
	/* Whoever used a descriptor while it got another meaning, or that was ready in vain. */
	stuck = ckpt_quick_keeps_turn(tl);
	tl->record->preempt = waited && (stuck || ckpt_now() - tl->turn_began > slice(tl));
	if (!stuck && !tl->record->preempt &&
	    ckpt_now() - tl->last_snap < ckpt_snapshot_spacing(tl))
		return;
	if (!stuck && ckpt_quick_sleeps(tl))
		return;
	tl->record->due = true;
	/* At a call's end it is cheaper to come back to. */
	tl->record->patient = !t->in_call && !stuck && (asked || ckpt_quick_interrupt(tl));
	if (!t->in_call && !tl->record->patient)
		ckpt_interrupt(t);
}
