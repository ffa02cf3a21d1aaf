/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "ckptcore/arch/x86_64/outer_insn.h"
#include "ckptcore/arch/x86_64/vdso.h"
#include "ckptcore/quick.h"
#include "fred/branch.h"
#include "fred/checkpoint.h"
#include "fred/command.h"
#include "fred/forks.h"
#include "fred/processes.h"
#include "fred/threads.h"
#include "fred/timeline.h"
#include "fred/trail.h"
#include "fred/undo.h"

#define F fred_tl
#define MAX_ENDED 4 /* children that the debugger followed, whose past is kept */

static struct fred_timeline none, *list;
struct fred_timeline *fred_process = &none;
static struct vpt_thread *fresh;  /* has made its exec, but may be the shell yet */
static struct vpt_thread *joined; /* attached to with several threads, to be recorded */

static bool is_leader(const struct vpt_thread *vt)
{
	return F.vt && vt == F.vt;
}

struct fred_timeline *fred_processes(void)
{
	return list;
}

size_t fred_processes_count(void)
{
	size_t n = 0;

	for (const struct fred_timeline *f = list; f; f = f->next)
		n++;
	return n;
}

bool fred_process_select(pid_t tgid)
{
	struct fred_timeline *f = list;

	while (f && f->tid != tgid)
		f = f->next;
	if (f)
		fred_process = f;
	return f;
}

void fred_process_show(pid_t tgid, bool ended)
{
	struct fred_timeline *f = list;

	if (fred_process_select(tgid) ||
	    (!tgid && ended && fred_process != &none && !fred_process->vt))
		return;
	while (f && (tgid || !ended ||
		     f->vt)) /* a number that isn't known was never recorded, or let go */
		f = f->next;
	fred_process = f ? f : &none;
}

static struct fred_timeline *process_new(pid_t tgid)
{
	struct fred_timeline *f = calloc(1, sizeof(*f)), **p = &list;

	if (!f)
		return NULL;
	f->tid = tgid;
	while (*p)
		p = &(*p)->next;
	*p = f;
	fred_process = f;
	return f;
}

void fred_processes_each(void (*fn)(void *arg), void *arg)
{
	struct fred_timeline *looked_at = fred_process;

	for (struct fred_timeline *f = fred_processes(), *next; f; f = next) {
		next = f->next;
		fred_process = f;
		fn(arg);
	}
	fred_process = looked_at;
}

/* ---------------------------------------------------------- begin and end */

/* It isn't one of them any more. */
static void unlink_process(void)
{
	struct fred_timeline **p = &list, *f = fred_process;

	if (f == &none)
		return;
	while (*p != f)
		p = &(*p)->next;
	*p = f->next;
	free(f);
	fred_process = &none;
}

void fred_process_drop(void)
{
	struct ckpt_timeline *tl = F.tl;

	if (tl) {
		fred_trail_forget();
		fred_branches_drop(true);
		fred_undo_timeline_gone(tl);
		fred_timeline_drop_puppet();
		fred_checkpoints_drop(tl);
		F.tl = NULL;
		ckpt_timeline_destroy(tl);
	}
	unlink_process();
}

/* Time and chance become visible: vdso calls real ones, rdtsc and rdrand faults. */
static int expose_time(struct ckpt_task *t, bool trap_tsc)
{
	int err = ckpt_vdso_patch(t, trap_tsc);

	if (err && err != -ENOENT)
		return err;
	if (!trap_tsc)
		return 0;
	err = ckpt_outer_insn_trap_all(t);
	return err ? err : ckpt_trap_tsc(t, true);
}

/* Begins to record the process of vt, its leader, all of whose threads stand. */
static void record(struct vpt_thread *vt)
{
	struct ckpt_task *t = vt->task;

	if (expose_time(t, !vt->attached) || !process_new(vt->tgid))
		return;
	F.tl = ckpt_timeline_create();
	if (!F.tl) {
		unlink_process();
		return;
	}
	F.tl->live = t;
	t->timeline = F.tl;
	if (ckpt_record_start(F.tl) || fred_threads_record(vt)) {
		fred_process_drop();
		return;
	}
	F.vt = vt;
	F.debugger = vt->debugger;
	F.now = t;
	ckpt_snapshot(F.tl, CKPT_END_NOW, true, 0, NULL);
}

