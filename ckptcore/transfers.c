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
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "ckptcore/outside.h"
#include "ckptcore/signals.h"
#include "ckptcore/turns.h"

/* How a call moves bytes. */
static const struct transfer {
	long nr;
	enum { PLAIN, PIECES, MESSAGE, FILE_PART, RANDOM } form;
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
	{ SYS_getrandom, RANDOM, true, -1, SYS_getrandom },
};

static const struct transfer *transfer_of(const struct ckpt_thread *th)
{
	for (size_t i = 0; i < sizeof(transfers) / sizeof(*transfers); i++)
		if (transfers[i].nr == th->nr)
			return &transfers[i];
	return NULL;
}

/* What t's call writes to or reads from, or NULL. */
static const struct ckpt_file *file_of(const struct ckpt_task *t)
{
	const struct ckpt_outside *o = t->timeline->outside;

	return o ? ckpt_outside_find(o, (int)t->thread->args[0]) : NULL;
}

static bool is_socket(const struct ckpt_task *t)
{
	const struct ckpt_file *file = file_of(t);

	return file && S_ISSOCK(file->mode);
}

/* Whether the program filters its calls: one that it doesn't make itself may be forbidden. A program that we have
 * started has our filter, and those that we have. */
static bool filters(const struct ckpt_task *t)
{
	char theirs[CKPT_PROC_SIZE], ours[CKPT_PROC_SIZE];

	ckpt_proc_read(t->tid, "status", theirs, sizeof(theirs));
	ckpt_proc_read(getpid(), "status", ours, sizeof(ours));
	return ckpt_proc_field(theirs, "Seccomp_filters", 10) >
	       ckpt_proc_field(ours, "Seccomp_filters", 10) + !t->no_exitkill;
}

/* The memory of t's call. Returns how many pieces; none: it isn't to be told, or to be moved by other calls. */
static size_t pieces_of(struct ckpt_task *t, const struct transfer *f, struct iovec v[IOV_MAX])
{
	const uint64_t *args = t->thread->args;
	struct msghdr m = { .msg_iov = (struct iovec *)args[1], .msg_iovlen = args[2] };

	switch (f->form) {
	case PLAIN:
		v[0] = (struct iovec){ (void *)args[1], args[2] };
		return 1;
	case FILE_PART:
		v[0] = (struct iovec){ NULL, args[3] };
		return 1;
	case RANDOM:
		v[0] = (struct iovec){ (void *)args[0], args[1] };
		return 1;
	default:
		break;
	}
	/* Descriptors come with the first part, or would be lost with the rest. */
	if ((f->form == MESSAGE && ckpt_read(t, args[1], &m, sizeof(m))) ||
	    (f->receives && m.msg_control) || m.msg_iovlen > IOV_MAX || filters(t) ||
	    ckpt_read(t, (uint64_t)m.msg_iov, v, m.msg_iovlen * sizeof(*v)))
		return 0;
	return m.msg_iovlen;
}

