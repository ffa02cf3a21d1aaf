/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Snapshots of processes with several threads.
 *
 * What the kernel tells of a thread from outside (registers, mask, robust
 * list, name, rseq area) is asked for there; the rest (alternate stack,
 * clear_child_tid) by injected calls, whose answers go to some memory of the
 * program that is put back afterwards: nothing of it runs meanwhile.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "ckptcore/inject.h"
#include "ckptcore/replay.h"
#include "ckptcore/threads.h"

/* In every copy, unused between injections. */
#define ROOM_AT (CKPT_PAGE + 2048)

/* Below the part of the stack that leaf functions use without reserving it. */
#define RED_ZONE 128

/* What is to be known of one thread. */
struct thread {
	pid_t vtid;
	bool waits_at_call;
	struct user_regs_struct regs; /* with fs_base and gs_base */
	uint64_t mask;
	stack_t alt;
	uint64_t clear_tid; /* 0: none */
	uint64_t robust, robust_len;
	struct ckpt_rseq rseq;
	char name[16];
	uint8_t *xstate;
	size_t xlen;
};

struct ckpt_threads {
	struct ckpt_task *copy;
	size_t n;
	size_t first; /* the one that the copy was made from */
	struct thread threads[];
};

/* Memory of a stopped process that can be used for a moment. */
struct room {
	struct ckpt_task *t;
	uint64_t at;
	uint8_t saved[64];
};

/* ---------------------------------------------------------------- stopping */

static bool is_zombie(pid_t tid)
{
	char state = ckpt_proc_state(tid);

	return state == 'Z' || state == 'X';
}

int ckpt_threads_stop(struct ckpt_task **tasks, size_t n, double seconds)
{
	double deadline = ckpt_now() + seconds;
	int err = 0, err2;

	for (size_t i = 0; i < n; i++)
		if (tasks[i]->state == CKPT_RUNNING)
			ckpt_interrupt(tasks[i]);
	for (size_t i = 0; i < n; i++) {
		if (tasks[i]->state != CKPT_RUNNING)
			continue;
		if (tasks[i]->tid == tasks[i]->tgid && is_zombie(tasks[i]->tid))
			continue; /* a dead leader; its end is told last */
		err2 = ckpt_wait_until(tasks[i], NULL, deadline);
		if (!err2 && tasks[i]->state == CKPT_DEAD) {
			ckpt_tell_later(tasks[i]);
			err2 = -ESRCH;
		}
		if (err2 && err != -ESRCH)
			err = err2;
	}
	return err;
}

static bool can_inject(const struct ckpt_task *t)
{
	switch (t->state) {
	case CKPT_EXIT:
	case CKPT_SIGNAL:
	case CKPT_GROUP:
	case CKPT_PARKED:
		return true;
	case CKPT_EVENT:
		/* The others are inside of a clone or an exec. */
		return t->stop.event == PTRACE_EVENT_STOP || !t->stop.event;
	default:
		return false;
	}
}

/* Whether tasks are all living threads of their process, and stopped. */
static int check_tasks(struct ckpt_task **tasks, size_t n)
{
	pid_t tgid = tasks[0]->tgid;
	size_t known = 0;
	char path[48];
	struct dirent *e;
	int err = 0;
	DIR *d;

	for (size_t i = 0; i < n; i++)
		if (tasks[i]->state == CKPT_DEAD)
			return -ESRCH;
	for (size_t i = 0; i < n; i++)
		if (tasks[i]->tgid != tgid || !can_inject(tasks[i]))
			return -EBUSY;
	/* By a living thread's number: a dead leader's directory is there, too. */
	snprintf(path, sizeof(path), "/proc/%d/task", tasks[0]->tid);
	d = opendir(path);
	if (!d)
		return -errno;
	while (!err && (e = readdir(d))) {
		pid_t tid = atoi(e->d_name);
		size_t i = 0;

		if (tid <= 0)
			continue;
		while (i < n && tasks[i]->tid != tid)
			i++;
		if (i < n)
			known++;
		else if (!is_zombie(tid))
			err = -EBUSY;
	}
	closedir(d);
	return err ? err : known == n ? 0 : -ESRCH;
}

/* ------------------------------------------------------------------ saving */

