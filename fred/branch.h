/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Branches: the program changed in the past and gone on with from there. Each
 * is a timeline with a live process of its own; they share the snapshots and
 * the log of what is before. One is current, fred_tl.tl.
 */
#ifndef FRED_BRANCH_H
#define FRED_BRANCH_H

#include <json-c/json.h>

#include "fred/timeline.h"

/*
 * The debugger resumes a puppet. If the user has changed it, and wants that (or
 * wasn't asked): a branch begins and runs. False: nothing was done.
 */
bool fred_branch_resuming(struct vpt_thread *vt, int request, int sig);

/* Whether the puppet that plays is not as the past was, by what the user has done: the
 * same values written again are no difference, nor is what was done there the first time. */
bool fred_branch_is_changed(void);

/* Whether a timeline is of the process that is looked at. */
bool fred_branch_is_here(const struct ckpt_timeline *tl);
/* `to' is about to play instead of former (NULL: nobody did): its timeline
 * becomes the current one. */
void fred_branch_follow(struct ckpt_task *to, struct ckpt_task *former);

/* Ends all but the current one: their processes, checkpoints, sessions.
 * @current_too: its timeline is about to go; it is nobody's branch any more. */
void fred_branches_drop(bool current_too);

/* The process group that has the terminal if the debugger gives it to pgrp. */
pid_t fred_branch_pgrp(pid_t pgrp);

/* Requests of the commands. */
void fred_op_branches(json_object *in, json_object *out);
void fred_op_branch_plan(json_object *in, json_object *out);
void fred_op_branch_answer(json_object *in, json_object *out);
void fred_op_switch(json_object *in, json_object *out);

#endif
