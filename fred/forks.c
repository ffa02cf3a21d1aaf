/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>
#include <linux/sched.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fred/forks.h"
#include "fred/reply.h"
#include "fred/threads.h"

#define F fred_tl

bool fred_forks_may_be(const struct ckpt_event *ev)
{
	return ev->kind == CKPT_EV_CALL && ev->result > 0 &&
	       (ev->nr == SYS_clone || ev->nr == SYS_clone3 || ev->nr == SYS_fork ||
		ev->nr == SYS_vfork);
}

int fred_forks_kind(struct ckpt_task *p, const struct ckpt_event *ev)
{
	uint64_t flags = ev->args[0], signal;

	if (ev->nr == SYS_fork)
		return PTRACE_EVENT_FORK;
	if (ev->nr == SYS_vfork)
		return PTRACE_EVENT_VFORK;
	signal = flags & CSIGNAL;
	if (ev->nr == SYS_clone3 &&
	    (ckpt_read(p, ev->args[0], &flags, 8) || ckpt_read(p, ev->args[0] + 32, &signal, 8)))
		return 0;
	if (flags & CLONE_UNTRACED)
		return 0;
	if (flags & CLONE_VFORK)
		return PTRACE_EVENT_VFORK;
	return signal == SIGCHLD ? PTRACE_EVENT_FORK : 0;
}

uint64_t fred_forks_next(uint64_t from, uint64_t to)
{
	struct ckpt_event ev;

	for (uint64_t i = from; F.tell_forks && i < to; i++) {
		ev = ckpt_log_event(F.tl, i);
		if (fred_forks_may_be(&ev))
			return i + 1;
	}
	return 0;
}

/* Plays a child's first moment, to be looked at: it never runs. NULL: it can't be made. */
static struct ckpt_task *play_child(void)
{
	static const struct ckpt_task_ops ops = { .name = "child" };
	struct ckpt_task *copy;

	if (ckpt_fork(F.now, false, &ops, &copy))
		return NULL;
	ckpt_regs(copy)->rax = 0;
	ckpt_regs_dirty(copy);
	return copy;
}

void fred_forks_let_go(struct vpt_thread *vt)
{
	struct ckpt_task *copy = vt->task;

	if (!vt->past_child || !copy)
		return;
	vt->task = NULL;
	copy->owner = NULL;
	ckpt_kill(copy);
}

/* The call behind which F.now stands. */
static bool tell(struct vpt_thread *vt, const struct ckpt_event *ev)
{
	struct ckpt_task *copy;
	struct vpt_thread *own = fred_threads_current(), *child;
	siginfo_t si = { .si_signo = SIGSTOP };
	int kind = fred_forks_may_be(ev) ? fred_forks_kind(F.now, ev) : 0;

	if (!F.tell_forks || !kind || !own || own->state != VPT_RUNNING ||
	    vpt_find((pid_t)ev->result)) /* it is debugged */
		return false;
	ckpt_overlay_apply(&F.tl->overlay, F.now);
	copy = play_child();
	if (!copy)
		return false;
	child = vpt_thread_new((pid_t)ev->result, (pid_t)ev->result, vt->debugger);
	child->options = own->options;
	child->past_child = true;
	vpt_set_player(child, copy);
	vpt_report(child, W_STOPCODE(SIGSTOP), &si);
	own->msg = (unsigned long)ev->result;
	F.amid_fork = true;
	F.past_vfork = kind == PTRACE_EVENT_VFORK ? own->tid : 0;
	si = vpt_trap_info(SIGTRAP | kind << 8);
	fred_timeline_tell(vt, own->tid, W_STOPCODE(SIGTRAP) | kind << 16, &si);
	return true;
}

bool fred_forks_tell(struct vpt_thread *vt)
{
	const struct ckpt_event ev = ckpt_log_event(F.tl, F.now->play->event - 1);

	return tell(vt, &ev);
}

struct ckpt_event fred_forks_at_call(struct ckpt_task *p)
{
	struct ckpt_event ev = { .kind = CKPT_EV_CALL, .nr = -1 };

	if (p->state == CKPT_ENTRY) {
		ev.nr = (int16_t)p->stop.nr;
		memcpy(ev.args, p->stop.args, sizeof(ev.args));
	}
	return ev;
}

bool fred_forks_tell_call(struct vpt_thread *vt, struct ckpt_event *call)
{
	call->result = (int64_t)ckpt_regs(F.now)->rax;
	return F.now->play && tell(vt, call);
}

bool fred_forks_resuming(struct vpt_thread *vt)
{
	siginfo_t si = vpt_trap_info(TRAP_TRACE);

	if (vt->past_child) {
		vpt_report(vt, W_STOPCODE(SIGTRAP), &si);
		return true;
	}
	if (!fred_process_select(vt->tgid) || F.past_vfork != vt->tid)
		return false;
	/* It waits for the child to be on its own, and has no breakpoints until then. */
	F.past_vfork = 0; /* (its number is vt's message still) */
	si = vpt_trap_info(SIGTRAP | PTRACE_EVENT_VFORK_DONE << 8);
	vpt_report(vt, W_STOPCODE(SIGTRAP) | PTRACE_EVENT_VFORK_DONE << 16, &si);
	return true;
}

void fred_op_forks(json_object *in, json_object *out)
{
	(void)out;
	F.tell_forks = F.tl && get_bool(in, "tell");
}
