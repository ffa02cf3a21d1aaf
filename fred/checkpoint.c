/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A checkpoint is a puppet that stands at its point and never runs, or the word
 * "live" for the newest point: restarting clones it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fred/checkpoint.h"
#include "fred/seek.h"
#include "fred/undo.h"

#define F fred_tl

static struct checkpoint {
	unsigned int id;
	struct ckpt_task *at;
	char *where; /* as the debugger words it */
	struct checkpoint *next;
} * list;
static unsigned int last_id;

static void put(json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

static void put_error(json_object *out, const char *text)
{
	put(out, "status", "error");
	put(out, "message", text);
}

static const char *get(json_object *in, const char *key)
{
	json_object *v;

	return json_object_object_get_ex(in, key, &v) ? json_object_get_string(v) : "";
}

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
		put_error(out,
			  err == -EBUSY ? "the program is inside a system call" : strerror(-err));
		free(c);
		return;
	}
	c->id = ++last_id;
	c->where = strdup(get(in, "where"));
	F.tl->snaps[c->at->play->interval]->pins++;
	while (*p)
		p = &(*p)->next;
	*p = c;
	fred_undo_pin(c->id);
	put(out, "status", "ok");
	json_object_object_add(out, "id", json_object_new_int((int)c->id));
}

void fred_op_checkpoints(json_object *in, json_object *out)
{
	json_object *array = json_object_new_array();

	(void)in;
	for (struct checkpoint *c = list; c; c = c->next) {
		json_object *o = json_object_new_object();

		json_object_object_add(o, "id", json_object_new_int((int)c->id));
		put(o, "where", c->where ? c->where : "");
		json_object_object_add(o, "event", json_object_new_uint64(c->at->play->event));
		json_object_array_add(array, o);
	}
	put(out, "status", "ok");
	json_object_object_add(out, "list", array);
}

static struct checkpoint **find(json_object *in)
{
	json_object *v;
	int id = json_object_object_get_ex(in, "id", &v) ? json_object_get_int(v) : 0;
	struct checkpoint **p = &list;

	while (*p && (*p)->id != (unsigned int)id)
		p = &(*p)->next;
	return p;
}

void fred_op_restart(json_object *in, json_object *out)
{
	struct checkpoint *c = *find(in);
	struct ckpt_task *copy;
	int err;

	if (!c) {
		put_error(out, "no such checkpoint");
		return;
	}
	err = ckpt_puppet_clone(c->at, &copy);
	if (err) {
		put_error(out, strerror(-err));
		return;
	}
	fred_timeline_stage(copy, FRED_ARRIVE_STEP);
	put(out, "status", "found");
	put(out, "kind", "step");
	json_object_object_add(out, "pc", json_object_new_uint64(ckpt_canonical(copy).rip));
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
		put_error(out, "no such checkpoint");
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
