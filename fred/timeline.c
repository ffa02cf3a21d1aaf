/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ckptcore/budget.h"
#include "ckptcore/target.h"
#include "fred/branch.h"
#include "fred/checkpoint.h"
#include "fred/forward.h"
#include "fred/progress.h"
#include "fred/seek.h"
#include "fred/threads.h"
#include "fred/timeline.h"
#include "fred/trail.h"
#include "fred/undo.h"

#define F fred_tl
#define MAX_PUSHED (1 << 20) /* bytes of a call's arguments */

bool fred_no_record, fred_verbose;

static bool ticked; /* the clock has just struck */

struct cut {
	struct ckpt_timeline *tl;
	size_t n;
};

static void cut_here(void *arg)
{
	const struct cut *c = arg;

	if (c->tl != F.tl)
		return;
	fred_trail_forget();
	fred_undo_cutting(c->n);
	fred_checkpoints_cutting(c->n);
}

/* What stands in the part of history that is about to go. */
static void cutting(struct ckpt_timeline *tl, size_t n)
{
	struct cut c = { tl, n };

	fred_processes_each(cut_here, &c);
}

/* The live target's turn has come to another of its threads. */
static void turned(struct ckpt_timeline *tl, struct ckpt_task *from, struct ckpt_task *to)
{
	for (struct fred_timeline *f = fred_processes(); f; f = f->next) {
		struct ckpt_task **const places[] = { &f->now, &f->origin, &f->staged };

		for (size_t i = 0; tl == f->tl && i < sizeof(places) / sizeof(*places); i++)
			if (*places[i] == from)
				*places[i] = to;
	}
}

void fred_timeline_init(bool record, bool verbose)
{
	ckpt_cutting = cutting;
	ckpt_turned = turned;
	fred_no_record = !record;
	fred_verbose = verbose;
}

void fred_say(const char *text)
{
	if (ckpt_warn)
		ckpt_warn(text);
}

static bool is_ours(const struct vpt_thread *vt)
{
	return F.vt && vt->tgid == F.vt->tgid;
}

static bool is_puppet(const struct ckpt_task *t)
{
	return t && t->play;
}

/* --------------------------------------------------------- begin and end */

static void forget_staged(void)
{
	if (F.peeking)
		fred_timeline_peek(false);
	if (is_puppet(F.staged))
		ckpt_puppet_destroy(F.staged);
	F.staged = NULL;
	F.landing = false;
}

static void forget_clean(void)
{
	ckpt_puppet_destroy(F.clean);
	F.clean = NULL;
	F.taint = FRED_CLEAN;
}

static void forget_last(void)
{
	ckpt_puppet_destroy(F.last);
	F.last = NULL;
}

/* The live process plays again, as far as it still exists. */
void fred_timeline_drop_puppet(void)
{
	forget_staged();
	forget_clean();
	forget_last();
	if (is_puppet(F.now)) {
		struct ckpt_task *p = F.now;

		if (F.vt)
			fred_threads_play(F.tl->live);
		ckpt_puppet_destroy(p);
	}
	F.now = F.tl ? F.tl->live : NULL;
	F.held.waits = F.going = false;
}

static void tick_here(void *arg)
{
	(void)arg;
	if (F.tl && F.now == F.tl->live)
		ckpt_record_tick(F.tl);
}

void fred_timeline_tick(void)
{
	ticked = true;
	fred_progress_tick();
	fred_timeline_idle();
	ticked = false;
	fred_processes_each(tick_here, NULL);
}

/* ------------------------------------------------------------- where we are */

int fred_timeline_moment(struct ckpt_goal *goal, size_t *interval)
{
	struct ckpt_task *p;

	if (!F.tl || !F.tl->nsnaps)
		return -ENOENT;
	fred_timeline_restore();
	p = F.last ? F.last : F.now;
	if (is_puppet(p)) {
		memset(goal, 0, sizeof(*goal));
		*interval = p->play->interval;
		goal->event = p->play->event;
		goal->how = p->state == CKPT_ENTRY ? CKPT_END_CALL : CKPT_END_MATCH;
		goal->ref = p;
		goal->regs = ckpt_canonical(p);
		return 0;
	}
	ckpt_record_settle(F.tl);
	*interval = F.tl->nsnaps - 1;
	ckpt_goal_of(F.tl, *interval, goal);
	return 0;
}

