/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/close_range.h>
#include <linux/kcmp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ckptcore/outside.h"

/* ----------------------------------------------------------- descriptors */

static struct ckpt_file *find(const struct ckpt_outside *o, int fd)
{
	for (size_t i = 0; i < o->n; i++)
		if (o->files[i].fd == fd)
			return &o->files[i];
	return NULL;
}

static void remove_file(struct ckpt_outside *o, int fd)
{
	struct ckpt_file *f = find(o, fd);

	if (!f)
		return;
	memmove(f, f + 1, (size_t)(o->files + o->n - (f + 1)) * sizeof(*f));
	o->n--;
}

static int add_file(struct ckpt_outside *o, const struct ckpt_file *file)
{
	size_t i = 0;

	remove_file(o, file->fd);
	if (o->n == o->room) {
		size_t room = o->room ? o->room * 2 : 8;
		struct ckpt_file *more = realloc(o->files, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		o->files = more;
		o->room = room;
	}
	while (i < o->n && o->files[i].fd < file->fd)
		i++;
	memmove(o->files + i + 1, o->files + i, (o->n - i) * sizeof(*o->files));
	o->files[i] = *file;
	o->n++;
	return 0;
}

/* What descriptor fd of process pid is now. -ENOENT: it isn't open. */
static int read_file(pid_t pid, int fd, struct ckpt_file *ret)
{
	char path[64], text[512];
	struct stat st;
	const char *p;
	ssize_t n;
	int info;

	memset(ret, 0, sizeof(*ret));
	ret->fd = fd;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	n = readlink(path, ret->path, sizeof(ret->path));
	if (n < 0 || stat(path, &st) < 0)
		return -ENOENT;
	if (n == sizeof(ret->path)) /* too long to be had again */
		n = 0;
	ret->path[n] = 0;
	ret->mode = st.st_mode;
	ret->dev = st.st_dev;
	ret->ino = st.st_ino;
	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	n = info < 0 ? -1 : read(info, text, sizeof(text) - 1);
	if (info >= 0)
		close(info);
	text[n > 0 ? n : 0] = 0;
	p = strstr(text, "flags:");
	if (n <= 0 || sscanf(text, "pos: %lu", &ret->offset) != 1 || !p ||
	    sscanf(p, "flags: %o", &ret->flags) != 1)
		return -ENOENT;
	return 0;
}

/* Which of the descriptors before f is the same open file. */
static uint32_t same_as(struct ckpt_outside *o, pid_t pid, const struct ckpt_file *f)
{
	for (size_t i = 0; i < o->n; i++) {
		const struct ckpt_file *g = &o->files[i];

		if (g->fd != f->fd && g->ino == f->ino && g->dev == f->dev &&
		    ((g->flags ^ f->flags) & ~(uint32_t)O_CLOEXEC) == 0 &&
		    syscall(SYS_kcmp, pid, pid, KCMP_FILE, (long)g->fd, (long)f->fd) == 0)
			return g->same;
	}
	return o->next_same++;
}

static int read_files(pid_t pid, struct ckpt_outside *o)
{
	struct ckpt_outside before = *o;
	struct ckpt_file f, *was;
	struct dirent *e;
	char path[32];
	int err = 0;
	DIR *d;

	o->files = NULL;
	o->n = o->room = 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	d = opendir(path);
	while (d && !err && (e = readdir(d))) {
		if (e->d_name[0] == '.' || read_file(pid, atoi(e->d_name), &f))
			continue;
		f.same = same_as(o, pid, &f);
		was = find(&before, f.fd);
		if (was && was->ino == f.ino && S_ISFIFO(f.mode)) {
			f.made = was->made;
			f.offset = was->offset;
		}
		err = add_file(o, &f);
	}
	if (d)
		closedir(d);
	free(before.files);
	return d ? err : -ESRCH;
}

static void read_children(struct ckpt_task *t, struct ckpt_outside *o)
{
	char path[64];
	FILE *f;

	o->nchildren = 0;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", t->tgid, t->tid);
	f = fopen(path, "re");
	while (f && o->nchildren < CKPT_CHILDREN &&
	       fscanf(f, "%d", &o->children[o->nchildren]) == 1)
		o->nchildren++;
	if (f)
		fclose(f);
}

static void read_folder(struct ckpt_task *t, struct ckpt_outside *o)
{
	char path[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cwd", t->tgid);
	n = readlink(path, o->folder, sizeof(o->folder) - 1);
	o->folder[n > 0 ? n : 0] = 0;
}

/* Whether it has memory that others may change or see. */
static bool shares_memory(struct ckpt_task *t)
{
	struct ckpt_map *maps;
	bool found = false;
	size_t n;

	if (ckpt_maps(t->tgid, &maps, &n))
		return true;
	for (size_t i = 0; i < n; i++)
		found |= maps[i].shared && maps[i].w;
	free(maps);
	return found;
}

int ckpt_outside_refresh(struct ckpt_task *t, struct ckpt_outside *o)
{
	read_children(t, o);
	read_folder(t, o);
	o->shares_memory = shares_memory(t);
	return read_files(t->tgid, o);
}

int ckpt_outside_capture(struct ckpt_task *t, struct ckpt_outside *ret)
{
	uint64_t len = 0;

	memset(ret, 0, sizeof(*ret));
	ret->umask = -1;
	if (syscall(SYS_get_robust_list, t->tid, &ret->robust, &len) == 0)
		ret->robust_len = len;
	return ckpt_outside_refresh(t, ret);
}

struct ckpt_outside *ckpt_outside_copy(const struct ckpt_outside *o)
{
	struct ckpt_outside *c = malloc(sizeof(*c));
	double now = ckpt_now();

	if (!c)
		return NULL;
	*c = *o;
	c->room = o->n + 1;
	c->files = malloc(c->room * sizeof(*c->files));
	if (!c->files) {
		free(c);
		return NULL;
	}
	memcpy(c->files, o->files, o->n * sizeof(*c->files));
	/* Of a timer in real time the rest is left. */
	if (o->armed[0] > 0) {
		double left = (double)o->timers[0].it_value.tv_sec +
			      (double)o->timers[0].it_value.tv_usec / 1e6 + o->armed[0] - now;
		double every = (double)o->timers[0].it_interval.tv_sec +
			       (double)o->timers[0].it_interval.tv_usec / 1e6;

		while (left <= 0 && every > 0)
			left += every;
		if (left < 0)
			left = 0;
		c->timers[0].it_value =
			(struct timeval){ (time_t)left,
					  (suseconds_t)((left - (double)(time_t)left) * 1e6) };
		c->armed[0] = now;
	}
	return c;
}

void ckpt_outside_free(struct ckpt_outside *o)
{
	if (o)
		free(o->files);
	free(o);
}

/* --------------------------------------------------------------- by calls */

/* What is known of a call that has ended well. */
struct call {
	const struct ckpt_event *ev;
	const uint8_t *note; /* or NULL */
	size_t note_len;
	const uint8_t *outputs;
};

static int made_file(struct ckpt_outside *o, const struct call *c)
{
	struct ckpt_file f;

	for (size_t at = 0; at + sizeof(f) <= c->note_len; at += sizeof(f)) {
		int err;

		memcpy(&f, c->note + at, sizeof(f));
		f.same = o->next_same++;
		err = add_file(o, &f);
		if (err)
			return err;
	}
	return 0;
}

static int made_dup(struct ckpt_outside *o, const struct call *c)
{
	const struct ckpt_file *old = find(o, (int)c->ev->args[0]);
	struct ckpt_file f;

	if (!old || old->fd == (int)c->ev->result)
		return 0;
	f = *old;
	f.fd = (int)c->ev->result;
	f.flags &= ~(uint32_t)O_CLOEXEC;
	if (c->ev->nr == SYS_dup3)
		f.flags |= (uint32_t)c->ev->args[2] & O_CLOEXEC;
	return add_file(o, &f);
}

static int controlled_file(struct ckpt_outside *o, const struct call *c)
{
	const uint64_t *a = c->ev->args;
	const uint32_t settable = O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME;
	struct ckpt_file *f = find(o, (int)a[0]);
	uint32_t same;
	int err;

	if (!f)
		return 0;
	switch (a[1]) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		err = made_dup(o, c);
		f = find(o, (int)c->ev->result);
		if (!err && f && a[1] == F_DUPFD_CLOEXEC)
			f->flags |= O_CLOEXEC;
		return err;
	case F_SETFD:
		f->flags = (f->flags & ~(uint32_t)O_CLOEXEC) | (a[2] & FD_CLOEXEC ? O_CLOEXEC : 0);
		return 0;
	case F_SETFL:
		same = f->same;
		for (size_t i = 0; i < o->n; i++)
			if (o->files[i].same == same)
				o->files[i].flags = (o->files[i].flags & ~settable) |
						    ((uint32_t)a[2] & settable);
		return 0;
	default:
		return 0;
	}
}

static int set_close_flag(struct ckpt_outside *o, const struct call *c)
{
	struct ckpt_file *f = find(o, (int)c->ev->args[0]);

	if (f && c->ev->args[1] == FIOCLEX)
		f->flags |= O_CLOEXEC;
	if (f && c->ev->args[1] == FIONCLEX)
		f->flags &= ~(uint32_t)O_CLOEXEC;
	return 0;
}

static int closed(struct ckpt_outside *o, const struct call *c)
{
	remove_file(o, (int)c->ev->args[0]);
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
			remove_file(o, f->fd);
	}
	return 0;
}

