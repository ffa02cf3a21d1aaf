/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The requests of fred's commands inside the debugger: JSON in, JSON out, one
 * function and one table entry each. They run while the debugger waits for the
 * answer of its reserved call.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <json-c/json.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "ckptcore/store.h"
#include "ckptcore/thin.h"
#include "fred/bisect.h"
#include "fred/branch.h"
#include "fred/catches.h"
#include "fred/checkpoint.h"
#include "fred/condition.h"
#include "fred/command.h"
#include "fred/forks.h"
#include "fred/progress.h"
#include "fred/reply.h"
#include "fred/reverse.h"
#include "fred/session.h"
#include "fred/threads.h"
#include "fred/trail.h"
#include "fred/undo.h"
#include "fred/verify.h"
#include "fred/watchpoints.h"

#define F fred_tl
#define MAX_STOPS 256

/* The search that the last request began, to be gone on with. */
static struct {
	struct ckpt_rule stops[MAX_STOPS];
	struct fred_condition *conditions[MAX_STOPS]; /* NULL: gdb judges */
	size_t nstops;
	struct fred_watch watches[4];
	size_t nwatches;
	struct ckpt_task *floor; /* where it ends if nothing stops it ... */
	uint64_t steps;		 /* instructions that were gone back at once */
	bool begins;		 /* ... which is where its thread begins */
	size_t scope;		 /* ... 1 more than the watchpoint that ends there, or 0 ... */
	enum fred_arrival catch; /* ... or how the debugger arrives there, at what it catches ... */
	size_t exec;		 /* ... or the interval that another program's exec began there */
} search;

static pid_t asking; /* the debugger's task */
bool fred_commands_loaded;

/* ------------------------------------------------------------------ status */

