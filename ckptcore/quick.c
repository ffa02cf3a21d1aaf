/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include "ckptcore/arch/x86_64/quick_code.h"
#include "ckptcore/arch/x86_64/vdso.h"
#include "ckptcore/clock.h"
#include "ckptcore/inject.h"
#include "ckptcore/outside.h"
#include "ckptcore/quick.h"
#include "ckptcore/quick_kinds.h"
#include "ckptcore/record.h"
#include "ckptcore/shared.h"
#include "ckptcore/sites.h"
#include "ckptcore/turns.h"

#ifndef SYS_USER_DISPATCH
#define SYS_USER_DISPATCH 2 /* si_code */
#endif
#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_OFF 0
#define PR_SYS_DISPATCH_ON 1
#endif
#define ALLOW 0 /* the selector */
#define BLOCK 1

#define WINDOW 64      /* calls: after so many, */
#define WORTH 40       /* of which so many could have been quick, they will be; and as long */
#define WORTH_STILL 64 /* as there are so many quick ones to WINDOW others */
#define READS 32       /* ... or so many times as many reads of the clock */
#define MOST_STEPS 5000
#define DATA_SIZE (CKPT_QUICK_NOTES_SIZE - sizeof(struct ckpt_quick_notes))

struct ckpt_quick {
	struct ckpt_sites sites;
	bool ready; /* the code is there */
	bool impossible;
	bool on;     /* whenever it runs freely */
	bool in;     /* now: jumps are in its code */
	bool looked; /* somebody looks, or has, though it runs: not until he lets it run anew */
	struct ckpt_quick_files files;
	bool ignored; /* SIGSYS is, or SIGTRAP, which wouldn't stay so */
	bool ignored_known;
	unsigned int seen, good;	  /* of the present window */
	unsigned int others, done;	  /* likewise, while on */
	pid_t owners[CKPT_QUICK_THREADS]; /* the threads of which the kernel knows the selectors */
	uint64_t drained;		  /* of the notes so much are events already */
	int failed;			  /* ... or couldn't be */
};

static uint64_t address_of(const uint8_t *label)
{
	return CKPT_QUICK_CODE + (uint64_t)(label - __start_fred_quick);
}

#define CODE_LEN ((size_t)(__stop_fred_quick - __start_fred_quick))
_Static_assert(CKPT_QUICK_ENTRIES + CKPT_QUICK_SITES * CKPT_QUICK_ENTRY <=
		       CKPT_QUICK_CODE + CKPT_QUICK_CODE_SIZE,
	       "room for the entries");

/* ------------------------------------------------------------- the code, sites */

/* t's, or NULL: the kernel knows none. */
static uint8_t *selector(const struct ckpt_task *t, struct ckpt_quick_notes *notes)
{
	const struct ckpt_quick *q = t->timeline->quick;

	for (size_t i = 0; i < CKPT_QUICK_THREADS; i++)
		if (q->owners[i] == t->tid)
			return &notes->selectors[i];
	return NULL;
}

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
	notes->ask = address_of(ckpt_quick_code_ask);
	return err;
}

