/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Snapshots on a timeline: taking them. thin.c drops them.
 *
 * A snapshot is a forked copy that never runs; copy-on-write shares its memory
 * with the target and with the other copies. A restart forks the copy again.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "ckptcore/clock.h"
#include "ckptcore/doubles.h"
#include "ckptcore/outside.h"
#include "ckptcore/quick.h"
#include "ckptcore/record.h"
#include "ckptcore/replay.h"
#include "ckptcore/shared.h"
#include "ckptcore/turns.h"
#include "ckptcore/thin.h"
#include "ckptcore/threads.h"
#include "ckptcore/written.h"

/* What the first write to a copied page costs: measured, see the design. */
#define FAULT_SECONDS 2.9e-6
#define COST_GROWS 2.5e-4 /* seconds; such that the first interval isn't long */
#define PAGE 4096

static void parked_stopped(struct ckpt_task *t, const struct ckpt_stop *stop)
{
	/* Only death finds a parked copy (out of memory, somebody's kill). */
	struct ckpt_snap *s = t->owner;

	if (stop->state != CKPT_DEAD)
		return;
	s->copy = NULL;
	ckpt_forget(t);
}

static const struct ckpt_task_ops parked_ops = { .name = "parked", .stopped = parked_stopped };

/* ----------------------------------------------------------------- taking */

int ckpt_protection(const struct ckpt_map *m)
{
	return (m->r ? PROT_READ : 0) | (m->w ? PROT_WRITE : 0) | (m->x ? PROT_EXEC : 0);
}

/* Puts pages of copy's own, with the same contents, in place of a mapping. */
static int make_own(struct ckpt_task *copy, const struct ckpt_map *m)
{
	const uint64_t len = m->hi - m->lo;
	uint8_t *buf = calloc(1, len);
	long res;
	int err;

	if (!buf)
		return -ENOMEM;
	/* Behind the end of a mapped file there is nothing to copy. */
	if (ckpt_read_some(copy, m->lo, buf, len) < 0)
		memset(buf, 0, len);
	err = ckpt_inject(copy, &res, SYS_mmap, m->lo, len, (uint64_t)ckpt_protection(m),
			  MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0);
	if (!err && res < 0)
		err = (int)res;
	if (!err)
		err = ckpt_write(copy, m->lo, buf, len);
	free(buf);
	return err;
}

#define PM_FILE (1ull << 61)	/* in /proc/PID/pagemap: it isn't anonymous */
#define PM_PRESENT (3ull << 62) /* here or swapped out */

/* Reads from copy the pages of a private mapping that it has changed, into the places in
 * buf that they have there, and notes which. */
static int read_changed(struct ckpt_task *copy, const struct ckpt_map *m, uint8_t *buf,
			bool *changed)
{
	const size_t n = (m->hi - m->lo) / PAGE;
	uint64_t *flags = calloc(n, sizeof(*flags));
	char path[32];
	int fd, err = 0;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", copy->tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (!flags)
		err = -ENOMEM;
	else if (fd < 0 || pread(fd, flags, n * 8, (off_t)(m->lo / PAGE * 8)) != (ssize_t)(n * 8))
		err = -EIO;
	for (size_t i = 0; !err && i < n; i++) {
		changed[i] = flags[i] & PM_PRESENT && !(flags[i] & PM_FILE);
		if (changed[i])
			err = ckpt_read(copy, m->lo + i * PAGE, buf + i * PAGE, PAGE);
	}
	if (fd >= 0)
		close(fd);
	free(flags);
	return err;
}

int ckpt_copy_replace(struct ckpt_task *copy, const struct ckpt_map *m, int file)
{
	const uint64_t len = m->hi - m->lo;
	uint8_t *buf = calloc(1, len);
	bool *changed = calloc(len / PAGE, sizeof(*changed));
	long res;
	int err = buf && changed ? read_changed(copy, m, buf, changed) : -ENOMEM;

	if (!err)
		err = ckpt_map_file(copy, m->lo, len, ckpt_protection(m), MAP_FIXED | MAP_PRIVATE,
				    file, m->offset, &res);
	if (!err && res < 0)
		err = (int)res;
	for (size_t i = 0; !err && i < len / PAGE; i++)
		if (changed[i])
			err = ckpt_write(copy, m->lo + i * PAGE, buf + i * PAGE, PAGE);
	free(changed);
	free(buf);
	return err;
}

