/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The delivery of signals to handlers, as an event.
 *
 * Where no instruction has been run since the last event (straight behind a call, or
 * in one that the signal interrupts), the place needs no snapshot to be found again.
 * What a delivery does is then known as soon as the handler's first instruction has
 * been reached: a frame on a stack, registers, extended state, a mask. All that is
 * recorded, and given to a puppet as it is; nothing is delivered there, so it doesn't
 * matter what its kernel would have put into the frame (the number and address of its
 * last fault, and parts of the extended state that differ). sigreturn runs for real.
 *
 * Signals that strike amid code are delayed to the next call, if one comes soon. Else a
 * snapshot is taken where they strike (record.c), with which the real signal is given.
 *
 * A call that is interrupted is an event of its own, before: it ends with the kernel's
 * code for that, and the frame says whether it is made again.
 *
 * Some calls wait with another signal mask (sigsuspend, ppoll and their like). The
 * kernel keeps the former mask aside until the signal is delivered, and puts it
 * into the frame that sigreturn reads. A tracer is shown the former one, and once it
 * has set it, as behind an injected call, the kernel has forgotten that there was
 * another: the signal, blocked now, would stay pending, and interrupt the call again
 * for ever. So the wait's mask is set for the delivery, and the former one written
 * into the frame.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "ckptcore/probe.h"
#include "ckptcore/record.h"
#include "ckptcore/signals.h"
#include "ckptcore/threads.h"
#include "ckptcore/turns.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

#define SHADOW_STACK 0x204 /* NT_X86_SHSTK */
#define SCRATCH (CKPT_PAGE + 2048)
#define FIRST_QUEUED 32 /* SIGRTMIN, as the kernel has it */
#define DELAY_NS 2000000
#define MOST_SKIPS 63
#define TRACERS_FLAGS 0x10100ull /* the trap and the resume flag */

/* The beginning of the kernel's struct rt_sigframe. */
struct frame {
	uint64_t back;
	uint64_t flags, link;
	stack_t stack;
	struct sigcontext regs;
	uint64_t mask;
};

_Static_assert(offsetof(struct frame, mask) == 8 + 8 + 8 + 24 + 256, "as the kernel's");

/* Of the extended state that the frame ends with: its size is said in its own middle. */
#define FXSAVE 512
#define FXSAVE_SW 464 /* magic, size ... */
#define FXSAVE_MAGIC 0x46505853u

/* The note of a delivery: where it leads. */
struct delivery {
	struct user_regs_struct regs; /* at the handler's first instruction */
	siginfo_t siginfo;
	uint64_t mask;
	uint32_t reset;	     /* the handler is the default one from now on (SA_RESETHAND) */
	uint32_t xstate_len; /* without the zeros at its end */
	uint8_t xstate[CKPT_XSTATE_MAX];
};

/* The signals of a task, as sets. */
struct signals {
	uint64_t caught, ignored, pending, shared, blocked;
};

static struct signals signals_of(const struct ckpt_task *t)
{
	char text[CKPT_PROC_SIZE];

	ckpt_proc_read(t->tid, "status", text, sizeof(text));
	return (struct signals){ ckpt_proc_field(text, "SigCgt", 16),
				 ckpt_proc_field(text, "SigIgn", 16),
				 ckpt_proc_field(text, "SigPnd", 16),
				 ckpt_proc_field(text, "ShdPnd", 16),
				 ckpt_proc_field(text, "SigBlk", 16) };
}

static bool has(uint64_t set, int sig)
{
	return set >> (sig - 1) & 1;
}

bool ckpt_signal_is_fault(const struct ckpt_task *t)
{
	switch (t->stop.sig) {
	case SIGTRAP:
		return true;
	case SIGSEGV:
	case SIGBUS:
	case SIGFPE:
	case SIGILL:
		return t->thread->siginfo.si_code > 0;
	default:
		return false;
	}
}

int ckpt_record_signal(const struct ckpt_timeline *tl, siginfo_t *ret)
{
	const struct ckpt_task *t = tl->live;

	if (!t || !tl->recording || t->state != CKPT_SIGNAL)
		return 0;
	/* A trap that no instruction made was sent by somebody. */
	if (t->stop.sig == SIGTRAP &&
	    (t->thread->siginfo.si_signo != SIGTRAP || t->thread->siginfo.si_code > 0))
		return 0;
	/* A function that the debugger calls returns to its int3 on the stack, which
	 * can't be executed. That fault is over once the registers are back. */
	if (ckpt_signal_is_fault(t) && ckpt_regs(tl->live)->rip != t->thread->signal_ip)
		return 0;
	*ret = t->thread->siginfo;
	return t->stop.sig;
}

