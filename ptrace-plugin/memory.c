/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The debugger's accesses to the target's memory through /proc/PID/mem, and
 * the overlay: which of the bytes there are the debugger's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "ckptcore/inject.h"
#include "ckptcore/target.h"
#include "ptrace-plugin/internal.h"

#define CHUNK 65536

void vpt_changing(struct ckpt_task *t, bool registers)
{
	if (!vpt_control->changing || !vpt_control->changing(t))
		ckpt_target_changed(t, registers);
}

int vpt_poke(struct vpt_thread *vt, uint64_t addr, const void *buf, size_t len)
{
	struct ckpt_task *t;
	struct ckpt_overlay *o;
	const uint8_t *bytes = buf;
	uint8_t *was, original;
	bool change = false, mine;
	int err;

	if (vpt_control->about_to_act)
		vpt_control->about_to_act(vt, len == 1 && bytes[0] == 0xcc);
	t = vt->task;
	if (!t)
		return -ESRCH;
	if (!len)
		return 0; /* it will read, see facts.c in gdb */
	o = t->timeline ? &t->timeline->overlay : NULL;
	if (!o)
		return ckpt_write(t, addr, buf, len);
	if (len == 1 && ckpt_overlay_at(o, addr, &original) && bytes[0] == original) {
		ckpt_overlay_delete(o, addr); /* at every stop, so quickly */
		return ckpt_write(t, addr, buf, 1);
	}
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
		vpt_changing(t, false);
	return err ? err : ckpt_write(t, addr, buf, len);
}

/* ------------------------------------------------------------ descriptors */

/*
 * A debugger reads memory again and again; each read that we serve costs two
 * switches of tasks. So its descriptors are real ones where they can be opened
 * anew for whoever will play, and only the others, moved to high numbers that
 * the filter selects, are served. Writes are always ours: the overlay.
 */
static bool can_be_real(void)
{
	uint64_t effective = ckpt_proc_number(getpid(), "status", "CapEff", 16);
	FILE *f = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
	int scope = 0;

	if (f && fscanf(f, "%d", &scope) != 1)
		scope = 1;
	if (f)
		fclose(f);
	return !scope || effective >> CAP_SYS_PTRACE & 1;
}

const char *vpt_mem_path(struct vpt_thread *vt, char *buf, size_t size)
{
	static int real = -1;

	if (real < 0)
		real = can_be_real();
	if (!real || !vt->task)
		return "/dev/null";
	snprintf(buf, size, "/proc/%d/mem", vt->task->tid);
	return buf;
}

void vpt_mem_forget(struct vpt_debugger *d, int fd)
{
	for (int i = 0; i < d->nmem; i++)
		if (d->mem[i].fd == fd) {
			d->mem[i] = d->mem[--d->nmem];
			return;
		}
}

/* t is behind its open (CKPT_EXIT). */
int vpt_mem_opened(struct ckpt_task *t, struct vpt_debugger *d, struct vpt_thread *vt, int fd,
		   bool real)
{
	long up = fd, ignored;
	int err = 0;

	vpt_facts_withdraw(d); /* it would read there what we have told for another */
	if (!real) {
		err = ckpt_inject(t, &up, SYS_fcntl, (uint64_t)fd, F_DUPFD_CLOEXEC, VPT_SERVED_FD,
				  0, 0, 0);
		if (!err && up >= 0)
			err = ckpt_inject(t, &ignored, SYS_close, (uint64_t)fd, 0, 0, 0, 0, 0);
		if (!err)
			ckpt_set_result(t, up);
	}
	if (!err && up >= 0)
		vpt_mem_forget(d, (int)up); /* a former one of this number is closed */
	if (!err && up >= 0 && d->nmem < VPT_MANY)
		d->mem[d->nmem++] = (struct vpt_mem){ (int)up, vt->tgid, real ? vt->task->tid : 0 };
	d->unsettled |= !real;
	return err;
}

