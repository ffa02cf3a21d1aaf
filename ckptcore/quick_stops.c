/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stops amid quick calls: what they mean for the program, which knows nothing of our code. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include "ckptcore/clock.h"
#include "ckptcore/inject.h"
#include "ckptcore/outside.h"
#include "ckptcore/quick_internal.h"
#include "ckptcore/record.h"
#include "ckptcore/signals.h"

#ifndef SYS_USER_DISPATCH
#define SYS_USER_DISPATCH 2 /* si_code */
#endif

#define MOST_STEPS 5000

static bool is_amid(const struct ckpt_task *t, uint64_t rip)
{
	const struct ckpt_quick *q = t->timeline->quick;

	return rip - CKPT_QUICK_CODE < CKPT_QUICK_CODE_SIZE ||
	       rip - t->near_code < CKPT_QUICK_SITES * CKPT_QUICK_JUMP ||
	       ckpt_sites_jumps_at(&q->sites, rip);
}

/* Where a call would be made. */
static bool is_before(uint64_t rip)
{
	return rip == ckpt_quick_address(ckpt_quick_code_call) ||
	       rip == ckpt_quick_address(ckpt_quick_code_real);
}

/* t stands at the copying, which would be a step a byte. */
static void copy(struct ckpt_task *t)
{
	struct user_regs_struct *r = ckpt_regs(t);
	uint8_t *notes = (uint8_t *)ckpt_quick_notes(t->timeline);
	uint64_t to = r->rdi - CKPT_QUICK_NOTES;

	if (!notes || to > CKPT_QUICK_NOTES_SIZE || r->rcx > CKPT_QUICK_NOTES_SIZE - to ||
	    ckpt_read(t, r->rsi, notes + to, r->rcx))
		return;
	r->rdi += r->rcx;
	r->rsi += r->rcx;
	r->rcx = 0;
	ckpt_regs_dirty(t);
}

static bool goes_on(struct ckpt_task *t)
{
	uint64_t rip = ckpt_regs(t)->rip;

	if (rip == ckpt_quick_address(ckpt_quick_code_copy))
		copy(t);
	if (rip == ckpt_quick_address(ckpt_quick_code_trap)) {
		ckpt_regs(t)->rip++;
		ckpt_regs_dirty(t);
	}
	if (rip == ckpt_quick_address(ckpt_quick_code_ask)) { /* we shall */
		ckpt_regs(t)->rip += 2;
		ckpt_regs(t)->rax = (uint64_t)-EAGAIN;
		ckpt_regs_dirty(t);
	}
	return is_amid(t, rip) && !is_before(rip);
}

/* Whether t is in what the assembly has called. */
static bool is_called(uint64_t rip)
{
	const uint64_t begin = ckpt_quick_address(ckpt_quick_code_begin);

	return rip - CKPT_QUICK_CODE < (uint64_t)(__stop_fred_quick - __start_fred_quick) &&
	       rip - begin >= ckpt_quick_address(ckpt_quick_code_end) - begin;
}

static bool steps_on(struct ckpt_task *t)
{
	return !is_called(ckpt_regs(t)->rip) && goes_on(t);
}

/* Has t go on to where it is to make its call, or out of our code. What is called it runs through: to step
 * there takes longer than from one signal to the next in some programs. */
static int go_out(struct ckpt_task *t, const struct ckpt_quick_notes *notes)
{
	const uint64_t *top = notes->stack + sizeof(notes->stack) / sizeof(*notes->stack);
	uint64_t back;
	int err;

	for (;;) {
		err = ckpt_step_while(t, steps_on, MOST_STEPS);
		if (err || !is_called(ckpt_regs(t)->rip))
			return err;
		back = top[-1];
		if (back != ckpt_quick_address(ckpt_quick_code_decided) &&
		    back != ckpt_quick_address(ckpt_quick_code_noted))
			break; /* the program has overwritten it */
		err = ckpt_run_to(t, back);
		if (err)
			return err;
		if (ckpt_regs(t)->rip != back)
			break; /* a fault */
	}
	return ckpt_step_while(t, goes_on, MOST_STEPS);
}

