/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Starts the debugger below the engine and runs the tracer's loop until the
 * debugger ends.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "ckptcore/plugin.h"
#include "fred/branch.h"
#include "fred/command.h"
#include "fred/progress.h"
#include "fred/session.h"
#include "fred/timeline.h"
#include "fred/undo.h"
#include "ptrace-plugin/vpt.h"
#include "pty/pty.h"

static struct pty *pty;
static const struct fred_options *options;
static bool ended;
static int end_status;
static volatile sig_atomic_t asked_to_end; /* a signal, or: */
#define END_PASSED_ON (-1)
static int go_pipe[2];

static void warn(const char *text)
{
	fprintf(stderr, "fred: %s\r\n", text);
}

/* --------------------------------------------------------- the debugger */

/* In the child: waits until it is traced, then becomes the debugger. */
static int become_debugger(void *arg)
{
	char **argv = arg, byte;
	int err;

	close(go_pipe[1]);
	if (read(go_pipe[0], &byte, 1) != 1)
		return 1; /* fred could not trace us and has said why */
	close(go_pipe[0]);
	err = ckpt_plugins_install_filter();
	if (err) {
		fprintf(stderr, "fred: can't install a seccomp filter: %s\n", strerror(-err));
		return 1;
	}
	execvp(argv[0], argv);
	fprintf(stderr, "fred: can't run %s: %s%s\n", argv[0], strerror(errno),
		errno == ENOENT ? " (is it installed? Debian: apt-get install gdb)" : "");
	return errno == ENOENT ? 127 : 126;
}

static int spawn(pid_t *ret)
{
	pid_t pid;

	if (pipe(go_pipe) < 0)
		return -errno;
	if (pty_wanted()) {
		int err = pty_create(&pty);

		return err ? err : pty_spawn(pty, become_debugger, options->argv, ret);
	}
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(become_debugger(options->argv));
	}
	*ret = pid;
	return 0;
}

static int explain_seize(int err)
{
	FILE *f = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
	int scope = 0;

	if (f && fscanf(f, "%d", &scope) != 1)
		scope = 0;
	if (f)
		fclose(f);
	fprintf(stderr, "fred: can't trace the debugger: %s\n", strerror(-err));
	if (scope >= 2)
		fprintf(stderr,
			"fred: the kernel setting kernel.yama.ptrace_scope is %d; set it to 0 or 1\n",
			scope);
	else
		fprintf(stderr,
			"fred: in a container, ptrace may be forbidden by its seccomp profile "
			"(docker: --cap-add=SYS_PTRACE --security-opt seccomp=unconfined)\n");
	return 1;
}

/* ---------------------------------------------------------------- signals */

static void on_winch(int sig)
{
	(void)sig;
	pty_winch(pty);
}

static void on_end(int sig)
{
	asked_to_end = sig;
}

bool fred_session_ends(void)
{
	return asked_to_end != 0;
}

static void on_tick(int sig)
{
	(void)sig;
	ckpt_wake();
}