static void move(struct ckpt_outside *o, uint64_t fd, uint64_t by)
{
	const struct ckpt_file *f = find(o, (int)fd);
	uint32_t same = f ? f->same : 0;

	for (size_t i = 0; f && i < o->n; i++)
		if (o->files[i].same == same)
			o->files[i].offset += by;
}

/* What is appended goes to the end, wherever that was: a note tells. */
static int moved(struct ckpt_outside *o, const struct call *c)
{
	const struct ckpt_file *f = find(o, (int)c->ev->args[0]);
	uint64_t offset;

	if (f && c->note_len == sizeof(offset)) {
		memcpy(&offset, c->note, sizeof(offset));
		move(o, c->ev->args[0], offset - f->offset);
		return 0;
	}
	move(o, c->ev->args[0], (uint64_t)c->ev->result);
	return 0;
}

/* preadv2, pwritev2: at the file's own offset if that is -1. */
static int moved_if_own(struct ckpt_outside *o, const struct call *c)
{
	return (int64_t)c->ev->args[3] == -1 ? moved(o, c) : 0;
}

static bool are_same(const struct ckpt_outside *o, uint64_t fd, uint64_t other)
{
	const struct ckpt_file *f = find(o, (int)fd), *g = find(o, (int)other);

	return f && g && f->same == g->same;
}

