/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * System calls executed in somebody else's name, and the fork made of them
 * that every snapshot and every restart is.
 *
 * At a stop outside of a call we point the program at a `syscall` instruction,
 * with its signals blocked (else one of them may come first), run it, and put
 * everything back. In copies, where an int3 of ours follows that instruction,
 * one stop is enough, else the call's entry and exit stops bound it. An int3 at
 * which SIGTRAP is blocked makes the kernel reset the program's handler of it,
 * and it overwrites what the kernel knows of the last fault.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ckptcore/arch/x86_64/tsc.h"
#include "ckptcore/arch/x86_64/probe_internal.h"
#include "ckptcore/arch/x86_64/vdso.h"
#include "ckptcore/inject.h"
#include "ckptcore/quick.h"

/*
 * Any `syscall` instruction in the task's memory. The vdso's can't be unmapped
 * by a dlclose() and bear no breakpoints; the one it stands behind is for
 * processes without a vdso.
 */
static int find_syscall(struct ckpt_task *t)
{
	uint8_t insn[2];
	uint64_t at;

	if (t->syscall_ip || !ckpt_vdso_find(t))
		return 0;
	at = ckpt_regs(t)->rip - 2;
	if (!ckpt_read(t, at, insn, 2) && insn[0] == 0x0f && insn[1] == 0x05) {
		t->syscall_ip = at;
		return 0;
	}
	return -ENOENT;
}

/* A death seen here is told to the task's ops later, by ckpt_wait_any(). */
static int wait_stop(struct ckpt_task *t)
{
	int err;

	do
		err = ckpt_wait(t, NULL);
	while (err == -EINTR);
	if (t->state != CKPT_DEAD)
		return err;
	ckpt_tell_later(t);
	return -ESRCH;
}

static int go(struct ckpt_task *t, int request, int sig)
{
	/* -ESRCH means that it is being killed: the wait tells. */
	ckpt_resume(t, request, sig);
	return wait_stop(t);
}

int ckpt_guest_enter(struct ckpt_task *t, struct ckpt_guest *g)
{
	uint64_t all = ~0ull;
	int err;

	if (t->state == CKPT_DEAD)
		return -ESRCH;
	err = find_syscall(t);
	if (err)
		return err;
	assert(t->state == CKPT_EXIT || t->state == CKPT_SIGNAL || t->state == CKPT_EVENT ||
	       t->state == CKPT_PARKED || t->state == CKPT_GROUP ||
	       /* A puppet's own call never happens: it is as good as over. */
	       (t->state == CKPT_ENTRY && t->play));
	*g = (struct ckpt_guest){
		.t = t, .regs = *ckpt_regs(t), .state = t->state, .stop = t->stop, .mask = all
	};
	if (t->state == CKPT_SIGNAL && ptrace(PTRACE_GETSIGINFO, t->tid, 0, &g->siginfo) < 0)
		return -ESRCH;
	if (ptrace(PTRACE_GETSIGMASK, t->tid, 8, &g->mask) < 0)
		return -ESRCH;
	g->int3 = t->ours && t->int3_after && !(g->mask & 1ull << (SIGTRAP - 1));
	if (t->ours) /* no signals come to copies; their calls may change the mask */
		g->mask = all;
	else if (g->mask != all && ptrace(PTRACE_SETSIGMASK, t->tid, 8, &all) < 0)
		return -ESRCH;
	return 0;
}

static void set_call(struct ckpt_guest *g, long nr, const uint64_t a[6])
{
	struct user_regs_struct *r = ckpt_regs(g->t);

	*r = g->regs;
	r->rip = g->t->syscall_ip;
	r->orig_rax = -1;
	r->rax = nr;
	r->rdi = a[0];
	r->rsi = a[1];
	r->rdx = a[2];
	r->r10 = a[3];
	r->r8 = a[4];
	r->r9 = a[5];
	r->eflags &= ~0x100ull; /* a trap flag would step us */
	ckpt_regs_dirty(g->t);
}

/* Runs the call that the registers are set for up to the int3 behind it or to
 * its exit stop. An event inside (fork) stops it halfway: 1, else 0. */
