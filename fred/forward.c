/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Going forward in the past: the puppet that plays is run as it ran then, up to
 * a stop for the debugger or the end of its interval, where the next snapshot's
 * copy takes over; and the live process after the last.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "ckptcore/signals.h"
#include "ckptcore/target.h"
#include "fred/forks.h"
#include "fred/forward.h"
#include "fred/progress.h"
#include "fred/seek.h"
#include "fred/session.h"
#include "fred/threads.h"

#define F fred_tl

/* The next interval's own copy takes over at the end of one; the live process
 * after the last. Sets F.now. */
static int cross(void)
{
	struct ckpt_task *former = F.now, *next = F.tl->live;
	size_t i = former->play->interval + 1;
	int err = 0;

	if (i < F.tl->nsnaps)
		err = ckpt_puppet_create(F.tl, i, &next);
	if (err || !next)
		return err ? err : -ESRCH;
	F.now = next;
	fred_threads_play(next);
	fred_threads_know_calls(former, next);
	if (next->play)
		fred_threads_watch(former, next);
	ckpt_puppet_destroy(former);
	return 0;
}

static void report_end(void)
{
	fred_timeline_drop_puppet();
	fred_threads_vanish();
	F.vt->task = NULL;
	vpt_report_exit(F.vt, F.tl->end_status);
}

static void lost(struct vpt_thread *vt, const struct ckpt_run *run, const char *what)
{
	char text[1400];
	siginfo_t si = vpt_trap_info(TRAP_TRACE);

	snprintf(text, sizeof(text), "replay %s at event %llu%s%s; the program stays where it is",
		 what, (unsigned long long)F.now->play->event, run->seen[0] ? ": " : "", run->seen);
	fred_seek_tell_where(F.now, text, sizeof(text));
	fred_say(text);
	fred_timeline_tell(vt, ckpt_vtid(F.now), W_STOPCODE(SIGTRAP), &si);
}

/* The state in which the puppet stands is the end of its interval. */
static bool at_goal(const struct ckpt_goal *goal)
{
	struct ckpt_task *p = F.now;
	uint64_t where;

	if (goal->how == CKPT_END_NOW)
		return true;
	/* Without running any further. */
	if (ckpt_puppet_take_early(p, goal) || p->play->event != goal->event)
		return false;
	if (goal->how == CKPT_END_EVENT)
		return true;
	return goal->how == CKPT_END_MATCH && ckpt_regs(p)->rip == goal->regs.rip &&
	       ckpt_same_registers(p, goal->ref, &goal->regs) &&
	       ckpt_same_memory(p, goal->ref, &F.tl->overlay, &where);
}

/* Whether the debugger has resumed the thread whose turn it is: others run as
 * they did then, but don't stop at its breakpoints. */
bool fred_forward_stops_here(void)
{
	const struct vpt_thread *vt = fred_threads_current();

	return !vt || vt->state == VPT_RUNNING;
}

static bool is_own_int3(enum ckpt_halt halt)
{
	return halt == CKPT_HALT_TRAP && F.now->play->stopped_by.si_code == SI_KERNEL;
}

/* One leg to the interval's end, stopping at the debugger's breakpoints, and (all) at those
 * of threads that it hasn't resumed. */
static enum ckpt_halt forward_leg(const struct ckpt_goal *goal, bool calls, pid_t turn, bool all,
				  struct ckpt_run *ret)
{
	const struct ckpt_overlay *o = &F.tl->overlay;
	struct ckpt_rule *rules = calloc(o->n + 1, sizeof(*rules));
	enum ckpt_halt halt = CKPT_HALT_DEAD;
	struct ckpt_leg leg;

