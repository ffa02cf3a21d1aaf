/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "ckptcore/budget.h"
#include "ckptcore/target.h"
#include "ckptcore/thin.h"
#include "ckptcore/written.h"
#include "fred/branch.h"
#include "fred/catches.h"
#include "fred/checkpoint.h"
#include "fred/forks.h"
#include "fred/forward.h"
#include "fred/progress.h"
#include "fred/seek.h"
#include "fred/threads.h"
#include "fred/timeline.h"
#include "fred/trail.h"
#include "fred/undo.h"

#define F fred_tl

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

static void forget_last(void)
{
	ckpt_puppet_destroy(F.last);
	F.last = NULL;
}

/* The live process plays again, as far as it still exists. */
void fred_timeline_drop_puppet(void)
{
	forget_staged();
	fred_timeline_forget_changes();
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
	ckpt_affinity_tick(F.debugger ? F.debugger->tgid : 0, F.now ? F.now->tid : 0);
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
	ckpt_thin_lost(F.tl);
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
	if (!vt)
		vt = F.vt;
	vt->dr[6] = F.held.dr6;
	vt->dr6_ours = true;
	vpt_report(vt, F.held.status, &F.held.siginfo);
}

/* A thread that the debugger has stopped can't stop once more. */
static bool can_tell_held(void)
{
	const struct vpt_thread *vt = vpt_find(F.held.tid);

	return !vt || vt->state == VPT_RUNNING;
}

static void tell(struct vpt_thread *vt, pid_t tid, int status, const siginfo_t *si, uint64_t dr6)
{
	fred_threads_play(F.now);
	if (vt->task) /* else others have to be there first */
		fred_threads_vanish();
	F.held.waits = true;
	F.held.tid = tid;
	F.held.status = status;
	F.held.siginfo = *si;
	F.held.dr6 = dr6;
	if (!fred_threads_appear(vt))
		tell_held();
}

/* Tells the debugger that the thread tid has stopped; before that, which
 * threads have ended and which have begun, by way of vt, which it has resumed. */
