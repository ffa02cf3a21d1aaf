/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tracer without the time-stamp counter. The kernel writes a control register
 * of the processor at each switch between two tasks of which only one may read
 * the counter; in a virtual machine that was 28 us of the 52 that each recorded
 * call cost. So while targets may not read it (ckpt_trap_tsc()), we may not
 * either; where a library of ours does, a signal handler reads it in its place.
 */
#ifndef CKPT_X86_64_TSC_H
#define CKPT_X86_64_TSC_H

/* For the calling thread, for good; threads that it makes inherit it. If it
 * can't be had, all goes on, just slower. */
void ckpt_tsc_forgo(void);

#endif
