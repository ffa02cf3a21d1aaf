/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What each call does to what the program has outside: the recorder applies it as
 * the call ends, and whoever asks for the past applies it to a snapshot's. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "ckptcore/outside.h"

#ifndef SCM_PIDFD
#define SCM_PIDFD 4
#endif

#define MAX_CONTROL (64u << 10) /* bytes with a message: descriptors are at most 253 */

/* What is known of a call that has ended well. */
struct call {
	const struct ckpt_event *ev;
	const uint8_t *note; /* or NULL */
	size_t note_len;
};

/* ------------------------------------------------------------- descriptors */

/* In a note, `same' is 1 more than another descriptor of the same open file, or 0:
 * numbers of open files aren't the same in every copy. */
static int made_file(struct ckpt_outside *o, const struct call *c)
{
	struct ckpt_file f;

	for (size_t at = 0; at + sizeof(f) <= c->note_len; at += sizeof(f)) {
		const struct ckpt_file *twin;
		int err;

		memcpy(&f, c->note + at, sizeof(f));
		twin = f.same ? ckpt_outside_find(o, (int)f.same - 1) : NULL;
		f.same = twin ? twin->same : o->next_same++;
		if (twin) {
			f.offset = twin->offset;
			f.made = twin->made;
		}
		err = ckpt_outside_add(o, &f);
		if (err)
			return err;
	}
	return 0;
}

/* One that is there gets another set of signals. */
static int made_signalfd(struct ckpt_outside *o, const struct call *c)
{
	return (int)c->ev->args[0] == (int)c->ev->result ? 0 : made_file(o, c);
}

static int made_dup(struct ckpt_outside *o, const struct call *c)
{
	const struct ckpt_file *old = ckpt_outside_find(o, (int)c->ev->args[0]);
	struct ckpt_file f;

	if (!old || old->fd == (int)c->ev->result)
		return 0;
	f = *old;
	f.fd = (int)c->ev->result;
	f.flags &= ~(uint32_t)O_CLOEXEC;
	if ((c->ev->nr == SYS_dup3 && c->ev->args[2] & O_CLOEXEC) ||
	    (c->ev->nr == SYS_fcntl && c->ev->args[1] == F_DUPFD_CLOEXEC))
		f.flags |= O_CLOEXEC;
	return ckpt_outside_add(o, &f);
}

static void set_close_flag(struct ckpt_outside *o, int fd, bool set)
{
	struct ckpt_file *f = ckpt_outside_find(o, fd);

	if (f)
		f->flags = (f->flags & ~(uint32_t)O_CLOEXEC) | (set ? O_CLOEXEC : 0);
}

/* The flags of the open file are what the note says. */
static void set_flags(struct ckpt_outside *o, const struct call *c)
{
	const struct ckpt_file *f = ckpt_outside_find(o, (int)c->ev->args[0]);
	uint32_t same = f ? f->same : 0, flags;

	if (!f || c->note_len != sizeof(flags))
		return;
	memcpy(&flags, c->note, sizeof(flags));
	for (size_t i = 0; i < o->n; i++)
		if (o->files[i].same == same)
			o->files[i].flags =
				(flags & ~(uint32_t)O_CLOEXEC) | (o->files[i].flags & O_CLOEXEC);
}

static int controlled(struct ckpt_outside *o, const struct call *c)
{
	const uint64_t *a = c->ev->args;

	switch (a[1]) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return made_dup(o, c);
	case F_SETFD:
		set_close_flag(o, (int)a[0], a[2] & FD_CLOEXEC);
		return 0;
	case F_SETFL:
		set_flags(o, c);
		return 0;
	default:
		return 0;
	}
}

static int io_controlled(struct ckpt_outside *o, const struct call *c)
{
	const uint64_t *a = c->ev->args;

	switch (a[1]) {
	case FIOCLEX:
	case FIONCLEX:
		set_close_flag(o, (int)a[0], a[1] == FIOCLEX);
		return 0;
	case FIONBIO:
	case FIOASYNC:
		set_flags(o, c);
		return 0;
	default:
		return made_file(o, c);
	}
}

static int closed(struct ckpt_outside *o, const struct call *c)
{
	ckpt_outside_remove(o, (int)c->ev->args[0]);
	return 0;
}

