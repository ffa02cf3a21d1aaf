/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "ckptcore/arch/x86_64/vdso.h"
#include "ckptcore/quick.h"
#include "ckptcore/record.h"
#include "ckptcore/replay.h"
#include "ckptcore/signals.h"
#include "ckptcore/turns.h"

#define GRACE_NS 40000	  /* a call that takes longer lets others run */
#define FALLS_ASLEEP 5e-6 /* seconds: soon a call that waits sleeps */
#define SLEPT 0.0005	  /* seconds: who has been away that long gets the next turn */
#define MOST_WAKES 1000
#define FREEZE_SECONDS 0.2 /* who doesn't stop in that time can't now */

/* ------------------------------------------------------------------- turns */

/* Whether t's call writes as it falls asleep: then that, too, happens in its turn. */
static bool is_early(const struct ckpt_task *t)
{
	return ckpt_call_flags(t->thread->call, t->thread->args) & CKPT_CALL_EARLY;
}

static bool can_run(const struct ckpt_task *t)
{
	return t->thread->let && ckpt_turns_is_stopped(t) &&
	       (!t->thread->interrupted || is_early(t)) && !t->thread->unborn;
}

struct ckpt_task *ckpt_turns_next(const struct ckpt_timeline *tl)
{
	struct ckpt_task *next = NULL;

	if (tl->nthreads < 2)
		return NULL;
	if (tl->woken && can_run(tl->woken))
		return tl->woken;
	/* Who has waited longest: in a fixed order one that wakes up all the time would always hand its
	 * turn to the same one. */
	for (size_t i = 0; i < tl->nthreads; i++) {
		struct ckpt_task *t = tl->threads[i];

		if (t != tl->live && can_run(t) && (!next || t->thread->left < next->thread->left))
			next = t;
	}
	return next;
}

/* t, which stands before its call once more, has come by the debugger's int3 there already: it makes
 * the call from elsewhere. */
static bool go_around_int3(struct ckpt_task *t)
{
	if (!ckpt_overlay_at(&t->timeline->overlay, ckpt_regs(t)->rip, NULL) ||
	    (!t->syscall_ip && ckpt_vdso_find(t)))
		return false;
	ckpt_regs(t)->rip = t->syscall_ip;
	ckpt_regs_dirty(t);
	return true;
}

static void come_around_int3(struct ckpt_task *t)
{
	struct user_regs_struct *r = ckpt_regs(t);
	uint64_t by = r->rip - t->syscall_ip;

	if (!t->syscall_ip || (by != 0 && by != 2))
		return;
	r->rip = t->thread->ip - 2 + by;
	if (by)
		t->stop.ip = r->rcx = r->rip;
	ckpt_regs_dirty(t);
}

void ckpt_turns_again(struct ckpt_task *t)
{
	struct ckpt_thread *th = t->thread;
	struct user_regs_struct *r = ckpt_regs(t);

	th->interrupted = false;
	if (!th->again) {
		th->code = t->stop.rval;
		ckpt_before_call(t, r);
		if (th->code == -516) /* the kernel knows how much time is left */
			r->rax = SYS_restart_syscall;
		ckpt_regs_dirty(t);
	}
	th->again = t->in_call = true;
	ckpt_transfer_rest(t);
	th->detour = ckpt_quick_detour(t) || go_around_int3(t);
	ckpt_resume(t, PTRACE_SYSCALL, 0);
}

/* The same of t, interrupted, whose turn it isn't. */
static void again(struct ckpt_task *t)
{
	if (!is_early(t))
		ckpt_turns_again(t);
}

void ckpt_turns_timed(struct ckpt_thread *th)
{
	th->timed_nr = th->nr;
	memcpy(th->timed_args, th->args, sizeof(th->args));
}

void ckpt_turns_settle(struct ckpt_task *t)
{
	if (t->thread->detour && t->state != CKPT_DEAD) {
		ckpt_quick_back(t);
		come_around_int3(t);
	}
	t->thread->detour = false;
	ckpt_transfer_settle(t);
	if (t->state == CKPT_EXIT && t->stop.rval == -516)
		ckpt_turns_timed(t->thread);
}

