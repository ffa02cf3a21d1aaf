/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ckptcore/signals.h"
#include "fred/catches.h"
#include "fred/forks.h"
#include "fred/reply.h"

#define F fred_tl
#define CALLS 1024
#define NO_CALL (CALLS - 1) /* as fred/gdb/core.py has it */

/* What the debugger catches. */
static struct {
	bool forks, vforks, execs;
	bool calls[CALLS], signals[65];
} caught;

static struct ckpt_event
	vfork_call; /* behind which the point that was found stands; nr -1: it isn't that */

/* ---------------------------------------------------------------- the request */

/* Numbers below n; one that is too big stands for all. */
static bool read_set(json_object *in, const char *key, bool *set, size_t n)
{
	json_object *list;
	size_t i, len;

	memset(set, 0, n);
	if (!json_object_object_get_ex(in, key, &list))
		return false;
	len = json_object_array_length(list);
	for (i = 0; i < len; i++) {
		uint64_t number = json_object_get_uint64(json_object_array_get_idx(list, i));

		if (number < n)
			set[number] = true;
		else
			memset(set, 1, n);
	}
	return len > 0;
}

bool fred_catches_read(json_object *in)
{
	bool any = read_set(in, "calls", caught.calls, CALLS);

	any |= read_set(in, "signals", caught.signals, sizeof(caught.signals));
	caught.forks = get_bool(in, "forks");
	caught.vforks = get_bool(in, "vforks");
	caught.execs = get_bool(in, "execs");
	return any || caught.forks || caught.vforks || caught.execs;
}

static bool catches_call(long nr)
{
	return nr >= 0 && nr < CALLS && caught.calls[nr];
}

static bool catches_signal(int64_t sig)
{
	return sig > 0 && sig < (int64_t)sizeof(caught.signals) && caught.signals[sig];
}

/* ------------------------------------------------------------------- the search */

/* A puppet in interval i behind the first `event' events (how: CKPT_END_EVENT), or at the call that follows on
 * them. */
static int go_to(size_t i, uint64_t event, enum ckpt_end how, struct ckpt_task **ret)
{
	const struct ckpt_goal goal = { .event = event, .how = how };
	enum ckpt_halt halt;
	struct ckpt_leg leg;
	int err = fred_seek_start(i, NULL, ret);

	if (err || (how == CKPT_END_EVENT && event == F.tl->snaps[i]->event))
		return err;
	err = ckpt_leg_begin(&leg, *ret, &goal, NULL, 0);
	if (!err) {
		halt = ckpt_leg_run(&leg);
		err = fred_seek_failure(halt, &leg);
		ckpt_leg_end(&leg);
	}
	if (err)
		ckpt_puppet_destroy(*ret);
	return err;
}

/* The same, for a stop of that kind. */
static int stop_at(size_t i, uint64_t event, enum fred_arrival how, struct ckpt_task **ret,
		   enum fred_arrival *how_ret)
{
	int err = go_to(i, event, how == FRED_ARRIVE_CALL ? CKPT_END_CALL : CKPT_END_EVENT, ret);

	*how_ret = how;
	return err ? err : 1;
}

/* Whether the debugger has been told, where m is, of a signal that comes there. */
static bool is_at_signal(const struct fred_moment *m)
{
	const struct ckpt_task *ref = m->goal.ref;
	siginfo_t si;

	return ref && ref->play ? ref->play->told : ref && fred_timeline_live_signal(&si);
}

/* Whether m, if it is where p stands behind event e, is no instruction later. */
static bool is_behind(const struct fred_moment *m, uint64_t e, struct ckpt_task *p)
{
	struct ckpt_general here;

	if (m->goal.event != e + 1 || m->goal.how == CKPT_END_CALL)
		return false;
	here = ckpt_canonical(p);
	return m->goal.how != CKPT_END_MATCH || !memcmp(&here, &m->goal.regs, sizeof(here));
}

/* The end of call e of interval i, and the fork that it was; 0: m is there. */
static int at_end(const struct fred_moment *m, size_t i, uint64_t e, const struct ckpt_event *ev,
		  struct ckpt_task **ret, enum fred_arrival *how)
{
	bool fork = caught.forks && fred_forks_may_be(ev),
	     end = catches_call(ev->nr) && !ckpt_interrupted(ev->result), here;
	int err;

