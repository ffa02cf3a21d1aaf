/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a program has outside now, as /proc and the kernel's clocks tell it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/kcmp.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "ckptcore/outside.h"
#include "ckptcore/turns.h"

/* ----------------------------------------------------------- descriptors */

struct ckpt_file *ckpt_outside_find(const struct ckpt_outside *o, int fd)
{
	for (size_t i = 0; i < o->n; i++)
		if (o->files[i].fd == fd)
			return &o->files[i];
	return NULL;
}

void ckpt_outside_remove(struct ckpt_outside *o, int fd)
{
	struct ckpt_file *f = ckpt_outside_find(o, fd);

	if (!f)
		return;
	memmove(f, f + 1, (size_t)(o->files + o->n - (f + 1)) * sizeof(*f));
	o->n--;
}

int ckpt_outside_add(struct ckpt_outside *o, const struct ckpt_file *file)
{
	size_t i = 0;

	ckpt_outside_remove(o, file->fd);
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

int ckpt_outside_file(pid_t pid, int fd, struct ckpt_file *ret)
{
	char path[64], link[32];
	struct stat st;
	ssize_t n;

	memset(ret, 0, sizeof(*ret));
	ret->fd = fd;
	snprintf(link, sizeof(link), "fd/%d", fd);
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, link);
	n = ckpt_proc_link(pid, link, ret->path, sizeof(ret->path));
	if ((n < 0 && n != -ENAMETOOLONG) || stat(path, &st) < 0)
		return -ENOENT;
	ret->mode = st.st_mode;
	ret->dev = st.st_dev;
	ret->ino = st.st_ino;
	return ckpt_proc_descriptor(pid, fd, &ret->offset, &ret->flags);
}

const struct ckpt_file *ckpt_outside_twin(const struct ckpt_file *files, size_t n, pid_t pid,
					  const struct ckpt_file *f)
{
	for (size_t i = 0; i < n; i++) {
		const struct ckpt_file *g = &files[i];

		if (g->fd != f->fd && g->ino == f->ino && g->dev == f->dev &&
		    ((g->flags ^ f->flags) & ~(uint32_t)O_CLOEXEC) == 0 &&
		    syscall(SYS_kcmp, pid, pid, KCMP_FILE, (long)g->fd, (long)f->fd) == 0)
			return g;
	}
	return NULL;
}

void ckpt_outside_place(struct ckpt_outside *o, int fd, uint64_t offset)
{
	const struct ckpt_file *f = ckpt_outside_find(o, fd);
	uint32_t same = f ? f->same : 0;

	for (size_t i = 0; f && i < o->n; i++)
		if (o->files[i].same == same)
			o->files[i].offset = offset;
}

/* How much is in the pipe that pid has open there for reading. */
static int in_pipe(pid_t pid, int fd)
{
	char path[64];
	int mine, n = -1;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	mine = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (mine < 0)
		return -1;
	if (ioctl(mine, FIONREAD, &n) < 0)
		n = -1;
	close(mine);
	return n;
}

/* Where f, one of o, really stands; false: it has no place, or none can tell. Of a
 * pipe that has both ends here the writing one makes up for what others did. */
static bool real_offset(pid_t pid, const struct ckpt_outside *o, const struct ckpt_file *f,
			uint64_t *ret)
{
	uint32_t flags;
	int n;

	if (S_ISREG(f->mode) || S_ISDIR(f->mode) || S_ISBLK(f->mode))
		return !ckpt_proc_descriptor(pid, f->fd, ret, &flags);
	if (!S_ISFIFO(f->mode) || !f->made || (f->flags & O_ACCMODE) != O_WRONLY)
		return false;
	for (size_t i = 0; i < o->n; i++) {
		const struct ckpt_file *g = &o->files[i];

		if (g->ino != f->ino || g->dev != f->dev || (g->flags & O_ACCMODE) != O_RDONLY)
			continue;
		n = in_pipe(pid, g->fd);
		*ret = g->offset + (uint64_t)n;
		return n >= 0;
	}
	return false;
}

size_t ckpt_outside_moved(struct ckpt_task *t, const struct ckpt_outside *o, struct ckpt_moved *ret)
{
	uint64_t offset;
	size_t n = 0;

	for (size_t i = 0; i < o->n; i++)
		if (real_offset(t->tgid, o, &o->files[i], &offset) && offset != o->files[i].offset)
			ret[n++] = (struct ckpt_moved){ o->files[i].fd, offset };
	return n;
}

