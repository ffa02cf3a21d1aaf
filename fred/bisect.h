/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reverse-watch: good early, bad now; where did it turn? */
#ifndef FRED_BISECT_H
#define FRED_BISECT_H

#include <json-c/json.h>

#include "fred/seek.h"

/* Begins: {"pc": N} for the program's code around. Answers "evaluate" (the
 * staged point is to be judged), or as fred_op_verdict(). */
void fred_op_bisect(json_object *in, json_object *out);
/* {"good": 0 or 1}: the judgement. Answers "evaluate", "found" (the last good
 * point is staged), "none" (bad from the beginning on), or an error. */
void fred_op_verdict(json_object *in, json_object *out);

#endif