static int run_call(struct ckpt_guest *g)
{
	struct ckpt_task *t = g->t;

	g->ran = true;
	for (;;) {
		int err = go(t, g->int3 ? PTRACE_CONT : PTRACE_SYSCALL, 0);

		if (err)
			return err;
		switch (t->state) {
		case CKPT_EXIT:
			if (ckpt_regs(t)->rip == t->syscall_ip)
				break; /* of the puppet's own call, which was skipped */
			return 0;
		case CKPT_SIGNAL:
			if (t->stop.sig == SIGTRAP && g->int3 &&
			    ckpt_regs(t)->rip == t->syscall_ip + 3)
				return 0;
			g->stopped |= t->stop.sig == SIGSTOP;
			break;
		case CKPT_EVENT:
			if (t->stop.event != PTRACE_EVENT_STOP &&
			    t->stop.event != PTRACE_EVENT_VFORK_DONE)
				return 1;
			g->trapped |= t->stop.event == PTRACE_EVENT_STOP;
			break;
		case CKPT_GROUP:
			g->trapped = true;
			break;
		default:
			break; /* entry or seccomp stop on the way */
		}
	}
}

int ckpt_guest_call(struct ckpt_guest *g, long *ret, long nr, uint64_t a0, uint64_t a1, uint64_t a2,
		    uint64_t a3, uint64_t a4, uint64_t a5)
{
	const uint64_t args[6] = { a0, a1, a2, a3, a4, a5 };
	int err;

	set_call(g, nr, args);
	err = run_call(g);
	if (err < 0)
		return err;
	*ret = (long)ckpt_regs(g->t)->rax;
	return 0;
}

/*
 * The task is to stand at a signal's delivery again. At our int3's stop it
 * does, with another signal, which the kernel lets us exchange. At a call's
 * exit it doesn't: a signal given to PTRACE_CONT there is sent anew, and would
 * stop the task once more, as a signal from the kernel. So have it sent now.
 */
static int signal_again(struct ckpt_guest *g)
{
	struct ckpt_task *t = g->t;
	uint64_t others = ~(1ull << (g->stop.sig - 1));
	int err;

	if (ptrace(PTRACE_SETSIGMASK, t->tid, 8, &others) < 0)
		return -ESRCH;
	do
		err = go(t, PTRACE_CONT, t->state == CKPT_EXIT ? g->stop.sig : 0);
	while (!err && !(t->state == CKPT_SIGNAL && t->stop.sig == g->stop.sig));
	return err;
}

/* Back to a stop that the kernel counts as an interrupt's or a group stop, at
 * which a call can be restarted and PTRACE_LISTEN is allowed. */
static int trap_again(struct ckpt_guest *g)
{
	struct ckpt_task *t = g->t;
	int err;

	ckpt_interrupt(t);
	do
		err = go(t, PTRACE_CONT, 0);
	while (!err && t->state != CKPT_GROUP && t->state != CKPT_EVENT);
	return err;
}

int ckpt_guest_leave(struct ckpt_guest *g)
{
	struct ckpt_task *t = g->t;
	bool int3 = t->state == CKPT_SIGNAL;
	bool restarts = (int64_t)g->regs.orig_rax >= 0 && ckpt_interrupted((int64_t)g->regs.rax);
	int err = 0;

	if (t->state == CKPT_DEAD)
		return -ESRCH;
	*ckpt_regs(t) = g->regs;
	ckpt_regs_dirty(t);
	ckpt_regs_flush(t);
	if (g->ran && g->state == CKPT_SIGNAL && !int3 && !t->ours)
		err = signal_again(g);
	else if (g->ran && (g->state == CKPT_GROUP || (g->state != CKPT_EXIT && !int3 && restarts)))
		err = trap_again(g);
	if (err)
		return err;
	if (g->ran && g->state == CKPT_SIGNAL)
		ptrace(PTRACE_SETSIGINFO, t->tid, 0, &g->siginfo);
	if (g->mask != ~0ull)
		ptrace(PTRACE_SETSIGMASK, t->tid, 8, &g->mask);
	if (g->stopped)
		syscall(SYS_tgkill, t->tgid, t->tid, SIGSTOP);
	if (g->trapped && !t->ours)
		ckpt_interrupt(t);
	/* Nothing has run since they were set. */
	t->regs_cache = g->regs;
	t->regs_valid = true;
	t->regs_dirty = false;
	t->state = g->state;
	t->stop = g->stop;
	return 0;
}

int ckpt_inject(struct ckpt_task *t, long *ret, long nr, uint64_t a0, uint64_t a1, uint64_t a2,
		uint64_t a3, uint64_t a4, uint64_t a5)
{
	struct ckpt_guest g;
	int err = ckpt_guest_enter(t, &g);

	if (err)
		return err;
	if (nr == SYS_rt_sigprocmask) /* it may block SIGTRAP, and the int3 would unblock that */
		g.int3 = false;
	err = ckpt_guest_call(&g, ret, nr, a0, a1, a2, a3, a4, a5);
	return err ? err : ckpt_guest_leave(&g);
}

