/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the user does to the program in the past. The puppet that he changes is
 * F.now, and F.clean is a copy from before. Functions that he calls run in a copy
 * that is thrown away: that is F.now then, for as long as he looks at what they
 * did, and F.kept has what he changed himself, before and after. (When a call
 * begins, and what he changes, the debugger's Python tells us: branch.py.)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ckptcore/target.h"
#include "fred/branch.h"
#include "fred/forward.h"
#include "fred/reply.h"
#include "fred/threads.h"
#include "fred/timeline.h"

#define F fred_tl
#define MAX_WRITTEN (64 << 20) /* bytes of one change */

static bool is_ours(const struct vpt_thread *vt)
{
	return F.vt && vt->tgid == F.vt->tgid;
}

static bool is_puppet(const struct ckpt_task *t)
{
	return t && t->play;
}

/* A copy without the debugger's bytes. */
static int copy_of(struct ckpt_task *p, struct ckpt_task **ret)
{
	int err = ckpt_puppet_clone(p, ret);

	if (!err)
		ckpt_overlay_remove(&F.tl->overlay, *ret);
	return err;
}

static void forget_kept(void)
{
	ckpt_puppet_destroy(F.kept);
	F.kept = NULL;
}

void fred_timeline_forget_changes(void)
{
	forget_kept();
	ckpt_puppet_destroy(F.clean);
	F.clean = NULL;
	F.taint = FRED_CLEAN;
}

static void say_unchangeable(void)
{
	if (!F.said_unchangeable)
		fred_say("the change is dropped: the past is as it was");
	F.said_unchangeable = true;
}

/* `to' plays instead of the puppet that the user has changed. */
static void exchange(struct ckpt_task *to)
{
	struct ckpt_task *former = F.now;

	if (F.peeking)
		F.staged = to;
	F.now = to;
	fred_threads_play(to);
	if (former)
		ckpt_puppet_destroy(former);
}

/* The puppet as it was plays again. */
static void take_clean(void)
{
	struct ckpt_task *clean = F.clean;

	F.clean = NULL;
	fred_timeline_forget_changes();
	exchange(clean);
}

bool fred_timeline_changing(struct ckpt_task *t)
{
	const struct vpt_thread *vt = vpt_of(t);

	if (vt)
		fred_process_select(vt->tgid);
	if (!is_puppet(F.now) || !ckpt_vtid(t) || ckpt_puppet_thread(F.now, ckpt_vtid(t)) != t)
		return false;
	if (F.taint == FRED_CLEAN && !copy_of(F.now, &F.clean))
		F.taint = FRED_CHANGED;
	return true;
}

/* ------------------------------------------------------------------- calls */

/* The signal that vt's function, at a call, sends its own thread: by raise(), and so
 * abort() and assert(). None is really sent in a copy, where it would wait. 0: none. */
static int raised(const struct vpt_thread *vt, const struct ckpt_task *t)
{
	const uint64_t *args = t->stop.args;
	int sig = (int)args[2];

	if (t->stop.nr != SYS_tgkill || (pid_t)args[0] != vt->tgid ||
	    (pid_t)args[1] != ckpt_vtid(t))
		return 0;
	return sig > 0 && sig <= 64 ? sig : 0;
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
			int sig = raised(vt, t);

			ckpt_foreign_call(t, vt->tgid);
			if (!sig)
				continue;
			memset(&si, 0, sizeof(si));
			si.si_signo = sig;
			si.si_code = SI_TKILL;
			si.si_pid = vt->tgid;
			ckpt_set_result(t, 0);
			vpt_report(vt, W_STOPCODE(sig), &si);
			return;
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
void fred_timeline_run_call(struct vpt_thread *vt, int request)
{
	F.call_interrupted = false;
	ckpt_cancelled = fred_forward_interrupted;
	call_in_copy(vt, vt->task, request);
	ckpt_cancelled = NULL;
}

/* What a thread did as the debugger stepped it over a breakpoint, for a function in another
 * thread to run: that wasn't the program's, nor the user's. */
static void undo_step_aside(struct ckpt_task *t)
{
	struct ckpt_task *then = ckpt_puppet_thread(F.kept ? F.kept : F.clean, ckpt_vtid(t));

	if (!t->stepped_aside || !then)
		return;
	t->stepped_aside = false;
	*ckpt_regs(t) = *ckpt_regs(then);
	ckpt_regs_dirty(t);
}

/* The debugger resumes vt's thread, too, while a function runs in another one: it only seems to
 * run, as nothing of its would stay. But a step over a breakpoint is waited for. */
void fred_timeline_run_aside(struct vpt_thread *vt, int request)
{
	struct ckpt_task *t = vt->task;

	if (!t)
		return;
	undo_step_aside(t);
	if (request != PTRACE_SINGLESTEP)
		return;
	t->stepped_aside = true;
	fred_timeline_run_call(vt, request);
}

/* Whether a function that the debugger has called is on the stack of vt's thread. (Its
 * registers don't tell: the user may have changed some before.) */
bool fred_timeline_calls(const struct vpt_thread *vt)
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
		F.taint = FRED_CALLING;
	}
	return ckpt_regs(t)->rsp <= t->called;
}

