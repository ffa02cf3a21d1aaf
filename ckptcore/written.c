/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>

#include "ckptcore/outside.h"
#include "ckptcore/shared.h"
#include "ckptcore/turns.h"
#include "ckptcore/written.h"

struct inodes {
	uint64_t *all;
	size_t n, room;
};

struct ckpt_written {
	struct inodes images;  /* mapped as the program began: they have no event */
	struct inodes written; /* mapped at some time, and written */
};

static bool has(const struct inodes *s, uint64_t inode)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->all[i] == inode)
			return true;
	return false;
}

/* Out of memory, that is forgotten: a moment in the past may not be found again. */
static void add(struct inodes *s, uint64_t inode)
{
	if (has(s, inode))
		return;
	if (s->n == s->room) {
		size_t room = s->room ? s->room * 2 : 32;
		uint64_t *more = realloc(s->all, room * sizeof(*more));

		if (!more)
			return;
		s->all = more;
		s->room = room;
	}
	s->all[s->n++] = inode;
}

void ckpt_written_start(struct ckpt_task *t)
{
	struct ckpt_timeline *tl = t->timeline;
	struct ckpt_map *maps;
	size_t n;

	if (!tl->written)
		tl->written = calloc(1, sizeof(*tl->written));
	if (!tl->written || ckpt_maps(t->tgid, &maps, &n))
		return;
	for (size_t i = 0; i < n; i++)
		if (maps[i].inode)
			add(&tl->written->images, maps[i].inode);
	free(maps);
}

void ckpt_written_destroy(struct ckpt_timeline *tl)
{
	if (!tl->written)
		return;
	free(tl->written->images.all);
	free(tl->written->written.all);
	free(tl->written);
	tl->written = NULL;
}

bool ckpt_written_has(const struct ckpt_timeline *tl, uint64_t inode)
{
	return tl->written && inode && has(&tl->written->written, inode);
}

bool ckpt_written_is_mapped(const struct ckpt_timeline *tl, uint64_t dev, uint64_t inode)
{
	return (tl->written && has(&tl->written->images, inode)) || ckpt_file_is_kept(dev, inode);
}

size_t ckpt_written_mapped_files(const struct ckpt_timeline *tl, uint64_t *ret, size_t max)
{
	size_t images = tl->written ? tl->written->images.n : 0;

	for (size_t i = 0; i < images && i < max; i++)
		ret[i] = tl->written->images.all[i];
	return images + ckpt_files_kept(ret + (images < max ? images : max),
					images < max ? max - images : 0);
}

/* ---------------------------------------------------------- by the program itself */

/* Which of a call's arguments is the descriptor that it writes; -1: none. */
static int written_arg(const struct ckpt_thread *th)
{
	switch (th->nr) {
	case SYS_write:
	case SYS_pwrite64:
	case SYS_writev:
	case SYS_pwritev:
	case SYS_pwritev2:
	case SYS_ftruncate:
	case SYS_fallocate:
	case SYS_sendfile:
		return 0;
	case SYS_splice:
	case SYS_copy_file_range:
		return 2;
	case SYS_mmap: /* and then by stores */
		return (th->args[3] & MAP_TYPE) != MAP_PRIVATE && !(th->args[3] & MAP_ANONYMOUS) ?
			       4 :
			       -1;
	default:
		return -1;
	}
}

/* Whether the call cuts a file, and where its path and the folder for that are. */
static bool cuts(struct ckpt_task *t, int *dir, uint64_t *path)
{
	const struct ckpt_thread *th = t->thread;
	uint64_t flags;

	*dir = AT_FDCWD;
	*path = th->args[0];
	switch (th->nr) {
	case SYS_creat:
	case SYS_truncate:
		return true;
	case SYS_open:
		return th->args[1] & O_TRUNC;
	case SYS_openat:
	case SYS_openat2:
		*dir = (int)th->args[0];
		*path = th->args[1];
		flags = th->args[2];
		return (th->nr == SYS_openat ||
			!ckpt_read(t, th->args[2], &flags, sizeof(flags))) &&
		       flags & O_TRUNC;
	default:
		return false;
	}
}

/* Where we find t's path. */
static int find_path(struct ckpt_task *t, int dir, uint64_t path, char *ret, size_t size)
{
	char name[4096], from[32];

	if (ckpt_read_string(t, path, name, sizeof(name)))
		return -1;
	if (name[0] == '/')
		snprintf(from, sizeof(from), "root");
	else if (dir == AT_FDCWD)
		snprintf(from, sizeof(from), "cwd");
	else
		snprintf(from, sizeof(from), "fd/%d", dir);
	return snprintf(ret, size, "/proc/%d/%s/%s", t->tid, from, name) < (int)size ? 0 : -1;
}

