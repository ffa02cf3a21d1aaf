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

/* All of them go with their timeline. */
void fred_checkpoints_drop(void);
/* The first n intervals are about to go, and those in them. */
void fred_checkpoints_cutting(size_t n);

#endif
