/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wait4 and the SIGCHLDs that announce it. A debugger's wait sees its virtual
 * threads; its real children that nobody debugs (shells) are left to the kernel.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ptrace-plugin/internal.h"

static bool matches(const struct vpt_thread *vt, const struct vpt_debugger *d, pid_t pid,
		    unsigned long options)
{
	if (vt->debugger != d)
		return false;
	if (pid > 0)
		return vt->tid == pid;
	/* Without __WALL or __WCLONE only "normal" children are seen. */
	return vt->tid == vt->tgid || options & (__WALL | __WCLONE);
}

static struct vpt_thread *pending(struct vpt_debugger *d, pid_t pid, unsigned long options,
				  bool *any)
{
	struct vpt_thread *found = NULL;

	*any = false;
	for (struct vpt_thread *vt = vpt_first(); vt; vt = vt->next) {
		if (!matches(vt, d, pid, options))
			continue;
		*any = true;
		/* Ends of threads first: a stop makes gdb ask all the others. */
		if (vt->state == VPT_EXITED && vt->tid != vt->tgid)
			return vt;
		if (!found && (vt->state == VPT_PENDING || vt->state == VPT_EXITED))
			found = vt;
	}
	return found;
}

/* Completes a wait with vt's event. */
static long take(struct ckpt_task *t, struct vpt_thread *vt, unsigned long status,
		 unsigned long rusage)
{
	long tid = vt->tid;
	pid_t tgid = vt->tgid;

	if (status && ckpt_write(t, status, &vt->status, sizeof(vt->status)))
		return -EFAULT;
	if (rusage) {
		struct rusage none;

		memset(&none, 0, sizeof(none));
		if (ckpt_write(t, rusage, &none, sizeof(none)))
			return -EFAULT;
	}
	if (vt->state == VPT_EXITED) {
		if (vt->tid == vt->tgid && vpt_control->target_gone)
			vpt_control->target_gone(vt, true);
		vt->debugger->thread_ended = tid != tgid;
		vpt_thread_free(vt);
	} else {
		vt->state = VPT_STOPPED;
		vpt_facts_tell(t, vt);
	}
	return tid;
}

/* Resumes t up to its next stop. -ESRCH: it died. */
static int go(struct ckpt_task *t, int request)
{
	if (ckpt_resume(t, request, 0) < 0)
		return -ESRCH;
	while (ckpt_wait(t, NULL) == -EINTR)
		;
	return t->state == CKPT_DEAD ? -ESRCH : 0;
}

/*
 * The real process behind an exit that we report may be the debugger's own
 * child. We have reaped it as its tracer; it is a zombie until the debugger
 * waits for it too, so have it do so now. Leaves t at CKPT_EXIT.
 */
static int reap_zombies(struct ckpt_task *t, struct vpt_debugger *d)
{
	while (d->nzombies) {
		struct user_regs_struct *r = ckpt_regs(t), saved = *r;

		r->orig_rax = r->rax = SYS_wait4;
		r->rdi = (unsigned long)d->zombies[--d->nzombies];
		r->rsi = 0;
		r->rdx = __WALL | WNOHANG;
		r->r10 = 0;
		ckpt_regs_dirty(t);
		do
			if (go(t, PTRACE_SYSCALL))
				return -ESRCH;
		while (t->state != CKPT_EXIT && t->state != CKPT_SECCOMP);
		/* Back to before the call, once more. */
		r = ckpt_regs(t);
		*r = saved;
		r->rip -= 2;
		r->rax = SYS_wait4;
		r->orig_rax = -1;
		ckpt_regs_dirty(t);
		do {
			if (go(t, PTRACE_CONT))
				return -ESRCH;
			if (t->state == CKPT_SIGNAL) {
				/* Delivered first, it will come to the call later. */
				ckpt_resume(t, PTRACE_CONT, t->stop.sig);
				return -EAGAIN;
			}
		} while (t->state != CKPT_SECCOMP);
	}
	return 0;
}

static bool is_real_child(const struct vpt_debugger *d, pid_t pid)
{
	struct ckpt_task *t = ckpt_find(pid);

	return t && t->ops == &vpt_plain_ops && t->parent == d->tgid;
}

