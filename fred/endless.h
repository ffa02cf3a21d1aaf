/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Code that is never left: `for (;;) n++;'. A search needn't run through it to know that
 * nothing elsewhere was run meanwhile.
 */
#ifndef FRED_ENDLESS_H
#define FRED_ENDLESS_H

#include "fred/seek.h"

#define FRED_ENDLESS_MAX 64 /* instructions; those of larger loops are looked for as ever */

/* Addresses of instructions. */
struct fred_endless {
	uint64_t at[FRED_ENDLESS_MAX];
	size_t n;
};

/* The instructions that a task may run which stands at pc, as t's memory says, if they are
 * all known: without calls, returns, jumps to anywhere. Events (signals) apart it is never
 * elsewhere. false: they aren't, or are too many. */
bool fred_endless_from(struct ckpt_task *t, uint64_t pc, struct fred_endless *ret);
bool fred_endless_has(const struct fred_endless *e, uint64_t addr);

#endif
