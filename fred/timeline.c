/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ckptcore/arch/x86_64/vdso.h"
#include "fred/branch.h"
#include "fred/checkpoint.h"
#include "fred/command.h"
#include "fred/threads.h"
#include "fred/timeline.h"
#include "fred/undo.h"

struct fred_timeline fred_tl;

#define F fred_tl

/* What stands in the part of history that is about to go. */
static void cutting(struct ckpt_timeline *tl, size_t n)
{
	if (tl != F.tl)
		return;
	fred_undo_cutting(n);
	fred_checkpoints_cutting(n);
}

void fred_timeline_init(bool record, bool verbose)
{
	ckpt_cutting = cutting;
	F.no_record = !record;
	F.verbose = verbose;
}

void fred_say(const char *text)
{
	if (ckpt_warn)
		ckpt_warn(text);
}

static bool is_ours(const struct vpt_thread *vt)
{
	return F.vt && vt == F.vt;
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

/* The live process plays again, as far as it still exists. */
static void drop_puppet(void)
{
	forget_staged();
	forget_clean();
	if (is_puppet(F.now)) {
		struct ckpt_task *p = F.now;

		if (F.vt && F.tl->live)
			vpt_set_player(F.vt, F.tl->live);
		else if (F.vt)
			F.vt->task = NULL;
		p->owner = NULL;
		ckpt_puppet_destroy(p);
	}
	F.now = F.tl ? F.tl->live : NULL;
}

static void destroy_timeline(void)
{
	struct ckpt_timeline *tl = F.tl;

	if (!tl)
		return;
	fred_branches_drop(true);
	fred_undo_timeline_gone(tl);
	drop_puppet();
	fred_checkpoints_drop(tl);
	if (tl->live)
		tl->live->timeline = NULL;
	F.tl = NULL;
	F.now = NULL;
	F.said_unchangeable = false;
	ckpt_timeline_destroy(tl);
}

void fred_timeline_drop_all(void)
{
	if (F.tl && F.tl->live && F.tl->live->no_exitkill && F.tl->live->state == CKPT_RUNNING)
		F.tl->live = NULL; /* runs on without us */
	destroy_timeline();
}

static bool single_threaded(pid_t tgid)
{
	char path[32];
	struct dirent *e;
	int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", tgid);
	d = opendir(path);
	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n == 1;
}

/* Time becomes visible: vdso calls real ones, rdtsc a fault. */
static int expose_time(struct ckpt_task *t, bool trap_tsc)
{
	int err = ckpt_vdso_patch(t);

	if (err && err != -ENOENT)
		return err;
	return trap_tsc ? ckpt_trap_tsc(t, true) : 0;
}

static void begin(struct vpt_thread *vt)
{
	struct ckpt_task *t = vt->task;

	destroy_timeline();
	if (!fred_commands_loaded) {
		fred_commands_loaded = true;
		fred_say(
			"this gdb has not loaded fred's commands (it needs gdb 12 with Python); the program runs forward only");
		F.no_record = true;
	}
	if (F.no_record || !single_threaded(t->tgid))
		return;
	if (expose_time(t, !vt->attached))
		return;
	F.tl = ckpt_timeline_create();
	if (!F.tl)
		return;
	F.tl->live = t;
	t->timeline = F.tl;
	if (ckpt_record_start(F.tl)) {
		destroy_timeline();
		return;
	}
	F.vt = vt;
	F.debugger = vt->debugger;
	F.tid = vt->tid;
	F.now = t;
	ckpt_snapshot(F.tl, CKPT_END_NOW, true, 0, NULL);
}

void fred_timeline_started(struct vpt_thread *vt)
{
	/* The debugger's own start of a program, by way of a shell or not, comes
	 * without options; they follow once the program itself is there. */
	if (!(vt->options & PTRACE_O_TRACEEXEC)) {
		F.fresh = vt;
		return;
	}
	if (!is_ours(vt) || !F.tl || !F.tl->recording)
		return;
	if (expose_time(vt->task, true))
		ckpt_record_stop(F.tl, "the new program can't be prepared");
	ckpt_snapshot(F.tl, CKPT_END_CALL, true, 0, NULL);
	if (F.tl->recording)
		F.tl->snaps[F.tl->nsnaps - 1]->exec = true;
}

void fred_timeline_options(struct vpt_thread *vt)
{
	if (F.fresh != vt)
		return;
	F.fresh = NULL;
	if (!F.vt || F.vt == vt || !F.tl || !F.tl->live)
		begin(vt);
}

void fred_timeline_stopped(struct vpt_thread *vt)
{
	if (vt->attached && vt->tid == vt->tgid && !F.vt && vt->task &&
	    vt->task->state != CKPT_ENTRY)
		begin(vt);
}

void fred_timeline_died(struct ckpt_task *t)
{
	if (F.now == t)
		F.now = NULL;
	if (F.origin == t)
		F.origin = NULL;
	if (F.staged == t)
		F.staged = NULL;
}

void fred_timeline_gone(struct vpt_thread *vt, bool died)
{
	if (F.fresh == vt)
		F.fresh = NULL;
	if (!is_ours(vt))
		return;
	if (died) {
		/* Its end is part of the timeline: one can go back from it. */
		F.vt = NULL;
		if (is_puppet(F.now))
			drop_puppet();
		return;
	}
	drop_puppet();
	destroy_timeline();
	F.vt = NULL;
}

void fred_timeline_tick(void)
{
	if (F.tl && F.now == F.tl->live)
		ckpt_record_tick(F.tl);
}

/* ------------------------------------------------------------- where we are */

int fred_timeline_moment(struct ckpt_goal *goal, size_t *interval)
{
	if (!F.tl || !F.tl->nsnaps)
		return -ENOENT;
	fred_timeline_restore();
	if (is_puppet(F.now)) {
		memset(goal, 0, sizeof(*goal));
		*interval = F.now->play->interval;
		goal->event = F.now->play->event;
		goal->how = F.now->state == CKPT_ENTRY ? CKPT_END_CALL : CKPT_END_MATCH;
		goal->ref = F.now;
		goal->regs = ckpt_canonical(F.now);
		return 0;
	}
	ckpt_record_settle(F.tl);
	*interval = F.tl->nsnaps - 1;
	ckpt_goal_of(F.tl, *interval, goal);
	return 0;
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
	vpt_set_player(F.vt, F.now);
}

static siginfo_t trap_info(int code)
{
	siginfo_t si;

	memset(&si, 0, sizeof(si));
	si.si_signo = SIGTRAP;
	si.si_code = code;
	return si;
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

/* Tells the debugger that vt has stopped where it is now. */
static void announce(struct vpt_thread *vt, enum fred_arrival arrival)
{
	struct ckpt_task *t = vt->task;
	siginfo_t si = trap_info(TRAP_TRACE);

	if (arrival == FRED_ARRIVE_BREAKPOINT &&
	    ckpt_overlay_at(&F.tl->overlay, ckpt_regs(t)->rip, NULL)) {
		ckpt_regs(t)->rip++;
		ckpt_regs_dirty(t);
		si = trap_info(SI_KERNEL);
	}
	if (arrival == FRED_ARRIVE_WATCH) {
		si = trap_info(4 /* TRAP_HWBKPT */);
		vt->dr[6] = 0xffff0ff0ull | 1ull << debug_register(vt, F.watch_addr);
		vt->dr6_ours = true;
	}
	vpt_report(vt, W_STOPCODE(SIGTRAP), &si);
}

/* The debugger sees an exec: it reads the symbols of the program that plays,
 * and knows that none of its breakpoints is in it. */
static void announce_exec(struct vpt_thread *vt)
{
	siginfo_t si = trap_info(SIGTRAP | PTRACE_EVENT_EXEC << 8);

	F.tl->overlay.n = 0;
	vt->msg = (unsigned long)vt->tid;
	vpt_report(vt, W_STOPCODE(SIGTRAP) | PTRACE_EVENT_EXEC << 16, &si);
}

static void land(struct vpt_thread *vt)
{
	struct ckpt_task *former = F.peeking ? F.origin : F.now, *to = F.staged;
	enum fred_arrival arrival = F.arrival;
	siginfo_t si;

	F.peeking = false;

	F.staged = NULL;
	F.landing = false;
	forget_clean();
	fred_branch_follow(to, former);
	F.now = to;
	if (former && former != to) {
		/* What the debugger takes out from now on, it takes out of `to'. */
		if (!is_puppet(former))
			ckpt_overlay_remove(&F.tl->overlay, former);
		vpt_set_player(vt, to);
		if (is_puppet(former))
			ckpt_puppet_destroy(former);
	}
	if (former != to) {
		ckpt_overlay_apply(&F.tl->overlay, to);
		fred_threads_vanish(vt);
	}
	ckpt_stats.transplants++;
	if (F.other_program) {
		if (is_puppet(to))
			ckpt_overlay_remove(&F.tl->overlay, to);
		F.other_program = false;
		F.arriving = true;
		announce_exec(vt);
		return;
	}
	if (!is_puppet(to) && ckpt_record_signal(F.tl, &si)) {
		vpt_report(vt, W_STOPCODE(si.si_signo), &si); /* it stopped by that */
		return;
	}
	announce(vt, arrival);
}

/* --------------------------------------------- going forward in the past */

/* The next interval's own copy takes over at the end of one; the live process
 * after the last. Sets F.now. */
static int cross(struct vpt_thread *vt)
{
	struct ckpt_task *former = F.now, *next = F.tl->live;
	size_t i = former->play->interval + 1;
	int err = 0;

	if (i < F.tl->nsnaps)
		err = ckpt_puppet_create(F.tl, i, &next);
	if (err || !next)
		return err ? err : -ESRCH;
	F.now = next;
	vpt_set_player(vt, next);
	ckpt_puppet_destroy(former);
	return 0;
}

static void report_end(struct vpt_thread *vt)
{
	drop_puppet();
	vt->task = NULL;
	vpt_report_exit(vt, F.tl->end_status);
}

static void lost(struct vpt_thread *vt, const struct ckpt_run *run, const char *what)
{
	char text[400];
	siginfo_t si = trap_info(TRAP_TRACE);

	snprintf(text, sizeof(text), "replay %s at event %llu%s%s; the program stays where it is",
		 what, (unsigned long long)F.now->play->event, run->seen[0] ? ": " : "", run->seen);
	fred_say(text);
	vpt_report(vt, W_STOPCODE(SIGTRAP), &si);
}

/* The state in which the puppet stands is the end of its interval. */
static bool at_goal(const struct ckpt_goal *goal)
{
	struct ckpt_task *p = F.now;
	uint64_t where;

	if (goal->how == CKPT_END_NOW)
		return true;
	if (p->play->event != goal->event)
		return false;
	if (goal->how == CKPT_END_EVENT)
		return p->state == CKPT_EXIT;
	return goal->how == CKPT_END_MATCH && ckpt_regs(p)->rip == goal->regs.rip &&
	       ckpt_same_registers(p, goal->ref, &goal->regs) &&
	       ckpt_same_memory(p, goal->ref, &F.tl->overlay, &where);
}

/* One leg to the interval's end, stopping at the debugger's breakpoints. */
static enum ckpt_halt forward_leg(const struct ckpt_goal *goal, bool calls, struct ckpt_run *ret)
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
		ckpt_cell_set(F.now, CKPT_CELL_FREE, 1);
		halt = ckpt_leg_run(&leg);
		ckpt_leg_end(&leg);
		*ret = leg.run;
	}
	free(rules);
	return halt;
}