int64_t ckpt_turns_ended(struct ckpt_task *t)
{
	struct ckpt_thread *th = t->thread;
	struct user_regs_struct *r = ckpt_regs(t);

	r->rip = th->ip; /* it may have been brought there already */
	r->orig_rax = (uint64_t)th->nr;
	r->rax = (uint64_t)th->code;
	ckpt_regs_dirty(t);
	th->again = false;
	return th->code;
}

void ckpt_turns_stay(struct ckpt_task *t)
{
	t->thread->interrupted = true;
	if (t->thread->done)
		ckpt_turns_ended(t);
}

/* Has the thread whose turn has come use it. */
static void use_turn(struct ckpt_task *t)
{
	struct ckpt_thread *th = t->thread;
	int sig = th->sig;

	if (!ckpt_turns_is_stopped(t))
		return; /* in its call */
	if (th->interrupted) {
		if (th->let)
			ckpt_turns_again(t);
	} else if (th->pending) {
		th->pending = false;
		t->ops->stopped(t, &t->stop);
	} else if (th->let) {
		th->sig = 0;
		ckpt_record_resume(t, th->request, sig);
	}
}

/* A TURN of from's follows on a snapshot, which stays if that was amid its code. */
static void note_preempted(struct ckpt_timeline *tl, const struct ckpt_task *from)
{
	struct ckpt_snap *s = tl->nsnaps ? tl->snaps[tl->nsnaps - 1] : NULL;

	if (s && !from->in_call && s->before == CKPT_END_MATCH && s->event + 1 == tl->nevents)
		s->ends_turn = true;
}

/* From now on it is to's turn, which doesn't use it yet. Negative errno: the recording has ended. */
static int give_turn(struct ckpt_timeline *tl, struct ckpt_task *to)
{
	struct ckpt_task *from = tl->live;
	const struct ckpt_event ev = {
		.kind = CKPT_EV_TURN,
		.turn = from->in_call ? CKPT_TURN_AT_CALL : CKPT_TURN_HERE,
		.nr = from->in_call ? (int16_t)from->thread->nr : 0,
		.result = ckpt_vtid(to),
		.file = -1,
	};

	int err = ckpt_log_add(tl, &ev);

	if (err) {
		ckpt_record_stop(tl, "no memory for the log");
		return err;
	}
	tl->turn_began = ckpt_now();
	note_preempted(tl, from);
	ckpt_record_aligned(tl);
	ckpt_turns_hand_over(tl, to);
	return 0;
}

bool ckpt_turns_since(struct ckpt_timeline *tl, uint64_t n)
{
	while (n < tl->nevents && ckpt_log_event(tl, n).kind != CKPT_EV_TURN)
		n++;
	return n < tl->nevents;
}

void ckpt_turns_turn(struct ckpt_timeline *tl, struct ckpt_task *to)
{
	if (give_turn(tl, to))
		return;
	use_turn(to);
	if (tl->live == to && to->state == CKPT_RUNNING)
		ckpt_expect(to, false);
}

void ckpt_turns_lead(struct ckpt_task *t)
{
	struct ckpt_timeline *tl = t->timeline;
	struct ckpt_thread *th = t->thread;
	struct ckpt_task *from = tl->live;

	if (t == from || !ckpt_turns_is_stopped(t) || !ckpt_turns_is_stopped(from) || th->unborn ||
	    th->gone)
		return;
	ckpt_record_settle(tl);
	if ((!from->in_call && ckpt_snapshot(tl, ckpt_record_where(tl), false, 0, NULL)) ||
	    give_turn(tl, t))
		return;
	if (th->interrupted && th->done) { /* it ends with that part */
		t->state = CKPT_EXIT;
		t->stop.rval = (int64_t)th->done;
		th->interrupted = false;
		th->pending = true;
	}
	if (th->pending && t->in_call && t->state == CKPT_EXIT) {
		th->pending = false;
		ckpt_record_cloned(t);
	}
	if (th->interrupted) {
		/* As a stop by a signal, from which the kernel makes the call again by itself. */
		th->interrupted = th->again = t->in_call = false;
		t->state = CKPT_EVENT;
		t->stop.event = PTRACE_EVENT_STOP;
	}
}