	if (!fork && !end)
		return 0;
	err = stop_at(i, e + 1, FRED_ARRIVE_RETURN, ret, how);
	if (err < 0)
		return err;
	here = is_behind(m, e, *ret);
	if (end && (!here || is_at_signal(m)))
		return 1;
	if (fork && !(here && F.amid_fork) && fred_forks_kind(*ret, ev) == PTRACE_EVENT_FORK) {
		*how = FRED_ARRIVE_FORK;
		return 1;
	}
	ckpt_puppet_destroy(*ret);
	return 0;
}

/* The last event before e, but for those that are noted beside what the program does; no turn's of
 * thread tid if that is 0. False: there is none before the thread has done something that made no event. */
static bool event_before(uint64_t *e, pid_t tid, struct ckpt_event *ret)
{
	while (*e > 0) {
		*ret = ckpt_log_event(F.tl, --*e);
		if (tid ? ret->kind == CKPT_EV_TURN && ret->result == tid :
			  ret->kind != CKPT_EV_WRITE && ret->kind != CKPT_EV_CLOCK)
			return true;
	}
	return false;
}

/* Whether the thread that stands at a call behind the first e events had come to it before: its turn began amid
 * it. */
static bool is_again(size_t i, uint64_t e)
{
	const struct ckpt_snap *s = F.tl->snaps[i];
	struct ckpt_event ev, next;
	pid_t tid;

	if (!event_before(&e, 0, &ev) || ev.kind != CKPT_EV_TURN)
		return false;
	if (s->event > e && s->before == CKPT_END_CALL)
		return false; /* it has made a call since that isn't replayed */
	/* Its turn before ended by the first turn of another's since. */
	tid = (pid_t)ev.result;
	if (!event_before(&e, tid, &ev))
		return false;
	do
		next = ckpt_log_event(F.tl, ++e);
	while (next.kind != CKPT_EV_TURN);
	return next.turn == CKPT_TURN_AT_CALL;
}

/* Event e of interval i, if something of it is caught before m; as fred_catches_before(). */
static int at_event(const struct fred_moment *m, size_t i, uint64_t e, struct ckpt_task **ret,
		    enum fred_arrival *how)
{
	const struct ckpt_event ev = ckpt_log_event(F.tl, e);
	int found = 0;

	if (ev.kind == CKPT_EV_SIGNAL)
		return catches_signal(ev.result) ? stop_at(i, e, FRED_ARRIVE_SIGNAL, ret, how) : 0;
	if (ev.kind == CKPT_EV_CALL)
		found = at_end(m, i, e, &ev, ret, how);
	if (found)
		return found;
	if (ev.kind != CKPT_EV_CALL && ev.kind != CKPT_EV_END && ev.kind != CKPT_EV_EXIT &&
	    (ev.kind != CKPT_EV_TURN || ev.turn != CKPT_TURN_AT_CALL))
		return 0;
	return catches_call(ev.nr) && !is_again(i, e) ? stop_at(i, e, FRED_ARRIVE_CALL, ret, how) :
							0;
}

static int begin_of(size_t i, enum fred_arrival arrival, struct ckpt_task **ret,
		    enum fred_arrival *how)
{
	int err = ckpt_puppet_create(F.tl, i, ret);

	*how = arrival;
	return err ? err : 1;
}

/* The call that isn't replayed by which interval i - 1 ended; here: m is where i begins. */
static int at_barrier(size_t i, bool here, struct ckpt_task **ret, enum fred_arrival *how)
{
	struct ckpt_snap *s = F.tl->snaps[i];
	struct ckpt_event call;
	struct ckpt_goal goal;
	struct ckpt_task *p;
	uint64_t behind;
	int err;

	ckpt_goal_of(F.tl, i - 1, &goal);
	err = go_to(i - 1, goal.event, goal.how, &p);
	if (err)
		return err;
	call = fred_forks_at_call(p);
	behind = ckpt_regs(p)->rip;
	if (s->copy && ckpt_regs(s->copy)->rip == behind && !ckpt_calls_again(ckpt_regs(s->copy))) {
		call.result = (int64_t)ckpt_regs(s->copy)->rax;
		if (catches_call(call.nr) && !here) {
			err = begin_of(i, FRED_ARRIVE_RETURN, ret, how);
		} else if (caught.vforks && !(here && F.amid_fork) && fred_forks_may_be(&call) &&
			   fred_forks_kind(p, &call) == PTRACE_EVENT_VFORK) {
			vfork_call = call;
			err = begin_of(i, FRED_ARRIVE_FORK, ret, how);
		}
	}
	if (err || !catches_call(call.nr) || is_again(i - 1, goal.event)) {
		ckpt_puppet_destroy(p);
		return err;
	}
	*ret = p;
	*how = FRED_ARRIVE_CALL;
	return 1;
}