static int closed_range(struct ckpt_outside *o, const struct call *c)
{
	const uint64_t *a = c->ev->args;

	for (size_t i = o->n; i-- > 0;) {
		struct ckpt_file *f = &o->files[i];

		if ((unsigned int)f->fd < (unsigned int)a[0] ||
		    (unsigned int)f->fd > (unsigned int)a[1])
			continue;
		if (a[2] & CLOSE_RANGE_CLOEXEC)
			f->flags |= O_CLOEXEC;
		else
			ckpt_outside_remove(o, f->fd);
	}
	return 0;
}

/* ----------------------------------------------------------------- offsets */

static void move(struct ckpt_outside *o, uint64_t fd, int64_t by)
{
	const struct ckpt_file *f = ckpt_outside_find(o, (int)fd);

	if (f)
		ckpt_outside_place(o, (int)fd, f->offset + (uint64_t)by);
}

/* Where appending, or reading a folder, leads to is what a note tells. */
static int moved_there(struct ckpt_outside *o, const struct call *c)
{
	uint64_t offset;

	if (c->note_len != sizeof(offset))
		return 0;
	memcpy(&offset, c->note, sizeof(offset));
	ckpt_outside_place(o, (int)c->ev->args[0], offset);
	return 0;
}

/* read, write, vmsplice ... */
static int moved(struct ckpt_outside *o, const struct call *c)
{
	if (c->note)
		return moved_there(o, c);
	move(o, c->ev->args[0], c->ev->result);
	return 0;
}

/* preadv2, pwritev2: at the file's own offset if that is -1. */
static int moved_if_own(struct ckpt_outside *o, const struct call *c)
{
	return (int64_t)c->ev->args[3] == -1 ? moved(o, c) : 0;
}

static int sent_file(struct ckpt_outside *o, const struct call *c)
{
	const uint64_t *a = c->ev->args;
	const struct ckpt_file *to = ckpt_outside_find(o, (int)a[0]);
	const struct ckpt_file *from = ckpt_outside_find(o, (int)a[1]);

	if (!a[2] && from && !(to && to->same == from->same))
		move(o, a[1], c->ev->result);
	move(o, a[0], c->ev->result);
	return 0;
}

/* splice, copy_file_range */
static int moved_both(struct ckpt_outside *o, const struct call *c)
{
	if (!c->ev->args[1])
		move(o, c->ev->args[0], c->ev->result);
	if (!c->ev->args[3])
		move(o, c->ev->args[2], c->ev->result);
	return 0;
}

/* tee: what it copies stays where it was. */
static int moved_second(struct ckpt_outside *o, const struct call *c)
{
	move(o, c->ev->args[1], c->ev->result);
	return 0;
}

static int sought(struct ckpt_outside *o, const struct call *c)
{
	ckpt_outside_place(o, (int)c->ev->args[0], (uint64_t)c->ev->result);
	return 0;
}

/* ---------------------------------------------------------------- the rest */

static int changed_folder(struct ckpt_outside *o, const struct call *c)
{
	if (c->note_len && c->note_len < sizeof(o->folder)) {
		memcpy(o->folder, c->note, c->note_len);
		o->folder[c->note_len] = 0;
	}
	return 0;
}

static int set_umask(struct ckpt_outside *o, const struct call *c)
{
	o->umask = (int)c->ev->args[0] & 0777;
	return 0;
}

/* A note has the timer and when it was set. In the past it is as new. */
struct timer {
	struct itimerval value;
	double armed;
};

static int set_timer(struct ckpt_outside *o, const struct call *c)
{
	uint64_t which = c->ev->nr == SYS_alarm ? ITIMER_REAL : c->ev->args[0];
	struct timer timer;

	if (which > 2 || c->note_len != sizeof(timer))
		return 0;
	memcpy(&timer, c->note, sizeof(timer));
	o->timers[which] = timer.value;
	o->armed[which] = timer.armed;
	return 0;
}

static int made_ptimer(struct ckpt_outside *o, const struct call *c)
{
	(void)c;
	o->ptimers++;
	return 0;
}

static int deleted_ptimer(struct ckpt_outside *o, const struct call *c)
{
	(void)c;
	o->ptimers -= o->ptimers > 0;
	return 0;
}

static int set_robust(struct ckpt_outside *o, const struct call *c)
{
	if (o->turn != o->first)
		return 0;
	o->robust = c->ev->args[0];
	o->robust_len = c->ev->args[1];
	return 0;
}

