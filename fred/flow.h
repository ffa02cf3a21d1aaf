/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * flow.h - where control can go within a function
 *
 * By its instructions and its tables for exceptions. What is not known ahead (a jump by a
 * register, a jump out of the function, a call of setjmp, which comes back more than once)
 * makes the answer "not known": whoever asks wants to be sure.
 */
#ifndef FRED_FLOW_H
#define FRED_FLOW_H

#include "fred/seek.h"

struct fred_flow {
	struct fred_function f;
	struct fred_insn *insns; /* sorted by address */
	size_t n;
	struct fred_pad *pads;
	size_t npads;
	bool closed; /* no call of setjmp in it */
};

/* The function of t that contains pc; 0 or a negative errno; ret is to be deinitialized in
 * any case. */
int fred_flow_init(struct fred_flow *ret, struct ckpt_task *t, uint64_t pc) __must_check;
void fred_flow_deinit(struct fred_flow *w);
bool fred_flow_has(const struct fred_flow *w, uint64_t pc);

/* A place of a frame: before the instruction at pc, or amid the call that returns to pc. */
struct fred_flow_place {
	uint64_t pc;
	bool amid_call;
};

/*
 * What a frame may run on its way from one place to another.
 * @on: room for n; set to whether the instruction may be run, or gone on with behind a call
 * False: it isn't known.
 */
bool fred_flow_between(const struct fred_flow *w, const struct fred_flow_place *from,
		       const struct fred_flow_place *to, bool *on) __must_check;
/* The index of the instruction at pc; w->n: there is none. */
size_t fred_flow_index(const struct fred_flow *w, uint64_t pc);

#endif
