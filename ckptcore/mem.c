/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Memory of tasks: reading, writing, the list of mappings. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "ckptcore/internal.h"

/* The descriptor of /proc/TID/mem, opened when first asked for. */
static int mem_fd(struct ckpt_task *t)
{
	char path[32];

	if (t->mem_fd < 0) {
		snprintf(path, sizeof(path), "/proc/%d/mem", t->tid);
		t->mem_fd = open(path, O_RDWR | O_CLOEXEC);
	}
	return t->mem_fd;
}

ssize_t ckpt_read_some(struct ckpt_task *t, uint64_t addr, void *buf, size_t len)
{
	struct iovec local = { buf, len }, remote = { (void *)(uintptr_t)addr, len };
	ssize_t n = process_vm_readv(t->tid, &local, 1, &remote, 1, 0);

	if (n > 0 || len == 0)
		return n;
	/* Pages without read permission, and the vsyscall page. */
	if (mem_fd(t) < 0)
		return -EIO;
	n = pread(t->mem_fd, buf, len, (off_t)addr);
	return n < 0 ? -errno : n;
}

int ckpt_read(struct ckpt_task *t, uint64_t addr, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = ckpt_read_some(t, addr + done, (char *)buf + done, len - done);

		if (n <= 0)
			return -EFAULT;
		done += (size_t)n;
	}
	return 0;
}

int ckpt_write(struct ckpt_task *t, uint64_t addr, const void *buf, size_t len)
{
	struct iovec local = { (void *)buf, len }, remote = { (void *)(uintptr_t)addr, len };
	size_t done = 0;

	/* The quickest way for a word, which most results are. */
	if (len == 8) {
		uint64_t word;

		memcpy(&word, buf, 8);
		if (!ptrace(PTRACE_POKEDATA, t->tid, addr, word))
			return 0;
	}
	/* Text can't be written that way: for a byte of a breakpoint, or two, a
	 * failed try costs more than the other way. */
	if ((len > 2 || mem_fd(t) < 0) &&
	    process_vm_writev(t->tid, &local, 1, &remote, 1, 0) == (ssize_t)len)
		return 0;
	if (mem_fd(t) < 0)
		return -EIO;
	while (done < len) {
		ssize_t n = pwrite(t->mem_fd, (const char *)buf + done, len - done,
				   (off_t)(addr + done));

		if (n <= 0)
			return -EFAULT;
		done += (size_t)n;
	}
	return 0;
}

int ckpt_read_string(struct ckpt_task *t, uint64_t addr, char *buf, size_t size)
{
	size_t done = 0;

	while (done < size) {
		size_t step = 4096 - ((addr + done) & 4095);
		char *nul;

		if (step > size - done)
			step = size - done;
		if (ckpt_read(t, addr + done, buf + done, step) < 0)
			return -EFAULT;
		nul = memchr(buf + done, 0, step);
		if (nul)
			return 0;
		done += step;
	}
	return -ENAMETOOLONG;
}

static int parse_line(const char *line, struct ckpt_map *m)
{
	char perm[8];
	int at = 0;

	memset(m, 0, sizeof(*m));
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %x:%x %" SCNu64 " %n", &m->lo,
		   &m->hi, perm, &m->offset, &m->major, &m->minor, &m->inode, &at) < 7)
		return -EINVAL;
	m->r = perm[0] == 'r';
	m->w = perm[1] == 'w';
	m->x = perm[2] == 'x';
	m->shared = perm[3] == 's';
	snprintf(m->name, sizeof(m->name), "%.63s", line + at);
	m->name[strcspn(m->name, "\n")] = 0;
	return 0;
}

int ckpt_maps(pid_t pid, struct ckpt_map **ret, size_t *n)
{
	struct ckpt_map *maps = NULL;
	size_t count = 0, room = 0;
	char path[32], *line = NULL;
	size_t cap = 0;
	int err = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (getline(&line, &cap, f) > 0) {
		if (count == room) {
			struct ckpt_map *more;

			room = room ? room * 2 : 64;
			more = realloc(maps, room * sizeof(*maps));
			if (!more) {
				err = -ENOMEM;
				break;
			}
			maps = more;
		}
		if (!parse_line(line, &maps[count]))
			count++;
	}
	free(line);
	fclose(f);
	if (err) {
		free(maps);
		return err;
	}
	*ret = maps;
	*n = count;
	return 0;
}