static int read_files(pid_t pid, struct ckpt_outside *o)
{
	struct ckpt_outside before = *o;
	const struct ckpt_file *twin, *was;
	struct ckpt_file f;
	struct dirent *e;
	char path[32];
	int err = 0;
	DIR *d;

	o->files = NULL;
	o->n = o->room = 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	d = opendir(path);
	while (d && !err && (e = readdir(d))) {
		if (e->d_name[0] == '.' || ckpt_outside_file(pid, atoi(e->d_name), &f))
			continue;
		twin = ckpt_outside_twin(o->files, o->n, pid, &f);
		f.same = twin ? twin->same : o->next_same++;
		was = ckpt_outside_find(&before, f.fd);
		if (was && was->ino == f.ino && S_ISFIFO(f.mode)) {
			f.made = was->made;
			f.offset = was->offset;
		}
		err = ckpt_outside_add(o, &f);
	}
	if (d)
		closedir(d);
	free(before.files);
	for (size_t i = 0; i < o->n; i++)
		if (real_offset(pid, o, &o->files[i], &f.offset))
			o->files[i].offset = f.offset;
	return d ? err : -ESRCH;
}

/* ------------------------------------------------------------ all the rest */

/* The kernel lists them by the thread that made them. */
static void read_children(struct ckpt_task *t, struct ckpt_outside *o)
{
	char path[64];
	struct dirent *e;
	FILE *f;
	DIR *d;

	o->nchildren = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", t->tgid);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/children", t->tgid, e->d_name);
		f = fopen(path, "re");
		while (f && o->nchildren < CKPT_CHILDREN &&
		       fscanf(f, "%d", &o->children[o->nchildren]) == 1)
			o->nchildren++;
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
	o->forked |= o->nchildren > 0; /* a vfork has no event */
}

void ckpt_outside_folder(struct ckpt_task *t, struct ckpt_outside *o)
{
	ckpt_proc_link(t->tgid, "cwd", o->folder, sizeof(o->folder));
}

void ckpt_outside_maps(struct ckpt_task *t, struct ckpt_outside *o)
{
	struct ckpt_map *maps;
	size_t n;

	o->maps_shared = o->shares_memory = true; /* when in doubt */
	if (ckpt_maps(t->tgid, &maps, &n))
		return;
	o->maps_shared = o->shares_memory = false;
	for (size_t i = 0; i < n; i++) {
		if (maps[i].lo >= CKPT_OURS_LO && maps[i].lo < CKPT_OURS_HI)
			continue;
		o->maps_shared |= maps[i].shared;
		o->shares_memory |= maps[i].shared && maps[i].w;
	}
	free(maps);
}

int ckpt_outside_refresh(struct ckpt_task *t, struct ckpt_outside *o)
{
	uint64_t robust = 0;
	size_t len = 0;

	read_children(t, o);
	ckpt_outside_folder(t, o);
	ckpt_outside_maps(t, o);
	o->rights_known = !ckpt_rights_read(t->tgid, &o->rights);
	if (syscall(SYS_get_robust_list, t->tgid, &robust, &len) == 0) {
		o->robust = robust;
		o->robust_len = len;
	}
	return read_files(t->tgid, o);
}

void ckpt_outside_exec(struct ckpt_task *t, struct ckpt_outside *o)
{
	o->first = o->turn = ckpt_vtid(t);
	o->clear_tid = 0;
	o->ptimers = 0; /* those of setitimer stay */
}

int ckpt_outside_capture(struct ckpt_task *t, struct ckpt_outside *ret)
{
	const struct ckpt_task *first = ckpt_find(t->tgid);

	memset(ret, 0, sizeof(*ret));
	ret->umask = -1;
	ret->first = first ? ckpt_vtid(first) : t->tgid;
	ret->turn = ckpt_vtid(t);
	if (first && first->thread)
		ret->clear_tid = first->thread->clear_tid;
	return ckpt_outside_refresh(t, ret);
}

struct ckpt_outside *ckpt_outside_copy(const struct ckpt_outside *o)
{
	struct ckpt_outside *c = malloc(sizeof(*c));

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
	return c;
}

void ckpt_outside_free(struct ckpt_outside *o)
{
	if (o)
		free(o->files);
	free(o);
}

/* ------------------------------------------------------------------ timers */

/* The kernel makes the number of a process' clock of its pid: which one is in the
 * two lowest bits, with user time alone 1, with all of it 0. */
double ckpt_outside_clock(pid_t pid, int which)
{
	static const clockid_t kind[] = { [ITIMER_VIRTUAL] = 1, [ITIMER_PROF] = 0 };
	struct timespec ts = { 0, 0 };

	if (which == ITIMER_REAL)
		return ckpt_now();
	clock_gettime((clockid_t)(~(unsigned int)pid << 3) | kind[which], &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int64_t micros(struct timeval tv)
{
	return tv.tv_sec * 1000000l + tv.tv_usec;
}

void ckpt_outside_age(struct ckpt_outside *o, pid_t pid)
{
	for (int i = 0; i < 3; i++) {
		int64_t left = micros(o->timers[i].it_value), every;
		double now;

		if (!left)
			continue;
		now = ckpt_outside_clock(pid, i);
		left -= (int64_t)((now - o->armed[i]) * 1e6);
		every = micros(o->timers[i].it_interval);
		if (left <= 0)
			left = every ? every - -left % every : 0; /* 0: it has struck */
		o->timers[i].it_value = (struct timeval){ left / 1000000, left % 1000000 };
		o->armed[i] = now;
	}
}
