/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ckptcore/store.h"
#include "ckptcore/thin.h"
#include "fred/reply.h"
#include "fred/stats.h"
#include "fred/timeline.h"

#define F fred_tl

static void put_seconds(json_object *out, const char *key, double value)
{
	json_object_object_add(out, key, json_object_new_double(value));
}

void fred_op_stats(json_object *in, json_object *out)
{
	const struct ckpt_stats *s = &ckpt_stats;

	(void)in;
	put_number(out, "snapshots", s->snapshots);
	put_seconds(out, "snapshot seconds", s->snapshot_s);
	put_number(out, "restarts", s->restarts);
	put_seconds(out, "restart seconds", s->restart_s);
	put_number(out, "evaluations", s->evaluations);
	put_seconds(out, "evaluation seconds", s->evaluation_s);
	put_number(out, "searches", s->searches);
	put_seconds(out, "search seconds", s->search_s);
	put_number(out, "search runs", s->probes);
	put_number(out, "transplants", s->transplants);
	put_number(out, "events", s->events);
	put_number(out, "quick calls", s->quick);
	put_number(out, "log memory", ckpt_store_memory());
	put_number(out, "log disk", ckpt_store_disk());
	put_number(out, "snapshots kept", F.tl ? F.tl->nsnaps : 0);
	put_number(out, "snapshots dropped", s->dropped);
	put_number(out, "private memory", F.tl ? fred_private_memory() : 0);
	put_number(out, "budget", ckpt_budget()->bytes);
	put_number(out, "budget used", ckpt_budget_used());
	put_bool(out, "truncated", F.tl && F.tl->truncated);
}
