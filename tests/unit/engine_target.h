/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What engine_target.c tells the engine's tests, at its marks. */
#ifndef ENGINE_TARGET_H
#define ENGINE_TARGET_H

#include <stdint.h>

enum { MARK_READY = 1, MARK_AGAIN, MARK_END };

#define FD_PIPE 50 /* given by the test, if it has some */
#define FD_SOCKET 51
#define FD_READ 52

#define MAX_VALUES 4096

struct told {
	volatile uint64_t nvalues; /* signals with values, in order */
	volatile int32_t values[MAX_VALUES];
	volatile uint64_t usr1, usr1_code, usr1_pid, usr1_value;
	volatile uint64_t faults, fault_trapno, fault_error, fault_cr2, fault_addr;
	volatile uint64_t sigchld;
	volatile int64_t waited, waited_errno;
	volatile int64_t result;
	volatile uint64_t order; /* "sleep": nanoseconds it took */
	volatile uint64_t stop;	 /* threads: written by the test */
	volatile uint64_t on_altstack;
	volatile uint64_t tls_wrong, xmm_wrong;
};

#endif