/* t has been about to make a call from our code: it is at its site. */
static void go_back(struct ckpt_task *t, const struct ckpt_quick_notes *notes)
{
	struct user_regs_struct *r = ckpt_regs(t);

	r->rip = notes->back[notes->site % CKPT_QUICK_SITES] - 2;
	r->rax = notes->nr;
	r->rcx = notes->rcx;
	r->r11 = notes->r11;
	r->orig_rax = (uint64_t)-1;
	ckpt_regs_dirty(t);
}

/*
 * The kernel has refused to make t's call, or was interrupted in it: that is as if a signal had
 * interrupted it at its site, and it will be made again. What rcx and r11 were before is lost.
 */
static void be_interrupted(struct ckpt_task *t, const struct ckpt_quick_notes *notes)
{
	struct user_regs_struct *r = ckpt_regs(t);

	if (r->rip - CKPT_QUICK_CODE < CKPT_QUICK_CODE_SIZE) {
		r->rip = r->rcx = notes->back[notes->site % CKPT_QUICK_SITES];
		r->orig_rax = notes->nr;
	} else {
		r->orig_rax = r->rax;
	}
	t->stop.ip = r->rip;
	t->stop.nr = (long)r->orig_rax;
	memcpy(t->stop.args, (const uint64_t[6]){ r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9 },
	       sizeof(t->stop.args));
	if ((int)r->orig_rax == -1) { /* no call to the kernel, which wouldn't make it again */
		r->rip -= 2;
	} else if (!ckpt_interrupted((int64_t)r->rax) && !t->thread->done) {
		r->rax = (uint64_t)-CKPT_ERESTARTNOINTR;
	}
	ckpt_regs_dirty(t);
	ckpt_record_entered(t);
	if ((int64_t)r->rax == -516)
		ckpt_turns_timed(t->thread);
}

/* t is in the kernel by our code's real call: as if by its site's. */
static void pretend(struct ckpt_task *t, const struct ckpt_quick_notes *notes)
{
	struct user_regs_struct *r = ckpt_regs(t);

	r->rip = r->rcx = notes->back[notes->site % CKPT_QUICK_SITES];
	t->stop.ip = r->rip;
	ckpt_regs_dirty(t);
}

/*
 * t, stepped, is behind its site. If it was on the way out of the call when it stopped it is
 * so still: a signal that came of the call is delivered there.
 */
static void be_behind(struct ckpt_task *t, const struct ckpt_quick_notes *notes, bool on_way_out)
{
	struct user_regs_struct *r = ckpt_regs(t);

	if (r->r11 & 0x100)
		ckpt_hide_trap_in_r11(t);
	if (!on_way_out)
		return;
	r->orig_rax = notes->nr;
	ckpt_regs_dirty(t);
}

/* The notes become events. -EFAULT: they aren't the code's. */
static int drain(struct ckpt_task *t, struct ckpt_quick_notes *notes)
{
	struct ckpt_timeline *tl = t->timeline;
	struct ckpt_quick *q = tl->quick;
	uint64_t at = q->drained, end = __atomic_load_n(&notes->at, __ATOMIC_ACQUIRE);
	int err = 0;

	q->drained = end;
	if (end > CKPT_QUICK_DATA_SIZE)
		return -EFAULT;
	while (!err && at < end) {
		const struct ckpt_quick_call *c = (const void *)(notes->data + at);
		uint64_t len = ckpt_quick_length(c, end - at);

		if (!len || c->site >= CKPT_QUICK_SITES || !ckpt_quick_possible((long)c->nr))
			return -EFAULT;
		err = ckpt_clock_log(tl, c->clock);
		if (!err)
			err = ckpt_record_quick(t, c, notes->back[c->site]);
		ckpt_sites_used(&q->sites, c->site);
		at += len;
		if (!ckpt_quick_keeps_files((long)c->nr))
			q->files.known = false;
		q->done++;
		ckpt_stats.quick++;
	}
	return err;
}

/* All notes are events, and t, stopped, makes others. */
static void reset(struct ckpt_quick *q, struct ckpt_quick_notes *notes)
{
	notes->at = notes->amid = q->drained = 0;
	notes->room = CKPT_QUICK_DATA_SIZE;
}

