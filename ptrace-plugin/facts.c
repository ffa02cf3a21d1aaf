/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stddef.h>
#include <unistd.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "ptrace-plugin/facts.h"
#include "ptrace-plugin/internal.h"

int vpt_facts_at(struct ckpt_task *t, uint64_t addr, size_t size)
{
	if (size != sizeof(struct vpt_facts)) /* another version's */
		return -EINVAL;
	vpt_debugger_of(t->tgid, true)->facts = addr;
	return 0;
}

/* The only one of d's threads that isn't known to be stopped is `but'. */
static bool is_quiet(const struct vpt_debugger *d, const struct vpt_thread *but)
{
	for (const struct vpt_thread *vt = vpt_first(); vt; vt = vt->next)
		if (vt->debugger == d && vt->state != VPT_STOPPED && vt != but)
			return false;
	return !d->nzombies;
}

static bool lay_down(struct ckpt_task *t, const struct vpt_thread *vt, int event)
{
	struct vpt_debugger *d = vt->debugger;
	struct vpt_facts facts = {
		.valid = 1, .tid = vt->tid, .quiet = is_quiet(d, vt), .event = event
	};

	if (!d->facts || t->tgid != d->tgid || !vt->task)
		return false;
	facts.regs = *ckpt_regs(vt->task);
	if (vpt_get_dr6(vt, &facts.dr6) || vpt_get_siginfo(vt, &facts.siginfo))
		return false; /* it is being killed */
	d->facts_told = !ckpt_write(t, d->facts, &facts, sizeof(facts));
	d->facts_ahead = d->facts_told && event ? vt->tid : 0;
	return d->facts_told;
}

void vpt_facts_tell(struct ckpt_task *t, const struct vpt_thread *vt)
{
	if (!lay_down(t, vt, 0))
		vpt_facts_withdraw(vt->debugger);
}

bool vpt_facts_tell_ahead(struct ckpt_task *t, struct vpt_debugger *d)
{
	struct vpt_thread *vt = vpt_first();

	while (vt && (vt->debugger != d || vt->state != VPT_PENDING))
		vt = vt->next;
	return vt && is_quiet(d, vt) && lay_down(t, vt, vt->status);
}

/* Whether d has found what it was told ahead. */
static void note_taken(struct vpt_debugger *d, struct ckpt_task *t)
{
	struct vpt_thread *vt = vpt_find(d->facts_ahead);
	int32_t event;

	d->facts_ahead = 0;
	if (!vt ||
	    ckpt_read(t, d->facts + offsetof(struct vpt_facts, event), &event, sizeof(event)))
		return;
	if (event) /* nobody has told it that there is something to wait for */
		syscall(SYS_tgkill, d->tgid, d->tgid, SIGCHLD);
	else if (vt->state == VPT_PENDING)
		vt->state = VPT_STOPPED;
}

void vpt_facts_withdraw(struct vpt_debugger *d)
{
	struct ckpt_task *t;
	const uint64_t no = 0;

	if (!d || !d->facts_told)
		return;
	d->facts_told = false;
	t = ckpt_find(d->tgid);
	if (t && d->facts_ahead)
		note_taken(d, t);
	if (t && ckpt_write(t, d->facts + offsetof(struct vpt_facts, valid), &no, sizeof(no)))
		d->facts = 0; /* it is dead, or has unmapped it */
}
