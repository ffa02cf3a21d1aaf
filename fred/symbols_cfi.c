/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * symbols_cfi.c - call frame information: the rules at a pc
 *
 * libdw finds the FDE and runs its program; the resulting rules are kept by pc,
 * since the same few return addresses come again at every unwinding.
 */
#include <dwarf.h>
#include <errno.h>
#include <string.h>

#include "symbols_internal.h"

/* enum fred_reg of a DWARF register number (psABI, figure 3.36), or -1 */
int sym_reg_from_dwarf(unsigned int dwarf)
{
	static const int8_t map[FRED_NREGS] = {
		FRED_RAX, FRED_RDX, FRED_RCX, FRED_RBX, FRED_RSI, FRED_RDI,
		FRED_RBP, FRED_RSP, FRED_R8,  FRED_R9,	FRED_R10, FRED_R11,
		FRED_R12, FRED_R13, FRED_R14, FRED_R15, FRED_RIP,
	};

	return dwarf < FRED_NREGS ? map[dwarf] : -1;
}

static void read_cfi(struct sym_object *o)
{
	if (o->cfi_read)
		return;
	o->cfi_read = true;
	o->eh_cfi = dwfl_module_eh_cfi(o->mod, &o->eh_bias);
	o->debug_cfi = dwfl_module_dwarf_cfi(o->mod, &o->debug_bias);
}

static void compile_cfa(Dwarf_Frame *frame, struct sym_row *row)
{
	Dwarf_Op *ops;
	size_t n;
	int reg;

	if (dwarf_frame_cfa(frame, &ops, &n) != 0 || !n)
		return;
	if (n == 1 && ops[0].atom == DW_OP_bregx) {
		reg = sym_reg_from_dwarf(ops[0].number);
		row->cfa_offset = ops[0].number2;
	} else if (n == 1 && ops[0].atom >= DW_OP_breg0 && ops[0].atom <= DW_OP_breg31) {
		reg = sym_reg_from_dwarf(ops[0].atom - DW_OP_breg0);
		row->cfa_offset = ops[0].number;
	} else {
		row->cfa_kind = SYM_CFA_EXPR;
		row->cfa_ops = ops;
		row->n_cfa_ops = n;
		return;
	}
	if (reg < 0)
		return;
	row->cfa_kind = SYM_CFA_REG;
	row->cfa_reg = reg;
}

static void compile_rule(Dwarf_Frame *frame, int dwarf, struct sym_rule *rule)
{
	Dwarf_Op mem[3], *ops;
	bool value;
	size_t n;

	*rule = (struct sym_rule){ .kind = SYM_RULE_UNDEFINED };
	if (dwarf_frame_register(frame, dwarf, mem, &ops, &n) != 0)
		return;
	if (n == 0) {
		/* see dwarf_frame_register(): ops tells "same value" and "undefined" apart */
		rule->kind = ops ? SYM_RULE_UNDEFINED : SYM_RULE_SAME;
		return;
	}
	if (ops != mem) {
		rule->kind = SYM_RULE_EXPR;
		rule->ops = ops;
		rule->n_ops = n;
		return;
	}
	if (n == 1 && ops[0].atom == DW_OP_regx) {
		int reg = sym_reg_from_dwarf(ops[0].number);

		if (reg >= 0) {
			rule->kind = SYM_RULE_REG;
			rule->offset = reg;
		}
		return;
	}
	if (ops[0].atom != DW_OP_call_frame_cfa)
		return;
	value = ops[n - 1].atom == DW_OP_stack_value;
	if (n == 1u + value)
		rule->offset = 0;
	else if (n == 2u + value && ops[1].atom == DW_OP_plus_uconst)
		rule->offset = ops[1].number;
	else
		return;
	rule->kind = value ? SYM_RULE_CFA_PLUS : SYM_RULE_AT_CFA;
}

static void compile_row(struct sym_object *o, uint64_t vaddr, struct sym_row *row)
{
	Dwarf_Frame *frame = NULL;
	bool signal = false;
	int ra, i;

	*row = (struct sym_row){ 0 };
	read_cfi(o);
	if (!(o->eh_cfi && dwarf_cfi_addrframe(o->eh_cfi, vaddr - o->eh_bias, &frame) == 0) &&
	    !(o->debug_cfi &&
	      dwarf_cfi_addrframe(o->debug_cfi, vaddr - o->debug_bias, &frame) == 0))
		return;
	ra = dwarf_frame_info(frame, NULL, NULL, &signal);
	row->valid = ra == 16;
	row->signal = signal;
	if (row->valid) {
		compile_cfa(frame, row);
		for (i = 0; i < FRED_NREGS; i++)
			compile_rule(frame, i, &row->rules[sym_reg_from_dwarf(i)]);
		/*
		 * The psABI's "callee-saved" rbx is DWARF register 3; the defaults
		 * in elfutils (0.188) say 0 for it, which is rax.
		 */
		if (row->rules[FRED_RBX].kind == SYM_RULE_UNDEFINED)
			row->rules[FRED_RBX].kind = SYM_RULE_SAME;
		if (row->rules[FRED_RAX].kind == SYM_RULE_SAME)
			row->rules[FRED_RAX].kind = SYM_RULE_UNDEFINED;
	}
	free(frame);
}

/* The rules at pc, or NULL; valid until the next call. */
const struct sym_row *sym_row_at(struct fred_sym *sym, const struct sym_map *map, uint64_t pc)
{
	struct sym_row_slot *slot;
	uint64_t vaddr;

	if (!map || !map->object)
		return NULL;
	vaddr = pc - map->bias;
	slot = &sym->rows[(vaddr * 0x9e3779b97f4a7c15ULL >> 40) & (SYM_ROWS - 1)];
	if (slot->object != map->object || slot->vaddr != vaddr) {
		slot->object = map->object;
		slot->vaddr = vaddr;
		compile_row(map->object, vaddr, &slot->row);
		if (!slot->row.valid)
			sym_row_by_code(sym, map, pc, &slot->row);
	}
	return slot->row.valid ? &slot->row : NULL;
}

void sym_rows_forget(struct fred_sym *sym, const struct sym_object *o)
{
	size_t i;

	for (i = 0; i < SYM_ROWS; i++)
		if (sym->rows[i].object == o)
			sym->rows[i].object = NULL;
	sym_code_forget(sym);
}

int fred_sym_cfa(struct fred_sym *sym, uint64_t pc, struct fred_cfa *ret)
{
	const struct sym_row *row = sym_row_at(sym, sym_map_at(sym, pc), pc);

	if (!row || row->cfa_kind == SYM_CFA_NONE)
		return -ENOENT;
	if (row->cfa_kind != SYM_CFA_REG)
		return -EOPNOTSUPP;
	*ret = (struct fred_cfa){ row->cfa_reg, row->cfa_offset };
	return 0;
}
