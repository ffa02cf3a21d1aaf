/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the kernel tells of a thread from outside (registers, mask, robust
 * list, name) is asked for there; the rest (alternate stack, clear_child_tid)
 * by injected calls, whose answers go to some memory of the program that is
 * put back afterwards: nothing of it runs meanwhile.
 */
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
#include "ckptcore/turns.h"

/* In every copy, unused between injections. */
#define ROOM_AT (CKPT_PAGE + 2048)

/* Where the C library keeps a thread's number, for its joiner: behind the pointer
 * to its own data. (glibc 2.34 and newer.) */
#define GLIBC_TID 0x2d0

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
	char name[16];
	uint8_t *xstate;
	size_t xlen;
};

struct ckpt_threads {
	size_t n;
	struct thread threads[];
};

/* Memory of a stopped process that can be used for a moment. */
struct room {
	struct ckpt_task *t;
	uint64_t at;
	uint8_t saved[64];
};

void ckpt_before_call(const struct ckpt_task *t, struct user_regs_struct *r)
{
	if ((int64_t)r->orig_rax >= 0) /* else it is before it already */
		r->rip -= 2;
	r->rax = (uint64_t)t->thread->nr;
	r->orig_rax = (uint64_t)-1;
}

void ckpt_call_amid(struct user_regs_struct *r)
{
	r->rip += 2;
	r->orig_rax = r->rax;
	r->rax = (uint64_t)-ENOSYS;
}

bool ckpt_call_not_made(struct user_regs_struct *r, uint64_t behind)
{
	if (r->rip != behind || (int64_t)r->orig_rax < 0 || r->rax != (uint64_t)-ENOSYS)
		return false;
	r->rip -= 2;
	r->rax = r->orig_rax;
	r->orig_rax = (uint64_t)-1;
	return true;
}

void ckpt_call_anew(const struct ckpt_task *t, struct user_regs_struct *r)
{
	if (!t->thread || (int64_t)r->orig_rax < 0 || (int64_t)r->rax != -516)
		return;
	r->rax = (uint64_t)-514;
	r->orig_rax = (uint64_t)t->thread->timed_nr;
}

/* ------------------------------------------------------------------ saving */

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
	s->waits_at_call = ckpt_is_in_call(t);
	s->regs = *ckpt_regs(t);
	if (ckpt_is_in_call(t))
		ckpt_before_call(t, &s->regs);
	else if (t->timeline)
		s->regs.rip = ckpt_canonical(t).rip;
	if (t->waits_behind)
		s->waits_at_call = ckpt_call_not_made(&s->regs, t->waits_behind);
	ckpt_call_anew(t, &s->regs);
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
	read_name(t, s->name);
	return save_from_inside(t, s, room);
}

int ckpt_threads_save(struct ckpt_task **tasks, size_t n, struct ckpt_task *in,
		      struct ckpt_threads **ret)
{
	struct ckpt_threads *s = calloc(1, sizeof(*s) + n * sizeof(*s->threads));
	struct room room;
	int err;

