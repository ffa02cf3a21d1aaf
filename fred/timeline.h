/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The timeline of the debugger's target: who plays it now, the live process or
 * a puppet; going forward out of the past; and transplants, by which the
 * debugger comes to stand elsewhere in time.
 */
#ifndef FRED_TIMELINE_H
#define FRED_TIMELINE_H

#include <json-c/json.h>

#include "ckptcore/record.h"
#include "ckptcore/replay.h"
#include "fred/processes.h"
#include "ptrace-plugin/vpt.h"

/* What the debugger is told when it arrives. */
enum fred_arrival {
	FRED_ARRIVE_STEP,	/* the end of a step */
	FRED_ARRIVE_BREAKPOINT, /* an int3 of its own, if it has one there */
	/* see catches.h: */
	FRED_ARRIVE_FORK,   /* the event of a fork, behind which that is */
	FRED_ARRIVE_CALL,   /* the entry of a system call */
	FRED_ARRIVE_RETURN, /* its end */
	FRED_ARRIVE_SIGNAL, /* a signal that comes there */
	FRED_ARRIVE_EXEC,   /* the event of an exec */
	FRED_ARRIVE_WATCH,  /* its debug register for watch_addr struck */
};

/* What the user does to the puppet that plays. */
enum fred_taint {
	FRED_CLEAN,
	FRED_CHANGED, /* registers or memory are not those of the past */
	FRED_CALLING, /* ... and functions were called from the debugger, and may run */
};

/* What fred knows of a process that is recorded. */
struct fred_timeline {
	struct ckpt_timeline *tl; /* NULL: nothing was recorded yet */
	struct vpt_thread *vt;	  /* NULL: the debugger has no process */
	struct vpt_debugger *debugger;
	pid_t tid;	       /* virtual number of the target */
	struct ckpt_task *now; /* its player: tl->live or a puppet; NULL: ended */
	/* A point found, not arrived at yet: */
	struct ckpt_task *staged; /* tl->live or a puppet */
	enum fred_arrival arrival, met;
	uint64_t watch_addr;	  /* ARRIVE_WATCH: what changed */
	bool landing;		  /* the next resume arrives there */
	bool other_program;	  /* ... by way of an exec event, as the debugger
					 * must read another program's symbols */
	bool arriving;		  /* that was reported; the arrival follows */
	bool peeking;		  /* the staged one plays, unannounced */
	struct ckpt_task *origin; /* peeking: who played */
	enum fred_taint taint;
	bool call_interrupted;	 /* ^C has ended a function that the debugger had called */
	struct ckpt_task *clean; /* unless CLEAN: the puppet as it was */
	struct ckpt_task *kept;	 /* CALLING: the puppet as the user has changed it; or NULL */
	bool said_unchangeable;	 /* that the past can't be changed */
	bool key_stays;		 /* ^C waits for the live process and couldn't be taken away */
	unsigned long vforked; /* the child of which the debugger was told that it is on its own */
	bool tell_forks;       /* the debugger catches forks of the past, see forks.c */
	bool amid_fork;	       /* ... and was told of one behind whose call `now' stands, as yet */
	bool ends_call;	       /* it is about to be told the end of a call ... */
	uint64_t ended_call;   /* ... of this number */
	pid_t past_vfork;      /* a thread whose child isn't on its own yet, as it knows */
	bool interrupted;      /* the debugger has passed ^C on to a puppet */
	bool live_follows;     /* the live process goes on when all its threads are known */
	bool others_stand; /* in it, though they run for the debugger: it came to play by a stop */
	bool told_to_stop; /* the live process: by the debugger's SIGSTOP, which isn't the program's */
	bool going;	   /* the debugger has resumed threads of a puppet, and may resume more */
	/* A stop that is told when the threads that appear have been: */
	struct {
		bool waits;
		pid_t tid;
		int status;
		siginfo_t siginfo;
		bool at_int3; /* of the debugger's, if it has one there */
		uint64_t dr6; /* which debug register struck: the debugger clears the real
			       * one when it sets those of a thread that appears */
	} held;
	/* After the end of a program whose leader had ended before, the debugger is given
	 * its first moment, and this is where the user looks back from: */
	struct ckpt_task *last;
	bool leaving; /* the debugger detaches, and the past stays */
	/* Its branches, and the current one: see branch.c. */
	struct fred_branch *branches, *branch;
	unsigned int last_branch;
	struct fred_timeline *next;
};

