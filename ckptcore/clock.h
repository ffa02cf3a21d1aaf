/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading the clock without a stop. The vdso's functions lead to code of ours
 * (arch/x86_64/clock_code.c) in the program, which takes the time from the kernel
 * where no tracer sees it, by the old vsyscall page, or, while calls are quick (quick.h),
 * by such a one, which is faster; and notes it in a ring. In a puppet the same code takes it from
 * there. When the ring is full or empty, or
 * the code is asked for another clock, it makes a real system call.
 *
 * The ring is memory that the live process shares with us, and private memory
 * of each copy. It is the program's only while that runs; at each stop what it has
 * noted becomes an event (CKPT_EV_CLOCK) before any other. So the order of events
 * needs no thought, and every state that is compared has an empty ring, but for
 * puppets that stand before a read.
 */
#ifndef CKPT_CLOCK_H
#define CKPT_CLOCK_H

#include "ckptcore/internal.h"

/* The code knows where these are. */
struct ckpt_ring {
	uint64_t left;	   /* so many values there is room for; a puppet: are there */
	uint64_t at;	   /* the next one's place */
	uint64_t replay;   /* a puppet's */
	int64_t monotonic; /* ns that this clock is ahead of the real time's */
	uint64_t scratch[4];
	uint64_t last[2];  /* the newest of each clock */
	uint64_t values[]; /* ns; time(): seconds */
};
#define CKPT_RING_VALUES ((CKPT_RING_SIZE - sizeof(struct ckpt_ring)) / sizeof(uint64_t))

/* A process that shares tl's memory, or its ring, may read the clock from now on:
 * its reads are calls. */
void ckpt_clock_stop(struct ckpt_timeline *tl);
/* The same for child alone, a copy of tl->live that nobody records. */
void ckpt_clock_leave(struct ckpt_task *child);
void ckpt_clock_destroy(struct ckpt_timeline *tl);
/* To be called some 100 times a second: somebody may set the clock. */
void ckpt_clock_tick(struct ckpt_timeline *tl);
/* The live process runs from now on / has made a call, which is an event. */
void ckpt_clock_arm(struct ckpt_timeline *tl);
void ckpt_clock_called(struct ckpt_timeline *tl);
/* The first so many values of the ring become an event, if they are none yet. -EFAULT: they
 * can't be what the code has noted. */
int ckpt_clock_log(struct ckpt_timeline *tl, uint64_t end) __must_check;
/* So many of the ring's values aren't events yet. */
uint64_t ckpt_clock_noted(const struct ckpt_timeline *tl);
/* Whether t's call is one that the code makes as the ring is full. */
bool ckpt_clock_is_full(const struct ckpt_task *t);
/* All that are there. */
int ckpt_clock_log_all(struct ckpt_timeline *tl) __must_check;
/* quick.c's part of the memory that the live process shares with us; NULL: there is none, or
 * its reads are calls. */
struct ckpt_quick_notes *ckpt_quick_notes(const struct ckpt_timeline *tl);
/* What the program has noted there can't be logged: ends the recording. */
void ckpt_ring_failed(struct ckpt_timeline *tl, int err);
/* t, whose turn it is, has stopped. When that is amid the code, after an instruction
 * or by something from outside, has it finished; and logs what was read. -ESRCH: it died. */
int ckpt_clock_stopped(struct ckpt_task *t) __must_check;
/* It goes on to its death by a signal, of which a core file may remain: that won't show us. */
void ckpt_clock_end(struct ckpt_task *t);
/* Whether addr is of the code, but for its call: no place to stop at. */
bool ckpt_clock_covers(const struct ckpt_task *t, uint64_t addr);
/* Whether t is amid the code; has that finished, watchpoints may strike. */
bool ckpt_clock_amid(struct ckpt_task *t);
int ckpt_clock_finish(struct ckpt_task *t) __must_check;
/* Gives puppet p what an event of this kind says. */
int ckpt_clock_give(struct ckpt_task *p, const struct ckpt_event *ev) __must_check;
/* How many values of its ring t hasn't taken. */
uint64_t ckpt_clock_left(struct ckpt_task *t);

#endif
