/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The two kinds of task below the debugger: plain ones (the debugger itself,
 * its shells, and whatever nobody debugs) whose virtual calls are dispatched
 * here, and tracees, whose stops become stops for their debugger.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ckptcore/plugin.h"
#include "ckptcore/target.h"
#include "ptrace-plugin/internal.h"

const struct vpt_control *vpt_control;
static struct vpt_thread *threads;
static struct vpt_debugger *debuggers;
static pid_t main_tgid;

void vpt_set_main(pid_t tgid)
{
	main_tgid = tgid;
}

pid_t vpt_main(void)
{
	return main_tgid;
}

/* ------------------------------------------------------ threads, debuggers */

struct vpt_thread *vpt_find(pid_t tid)
{
	struct vpt_thread *vt = threads;

	while (vt && vt->tid != tid)
		vt = vt->next;
	return vt;
}

struct vpt_thread *vpt_played(pid_t tgid)
{
	struct vpt_thread *leader = vpt_find(tgid), *vt = threads;

	if (leader && leader->task)
		return leader;
	while (vt && (vt->tgid != tgid || !vt->task))
		vt = vt->next;
	return vt;
}

struct vpt_thread *vpt_first(void)
{
	return threads;
}

struct vpt_thread *vpt_of(struct ckpt_task *t)
{
	return t->ops == &vpt_tracee_ops ? t->owner : NULL;
}

size_t vpt_count(pid_t tgid)
{
	size_t n = 0;

	for (struct vpt_thread *vt = threads; vt; vt = vt->next)
		n += vt->tgid == tgid && vt->state != VPT_EXITED;
	return n;
}

struct vpt_thread *vpt_thread_new(pid_t tid, pid_t tgid, struct vpt_debugger *d)
{
	struct vpt_thread *vt = calloc(1, sizeof(*vt)), **p = &threads;

	if (!vt)
		abort();
	vt->tid = tid;
	vt->tgid = tgid;
	vt->debugger = d;
	vt->state = VPT_RUNNING;
	d->unsettled |= tid != tgid;
	while (*p) /* in order of birth: waits are fair */
		p = &(*p)->next;
	*p = vt;
	return vt;
}

void vpt_thread_free(struct vpt_thread *vt)
{
	struct vpt_thread **p = &threads;

	while (*p != vt)
		p = &(*p)->next;
	*p = vt->next;
	if (vt->task && vt->task->owner == vt)
		vt->task->owner = NULL;
	free(vt);
}

struct vpt_debugger *vpt_debugger_of(pid_t tgid, bool create)
{
	struct vpt_debugger *d = debuggers;

	while (d && d->tgid != tgid)
		d = d->next;
	if (!d && create) {
		d = calloc(1, sizeof(*d));
		if (!d)
			abort();
		d->tgid = tgid;
		d->next = debuggers;
		debuggers = d;
	}
	return d;
}

void vpt_debugger_forget(struct vpt_debugger *d)
{
	struct vpt_thread *vt = threads, *next;
	struct vpt_debugger **p = &debuggers;

	for (; vt; vt = next) {
		next = vt->next;
		if (vt->debugger == d)
			vpt_thread_free(vt);
	}
	while (*p != d)
		p = &(*p)->next;
	*p = d->next;
	free(d);
}

void vpt_set_player(struct vpt_thread *vt, struct ckpt_task *t)
{
	if (vt->task && vt->task->owner == vt)
		vt->task->owner = NULL;
	vt->debugger->unsettled |= vt->task != t;
	vpt_facts_withdraw(vt->debugger);
	vt->task = t;
	t->ops = &vpt_tracee_ops;
	t->owner = vt;
	if (vt->dr_used) {
		/* DR7 last: the kernel checks addresses against it. */
		for (int i = 0; i < 4; i++)
			ptrace(PTRACE_POKEUSER, t->tid, offsetof(struct user, u_debugreg[i]),
			       vt->dr[i]);
		ptrace(PTRACE_POKEUSER, t->tid, offsetof(struct user, u_debugreg[7]), vt->dr[7]);
	}
}

/* ---------------------------------------------------------------- reports */

