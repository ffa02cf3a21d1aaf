/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads with O_DIRECT write more of their buffers than their results say. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "ckptcore/turns.h"

/* Whether a descriptor of t's was opened with O_DIRECT. */
static bool is_direct(struct ckpt_task *t, int fd)
{
	uint64_t offset;
	uint32_t flags;

	return !ckpt_proc_descriptor(t->tgid, fd, &offset, &flags) && flags & O_DIRECT;
}

bool ckpt_direct_any(struct ckpt_task *t)
{
	bool found = false;
	struct dirent *e;
	char path[32];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", t->tgid);
	dir = opendir(path);
	while (dir && !found && (e = readdir(dir)))
		found = e->d_name[0] != '.' && is_direct(t, atoi(e->d_name));
	if (dir)
		closedir(dir);
	return found;
}

/* Asking /proc at every read would cost too much: only once such a descriptor
 * may exist. (One that came through a socket isn't noticed.) */
void ckpt_direct_note(struct ckpt_task *t, bool *any)
{
	struct ckpt_thread *th = t->thread;

	switch (th->nr) {
	case SYS_open:
		*any |= (th->args[1] & O_DIRECT) != 0;
		break;
	case SYS_openat:
		*any |= (th->args[2] & O_DIRECT) != 0;
		break;
	case SYS_fcntl:
		*any |= th->args[1] == F_SETFL && th->args[2] & O_DIRECT;
		break;
	case SYS_openat2:
		*any = true;
		break;
	case SYS_read:
	case SYS_pread64:
	case SYS_readv:
	case SYS_preadv:
	case SYS_preadv2:
		if (*any)
			th->entry.direct = is_direct(t, (int)th->args[0]);
		break;
	}
}