static void forward(struct vpt_thread *vt, int request)
{
	struct ckpt_run run = { 0 };
	struct ckpt_goal goal;
	enum ckpt_halt halt;
	siginfo_t si;
	int live_sig;

	ckpt_overlay_remove(&F.tl->overlay, F.now);
	for (;;) {
		if (F.now->play->sig && !F.now->play->told) {
			F.now->play->told = true;
			ckpt_overlay_apply(&F.tl->overlay, F.now);
			vpt_report(vt, W_STOPCODE(F.now->play->sig), &F.now->play->siginfo);
			return;
		}
		ckpt_goal_of(F.tl, F.now->play->interval, &goal);
		if (at_goal(&goal)) {
			halt = CKPT_HALT_GOAL;
		} else if (request == PTRACE_SINGLESTEP) {
			run = (struct ckpt_run){ .goal = &goal };
			halt = ckpt_puppet_step(F.now, &run);
		} else {
			halt = forward_leg(&goal, request == PTRACE_SYSCALL, &run);
		}
		if (halt != CKPT_HALT_GOAL)
			break;
		if (cross(vt)) {
			lost(vt, &run, "can't go on (no process)");
			return;
		}
		if (F.now->play && F.tl->snaps[F.now->play->interval]->exec) {
			announce_exec(vt);
			return;
		}
		if (F.now == F.tl->live) {
			ckpt_overlay_apply(&F.tl->overlay, F.now);
			/* It stopped by a signal that it hasn't got yet. */
			live_sig = ckpt_record_signal(F.tl, &si);
			if (live_sig)
				vpt_report(vt, W_STOPCODE(live_sig), &si);
			else if (!fred_threads_appear(vt))
				ckpt_target_resume(F.now, request, 0); /* sig was the puppet's */
			return;
		}
	}
	if (halt == CKPT_HALT_EXIT || (halt == CKPT_HALT_DEAD && !F.tl->live)) {
		report_end(vt);
		return;
	}
	if (halt != CKPT_HALT_DEAD)
		ckpt_overlay_apply(&F.tl->overlay, F.now);
	switch (halt) {
	case CKPT_HALT_PROBE:
		announce(vt, FRED_ARRIVE_BREAKPOINT);
		break;
	case CKPT_HALT_STEP:
		announce(vt, FRED_ARRIVE_STEP);
		break;
	case CKPT_HALT_TRAP:
	case CKPT_HALT_SIGNAL:
		vpt_report(vt, W_STOPCODE(F.now->stop.sig), &F.now->play->stopped_by);
		break;
	case CKPT_HALT_CALL:
		si = trap_info(SIGTRAP | 0x80);
		vpt_report(vt, W_STOPCODE(SIGTRAP | 0x80), &si);
		break;
	case CKPT_HALT_CANCELLED:
		memset(&si, 0, sizeof(si));
		si.si_signo = SIGINT;
		vpt_report(vt, W_STOPCODE(SIGINT), &si);
		break;
	default:
		lost(vt, &run, halt == CKPT_HALT_DIVERGED ? "diverged" : "failed");
		break;
	}
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
	vpt_set_player(F.vt, F.now);
	if (former)
		ckpt_puppet_destroy(former);
}

