/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "fred/reply.h"
#include "fred/threads.h"

#define F fred_tl

static bool is_ours(const struct vpt_thread *vt)
{
	return F.vt && vt->tgid == F.vt->tgid && vt->state != VPT_EXITED;
}

/* The i-th thread of p's process; NULL: there are no more. */
static struct ckpt_task *nth(struct ckpt_task *p, size_t i)
{
	if (p && p->play)
		return i == 0 ? p : i <= p->play->nothers ? p->play->others[i - 1] : NULL;
	return i < F.tl->nthreads ? F.tl->threads[i] : NULL;
}

static struct ckpt_task *find(struct ckpt_task *to, pid_t tid)
{
	if (to && to->play)
		return ckpt_puppet_thread(to, tid);
	for (size_t i = 0; i < F.tl->nthreads; i++)
		if (ckpt_vtid(F.tl->threads[i]) == tid)
			return F.tl->threads[i];
	return NULL;
}

void fred_threads_play(struct ckpt_task *to)
{
	struct ckpt_task *t;

	for (struct vpt_thread *vt = vpt_first(); vt; vt = vt->next)
		if (is_ours(vt) && vt->task && vt->task->owner == vt)
			vt->task->owner = NULL;
	for (struct vpt_thread *vt = vpt_first(); vt; vt = vt->next) {
		if (!is_ours(vt))
			continue;
		t = find(to, vt->tid);
		if (t)
			vpt_set_player(vt, t);
		else
			vt->task = NULL;
	}
}

void fred_threads_watch(struct ckpt_task *from, struct ckpt_task *p)
{
	struct ckpt_task *t;

	for (size_t i = 0; (t = nth(p, i)); i++)
		if (!t->owner)
			ckpt_watch_alike(from, t);
}

void fred_threads_know_calls(struct ckpt_task *from, struct ckpt_task *to)
{
	struct ckpt_task *t, *was;
	struct vpt_thread *vt;

	for (size_t i = 0; (t = nth(to, i)); i++) {
		was = ckpt_puppet_thread(from, ckpt_vtid(t));
		vt = vpt_find(ckpt_vtid(t));
		if (was && to->play && t->waits_behind)
			t->shown = was->shown;
		else if (was && !to->play && vt)
			vt->amid_call = t != F.tl->live && t->in_call && !was->shown;
	}
}

void fred_threads_play_as(pid_t tid)
{
	struct vpt_thread *vt = vpt_find(tid);

	if (vt && is_ours(vt) && F.now && !vpt_find(ckpt_vtid(F.now)))
		vpt_set_player(vt, F.now);
}

void fred_threads_vanish(void)
{
	for (struct vpt_thread *vt = vpt_first(), *next; vt; vt = next) {
		next = vt->next; /* nobody may want to know, which frees it */
		if (is_ours(vt) && vt != F.vt && !vt->task)
			vpt_report_exit(vt, 0);
	}
}

/* A thread of p's process that the debugger doesn't know, or knows as ended. */
static struct ckpt_task *stranger(struct ckpt_task *p)
{
	const struct vpt_thread *vt;
	struct ckpt_task *t;

	for (size_t i = 0; (t = nth(p, i)); i++) {
		vt = vpt_find(ckpt_vtid(t));
		if (!vt || (vt->lost && p->play))
			return t;
	}
	return NULL;
}

bool fred_threads_strange(struct ckpt_task *p)
{
	return stranger(p);
}

pid_t fred_threads_known(struct ckpt_task *p)
{
	const struct vpt_thread *vt;
	struct ckpt_task *t;
	pid_t found = 0;

	for (size_t i = 0; (t = nth(p, i)); i++) {
		vt = vpt_find(ckpt_vtid(t));
		if (vt && !vt->lost && vt->state != VPT_EXITED && (!found || vt->tid == vt->tgid))
			found = vt->tid;
	}
	return found;
}

bool fred_threads_can_meet(struct ckpt_task *p)
{
	return !F.vt || !stranger(p) || fred_threads_known(p);
}

bool fred_threads_appear(struct vpt_thread *vt)
{
	struct ckpt_task *t = stranger(F.now);
	struct vpt_thread *new;
	siginfo_t si;

	if (!t)
		return false;
	new = vpt_find(ckpt_vtid(t));
	if (!new)
		new = vpt_thread_new(ckpt_vtid(t), vt->tgid, vt->debugger);
	new->lost = false;
	new->options = vt->options;
	new->attached = vt->attached;
	new->request = PTRACE_CONT;
	vpt_set_player(new, t);
	memset(&si, 0, sizeof(si));
	si.si_signo = SIGSTOP;
	vpt_report(new, W_STOPCODE(SIGSTOP), &si);
	si = vpt_trap_info(SIGTRAP | PTRACE_EVENT_CLONE << 8);
	vt->msg = (unsigned long)new->tid;
	vpt_report(vt, W_STOPCODE(SIGTRAP) | PTRACE_EVENT_CLONE << 16, &si);
	return true;
}

struct vpt_thread *fred_threads_current(void)
{
	return F.now ? vpt_find(ckpt_vtid(F.now)) : NULL;
}

bool fred_threads_several(void)
{
	return F.vt && F.tl && (vpt_count(F.vt->tgid) > 1 || nth(F.now, 1));
}

size_t fred_threads_count(pid_t tgid)
{
	char path[32];
	struct dirent *e;
	size_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", tgid);
	d = opendir(path);
	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

/* Those of the debugger's threads of vt's process that are stopped and played. */
static size_t count_stopped(const struct vpt_thread *vt)
{
	size_t n = 0;

	for (const struct vpt_thread *o = vpt_first(); o; o = o->next)
		n += o->tgid == vt->tgid && o->debugger == vt->debugger && o->task &&
		     (o->state == VPT_STOPPED || o->state == VPT_PENDING) &&
		     o->task->state != CKPT_ENTRY;
	return n;
}

bool fred_threads_all_stand(const struct vpt_thread *vt)
{
	return count_stopped(vt) == fred_threads_count(vt->tgid);
}

int fred_threads_record(struct vpt_thread *vt)
{
	int err = 0;

	for (struct vpt_thread *o = vpt_first(); o && !err; o = o->next)
		if (o->tgid == vt->tgid && o != vt)
			err = ckpt_record_join(F.tl, o->task);
	return err;
}

void fred_op_has_thread(json_object *in, json_object *out)
{
	put_bool(out, "has", F.staged && find(F.staged, (pid_t)get_number(in, "tid", 0)));
}
