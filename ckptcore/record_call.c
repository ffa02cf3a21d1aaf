/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is recorded of a call. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "ckptcore/arch/x86_64/outer_insn.h"
#include "ckptcore/clock.h"
#include "ckptcore/outside.h"
#include "ckptcore/quick.h"
#include "ckptcore/quick_kinds.h"
#include "ckptcore/record.h"
#include "ckptcore/shared.h"
#include "ckptcore/turns.h"

static int read_task(void *ctx, uint64_t addr, void *buf, size_t len)
{
	return ckpt_read(ctx, addr, buf, len);
}

struct ckpt_call_reader ckpt_reader(struct ckpt_task *t)
{
	return (struct ckpt_call_reader){ read_task, t };
}

uint64_t ckpt_clone_flags(struct ckpt_task *t, long nr, const uint64_t args[6])
{
	uint64_t flags;

	if (nr == SYS_fork)
		return SIGCHLD;
	if (nr == SYS_vfork)
		return CLONE_VM | CLONE_VFORK;
	if (nr == SYS_clone3)
		return ckpt_read(t, args[0], &flags, 8) ? CLONE_VM : flags;
	return args[0];
}

/* Whether t's call maps once more what is there: see doubles.h. */
static bool maps_double(const struct ckpt_task *t)
{
	const struct ckpt_thread *th = t->thread;

	return (th->nr == SYS_mremap && !th->args[1]) ||
	       (th->class == CKPT_CALL_MMAP && !(th->args[3] & MAP_ANONYMOUS) &&
		ckpt_shared_maps(t, (int)th->args[4]));
}

/* Sets what kind of event the call at entry will be. */
void ckpt_record_classify(struct ckpt_task *t)
{
	struct ckpt_thread *th = t->thread;
	uint64_t flags;

	th->barrier = th->class == CKPT_CALL_BARRIER || th->class == CKPT_CALL_EXEC;
	th->births = false;
	if (th->class == CKPT_CALL_FORK) {
		flags = ckpt_clone_flags(t, th->nr, th->args);
		th->births = flags & CLONE_THREAD;
		if (!th->births && (flags & (CLONE_VM | CLONE_VFORK)) != (CLONE_VM | CLONE_VFORK) &&
		    (flags & (CLONE_VM | CLONE_UNTRACED) || (flags & CSIGNAL) != SIGCHLD))
			ckpt_clock_stop(t->timeline);
		th->barrier = flags & (CLONE_PIDFD | CLONE_UNTRACED) ||
			      (!th->births && flags & (CLONE_VM | CLONE_PARENT_SETTID));
	}
	th->barrier |= maps_double(t);
	/* fork would leave holes in our copies. */
	if (th->nr == SYS_madvise &&
	    (th->args[2] == MADV_DONTFORK || th->args[2] == MADV_WIPEONFORK))
		th->class = CKPT_CALL_REFUSE;
}

/* Appends what the kernel wrote in t's call to the newest event. */
static int add_outputs(struct ckpt_timeline *tl, struct ckpt_task *t, int64_t result)
{
	static struct ckpt_range out[CKPT_CALL_MAX_RANGES];
	struct ckpt_thread *th = t->thread;
	struct ckpt_call_reader reader = ckpt_reader(t);
	size_t n = 0;
	int err;

	/* A puppet's own mask and handlers need not be those of then: a trap of the debugger's has
	 * unblocked SIGTRAP, if it was blocked or ignored, and set its handler. */
	if (th->class != CKPT_CALL_ANSWER && th->class != CKPT_CALL_RESTART && !th->births &&
	    th->nr != SYS_rt_sigprocmask && th->nr != SYS_rt_sigaction && result != -EFAULT)
		return 0;
	err = ckpt_call_outputs(th->call, th->args, result, &reader, &th->entry, out,
				CKPT_CALL_MAX_RANGES, &n);
	for (size_t i = 0; !err && i < n; i++)
		err = ckpt_log_data(tl, t, out[i].addr, out[i].len);
	return err;
}

/* What else belongs to the newest event, t's call. */
static int add_outside(struct ckpt_timeline *tl, struct ckpt_task *t)
{
	const struct ckpt_thread *th = t->thread;
	int err = ckpt_shared_after_call(tl, t, th->nr, th->args,
					 ckpt_call_flags(th->call, th->args), true);

	if (!err)
		err = ckpt_outside_record(tl, t);
	if (err > 0)
		ckpt_record_due(tl);
	return err < 0 ? err : 0;
}

/* Appends what a quick call's note says that the kernel wrote. */
static int add_noted(struct ckpt_timeline *tl, const struct ckpt_quick_call *c)
{
	const struct ckpt_quick_piece *p = ckpt_quick_pieces(c, c->saved, c->len, NULL);
	int err = 0;

	for (; p && !err; p = ckpt_quick_pieces(c, c->saved, c->len, p))
		if (p->addr >= CKPT_QUICK_MEMORY)
			err = ckpt_log_bytes(tl, p->addr, p->bytes, p->len);
	return err;
}

/* Appends t's call with what the kernel wrote in it: the quick one's note of that, if there is one,
 * or else what is in memory now. */