/* Whether it was us who have ended t's call. (If a signal for the whole process has, and none of the other threads
 * takes it meanwhile, it comes to t before the call is made again, which then ends as it has: ckpt_turns_ended().) */
static bool was_interrupted(struct ckpt_task *t)
{
	/* What sigreturn seems to end with is another call's. */
	return t->state == CKPT_EXIT && t->thread->class != CKPT_CALL_SIGRETURN &&
	       (ckpt_interrupted(t->stop.rval) || t->stop.rval == -EINTR) &&
	       !ckpt_signal_comes(t) && !ckpt_timeout_ends(t);
}

/* Whether another thread has got a signal since t's call began, which may have woken t, too. Not for ever: some calls
 * end so by themselves. */
static bool was_woken(struct ckpt_task *t)
{
	struct ckpt_thread *th = t->thread;

	return t->timeline->signalled >= th->began && th->woken++ < MOST_WAKES;
}

bool ckpt_turns_goes_on(struct ckpt_task *t)
{
	const struct ckpt_thread *th = t->thread;
	const bool ended = t->stop.rval == -EINTR;

	if (!t->in_call || t->state != CKPT_EXIT || th->step_over)
		return false;
	/* It has moved the rest of one piece, and there are others. */
	if (th->more || (t->cuts > 0 && t->stop.rval > 0))
		return ckpt_transfer_cut(t);
	if (!ended && (t == t->timeline->live || !ckpt_interrupted(t->stop.rval)))
		return false;
	/* A signal for the whole process that has woken t is to come to t, too: now, or who runs would take it. */
	return ((ended && (t->cuts > 0 || was_woken(t))) || ckpt_signal_may_come(t)) &&
	       was_interrupted(t);
}

/* t's call, which we have interrupted, is to go on. */
static void note_interrupted(struct ckpt_task *t)
{
	t->thread->interrupted = true;
	ckpt_record_write(t); /* how much time is left, for instance */
	t->thread->wrote = false;
}

void ckpt_turns_cut(struct ckpt_task *t)
{
	note_interrupted(t);
	if (!t->thread->let)
		return;
	ckpt_turns_again(t);
	if (t == t->timeline->live)
		ckpt_expect(t, false);
}

/* Whether t, in the kernel, comes back soon; then it is at its stop. */
static bool comes_back(struct ckpt_task *t)
{
	enum ckpt_sleeps sleeps = t->thread->sleeps;
	double end;
	int err;

	t->thread->sleeps = CKPT_SLEEPS_YES; /* if it doesn't come */
	if (sleeps == CKPT_SLEEPS_YES)
		return false;
	if (sleeps == CKPT_SLEEPS_NO) {
		/* If it takes long all the same, the tracer's own clock says so. */
		err = ckpt_wait(t, NULL);
		return !err || !ckpt_wait(t, NULL);
	}
	end = ckpt_now() + GRACE_NS * 1e-9;
	ckpt_turns_grace(GRACE_NS);
	do
		err = ckpt_wait(t, NULL);
	while (err == -EINTR && ckpt_now() < end);
	ckpt_turns_grace(0);
	return !err;
}

/*
 * The debugger steps t, in the kernel, over a breakpoint, and all other threads stand meanwhile:
 * if they are to wake t, nobody ever does. So, when t sleeps, the step is said to be over,
 * though t is amid its call, as threads are seen that the debugger stops there. It resumes all
 * then, with that breakpoint in its place.
 */
static bool end_step_amid(struct ckpt_task *t)
{
	if (!t->thread->step_over || !ckpt_turns_others_live(t))
		return false;
	if (comes_back(t))
		ckpt_dispatch(t);
	else if (!ckpt_interrupt(t))
		ckpt_expect(t, false);
	return true;
}