static int sent_file(struct ckpt_outside *o, const struct call *c)
{
	move(o, c->ev->args[0], (uint64_t)c->ev->result);
	if (!c->ev->args[2] && !are_same(o, c->ev->args[0], c->ev->args[1]))
		move(o, c->ev->args[1], (uint64_t)c->ev->result);
	return 0;
}

/* splice, copy_file_range */
static int moved_both(struct ckpt_outside *o, const struct call *c)
{
	if (!c->ev->args[1])
		move(o, c->ev->args[0], (uint64_t)c->ev->result);
	if (!c->ev->args[3])
		move(o, c->ev->args[2], (uint64_t)c->ev->result);
	return 0;
}

static int sought(struct ckpt_outside *o, const struct call *c)
{
	const struct ckpt_file *f = find(o, (int)c->ev->args[0]);

	if (f)
		move(o, c->ev->args[0], (uint64_t)c->ev->result - f->offset);
	return 0;
}

/* The position in a folder is what its last entry says. */
static int read_entries(struct ckpt_outside *o, const struct call *c)
{
	const struct ckpt_file *f = find(o, (int)c->ev->args[0]);
	const uint8_t *at = c->outputs + 16, *end = at + c->ev->result;
	uint64_t offset = 0;
	uint16_t len = 0;

	if (!f || c->ev->result <= 0 || c->ev->data_len < 16 + (uint64_t)c->ev->result)
		return 0;
	for (; at + 19 <= end; at += len) {
		memcpy(&offset, at + 8, 8);
		memcpy(&len, at + 16, 2);
		if (!len)
			break;
	}
	move(o, c->ev->args[0], offset - f->offset);
	return 0;
}

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

