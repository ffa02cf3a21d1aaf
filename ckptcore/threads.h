/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Copies of processes with several threads. A fork copies one thread only; what
 * makes up the others is saved here, and they are recreated in the copy by
 * injected clones.
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
 * What is to be known of n threads of one process, which stay as they are.
 * @tasks: each one stopped outside of a call, or inside of one that was
 *	interrupted and will be restarted by the kernel. One that makes a call
 *	that isn't over (task's in_call) is taken to stand before it.
 * @room: a stopped thread of the process, in whose memory calls may write
 * *ret: the caller's to ckpt_threads_destroy().
 *
 * -EBUSY: a thread is running, or at a stop inside of a call (entry, seccomp,
 * fork event). Others: the process died, or has no private memory.
 */
int ckpt_threads_save(struct ckpt_task **tasks, size_t n, struct ckpt_task *room,
		      struct ckpt_threads **ret) __must_check;
/* Takes NULL. */
void ckpt_threads_destroy(struct ckpt_threads *s);

/* How many they are. */
size_t ckpt_threads_count(const struct ckpt_threads *s);

/*
 * Adds the threads to t's process, a stopped copy of that one.
 * @tasks_ret: room for as many; NULL where an error came first. They are the
 *	caller's, with their vtid, and t's ops and timeline.
 *
 * Registers, extended state, signal mask, alternate signal stack, robust list,
 * clear_child_tid, TLS base and name are as they were saved. Of a thread that was
 * inside of a call the kernel makes that call again. How much of a timed call's
 * time was left is gone.
 */
int ckpt_threads_add(const struct ckpt_threads *s, struct ckpt_task *t,
		     struct ckpt_task **tasks_ret) __must_check;

/*
 * The same, but t, a fork of one of them, becomes the thread whose number is
 * `leader', which as the program knows it leads the process. -ENOENT: it isn't
 * there.
 */
int ckpt_threads_rebuild(struct ckpt_threads *s, pid_t leader, struct ckpt_task *t,
			 struct ckpt_task **tasks_ret) __must_check;

/*
 * Adds a thread that begins to run where t stands, with t's registers but for
 * those that *regs says, t's mask and extended state.
 */
int ckpt_thread_add(struct ckpt_task *t, const struct user_regs_struct *regs,
		    struct ckpt_task **ret) __must_check;

/* Where the kernel writes 0 at the end of t's thread of that number and TLS base, as
 * far as can be told from the C library's data; 0: unknown. */
uint64_t ckpt_thread_clear_tid(struct ckpt_task *t, uint64_t fs_base, pid_t vtid);

/*
 * The registers of a puppet's thread whose turn has ended at its call: as the kernel has those
 * of a thread amid one, behind the instruction and with no result yet, instead of before it;
 * and the other way round, from that address. False: the user has led it elsewhere.
 */
void ckpt_call_amid(struct user_regs_struct *r);
bool ckpt_call_not_made(struct user_regs_struct *r, uint64_t behind);

/*
 * Registers of t, of the live target, as they are to be in a copy: there the kernel doesn't know
 * how a timed call goes on (restart_syscall), so that it is made as it began, like others.
 */
void ckpt_call_anew(const struct ckpt_task *t, struct user_regs_struct *r);

/* Kills a process, waits until it is gone and frees its n tasks, all it has. */
void ckpt_threads_kill(struct ckpt_task **tasks, size_t n);

#endif
