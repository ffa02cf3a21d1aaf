/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What /proc says of processes and threads. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "ckptcore/ckptcore.h"

ssize_t ckpt_proc_read(pid_t pid, const char *file, char *buf, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -errno : read(fd, buf, size - 1);
	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = 0;
	return n;
}

ssize_t ckpt_proc_link(pid_t pid, const char *file, char *buf, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	n = readlink(path, buf, size);
	if (n < 0)
		n = -errno;
	else if ((size_t)n == size)
		n = -ENAMETOOLONG;
	buf[n > 0 ? n : 0] = 0;
	return n;
}

uint64_t ckpt_proc_field(const char *text, const char *name, int base)
{
	size_t len = strlen(name);

	for (const char *p = text; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (!strncmp(p, name, len) && p[len] == ':')
			return strtoull(p + len + 1, NULL, base);
	}
	return 0;
}

uint64_t ckpt_proc_number(pid_t pid, const char *file, const char *name, int base)
{
	char text[CKPT_PROC_SIZE];

	ckpt_proc_read(pid, file, text, sizeof(text));
	return ckpt_proc_field(text, name, base);
}

int ckpt_proc_descriptor(pid_t pid, int fd, uint64_t *offset, uint32_t *flags)
{
	char file[32], text[CKPT_PROC_SIZE];

	snprintf(file, sizeof(file), "fdinfo/%d", fd);
	if (ckpt_proc_read(pid, file, text, sizeof(text)) <= 0)
		return -ENOENT;
	*offset = ckpt_proc_field(text, "pos", 10);
	*flags = (uint32_t)ckpt_proc_field(text, "flags", 8);
	return 0;
}

bool ckpt_signal_waits(pid_t pid, int sig)
{
	char text[CKPT_PROC_SIZE];

	ckpt_proc_read(pid, "status", text, sizeof(text));
	return (ckpt_proc_field(text, "SigPnd", 16) | ckpt_proc_field(text, "ShdPnd", 16)) >>
		       (sig - 1) &
	       1;
}

char ckpt_proc_state(pid_t tid)
{
	char text[CKPT_PROC_SIZE], *p;

	if (ckpt_proc_read(tid, "stat", text, sizeof(text)) <= 0)
		return 'X';
	p = strrchr(text, ')'); /* names may contain anything */
	return p ? p[2] : 'X';
}

bool ckpt_has_namespace(pid_t pid)
{
	struct stat ours, theirs;
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/ns/pid_for_children", pid);
	/* Before it has a first process it can't be seen. */
	return !stat("/proc/self/ns/pid", &ours) &&
	       (stat(path, &theirs) || ours.st_ino != theirs.st_ino ||
		ours.st_dev != theirs.st_dev);
}

int ckpt_proc_borrow(pid_t pid, int fd)
{
	static pid_t of;
	static int pidfd = -1;
	int mine = of == pid ? (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0) : -1;

	if (mine >= 0 || (of == pid && errno != ESRCH))
		return mine;
	if (pidfd >= 0)
		close(pidfd);
	of = pid;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
}
