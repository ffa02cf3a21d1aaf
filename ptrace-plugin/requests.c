/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ptrace(2) as the debugger calls it, one function a request, from a table.
 * Most are passed on to the task that plays the thread now.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "ckptcore/target.h"
#include "ptrace-plugin/internal.h"

/* t: the debugger's task at its call; addr, data: the call's. */
struct request {
	struct ckpt_task *t;
	struct vpt_thread *vt;
	unsigned long nr, addr, data;
};

static long from_errno(long res)
{
	return res < 0 ? -errno : res;
}

static long put(const struct request *q, unsigned long at, const void *buf, size_t len)
{
	return ckpt_write(q->t, at, buf, len) ? -EFAULT : 0;
}

static long req_peek(const struct request *q)
{
	uint64_t word;

	vpt_facts_write(q->vt->debugger);
	if (ckpt_read(q->vt->task, q->addr, &word, sizeof(word)))
		return -EIO;
	return put(q, q->data, &word, sizeof(word));
}

static long req_poke(const struct request *q)
{
	return vpt_poke(q->vt, q->addr, &q->data, sizeof(q->data)) ? -EIO : 0;
}

static bool is_dr(unsigned long addr)
{
	return addr >= offsetof(struct user, u_debugreg[0]) &&
	       addr <= offsetof(struct user, u_debugreg[7]);
}

static int peekuser(const struct ckpt_task *t, unsigned long addr, uint64_t *ret)
{
	errno = 0;
	*ret = (uint64_t)ptrace(PTRACE_PEEKUSER, t->tid, addr, 0);
	return -errno;
}

int vpt_get_dr6(const struct vpt_thread *vt, uint64_t *ret)
{
	*ret = vt->dr[6];
	return vt->dr6_ours ? 0 : peekuser(vt->task, offsetof(struct user, u_debugreg[6]), ret);
}

static long req_peekuser(const struct request *q)
{
	uint64_t word;
	int err;

	ckpt_regs_flush(q->vt->task);
	if (q->addr == offsetof(struct user, u_debugreg[6]))
		err = vpt_get_dr6(q->vt, &word);
	else
		err = peekuser(q->vt->task, q->addr, &word);
	return err ? err : put(q, q->data, &word, sizeof(word));
}

static long req_pokeuser(const struct request *q)
{
	struct ckpt_task *t = q->vt->task;
	long res;

	if (!is_dr(q->addr))
		vpt_changing(t, true);
	ckpt_regs_flush(t);
	t->regs_valid = false;
	res = from_errno(ptrace(PTRACE_POKEUSER, t->tid, q->addr, q->data));
	if (is_dr(q->addr) && !res) {
		q->vt->dr[(q->addr - offsetof(struct user, u_debugreg[0])) / 8] = q->data;
		q->vt->dr_used = true;
		q->vt->dr6_ours = false;
	}
	return res;
}

static long req_getregs(const struct request *q)
{
	return put(q, q->data, ckpt_regs(q->vt->task), sizeof(struct user_regs_struct));
}

/* Whether t has run onto an int3 of the debugger's at addr, which may have been taken out since, by
 * who didn't know of that stop. */
static bool was_own_int3(struct ckpt_task *t, uint64_t addr)
{
	siginfo_t si;
	uint8_t now;

	if (!t->timeline)
		return false;
	if (ckpt_overlay_at(&t->timeline->overlay, addr, NULL))
		return true;
	return t->thread && t->state == CKPT_SIGNAL && t->stop.sig == SIGTRAP &&
	       !ptrace(PTRACE_GETSIGINFO, t->tid, 0, &si) && si.si_code == SI_KERNEL &&
	       !ckpt_read(t, addr, &now, 1) && now != 0xcc;
}

