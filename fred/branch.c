/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ptrace.h>

#include "ckptcore/materialize.h"
#include "ckptcore/signals.h"
#include "ckptcore/threads.h"
#include "fred/branch.h"
#include "fred/checkpoint.h"
#include "fred/reply.h"
#include "fred/threads.h"
#include "fred/trail.h"
#include "fred/undo.h"

#define F fred_tl

struct fred_branch {
	char name[16];
	struct ckpt_timeline *tl;
	char parent[16];      /* the one it left; "": none */
	uint64_t event;	      /* ... there */
	struct ckpt_task *at; /* unless current: where the user was, NULL: at the live edge */
	struct fred_branch *next;
};

/* What the user said to the next resume of a changed program. */
static enum { NOT_ASKED, YES, NO } answer;

/* ---------------------------------------------------------------- the list */

static void add(struct fred_branch *b, struct ckpt_timeline *tl)
{
	struct fred_branch **p = &F.branches;

	b->tl = tl;
	while (*p)
		p = &(*p)->next;
	*p = b;
}

/* The current one; NULL: nothing is recorded, or no memory. */
static struct fred_branch *here(void)
{
	if (!F.branch && F.tl) {
		F.last_branch = 0;
		F.branch = calloc(1, sizeof(*F.branch));
		if (F.branch) {
			strcpy(F.branch->name, "main");
			add(F.branch, F.tl);
		}
	}
	return F.branch;
}

static struct fred_branch *by_name(const char *name)
{
	struct fred_branch *b = F.branches;

	while (b && strcmp(b->name, name))
		b = b->next;
	return b;
}

static struct fred_branch *by_timeline(const struct ckpt_timeline *tl)
{
	struct fred_branch *b = F.branches;

	while (b && b->tl != tl)
		b = b->next;
	return b;
}

/* Its process isn't anybody's any more: ended, or let go if it was there before
 * the debugger. */
static void end_live(struct ckpt_timeline *tl)
{
	const struct ckpt_task *t = tl->live;

	if (!t)
		return;
	if (t->no_exitkill && !tl->self.seen) {
		ckpt_record_let_go(tl, &vpt_plain_ops);
		return;
	}
	if (F.debugger && t->parent == F.debugger->tgid && F.debugger->nzombies < VPT_MANY)
		F.debugger->zombies[F.debugger->nzombies++] = t->tgid;
	ckpt_record_kill(tl);
}

void fred_branches_drop(bool current_too)
{
	struct fred_branch **p = &F.branches, *b;

	fred_trail_forget();
	while ((b = *p)) {
		if (b->tl == F.tl && !current_too) {
			p = &b->next;
			continue;
		}
		*p = b->next;
		if (b->tl != F.tl) {
			fred_checkpoints_drop(b->tl);
			fred_undo_timeline_gone(b->tl);
			ckpt_puppet_destroy(b->at);
			end_live(b->tl);
			ckpt_timeline_destroy(b->tl);
		}
		free(b);
	}
	if (current_too)
		F.branch = NULL;
	answer = NOT_ASKED;
}

/* A puppet where p is, without the debugger's bytes. NULL: not possible. */
static struct ckpt_task *clone_of(struct ckpt_task *p)
{
	struct ckpt_task *copy;

	if (!p || !p->play || ckpt_puppet_clone(p, &copy))
		return NULL;
	ckpt_overlay_remove(&p->timeline->overlay, copy);
	return copy;
}

/* b's timeline is the one that fred is about. The debugger's bytes stay its. */
static void enter(struct fred_branch *b)
{
	struct ckpt_overlay overlay = F.tl->overlay;

	F.tl->overlay = b->tl->overlay;
	F.tl->overlay.n = 0;
	F.tl = b->tl;
	F.tl->overlay = overlay;
	F.branch = b;
}

bool fred_branch_is_here(const struct ckpt_timeline *tl)
{
	return tl == F.tl || by_timeline(tl);
}

void fred_branch_follow(struct ckpt_task *to, struct ckpt_task *former)
{
	struct fred_branch *b, *left;

	if (!to || !to->timeline || to->timeline == F.tl)
		return;
	left = here();
	b = by_timeline(to->timeline);
	if (!b || !left)
		return;
	left->at = clone_of(former);
	ckpt_puppet_destroy(b->at);
	b->at = NULL;
	enter(b);
}