/* Memory shared with others must neither be changed by our copies nor change
 * below them: it becomes private. */
static int make_private(struct ckpt_task *copy, uint64_t *bytes)
{
	struct ckpt_map *maps;
	size_t n;
	int err = ckpt_maps(copy->tid, &maps, &n);

	for (size_t i = 0; !err && i < n; i++) {
		struct ckpt_map *m = &maps[i];

		if (m->lo == CKPT_RING)
			continue;
		if (m->lo < CKPT_RING && m->hi > CKPT_PAGE) {
			err = -EEXIST; /* the program has something there */
			break;
		}
		if (ckpt_is_double(maps, n, m))
			continue;
		if (!(m->shared && (m->w || ckpt_shared_at(copy->timeline, m->lo))) &&
		    !ckpt_shared_follows(copy->timeline, m->lo)) {
			if (!i || m->inode != m[-1].inode)
				ckpt_written_watch(m);
			continue;
		}
		err = make_own(copy, m);
		*bytes += m->hi - m->lo;
	}
	free(maps);
	return err;
}

/* Whether t stands behind an int3 of the debugger's. */
static bool behind_int3(struct ckpt_task *t)
{
	siginfo_t si;

	return t->state == CKPT_SIGNAL && t->stop.sig == SIGTRAP &&
	       ckpt_overlay_at(&t->timeline->overlay, ckpt_regs(t)->rip - 1, NULL) &&
	       !ptrace(PTRACE_GETSIGINFO, t->tid, 0, &si) && si.si_code == SI_KERNEL;
}

struct ckpt_general ckpt_canonical(struct ckpt_task *t)
{
	struct ckpt_general g = ckpt_general_of(ckpt_regs(t));

	if (behind_int3(t))
		g.rip--;
	return g;
}

static void take_regs(struct ckpt_timeline *tl, struct ckpt_task *copy, int sig)
{
	struct user_regs_struct *r = ckpt_regs(copy);

	if (tl->live->thread->joined && !sig)
		ckpt_before_call(tl->live, r);
	else
		r->rip = ckpt_canonical(tl->live).rip;
	if (!sig)
		ckpt_call_anew(tl->live, r);
	/* The trap flag is the tracer's. So is the resume flag, but at a fault
	 * the processor sets it, and the signal's frame shows it. */
	r->eflags &= sig ? ~0x100ull : ~0x10100ull;
	ckpt_regs_dirty(copy);
}

int ckpt_copy_prepare(struct ckpt_task *copy, uint64_t *bytes)
{
	int err;
	long res;

	*bytes = 0;
	err = make_private(copy, bytes);
	if (!err)
		err = ckpt_inject(copy, &res, SYS_mmap, CKPT_PAGE, CKPT_OURS_HI - CKPT_PAGE,
				  PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS,
				  (uint64_t)-1, 0);
	if (!err && res < 0)
		err = (int)res;
	return err ? err : ckpt_doubles_own(copy, bytes);
}

static int prepare(struct ckpt_timeline *tl, struct ckpt_snap *s)
{
	struct ckpt_task *copy = s->copy;
	int err;

	copy->timeline = tl;
	take_regs(tl, copy, s->sig);
	ckpt_overlay_remove(&tl->overlay, copy);
	err = ckpt_copy_prepare(copy, &s->kept);
	if (!err)
		ckpt_regs_flush(copy);
	copy->state = CKPT_PARKED;
	copy->owner = s;
	return err;
}

