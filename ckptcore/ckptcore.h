/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ckptcore: the engine. It is the one real ptrace tracer of every process of a
 * session, takes snapshots of stopped processes by making them fork, restarts
 * those, records what a live target gets from outside and plays it back to
 * copies ("puppets").
 *
 * It knows processes, memory and time; neither the debugger nor the user.
 * Everything here runs on one thread, the tracer thread: nothing else may
 * touch ptrace (the kernel ties a tracee to the thread that seized it).
 *
 * Conventions: functions that can fail return 0 or a negative errno.
 */
#ifndef CKPTCORE_H
#define CKPTCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/user.h>

#ifndef __must_check
#define __must_check __attribute__((warn_unused_result))
#endif

/* ------------------------------------------------------------------ tasks */

/*
 * What a real task does right now, as far as its tracer knows. Exactly one of
 * these; every ptrace request that the engine makes is legal in the state that
 * the task is in.
 */
enum ckpt_state {
	CKPT_NEW,     /* forked, its first stop was not seen yet */
	CKPT_RUNNING, /* resumed by us */
	CKPT_ENTRY,   /* system-call-entry stop */
	CKPT_EXIT,    /* system-call-exit stop */
	CKPT_SECCOMP, /* seccomp stop: before a call that the filter selects */
	CKPT_SIGNAL,  /* signal-delivery stop; also single steps and int3 */
	CKPT_EVENT,   /* fork, exec ... event, or the first stop of a task */
	CKPT_GROUP,   /* group stop (SIGSTOP, SIGTSTP ...) */
	CKPT_PARKED,  /* a snapshot's copy: never runs its program */
	CKPT_DEAD,    /* reaped by us */
};

#define CKPT_CALL_32_BIT 0x20000000

/* One stop of a task, decoded from its wait status. */
struct ckpt_stop {
	enum ckpt_state state;
	int status;	   /* as waitpid gave it */
	int sig;	   /* SIGNAL and GROUP: the signal */
	int event;	   /* EVENT: PTRACE_EVENT_* */
	unsigned long msg; /* EVENT: the event message */
	long nr;	   /* ENTRY, SECCOMP: number of the call; by int $0x80:
			    * with CKPT_CALL_32_BIT, which no table has */
	uint64_t args[6];  /* ENTRY, SECCOMP */
	int64_t rval;	   /* EXIT: result */
	uint64_t ip;	   /* ENTRY, SECCOMP, EXIT: address behind the call */
};

struct ckpt_task;

/* Who acts on the stops of a task. */
struct ckpt_task_ops {
	const char *name;
	/* The task stopped or died (stop->state CKPT_DEAD). */
	void (*stopped)(struct ckpt_task *t, const struct ckpt_stop *stop);
	/*
	 * t made child (fork, vfork, clone; not injected). t->stop tells which.
	 * child may not have stopped for the first time yet.
	 */
	void (*forked)(struct ckpt_task *t, struct ckpt_task *child, int event);
};

struct ckpt_timeline;

#define CKPT_EXEC_PAGES 32
#define CKPT_MAX_PLUGINS 8

/* A real task (thread). The virtual thread it plays is somebody else's. */
struct ckpt_task {
	pid_t tid, tgid; /* real numbers */
	pid_t parent;	 /* tgid of the real process that forked it */
	pid_t vtid;	 /* copies: the thread of the target that it plays */
	enum ckpt_state state;
	struct ckpt_stop stop; /* the last one */
	const struct ckpt_task_ops *ops;
	void *owner;			/* belongs to ops */
	struct ckpt_play *play;		/* puppets: where in the log it stands */
	struct ckpt_timeline *timeline; /* of a recorded target or its copies */
	uint64_t syscall_ip;		/* address of "syscall; int3", 0: unknown */
	bool int3_after;		/* ... and whether an int3 follows there */
	uint64_t clock_code;		/* where it reads the clock, see clock.h; 0: by calls */
	uint64_t near_code;		/* room near its libraries, see quick.h, or 0 */
	bool no_exitkill;		/* was attached: outlives us */
	bool fresh;			/* first stop not dispatched yet */
	bool untold;			/* its ops haven't heard of its death yet */
	bool tsc_trapped;		/* its rdtsc faults, see ckpt_trap_tsc() */
	int cuts;			/* so many stops may yet follow on our last interrupt */
	bool drop_stop;			/* a SIGSTOP that nobody waits for is pending */
	int request;			/* targets: how the debugger resumed it last */
	struct ckpt_thread *thread;	/* of the live target: see turns.h */
	bool in_call;			/* targets: between a call's entry and its end */
	bool trap_blocked;		/* puppets: the program blocks SIGTRAP */
	/* Puppets: behind the call at which its turn has ended, amid which it stands; 0: none. */
	uint64_t waits_behind;
	bool shown;	    /* puppets: its call was reported, not answered yet */
	uint64_t called;    /* puppets: the stack behind the return of a function that the
			     * debugger has called in this thread, or 0 */
	bool stepped_aside; /* puppets: it was stepped while one ran in another thread */
	bool shares_core;   /* see ckpt_affinity_share(); it hasn't chosen others itself */
	bool ours;	    /* a copy: a child of fred, without descriptors */
	int mem_fd;	    /* /proc/TID/mem or -1 */
	uint64_t exec_pages[CKPT_EXEC_PAGES]; /* known to be executable, by their low bits */
	void *plugin_state[CKPT_MAX_PLUGINS]; /* parked debuggers: see plugin.h */
	bool regs_valid, regs_dirty;
	struct user_regs_struct regs_cache;
	struct ckpt_task *next, *next_of_all; /* hash chain; all tasks */
};

