/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fred-verify: does replay do what the program did? */
#ifndef FRED_VERIFY_H
#define FRED_VERIFY_H

#include <json-c/json.h>

/*
 * The request "verify": replays each interval of the timeline from its snapshot
 * and compares registers and memory with the next one's (the last: with the
 * live process). Answers with how many were verified, and with the first
 * difference in words if there is one. Can be cancelled.
 */
void fred_op_verify(json_object *in, json_object *out);

#endif