static long set_regs(struct ckpt_task *t, const struct user_regs_struct *regs)
{
	struct user_regs_struct *now = ckpt_regs(t), rewound = *now;

	if (!memcmp(now, regs, sizeof(*regs)))
		return 0;
	/* The step back over its own int3 is the debugger's affair. */
	rewound.rip--;
	if (memcmp(&rewound, regs, sizeof(*regs)) || !was_own_int3(t, regs->rip))
		vpt_changing(t, true);
	/* At once: the kernel may refuse (a segment, a flag). */
	t->regs_dirty = false;
	t->regs_valid = false;
	return ptrace(PTRACE_SETREGS, t->tid, 0, regs) < 0 ? -errno : 0;
}

static long req_setregs(const struct request *q)
{
	struct user_regs_struct regs;

	if (ckpt_read(q->t, q->data, &regs, sizeof(regs)))
		return -EFAULT;
	return set_regs(q->vt->task, &regs);
}

static long req_getfpregs(const struct request *q)
{
	struct user_fpregs_struct regs;
	long res = from_errno(ptrace(PTRACE_GETFPREGS, q->vt->task->tid, 0, &regs));

	return res < 0 ? res : put(q, q->data, &regs, sizeof(regs));
}

static long req_setfpregs(const struct request *q)
{
	struct user_fpregs_struct regs;

	if (ckpt_read(q->t, q->data, &regs, sizeof(regs)))
		return -EFAULT;
	vpt_changing(q->vt->task, false);
	return from_errno(ptrace(PTRACE_SETFPREGS, q->vt->task->tid, 0, &regs));
}

#define NT_PRSTATUS 1
#define NT_X86_XSTATE 0x202

/*
 * The kernel takes an extended state of its own full size only (EFAULT else).
 * A gdb that is older than the processor knows less than all of it (gdb 13:
 * not AMX) and could call no function of the program; it gets away with it here.
 */
static long set_xstate(struct ckpt_task *t, const uint8_t *buf, size_t len)
{
	static uint8_t full[CKPT_XSTATE_MAX];
	size_t full_len = sizeof(full);
	int err = ckpt_get_xstate(t, full, &full_len);

	if (err)
		return err;
	if (len > full_len)
		return -EFAULT;
	if (!memcmp(full, buf, len))
		return 0; /* gdb writes back what it read: no change */
	vpt_changing(t, false);
	memcpy(full, buf, len);
	return ckpt_set_xstate(t, full, full_len);
}

static long req_regset(const struct request *q)
{
	static uint8_t buf[CKPT_XSTATE_MAX];
	struct iovec iov, mine;
	long res;

	if (ckpt_read(q->t, q->data, &iov, sizeof(iov)))
		return -EFAULT;
	mine.iov_base = buf;
	mine.iov_len = iov.iov_len < sizeof(buf) ? iov.iov_len : sizeof(buf);
	if (q->nr == PTRACE_SETREGSET) {
		if (ckpt_read(q->t, (uintptr_t)iov.iov_base, buf, mine.iov_len))
			return -EFAULT;
		if (q->addr == NT_PRSTATUS && mine.iov_len == sizeof(struct user_regs_struct))
			return set_regs(q->vt->task, (struct user_regs_struct *)buf);
		if (q->addr == NT_X86_XSTATE)
			return set_xstate(q->vt->task, buf, mine.iov_len);
		vpt_changing(q->vt->task, false);
		res = from_errno(ptrace(PTRACE_SETREGSET, q->vt->task->tid, q->addr, &mine));
		q->vt->task->regs_valid = false;
		return res;
	}
	ckpt_regs_flush(q->vt->task);
	res = from_errno(ptrace(PTRACE_GETREGSET, q->vt->task->tid, q->addr, &mine));
	if (res < 0)
		return res;
	if (ckpt_write(q->t, (uintptr_t)iov.iov_base, buf, mine.iov_len))
		return -EFAULT;
	iov.iov_len = mine.iov_len;
	return put(q, q->data, &iov, sizeof(iov));
}

int vpt_get_siginfo(const struct vpt_thread *vt, siginfo_t *ret)
{
	*ret = vt->siginfo;
	if (vt->siginfo_ours)
		return 0;
	return ptrace(PTRACE_GETSIGINFO, vt->task->tid, 0, ret) < 0 ? -errno : 0;
}

