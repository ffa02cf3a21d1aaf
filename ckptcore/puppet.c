/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The life of puppets: made of a snapshot or of another puppet, with as many
 * threads as the program had there; and the calls of those that left the record.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "ckptcore/doubles.h"
#include "ckptcore/probe.h"
#include "ckptcore/threads.h"

static void puppet_stopped(struct ckpt_task *t, const struct ckpt_stop *stop)
{
	(void)t;
	(void)stop; /* they run inside of ckpt_puppet_run() only */
}

static const struct ckpt_task_ops puppet_ops = { .name = "puppet", .stopped = puppet_stopped };

/* Room for one more of *tasks. */
static int more_room(struct ckpt_task ***tasks, size_t n, size_t *room)
{
	size_t want = *room ? *room * 2 : 8;
	struct ckpt_task **more;

	if (n < *room)
		return 0;
	more = realloc(*tasks, want * sizeof(*more));
	if (!more)
		return -ENOMEM;
	*tasks = more;
	*room = want;
	return 0;
}

int ckpt_play_add(struct ckpt_play *play, struct ckpt_task *t)
{
	int err = more_room(&play->others, play->nothers, &play->others_room);

	if (!err)
		play->others[play->nothers++] = t;
	return err;
}

/* Recreates the threads of s in p, the copy of another puppet or a snapshot. */
static int add_others(struct ckpt_task *p, const struct ckpt_threads *s)
{
	size_t n = ckpt_threads_count(s);
	struct ckpt_task **tasks = calloc(n, sizeof(*tasks));
	int err = tasks ? ckpt_threads_add(s, p, tasks) : -ENOMEM;

	for (size_t i = 0; tasks && i < n; i++) {
		if (tasks[i] && ckpt_play_add(p->play, tasks[i]))
			err = -ENOMEM; /* dies with the process, unknown */
		if (tasks[i] && tasks[i]->waits_behind) {
			ckpt_call_amid(ckpt_regs(tasks[i]));
			ckpt_regs_dirty(tasks[i]);
		}
	}
	free(tasks);
	return err;
}

void ckpt_play_note_mask(struct ckpt_task *p)
{
	uint64_t mask;

	if (!ptrace(PTRACE_GETSIGMASK, p->tid, 8, &mask))
		p->trap_blocked = mask & 1ull << (SIGTRAP - 1);
}

/* The rest of making a puppet of the copy p; it is killed if that fails. */
static int begin_play(struct ckpt_task *p, struct ckpt_timeline *tl,
		      const struct ckpt_threads *others, const struct ckpt_play *like)
{
	int err = 0;

	p->timeline = tl;
	p->play = calloc(1, sizeof(*p->play));
	if (!p->play) {
		ckpt_kill(p);
		return -ENOMEM;
	}
	*p->play = *like;
	p->play->others = p->play->spare = NULL;
	p->play->nothers = p->play->others_room = p->play->nspare = p->play->spare_room = 0;
	err = ckpt_doubles_renew(p);
	if (!err && others)
		err = add_others(p, others);
	ckpt_play_note_mask(p);
	for (size_t i = 0; i < p->play->nothers; i++)
		ckpt_play_note_mask(p->play->others[i]);
	if (err)
		ckpt_puppet_destroy(p);
	return err;
}

int ckpt_puppet_create(struct ckpt_timeline *tl, size_t i, struct ckpt_task **ret)
{
	struct ckpt_snap *s = tl->snaps[i];
	const struct ckpt_play play = {
		.interval = i, .event = s->event, .sig = s->sig, .siginfo = s->siginfo
	};
	double start = ckpt_now();
	struct ckpt_task *p;
	int err;

	if (!s->copy)
		return -ESRCH; /* killed from outside, e.g. out of memory */
	err = ckpt_fork(s->copy, false, &puppet_ops, &p);
	if (err)
		return err;
	s->copy->state = CKPT_PARKED;
	p->state = CKPT_EVENT;
	p->vtid = s->copy->vtid;
	err = begin_play(p, tl, s->others, &play);
	if (err)
		return err;
	ckpt_stats.restarts++;
	ckpt_stats.restart_s += ckpt_now() - start;
	*ret = p;
	return 0;
}

int ckpt_puppet_save(struct ckpt_task *p, struct ckpt_threads **ret)
{
	return ckpt_threads_save(p->play->others, p->play->nothers, p, ret);
}

