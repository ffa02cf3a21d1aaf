/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Process numbers outside of ptrace: paths below /proc, kill, process groups.
 * While the live process plays its thread, numbers are real and nothing needs
 * to be done but to notice descriptors of /proc/PID/mem.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "ckptcore/plugin.h"
#include "ptrace-plugin/internal.h"

pid_t vpt_tgid_of(pid_t tid)
{
	pid_t tgid = (pid_t)ckpt_proc_number(tid, "status", "Tgid", 10);

	return tgid ? tgid : -ESRCH;
}

/* ------------------------------------------------------------------ paths */

/* "/proc/V/REST" or "/proc/V/task/T/REST": the thread, and REST. */
static struct vpt_thread *parse(const char *path, const char **rest, bool *task_dir)
{
	struct vpt_thread *vt, *of_task;
	char *end;
	long v;

	*task_dir = false;
	if (strncmp(path, "/proc/", 6))
		return NULL;
	v = strtol(path + 6, &end, 10);
	if (end == path + 6 || (*end && *end != '/'))
		return NULL;
	vt = vpt_find((pid_t)v);
	*rest = *end ? end + 1 : end;
	if (vt && !strncmp(*rest, "task", 4) && ((*rest)[4] == 0 || (*rest)[4] == '/')) {
		const char *at = *rest + 4;

		while (*at == '/')
			at++;
		v = strtol(at, &end, 10);
		if (end == at) {
			*task_dir = true;
			return vt;
		}
		of_task = vpt_find((pid_t)v);
		if (!of_task)
			return NULL;
		vt = of_task;
		*rest = *end ? end + 1 : end;
	}
	return vt;
}

/* Runs t's open, with another path when there is one; returns its result. */
static long run_open(struct ckpt_task *t, int path_arg, const char *path)
{
	struct user_regs_struct *r = ckpt_regs(t), saved = *r;
	long res;

	if (path) {
		uint64_t at = (r->rsp - VPT_SCRATCH) & ~15ull;

		if (!ckpt_write(t, at, path, strlen(path) + 1)) {
			if (path_arg == 0)
				r->rdi = at;
			else
				r->rsi = at;
			ckpt_regs_dirty(t);
		}
	}
	if (ckpt_call_through(t))
		return -ESRCH;
	r = ckpt_regs(t);
	res = (long)r->rax;
	r->rdi = saved.rdi;
	r->rsi = saved.rsi;
	ckpt_regs_dirty(t);
	return res;
}

static bool is_maps(const char *rest)
{
	return !strcmp(rest, "maps") || !strcmp(rest, "smaps");
}

/* Whether the line of maps or smaps begins or, like the one before, belongs to a
 * mapping of ours. */
static bool is_of_ours(const char *line, bool before)
{
	unsigned long long lo, hi;
	char perms[8];

	if (sscanf(line, "%llx-%llx %7s", &lo, &hi, perms) != 3)
		return before;
	return lo >= CKPT_OURS_LO && hi <= CKPT_OURS_HI;
}

/* A file with the numbers of the virtual process in place of the real ones, and
 * without our mappings; a descriptor of ours or -1. */