static pid_t pgrp_here(pid_t pgrp)
{
	struct ckpt_task *t = F.tl ? F.tl->live : NULL;

	/* Of a live process that waits at the beginning of a call ^C can't be taken
	 * away again. So while it isn't the one that runs, the debugger gets it. */
	if (t && F.vt && pgrp == F.vt->tgid && F.now != t && t->state == CKPT_ENTRY)
		return getpgid(F.debugger->tgid);
	if (!t || !F.branches)
		return pgrp;
	for (struct fred_branch *b = F.branches; b; b = b->next)
		if (b->tl->live && getpgid(b->tl->live->tgid) == pgrp)
			return getpgid(t->tgid);
	return F.vt && pgrp == F.vt->tgid ? getpgid(t->tgid) : pgrp;
}

pid_t fred_branch_pgrp(pid_t pgrp)
{
	struct fred_timeline *looked_at = fred_process;
	pid_t found = pgrp;

	for (struct fred_timeline *f = fred_processes(); f && found == pgrp; f = f->next) {
		fred_process = f;
		found = pgrp_here(pgrp);
	}
	fred_process = looked_at;
	return found;
}

/* ------------------------------------------------------------------ making */

/* Whether the user did the same here the first time: it is part of the past. */
static bool was_done_then(void)
{
	size_t i = F.now->play->interval + 1;
	struct ckpt_general then;
	uint64_t where;

	/* One snapshot before it, one behind. */
	for (size_t end = i + 2; i < end && i < F.tl->nsnaps; i++) {
		const struct ckpt_snap *s = F.tl->snaps[i];

		if (!s->copy || s->event != F.now->play->event || s->before != CKPT_END_NOW)
			continue;
		then = ckpt_general_of(ckpt_regs(s->copy));
		if (ckpt_same_registers(F.now, s->copy, &then) &&
		    ckpt_same_memory(F.now, s->copy, &F.tl->overlay, &where))
			return true;
	}
	return false;
}

static bool differs(void)
{
	const struct ckpt_play *play = F.now->play;
	struct ckpt_general then;
	struct ckpt_task *t, *clean;
	uint64_t where;

	if (F.taint != FRED_CHANGED || !F.clean)
		return false;
	for (size_t i = 0; i <= play->nothers; i++) {
		t = i ? play->others[i - 1] : F.now;
		clean = ckpt_puppet_thread(F.clean, t->vtid);
		if (!clean)
			continue;
		then = ckpt_general_of(ckpt_regs(clean));
		if (!ckpt_same_registers(t, clean, &then))
			return true;
	}
	return !ckpt_same_memory(F.now, F.clean, &F.tl->overlay, &where);
}

bool fred_branch_is_changed(void)
{
	return differs() && !was_done_then();
}

static struct ckpt_sources sources(void)
{
	const struct ckpt_identity *self = &F.tl->self;

	return (struct ckpt_sources){ .live = F.tl->live ? F.tl->live->tgid : 0,
				      .debugger = F.debugger->tgid,
				      .was = { self->seen ? self->seen : F.tid, self->real } };
}

/* What the program had outside where the puppet stands; 0, or a reason. */
static int outside(struct ckpt_outside **ret, char *named, size_t named_size, char *reason,
		   size_t reason_size)
{
	const struct ckpt_sources from = sources();
	int err;

	if (F.now->state == CKPT_ENTRY) {
		snprintf(reason, reason_size, "it is inside a system call");
		return -EPERM;
	}
	if (!ckpt_puppet_thread(F.now, F.tid)) {
		snprintf(reason, reason_size, "its main thread has ended there");
		return -EPERM;
	}
	err = ckpt_outside_at(F.tl, F.now->play->interval, F.now->play->event, ret);
	if (err) {
		snprintf(reason, reason_size, "what it had open there isn't known any more (%s)",
			 strerror(-err));
		return err;
	}
	err = ckpt_materialize_check(*ret, &from, named, named_size, reason, reason_size);
	if (err) {
		ckpt_outside_free(*ret);
		*ret = NULL;
	}
	return err;
}

static bool stands_at(const struct ckpt_snap *s, struct ckpt_task *p)
{
	struct ckpt_general regs;
	uint64_t where;

	if (!s->copy || s->event != p->play->event)
		return false;
	regs = ckpt_general_of(ckpt_regs(s->copy));
	return ckpt_same_registers(p, s->copy, &regs) &&
	       ckpt_same_memory(p, s->copy, &F.tl->overlay, &where);
}

static struct ckpt_identity identity(const struct ckpt_task *live)
{
	struct ckpt_identity id = F.tl->self;

	if (!id.seen) {
		id.seen = F.tid;
		id.parent = F.tl->live ? (pid_t)ckpt_proc_number(F.tl->live->tgid, "status", "PPid",
								 10) :
					 F.debugger->tgid;
	}
	id.real = live->tgid;
	return id;
}

