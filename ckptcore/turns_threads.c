/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The live target's threads: how they come, and go. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/sched.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "ckptcore/quick.h"
#include "ckptcore/record.h"
#include "ckptcore/signals.h"
#include "ckptcore/turns.h"

int ckpt_turns_add(struct ckpt_timeline *tl, struct ckpt_task *t)
{
	if (tl->nthreads == tl->threads_room) {
		size_t room = tl->threads_room ? tl->threads_room * 2 : 8;
		struct ckpt_task **more = realloc(tl->threads, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		tl->threads = more;
		tl->threads_room = room;
	}
	t->thread = calloc(1, sizeof(*t->thread));
	if (!t->thread)
		return -ENOMEM;
	t->thread->request = PTRACE_CONT;
	t->thread->left = ckpt_now();
	t->timeline = tl;
	if (tl->nthreads && tl->live)
		t->shares_core = tl->live->shares_core;
	tl->threads[tl->nthreads++] = t;
	return 0;
}

void ckpt_turns_born(struct ckpt_task *t, struct ckpt_task *child)
{
	if (!t->thread || !t->timeline->recording)
		return;
	if (ckpt_turns_add(t->timeline, child))
		ckpt_record_stop(t->timeline, "no memory for one more thread");
	else
		child->thread->unborn = true;
	/* The kernel has told it its number before that stop. */
	while (child->state == CKPT_NEW && ckpt_wait(child, NULL) == -EINTR)
		;
}

void ckpt_turns_note_birth(struct ckpt_task *t, int64_t tid)
{
	struct ckpt_thread *th = t->thread;
	uint64_t flags = ckpt_clone_flags(t, th->nr, th->args), ctid = th->args[3];
	struct ckpt_task *child = ckpt_find((pid_t)tid);

	if (th->nr == SYS_clone3 && ckpt_read(t, th->args[0] + 16, &ctid, 8))
		ctid = 0;
	if (ctid && flags & CLONE_CHILD_SETTID && !th->barrier &&
	    ckpt_log_data(t->timeline, t, ctid, 4))
		th->barrier = true;
	if (!child || !child->thread)
		return;
	child->thread->unborn = false;
	if (flags & CLONE_CHILD_CLEARTID)
		child->thread->clear_tid = ctid;
}

static void remove_thread(struct ckpt_timeline *tl, struct ckpt_task *t)
{
	size_t i = 0;

	while (i < tl->nthreads && tl->threads[i] != t)
		i++;
	if (i < tl->nthreads) {
		tl->nthreads--;
		memmove(tl->threads + i, tl->threads + i + 1,
			(tl->nthreads - i) * sizeof(*tl->threads));
	}
	if (t->thread->delayed)
		ckpt_turns_clock(0);
	ckpt_quick_died(t);
	free(t->thread);
	t->thread = NULL;
}

void ckpt_turns_hand_over(struct ckpt_timeline *tl, struct ckpt_task *to)
{
	struct ckpt_task *from = tl->live;

	if (from && from->thread)
		from->thread->left = ckpt_now();
	if (to == tl->woken)
		tl->woken = NULL;
	tl->live = to;
	if (ckpt_turned)
		ckpt_turned(tl, from, to);
}

void ckpt_turns_died(struct ckpt_task *t)
{
	struct ckpt_timeline *tl = t->timeline;

	if (tl->live == t)
		ckpt_turns_killed(t);
	tl->end_status = t->stop.status;
	if (tl->woken == t)
		tl->woken = NULL;
	remove_thread(tl, t);
	if (tl->live == t)
		ckpt_turns_hand_over(tl, tl->nthreads ? tl->threads[0] : NULL);
}

/* Whoever resumes t from now on needn't know that we have interrupted its call. */
static void leave(struct ckpt_task *t)
{
	struct user_regs_struct *r;

	ckpt_signal_release(t, false);
	if (!ckpt_turns_is_stopped(t) || !t->in_call || t->thread->done || t->state != CKPT_EXIT ||
	    t->thread->again || !(t->thread->interrupted || ckpt_interrupted(t->stop.rval)))
		return;
	r = ckpt_regs(t);
	ckpt_before_call(t, r);
	if (t->stop.rval == -516)
		r->rax = SYS_restart_syscall;
	ckpt_regs_dirty(t);
}

void ckpt_record_forget(struct ckpt_timeline *tl)
{
	while (tl->nthreads) {
		struct ckpt_task *t = tl->threads[tl->nthreads - 1];

		leave(t);
		remove_thread(tl, t);
		t->timeline = NULL;
	}
	free(tl->threads);
	tl->threads = NULL;
	tl->threads_room = 0;
}

/* Takes the live process's tasks from their owners and from tl. */
static struct ckpt_task **disown(struct ckpt_timeline *tl, size_t *n)
{
	struct ckpt_task **tasks = tl->threads;

	*n = tl->nthreads;
	tl->live = NULL;
	for (size_t i = 0; i < *n; i++) {
		leave(tasks[i]);
		free(tasks[i]->thread);
		tasks[i]->thread = NULL;
		tasks[i]->timeline = NULL;
		tasks[i]->owner = NULL;
	}
	tl->threads = NULL;
	tl->nthreads = tl->threads_room = 0;
	return tasks;
}

void ckpt_record_kill(struct ckpt_timeline *tl)
{
	pid_t pid = tl->live ? tl->live->tgid : 0;
	size_t n;

	free(disown(tl, &n));
	if (pid)
		ckpt_kill_process(pid);
}

void ckpt_record_let_go(struct ckpt_timeline *tl, const struct ckpt_task_ops *ops)
{
	struct ckpt_task **tasks;
	size_t n;

	if (tl->live)
		ckpt_quick_off(tl->live);
	tasks = disown(tl, &n);

	for (size_t i = 0; i < n; i++) {
		struct ckpt_task *t = tasks[i];

		t->ops = ops;
		if (ckpt_turns_is_stopped(t))
			ckpt_resume(t, PTRACE_CONT,
				    t->state == CKPT_SIGNAL && t->stop.sig != SIGTRAP ?
					    t->stop.sig :
					    0);
	}
	free(tasks);
}

void ckpt_turns_release(struct ckpt_timeline *tl)
{
	tl->woken = NULL;
	for (size_t i = 0; i < tl->nthreads; i++) {
		struct ckpt_task *t = tl->threads[i];
		struct ckpt_thread *th = t->thread;

		ckpt_affinity_free(t, t);
		if (t == tl->live || !ckpt_turns_is_stopped(t))
			continue;
		if (th->pending && !t->in_call) {
			th->pending = false;
			t->ops->stopped(t, &t->stop);
			continue;
		}
		leave(t);
		th->pending = th->interrupted = false;
		if (th->let)
			ckpt_resume(t, th->request, th->sig);
	}
}

int ckpt_turns_others(const struct ckpt_timeline *tl, struct ckpt_task ***ret, size_t *n)
{
	*n = 0;
	*ret = calloc(tl->nthreads, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	for (size_t i = 0; i < tl->nthreads; i++)
		if (tl->threads[i] != tl->live && !tl->threads[i]->thread->gone)
			(*ret)[(*n)++] = tl->threads[i];
	return 0;
}

bool ckpt_turns_others_live(const struct ckpt_task *t)
{
	const struct ckpt_timeline *tl = t->timeline;
	size_t n = 0;

	for (size_t i = 0; i < tl->nthreads; i++)
		n += tl->threads[i] != t && !tl->threads[i]->thread->gone;
	return n > 0;
}

bool ckpt_turns_all_run(const struct ckpt_timeline *tl)
{
	for (size_t i = 0; i < tl->nthreads; i++) {
		const struct ckpt_thread *th = tl->threads[i]->thread;

		if (!th->gone && !th->let)
			return false;
	}
	return true;
}

bool ckpt_is_in_call(const struct ckpt_task *t)
{
	return t->in_call || (t->thread && t->thread->joined);
}