bool fred_timeline_calling(void)
{
	bool found = false;

	for (struct vpt_thread *vt = vpt_first(); vt; vt = vt->next)
		found |= is_ours(vt) && fred_timeline_calls(vt);
	return found;
}

/* The x87, SSE and AVX registers of the extended state. Behind these gdb 13 mistakes what lies
 * where, on processors without MPX, so that what it puts back isn't what was there. */
#define VECTORS 832u
#define IN_USE 512u /* XSTATE_BV: the debugger's writing changes that, without a difference */

static bool same_vectors(struct ckpt_task *a, struct ckpt_task *b)
{
	static uint8_t xa[CKPT_XSTATE_MAX], xb[CKPT_XSTATE_MAX];
	size_t na = sizeof(xa), nb = sizeof(xb);

	if (ckpt_get_xstate(a, xa, &na) || ckpt_get_xstate(b, xb, &nb))
		return true;
	na = na < VECTORS ? na : VECTORS;
	return !memcmp(xa, xb, na < IN_USE ? na : IN_USE) &&
	       (na < IN_USE + 64 || !memcmp(xa + IN_USE + 64, xb + IN_USE + 64, na - IN_USE - 64));
}

static int copy_vectors(struct ckpt_task *from, struct ckpt_task *to)
{
	static uint8_t state[CKPT_XSTATE_MAX], theirs[CKPT_XSTATE_MAX];
	size_t len = sizeof(state), n = sizeof(theirs);
	int err = ckpt_get_xstate(to, state, &len);

	if (!err)
		err = ckpt_get_xstate(from, theirs, &n);
	if (err)
		return err;
	n = len < VECTORS ? len : VECTORS;
	theirs[IN_USE] = (uint8_t)((theirs[IN_USE] & 7) | (state[IN_USE] & ~7));
	memcpy(theirs + IN_USE + 1, state + IN_USE + 1, 63);
	memcpy(state, theirs, n);
	return ckpt_set_xstate(to, state, len);
}

static bool registers_differ(void)
{
	struct ckpt_general now, then;
	struct ckpt_task *clean;

	for (struct vpt_thread *vt = vpt_first(); vt; vt = vt->next) {
		clean = is_ours(vt) && vt->task ? ckpt_puppet_thread(F.clean, ckpt_vtid(vt->task)) :
						  NULL;
		if (!clean)
			continue;
		now = ckpt_general_of(ckpt_regs(vt->task));
		then = ckpt_general_of(ckpt_regs(clean));
		if (memcmp(&now, &then, sizeof(now)) || !same_vectors(vt->task, clean))
			return true;
	}
	return false;
}

static int copy_registers(struct ckpt_task *from, struct ckpt_task *to)
{
	*ckpt_regs(to) = *ckpt_regs(from);
	ckpt_regs_dirty(to);
	return same_vectors(from, to) ? 0 : copy_vectors(from, to);
}

/* Those that the user sees: the debugger has put back what the functions changed. */
static int copy_all_registers(struct ckpt_task *to)
{
	int err = 0;

	for (struct vpt_thread *vt = vpt_first(); vt && !err; vt = vt->next) {
		struct ckpt_task *t = NULL;

		if (is_ours(vt) && vt->task)
			t = ckpt_puppet_thread(to, ckpt_vtid(vt->task));
		if (t)
			err = copy_registers(vt->task, t);
	}
	return err;
}