bool ckpt_turns_step_ends(struct ckpt_task *t)
{
	struct ckpt_thread *th = t->thread;

	if (!th->step_call || !th->step_over || !(was_interrupted(t) || ckpt_transfer_cut(t)))
		return false;
	th->step_call = th->step_over = false;
	note_interrupted(t);
	return true;
}

/* t's call writes as it falls asleep: that is there before another's turn. True: it came back. */
static bool writes_early(struct ckpt_task *t)
{
	if (!is_early(t))
		return false;
	while (ckpt_wait_until(t, NULL, ckpt_now() + FALLS_ASLEEP))
		if (ckpt_proc_state(t->tid) == 'S') {
			ckpt_record_write(t);
			t->thread->wrote = false; /* it isn't over */
			return false;
		}
	return true;
}

void ckpt_turns_called(struct ckpt_task *t)
{
	struct ckpt_timeline *tl = t->timeline;
	struct ckpt_task *to = ckpt_turns_next(tl);

	if (t->state != CKPT_RUNNING || (!to && end_step_amid(t)))
		return;
	/* What shapes the process happens in one's own turn. */
	if (!to ||
	    (t->thread->class != CKPT_CALL_ANSWER && t->thread->class != CKPT_CALL_RESTART)) {
		ckpt_expect(t, false);
		return;
	}
	if (comes_back(t) || writes_early(t)) {
		ckpt_dispatch(t);
		return;
	}
	ckpt_turns_turn(tl, to);
}

/* The turn goes to who can use it, if the one that has it can't. */
static void reconsider(struct ckpt_timeline *tl)
{
	struct ckpt_task *t = tl->live, *to = ckpt_turns_next(tl);

	if (!to || !t->thread->let || !t->in_call || t->state != CKPT_RUNNING)
		return;
	ckpt_turns_called(t);
}

bool ckpt_record_kills(const struct ckpt_timeline *tl)
{
	return tl->live && tl->recording && tl->live->thread->held;
}

void ckpt_record_idle(struct ckpt_timeline *tl)
{
	struct ckpt_task *t = tl->live, *to;

	if (ckpt_record_kills(tl) && t->thread->let) {
		ckpt_record_resume(t, t->thread->request, 0);
		return;
	}
	if (!t || !tl->recording || !(to = ckpt_turns_next(tl)))
		return;
	if (t->thread->let) {
		reconsider(tl);
		return;
	}
	/* The debugger has stopped it, and lets another one run. */
	if (!ckpt_turns_is_stopped(t) && !t->in_call)
		return;
	ckpt_record_settle(tl);
	if (!t->in_call && ckpt_snapshot(tl, ckpt_record_where(tl), false, 0, NULL))
		return;
	ckpt_turns_turn(tl, to);
}

/* t's stop is for its turn: soon, if it has slept so long that it can't be one of many that do nothing but
 * wake each other. */
static void set_pending(struct ckpt_task *t)
{
	struct ckpt_timeline *tl = t->timeline;

	t->thread->pending = true;
	ckpt_quick_waited(tl);
	if (t->state != CKPT_EXIT || !t->in_call)
		return;
	ckpt_record_write(t);
	if (tl->woken || ckpt_now() - t->thread->left < SLEPT)
		return;
	tl->woken = t;
	ckpt_quick_interrupt(tl);
}

enum ckpt_verdict ckpt_turns_stopped(struct ckpt_task *t)
{
	struct ckpt_thread *th = t->thread;

	switch (t->state) {
	case CKPT_DEAD:
		ckpt_turns_died(t);
		return CKPT_REPORT;
	case CKPT_ENTRY: /* the call that was interrupted */
	case CKPT_SECCOMP:
		th->again = false;
		ckpt_resume(t, PTRACE_SYSCALL, 0);
		return CKPT_HANDLED;
	case CKPT_EVENT:
		if (t->stop.event != PTRACE_EVENT_STOP)
			break;
		if (!th->met) {
			th->met = true;
			return CKPT_REPORT;
		}
		if (t->in_call && th->again) { /* at its site, where an int3 may be */
			th->interrupted = true;
			again(t);
			return CKPT_HANDLED;
		}
		if (t->in_call) {
			ckpt_resume(t, PTRACE_SYSCALL, 0);
			return CKPT_HANDLED;
		}
		break;
	default:
		break;
	}
	set_pending(t);
	reconsider(t->timeline);
	return CKPT_HANDLED;
}

