/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The processes that are recorded: each has a struct fred_timeline of its own, and
 * fred looks at one at a time. What the debugger does with a process selects it,
 * what the user asks for is about the one that the debugger shows.
 */
#ifndef FRED_PROCESSES_H
#define FRED_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct ckpt_task;
struct fred_timeline;
struct vpt_debugger;
struct vpt_thread;

/* The one that is looked at; an empty one if that isn't recorded. Never NULL. */
extern struct fred_timeline *fred_process;

/* As vpt_control's. */
void fred_process_started(struct vpt_thread *vt);
void fred_process_options(struct vpt_thread *vt);
void fred_process_stopped(struct vpt_thread *vt);
void fred_process_died(struct ckpt_task *t);
void fred_process_gone(struct vpt_thread *vt, bool died);
void fred_process_debugger_gone(const struct vpt_debugger *d);
/* @breaks: it sets a breakpoint or resumes: a child that it has followed is to be
 * recorded by now. */
void fred_process_about_to_act(struct vpt_thread *vt, bool breaks);
/* A process of several threads that the debugger has attached to is recorded once
 * it has all of them. */
void fred_process_join(void);

/* All of them, by their `next'. */
struct fred_timeline *fred_processes(void);
size_t fred_processes_count(void);
/* Looks at the process with this (virtual) number; false: it isn't recorded, and
 * nothing changes. */
bool fred_process_select(pid_t tgid);
/* The same for a request about it, or about one that has ended, whose number the
 * debugger may not know any more. */
void fred_process_show(pid_t tgid, bool ended);
/* Has fn look at each of them. */
void fred_processes_each(void (*fn)(void *arg), void *arg);
/* All that was recorded of the one that is looked at goes, and it itself isn't one
 * of them any more. */
void fred_process_drop(void);
void fred_processes_drop(void);

#endif