#define fred_tl (*fred_process)

extern bool fred_no_record, fred_verbose; /* as the user said */

void fred_timeline_init(bool record, bool verbose);

/* As vpt_control's. */
bool fred_timeline_resuming(struct vpt_thread *vt, int request, int sig);
struct vpt_thread *fred_timeline_attaching(pid_t tid, struct vpt_debugger *d);
bool fred_timeline_signalled(struct vpt_thread *vt, int sig);
void fred_timeline_idle(void);
void fred_timeline_tick(void);

/* The goal that is the moment where the debugger stands, and its interval. */
int fred_timeline_moment(struct ckpt_goal *goal, size_t *interval) __must_check;

/* A new puppet where p stands: a puppet, or the live process (then -EBUSY amid a call). */
int fred_timeline_copy(struct ckpt_task *p, struct ckpt_task **ret) __must_check;

/* Takes over p (or tl->live) as the point to go to; drops a former one. */
void fred_timeline_stage(struct ckpt_task *p, enum fred_arrival arrival);
void fred_timeline_unstage(void);
/* What was staged, or changed, goes. */
void fred_timeline_drop_puppet(void);
/* Lets the staged one play / the former one again, without a word to the
 * debugger, which must forget what it has cached. */
void fred_timeline_peek(bool in);

/* Whether the live process stands amid a call by such an event, PTRACE_EVENT_FORK or
 * _VFORK, as it does if a catchpoint has stopped it there. */
bool fred_timeline_is_at(int event);

/* A branch's live process plays instead of the changed puppet. */
void fred_timeline_begin_branch(struct ckpt_task *live);

/* The signal by which the live process stopped and that it hasn't got yet, or 0. */
int fred_timeline_live_signal(siginfo_t *si);

/* A restarted debugger: its thread and the puppet that plays it. NULL, NULL:
 * it has no process (the former target dies), or, if `ended' is that debugger,
 * it had seen the program's end (whose past stays). Called twice: before the
 * thread exists, with vt NULL, to give up what the former debugger had. */
void fred_timeline_replace(struct vpt_thread *vt, struct ckpt_task *puppet,
			   struct vpt_debugger *ended);

/* Bytes of memory that the copies have for themselves. */
uint64_t fred_private_memory(void);

/* Changes by the user (changes.c). */

/* Before the debugger changes a puppet that plays: keeps it as it was. True: t is such a
 * puppet. */
bool fred_timeline_changing(struct ckpt_task *t);
/* Whether a function that the debugger has called in the past, in vt's thread or in any,
 * runs, or was stopped amid. */
bool fred_timeline_calls(const struct vpt_thread *vt);
bool fred_timeline_calling(void);
/* Such a one runs on up to a stop, which is told. */
void fred_timeline_run_call(struct vpt_thread *vt, int request);
/* Meanwhile the debugger resumes vt, another thread. */
void fred_timeline_run_aside(struct vpt_thread *vt, int request);
/* Where functions have been called, and have returned: what they did goes, what the user has
 * changed himself stays. True: another puppet plays, with the same registers. */
bool fred_timeline_end_calls(void);
/* The puppet that plays is as it was: what a function called by the user left goes without
 * a word, a change by the user with one; _drop_: without. */
void fred_timeline_restore(void);
void fred_timeline_drop_changes(void);
/* Forgets what was kept for that, as another one is going to play. */
void fred_timeline_forget_changes(void);
/* Requests of the debugger's Python. */
void fred_op_call(json_object *in, json_object *out);
void fred_op_written(json_object *in, json_object *out);

/* A message for the user, once per reason and target. */
void fred_say(const char *text);

#endif