int ckpt_puppet_clone(struct ckpt_task *p, struct ckpt_task **ret)
{
	struct ckpt_threads *others = NULL;
	struct ckpt_task *copy;
	int err;

	assert(!p->play->probes);
	if (p->play->nothers)
		err = ckpt_puppet_save(p, &others);
	else
		err = 0;
	if (!err)
		err = ckpt_fork(p, false, &puppet_ops, &copy);
	if (!err) {
		copy->vtid = p->vtid;
		copy->shown = p->shown;
		err = begin_play(copy, p->timeline, others, p->play);
	}
	if (!err) {
		copy->state = p->state;
		copy->stop = p->stop;
		*ret = copy;
	}
	ckpt_threads_destroy(others);
	return err;
}

int ckpt_puppet_incarnate(struct ckpt_task *p, pid_t leader, struct ckpt_task **tasks_ret)
{
	size_t n = p->play->nothers + 1;
	struct ckpt_task **all = calloc(n, sizeof(struct ckpt_task *)), *copy;
	struct ckpt_threads *s;
	int err = all ? 0 : -ENOMEM;

	if (n == 1) {
		free(all);
		return err ? err : ckpt_puppet_clone(p, tasks_ret);
	}
	if (!err) {
		all[0] = p;
		memcpy(all + 1, p->play->others, (n - 1) * sizeof(*all));
		err = ckpt_threads_save(all, n, p, &s);
	}
	free(all);
	if (err)
		return err;
	err = ckpt_fork(p, false, &puppet_ops, &copy);
	if (!err) {
		copy->timeline = p->timeline;
		err = ckpt_doubles_renew(copy);
		if (err)
			ckpt_kill(copy);
	}
	if (!err) {
		err = ckpt_threads_rebuild(s, leader, copy, tasks_ret);
		if (err) {
			if (err == -ENOENT)
				ckpt_kill(copy);
			else
				ckpt_threads_kill(tasks_ret, n);
		}
	}
	ckpt_threads_destroy(s);
	return err;
}

void ckpt_puppet_destroy(struct ckpt_task *p)
{
	struct ckpt_play *play = p ? p->play : NULL;

	if (!p)
		return;
	if (!play) {
		ckpt_kill(p);
		return;
	}
	if (p->state != CKPT_DEAD)
		kill(p->tgid, SIGKILL);
	ckpt_probes_forget(p);
	p->play = NULL;
	if (!ckpt_play_add(play, p)) {
		for (size_t i = 0; i < play->nspare; i++)
			if (ckpt_play_add(play, play->spare[i]))
				break;
		ckpt_threads_kill(play->others, play->nothers);
	} else {
		ckpt_kill(p);
	}
	free(play->others);
	free(play->spare);
	free(play);
}

struct ckpt_task *ckpt_puppet_thread(struct ckpt_task *p, pid_t vtid)
{
	if (p->vtid == vtid)
		return p;
	for (size_t i = 0; i < p->play->nothers; i++)
		if (p->play->others[i]->vtid == vtid)
			return p->play->others[i];
	return NULL;
}

int ckpt_play_retire(struct ckpt_play *play, size_t i)
{
	int err = more_room(&play->spare, play->nspare, &play->spare_room);

	if (err)
		return err;
	play->spare[play->nspare++] = play->others[i];
	play->others[i] = play->others[--play->nothers];
	return 0;
}

static void reap(struct ckpt_task **tasks, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (tasks[i]->state = CKPT_RUNNING; tasks[i]->state != CKPT_DEAD;)
			while (ckpt_wait(tasks[i], NULL) == -EINTR)
				;
}

void ckpt_play_reap(struct ckpt_play *play)
{
	reap(play->others, play->nothers);
	reap(play->spare, play->nspare);
}

/* ------------------------------------------------- calls outside the record */

void ckpt_foreign_call(struct ckpt_task *p, pid_t pid)
{
	const struct ckpt_stop stop = p->stop;
	const struct ckpt_call *call = ckpt_call_find(stop.nr);
	enum ckpt_call_class class = ckpt_call_class(call, stop.args);
	long res = -EPERM;

	p->state = CKPT_EXIT;
	if (class == CKPT_CALL_REDO || (class == CKPT_CALL_MMAP && stop.args[3] & MAP_ANONYMOUS)) {
		if (ckpt_inject(p, &res, stop.nr, stop.args[0], stop.args[1], stop.args[2],
				stop.args[3], stop.args[4], stop.args[5]))
			return;
	} else if (stop.nr == SYS_write) {
		res = (long)stop.args[2];
	} else if (stop.nr == SYS_getpid) {
		res = pid;
	} else if (stop.nr == SYS_gettid) {
		res = ckpt_vtid(p);
	}
	ckpt_set_result(p, res);
}
