/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ckptcore/thin.h"
#include "fred/progress.h"
#include "fred/reply.h"
#include "fred/verify.h"

#define F fred_tl

struct difference {
	char text[1024];
};

/* Which registers differ. */
static void describe(const struct ckpt_general *mine, const struct ckpt_general *recorded,
		     struct difference *d)
{
	static const char *const names[] = { "rax", "rcx", "rdx",    "rbx",	"rsp",
					     "rbp", "rsi", "rdi",    "r8",	"r9",
					     "r10", "r11", "r12",    "r13",	"r14",
					     "r15", "rip", "eflags", "fs_base", "gs_base" };
	const uint64_t *a = (const uint64_t *)mine, *b = (const uint64_t *)recorded;
	size_t n = 0;

	_Static_assert(sizeof(*mine) == sizeof(names) / sizeof(*names) * sizeof(*a), "all");
	snprintf(d->text, sizeof(d->text), "the extended state differs");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && n < sizeof(d->text); i++)
		if (a[i] != b[i])
			n += (size_t)snprintf(d->text + n, sizeof(d->text) - n,
					      "%s%s is %#llx, recorded %#llx", n ? ", " : "",
					      names[i], (unsigned long long)a[i],
					      (unsigned long long)b[i]);
}

/* Compares p, which has come to the end of its interval, with ref, which stands
 * there. 0 or -EPROTO. */
static int compare(struct ckpt_task *p, struct ckpt_task *ref, struct difference *d)
{
	struct ckpt_general mine = ckpt_general_of(ckpt_regs(p)), other = ckpt_canonical(ref);
	uint64_t where;

	if (p->vtid != ckpt_vtid(ref)) {
		snprintf(d->text, sizeof(d->text), "thread %d runs, recorded %d", p->vtid,
			 ckpt_vtid(ref));
		return -EPROTO;
	}
	/* At the call that was interrupted there, it has no result yet. */
	if ((int64_t)ckpt_regs(ref)->orig_rax >= 0 && p->state == CKPT_ENTRY)
		other.r[PROBE_RAX] = mine.r[PROBE_RAX];
	if (!ckpt_same_registers(p, ref, &other)) {
		describe(&mine, &other, d);
		return -EPROTO;
	}
	if (!ckpt_same_memory(p, ref, &F.tl->overlay, &where)) {
		snprintf(d->text, sizeof(d->text), "memory differs at %#llx",
			 (unsigned long long)where);
		return -EPROTO;
	}
	return 0;
}

/* Who stands where interval i ends, or NULL when nobody does. */
static struct ckpt_task *end_of(size_t i)
{
	const struct ckpt_snap *next = i + 1 < F.tl->nsnaps ? F.tl->snaps[i + 1] : NULL;

	if (next)
		return next->before_dead ? NULL : next->copy;
	return F.tl->recording && ckpt_record_where(F.tl) != CKPT_END_CALL ? F.tl->live : NULL;
}

static int verify(size_t i, struct difference *d)
{
	struct ckpt_goal goal;
	enum ckpt_halt halt = CKPT_HALT_DEAD;
	struct ckpt_task *p, *end;
	struct ckpt_leg leg;
	int err;

	ckpt_goal_of(F.tl, i, &goal);
	if (goal.how == CKPT_END_NOW)
		return 0;
	if (fred_seek_died_at_once(i))
		return 0;
	err = ckpt_puppet_create(F.tl, i, &p);
	if (err)
		return err;
	err = ckpt_leg_begin(&leg, p, &goal, NULL, 0);
	if (!err) {
		halt = ckpt_leg_run(&leg);
		err = fred_seek_failure(halt, &leg);
		if (err == -EPROTO)
			snprintf(d->text, sizeof(d->text), "%s", fred_seek_error);
	}
	if (!err) {
		ckpt_leg_end(&leg);
		end = end_of(i);
		/* A call that a signal interrupts has been seen by the kernel there: it
		 * may have written, and its result is the kernel's own. */
		if (halt == CKPT_HALT_GOAL && end && goal.how != CKPT_END_CALL)
			err = compare(p, end, d);
	}
	ckpt_puppet_destroy(p);
	return err;
}

void fred_op_verify(json_object *in, json_object *out)
{
	struct difference d = { "" };
	char text[1200];
	int err = 0;
	size_t i = 0;

	(void)in;
	fred_timeline_restore();
	if (F.tl)
		ckpt_record_settle(F.tl);
	if (F.tl && !(F.now && F.now->play))
		ckpt_thin_lost(F.tl);
	while (F.tl && i < F.tl->nsnaps) {
		fred_progress_at("comparing: snapshot", i + 1, F.tl->nsnaps);
		err = verify(i, &d);
		if (err)
			break;
		i++;
	}
	fred_progress_end();
	put_number(out, "verified", i);
	if (err) {
		snprintf(text, sizeof(text), "the interval behind snapshot %zu (event %llu): %s", i,
			 (unsigned long long)F.tl->snaps[i]->event,
			 err == -EPROTO ? d.text : strerror(-err));
		put(out, "message", text);
	}
	put(out, "status", err == -EINTR ? "interrupted" : err ? "error" : "ok");
}