/* ------------------------------------------------------------------- delaying */

/*
 * A delayed signal is taken from the kernel, and sent once more when its time has come;
 * its siginfo, which can't be sent, is given back at that stop. The kernel's way out of
 * the call is then where it is delivered, as if it had come amid the call: one that
 * sleeps is interrupted, and whoever blocks it in that call gets it later.
 */

/* The user sees that ^C and its like stop the program at once, or behind the call before
 * which it stands. Of one that is queued
 * there may be several, of which none could be told from another. */
static bool can_wait(int sig)
{
	static const uint8_t never[] = { SIGINT,  SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU,
					 SIGSTOP, SIGCONT, SIGTRAP, SIGSEGV, SIGBUS,
					 SIGFPE,  SIGILL,  SIGSYS };

	return sig < FIRST_QUEUED && !memchr(never, sig, sizeof(never));
}

/* t is at the very call before which we have kept it: any signal might come behind that. */
static bool is_before_call(const struct ckpt_task *t)
{
	return t->thread->refused && t->stop.sig < FIRST_QUEUED && !ckpt_signal_is_fault(t);
}

bool ckpt_signal_delay(struct ckpt_task *t)
{
	struct ckpt_thread *th = t->thread;
	int sig = t->stop.sig;

	if (th->delayed || th->resent || th->struck || th->request != PTRACE_CONT)
		return false;
	if (!is_before_call(t)) {
		if (th->skips) {
			th->skips--;
			return false;
		}
		if (!can_wait(sig) || (int64_t)ckpt_regs(t)->orig_rax >= 0 ||
		    ckpt_signal_effect(t, sig) != CKPT_EFFECT_HANDLER)
			return false;
	}
	th->delayed = sig;
	th->delayed_info = th->siginfo;
	th->since = ckpt_now();
	ckpt_turns_clock(DELAY_NS);
	return true;
}

bool ckpt_signal_is_late(const struct ckpt_task *t)
{
	return t->thread->delayed && ckpt_now() - t->thread->since >= DELAY_NS * 1e-9;
}

void ckpt_signal_release(struct ckpt_task *t, bool called)
{
	struct ckpt_thread *th = t->thread;

	if (!th || !th->delayed)
		return;
	th->vain = called ? 0 : th->vain < MOST_SKIPS ? th->vain * 2 + 1 : th->vain;
	th->skips = th->vain;
	th->resent = th->delayed;
	th->delayed = 0;
	ckpt_turns_clock(0);
	syscall(SYS_tgkill, t->tgid, t->tid, th->resent);
}

void ckpt_signal_resent(struct ckpt_task *t)
{
	struct ckpt_thread *th = t->thread;

	if (th->resent != t->stop.sig)
		return;
	th->resent = 0;
	/* Else another one has come first, and the kernel keeps one only. */
	if (th->siginfo.si_code != SI_TKILL ||
	    (th->siginfo.si_pid != getpid() && th->siginfo.si_pid /* in another namespace */))
		return;
	th->siginfo = th->delayed_info;
	ptrace(PTRACE_SETSIGINFO, t->tid, 0, &th->siginfo);
}

/* ------------------------------------------------------------------ recording */

/* Another thread may take one that is for the whole process. */
static bool comes(const struct ckpt_task *t, const struct signals *s)
{
	uint64_t certain = s->pending | (t->timeline->nthreads == 1 ? s->shared : 0);

	return certain & ~s->blocked;
}

bool ckpt_signal_comes(const struct ckpt_task *t)
{
	struct signals s = signals_of(t);

	return comes(t, &s);
}

bool ckpt_signal_may_come(const struct ckpt_task *t)
{
	const struct signals s = signals_of(t);

	return (s.pending | s.shared) & ~s.blocked;
}

bool ckpt_signal_ends_wait(struct ckpt_task *t, uint64_t addr)
{
	const struct signals s = signals_of(t);
	uint64_t blocked;

	return !ckpt_read(t, addr, &blocked, sizeof(blocked)) && (s.pending | s.shared) & ~blocked;
}

bool ckpt_signal_is_blocked(const struct ckpt_task *t, int sig)
{
	return has(signals_of(t).blocked, sig);
}

enum ckpt_effect ckpt_signal_effect(struct ckpt_task *t, int sig)
{
	struct signals s = signals_of(t);

