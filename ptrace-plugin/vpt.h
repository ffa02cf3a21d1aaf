/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ptrace-plugin: virtual ptrace. The debugger believes that it ptraces the
 * target; really the engine does, and this layer answers the debugger's
 * ptrace, wait4, kill, memory and /proc/PID accesses. So what ptrace knows of
 * the target is plain data of ours, and the real process behind a virtual
 * thread can be exchanged under the living debugger.
 */
#ifndef VPT_H
#define VPT_H

#include "ckptcore/ckptcore.h"
#include "ptrace-plugin/facts.h"

/* The reserved system call by which commands inside the debugger reach us:
 * (const char *request, size_t len, char *reply, size_t room) -> reply's
 * length or -errno. Far beyond any number that Linux will use. */
#define VPT_COMMAND_NR 0x66726564
/* What a command returns when the caller must not be answered (yet). */
#define VPT_NO_REPLY (-100000)

enum vpt_state {
	VPT_RUNNING, /* as the debugger sees it */
	VPT_PENDING, /* stopped; no wait has returned it yet */
	VPT_STOPPED, /* stopped, and the debugger knows */
	VPT_EXITED,  /* dead; no wait has returned it yet */
};

struct vpt_debugger;

/* What the debugger knows as one thread of the target. */
struct vpt_thread {
	pid_t tid, tgid; /* virtual: those of the first incarnation */
	struct vpt_debugger *debugger;
	struct ckpt_task *task; /* who plays it now; NULL: nobody */
	enum vpt_state state;
	int status;		    /* of the stop or exit, as wait returns it */
	unsigned long options, msg; /* PTRACE_SETOPTIONS, GETEVENTMSG */
	int request;		    /* how the debugger resumed it last */
	bool siginfo_ours;	    /* siginfo below instead of the task's */
	siginfo_t siginfo;
	uint64_t dr[8]; /* debug registers as the debugger set them */
	bool dr_used;
	bool dr6_ours;	  /* DR6 reads as dr[6], not the task's */
	bool attached;	  /* by PTRACE_ATTACH, not by TRACEME */
	bool forked;	  /* its process is a tracee's child ... */
	bool shares;	  /* ... and has its memory from it, not a copy, until it execs */
	bool past_child;  /* its process is a child of the past, played by the controller */
	bool stop_wanted; /* attach or first stop: report as SIGSTOP */
	bool past_event;  /* at the event of a call whose end was not told */
	bool amid_call;	  /* stopped amid one of whose entry it wasn't told */
	bool lost;	  /* a leader that the debugger takes for ended before the others */
	struct vpt_thread *next;
};

/* Processes that one debugger can have at a time (`detach-on-fork off'). */
#define VPT_MANY 1024

/* A process that ptraces. */
struct vpt_debugger {
	pid_t tgid;
	/* A wait4 that blocks until one of its threads has something to say: */
	struct ckpt_task *waiter;
	struct ckpt_task *shell_waiter; /* waits in the kernel for a plain child */
	pid_t wait_pid;
	unsigned long wait_options, wait_status, wait_rusage;
	pid_t zombies[VPT_MANY]; /* its dead children that it must reap for us */
	int nzombies;
	bool thread_ended; /* the newest that its wait was told: a thread, no leader */
	struct vpt_mem {
		int fd;	    /* its descriptor that means a target's memory */
		pid_t tgid; /* whose: the virtual process */
		pid_t real; /* whom the kernel serves it from; 0: we do */
	} mem[VPT_MANY];
	int nmem;
	uint64_t facts;	   /* where it reads them (facts.h), or 0 */
	bool facts_told;   /* ... and they are there */
	pid_t facts_ahead; /* ... with a stop of this thread, not known to be taken */
	/* Breakpoints that it may write there, and what was below them: */
	struct ckpt_poke sites[VPT_SITES];
	int nsites;
	pid_t sites_of;		    /* the thread told */
	struct ckpt_task *resuming; /* stands in a call that resumes a thread */
	bool unsettled;		    /* who plays has changed, see vpt_settle() */
	bool late;		    /* its calls that are `late' are selected */
	struct vpt_debugger *next;
};

