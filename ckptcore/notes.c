/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "ckptcore/notes.h"
#include "ckptcore/quick_kinds.h"
#include "ckptcore/turns.h"

#ifndef SCM_PIDFD
#define SCM_PIDFD 4
#endif

#define MAX_CONTROL (64u << 10) /* bytes with a message: descriptors are at most 253 */

/* What t's descriptor fd is: as it was noted, or as it is. */
static int file_of(struct ckpt_task *t, int fd, struct ckpt_file *ret)
{
	const struct ckpt_quick_call *quick = t->thread->quick;

	if (quick && ckpt_quick_file(quick, fd, ret))
		return 0;
	return ckpt_outside_file(t->tgid, fd, ret);
}

/* What the note of t's quick call, if it is one, has at addr: of what was there before it (saved), or of
 * what it wrote. NULL: nothing. */
static const void *noted(const struct ckpt_task *t, bool saved, uint64_t addr, size_t len)
{
	const struct ckpt_quick_call *c = t->thread->quick;
	const struct ckpt_quick_piece *p = NULL;
	uint64_t from, all;

	if (!c || (!saved && c->len == CKPT_QUICK_UNREAD))
		return NULL;
	from = saved ? 0 : c->saved;
	all = saved ? c->saved : c->len;
	do
		p = ckpt_quick_pieces(c, from, all, p);
	while (p && (p->addr != addr || (len && p->len != len)));
	return p ? p->bytes : NULL;
}

/* Memory as it was behind t's call. */
static int read_behind(struct ckpt_task *t, uint64_t addr, void *buf, size_t len)
{
	const void *then = noted(t, false, addr, len);

	if (!then)
		return ckpt_read(t, addr, buf, len);
	memcpy(buf, then, len);
	return 0;
}

static int note_files(struct ckpt_timeline *tl, struct ckpt_task *t, const int *fds, size_t n)
{
	struct ckpt_file f[2];

	for (size_t i = 0; i < n; i++) {
		if (file_of(t, fds[i], &f[i]))
			return 0; /* another process has closed it: unlikely */
		f[i].made = S_ISFIFO(f[i].mode) && n == 2;
	}
	return ckpt_log_note(tl, f, n * sizeof(*f));
}

int ckpt_note_result(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	const int fd = (int)ev->result;

	return note_files(tl, t, &fd, 1);
}