/* Of the kernel: that it lets none of t's calls pass but the code's, if we say so. */
static int dispatch(struct ckpt_task *t, struct ckpt_quick_notes *notes)
{
	struct ckpt_quick *q = t->timeline->quick;
	const uint64_t first = address_of(ckpt_quick_code_call) + 2;
	const uint64_t last = address_of(ckpt_quick_code_ask) + 2;
	size_t i = 0;
	long res;
	int err;

	while (i < CKPT_QUICK_THREADS && q->owners[i])
		i++;
	if (i == CKPT_QUICK_THREADS)
		return -ENOSPC;
	notes->selectors[i] = ALLOW;
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

static void set_selector(const struct ckpt_task *t, struct ckpt_quick_notes *notes, uint8_t value)
{
	uint8_t *s = selector(t, notes);

	if (s)
		*s = value;
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
		set_selector(t, notes, ALLOW);
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
	if (++q->seen < WINDOW)
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
	    t->in_call || th->request != PTRACE_CONT || th->delayed || th->resent ||
	    tl->sharers.n || tl->self.seen || ckpt_shared_bytes(tl) || !takes_signals(t, q) ||
	    ((!q->in || tl->nthreads > 1) &&
	     ptrace(PTRACE_PEEKUSER, t->tid, offsetof(struct user, u_debugreg[7]), 0L)))
		return false;
	if (!q->ready || !selector(t, notes)) {
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
	ckpt_quick_know_files(tl, &q->files, notes);
	if (q->files.serves && !q->files.alone)
		return false; /* nor would the thread that answers get its turn */
	ckpt_sites_put_in(&q->sites, t, notes);
	ckpt_sites_range(&q->sites, notes->code);
	q->in = true;
	notes->room = DATA_SIZE;
	notes->open = 1;
	set_selector(t, notes, BLOCK);
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

bool ckpt_quick_interrupt(struct ckpt_timeline *tl)
{
	struct ckpt_quick_notes *notes = tl->quick ? ckpt_quick_notes(tl) : NULL;

	if (!notes || !notes->open)
		return false;
	notes->open = 0;
	return true;
}

/* ------------------------------------------------------------------------ stops */

static bool is_amid(const struct ckpt_task *t, uint64_t rip)
{
	const struct ckpt_quick *q = t->timeline->quick;

	return rip - CKPT_QUICK_CODE < CKPT_QUICK_CODE_SIZE ||
	       rip - t->near_code < CKPT_QUICK_SITES * CKPT_QUICK_JUMP ||
	       ckpt_sites_jumps_at(&q->sites, rip);
}

/* Where a call would be made. */
static bool is_before(uint64_t rip)
{
	return rip == address_of(ckpt_quick_code_call) || rip == address_of(ckpt_quick_code_real);
}

/* t stands at the copying, which would be a step a byte. */
static void copy(struct ckpt_task *t)
{
	struct user_regs_struct *r = ckpt_regs(t);
	uint8_t *notes = (uint8_t *)ckpt_quick_notes(t->timeline);
	uint64_t to = r->rdi - CKPT_QUICK_NOTES;

	if (!notes || to > CKPT_QUICK_NOTES_SIZE || r->rcx > CKPT_QUICK_NOTES_SIZE - to ||
	    ckpt_read(t, r->rsi, notes + to, r->rcx))
		return;
	r->rdi += r->rcx;
	r->rsi += r->rcx;
	r->rcx = 0;
	ckpt_regs_dirty(t);
}

static bool goes_on(struct ckpt_task *t)
{
	uint64_t rip = ckpt_regs(t)->rip;

	if (rip == address_of(ckpt_quick_code_copy))
		copy(t);
	if (rip == address_of(ckpt_quick_code_trap)) {
		ckpt_regs(t)->rip++;
		ckpt_regs_dirty(t);
	}
	if (rip == address_of(ckpt_quick_code_ask)) { /* we shall */
		ckpt_regs(t)->rip += 2;
		ckpt_regs(t)->rax = (uint64_t)-EAGAIN;
		ckpt_regs_dirty(t);
	}
	return is_amid(t, rip) && !is_before(rip);
}

/* t has been about to make a call from our code: it is at its site. */
static void go_back(struct ckpt_task *t, const struct ckpt_quick_notes *notes)
{
	struct user_regs_struct *r = ckpt_regs(t);

	r->rip = notes->back[notes->site % CKPT_QUICK_SITES] - 2;
	r->rax = notes->nr;
	r->rcx = notes->rcx;
	r->r11 = notes->r11;
	r->orig_rax = (uint64_t)-1;
	ckpt_regs_dirty(t);
}

/*
 * The kernel has refused to make t's call, or was interrupted in it: that is as if a signal had
 * interrupted it at its site, and it will be made again. What rcx and r11 were before is lost.
 */
static void be_interrupted(struct ckpt_task *t, const struct ckpt_quick_notes *notes)
{
	struct user_regs_struct *r = ckpt_regs(t);

	if (r->rip - CKPT_QUICK_CODE < CKPT_QUICK_CODE_SIZE) {
		r->rip = r->rcx = notes->back[notes->site % CKPT_QUICK_SITES];
		r->orig_rax = notes->nr;
	} else {
		r->orig_rax = r->rax;
	}
	t->stop.ip = r->rip;
	t->stop.nr = (long)r->orig_rax;
	memcpy(t->stop.args, (const uint64_t[6]){ r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9 },
	       sizeof(t->stop.args));
	if ((int)r->orig_rax == -1) { /* no call to the kernel, which wouldn't make it again */
		r->rip -= 2;
	} else if (!ckpt_interrupted((int64_t)r->rax)) {
		r->rax = (uint64_t)-CKPT_ERESTARTNOINTR;
	}
	ckpt_regs_dirty(t);
	ckpt_record_entered(t);
	if ((int64_t)r->rax == -516)
		ckpt_turns_timed(t->thread);
}

/* t is in the kernel by our code's real call: as if by its site's. */
static void pretend(struct ckpt_task *t, const struct ckpt_quick_notes *notes)
{
	struct user_regs_struct *r = ckpt_regs(t);

	r->rip = r->rcx = notes->back[notes->site % CKPT_QUICK_SITES];
	t->stop.ip = r->rip;
	ckpt_regs_dirty(t);
}

/*
 * t, stepped, is behind its site. If it was on the way out of the call when it stopped it is
 * so still: a signal that came of the call is delivered there.
 */
static void be_behind(struct ckpt_task *t, const struct ckpt_quick_notes *notes, bool on_way_out)
{
	struct user_regs_struct *r = ckpt_regs(t);

	if (r->r11 & 0x100)
		ckpt_hide_trap_in_r11(t);
	if (!on_way_out)
		return;
	r->orig_rax = notes->nr;
	ckpt_regs_dirty(t);
}

/* The notes become events. -EFAULT: they aren't the code's. */
static int drain(struct ckpt_task *t, struct ckpt_quick_notes *notes)
{
	struct ckpt_timeline *tl = t->timeline;
	struct ckpt_quick *q = tl->quick;
	uint64_t at = q->drained, end = __atomic_load_n(&notes->at, __ATOMIC_ACQUIRE);
	int err = 0;

	q->drained = end;
	if (end > DATA_SIZE)
		return -EFAULT;
	while (!err && at < end) {
		const struct ckpt_quick_call *c = (const void *)(notes->data + at);
		uint64_t len = ckpt_quick_length(c, end - at);

		if (!len || c->site >= CKPT_QUICK_SITES || !ckpt_quick_possible((long)c->nr))
			return -EFAULT;
		err = ckpt_clock_log(tl, c->clock);
		if (!err)
			err = ckpt_record_quick(t, c, notes->back[c->site]);
		ckpt_sites_used(&q->sites, c->site);
		at += len;
		if (!ckpt_quick_keeps_files((long)c->nr))
			q->files.known = false;
		q->done++;
		ckpt_stats.quick++;
	}
	return err;
}

/* All notes are events, and t, stopped, makes others. */
static void reset(struct ckpt_quick *q, struct ckpt_quick_notes *notes)
{
	notes->at = notes->amid = q->drained = 0;
	notes->room = DATA_SIZE;
}

bool ckpt_quick_drain(struct ckpt_timeline *tl)
{
	struct ckpt_quick_notes *notes = tl->quick ? ckpt_quick_notes(tl) : NULL;
	struct ckpt_quick *q = tl->quick;
	bool amid = false;

	if (!notes || !q->ready)
		return false;
	do {
		if (!q->failed)
			q->failed = drain(tl->live, notes);
		amid = __atomic_load_n(&notes->amid, __ATOMIC_ACQUIRE);
	} while (!q->failed && __atomic_load_n(&notes->at, __ATOMIC_ACQUIRE) != q->drained);
	/* What it has read of the clock it has read before. */
	if (amid && !q->failed)
		q->failed = ckpt_clock_log_all(tl);
	return amid;
}

bool ckpt_quick_detour(struct ckpt_task *t)
{
	const struct ckpt_quick *q = t->timeline->quick;

	if (!q || !q->ready) /* nor will it lead there before t has made its call */
		return false;
	ckpt_regs(t)->rip = address_of(ckpt_quick_code_again);
	ckpt_regs_dirty(t);
	return true;
}

void ckpt_quick_back(struct ckpt_task *t)
{
	struct user_regs_struct *r = ckpt_regs(t);
	uint64_t site = t->thread->ip - 2, by = r->rip - address_of(ckpt_quick_code_again);

	if (by != 0 && by != 2)
		return;
	r->rip = site + by;
	if (by)
		t->stop.ip = r->rcx = r->rip;
	ckpt_regs_dirty(t);
}

/* A call that isn't quick was refused by the kernel. */
static bool was_refused(struct ckpt_task *t)
{
	siginfo_t si;

	return t->state == CKPT_SIGNAL && t->stop.sig == SIGSYS &&
	       !ptrace(PTRACE_GETSIGINFO, t->tid, 0, &si) && si.si_code == SYS_USER_DISPATCH;
}

/* The same, but an interrupt came between that and its signal. */
static bool is_refused(struct ckpt_task *t)
{
	struct __ptrace_peeksiginfo_args args = { .nr = 1 };
	siginfo_t si;

	if (t->state != CKPT_EVENT)
		return false;
	for (; ptrace(PTRACE_PEEKSIGINFO, t->tid, &args, &si) == 1; args.off++)
		if (si.si_signo == SIGSYS && si.si_code == SYS_USER_DISPATCH)
			return true;
	return false;
}

static void count_other(struct ckpt_quick *q)
{
	if (++q->others < WINDOW)
		return;
	q->on = q->done >= WORTH_STILL;
	q->others = q->done = 0;
}

static bool has_trapped(const struct ckpt_task *t)
{
	return t->state == CKPT_SIGNAL && t->stop.sig == SIGTRAP &&
	       (uint64_t)ptrace(PTRACE_PEEKUSER, t->tid, offsetof(struct user, regs.rip), 0L) ==
		       address_of(ckpt_quick_code_trap) + 1;
}

/* t stopped at what our code asks for itself, which is no call of the program's. */
static bool has_asked(const struct ckpt_task *t)
{
	return (t->state == CKPT_ENTRY || t->state == CKPT_EXIT) &&
	       t->stop.ip == address_of(ckpt_quick_code_ask) + 2;
}

bool ckpt_quick_goes_on(struct ckpt_task *t, bool due)
{
	struct ckpt_timeline *tl = t->timeline;
	struct ckpt_quick *q = tl->quick;
	struct ckpt_quick_notes *notes = q ? ckpt_quick_notes(tl) : NULL;
	const uint8_t *s = notes ? selector(t, notes) : NULL;

	/* The call for which it has asked makes no stop either, even if the next one is to. */
	if (has_asked(t)) {
		ckpt_resume(t, s && *s == BLOCK ? PTRACE_CONT : PTRACE_SYSCALL, 0);
		return true;
	}
	if (due || !notes || !notes->open || !q->on || tl->sharers.n || !has_trapped(t) ||
	    ckpt_quick_drain(tl) || q->failed || t->thread->unlogged)
		return false;
	reset(q, notes);
	ckpt_quick_know_files(tl, &q->files, notes);
	ckpt_resume(t, PTRACE_CONT, 0);
	return true;
}

/* A stop amid our code becomes one of the program's own. */
static int leave_code(struct ckpt_task *t, struct ckpt_quick_notes *notes,
		      enum ckpt_quick_stop *ret)
{
	const bool behind = ckpt_regs(t)->rip == address_of(ckpt_quick_code_call) + 2;
	const bool trapped = has_trapped(t);
	int err;

	if (behind && ckpt_interrupted((int64_t)ckpt_regs(t)->rax)) {
		*ret = CKPT_QUICK_INTERRUPTED;
		return 0;
	}
	if (!is_amid(t, ckpt_regs(t)->rip))
		return 0;
	err = ckpt_step_while(t, goes_on, MOST_STEPS);
	if (err)
		return err;
	if (is_before(ckpt_regs(t)->rip)) {
		go_back(t, notes);
		return 0;
	}
	be_behind(t, notes, behind);
	if (trapped) { /* else there is another reason */
		t->state = t->stop.state = CKPT_EXIT;
		*ret = CKPT_QUICK_BEHIND;
	}
	return 0;
}

int ckpt_quick_stopped(struct ckpt_task *t, enum ckpt_quick_stop *ret)
{
	struct ckpt_quick *q = t->timeline->quick;
	struct ckpt_quick_notes *notes = ckpt_quick_notes(t->timeline);
	const uint64_t real = address_of(ckpt_quick_code_real) + 2;
	const uint8_t *s;
	int err, failed;
	bool early, again;

	*ret = CKPT_QUICK_NOTHING;
	if (!q || !q->ready || q->impossible || !notes)
		return 0;
	notes->open = 0;
	if (t->state == CKPT_DEAD) { /* what it has done counts */
		if (drain(t, notes))
			ckpt_ring_failed(t->timeline, -EFAULT);
		return 0;
	}
	s = selector(t, notes);
	early = s && *s == BLOCK && is_refused(t);
	again = early || was_refused(t);
	if (!early)
		set_selector(t, notes, ALLOW);
	if (early) {
		; /* that signal comes next */
	} else if (t->state == CKPT_ENTRY || t->state == CKPT_EXIT || t->state == CKPT_SECCOMP) {
		if (t->stop.ip == real)
			pretend(t, notes);
	} else if (!again) {
		err = leave_code(t, notes, ret);
		if (err)
			return err;
	}
	q->done += (unsigned int)(ckpt_clock_noted(t->timeline) / READS);
	failed = q->failed ? q->failed : drain(t, notes);
	reset(q, notes);
	q->failed = 0;
	if (failed)
		ckpt_ring_failed(t->timeline, failed);
	if ((again && !early) || *ret == CKPT_QUICK_INTERRUPTED)
		be_interrupted(t, notes);
	if (!ckpt_quick_notes(t->timeline)) /* for good, that call said so */
		ckpt_quick_off(t);
	if (again)
		*ret = CKPT_QUICK_AGAIN;
	if (early)
		return 0;
	if (again)
		count_other(q);
	/* Where a signal or the clock stops it, others may look at its code, and step in it. */
	if (!q->on || (!again && (t->state == CKPT_SIGNAL || t->state == CKPT_EVENT)))
		ckpt_quick_off(t);
	return 0;
}