	if (!rules)
		return halt;
	for (size_t i = 0; i < o->n; i++)
		rules[i] = (struct ckpt_rule){ .site = o->pokes[i].addr, .cell = CKPT_CELL_FREE };
	if (!ckpt_leg_begin(&leg, F.now, goal, rules, o->n)) {
		leg.run.calls = calls;
		leg.run.turn = turn;
		leg.run.signals = leg.run.traps = true;
		leg.run.stop_event = fred_forks_next(F.now->play->event, goal->event);
		do {
			ckpt_cell_set(F.now, CKPT_CELL_FREE, 1);
			halt = ckpt_leg_run(&leg);
		} while (((halt == CKPT_HALT_PROBE && !all) || is_own_int3(halt)) &&
			 !fred_forward_stops_here());
		ckpt_leg_end(&leg);
		*ret = leg.run;
	}
	free(rules);
	return halt;
}

void fred_forward_live(void)
{
	const struct vpt_thread *now = fred_threads_current();

	F.live_follows = F.told_to_stop = false;
	for (size_t i = 0; i < F.tl->nthreads; i++) {
		struct vpt_thread *vt = vpt_of(F.tl->threads[i]);

		if (!vt || vt->state != VPT_RUNNING || vt->task == F.tl->live)
			continue;
		if (vpt_tell_call_again(vt))
			continue;
		ckpt_target_resume(vt->task, vt->request, 0);
		if (vt->request == PTRACE_SINGLESTEP)
			ckpt_record_step_call(vt->task);
	}
	if (fred_forward_stops_here())
		ckpt_target_resume(F.tl->live, now ? now->request : PTRACE_CONT,
				   0); /* a signal was the puppet's */
}

void fred_forward_live_others(void)
{
	size_t i = 0;

	F.others_stand = false;
	while (F.tl->recording && i < F.tl->nthreads) {
		struct ckpt_task *t = F.tl->threads[i++];
		struct vpt_thread *vt = vpt_of(t);

		if (!vt || vt->state != VPT_RUNNING || ckpt_target_resumed(t) ||
		    vpt_tell_call_again(vt))
			continue;
		ckpt_target_resume(t, vt->request, 0);
		i = 0; /* there may be others now */
	}
}

/* Whether the program is going to run into a breakpoint where it stands. */
static bool is_at_breakpoint(int request)
{
	return request != PTRACE_SINGLESTEP && fred_forward_stops_here() &&
	       ckpt_overlay_at(&F.tl->overlay, ckpt_regs(F.now)->rip, NULL);
}

/*
 * The debugger's step over a breakpoint leads into a call, and before that ends another thread, which
 * it hasn't resumed, comes to a breakpoint or to a signal, or the past ends: the step is said to
 * be over amid the call, as it would be in the live process (turns.c), so that it resumes all.
 */
static void tell_amid(struct vpt_thread *vt)
{
	siginfo_t si = vpt_trap_info(TRAP_TRACE);

	if (F.now->play)
		F.now->play->at_site = 0; /* it comes there once more */
	ckpt_overlay_apply(&F.tl->overlay, F.now);
	fred_timeline_tell(vt, vt->tid, W_STOPCODE(SIGTRAP), &si);
}

static bool ends_amid(const struct vpt_thread *vt, enum ckpt_halt halt)
{
	return (halt == CKPT_HALT_PROBE || halt == CKPT_HALT_DELIVERY) && F.now->vtid != vt->tid &&
	       !fred_forward_stops_here();
}

/* The same where the live process goes on: its thread stands amid that call. */
static bool ends_amid_live(const struct vpt_thread *vt)
{
	const struct ckpt_overlay *o = &F.tl->overlay;
	uint64_t behind = vt->task ? ckpt_regs(vt->task)->rip : 0;
	bool others_stand = false;

	for (const struct vpt_thread *other = vpt_first(); other; other = other->next)
		others_stand |= other->tgid == vt->tgid && other->state == VPT_STOPPED;
	return others_stand && vt->task && ckpt_is_in_call(vt->task) &&
	       ckpt_overlay_lacks(o, behind - 2) && !ckpt_overlay_at(o, behind, NULL);
}