/* Sets the engine up. Makes the calling thread the tracer thread and the
 * process a subreaper. */
int ckpt_init(void) __must_check;

/* The tracer chooses a core for itself and for those who come to share it. */
void ckpt_affinity_init(void);
void ckpt_affinity_share(struct ckpt_task *t);
/* t, which has them from that one, or itself, gets its cores back. */
void ckpt_affinity_free(struct ckpt_task *t, const struct ckpt_task *from);
/* The clock has struck. If we, the debugger and the target (0: none) have to wait for the core too often, we and
 * all who share it move to another one, should there be an idle one. */
void ckpt_affinity_tick(pid_t debugger, pid_t target);

/*
 * Seizes tid, a thread of process tgid that isn't traced yet.
 * @ops: who acts on its stops. @kill: whether it dies with us.
 * The task is running; use ckpt_interrupt() to have it stop.
 */
int ckpt_seize(pid_t tid, pid_t tgid, const struct ckpt_task_ops *ops, bool kill,
	       struct ckpt_task **ret) __must_check;

/* Lets a stopped task go for good. Frees t. */
void ckpt_detach(struct ckpt_task *t, int sig);

struct ckpt_task *ckpt_find(pid_t tid);

/* Gives the first stop of a child to its ops when it came before its parent's
 * event. The last thing that a forked() hook does. */
void ckpt_first_stop(struct ckpt_task *child);

/* Calls fn for every task; fn may not free any. */
void ckpt_each_task(void (*fn)(struct ckpt_task *t, void *arg), void *arg);

/* The number by which the program knows a thread. */
static inline pid_t ckpt_vtid(const struct ckpt_task *t)
{
	return t->vtid ? t->vtid : t->tid;
}

/* Exchanges whom two threads of a puppet stand for: a's struct is b's thread
 * afterwards, and the other way round. */
void ckpt_task_swap(struct ckpt_task *a, struct ckpt_task *b);

/* Frees the record of a task that is dead. */
void ckpt_forget(struct ckpt_task *t);

/* Kills the process of t (any state), waits until it is gone, frees t. */
void ckpt_kill(struct ckpt_task *t);

/* Kills a process with all its threads, waits until it is gone, frees its tasks. */
void ckpt_kill_process(pid_t tgid);

/*
 * Resumes a stopped task.
 * @request: PTRACE_CONT, PTRACE_SYSCALL, PTRACE_SINGLESTEP, PTRACE_SYSEMU,
 *	PTRACE_SYSEMU_SINGLESTEP or PTRACE_LISTEN
 * @sig: signal to deliver or 0
 * -ESRCH: it was killed meanwhile; its death will be reported as usual.
 */
int ckpt_resume(struct ckpt_task *t, int request, int sig);

/* Makes a running task stop soon with a PTRACE_EVENT_STOP. */
int ckpt_interrupt(struct ckpt_task *t);

/*
 * Waits for the next stop of this task only. *stop is also t->stop.
 * -EINTR when a signal came and the task still runs; -ECHILD never.
 */
int ckpt_wait(struct ckpt_task *t, struct ckpt_stop *stop) __must_check;