/* A process that is about to go on for real. */
struct live {
	struct ckpt_task **tasks; /* its threads */
	size_t n;
	struct ckpt_task *now; /* the one whose turn it is */
};

static void live_deinit(struct live *live, bool kill)
{
	if (kill && live->now && live->now->play)
		ckpt_puppet_destroy(live->now);
	else if (kill && live->now)
		ckpt_threads_kill(live->tasks, live->n);
	free(live->tasks);
}

static int live_init(struct live *live, struct ckpt_task *p)
{
	int err;

	memset(live, 0, sizeof(*live));
	live->n = p->play->nothers + 1;
	live->tasks = calloc(live->n, sizeof(struct ckpt_task *));
	if (!live->tasks)
		return -ENOMEM;
	err = ckpt_puppet_incarnate(p, F.tid, live->tasks);
	for (size_t i = 0; i < live->n && !err; i++)
		if (ckpt_vtid(live->tasks[i]) == p->vtid)
			live->now = live->tasks[i];
	return err;
}

/* The timeline of a branch that leaves this one where *before, the puppet as it
 * was, stands; `live' goes on from there. Uses *before up. */
static int begin(struct live *live, struct ckpt_task **before, struct ckpt_outside *o,
		 struct ckpt_timeline **ret)
{
	size_t i = (*before)->play->interval;
	struct ckpt_timeline *tl;
	int err = ckpt_timeline_branch(F.tl, i, (*before)->play->event, &tl);

	if (err)
		return err;
	if (!stands_at(tl->snaps[i], *before)) {
		(*before)->timeline = tl;
		err = ckpt_snapshot_insert(tl, i, *before);
		if (err) {
			(*before)->timeline = F.tl;
			ckpt_timeline_destroy(tl);
			return err;
		}
		*before = NULL;
	}
	tl->self = identity(live->now);
	tl->live = live->now;
	tl->outside = o;
	live->now->timeline = tl;
	err = ckpt_record_start(tl);
	for (size_t k = 0; k < live->n && !err; k++)
		if (live->tasks[k] != live->now)
			err = ckpt_record_join(tl, live->tasks[k]);
	if (err) {
		tl->live = NULL;
		tl->outside = NULL;
		ckpt_timeline_destroy(tl);
		return err;
	}
	ckpt_record_branched(tl);
	*ret = tl;
	return 0;
}

/* Makes the branch; F.now is then its live process. */
static int make(struct ckpt_outside *o, char *reason, size_t reason_size)
{
	const struct ckpt_sources from = sources();
	struct ckpt_task *before = NULL, *at = NULL;
	struct live live = { 0 };
	struct fred_branch *left = here(), *b = calloc(1, sizeof(*b));
	struct ckpt_timeline *tl;
	uint64_t event = F.now->play->event;
	int err = left && b ? ckpt_puppet_clone(F.clean ? F.clean : F.now, &before) : -ENOMEM;

	if (!err && !F.clean)
		ckpt_overlay_remove(&F.tl->overlay, before);
	if (!err)
		err = ckpt_puppet_clone(before, &at);
	if (!err)
		err = live_init(&live, F.now);
	reason[0] = 0;
	if (!err)
		err = ckpt_materialize(live.tasks, live.n, o, &from, reason, reason_size);
	if (!err)
		err = begin(&live, &before, o, &tl);
	ckpt_puppet_destroy(before);
	live_deinit(&live, err);
	if (err) {
		if (!reason[0])
			snprintf(reason, reason_size, "%s", strerror(-err));
		ckpt_puppet_destroy(at);
		ckpt_outside_free(o);
		free(b);
		return err;
	}
	add(b, tl);
	fred_undo_branched();
	snprintf(b->name, sizeof(b->name), "b%u", ++F.last_branch);
	strcpy(b->parent, left->name);
	b->event = event;
	left->at = at;
	enter(b);
	fred_timeline_begin_branch(tl->live);
	return 0;
}

