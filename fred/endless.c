/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>

#include "fred/endless.h"

bool fred_endless_has(const struct fred_endless *e, uint64_t addr)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->at[i] == addr)
			return true;
	return false;
}

static bool add(struct fred_endless *e, uint64_t addr)
{
	if (fred_endless_has(e, addr))
		return true;
	if (e->n == FRED_ENDLESS_MAX)
		return false;
	e->at[e->n++] = addr;
	return true;
}

static const struct fred_insn *insn_at(const struct fred_insn *insns, size_t n, uint64_t addr)
{
	for (size_t i = 0; i < n; i++)
		if (insns[i].addr == addr)
			return &insns[i];
	return NULL;
}

/* Where it leads from there. */
static bool add_next(struct fred_endless *e, const struct fred_insn *insn)
{
	switch (insn->kind) {
	case FRED_INSN_OTHER:
		return add(e, insn->addr + insn->size);
	case FRED_INSN_JMP:
		return insn->target && add(e, insn->target);
	case FRED_INSN_JCC:
		return insn->target && add(e, insn->target) && add(e, insn->addr + insn->size);
	default:
		return false;
	}
}

bool fred_endless_from(struct ckpt_task *t, uint64_t pc, struct fred_endless *ret)
{
	struct fred_sym *sym = fred_seek_symbols(t);
	struct fred_sym_reader reader = fred_seek_reader(t);
	struct fred_insn *insns;
	struct fred_function f;
	bool closed;
	size_t n, k = 0;

	/* Code that the program makes itself may change. */
	if (!sym || fred_sym_function(sym, pc, &f) ||
	    (f.source != FRED_FUNCTION_DWARF && f.source != FRED_FUNCTION_SYMBOL))
		return false;
	while (k < f.n_ranges && !(pc >= f.ranges[k].lo && pc < f.ranges[k].hi))
		k++;
	if (k == f.n_ranges ||
	    fred_sym_instructions(sym, &reader, f.ranges[k].lo, f.ranges[k].hi, &insns, &n))
		return false;
	ret->n = 0;
	closed = add(ret, pc);
	for (size_t i = 0; closed && i < ret->n; i++) {
		const struct fred_insn *insn = insn_at(insns, n, ret->at[i]);

		closed = insn && add_next(ret, insn);
	}
	free(insns);
	return closed;
}
