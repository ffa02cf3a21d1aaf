/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The debugger's accesses to the target's memory through /proc/PID/mem, and
 * the overlay: which of the bytes there are the debugger's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ckptcore/target.h"
#include "ptrace-plugin/internal.h"

#define CHUNK 65536

void vpt_changing(struct ckpt_task *t)
{
	if (!vpt_control->changing || !vpt_control->changing(t))
		ckpt_target_changed(t);
}

int vpt_poke(struct vpt_thread *vt, uint64_t addr, const void *buf, size_t len)
{
	struct ckpt_task *t = vt->task;
	struct ckpt_overlay *o = t->timeline ? &t->timeline->overlay : NULL;
	const uint8_t *bytes = buf;
	uint8_t *was, original;
	bool change = false, mine;
	int err;

	if (!o)
		return ckpt_write(t, addr, buf, len);
	/* A word with one breakpoint byte in it comes by POKETEXT. */
	was = malloc(len);
	if (!was)
		return -ENOMEM;
	err = ckpt_read(t, addr, was, len);
	for (size_t i = 0; !err && i < len; i++) {
		if (was[i] == bytes[i])
			continue;
		mine = ckpt_overlay_at(o, addr + i, &original);
		if (bytes[i] == 0xcc && !mine && ckpt_target_executable(t, addr + i))
			err = ckpt_overlay_add(o, addr + i, was[i]);
		else if (mine && bytes[i] == original)
			ckpt_overlay_delete(o, addr + i);
		else
			change = true;
	}
	free(was);
	if (!err && change)
		vpt_changing(t);
	return err ? err : ckpt_write(t, addr, buf, len);
}

/* ---------------------------------------------------------- pread, pwrite */

static struct vpt_thread *by_fd(struct ckpt_task *t, int fd, bool *ours)
{
	struct vpt_debugger *d = vpt_debugger_of(t->tgid, false);

	*ours = false;
	for (int i = 0; d && i < d->nmem; i++)
		if (d->mem_fds[i] == fd) {
			*ours = true;
			return vpt_find(d->mem_tids[i]);
		}
	return NULL;
}

void vpt_call_pread(struct ckpt_task *t, const struct ckpt_stop *stop)
{
	static uint8_t buf[CHUNK];
	size_t len = stop->args[2] < CHUNK ? stop->args[2] : CHUNK;
	struct vpt_thread *vt;
	bool ours;
	ssize_t n;

	vt = by_fd(t, (int)stop->args[0], &ours);
	if (!ours) {
		vpt_native(t);
		return;
	}
	if (!vt || !vt->task) {
		vpt_answer(t, 0); /* the address space is gone: end of file */
		return;
	}
	n = ckpt_read_some(vt->task, stop->args[3], buf, len);
	if (n > 0 && ckpt_write(t, stop->args[1], buf, (size_t)n))
		n = -EFAULT;
	vpt_answer(t, n == -EFAULT ? -EIO : n);
}

void vpt_call_pwrite(struct ckpt_task *t, const struct ckpt_stop *stop)
{
	static uint8_t buf[CHUNK];
	size_t len = stop->args[2] < CHUNK ? stop->args[2] : CHUNK;
	struct vpt_thread *vt;
	bool ours;

	vt = by_fd(t, (int)stop->args[0], &ours);
	if (!ours)
		vpt_native(t);
	else if (!vt || !vt->task)
		vpt_answer(t, 0);
	else if (ckpt_read(t, stop->args[1], buf, len))
		vpt_answer(t, -EFAULT);
	else
		vpt_answer(t, vpt_poke(vt, stop->args[3], buf, len) ? -EIO : (long)len);
}