bool ckpt_quick_drain(struct ckpt_timeline *tl)
{
	struct ckpt_quick_notes *notes = tl->quick ? ckpt_quick_notes(tl) : NULL;
	struct ckpt_quick *q = tl->quick;
	bool amid = false;

	if (!notes || !q->ready)
		return false;
	do {
		if (!q->failed)
			q->failed = drain(tl->live, notes);
		amid = __atomic_load_n(&notes->amid, __ATOMIC_ACQUIRE);
	} while (!q->failed && __atomic_load_n(&notes->at, __ATOMIC_ACQUIRE) != q->drained);
	/* What it has read of the clock it has read before. */
	if (amid && !q->failed)
		q->failed = ckpt_clock_log_all(tl);
	return amid;
}

bool ckpt_quick_detour(struct ckpt_task *t)
{
	const struct ckpt_quick *q = t->timeline->quick;

	if (!q || !q->ready) /* nor will it lead there before t has made its call */
		return false;
	ckpt_regs(t)->rip = ckpt_quick_address(ckpt_quick_code_again);
	ckpt_regs_dirty(t);
	return true;
}

void ckpt_quick_back(struct ckpt_task *t)
{
	struct user_regs_struct *r = ckpt_regs(t);
	uint64_t site = t->thread->ip - 2, by = r->rip - ckpt_quick_address(ckpt_quick_code_again);

	if (by != 0 && by != 2)
		return;
	r->rip = site + by;
	if (by)
		t->stop.ip = r->rcx = r->rip;
	ckpt_regs_dirty(t);
}

/* A call that isn't quick was refused by the kernel. */
static bool was_refused(struct ckpt_task *t)
{
	siginfo_t si;

	return t->state == CKPT_SIGNAL && t->stop.sig == SIGSYS &&
	       !ptrace(PTRACE_GETSIGINFO, t->tid, 0, &si) && si.si_code == SYS_USER_DISPATCH;
}

/* The same, but an interrupt came between that and its signal. */
static bool is_refused(struct ckpt_task *t)
{
	struct __ptrace_peeksiginfo_args args = { .nr = 1 };
	siginfo_t si;

	if (t->state != CKPT_EVENT)
		return false;
	for (; ptrace(PTRACE_PEEKSIGINFO, t->tid, &args, &si) == 1; args.off++)
		if (si.si_signo == SIGSYS && si.si_code == SYS_USER_DISPATCH)
			return true;
	return false;
}

static void count_other(struct ckpt_quick *q)
{
	if (++q->others < CKPT_QUICK_WINDOW)
		return;
	q->on = q->done >= CKPT_QUICK_WORTH_STILL;
	q->others = q->done = 0;
}

static bool has_trapped(const struct ckpt_task *t)
{
	return t->state == CKPT_SIGNAL && t->stop.sig == SIGTRAP &&
	       (uint64_t)ptrace(PTRACE_PEEKUSER, t->tid, offsetof(struct user, regs.rip), 0L) ==
		       ckpt_quick_address(ckpt_quick_code_trap) + 1;
}

/* t stopped at what our code asks for itself, which is no call of the program's. */
static bool has_asked(const struct ckpt_task *t)
{
	return (t->state == CKPT_ENTRY || t->state == CKPT_EXIT) &&
	       t->stop.ip == ckpt_quick_address(ckpt_quick_code_ask) + 2;
}

bool ckpt_quick_goes_on(struct ckpt_task *t, bool due)
{
	struct ckpt_timeline *tl = t->timeline;
	struct ckpt_quick *q = tl->quick;
	struct ckpt_quick_notes *notes = q ? ckpt_quick_notes(tl) : NULL;
	const uint8_t *s = notes ? ckpt_quick_selector(t, notes) : NULL;

	/* The call for which it has asked makes no stop either, even if the next one is to. */
	if (has_asked(t)) {
		ckpt_resume(t, s && *s == CKPT_QUICK_BLOCK ? PTRACE_CONT : PTRACE_SYSCALL, 0);
		return true;
	}
	if (due || !notes || !notes->open || !q->on || tl->sharers.n || !has_trapped(t) ||
	    ckpt_quick_drain(tl) || q->failed || t->thread->unlogged)
		return false;
	reset(q, notes);
	ckpt_quick_know_files(tl, &q->files, notes);
	ckpt_resume(t, PTRACE_CONT, 0);
	return true;
}

