/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * symbols_test.h - counting checks, and running a target stopped; the part of
 * symbols_test.c that knows nothing of symbols. Included once.
 */
#ifndef SYMBOLS_TEST_H
#define SYMBOLS_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fred/symbols.h"

static char dir[64] = "/tmp/symbols-test-XXXXXX";
static char source[4096];
static int failures, checks;
static const char *context = "";

static void check(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Says only what fails; each group of checks says "ok" itself. */
static void check(bool good, const char *format, ...)
{
	va_list ap;

	checks++;
	if (good)
		return;
	failures++;
	printf("not ok - %s: ", context);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
}

static void ok(int failed_before, const char *what)
{
	if (failures == failed_before)
		printf("ok - %s: %s\n", context, what);
	fflush(stdout);
}

static int run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int run(const char *format, ...)
{
	char command[8192];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	return system(command);
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

/* ---- the stopped program ---- */

struct target {
	pid_t pid;
	FILE *says;
	struct fred_sym_reader reader;
	char stop[64];
	struct fact {
		char name[32];
		uint64_t value;
	} facts[64];
	size_t n_facts;
};

static int read_target(void *ctx, uint64_t addr, void *buf, size_t len)
{
	struct target *t = ctx;
	struct iovec local = { buf, len }, remote = { (void *)(uintptr_t)addr, len };
	ssize_t n = process_vm_readv(t->pid, &local, 1, &remote, 1, 0);

	return n == (ssize_t)len ? 0 : n < 0 ? -errno : -EFAULT;
}

static void start(struct target *t, const char *path, const char *arg)
{
	int fd[2];

	memset(t, 0, sizeof(*t));
	if (pipe(fd) < 0)
		exit(2);
	t->pid = fork();
	if (t->pid == 0) {
		dup2(fd[1], 3);
		execl(path, path, arg, NULL);
		_exit(127);
	}
	close(fd[1]);
	t->says = fdopen(fd[0], "r");
	t->reader = (struct fred_sym_reader){ read_target, t };
}

static void end(struct target *t)
{
	kill(t->pid, SIGKILL);
	waitpid(t->pid, NULL, 0);
	fclose(t->says);
}

static uint64_t fact(const struct target *t, const char *name)
{
	size_t i;

	for (i = t->n_facts; i-- > 0;)
		if (!strcmp(t->facts[i].name, name))
			return t->facts[i].value;
	check(false, "the target didn't say %s", name);
	return 0;
}

static void listen_to(struct target *t)
{
	char line[128], name[64];
	uint64_t value;

	while (fgets(line, sizeof(line), t->says)) {
		if (sscanf(line, "stop %63s", t->stop) == 1)
			return;
		if (sscanf(line, "%31s %" SCNx64, name, &value) == 2 && t->n_facts < 64) {
			strcpy(t->facts[t->n_facts].name, name);
			t->facts[t->n_facts++].value = value;
		}
	}
	strcpy(t->stop, "ended");
}

/* Runs on to the next signal; 0 when it ended. */
static int go(struct target *t, int signal)
{
	int status;

	if (signal >= 0 && ptrace(PTRACE_CONT, t->pid, 0, (long)signal) < 0)
		return 0;
	if (waitpid(t->pid, &status, 0) < 0 || !WIFSTOPPED(status))
		return 0;
	return WSTOPSIG(status);
}

/* To the next announced stop. */
static bool go_to(struct target *t, const char *stop, bool first)
{
	int sig = go(t, first ? -1 : 0);

	while (sig && sig != SIGTRAP)
		sig = go(t, sig);
	if (!sig) {
		check(false, "the target ended before '%s'", stop);
		return false;
	}
	listen_to(t);
	check(!strcmp(t->stop, stop), "stopped at '%s', not '%s'", t->stop, stop);
	return !strcmp(t->stop, stop);
}

static void get_regs(struct target *t, uint64_t r[FRED_NREGS])
{
	struct user_regs_struct u;

	ptrace(PTRACE_GETREGS, t->pid, 0, &u);
	r[FRED_RAX] = u.rax;
	r[FRED_RCX] = u.rcx;
	r[FRED_RDX] = u.rdx;
	r[FRED_RBX] = u.rbx;
	r[FRED_RSP] = u.rsp;
	r[FRED_RBP] = u.rbp;
	r[FRED_RSI] = u.rsi;
	r[FRED_RDI] = u.rdi;
	r[FRED_R8] = u.r8;
	r[FRED_R9] = u.r9;
	r[FRED_R10] = u.r10;
	r[FRED_R11] = u.r11;
	r[FRED_R12] = u.r12;
	r[FRED_R13] = u.r13;
	r[FRED_R14] = u.r14;
	r[FRED_R15] = u.r15;
	r[FRED_RIP] = u.rip;
}

#endif
