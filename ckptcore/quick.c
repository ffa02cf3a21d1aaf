/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include "ckptcore/arch/x86_64/vdso.h"
#include "ckptcore/clock.h"
#include "ckptcore/inject.h"
#include "ckptcore/outside.h"
#include "ckptcore/quick_internal.h"
#include "ckptcore/record.h"
#include "ckptcore/shared.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_OFF 0
#define PR_SYS_DISPATCH_ON 1
#endif
/* Of CKPT_QUICK_WINDOW calls so many could have been quick: the next will be. */
#define WORTH 40

#define CODE_LEN ((size_t)(__stop_fred_quick - __start_fred_quick))
_Static_assert(CKPT_QUICK_ENTRIES + CKPT_QUICK_SITES * CKPT_QUICK_ENTRY <=
		       CKPT_QUICK_CODE + CKPT_QUICK_CODE_SIZE,
	       "room for the entries");

/* ------------------------------------------------------------- the code, sites */

/* The code. */
static int prepare(struct ckpt_task *t, struct ckpt_quick_notes *notes)
{
	long res;
	int err;

	assert(CKPT_QUICK_CODE + CODE_LEN <= CKPT_QUICK_ENTRIES);
	err = ckpt_inject(t, &res, SYS_mmap, CKPT_QUICK_CODE, CKPT_QUICK_CODE_SIZE,
			  PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			  (uint64_t)-1, 0);

	if (!err && res < 0)
		err = (int)res;
	if (!err)
		err = ckpt_write(t, CKPT_QUICK_CODE, __start_fred_quick, CODE_LEN);
	for (unsigned int i = 0; !err && i < CKPT_QUICK_SITES; i++) {
		uint8_t jump[CKPT_QUICK_JUMP];

		ckpt_quick_jump(CKPT_QUICK_ENTRIES + i * CKPT_QUICK_ENTRY, jump);
		err = ckpt_write(t, t->near_code + i * CKPT_QUICK_JUMP, jump, sizeof(jump));
	}
	notes->ask = ckpt_quick_address(ckpt_quick_code_ask);
	return err;
}

/* Of the kernel: that it lets none of t's calls pass but the code's, if we say so. */
static int dispatch(struct ckpt_task *t, struct ckpt_quick_notes *notes)
{
	struct ckpt_quick *q = t->timeline->quick;
	const uint64_t first = ckpt_quick_address(ckpt_quick_code_call) + 2;
	const uint64_t last = ckpt_quick_address(ckpt_quick_code_ask) + 2;
	size_t i = 0;
	long res;
	int err;

	while (i < CKPT_QUICK_THREADS && q->owners[i])
		i++;
	if (i == CKPT_QUICK_THREADS)
		return -ENOSPC;
	notes->selectors[i] = CKPT_QUICK_ALLOW;
	err = ckpt_inject(t, &res, SYS_prctl, PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON,
			  first, last - first + 1,
			  CKPT_QUICK_NOTES + offsetof(struct ckpt_quick_notes, selectors) + i, 0);
	if (!err && !res)
		q->owners[i] = t->tid;
	return err ? err : (int)res;
}

void ckpt_quick_died(const struct ckpt_task *t)
{
	struct ckpt_quick *q = t->timeline->quick;

	for (size_t i = 0; q && i < CKPT_QUICK_THREADS; i++)
		if (q->owners[i] == t->tid)
			q->owners[i] = 0;
}

void ckpt_quick_off(struct ckpt_task *t)
{
	struct ckpt_timeline *tl = t->timeline;
	struct ckpt_quick *q = tl ? tl->quick : NULL;
	struct ckpt_quick_notes *notes = q && t == tl->live ? ckpt_quick_notes(tl) : NULL;
	/* In the kernel by its site's call it is as good as stopped. */
	bool runs = t->state == CKPT_RUNNING && !t->in_call;

	/* Calls that the kernel lets pass would be missed. */
	if (runs && tl && tl->recording)
		return;
	if (notes) {
		notes->open = 0;
		ckpt_quick_select(t, notes, CKPT_QUICK_ALLOW);
	}
	/* Without a tracer's help, too, the code makes the program's calls. */
	if (!q || !q->in || t != tl->live || runs || t->state == CKPT_DEAD)
		return;
	q->in = false;
	ckpt_sites_take_out(&q->sites, t);
}

/* Who doesn't stop in that time can't, and runs none of its code either. */
#define STOP_SECONDS 0.2

void ckpt_quick_bring_out(struct ckpt_timeline *tl)
{
	struct ckpt_quick *q = tl->quick;
	double deadline = ckpt_now() + STOP_SECONDS;

	while (q && q == tl->quick && q->in && tl->live && tl->recording) {
		struct ckpt_task *t = tl->live;

		ckpt_quick_off(t);
		if (!q->in || t->state != CKPT_RUNNING)
			return;
		ckpt_record_due(tl); /* else somebody would be told of it */
		ckpt_interrupt(t);
		if (ckpt_wait_until(t, NULL, deadline))
			return;
		ckpt_dispatch(t);
	}
}