void ckpt_turns_let(struct ckpt_task *t, int request, int sig)
{
	t->thread->let = true;
	t->thread->request = request;
	t->thread->sig = sig;
	/* If the call is over already, the step is the instruction behind it. */
	t->thread->step_call = request == PTRACE_SINGLESTEP && t->in_call && !t->thread->pending;
	if (t->thread->interrupted)
		again(t);
	else if (t->in_call && !t->thread->pending && ckpt_turns_is_stopped(t))
		ckpt_resume(t, PTRACE_SYSCALL, sig); /* into the kernel, or on in it */
}

void ckpt_record_step_call(struct ckpt_task *t)
{
	if (ckpt_target_recorded(t))
		t->thread->step_call = t->in_call;
}

/* ----------------------------------------------------------- all of them */

/* Stops t, whose turn it isn't, wherever it is. -EBUSY, -ESRCH as below. */
static int hold(struct ckpt_task *t)
{
	double deadline = ckpt_now() + FREEZE_SECONDS;
	int err = 0;

	if (ckpt_turns_is_stopped(t))
		return 0;
	if (t->state == CKPT_DEAD) /* told soon */
		return -ESRCH;
	while (!err && !ckpt_turns_is_stopped(t)) {
		ckpt_interrupt(t);
		err = ckpt_wait_until(t, NULL, deadline);
		if (!err)
			ckpt_turns_settle(t);
		if (!err && t->state == CKPT_DEAD) {
			ckpt_tell_later(t);
			return -ESRCH;
		}
		if (!err && (t->state == CKPT_ENTRY || t->state == CKPT_SECCOMP)) {
			t->thread->again = false;
			ckpt_resume(t, PTRACE_SYSCALL, 0);
		} else if (!err && t->state == CKPT_EVENT && t->stop.event != PTRACE_EVENT_STOP)
			ckpt_dispatch(t);
	}
	if (!err && !t->thread->met) {
		ckpt_first_stop(t);
		return 0;
	}
	if (err || !t->in_call || t->thread->interrupted || t->thread->pending)
		return err;
	if (t->state == CKPT_EVENT && t->thread->again) {
		ckpt_turns_stay(t);
	} else if (was_interrupted(t) || ckpt_transfer_cut(t)) {
		note_interrupted(t);
	} else {
		set_pending(t);
	}
	return 0;
}

int ckpt_record_hold(struct ckpt_task *t)
{
	int err = hold(t);

	if (err)
		return err;
	t->thread->let = false;
	/* The debugger may look at the code by way of it. */
	ckpt_quick_bring_out(t->timeline);
	return 0;
}

int ckpt_turns_freeze(struct ckpt_timeline *tl)
{
	int err = 0, err2;

	for (size_t i = 0; i < tl->nthreads; i++) {
		struct ckpt_task *t = tl->threads[i];

		if (t == tl->live || t->thread->gone || ckpt_turns_is_stopped(t))
			continue;
		err2 = hold(t);
		if (err2)
			err = err2;
	}
	return err;
}

void ckpt_turns_thaw(struct ckpt_timeline *tl)
{
	for (size_t i = 0; i < tl->nthreads; i++) {
		struct ckpt_task *t = tl->threads[i];

		if (t != tl->live && t->thread->interrupted && t->thread->let)
			again(t);
	}
}

static bool any_at_site(const struct ckpt_timeline *tl)
{
	for (size_t i = 0; i < tl->nthreads; i++) {
		const struct ckpt_thread *th = tl->threads[i]->thread;

		if (!th->gone && th->again && !th->detour)
			return true;
	}
	return false;
}

bool ckpt_turns_off_sites(struct ckpt_timeline *tl)
{
	int err;

	if (!any_at_site(tl))
		return true;
	err = ckpt_turns_freeze(tl);
	ckpt_turns_thaw(tl);
	return !err && !any_at_site(tl);
}