static int set_timer(struct ckpt_outside *o, const struct call *c)
{
	uint64_t which = c->ev->args[0];

	if (which > 2 || c->note_len != sizeof(struct itimerval))
		return 0;
	memcpy(&o->timers[which], c->note, sizeof(struct itimerval));
	o->armed[which] = timerisset(&o->timers[which].it_value) ? ckpt_now() : 0;
	return 0;
}

static int set_alarm(struct ckpt_outside *o, const struct call *c)
{
	o->timers[0] = (struct itimerval){ .it_value.tv_sec = (time_t)c->ev->args[0] };
	o->armed[0] = c->ev->args[0] ? ckpt_now() : 0;
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
	o->robust = c->ev->args[0];
	o->robust_len = c->ev->args[1];
	return 0;
}

static int set_clear_tid(struct ckpt_outside *o, const struct call *c)
{
	o->clear_tid = c->ev->args[0];
	return 0;
}

static int mapped(struct ckpt_outside *o, const struct call *c)
{
	const uint64_t *a = c->ev->args;

	o->shares_memory |= (a[3] & MAP_TYPE) != MAP_PRIVATE && a[2] & PROT_WRITE;
	return 0;
}

static int shared(struct ckpt_outside *o, const struct call *c)
{
	(void)c;
	o->shares_memory = true;
	return 0;
}

static int forked(struct ckpt_outside *o, const struct call *c)
{
	o->forked = true;
	if (o->nchildren < CKPT_CHILDREN)
		o->children[o->nchildren++] = (pid_t)c->ev->result;
	return 0;
}

static int waited(struct ckpt_outside *o, const struct call *c)
{
	for (size_t i = 0; i < o->nchildren; i++)
		if (o->children[i] == (pid_t)c->ev->result) {
			o->children[i] = o->children[--o->nchildren];
			break;
		}
	return 0;
}

static int waited_id(struct ckpt_outside *o, const struct call *c)
{
	struct ckpt_event ev = *c->ev;
	siginfo_t si;

	if (ev.args[3] & WNOWAIT || ev.data_len < 16 + sizeof(si))
		return 0;
	memcpy(&si, c->outputs + 16, sizeof(si));
	ev.result = si.si_pid;
	return waited(o, &(struct call){ .ev = &ev });
}

enum note { NO_NOTE, NOTE_FD, NOTE_PAIR, NOTE_FOLDER, NOTE_TIMER, NOTE_END };

/* What calls do to what a program has outside, when they succeed. arg: where
 * two new descriptors or a timer's setting are. */
