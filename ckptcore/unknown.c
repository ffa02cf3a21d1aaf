/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Says which call or request of the program's the table can't describe, once; and that recording ends. */
#include <stdio.h>
#include <sys/syscall.h>

#include "ckptcore/internal.h"

#define MOST 32 /* messages of a session */

/* Which of a call's arguments says what it does; -1: none. */
static int request_of(long nr)
{
	switch (nr) {
	case SYS_ioctl:
	case SYS_fcntl:
	case SYS_futex:
		return 1;
	case SYS_getsockopt:
		return 2;
	case SYS_madvise:
		return 2;
	case SYS_prctl:
	case SYS_arch_prctl:
	case SYS_ptrace:
	case SYS_bpf:
	case SYS_keyctl:
	case SYS_quotactl:
	case SYS_seccomp:
	case SYS_modify_ldt:
		return 0;
	case SYS_process_madvise:
		return 3;
	default:
		return -1;
	}
}

void ckpt_tell_unknown(long nr, const uint64_t args[6])
{
	static struct {
		long nr;
		uint32_t request;
	} told[MOST];
	static size_t ntold;
	int arg = request_of(nr);
	uint32_t request = arg < 0 ? 0 : (uint32_t)args[arg];
	const char *name = ckpt_call_name(nr);
	char text[256], what[32] = "";

	for (size_t i = 0; i < ntold; i++)
		if (told[i].nr == nr && told[i].request == request)
			return;
	if (ntold == MOST || !ckpt_warn)
		return;
	told[ntold].nr = nr;
	told[ntold++].request = request;
	if (arg >= 0)
		snprintf(what, sizeof(what), ", request %#x", request);
	snprintf(
		text, sizeof(text),
		"system call %ld (%s%s) can't be replayed; a snapshot follows each one, so that going "
		"back leads over it",
		nr & ~CKPT_CALL_32_BIT, nr & CKPT_CALL_32_BIT ? "of 32-bit programs" : name, what);
	ckpt_warn(text);
	if (ntold == MOST)
		ckpt_warn("there are more such calls; they aren't named any more");
}

void ckpt_tell_end(const char *why)
{
	char text[256];

	snprintf(text, sizeof(text), "recording ends here: %s; what was recorded stays", why);
	if (ckpt_warn)
		ckpt_warn(text);
}
