/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Instructions whose result comes from outside of the program: the time stamp
 * counter's, which the kernel has fault for us (see ckpt_trap_tsc()), and the
 * processor's random numbers, which nothing has fault: they are found in the
 * program's code as that is mapped, and made an undefined instruction, ud0, by
 * one byte. Both are then done by hand at the signal's stop.
 */
#ifndef CKPT_OUTER_INSN_H
#define CKPT_OUTER_INSN_H

#include "ckptcore/ckptcore.h"

struct ckpt_outer_insn {
	int len;
	bool random;
	unsigned int size, reg; /* of a random number: bytes; as the processor counts */
};

/* t is at a signal's stop: fills *ret if that is one of these instructions' where t
 * stands; false: it is the program's own. */
bool ckpt_outer_insn_at(struct ckpt_task *t, struct ckpt_outer_insn *ret);
/* What it would give now. */
uint64_t ckpt_outer_insn_value(const struct ckpt_outer_insn *i);
/* Does it: the value is its result. */
void ckpt_outer_insn_give(struct ckpt_task *t, const struct ckpt_outer_insn *i, uint64_t value);

/*
 * Has what gives random numbers in [addr, addr + len) of t's memory, code, fault.
 * Calls changed() for each byte that is another one now.
 * -ENOMEM; -ESRCH: t died.
 */
int ckpt_outer_insn_trap(struct ckpt_task *t, uint64_t addr, uint64_t len,
			 int (*changed)(struct ckpt_task *t, uint64_t addr)) __must_check;
/* The same in all code of files that t has mapped. */
int ckpt_outer_insn_trap_all(struct ckpt_task *t) __must_check;

/* The length of an instruction that was made fault, in the first of n bytes; 0: it is
 * none. (capstone takes it for a shorter one.) */
size_t ckpt_outer_insn_trapped(const uint8_t *p, size_t n);

#endif