int fred_timeline_copy(struct ckpt_task *p, struct ckpt_task **ret)
{
	struct ckpt_goal goal;
	size_t interval;
	int err;

	if (is_puppet(p)) {
		err = ckpt_puppet_clone(p, ret);
		if (!err)
			ckpt_overlay_remove(&F.tl->overlay, *ret);
		return err;
	}
	err = fred_timeline_moment(&goal, &interval);
	if (err || goal.how == CKPT_END_CALL)
		return err ? err : -EBUSY;
	err = ckpt_snapshot(F.tl, goal.how, false, 0, NULL);
	return err ? err : ckpt_puppet_create(F.tl, F.tl->nsnaps - 1, ret);
}

/* ------------------------------------------------------------- transplants */

void fred_timeline_stage(struct ckpt_task *p, enum fred_arrival arrival)
{
	forget_staged();
	F.staged = p;
	F.arrival = arrival;
}

void fred_timeline_unstage(void)
{
	forget_staged();
}

void fred_timeline_peek(bool in)
{
	if (in == F.peeking || !F.vt || (in && !F.staged))
		return;
	if (in) {
		F.origin = F.now;
		F.now = F.staged;
	} else {
		F.now = F.origin;
	}
	F.peeking = in;
	fred_threads_play(F.now);
}

static void tell_held(void)
{
	struct vpt_thread *vt = vpt_find(F.held.tid);

	F.held.waits = false;
	fred_threads_vanish();
	/* Only now: as long as it is announced, it stands before the int3. */
	if (F.held.at_int3 && ckpt_overlay_at(&F.tl->overlay, ckpt_regs(F.now)->rip, NULL)) {
		ckpt_regs(F.now)->rip++;
		ckpt_regs_dirty(F.now);
		F.held.siginfo = vpt_trap_info(SI_KERNEL);
	}
	F.held.at_int3 = false;
	vpt_report(vt ? vt : F.vt, F.held.status, &F.held.siginfo);
}

/* A thread that the debugger has stopped can't stop once more. */
static bool can_tell_held(void)
{
	const struct vpt_thread *vt = vpt_find(F.held.tid);

	return !vt || vt->state == VPT_RUNNING;
}

/* Tells the debugger that the thread tid has stopped; before that, which
 * threads have ended and which have begun, by way of vt, which it has resumed. */
void fred_timeline_tell(struct vpt_thread *vt, pid_t tid, int status, const siginfo_t *si)
{
	fred_threads_play(F.now);
	if (vt->task) /* else others have to be there first */
		fred_threads_vanish();
	F.held.waits = true;
	F.held.tid = tid;
	F.held.status = status;
	F.held.siginfo = *si;
	if (!fred_threads_appear(vt))
		tell_held();
}

/* The debugger's register that watches addr. */
static unsigned int debug_register(const struct vpt_thread *vt, uint64_t addr)
{
	static const unsigned int lens[] = { 1, 2, 8, 4 };

	for (unsigned int i = 0; i < 4; i++)
		if (vt->dr[7] >> i * 2 & 3 &&
		    addr - vt->dr[i] + 7 < lens[vt->dr[7] >> (18 + i * 4) & 3] + 7)
			return i;
	return 0;
}

/* Tells the debugger that the program has stopped where it is now. */
void fred_timeline_announce(struct vpt_thread *vt, enum fred_arrival arrival)
{
	struct ckpt_task *t = F.now;
	struct vpt_thread *own = fred_threads_current();
	siginfo_t si = vpt_trap_info(TRAP_TRACE);

	F.held.at_int3 = arrival == FRED_ARRIVE_BREAKPOINT;
	if (arrival == FRED_ARRIVE_WATCH) {
		if (!own)
			own = vt;
		si = vpt_trap_info(4 /* TRAP_HWBKPT */);
		own->dr[6] = 0xffff0ff0ull | 1ull << debug_register(own, F.watch_addr);
		own->dr6_ours = true;
	}
	fred_timeline_tell(vt, ckpt_vtid(t), W_STOPCODE(SIGTRAP), &si);
}

/* The debugger sees an exec: it reads the symbols of the program that plays,
 * and knows that none of its breakpoints is in it. */