static long req_getsiginfo(const struct request *q)
{
	siginfo_t si;
	int err = vpt_get_siginfo(q->vt, &si);

	return err ? err : put(q, q->data, &si, sizeof(si));
}

static long req_setsiginfo(const struct request *q)
{
	siginfo_t si;

	if (ckpt_read(q->t, q->data, &si, sizeof(si)))
		return -EFAULT;
	if (q->vt->siginfo_ours) {
		q->vt->siginfo = si;
		return 0;
	}
	return from_errno(ptrace(PTRACE_SETSIGINFO, q->vt->task->tid, 0, &si));
}

static long req_geteventmsg(const struct request *q)
{
	return put(q, q->data, &q->vt->msg, sizeof(q->vt->msg));
}

/* For tracers of system calls below the debugger's shell. */
static long req_get_syscall_info(const struct request *q)
{
	struct __ptrace_syscall_info info;
	unsigned long len = q->addr < sizeof(info) ? q->addr : sizeof(info);
	long res;

	memset(&info, 0, sizeof(info));
	ckpt_regs_flush(q->vt->task);
	res = from_errno(ptrace(PTRACE_GET_SYSCALL_INFO, q->vt->task->tid, sizeof(info), &info));
	if (res < 0)
		return res;
	return ckpt_write(q->t, q->data, &info, len) ? -EFAULT : res;
}

static long req_setoptions(const struct request *q)
{
	q->vt->options = q->data;
	if (vpt_control->options_set)
		vpt_control->options_set(q->vt);
	return 0;
}

static long req_sigmask(const struct request *q)
{
	uint64_t mask;

	if (q->nr == PTRACE_SETSIGMASK) {
		if (ckpt_read(q->t, q->data, &mask, sizeof(mask)))
			return -EFAULT;
		vpt_changing(q->vt->task, false);
		return from_errno(ptrace(PTRACE_SETSIGMASK, q->vt->task->tid, 8, &mask));
	}
	if (ptrace(PTRACE_GETSIGMASK, q->vt->task->tid, 8, &mask) < 0)
		return -errno;
	return put(q, q->data, &mask, sizeof(mask));
}

/* fs and gs base: the debugger's thread library asks this way. */
static long req_arch_prctl(const struct request *q)
{
	struct user_regs_struct *r = ckpt_regs(q->vt->task);
	uint64_t value;

	switch (q->data) {
	case 0x1003: /* ARCH_GET_FS */
		return put(q, q->addr, &r->fs_base, 8);
	case 0x1004: /* ARCH_GET_GS */
		return put(q, q->addr, &r->gs_base, 8);
	case 0x1001: /* ARCH_SET_GS */
	case 0x1002: /* ARCH_SET_FS */
		value = q->addr;
		if (q->data == 0x1002)
			r->fs_base = value;
		else
			r->gs_base = value;
		ckpt_regs_dirty(q->vt->task);
		vpt_changing(q->vt->task, false);
		return 0;
	}
	return -EINVAL;
}

static long resume(const struct request *q)
{
	struct vpt_thread *vt = q->vt;
	int sig = (int)q->data;

	if (sig < 0 || sig > 64)
		return -EIO;
	if (vpt_control->about_to_act)
		vpt_control->about_to_act(vt, true);
	vt->state = VPT_RUNNING;
	vt->request = (int)q->nr;
	vt->dr6_ours = false;
	if (vpt_control->resuming && vpt_control->resuming(vt, (int)q->nr, sig))
		return 0;
	if (vt->past_event && !sig && q->nr != PTRACE_CONT) {
		/* It stands at the end of its call already, see tracee_execed(). */
		vt->past_event = false;
		vpt_report_trap(vt, (int)q->nr);
		return 0;
	}
	vt->past_event = false;
	if (!sig && vpt_tell_call_again(vt))
		return 0;
	if (!vt->task)
		return -ESRCH;
	if (vt->siginfo_ours && sig) /* the kernel's own info is another stop's */
		ptrace(PTRACE_SETSIGINFO, vt->task->tid, 0, &vt->siginfo);
	ckpt_target_resume(vt->task, (int)q->nr, sig);
	return 0;
}

