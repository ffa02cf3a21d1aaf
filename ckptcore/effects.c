/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What each call does to what the program has outside: the recorder applies it as
 * the call ends, and whoever asks for the past applies it to a snapshot's. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <linux/close_range.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "ckptcore/notes.h"

/* What is known of a call that has ended well. */
struct call {
	const struct ckpt_event *ev;
	const uint8_t *note; /* or NULL */
	size_t note_len;
};

/* ------------------------------------------------------------- descriptors */

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

static int set_rights(struct ckpt_outside *o, const struct call *c)
{
	if (c->note_len == sizeof(o->rights))
		memcpy(&o->rights, c->note, sizeof(o->rights));
	o->rights_known |= c->note_len == sizeof(o->rights);
	return 0;
}

/* In the past it is as new. */
static int set_timer(struct ckpt_outside *o, const struct call *c)
{
	uint64_t which = c->ev->nr == SYS_alarm ? ITIMER_REAL : c->ev->args[0];
	struct ckpt_timer_note timer;

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

static int waited(struct ckpt_outside *o, const struct call *c)
{
	struct ckpt_moved m;
	pid_t pid;

	if (c->note_len < sizeof(struct ckpt_child_note))
		return 0;
	memcpy(&pid, c->note, sizeof(pid));
	for (size_t i = 0; i < o->nchildren; i++)
		if (o->children[i] == pid) {
			o->children[i] = o->children[--o->nchildren];
			break;
		}
	for (size_t at = sizeof(struct ckpt_child_note); at + sizeof(m) <= c->note_len;
	     at += sizeof(m)) {
		memcpy(&m, c->note + at, sizeof(m));
		ckpt_outside_place(o, m.fd, m.offset);
	}
	return 0;
}

/* --------------------------------------------------------------- the table */

/* What calls do to what a program has outside, when they succeed. Those that
 * aren't here may make a descriptor, see effect_of(). */
static const struct effect {
	int (*apply)(struct ckpt_outside *o, const struct call *c);
	ckpt_note_fn *note; /* or NULL */
} effects[] = {
	[SYS_pipe] = { made_file, ckpt_note_pair },
	[SYS_pipe2] = { made_file, ckpt_note_pair },
	[SYS_socketpair] = { made_file, ckpt_note_pair },
	[SYS_signalfd] = { made_signalfd, ckpt_note_result },
	[SYS_signalfd4] = { made_signalfd, ckpt_note_result },
	[SYS_seccomp] = { made_file, ckpt_note_listener },
	[SYS_pidfd_getfd] = { made_file, ckpt_note_fetched },
	[SYS_recvmsg] = { made_file, ckpt_note_message },
	[SYS_recvmmsg] = { made_file, ckpt_note_messages },
	[SYS_dup] = { made_dup, NULL },
	[SYS_dup2] = { made_dup, NULL },
	[SYS_dup3] = { made_dup, NULL },
	[SYS_fcntl] = { controlled, ckpt_note_control },
	[SYS_ioctl] = { io_controlled, ckpt_note_io_control },
	[SYS_close] = { closed, NULL },
	[SYS_close_range] = { closed_range, NULL },
	[SYS_read] = { moved, NULL },
	[SYS_readv] = { moved, NULL },
	[SYS_write] = { moved, ckpt_note_end },
	[SYS_writev] = { moved, ckpt_note_end },
	[SYS_preadv2] = { moved_if_own, NULL },
	[SYS_pwritev2] = { moved_if_own, ckpt_note_end },
	[SYS_vmsplice] = { moved, NULL },
	[SYS_tee] = { moved_second, NULL },
	[SYS_sendfile] = { sent_file, NULL },
	[SYS_splice] = { moved_both, NULL },
	[SYS_copy_file_range] = { moved_both, NULL },
	[SYS_lseek] = { sought, NULL },
	[SYS_getdents] = { moved_there, ckpt_note_offset },
	[SYS_getdents64] = { moved_there, ckpt_note_offset },
	[SYS_chdir] = { changed_folder, ckpt_note_folder },
	[SYS_fchdir] = { changed_folder, ckpt_note_folder },
	[SYS_umask] = { set_umask, NULL },
	[SYS_setuid] = { set_rights, ckpt_note_rights },
	[SYS_setgid] = { set_rights, ckpt_note_rights },
	[SYS_setreuid] = { set_rights, ckpt_note_rights },
	[SYS_setregid] = { set_rights, ckpt_note_rights },
	[SYS_setresuid] = { set_rights, ckpt_note_rights },
	[SYS_setresgid] = { set_rights, ckpt_note_rights },
	[SYS_setfsuid] = { set_rights, ckpt_note_rights },
	[SYS_setfsgid] = { set_rights, ckpt_note_rights },
	[SYS_setgroups] = { set_rights, ckpt_note_rights },
	[SYS_setrlimit] = { set_rights, ckpt_note_rights },
	[SYS_prlimit64] = { set_rights, ckpt_note_rights },
	[SYS_setpriority] = { set_rights, ckpt_note_rights },
	[SYS_sched_setparam] = { set_rights, ckpt_note_rights },
	[SYS_sched_setscheduler] = { set_rights, ckpt_note_rights },
	[SYS_sched_setattr] = { set_rights, ckpt_note_rights },
	[SYS_setitimer] = { set_timer, ckpt_note_timer },
	[SYS_alarm] = { set_timer, ckpt_note_alarm },
	[SYS_timer_create] = { made_ptimer, NULL },
	[SYS_timer_delete] = { deleted_ptimer, NULL },
	[SYS_set_robust_list] = { set_robust, NULL },
	[SYS_set_tid_address] = { set_clear_tid, NULL },
	[SYS_mmap] = { mapped, NULL },
	[SYS_mprotect] = { shared, ckpt_note_protection },
	[SYS_pkey_mprotect] = { shared, ckpt_note_protection },
	[SYS_fork] = { forked, ckpt_note_child },
	[SYS_clone] = { forked, ckpt_note_child },
	[SYS_clone3] = { forked, ckpt_note_child },
	[SYS_wait4] = { waited, ckpt_note_end_of_child },
	[SYS_waitid] = { waited, ckpt_note_end_of_child },
};

static const struct effect *effect_of(const struct ckpt_event *ev)
{
	static const struct effect makes_file = { made_file, ckpt_note_result };
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
	if (e->note)
		ev = ckpt_log_event(tl, tl->nevents - 1); /* with its note */
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
