/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Transfers that are interrupted. A blocking write, or a receive that wants all of it,
 * sleeps with a part of the bytes moved; interrupted there it ends with that part, and
 * only a signal of the program's own may do that to it. So the rest is moved by a call
 * of its own, made in its place, and the program gets the sum.
 *
 * The rest of pieces (writev, sendmsg ...) is moved piece by piece: what has come to a
 * sleep with a part done is a stream, which keeps no boundaries.
 */
#include <limits.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "ckptcore/outside.h"
#include "ckptcore/turns.h"

/* How a call moves bytes. */
static const struct transfer {
	long nr;
	enum { PLAIN, PIECES, MESSAGE, FILE_PART } form;
	bool receives;
	int flags;   /* which argument says MSG_..., or -1 */
	long single; /* the call that moves a piece */
} transfers[] = {
	{ SYS_write, PLAIN, false, -1, SYS_write },
	{ SYS_sendto, PLAIN, false, 3, SYS_sendto },
	{ SYS_writev, PIECES, false, -1, SYS_write },
	{ SYS_sendmsg, MESSAGE, false, 2, SYS_sendto },
	{ SYS_sendfile, FILE_PART, false, -1, SYS_sendfile },
	{ SYS_read, PLAIN, true, -1, SYS_read },
	{ SYS_recvfrom, PLAIN, true, 3, SYS_recvfrom },
	{ SYS_readv, PIECES, true, -1, SYS_read },
	{ SYS_recvmsg, MESSAGE, true, 2, SYS_recvfrom },
};

static const struct transfer *transfer_of(const struct ckpt_thread *th)
{
	for (size_t i = 0; i < sizeof(transfers) / sizeof(*transfers); i++)
		if (transfers[i].nr == th->nr)
			return &transfers[i];
	return NULL;
}

/* The memory of t's call. Returns how many pieces; none: it can't be read any more. */
static size_t pieces_of(struct ckpt_task *t, const struct transfer *f, struct iovec v[IOV_MAX])
{
	const uint64_t *args = t->thread->args;
	struct msghdr m = { .msg_iov = (struct iovec *)args[1], .msg_iovlen = args[2] };

	if (f->form == PLAIN || f->form == FILE_PART) {
		v[0] = f->form == PLAIN ? (struct iovec){ (void *)args[1], args[2] } :
					  (struct iovec){ NULL, args[3] };
		return 1;
	}
	/* Descriptors come with the first part, or would be lost with the rest. */
	if ((f->form == MESSAGE && ckpt_read(t, args[1], &m, sizeof(m))) ||
	    (f->receives && m.msg_control) || m.msg_iovlen > IOV_MAX ||
	    ckpt_read(t, (uint64_t)m.msg_iov, v, m.msg_iovlen * sizeof(*v)))
		return 0;
	return m.msg_iovlen;
}

/* Whether what t's call writes to is a file of a disk: interrupts don't cut that. */
static bool is_to_disk(const struct ckpt_task *t)
{
	const struct ckpt_outside *o = t->timeline->outside;
	const struct ckpt_file *f = o ? ckpt_outside_find(o, (int)t->thread->args[0]) : NULL;

	return f && S_ISREG(f->mode);
}

/* How much a receive waits for, at least: a stream's alone ends with less if it is interrupted. */
static uint64_t least_received(const struct ckpt_task *t, int flags, uint64_t all)
{
	int fd = flags & MSG_PEEK ? -1 : ckpt_proc_borrow(t->tgid, (int)t->thread->args[0]);
	int type = 0, low = 0;
	socklen_t len = sizeof(int);

	if (fd < 0)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) || type != SOCK_STREAM ||
	    getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low, &len))
		all = 0;
	close(fd);
	return flags & MSG_WAITALL || (uint64_t)low > all ? all : (uint64_t)low;
}