void ckpt_quick_look(struct ckpt_timeline *tl)
{
	if (!tl->quick)
		return;
	tl->quick->looked = true;
	ckpt_quick_bring_out(tl);
}

void ckpt_quick_resumed(struct ckpt_timeline *tl)
{
	if (tl->quick)
		tl->quick->looked = false;
}

int ckpt_quick_end(struct ckpt_task *t)
{
	struct ckpt_quick *q = t->timeline->quick;
	long res;

	ckpt_quick_off(t);
	if (!q || !q->ready)
		return 0;
	q->impossible = true;
	return ckpt_inject(t, &res, SYS_prctl, PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0,
			   0, 0, 0);
}

void ckpt_quick_destroy(struct ckpt_timeline *tl)
{
	free(tl->quick);
	tl->quick = NULL;
}

/* ------------------------------------------------------------- when it is worth it */

/* Calls after which sites may be gone, or others than we think. */
static bool changes_code(const struct ckpt_quick *q, const struct ckpt_thread *th)
{
	const uint64_t *a = th->args;

	switch (th->nr) {
	case SYS_mmap:
		if (!(a[3] & MAP_FIXED))
			return false;
		break;
	case SYS_mremap:
		if (a[3] & MREMAP_FIXED && ckpt_sites_within(&q->sites, a[4], a[2]))
			return true;
		break;
	case SYS_munmap:
	case SYS_mprotect:
	case SYS_pkey_mprotect:
		break;
	default:
		return false;
	}
	return ckpt_sites_within(&q->sites, a[0], a[1]);
}

/* Calls behind which the jumps may stay: nobody has a copy of them, nor gets to see them. */
static bool keeps_code(const struct ckpt_quick *q, const struct ckpt_thread *th)
{
	return th->class == CKPT_CALL_ANSWER ||
	       ((th->class == CKPT_CALL_REDO || th->class == CKPT_CALL_MMAP) &&
		!changes_code(q, th));
}

/* Whether the kernel may read code in t's call, to give it to somebody. */
static bool reads_code(const struct ckpt_task *t, const struct ckpt_quick_notes *notes)
{
	const struct ckpt_outside *o = t->timeline->outside;
	const struct ckpt_thread *th = t->thread;
	const struct ckpt_file *f;

	switch (th->nr) {
	case SYS_write:
	case SYS_pwrite64:
	case SYS_sendto:
	case SYS_msgsnd:
	case SYS_mq_timedsend:
		return th->args[1] + th->args[2] > notes->code[0] && th->args[1] < notes->code[1];
	case SYS_writev: /* what they point to isn't looked at */
	case SYS_pwritev:
	case SYS_pwritev2:
	case SYS_sendmsg:
	case SYS_sendmmsg:
	case SYS_vmsplice:
	case SYS_process_vm_readv:
		return true;
	case SYS_read:
	case SYS_pread64: /* /proc/PID/mem */
		f = o ? ckpt_outside_find(o, (int)th->args[0]) : NULL;
		return f && !strncmp(f->path, "/proc/", 6);
	default:
		return false;
	}
}

/* The program may forbid itself our code's calls. (It isn't let dispatch them.) */
static bool filters(const struct ckpt_thread *th)
{
	return (th->nr == SYS_seccomp && (th->args[0] == SECCOMP_SET_MODE_STRICT ||
					  th->args[0] == SECCOMP_SET_MODE_FILTER)) ||
	       (th->nr == SYS_prctl && th->args[0] == PR_SET_SECCOMP);
}

static void count(struct ckpt_quick *q, bool good)
{
	q->good += good;
	if (++q->seen < CKPT_QUICK_WINDOW)
		return;
	q->on = q->good >= WORTH;
	q->seen = q->good = q->others = q->done = 0;
}

/* A program that looks at its libraries' code had better not find ours there. */
static bool is_wanted(void)
{
	const char *text = getenv("FRED_QUICK");

	return !text || strcmp(text, "0");
}

void ckpt_quick_entered(struct ckpt_task *t)
{
	struct ckpt_timeline *tl = t->timeline;
	struct ckpt_quick_notes *notes = ckpt_quick_notes(tl);
	struct ckpt_thread *th = t->thread;
	struct ckpt_quick *q = tl->quick;
	bool fit;

	if (q && q->in && (!keeps_code(q, th) || (notes && reads_code(t, notes))))
		ckpt_quick_off(t);
	if (!notes)
		return;
	if (!q) {
		q = tl->quick = calloc(1, sizeof(*q));
		if (!q)
			return;
		ckpt_quick_fill_kinds(notes);
		/* Without us what was attached to would die of SIGSYS. */
		q->impossible = !t->near_code || t->no_exitkill || !is_wanted();
	}
	if (q->impossible)
		return;
	if (ckpt_quick_possible(th->nr))
		ckpt_quick_know_files(tl, &q->files, notes);
	if (changes_code(q, th))
		q->sites.n = 0;
	if (filters(th)) {
		ckpt_quick_off(t);
		q->impossible = true;
		return;
	}
	if (th->nr == SYS_rt_sigaction &&
	    ((int)th->args[0] == SIGSYS || (int)th->args[0] == SIGTRAP))
		q->ignored_known = false;
	fit = ckpt_quick_is_fit(notes, th->nr, th->args) &&
	      ckpt_sites_met(&q->sites, t, t->stop.ip - 2);
	if (ckpt_clock_is_full(t))
		q->on = true;
	else if (!q->on)
		count(q, fit);
}

