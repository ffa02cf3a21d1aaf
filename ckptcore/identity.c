/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <sys/syscall.h>

#include "ckptcore/materialize.h"

/* Which arguments of a call are a process, or a thread or group of one; and
 * what its result is. */
enum result { NUMBER, SELF, PARENT };

static const struct numbers {
	long nr;
	unsigned int args; /* bits */
	enum result result;
} table[] = {
	{ SYS_getpid, 0, SELF },
	{ SYS_gettid, 0, SELF },
	{ SYS_getppid, 0, PARENT },
	{ SYS_getpgrp, 0, SELF },
	{ SYS_getpgid, 1, SELF },
	{ SYS_getsid, 1, SELF },
	{ SYS_setsid, 0, SELF },
	{ SYS_set_tid_address, 0, SELF },
	{ SYS_setpgid, 3, NUMBER },
	{ SYS_kill, 1, NUMBER },
	{ SYS_tkill, 1, NUMBER },
	{ SYS_tgkill, 3, NUMBER },
	{ SYS_rt_sigqueueinfo, 1, NUMBER },
	{ SYS_rt_tgsigqueueinfo, 3, NUMBER },
	{ SYS_pidfd_open, 1, NUMBER },
	{ SYS_prlimit64, 1, NUMBER },
	{ SYS_sched_setaffinity, 1, NUMBER },
	{ SYS_sched_getaffinity, 1, NUMBER },
	{ SYS_sched_setparam, 1, NUMBER },
	{ SYS_sched_getparam, 1, NUMBER },
	{ SYS_sched_setscheduler, 1, NUMBER },
	{ SYS_sched_getscheduler, 1, NUMBER },
	{ SYS_sched_setattr, 1, NUMBER },
	{ SYS_sched_getattr, 1, NUMBER },
	{ SYS_sched_rr_get_interval, 1, NUMBER },
	{ SYS_get_robust_list, 1, NUMBER },
	{ SYS_process_vm_readv, 1, NUMBER },
	{ SYS_process_vm_writev, 1, NUMBER },
	{ SYS_kcmp, 3, NUMBER },
};

static const struct numbers *find(long nr)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (table[i].nr == nr)
			return &table[i];
	return NULL;
}

static unsigned long long *argument(struct user_regs_struct *r, int i)
{
	unsigned long long *const regs[] = { &r->rdi, &r->rsi };

	return regs[i];
}

/* The real number of what the program knows by this one. */
static pid_t real_of(const struct ckpt_timeline *tl, pid_t number)
{
	for (size_t i = 0; i < tl->nthreads; i++)
		if (ckpt_vtid(tl->threads[i]) == number)
			return tl->threads[i]->tid;
	return number == tl->self.seen ? tl->self.real : number;
}

void ckpt_identity_enter(struct ckpt_task *t)
{
	const struct ckpt_identity *self = &t->timeline->self;
	const struct numbers *n = self->seen ? find(t->stop.nr) : NULL;

	for (int i = 0; n && i < 2; i++) {
		unsigned long long *a = argument(ckpt_regs(t), i);
		pid_t number = (pid_t)*a, real;

		if (!(n->args >> i & 1))
			continue;
		real = number < 0 ? -real_of(t->timeline, -number) : real_of(t->timeline, number);
		if (real == number)
			continue;
		*a = (unsigned long long)real;
		ckpt_regs_dirty(t);
	}
}

int64_t ckpt_identity_leave(struct ckpt_task *t, long nr, const uint64_t args[6], int64_t result)
{
	const struct ckpt_identity *self = &t->timeline->self;
	const struct numbers *n = self->seen ? find(nr) : NULL;

	if (!n)
		return result;
	for (int i = 0; i < 2; i++)
		if (n->args >> i & 1) {
			*argument(ckpt_regs(t), i) = args[i];
			ckpt_regs_dirty(t);
		}
	if (n->result == PARENT)
		result = self->parent;
	if (n->result == SELF && result == self->real)
		result = self->seen;
	else if (n->result == SELF && result == t->tid)
		result = ckpt_vtid(t);
	ckpt_set_result(t, result);
	return result;
}
