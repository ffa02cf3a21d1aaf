/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Session snapshots: copies of the debugger, with the target's point in time,
 * taken at prompts. `undo N' restarts the newest one that is old enough and
 * has the debugger do the commands since again, but for the last N; after a
 * crash of the debugger the newest one takes over.
 */
#ifndef FRED_UNDO_H
#define FRED_UNDO_H

#include <json-c/json.h>

#include "fred/timeline.h"

/* {"command": "..."}: the debugger t is about to show a prompt; the command
 * led to it. Answers {} - or, in a restarted copy, {"restarted": true,
 * "replay": [...]}. */
void fred_op_prompt(struct ckpt_task *t, json_object *in, json_object *out);
/* {"n": N} or {"checkpoint": ID}. Answers only when it can't. */
void fred_op_undo(struct ckpt_task *t, json_object *in, json_object *out);
void fred_op_history(json_object *in, json_object *out);

/* Whether the request just served has replaced the debugger that made it. */
bool fred_undo_replaced(void);
/* The session at the next prompt belongs to this checkpoint. */
void fred_undo_pin(unsigned int checkpoint);
/* A branch was made: the command that did isn't repeated. */
void fred_undo_branched(void);
/* The debugger died by a signal: true when a copy has taken over. */
bool fred_undo_recover(int status);
/* Snapshots whose target is the timeline's are of no use any more. */
void fred_undo_timeline_gone(const struct ckpt_timeline *tl);
/* The same for those in the first n intervals of the current one. */
void fred_undo_cutting(size_t n);

#endif