	if (has(s.caught, sig))
		return CKPT_EFFECT_HANDLER;
	if (has(s.ignored, sig) || sig == SIGCHLD || sig == SIGURG || sig == SIGWINCH ||
	    sig == SIGCONT)
		return CKPT_EFFECT_NONE;
	return sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU || sig == SIGSTOP ?
		       CKPT_EFFECT_STOP :
		       CKPT_EFFECT_DEATH;
}

/* The mask with which t's call waits; -ENOENT: with the program's own. */
static int waits_with(struct ckpt_task *t, uint64_t *ret)
{
	const struct user_regs_struct *r = ckpt_regs(t);
	const struct ckpt_thread *th = t->thread;
	uint64_t at = 0;

	if ((long)r->orig_rax != th->nr ||
	    !(ckpt_interrupted((int64_t)r->rax) || (int64_t)r->rax == -EINTR))
		return -ENOENT;
	switch (th->nr) {
	case SYS_rt_sigsuspend:
		at = th->args[0];
		break;
	case SYS_ppoll:
		at = th->args[3];
		break;
	case SYS_epoll_pwait:
	case SYS_epoll_pwait2:
		at = th->args[4];
		break;
	case SYS_pselect6:
		if (th->args[5] && ckpt_read(t, th->args[5], &at, 8))
			return -EFAULT;
		break;
	}
	return at ? ckpt_read(t, at, ret, 8) : -ENOENT;
}

static bool has_shadow_stack(const struct ckpt_task *t)
{
	uint64_t ssp;
	struct iovec iov = { &ssp, sizeof(ssp) };

	return !ptrace(PTRACE_GETREGSET, t->tid, SHADOW_STACK, &iov);
}

/* Whether t's place is known from the log alone. */
static bool is_at_event(struct ckpt_task *t, enum ckpt_end before)
{
	const struct ckpt_timeline *tl = t->timeline;
	const struct ckpt_snap *s = tl->snaps[tl->nsnaps - 1];
	const struct ckpt_thread *th = t->thread;

	/* The delivery writes to that as well. And behind a snapshot with a signal an event
	 * would come before it. */
	if (has_shadow_stack(t) || (s->sig && s->event == tl->nevents))
		return false;
	if (before == CKPT_END_CALL)
		return !th->joined && !th->barrier;
	/* As long as the kernel's way out of a call isn't left, its number is there. */
	return before == CKPT_END_EVENT || th->struck || (int64_t)ckpt_regs(t)->orig_rax >= 0;
}

/* How many bytes the kernel wrote, from t's stack pointer on. */
static int frame_length(struct ckpt_task *t, const struct frame *f, uint64_t *ret)
{
	uint64_t at = (uintptr_t)f->regs.fpstate, rsp = ckpt_regs(t)->rsp;
	uint32_t sw[2], len = FXSAVE;

	if (!at || ckpt_read(t, at + FXSAVE_SW, sw, sizeof(sw)))
		return -EFAULT;
	if (sw[0] == FXSAVE_MAGIC)
		len = sw[1];
	*ret = at + len - rsp;
	return at < rsp || len > CKPT_XSTATE_MAX || *ret > 2 * CKPT_XSTATE_MAX ? -EFAULT : 0;
}

/* Records the delivery that has brought t to its handler. */
static int record(struct ckpt_timeline *tl, struct ckpt_task *t, int sig)
{
	static struct delivery d;
	struct ckpt_event ev = { .kind = CKPT_EV_SIGNAL, .result = sig, .file = -1 };
	const struct signals s = signals_of(t);
	size_t xstate_len = sizeof(d.xstate);
	uint64_t len = 0;
	struct frame f;
	int err;

	d.regs = *ckpt_regs(t);
	d.siginfo = t->thread->siginfo;
	d.reset = !has(s.caught, sig);
	t->thread->struck = comes(t, &s);
	err = ckpt_read(t, d.regs.rsp, &f, sizeof(f));
	if (!err)
		err = frame_length(t, &f, &len);
	if (!err)
		err = ckpt_get_xstate(t, d.xstate, &xstate_len);
	if (!err && ptrace(PTRACE_GETSIGMASK, t->tid, 8, &d.mask) < 0)
		err = -errno;
	if (err)
		return err;
	while (xstate_len && !d.xstate[xstate_len - 1])
		xstate_len--;
	d.xstate_len = (uint32_t)xstate_len;
	ev.ip = f.regs.rip;
	err = ckpt_log_add(tl, &ev);
	if (err)
		return err;
	err = ckpt_log_data(tl, t, d.regs.rsp, len);
	if (!err)
		err = ckpt_log_note(tl, &d, offsetof(struct delivery, xstate) + xstate_len);
	if (err)
		ckpt_log_undo(tl);
	return err;
}

