/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stddef.h>
#include <sys/ptrace.h>

#include "ptrace-plugin/facts.h"
#include "ptrace-plugin/internal.h"

int vpt_facts_at(struct ckpt_task *t, uint64_t addr, size_t size)
{
	if (size != sizeof(struct vpt_facts)) /* another version's */
		return -EINVAL;
	vpt_debugger_of(t->tgid, true)->facts = addr;
	return 0;
}

static bool is_quiet(const struct vpt_debugger *d)
{
	for (const struct vpt_thread *vt = vpt_first(); vt; vt = vt->next)
		if (vt->debugger == d && vt->state != VPT_STOPPED)
			return false;
	return !d->nzombies;
}

void vpt_facts_tell(struct ckpt_task *t, const struct vpt_thread *vt)
{
	struct vpt_debugger *d = vt->debugger;
	struct vpt_facts facts = { .valid = 1, .tid = vt->tid, .quiet = is_quiet(d) };

	if (!d->facts || t->tgid != d->tgid || !vt->task)
		return;
	facts.regs = *ckpt_regs(vt->task);
	if (vpt_get_dr6(vt, &facts.dr6) || vpt_get_siginfo(vt, &facts.siginfo))
		return; /* it is being killed */
	d->facts_told = !ckpt_write(t, d->facts, &facts, sizeof(facts));
}

void vpt_facts_withdraw(struct vpt_debugger *d)
{
	struct ckpt_task *t = d && d->facts_told ? ckpt_find(d->tgid) : NULL;
	const uint64_t no = 0;

	if (t && ckpt_write(t, d->facts + offsetof(struct vpt_facts, valid), &no, sizeof(no)))
		d->facts = 0; /* it is dead, or has unmapped it */
	if (d)
		d->facts_told = false;
}
