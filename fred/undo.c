/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ckptcore/plugin.h"
#include "fred/reply.h"
#include "fred/threads.h"
#include "fred/undo.h"

#define F fred_tl
#define MAX_SESSIONS 16 /* copies of the debugger kept */
#define EVERY_PROMPTS 8
#define EVERY_SECONDS 1.0
#define COMMANDS_A_SECOND 100 /* short ones */

struct session {
	struct ckpt_task *copy; /* of the debugger, parked at its request */
	uint64_t reply, room;	/* where it expects the answer */
	struct vpt_debugger debugger;
	bool has_target;
	struct vpt_thread *threads; /* as the debugger has them, the leader's first */
	size_t nthreads;
	struct ckpt_task *target;	   /* a puppet at its point */
	struct ckpt_overlay overlay;	   /* what the debugger has in its memory at this prompt */
	const struct ckpt_timeline *ended; /* of a program that has ended */
	unsigned int checkpoint;	   /* whose session it is, or 0 */
};

/* What the user saw: one entry a prompt. */
static struct prompt {
	char *command; /* that led here; NULL: unknown */
	struct session *session;
	bool branched; /* the program changed its past for real on the way here */
	double work;   /* to come here from the first one, in short commands */
} * prompts;
static size_t nprompts, room;
static double last_taken;
static bool replaced;
static struct ckpt_timeline *last_timeline;
static double last_recovery;
static unsigned int pin_next; /* checkpoint whose session the next prompt is */
static bool branched;	      /* a branch was made since the last prompt */

static void parked_stopped(struct ckpt_task *t, const struct ckpt_stop *stop)
{
	(void)t;
	(void)stop;
}

static const struct ckpt_task_ops parked_ops = { .name = "parked debugger",
						 .stopped = parked_stopped };

static void session_free(struct session *s)
{
	if (!s)
		return;
	if (s->copy)
		ckpt_kill(s->copy);
	ckpt_puppet_destroy(s->target);
	free(s->overlay.pokes);
	free(s->threads);
	free(s);
}

bool fred_undo_replaced(void)
{
	bool r = replaced;

	replaced = false;
	return r;
}

void fred_undo_timeline_gone(const struct ckpt_timeline *tl)
{
	for (size_t i = 0; i < nprompts; i++)
		if (prompts[i].session && prompts[i].session->has_target &&
		    (!prompts[i].session->target || prompts[i].session->target->timeline == tl)) {
			session_free(prompts[i].session);
			prompts[i].session = NULL;
		} else if (prompts[i].session && prompts[i].session->ended == tl) {
			prompts[i].session->ended = NULL;
		}
}

void fred_undo_cutting(size_t n)
{
	for (size_t i = 0; i < nprompts; i++) {
		struct session *s = prompts[i].session;

		if (s && s->target && s->target->timeline == F.tl &&
		    s->target->play->interval < n) {
			session_free(s);
			prompts[i].session = NULL;
		}
	}
}

/* ----------------------------------------------------------------- taking */

static int take_threads(struct session *s)
{
	s->threads = calloc(vpt_count(F.vt->tgid) + 1, sizeof(*s->threads));
	if (!s->threads)
		return -ENOMEM;
	s->threads[s->nthreads++] = *F.vt;
	for (struct vpt_thread *vt = vpt_first(); vt; vt = vt->next)
		if (vt != F.vt && vt->tgid == F.vt->tgid && vt->state != VPT_EXITED)
			s->threads[s->nthreads++] = *vt;
	return 0;
}

static int add_overlay(struct ckpt_overlay *to, const struct ckpt_overlay *from)
{
	int err = 0;

	for (size_t i = 0; !err && i < from->n; i++)
		err = ckpt_overlay_add(to, from->pokes[i].addr, from->pokes[i].original);
	return err;
}

/* A puppet where the target stands. */
static int take_target(struct session *s)
{
	int err = take_threads(s);

	s->has_target = true;
	if (!err)
		err = add_overlay(&s->overlay, &F.tl->overlay);
	return err ? err : fred_timeline_copy(F.now, &s->target);
}

/* t stands at its request. */
static int take(struct ckpt_task *t, struct session **ret)
{
	struct vpt_debugger *d = vpt_debugger_of(t->tgid, false);
	struct session *s;
	int err = 0;

	if (fred_processes_count() > 1)
		return -EBUSY;
	if (fred_threads_count(t->tgid) != 1 || (F.vt && !F.tl))
		return -EBUSY;
	if (F.now && F.now->state == CKPT_RUNNING) /* `run &' */
		return -EBUSY;
	if (F.taint != FRED_CLEAN) /* it would pass for the past */
		return -EBUSY;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->reply = t->stop.args[2];
	s->room = t->stop.args[3];
	if (d)
		s->debugger = *d;
	if (F.vt)
		err = take_target(s);
	else
		s->ended = F.tl;
	if (!err && t->state == CKPT_SECCOMP)
		err = ckpt_skip_call(t);
	if (!err)
		err = ckpt_fork(t, true, &parked_ops, &s->copy);
	/* It stays in the debugger's process group, which therefore outlives the
	 * debugger; a ^C pends on it, and a fork of it starts without. */
	if (err) {
		session_free(s);
		return err;
	}
	s->copy->state = CKPT_PARKED;
	ckpt_plugins_snapshot(t, s->copy);
	*ret = s;
	return 0;
}