void ckpt_quick_left(struct ckpt_task *t)
{
	struct ckpt_quick *q = t->timeline->quick;

	if (q && !ckpt_quick_keeps_files(t->thread->nr))
		q->files.known = false;
	if (q && !ckpt_quick_keeps_view(t->thread->nr))
		q->files.seen_known = false;
}

/* Whether the kernel may send t SIGSYS, for what it refuses, and SIGTRAP, for our int3, without a
 * trace. */
static bool takes_signals(struct ckpt_task *t, struct ckpt_quick *q)
{
	const uint64_t both = 1ull << (SIGSYS - 1) | 1ull << (SIGTRAP - 1);
	uint64_t mask;

	if (!q->ignored_known)
		q->ignored = ckpt_proc_number(t->tid, "status", "SigIgn", 16) & both;
	q->ignored_known = true;
	return !q->ignored && ptrace(PTRACE_GETSIGMASK, t->tid, 8, &mask) == 0 && !(mask & both);
}

bool ckpt_quick_arm(struct ckpt_task *t)
{
	struct ckpt_timeline *tl = t->timeline;
	struct ckpt_quick_notes *notes = ckpt_quick_notes(tl);
	struct ckpt_thread *th = t->thread;
	struct ckpt_quick *q = tl->quick;
	int err = 0;

	if (!q || !q->on || !notes || q->impossible || q->looked || !ckpt_turns_all_run(tl) ||
	    t->in_call || th->request != PTRACE_CONT || th->delayed || th->resent || tl->owed ||
	    tl->sharers.n || tl->self.seen || ckpt_shared_bytes(tl) || !takes_signals(t, q) ||
	    ((!q->in || tl->nthreads > 1) &&
	     ptrace(PTRACE_PEEKUSER, t->tid, offsetof(struct user, u_debugreg[7]), 0L)))
		return false;
	if (!q->ready || !ckpt_quick_selector(t, notes)) {
		if (t->state != CKPT_EXIT)
			return false;
		if ((!q->ready && prepare(t, notes)) || (err = dispatch(t, notes)) != 0) {
			/* There are too many threads for the moment? Else never. */
			if (err != -ENOSPC) {
				ckpt_quick_off(t);
				q->impossible = true;
			}
			return false;
		}
		q->ready = true;
	}
	if (!ckpt_turns_off_sites(tl)) {
		q->on = false; /* that takes time, and isn't to be tried at each call */
		return false;
	}
	ckpt_quick_know_files(tl, &q->files, notes);
	if (q->files.serves && !q->files.alone)
		return false; /* nor would the thread that answers get its turn */
	ckpt_sites_put_in(&q->sites, t, notes);
	ckpt_sites_range(&q->sites, notes->code);
	q->in = true;
	notes->room = CKPT_QUICK_DATA_SIZE;
	notes->waited = ckpt_turns_next(tl) != NULL;
	notes->open = 1;
	ckpt_quick_select(t, notes, CKPT_QUICK_BLOCK);
	return true;
}

bool ckpt_quick_keeps_turn(const struct ckpt_timeline *tl)
{
	const bool ret = tl->nthreads > 1 && ckpt_quick_sleeps(tl);

	if (ret)
		ckpt_quick_doubt(ckpt_quick_notes(tl));
	return ret;
}

bool ckpt_quick_sleeps(const struct ckpt_timeline *tl)
{
	const struct ckpt_quick_notes *notes = tl->quick ? ckpt_quick_notes(tl) : NULL;
	char text[CKPT_PROC_SIZE];
	const char *state;

	if (!notes || !notes->open)
		return false;
	ckpt_proc_read(tl->live->tid, "stat", text, sizeof(text));
	state = strrchr(text, ')');
	return state && !strncmp(state, ") S", 3);
}

void ckpt_quick_waited(struct ckpt_timeline *tl)
{
	struct ckpt_quick_notes *notes = tl->quick ? ckpt_quick_notes(tl) : NULL;

	if (notes)
		notes->waited = 1;
}

bool ckpt_quick_interrupt(struct ckpt_timeline *tl)
{
	struct ckpt_quick_notes *notes = tl->quick ? ckpt_quick_notes(tl) : NULL;

	if (!notes || !notes->open)
		return false;
	notes->open = 0;
	return true;
}
