/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What fred-stats shows: the debugger's request. */
#ifndef FRED_STATS_H
#define FRED_STATS_H

#include <json-c/json.h>

void fred_op_stats(json_object *in, json_object *out);

#endif