/* How much t's call moves, at least, if nothing interrupts it; 0: that is unknown. */
static uint64_t least(struct ckpt_task *t, const struct transfer *f, const struct iovec *v,
		      size_t n)
{
	uint64_t all = 0;

	for (size_t i = 0; i < n; i++)
		all += v[i].iov_len;
	if (!f->receives) /* a disk is full, or the file at its limit: the next call is told so */
		return is_to_disk(t) ? 0 : all;
	return least_received(t, f->flags < 0 ? 0 : (int)t->thread->args[f->flags], all);
}

/* Whether t's call, at its end, has moved a part only, and no signal has come to it. */
static bool is_part(struct ckpt_task *t)
{
	static struct iovec v[IOV_MAX];
	const struct transfer *f = transfer_of(t->thread);

	return f && t->state == CKPT_EXIT && t->stop.rval > 0 &&
	       (uint64_t)t->stop.rval < least(t, f, v, pieces_of(t, f, v)) && !ckpt_turns_signal(t);
}

bool ckpt_transfer_cut(struct ckpt_task *t)
{
	struct ckpt_thread *th = t->thread;

	th->more = false;
	if (!is_part(t))
		return false;
	th->done = (uint64_t)t->stop.rval;
	return true;
}

bool ckpt_transfer_goes_on(struct ckpt_task *t)
{
	return t->in_call && (t->thread->more || t->cuts > 0) && ckpt_transfer_cut(t);
}

void ckpt_transfer_rest(struct ckpt_task *t)
{
	static struct iovec v[IOV_MAX];
	struct ckpt_thread *th = t->thread;
	const struct transfer *f = transfer_of(th);
	struct user_regs_struct *r = ckpt_regs(t);
	uint64_t skip = th->done, left;
	size_t n, i = 0;

	if (!th->done)
		return;
	n = pieces_of(t, f, v);
	left = least(t, f, v, n);
	left = left > skip ? left - skip : 0;
	while (i < n && skip >= v[i].iov_len)
		skip -= v[i++].iov_len;
	/* Who has changed them meanwhile gets the part. */
	th->rest = i == n ? 0 : v[i].iov_len - skip < left ? v[i].iov_len - skip : left;
	r->rax = (uint64_t)f->single;
	if (f->form == FILE_PART) { /* the file's offset, wherever that is, says what is next */
		r->r10 = th->rest;
	} else {
		r->rsi = i == n ? 0 : (uint64_t)v[i].iov_base + skip;
		r->rdx = th->rest;
	}
	if (f->form == MESSAGE)
		r->r10 = th->args[2];
	if (f->form == MESSAGE || f->receives) /* no name: the first part has brought it */
		r->r8 = r->r9 = 0;
	/* A call of which a part is done raises no SIGPIPE. */
	if (f->flags >= 0 && !f->receives)
		r->r10 |= MSG_NOSIGNAL;
	th->makes_rest = true;
	ckpt_regs_dirty(t);
}

void ckpt_transfer_settle(struct ckpt_task *t)
{
	struct ckpt_thread *th = t->thread;
	struct user_regs_struct *r;

	if (!th->makes_rest || t->state == CKPT_DEAD)
		return;
	if (t->state == CKPT_ENTRY || t->state == CKPT_SECCOMP) {
		t->stop.nr = th->nr;
		memcpy(t->stop.args, th->args, sizeof(t->stop.args));
		return;
	}
	r = ckpt_regs(t);
	r->rsi = th->args[1];
	r->rdx = th->args[2];
	r->r10 = th->args[3];
	r->r8 = th->args[4];
	r->r9 = th->args[5];
	if (t->state == CKPT_EXIT) {
		if (t->stop.rval > 0) {
			th->more = (uint64_t)t->stop.rval == th->rest;
			th->done += (uint64_t)t->stop.rval;
		}
		r->orig_rax = (uint64_t)th->nr;
		r->rax = th->done;
		t->stop.rval = (int64_t)th->done;
		th->done = 0;
	} else {
		r->rax = (uint64_t)th->nr; /* it hasn't begun yet */
	}
	th->makes_rest = false;
	ckpt_regs_dirty(t);
}
