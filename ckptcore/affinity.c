/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which cores. A stop costs 4 us when tracer and task share one, and 70 us when
 * two cores must wake each other. So the debugger and the recorded target are
 * kept on ours; nobody else is, and no program sees it.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>

#include "ckptcore/internal.h"

#define MASK 1024 /* bytes: 8,192 cores */

static uint8_t all[MASK], shared[MASK]; /* before we chose a core; that core */
static size_t len;			/* what the kernel uses of them; 0: we didn't */

static bool has(pid_t tid, const uint8_t *mask)
{
	uint8_t now[MASK] = { 0 };

	return len && !sched_getaffinity(tid, MASK, (cpu_set_t *)now) && !memcmp(now, mask, len);
}

void ckpt_affinity_init(void)
{
	int cpu = sched_getcpu();

	if (cpu < 0 || cpu >= MASK * 8 || sched_getaffinity(0, MASK, (cpu_set_t *)all))
		return;
	shared[cpu / 8] = (uint8_t)(1 << cpu % 8);
	if (!sched_setaffinity(0, MASK, (cpu_set_t *)shared))
		len = MASK;
}

void ckpt_affinity_share(pid_t tid)
{
	/* Whoever has chosen cores for itself keeps them. */
	if (has(tid, all))
		sched_setaffinity(tid, MASK, (cpu_set_t *)shared);
}

void ckpt_affinity_free(pid_t tid)
{
	if (has(tid, shared))
		sched_setaffinity(tid, MASK, (cpu_set_t *)all);
}

void ckpt_affinity_hide(struct ckpt_task *t, const uint64_t args[6], int64_t result)
{
	uint8_t seen[MASK];
	pid_t of = (pid_t)args[0];

	if (!len || result <= 0 || result > MASK || (of && of != t->tid) ||
	    ckpt_read(t, args[2], seen, (size_t)result) || memcmp(seen, shared, (size_t)result))
		return;
	/* The kernel has just written there: it can be written. */
	if (ckpt_write(t, args[2], all, (size_t)result))
		return;
}