	if (!s)
		return -ENOMEM;
	s->n = n;
	err = find_room(in, &room);
	if (!err) {
		for (size_t i = 0; !err && i < n; i++)
			err = can_inject(tasks[i]) ? save_thread(tasks[i], &s->threads[i], &room) :
						     -EBUSY;
		if (ckpt_write(room.t, room.at, room.saved, sizeof(room.saved)) && !err)
			err = -ESRCH;
	}
	if (err) {
		ckpt_threads_destroy(s);
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
	for (size_t i = 0; i < s->n; i++)
		free(s->threads[i].xstate);
	free(s);
}

/* ------------------------------------------------------------------ adding */

/* What calls of the thread itself set. Its mask is that of its creator. */
static int restore_from_inside(struct ckpt_guest *g, const struct thread *s, const char *name)
{
	struct ckpt_task *t = g->t;
	long res = 0;
	int err = 0;

	if (s->robust)
		err = ckpt_guest_call(g, &res, SYS_set_robust_list, s->robust, s->robust_len, 0, 0,
				      0, 0);
	if (!err && !(s->alt.ss_flags & SS_DISABLE)) {
		err = ckpt_write(t, ROOM_AT, &s->alt, sizeof(s->alt));
		if (!err)
			err = ckpt_guest_call(g, &res, SYS_sigaltstack, ROOM_AT, 0, 0, 0, 0, 0);
		if (!err && res < 0)
			err = (int)res;
	}
	if (!err && strcmp(s->name, name)) {
		err = ckpt_write(t, ROOM_AT, s->name, sizeof(s->name));
		if (!err)
			err = ckpt_guest_call(g, &res, SYS_prctl, PR_SET_NAME, ROOM_AT, 0, 0, 0, 0);
	}
	return err;
}

/* t, which has nothing of its own yet but this name, becomes the thread s. */
static int become(struct ckpt_task *t, const struct thread *s, const char *name)
{
	struct ckpt_guest g;
	int err = ckpt_guest_enter(t, &g);

	if (err)
		return err;
	g.regs = s->regs; /* leaving sets them, TLS base included */
	err = restore_from_inside(&g, s, name);
	if (!err)
		err = ckpt_set_xstate(t, s->xstate, s->xlen);
	if (!err && ptrace(PTRACE_SETSIGMASK, t->tid, 8, &s->mask) < 0)
		err = -ESRCH;
	if (!err) {
		g.mask = s->mask;
		err = ckpt_guest_leave(&g);
	}
	t->vtid = s->vtid;
	t->waits_behind = s->waits_at_call ? s->regs.rip + 2 : 0;
	t->state = CKPT_EVENT;
	memset(&t->stop, 0, sizeof(t->stop));
	return err;
}

/* A new thread of g's process, with the state s. */
static int add_thread(struct ckpt_guest *g, const struct thread *s, const char *name,
		      const struct ckpt_task_ops *ops, struct ckpt_task **ret)
{
	uint64_t flags =
		CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
	struct ckpt_task *t;
	int err;

	if (s->clear_tid)
		flags |= CLONE_CHILD_CLEARTID;
	err = ckpt_guest_clone(g, flags, s->clear_tid, ops, &t);
	if (err)
		return err;
	*ret = t;
	t->ours = true;
	t->parent = g->t->parent;
	t->timeline = g->t->timeline;
	err = ckpt_guest_cloned(g);
	return err ? err : become(t, s, name);
}

/* Adds all of s but number `but'. */
static int add_all(const struct ckpt_threads *s, size_t but, struct ckpt_task *t,
		   struct ckpt_task **tasks_ret)
{
	struct ckpt_guest g;
	char name[16];
	int err, err2;

	read_name(t, name);
	err = ckpt_guest_enter(t, &g);
	if (err)
		return err;
	for (size_t i = 0; !err && i < s->n; i++)
		if (i != but)
			err = add_thread(&g, &s->threads[i], name, t->ops, &tasks_ret[i]);
	err2 = ckpt_guest_leave(&g);
	return err ? err : err2;
}

int ckpt_threads_add(const struct ckpt_threads *s, struct ckpt_task *t,
		     struct ckpt_task **tasks_ret)
{
	memset(tasks_ret, 0, s->n * sizeof(*tasks_ret));
	return add_all(s, s->n, t, tasks_ret);
}

uint64_t ckpt_thread_clear_tid(struct ckpt_task *t, uint64_t fs_base, pid_t vtid)
{
	int32_t tid;

	return !ckpt_read(t, fs_base + GLIBC_TID, &tid, 4) && tid == vtid ? fs_base + GLIBC_TID : 0;
}

int ckpt_threads_rebuild(struct ckpt_threads *s, pid_t leader, struct ckpt_task *t,
			 struct ckpt_task **tasks_ret)
{
	static const stack_t none = { .ss_flags = SS_DISABLE };
	size_t first = 0;
	char name[16];
	long res;
	int err;

	memset(tasks_ret, 0, s->n * sizeof(*tasks_ret));
	while (first < s->n && s->threads[first].vtid != leader)
		first++;
	if (first == s->n)
		return -ENOENT;
	tasks_ret[first] = t;
	/* Nothing ends in a puppet, so its threads may have lost that. */
	for (size_t i = 0; i < s->n; i++)
		if (!s->threads[i].clear_tid)
			s->threads[i].clear_tid = ckpt_thread_clear_tid(
				t, s->threads[i].regs.fs_base, s->threads[i].vtid);
	read_name(t, name);
	/* A fork has inherited it. */
	err = ckpt_write(t, ROOM_AT, &none, sizeof(none));
	if (!err)
		err = ckpt_inject(t, &res, SYS_sigaltstack, ROOM_AT, 0, 0, 0, 0, 0);
	if (!err)
		err = become(t, &s->threads[first], name);
	return err ? err : add_all(s, first, t, tasks_ret);
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