static int translated_file(struct vpt_thread *vt, const char *rest)
{
	char path[64], line[512];
	int fd = memfd_create("proc", MFD_CLOEXEC);
	FILE *in, *out;
	bool stat = !strcmp(rest, "stat"), maps = is_maps(rest), ours = false;
	const struct vpt_thread *other = vt->task ? vt : vpt_played(vt->tgid);

	snprintf(path, sizeof(path), "/proc/%d/%s", other ? other->task->tid : vt->tid, rest);
	in = fopen(path, "re");
	out = fd < 0 ? NULL : fdopen(dup(fd), "w");
	while (in && out && fgets(line, sizeof(line), in)) {
		ours = maps && is_of_ours(line, ours);
		if (ours)
			continue;
		if (maps)
			fputs(line, out);
		else if (!strncmp(line, "State:", 6) && vt->lost)
			fputs("State:\tZ (zombie)\n", out);
		else if (!strncmp(line, "State:\tZ", 8)) /* only when we hide that */
			fputs("State:\tR (running)\n", out);
		else if (!strncmp(line, "Pid:", 4))
			fprintf(out, "Pid:\t%d\n", vt->tid);
		else if (!strncmp(line, "Tgid:", 5))
			fprintf(out, "Tgid:\t%d\n", vt->tgid);
		else if (!strncmp(line, "PPid:", 5) || !strncmp(line, "TracerPid:", 10))
			fprintf(out, "%s\t%d\n",
				line[0] == 'P' ? "PPid:" : "TracerPid:", vt->debugger->tgid);
		else if (stat && strchr(line, '('))
			fprintf(out, "%d %s", vt->tid, strchr(line, '('));
		else
			fputs(line, out);
	}
	if (in)
		fclose(in);
	if (out)
		fclose(out);
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

/* A directory with an entry for each virtual thread, in place of /proc/V/task. */
static bool translated_dir(struct vpt_thread *vt, char *ret, size_t size)
{
	char path[320];

	snprintf(ret, size, "%s/fred-XXXXXX",
		 getenv("XDG_RUNTIME_DIR") ? getenv("XDG_RUNTIME_DIR") : "/tmp");
	if (!mkdtemp(ret))
		return false;
	for (struct vpt_thread *o = vpt_first(); o; o = o->next)
		if (o->tgid == vt->tgid && o->state != VPT_EXITED) {
			snprintf(path, sizeof(path), "%s/%d", ret, o->tid);
			if (mkdir(path, 0700) < 0)
				continue;
		}
	return true;
}

static void remove_dir(struct vpt_thread *vt, const char *dir)
{
	char path[320];

	for (struct vpt_thread *o = vpt_first(); o; o = o->next)
		if (o->tgid == vt->tgid) {
			snprintf(path, sizeof(path), "%s/%d", dir, o->tid);
			rmdir(path);
		}
	rmdir(dir);
}

/*
 * gdb takes a leader for gone as soon as /proc says that it is a zombie while
 * gdb knows of other threads. Natively it has heard of their ends by then, or
 * nearly always; we are slower. So what has happened comes to the debugger's
 * wait first, and a leader dies for /proc after the others for the debugger.
 */
static bool hides_death(const struct vpt_thread *vt)
{
	if (vt->tid != vt->tgid)
		return false;
	for (struct vpt_thread *o = vpt_first(); o; o = o->next)
		if (o != vt && o->tgid == vt->tgid && o->state == VPT_EXITED)
			return true;
	return false;
}

/* A leader that has ended before others, which play. */
static bool is_lost(const struct vpt_thread *vt)
{
	return vt->tid == vt->tgid && vt->state != VPT_EXITED &&
	       (vt->task ? ckpt_proc_state(vt->task->tid) == 'Z' : vpt_played(vt->tgid) != NULL);
}

static bool has_others(const struct vpt_thread *vt)
{
	for (struct vpt_thread *o = vpt_first(); o; o = o->next)
		if (o != vt && o->tgid == vt->tgid)
			return true;
	return false;
}

static int path_arg_of(long nr)
{
	return nr == SYS_open || nr == SYS_readlink || nr == SYS_stat || nr == SYS_access ? 0 : 1;
}

/* Where it says how to open maps, all of O_ACCMODE is our library's way to be heard
 * here: to read. */
static void only_read(struct ckpt_task *t, const char *path, int arg)
{
	struct user_regs_struct *r = ckpt_regs(t);
	unsigned long long *flags = arg == 1 ? &r->rsi : &r->rdx;
	const char *name = strrchr(path, '/');

	if (name && is_maps(name + 1) && (*flags & O_ACCMODE) == O_ACCMODE) {
		*flags &= ~(unsigned long long)O_ACCMODE;
		ckpt_regs_dirty(t);
	}
}

void vpt_call_path(struct ckpt_task *t, const struct ckpt_stop *stop)
{
	struct vpt_debugger *d = vpt_debugger_of(t->tgid, false);
	bool opens = stop->nr == SYS_open || stop->nr == SYS_openat;
	char path[256], to[256];
	int arg = path_arg_of(stop->nr), fd = -1;
	struct vpt_thread *vt = NULL;
	const char *rest = "", *use = NULL;
	bool task_dir = false, mem, moved, hide = false;
	pid_t tid = t->tid;
	long res;

	if (ckpt_read_string(t, stop->args[arg], path, sizeof(path))) {
		vpt_native(t);
		return;
	}
	if (opens)
		only_read(t, path, arg + 1);
	if (!d) {
		vpt_native(t);
		return;
	}
	vt = parse(path, &rest, &task_dir);
	if (vt && opens && !strcmp(rest, "status") && has_others(vt)) {
		while (!ckpt_poll_any())
			if (ckpt_find(tid) != t)
				return;
		vt = parse(path, &rest, &task_dir);
		hide = vt && hides_death(vt);
		if (vt)
			vt->lost = !hide && is_lost(vt);
	}
	if (!vt || (!vt->task && !hide && !vt->lost)) {
		if (!opens || !d->nmem) {
			vpt_native(t);
			return;
		}
		/* A number may come to mean another file. */
		res = run_open(t, arg, NULL);
		if (res >= 0)
			vpt_mem_forget(d, (int)res);
		if (res == -ESRCH && t->state == CKPT_DEAD)
			t->ops->stopped(t, &t->stop);
		else
			ckpt_resume(t, PTRACE_CONT, 0);
		return;
	}
	mem = opens && !strcmp(rest, "mem");
	moved = vt->task && vt->task->tid != vt->tid;
	to[0] = 0;
	if (mem) {
		use = vpt_mem_path(vt, to, sizeof(to));
	} else if (opens &&
		   (is_maps(rest) || ((moved || hide || vt->lost) &&
				      (!strcmp(rest, "status") || !strcmp(rest, "stat"))))) {
		fd = translated_file(vt, rest);
		snprintf(to, sizeof(to), "/proc/%d/fd/%d", getpid(), fd);
		use = to;
	} else if (moved && opens && task_dir) {
		if (translated_dir(vt, to, sizeof(to)))
			use = to;
	} else if (moved) {
		snprintf(to, sizeof(to), "/proc/%d/%s", vt->task->tid, rest);
		use = to;
	}
	if (!use) {
		vpt_native(t);
		return;
	}
	res = run_open(t, arg, use);
	if (fd >= 0)
		close(fd);
	if (task_dir && to[0])
		remove_dir(vt, to);
	if (t->state == CKPT_DEAD) {
		t->ops->stopped(t, &t->stop);
		return;
	}
	if (res >= 0 && opens)
		vpt_mem_forget(d, (int)res);
	if (res >= 0 && mem && vpt_mem_opened(t, d, vt, (int)res, use == to))
		return; /* its death is told soon */
	ckpt_resume(t, PTRACE_CONT, 0);
}

/* ----------------------------------------------------------- kill, groups */

void vpt_call_kill(struct ckpt_task *t, const struct ckpt_stop *stop)
{
	bool tg = stop->nr == SYS_tgkill;
	pid_t tid = (pid_t)stop->args[tg ? 1 : 0];
	int sig = (int)stop->args[tg ? 2 : 1];
	struct vpt_thread *vt = tid > 0 ? vpt_find(tid) : NULL;

	if (vt && vt->debugger->tgid == t->tgid && vpt_control->signalled &&
	    vpt_control->signalled(vt, sig))
		vpt_answer(t, 0);
	else
		vpt_native(t);
}

/* The process group of a target that is played by a copy, after the live one
 * is gone, is known to us only. */
void vpt_call_pgrp(struct ckpt_task *t, const struct ckpt_stop *stop)
{
	struct vpt_debugger *d = vpt_debugger_of(t->tgid, false);
	struct vpt_thread *vt;
	int pgrp, real;

	if (stop->nr == SYS_getpgid) {
		vt = vpt_find((pid_t)stop->args[0]);
		if (d && vt && vt->task && vt->task->tid != vt->tid && kill(vt->tid, 0) < 0)
			vpt_answer(t, vt->tgid);
		else
			vpt_native(t);
		return;
	}
	if (!d || stop->args[1] != TIOCSPGRP || ckpt_read(t, stop->args[2], &pgrp, sizeof(pgrp))) {
		vpt_native(t);
		return;
	}
	real = vpt_control->pgrp ? vpt_control->pgrp(pgrp) : pgrp;
	if (real != pgrp && ckpt_write(t, stop->args[2], &real, sizeof(real))) {
		vpt_answer(t, -EFAULT);
		return;
	}
	vt = vpt_find(pgrp);
	if (real == pgrp && vt && vt->task && vt->task->tid != vt->tid && kill(-pgrp, 0) < 0)
		vpt_answer(t, 0);
	else
		vpt_native(t);
}
