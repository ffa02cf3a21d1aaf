/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The last change of watched memory, by debug registers. */
#include <errno.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#include "fred/watchpoints.h"

#define F fred_tl

/* Sets the debug registers of p's thread t. */
static int arm_thread(struct ckpt_task *p, const struct fred_watch *w, size_t n)
{
	static const unsigned int lens[] = { [1] = 0, [2] = 1, [4] = 3, [8] = 2 };
	unsigned long dr7 = 0;

	for (size_t i = 0; i < n; i++) {
		if (ptrace(PTRACE_POKEUSER, p->tid, offsetof(struct user, u_debugreg[i]),
			   w[i].addr) < 0)
			return -EINVAL;
		dr7 |= 1ul << (i * 2) |
		       ((w[i].access ? 3ul : 1ul) | (unsigned long)lens[w[i].len] << 2)
			       << (16 + i * 4);
	}
	return ptrace(PTRACE_POKEUSER, p->tid, offsetof(struct user, u_debugreg[7]), dr7) < 0 ?
		       -EINVAL :
		       0;
}

static int arm(struct ckpt_task *p, const struct fred_watch *w, size_t n)
{
	int err = arm_thread(p, w, n);

	for (size_t i = 0; !err && i < p->play->nothers; i++)
		err = arm_thread(p->play->others[i], w, n);
	return err;
}

static uint64_t value_of(struct ckpt_task *p, const struct fred_watch *w)
{
	uint64_t v = 0;

	return ckpt_read(p, w->addr, &v, w->len) ? 0 : v;
}

/* Which debug registers have struck since the last time. */
static unsigned long take_struck(struct ckpt_task *p)
{
	unsigned long dr6 = (unsigned long)ptrace(PTRACE_PEEKUSER, p->tid,
						  offsetof(struct user, u_debugreg[6]), 0L);

	ptrace(PTRACE_POKEUSER, p->tid, offsetof(struct user, u_debugreg[6]), 0L);
	return dr6 & 15;
}

/* Runs to the stop-th change of a watched value, or counts them all. */
static int run_changes(size_t interval, struct ckpt_task *from, const struct ckpt_goal *goal,
		       const struct fred_watch *w, size_t n, uint64_t stop, uint64_t *count,
		       struct ckpt_task **ret, size_t *which)
{
	unsigned long struck;
	uint64_t old[4];
	struct ckpt_leg leg;
	struct ckpt_task *p;
	enum ckpt_halt halt;
	int err = fred_seek_start(interval, from, &p);

	if (err)
		return err;
	*count = 0;
	for (size_t i = 0; i < n; i++)
		old[i] = value_of(p, &w[i]);
	err = arm(p, w, n);
	if (!err)
		err = ckpt_leg_begin(&leg, p, goal, NULL, 0);
	while (!err) {
		halt = ckpt_leg_run(&leg);
		if (halt != CKPT_HALT_TRAP && halt != CKPT_HALT_CALL) {
			if (halt != CKPT_HALT_DEAD || !fred_seek_may_die(interval))
				err = fred_seek_failure(halt, &leg);
			break;
		}
		struck = take_struck(p);
		for (size_t i = 0; i < n; i++) {
			uint64_t v = value_of(p, &w[i]);

			if (w[i].access == FRED_WATCH_CHANGE ?
				    v != old[i] :
				    struck >> i & 1 &&
					    (v == old[i] || w[i].access == FRED_WATCH_ACCESS)) {
				*which = i;
				(*count)++;
			}
			old[i] = v;
		}
		if (stop && *count >= stop) {
			ckpt_leg_end(&leg);
			if (arm(p, NULL, 0)) {
				err = -ESRCH;
				break;
			}
			*ret = p;
			return 1;
		}
	}
	ckpt_puppet_destroy(p);
	return err;
}

int fred_seek_write(const struct fred_moment *m, struct ckpt_task *from, const struct fred_watch *w,
		    size_t n, struct ckpt_task **ret, size_t *which)
{
	struct ckpt_goal goal = m->goal;
	size_t i = m->interval, lowest = from ? from->play->interval : 0;
	struct fred_moment behind;
	struct ckpt_task *p;
	uint64_t changes;
	int err;

	if (!n || n > 4)
		return 0;
	for (;; i--) {
		struct ckpt_task *begin = from && i == lowest ? from : NULL;

		err = run_changes(i, begin, &goal, w, n, 0, &changes, &p, which);
		if (!err && changes)
			err = run_changes(i, begin, &goal, w, n, changes, &changes, &p, which);
		if (err || i == lowest)
			break;
		ckpt_goal_of(F.tl, i - 1, &goal);
	}
	if (err <= 0)
		return err;
	/* The register strikes behind the write; the point is before it. */
	fred_moment_of(p, &behind);
	err = fred_seek_instruction(&behind, ret);
	ckpt_puppet_destroy(p);
	return err;
}