/* The interrupted call, if there was one, and the delivery. */
static int record_all(struct ckpt_task *t, int sig, bool interrupted, int64_t code)
{
	struct ckpt_timeline *tl = t->timeline;
	int err = interrupted ? ckpt_record_interrupted(t, code) : 0;

	if (err)
		return err;
	err = record(tl, t, sig);
	if (err && interrupted)
		ckpt_log_undo(tl);
	return err;
}

/* To the handler's first instruction, or to t's death. */
static void step_in(struct ckpt_task *t, int sig)
{
	ckpt_resume(t, PTRACE_SINGLESTEP, sig); /* -ESRCH: the wait tells */
	while (ckpt_wait(t, NULL) == -EINTR)
		;
}

/* Nothing brings a copy to a delivery that isn't an event: a snapshot behind it. */
static void snapshot_behind(struct ckpt_timeline *tl, enum ckpt_end before)
{
	const struct ckpt_snap *s = tl->snaps[tl->nsnaps - 1];

	if (before != CKPT_END_CALL)
		before = s->event == tl->nevents ? CKPT_END_NOW : CKPT_END_EVENT;
	ckpt_snapshot(tl, before, true, 0, NULL);
}

bool ckpt_signal_deliver(struct ckpt_task *t, int sig, enum ckpt_effect effect,
			 enum ckpt_end before)
{
	struct ckpt_timeline *tl = t->timeline;
	int64_t code = (int64_t)ckpt_regs(t)->rax;
	bool masked, known = effect == CKPT_EFFECT_HANDLER && is_at_event(t, before);
	uint64_t mask, former;

	t->thread->struck = false;
	if (t->state != CKPT_SIGNAL || t->stop.sig != sig || effect == CKPT_EFFECT_STOP)
		return false;
	masked = !waits_with(t, &mask);
	if (!known && !masked)
		return false;
	if (effect == CKPT_EFFECT_DEATH)
		ckpt_snapshot(tl, before, false, sig, &t->thread->siginfo);
	if (masked && (ptrace(PTRACE_GETSIGMASK, t->tid, 8, &former) < 0 ||
		       ptrace(PTRACE_SETSIGMASK, t->tid, 8, &mask) < 0))
		return false;
	/* A process's death is told behind its threads'. */
	if (effect == CKPT_EFFECT_DEATH && tl->nthreads > 1)
		return !ckpt_resume(t, PTRACE_SINGLESTEP, sig);
	step_in(t, sig);
	if (t->state != CKPT_SIGNAL)
		return true;
	/* Else there was no room for the frame. */
	if (t->stop.sig != SIGTRAP ||
	    (masked && ckpt_write(t, ckpt_regs(t)->rsp + offsetof(struct frame, mask), &former, 8)))
		known = false;
	if (!known || record_all(t, sig, before == CKPT_END_CALL, code))
		snapshot_behind(tl, before);
	return true;
}

/* --------------------------------------------------------------------- replay */

/* The parts of a delivery in the log. */
struct recorded {
	struct frame frame;
	uint64_t addr, len; /* all of what the kernel wrote ... */
	const uint8_t *bytes;
	struct delivery d;
};

static int look_up(struct ckpt_timeline *tl, const struct ckpt_event *ev, struct recorded *ret)
{
	const uint8_t *at = ckpt_log_outputs(tl, ev);
	uint64_t note_len;

	if (!at)
		return -EIO;
	memcpy(&ret->addr, at, 8);
	memcpy(&ret->len, at + 8, 8);
	ret->bytes = at + 16;
	memcpy(&ret->frame, ret->bytes, sizeof(ret->frame));
	at += 16 + ret->len;
	memcpy(&note_len, at + 8, 8);
	memset(&ret->d, 0, sizeof(ret->d));
	memcpy(&ret->d, at + 16, note_len);
	return 0;
}

