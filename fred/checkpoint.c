/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A checkpoint is a puppet that stands at its point and never runs, or the word
 * "live" for the newest point: restarting clones it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fred/branch.h"
#include "fred/checkpoint.h"
#include "fred/reply.h"
#include "fred/undo.h"

#define F fred_tl

static struct checkpoint {
	unsigned int id;
	struct ckpt_task *at;
	char *where;  /* as the debugger words it */
	pid_t thread; /* the user's; others may have been at turn */
	struct checkpoint *next;
} * list;
static unsigned int last_id;

/* A puppet where the debugger stands now. */
static int here(struct ckpt_task **ret)
{
	struct ckpt_goal goal;
	struct ckpt_pos pos;
	size_t interval;
	int err = fred_timeline_moment(&goal, &interval);

	if (err)
		return err;
	if (F.now && F.now->play) {
		err = ckpt_puppet_clone(F.now, ret);
		if (!err)
			ckpt_overlay_remove(&F.tl->overlay, *ret);
		return err;
	}
	if (goal.how == CKPT_END_CALL)
		return -EBUSY;
	err = ckpt_locate(F.tl, interval, &goal, &pos);
	return err ? err : ckpt_goto(F.tl, &pos, ret);
}

void fred_op_checkpoint(json_object *in, json_object *out)
{
	struct checkpoint *c = calloc(1, sizeof(*c)), **p = &list;
	int err = c ? here(&c->at) : -ENOMEM;

	if (err) {
		refuse(out, err == -EBUSY ? "the program is inside a system call" : strerror(-err));
		free(c);
		return;
	}
	c->id = ++last_id;
	c->where = strdup(get(in, "where", ""));
	c->thread = (pid_t)get_number(in, "thread", 0);
	F.tl->snaps[c->at->play->interval]->pins++;
	while (*p)
		p = &(*p)->next;
	*p = c;
	fred_undo_pin(c->id);
	put(out, "status", "ok");
	put_number(out, "id", c->id);
}

void fred_op_checkpoints(json_object *in, json_object *out)
{
	json_object *array = json_object_new_array();

	(void)in;
	for (struct checkpoint *c = list; c; c = c->next) {
		json_object *o = json_object_new_object();

		put_number(o, "id", c->id);
		put(o, "where", c->where ? c->where : "");
		put_number(o, "event", c->at->play->event);
		json_object_array_add(array, o);
	}
	put(out, "status", "ok");
	json_object_object_add(out, "list", array);
}

static struct checkpoint **find(json_object *in)
{
	uint64_t id = get_number(in, "id", 0);
	struct checkpoint **p = &list;

	while (*p && (*p)->id != id)
		p = &(*p)->next;
	return p;
}

void fred_op_restart(json_object *in, json_object *out)
{
	struct checkpoint *c = *find(in);
	struct ckpt_task *copy;
	int err;

	if (!c) {
		refuse(out, "no such checkpoint");
		return;
	}
	if (!fred_branch_is_here(c->at->timeline)) {
		put_bool(out, "foreign", true);
		refuse(out, "it is of another process");
		return;
	}
	err = ckpt_puppet_clone(c->at, &copy);
	if (err) {
		refuse(out, strerror(-err));
		return;
	}
	fred_timeline_stage(copy, FRED_ARRIVE_STEP);
	put_found(out, copy, "step");
	put_number(out, "selected", (uint64_t)c->thread);
}

static void drop(struct checkpoint **p)
{
	struct checkpoint *c = *p;

	*p = c->next;
	c->at->timeline->snaps[c->at->play->interval]->pins--;
	ckpt_puppet_destroy(c->at);
	free(c->where);
	free(c);
}

void fred_op_delete_checkpoint(json_object *in, json_object *out)
{
	struct checkpoint **p = find(in);

	if (!*p) {
		refuse(out, "no such checkpoint");
		return;
	}
	drop(p);
	put(out, "status", "ok");
}

void fred_checkpoints_drop(const struct ckpt_timeline *tl)
{
	struct checkpoint **p = &list;

	while (*p)
		if ((*p)->at->timeline == tl)
			drop(p);
		else
			p = &(*p)->next;
}

void fred_checkpoints_cutting(size_t n)
{
	struct checkpoint **p = &list;
	char text[80];

	while (*p) {
		if ((*p)->at->timeline != F.tl || (*p)->at->play->interval >= n) {
			p = &(*p)->next;
			continue;
		}
		snprintf(text, sizeof(text), "checkpoint %u is gone with it", (*p)->id);
		fred_say(text);
		drop(p);
	}
}
