/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Children that share the live target's memory without being its threads, and run at
 * the same time (a vfork's parent waits). What they write isn't seen: while one lives each
 * call is a barrier, so that the copies have it. What happens between two calls
 * may still not be found again.
 */
#include <errno.h>
#include <stdio.h>
#include <linux/kcmp.h>
#include <linux/sched.h>
#include <signal.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "ckptcore/turns.h"

/* Whether the process pid has t's memory still: it hasn't ended, nor begun another program. */
static bool shares(const struct ckpt_task *t, pid_t pid)
{
	long differ = syscall(SYS_kcmp, t->tgid, pid, KCMP_VM, 0, 0);

	if (differ < 0 && errno != ESRCH) /* a kernel without it */
		return !kill(pid, 0);
	return !differ;
}

static void tell(pid_t pid)
{
	char text[192];

	snprintf(text, sizeof(text),
		 "process %d shares the program's memory: a snapshot follows each call while it "
		 "lives; what it writes in between may keep replay from finding its way",
		 pid);
	if (ckpt_warn)
		ckpt_warn(text);
}

void ckpt_sharer_note(struct ckpt_task *t, int64_t result)
{
	struct ckpt_sharers *s = &t->timeline->sharers;
	uint64_t flags;

	if (t->thread->class != CKPT_CALL_FORK || result <= 0)
		return;
	flags = ckpt_clone_flags(t, t->thread->nr, t->thread->args);
	if (!(flags & CLONE_VM) || flags & (CLONE_THREAD | CLONE_VFORK))
		return;
	if (!s->n++)
		tell((pid_t)result);
	s->pids[(s->n - 1) % CKPT_SHARERS] = (pid_t)result;
}

bool ckpt_sharer_any(struct ckpt_task *t)
{
	struct ckpt_sharers *s = &t->timeline->sharers;
	bool any = s->n;

	for (size_t i = s->n < CKPT_SHARERS ? s->n : CKPT_SHARERS; i-- > 0;)
		if (!shares(t, s->pids[i])) {
			s->n = (s->n < CKPT_SHARERS ? s->n : CKPT_SHARERS) - 1;
			s->pids[i] = s->pids[s->n];
		}
	return any;
}