/* The program that p runs; "" if that isn't known. */
static const char *exe_of(const struct ckpt_task *p, char exe[4096])
{
	char path[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", p->tgid);
	n = readlink(path, exe, 4095);
	exe[n > 0 ? n : 0] = 0;
	return exe;
}

static void put_exe(json_object *out, struct ckpt_task *p)
{
	char exe[4096];

	if (*exe_of(p, exe))
		put(out, "exe", exe);
}

/* The target, and the thread that the debugger will stand in. */
static void put_target(json_object *out)
{
	put_number(out, "tid", (uint64_t)F.tid);
	put_bool(out, "strangers", F.staged && fred_threads_strange(F.staged));
	put_number(out, "thread", (uint64_t)(F.staged ? ckpt_vtid(F.staged) : F.tid));
	put_number(out, "known", (uint64_t)(F.staged ? fred_threads_known(F.staged) : F.tid));
}

static void op_status(json_object *in, json_object *out)
{
	bool puppet;

	fred_process_join();
	puppet = F.now && F.now->play;
	put(out, "state", !F.tl ? "none" : !F.vt ? "ended" : puppet ? "past" : "live");
	put_target(out);
	put_bool(out, "verbose", fred_verbose);
	put_bool(out, "calling", fred_timeline_calling());
	put_bool(out, "running", F.now && F.now->state == CKPT_RUNNING);
	if (F.staged)
		put_exe(out, F.staged);
	put_bool(out, "recording", F.tl && F.tl->recording);
	put_bool(out, "no_record", fred_no_record);
	put_number(out, "threads", vpt_count((pid_t)get_number(in, "process", 0)));
	if (F.tl && F.tl->broken)
		put(out, "broken", F.tl->broken);
	if (F.tl && F.tl->nsnaps) {
		put_number(out, "snapshots", F.tl->nsnaps);
		put_number(out, "events", F.tl->nevents);
		put_number(out, "event", puppet ? F.now->play->event : F.tl->nevents);
	}
}

static void put_seconds(json_object *out, const char *key, double value)
{
	json_object_object_add(out, key, json_object_new_double(value));
}

static void op_stats(json_object *in, json_object *out)
{
	const struct ckpt_stats *s = &ckpt_stats;

	(void)in;
	put_number(out, "snapshots", s->snapshots);
	put_seconds(out, "snapshot seconds", s->snapshot_s);
	put_number(out, "restarts", s->restarts);
	put_seconds(out, "restart seconds", s->restart_s);
	put_number(out, "evaluations", s->evaluations);
	put_seconds(out, "evaluation seconds", s->evaluation_s);
	put_number(out, "searches", s->searches);
	put_seconds(out, "search seconds", s->search_s);
	put_number(out, "search runs", s->probes);
	put_number(out, "transplants", s->transplants);
	put_number(out, "events", s->events);
	put_number(out, "quick calls", s->quick);
	put_number(out, "log memory", ckpt_store_memory());
	put_number(out, "log disk", ckpt_store_disk());
	put_number(out, "snapshots kept", F.tl ? F.tl->nsnaps : 0);
	put_number(out, "snapshots dropped", s->dropped);
	put_number(out, "private memory", F.tl ? fred_private_memory() : 0);
	put_number(out, "budget", ckpt_budget()->bytes);
	put_number(out, "budget used", ckpt_budget_used());
	put_bool(out, "truncated", F.tl && F.tl->truncated);
}

/* ----------------------------------------------------------------- searches */

static void drop_floor(void)
{
	ckpt_puppet_destroy(search.floor);
	search.floor = NULL;
}

static void forget_stops(void)
{
	for (size_t i = 0; i < search.nstops; i++)
		fred_condition_destroy(search.conditions[i]);
	search.nstops = search.nwatches = 0;
}

static void read_stops(json_object *in)
{
	json_object *list, *item, *v;

	forget_stops();
	if (json_object_object_get_ex(in, "stops", &list))
		for (size_t i = 0; i < json_object_array_length(list) && i < MAX_STOPS; i++) {
			item = json_object_array_get_idx(list, i);
			search.conditions[i] = NULL;
			search.stops[search.nstops++] =
				(struct ckpt_rule){ .site = json_object_get_uint64(item) };
		}
	if (json_object_object_get_ex(in, "watches", &list))
		for (size_t i = 0; i < json_object_array_length(list) && i < 4; i++) {
			struct fred_watch *w = &search.watches[search.nwatches++];

			item = json_object_array_get_idx(list, i);
			v = json_object_array_get_idx(item, 0);
			w->addr = json_object_get_uint64(v);
			v = json_object_array_get_idx(item, 1);
			w->len = (unsigned int)json_object_get_int(v);
			v = json_object_array_get_idx(item, 2);
			w->access = (enum fred_access)json_object_get_int(v);
		}
}

/* Whether other code may be mapped at event `then` of interval i than now. */
static bool other_code(uint64_t then, size_t i)
{
	uint64_t now = F.now && F.now->play ? F.now->play->event : F.tl->nevents;
	size_t k = F.now && F.now->play ? F.now->play->interval : F.tl->nsnaps - 1;

	if (!F.now)
		return true;
	for (uint64_t e = now < then ? now : then;
	     (e = ckpt_log_next_map(F.tl, e)) < (now < then ? then : now); e++) {
		const struct ckpt_event ev = ckpt_log_event(F.tl, e);

		if (ev.nr == SYS_munmap || (ev.nr == SYS_mmap && ev.file >= 0))
			return true;
	}
	for (size_t s = (i < k ? i : k) + 1; s <= (i < k ? k : i); s++)
		if (F.tl->snaps[s]->before == CKPT_END_CALL)
			return true;
	return false;
}

static void stage(json_object *out, struct ckpt_task *p, enum fred_arrival arrival, size_t slot,
		  const char *kind)
{
	fred_timeline_stage(p, arrival);
	F.watch_addr = arrival == FRED_ARRIVE_WATCH ? search.watches[slot].addr : 0;
	put_found(out, p, kind);
	put_number(out, "slot", slot);
	put_exe(out, p);
	put_bool(out, "code",
		 other_code(p->play ? p->play->event : F.tl->nevents,
			    p->play ? p->play->interval : F.tl->nsnaps - 1));
}

static void stage_begin(json_object *out)
{
	struct ckpt_task *p;
	int err = fred_seek_begin(&p);

	if (err)
		fail(out, err);
	else
		stage(out, p, FRED_ARRIVE_STEP, 0, "begin");
}

/* The interval before m that began with the exec of another program than before; 0: none. */
static size_t other_program_before(const struct fred_moment *m)
{
	char now[4096], then[4096];
	size_t i = m->interval;

	for (; i > 0; i--) {
		const struct ckpt_snap *s = F.tl->snaps[i], *before = F.tl->snaps[i - 1];

		if (s->exec && s->copy && before->copy &&
		    strcmp(exe_of(s->copy, now), exe_of(before->copy, then)) != 0)
			break;
	}
	return i;
}

/* The instruction that made the exec at which the search has ended: the debugger must read
 * the other program's symbols before it knows where to stop in it. */
static void stage_exec(json_object *out)
{
	struct fred_moment m = { .interval = search.exec - 1 };
	struct ckpt_task *p;
	int err;

	ckpt_goal_of(F.tl, m.interval, &m.goal);
	err = fred_seek_instruction(&m, &p);
	if (err > 0)
		stage(out, p, FRED_ARRIVE_STEP, 0, "exec");
	else
		fail(out, err < 0 ? err : -ENOENT);
}

static bool condition_holds(struct ckpt_task *p, size_t which)
{
	const struct fred_condition *c = search.conditions[which];

	return !c || fred_condition_holds(c, p);
}

/* Who says which of the stops are good: nobody if there are no conditions. */
static fred_seek_judge judge(void)
{
	for (size_t i = 0; i < search.nstops; i++)
		if (search.conditions[i])
			return condition_holds;
	return NULL;
}

/* The last stop between the floor and m; where there is none, the floor, an exec, or
 * history's beginning. */
static void stage_last_stop(const struct fred_moment *m, json_object *out)
{
	struct ckpt_task *written = NULL, *hit;
	size_t which = 0, slot = 0;
	struct fred_moment any = *m; /* other threads stop at breakpoints, too */
	int err;

	any.thread = 0;
	err = fred_seek_write(m, search.floor, search.watches, search.nwatches, &written, &slot);
	if (err >= 0)
		err = fred_seek_last_good(&any, written ? written : search.floor, search.stops,
					  search.nstops, judge(), &hit, &which);
	if (err > 0) {
		stage(out, hit, FRED_ARRIVE_BREAKPOINT, 0, "breakpoint");
		ckpt_puppet_destroy(written);
	} else if (err < 0) {
		ckpt_puppet_destroy(written);
		fail(out, err);
	} else if (written) {
		stage(out, written, FRED_ARRIVE_WATCH, slot, "watch");
	} else if (search.exec) {
		stage_exec(out);
	} else if (search.floor) {
		hit = search.floor;
		search.floor = NULL;
		if (search.scope)
			stage(out, hit, FRED_ARRIVE_STEP, search.scope - 1, "scope");
		else if (search.catch)
			stage(out, hit, search.catch, 0,
			      search.catch == FRED_ARRIVE_RETURN ? "return" : "catch");
		else
			stage(out, hit, FRED_ARRIVE_STEP, 0, search.begins ? "begin" : "step");
	} else {
		stage_begin(out);
	}
}

static int moment(struct fred_moment *m, bool chain)
{
	memset(m, 0, sizeof(*m));
	if (chain && F.staged && F.staged->play) {
		m->owned = F.staged; /* it is about to be replaced */
		F.staged = NULL;
		fred_moment_of(m->owned, m);
		m->owned = m->goal.ref;
		return 0;
	}
	fred_timeline_unstage();
	m->thread = F.last ? ckpt_vtid(F.last) : F.now ? ckpt_vtid(F.now) : 0;
	return fred_timeline_moment(&m->goal, &m->interval);
}

/* Whether the floor lies behind m, where another thread stands. */
static bool is_below_floor(const struct fred_moment *m, pid_t tid)
{
	const struct ckpt_task *f = search.floor;

	return f && f->vtid != tid &&
	       (m->interval < f->play->interval ||
		(m->interval == f->play->interval && m->goal.event <= f->play->event));
}

/* Where the frame of that level in thread tid began, as seen from m and if that is
 * behind the floor; as fred_seek_last(). */
static int scope_begin(const struct fred_moment *m, pid_t tid, unsigned int level,
		       struct ckpt_task **ret)
{
	struct fred_moment own = *m;
	int err;

	own.owned = NULL;
	err = fred_moment_in_thread(&own, tid);
	if (err > 0)
		err = is_below_floor(&own, tid) ?
			      0 :
			      fred_reverse_scope(&own, search.floor, level, ret);
	fred_moment_deinit(&own);
	return err == -ENOENT ? 0 : err;
}

/* Frames that watched variables belong to: where they begin the search ends. */
static int end_at_scopes(json_object *in, const struct fred_moment *m)
{
	json_object *list, *item;
	struct ckpt_task *p;
	int err = 0;

	if (!json_object_object_get_ex(in, "scopes", &list))
		return 0;
	for (size_t i = 0; err >= 0 && i < json_object_array_length(list); i++) {
		item = json_object_array_get_idx(list, i);
		err = scope_begin(
			m, json_object_get_int(json_object_array_get_idx(item, 0)),
			(unsigned int)json_object_get_int(json_object_array_get_idx(item, 1)), &p);
		if (err > 0) {
			drop_floor();
			search.floor = p;
			search.scope = i + 1;
		}
	}
	return err < 0 ? err : 0;
}

static int run_continue(const struct fred_moment *m, struct ckpt_task **ret)
{
	(void)m;
	(void)ret;
	return 0;
}

static const struct {
	const char *how;
	int (*run)(const struct fred_moment *m, struct ckpt_task **ret);
} hows[] = {
	{ "step", fred_reverse_step },
	{ "next", fred_reverse_next },
	{ "nexti", fred_reverse_nexti },
	{ "continue", run_continue },
};

static bool stops_at(uint64_t pc)
{
	for (size_t i = 0; i < search.nstops; i++)
		if (search.stops[i].site == pc)
			return true;
	return false;
}

/* `count' instructions, or as many as are found at once. At a breakpoint it ends,
 * which the debugger has to judge. */
static int back_by_instructions(const struct fred_moment *m, uint64_t count, struct ckpt_task **ret)
{
	int n = 1, err = fred_seek_instruction(m, ret);

	while (err > 0 && n > 0 && search.steps < count && !stops_at(ckpt_regs(*ret)->rip)) {
		n = fred_trail_skip(ret, (unsigned int)(count - search.steps), stops_at);
		search.steps += n > 0 ? (uint64_t)n : 0;
	}
	forget_stops();
	return err;
}

/* The point before m to which the command leads if nothing stops it on the way;
 * as fred_seek_last(). */
static int run_command(json_object *in, const struct fred_moment *m, struct ckpt_task **ret)
{
	const char *how = get(in, "how", "");
	size_t i = 0;

	search.steps = 1;
	if (!strcmp(how, "stepi"))
		return back_by_instructions(m, get_number(in, "count", 1), ret);
	if (!strcmp(how, "finish"))
		return fred_reverse_finish(m, (unsigned int)get_number(in, "level", 0),
					   (unsigned int)get_number(in, "jumps", 0), ret);
	while (i < sizeof(hows) / sizeof(*hows) && strcmp(hows[i].how, how))
		i++;
	if (i == sizeof(hows) / sizeof(*hows))
		return -EINVAL;
	return hows[i].run(m, ret);
}

/* Sets the search's floor: where the command ends, and where watched frames begin. */
static int set_floor(json_object *in, const struct fred_moment *m)
{
	struct fred_moment own = *m; /* where the user's thread stands */
	struct ckpt_task *p = NULL;
	int err;

	own.owned = NULL;
	err = fred_moment_in_thread(&own, (pid_t)get_number(in, "thread", m->thread));
	if (err > 0) { /* else it has no past: as far back as there is one */
		err = run_command(in, &own, &p);
		search.begins = !err && strcmp(get(in, "how", ""), "continue");
		if (search.begins)
			err = fred_seek_thread_begin(&own, fred_moment_thread(&own), &p);
	}
	search.floor = err > 0 ? p : NULL;
	if (err >= 0 && fred_catches_read(in))
		err = fred_catches_before(m, other_program_before(m), &search.floor, &search.catch);
	if (err >= 0 && search.nwatches)
		err = end_at_scopes(in, m);
	fred_moment_deinit(&own);
	if (err < 0 || search.floor)
		return err;
	search.exec = other_program_before(m);
	return search.exec ? ckpt_puppet_create(F.tl, search.exec, &search.floor) : 0;
}

static void op_reverse(json_object *in, json_object *out)
{
	const char *how = get(in, "how", "");
	struct ckpt_task *end;
	struct fred_moment m;
	double begin = ckpt_now();
	int err = moment(&m, json_object_object_get(in, "chain") != NULL);

	drop_floor();
	read_stops(in);
	search.scope = search.exec = 0;
	search.begins = false;
	search.catch = FRED_ARRIVE_STEP;
	ckpt_stats.searches++;
	fred_seek_error[0] = 0;
	if (!err && !m.owned)
		fred_dense_before(&m);
	if (!err && F.tl->live && F.now == F.tl->live && !F.tl->recording &&
	    strcmp(how, "continue")) { /* what lies between isn't recorded */
		err = fred_seek_end(&end);
		if (!err)
			search.floor = end;
	} else if (!err) {
		err = set_floor(in, &m);
	}
	if (err < 0) {
		drop_floor();
		fail(out, err);
	} else {
		stage_last_stop(&m, out);
	}
	put_number(out, "steps", search.steps);
	ckpt_stats.search_s += ckpt_now() - begin;
	fred_moment_deinit(&m);
}

/* The condition of the breakpoint "at" is known now. */
static void learn_condition(json_object *in)
{
	uint64_t at = get_number(in, "at", 0);
	json_object *code;

	if (!json_object_object_get_ex(in, "condition", &code))
		return;
	for (size_t i = 0; i < search.nstops; i++)
		if (search.stops[i].site == at && !search.conditions[i])
			search.conditions[i] = fred_condition_create(code);
}

/* The stop that was staged isn't one (its condition is false): the one before. */
static void op_again(json_object *in, json_object *out)
{
	struct fred_moment m;
	int err;

	learn_condition(in);
	fred_timeline_peek(false);
	err = moment(&m, true);
	if (err)
		fail(out, err);
	else
		stage_last_stop(&m, out);
	fred_moment_deinit(&m);
}

/* A copy of where the user is, to look at. */
static void op_present(json_object *in, json_object *out)
{
	struct ckpt_task *p;
	int err;

	(void)in;
	fred_timeline_restore();
	fred_timeline_unstage();
	err = F.tl && F.now ? fred_timeline_copy(F.last ? F.last : F.now, &p) : -ESRCH;
	if (err) {
		fail(out, err);
		return;
	}
	fred_timeline_stage(p, FRED_ARRIVE_STEP);
	put(out, "status", "found");
}

static void op_peek(json_object *in, json_object *out)
{
	bool on = get_number(in, "on", 1);

	fred_timeline_restore();
	fred_timeline_peek(on);
	if (on && F.peeking)
		fred_threads_play_as((pid_t)get_number(in, "as", 0));
	put(out, "status", "ok");
	put_number(out, "thread", (uint64_t)(F.now ? ckpt_vtid(F.now) : 0));
}

/* Whether such memory is the same where the user is and at the staged point. */
static bool is_same(uint64_t addr, size_t len)
{
	uint8_t now[256], then[sizeof(now)];

	return len <= sizeof(now) && !ckpt_read(F.now, addr, now, len) &&
	       !ckpt_read(F.staged, addr, then, len) && !memcmp(now, then, len);
}

static void op_same(json_object *in, json_object *out)
{
	json_object *list, *item;
	bool same = F.now && F.staged && json_object_object_get_ex(in, "memory", &list);

	for (size_t i = 0; same && i < json_object_array_length(list); i++) {
		item = json_object_array_get_idx(list, i);
		same = is_same(json_object_get_uint64(json_object_array_get_idx(item, 0)),
			       json_object_get_uint64(json_object_array_get_idx(item, 1)));
	}
	put_bool(out, "same", same);
}

/* The next resume arrives at the staged point. */
static void op_land(json_object *in, json_object *out)
{
	fred_progress_end();
	fred_timeline_restore();
	if (!get_number(in, "stay", 0))
		fred_timeline_peek(false);
	drop_floor();
	if (!F.staged || !F.vt) {
		fail(out, -ENOENT);
		return;
	}
	if (!fred_threads_can_meet(F.staged)) {
		put(out, "status", "error");
		put(out, "message",
		    "that lies on the other side of the main thread's end, which came before the others', and gdb can't be shown it");
		return;
	}
	F.landing = true;
	F.other_program = get_number(in, "exec", 0);
	F.met = F.arrival;
	if (get_number(in, "meet", 0))
		F.arrival = FRED_ARRIVE_STEP;
	put(out, "status", "ok");
}

/* The debugger stands at the staged point, to meet its threads, and is to arrive
 * there once more, as was found. */
static void op_met(json_object *in, json_object *out)
{
	(void)in;
	if (F.now && F.vt)
		fred_timeline_stage(F.now, F.met);
	put(out, "status", F.now && F.vt ? "ok" : "error");
}

/* Whether ^C has ended the last function that the debugger called, in a copy. */
static void op_interrupted(json_object *in, json_object *out)
{
	(void)in;
	put_bool(out, "interrupted", F.call_interrupted);
	F.call_interrupted = false;
	put(out, "status", "ok");
}

static void op_drop(json_object *in, json_object *out)
{
	(void)in;
	fred_progress_end();
	fred_timeline_restore();
	fred_timeline_unstage();
	drop_floor();
	put(out, "status", "ok");
}

/* After the program's end: its last moment, to attach to. */
static void op_reattach(json_object *in, json_object *out)
{
	struct ckpt_task *p;
	int err;

	(void)in;
	if (!F.tl || F.vt || !F.tl->nsnaps) {
		fail(out, -ESRCH);
		return;
	}
	err = fred_seek_end(&p);
	if (!err && !ckpt_puppet_thread(p, F.tid)) {
		F.last = p; /* nobody can attach to a process without its leader */
		err = fred_seek_begin(&p);
	}
	if (err) {
		fail(out, err);
		return;
	}
	fred_timeline_stage(p, FRED_ARRIVE_STEP);
	put(out, "status", "ok");
	put_number(out, "tid", (uint64_t)F.tid);
	put_number(out, "thread", (uint64_t)ckpt_vtid(p)); /* in which it ended */
}

/* The debugger is about to detach from the ended program to which it was attached for a
 * command: it is as ended as before. */
static void op_leave(json_object *in, json_object *out)
{
	(void)in;
	F.leaving = F.vt && F.now && F.now->play && !F.tl->live;
	put(out, "status", F.leaving ? "ok" : "error");
}

static void op_prompt(json_object *in, json_object *out)
{
	fred_progress_end();
	fred_op_prompt(ckpt_find(asking), in, out);
}

static void op_facts(json_object *in, json_object *out)
{
	int err =
		vpt_facts_at(ckpt_find(asking), get_number(in, "at", 0), get_number(in, "size", 0));

	if (err)
		fail(out, err);
	else
		put(out, "status", "ok");
}

static void op_undo(json_object *in, json_object *out)
{
	fred_op_undo(ckpt_find(asking), in, out);
}

/* Where the debugger reads the files' debug information: [[file, other file or null] ...]. */
static void op_debug_files(json_object *in, json_object *out)
{
	json_object *list, *pair, *debug;
	int err = 0;

	if (!json_object_object_get_ex(in, "files", &list))
		return;
	for (size_t i = 0; !err && i < json_object_array_length(list); i++) {
		pair = json_object_array_get_idx(list, i);
		debug = json_object_array_get_idx(pair, 1);
		err = fred_seek_tell_debug(
			json_object_get_string(json_object_array_get_idx(pair, 0)),
			debug ? json_object_get_string(debug) : NULL);
	}
	if (err)
		fail(out, err);
}

static const struct {
	const char *op;
	void (*run)(json_object *in, json_object *out);
	bool looks; /* and changes nothing, or withdraws what the debugger was told itself */
} ops[] = {
	{ "status", op_status, true },
	{ "stats", op_stats, true },
	{ "reverse", op_reverse, false },
	{ "same", op_same, false },
	{ "again", op_again, false },
	{ "present", op_present, false },
	{ "peek", op_peek, false },
	{ "land", op_land, false },
	{ "met", op_met, false },
	{ "drop", op_drop, false },
	{ "reattach", op_reattach, false },
	{ "leave", op_leave, false },
	{ "interrupted", op_interrupted, false },
	{ "call", fred_op_call, false },
	{ "forks", fred_op_forks, true },
	{ "has thread", fred_op_has_thread, true },
	{ "written", fred_op_written, false },
	{ "checkpoint", fred_op_checkpoint, false },
	{ "checkpoints", fred_op_checkpoints, false },
	{ "restart", fred_op_restart, false },
	{ "delete", fred_op_delete_checkpoint, false },
	{ "bisect", fred_op_bisect, false },
	{ "verdict", fred_op_verdict, false },
	{ "prompt", op_prompt, true },
	{ "undo", op_undo, false },
	{ "history", fred_op_history, true },
	{ "verify", fred_op_verify, false },
	{ "facts", op_facts, false },
	{ "debug files", op_debug_files, true },
	{ "branches", fred_op_branches, true },
	{ "branch plan", fred_op_branch_plan, true },
	{ "branch answer", fred_op_branch_answer, false },
	{ "switch", fred_op_switch, false },
};

/* ^C while a request is served: the debugger has a SIGINT waiting. Nor does
 * anybody wait for the answer when it was killed (SIGKILL doesn't wait), or is to end. */
static bool given_up(void)
{
	fred_progress_tick();
	return fred_session_ends() || strchr("ZX", ckpt_proc_state(asking)) ||
	       ckpt_signal_waits(asking, SIGINT) || fred_forward_interrupted();
}

long fred_command(struct ckpt_task *t, const char *request, char *reply, size_t room)
{
	json_object *in = json_tokener_parse(request), *out = json_object_new_object();
	const char *op = in ? get(in, "op", "") : "";
	const char *text;
	size_t i = 0, len;
	long n;

	asking = t->tid;
	fred_process_show((pid_t)get_number(in, "process", 0), get_bool(in, "ended"));
	fred_commands_loaded = true;
	ckpt_cancelled = given_up;
	while (i < sizeof(ops) / sizeof(*ops) && strcmp(ops[i].op, op))
		i++;
	if (i == sizeof(ops) / sizeof(*ops)) {
		fail(out, -ENOSYS);
	} else {
		if (!ops[i].looks)
			vpt_facts_withdraw(vpt_debugger_of(t->tgid, false));
		ops[i].run(in, out);
	}
	ckpt_cancelled = NULL;
	text = json_object_to_json_string(out);
	len = strlen(text);
	if (fred_undo_replaced()) /* the one that asked is gone */
		n = VPT_NO_REPLY;
	else
		n = len < room ? (long)len : -EMSGSIZE;
	if (n > 0)
		memcpy(reply, text, len);
	json_object_put(in);
	json_object_put(out);
	return n;
}