/* Whether an interrupt has cut t's transfer; then it is as if at its end. */
static bool is_cut(struct ckpt_task *t, const struct ckpt_quick_notes *notes)
{
	const struct user_regs_struct *r = ckpt_regs(t);
	bool cut;

	if (t->state != CKPT_EVENT || t->stop.event != PTRACE_EVENT_STOP)
		return false;
	t->thread->nr = notes->nr;
	memcpy(t->thread->args, (const uint64_t[6]){ r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9 },
	       sizeof(t->thread->args));
	t->state = CKPT_EXIT;
	t->stop.rval = (int64_t)r->rax;
	cut = ckpt_transfer_cut(t);
	if (cut)
		t->stop.state = CKPT_EXIT;
	else
		t->state = CKPT_EVENT;
	return cut;
}

/* A stop amid our code becomes one of the program's own. */
static int leave_code(struct ckpt_task *t, struct ckpt_quick_notes *notes,
		      enum ckpt_quick_stop *ret)
{
	const bool behind = ckpt_regs(t)->rip == ckpt_quick_address(ckpt_quick_code_call) + 2;
	const bool trapped = has_trapped(t);
	const int64_t result = (int64_t)ckpt_regs(t)->rax;
	int err;

	if (behind && (ckpt_interrupted(result) ||
		       (result == -EINTR && t->cuts > 0 && !ckpt_signal_comes(t))))
		*ret = CKPT_QUICK_INTERRUPTED;
	else if (behind && is_cut(t, notes))
		*ret = CKPT_QUICK_CUT;
	if (*ret)
		return 0;
	if (!is_amid(t, ckpt_regs(t)->rip))
		return 0;
	err = go_out(t, notes);
	if (err)
		return err;
	if (is_before(ckpt_regs(t)->rip)) {
		go_back(t, notes);
		return 0;
	}
	be_behind(t, notes, behind);
	if (trapped) { /* else there is another reason */
		t->state = t->stop.state = CKPT_EXIT;
		*ret = CKPT_QUICK_BEHIND;
	}
	return 0;
}

int ckpt_quick_stopped(struct ckpt_task *t, enum ckpt_quick_stop *ret)
{
	struct ckpt_quick *q = t->timeline->quick;
	struct ckpt_quick_notes *notes = ckpt_quick_notes(t->timeline);
	const uint64_t real = ckpt_quick_address(ckpt_quick_code_real) + 2;
	const uint8_t *s;
	int err, failed;
	bool early, again;

	*ret = CKPT_QUICK_NOTHING;
	if (!q || !q->ready || q->impossible || !notes)
		return 0;
	notes->open = 0;
	if (t->state == CKPT_DEAD) { /* what it has done counts */
		if (drain(t, notes))
			ckpt_ring_failed(t->timeline, -EFAULT);
		return 0;
	}
	s = ckpt_quick_selector(t, notes);
	early = s && *s == CKPT_QUICK_BLOCK && is_refused(t);
	again = early || was_refused(t);
	if (!early)
		ckpt_quick_select(t, notes, CKPT_QUICK_ALLOW);
	if (early) {
		; /* that signal comes next */
	} else if (t->state == CKPT_ENTRY || t->state == CKPT_EXIT || t->state == CKPT_SECCOMP) {
		if (t->stop.ip == real)
			pretend(t, notes);
	} else if (!again) {
		err = leave_code(t, notes, ret);
		if (err)
			return err;
	}
	q->done += (unsigned int)(ckpt_clock_noted(t->timeline) / CKPT_QUICK_READS);
	failed = q->failed ? q->failed : drain(t, notes);
	reset(q, notes);
	q->failed = 0;
	if (failed)
		ckpt_ring_failed(t->timeline, failed);
	if ((again && !early) || *ret == CKPT_QUICK_INTERRUPTED || *ret == CKPT_QUICK_CUT)
		be_interrupted(t, notes);
	t->in_call |= *ret == CKPT_QUICK_CUT;
	if (!ckpt_quick_notes(t->timeline)) /* for good, that call said so */
		ckpt_quick_off(t);
	if (again)
		*ret = CKPT_QUICK_AGAIN;
	if (early)
		return 0;
	if (again)
		count_other(q);
	/* Where a signal or the clock stops it, others may look at its code, and step in it. */
	if (!q->on || (!again && (t->state == CKPT_SIGNAL || t->state == CKPT_EVENT)))
		ckpt_quick_off(t);
	return 0;
}
