/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Puppets: copies of the target that run again what was recorded, with probes
 * in their code. Everything here is synchronous: a puppet runs only inside of
 * ckpt_puppet_run() and ckpt_puppet_step().
 */
#ifndef CKPT_REPLAY_H
#define CKPT_REPLAY_H

#include "ckptcore/arch/x86_64/probe_code.h"
#include "ckptcore/internal.h"

/* The registers that programs compute with, in the processor's numbering. */
struct ckpt_general {
	uint64_t r[16];
	uint64_t rip, eflags, fs_base, gs_base;
};

struct ckpt_general ckpt_general_of(const struct user_regs_struct *r);
/* Whether the debugger, since t had the registers *before, has made t call a
 * function: on top of the stack is a return address with an int3 at it. */
bool ckpt_call_was_pushed(struct ckpt_task *t, const struct ckpt_general *before);
/* Whether a's registers are *ref and its extended state is b's. */
bool ckpt_same_registers(struct ckpt_task *a, struct ckpt_task *b, const struct ckpt_general *ref);
/* Whether the writable memory of a and b is equal but for the debugger's
 * bytes; else *where is a word that differs (or 0). */
bool ckpt_same_memory(struct ckpt_task *a, struct ckpt_task *b, const struct ckpt_overlay *o,
		      uint64_t *where);

/*
 * Where a puppet stands. Its threads take turns as they did then: the puppet's
 * task is always the one whose turn it is.
 */
struct ckpt_play {
	struct ckpt_task **others; /* stopped, until their turns */
	size_t nothers, others_room;
	struct ckpt_task **spare; /* whose threads have ended */
	size_t nspare, spare_room;
	bool ended;	 /* the thread has; the next event is a turn */
	size_t interval; /* index of its snapshot */
	uint64_t event;	 /* events it has been given */
	bool reads;	 /* ... among them reads of the clock, since its last call */
	uint64_t moves;	 /* how often it was run or stepped */
	int sig;	 /* to be delivered when it goes on */
	siginfo_t siginfo;
	bool told;	      /* ... or as the next event: and the debugger knows */
	siginfo_t stopped_by; /* SIGNAL, TRAP halts: the stop's, as the kernel gave it */
	struct ckpt_probes *probes;
	uint64_t at_site;   /* stopped there ... */
	int at_rule;	    /* ... by this rule */
	uint64_t step_over; /* int3 probe whose instruction must be stepped */
};

/* The registers of a stopped task, without the debugger's traces: behind an
 * int3 of its own the program has not executed the instruction yet. */
struct ckpt_general ckpt_canonical(struct ckpt_task *t);

/* The end of an interval. */
struct ckpt_goal {
	uint64_t event;
	enum ckpt_end how;
	struct ckpt_task *ref; /* MATCH: whose state */
	struct ckpt_general regs;
};

/* Fills the goal of interval i. The live target must be stopped. */
void ckpt_goal_of(struct ckpt_timeline *tl, size_t i, struct ckpt_goal *ret);
/* Whether p has come to a goal by its last event alone: a signal is delivered there, so
 * that no instruction is run at it. */
bool ckpt_goal_is_delivery(const struct ckpt_goal *goal, struct ckpt_task *p);

/* A fresh copy of the snapshot that begins interval i, stopped there. */
int ckpt_puppet_create(struct ckpt_timeline *tl, size_t i, struct ckpt_task **ret) __must_check;
/* A copy of a puppet that has no probes, at the same point. */
int ckpt_puppet_clone(struct ckpt_task *p, struct ckpt_task **ret) __must_check;
/*
 * A copy of its process, to be made a real one, with its threads as the program
 * has them: `leader', whoever plays it in p, leads. *tasks_ret: room for them all.
 */
int ckpt_puppet_incarnate(struct ckpt_task *p, pid_t leader,
			  struct ckpt_task **tasks_ret) __must_check;
/* Takes NULL. */
void ckpt_puppet_destroy(struct ckpt_task *p);
/* What is to be known of the other threads of p; *ret is the caller's. */
struct ckpt_threads;
int ckpt_puppet_save(struct ckpt_task *p, struct ckpt_threads **ret) __must_check;
/* The thread of a puppet that the program knows as vtid, or NULL. */
struct ckpt_task *ckpt_puppet_thread(struct ckpt_task *p, pid_t vtid);
/* Memory that is watched in `from' is watched in the thread `to' as well. */
void ckpt_watch_alike(struct ckpt_task *from, struct ckpt_task *to);

enum ckpt_halt {
	CKPT_HALT_PROBE,    /* a rule's cell came to 0 */
	CKPT_HALT_GOAL,	    /* the interval's end */
	CKPT_HALT_EXIT,	    /* the program's end (the goal, too) */
	CKPT_HALT_EVENT,    /* as many events as wished */
	CKPT_HALT_TURN,	    /* it became the wished thread's turn */
	CKPT_HALT_CALL,	    /* stops at calls were wished */
	CKPT_HALT_STEP,	    /* the step is done */
	CKPT_HALT_DELIVERY, /* before a signal is delivered, if that was wished */
	CKPT_HALT_TRAP,	    /* a debug register struck, or, if that was wished, an int3 of
			     * the program's own */
	CKPT_HALT_SIGNAL,   /* a fault of the program's */
	CKPT_HALT_CANCELLED,
	CKPT_HALT_DIVERGED, /* it does otherwise than recorded */
	CKPT_HALT_DEAD,
};

/* One rule at one address; conditions as for probes. */
struct ckpt_rule {
	uint64_t site;
	struct probe_cond *conds; /* the caller's; copied */
	size_t nconds;
	unsigned int cell; /* index of a cell */
	bool cheap;	   /* not where it would cost a stop at each arrival */
	size_t order;	   /* internal */
};

