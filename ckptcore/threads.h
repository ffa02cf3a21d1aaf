/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Snapshots of processes with several threads. A fork copies one thread only;
 * what makes up the others is saved here, and a restart recreates them in the
 * copy by injected clones.
 *
 * The new threads have real numbers of their own. Memory isn't changed: the
 * numbers that the program keeps in it (pthread descriptors, owners of mutexes)
 * are those of the first incarnation, as are the ones it is told by its calls.
 */
#ifndef CKPT_THREADS_H
#define CKPT_THREADS_H

#include "ckptcore/ckptcore.h"

struct ckpt_threads;

/*
 * Stops running threads and waits for all of them.
 * @tasks: n threads; those that are stopped already are left alone
 * @seconds: how long at most
 *
 * Each one's stop is in its task; it needn't be the interrupt's (a signal, a
 * call's entry may have come first). The caller deals with it. A leader that
 * has ended before its threads stays CKPT_RUNNING: leave it out of a snapshot.
 * -EBUSY: one doesn't stop, because it sleeps uninterruptibly or waits for its
 * vfork child. It is still running, and will stop when it can; the others are
 * stopped. -ESRCH: one died; ckpt_wait_any() will tell its ops.
 */
int ckpt_threads_stop(struct ckpt_task **tasks, size_t n, double seconds) __must_check;

/*
 * Takes a snapshot of a process.
 * @tasks: all n threads of it that are alive, in any order, each one stopped
 *	outside of a call, or inside of one that was interrupted and will be
 *	restarted by the kernel. They stay as they are.
 * @ops: for the stops of the copy (only its death comes)
 * *ret: the caller's to ckpt_threads_destroy().
 *
 * -EBUSY: a thread is running, or at a stop inside of a call (entry, seccomp,
 * fork event), or isn't among tasks: no snapshot now. -ESRCH: the process died.
 * Others: it can't fork (-EAGAIN, -ENOMEM).
 */
int ckpt_threads_snapshot(struct ckpt_task **tasks, size_t n, const struct ckpt_task_ops *ops,
			  struct ckpt_threads **ret) __must_check;

/* The number of threads in a snapshot. */
size_t ckpt_threads_count(const struct ckpt_threads *s);

/*
 * Restarts a snapshot; it stays, and can be restarted again.
 * @ops: for the stops of the new threads
 * @tasks_ret: room for *n; the new threads, stopped, in the order of the
 *	snapshot's tasks. The caller's to resume, and to ckpt_threads_kill().
 * @n: room, then how many
 *
 * Registers, extended state, signal mask, alternate signal stack, robust list,
 * clear_child_tid, TLS base and name are those of the snapshot. Of a thread
 * that was inside of a call the kernel makes that call again. One thing is
 * gone: how much of a timed call's time was left (see ckpt_threads_revive()).
 * -ENOSPC: not enough room. -ESRCH: the parked copy was killed. -EAGAIN ...
 */
int ckpt_threads_restart(struct ckpt_threads *s, const struct ckpt_task_ops *ops,
			 struct ckpt_task **tasks_ret, size_t *n) __must_check;

/*
 * For a restarted process whose calls will really be executed: timed calls that
 * were going on (nanosleep, poll, futex) begin anew instead of failing with
 * EINTR, and areas for restartable sequences are registered again. Not for
 * puppets: into those areas the kernel writes at any moment.
 * @tasks: as ckpt_threads_restart() gave them, not resumed yet
 */
int ckpt_threads_revive(const struct ckpt_threads *s, struct ckpt_task **tasks) __must_check;

/*
 * What is to be known of n threads of one process, without a copy of it.
 * @tasks: stopped as for a snapshot. One that makes a call that isn't over
 *	(task's in_call) is taken to stand before it.
 * @room: a stopped thread of the process, in whose memory calls may write
 * *ret: the caller's to ckpt_threads_destroy(). Errors as for a snapshot.
 */
int ckpt_threads_save(struct ckpt_task **tasks, size_t n, struct ckpt_task *room,
		      struct ckpt_threads **ret) __must_check;
/*
 * Adds the threads to t's process, a stopped copy of that one.
 * @tasks_ret: room for as many; NULL where an error came first. They are the
 *	caller's, with their vtid, ops and timeline.
 */
int ckpt_threads_add(const struct ckpt_threads *s, struct ckpt_task *t,
		     struct ckpt_task **tasks_ret) __must_check;

/*
 * Adds a thread that begins to run where t stands, with t's registers but for
 * those that *regs says, t's mask and extended state.
 */
int ckpt_thread_add(struct ckpt_task *t, const struct user_regs_struct *regs,
		    struct ckpt_task **ret) __must_check;

/* Kills a process, waits until it is gone and frees its n tasks, all it has. */
void ckpt_threads_kill(struct ckpt_task **tasks, size_t n);

/* Kills the copy, if any, and frees all. Takes NULL. Restarted processes live on. */
void ckpt_threads_destroy(struct ckpt_threads *s);

#endif