static void set_signals(void)
{
	struct sigaction sa = { .sa_handler = on_winch };

	sigaction(SIGWINCH, &sa, NULL);
	sa.sa_handler = on_end;
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	sa.sa_handler = on_tick;
	sigaction(SIGALRM, &sa, NULL);
	/* A signal of no use at each stop costs as much as a small request. */
	sa = (struct sigaction){ .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDSTOP };
	sigaction(SIGCHLD, &sa, NULL);
	/* The terminal's signals are the debugger's business. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
}

/* Wakes waits up, for snapshots by the clock and to see ^C in a search. */
static void start_clock(void)
{
	const struct itimerval tick = { { 0, 10000 }, { 0, 10000 } };

	setitimer(ITIMER_REAL, &tick, NULL);
}

/* --------------------------------------------------------------- callbacks */

/* A former debugger would read the same commands from it again. */
static bool input_is_file(void)
{
	struct stat st;

	return !fstat(STDIN_FILENO, &st) && S_ISREG(st.st_mode);
}

static bool debugger_ended(int status)
{
	if (!input_is_file() && fred_undo_recover(status))
		return true;
	ended = true;
	end_status = status;
	return false;
}

static void debugger_suspended(struct ckpt_task *t)
{
	if (!pty)
		return; /* same terminal, same job: we stopped too */
	if (pty_suspend(pty) < 0)
		warn("can't suspend: the terminal refuses");
	kill(-getpgid(t->tid), SIGCONT);
}

static const struct vpt_control control = {
	.command = fred_command,
	.about_to_act = fred_process_about_to_act,
	.resuming = fred_timeline_resuming,
	.idle = fred_timeline_idle,
	.ended = debugger_ended,
	.target_started = fred_process_started,
	.options_set = fred_process_options,
	.target_stopped = fred_process_stopped,
	.target_died = fred_process_died,
	.target_gone = fred_process_gone,
	.debugger_gone = fred_process_debugger_gone,
	.suspended = debugger_suspended,
	.attaching = fred_timeline_attaching,
	.signalled = fred_timeline_signalled,
	.changing = fred_timeline_changing,
	.pgrp = fred_branch_pgrp,
};

/* Kills everything that is ours; processes that were attached go on. */
static void kill_one(struct ckpt_task *t, void *arg)
{
	(void)arg;
	if (!t->no_exitkill || t->ours)
		kill(t->tgid, SIGKILL);
}

static int finish(void)
{
	fred_processes_drop();
	ckpt_each_task(kill_one, NULL);
	if (pty) {
		pty_relay_stop(pty);
		pty_destroy(pty);
	}
	if (WIFSIGNALED(end_status)) {
		signal(WTERMSIG(end_status), SIG_DFL);
		kill(getpid(), WTERMSIG(end_status));
		return 128 + WTERMSIG(end_status);
	}
	return WEXITSTATUS(end_status);
}

/*
 * SIGTERM and SIGHUP are the debugger's: gdb ends its target, or lets it go, and
 * says so in its exit status. When it doesn't end by that, it is killed.
 */
static void pass_on_end(pid_t debugger)
{
	static double since;
	const double patience = 5; /* seconds */

	if (asked_to_end != END_PASSED_ON) {
		if (!since)
			since = ckpt_now();
		kill(debugger, asked_to_end);
		asked_to_end = END_PASSED_ON;
	} else if (ckpt_now() - since > patience) {
		kill(debugger, SIGKILL);
		asked_to_end = 0;
	}
}

int fred_session_run(const struct fred_options *o)
{
	struct ckpt_task *t;
	pid_t debugger;
	int err;

	options = o;
	ckpt_warn = warn;
	err = ckpt_init();
	if (!err)
		err = vpt_init(&control);
	if (!err)
		err = ckpt_plugin_register(&ckpt_files_plugin);
	fred_timeline_init(!o->no_record, o->verbose);
	if (!err)
		err = spawn(&debugger);
	if (err) {
		fprintf(stderr, "fred: can't start: %s\n", strerror(-err));
		return 1;
	}
	err = ckpt_seize(debugger, debugger, &vpt_plain_ops, true, &t);
	if (err) {
		close(go_pipe[1]);
		pty_destroy(pty);
		return explain_seize(err);
	}
	vpt_set_main(debugger);
	if (pty)
		err = pty_relay_start(pty);
	if (!o->no_progress)
		fred_progress_init(pty);
	set_signals();
	start_clock();
	ckpt_affinity_init();
	ckpt_affinity_share(t);
	if (write(go_pipe[1], "g", 1) != 1)
		return 1;
	close(go_pipe[0]);
	close(go_pipe[1]);
	while (!ended) {
		err = ckpt_wait_any();
		if (err == -ECHILD)
			break;
		if (err == -EINTR)
			fred_timeline_tick();
		if (asked_to_end)
			pass_on_end(debugger);
	}
	return finish();
}
