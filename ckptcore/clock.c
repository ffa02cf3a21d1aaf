/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "ckptcore/arch/x86_64/clock_code.h"
#include "ckptcore/arch/x86_64/vdso.h"
#include "ckptcore/clock.h"
#include "ckptcore/inject.h"
#include "ckptcore/quick.h"
#include "ckptcore/record.h"

#define SHARED_SIZE (CKPT_RING_SIZE + CKPT_QUICK_NOTES_SIZE)
#define SAMPLES 5
#define MAX_STEPS 200 /* more than the code has instructions */

struct ckpt_clock {
	struct ckpt_ring *ring; /* the live process's */
	uint64_t room;		/* for values, until the next call */
	uint64_t logged;	/* so many of the ring's values are events already */
	bool stopped;
};

/* ------------------------------------------------------------- its conditions */

static bool has_vsyscall(void)
{
	char line[256];
	FILE *f = fopen("/proc/self/maps", "re");
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, "[vsyscall]") && strstr(line, "xp ");
	if (f)
		fclose(f);
	return found;
}

/* Where it has another monotonic clock than we, its ring would be told ours. */
static bool same_clocks(pid_t pid)
{
	char theirs[64], ours[64];

	ckpt_proc_link(pid, "ns/time", theirs, sizeof(theirs));
	ckpt_proc_link(getpid(), "ns/time", ours, sizeof(ours));
	return !strcmp(theirs, ours);
}

static bool is_possible(pid_t pid)
{
	static int has = -1;

	if (has < 0)
		has = has_vsyscall();
	return has && same_clocks(pid);
}