/* The file that t's call is going to write, opened; -1: none, or none that is mapped. */
static int open_written(struct ckpt_task *t, uint64_t *inode)
{
	const struct ckpt_outside *o = t->timeline->outside;
	int arg = written_arg(t->thread), dir;
	const struct ckpt_file *f;
	char whole[4200];
	struct stat st;
	uint64_t path;

	if (arg >= 0) {
		f = o ? ckpt_outside_find(o, (int)t->thread->args[arg]) : NULL;
		if (!f || !S_ISREG(f->mode))
			return -1;
		st.st_dev = f->dev;
		st.st_ino = f->ino;
		snprintf(whole, sizeof(whole), "/proc/%d/fd/%d", t->tgid, f->fd);
	} else if (!cuts(t, &dir, &path) || find_path(t, dir, path, whole, sizeof(whole)) ||
		   stat(whole, &st) || !S_ISREG(st.st_mode)) {
		return -1;
	}
	*inode = st.st_ino;
	if (ckpt_written_has(t->timeline, st.st_ino))
		return -1;
	if (t->thread->nr == SYS_mmap) /* whoever maps it privately later sees the stores */
		add(&t->timeline->written->written, st.st_ino);
	return ckpt_written_is_mapped(t->timeline, st.st_dev, st.st_ino) ?
		       open(whole, O_RDONLY | O_CLOEXEC) :
		       -1;
}

/* A file without a name, with the contents of that one. */
static int copy_file(int from)
{
	int to = memfd_create("written since", MFD_CLOEXEC);
	off_t at = 0;
	ssize_t n = 1;

	while (to >= 0 && n > 0)
		n = sendfile(to, from, &at, 1 << 30);
	if (to >= 0 && n < 0) {
		close(to);
		return -1;
	}
	return to;
}

struct replaced {
	uint64_t inode;
	int file;
};

static void replace(struct ckpt_task *copy, void *arg)
{
	const struct replaced *r = arg;
	struct ckpt_map *maps;
	size_t n;

	if (!copy->ours || copy->state != CKPT_PARKED || copy->tid != copy->tgid ||
	    ckpt_maps(copy->tid, &maps, &n))
		return;
	for (size_t i = 0; i < n; i++)
		if (!maps[i].shared && maps[i].inode == r->inode &&
		    ckpt_copy_replace(copy, &maps[i], r->file))
			break; /* it died, or there is no memory: its restart will fail */
	free(maps);
}

static void tell(int file)
{
	char link[32], name[128], text[256];

	snprintf(link, sizeof(link), "fd/%d", file);
	ckpt_proc_link(getpid(), link, name, sizeof(name));
	snprintf(
		text, sizeof(text),
		"%s is mapped, and now written: too much of it to be kept as it was; the past sees "
		"there what it has now",
		name);
	if (ckpt_warn)
		ckpt_warn(text);
}

void ckpt_written_entered(struct ckpt_task *t)
{
	struct ckpt_timeline *tl = t->timeline;
	struct replaced r = { 0, -1 };
	int file = tl->written ? open_written(t, &r.inode) : -1;

	if (file < 0)
		return;
	add(&tl->written->written, r.inode);
	if (ckpt_shared_written(tl, t))
		r.file = copy_file(file);
	if (r.file >= 0) {
		ckpt_file_replace(file, r.file);
		ckpt_each_task(replace, &r);
		close(r.file);
	} else {
		tell(file);
	}
	close(file);
}

bool ckpt_written_mapped(struct ckpt_task *t, int fd)
{
	const struct ckpt_outside *o = t->timeline->outside;
	const struct ckpt_file *f = o ? ckpt_outside_find(o, fd) : NULL;

	return f && ckpt_written_has(t->timeline, f->ino);
}

/* --------------------------------------------------------------------- by others */

/* When files were written last, as far as is known, and their names, if known. */
static struct watched {
	uint64_t inode;
	struct timespec mtime;
	char *name; /* ours */
} * watched;
static size_t nwatched;

static struct watched *find(uint64_t inode)
{
	struct watched *more;

	for (size_t i = 0; i < nwatched; i++)
		if (watched[i].inode == inode)
			return &watched[i];
	more = realloc(watched, (nwatched + 1) * sizeof(*more));
	if (!more)
		return NULL;
	watched = more;
	watched[nwatched] = (struct watched){ .inode = inode };
	return &watched[nwatched++];
}

static void compare(struct watched *w, const struct stat *st)
{
	char text[192];

	if (w->mtime.tv_sec && memcmp(&w->mtime, &st->st_mtim, sizeof(st->st_mtim)) && ckpt_warn) {
		snprintf(text, sizeof(text),
			 "%s is mapped, and was written meanwhile: the past sees there what it "
			 "has now",
			 w->name);
		ckpt_warn(text);
	}
	w->mtime = st->st_mtim;
}

void ckpt_written_kept(const struct stat *st)
{
	struct watched *w = find(st->st_ino);

	if (w)
		w->mtime = st->st_mtim;
}

void ckpt_written_watch(const struct ckpt_map *m)
{
	struct watched *w;
	struct stat st;

	/* If the name is cut, or has another meaning for us, it can't be known. */
	if (m->shared || !m->inode || m->name[0] != '/' || stat(m->name, &st) ||
	    st.st_ino != m->inode || !(w = find(m->inode)))
		return;
	if (!w->name && !(w->name = strdup(m->name)))
		return;
	compare(w, &st);
}

void ckpt_written_look(const struct ckpt_timeline *tl)
{
	struct stat st;

	for (size_t i = 0; i < nwatched; i++)
		if (watched[i].name && !ckpt_written_has(tl, watched[i].inode) &&
		    !stat(watched[i].name, &st) && st.st_ino == watched[i].inode)
			compare(&watched[i], &st);
}