void fred_timeline_tell(struct vpt_thread *vt, pid_t tid, int status, const siginfo_t *si)
{
	long dr6;

	errno = 0;
	dr6 = ptrace(PTRACE_PEEKUSER, F.now->tid, offsetof(struct user, u_debugreg[6]), 0L);
	tell(vt, tid, status, si, errno ? 0 : (uint64_t)dr6);
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
	const struct vpt_thread *own = fred_threads_current();
	bool watch = arrival == FRED_ARRIVE_WATCH;
	siginfo_t si = vpt_trap_info(watch ? 4 /* TRAP_HWBKPT */ : TRAP_TRACE);

	F.held.at_int3 = arrival == FRED_ARRIVE_BREAKPOINT;
	if (fred_catches_tell(vt, arrival))
		return;
	if (watch)
		tell(vt, ckpt_vtid(F.now), W_STOPCODE(SIGTRAP), &si,
		     0xffff0ff0ull | 1ull << debug_register(own ? own : vt, F.watch_addr));
	else
		fred_timeline_tell(vt, ckpt_vtid(F.now), W_STOPCODE(SIGTRAP), &si);
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

int fred_timeline_live_signal(siginfo_t *si)
{
	int sig = ckpt_record_signal(F.tl, si);

	return sig == SIGSTOP && F.told_to_stop ? 0 : sig;
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
	const struct ckpt_task *former = F.peeking ? F.origin : F.now;

	if (former != F.tl->live || !fred_timeline_is_at(PTRACE_EVENT_VFORK) ||
	    F.vforked == former->stop.msg)
		return false;
	F.vforked = vt->msg = former->stop.msg;
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
	F.landing = F.interrupted = F.amid_fork = false;
	fred_timeline_forget_changes();
	forget_last();
	fred_branch_follow(to, former);
	F.now = to;
	if (!is_puppet(former))
		ckpt_written_look(F.tl);
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
	if (!is_puppet(to) && fred_timeline_live_signal(&si)) {
		vpt_report(vt, W_STOPCODE(si.si_signo), &si); /* it stopped by that */
		return;
	}
	fred_timeline_announce(vt, arrival);
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

/* The same of all threads: before any of them ends, as one that it hasn't resumed by then
 * would be missed, or be gone as it is about to. */
static bool has_resumed_all(void)
{
	for (struct vpt_thread *vt = vpt_first(); vt; vt = vt->next)
		if (is_ours(vt) && vt->state == VPT_STOPPED)
			return ticked && debugger_sleeps();
	return true;
}

/* Whether other threads may run, and so end, as the debugger has resumed vt like that: also a step takes until
 * it is vt's turn again, if that ends at the call over which it goes. */
static bool others_may_run(const struct vpt_thread *vt)
{
	uint8_t insn[2];

	return vt->request != PTRACE_SINGLESTEP || vt != fred_threads_current() ||
	       F.now->waits_behind || fred_seek_may_die(F.now->play->interval) ||
	       ckpt_read(F.now, ckpt_regs(F.now)->rip, insn, 2) ||
	       (insn[0] == 0x0f && insn[1] == 0x05);
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
	if (any && !has_resumed_all() && others_may_run(stepper))
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
	if (!is_puppet(F.now) && F.others_stand && !is_pending() && ticked && debugger_sleeps())
		fred_forward_live_others();
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
	if (fred_forks_resuming(vt))
		return true;
	if (!fred_process_select(vt->tgid) || !is_ours(vt))
		return false;
	if (fred_catches_resuming(vt))
		return true;
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
		F.told_to_stop = false;
		if (F.live_follows) {
			if (!is_pending() && !fred_threads_appear(vt))
				fred_forward_live();
			return true;
		}
		return !vt->task || fred_threads_appear(vt);
	}
	/* The debugger resumes the other threads, too, some of them before that one. */
	if (fred_timeline_calling()) {
		if (fred_timeline_calls(vt))
			fred_timeline_run_call(vt, request);
		else
			fred_timeline_run_aside(vt, request);
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

	fred_timeline_forget_changes();
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
	fred_timeline_forget_changes();
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
	vt->amid_call = t->in_call;
	return stop_virtually(vt);
}

/* The debugger is about to kill the live process: history ends where that stands, not at the
 * system call that it would have come to. */
static void end_history_here(void)
{
	struct ckpt_timeline *tl = F.tl;
	enum ckpt_end where;

	if (!tl || !tl->recording || !tl->live || tl->live->state == CKPT_RUNNING || tl->killed)
		return;
	ckpt_record_settle(tl);
	tl->dying = true;
	where = ckpt_record_where(tl);
	tl->killed = where != CKPT_END_CALL && !ckpt_snapshot(tl, where, false, 0, NULL);
}

bool fred_timeline_signalled(struct vpt_thread *vt, int sig)
{
	if (!vt->task)
		return true; /* vanished: the number may be a live thread's */
	if (!fred_process_select(vt->tgid))
		return false;
	if (is_ours(vt) && sig == SIGKILL) {
		fred_branches_drop(false);
		end_history_here();
	}
	if (is_ours(vt) && !is_puppet(F.now) && sig == SIGSTOP && F.tl && stop_live(vt))
		return true;
	F.told_to_stop |= is_ours(vt) && !is_puppet(F.now) && sig == SIGSTOP;
	if (is_ours(vt) && !is_puppet(F.now) && vt->task->tid != vt->tid) {
		/* A branch's process has another number. */
		syscall(SYS_tgkill, vt->task->tgid, vt->task->tid, sig);
		return true;
	}
	if (!is_ours(vt))
		return false;
	if (!is_puppet(F.now))
		return false;
	if (sig == SIGSTOP && vt->state == VPT_RUNNING && fred_threads_several()) {
		vt->task->shown = false; /* it comes to its call once more, for the debugger */
		return stop_virtually(vt);
	}
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
	ckpt_written_look(F.tl);
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