static int point_at(struct ckpt_task *t, struct vpt_mem *m, pid_t tid)
{
	uint64_t at = (ckpt_regs(t)->rsp - VPT_SCRATCH) & ~15ull;
	struct ckpt_guest g;
	char path[32];
	long fd, res;
	int err, err2;

	/* Who plays can't be opened any more: there is nothing to be read. */
	snprintf(path, sizeof(path), "/proc/%d/mem", tid);
	err = ckpt_guest_enter(t, &g);
	if (err)
		return err;
	err = ckpt_write(t, at, path, strlen(path) + 1);
	if (!err)
		err = ckpt_guest_call(&g, &fd, SYS_openat, (uint64_t)AT_FDCWD, at,
				      O_RDWR | O_CLOEXEC, 0, 0, 0);
	if (!err && fd < 0)
		err = ckpt_guest_call(&g, &fd, SYS_memfd_create, at, MFD_CLOEXEC, 0, 0, 0, 0);
	if (!err && fd >= 0) {
		err = ckpt_guest_call(&g, &res, SYS_dup3, (uint64_t)fd, (uint64_t)m->fd, O_CLOEXEC,
				      0, 0, 0);
		if (!err)
			err = ckpt_guest_call(&g, &res, SYS_close, (uint64_t)fd, 0, 0, 0, 0, 0);
	}
	err2 = ckpt_guest_leave(&g);
	m->real = tid;
	return err ? err : err2;
}

/* The debugger's closing isn't seen, and its number may mean another file by now:
 * of a pipe, or a copy of its output's. */
static bool is_open(const struct ckpt_task *t, const struct vpt_mem *m)
{
	char path[48], memory[32], to[96];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", t->tgid, m->fd);
	snprintf(memory, sizeof(memory), "/proc/%d/mem", m->real);
	n = readlink(path, to, sizeof(to) - 1);
	if (n < 0)
		return false;
	to[n] = 0;
	return strstr(to, memory); /* or a memfd of that name, see point_at() */
}

/* A thread by way of which memory can be opened that is read from `real' now. A leader
 * that has ended before the others is a zombie: what was opened before that goes on. */
static struct vpt_thread *to_open(pid_t tgid, pid_t real)
{
	struct vpt_thread *vt = vpt_played(tgid);

	if (!vt || !vt->lost || vt->task->tid == real)
		return vt;
	for (struct vpt_thread *o = vpt_first(); o; o = o->next)
		if (o->tgid == tgid && o->task && !o->lost)
			return o;
	return vt;
}

int vpt_mem_follow(struct ckpt_task *t, struct vpt_debugger *d)
{
	struct vpt_thread *vt;
	int err = 0;

	for (int i = d->nmem; !err && i-- > 0;) {
		vt = d->mem[i].real ? to_open(d->mem[i].tgid, d->mem[i].real) : NULL;
		if (!vt || vt->task->tid == d->mem[i].real)
			continue;
		if (is_open(t, &d->mem[i]))
			err = point_at(t, &d->mem[i], vt->task->tid);
		else
			vpt_mem_forget(d, d->mem[i].fd);
	}
	return err;
}

/* ---------------------------------------------------------- pread, pwrite */

static struct vpt_thread *by_fd(struct ckpt_task *t, int fd, bool *ours)
{
	struct vpt_debugger *d = vpt_debugger_of(t->tgid, false);

	*ours = false;
	for (int i = 0; d && i < d->nmem; i++)
		if (d->mem[i].fd == fd) {
			*ours = true;
			return vpt_played(d->mem[i].tgid);
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
	if (!vt) {
		vpt_answer(t, 0); /* the address space is gone: end of file */
		return;
	}
	vpt_facts_write(vt->debugger);
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
	if (vt)
		vpt_facts_write(vt->debugger);
	if (!ours)
		vpt_native(t);
	else if (!vt)
		vpt_answer(t, 0);
	else if (ckpt_read(t, stop->args[1], buf, len))
		vpt_answer(t, -EFAULT);
	else
		vpt_answer(t, vpt_poke(vt, stop->args[3], buf, len) ? -EIO : (long)len);
}