static long req_resume(const struct request *q)
{
	struct vpt_debugger *d = q->vt->debugger;
	long res;

	d->resuming = q->t;
	res = resume(q);
	d->resuming = NULL;
	return res;
}

static long req_kill(const struct request *q)
{
	struct vpt_thread *vt = q->vt;

	if (!vt->task)
		return -ESRCH;
	if (!vpt_control->signalled || !vpt_control->signalled(vt, SIGKILL))
		kill(vt->task->tgid, SIGKILL);
	return 0;
}

static long req_detach(const struct request *q)
{
	struct vpt_thread *vt = q->vt, *leader;
	struct ckpt_task *t;

	/* The live one plays again, and none of its threads is recorded. */
	leader = vpt_find(vt->tgid);
	if (leader && vpt_control->target_gone &&
	    (vt == leader || (vt->task && vt->task->timeline)))
		vpt_control->target_gone(leader, false);
	t = vt->task;
	if (!t) { /* it has ended; the debugger was in its past */
		vpt_thread_free(vt);
		return 0;
	}
	if (vt->dr_used) /* no watchpoint may strike when nobody looks */
		ptrace(PTRACE_POKEUSER, t->tid, offsetof(struct user, u_debugreg[7]), 0L);
	vpt_thread_free(vt);
	t->owner = NULL;
	if (t->no_exitkill && t->ops != &vpt_plain_ops && t->parent == 0) {
		ckpt_detach(t, (int)q->data);
		return 0;
	}
	/* It has our seccomp filter: we stay, silently, until it ends. */
	ckpt_affinity_free(t, t);
	t->ops = &vpt_plain_ops;
	ckpt_resume(t, t->state == CKPT_GROUP && !q->data ? PTRACE_LISTEN : PTRACE_CONT,
		    (int)q->data);
	return 0;
}

static const struct {
	unsigned long nr;
	long (*run)(const struct request *q);
	enum when {
		ANYTIME, /* the thread may run */
		CHANGES, /* it must be stopped */
		READS,	 /* it must be stopped, and stays as it is */
		/* The same of one that nobody plays any more, which it is to hear yet: */
		RESUMES,
		TELLS,
	} how;
} requests[] = {
	{ PTRACE_PEEKTEXT, req_peek, READS },
	{ PTRACE_PEEKDATA, req_peek, READS },
	{ PTRACE_POKETEXT, req_poke, CHANGES },
	{ PTRACE_POKEDATA, req_poke, CHANGES },
	{ PTRACE_PEEKUSER, req_peekuser, READS },
	{ PTRACE_POKEUSER, req_pokeuser, CHANGES },
	{ PTRACE_GETREGS, req_getregs, READS },
	{ PTRACE_SETREGS, req_setregs, CHANGES },
	{ PTRACE_GETFPREGS, req_getfpregs, READS },
	{ PTRACE_SETFPREGS, req_setfpregs, CHANGES },
	{ PTRACE_GETREGSET, req_regset, READS },
	{ PTRACE_SETREGSET, req_regset, CHANGES },
	{ PTRACE_GETSIGINFO, req_getsiginfo, READS },
	{ PTRACE_SETSIGINFO, req_setsiginfo, CHANGES },
	{ PTRACE_GETEVENTMSG, req_geteventmsg, TELLS },
	{ PTRACE_GET_SYSCALL_INFO, req_get_syscall_info, READS },
	{ PTRACE_SETOPTIONS, req_setoptions, CHANGES },
	{ PTRACE_GETSIGMASK, req_sigmask, READS },
	{ PTRACE_SETSIGMASK, req_sigmask, CHANGES },
	{ 30 /* PTRACE_ARCH_PRCTL */, req_arch_prctl, CHANGES },
	{ PTRACE_CONT, req_resume, RESUMES },
	{ PTRACE_SYSCALL, req_resume, RESUMES },
	{ PTRACE_SINGLESTEP, req_resume, RESUMES },
	{ PTRACE_KILL, req_kill, ANYTIME },
	{ PTRACE_DETACH, req_detach, RESUMES },
};