static int set_clear_tid(struct ckpt_outside *o, const struct call *c)
{
	if (o->turn == o->first)
		o->clear_tid = c->ev->args[0];
	return 0;
}

static int mapped(struct ckpt_outside *o, const struct call *c)
{
	const uint64_t *a = c->ev->args;

	if ((a[3] & MAP_TYPE) == MAP_PRIVATE)
		return 0;
	o->maps_shared = true;
	o->shares_memory |= (a[2] & PROT_WRITE) != 0;
	return 0;
}

static int shared(struct ckpt_outside *o, const struct call *c)
{
	o->shares_memory |= c->note_len > 0;
	return 0;
}

static int forked(struct ckpt_outside *o, const struct call *c)
{
	pid_t pid;

	if (c->note_len != sizeof(pid))
		return 0;
	memcpy(&pid, c->note, sizeof(pid));
	o->forked = true;
	if (o->nchildren < CKPT_CHILDREN)
		o->children[o->nchildren++] = pid;
	return 0;
}

/* A note: the child that is gone, and what it has moved. */
struct gone {
	pid_t pid;
	struct ckpt_moved moved[];
};

static int waited(struct ckpt_outside *o, const struct call *c)
{
	struct ckpt_moved m;
	pid_t pid;

	if (c->note_len < sizeof(struct gone))
		return 0;
	memcpy(&pid, c->note, sizeof(pid));
	for (size_t i = 0; i < o->nchildren; i++)
		if (o->children[i] == pid) {
			o->children[i] = o->children[--o->nchildren];
			break;
		}
	for (size_t at = sizeof(struct gone); at + sizeof(m) <= c->note_len; at += sizeof(m)) {
		memcpy(&m, c->note + at, sizeof(m));
		ckpt_outside_place(o, m.fd, m.offset);
	}
	return 0;
}

/* ------------------------------------------------------------------- notes */

/* Each writes down what the call that t has just ended shows only now. 1: only a
 * snapshot can tell. */
typedef int note_fn(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev);

static int note_files(struct ckpt_timeline *tl, struct ckpt_task *t, const int *fds, size_t n)
{
	struct ckpt_file f[2];

	for (size_t i = 0; i < n; i++) {
		if (ckpt_outside_file(t->tgid, fds[i], &f[i]))
			return 0; /* another process has closed it: unlikely */
		f[i].made = S_ISFIFO(f[i].mode) && n == 2;
	}
	return ckpt_log_note(tl, f, n * sizeof(*f));
}

static int note_result(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	const int fd = (int)ev->result;

	return note_files(tl, t, &fd, 1);
}

static int note_pair(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	int fds[2];

	if (ckpt_read(t, ev->args[ev->nr == SYS_socketpair ? 3 : 0], fds, sizeof(fds)))
		return 0;
	return note_files(tl, t, fds, 2);
}

/* Descriptors that came from elsewhere may be of files that are open here, too. */
struct came {
	struct ckpt_file *files;
	size_t n;
};

static int add_came(struct ckpt_timeline *tl, struct ckpt_task *t, struct came *came, int fd)
{
	const struct ckpt_outside *o = tl->outside;
	struct ckpt_file *more = realloc(came->files, (came->n + 1) * sizeof(*more));
	const struct ckpt_file *twin;
	struct ckpt_file *f;

	if (!more)
		return -ENOMEM;
	came->files = more;
	f = &more[came->n];
	if (ckpt_outside_file(t->tgid, fd, f))
		return 0;
	twin = ckpt_outside_twin(o->files, o->n, t->tgid, f);
	if (!twin)
		twin = ckpt_outside_twin(more, came->n, t->tgid, f);
	f->same = twin ? (uint32_t)twin->fd + 1 : 0;
	came->n++;
	return 0;
}

static int log_came(struct ckpt_timeline *tl, struct came *came, int err)
{
	if (!err)
		err = ckpt_log_note(tl, came->files, came->n * sizeof(*came->files));
	free(came->files);
	return err;
}

static int note_fetched(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	struct came came = { NULL, 0 };

	return log_came(tl, &came, add_came(tl, t, &came, (int)ev->result));
}