/* Where interval i begins, and the call before that. */
static int at_begin(const struct fred_moment *m, size_t i, bool lowest, struct ckpt_task **ret,
		    enum fred_arrival *how)
{
	const struct ckpt_snap *s = F.tl->snaps[i];
	bool here = i == m->interval && fred_moment_begins(m), any = caught.vforks;

	if (!here && s->sig && catches_signal(s->sig))
		return begin_of(i, FRED_ARRIVE_SIGNAL, ret, how);
	if (!here && s->exec && caught.execs)
		return begin_of(i, FRED_ARRIVE_EXEC, ret, how);
	for (size_t nr = 0; nr < CALLS; nr++)
		any |= caught.calls[nr];
	return any && !lowest && s->before == CKPT_END_CALL ? at_barrier(i, here, ret, how) : 0;
}

int fred_catches_before(const struct fred_moment *m, size_t lowest, struct ckpt_task **ret,
			enum fred_arrival *how)
{
	uint64_t end = m->goal.event;
	struct ckpt_task *p;
	int found = 0;

	vfork_call.nr = -1;
	for (size_t i = m->interval + 1; !found && i-- > lowest; end = F.tl->snaps[i]->event) {
		for (uint64_t e = end; !found && e-- > F.tl->snaps[i]->event;)
			found = at_event(m, i, e, &p, how);
		if (!found)
			found = at_begin(m, i, i == lowest, &p, how);
	}
	if (found > 0)
		*ret = p;
	return found;
}

/* -------------------------------------------------------------------- arriving */

static bool tell_call(struct vpt_thread *vt)
{
	siginfo_t si = vpt_trap_info(SIGTRAP | 0x80);

	fred_timeline_tell(vt, ckpt_vtid(F.now), W_STOPCODE(SIGTRAP | 0x80), &si);
	return true;
}

/* The debugger counts such stops to know an entry from an end: it is told of the end of a call behind the entry of
 * one that there isn't, of which it hears by the number. */
static bool tell_end(struct vpt_thread *vt)
{
	struct user_regs_struct *r = ckpt_regs(F.now);

	F.ended_call = r->orig_rax;
	F.ends_call = true;
	r->orig_rax = NO_CALL;
	ckpt_regs_dirty(F.now);
	return tell_call(vt);
}

bool fred_catches_resuming(struct vpt_thread *vt)
{
	if (!F.ends_call || !F.now || vt->tid != ckpt_vtid(F.now))
		return false;
	F.ends_call = false;
	ckpt_regs(F.now)->orig_rax = F.ended_call;
	ckpt_regs_dirty(F.now);
	return tell_call(vt);
}

static bool tell_signal(struct vpt_thread *vt)
{
	siginfo_t si;
	int sig = ckpt_signal_next(F.now, &si);

	if (!sig)
		return false;
	F.now->play->told = true;
	fred_timeline_tell(vt, ckpt_vtid(F.now), W_STOPCODE(sig), &si);
	return true;
}

bool fred_catches_tell(struct vpt_thread *vt, enum fred_arrival arrival)
{
	switch (arrival) {
	case FRED_ARRIVE_FORK:
		return vfork_call.nr >= 0 ? fred_forks_tell_call(vt, &vfork_call) :
					    fred_forks_tell(vt);
	case FRED_ARRIVE_CALL:
		F.now->shown = true;
		return tell_call(vt);
	case FRED_ARRIVE_RETURN:
		return tell_end(vt);
	case FRED_ARRIVE_SIGNAL:
		return tell_signal(vt);
	case FRED_ARRIVE_EXEC:
		ckpt_overlay_remove(&F.tl->overlay, F.now);
		fred_timeline_announce_exec(vt);
		return true;
	default:
		return false;
	}
}