void vpt_report(struct vpt_thread *vt, int status, const siginfo_t *siginfo)
{
	vt->state = VPT_PENDING;
	vt->status = status;
	vt->siginfo_ours = siginfo != NULL;
	if (siginfo)
		vt->siginfo = *siginfo;
	if (vpt_control->target_stopped)
		vpt_control->target_stopped(vt);
	vpt_notify(vt->debugger);
}

void vpt_report_exit(struct vpt_thread *vt, int status)
{
	vt->state = VPT_EXITED;
	vt->status = status;
	vpt_notify(vt->debugger);
}

/* ------------------------------------------------------------ plain tasks */

/*
 * Whether paths below /proc and process groups are more than the kernel's affair:
 * another process plays, a process has threads (see vpt_call_path() on their
 * ends), or we serve memory and so must hear of descriptors that are used again.
 */
static bool needs_late(const struct vpt_debugger *d)
{
	for (const struct vpt_thread *vt = threads; vt; vt = vt->next)
		if (vt->debugger == d &&
		    (vt->tid != vt->tgid || (vt->task && vt->task->tid != vt->tid)))
			return true;
	for (int i = 0; i < d->nmem; i++)
		if (!d->mem[i].real)
			return true;
	return false;
}

int vpt_settle(struct ckpt_task *t, struct vpt_debugger *d)
{
	int err = 0;

	d->unsettled = false;
	if (!d->late && needs_late(d)) {
		err = ckpt_plugins_select_late(t, (ckpt_regs(t)->rsp - VPT_SCRATCH) & ~15ull);
		d->late = true;
		if (err && err != -ESRCH && ckpt_warn)
			ckpt_warn("the kernel allows no second filter in the debugger; what it "
				  "reads below /proc may not be of the moment shown");
	}
	return err == -ESRCH ? err : vpt_mem_follow(t, d);
}

void vpt_answer(struct ckpt_task *t, long result)
{
	struct vpt_debugger *d = vpt_debugger_of(t->tgid, false);

	if (d && d->unsettled && (ckpt_skip_call(t) || vpt_settle(t, d)))
		return; /* its death is told soon */
	ckpt_set_result(t, result);
	ckpt_resume(t, PTRACE_CONT, 0);
}

void vpt_native(struct ckpt_task *t)
{
	ckpt_resume(t, PTRACE_CONT, 0);
}

static void call_command(struct ckpt_task *t, const struct ckpt_stop *stop)
{
	static char reply[1 << 20];
	const uint64_t to = stop->args[2], room = stop->args[3]; /* *stop is about to change */
	size_t len = stop->args[1];
	char *request = len < (1 << 20) ? calloc(1, len + 1) : NULL;
	long n = -ENOMEM;

	if (request && !ckpt_read(t, stop->args[0], request, len))
		n = vpt_control->command(t, request, reply, sizeof(reply));
	free(request);
	if (n == VPT_NO_REPLY)
		return; /* the caller is gone or replaced */
	if (n > 0) {
		if ((size_t)n > room)
			n = -EMSGSIZE;
		else if (ckpt_write(t, to, reply, (size_t)n))
			n = -EFAULT;
	}
	vpt_answer(t, n);
}

static const struct ckpt_plugin_call calls[] = {
	{ .nr = SYS_ptrace, .before = vpt_call_ptrace },
	{ .nr = SYS_wait4, .before = vpt_call_wait4 },
	{ .nr = SYS_kill, .before = vpt_call_kill },
	{ .nr = SYS_tkill, .before = vpt_call_kill },
	{ .nr = SYS_tgkill, .before = vpt_call_kill },
	/* Of files that are opened only to be read, as of other paths, nothing is
	 * ours as long as each process plays itself. */
	{ .nr = SYS_open,
	  .before = vpt_call_path,
	  .test = CKPT_TEST_HAS,
	  .arg = 1,
	  .value = O_ACCMODE },
	{ .nr = SYS_openat,
	  .before = vpt_call_path,
	  .test = CKPT_TEST_HAS,
	  .arg = 2,
	  .value = O_ACCMODE },
	{ .nr = SYS_open, .before = vpt_call_path, .late = true },
	{ .nr = SYS_openat, .before = vpt_call_path, .late = true },
	{ .nr = SYS_readlink, .before = vpt_call_path, .late = true },
	{ .nr = SYS_readlinkat, .before = vpt_call_path, .late = true },
	{ .nr = SYS_stat, .before = vpt_call_path, .late = true },
	{ .nr = SYS_access, .before = vpt_call_path, .late = true },
	/* A stat of a descriptor (fstat, as glibc has it) has no path. */
	{ .nr = SYS_newfstatat,
	  .before = vpt_call_path,
	  .test = CKPT_TEST_LACKS,
	  .arg = 3,
	  .value = AT_EMPTY_PATH,
	  .late = true },
	{ .nr = SYS_pread64,
	  .before = vpt_call_pread,
	  .test = CKPT_TEST_FROM,
	  .arg = 0,
	  .value = VPT_SERVED_FD },
	{ .nr = SYS_pwrite64, .before = vpt_call_pwrite },
	{ .nr = SYS_getpgid, .before = vpt_call_pgrp, .late = true },
	{ .nr = SYS_ioctl,
	  .before = vpt_call_pgrp,
	  .test = CKPT_TEST_IS,
	  .arg = 1,
	  .value = TIOCSPGRP,
	  .late = true },
	{ .nr = VPT_COMMAND_NR, .before = call_command },
};