/* For handlers of signals: the ckpt_wait_any() that goes on, or the next one, ends with -EINTR. */
void ckpt_wake(void);

/* The same up to a deadline in terms of ckpt_now(): -EBUSY, and it still runs. */
int ckpt_wait_until(struct ckpt_task *t, struct ckpt_stop *stop, double deadline) __must_check;

/*
 * Waits for a stop of any task and hands it to its ops. Returns 0, -EINTR
 * after a signal of our own, or -ECHILD when there is nothing to wait for.
 */
int ckpt_wait_any(void) __must_check;
/*
 * t, running, will most likely be the next to stop, or a thread of its process:
 * ckpt_wait_any() waits for these alone, which costs the same however many copies
 * there are (with several threads, nearly so), when no other process but a debugger
 * is there. Others are looked at every now and then. Holds until somebody else
 * stops or a signal comes: the tracer has a clock. @soon: false: its call may sleep,
 * or others run, and they are waited for only if for some time nobody else has stopped.
 */
void ckpt_expect(struct ckpt_task *t, bool soon);
/* The same, without waiting: -EAGAIN when nothing has happened. */
int ckpt_poll_any(void) __must_check;

/* The registers of a stopped task; cached, written back at the next resume
 * when ckpt_regs_dirty() was called. Valid until then. */
struct user_regs_struct *ckpt_regs(struct ckpt_task *t);
void ckpt_regs_dirty(struct ckpt_task *t);
/* Writes changed registers back now. */
void ckpt_regs_flush(struct ckpt_task *t);

/* Sets the result of the call that t stands before (SECCOMP, ENTRY) or after
 * (EXIT); before: the kernel then skips the call. */
void ckpt_set_result(struct ckpt_task *t, long result);

/* Extended state (FPU, SSE, AVX ...) of a stopped task, in XSAVE format.
 * *len: room, then length. */
int ckpt_get_xstate(struct ckpt_task *t, void *buf, size_t *len) __must_check;
int ckpt_set_xstate(struct ckpt_task *t, const void *buf, size_t len) __must_check;
#define CKPT_XSTATE_MAX 16384

/* ----------------------------------------------------------------- memory */

/* Reads len bytes; -EFAULT when not all of it is there. */
int ckpt_read(struct ckpt_task *t, uint64_t addr, void *buf, size_t len) __must_check;
/* Writes, also into pages that the program may not write. */
int ckpt_write(struct ckpt_task *t, uint64_t addr, const void *buf, size_t len) __must_check;
/* Reads as much as there is; bytes or -errno. */
ssize_t ckpt_read_some(struct ckpt_task *t, uint64_t addr, void *buf, size_t len);
/* Reads a string of at most size - 1 bytes. */
int ckpt_read_string(struct ckpt_task *t, uint64_t addr, char *buf, size_t size) __must_check;

/* Where we have memory of our own in the target and its copies. */
#define CKPT_OURS_LO 0x7e9000000000ull
#define CKPT_OURS_HI (CKPT_OURS_LO + 0x5b000)

/* One line of /proc/PID/maps. */
struct ckpt_map {
	uint64_t lo, hi, offset, inode;
	unsigned int major, minor;
	bool r, w, x, shared;
	char name[64]; /* cut; "[stack]", "[vdso]" ... fit */
};

/* Reads the maps of a process. *ret is the caller's to free(). */
int ckpt_maps(pid_t pid, struct ckpt_map **ret, size_t *n) __must_check;

/* -------------------------------------------------------------------- /proc */

#define CKPT_PROC_SIZE 4096 /* enough for a `status' */

/* Reads /proc/PID/FILE, also of a thread, as a string of at most size - 1 bytes;
 * bytes or -errno (the string is empty then). */
ssize_t ckpt_proc_read(pid_t pid, const char *file, char *buf, size_t size);
/* What the link /proc/PID/FILE says, likewise; -ENAMETOOLONG: not all of it fits. */
ssize_t ckpt_proc_link(pid_t pid, const char *file, char *buf, size_t size);
/* The number behind "NAME:" in such a text, in a base (0: as written); 0: none. */
uint64_t ckpt_proc_field(const char *text, const char *name, int base);
/* Both at once. */
uint64_t ckpt_proc_number(pid_t pid, const char *file, const char *name, int base);
/* Where descriptor fd of a process stands, and its flags (O_ ...; O_CLOEXEC too).
 * -ENOENT: it isn't open. */
