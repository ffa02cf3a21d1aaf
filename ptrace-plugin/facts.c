/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
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

/* The descriptor by which d's process accesses the memory of tgid; -1: none. */
static int memory_of(const struct vpt_debugger *d, pid_t tgid)
{
	for (int i = d->nmem; i-- > 0;)
		if (d->mem[i].tgid == tgid && d->mem[i].real)
			return d->mem[i].fd;
	return -1;
}

/* Lets d write the breakpoints of vt's process there. */
static void tell_sites(struct vpt_debugger *d, const struct vpt_thread *vt, struct vpt_facts *facts)
{
	const struct ckpt_timeline *tl = vt->task->timeline;

	d->nsites = 0;
	d->sites_of = vt->tid;
	facts->memory = memory_of(d, vt->tgid);
	if (!tl || !facts->quiet || facts->memory < 0)
		return;
	for (size_t i = 0; i < tl->overlay.n && i < VPT_SITES; i++) {
		d->sites[d->nsites++] = tl->overlay.pokes[i];
		facts->site[i] = tl->overlay.pokes[i].addr;
		facts->wanted[i] = 0xcc;
	}
	facts->nsites = d->nsites;
}

static bool lay_down(struct ckpt_task *t, const struct vpt_thread *vt, int event)
{
	struct vpt_debugger *d = vt->debugger;
	struct vpt_facts facts = {
		.valid = 1, .tid = vt->tid, .quiet = is_quiet(d, vt), .event = event
	};

	if (!d->facts || t->tgid != d->tgid || !vt->task)
		return false;
	facts.copy = vt->task->tid != vt->tid;
	facts.regs = *ckpt_regs(vt->task);
	if (vpt_get_dr6(vt, &facts.dr6) || vpt_get_siginfo(vt, &facts.siginfo))
		return false; /* it is being killed */
	tell_sites(d, vt, &facts);
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
static void note_taken(struct vpt_debugger *d, int32_t event)
{
	struct vpt_thread *vt = vpt_find(d->facts_ahead);

	d->facts_ahead = 0;
	if (!vt)
		return;
	if (event) /* nobody has told it that there is something to wait for */
		syscall(SYS_tgkill, d->tgid, d->tgid, SIGCHLD);
	else if (vt->state == VPT_PENDING)
		vt->state = VPT_STOPPED;
}

/* Writes into the target what d wants there. */
static void write_sites(const struct vpt_debugger *d, const uint8_t *wanted)
{
	struct vpt_thread *vt = vpt_find(d->sites_of);

	for (int i = 0; i < d->nsites && vt && vt->task && vt->task->timeline; i++) {
		const struct ckpt_poke *site = &d->sites[i];
		bool set = ckpt_overlay_at(&vt->task->timeline->overlay, site->addr, NULL);

		/* Where it fails, the memory is no more. */
		if (wanted[i] != (set ? 0xcc : site->original) &&
		    vpt_poke(vt, site->addr, &wanted[i], 1))
			continue;
	}
}

/* What d's process itself writes there. */
static int read_back(const struct vpt_debugger *d, struct ckpt_task *t, int32_t *event,
		     uint8_t wanted[VPT_SITES])
{
	uint8_t buf[sizeof(int32_t) + VPT_SITES];
	enum { at = offsetof(struct vpt_facts, event) };
	int err = ckpt_read(t, d->facts + at, buf, sizeof(buf));

	static_assert(offsetof(struct vpt_facts, wanted) == at + sizeof(int32_t),
		      "what the debugger writes lies together");
	memcpy(event, buf, sizeof(*event));
	memcpy(wanted, buf + sizeof(*event), VPT_SITES);
	return err;
}

void vpt_facts_write(struct vpt_debugger *d)
{
	struct ckpt_task *t = d && d->facts_told && d->nsites ? ckpt_find(d->tgid) : NULL;
	uint8_t wanted[VPT_SITES];
	int32_t event;

	if (t && !read_back(d, t, &event, wanted))
		write_sites(d, wanted);
}

void vpt_facts_withdraw(struct vpt_debugger *d)
{
	struct ckpt_task *t;
	uint8_t wanted[VPT_SITES];
	int32_t event;
	const uint64_t no = 0;

	if (!d || !d->facts_told)
		return;
	d->facts_told = false;
	t = ckpt_find(d->tgid);
	if (t && (d->facts_ahead || d->nsites) && !read_back(d, t, &event, wanted)) {
		if (d->facts_ahead)
			note_taken(d, event);
		write_sites(d, wanted);
	}
	if (t && ckpt_write(t, d->facts + offsetof(struct vpt_facts, valid), &no, sizeof(no)))
		d->facts = 0; /* it is dead, or has unmapped it */
}