/* Stops by signals on the way to a call of ours end without the signal. */
int ckpt_swallow(struct ckpt_task *t, int sig)
{
	const uint64_t others = ~(1ull << (sig - 1));
	struct ckpt_guest g;
	long res;
	int err;

	if (t->state != CKPT_EXIT && t->state != CKPT_SIGNAL && t->state != CKPT_EVENT &&
	    t->state != CKPT_GROUP)
		return -EBUSY;
	err = ckpt_guest_enter(t, &g);
	if (err)
		return err;
	if (ptrace(PTRACE_SETSIGMASK, t->tid, 8, &others) < 0)
		return -ESRCH;
	err = ckpt_guest_call(&g, &res, SYS_getpid, 0, 0, 0, 0, 0, 0);
	return err ? err : ckpt_guest_leave(&g);
}

int ckpt_trap_tsc(struct ckpt_task *t, bool trap)
{
	long res;
	int err;

	if (trap)
		ckpt_tsc_forgo();
	err = ckpt_inject(t, &res, SYS_prctl, PR_SET_TSC, trap ? PR_TSC_SIGSEGV : PR_TSC_ENABLE, 0,
			  0, 0, 0);

	if (err || res < 0)
		return err ? err : (int)res;
	t->tsc_trapped = trap;
	return 0;
}

int ckpt_skip_call(struct ckpt_task *t)
{
	int err;

	assert(t->state == CKPT_SECCOMP || t->state == CKPT_ENTRY);
	ckpt_regs(t)->orig_rax = -1;
	ckpt_regs_dirty(t);
	do {
		err = ckpt_resume(t, PTRACE_SYSCALL, 0);
		if (!err)
			err = wait_stop(t);
	} while (!err && t->state != CKPT_EXIT);
	return err;
}

/* ---------------------------------------------------------- repeated strings */

/* The length of the `rep` string instruction at insn, or 0. */
static int rep_length(const uint8_t *insn, size_t n)
{
	bool rep = false;

	for (size_t i = 0; i < n; i++) {
		switch (insn[i]) {
		case 0xf2:
		case 0xf3:
			rep = true;
			break;
		case 0x66:
		case 0x67:
		case 0x64:
		case 0x65:
		case 0x40 ... 0x4f:
			break;
		case 0xa4 ... 0xa7:
		case 0xaa ... 0xaf:
			return rep ? (int)i + 1 : 0;
		default:
			return 0;
		}
	}
	return 0;
}

/* Runs to an int3 that is put at an address for that. */
static int run_to_int3(struct ckpt_guest *g, uint64_t at)
{
	struct ckpt_task *t = g->t;
	uint8_t original;
	int err;

	if (ckpt_read(t, at, &original, 1) || ckpt_write(t, at, "\xcc", 1))
		return -EFAULT;
	g->ran = true;
	for (;;) {
		err = go(t, PTRACE_CONT, 0);
		if (err || (t->state == CKPT_SIGNAL && t->stop.sig != SIGSTOP))
			break;
		if (t->state == CKPT_SIGNAL)
			g->stopped = true;
		else
			g->trapped = true;
	}
	if (!err && ckpt_write(t, at, &original, 1))
		err = -ESRCH;
	return err;
}

/* As ckpt_guest_enter(), for code of t's own to run: only its faults come. */
static int enter_to_run(struct ckpt_task *t, struct ckpt_guest *g)
{
	/* A blocked fault would kill it, a blocked int3 reset its handler. */
	const uint64_t faults =
		1ull << (SIGTRAP - 1) | 1ull << (SIGSEGV - 1) | 1ull << (SIGBUS - 1);
	const uint64_t others = ~faults;
	uint64_t mask;
	int err = ptrace(PTRACE_GETSIGMASK, t->tid, 8, &mask) < 0 ? -ESRCH : 0;

	if (!err)
		err = ckpt_guest_enter(t, g);
	if (!err && ptrace(PTRACE_SETSIGMASK, t->tid, 8, &others) < 0)
		err = -ESRCH;
	g->mask = mask; /* a copy's, too */
	return err;
}

#define EFLAGS_RF 0x10000

/* A repeated string instruction. */
struct rep {
	uint8_t bytes[8];
	int len; /* 0: it is none */
};

