/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a program has outside of its memory at a point of a timeline, as far as
 * a copy that is to go on for real must get it again: descriptors, folder,
 * timers, children and so on. The recorder keeps it up to date call by call,
 * each snapshot has a copy; from there on the log tells, see the table in
 * effects.c. Where only the moment of a call shows something (the path of a
 * file), the recorder puts it into the log as a note.
 */
#ifndef CKPT_OUTSIDE_H
#define CKPT_OUTSIDE_H

#include <sys/resource.h>
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
#define CKPT_GROUPS 64

/* As whom and how a process runs. A copy has it from the process as of its snapshot. */
struct ckpt_rights {
	uint32_t uid[4], gid[4]; /* real, effective, saved, of files */
	uint32_t groups[CKPT_GROUPS];
	size_t ngroups;
	struct rlimit limits[RLIM_NLIMITS];
	int nice, policy, priority;
};

/* A descriptor that stands elsewhere than its calls tell: a child has used it. */
struct ckpt_moved {
	int fd;
	uint64_t offset;
};

struct ckpt_outside {
	struct ckpt_file *files; /* by descriptor */
	size_t n, room;
	uint32_t next_same;
	char folder[4096];
	int umask; /* -1: the copy has it */
	struct ckpt_rights rights;
	bool rights_known; /* else the copy has them */
	/* Threads as the program numbers them. A branch goes on with the first one
	 * alone, so only what the kernel keeps for that one counts: */
	pid_t first, turn; /* turn: who makes the next call */
	uint64_t robust, robust_len, clear_tid;
	struct itimerval timers[3]; /* what is left of them ... */
	double armed[3];	    /* ... at this moment of their clocks */
	unsigned int ptimers;	    /* by timer_create */
	bool shares_memory;	    /* writable, with others or with files */
	bool maps_shared;	    /* the same, maybe read-only so far */
	bool forked;		    /* so a child may have moved an offset */
	pid_t children[CKPT_CHILDREN];
	size_t nchildren;
};

/* What t, which stands outside of calls, has now, as far as /proc tells. */
int ckpt_outside_capture(struct ckpt_task *t, struct ckpt_outside *ret) __must_check;
/* The same again, for what the log doesn't tell (an exec): keeps the rest. */
int ckpt_outside_refresh(struct ckpt_task *t, struct ckpt_outside *o) __must_check;
/* The same for a process that has just executed another program. */
void ckpt_outside_exec(struct ckpt_task *t, struct ckpt_outside *o);
/* NULL: no memory. ckpt_outside_free() takes NULL. */
struct ckpt_outside *ckpt_outside_copy(const struct ckpt_outside *o);
void ckpt_outside_free(struct ckpt_outside *o);

/* The clock of an interval timer of process pid, in seconds. */
double ckpt_outside_clock(pid_t pid, int which);
/* Sets timers to what is left of them now, where pid is the process. */
void ckpt_outside_age(struct ckpt_outside *o, pid_t pid);

/* rights.c. -E2BIG: too many groups. */
int ckpt_rights_read(pid_t pid, struct ckpt_rights *ret) __must_check;
/* Gives them to p, in whose memory `at' is room. Last: afterwards it may do less. */
long ckpt_rights_give(struct ckpt_task *p, uint64_t at,
		      const struct ckpt_rights *want) __must_check;

/* Parts for effects.c. */
struct ckpt_file *ckpt_outside_find(const struct ckpt_outside *o, int fd);
int ckpt_outside_add(struct ckpt_outside *o, const struct ckpt_file *file) __must_check;
void ckpt_outside_remove(struct ckpt_outside *o, int fd);
/* The folder / how memory is shared, as of now. */
void ckpt_outside_folder(struct ckpt_task *t, struct ckpt_outside *o);
void ckpt_outside_maps(struct ckpt_task *t, struct ckpt_outside *o);
/* What descriptor fd of process pid is now; ret->same is not set. -ENOENT: it
 * isn't open. */
int ckpt_outside_file(pid_t pid, int fd, struct ckpt_file *ret) __must_check;
/* Which of n other descriptors is the same open file as *f; NULL: none. */
const struct ckpt_file *ckpt_outside_twin(const struct ckpt_file *files, size_t n, pid_t pid,
					  const struct ckpt_file *f);
/* Which files of o have moved without it; ret has room for all. */
size_t ckpt_outside_moved(struct ckpt_task *t, const struct ckpt_outside *o,
			  struct ckpt_moved *ret);
/* All descriptors of the open file of fd stand there. */
void ckpt_outside_place(struct ckpt_outside *o, int fd, uint64_t offset);

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