bool fred_branch_resuming(struct vpt_thread *vt, int request, int sig)
{
	siginfo_t si;
	bool other_signal = sig && sig != ckpt_signal_next(F.now, &si) && sig != F.now->stop.sig &&
			    !(sig == SIGKILL && F.tl->killed);
	char named[1024], reason[400], text[600];
	struct ckpt_outside *o;
	bool asked = answer != NOT_ASKED, wanted = answer != NO;

	answer = NOT_ASKED;
	fred_timeline_end_calls();
	if (other_signal && !asked) { /* not by `signal N' */
		fred_say("the signal isn't given to the program: the past is as it was");
		other_signal = false;
	}
	if (!wanted || (!other_signal && !fred_branch_is_changed())) {
		fred_timeline_drop_changes();
		return false;
	}
	if (outside(&o, named, sizeof(named), reason, sizeof(reason)) ||
	    make(o, reason, sizeof(reason))) {
		snprintf(text, sizeof(text), "no branch is possible: %s; the change is dropped",
			 reason);
		fred_say(text);
		fred_timeline_drop_changes();
		return false;
	}
	if (!asked) {
		snprintf(
			text, sizeof(text),
			"the past was changed: this is branch %s; `fred-switch %s' goes back to what was",
			F.branch->name, F.branch->parent);
		fred_say(text);
	}
	ckpt_target_resume(vt->task, request, sig);
	return true;
}

/* ---------------------------------------------------------------- requests */

static void put_branch(json_object *array, const struct fred_branch *b)
{
	json_object *o = json_object_new_object();
	const struct ckpt_task *at = b == F.branch ? F.now : b->at;

	put(o, "name", b->name);
	put_bool(o, "current", b == F.branch);
	if (b->parent[0]) {
		put(o, "parent", b->parent);
		put_number(o, "from", b->event);
	}
	put_number(o, "snapshots", b->tl->nsnaps);
	put_number(o, "events", b->tl->nevents);
	put_bool(o, "ended", !b->tl->live);
	if (at && at->play)
		put_number(o, "at", at->play->event);
	json_object_array_add(array, o);
}

void fred_op_branches(json_object *in, json_object *out)
{
	json_object *array = json_object_new_array();

	(void)in;
	here();
	for (struct fred_branch *b = F.branches; b; b = b->next)
		put_branch(array, b);
	put(out, "status", "ok");
	json_object_object_add(out, "list", array);
}

/* What would become of the program if it went on here; "clean" if the user has
 * changed nothing. */
void fred_op_branch_plan(json_object *in, json_object *out)
{
	char named[1024], reason[400], name[16];
	struct ckpt_outside *o;

	answer = NOT_ASKED;
	if (F.taint == FRED_CALLING) {
		vpt_facts_withdraw(F.debugger);
		put_bool(out, "exchanged", fred_timeline_end_calls());
	}
	if (!F.tl || !F.vt || !F.now || !F.now->play || F.peeking ||
	    (!get_bool(in, "changes") && !fred_branch_is_changed())) {
		put(out, "status", "clean");
		return;
	}
	vpt_facts_withdraw(F.debugger);
	if (outside(&o, named, sizeof(named), reason, sizeof(reason))) {
		refuse(out, reason);
		return;
	}
	ckpt_outside_free(o);
	here();
	snprintf(name, sizeof(name), "b%u", F.last_branch + 1);
	put(out, "status", "ok");
	put(out, "name", name);
	put(out, "named", named);
}

void fred_op_branch_answer(json_object *in, json_object *out)
{
	answer = get_bool(in, "yes") ? YES : NO;
	put(out, "status", "ok");
}

/* Where the user was in b: a new puppet, or its live process. */
static int player_of(struct fred_branch *b, struct ckpt_task **ret)
{
	struct ckpt_timeline *before = F.tl;
	int err;

	if (b->at)
		return ckpt_puppet_clone(b->at, ret);
	*ret = b->tl->live;
	if (*ret)
		return 0;
	F.tl = b->tl; /* a search is about the current one */
	err = fred_seek_end(ret);
	F.tl = before;
	return err;
}

void fred_op_switch(json_object *in, json_object *out)
{
	struct fred_branch *b;
	struct ckpt_task *to;
	int err;

	here();
	b = by_name(get(in, "name", ""));
	if (!b || b == F.branch) {
		refuse(out, b ? "the program is there" : "there is no branch of this name");
		return;
	}
	fred_timeline_restore();
	err = player_of(b, &to);
	if (err) {
		refuse(out, strerror(-err));
		return;
	}
	if (!F.vt) { /* this one has ended: the debugger attaches to the other */
		ckpt_puppet_destroy(b->at);
		b->at = NULL;
		fred_timeline_unstage();
		enter(b);
		F.tl->overlay.n = 0;
		F.met = FRED_ARRIVE_STEP;
		put(out, "attach", "1");
		put_number(out, "tid", (uint64_t)F.tid);
	}
	fred_timeline_stage(to, FRED_ARRIVE_STEP);
	put(out, "status", "found");
}