static const struct ckpt_plugin plugin = {
	.version = CKPT_PLUGIN_VERSION,
	.name = "ptrace",
	.calls = calls,
	.ncalls = sizeof(calls) / sizeof(*calls),
};

int vpt_init(const struct vpt_control *control)
{
	vpt_control = control;
	return ckpt_plugin_register(&plugin);
}

/* Whoever it debugged: killed (run, with EXITKILL) or let go (attached). */
static void debugger_died(struct vpt_debugger *d)
{
	struct vpt_thread *vt = threads, *next;
	struct vpt_debugger **p = &debuggers;

	for (; vt; vt = next) {
		next = vt->next;
		if (vt->debugger != d)
			continue;
		if (vt->tid == vt->tgid && vpt_control->target_gone)
			vpt_control->target_gone(vt, false);
		if (vt->task) {
			struct ckpt_task *t = vt->task;

			t->owner = NULL;
			t->ops = &vpt_plain_ops;
			if (vt->attached) {
				if (t->state != CKPT_RUNNING)
					ckpt_resume(t, PTRACE_CONT, 0);
			} else {
				kill(t->tgid, SIGKILL);
			}
			vt->task = NULL;
		}
		vpt_thread_free(vt);
	}
	if (vpt_control->debugger_gone)
		vpt_control->debugger_gone(d);
	while (*p != d)
		p = &(*p)->next;
	*p = d->next;
	free(d);
}

static void plain_died(struct ckpt_task *t, const struct ckpt_stop *stop)
{
	struct vpt_debugger *d = t->tid == t->tgid ? vpt_debugger_of(t->tgid, false) : NULL;
	pid_t tgid = t->tgid, parent = t->parent;
	int status = stop->status; /* stop is part of t */

	for (struct vpt_debugger *o = debuggers; o; o = o->next) {
		if (o->waiter == t)
			o->waiter = NULL;
		if (o->shell_waiter == t)
			o->shell_waiter = NULL;
	}
	ckpt_forget(t);
	if (tgid == main_tgid && !ckpt_find(tgid) && vpt_control->ended(status))
		d = NULL;
	if (d)
		debugger_died(d);
	d = vpt_debugger_of(parent, false);
	if (d)
		vpt_recheck_waiter(d);
}

static void plain_stopped(struct ckpt_task *t, const struct ckpt_stop *stop)
{
	switch (stop->state) {
	case CKPT_SECCOMP:
		if (!ckpt_plugins_call(t, stop))
			vpt_native(t);
		break;
	case CKPT_DEAD:
		plain_died(t, stop);
		break;
	case CKPT_SIGNAL:
		ckpt_resume(t, PTRACE_CONT, ckpt_do_outer_insn(t) ? 0 : stop->sig);
		break;
	case CKPT_GROUP:
		ckpt_resume(t, PTRACE_LISTEN, 0);
		if (t->tgid == main_tgid && t->tid == t->tgid && vpt_control->suspended)
			vpt_control->suspended(t);
		break;
	case CKPT_EVENT:
		if (stop->event == PTRACE_EVENT_EXEC) {
			struct vpt_debugger *d = vpt_debugger_of(t->tgid, false);

			t->syscall_ip = 0;
			if (d)
				d->facts = 0; /* of the former program */
		}
		ckpt_resume(t, PTRACE_CONT, 0);
		break;
	default:
		ckpt_resume(t, PTRACE_CONT, 0);
		break;
	}
}

