/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table of plugins, and the seccomp filter made of theirs. The filter only
 * selects; nothing is forbidden by it. It tests the architecture first: numbers
 * mean something else in 32-bit and x32 calls.
 */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "ckptcore/internal.h"
#include "ckptcore/plugin.h"

#define MAX_CALLS 64
#define MAX_FILTER (MAX_CALLS * 5 + 12) /* instructions */

static const struct ckpt_plugin *plugins[CKPT_MAX_PLUGINS];
static size_t nplugins, ncalls;

int ckpt_plugin_register(const struct ckpt_plugin *plugin)
{
	if (plugin->version != CKPT_PLUGIN_VERSION || nplugins == CKPT_MAX_PLUGINS ||
	    ncalls + plugin->ncalls > MAX_CALLS)
		return -EINVAL;
	plugins[nplugins++] = plugin;
	ncalls += plugin->ncalls;
	return 0;
}

/* ------------------------------------------------------------------ calls */

bool ckpt_plugins_call(struct ckpt_task *t, const struct ckpt_stop *stop)
{
	for (size_t i = 0; i < nplugins; i++)
		for (size_t k = 0; k < plugins[i]->ncalls; k++)
			if (plugins[i]->calls[k].nr == stop->nr) {
				plugins[i]->calls[k].before(t, stop);
				return true;
			}
	return false;
}

int ckpt_call_through(struct ckpt_task *t)
{
	do {
		if (ckpt_resume(t, PTRACE_SYSCALL, 0) < 0)
			return -ESRCH;
		while (ckpt_wait(t, NULL) == -EINTR)
			;
		if (t->state == CKPT_DEAD)
			return -ESRCH;
	} while (t->state != CKPT_EXIT);
	return 0;
}

static struct sock_filter load(size_t offset)
{
	return (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset);
}

static struct sock_filter ret(uint32_t what)
{
	return (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, what);
}

static struct sock_filter jump(uint16_t how, uint32_t value, uint8_t yes, uint8_t no)
{
	return (struct sock_filter)BPF_JUMP((uint16_t)(BPF_JMP | BPF_K | how), value, yes, no);
}

/* Appends what selects one call; the number is loaded. Behind a test it is not
 * loaded any more, but then the filter is at its end. */
static unsigned short add_call(struct sock_filter *f, const struct ckpt_plugin_call *c)
{
	static const uint16_t how[] = { [CKPT_TEST_IS] = BPF_JEQ,
					[CKPT_TEST_LACKS] = BPF_JSET,
					[CKPT_TEST_HAS] = BPF_JSET,
					[CKPT_TEST_FROM] = BPF_JGE };
	unsigned short n = 0;

	if (c->test == CKPT_TEST_NONE) {
		f[n++] = jump(BPF_JEQ, (uint32_t)c->nr, 0, 1);
		f[n++] = ret(SECCOMP_RET_TRACE);
		return n;
	}
	f[n++] = jump(BPF_JEQ, (uint32_t)c->nr, 0, 4);
	f[n++] = load(offsetof(struct seccomp_data, args) + c->arg * 8);
	f[n++] = jump(how[c->test], c->value, c->test != CKPT_TEST_LACKS,
		      c->test == CKPT_TEST_LACKS);
	f[n++] = ret(SECCOMP_RET_ALLOW);
	f[n++] = ret(SECCOMP_RET_TRACE);
	return n;
}

/* The filter that selects the calls that are late / that aren't; its length. */
static unsigned short make_filter(bool late, struct sock_filter f[MAX_FILTER])
{
	unsigned short n = 0;

	f[n++] = load(offsetof(struct seccomp_data, arch));
	f[n++] = jump(BPF_JEQ, AUDIT_ARCH_X86_64, 1, 0);
	f[n++] = ret(SECCOMP_RET_ALLOW);
	/* The debugger's programs inherit it: what our code in them calls is their own affair. */
	f[n++] = load(offsetof(struct seccomp_data, instruction_pointer) + 4);
	f[n++] = jump(BPF_JEQ, (uint32_t)(CKPT_OURS_LO >> 32), 0, 3);
	f[n++] = load(offsetof(struct seccomp_data, instruction_pointer));
	f[n++] = jump(BPF_JGE, (uint32_t)CKPT_OURS_HI, 1, 0);
	f[n++] = ret(SECCOMP_RET_ALLOW);
	f[n++] = load(offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < nplugins; i++)
		for (size_t k = 0; k < plugins[i]->ncalls; k++)
			if (plugins[i]->calls[k].late == late)
				n = (unsigned short)(n + add_call(f + n, &plugins[i]->calls[k]));
	f[n++] = ret(SECCOMP_RET_ALLOW);
	return n;
}

int ckpt_plugins_install_filter(void)
{
	struct sock_filter f[MAX_FILTER];
	struct sock_fprog prog = { .filter = f, .len = make_filter(false, f) };

	/* With the right to (root) no_new_privs isn't needed: sudo from the
	 * debugger's shell goes on to work. */
	if (!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		return -errno;
	return 0;
}

int ckpt_plugins_select_late(struct ckpt_task *t, uint64_t scratch)
{
	struct {
		struct sock_fprog prog;
		struct sock_filter f[MAX_FILTER];
	} code = { 0 };
	/* All threads at once; or t alone, should another have a filter of its own. */
	const uint64_t flags[] = { SECCOMP_FILTER_FLAG_TSYNC, 0 };
	long res = -EINVAL;
	int err;

	_Static_assert(sizeof(code) <= CKPT_PLUGINS_SCRATCH, "a filter's room");
	code.prog.len = make_filter(true, code.f);
	code.prog.filter = (void *)(uintptr_t)(scratch + ((char *)code.f - (char *)&code));
	err = ckpt_write(t, scratch, &code, sizeof(code));
	for (size_t i = 0; !err && res && i < sizeof(flags) / sizeof(*flags); i++)
		err = ckpt_inject(t, &res, SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags[i], scratch,
				  0, 0, 0);
	return err ? err : (int)res;
}

/* ------------------------------------------------------------------ hooks */

void ckpt_plugins_snapshot(struct ckpt_task *t, struct ckpt_task *copy)
{
	for (size_t i = 0; i < nplugins; i++)
		if (plugins[i]->snapshot)
			copy->plugin_state[i] = plugins[i]->snapshot(t);
}

void ckpt_plugins_restart(struct ckpt_task *copy, struct ckpt_task *t)
{
	for (size_t i = 0; i < nplugins; i++)
		if (plugins[i]->restart && copy->plugin_state[i])
			plugins[i]->restart(t, copy->plugin_state[i]);
}

void ckpt_plugins_forget(struct ckpt_task *copy)
{
	for (size_t i = 0; i < nplugins; i++)
		free(copy->plugin_state[i]);
}
