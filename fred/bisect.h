/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reverse-watch: good early, bad now; where did it turn? */
#ifndef FRED_BISECT_H
#define FRED_BISECT_H

#include <json-c/json.h>

#include "fred/seek.h"

/* Begins. {"level": L, "thread": T}: only as long as that frame is there. Answers "evaluate"
 * (the staged point is to be judged; "strict": unknown is bad), "begins" (the frame has
 * done nothing yet), or as fred_op_verdict(). */
void fred_op_bisect(json_object *in, json_object *out);
/* {"good": 0 or 1}: the judgement. Answers "evaluate", "found" (the last good
 * point is staged), "always" (bad from the beginning on; "frame": of the frame,
 * "everywhere": at all its statements, not just where was looked), or an error. */
void fred_op_verdict(json_object *in, json_object *out);

#endif