/* The stack below the red zone, else the end of any memory of its own. */
static int find_room(struct ckpt_task *t, struct room *ret)
{
	uint64_t below = (ckpt_regs(t)->rsp - RED_ZONE - sizeof(ret->saved)) & ~15ull;
	struct ckpt_map *maps;
	size_t n;
	int err = ckpt_maps(t->tid, &maps, &n);

	if (err)
		return err;
	ret->t = t;
	ret->at = 0;
	for (size_t i = 0; i < n; i++) {
		const struct ckpt_map *m = &maps[i];

		if (!m->r || !m->w || m->shared)
			continue;
		if (below >= m->lo && below + sizeof(ret->saved) <= m->hi)
			ret->at = below;
		else if (!ret->at)
			ret->at = m->hi - sizeof(ret->saved);
	}
	free(maps);
	return ret->at ? ckpt_read(t, ret->at, ret->saved, sizeof(ret->saved)) : -ENOMEM;
}

static void read_name(const struct ckpt_task *t, char name[16])
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", t->tgid, t->tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, name, 16);
	if (fd >= 0)
		close(fd);
	/* 15 bytes and a newline at most. */
	name[n > 0 ? n - 1 : 0] = 0;
}

/* By calls in the thread's own name. */
static int save_from_inside(struct ckpt_task *t, struct thread *s, const struct room *room)
{
	struct ckpt_guest g;
	long res;
	int err, err2;

	err = ckpt_guest_enter(t, &g);
	if (err)
		return err;
	err = ckpt_guest_call(&g, &res, SYS_sigaltstack, 0, room->at, 0, 0, 0, 0);
	if (!err)
		err = res < 0 ? (int)res : ckpt_read(t, room->at, &s->alt, sizeof(s->alt));
	if (!err)
		err = ckpt_guest_call(&g, &res, SYS_prctl, PR_GET_TID_ADDRESS, room->at, 0, 0, 0,
				      0);
	if (!err && res == 0) /* else the kernel was built without it */
		err = ckpt_read(t, room->at, &s->clear_tid, 8);
	err2 = ckpt_guest_leave(&g);
	return err2 ? err2 : err;
}

static int save_thread(struct ckpt_task *t, struct thread *s, const struct room *room)
{
	static uint8_t xstate[CKPT_XSTATE_MAX];
	uint64_t head = 0;
	size_t len = 0;
	int err;

	s->vtid = ckpt_vtid(t);
	s->waits_at_call = ckpt_is_in_call(t) || t->waits_at_call;
	s->regs = *ckpt_regs(t);
	if (ckpt_is_in_call(t))
		ckpt_before_call(t, &s->regs);
	else if (t->timeline)
		s->regs.rip = ckpt_canonical(t).rip;
	s->regs.eflags &= ~0x10100ull; /* trap and resume flag: the tracer's */
	s->xlen = sizeof(xstate);
	err = ckpt_get_xstate(t, xstate, &s->xlen);
	if (err)
		return err;
	s->xstate = malloc(s->xlen);
	if (!s->xstate)
		return -ENOMEM;
	memcpy(s->xstate, xstate, s->xlen);
	if (ptrace(PTRACE_GETSIGMASK, t->tid, 8, &s->mask) < 0)
		return -ESRCH;
	if (!syscall(SYS_get_robust_list, t->tid, &head, &len)) {
		s->robust = head;
		s->robust_len = len;
	}
	if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, t->tid, sizeof(s->rseq), &s->rseq) < 0)
		memset(&s->rseq, 0, sizeof(s->rseq));
	read_name(t, s->name);
	return save_from_inside(t, s, room);
}

static void free_states(struct ckpt_threads *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->threads[i].xstate);
	free(s);
}

static int take_copy(struct ckpt_threads *s, struct ckpt_task *t, const struct ckpt_task_ops *ops)
{
	int err = ckpt_fork(t, false, ops, &s->copy);
	uint64_t bytes;

	if (err)
		return err;
	if (t->timeline)
		ckpt_overlay_remove(&t->timeline->overlay, s->copy);
	err = ckpt_copy_prepare(s->copy, &bytes);
	if (err) {
		ckpt_kill(s->copy);
		return err;
	}
	s->copy->state = CKPT_PARKED;
	return 0;
}

int ckpt_threads_snapshot(struct ckpt_task **tasks, size_t n, const struct ckpt_task_ops *ops,
			  struct ckpt_threads **ret)
{
	int err = check_tasks(tasks, n);
	struct ckpt_threads *s;
	struct room room;