/* By a call: the vdso would fault here, see ckpt_tsc_forgo(). */
static int64_t read_clock(clockid_t clock)
{
	struct timespec ts = { 0 };

	syscall(SYS_clock_gettime, clock, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

/*
 * How many ns the monotonic clock is ahead, at least. That is constant until somebody
 * sets the real time, and each pair of reads narrows it; so the last answer
 * stays as long as it can be right, or the clock would jump back at times.
 */
static int64_t monotonic_ahead(int64_t last)
{
	int64_t least = INT64_MIN, most = INT64_MAX;

	for (int i = 0; i < SAMPLES; i++) {
		int64_t before = read_clock(CLOCK_MONOTONIC);
		int64_t real = read_clock(CLOCK_REALTIME);
		int64_t after = read_clock(CLOCK_MONOTONIC);

		least = before - real > least ? before - real : least;
		most = after - real < most ? after - real : most;
	}
	return last >= least - 1000 && last <= most ? last : least;
}

/* -------------------------------------------------------------------- the ring */

/* Memory that t shares with us at CKPT_RING, quick.c's too; NULL: it can't be had. */
static struct ckpt_ring *share(struct ckpt_task *t)
{
	void *ring = MAP_FAILED;
	struct ckpt_guest g;
	char path[48];
	long fd, res;
	int mine;

	if (ckpt_guest_enter(t, &g))
		return NULL;
	/* Its name is empty: any zero will do. */
	if (ckpt_guest_call(&g, &fd, SYS_memfd_create, ckpt_vdso_zero(t), MFD_CLOEXEC, 0, 0, 0, 0))
		return NULL;
	if (fd >= 0) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%ld", t->tid, fd);
		mine = open(path, O_RDWR | O_CLOEXEC);
		if (mine >= 0 && !ftruncate(mine, SHARED_SIZE))
			ring = mmap(NULL, SHARED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, mine, 0);
		if (mine >= 0)
			close(mine);
		if (ring != MAP_FAILED &&
		    (ckpt_guest_call(&g, &res, SYS_mmap, CKPT_RING, SHARED_SIZE,
				     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, (uint64_t)fd,
				     0) ||
		     res < 0)) {
			munmap(ring, SHARED_SIZE);
			ring = MAP_FAILED;
		}
		if (ckpt_guest_call(&g, &res, SYS_close, (uint64_t)fd, 0, 0, 0, 0, 0))
			return NULL;
	}
	if (ckpt_guest_leave(&g) || ring == MAP_FAILED)
		return NULL;
	return ring;
}

void ckpt_clock_start(struct ckpt_timeline *tl)
{
	struct ckpt_task *t = tl->live;
	const uint64_t none = 0;

	ckpt_clock_destroy(tl);
	if (!t->clock_code)
		return;
	/* A branch's has the code already. */
	if (!is_possible(t->tgid) || !(tl->clock = calloc(1, sizeof(*tl->clock)))) {
		ckpt_clock_leave(t);
		return;
	}
	tl->clock->ring = share(t);
	if (tl->clock->ring && !ckpt_vdso_clock(t, true)) {
		tl->clock->room = CKPT_RING_VALUES;
		ckpt_clock_tick(tl);
		return;
	}
	ckpt_clock_destroy(tl);
	if (ckpt_write(t, CKPT_RING, &none, sizeof(none)))
		ckpt_clock_leave(t);
}

void ckpt_clock_stop(struct ckpt_timeline *tl)
{
	if (tl->clock)
		tl->clock->stopped = true;
}

void ckpt_clock_leave(struct ckpt_task *child)
{
	if (child->clock_code && !ckpt_vdso_clock(child, false))
		child->clock_code = 0;
}

void ckpt_clock_end(struct ckpt_task *t)
{
	struct ckpt_timeline *tl = t->timeline;
	long res;

	if (!tl->clock)
		return;
	if (ckpt_quick_end(t))
		return; /* it died */
	ckpt_clock_leave(t);
	if (!t->clock_code &&
	    ckpt_inject(t, &res, SYS_munmap, CKPT_RING, CKPT_OURS_HI - CKPT_RING, 0, 0, 0, 0))
		return; /* it died */
	ckpt_clock_destroy(tl);
}

void ckpt_clock_destroy(struct ckpt_timeline *tl)
{
	ckpt_quick_destroy(tl);
	if (tl->clock && tl->clock->ring)
		munmap(tl->clock->ring, SHARED_SIZE);
	free(tl->clock);
	tl->clock = NULL;
}

/* ------------------------------------------------------------------- recording */

void ckpt_clock_arm(struct ckpt_timeline *tl)
{
	struct ckpt_clock *c = tl->clock;

	if (!c || c->stopped)
		return;
	c->ring->left = c->room;
}

void ckpt_clock_tick(struct ckpt_timeline *tl)
{
	if (tl->clock)
		tl->clock->ring->monotonic = monotonic_ahead(tl->clock->ring->monotonic);
}

void ckpt_clock_called(struct ckpt_timeline *tl)
{
	if (tl->clock)
		tl->clock->room = CKPT_RING_VALUES;
}

/* -------------------------------------------------------------------- the code */

bool ckpt_clock_covers(const struct ckpt_task *t, uint64_t addr)
{
	return t->clock_code &&
	       addr - t->clock_code < (uint64_t)(ckpt_clock_code_real - ckpt_clock_code);
}

bool ckpt_clock_amid(struct ckpt_task *t)
{
	const struct user_regs_struct *r;

	if (!t->clock_code)
		return false;
	r = ckpt_regs(t);
	if (ckpt_clock_covers(t, r->rip))
		return true;
	return r->rip - CKPT_VSYSCALL < CKPT_PAGE_MIN && r->rsp - CKPT_RING < CKPT_RING_SIZE;
}

#define DR6_AT offsetof(struct user, u_debugreg[6])
#define DR6_STRUCK 15ull

/* Which debug registers have struck in what is being finished. */
static uint64_t struck;

static bool goes_on(struct ckpt_task *t)
{
	struck |= (uint64_t)ptrace(PTRACE_PEEKUSER, t->tid, DR6_AT, 0L) & DR6_STRUCK;
	return ckpt_clock_amid(t);
}

int ckpt_clock_finish(struct ckpt_task *t)
{
	uint64_t dr6 = (uint64_t)ptrace(PTRACE_PEEKUSER, t->tid, DR6_AT, 0L);
	int err;

	struck = 0;
	err = ckpt_step_while(t, goes_on, MAX_STEPS);
	if (!err && struck)
		ptrace(PTRACE_POKEUSER, t->tid, DR6_AT, dr6 | struck);
	return err;
}

/* Whether t's stop has nothing to do with the instruction where it stands, or comes
 * after it: a step's or a watchpoint's. */
static bool may_go_on(struct ckpt_task *t)
{
	siginfo_t si;

	if (t->state == CKPT_EVENT)
		return t->stop.event == PTRACE_EVENT_STOP && !ckpt_fault_pending(t);
	if (t->state != CKPT_SIGNAL || ptrace(PTRACE_GETSIGINFO, t->tid, 0, &si))
		return false;
	if (si.si_signo == SIGTRAP)
		return si.si_code == TRAP_TRACE || si.si_code == TRAP_HWBKPT;
	return si.si_code <= 0 || (si.si_signo != SIGSEGV && si.si_signo != SIGBUS);
}

struct ckpt_quick_notes *ckpt_quick_notes(const struct ckpt_timeline *tl)
{
	const struct ckpt_clock *c = tl->clock;

	return c && c->ring && !c->stopped ?
		       (struct ckpt_quick_notes *)((uint8_t *)c->ring + CKPT_RING_SIZE) :
		       NULL;
}

int ckpt_clock_log(struct ckpt_timeline *tl, uint64_t end)
{
	struct ckpt_clock *c = tl->clock;
	struct ckpt_event ev = { .kind = CKPT_EV_CLOCK, .file = -1 };
	uint64_t n = end - c->logged;
	int err;

	if (!n)
		return 0;
	if (n > c->room || end > CKPT_RING_VALUES)
		return -EFAULT;
	/* A puppet is given all of them at once, up to the next call. */
	c->room -= n;
	ev.result = (int64_t)n;
	err = ckpt_log_add(tl, &ev);
	if (!err)
		err = ckpt_log_note(tl, c->ring->values + c->logged, n * sizeof(uint64_t));
	c->logged = end;
	return err;
}

uint64_t ckpt_clock_noted(const struct ckpt_timeline *tl)
{
	return tl->clock ? tl->clock->ring->at - tl->clock->logged : 0;
}

bool ckpt_clock_is_full(const struct ckpt_task *t)
{
	const struct ckpt_clock *c = t->timeline->clock;

	return c && !c->room &&
	       t->stop.ip - 2 - t->clock_code == (uint64_t)(ckpt_clock_code_real - ckpt_clock_code);
}

int ckpt_clock_log_all(struct ckpt_timeline *tl)
{
	return ckpt_clock_log(tl, tl->clock->ring->at);
}

static int drain(struct ckpt_timeline *tl)
{
	struct ckpt_clock *c = tl->clock;
	int err = ckpt_clock_log_all(tl);

	c->ring->left = c->ring->at = c->logged = 0;
	return err;
}

void ckpt_ring_failed(struct ckpt_timeline *tl, int err)
{
	ckpt_record_stop(tl, err == -EFAULT ? "the program has overwritten what fred keeps in it" :
					      "no memory for the log");
}

int ckpt_clock_stopped(struct ckpt_task *t)
{
	int err = 0, failed;

	if (t->state == CKPT_DEAD)
		return 0;
	/* To look for it costs a request; stops of calls, the most frequent ones, aren't amid. */
	if ((t->state == CKPT_SIGNAL || t->state == CKPT_EVENT) && ckpt_clock_amid(t) &&
	    may_go_on(t))
		err = ckpt_clock_finish(t);
	if (!err && (failed = drain(t->timeline)))
		ckpt_ring_failed(t->timeline, failed);
	return err;
}

/* --------------------------------------------------------------------- replay */

int ckpt_clock_give(struct ckpt_task *p, const struct ckpt_event *ev)
{
	static union {
		struct ckpt_ring ring;
		uint8_t bytes[CKPT_RING_SIZE];
	} u;
	const uint8_t *out = ckpt_log_outputs(p->timeline, ev);
	uint64_t n = (uint64_t)ev->result, left;

	if (!out || ckpt_read(p, CKPT_RING, &u.ring, sizeof(u.ring)))
		return -EIO;
	left = u.ring.left;
	if (left + n > CKPT_RING_VALUES || u.ring.at > CKPT_RING_VALUES - left ||
	    (left &&
	     ckpt_read(p, CKPT_RING + sizeof(u.ring) + u.ring.at * 8, u.ring.values, left * 8)))
		return -EIO;
	memcpy(u.ring.values + left, out + 16, n * 8);
	u.ring.at = 0;
	u.ring.left = left + n;
	u.ring.replay = 1;
	return ckpt_write(p, CKPT_RING, &u.ring, sizeof(u.ring) + u.ring.left * 8);
}

uint64_t ckpt_clock_left(struct ckpt_task *t)
{
	uint64_t left;

	return t->clock_code && !ckpt_read(t, CKPT_RING, &left, sizeof(left)) ? left : 0;
}
