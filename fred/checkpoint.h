/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Checkpoints: points that the user named, as copies of the target. */
#ifndef FRED_CHECKPOINT_H
#define FRED_CHECKPOINT_H

#include <json-c/json.h>

#include "fred/timeline.h"

void fred_op_checkpoint(json_object *in, json_object *out);
void fred_op_checkpoints(json_object *in, json_object *out);
void fred_op_restart(json_object *in, json_object *out);
void fred_op_delete_checkpoint(json_object *in, json_object *out);

/* Those of a timeline go with it. */
void fred_checkpoints_drop(const struct ckpt_timeline *tl);
/* The first n intervals of the current timeline are about to go, and those in them. */
void fred_checkpoints_cutting(size_t n);

#endif