static void tell_untraced(void)
{
	static bool told;

	if (!told && ckpt_warn)
		ckpt_warn(
			"a child of the program wants to be traced by it: refused (EPERM), as fred "
			"traces both");
	told = true;
}

/* The calling process wants to be traced by its parent. */
static long trace_me(struct ckpt_task *t)
{
	struct ckpt_task *parent = ckpt_find(t->parent);
	struct vpt_debugger *d;
	struct vpt_thread *vt;

	/* A target's own calls are the kernel's to answer: its wait would never
	 * hear of a child that is traced here. */
	if (parent && parent->ops == &vpt_tracee_ops)
		tell_untraced();
	if (vpt_find(t->tid) || (parent && parent->ops == &vpt_tracee_ops))
		return -EPERM;
	d = vpt_debugger_of(t->parent, true);
	vt = vpt_thread_new(t->tid, t->tgid, d);
	vt->request = PTRACE_CONT;
	vt->task = t;
	t->owner = vt;
	t->ops = &vpt_tracee_ops;
	return 0;
}

static long attach(struct ckpt_task *t, pid_t tid)
{
	struct vpt_debugger *d = vpt_debugger_of(t->tgid, true);
	struct ckpt_task *victim = ckpt_find(tid);
	struct vpt_thread *vt;
	pid_t tgid;
	int err;

	if (vpt_find(tid) || tid == getpid())
		return -EPERM;
	if (vpt_control->attaching) {
		vt = vpt_control->attaching(tid, d);
		if (vt)
			return 0;
	}
	if (!victim) {
		tgid = vpt_tgid_of(tid);
		if (tgid < 0)
			return -ESRCH;
		if (tgid == getpid())
			return -EPERM;
		err = ckpt_seize(tid, tgid, &vpt_tracee_ops, false, &victim);
		if (err)
			return err;
	} else if (victim->ops != &vpt_plain_ops) {
		return -EPERM;
	}
	vt = vpt_thread_new(tid, victim->tgid, d);
	vt->request = PTRACE_CONT;
	vt->attached = true;
	vt->stop_wanted = true;
	vt->task = victim;
	victim->owner = vt;
	victim->ops = &vpt_tracee_ops;
	ckpt_interrupt(victim);
	return 0;
}

void vpt_call_ptrace(struct ckpt_task *t, const struct ckpt_stop *stop)
{
	struct request q = { t, NULL, stop->args[0], stop->args[2], stop->args[3] };
	pid_t tid = (pid_t)stop->args[1];
	size_t i = 0, n = sizeof(requests) / sizeof(*requests);
	enum when how;
	long res = -EIO;

	while (i < n && requests[i].nr != q.nr)
		i++;
	how = i < n ? requests[i].how : CHANGES;
	if (how != READS && how != TELLS)
		vpt_facts_withdraw(vpt_debugger_of(t->tgid, false));
	if (q.nr == PTRACE_TRACEME || q.nr == PTRACE_ATTACH) {
		vpt_answer(t, q.nr == PTRACE_TRACEME ? trace_me(t) : attach(t, tid));
		return;
	}
	q.vt = vpt_find(tid);
	if (!q.vt || q.vt->debugger->tgid != t->tgid)
		res = -ESRCH;
	else if (how != ANYTIME && ((!q.vt->task && how != RESUMES && how != TELLS) ||
				    (q.vt->state != VPT_STOPPED && q.vt->state != VPT_PENDING)))
		res = -ESRCH;
	else if (i < n)
		res = requests[i].run(&q);
	vpt_answer(t, res);
}