/* Whether the session of prompt i may go. */
static bool dispensable(size_t i)
{
	return i && i + MAX_SESSIONS / 2 < nprompts && prompts[i].session &&
	       !prompts[i].session->checkpoint && !prompts[i].branched;
}

/* Keeps the newest ones dense, the old ones sparse: the one goes without which an undo has
 * the least more to do again, in terms of how far back that is. */
static void thin(void)
{
	double now = prompts[nprompts - 1].work, before = 0, least = 1e300;
	size_t n = 0, last = 0, victim = 0;

	for (size_t i = 0; i < nprompts; i++) {
		if (!prompts[i].session)
			continue;
		if (n++ && dispensable(last)) {
			double hole = prompts[i].work - before;
			double score = hole / (now - prompts[last].work + 1);

			if (score < least) {
				least = score;
				victim = last;
			}
		}
		if (n > 1)
			before = prompts[last].work;
		last = i;
	}
	if (n > MAX_SESSIONS && victim) {
		session_free(prompts[victim].session);
		prompts[victim].session = NULL;
	}
}

static double cpu_of(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &ts))
		return 0;
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* What it takes to come to the next prompt, the debugger of which is t, from the last one. */
static double work_since_last(struct ckpt_task *t)
{
	static double last;
	double now = cpu_of(getpid()) + cpu_of(t->tgid), done;

	if (F.tl && F.tl->live)
		now += cpu_of(F.tl->live->tgid);
	done = now > last ? (now - last) * COMMANDS_A_SECOND : 0;
	last = now;
	return 1 + done;
}

static struct prompt *add_prompt(struct ckpt_task *t, const char *command)
{
	double work = work_since_last(t) + (nprompts ? prompts[nprompts - 1].work : 0);

	if (nprompts == room) {
		size_t more = room ? room * 2 : 64;
		struct prompt *p = realloc(prompts, more * sizeof(*p));

		if (!p)
			return NULL;
		prompts = p;
		room = more;
	}
	prompts[nprompts] = (struct prompt){ .command = command ? strdup(command) : NULL,
					     .branched = branched,
					     .work = work };
	branched = false;
	return &prompts[nprompts++];
}

static bool due(void)
{
	size_t since = 0;

	while (since < nprompts && !prompts[nprompts - 1 - since].session)
		since++;
	return since == nprompts || since >= EVERY_PROMPTS || F.tl != last_timeline ||
	       ckpt_now() - last_taken > EVERY_SECONDS;
}

void fred_op_prompt(struct ckpt_task *t, json_object *in, json_object *out)
{
	struct prompt *p = add_prompt(t, get(in, "command", NULL));

	put(out, "status", "ok");
	if (!p || (!pin_next && !p->branched && !due()))
		return;
	vpt_facts_withdraw(vpt_debugger_of(t->tgid, false));
	if (take(t, &p->session))
		return; /* the next prompt tries again */
	p->session->checkpoint = pin_next;
	pin_next = 0;
	last_taken = ckpt_now();
	last_timeline = F.tl;
	thin();
}

/* ---------------------------------------------------------------- restarting */

/* The new debugger gets the old one's virtual ptrace state and target. */
static int hand_over(struct session *s, struct ckpt_task *t)
{
	struct vpt_debugger *d = vpt_debugger_of(t->tgid, true), *next = d->next;
	struct ckpt_task *puppet = NULL;
	struct vpt_thread *vt;
	int err = s->has_target ? ckpt_puppet_clone(s->target, &puppet) : 0;

	if (err)
		return err;
	*d = s->debugger;
	d->tgid = t->tgid;
	d->next = next;
	d->waiter = NULL;
	d->nzombies = 0;
	fred_timeline_replace(NULL, puppet, s->ended && s->ended == F.tl ? d : NULL);
	if (!s->has_target)
		return 0;
	for (size_t i = 0; i < s->nthreads; i++) {
		struct vpt_thread *link;

		vt = vpt_thread_new(s->threads[i].tid, s->threads[i].tgid, d);
		link = vt->next;
		*vt = s->threads[i];
		vt->next = link;
		vt->debugger = d;
		vt->task = NULL;
		if (i == 0)
			fred_timeline_replace(vt, puppet, NULL);
	}
	fred_threads_play(puppet);
	/* Breakpoints stay inserted at a prompt if gdb is told so, or behind an error amid a command. */
	err = add_overlay(&F.tl->overlay, &s->overlay);
	ckpt_overlay_apply(&F.tl->overlay, puppet);
	return err;
}