static struct rep rep_at(struct ckpt_task *t, uint64_t rip)
{
	struct rep rep = { .len = 0 };
	ssize_t n = ckpt_read_some(t, rip, rep.bytes, sizeof(rep.bytes));

	if (n <= 0)
		return rep;
	if (t->timeline)
		ckpt_overlay_mask(&t->timeline->overlay, rip, rep.bytes, (size_t)n);
	rep.len = rep_length(rep.bytes, (size_t)n);
	return rep;
}

/* Whether it compares, and so may end before rcx is 0. */
static bool compares(const struct rep *rep)
{
	uint8_t op = rep->bytes[rep->len - 1] & 0xfe;

	return op == 0xa6 || op == 0xae;
}

/* Whether the comparison that it has just made, if it makes any, was its last. */
static bool is_decided(const struct rep *rep, uint64_t eflags)
{
	bool until_equal = memchr(rep->bytes, 0xf2, (size_t)rep->len - 1);

	return compares(rep) && until_equal == !!(eflags & 0x40);
}

/* Repeats it n times more. *sig: the signal of what ended that earlier (a fault,
 * a debug register), or 0. */
static int repeat(struct ckpt_task *t, const struct rep *rep, uint64_t n, int *sig)
{
	uint64_t rip = ckpt_regs(t)->rip, behind = rip + (unsigned int)rep->len;
	uint64_t rest = ckpt_regs(t)->rcx - n;
	struct ckpt_guest g;
	int err = enter_to_run(t, &g);

	if (err)
		return err;
	ckpt_regs(t)->rcx = n;
	ckpt_regs_dirty(t);
	err = run_to_int3(&g, behind);
	if (err == -ESRCH)
		return err;
	if (!err) {
		g.regs = *ckpt_regs(t);
		*sig = t->stop.sig;
		/* Else it faults, and will again: only as far as it came. */
		bool over = *sig == SIGTRAP && g.regs.rip >= behind;

		if (over && g.regs.rip == behind + 1)
			*sig = 0; /* and not a debug register at the last of the n */
		if (over)
			g.regs.rip = !rest || g.regs.rcx || is_decided(rep, g.regs.eflags) ?
					     behind :
					     rip;
		g.regs.rcx += rest;
		if (over && g.regs.rip == rip)
			g.regs.eflags |= EFLAGS_RF; /* as behind a single step amid it */
	}
	return ckpt_guest_leave(&g);
}

int ckpt_finish_rep(struct ckpt_task *t)
{
	struct rep rep;
	int sig;

	if (!ckpt_regs(t)->rcx || (int64_t)ckpt_regs(t)->orig_rax >= 0)
		return 0;
	rep = rep_at(t, ckpt_regs(t)->rip);
	return rep.len && !ckpt_fault_pending(t) ? repeat(t, &rep, ckpt_regs(t)->rcx, &sig) : 0;
}

bool ckpt_is_rep(struct ckpt_task *t, uint64_t addr)
{
	return rep_at(t, addr).len;
}

int ckpt_repeat(struct ckpt_task *t, uint64_t left, int *sig)
{
	struct rep rep = rep_at(t, ckpt_regs(t)->rip);

	*sig = 0;
	if (!rep.len || ckpt_regs(t)->rcx <= left)
		return 0;
	return repeat(t, &rep, ckpt_regs(t)->rcx - left, sig);
}

int ckpt_hurry(struct ckpt_task *t, uint64_t left)
{
	struct rep rep = rep_at(t, ckpt_regs(t)->rip);
	int sig;

	if (!rep.len || compares(&rep) || ckpt_regs(t)->rcx <= left)
		return 0;
	return repeat(t, &rep, ckpt_regs(t)->rcx - left, &sig);
}

int ckpt_run_to(struct ckpt_task *t, uint64_t at)
{
	struct ckpt_guest g;
	int err = enter_to_run(t, &g);

	if (!err)
		err = run_to_int3(&g, at);
	if (err && err != -EFAULT)
		return err;
	if (!err) {
		g.regs = *ckpt_regs(t);
		g.regs.rip -= t->stop.sig == SIGTRAP && g.regs.rip == at + 1;
	}
	return ckpt_guest_leave(&g);
}

/* ----------------------------------------------------------- short instructions */

#define MAX_AHEAD 64 /* steps, of some 20 us */
#define JUMP 5	     /* bytes of the jump to a probe */

/* Decodes the instruction at t's pc, as the program has it. False: it can't be, or
 * the debugger has an int3 there. */
