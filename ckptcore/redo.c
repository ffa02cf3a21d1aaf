/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Calls that shape the process are made again in puppets. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "ckptcore/probe.h"
#include "ckptcore/replay.h"

#define PATH_AT (CKPT_PAGE + 1024)

int ckpt_map_file(struct ckpt_task *p, uint64_t addr, uint64_t len, int prot, uint64_t flags,
		  int file, uint64_t offset, long *res)
{
	char path[64];
	long fd, ignored;
	int err;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), file);
	err = ckpt_write(p, PATH_AT, path, strlen(path) + 1);
	if (!err)
		err = ckpt_inject(p, &fd, SYS_openat, (uint64_t)-100, PATH_AT,
				  flags & MAP_SHARED ? O_RDWR : O_RDONLY, 0, 0, 0);
	if (err)
		return err;
	if (fd < 0)
		return (int)fd;
	err = ckpt_inject(p, res, SYS_mmap, addr, len, (uint64_t)prot, flags, (uint64_t)fd, offset);
	return err ? err : ckpt_inject(p, &ignored, SYS_close, (uint64_t)fd, 0, 0, 0, 0, 0);
}

static int redo_mmap(struct ckpt_task *p, const struct ckpt_event *ev, long *res)
{
	/* Private: who else has it is not in the past, nor are a puppet's clones. */
	uint64_t kind = MAP_FIXED_NOREPLACE | MAP_SHARED_VALIDATE;
	uint64_t flags = (ev->args[3] & ~kind) | MAP_FIXED | MAP_PRIVATE;

	if (ev->file >= 0)
		return ckpt_map_file(p, (uint64_t)ev->result, ev->args[1], (int)ev->args[2], flags,
				     ev->file, ev->args[5], res);
	return ckpt_inject(p, res, SYS_mmap, (uint64_t)ev->result, ev->args[1], ev->args[2], flags,
			   (uint64_t)-1, ev->args[5]);
}

int ckpt_redo(struct ckpt_task *p, const struct ckpt_event *ev, long *res)
{
	const uint64_t *a = ev->args;
	struct user_regs_struct *r;

	if (ev->nr == SYS_mmap)
		return redo_mmap(p, ev, res);
	if (ev->nr == SYS_arch_prctl && (a[0] == 0x1001 || a[0] == 0x1002)) {
		/* The base is one of the registers that an injection restores. */
		r = ckpt_regs(p);
		if (a[0] == 0x1002)
			r->fs_base = a[1];
		else
			r->gs_base = a[1];
		ckpt_regs_dirty(p);
		*res = 0;
		return 0;
	}
	/* Refused, by a limit that the puppet hasn't. */
	if (ev->nr == SYS_brk && (uint64_t)ev->result != a[0]) {
		*res = ev->result;
		return 0;
	}
	if (ev->nr == SYS_set_tid_address) { /* its result is a real number */
		*res = ev->result;
		return 0;
	}
	if (ev->nr == SYS_mremap && (uint64_t)ev->result != a[0])
		return ckpt_inject(p, res, SYS_mremap, a[0], a[1], a[2],
				   (a[3] & MREMAP_DONTUNMAP) | MREMAP_MAYMOVE | MREMAP_FIXED,
				   (uint64_t)ev->result, 0);
	return ckpt_inject(p, res, ev->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int ckpt_redo_sigreturn(struct ckpt_task *p)
{
	struct user_regs_struct *r = ckpt_regs(p);
	bool entered = false;

	/* Not where it was called: a probe may be there. */
	r->rip = p->syscall_ip ? p->syscall_ip : r->rip - 2;
	r->rax = SYS_rt_sigreturn;
	ckpt_regs_dirty(p);
	/* The end of the skipped call may be reported first. */
	while (p->state != CKPT_EXIT || !entered) {
		if (ckpt_resume(p, PTRACE_SYSCALL, 0))
			return -ESRCH;
		while (ckpt_wait(p, NULL) == -EINTR)
			;
		if (p->state == CKPT_DEAD)
			return -ESRCH;
		entered |= p->state == CKPT_ENTRY;
	}
	return 0;
}