/* The live process goes on where the past has ended. moved: it wasn't there before. */
static void go_live(struct vpt_thread *vt, int request, bool moved)
{
	siginfo_t si;
	int sig;

	ckpt_overlay_apply(&F.tl->overlay, F.now);
	F.key_stays = false;
	F.others_stand = F.tl->nthreads > 1;
	/* It stopped by a signal that it hasn't got yet. */
	sig = fred_timeline_live_signal(&si);
	if (sig) {
		fred_timeline_tell(vt, ckpt_vtid(F.now), W_STOPCODE(sig), &si);
		return;
	}
	if (request == PTRACE_SINGLESTEP && ends_amid_live(vt)) {
		tell_amid(vt);
		return;
	}
	/* A signal that has come there since would be before it. */
	if (moved && is_at_breakpoint(request)) {
		fred_timeline_announce(vt, FRED_ARRIVE_BREAKPOINT);
		return;
	}
	if (moved &&
	    (fred_timeline_is_at(PTRACE_EVENT_FORK) || fred_timeline_is_at(PTRACE_EVENT_VFORK))) {
		/* The debugger has dealt with the child, and can't be told of it once more. */
		memset(&si, 0, sizeof(si));
		fred_say("this is the fork at which the program was, its newest point");
		fred_timeline_tell(vt, ckpt_vtid(F.now), W_STOPCODE(0), &si);
		return;
	}
	fred_threads_vanish();
	F.others_stand = false;
	F.live_follows = true;
	if (fred_threads_appear(vt))
		return;
	fred_forward_live();
}

/*
 * ^C. The terminal's foreground is the live process, which waits elsewhere in
 * time, or, where it has ended or was attached, the debugger. One that runs
 * passes it on: F.interrupted.
 */
static bool interrupted(void)
{
	return F.interrupted || (F.tl->live && !F.key_stays && ckpt_key_waits(F.tl->live, SIGINT));
}

/* While the puppet runs, the debugger stands at the call that has resumed it. */
static bool interrupted_amid(void)
{
	fred_progress_tick();
	return fred_session_ends() || interrupted() || ckpt_signal_waits(F.debugger->tgid, SIGINT);
}

bool fred_forward_interrupted(void)
{
	return F.tl && F.debugger && interrupted_amid();
}

void fred_forward_take_interrupt(void)
{
	if (!F.tl)
		return;
	F.interrupted = false;
	if (F.tl->live && ckpt_key_waits(F.tl->live, SIGINT))
		F.key_stays = ckpt_swallow(F.tl->live, SIGINT);
	if (F.key_stays)
		fred_say("^C will strike the program once more, at its newest point");
}

static void report_interrupt(struct vpt_thread *vt)
{
	siginfo_t si = { .si_signo = SIGINT, .si_code = SI_KERNEL };

	fred_forward_take_interrupt();
	fred_timeline_tell(vt, ckpt_vtid(F.now), W_STOPCODE(SIGINT), &si);
}

/* What ended a puppet's run, for the debugger. */
static void report_halt(struct vpt_thread *vt, enum ckpt_halt halt, const struct ckpt_run *run)
{
	siginfo_t si;

	if (halt == CKPT_HALT_EXIT ||
	    (halt == CKPT_HALT_DEAD && fred_seek_may_die(F.now->play->interval))) {
		report_end();
		return;
	}
	if (halt != CKPT_HALT_DEAD)
		ckpt_overlay_apply(&F.tl->overlay, F.now);
	switch (halt) {
	case CKPT_HALT_PROBE:
		fred_timeline_announce(vt, FRED_ARRIVE_BREAKPOINT);
		break;
	case CKPT_HALT_STEP:
		fred_timeline_announce(vt, FRED_ARRIVE_STEP);
		break;
	case CKPT_HALT_TRAP:
		fred_timeline_tell(vt, ckpt_vtid(F.now), W_STOPCODE(F.now->stop.sig),
				   &F.now->play->stopped_by);
		break;
	case CKPT_HALT_CALL:
		si = vpt_trap_info(SIGTRAP | 0x80);
		fred_timeline_tell(vt, ckpt_vtid(F.now), W_STOPCODE(SIGTRAP | 0x80), &si);
		break;
	case CKPT_HALT_CANCELLED:
		report_interrupt(vt);
		break;
	case CKPT_HALT_SIGNAL: /* a recorded one ends an interval */
		lost(vt, run, "came to a signal that wasn't recorded");
		break;
	default:
		lost(vt, run, halt == CKPT_HALT_DIVERGED ? "diverged" : "failed");
		break;
	}
}