static bool next_insn(struct ckpt_task *t, struct probe_insn *ret)
{
	uint64_t rip = ckpt_regs(t)->rip;
	uint8_t bytes[PROBE_INSN_MAX];
	ssize_t n = ckpt_read_some(t, rip, bytes, sizeof(bytes));
	cs_insn *scratch;
	csh cs;

	if (n <= 0 || !probe_insn_capstone(&cs, &scratch) ||
	    ckpt_overlay_at(&t->timeline->overlay, rip, NULL))
		return false;
	probe_insn_decode(cs, scratch, rip, bytes, (size_t)n, ret);
	return ret->len;
}

/* Whether a single step over it does what running it does: it sees no trap flag
 * and is no matter of the recorder. */
static bool can_step(const struct probe_insn *i)
{
	uint8_t op = i->bytes[i->opcode];
	bool two = i->opcode && i->bytes[i->opcode - 1] == 0x0f;

	if (i->form == INSN_FIXED)
		return false;
	if (two) /* syscall, rdtsc and its like, sysenter, ud2, ud0 */
		return op != 0x05 && op != 0x31 && op != 0x01 && op != 0x34 && op != 0x0b &&
		       op != 0xff;
	/* pushf, popf, int3, int n, iret, moves to ss, repeated strings */
	return op != 0x9c && op != 0x9d && (op < 0xcc || op > 0xcf) && op != 0x8e && op != 0x17 &&
	       !rep_length(i->bytes, i->len);
}

static bool is_short(struct ckpt_task *t)
{
	struct probe_insn insn;

	return next_insn(t, &insn) && insn.len < JUMP && can_step(&insn);
}

int ckpt_pass_short(struct ckpt_task *t)
{
	if ((int64_t)ckpt_regs(t)->orig_rax >= 0 || ckpt_fault_pending(t) ||
	    ptrace(PTRACE_PEEKUSER, t->tid, offsetof(struct user, u_debugreg[7]), 0L))
		return 0;
	return ckpt_step_while(t, is_short, MAX_AHEAD);
}

int ckpt_step_while(struct ckpt_task *t, bool (*more)(struct ckpt_task *t), int most)
{
	struct ckpt_guest g;
	int err, steps = 0;

	if (!more(t))
		return 0;
	err = enter_to_run(t, &g);
	if (err)
		return err;
	g.ran = true;
	do {
		err = go(t, PTRACE_SINGLESTEP, 0);
		if (err)
			return err;
		if (t->state == CKPT_EVENT || t->state == CKPT_GROUP) {
			g.trapped = true;
			continue;
		}
		if (t->state == CKPT_SIGNAL && t->stop.sig == SIGSTOP) {
			g.stopped = true;
			continue;
		}
		g.regs = *ckpt_regs(t);
		if (t->state != CKPT_SIGNAL || t->stop.sig != SIGTRAP)
			break; /* a fault, which will come again */
	} while (++steps < most && more(t));
	return ckpt_guest_leave(&g);
}

/* ------------------------------------------------------------------- fork */

int ckpt_guest_clone(struct ckpt_guest *g, uint64_t flags, uint64_t ctid,
		     const struct ckpt_task_ops *ops, struct ckpt_task **ret)
{
	const uint64_t args[6] = { flags, 0, 0, ctid };
	struct ckpt_task *t = g->t, *child;
	pid_t tid;
	int err;

	set_call(g, SYS_clone, args);
	err = run_call(g);
	if (err < 0)
		return err;
	if (!err) { /* no event: the clone failed */
		err = (int)(long)ckpt_regs(t)->rax;
		return err < 0 ? err : -EIO;
	}
	tid = (pid_t)t->stop.msg;
	child = ckpt_find(tid);
	if (!child)
		child = ckpt_task_new(tid, tid, ops);
	child->tgid = flags & CLONE_THREAD ? t->tgid : tid;
	child->ops = ops;
	child->parent = t->tgid;
	child->syscall_ip = t->syscall_ip;
	child->int3_after = t->int3_after;
	child->clock_code = t->clock_code;
	child->near_code = t->near_code;
	child->shares_core = t->shares_core;
	child->no_exitkill = t->no_exitkill;
	child->tsc_trapped = t->tsc_trapped;
	if (child->state == CKPT_NEW) {
		err = wait_stop(child);
		if (err) {
			ckpt_kill(child);
			return err;
		}
	}
	/* A copy has the options of what was attached, and would run when we are
	 * killed: the same program once more, writing to the same files. */
	if (child->no_exitkill && !(flags & CLONE_THREAD)) {
		err = ckpt_end_with_us(child);
		if (err) {
			ckpt_kill(child);
			return err;
		}
	}
	child->fresh = false;
	*ret = child;
	return 0;
}

