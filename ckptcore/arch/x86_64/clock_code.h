/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CKPT_CLOCK_CODE_H
#define CKPT_CLOCK_CODE_H

#include <stddef.h>
#include <stdint.h>

/*
 * What the vdso's clock_gettime, gettimeofday and time jump to, with their
 * system call's number in eax; see ckptcore/clock.h. Between ckpt_clock_code and
 * ckpt_clock_code_real it is one thing with the read; the system call follows.
 */
extern const uint8_t ckpt_clock_code[], ckpt_clock_code_real[], ckpt_clock_code_end[];
/* Where the ring's address is in it: 8 bytes. */
#define CKPT_CLOCK_CODE_RING 2

#define CKPT_VSYSCALL 0xffffffffff600000ull

#endif