int ckpt_proc_descriptor(pid_t pid, int fd, uint64_t *offset, uint32_t *flags) __must_check;
/* The letter that says what a process or thread does: 'S' sleeps, 't' stopped, 'Z'
 * has ended ...; 'X': there is none. */
char ckpt_proc_state(pid_t tid);
/* A descriptor of ours for what is behind process pid's fd, the caller's to close(), or -1. */
int ckpt_proc_borrow(pid_t pid, int fd) __must_check;
/* Whether children of pid, and so copies of it, come to be in another process namespace than ours:
 * they would take numbers that the program sees, or lead that namespace, and all end with its first process. */
bool ckpt_has_namespace(pid_t pid);
/* Whether the process, or its main thread, has that signal still to get. */
bool ckpt_signal_waits(pid_t pid, int sig);

/* -------------------------------------------------------------- injection */

/*
 * Executes a system call in a stopped task (not one in CKPT_ENTRY, SECCOMP or
 * at an event inside a call) and leaves the task as it was: registers,
 * signal mask, pending signals. *ret: the call's result (negative errno too).
 * -ESRCH: the task died; ckpt_wait_any() will tell its ops.
 */
int ckpt_inject(struct ckpt_task *t, long *ret, long nr, uint64_t a0, uint64_t a1, uint64_t a2,
		uint64_t a3, uint64_t a4, uint64_t a5) __must_check;

/* Whether a signal by a key, such as ^C, waits for t, which is stopped. */
bool ckpt_key_waits(struct ckpt_task *t, int sig);

/* Takes a signal that waits for t away, before the program gets it. -EBUSY: t
 * isn't at a stop where that can be done. */
int ckpt_swallow(struct ckpt_task *t, int sig) __must_check;

/* Has rdtsc fault in this thread, or work. A stopped task as for
 * ckpt_inject(). What it forks starts with a working one. */
int ckpt_trap_tsc(struct ckpt_task *t, bool trap) __must_check;

/* Brings a task from CKPT_SECCOMP or CKPT_ENTRY to CKPT_EXIT without executing
 * its call; the caller sets the result or has it repeat the call. */
int ckpt_skip_call(struct ckpt_task *t) __must_check;

/*
 * Forks the process of t, with only this thread in it. The copy is a child of
 * fred, traced, stopped, has t's registers and signal mask.
 * The program can't notice: no child appears in its waits (see HACKING.md).
 * @keep: false: a target's copy: no descriptors, a process group of its own, and it
 *	dies first when memory runs out. True: a debugger's: it keeps its
 *	descriptors and its terminal.
 * @ops: for the copy's stops
 */
int ckpt_fork(struct ckpt_task *t, bool keep, const struct ckpt_task_ops *ops,
	      struct ckpt_task **ret) __must_check;

/* ------------------------------------------------------------- the overlay */

#define CKPT_TAKEN_OUT 64

/* The debugger's breakpoint bytes in a target's memory: never part of the
 * target's own state. */
struct ckpt_overlay {
	struct ckpt_poke {
		uint64_t addr;
		uint8_t original;
	} * pokes;
	size_t n, room;
	uint64_t out[CKPT_TAKEN_OUT]; /* where such were until lately; out_next: the oldest */
	size_t out_next;
};

/* Remembers / forgets a byte of the debugger's. */
int ckpt_overlay_add(struct ckpt_overlay *o, uint64_t addr, uint8_t original) __must_check;
void ckpt_overlay_delete(struct ckpt_overlay *o, uint64_t addr);
/* The byte below the debugger's; true if there is one of its at addr. */
bool ckpt_overlay_at(const struct ckpt_overlay *o, uint64_t addr, uint8_t *ret);
/* Whether the debugger has taken out the one at addr, and hasn't put it back. That it has
 * only where it steps over it, once a thread is resumed. */
bool ckpt_overlay_lacks(const struct ckpt_overlay *o, uint64_t addr);
/* Takes all of them out of a copy / puts them into it. */
void ckpt_overlay_remove(const struct ckpt_overlay *o, struct ckpt_task *t);
void ckpt_overlay_apply(struct ckpt_overlay *o, struct ckpt_task *t);
/* Forgets those in memory that was unmapped: the debugger has done so, too. */
void ckpt_overlay_forget(struct ckpt_overlay *o, uint64_t addr, uint64_t len);
/* Undoes the overlay's bytes in what was read from [addr, addr + len). */
void ckpt_overlay_mask(const struct ckpt_overlay *o, uint64_t addr, uint8_t *buf, size_t len);
/* The first bytes, without the overlay's, of the instruction that t makes next; zeros if there
 * is none. */
