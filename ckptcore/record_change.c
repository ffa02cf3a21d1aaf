/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the user changes in the live target: a snapshot before it, and one behind. */
#include <string.h>

#include "ckptcore/record.h"
#include "ckptcore/record_internal.h"
#include "ckptcore/threads.h"
#include "ckptcore/turns.h"

static size_t snap_index(const struct ckpt_timeline *tl, unsigned int id)
{
	size_t i = tl->nsnaps;

	while (i > 0 && tl->snaps[i - 1]->id != id)
		i--;
	return i ? i - 1 : tl->nsnaps;
}

void ckpt_record_after_change(struct ckpt_timeline *tl, int sig)
{
	struct ckpt_record *rec = tl->record;
	struct user_regs_struct regs = *ckpt_regs(tl->live);
	struct ckpt_general now;
	unsigned int id = tl->snaps[tl->nsnaps - 1]->id, next = tl->next_id;
	size_t newest, before;

	ckpt_call_anew(tl->live, &regs);
	now = ckpt_general_of(&regs);
	rec->changed = false;
	tl->snaps[tl->nsnaps - 1]->pins++; /* or it might be dropped for the new one */
	ckpt_snapshot(tl, CKPT_END_NOW, true, sig, &tl->live->thread->siginfo);
	newest = snap_index(tl, id);
	if (newest == tl->nsnaps)
		return; /* its copy was killed */
	tl->snaps[newest]->pins--;
	if (tl->next_id == next || !tl->snaps[newest]->copy)
		return; /* it failed */
	if (rec->call_snap && !memcmp(&now, &rec->before_call, sizeof(now))) {
		before = snap_index(tl, rec->call_snap - 1);
		if (before < newest && !ckpt_turns_since(tl, tl->snaps[before]->event))
			ckpt_snapshots_skip(tl, before + 1, newest + 1);
		rec->call_snap = 0;
		return;
	}
	if (rec->call_snap)
		return; /* the user changed things inside of the function */
	rec->before_call = ckpt_general_of(ckpt_regs(tl->snaps[newest]->copy));
	if (ckpt_call_was_pushed(tl->live, &rec->before_call))
		rec->call_snap = tl->snaps[newest]->id + 1;
}

void ckpt_record_settle(struct ckpt_timeline *tl)
{
	if (tl->recording && tl->live && tl->record->changed && !tl->live->in_call)
		ckpt_record_after_change(tl, 0);
}

void ckpt_record_branched(struct ckpt_timeline *tl)
{
	tl->record->changed = true;
}

void ckpt_record_changed(struct ckpt_task *t)
{
	struct ckpt_timeline *tl = t->timeline;

	if (!tl->record || tl->record->changed || !tl->recording)
		return;
	/* The end of the interval before: as it was when it stopped. */
	if (!tl->live->in_call)
		ckpt_snapshot(tl, ckpt_record_where(tl), false, 0, NULL);
	tl->record->changed = true;
}