/* Whether a signal comes where the interval ends. */
static bool signal_follows(void)
{
	size_t next = F.now->play->interval + 1;

	return next < F.tl->nsnaps && F.tl->snaps[next]->sig;
}

/* Whether the debugger, if it traces calls, hears of the end of the one behind which F.now stands, event e being
 * that or nothing. (The live process stands at a signal's stop, if that follows.) */
static bool tells_end(int request, uint64_t e)
{
	struct ckpt_event ev = { .kind = CKPT_EV_TURN };
	siginfo_t si;

	if (e > 0)
		ev = ckpt_log_event(F.tl, e - 1);
	return request == PTRACE_SYSCALL && fred_forward_stops_here() &&
	       !(ev.kind == CKPT_EV_CALL && ckpt_interrupted(ev.result)) &&
	       (F.now->play || !fred_timeline_live_signal(&si));
}

/* How a step has gone on its way to the interval's end. */
enum stepped {
	STEP_BEGUN,
	STEP_MADE, /* the interval ends by a call, which was this instruction */
	STEP_OVER, /* from a breakpoint into a call that sleeps: see tell_amid() */
};

/* One instruction of vt's thread, and what others did meanwhile. */
static enum ckpt_halt step_thread(const struct vpt_thread *vt, const struct ckpt_goal *goal,
				  struct ckpt_run *ret, enum stepped *stepped)
{
	const struct ckpt_overlay *o = &F.tl->overlay;
	enum ckpt_halt halt;
	bool over = *stepped == STEP_OVER;
	uint64_t pc;

	*ret = (struct ckpt_run){ .goal = goal, .signals = true, .traps = true };
	if (F.now->vtid == vt->tid) {
		pc = ckpt_regs(F.now)->rip;
		halt = ckpt_puppet_step(F.now, ret);
		*stepped = STEP_BEGUN;
		/* (The debugger hears of a signal first.) */
		if (halt == CKPT_HALT_GOAL && F.now->vtid == vt->tid &&
		    ckpt_regs(F.now)->rip != pc && !signal_follows())
			*stepped = STEP_MADE;
		if (*stepped == STEP_MADE && goal->how == CKPT_END_EVENT)
			return CKPT_HALT_STEP;
		if (halt != CKPT_HALT_STEP || F.now->vtid == vt->tid)
			return halt;
		/* What lies behind the call would be taken for one that it has come to. */
		over = ckpt_overlay_lacks(o, pc) && !ckpt_overlay_at(o, pc + 2, NULL);
	}
	*stepped = over ? STEP_OVER : STEP_BEGUN;
	halt = forward_leg(goal, false, vt->tid, over, ret);
	/* Its turn has come: behind its call, if it was at one. */
	return halt == CKPT_HALT_TURN ? step_thread(vt, goal, ret, stepped) : halt;
}

/* Whether the debugger is told that the puppet gets a signal next: once, and if it has
 * resumed that thread. */
static bool tell_signal(struct vpt_thread *vt)
{
	siginfo_t si;
	int sig = F.now->play->told ? 0 : ckpt_signal_next(F.now, &si);

	if (!sig)
		return false;
	F.now->play->told = true;
	if (!fred_forward_stops_here())
		return false;
	ckpt_overlay_apply(&F.tl->overlay, F.now);
	fred_timeline_tell(vt, ckpt_vtid(F.now), W_STOPCODE(sig), &si);
	return true;
}

/* Where the debugger has killed the program: after the stop at its breakpoint there. That
 * isn't told as the end: gdb 13 fails in `attach' after one that came while it stepped over
 * a breakpoint, and there is one if it was killed at a breakpoint. */