/* s takes the place of the debugger old (NULL: it is dead already). */
static int restart(struct session *s, struct ckpt_task *old, json_object *answer)
{
	const char *text = json_object_to_json_string(answer);
	struct vpt_debugger *d;
	struct ckpt_task *t;
	int err = ckpt_fork(s->copy, true, &vpt_plain_ops, &t);

	if (err)
		return err;
	s->copy->state = CKPT_PARKED;
	t->ours = false; /* from now on it has signals like any debugger */
	ckpt_plugins_restart(s->copy, t);
	d = vpt_debugger_of(vpt_main(), false);
	if (d)
		vpt_debugger_forget(d);
	err = hand_over(s, t);
	if (err)
		return err;
	vpt_set_main(t->tgid);
	if (old)
		ckpt_kill(old);
	if (ckpt_write(t, s->reply, text, strlen(text)))
		return -EFAULT;
	err = vpt_settle(t, vpt_debugger_of(t->tgid, true));
	if (err)
		return err;
	t->state = CKPT_EXIT;
	ckpt_set_result(t, (long)strlen(text));
	ckpt_stats.restarts++;
	return ckpt_resume(t, PTRACE_CONT, 0);
}

/* Back to prompt number `to'. */
static int back_to(size_t to, struct ckpt_task *old, const char *say)
{
	json_object *answer, *replay;
	size_t from = to;
	int err;

	/* What made a branch isn't done again. */
	while (from > 0 && !prompts[from].session && !prompts[from].branched)
		from--;
	if (!prompts[from].session)
		return -ENOENT;
	for (size_t i = from + 1; i <= to; i++)
		if (!prompts[i].command)
			return -ENODATA;
	answer = json_object_new_object();
	replay = json_object_new_array();
	for (size_t i = from + 1; i <= to; i++)
		json_object_array_add(replay, json_object_new_string(prompts[i].command));
	put_bool(answer, "restarted", true);
	json_object_object_add(answer, "replay", replay);
	if (say)
		put(answer, "say", say);
	err = restart(prompts[from].session, old, answer);
	json_object_put(answer);
	if (err)
		return err;
	for (size_t i = to + 1; i < nprompts; i++) {
		free(prompts[i].command);
		session_free(prompts[i].session);
	}
	nprompts = to + 1;
	return 0;
}

static size_t of_checkpoint(uint64_t id)
{
	for (size_t i = 0; id && i < nprompts; i++)
		if (prompts[i].session && prompts[i].session->checkpoint == id)
			return i;
	return nprompts;
}

void fred_op_undo(struct ckpt_task *t, json_object *in, json_object *out)
{
	size_t n = get_number(in, "n", 0), to;
	int err;

	if (fred_processes_count() > 1) {
		refuse(out, "several processes are debugged");
		return;
	}
	if (json_object_object_get(in, "checkpoint")) {
		to = of_checkpoint(get_number(in, "checkpoint", 0));
		if (to == nprompts) {
			refuse(out,
			       "gdb as it was at this checkpoint is gone (undo or a restart of an older one ended it); "
			       "without -session the program goes there");
			return;
		}
	} else if (n == 0 || n + 1 > nprompts) {
		refuse(out, nprompts > 1 ? "there are not so many commands to undo" :
					   "there is nothing to undo");
		return;
	} else {
		to = nprompts - 1 - n;
	}
	fred_timeline_unstage();
	err = back_to(to, t, NULL);
	if (err)
		refuse(out,
		       err == -ENOENT ?
			       "no session snapshot is that old (a new run of the program ends them, and a lack of memory)" :
		       err == -ENODATA ?
			       "gdb keeps no history of commands whose input is no terminal, and some of them would have to be done again" :
			       strerror(-err));
	else
		replaced = true;
}

void fred_undo_branched(void)
{
	branched = true;
}

void fred_undo_pin(unsigned int checkpoint)
{
	pin_next = checkpoint;
}

bool fred_undo_recover(int status)
{
	size_t to = nprompts;
	char say[160];
	double now = ckpt_now();

	if (!WIFSIGNALED(status) || WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGTERM ||
	    WTERMSIG(status) == SIGHUP || now - last_recovery < 2)
		return false;
	while (to > 0 && !prompts[to - 1].session)
		to--;
	if (!to)
		return false;
	last_recovery = now;
	snprintf(say, sizeof(say),
		 "gdb crashed (%s); this is the session as it was %zu commands ago",
		 strsignal(WTERMSIG(status)), nprompts - to + 1);
	return back_to(to - 1, NULL, say) == 0;
}

void fred_op_history(json_object *in, json_object *out)
{
	json_object *list = json_object_new_array();

	(void)in;
	for (size_t i = 1; i < nprompts; i++)
		json_object_array_add(list, json_object_new_string(
						    prompts[i].command ? prompts[i].command : "?"));
	put(out, "status", "ok");
	json_object_object_add(out, "list", list);
}