	if (err)
		return err;
	s = calloc(1, sizeof(*s) + n * sizeof(*s->threads));
	if (!s)
		return -ENOMEM;
	s->n = n;
	for (size_t i = 0; i < n; i++)
		if (tasks[i]->tid == tasks[i]->tgid)
			s->first = i;
	err = find_room(tasks[s->first], &room);
	if (!err) {
		for (size_t i = 0; !err && i < n; i++)
			err = save_thread(tasks[i], &s->threads[i], &room);
		if (ckpt_write(room.t, room.at, room.saved, sizeof(room.saved)) && !err)
			err = -ESRCH;
	}
	if (!err)
		err = take_copy(s, tasks[s->first], ops);
	if (err) {
		free_states(s);
		return err;
	}
	*ret = s;
	return 0;
}

int ckpt_threads_save(struct ckpt_task **tasks, size_t n, struct ckpt_task *in,
		      struct ckpt_threads **ret)
{
	struct ckpt_threads *s = calloc(1, sizeof(*s) + n * sizeof(*s->threads));
	struct room room;
	int err;

	if (!s)
		return -ENOMEM;
	s->n = s->first = n; /* all of them are to be added */
	err = find_room(in, &room);
	if (!err) {
		for (size_t i = 0; !err && i < n; i++)
			err = can_inject(tasks[i]) ? save_thread(tasks[i], &s->threads[i], &room) :
						     -EBUSY;
		if (ckpt_write(room.t, room.at, room.saved, sizeof(room.saved)) && !err)
			err = -ESRCH;
	}
	if (err) {
		free_states(s);
		return err;
	}
	*ret = s;
	return 0;
}

size_t ckpt_threads_count(const struct ckpt_threads *s)
{
	return s->n;
}

void ckpt_threads_destroy(struct ckpt_threads *s)
{
	if (!s)
		return;
	if (s->copy)
		ckpt_kill(s->copy);
	free_states(s);
}

/* -------------------------------------------------------------- restarting */

/* What calls of the thread itself set. Its mask is that of its creator. */
static int restore_from_inside(struct ckpt_guest *g, const struct thread *s, bool first,
			       const char *name)
{
	struct ckpt_task *t = g->t;
	long res = 0;
	int err = 0;

	if (s->robust)
		err = ckpt_guest_call(g, &res, SYS_set_robust_list, s->robust, s->robust_len, 0, 0,
				      0, 0);
	/* The first was forked: it has lost the address, and kept the others. */
	if (!err && first && s->clear_tid)
		err = ckpt_guest_call(g, &res, SYS_set_tid_address, s->clear_tid, 0, 0, 0, 0, 0);
	if (!err && !first && !(s->alt.ss_flags & SS_DISABLE)) {
		err = ckpt_write(t, ROOM_AT, &s->alt, sizeof(s->alt));
		if (!err)
			err = ckpt_guest_call(g, &res, SYS_sigaltstack, ROOM_AT, 0, 0, 0, 0, 0);
		if (!err && res < 0)
			err = (int)res;
	}
	if (!err && !first && strcmp(s->name, name)) {
		err = ckpt_write(t, ROOM_AT, s->name, sizeof(s->name));
		if (!err)
			err = ckpt_guest_call(g, &res, SYS_prctl, PR_SET_NAME, ROOM_AT, 0, 0, 0, 0);
	}
	return err;
}

/* A new thread of g's process, with the state s. */
static int add_thread(struct ckpt_guest *g, const struct thread *s, const char *name,
		      const struct ckpt_task_ops *ops, struct ckpt_task **ret)
{
	uint64_t flags =
		CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
	struct ckpt_guest cg;
	struct ckpt_task *t;
	int err;

	if (s->clear_tid)
		flags |= CLONE_CHILD_CLEARTID;
	err = ckpt_guest_clone(g, flags, s->clear_tid, ops, &t);
	if (err)
		return err;
	*ret = t;
	t->ours = true;
	t->vtid = s->vtid;
	t->waits_at_call = s->waits_at_call;
	t->parent = g->t->parent;
	t->timeline = g->t->timeline;
	err = ckpt_guest_cloned(g);
	if (!err)
		err = ckpt_guest_enter(t, &cg);
	if (err)
		return err;
	cg.regs = s->regs; /* leaving sets them, TLS base included */
	err = restore_from_inside(&cg, s, false, name);
	if (!err)
		err = ckpt_set_xstate(t, s->xstate, s->xlen);
	if (!err && ptrace(PTRACE_SETSIGMASK, t->tid, 8, &s->mask) < 0)
		err = -ESRCH;
	if (!err)
		err = ckpt_guest_leave(&cg);
	t->state = CKPT_EVENT;
	memset(&t->stop, 0, sizeof(t->stop));
	return err;
}

