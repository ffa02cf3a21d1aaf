/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The debugger's threads, where time moves: each is played by its own real
 * thread of whoever plays the process now; some vanish, others appear.
 */
#ifndef FRED_THREADS_H
#define FRED_THREADS_H

#include "fred/timeline.h"

/* Has all of the debugger's threads of the process played by `to' (the live
 * target's current thread, a puppet), or nobody where it has no such thread. */
void fred_threads_play(struct ckpt_task *to);
/* `to' has taken over from the puppet `from': what the debugger has been told of the calls amid which
 * threads stand. */
void fred_threads_know_calls(struct ckpt_task *from, struct ckpt_task *to);
/* The threads of p that the debugger doesn't know yet watch what `from' does. */
void fred_threads_watch(struct ckpt_task *from, struct ckpt_task *p);
/* Where the debugger doesn't know the thread at hand, that plays its thread tid, until
 * the next fred_threads_play(). */
void fred_threads_play_as(pid_t tid);
/* Tells the debugger of the ends of threads that nobody plays. */
void fred_threads_vanish(void);
/* Whether the process of p has threads that the debugger doesn't know. */
bool fred_threads_strange(struct ckpt_task *p);
/* A thread there that it does know, the leader if it is one; 0: none. */
pid_t fred_threads_known(struct ckpt_task *p);
/* Whether it can be told of strangers: by way of one that it knows. */
bool fred_threads_can_meet(struct ckpt_task *p);
/* Tells it of a thread that it doesn't know, as one that vt made; false: there
 * is none. */
bool fred_threads_appear(struct vpt_thread *vt);
/* The debugger's thread that is played by the one whose turn it is, or NULL. */
struct vpt_thread *fred_threads_current(void);
/* Whether the process has several threads, as the debugger sees it or really. */
bool fred_threads_several(void);

/* How many threads a process has. */
size_t fred_threads_count(pid_t tgid);
/* Whether all threads of vt's process are the debugger's, and stopped. */
bool fred_threads_all_stand(const struct vpt_thread *vt);
/* Those of vt's process, but vt itself, are recorded from now on. */
int fred_threads_record(struct vpt_thread *vt) __must_check;

/* A request of the debugger's Python: whether the staged point has a thread. */
void fred_op_has_thread(json_object *in, json_object *out);

#endif