static void plain_forked(struct ckpt_task *t, struct ckpt_task *child, int event)
{
	(void)event;
	ckpt_affinity_free(child, t);
	child->ops = &vpt_plain_ops;
	ckpt_first_stop(child);
}

const struct ckpt_task_ops vpt_plain_ops = {
	.name = "plain",
	.stopped = plain_stopped,
	.forked = plain_forked,
};

/* ---------------------------------------------------------------- tracees */

static const struct {
	int event;
	unsigned long option;
} event_options[] = {
	{ PTRACE_EVENT_FORK, PTRACE_O_TRACEFORK },
	{ PTRACE_EVENT_VFORK, PTRACE_O_TRACEVFORK },
	{ PTRACE_EVENT_CLONE, PTRACE_O_TRACECLONE },
	{ PTRACE_EVENT_VFORK_DONE, PTRACE_O_TRACEVFORKDONE },
	{ PTRACE_EVENT_EXEC, PTRACE_O_TRACEEXEC },
};

static bool event_wanted(const struct vpt_thread *vt, int event)
{
	for (size_t i = 0; i < sizeof(event_options) / sizeof(*event_options); i++)
		if (event_options[i].event == event)
			return vt->options & event_options[i].option;
	return false;
}

static void tracee_forked(struct ckpt_task *t, struct ckpt_task *child, int event)
{
	struct vpt_thread *vt = vpt_of(t), *cv;

	if (!child->thread)
		ckpt_affinity_free(child, t);
	if (!vt || !event_wanted(vt, event)) {
		child->ops = &vpt_plain_ops;
		ckpt_first_stop(child);
		return;
	}
	cv = vpt_thread_new(child->tid, child->tgid, vt->debugger);
	cv->options = vt->options;
	cv->attached = vt->attached;
	cv->forked = child->tid == child->tgid;
	cv->shares = event != PTRACE_EVENT_FORK;
	cv->stop_wanted = true;
	cv->task = child;
	child->owner = cv;
	child->ops = &vpt_tracee_ops;
	ckpt_first_stop(child);
}

siginfo_t vpt_trap_info(int code)
{
	siginfo_t si;

	memset(&si, 0, sizeof(si));
	si.si_signo = SIGTRAP;
	si.si_code = code;
	return si;
}

void vpt_report_trap(struct vpt_thread *vt, int request)
{
	int sig = request == PTRACE_SYSCALL && vt->options & PTRACE_O_TRACESYSGOOD ?
			  SIGTRAP | 0x80 :
			  SIGTRAP;
	siginfo_t si = vpt_trap_info(request == PTRACE_SYSCALL ? sig : TRAP_TRACE);

	vpt_report(vt, W_STOPCODE(sig), &si);
}

bool vpt_tell_call_again(struct vpt_thread *vt)
{
	bool tell = vt->amid_call && vt->request == PTRACE_SYSCALL;

	vt->amid_call = false;
	if (tell)
		vpt_report_trap(vt, PTRACE_SYSCALL);
	return tell;
}

static void tracee_event(struct vpt_thread *vt, const struct ckpt_stop *stop)
{
	struct ckpt_task *t = vt->task;
	siginfo_t si;

	if (stop->event == PTRACE_EVENT_STOP) {
		/* The first stop, an attach, or an interrupt. */
		if (vt->stop_wanted) {
			vt->stop_wanted = false;
			memset(&si, 0, sizeof(si));
			si.si_signo = SIGSTOP;
			vpt_report(vt, W_STOPCODE(SIGSTOP), &si);
			return;
		}
		ckpt_target_resume(t, vt->request, 0);
		return;
	}
	vt->msg = stop->msg;
	if (event_wanted(vt, stop->event)) {
		si = vpt_trap_info(SIGTRAP | stop->event << 8);
		vpt_report(vt, W_STOPCODE(SIGTRAP) | stop->event << 16, &si);
	} else if (stop->event == PTRACE_EVENT_EXEC) {
		si = vpt_trap_info(SI_USER);
		vpt_report(vt, W_STOPCODE(SIGTRAP), &si);
	} else {
		ckpt_target_resume(t, vt->request, 0);
	}
}