static int log_call(struct ckpt_task *t, int64_t result, int file)
{
	struct ckpt_timeline *tl = t->timeline;
	const struct ckpt_thread *th = t->thread;
	const struct ckpt_quick_call *quick = th->quick;
	struct ckpt_event ev = { .kind = CKPT_EV_CALL,
				 .nr = (int16_t)th->nr,
				 .result = result,
				 .ip = th->ip,
				 .file = file };
	int err;

	memcpy(ev.args, th->args, sizeof(ev.args));
	err = ckpt_log_add(tl, &ev);
	if (err)
		return err;
	ckpt_clock_called(tl);
	if (quick && quick->len != CKPT_QUICK_UNREAD)
		err = add_noted(tl, quick);
	else if (!th->wrote)
		err = add_outputs(tl, t, result);
	if (!err)
		err = add_outside(tl, t);
	if (err)
		ckpt_log_undo(tl);
	return err;
}

void ckpt_record_call(struct ckpt_task *t, int64_t result)
{
	struct ckpt_thread *th = t->thread;
	int file = -1;

	if (th->class == CKPT_CALL_MMAP && result >= 0 && !(th->args[3] & MAP_ANONYMOUS)) {
		file = ckpt_file_keep(t, (int)th->args[4]);
		th->barrier = file < 0;
	}
	if (!th->barrier && log_call(t, result, file))
		th->barrier = true;
}

void ckpt_record_write(struct ckpt_task *t)
{
	struct ckpt_timeline *tl = t->timeline;
	struct ckpt_thread *th = t->thread;
	struct ckpt_event ev = { .kind = CKPT_EV_WRITE, .result = ckpt_vtid(t), .file = -1 };
	int err;

	if (!tl->recording || th->wrote || th->barrier)
		return;
	/* What the thread that runs has done so far came before; it may have come of the very call
	 * that this one makes now. */
	if (t == tl->live || ckpt_quick_drain(tl) || tl->live->in_call)
		ev.turn = CKPT_TURN_AT_CALL;
	err = ckpt_log_add(tl, &ev);
	if (!err) {
		err = add_outputs(tl, t, t->stop.rval);
		/* Nothing but its result? */
		if (err || !ckpt_log_event(tl, tl->nevents - 1).data_len)
			ckpt_log_undo(tl);
	}
	th->barrier = err != 0;
	th->wrote = !err && !ckpt_interrupted(t->stop.rval);
}

int ckpt_record_interrupted(struct ckpt_task *t, int64_t code)
{
	bool failed;

	ckpt_record_call(t, code);
	failed = t->thread->barrier;
	t->thread->barrier = false;
	return failed ? -ENOMEM : 0;
}

/* Memory as it is, or was before the call, where that was saved. */
static int read_saved(void *ctx, uint64_t addr, void *buf, size_t len)
{
	const struct ckpt_quick_call *c = ((struct ckpt_task *)ctx)->thread->quick;
	const struct ckpt_quick_piece *p = ckpt_quick_pieces(c, 0, c->saved, NULL);
	int err = ckpt_read(ctx, addr, buf, len);

	for (; p && !err; p = ckpt_quick_pieces(c, 0, c->saved, p)) {
		const uint64_t from = p->addr > addr ? p->addr : addr;
		const uint64_t to = p->addr + p->len < addr + len ? p->addr + p->len : addr + len;

		if (from < to)
			memcpy((uint8_t *)buf + (from - addr), p->bytes + (from - p->addr),
			       to - from);
	}
	return err;
}

int ckpt_record_quick(struct ckpt_task *t, const struct ckpt_quick_call *c, uint64_t ip)
{
	const struct ckpt_call_reader reader = { read_saved, t };
	struct ckpt_thread *th = t->thread;
	int err = 0;

	th->nr = (long)c->nr;
	memcpy(th->args, c->args, sizeof(th->args));
	th->call = ckpt_call_find(th->nr);
	th->class = ckpt_call_class(th->call, th->args);
	th->ip = ip;
	th->restarts = th->refused = th->wrote = th->births = th->barrier = false;
	if (th->nr == SYS_munmap && !c->result)
		ckpt_overlay_forget(&t->timeline->overlay, th->args[0], th->args[1]);
	th->quick = c;
	if (c->len == CKPT_QUICK_UNREAD) {
		ckpt_call_enter(th->call, th->args, &reader, &th->entry);
		th->barrier = maps_double(t);
		if (!th->barrier)
			ckpt_record_call(t, c->result);
		th->unlogged = th->barrier;
		th->barrier = false;
	} else {
		err = log_call(t, c->result, -1);
	}
	th->quick = NULL;
	return err;
}

/* One more byte of the newest event's, t's call. */
static int note_byte(struct ckpt_task *t, uint64_t addr)
{
	return t->thread->barrier ? 0 : ckpt_log_data(t->timeline, t, addr, 1);
}

int ckpt_record_random(struct ckpt_task *t, int64_t result)
{
	const struct ckpt_thread *th = t->thread;

	if (th->nr != SYS_mmap || result <= 0 || !t->tsc_trapped || !(th->args[2] & PROT_EXEC) ||
	    th->args[3] & MAP_ANONYMOUS)
		return 0;
	return ckpt_outer_insn_trap(t, (uint64_t)result, th->args[1], note_byte);
}
