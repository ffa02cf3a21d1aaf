/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the engine's tests share: they play fred for a small program,
 * engine_target.c, without a debugger.
 *
 * The target stops at marks: an int3 with a number in rax and a pointer in rbx.
 */
#ifndef ENGINE_TEST_H
#define ENGINE_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ckptcore/arch/x86_64/vdso.h"
#include "ckptcore/internal.h"
#include "tests/unit/ok.h"

static void ignore_stop(struct ckpt_task *t, const struct ckpt_stop *stop)
{
	(void)t;
	(void)stop;
}

static const struct ckpt_task_ops plain_ops = { .name = "test", .stopped = ignore_stop };

static void __attribute__((unused)) start_engine(void)
{
	cpu_set_t one;

	setvbuf(stdout, NULL, _IOLBF, 0);
	/* As fred does: a tracer and a target on two cores wait for each other. */
	CPU_ZERO(&one);
	CPU_SET((unsigned int)sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	need(!ckpt_init());
}

static void wait_task(struct ckpt_task *t)
{
	while (ckpt_wait(t, NULL) == -EINTR)
		;
}

static void run(struct ckpt_task *t, int request, int sig)
{
	need(!ckpt_resume(t, request, sig));
	wait_task(t);
}

static bool at_mark(struct ckpt_task *t, uint64_t mark)
{
	return t->state == CKPT_SIGNAL && t->stop.sig == SIGTRAP && ckpt_regs(t)->rax == mark;
}

/* Runs a single-threaded task to a mark; *data: its pointer. */
static void __attribute__((unused)) run_to(struct ckpt_task *t, uint64_t mark, uint64_t *data)
{
	int sig = 0;

	do {
		run(t, PTRACE_CONT, sig);
		sig = t->state == CKPT_SIGNAL && t->stop.sig != SIGTRAP ? t->stop.sig : 0;
	} while (t->state != CKPT_DEAD && !at_mark(t, mark));
	need(t->state != CKPT_DEAD);
	if (data)
		*data = ckpt_regs(t)->rbx;
}

/* Starts `engine_target mode', stopped behind its exec. */
static __attribute__((unused)) struct ckpt_task *start_target(const char *mode,
							      const struct ckpt_task_ops *ops)
{
	char path[4096], *slash, byte = 0;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);
	struct ckpt_task *t;
	int go[2];
	pid_t pid;

	need(n > 0 && !pipe2(go, O_CLOEXEC));
	path[n] = 0;
	slash = strrchr(path, '/');
	strcpy(slash + 1, "engine_target");
	pid = fork();
	need(pid >= 0);
	if (!pid) {
		/* A recorded program has no rseq area, either: it is refused. */
		if (!getenv("ENGINE_RSEQ"))
			setenv("GLIBC_TUNABLES", "glibc.pthread.rseq=0", 1);
		if (read(go[0], &byte, 1) == 1)
			execl(path, "engine_target", mode, (char *)NULL);
		_exit(99);
	}
	need(!ckpt_seize(pid, pid, ops, true, &t));
	need(write(go[1], &byte, 1) == 1);
	close(go[0]);
	close(go[1]);
	wait_task(t);
	need(t->state == CKPT_EVENT && t->stop.event == PTRACE_EVENT_EXEC);
	t->syscall_ip = 0;
	t->int3_after = false;
	while (t->state != CKPT_EXIT)
		run(t, PTRACE_SYSCALL, 0);
	return t;
}

/* A line of /proc/PID/status, its number in hex. */
static uint64_t __attribute__((unused)) status_of(pid_t tid, const char *key, int base)
{
	char path[40], line[256];
	uint64_t value = ~0ull;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':')
			value = strtoull(line + strlen(key) + 1, NULL, base);
	if (f)
		fclose(f);
	return value;
}

static uint64_t __attribute__((unused)) mask_of(struct ckpt_task *t)
{
	uint64_t mask = 0;

	need(!ptrace(PTRACE_GETSIGMASK, t->tid, 8, &mask));
	return mask;
}

static uint64_t __attribute__((unused)) peek(struct ckpt_task *t, uint64_t addr)
{
	uint64_t value = 0;

	need(!ckpt_read(t, addr, &value, 8));
	return value;
}

static long __attribute__((unused))
inject(struct ckpt_task *t, long nr, uint64_t a, uint64_t b, uint64_t c)
{
	long res = 0;

	need(!ckpt_inject(t, &res, nr, a, b, c, 0, 0, 0));
	return res;
}

#endif