void fred_timeline_announce_exec(struct vpt_thread *vt)
{
	siginfo_t si = vpt_trap_info(SIGTRAP | PTRACE_EVENT_EXEC << 8);

	F.tl->overlay.n = 0;
	vt->msg = (unsigned long)vt->tid;
	vpt_report(vt, W_STOPCODE(SIGTRAP) | PTRACE_EVENT_EXEC << 16, &si);
}

bool fred_timeline_is_at(int event)
{
	return F.tl->live && F.tl->live->state == CKPT_EVENT && F.tl->live->stop.event == event;
}

/* Leaving a vfork at which it was stopped, the debugger waits for the child to be on its
 * own, and has no breakpoints until then: in the past it would wait for ever. */
static bool end_vfork(struct vpt_thread *vt)
{
	siginfo_t si = vpt_trap_info(SIGTRAP | PTRACE_EVENT_VFORK_DONE << 8);

	if (F.now != F.tl->live || !fred_timeline_is_at(PTRACE_EVENT_VFORK) ||
	    F.vforked == F.now->stop.msg)
		return false;
	F.vforked = vt->msg = F.now->stop.msg;
	vpt_report(vt, W_STOPCODE(SIGTRAP) | PTRACE_EVENT_VFORK_DONE << 16, &si);
	return true;
}

static void land(struct vpt_thread *vt)
{
	struct ckpt_task *former = F.peeking ? F.origin : F.now, *to = F.staged;
	enum fred_arrival arrival = F.arrival;
	siginfo_t si;

	F.peeking = false;

	F.staged = NULL;
	F.landing = F.interrupted = false;
	forget_clean();
	forget_last();
	fred_branch_follow(to, former);
	F.now = to;
	if (former && former != to) {
		/* What the debugger takes out from now on, it takes out of `to'. */
		if (!is_puppet(former))
			ckpt_overlay_remove(&F.tl->overlay, former);
		fred_threads_play(to);
		if (is_puppet(former))
			ckpt_puppet_destroy(former);
		ckpt_overlay_apply(&F.tl->overlay, to);
	}
	ckpt_stats.transplants++;
	if (F.other_program) {
		if (is_puppet(to))
			ckpt_overlay_remove(&F.tl->overlay, to);
		F.other_program = false;
		F.arriving = true;
		fred_timeline_announce_exec(vt);
		return;
	}
	if (!is_puppet(to) && ckpt_record_signal(F.tl, &si)) {
		vpt_report(vt, W_STOPCODE(si.si_signo), &si); /* it stopped by that */
		return;
	}
	fred_timeline_announce(vt, arrival);
}

static void say_unchangeable(void)
{
	if (!F.said_unchangeable)
		fred_say("the change is dropped: the past is as it was");
	F.said_unchangeable = true;
}

/* The puppet as it was plays again. */
static void take_clean(void)
{
	struct ckpt_task *former = F.now;

	if (F.peeking)
		F.staged = F.clean;
	F.now = F.clean;
	F.clean = NULL;
	F.taint = FRED_CLEAN;
	fred_threads_play(F.now);
	if (former)
		ckpt_puppet_destroy(former);
}

/* Runs it up to a stop, which is told. */
static void call_in_copy(struct vpt_thread *vt, struct ckpt_task *t, int request)
{
	siginfo_t si = vpt_trap_info(SI_KERNEL);

	while (!ckpt_resume(
		t, request == PTRACE_SINGLESTEP ? PTRACE_SYSEMU_SINGLESTEP : PTRACE_SYSEMU, 0)) {
		while (ckpt_wait(t, NULL) == -EINTR)
			if (ckpt_cancelled && ckpt_cancelled())
				ckpt_interrupt(t);
		if (t->state == CKPT_DEAD)
			break;
		if (t->state == CKPT_ENTRY) {
			ckpt_foreign_call(t);
			continue;
		}
		if (t->state == CKPT_EVENT) {
			F.call_interrupted = true;
			fred_forward_take_interrupt();
			memset(&si, 0, sizeof(si));
			si.si_signo = SIGINT;
			vpt_report(vt, W_STOPCODE(SIGINT), &si);
			return;
		}
		vpt_report(vt, W_STOPCODE(t->stop.sig), NULL);
		return;
	}
	fred_say("the copy in which the function ran has died; the program is as before");
	take_clean();
	vpt_report(vt, W_STOPCODE(SIGTRAP), &si);
}