static const struct effect {
	int (*apply)(struct ckpt_outside *o, const struct call *c);
	enum note note;
	int arg;
} effects[] = {
	[SYS_open] = { made_file, NOTE_FD, 0 },
	[SYS_openat] = { made_file, NOTE_FD, 0 },
	[SYS_openat2] = { made_file, NOTE_FD, 0 },
	[SYS_creat] = { made_file, NOTE_FD, 0 },
	[SYS_open_by_handle_at] = { made_file, NOTE_FD, 0 },
	[SYS_memfd_create] = { made_file, NOTE_FD, 0 },
	[SYS_socket] = { made_file, NOTE_FD, 0 },
	[SYS_accept] = { made_file, NOTE_FD, 0 },
	[SYS_accept4] = { made_file, NOTE_FD, 0 },
	[SYS_epoll_create] = { made_file, NOTE_FD, 0 },
	[SYS_epoll_create1] = { made_file, NOTE_FD, 0 },
	[SYS_eventfd] = { made_file, NOTE_FD, 0 },
	[SYS_eventfd2] = { made_file, NOTE_FD, 0 },
	[SYS_signalfd] = { made_file, NOTE_FD, 0 },
	[SYS_signalfd4] = { made_file, NOTE_FD, 0 },
	[SYS_timerfd_create] = { made_file, NOTE_FD, 0 },
	[SYS_inotify_init] = { made_file, NOTE_FD, 0 },
	[SYS_inotify_init1] = { made_file, NOTE_FD, 0 },
	[SYS_fanotify_init] = { made_file, NOTE_FD, 0 },
	[SYS_mq_open] = { made_file, NOTE_FD, 0 },
	[SYS_pidfd_open] = { made_file, NOTE_FD, 0 },
	[SYS_pidfd_getfd] = { made_file, NOTE_FD, 0 },
	[SYS_pipe] = { made_file, NOTE_PAIR, 0 },
	[SYS_pipe2] = { made_file, NOTE_PAIR, 0 },
	[SYS_socketpair] = { made_file, NOTE_PAIR, 3 },
	[SYS_dup] = { made_dup, NO_NOTE, 0 },
	[SYS_dup2] = { made_dup, NO_NOTE, 0 },
	[SYS_dup3] = { made_dup, NO_NOTE, 0 },
	[SYS_fcntl] = { controlled_file, NO_NOTE, 0 },
	[SYS_ioctl] = { set_close_flag, NO_NOTE, 0 },
	[SYS_close] = { closed, NO_NOTE, 0 },
	[SYS_close_range] = { closed_range, NO_NOTE, 0 },
	[SYS_read] = { moved, NO_NOTE, 0 },
	[SYS_readv] = { moved, NO_NOTE, 0 },
	[SYS_write] = { moved, NOTE_END, 0 },
	[SYS_writev] = { moved, NOTE_END, 0 },
	[SYS_preadv2] = { moved_if_own, NO_NOTE, 0 },
	[SYS_pwritev2] = { moved_if_own, NOTE_END, 0 },
	[SYS_sendfile] = { sent_file, NO_NOTE, 0 },
	[SYS_splice] = { moved_both, NO_NOTE, 0 },
	[SYS_copy_file_range] = { moved_both, NO_NOTE, 0 },
	[SYS_lseek] = { sought, NO_NOTE, 0 },
	[SYS_getdents64] = { read_entries, NO_NOTE, 0 },
	[SYS_chdir] = { changed_folder, NOTE_FOLDER, 0 },
	[SYS_fchdir] = { changed_folder, NOTE_FOLDER, 0 },
	[SYS_umask] = { set_umask, NO_NOTE, 0 },
	[SYS_setitimer] = { set_timer, NOTE_TIMER, 1 },
	[SYS_alarm] = { set_alarm, NO_NOTE, 0 },
	[SYS_timer_create] = { made_ptimer, NO_NOTE, 0 },
	[SYS_timer_delete] = { deleted_ptimer, NO_NOTE, 0 },
	[SYS_set_robust_list] = { set_robust, NO_NOTE, 0 },
	[SYS_set_tid_address] = { set_clear_tid, NO_NOTE, 0 },
	[SYS_mmap] = { mapped, NO_NOTE, 0 },
	[SYS_shmat] = { shared, NO_NOTE, 0 },
	[SYS_fork] = { forked, NO_NOTE, 0 },
	[SYS_vfork] = { forked, NO_NOTE, 0 },
	[SYS_clone] = { forked, NO_NOTE, 0 },
	[SYS_clone3] = { forked, NO_NOTE, 0 },
	[SYS_wait4] = { waited, NO_NOTE, 0 },
	[SYS_waitid] = { waited_id, NO_NOTE, 0 },
};

static const struct effect *effect_of(const struct ckpt_event *ev)
{
	const size_t n = sizeof(effects) / sizeof(*effects);

	if (ev->kind != CKPT_EV_CALL || ev->nr < 0 || (size_t)ev->nr >= n ||
	    (ev->result < 0 && ev->result > -4096))
		return NULL;
	return effects[ev->nr].apply ? &effects[ev->nr] : NULL;
}

