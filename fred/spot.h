/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spot.h - where a task stands in terms of its program, and how it got there
 *
 * A frame is told by its canonical address, which at every address is a register
 * plus a constant, so a probe there can test it. It was made by a call; the
 * function that has it now may have been jumped to by another one (a tail call).
 */
#ifndef FRED_SPOT_H
#define FRED_SPOT_H

#include "fred/seek.h"

#define FRED_TAIL_CALLS 16 /* that are followed from one frame */

/* Where a task stands, in terms of its program. */
struct fred_spot {
	struct ckpt_task *t;
	struct ckpt_general regs;
	struct fred_sym *sym;
	struct fred_sym_reader reader;
	struct fred_function f;
	bool has_function;
	struct fred_frame frame;
	struct fred_statement *stmts;
	size_t nstmts;
};

/* 0 or a negative errno; s is to be deinitialized in any case. */
int fred_spot_init(struct fred_spot *s, struct ckpt_task *t) __must_check;
void fred_spot_deinit(struct fred_spot *s);
/* Where code goes that comes to pc, behind the linker's stubs, as t's memory says. */
uint64_t fred_spot_behind_stubs(struct ckpt_task *t, struct fred_sym *sym, uint64_t pc);

/* Rules with room for one condition each. */
struct fred_rules {
	struct ckpt_rule *r;
	struct probe_cond *conds;
	size_t n, room;
};

/* Without room nothing is added, and the answer is false. */
bool fred_rules_add(struct fred_rules *rs, uint64_t site, enum probe_operand reg, uint64_t value);
/* Execution at site in the spot's frame, or in any if that isn't known. */
void fred_rules_in_frame(struct fred_rules *rs, const struct fred_spot *s, uint64_t site);
/* The entry of f in a frame. */
bool fred_rules_entry(struct fred_rules *rs, const struct fred_spot *s,
		      const struct fred_function *f, const struct fred_frame *frame);
void fred_rules_deinit(struct fred_rules *rs);

/* Each: s is the spot at m, frame one of its stack's; as fred_seek_last(), no further back
 * than from, if not NULL. */

/* The call instruction that made the frame. */
int fred_seek_call(const struct fred_moment *m, struct ckpt_task *from, const struct fred_spot *s,
		   const struct fred_frame *frame, struct ckpt_task **ret) __must_check;
/* The last entry of f in the frame, before m. */
int fred_seek_entry(const struct fred_moment *m, const struct fred_spot *s,
		    const struct fred_function *f, const struct fred_frame *frame,
		    struct ckpt_task *from, struct ckpt_task **ret) __must_check;
/* The instruction that led into the function f (NULL: not known) whose frame it is: the
 * call, or a jump out of another function. */
int fred_seek_entered(const struct fred_moment *m, const struct fred_spot *s,
		      const struct fred_function *f, const struct fred_frame *frame,
		      struct ckpt_task **ret) __must_check;

#endif