static int append(struct ckpt_timeline *tl, struct ckpt_snap *s)
{
	if (tl->nsnaps == tl->snaps_room) {
		size_t room = tl->snaps_room ? tl->snaps_room * 2 : 64;
		struct ckpt_snap **more = realloc(tl->snaps, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		tl->snaps = more;
		tl->snaps_room = room;
	}
	tl->snaps[tl->nsnaps++] = s;
	return 0;
}

/* The threads whose turn it isn't. */
static int save_others(struct ckpt_timeline *tl, struct ckpt_snap *s)
{
	struct ckpt_task **others;
	size_t n;
	int err = ckpt_turns_others(tl, &others, &n);

	if (!err && n)
		err = ckpt_threads_save(others, n, tl->live, &s->others);
	free(others);
	return err;
}

static int copy_live(struct ckpt_timeline *tl, struct ckpt_snap *s)
{
	int err = ckpt_turns_freeze(tl);

	if (!err)
		err = save_others(tl, s);
	if (!err)
		err = ckpt_fork(tl->live, false, &parked_ops, &s->copy);
	ckpt_turns_thaw(tl);
	if (err) {
		ckpt_threads_destroy(s->others);
		s->others = NULL;
		return err;
	}
	s->copy->vtid = ckpt_vtid(tl->live);
	return 0;
}

static int take(struct ckpt_timeline *tl, struct ckpt_snap *s)
{
	int err = copy_live(tl, s);

	if (err)
		return err;
	/* The kernel keeps the last fault's number and address in the thread,
	 * for the frames of signals; an int3 of ours would overwrite them. */
	if (s->sig)
		s->copy->int3_after = false;
	err = prepare(tl, s);
	if (err) {
		ckpt_kill(s->copy);
		ckpt_threads_destroy(s->others);
		s->copy = NULL;
		s->others = NULL;
	}
	return err;
}

double ckpt_snapshot_spacing(const struct ckpt_timeline *tl)
{
	return tl->snap_cost * 100 > 0.05 ? tl->snap_cost * 100 : 0.05;
}

/* What the newest snapshot keeps is known as the next one is taken. */
static uint64_t newest_keeps(const struct ckpt_timeline *tl, const struct ckpt_snap *next)
{
	/* A branch's first snapshot is of another process than the one before. */
	if (!tl->nsnaps || tl->snaps[tl->nsnaps - 1]->then.pid != next->then.pid)
		return 0;
	return ckpt_memory_lost(tl->live, &tl->snaps[tl->nsnaps - 1]->then, &next->then);
}

/* What the clock's snapshots cost the program: the time in which it stands, and
 * the faults by which it gets pages of its own again. A short interval has few
 * of them; it doesn't make the next one short at once. Nor does one snapshot that
 * had to wait for a processor make it long. */
static void note_cost(struct ckpt_timeline *tl, double seconds)
{
	double cost = seconds + (double)(tl->last_kept / PAGE) * FAULT_SECONDS;
	double least = tl->snap_cost / 2, most = tl->snap_cost * 2 + COST_GROWS;

	tl->snap_cost = cost < least ? least : cost > most ? most : cost;
}

/* Whether the live process is where the newest snapshot is: it may have come
 * back from the past to a breakpoint at which it stood already. */
static bool is_current(struct ckpt_timeline *tl)
{
	const struct ckpt_snap *s = tl->nsnaps ? tl->snaps[tl->nsnaps - 1] : NULL;
	struct ckpt_general live, copy;
	uint64_t where;

	if (!s || !s->copy || s->sig || s->event != tl->nevents ||
	    s->copy->vtid != ckpt_vtid(tl->live))
		return false;
	live = ckpt_canonical(tl->live);
	copy = ckpt_general_of(ckpt_regs(s->copy));
	return !memcmp(&live, &copy, sizeof(live)) &&
	       ckpt_same_registers(s->copy, tl->live, &live) &&
	       ckpt_same_memory(s->copy, tl->live, &tl->overlay, &where);
}

int ckpt_snapshot(struct ckpt_timeline *tl, enum ckpt_end before, bool dead, int sig,
		  const siginfo_t *si)
{
	struct ckpt_snap *s;
	double start = ckpt_now();
	uint64_t keeps = 0;
	char text[128];
	int err;

	if (!tl->recording)
		return -EINVAL;
	ckpt_quick_off(tl->live);
	if (!dead && !sig && is_current(tl)) {
		tl->last_snap = start;
		return 0;
	}
	s = calloc(1, sizeof(*s));
	err = s ? 0 : -ENOMEM;
	if (!err) {
		s->sig = sig;
		s->then = ckpt_memory_of(tl->live->tgid);
		keeps = newest_keeps(tl, s);
		do
			err = take(tl, s);
		while ((err == -EAGAIN || err == -ENOMEM) && ckpt_thin_harder(tl));
	}
	if (!err)
		err = append(tl, s);
	if (err) {
		if (s)
			ckpt_snap_destroy(s);
		tl->last_snap = ckpt_now(); /* the next attempt is the clock's, later */
		if (err == -ESRCH || (!dead && !sig && before == CKPT_END_MATCH))
			return err; /* dead, or one could do without it */
		snprintf(text, sizeof(text), "no snapshot possible (%s)", strerror(-err));
		ckpt_record_stop(tl, text);
		return err;
	}
	s->id = tl->next_id++;
	s->event = tl->nevents;
	s->before = before;
	s->before_dead = dead;
	if (sig)
		s->siginfo = *si;
	ckpt_outside_pin(tl, s);
	s->when = ckpt_now();
	if (tl->nsnaps > 1)
		tl->snaps[tl->nsnaps - 2]->kept += keeps;
	tl->last_kept = keeps;
	ckpt_stats.snapshots++;
	ckpt_stats.snapshot_s += s->when - start;
	ckpt_thin(tl);
	tl->last_snap = ckpt_now();
	note_cost(tl, tl->last_snap - start);
	return 0;
}

int ckpt_snapshot_insert(struct ckpt_timeline *tl, size_t i, struct ckpt_task *p)
{
	struct ckpt_snap *s = calloc(1, sizeof(*s));
	uint64_t event = p->play->event;
	struct ckpt_task *single;
	int err = s ? append(tl, s) : -ENOMEM;

	if (!err && (p->play->nothers || p->play->nspare)) {
		/* Parked is one thread only. */
		if (p->play->nothers)
			err = ckpt_puppet_save(p, &s->others);
		if (!err)
			err = ckpt_fork(p, false, &parked_ops, &single);
		if (err) {
			tl->nsnaps--;
		} else {
			single->vtid = p->vtid;
			single->timeline = tl;
			ckpt_puppet_destroy(p);
			p = single;
		}
	}
	if (err) {
		if (s)
			ckpt_threads_destroy(s->others);
		free(s);
		return err;
	}
	s->id = tl->next_id++;
	s->event = event;
	s->before = CKPT_END_MATCH;
	s->copy = p;
	s->kept = ckpt_memory_private(p->tgid);
	s->when = i + 2 < tl->nsnaps ? tl->snaps[i + 1]->when : ckpt_now();
	free(p->play); /* without others */
	p->play = NULL;
	p->ops = &parked_ops;
	p->owner = s;
	ckpt_regs(p)->eflags &= ~0x10100ull;
	ckpt_regs_dirty(p);
	ckpt_regs_flush(p);
	p->state = CKPT_PARKED;
	memmove(tl->snaps + i + 2, tl->snaps + i + 1, (tl->nsnaps - i - 2) * sizeof(*tl->snaps));
	tl->snaps[i + 1] = s;
	ckpt_puppets_shift(tl, i, 1);
	return 0;
}

void ckpt_snap_destroy(struct ckpt_snap *s)
{
	if (s->shared) {
		s->shared--;
		if (s->copy)
			s->copy->timeline = NULL; /* which may be the one that goes */
		return;
	}
	ckpt_outside_free(s->outside);
	if (s->copy)
		ckpt_kill(s->copy);
	ckpt_threads_destroy(s->others);
	free(s);
}

static struct ckpt_timeline *timelines;

struct ckpt_timeline *ckpt_timelines(void)
{
	return timelines;
}

struct ckpt_timeline *ckpt_timeline_create(void)
{
	struct ckpt_timeline *tl = calloc(1, sizeof(*tl));

	if (tl) {
		tl->next = timelines;
		timelines = tl;
	}
	return tl;
}

void ckpt_timeline_destroy(struct ckpt_timeline *tl)
{
	struct ckpt_timeline **p = &timelines;

	if (!tl)
		return;
	while (*p != tl)
		p = &(*p)->next;
	*p = tl->next;
	for (size_t i = 0; i < tl->nsnaps; i++)
		ckpt_snap_destroy(tl->snaps[i]);
	ckpt_record_forget(tl);
	free(tl->snaps);
	ckpt_log_free(tl);
	ckpt_outside_free(tl->outside);
	free(tl->broken);
	free(tl->record);
	ckpt_clock_destroy(tl);
	ckpt_shared_destroy(tl->shared);
	ckpt_written_destroy(tl);
	free(tl->overlay.pokes);
	free(tl);
}
