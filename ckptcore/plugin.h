/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Plugins: the kinds of outside things that a debugger below the engine deals
 * with. The engine knows processes, memory and time; what a plugin knows is one
 * more kind: ptrace (ptrace-plugin/), open files (files.c).
 *
 * A plugin is one constant struct of tables and hooks. It gets
 *  - system calls of the plain tasks (the debugger and its shells) that its
 *    table selects, before they happen; the seccomp filter below the debugger is
 *    made of these tables;
 *  - hooks when a debugger is copied for a snapshot and when such a copy comes
 *    to life, to save and to restore what a fork doesn't carry over.
 *
 * Version 0: may change with every release.
 */
#ifndef CKPT_PLUGIN_H
#define CKPT_PLUGIN_H

#include "ckptcore/ckptcore.h"

#define CKPT_PLUGIN_VERSION 0

/* Which of the calls with a number are selected, by one of their arguments. */
enum ckpt_plugin_test {
	CKPT_TEST_NONE,	 /* all */
	CKPT_TEST_IS,	 /* args[arg] == value, in its low 32 bits */
	CKPT_TEST_LACKS, /* no bit of value is set in them */
	CKPT_TEST_HAS,	 /* some bit of value is */
	CKPT_TEST_FROM,	 /* they are value or more */
};

struct ckpt_plugin_call {
	long nr;
	/*
	 * Before the kernel does the call at which t stands (CKPT_SECCOMP).
	 * The function decides: ckpt_set_result() skips the call, then
	 * ckpt_resume(); ckpt_resume() alone lets it happen;
	 * ckpt_call_through() has it happen and comes back behind it; or t just
	 * stays where it is until something else resumes it.
	 */
	void (*before)(struct ckpt_task *t, const struct ckpt_stop *stop);
	enum ckpt_plugin_test test;
	unsigned int arg;
	uint32_t value;
	/* A stop costs more than most calls: this one is selected only once
	 * ckpt_plugins_select_late() was called. */
	bool late;
};

struct ckpt_plugin {
	unsigned int version; /* CKPT_PLUGIN_VERSION */
	const char *name;
	const struct ckpt_plugin_call *calls;
	size_t ncalls;
	/* t, a stopped debugger, has been copied: what to remember of it
	 * (malloc'ed, freed by the engine), or NULL. */
	void *(*snapshot)(struct ckpt_task *t);
	/* A copy of that copy is about to run: state is what was remembered. */
	void (*restart)(struct ckpt_task *t, const void *state);
};

/* -EINVAL: another version, or too many. The struct stays the caller's. */
int ckpt_plugin_register(const struct ckpt_plugin *plugin) __must_check;

/* In a process that becomes a debugger: installs the filter that selects the
 * plugins' calls. All plugins are registered by then. */
int ckpt_plugins_install_filter(void) __must_check;

/*
 * Has the calls of t's process selected that are `late', from now on: there is no
 * way back. @t: stopped outside of a call. @scratch: memory of its that may be
 * overwritten, CKPT_PLUGINS_SCRATCH bytes. -ESRCH: it died; other errors: the
 * kernel refuses.
 */
int ckpt_plugins_select_late(struct ckpt_task *t, uint64_t scratch) __must_check;
#define CKPT_PLUGINS_SCRATCH 4096

/* Hands t's call to the plugin whose table selects it. False: none does. */
bool ckpt_plugins_call(struct ckpt_task *t, const struct ckpt_stop *stop);

/* Runs the hooks. What they remember belongs to the copy. */
void ckpt_plugins_snapshot(struct ckpt_task *t, struct ckpt_task *copy);
void ckpt_plugins_restart(struct ckpt_task *copy, struct ckpt_task *t);
/* Frees what the hooks remember of a copy. */
void ckpt_plugins_forget(struct ckpt_task *copy);

/* Lets the kernel do the call at which t stands (CKPT_SECCOMP or CKPT_ENTRY);
 * t is then behind it (CKPT_EXIT). -ESRCH: it died in it; t->stop says how, and
 * the caller tells its ops. */
int ckpt_call_through(struct ckpt_task *t) __must_check;

/* files.c: regular files that a debugger has open. */
extern const struct ckpt_plugin ckpt_files_plugin;

#endif