/* A function called in the past runs: such a copy is on its own, and thrown
 * away when the registers come back. */
static void forward_calling(struct vpt_thread *vt, int request)
{
	siginfo_t si = trap_info(SI_KERNEL);

	while (!ckpt_resume(F.now,
			    request == PTRACE_SINGLESTEP ? PTRACE_SYSEMU_SINGLESTEP : PTRACE_SYSEMU,
			    0)) {
		while (ckpt_wait(F.now, NULL) == -EINTR)
			if (ckpt_cancelled && ckpt_cancelled())
				ckpt_interrupt(F.now);
		if (F.now->state == CKPT_DEAD)
			break;
		if (F.now->state == CKPT_ENTRY) {
			ckpt_foreign_call(F.now);
			continue;
		}
		if (F.now->state == CKPT_EVENT) {
			memset(&si, 0, sizeof(si));
			si.si_signo = SIGINT;
			vpt_report(vt, W_STOPCODE(SIGINT), &si);
			return;
		}
		vpt_report(vt, W_STOPCODE(F.now->stop.sig), NULL);
		return;
	}
	fred_say("the copy in which the function ran has died; the program is as before");
	take_clean();
	vpt_report(vt, W_STOPCODE(SIGTRAP), &si);
}

static bool registers_are_back(void)
{
	struct ckpt_general now = ckpt_general_of(ckpt_regs(F.now)),
			    then = ckpt_general_of(ckpt_regs(F.clean));

	return !memcmp(&now, &then, sizeof(now));
}

