/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether a thread's call is going to sleep. To find out by waiting for it takes a clock,
 * and to set one costs as much as a call. An answer that is wrong costs time, no more:
 * whose turn is next is recorded.
 */
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "ckptcore/outside.h"
#include "ckptcore/signals.h"
#include "ckptcore/turns.h"

/* Whether nothing is to be had, or no room, behind t's descriptor. Only pipes and sockets
 * are asked: to close a file can mean to wait for the program, if it serves it, and
 * /proc/mounts tells of a change only once. */
static bool is_stuck(const struct ckpt_task *t, int fd, short event)
{
	const struct ckpt_outside *o = t->timeline->outside;
	const struct ckpt_file *f = o ? ckpt_outside_find(o, fd) : NULL;
	struct pollfd p = { .fd = -1, .events = event };
	bool stuck;

	if (f && (S_ISFIFO(f->mode) || S_ISSOCK(f->mode)))
		p.fd = ckpt_proc_borrow(t->tgid, fd);
	if (p.fd < 0)
		return false;
	stuck = poll(&p, 1, 0) == 0 && !(fcntl(p.fd, F_GETFL) & O_NONBLOCK);
	close(p.fd);
	return stuck;
}

/* Whether the next thread is at the end of a call. One that computes would keep its
 * turn for long, while what t waits for may be there at once. */
static bool others_talk(const struct ckpt_task *t)
{
	const struct ckpt_task *next = ckpt_turns_next(t->timeline);

	return next && next->in_call;
}

static enum ckpt_sleeps waits_for(const struct ckpt_task *t, short event, uint64_t flags)
{
	if (flags & MSG_DONTWAIT || !others_talk(t))
		return CKPT_SLEEPS_MAYBE;
	return is_stuck(t, (int)t->thread->args[0], event) ? CKPT_SLEEPS_YES : CKPT_SLEEPS_MAYBE;
}

enum ckpt_sleeps ckpt_sleeps(struct ckpt_task *t)
{
	const struct ckpt_thread *th = t->thread;

	if (!(ckpt_call_flags(th->call, th->args) & CKPT_CALL_BLOCKS))
		return CKPT_SLEEPS_NO;
	switch (th->nr) {
	case SYS_futex: /* those that wait */
	case SYS_nanosleep:
	case SYS_clock_nanosleep:
	case SYS_pause:
		return CKPT_SLEEPS_YES;
	case SYS_rt_sigsuspend:
		return ckpt_signal_ends_wait(t, th->args[0]) ? CKPT_SLEEPS_NO : CKPT_SLEEPS_YES;
	case SYS_read:
	case SYS_readv:
	case SYS_accept:
	case SYS_accept4:
		return waits_for(t, POLLIN, 0);
	case SYS_recvfrom:
		return waits_for(t, POLLIN, th->args[3]);
	case SYS_recvmsg:
		return waits_for(t, POLLIN, th->args[2]);
	case SYS_write:
	case SYS_writev:
		return waits_for(t, POLLOUT, 0);
	case SYS_sendto:
		return waits_for(t, POLLOUT, th->args[3]);
	default:
		return CKPT_SLEEPS_MAYBE;
	}
}