void ckpt_overlay_insn(struct ckpt_task *t, uint8_t insn[2]);

/* ----------------------------------------------------- the log: timelines */

enum ckpt_event_kind {
	CKPT_EV_CALL,	/* a system call with its result and outputs */
	CKPT_EV_INSN,	/* rdtsc, rdrand or their like; result: what it gave */
	CKPT_EV_EXIT,	/* the program's end: exit_group, or its last thread's exit */
	CKPT_EV_LOST,	/* its part of the log can't be read back from disk */
	CKPT_EV_END,	/* a thread's exit; a turn follows */
	CKPT_EV_WRITE,	/* outputs of a call of a thread whose turn it isn't; result: whose */
	CKPT_EV_TURN,	/* from here on another thread runs; result: which */
	CKPT_EV_CLOCK,	/* reads of the clock up to the next one, see clock.h; result: how many */
	CKPT_EV_SIGNAL, /* a handler is called; result: the signal, outputs: its frame */
};

/* Where a TURN, or a WRITE, finds the thread that ran. */
enum ckpt_turn {
	CKPT_TURN_HERE,	   /* where it stands behind the event before */
	CKPT_TURN_AT_CALL, /* at its next call */
};

/* One event, unpacked. The log is append-only; an event's index is its name. */
struct ckpt_event {
	uint8_t kind;
	uint8_t turn;	   /* TURN, WRITE: enum ckpt_turn */
	int16_t nr;	   /* CALL, and TURN at a call: number */
	uint32_t data_len; /* outputs: { u64 addr, u64 len, bytes }... */
	int64_t result;
	uint64_t args[6]; /* CALL */
	uint64_t ip;	  /* where it happened; also a check */
	uint64_t data;	  /* offset of the outputs in the log's data */
	int file;	  /* mmap: descriptor of ours for the file, or -1 */
};

/*
 * A position: exact, comparable, independent of snapshots: the arrival of
 * execution at `addr` for the `hits`-th time after `event` events, plus `steps`
 * single steps. hits 0: straight after that event (or at the start of its
 * interval) plus steps.
 */
struct ckpt_pos {
	size_t interval; /* index of the snapshot that begins it */
	uint64_t event;
	uint64_t addr;
	uint64_t hits;
	uint32_t steps;
	bool known;
};

/* How a stretch of recorded execution ends. */
enum ckpt_end {
	CKPT_END_MATCH, /* in the state of the next snapshot or the live
				 * process, at no particular event */
	CKPT_END_EVENT, /* straight after its last event */
	CKPT_END_CALL,	/* when it makes the call after its last event:
				 * exec, vfork, exit, or a call going on */
	CKPT_END_NOW,	/* where it begins: the user changed it there */
};

/* Private memory of a process, as far as it is of no file. */
struct ckpt_memory {
	pid_t pid;
	uint64_t anon;	 /* bytes */
	uint64_t faults; /* page faults so far */
	uint64_t huge;	 /* huge pages made in the whole system so far; 0: it can't have any */
};

/*
 * A snapshot: a copy of the target that never runs, pinned to the timeline.
 * The interval that it begins ends where the next snapshot (or the live
 * process) stands, in the way that the next one's `before` says.
 */
struct ckpt_snap {
	unsigned int id;
	struct ckpt_task *copy;	     /* plays the thread whose turn it was */
	struct ckpt_threads *others; /* the other threads, or NULL */
	uint64_t event;		     /* events that had happened */
	enum ckpt_end before;	     /* how the interval before this one ends */
	bool before_dead;	     /* ... and its end isn't this state */
	bool exec;		     /* ... but that after an exec */
	bool ends_turn;		     /* a thread was preempted here, amid its code */
	struct ckpt_pos pos;	     /* where that is, once computed */
	int pins;		     /* checkpoints */
	double when;
	struct ckpt_memory then;      /* the live process's */
	uint64_t kept;		      /* bytes that the next one hasn't; see thin.c */
	struct ckpt_outside *outside; /* what the program had then, or NULL: see outside.h */
	unsigned int shared;	      /* by so many further timelines */
	unsigned int visit;	      /* when it was last counted */
	int sig;		      /* a signal to be delivered as it goes on */
	siginfo_t siginfo;
};