/* All descriptors in the control part of a message. */
static int add_message(struct ckpt_timeline *tl, struct ckpt_task *t, struct came *came,
		       uint64_t addr)
{
	struct msghdr msg;
	uint8_t *buf;
	int err = 0;

	if (ckpt_read(t, addr, &msg, sizeof(msg)) || !msg.msg_controllen ||
	    msg.msg_controllen > MAX_CONTROL)
		return 0;
	buf = malloc(msg.msg_controllen);
	if (!buf)
		return -ENOMEM;
	if (ckpt_read(t, (uint64_t)msg.msg_control, buf, msg.msg_controllen))
		msg.msg_controllen = 0;
	msg.msg_control = buf;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c && !err; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET ||
		    (c->cmsg_type != SCM_RIGHTS && c->cmsg_type != SCM_PIDFD))
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len && !err;
		     at += sizeof(int)) {
			int fd;

			memcpy(&fd, (uint8_t *)c + at, sizeof(fd));
			err = add_came(tl, t, came, fd);
		}
	}
	free(buf);
	return err;
}

static int note_message(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	struct came came = { NULL, 0 };

	return log_came(tl, &came, add_message(tl, t, &came, ev->args[1]));
}

static int note_messages(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	struct came came = { NULL, 0 };
	int err = 0;

	for (uint64_t i = 0; i < (uint64_t)ev->result && !err; i++)
		err = add_message(tl, t, &came, ev->args[1] + i * sizeof(struct mmsghdr));
	return log_came(tl, &came, err);
}

/* A filter may have a descriptor by which others decide about its calls. */
static int note_listener(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	bool has = ev->args[0] == SECCOMP_SET_MODE_FILTER &&
		   ev->args[1] & SECCOMP_FILTER_FLAG_NEW_LISTENER;

	return has ? note_result(tl, t, ev) : 0;
}

static int note_flags(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	uint64_t offset;
	uint32_t flags;

	if (ckpt_proc_descriptor(t->tgid, (int)ev->args[0], &offset, &flags))
		return 0;
	return ckpt_log_note(tl, &flags, sizeof(flags));
}

static int note_control(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	return ev->args[1] == F_SETFL ? note_flags(tl, t, ev) : 0;
}

static int note_io_control(struct ckpt_timeline *tl, struct ckpt_task *t,
			   const struct ckpt_event *ev)
{
	if (ev->args[1] == FIONBIO || ev->args[1] == FIOASYNC)
		return note_flags(tl, t, ev);
	if (ckpt_call_flags(ckpt_call_find(ev->nr), ev->args) & CKPT_CALL_NEWFD)
		return note_result(tl, t, ev);
	return 0;
}

static int note_offset(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	uint64_t offset;
	uint32_t flags;

	if (ckpt_proc_descriptor(t->tgid, (int)ev->args[0], &offset, &flags))
		return 0;
	return ckpt_log_note(tl, &offset, sizeof(offset));
}

/* What is appended goes to the end, wherever that was. */
static int note_end(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	const struct ckpt_file *f = ckpt_outside_find(tl->outside, (int)ev->args[0]);
	bool appends =
		f && (f->flags & O_APPEND || (ev->nr == SYS_pwritev2 && ev->args[5] & RWF_APPEND));

	return appends && S_ISREG(f->mode) ? note_offset(tl, t, ev) : 0;
}

static int note_folder(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	(void)ev;
	ckpt_outside_folder(t, tl->outside);
	return ckpt_log_note(tl, tl->outside->folder, strlen(tl->outside->folder));
}

static int log_timer(struct ckpt_timeline *tl, struct ckpt_task *t, int which,
		     const struct itimerval *value)
{
	const struct timer timer = { *value, ckpt_outside_clock(t->tgid, which) };

	return ckpt_log_note(tl, &timer, sizeof(timer));
}

static int note_timer(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	struct itimerval value = { { 0, 0 }, { 0, 0 } };

	if (ev->args[0] > 2 || (ev->args[1] && ckpt_read(t, ev->args[1], &value, sizeof(value))))
		return 0;
	return log_timer(tl, t, (int)ev->args[0], &value);
}

static int note_alarm(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	const struct itimerval value = { .it_value.tv_sec = (unsigned int)ev->args[0] };

	return log_timer(tl, t, ITIMER_REAL, &value);
}

/* Memory that is shared with others may become writable later. */
static int note_protection(struct ckpt_timeline *tl, struct ckpt_task *t,
			   const struct ckpt_event *ev)
{
	if (!(ev->args[2] & PROT_WRITE) || tl->outside->shares_memory || !tl->outside->maps_shared)
		return 0;
	ckpt_outside_maps(t, tl->outside);
	return tl->outside->shares_memory ? ckpt_log_note(tl, "", 1) : 0;
}