/* How much a receive from a socket waits for, at least: a stream's alone ends with less if it is interrupted. */
static uint64_t least_received(const struct ckpt_task *t, int flags, uint64_t all)
{
	int fd = ckpt_proc_borrow(t->tgid, (int)t->thread->args[0]);
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

/* How much t's call moves, at least, if nothing interrupts it; 0: interrupts don't cut it, or that is unknown. */
static uint64_t least(struct ckpt_task *t, const struct transfer *f, const struct iovec *v,
		      size_t n)
{
	static const char *const endless[] = { "/dev/random", "/dev/urandom", "/dev/zero" };
	const struct ckpt_file *file = file_of(t);
	const int flags = f->flags < 0 ? 0 : (int)t->thread->args[f->flags];
	uint64_t all = 0;

	for (size_t i = 0; i < n; i++)
		all += v[i].iov_len;
	if (f->form == RANDOM)
		return all;
	if (!file || flags & MSG_OOB)
		return 0;
	if (!f->receives)
		return S_ISFIFO(file->mode) || S_ISSOCK(file->mode) || S_ISCHR(file->mode) ? all :
											     0;
	if (S_ISSOCK(file->mode))
		return least_received(t, flags, all);
	for (size_t i = 0; i < sizeof(endless) / sizeof(*endless); i++)
		if (!strcmp(file->path, endless[i]))
			return all;
	return 0;
}

/* Whether t's call, at its end, has moved a part only, and no signal has come to it. */
static bool is_part(struct ckpt_task *t)
{
	static struct iovec v[IOV_MAX];
	const struct transfer *f = transfer_of(t->thread);

	return f && t->state == CKPT_EXIT && t->stop.rval > 0 &&
	       (uint64_t)t->stop.rval < least(t, f, v, pieces_of(t, f, v)) && !ckpt_signal_comes(t);
}

/* Whether t only looks at what comes, which the next call gets once more: then nothing is done. */
static bool peeks(const struct ckpt_thread *th)
{
	const struct transfer *f = transfer_of(th);

	return f->receives && f->flags >= 0 && th->args[f->flags] & MSG_PEEK;
}

bool ckpt_transfer_cut(struct ckpt_task *t)
{
	struct ckpt_thread *th = t->thread;

	th->more = false;
	if (!is_part(t) || ckpt_timeout_is_over(t))
		return false;
	th->done = peeks(th) ? 0 : (uint64_t)t->stop.rval;
	return true;
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
	th->rest = i == n ? 0 : v[i].iov_len - skip < left ? v[i].iov_len - skip : left;
	r->rax = (uint64_t)f->single;
	if (i == n) { /* it has changed them meanwhile, and gets the part: by no call at all */
		r->rax = (uint64_t)-1;
	} else if (f->form == FILE_PART) {
		r->r10 = th->rest; /* the file's offset, wherever that is, says what is next */
	} else if (f->form == RANDOM) {
		r->rdi = (uint64_t)v[i].iov_base + skip;
		r->rsi = th->rest;
	} else {
		r->rsi = (uint64_t)v[i].iov_base + skip;
		r->rdx = th->rest;
	}
	if (r->rax == SYS_write && is_socket(t) && !filters(t)) {
		r->rax = SYS_sendto;
		r->r10 = 0;
	} else if (f->form == MESSAGE) {
		r->r10 = th->args[2];
	}
	/* No name: the first part has brought it. Nor SIGPIPE, which no call raises of which a part is done. */
	if (r->rax == SYS_sendto || r->rax == SYS_recvfrom)
		r->r8 = r->r9 = 0;
	if (r->rax == SYS_sendto)
		r->r10 |= MSG_NOSIGNAL;
	th->makes_rest = true;
	ckpt_regs_dirty(t);
}

/* The rest has ended so. An error is told only once, and not to who gets a part: it is the next call's. */
static void note_error(struct ckpt_task *t, int64_t result)
{
	static const int told_once[] = { ECONNRESET,  ECONNABORTED, ETIMEDOUT, EHOSTUNREACH,
					 ENETUNREACH, EHOSTDOWN,    ENETDOWN };
	struct ckpt_timeline *tl = t->timeline;

	for (size_t i = 0; i < sizeof(told_once) / sizeof(*told_once); i++)
		if (result == -told_once[i] && is_socket(t)) {
			tl->owed = told_once[i];
			tl->owed_fd = (int)t->thread->args[0];
		}
}

void ckpt_transfer_entered(struct ckpt_task *t)
{
	struct ckpt_timeline *tl = t->timeline;
	struct ckpt_thread *th = t->thread;

	if (!tl->owed || th->makes_rest || th->nr == SYS_getrandom ||
	    (int)th->args[0] != tl->owed_fd)
		return;
	if (transfer_of(th)) {
		th->owed = tl->owed;
		ckpt_regs(t)->orig_rax = (uint64_t)-1;
		ckpt_regs_dirty(t);
	}
	if (transfer_of(th) || th->nr == SYS_close)
		tl->owed = 0;
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
	r->rdi = th->args[0];
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
		note_error(t, t->stop.rval);
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