/* The past of a process that has ended goes, as the debugger has another one. */
static void replace_ended(size_t keep)
{
	size_t n = 0;

	for (struct fred_timeline *f = fred_processes(); f; f = f->next)
		n += !f->vt;
	for (struct fred_timeline *f = fred_processes(), *next; f && n > keep; f = next) {
		next = f->next;
		if (f->vt)
			continue;
		fred_process = f;
		fred_process_drop();
		n--;
	}
}

/* @forked: the debugger has followed a process to its child. */
static void begin(struct vpt_thread *vt, bool forked)
{
	joined = NULL;
	if (fred_process_select(vt->tgid)) {
		fred_process_drop();
	}
	replace_ended(forked ? MAX_ENDED : 0);
	if (!fred_commands_loaded) {
		fred_commands_loaded = true;
		fred_say(
			"this gdb has not loaded fred's commands (it needs gdb 12 with Python); the program runs forward only");
		fred_no_record = true;
	}
	if (fred_no_record)
		return;
	if (forked && ckpt_has_namespace(vt->tgid))
		return;
	if (fred_threads_count(vt->tgid) == 1)
		record(vt);
	else if (vt->attached)
		joined = vt;
}

void fred_process_join(void)
{
	struct vpt_thread *vt = joined;

	if (!vt || !fred_threads_all_stand(vt))
		return;
	joined = NULL;
	record(vt);
}

/* A child in memory of its own that the debugger goes on with is recorded. */
static void follow(struct vpt_thread *vt)
{
	if (vt->forked && !vt->shares && vt->tid == vt->tgid && vt->task && !fred_no_record &&
	    !fred_process_select(vt->tgid))
		begin(vt, true);
}

void fred_process_about_to_act(struct vpt_thread *vt, bool breaks)
{
	fred_process_join();
	if (breaks)
		follow(vt);
	if (vt->task && vt->task->thread)
		ckpt_quick_look(vt->task->timeline);
}

void fred_process_started(struct vpt_thread *vt)
{
	/* The debugger's own start of a program, by way of a shell or not, comes
	 * without options; they follow once the program itself is there. */
	if (!(vt->options & PTRACE_O_TRACEEXEC)) {
		fresh = vt;
		return;
	}
	if (!fred_process_select(vt->tgid)) {
		follow(vt);
		return;
	}
	if (!is_leader(vt) || !F.tl || !F.tl->recording)
		return;
	if (expose_time(vt->task, true))
		ckpt_record_stop(F.tl, "the new program can't be prepared");
	ckpt_clock_start(F.tl);
	ckpt_snapshot(F.tl, CKPT_END_CALL, true, 0, NULL);
	if (F.tl->recording)
		F.tl->snaps[F.tl->nsnaps - 1]->exec = true;
}

void fred_process_options(struct vpt_thread *vt)
{
	if (fresh != vt)
		return;
	fresh = NULL;
	begin(vt, false);
}

void fred_process_stopped(struct vpt_thread *vt)
{
	if (vt->attached && !vt->forked && vt->tid == vt->tgid && !fred_process_select(vt->tgid) &&
	    vt->task && vt->task->state != CKPT_ENTRY)
		begin(vt, false);
}

void fred_process_died(struct ckpt_task *t)
{
	for (struct fred_timeline *f = fred_processes(); f; f = f->next) {
		if (f->now == t)
			f->now = NULL;
		if (f->origin == t)
			f->origin = NULL;
		if (f->staged == t)
			f->staged = NULL;
	}
}

/* Pasts of processes that ended before it are still there. */
void fred_process_debugger_gone(const struct vpt_debugger *d)
{
	for (struct fred_timeline *f = fred_processes(); f; f = f->next)
		if (f->debugger == d)
			f->debugger = NULL;
}

void fred_process_gone(struct vpt_thread *vt, bool died)
{
	fred_forks_let_go(vt);
	if (fresh == vt)
		fresh = NULL;
	if (joined == vt)
		joined = NULL;
	if (!fred_process_select(vt->tgid) || !is_leader(vt))
		return;
	if (died) {
		/* Its end is part of the timeline: one can go back from it. */
		F.vt = NULL;
		if (F.now && F.now->play)
			fred_timeline_drop_puppet();
		return;
	}
	fred_timeline_drop_puppet();
	if (F.leaving) {
		F.leaving = false;
		F.vt = NULL;
		return;
	}
	fred_process_drop();
}

void fred_processes_drop(void)
{
	while ((fred_process = fred_processes())) {
		if (F.tl && F.tl->live && F.tl->live->no_exitkill &&
		    F.tl->live->state == CKPT_RUNNING)
			F.tl->live = NULL; /* runs on without us */
		fred_process_drop();
	}
}