static int apply(struct ckpt_timeline *tl, struct ckpt_outside *o, const struct ckpt_event *ev)
{
	const struct effect *e = effect_of(ev);
	struct call c = { .ev = ev };
	uint64_t addr, len;

	if (!e)
		return 0;
	c.outputs = ckpt_log_outputs(tl, ev);
	if (!c.outputs)
		return -EIO;
	for (const uint8_t *at = c.outputs; at < c.outputs + ev->data_len; at += 16 + len) {
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

static int note_fds(struct ckpt_timeline *tl, struct ckpt_task *t, const int *fds, size_t n)
{
	struct ckpt_file f[2];

	for (size_t i = 0; i < n; i++) {
		if (read_file(t->tgid, fds[i], &f[i]))
			return 0; /* another process has closed it: unlikely */
		f[i].made = S_ISFIFO(f[i].mode) && n == 2;
	}
	return ckpt_log_note(tl, f, n * sizeof(*f));
}

static int write_note(struct ckpt_timeline *tl, struct ckpt_task *t, const struct effect *e,
		      const struct ckpt_event *ev)
{
	const struct ckpt_file *file;
	struct ckpt_file now;
	struct itimerval timer;
	int fds[2] = { (int)ev->result, -1 };

	switch (e->note) {
	case NOTE_FD:
		return note_fds(tl, t, fds, 1);
	case NOTE_PAIR:
		if (ckpt_read(t, ev->args[e->arg], fds, sizeof(fds)))
			return 0;
		return note_fds(tl, t, fds, 2);
	case NOTE_FOLDER:
		read_folder(t, tl->outside);
		return ckpt_log_note(tl, tl->outside->folder, strlen(tl->outside->folder));
	case NOTE_TIMER:
		memset(&timer, 0, sizeof(timer));
		if (ev->args[e->arg] && ckpt_read(t, ev->args[e->arg], &timer, sizeof(timer)))
			return 0;
		return ckpt_log_note(tl, &timer, sizeof(timer));
	case NOTE_END:
		file = find(tl->outside, (int)ev->args[0]);
		if (!file || !(file->flags & O_APPEND) || !S_ISREG(file->mode) ||
		    read_file(t->tgid, file->fd, &now))
			return 0;
		return ckpt_log_note(tl, &now.offset, sizeof(now.offset));
	default:
		return 0;
	}
}

/* Whether descriptors may have come with a message: only /proc tells which. */
static bool brought_files(struct ckpt_task *t, const struct ckpt_event *ev)
{
	struct msghdr msg;

	return (ev->nr == SYS_recvmsg || ev->nr == SYS_recvmmsg) && ev->kind == CKPT_EV_CALL &&
	       ev->result >= 0 && !ckpt_read(t, ev->args[1], &msg, sizeof(msg)) &&
	       msg.msg_controllen > 0;
}

int ckpt_outside_record(struct ckpt_timeline *tl, struct ckpt_task *t)
{
	struct ckpt_event ev;
	const struct effect *e;
	int err;

	if (!tl->outside)
		return 0;
	ev = ckpt_log_event(tl, tl->nevents - 1);
	e = effect_of(&ev);
	if (brought_files(t, &ev)) {
		tl->outside_stale = true;
		return 1;
	}
	if (!e)
		return 0;
	err = write_note(tl, t, e, &ev);
	if (err)
		return err;
	ev = ckpt_log_event(tl, tl->nevents - 1);
	return apply(tl, tl->outside, &ev);
}

void ckpt_outside_pin(struct ckpt_timeline *tl, struct ckpt_snap *s)
{
	if (!tl->outside)
		return;
	if (s->before == CKPT_END_CALL || tl->outside->forked || tl->outside_stale)
		tl->outside_stale = ckpt_outside_refresh(tl->live, tl->outside) != 0;
	else if (tl->outside->shares_memory) /* which may have ended */
		tl->outside->shares_memory = shares_memory(tl->live);
	s->outside = ckpt_outside_copy(tl->outside);
}

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

		err = ev.kind == CKPT_EV_LOST ? -EIO : apply(tl, o, &ev);
	}
	if (err) {
		ckpt_outside_free(o);
		return err;
	}
	*ret = o;
	return 0;
}
