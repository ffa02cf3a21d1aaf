/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Calls that wait for some time at most. One that we have interrupted is made again, with all of that time; but
 * it ends, as if by itself, once that has passed since it began. (Calls that go on by restart_syscall, or
 * that write how much is left, need none of it.)
 */
#include <errno.h>
#include <math.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "ckptcore/outside.h"
#include "ckptcore/turns.h"

/* Where a call says for how long, and what it ends with. */
static const struct timed {
	long nr;
	enum { MILLISECONDS, TIMESPEC, OPTION } form;
	int which; /* argument, or socket option */
	int result;
} calls[] = {
	{ SYS_epoll_wait, MILLISECONDS, 3, 0 },
	{ SYS_epoll_pwait, MILLISECONDS, 3, 0 },
	{ SYS_epoll_pwait2, TIMESPEC, 3, 0 },
	{ SYS_semtimedop, TIMESPEC, 3, -EAGAIN },
	{ SYS_rt_sigtimedwait, TIMESPEC, 2, -EAGAIN },
	{ SYS_connect, OPTION, SO_SNDTIMEO, -EINPROGRESS },
	{ SYS_accept, OPTION, SO_RCVTIMEO, -EAGAIN },
	{ SYS_accept4, OPTION, SO_RCVTIMEO, -EAGAIN },
	{ SYS_read, OPTION, SO_RCVTIMEO, -EAGAIN },
	{ SYS_readv, OPTION, SO_RCVTIMEO, -EAGAIN },
	{ SYS_recvfrom, OPTION, SO_RCVTIMEO, -EAGAIN },
	{ SYS_recvmsg, OPTION, SO_RCVTIMEO, -EAGAIN },
	{ SYS_recvmmsg, OPTION, SO_RCVTIMEO, -EAGAIN },
	{ SYS_splice, OPTION, SO_RCVTIMEO, -EAGAIN },
	{ SYS_write, OPTION, SO_SNDTIMEO, -EAGAIN },
	{ SYS_writev, OPTION, SO_SNDTIMEO, -EAGAIN },
	{ SYS_sendto, OPTION, SO_SNDTIMEO, -EAGAIN },
	{ SYS_sendmsg, OPTION, SO_SNDTIMEO, -EAGAIN },
	{ SYS_sendmmsg, OPTION, SO_SNDTIMEO, -EAGAIN },
	{ SYS_sendfile, OPTION, SO_SNDTIMEO, -EAGAIN },
};

static const struct timed *timed_of(const struct ckpt_thread *th)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (calls[i].nr == th->nr)
			return &calls[i];
	return NULL;
}

/* Seconds; INFINITY: as long as it takes. */
static double by_option(const struct ckpt_task *t, int option)
{
	const int fd = ckpt_proc_borrow(t->tgid, (int)t->thread->args[0]);
	struct timeval tv = { 0, 0 };
	socklen_t len = sizeof(tv);

	if (fd < 0)
		return INFINITY;
	if (getsockopt(fd, SOL_SOCKET, option, &tv, &len)) /* it is no socket */
		tv = (struct timeval){ 0, 0 };
	close(fd);
	return tv.tv_sec || tv.tv_usec ? (double)tv.tv_sec + (double)tv.tv_usec / 1e6 : INFINITY;
}

static double how_long(struct ckpt_task *t, const struct timed *call)
{
	const uint64_t arg = call->form == OPTION ? 0 : t->thread->args[call->which];
	struct timespec ts;

	switch (call->form) {
	case MILLISECONDS:
		return (int)arg < 0 ? INFINITY : (int)arg / 1e3;
	case TIMESPEC:
		return !arg || ckpt_read(t, arg, &ts, sizeof(ts)) ?
			       INFINITY :
			       (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
	case OPTION:
		break;
	}
	return by_option(t, call->which);
}

/* What t's call ends with. */
static int result_of(const struct ckpt_task *t)
{
	const int fd = t->thread->nr == SYS_connect ?
			       ckpt_proc_borrow(t->tgid, (int)t->thread->args[0]) :
			       -1;
	int domain = 0;
	socklen_t len = sizeof(domain);

	if (fd < 0)
		return timed_of(t->thread)->result;
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len))
		domain = 0;
	close(fd);
	return domain == AF_UNIX ? -EAGAIN : -EINPROGRESS;
}

void ckpt_timeout_began(struct ckpt_thread *th)
{
	th->began = ckpt_now();
	th->until = 0;
}

bool ckpt_timeout_is_over(struct ckpt_task *t)
{
	struct ckpt_thread *th = t->thread;
	const struct timed *call = timed_of(th);

	if (!call)
		return false;
	if (!th->until)
		th->until = th->began + how_long(t, call);
	return ckpt_now() >= th->until;
}

bool ckpt_timeout_ends(struct ckpt_task *t)
{
	if (t->stop.rval != -EINTR || !ckpt_timeout_is_over(t))
		return false;
	t->stop.rval = result_of(t);
	ckpt_set_result(t, t->stop.rval);
	return true;
}

void ckpt_timeouts_tick(struct ckpt_timeline *tl)
{
	for (size_t i = 0; i < tl->nthreads; i++) {
		struct ckpt_task *t = tl->threads[i];
		const struct ckpt_thread *th = t->thread;

		if (th->until && t->in_call && t->state == CKPT_RUNNING && ckpt_now() >= th->until)
			ckpt_interrupt(t);
	}
}