/* The numbers of some of the log's events, in order. */
struct ckpt_index {
	uint64_t *events;
	size_t n, room;
};

#define CKPT_SHARERS 8 /* see sharer.c */

struct ckpt_timeline {
	/* The live target: the thread whose turn it is, NULL once it is gone ... */
	struct ckpt_task *live;
	struct ckpt_task **threads; /* ... and all that are alive, in order of birth */
	size_t nthreads, threads_room;
	double turn_began;	 /* when the current one's turn did */
	double signalled;	 /* when a thread has got a signal last */
	struct ckpt_task *woken; /* one that has slept, and is to be the next soon; or NULL */
	int end_status;		 /* then: its wait status */
	bool killed;		 /* by the debugger, where the newest snapshot is */
	bool dying;		 /* of SIGKILL, and it is known where */
	bool killed_amid;	 /* ... amid its code: nobody knows exactly */
	bool recording;
	char *broken;		    /* why going back ends here, or NULL */
	struct ckpt_chunk **chunks; /* of the log, in order: log.c */
	size_t nchunks, chunks_room;
	uint64_t nevents, data_len; /* so far, those that are gone included */
	uint64_t log_begin;	    /* events before this one are gone */
	struct ckpt_index maps;	    /* the events that change mappings */
	struct ckpt_index turns;    /* ... and those that give the turn to another thread */
	struct ckpt_snap **snaps;   /* in order */
	size_t nsnaps, snaps_room;
	unsigned int next_id;
	struct ckpt_overlay overlay;
	struct ckpt_record *record;
	struct ckpt_clock *clock;     /* see clock.h, or NULL */
	struct ckpt_quick *quick;     /* see quick.h, or NULL */
	struct ckpt_shared *shared;   /* see shared.h */
	bool doubles;		      /* copies may have such: see doubles.h */
	struct ckpt_written *written; /* see written.h, or NULL */
	struct ckpt_sharers {
		pid_t pids[CKPT_SHARERS];
		size_t n;
	} sharers;		      /* children that share its memory */
	int owed, owed_fd;	      /* an error to be told by its next transfer there, or 0 */
	struct ckpt_outside *outside; /* the live process's now, or NULL */
	bool outside_stale;	      /* the next snapshot has to look anew */
	struct ckpt_identity {
		pid_t seen, real; /* of a branch's process: as the program knows it */
		pid_t parent;	  /* as it knows it */
	} self;			  /* zeros: it is what it seems */
	double last_snap;
	double snap_cost;	  /* seconds that the last snapshots cost, faults included */
	uint64_t last_kept;	  /* bytes: by the last snapshot but one */
	size_t max_snaps;	  /* fewer than the budget's after a fork failed, or 0 */
	bool truncated;		  /* the oldest part was dropped */
	bool told_thin, told_cut; /* the user was told that snapshots go / history */
	struct ckpt_timeline *next;
};

/* Event i, which is one of [log_begin, nevents). */
struct ckpt_event ckpt_log_event(struct ckpt_timeline *tl, uint64_t i);
/* The first event from i on that maps, moves or unmaps memory; nevents: none. */
uint64_t ckpt_log_next_map(const struct ckpt_timeline *tl, uint64_t i);

/* The number of the last TURN before event i; false: there is none (any more). */
bool ckpt_log_last_turn(const struct ckpt_timeline *tl, uint64_t i, uint64_t *ret);

/* Counters for fred-stats. Seconds are sums. */
struct ckpt_stats {
	uint64_t snapshots, restarts, evaluations, searches, probes, transplants;
	double snapshot_s, restart_s, evaluation_s, search_s;
	uint64_t events, dropped;
	uint64_t quick; /* calls without a stop */
};
extern struct ckpt_stats ckpt_stats;

/* CLOCK_MONOTONIC in seconds. */
double ckpt_now(void);

/* Messages of the engine to the user; set by the controller. */
extern void (*ckpt_warn)(const char *text);
/* The first n intervals are about to go: puppets in them should. Those that
 * stay keep theirs. */
extern void (*ckpt_cutting)(struct ckpt_timeline *tl, size_t n);
/* In the live target it is `to's turn, no longer `from's. */
extern void (*ckpt_turned)(struct ckpt_timeline *tl, struct ckpt_task *from, struct ckpt_task *to);
/* True when the user asked to end a search; polled by long operations. */
extern bool (*ckpt_cancelled)(void);

#endif