/* Threads aren't children, nor are brothers. */
static int note_child(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	const pid_t pid = (pid_t)ev->result;

	if (ckpt_clone_flags(t, ev->nr, ev->args) & (CLONE_THREAD | CLONE_PARENT))
		return 0;
	return ckpt_log_note(tl, &pid, sizeof(pid));
}

/* The child of which a wait has told; 0: of none; -1: that isn't known. */
static pid_t waited_for(struct ckpt_task *t, const struct ckpt_event *ev)
{
	siginfo_t si;

	if (ev->nr == SYS_wait4)
		return (pid_t)ev->result;
	if (!ev->args[2] || ckpt_read(t, ev->args[2], &si, sizeof(si)))
		return ev->args[0] == P_PID ? (pid_t)ev->args[1] : -1;
	return si.si_pid;
}

/* It may have stopped only. What was open here and there may have moved. */
static int note_end_of_child(struct ckpt_timeline *tl, struct ckpt_task *t,
			     const struct ckpt_event *ev)
{
	pid_t pid = waited_for(t, ev);
	struct gone *gone;
	size_t n;
	int err;

	if (pid < 0)
		return 1;
	if (!pid || (pid_t)ckpt_proc_number(pid, "status", "PPid", 10) == t->tgid)
		return 0;
	gone = malloc(sizeof(*gone) + tl->outside->n * sizeof(*gone->moved));
	if (!gone)
		return -ENOMEM;
	gone->pid = pid;
	n = ckpt_outside_moved(t, tl->outside, gone->moved);
	err = ckpt_log_note(tl, gone, sizeof(*gone) + n * sizeof(*gone->moved));
	free(gone);
	return err;
}

/* --------------------------------------------------------------- the table */

/* What calls do to what a program has outside, when they succeed. Those that
 * aren't here may make a descriptor, see effect_of(). */
static const struct effect {
	int (*apply)(struct ckpt_outside *o, const struct call *c);
	note_fn *note; /* or NULL */
} effects[] = {
	[SYS_pipe] = { made_file, note_pair },
	[SYS_pipe2] = { made_file, note_pair },
	[SYS_socketpair] = { made_file, note_pair },
	[SYS_signalfd] = { made_signalfd, note_result },
	[SYS_signalfd4] = { made_signalfd, note_result },
	[SYS_seccomp] = { made_file, note_listener },
	[SYS_pidfd_getfd] = { made_file, note_fetched },
	[SYS_recvmsg] = { made_file, note_message },
	[SYS_recvmmsg] = { made_file, note_messages },
	[SYS_dup] = { made_dup, NULL },
	[SYS_dup2] = { made_dup, NULL },
	[SYS_dup3] = { made_dup, NULL },
	[SYS_fcntl] = { controlled, note_control },
	[SYS_ioctl] = { io_controlled, note_io_control },
	[SYS_close] = { closed, NULL },
	[SYS_close_range] = { closed_range, NULL },
	[SYS_read] = { moved, NULL },
	[SYS_readv] = { moved, NULL },
	[SYS_write] = { moved, note_end },
	[SYS_writev] = { moved, note_end },
	[SYS_preadv2] = { moved_if_own, NULL },
	[SYS_pwritev2] = { moved_if_own, note_end },
	[SYS_vmsplice] = { moved, NULL },
	[SYS_tee] = { moved_second, NULL },
	[SYS_sendfile] = { sent_file, NULL },
	[SYS_splice] = { moved_both, NULL },
	[SYS_copy_file_range] = { moved_both, NULL },
	[SYS_lseek] = { sought, NULL },
	[SYS_getdents] = { moved_there, note_offset },
	[SYS_getdents64] = { moved_there, note_offset },
	[SYS_chdir] = { changed_folder, note_folder },
	[SYS_fchdir] = { changed_folder, note_folder },
	[SYS_umask] = { set_umask, NULL },
	[SYS_setitimer] = { set_timer, note_timer },
	[SYS_alarm] = { set_timer, note_alarm },
	[SYS_timer_create] = { made_ptimer, NULL },
	[SYS_timer_delete] = { deleted_ptimer, NULL },
	[SYS_set_robust_list] = { set_robust, NULL },
	[SYS_set_tid_address] = { set_clear_tid, NULL },
	[SYS_mmap] = { mapped, NULL },
	[SYS_mprotect] = { shared, note_protection },
	[SYS_pkey_mprotect] = { shared, note_protection },
	[SYS_fork] = { forked, note_child },
	[SYS_clone] = { forked, note_child },
	[SYS_clone3] = { forked, note_child },
	[SYS_wait4] = { waited, note_end_of_child },
	[SYS_waitid] = { waited, note_end_of_child },
};