/* A function called in the past runs: such a copy is on its own, and thrown
 * away when the registers come back. */
static void forward_calling(struct vpt_thread *vt, int request)
{
	F.call_interrupted = false;
	ckpt_cancelled = fred_forward_interrupted;
	call_in_copy(vt, vt->task, request);
	ckpt_cancelled = NULL;
}

/* Before the debugger changes a puppet that plays: keeps it as it was. True:
 * t is such a puppet. */
bool fred_timeline_changing(struct ckpt_task *t)
{
	const struct vpt_thread *vt = vpt_of(t);

	if (vt)
		fred_process_select(vt->tgid);
	if (!is_puppet(F.now) || !ckpt_vtid(t) || ckpt_puppet_thread(F.now, ckpt_vtid(t)) != t)
		return false;
	if (F.taint == FRED_CLEAN && !ckpt_puppet_clone(F.now, &F.clean)) {
		ckpt_overlay_remove(&F.tl->overlay, F.clean);
		F.taint = FRED_CHANGED;
		F.change_called = false;
	}
	return true;
}

static bool registers_differ(void)
{
	struct ckpt_general now, then;
	struct ckpt_task *clean;
	bool found = false;

	for (struct vpt_thread *vt = vpt_first(); vt; vt = vt->next) {
		if (!is_ours(vt) || !vt->task)
			continue;
		clean = ckpt_puppet_thread(F.clean, ckpt_vtid(vt->task));
		now = ckpt_general_of(ckpt_regs(vt->task));
		then = clean ? ckpt_general_of(ckpt_regs(clean)) : now;
		found |= memcmp(&now, &then, sizeof(now)) != 0;
	}
	return found;
}

/* Whether what the user has done goes with the puppet: else it is as the past was, but for
 * what functions did. */
static bool is_lost(void)
{
	if (F.peeking) /* it is a copy of ours */
		return false;
	if (F.taint == FRED_CALLING)
		return F.change_called || (!fred_timeline_calling() && registers_differ());
	return fred_branch_is_changed();
}

void fred_timeline_restore(void)
{
	if (!F.vt || F.taint == FRED_CLEAN)
		return;
	if (is_lost())
		say_unchangeable();
	take_clean();
}

/* Whether the user had changed memory before the debugger pushed a call on t's stack. */
static bool changed_before_call(struct ckpt_task *t, const struct ckpt_general *then)
{
	uint64_t sp = ckpt_regs(t)->rsp, where;
	size_t len = then->r[PROBE_RSP] - sp;
	void *stack = len < MAX_PUSHED ? malloc(len) : NULL;
	struct ckpt_task *copy;
	bool changed = false;

	if (stack && !ckpt_puppet_clone(F.now, &copy)) {
		ckpt_overlay_remove(&F.tl->overlay, copy);
		changed = !ckpt_read(F.clean, sp, stack, len) &&
			  !ckpt_write(copy, sp, stack, len) &&
			  !ckpt_same_memory(copy, F.clean, &F.tl->overlay, &where);
		ckpt_puppet_destroy(copy);
	}
	free(stack);
	return changed;
}

/* Whether a function that the debugger has called is on the stack of vt's thread. (Its
 * registers don't tell: the user may have changed some before.) */
static bool calling(const struct vpt_thread *vt)
{
	struct ckpt_task *t = vt->task, *clean = NULL;
	struct ckpt_general then;

	if (t && F.taint != FRED_CLEAN)
		clean = ckpt_puppet_thread(F.clean, ckpt_vtid(t));
	if (!clean)
		return false;
	then = ckpt_general_of(ckpt_regs(clean));
	if (ckpt_call_was_pushed(t, &then)) {
		if (ckpt_regs(t)->rsp > t->called) /* not from within another one */
			t->called = ckpt_regs(t)->rsp + 8;
		if (F.taint == FRED_CHANGED && !F.peeking)
			F.change_called = changed_before_call(t, &then);
		F.taint = FRED_CALLING;
	}
	return ckpt_regs(t)->rsp <= t->called;
}

