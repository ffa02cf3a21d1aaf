/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>
#include <x86intrin.h>
#include <sys/prctl.h>

#include "ckptcore/arch/x86_64/tsc.h"

static struct sigaction former;

/* A fault of ours: of rdtsc or rdtscp, which is done here; else whoever had the
 * signal before gets it as the instruction faults again. */
static void on_fault(int sig, siginfo_t *si, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	const uint8_t *insn = (const uint8_t *)r[REG_RIP];
	int saved = errno;
	unsigned int aux;
	uint64_t counter;
	bool p;

	if (si->si_code != SI_KERNEL ||
	    (memcmp(insn, "\x0f\x31", 2) && memcmp(insn, "\x0f\x01\xf9", 3))) {
		sigaction(sig, &former, NULL);
		return;
	}
	p = insn[1] == 0x01;
	prctl(PR_SET_TSC, PR_TSC_ENABLE);
	counter = __rdtscp(&aux);
	prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
	r[REG_RAX] = (uint32_t)counter;
	r[REG_RDX] = (greg_t)(counter >> 32);
	if (p)
		r[REG_RCX] = aux;
	r[REG_RIP] += p ? 3 : 2;
	errno = saved;
}

void ckpt_tsc_forgo(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };
	static bool done;

	if (done || sigaction(SIGSEGV, &sa, &former))
		return;
	done = !prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
	if (!done)
		sigaction(SIGSEGV, &former, NULL);
}