int ckpt_threads_add(const struct ckpt_threads *s, struct ckpt_task *t,
		     struct ckpt_task **tasks_ret)
{
	struct ckpt_guest g;
	char name[16];
	int err, err2;

	memset(tasks_ret, 0, s->n * sizeof(*tasks_ret));
	read_name(t, name);
	err = ckpt_guest_enter(t, &g);
	if (err)
		return err;
	for (size_t i = 0; !err && i < s->n; i++)
		err = add_thread(&g, &s->threads[i], name, t->ops, &tasks_ret[i]);
	err2 = ckpt_guest_leave(&g);
	return err ? err : err2;
}

int ckpt_thread_add(struct ckpt_task *t, const struct user_regs_struct *regs,
		    struct ckpt_task **ret)
{
	static uint8_t xstate[CKPT_XSTATE_MAX];
	struct thread s = { .regs = *regs,
			    .alt = { .ss_flags = SS_DISABLE },
			    .xstate = xstate,
			    .xlen = sizeof(xstate) };
	struct ckpt_guest g;
	char name[16];
	int err, err2;

	read_name(t, name);
	memcpy(s.name, name, sizeof(name));
	if (ptrace(PTRACE_GETSIGMASK, t->tid, 8, &s.mask) < 0)
		return -ESRCH;
	err = ckpt_get_xstate(t, xstate, &s.xlen);
	if (!err)
		err = ckpt_guest_enter(t, &g);
	if (err)
		return err;
	err = add_thread(&g, &s, name, t->ops, ret);
	err2 = ckpt_guest_leave(&g);
	return err ? err : err2;
}

int ckpt_threads_restart(struct ckpt_threads *s, const struct ckpt_task_ops *ops,
			 struct ckpt_task **tasks_ret, size_t *n)
{
	const struct thread *first = &s->threads[s->first];
	struct ckpt_guest g;
	struct ckpt_task *t;
	int err;

	if (*n < s->n)
		return -ENOSPC;
	memset(tasks_ret, 0, s->n * sizeof(*tasks_ret));
	err = ckpt_fork(s->copy, false, ops, &t);
	if (s->copy->state != CKPT_DEAD)
		s->copy->state = CKPT_PARKED;
	if (err)
		return err;
	t->timeline = s->copy->timeline;
	tasks_ret[s->first] = t;
	err = ckpt_guest_enter(t, &g);
	if (!err) {
		g.regs = first->regs;
		for (size_t i = 0; !err && i < s->n; i++)
			if (i != s->first)
				err = add_thread(&g, &s->threads[i], first->name, ops,
						 &tasks_ret[i]);
	}
	if (!err)
		err = restore_from_inside(&g, first, true, first->name);
	if (!err)
		err = ckpt_guest_leave(&g);
	if (err) {
		ckpt_threads_kill(tasks_ret, s->n);
		return err;
	}
	*n = s->n;
	return 0;
}

int ckpt_threads_revive(const struct ckpt_threads *s, struct ckpt_task **tasks)
{
	long res;
	int err = 0;

	for (size_t i = 0; !err && i < s->n; i++) {
		const struct ckpt_rseq *area = &s->threads[i].rseq;
		struct user_regs_struct *r = ckpt_regs(tasks[i]);

		/* The kernel's record of the rest of the time isn't forked:
		 * restart_syscall would fail. ERESTARTNOHAND: all of it again. */
		if ((int64_t)r->orig_rax >= 0 && (int64_t)r->rax == -516) {
			r->rax = (uint64_t)-514;
			ckpt_regs_dirty(tasks[i]);
		}
		if (area->at)
			err = ckpt_inject(tasks[i], &res, SYS_rseq, area->at, area->len, 0,
					  area->signature, 0, 0);
		if (!err && area->at && res < 0)
			err = (int)res;
	}
	return err;
}

void ckpt_threads_kill(struct ckpt_task **tasks, size_t n)
{
	struct ckpt_task *leader = NULL;

	for (size_t i = 0; i < n; i++)
		if (tasks[i]) {
			kill(tasks[i]->tgid, SIGKILL);
			break;
		}
	for (size_t i = 0; i < n; i++) {
		if (!tasks[i])
			continue;
		/* A leader's end is told after all the others'. */
		if (tasks[i]->tid == tasks[i]->tgid)
			leader = tasks[i];
		else
			ckpt_kill(tasks[i]);
		tasks[i] = NULL;
	}
	if (leader)
		ckpt_kill(leader);
}