/* What the controller does for this layer. */
struct vpt_control {
	/*
	 * A request came through the reserved call. Returns the reply's
	 * length or -errno; reply has room bytes. The debugger's facts are still
	 * told: whoever does more than look withdraws them.
	 */
	long (*command)(struct ckpt_task *t, const char *request, char *reply, size_t room);
	/* The debugger is about to resume a thread or to write into it; all stand
	 * as it left them. @breaks: it resumes it or sets a breakpoint. */
	void (*about_to_act)(struct vpt_thread *vt, bool breaks);
	/* A thread is about to be resumed by the debugger; true: done by the
	 * controller (e.g. it arrives elsewhere in time). */
	bool (*resuming)(struct vpt_thread *vt, int request, int sig);
	/* The debugger's own first process ended with this wait status. True:
	 * another one has taken over its threads. */
	bool (*ended)(int status);
	/* The debugger waits, and nothing has happened yet. */
	void (*idle)(void);
	/* A target began: exec below the debugger at start, or attach. */
	void (*target_started)(struct vpt_thread *vt);
	/* The debugger has set vt->options. */
	void (*options_set)(struct vpt_thread *vt);
	/* A thread stops for its debugger: may change status. */
	void (*target_stopped)(struct vpt_thread *vt);
	/* t, the player of a thread, died, and is about to be freed. */
	void (*target_died)(struct ckpt_task *t);
	/* The debugger is rid of the process: it died, or is let go. */
	void (*target_gone)(struct vpt_thread *vt, bool died);
	/* d has ended, and is about to be freed. */
	void (*debugger_gone)(const struct vpt_debugger *d);
	/* The debugger is about to change t's registers or memory. True: that
	 * is the controller's business, not the recorder's. */
	bool (*changing)(struct ckpt_task *t);
	/* A suspended debugger (^Z). */
	void (*suspended)(struct ckpt_task *t);
	/* The debugger attaches to a process that the controller plays:
	 * the new thread, with a stop to report; or NULL: a real one. */
	struct vpt_thread *(*attaching)(pid_t tid, struct vpt_debugger *d);
	/* The debugger sends sig to vt: true when the controller took it,
	 * because the player isn't the live process. */
	bool (*signalled)(struct vpt_thread *vt, int sig);
	/* The debugger gives the terminal to a process group: to which. */
	pid_t (*pgrp)(pid_t pgrp);
};

/* Registers the plugin (ckptcore/plugin.h). */
int vpt_init(const struct vpt_control *control) __must_check;
extern const struct ckpt_task_ops vpt_plain_ops, vpt_tracee_ops;
/* t's debugger reads facts (facts.h) at addr. -EINVAL: its are of another size. */
int vpt_facts_at(struct ckpt_task *t, uint64_t addr, size_t size) __must_check;
/* They are about to become untrue, or what d has written of breakpoints there is to
 * be in memory; d may be NULL. */
void vpt_facts_withdraw(struct vpt_debugger *d);
/* The process whose end ends the session. */
void vpt_set_main(pid_t tgid);
pid_t vpt_main(void);

/* The virtual thread of that number; NULL: none. */
struct vpt_thread *vpt_find(pid_t tid);
/* A thread of the process whom somebody plays, the leader if it is one; NULL: none. */
struct vpt_thread *vpt_played(pid_t tgid);
struct vpt_thread *vpt_of(struct ckpt_task *t);
struct vpt_thread *vpt_first(void);
size_t vpt_count(pid_t tgid);

/* Exchanges the player of a virtual thread; its ptrace state (debug
 * registers) is carried over. The former player is the caller's. */
void vpt_set_player(struct vpt_thread *vt, struct ckpt_task *t);

/* Has d's descriptors of memory mean those who play now, and its calls selected
 * that this makes ours; t: its task, at a stop outside of calls. -ESRCH: it died. */
int vpt_settle(struct ckpt_task *t, struct vpt_debugger *d) __must_check;

/* vt, resumed, was stopped amid a call: below a kernel that makes it again the debugger, if it traces calls,
 * hears of its entry. True: it was told that, and vt doesn't run. */
bool vpt_tell_call_again(struct vpt_thread *vt);
/* Reports a stop to the debugger. siginfo NULL: ask the task. */
void vpt_report(struct vpt_thread *vt, int status, const siginfo_t *siginfo);
/* A SIGTRAP with that code. */
siginfo_t vpt_trap_info(int code);
/* Reports the end of the thread. */
void vpt_report_exit(struct vpt_thread *vt, int status);
/* Re-creates a virtual thread (attach to a puppet). */
struct vpt_thread *vpt_thread_new(pid_t tid, pid_t tgid, struct vpt_debugger *d);
void vpt_thread_free(struct vpt_thread *vt);
struct vpt_debugger *vpt_debugger_of(pid_t tgid, bool create);
/* Ends what d debugs without a word to anybody: threads are freed, processes
 * stay as they are. */
void vpt_debugger_forget(struct vpt_debugger *d);

#endif