static void killed_here(struct vpt_thread *vt, bool at_breakpoint)
{
	siginfo_t si = { .si_signo = SIGKILL, .si_code = SI_USER };

	ckpt_overlay_apply(&F.tl->overlay, F.now);
	if (at_breakpoint) {
		fred_timeline_announce(vt, FRED_ARRIVE_BREAKPOINT);
		return;
	}
	fred_say("history ends here: the program was killed");
	fred_timeline_tell(vt, ckpt_vtid(F.now), W_STOPCODE(SIGKILL), &si);
}

static void forward(struct vpt_thread *vt, int request)
{
	struct ckpt_run run = { 0 };
	struct ckpt_event call;
	struct ckpt_goal goal;
	enum ckpt_halt halt;
	enum stepped stepped = STEP_BEGUN;
	uint64_t event;
	bool moved = false, here, ended, amid_fork = F.amid_fork;

	F.amid_fork = false;
	if (amid_fork && request == PTRACE_SYSCALL && fred_forward_stops_here()) {
		report_halt(vt, CKPT_HALT_CALL, &run); /* its end */
		return;
	}
	ckpt_overlay_remove(&F.tl->overlay, F.now);
	for (;;) {
		fred_progress_at("going forward: snapshot", F.now->play->interval + 1,
				 F.tl->nsnaps);
		if (F.now->play->sig && tell_signal(vt))
			return;
		if (F.tl->killed && fred_seek_died_at_once(F.now->play->interval)) {
			killed_here(vt, moved && is_at_breakpoint(request));
			return;
		}
		ckpt_goal_of(F.tl, F.now->play->interval, &goal);
		here = at_goal(&goal);
		moved |= !here;
		if (here)
			halt = CKPT_HALT_GOAL;
		else if (request == PTRACE_SINGLESTEP)
			halt = step_thread(vt, &goal, &run, &stepped);
		else
			halt = forward_leg(&goal, request == PTRACE_SYSCALL, 0, false, &run);
		if (stepped == STEP_OVER && ends_amid(vt, halt)) {
			tell_amid(vt);
			return;
		}
		if (halt == CKPT_HALT_DELIVERY) {
			if (tell_signal(vt))
				return;
			continue;
		}
		if (halt == CKPT_HALT_EVENT) {
			if (fred_forks_tell(vt))
				return;
			if (!tells_end(request, F.now->play->event))
				continue;
			halt = CKPT_HALT_CALL;
			break;
		}
		if (halt != CKPT_HALT_GOAL)
			break;
		if (!here && F.now->state == CKPT_EXIT && fred_forks_tell(vt))
			return;
		call = fred_forks_at_call(F.now);
		ended = !here && F.now->state == CKPT_EXIT;
		event = F.now->play->event;
		if (fred_seek_may_die(F.now->play->interval) && WIFSIGNALED(F.tl->end_status)) {
			report_end(); /* no event tells of it, nor when it was */
			return;
		}
		if (cross()) {
			lost(vt, &run, "can't go on (no process)");
			return;
		}
		if (F.now->play && F.tl->snaps[F.now->play->interval]->exec) {
			fred_timeline_announce_exec(vt);
			return;
		}
		if (!here && F.now->play && fred_forks_tell_call(vt, &call))
			return;
		if ((ended || (call.nr >= 0 && F.now->play)) &&
		    tells_end(request, ended ? event : 0)) {
			halt = CKPT_HALT_CALL; /* its end */
			break;
		}
		if (F.now == F.tl->live) {
			fred_progress_end();
			go_live(vt, request, moved);
			return;
		}
		/* A call that isn't replayed: the next interval begins behind it. */
		if (stepped == STEP_MADE && F.now->vtid == vt->tid) {
			halt = CKPT_HALT_STEP;
			break;
		}
	}
	report_halt(vt, halt, &run);
}

void fred_forward(struct vpt_thread *vt, int request)
{
	if (interrupted()) {
		report_interrupt(vt);
		return;
	}
	ckpt_cancelled = interrupted_amid;
	forward(vt, request);
	ckpt_cancelled = NULL;
}
