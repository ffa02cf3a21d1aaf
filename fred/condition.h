/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Conditions of breakpoints, as gdb compiles them for remote targets (agent
 * expressions: a stack machine over registers and memory). A search looks past
 * thousands of arrivals where one doesn't hold without asking gdb; where it holds,
 * gdb has the last word.
 */
#ifndef FRED_CONDITION_H
#define FRED_CONDITION_H

#include <json-c/json.h>

#include "fred/seek.h"

struct fred_condition;

/*
 * Makes one of an array of [offset, name of operation, argument].
 * NULL: it has operations that aren't known here; gdb must be asked.
 */
struct fred_condition *fred_condition_create(json_object *code);
/* Takes NULL. */
void fred_condition_destroy(struct fred_condition *c);

/* Whether it holds where p stands. When that can't be told (memory that isn't there, a
 * division by zero): true. */
bool fred_condition_holds(const struct fred_condition *c, struct ckpt_task *p);

#endif
