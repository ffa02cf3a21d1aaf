/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The end of a thread of the live target while others live on, or from outside. */
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ckptcore/quick.h"
#include "ckptcore/record.h"
#include "ckptcore/turns.h"

#define MAX_ROBUST 2048 /* as the kernel's ROBUST_LIST_LIMIT */

/* The words of memory that the kernel may write when t ends: the address for
 * its joiner, and the mutexes that it holds. */
static size_t find_last_words(struct ckpt_task *t, uint64_t *ret, size_t room)
{
	struct {
		uint64_t next, offset, pending;
	} head;
	uint64_t at = 0, entry;
	size_t n = 0, len = 0;

	if (t->thread->clear_tid)
		ret[n++] = t->thread->clear_tid;
	if (syscall(SYS_get_robust_list, t->tid, &at, &len) || !at ||
	    ckpt_read(t, at, &head, sizeof(head)))
		return n;
	if (head.pending && n < room)
		ret[n++] = (head.pending & ~1ull) + head.offset;
	for (entry = head.next & ~1ull; entry && entry != at && n < room; entry &= ~1ull) {
		ret[n++] = entry + head.offset;
		if (ckpt_read(t, entry, &entry, 8))
			break;
	}
	return n;
}

/* Runs t to its end. A leader's isn't told before the others' ends. */
static void let_end(struct ckpt_task *t)
{
	double end = ckpt_now() + 5;

	ckpt_resume(t, PTRACE_SYSCALL, 0);
	while (t->state != CKPT_DEAD && ckpt_now() < end) {
		if (ckpt_wait_until(t, NULL, ckpt_now() + 0.0005)) {
			if (t->tid == t->tgid && strchr("ZX", ckpt_proc_state(t->tid))) {
				t->thread->gone = true;
				return;
			}
		} else if (t->state != CKPT_DEAD) {
			ckpt_resume(t, PTRACE_SYSCALL, 0);
		}
	}
}

static struct ckpt_task *survivor(struct ckpt_timeline *tl, const struct ckpt_task *dead)
{
	struct ckpt_task *next = ckpt_turns_next(tl);

	for (size_t i = 0; !next && i < tl->nthreads; i++)
		if (tl->threads[i] != dead && !tl->threads[i]->thread->gone)
			next = tl->threads[i];
	return next;
}

void ckpt_turns_exit(struct ckpt_task *t)
{
	static uint64_t words[MAX_ROBUST + 2];
	struct ckpt_timeline *tl = t->timeline;
	struct ckpt_event ev = {
		.kind = CKPT_EV_END, .nr = SYS_exit, .ip = ckpt_regs(t)->rip, .file = -1
	};
	size_t n = find_last_words(t, words, MAX_ROBUST + 2);
	struct ckpt_task *to;
	int err;

	memcpy(ev.args, t->thread->args, sizeof(ev.args));
	let_end(t);
	t->in_call = false;
	to = survivor(tl, t);
	err = ckpt_log_add(tl, &ev);
	for (size_t i = 0; !err && to && i < n; i++)
		err = ckpt_log_data(tl, to, words[i], 4);
	if (err)
		ckpt_record_stop(tl, "no memory for the log");
	if (to && tl->recording)
		ckpt_turns_turn(tl, to);
	if (t->state == CKPT_DEAD)
		t->ops->stopped(t, &t->stop);
}

void ckpt_turns_killed(const struct ckpt_task *t)
{
	struct ckpt_timeline *tl = t->timeline;
	const int status = t->stop.status;
	char text[160];

	if (tl->dying || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		return;
	tl->dying = true; /* the turn of those that follow is none */
	if (t->in_call || !tl->recording || ckpt_quick_drain(tl))
		return;
	tl->killed_amid = true;
	snprintf(text, sizeof(text),
		 "it was killed amid its code: its past ends at the last event or snapshot, some "
		 "%.0f ms before at most",
		 (ckpt_now() - tl->last_snap) * 1000);
	if (ckpt_warn)
		ckpt_warn(text);
}
