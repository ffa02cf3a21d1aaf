/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which cores. A stop costs 4 us when tracer and task share one, and 70 us when
 * two cores must wake each other. So the debugger and the recorded target are
 * kept on ours; nobody else is, and no program sees it. If others want that core, too, and
 * there is an idle one, we move there with all.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ptrace.h>

#include "ckptcore/internal.h"

#define MASK 1024      /* bytes: 8,192 cores */
#define CORES 1024     /* to which we move, if need be */
#define WINDOW 0.3     /* seconds in which all are watched, at first ... */
#define MAX_WINDOW 8.0 /* ... and at most, each time that to move was in vain */
#define MUCH 0.7       /* of what they have run they have waited; of themselves it is 0.4 */

static uint8_t all[MASK];    /* before we chose a core */
static uint8_t shared[MASK]; /* that core */
static uint8_t used[MASK];   /* and all that were */
static bool chosen;	     /* there is one */

/* What we, the debugger and the target have had of the core, and how long they have waited for it; ns. */
struct usage {
	uint64_t ran, waited;
};

static struct {
	pid_t tids[2];
	double began, span;
	struct usage was;
	bool crowded; /* in the time before: idle[] is known */
	uint64_t idle[CORES];
} watch = { .span = WINDOW };

static bool read_mask(pid_t tid, uint8_t mask[MASK])
{
	memset(mask, 0, MASK);
	return chosen && !sched_getaffinity(tid, MASK, (cpu_set_t *)mask);
}

static bool is_all(pid_t tid)
{
	uint8_t now[MASK];

	return read_mask(tid, now) && !memcmp(now, all, MASK);
}

/* Whether it is one of those cores only that were ours. */
static bool is_ours(const uint8_t mask[MASK], size_t n)
{
	int bits = 0;

	for (size_t i = 0; i < n; i++) {
		if (mask[i] & ~used[i])
			return false;
		bits += __builtin_popcount(mask[i]);
	}
	return bits == 1;
}

static bool has_ours(pid_t tid)
{
	uint8_t now[MASK];

	return read_mask(tid, now) && is_ours(now, MASK);
}

/* Takes that core. False: it can't be had. */
static bool take(int cpu)
{
	uint8_t one[MASK] = { 0 };

	if (cpu < 0 || cpu >= MASK * 8)
		return false;
	one[cpu / 8] = (uint8_t)(1 << cpu % 8);
	if (sched_setaffinity(0, MASK, (cpu_set_t *)one))
		return false;
	memcpy(shared, one, sizeof(shared));
	used[cpu / 8] |= shared[cpu / 8];
	return true;
}

void ckpt_affinity_init(void)
{
	chosen = !sched_getaffinity(0, MASK, (cpu_set_t *)all) && take(sched_getcpu());
}

void ckpt_affinity_share(struct ckpt_task *t)
{
	/* Whoever has chosen cores for itself keeps them; a branch's has ours already. */
	if (is_all(t->tid) && !sched_setaffinity(t->tid, MASK, (cpu_set_t *)shared))
		t->shares_core = true;
}

void ckpt_affinity_free(struct ckpt_task *t, const struct ckpt_task *from)
{
	if (from->shares_core && has_ours(t->tid))
		sched_setaffinity(t->tid, MASK, (cpu_set_t *)all);
	t->shares_core = false;
}

/* The thread of t's process that t calls so; NULL: it is none. */
static struct ckpt_task *thread_of(struct ckpt_task *t, pid_t of)
{
	const struct ckpt_timeline *tl = t->timeline;

	for (size_t i = 0; i < tl->nthreads; i++)
		if (of ? ckpt_vtid(tl->threads[i]) == of : tl->threads[i] == t)
			return tl->threads[i];
	return NULL;
}

void ckpt_affinity_chosen(struct ckpt_task *t, pid_t of)
{
	struct ckpt_task *who = thread_of(t, of);

	if (who)
		who->shares_core = false;
}

static void move(struct ckpt_task *t, void *arg)
{
	(void)arg;
	if (t->shares_core && t->state != CKPT_DEAD)
		sched_setaffinity(t->tid, MASK, (cpu_set_t *)shared);
}

static void add_usage(pid_t tid, struct usage *ret)
{
	char text[CKPT_PROC_SIZE];
	unsigned long ran, waited;

	ckpt_proc_read(tid, "schedstat", text, sizeof(text));
	if (sscanf(text, "%lu %lu", &ran, &waited) != 2)
		return;
	ret->ran += ran;
	ret->waited += waited;
}

static struct usage usage_of(const pid_t tids[2])
{
	struct usage ret = { 0, 0 };

	add_usage(getpid(), &ret);
	for (int i = 0; i < 2; i++)
		if (tids[i])
			add_usage(tids[i], &ret);
	return ret;
}

static void look(const pid_t tids[2], double now)
{
	memcpy(watch.tids, tids, sizeof(watch.tids));
	watch.began = now;
	watch.was = usage_of(tids);
}

/* For how long each core has been idle, in the kernel's clock ticks. */
static void read_idle(uint64_t idle[CORES])
{
	FILE *f = fopen("/proc/stat", "re");
	unsigned long nothing, waits;
	char line[1024];
	unsigned int i;

	memset(idle, 0, CORES * sizeof(*idle));
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "cpu%u %*u %*u %*u %lu %lu", &i, &nothing, &waits) == 3 &&
		    i < CORES)
			idle[i] = nothing + waits;
	if (f)
		fclose(f);
}

/* The core of those that we may use that has been idle for most of that time, if it was for half of it; or -1. */
static int find_idle(double span)
{
	static uint64_t now[CORES];
	uint64_t most = (uint64_t)(span * (double)sysconf(_SC_CLK_TCK) / 2);
	int ret = -1;

	read_idle(now);
	for (int i = 0; i < CORES; i++)
		if (all[i / 8] & 1 << i % 8 && now[i] - watch.idle[i] > most) {
			most = now[i] - watch.idle[i];
			ret = i;
		}
	return ret;
}

static bool is_crowded(const pid_t tids[2])
{
	const struct usage is = usage_of(tids);

	return !memcmp(tids, watch.tids, sizeof(watch.tids)) &&
	       (double)(is.waited - watch.was.waited) > MUCH * (double)(is.ran - watch.was.ran);
}

void ckpt_affinity_tick(pid_t debugger, pid_t target)
{
	const pid_t tids[2] = { debugger, target };
	const double now = ckpt_now(), past = now - watch.began;
	bool crowded;

	if (!chosen || past < watch.span)
		return;
	crowded = is_crowded(tids);
	/* Not always: who has come to be on this core with us may do the same. */
	if (crowded && watch.crowded && (uint64_t)(now * 1e6) % 2 && take(find_idle(past))) {
		ckpt_each_task(move, NULL);
		watch.span = watch.span < MAX_WINDOW ? watch.span * 2 : watch.span;
		crowded = false;
	} else if (!crowded) {
		watch.span = WINDOW;
	}
	if (crowded)
		read_idle(watch.idle);
	watch.crowded = crowded;
	look(tids, now);
}

void ckpt_affinity_hide(struct ckpt_task *t, const uint64_t args[6], int64_t result)
{
	const struct ckpt_task *who = thread_of(t, (pid_t)args[0]);
	uint8_t seen[MASK];

	if (!who || !who->shares_core || result <= 0 || result > MASK ||
	    ckpt_read(t, args[2], seen, (size_t)result) || !is_ours(seen, (size_t)result))
		return;
	/* The kernel has just written there: it can be written. */
	if (ckpt_write(t, args[2], all, (size_t)result))
		return;
}