/* Before the debugger changes a puppet that plays: keeps it as it was. True:
 * t is such a puppet. */
bool fred_timeline_changing(struct ckpt_task *t)
{
	if (!is_puppet(t) || t != F.now)
		return false;
	if (F.taint == FRED_CLEAN && !ckpt_puppet_clone(t, &F.clean)) {
		ckpt_overlay_remove(&F.tl->overlay, F.clean);
		F.taint = FRED_CHANGED;
	}
	return true;
}

void fred_timeline_restore(void)
{
	if (!F.vt || F.taint == FRED_CLEAN)
		return;
	if (F.taint == FRED_CHANGED)
		say_unchangeable();
	take_clean();
}

/* Whether what the debugger changed is for a function that it calls. */
static bool calling(void)
{
	struct ckpt_general then;

	if (F.taint == FRED_CHANGED) {
		then = ckpt_general_of(ckpt_regs(F.clean));
		if (ckpt_call_was_pushed(F.now, &then))
			F.taint = FRED_CALLING;
	}
	return F.taint == FRED_CALLING && !registers_are_back();
}

bool fred_timeline_resuming(struct vpt_thread *vt, int request, int sig)
{
	if (!is_ours(vt))
		return false;
	if (F.landing && F.staged) {
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
	if (!is_puppet(F.now))
		return fred_threads_appear(vt);
	if (calling()) {
		forward_calling(vt, request);
		return true;
	}
	if (fred_branch_resuming(vt, request, sig))
		return true;
	fred_timeline_restore();
	forward(vt, request);
	return true;
}

void fred_timeline_begin_branch(struct vpt_thread *vt, struct ckpt_task *live)
{
	struct ckpt_task *former = F.now;

	forget_clean();
	F.now = live;
	vpt_set_player(vt, live);
	ckpt_puppet_destroy(former);
}

void fred_timeline_replace(struct vpt_thread *vt, struct ckpt_task *puppet)
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
	if (!puppet && F.tl) {
		struct ckpt_task *live = F.tl->live;

		destroy_timeline();
		if (live)
			ckpt_kill(live);
	}
}