/* Whether p stands where the frame says that the signal struck. */
static bool struck_here(struct ckpt_task *p, const struct sigcontext *f)
{
	const struct user_regs_struct *r = ckpt_regs(p);
	bool interrupted = ckpt_calls_again(r);
	const uint64_t pairs[][2] = {
		{ r->r8, f->r8 },   { r->r9, f->r9 },
		{ r->r10, f->r10 }, { r->r11, f->r11 },
		{ r->r12, f->r12 }, { r->r13, f->r13 },
		{ r->r14, f->r14 }, { r->r15, f->r15 },
		{ r->rdi, f->rdi }, { r->rsi, f->rsi },
		{ r->rbp, f->rbp }, { r->rbx, f->rbx },
		{ r->rdx, f->rdx }, { r->rcx, f->rcx },
		{ r->rsp, f->rsp }, { r->eflags & ~TRACERS_FLAGS, f->eflags & ~TRACERS_FLAGS },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
		if (pairs[i][0] != pairs[i][1])
			return false;
	if (interrupted)
		return f->rip == r->rip || f->rip == r->rip - 2;
	return f->rip == r->rip && f->rax == r->rax;
}

/* SA_RESETHAND: as the kernel does. */
static int reset_handler(struct ckpt_task *p, int sig)
{
	const uint64_t none = 0;
	long res;
	int err = ckpt_inject(p, &res, SYS_rt_sigaction, (uint64_t)sig, 0, SCRATCH, 8, 0, 0);

	if (!err && !res)
		err = ckpt_write(p, SCRATCH, &none, 8);
	if (!err && !res)
		err = ckpt_inject(p, &res, SYS_rt_sigaction, (uint64_t)sig, SCRATCH, 0, 8, 0, 0);
	return err ? err : (int)res;
}

/* SS_AUTODISARM: there is no other stack as long as the handler runs on it. */
static int disarm(struct ckpt_task *p)
{
	const stack_t none = { .ss_flags = SS_DISABLE };
	long res;
	int err = ckpt_write(p, SCRATCH, &none, sizeof(none));

	if (!err)
		err = ckpt_inject(p, &res, SYS_sigaltstack, SCRATCH, 0, 0, 0, 0, 0);
	return err ? err : (int)res;
}

static int set_xstate(struct ckpt_task *p, const struct delivery *d)
{
	static uint8_t now[CKPT_XSTATE_MAX];
	size_t len = sizeof(now);
	int err = ckpt_get_xstate(p, now, &len);

	return err ? err : ckpt_set_xstate(p, d->xstate, len);
}

int ckpt_signal_replay(struct ckpt_task *p, const struct ckpt_event *ev)
{
	static struct recorded r;
	int err = look_up(p->timeline, ev, &r);

	if (err)
		return err;
	if (!struck_here(p, &r.frame.regs))
		return -EPROTO;
	err = ckpt_write(p, r.addr, r.bytes, r.len);
	if (err)
		return err;
	*ckpt_regs(p) = r.d.regs;
	ckpt_regs_dirty(p);
	if (r.d.reset)
		err = reset_handler(p, (int)ev->result);
	if (!err && (unsigned int)r.frame.stack.ss_flags & SS_AUTODISARM)
		err = disarm(p);
	if (!err)
		err = set_xstate(p, &r.d);
	if (!err && ptrace(PTRACE_SETSIGMASK, p->tid, 8, &r.d.mask) < 0)
		err = -errno;
	ckpt_play_note_mask(p);
	p->play->at_site = p->play->step_over = 0;
	p->play->told = false;
	return err;
}

void ckpt_signal_queue(struct ckpt_task *p)
{
	siginfo_t si = { .si_signo = p->play->sig, .si_code = SI_QUEUE };

	/* (SIGCONT makes a stop of its own as it is sent, and once more if it is sent again.) */
	if (ckpt_signal_waits(p->tid, p->play->sig))
		return;
	syscall(SYS_rt_tgsigqueueinfo, p->tgid, p->tid, p->play->sig, &si);
}

int ckpt_signal_queued(struct ckpt_task *p)
{
	int sig = p->play->sig;

	if (!sig || p->stop.sig != sig)
		return 0;
	ptrace(PTRACE_SETSIGINFO, p->tid, 0, &p->play->siginfo);
	p->play->sig = 0;
	p->play->told = false; /* as for the next one */
	return sig;
}

bool ckpt_signal_is_next(struct ckpt_task *p)
{
	struct ckpt_timeline *tl = p->timeline;

	return p->play->event < tl->nevents &&
	       ckpt_log_event(tl, p->play->event).kind == CKPT_EV_SIGNAL;
}

int ckpt_signal_next(struct ckpt_task *p, siginfo_t *ret)
{
	static struct recorded r;
	struct ckpt_event ev;

	if (p->play->sig) {
		*ret = p->play->siginfo;
		return p->play->sig;
	}
	if (!ckpt_signal_is_next(p))
		return 0;
	ev = ckpt_log_event(p->timeline, p->play->event);
	if (look_up(p->timeline, &ev, &r))
		return 0;
	*ret = r.d.siginfo;
	return (int)ev.result;
}