#define CKPT_MAX_CELLS 6000
#define CKPT_NEVER (1ull << 60) /* a countdown that isn't one */

/*
 * Puts probes into a puppet that has none. Rules of equal sites are evaluated
 * in the order given. Cells: set them before running. A site that isn't mapped
 * gets its probe when the log maps it.
 */
int ckpt_probes_install(struct ckpt_task *p, const struct ckpt_rule *rules, size_t n) __must_check;
/* Takes them out; the puppet is then as if there had been none. */
void ckpt_probes_remove(struct ckpt_task *p);
int ckpt_cell_set(struct ckpt_task *p, unsigned int cell, uint64_t value);
uint64_t ckpt_cell_get(struct ckpt_task *p, unsigned int cell);

struct ckpt_run {
	/* in: */
	const struct ckpt_goal *goal;	   /* NULL: no end but the others */
	uint64_t stop_event;		   /* halt straight after so many events; 0: not */
	uint64_t arm_event;		   /* after so many events (1), or at the start ... */
	unsigned int arm_cell;		   /* ... set this cell ... */
	uint64_t arm_count;		   /* ... to this; 0: don't */
	unsigned int reset_first, reset_n; /* cells set to CKPT_NEVER at each event */
	bool calls;			   /* halt at calls' entries and exits */
	bool signals;			   /* halt before signals that weren't told */
	bool traps;			   /* halt behind int3s of the program's own */
	pid_t turn;			   /* halt when this thread's turn begins; 0: not */
	pid_t only;			   /* CELL_FREE counts in this thread only; 0: in all */
	size_t skip_rule;		   /* begin behind so many rules of the probe
					 * where it stands; 0: before all */
	bool armed, muted;		   /* internal: CELL_FREE doesn't count now ... */
	uint64_t unmuted;		   /* ... and then is this */
	/* out: */
	uint64_t site;		 /* PROBE: where ... */
	unsigned int cell;	 /* ... and which rule's cell */
	uint64_t expected_event; /* DIVERGED: which, and what was seen */
	char seen[160];
};

/*
 * Runs it until something. After HALT_PROBE the next run goes on behind the
 * rule that stopped it.
 */
enum ckpt_halt ckpt_puppet_run(struct ckpt_task *p, struct ckpt_run *run);

/* One instruction, without probes. HALT_STEP, or what came instead. */
enum ckpt_halt ckpt_puppet_step(struct ckpt_task *p, struct ckpt_run *run);
/* Gives p the events that come next before the goal and may be given early: what the kernel wrote for
 * other threads, the time. */
int ckpt_puppet_take_early(struct ckpt_task *p, const struct ckpt_goal *goal) __must_check;
/* Whether there are no others before event `until'. */
bool ckpt_puppet_only_early(const struct ckpt_task *p, uint64_t until);

/* The first cells are the legs' own. */
enum { CKPT_CELL_END, CKPT_CELL_HITS, CKPT_CELL_FREE };

/*
 * A run of p up to a goal, with rules on the way whose cells (from
 * CKPT_CELL_FREE on) the caller sets between begin and run. At the goal the
 * goal's own arrival hasn't been counted by the rules.
 */
struct ckpt_leg {
	struct ckpt_task *p;
	const struct ckpt_rule *rules; /* the caller's, as long as the leg */
	size_t n;
	struct ckpt_run run; /* run.site, run.cell: see HALT_PROBE */
	struct probe_cond conds[PROBE_MAX_CONDS];
	size_t nconds;
	bool amid;	  /* the goal is at a repeated string instruction, or amid it */
	bool counted;	  /* it may be amid the one arrived at: the rules have counted that ... */
	bool owed;	  /* ... and stopped it, so whether it is comes next */
	bool counts;	  /* arrivals: ckpt_locate() wants hits */
	uint64_t hits;	  /* at the goal: its arrivals since the event ... */
	uint32_t steps;	  /* ... and repetitions since the last */
	uint64_t differs; /* a word of memory that differed where registers were equal */
};

int ckpt_leg_begin(struct ckpt_leg *leg, struct ckpt_task *p, const struct ckpt_goal *goal,
		   const struct ckpt_rule *rules, size_t n) __must_check;
/* HALT_GOAL, HALT_EXIT, HALT_PROBE (call it again to go on), or why not. */
enum ckpt_halt ckpt_leg_run(struct ckpt_leg *leg);
/* Takes the probes out. */
void ckpt_leg_end(struct ckpt_leg *leg);

/* The position of a goal that lies in an interval. -EINTR cancelled, -EPROTO
 * it isn't there: replay differs from the record. */
int ckpt_locate(struct ckpt_timeline *tl, size_t interval, const struct ckpt_goal *goal,
		struct ckpt_pos *ret) __must_check;

/* A puppet at a position; *ret is the caller's. -EINTR cancelled, -EPROTO
 * replay diverged. */
int ckpt_goto(struct ckpt_timeline *tl, const struct ckpt_pos *pos,
	      struct ckpt_task **ret) __must_check;

/*
 * Deals with a call made in a copy that left the record (a function called by
 * the user): memory is given, output swallowed, it is told its numbers (pid: its
 * process's, as the program knows it), everything else fails (EPERM).
 */
void ckpt_foreign_call(struct ckpt_task *p, pid_t pid);

/* redo.c: makes p's recorded call again. *res: as the kernel answers. Negative errno. */
int ckpt_redo(struct ckpt_task *p, const struct ckpt_event *ev, long *res) __must_check;
/* p is at an rt_sigreturn, which takes registers and mask from the stack: it must
 * really run. -ESRCH: it died. */
int ckpt_redo_sigreturn(struct ckpt_task *p) __must_check;

#endif
