/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a debugger asks at every stop, laid down in its own memory as it is told
 * of the stop: an answer from there costs nothing, one of ours two switches of
 * processes. Code inside the debugger (fred/gdb/facts.c) reads it; facts.c here
 * writes it, and withdraws it before any of it can become untrue.
 */
#ifndef VPT_FACTS_H
#define VPT_FACTS_H

#include <signal.h>
#include <stdint.h>
#include <sys/user.h>

/* A debugger takes its breakpoints out at every stop and puts them back as it
 * resumes: two calls for each, and mostly nothing has changed after them. So
 * their bytes are written here, and fred writes those that came to differ once
 * it matters. */
#define VPT_SITES 16

struct vpt_facts {
	uint64_t valid; /* 0: ask */
	int32_t tid;	/* the thread that the rest is about */
	int32_t quiet;	/* no other event is there, nor on its way */
	int32_t copy;	/* a copy of its process plays it */
	int32_t event;	/* a stop that its wait is yet to return, as a status, or 0;
			 * who takes it from here sets that to 0 */
	/* Bytes of breakpoints in the thread's process, which stands as a whole:
	 * what memory has there in the debugger's eyes. */
	uint8_t wanted[VPT_SITES];
	int32_t memory; /* the descriptor by which it writes them */
	int32_t nsites;
	uint64_t site[VPT_SITES]; /* their addresses */
	struct user_regs_struct regs;
	uint64_t dr6;
	siginfo_t siginfo;
};

#endif