static const struct effect *effect_of(const struct ckpt_event *ev)
{
	static const struct effect makes_file = { made_file, note_result };
	const size_t n = sizeof(effects) / sizeof(*effects);

	if (ev->kind != CKPT_EV_CALL || ev->nr < 0)
		return NULL;
	/* A close() that fails has closed it all the same, if it was open. */
	if (ev->result < 0 && ev->result > -4096 && (ev->nr != SYS_close || ev->result == -EBADF))
		return NULL;
	if ((size_t)ev->nr < n && effects[ev->nr].apply)
		return &effects[ev->nr];
	if (ckpt_call_flags(ckpt_call_find(ev->nr), ev->args) & CKPT_CALL_NEWFD)
		return &makes_file;
	return NULL;
}

static int apply(struct ckpt_timeline *tl, struct ckpt_outside *o, const struct ckpt_event *ev)
{
	const struct effect *e = effect_of(ev);
	struct call c = { .ev = ev };
	const uint8_t *outputs;
	uint64_t addr, len;

	if (!e)
		return 0;
	outputs = ckpt_log_outputs(tl, ev);
	if (!outputs)
		return -EIO;
	for (const uint8_t *at = outputs; at < outputs + ev->data_len; at += 16 + len) {
		memcpy(&addr, at, 8);
		memcpy(&len, at + 8, 8);
		if (addr == CKPT_NOTE) {
			c.note = at + 16;
			c.note_len = len;
		}
	}
	return e->apply(o, &c);
}

/* ---------------------------------------------------------------- recorder */

int ckpt_outside_record(struct ckpt_timeline *tl, struct ckpt_task *t)
{
	struct ckpt_event ev;
	const struct effect *e;
	int err = 0, err2;

	if (!tl->outside)
		return 0;
	ev = ckpt_log_event(tl, tl->nevents - 1);
	e = effect_of(&ev);
	if (!e)
		return 0;
	tl->outside->turn = ckpt_vtid(t);
	if (e->note)
		err = e->note(tl, t, &ev);
	if (err < 0)
		return err;
	tl->outside_stale |= err > 0;
	ev = ckpt_log_event(tl, tl->nevents - 1);
	err2 = apply(tl, tl->outside, &ev);
	return err2 ? err2 : err;
}

void ckpt_outside_pin(struct ckpt_timeline *tl, struct ckpt_snap *s)
{
	if (!tl->outside)
		return;
	tl->outside->turn = ckpt_vtid(tl->live);
	if (s->before == CKPT_END_CALL || tl->outside->forked || tl->outside_stale)
		tl->outside_stale = ckpt_outside_refresh(tl->live, tl->outside) != 0;
	else if (tl->outside->shares_memory) /* which may have ended */
		ckpt_outside_maps(tl->live, tl->outside);
	s->outside = ckpt_outside_copy(tl->outside);
	if (s->outside)
		ckpt_outside_age(s->outside, tl->live->tgid);
}

/* ---------------------------------------------------------------- the past */

int ckpt_outside_at(struct ckpt_timeline *tl, size_t i, uint64_t event, struct ckpt_outside **ret)
{
	struct ckpt_outside *o;
	int err = 0;

	while (i > 0 && !tl->snaps[i]->outside)
		i--;
	if (!tl->snaps[i]->outside)
		return -ENOENT;
	o = ckpt_outside_copy(tl->snaps[i]->outside);
	if (!o)
		return -ENOMEM;
	for (uint64_t n = tl->snaps[i]->event; !err && n < event; n++) {
		struct ckpt_event ev = ckpt_log_event(tl, n);

		if (ev.kind == CKPT_EV_TURN)
			o->turn = (pid_t)ev.result;
		err = ev.kind == CKPT_EV_LOST ? -EIO : apply(tl, o, &ev);
	}
	if (err) {
		ckpt_outside_free(o);
		return err;
	}
	*ret = o;
	return 0;
}
