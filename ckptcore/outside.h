/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a program has outside of its memory at a point of a timeline, as far as
 * a copy that is to go on for real must get it again: descriptors, folder,
 * timers, children and so on. The recorder keeps it up to date call by call,
 * each snapshot has a copy; from there on the log tells, see the table in
 * outside.c. Where only the moment of a call shows something (the path of a
 * file), the recorder puts it into the log as a note.
 */
#ifndef CKPT_OUTSIDE_H
#define CKPT_OUTSIDE_H

#include <sys/time.h>

#include "ckptcore/internal.h"

/* One descriptor. */
struct ckpt_file {
	int fd;
	uint32_t mode;	   /* as of stat: its kind */
	uint32_t flags;	   /* O_ ..., O_CLOEXEC too */
	uint32_t same;	   /* those with one number share offset and flags */
	uint64_t dev, ino; /* pipes: the same at both ends */
	uint64_t offset;   /* pipes: bytes that went through this end */
	bool made;	   /* a pipe that the program made itself */
	char path[232];	   /* absolute, or as /proc words it: "socket:[123]" */
};

#define CKPT_CHILDREN 64

struct ckpt_outside {
	struct ckpt_file *files; /* by descriptor */
	size_t n, room;
	uint32_t next_same;
	char folder[256];
	int umask; /* -1: the copy has it */
	uint64_t robust, robust_len, clear_tid;
	struct itimerval timers[3];
	double armed[3];      /* recorder: when; then the rest of the time is known */
	unsigned int ptimers; /* by timer_create */
	bool shares_memory;   /* with others, or with files */
	bool forked;	      /* so a child may have moved an offset */
	pid_t children[CKPT_CHILDREN];
	size_t nchildren;
};

/* What t, which stands outside of calls, has now, as far as /proc tells. */
int ckpt_outside_capture(struct ckpt_task *t, struct ckpt_outside *ret) __must_check;
/* The same again, for what the log doesn't tell (an exec): keeps the rest. */
int ckpt_outside_refresh(struct ckpt_task *t, struct ckpt_outside *o) __must_check;
/* A copy as of now; NULL: no memory. ckpt_outside_free() takes NULL. */
struct ckpt_outside *ckpt_outside_copy(const struct ckpt_outside *o);
void ckpt_outside_free(struct ckpt_outside *o);

/* Recorder: notes about the call that t has just ended, the newest event, and
 * what follows from it for tl->outside. 1: only a snapshot can tell that. */
int ckpt_outside_record(struct ckpt_timeline *tl, struct ckpt_task *t) __must_check;
/* The snapshot has just been taken of the live process. */
void ckpt_outside_pin(struct ckpt_timeline *tl, struct ckpt_snap *s);

/* What the program had after `event' events, which lie in interval i; *ret is
 * the caller's. */
int ckpt_outside_at(struct ckpt_timeline *tl, size_t i, uint64_t event,
		    struct ckpt_outside **ret) __must_check;

#endif