int ckpt_guest_cloned(struct ckpt_guest *g)
{
	int err = run_call(g);

	return err > 0 ? -EIO : err;
}

static int drop_outside(struct ckpt_task *copy)
{
	struct ckpt_guest g;
	char path[48];
	long res;
	int err, fd;

	err = ckpt_guest_enter(copy, &g);
	if (!err)
		err = ckpt_guest_call(&g, &res, SYS_close_range, 0, ~0u, 0, 0, 0, 0);
	if (!err)
		err = ckpt_guest_call(&g, &res, SYS_setpgid, 0, 0, 0, 0, 0, 0);
	if (!err)
		err = ckpt_guest_leave(&g);
	if (err)
		return err;
	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", copy->tid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (write(fd, "1000", 4) < 0) {
			/* a preference, no more */
		}
		close(fd);
	}
	return 0;
}

/*
 * A plain fork would show: the child would be the program's, or with
 * CLONE_PARENT the debugger's. So a helper that shares the program's memory
 * (the page tables are copied once only) makes the fork and dies; the copy
 * falls to us, the subreaper; the program reaps the helper, whose exit signal
 * is 0, by an injected wait with __WALL.
 * CLONE_VFORK is for the alternate signal stack: without it the kernel takes
 * it away from a child in the same memory (copy_process(): sas_ss_reset()),
 * and so from the copy.
 */
static int fork_by_helper(struct ckpt_guest *g, const struct ckpt_task_ops *ops,
			  struct ckpt_task **ret)
{
	struct ckpt_task *helper, *copy = NULL;
	struct ckpt_guest hg = *g;
	pid_t tid;
	long res;
	int err, err2;

	err = ckpt_guest_clone(g, CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_VFORK, 0, ops, &helper);
	if (err)
		return err;
	tid = helper->tid;
	hg.t = helper;
	err = ckpt_guest_clone(&hg, 0, 0, ops, &copy);
	ckpt_kill(helper);
	err2 = ckpt_guest_cloned(g);
	if (!err2)
		err2 = ckpt_guest_call(g, &res, SYS_wait4, (uint64_t)tid, 0, __WALL, 0, 0, 0);
	if (err || err2) {
		if (copy)
			ckpt_kill(copy);
		return err ? err : err2;
	}
	*ret = copy;
	return 0;
}

/* A child of ours can simply make a brother. */
static int fork_brother(struct ckpt_guest *g, const struct ckpt_task_ops *ops,
			struct ckpt_task **ret)
{
	int err = ckpt_guest_clone(g, CLONE_PARENT, 0, ops, ret);

	if (err)
		return err;
	err = ckpt_guest_cloned(g);
	if (err)
		ckpt_kill(*ret);
	return err;
}

/* Gives the copy the original's state: it stands where a clone was made. */
static int settle_copy(struct ckpt_task *copy, const struct ckpt_guest *g)
{
	*ckpt_regs(copy) = g->regs;
	ckpt_regs_dirty(copy);
	ckpt_regs_flush(copy);
	if (g->mask != ~0ull && ptrace(PTRACE_SETSIGMASK, copy->tid, 8, &g->mask) < 0)
		return -ESRCH;
	copy->state = CKPT_EVENT;
	memset(&copy->stop, 0, sizeof(copy->stop));
	return 0;
}

int ckpt_fork(struct ckpt_task *t, bool keep, const struct ckpt_task_ops *ops,
	      struct ckpt_task **ret)
{
	bool ours = t->ours;
	struct ckpt_task *copy = NULL;
	struct ckpt_guest g;
	int err, err2;

	ckpt_quick_off(t);
	err = ckpt_guest_enter(t, &g);
	if (err)
		return err;
	err = (ours ? fork_brother : fork_by_helper)(&g, ops, &copy);
	err2 = ckpt_guest_leave(&g);
	if (!err && err2) {
		ckpt_kill(copy);
		err = err2;
	}
	if (err)
		return err;
	copy->ours = true;
	copy->parent = getpid();
	if (!ours && !keep)
		err = drop_outside(copy);
	if (!err)
		err = settle_copy(copy, &g);
	if (err) {
		ckpt_kill(copy);
		return err;
	}
	*ret = copy;
	return 0;
}