/* The exec event comes inside the call; we report it at the call's end, when
 * calls can be injected. */
static void tracee_execed(struct vpt_thread *vt)
{
	struct ckpt_task *t = vt->task;
	struct ckpt_stop event = t->stop;

	t->syscall_ip = 0;
	t->int3_after = false;
	if (ckpt_call_through(t)) {
		if (t->state == CKPT_DEAD)
			t->ops->stopped(t, &t->stop);
		return;
	}
	memset(vt->dr, 0, sizeof(vt->dr));
	vt->dr_used = false;
	vt->shares = false;
	if (vpt_control->target_started)
		vpt_control->target_started(vt);
	vt->past_event = event_wanted(vt, PTRACE_EVENT_EXEC);
	tracee_event(vt, &event);
}

/* So is the event of a recorded clone: others run before the debugger resumes
 * the thread, and its call must be over then. */
static void tracee_cloned(struct vpt_thread *vt)
{
	struct ckpt_task *t = vt->task;
	struct ckpt_stop event = t->stop;

	if (ckpt_target_cloned(t)) {
		t->ops->stopped(t, &t->stop);
		return;
	}
	vt->past_event = true;
	tracee_event(vt, &event);
}

static void tracee_died(struct ckpt_task *t, struct vpt_thread *vt, const struct ckpt_stop *stop)
{
	struct vpt_debugger *d;
	pid_t tid = t->tid, tgid = t->tgid, parent = t->parent;
	int status = stop->status; /* stop is part of t */

	if (vpt_control->target_died)
		vpt_control->target_died(t);
	if (vt) {
		vt->task = NULL;
		if (tid == tgid) {
			d = vpt_debugger_of(parent, false);
			if (d && d == vt->debugger && d->nzombies < VPT_MANY)
				d->zombies[d->nzombies++] = tid;
		}
	}
	ckpt_forget(t);
	if (vt)
		vpt_report_exit(vt, status);
}

static void tracee_stopped(struct ckpt_task *t, const struct ckpt_stop *stop)
{
	struct vpt_thread *vt = vpt_of(t);
	enum ckpt_verdict verdict;

	if (stop->state == CKPT_EVENT && stop->event == PTRACE_EVENT_EXEC && vt) {
		ckpt_target_exec(t);
		tracee_execed(vt);
		return;
	}
	if (stop->state == CKPT_EVENT && stop->event == PTRACE_EVENT_CLONE && vt &&
	    ckpt_target_recorded(t) && event_wanted(vt, stop->event)) {
		tracee_cloned(vt);
		return;
	}
	verdict = ckpt_target_stopped(t);
	if (verdict == CKPT_HANDLED)
		return;
	if (vt && t->drop_stop && stop->state == CKPT_SIGNAL && stop->sig == SIGSTOP) {
		t->drop_stop = false;
		ckpt_target_resume(t, vt->request, 0);
		return;
	}
	if (stop->state == CKPT_DEAD) {
		tracee_died(t, vt, stop);
		return;
	}
	if (!vt)
		return;
	switch (stop->state) {
	case CKPT_SIGNAL:
		if (vt->stop_wanted && stop->sig == SIGSTOP)
			vt->stop_wanted = false;
		vpt_report(vt, W_STOPCODE(stop->sig),
			   verdict == CKPT_REPORT_TRACE ?
				   &(siginfo_t){ .si_signo = SIGTRAP, .si_code = TRAP_TRACE } :
				   NULL);
		break;
	case CKPT_GROUP:
		vt->stop_wanted = false;
		vpt_report(vt, W_STOPCODE(stop->sig), NULL);
		break;
	case CKPT_EVENT:
		tracee_event(vt, stop);
		break;
	case CKPT_ENTRY:
	case CKPT_EXIT:
		if (verdict == CKPT_REPORT_TRACE)
			vpt_report_trap(vt, PTRACE_SINGLESTEP);
		else if (vt->request == PTRACE_SYSCALL)
			vpt_report_trap(vt, PTRACE_SYSCALL);
		else
			ckpt_target_resume(t, vt->request, 0);
		break;
	default:
		ckpt_target_resume(t, vt->request, 0);
		break;
	}
}

const struct ckpt_task_ops vpt_tracee_ops = {
	.name = "tracee",
	.stopped = tracee_stopped,
	.forked = tracee_forked,
};