bool fred_timeline_end_calls(void)
{
	struct ckpt_task *to = F.kept;

	if (!F.vt || F.taint != FRED_CALLING || F.peeking || fred_timeline_calling())
		return false;
	for (struct vpt_thread *vt = vpt_first(); vt; vt = vt->next)
		if (is_ours(vt) && vt->task)
			undo_step_aside(vt->task);
	if (!to && (!registers_differ() || copy_of(F.clean, &to))) {
		take_clean();
		return true;
	}
	F.kept = NULL;
	if (copy_all_registers(to)) {
		ckpt_puppet_destroy(to);
		say_unchangeable();
		take_clean();
		return true;
	}
	F.taint = FRED_CHANGED;
	exchange(to);
	ckpt_overlay_apply(&F.tl->overlay, to);
	return true;
}

/* The debugger is about to call a function, before it has written anything for that. */
void fred_op_call(json_object *in, json_object *out)
{
	(void)in;
	put(out, "status", "ok");
	put_bool(out, "copy", F.vt && is_puppet(F.now));
	if (!F.vt || !is_puppet(F.now) || F.taint == FRED_CALLING)
		return;
	if (F.taint == FRED_CHANGED && !F.peeking && copy_of(F.now, &F.kept))
		say_unchangeable();
	if (fred_timeline_changing(F.now) && F.taint == FRED_CHANGED)
		F.taint = FRED_CALLING;
}

/* Whether one of the words at mem points to what is another in the kept puppet than in the
 * one where functions were called. */
static bool points_to_what_goes(const uint8_t *mem, size_t len)
{
	uint64_t at, here[2], there[2];

	for (size_t i = 0; i + sizeof(at) <= len; i += sizeof(at)) {
		memcpy(&at, mem + i, sizeof(at));
		if (!ckpt_read(F.now, at, here, sizeof(here)) &&
		    (ckpt_read(F.kept, at, there, sizeof(there)) ||
		     memcmp(here, there, sizeof(here))))
			return true;
	}
	return false;
}

/* The user has written to memory where functions were called: it isn't theirs, and stays.
 * What he is to be told of it, or NULL. */
static const char *keep_written(uint64_t at, size_t len)
{
	uint8_t *mem = len < MAX_WRITTEN ? malloc(len) : NULL;
	const char *told = NULL;

	if (!mem || (!F.kept && copy_of(F.clean, &F.kept)))
		told = "the change is dropped: there isn't enough memory";
	else if (ckpt_read(F.now, at, mem, len) || ckpt_write(F.kept, at, mem, len))
		told = "the change is dropped: that memory is there only in the copy in which the function ran";
	else if (points_to_what_goes(mem, len))
		told = "what this points to was made or changed by a function that ran in a copy: it goes when the program goes on";
	free(mem);
	return told;
}

void fred_op_written(json_object *in, json_object *out)
{
	const char *told;

	put(out, "status", "ok");
	if (!F.vt || !is_puppet(F.now) || F.taint != FRED_CALLING || F.peeking)
		return;
	if (fred_timeline_calling())
		told = "the function runs in a copy: the change goes when it returns";
	else
		told = keep_written(get_number(in, "at", 0), get_number(in, "size", 0));
	if (told)
		put(out, "message", told);
}

/* ---------------------------------------------------------------- dropping */

/* Whether what the user has done goes with the puppet: else it is as the past was, but for
 * what functions did. */
static bool is_lost(void)
{
	if (F.peeking) /* it is a copy of ours */
		return false;
	return F.taint == FRED_CALLING ? F.kept != NULL : fred_branch_is_changed();
}

void fred_timeline_restore(void)
{
	if (!F.vt)
		return;
	fred_timeline_end_calls();
	if (F.taint == FRED_CLEAN)
		return;
	if (is_lost())
		say_unchangeable();
	take_clean();
}

void fred_timeline_drop_changes(void)
{
	if (F.taint != FRED_CLEAN)
		take_clean();
}