int ckpt_note_pair(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	int fds[2];

	if (read_behind(t, ev->args[ev->nr == SYS_socketpair ? 3 : 0], fds, sizeof(fds)))
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

int ckpt_note_fetched(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	struct came came = { NULL, 0 };

	return log_came(tl, &came, add_came(tl, t, &came, (int)ev->result));
}

/* All descriptors in the control part of a message. 1: too much for that. */
static int add_message(struct ckpt_timeline *tl, struct ckpt_task *t, struct came *came,
		       uint64_t addr)
{
	struct msghdr msg;
	uint8_t *buf;
	int err = 0;

	if (read_behind(t, addr, &msg, sizeof(msg)) || !msg.msg_controllen)
		return 0;
	if (msg.msg_controllen > MAX_CONTROL)
		return 1;
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

int ckpt_note_message(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	struct came came = { NULL, 0 };

	return log_came(tl, &came, add_message(tl, t, &came, ev->args[1]));
}

int ckpt_note_messages(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	struct came came = { NULL, 0 };
	int err = 0;

	for (uint64_t i = 0; i < (uint64_t)ev->result && !err; i++)
		err = add_message(tl, t, &came, ev->args[1] + i * sizeof(struct mmsghdr));
	return log_came(tl, &came, err);
}

/* A filter may have a descriptor by which others decide about its calls. */
int ckpt_note_listener(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	bool has = ev->args[0] == SECCOMP_SET_MODE_FILTER &&
		   ev->args[1] & SECCOMP_FILTER_FLAG_NEW_LISTENER;

	return has ? ckpt_note_result(tl, t, ev) : 0;
}

static int note_flags(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	uint64_t offset;
	uint32_t flags;

	if (ckpt_proc_descriptor(t->tgid, (int)ev->args[0], &offset, &flags))
		return 0;
	return ckpt_log_note(tl, &flags, sizeof(flags));
}

int ckpt_note_control(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	return ev->args[1] == F_SETFL ? note_flags(tl, t, ev) : 0;
}

int ckpt_note_io_control(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	if (ev->args[1] == FIONBIO || ev->args[1] == FIOASYNC)
		return note_flags(tl, t, ev);
	if (ckpt_call_flags(ckpt_call_find(ev->nr), ev->args) & CKPT_CALL_NEWFD)
		return ckpt_note_result(tl, t, ev);
	return 0;
}

int ckpt_note_offset(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	const struct ckpt_quick_call *quick = t->thread->quick;
	uint64_t offset;
	uint32_t flags;

	if (quick && quick->offset != CKPT_QUICK_UNREAD)
		offset = quick->offset;
	else if (ckpt_proc_descriptor(t->tgid, (int)ev->args[0], &offset, &flags))
		return 0;
	return ckpt_log_note(tl, &offset, sizeof(offset));
}

/* What is appended goes to the end, wherever that was. */
int ckpt_note_end(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	const struct ckpt_file *f = ckpt_outside_find(tl->outside, (int)ev->args[0]);
	bool appends =
		f && (f->flags & O_APPEND || (ev->nr == SYS_pwritev2 && ev->args[5] & RWF_APPEND));

	return appends && S_ISREG(f->mode) ? ckpt_note_offset(tl, t, ev) : 0;
}

int ckpt_note_folder(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	const char *folder = noted(t, false, CKPT_QUICK_FOLDER, 0);

	(void)ev;
	if (folder)
		return ckpt_log_note(tl, folder, strlen(folder));
	ckpt_outside_folder(t, tl->outside);
	return ckpt_log_note(tl, tl->outside->folder, strlen(tl->outside->folder));
}

int ckpt_note_rights(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	struct ckpt_rights now;

	if (ev->nr == SYS_prlimit64 && !ev->args[2]) /* it has only asked */
		return 0;
	if (ckpt_rights_read(t->tgid, &now))
		return 1;
	return ckpt_log_note(tl, &now, sizeof(now));
}

static int log_timer(struct ckpt_timeline *tl, struct ckpt_task *t, int which,
		     const struct itimerval *value)
{
	const struct timespec *ts = noted(t, false, CKPT_QUICK_CLOCK, sizeof(*ts));
	const double clock = ts ? (double)ts->tv_sec + (double)ts->tv_nsec / 1e9 :
				  ckpt_outside_clock(t->tgid, which);
	const struct ckpt_timer_note timer = { *value, clock };

	return ckpt_log_note(tl, &timer, sizeof(timer));
}

int ckpt_note_timer(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	struct itimerval value = { { 0, 0 }, { 0, 0 } };
	const void *was = noted(t, true, ev->args[1], sizeof(value));

	if (was)
		memcpy(&value, was, sizeof(value));
	if (ev->args[0] > 2 ||
	    (!was && ev->args[1] && ckpt_read(t, ev->args[1], &value, sizeof(value))))
		return 0;
	return log_timer(tl, t, (int)ev->args[0], &value);
}

int ckpt_note_alarm(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	const struct itimerval value = { .it_value.tv_sec = (unsigned int)ev->args[0] };

	return log_timer(tl, t, ITIMER_REAL, &value);
}

/* Memory that is shared with others may become writable later. */
int ckpt_note_protection(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
{
	if (!(ev->args[2] & PROT_WRITE) || tl->outside->shares_memory || !tl->outside->maps_shared)
		return 0;
	ckpt_outside_maps(t, tl->outside);
	return tl->outside->shares_memory ? ckpt_log_note(tl, "", 1) : 0;
}

/* Threads aren't children, nor are brothers. */
int ckpt_note_child(struct ckpt_timeline *tl, struct ckpt_task *t, const struct ckpt_event *ev)
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
int ckpt_note_end_of_child(struct ckpt_timeline *tl, struct ckpt_task *t,
			   const struct ckpt_event *ev)
{
	pid_t pid = waited_for(t, ev);
	struct ckpt_child_note *gone;
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