/* A process of an ended thread that is kept, the debugger doesn't know why. */
static bool is_hidden(pid_t pid)
{
	struct ckpt_task *t = pid > 0 ? ckpt_find(pid) : NULL;

	return t && t->ops == &vpt_tracee_ops && !t->owner;
}

/*
 * Once all the other threads' ends have been told, the kernel has its leader's, if
 * that is a zombie; so debuggers expect it at their next wait. We may not have
 * heard of it yet. False: the waiting t is gone.
 */
static bool hear_of_leader(struct ckpt_task *t, struct vpt_debugger *d)
{
	pid_t tid = t->tid;

	if (!d->thread_ended)
		return true;
	d->thread_ended = false;
	for (struct vpt_thread *vt = vpt_first(); vt; vt = vt->next) {
		if (vt->debugger != d || vt->tid != vt->tgid || vt->state == VPT_EXITED ||
		    !vt->task || vpt_count(vt->tgid) > 1 || ckpt_proc_state(vt->task->tid) != 'Z')
			continue;
		while (!ckpt_poll_any())
			if (ckpt_find(tid) != t)
				return false;
		return true;
	}
	return true;
}

void vpt_call_wait4(struct ckpt_task *t, const struct ckpt_stop *stop)
{
	struct vpt_debugger *d = vpt_debugger_of(t->tgid, false);
	unsigned long options = stop->args[2];
	pid_t pid = (pid_t)stop->args[0];
	unsigned long status = stop->args[1], rusage = stop->args[3];
	struct vpt_thread *vt;
	bool any;
	int err;

	if (!d && (pid <= 0 || !is_real_child(&(struct vpt_debugger){ .tgid = t->tgid }, pid))) {
		vpt_native(t);
		return;
	}
	if (!d)
		d = vpt_debugger_of(t->tgid, true);
	if (d->facts_ahead) /* it looks here, not there */
		vpt_facts_withdraw(d);
	err = reap_zombies(t, d);
	if (err == -ESRCH)
		t->ops->stopped(t, &t->stop);
	if (err)
		return;
	vt = pending(d, pid, options, &any);
	if (!vt && any && d->thread_ended) {
		if (!hear_of_leader(t, d))
			return;
		vt = pending(d, pid, options, &any);
	}
	if (!vt && any && vpt_control->idle) {
		vpt_control->idle();
		vt = pending(d, pid, options, &any);
	}
	if (vt) {
		vpt_answer(t, take(t, vt, status, rusage));
		return;
	}
	if (!any && is_hidden(pid)) {
		vpt_answer(t, -ECHILD);
		return;
	}
	if (!any) {
		/* In the kernel, asleep as everybody expects of it. Should that
		 * child come to be debugged, vpt_notify() gets it back here. */
		if (!(options & WNOHANG) && pid > 0 && is_real_child(d, pid))
			d->shell_waiter = t;
		vpt_native(t);
		return;
	}
	if (options & WNOHANG) {
		vpt_answer(t, 0);
		return;
	}
	/* Blocks: t stays in its stop until vpt_notify() or a child's end. */
	d->waiter = t;
	d->wait_pid = pid;
	d->wait_options = options;
	d->wait_status = status;
	d->wait_rusage = rusage;
}

void vpt_notify(struct vpt_debugger *d)
{
	struct vpt_thread *vt;
	bool any;

	vpt_facts_withdraw(d);
	if (d->resuming && !d->waiter && vpt_facts_tell_ahead(d->resuming, d))
		return;
	if (d->waiter) {
		struct ckpt_task *t = d->waiter;

		vt = pending(d, d->wait_pid, d->wait_options, &any);
		if (vt) {
			d->waiter = NULL;
			vpt_answer(t, take(t, vt, d->wait_status, d->wait_rusage));
			return;
		}
	}
	if (d->shell_waiter) { /* the kernel restarts its wait */
		ckpt_interrupt(d->shell_waiter);
		d->shell_waiter = NULL;
	}
	syscall(SYS_tgkill, d->tgid, d->tgid, SIGCHLD);
}

void vpt_recheck_waiter(struct vpt_debugger *d)
{
	struct ckpt_task *t = d->waiter;
	bool any;

	if (!t || pending(d, d->wait_pid, d->wait_options, &any))
		return;
	if (any || (d->wait_pid > 0 && is_real_child(d, d->wait_pid)))
		return;
	d->waiter = NULL;
	vpt_native(t);
}
