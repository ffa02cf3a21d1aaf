/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "fred/threads.h"

void fred_threads_vanish(struct vpt_thread *vt)
{
	for (struct vpt_thread *o = vpt_first(); o; o = o->next) {
		if (o == vt || o->tgid != vt->tgid || o->state == VPT_EXITED)
			continue;
		/* The real one stays as it is, stopped. */
		if (o->task)
			o->task->owner = NULL;
		o->task = NULL;
		vpt_report_exit(o, 0);
	}
}

struct stranger {
	struct vpt_thread *leader;
	struct ckpt_task *found;
};

static void look(struct ckpt_task *t, void *arg)
{
	struct stranger *s = arg;

	if (t->tgid == s->leader->tgid && t->tid != s->leader->tid && t->ops == &vpt_tracee_ops &&
	    !t->owner && t->state != CKPT_DEAD && !t->play)
		s->found = t;
}

/* Whether the debugger has sent it a stop that it hasn't seen: the debugger
 * that meets it anew knows nothing of that. */
static bool stop_pending(pid_t tid)
{
	char path[32], line[128];
	unsigned long pending = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "SigPnd: %lx", &pending) == 1)
			break;
	if (f)
		fclose(f);
	return pending & 1ul << (SIGSTOP - 1);
}

bool fred_threads_appear(struct vpt_thread *vt)
{
	struct stranger s = { vt, NULL };
	struct vpt_thread *new;
	siginfo_t si;

	ckpt_each_task(look, &s);
	if (!s.found)
		return false;
	new = vpt_thread_new(s.found->tid, vt->tgid, vt->debugger);
	new->options = vt->options;
	new->attached = vt->attached;
	new->request = PTRACE_CONT;
	new->task = s.found;
	s.found->owner = new;
	s.found->drop_stop = stop_pending(s.found->tid);
	memset(&si, 0, sizeof(si));
	si.si_signo = SIGSTOP;
	vpt_report(new, W_STOPCODE(SIGSTOP), &si);
	memset(&si, 0, sizeof(si));
	si.si_signo = SIGTRAP;
	si.si_code = SIGTRAP | PTRACE_EVENT_CLONE << 8;
	vt->msg = (unsigned long)new->tid;
	vpt_report(vt, W_STOPCODE(SIGTRAP) | PTRACE_EVENT_CLONE << 16, &si);
	return true;
}
