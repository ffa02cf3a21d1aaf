/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A plugin: the regular files that a debugger has open. A copy shares its open
 * files, so their offsets move on while it sleeps; each is set back, but for
 * those that are only written, such as its output: what was said stays said.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "ckptcore/plugin.h"

#define MAX_FILES 128

struct offsets {
	size_t n;
	struct {
		int fd;
		uint64_t offset;
	} files[MAX_FILES];
};

static void *snapshot(struct ckpt_task *t)
{
	struct offsets *o = calloc(1, sizeof(*o));
	struct dirent *e;
	struct stat st;
	uint32_t flags;
	char path[32];
	int fd;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", t->tgid);
	d = o ? opendir(path) : NULL;
	while (d && (e = readdir(d)) && o->n < MAX_FILES) {
		fd = atoi(e->d_name);
		if (e->d_name[0] == '.' || fstatat(dirfd(d), e->d_name, &st, 0) < 0 ||
		    !S_ISREG(st.st_mode) ||
		    ckpt_proc_descriptor(t->tgid, fd, &o->files[o->n].offset, &flags) ||
		    (flags & O_ACCMODE) == O_WRONLY)
			continue;
		o->files[o->n++].fd = fd;
	}
	if (d)
		closedir(d);
	return o;
}

static void restart(struct ckpt_task *t, const void *state)
{
	const struct offsets *o = state;
	long res;

	for (size_t i = 0; i < o->n; i++)
		if (ckpt_inject(t, &res, SYS_lseek, (uint64_t)o->files[i].fd, o->files[i].offset,
				SEEK_SET, 0, 0, 0))
			return; /* it died */
}

const struct ckpt_plugin ckpt_files_plugin = {
	.version = CKPT_PLUGIN_VERSION,
	.name = "files",
	.snapshot = snapshot,
	.restart = restart,
};