/* ---------------------------------------------------------------- signals */

bool fred_timeline_signalled(struct vpt_thread *vt, int sig)
{
	if (!vt->task)
		return true; /* vanished: the number may be a live thread's */
	if (is_ours(vt) && sig == SIGKILL)
		fred_branches_drop(false);
	if (is_ours(vt) && F.now && !is_puppet(F.now) && F.now->tid != vt->tid) {
		/* A branch's process has another number. */
		syscall(SYS_tgkill, F.now->tgid, F.now->tid, sig);
		return true;
	}
	if (!is_ours(vt) || !is_puppet(F.now))
		return false;
	if (sig == SIGKILL) {
		struct ckpt_task *live = F.tl->live;

		drop_puppet();
		if (live) {
			kill(live->tgid, SIGKILL); /* its death is reported as usual */
		} else {
			vt->task = NULL;
			vpt_report_exit(vt, SIGKILL);
		}
	}
	return true; /* stops: a puppet never runs while the debugger does */
}

/* After the program's end the debugger attaches again, below our commands. */
struct vpt_thread *fred_timeline_attaching(pid_t tid, struct vpt_debugger *d)
{
	struct vpt_thread *vt;
	siginfo_t si;

	if (!F.staged || F.vt || tid != F.tid)
		return NULL;
	vt = vpt_thread_new(tid, tid, d);
	F.vt = vt;
	F.now = F.staged;
	F.staged = NULL;
	F.tl->overlay.n = 0;
	vpt_set_player(vt, F.now);
	memset(&si, 0, sizeof(si));
	si.si_signo = SIGSTOP;
	vpt_report(vt, W_STOPCODE(SIGSTOP), &si);
	return vt;
}

uint64_t fred_private_memory(void)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < F.tl->nsnaps; i++) {
		char path[48], line[128];
		unsigned long kb;
		FILE *f;

		if (!F.tl->snaps[i]->copy)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", F.tl->snaps[i]->copy->tid);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f))
			if (sscanf(line, "Private_Dirty: %lu", &kb) == 1)
				sum += kb * 1024;
		if (f)
			fclose(f);
	}
	return sum;
}