bool fred_timeline_calling(void)
{
	bool found = false;

	for (struct vpt_thread *vt = vpt_first(); vt; vt = vt->next)
		found |= is_ours(vt) && calling(vt);
	return found;
}

static bool is_pending(void)
{
	for (struct vpt_thread *vt = vpt_first(); vt; vt = vt->next)
		if (is_ours(vt) && vt->state == VPT_PENDING)
			return true;
	return false;
}

static bool debugger_sleeps(void)
{
	return F.debugger->waiter || ckpt_proc_state(F.debugger->tgid) == 'S';
}

/*
 * Whether the debugger has resumed all that it wants to. It does so one by one
 * and waits in between; when the thread whose turn it is isn't among them, that
 * one may come yet, or the others may be about to be stopped: until it sleeps.
 */
static bool has_resumed(void)
{
	return fred_forward_stops_here() || (ticked && debugger_sleeps());
}

/* The same of all threads: before the process ends, as those that it hasn't resumed by
 * then would be missed. */
static bool has_resumed_all(void)
{
	for (struct vpt_thread *vt = vpt_first(); vt; vt = vt->next)
		if (is_ours(vt) && vt->state == VPT_STOPPED)
			return ticked && debugger_sleeps();
	return true;
}

/* Threads of a puppet have been resumed: it goes on, as it did then. */
static void go(void)
{
	struct vpt_thread *stepper = NULL, *any = NULL;

	if (!F.going || !is_puppet(F.now) || is_pending() || !has_resumed())
		return;
	for (struct vpt_thread *vt = vpt_first(); vt; vt = vt->next) {
		if (!is_ours(vt) || vt->state != VPT_RUNNING)
			continue;
		any = vt;
		if (!stepper || vt->request == PTRACE_SINGLESTEP)
			stepper = vt;
	}
	if (any && !F.tl->live && !has_resumed_all() &&
	    (stepper->request != PTRACE_SINGLESTEP || fred_seek_may_die(F.now->play->interval)))
		return;
	F.going = false;
	if (any)
		fred_forward(stepper, stepper->request);
}

static void idle_here(void *arg)
{
	(void)arg;
	if (!F.tl || !F.vt)
		return;
	if (F.held.waits) {
		if (!is_pending() && ticked && debugger_sleeps())
			tell_held(); /* it doesn't mean to resume that thread */
		return;
	}
	if (is_puppet(F.now))
		go();
	else if (F.tl->nthreads > 1 && !F.live_follows &&
		 (ckpt_record_kills(F.tl) ? has_resumed_all() : has_resumed()))
		ckpt_record_idle(F.tl);
}

void fred_timeline_idle(void)
{
	fred_processes_each(idle_here, NULL);
}

bool fred_timeline_resuming(struct vpt_thread *vt, int request, int sig)
{
	if (!fred_process_select(vt->tgid) || !is_ours(vt))
		return false;
	if (F.held.waits) {
		if (!is_pending() && !fred_threads_appear(vt) && can_tell_held())
			tell_held();
		return true;
	}
	if (F.landing && F.staged) {
		if (!end_vfork(vt))
			land(vt);
		return true;
	}
	if (F.arriving) {
		siginfo_t si;

		/* A trap might pass for the end of gdb's step over a breakpoint
		 * of the former program; an interrupt can't. */
		F.arriving = false;
		memset(&si, 0, sizeof(si));
		si.si_signo = SIGINT;
		vpt_report(vt, W_STOPCODE(SIGINT), &si);
		return true;
	}
	if (!is_puppet(F.now)) {
		if (F.live_follows) {
			if (!is_pending() && !fred_threads_appear(vt))
				fred_forward_live(request);
			return true;
		}
		return !vt->task || fred_threads_appear(vt);
	}
	/* The debugger resumes the other threads, too, some of them before that one. They
	 * only seem to run: nothing of theirs would stay. */
	if (fred_timeline_calling()) {
		if (calling(vt))
			forward_calling(vt, request);
		return true;
	}
	forget_last();
	if (fred_branch_resuming(vt, request, sig))
		return true;
	fred_timeline_restore();
	F.going |= !is_pending(); /* or this was before that stop, as it were */
	if (!fred_threads_several())
		go();
	return true;
}

void fred_timeline_begin_branch(struct ckpt_task *live)
{
	struct ckpt_task *former = F.now;

	forget_clean();
	F.now = live;
	F.going = false;
	fred_threads_play(live);
	ckpt_puppet_destroy(former);
}

void fred_timeline_replace(struct vpt_thread *vt, struct ckpt_task *puppet,
			   struct vpt_debugger *ended)
{
	if (vt) {
		F.vt = vt;
		F.debugger = vt->debugger;
		F.now = puppet;
		return;
	}
	fred_branch_follow(puppet, F.now);
	F.vt = NULL;
	forget_staged();
	forget_clean();
	if (is_puppet(F.now)) {
		F.now->owner = NULL;
		ckpt_puppet_destroy(F.now);
	} else if (F.now) {
		ckpt_overlay_remove(&F.tl->overlay, F.now);
		F.now->owner = NULL;
	}
	F.now = NULL;
	if (F.tl)
		F.tl->overlay.n = 0;
	if (ended) {
		forget_last();
		F.debugger = ended;
	} else if (!puppet && F.tl) {
		ckpt_record_kill(F.tl);
		fred_process_drop();
	}
}

/* ---------------------------------------------------------------- signals */

/* The debugger's SIGSTOP is for its own sake: the program needn't get it. */
static bool stop_virtually(struct vpt_thread *vt)
{
	siginfo_t si;

	memset(&si, 0, sizeof(si));
	si.si_signo = SIGSTOP;
	vpt_report(vt, W_STOPCODE(SIGSTOP), &si);
	return true;
}

static bool stop_live(struct vpt_thread *vt)
{
	struct ckpt_task *t = vt->task;

	if (!F.tl->recording || !t->thread || t == F.tl->live || vt->state != VPT_RUNNING)
		return false;
	if (ckpt_record_hold(t))
		return t->state == CKPT_DEAD;
	return stop_virtually(vt);
}

bool fred_timeline_signalled(struct vpt_thread *vt, int sig)
{
	if (!vt->task)
		return true; /* vanished: the number may be a live thread's */
	if (!fred_process_select(vt->tgid))
		return false;
	if (is_ours(vt) && sig == SIGKILL)
		fred_branches_drop(false);
	if (is_ours(vt) && !is_puppet(F.now) && sig == SIGSTOP && F.tl && stop_live(vt))
		return true;
	if (is_ours(vt) && !is_puppet(F.now) && vt->task->tid != vt->tid) {
		/* A branch's process has another number. */
		syscall(SYS_tgkill, vt->task->tgid, vt->task->tid, sig);
		return true;
	}
	if (!is_ours(vt))
		return false;
	if (!is_puppet(F.now))
		return false;
	if (sig == SIGSTOP && vt->state == VPT_RUNNING && fred_threads_several())
		return stop_virtually(vt);
	if (sig == SIGKILL) {
		struct ckpt_task *live = F.tl->live;

		fred_timeline_drop_puppet();
		fred_threads_vanish();
		if (live) {
			kill(live->tgid, SIGKILL); /* its death is reported as usual */
		} else {
			F.vt->task = NULL;
			vpt_report_exit(F.vt, SIGKILL);
		}
	}
	F.interrupted |= sig == SIGINT;
	return true; /* stops: a puppet never runs while the debugger does */
}

/* After the program's end the debugger attaches again, below our commands. */
struct vpt_thread *fred_timeline_attaching(pid_t tid, struct vpt_debugger *d)
{
	struct vpt_thread *vt;
	siginfo_t si;

	if (!fred_process_select(tid) || !F.staged || F.vt)
		return NULL;
	vt = vpt_thread_new(tid, tid, d);
	F.vt = vt;
	F.now = F.staged;
	F.staged = NULL;
	F.tl->overlay.n = 0;
	fred_threads_play(F.now);
	memset(&si, 0, sizeof(si));
	si.si_signo = SIGSTOP;
	vpt_report(vt, W_STOPCODE(SIGSTOP), &si);
	return vt;
}

uint64_t fred_private_memory(void)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < F.tl->nsnaps; i++) {
		if (F.tl->snaps[i]->copy)
			sum += ckpt_memory_private(F.tl->snaps[i]->copy->tgid);
	}
	return sum;
}
