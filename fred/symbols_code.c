/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * symbols_code.c - call frame rules for code that comes without (assembly)
 *
 * The function is followed from its entry along all branches, with an eye on how
 * far the stack pointer is from where it was, whether rbp holds such a place,
 * and where registers that belong to the caller were pushed. Where two ways meet
 * that disagree, or something is done to the stack pointer that isn't
 * understood, nothing is known. That a function returns with the stack as it
 * found it is the one thing that is taken for granted.
 */
#include <string.h>

#include "symbols_internal.h"

#define MAX_CODE (256UL << 10)

/* Distances are from the canonical frame address: 8 above the stack pointer at entry. */
struct state {
	bool seen;
	bool has_sp, has_fp;
	int64_t sp, fp;
	int64_t saved[FRED_NREGS]; /* 0: not */
};

struct sym_code {
	const struct sym_object *object;
	uint64_t lo, hi; /* link-time addresses */
	size_t n;
	struct place {
		uint64_t vaddr, target;
		struct state before;
		bool known;
	} * places;
};

static const uint8_t callees[] = { FRED_RBX, FRED_RBP, FRED_R12, FRED_R13, FRED_R14, FRED_R15 };

static int register_of(unsigned int cs)
{
	static const struct {
		uint16_t cs;
		uint8_t reg;
	} map[] = {
		{ X86_REG_RBX, FRED_RBX }, { X86_REG_RBP, FRED_RBP }, { X86_REG_R12, FRED_R12 },
		{ X86_REG_R13, FRED_R13 }, { X86_REG_R14, FRED_R14 }, { X86_REG_R15, FRED_R15 },
	};

	for (size_t i = 0; i < sizeof(map) / sizeof(*map); i++)
		if (map[i].cs == cs)
			return map[i].reg;
	return -1;
}

static bool is_reg(const cs_x86_op *op, unsigned int reg)
{
	return op->type == X86_OP_REG && op->reg == (x86_reg)reg;
}

/* The constant distance of a memory operand from a register. */
static bool is_near(const cs_x86_op *op, unsigned int reg, int64_t *ret)
{
	*ret = op->mem.disp;
	return op->type == X86_OP_MEM && op->mem.base == (x86_reg)reg &&
	       op->mem.index == X86_REG_INVALID;
}

static void push(struct state *s, const cs_x86_op *op)
{
	int reg = op && op->type == X86_OP_REG ? register_of(op->reg) : -1;

	s->sp -= 8;
	if (reg >= 0 && s->has_sp && !s->saved[reg])
		s->saved[reg] = s->sp;
}

/* Whether the instruction writes the register in a way that step() doesn't describe. */
static bool writes(csh cs, const cs_insn *in, const x86_reg parts[4])
{
	cs_regs read, written;
	uint8_t nread, nwritten;

	if (cs_regs_access(cs, in, read, &nread, written, &nwritten))
		return true;
	for (uint8_t i = 0; i < nwritten; i++)
		for (int k = 0; k < 4; k++)
			if (parts[k] && written[i] == parts[k])
				return true;
	return false;
}

/* What the instruction makes of the state before it. */
static void step(csh cs, const cs_insn *in, struct state *s)
{
	static const x86_reg sps[4] = { X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL };
	static const x86_reg fps[4] = { X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL };
	const cs_x86 *x = &in->detail->x86;
	const cs_x86_op *op = x->operands;
	int64_t d;

	switch (in->id) {
	case X86_INS_PUSH:
		push(s, op);
		return;
	case X86_INS_PUSHFQ:
		push(s, NULL);
		return;
	case X86_INS_POPFQ:
		s->sp += 8;
		return;
	case X86_INS_POP:
		if (is_reg(op, X86_REG_RSP))
			break;
		s->sp += 8;
		if (is_reg(op, X86_REG_RBP))
			s->has_fp = false;
		return;
	case X86_INS_ADD:
	case X86_INS_SUB:
		if (!is_reg(op, X86_REG_RSP) || op[1].type != X86_OP_IMM)
			break;
		s->sp += in->id == X86_INS_ADD ? op[1].imm : -op[1].imm;
		return;
	case X86_INS_LEA:
		if (is_reg(op, X86_REG_RSP) && is_near(&op[1], X86_REG_RSP, &d)) {
			s->sp += d;
			return;
		}
		if (is_reg(op, X86_REG_RSP) && is_near(&op[1], X86_REG_RBP, &d) && s->has_fp) {
			s->has_sp = true;
			s->sp = s->fp + d;
			return;
		}
		break;
	case X86_INS_MOV:
		if (is_reg(op, X86_REG_RBP) && is_reg(&op[1], X86_REG_RSP)) {
			s->has_fp = s->has_sp;
			s->fp = s->sp;
			return;
		}
		if (is_reg(op, X86_REG_RSP) && is_reg(&op[1], X86_REG_RBP)) {
			s->has_sp = s->has_fp;
			s->sp = s->fp;
			return;
		}
		break;
	case X86_INS_LEAVE:
		s->has_sp = s->has_fp;
		s->sp = s->fp + 8;
		s->has_fp = false;
		return;
	case X86_INS_CALL: /* of the next instruction: to learn the pc */
		if (op->type == X86_OP_IMM && (uint64_t)op->imm == in->address + in->size)
			s->sp -= 8;
		return;
	case X86_INS_RET:
	case X86_INS_SYSCALL:
		return;
	}
	if (writes(cs, in, sps))
		s->has_sp = false;
	if (writes(cs, in, fps))
		s->has_fp = false;
}

/* Two ways lead to a place: what they agree about. True: that is less than before. */
static bool join(struct state *to, const struct state *from)
{
	bool sp, fp, less;

	if (!to->seen) {
		*to = *from;
		to->seen = true;
		return true;
	}
	sp = to->has_sp && from->has_sp && to->sp == from->sp;
	fp = to->has_fp && from->has_fp && to->fp == from->fp;
	less = sp != to->has_sp || fp != to->has_fp;
	to->has_sp = sp;
	to->has_fp = fp;
	return less;
}

static int compare_place(const void *key, const void *place)
{
	uint64_t vaddr = *(const uint64_t *)key, at = ((const struct place *)place)->vaddr;

	return vaddr < at ? -1 : vaddr > at;
}

/* The index of what is at vaddr, or c->n. */
static size_t place_at(const struct sym_code *c, uint64_t vaddr)
{
	const struct place *p = bsearch(&vaddr, c->places, c->n, sizeof(*p), compare_place);

	return p ? (size_t)(p - c->places) : c->n;
}

/* The file's bytes at a link-time address, up to hi. */
static const uint8_t *bytes_at(const struct sym_object *o, uint64_t lo, uint64_t hi)
{
	size_t size;
	const char *file = elf_rawfile(o->elf, &size);

	for (size_t i = 0; file && i < o->n_loads; i++) {
		const struct sym_load *l = &o->loads[i];

		if (lo >= l->vaddr && hi - l->vaddr <= l->filesz &&
		    l->off + (hi - l->vaddr) <= size)
			return (const uint8_t *)file + l->off + (lo - l->vaddr);
	}
	return NULL;
}

/* Follows the code on from the places whose states have changed, until none has. */
static void follow(csh cs, struct sym_code *c, cs_insn *insns)
{
	bool again = true;

	while (again) {
		again = false;
		for (size_t i = 0; i < c->n; i++) {
			struct place *p = &c->places[i];
			struct state after = p->before;
			size_t to;

			if (p->known || !p->before.seen)
				continue;
			p->known = true;
			step(cs, &insns[i], &after);
			to = p->target ? place_at(c, p->target) : c->n;
			if (to < c->n && join(&c->places[to].before, &after)) {
				c->places[to].known = false;
				again |= to <= i;
			}
			if (insns[i].id != X86_INS_JMP && insns[i].id != X86_INS_RET &&
			    i + 1 < c->n && join(&c->places[i + 1].before, &after))
				c->places[i + 1].known = false;
		}
	}
}

static void decode(struct sym_code *c, const uint8_t *bytes, uint64_t entry)
{
	cs_insn *insns = NULL;
	size_t start;
	csh cs;

	if (cs_open(CS_ARCH_X86, CS_MODE_64, &cs) != CS_ERR_OK)
		return;
	cs_option(cs, CS_OPT_DETAIL, CS_OPT_ON);
	c->n = cs_disasm(cs, bytes, c->hi - c->lo, c->lo, 0, &insns);
	c->places = calloc(c->n + 1, sizeof(*c->places));
	if (!c->places)
		c->n = 0;
	for (size_t i = 0; i < c->n; i++) {
		const cs_x86_op *op = insns[i].detail->x86.operands;

		c->places[i].vaddr = insns[i].address;
		if (insns[i].id != X86_INS_CALL && op->type == X86_OP_IMM &&
		    (cs_insn_group(cs, &insns[i], CS_GRP_JUMP) ||
		     cs_insn_group(cs, &insns[i], CS_GRP_BRANCH_RELATIVE)))
			c->places[i].target = (uint64_t)op->imm;
	}
	start = place_at(c, entry);
	if (start < c->n) {
		c->places[start].before = (struct state){ .seen = true, .has_sp = true, .sp = -8 };
		follow(cs, c, insns);
	}
	if (insns)
		cs_free(insns, c->n);
	cs_close(&cs);
}

void sym_code_forget(struct fred_sym *sym)
{
	if (sym->code)
		free(sym->code->places);
	free(sym->code);
	sym->code = NULL;
}

/* The function around pc, read; the last one is kept. */
static const struct sym_code *code_around(struct fred_sym *sym, const struct sym_map *map,
					  uint64_t pc)
{
	uint64_t vaddr = pc - map->bias;
	struct fred_function f;
	const uint8_t *bytes;
	struct sym_code *c = sym->code;

	if (c && c->object == map->object && vaddr >= c->lo && vaddr < c->hi)
		return c;
	if (fred_sym_function(sym, pc, &f) < 0 ||
	    (f.source != FRED_FUNCTION_DWARF && f.source != FRED_FUNCTION_SYMBOL))
		return NULL;
	if (pc < f.ranges[0].lo || pc >= f.ranges[0].hi ||
	    f.ranges[0].hi - f.ranges[0].lo > MAX_CODE)
		return NULL;
	bytes = bytes_at(map->object, f.ranges[0].lo - map->bias, f.ranges[0].hi - map->bias);
	if (!bytes)
		return NULL;
	sym_code_forget(sym);
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	*c = (struct sym_code){ .object = map->object,
				.lo = f.ranges[0].lo - map->bias,
				.hi = f.ranges[0].hi - map->bias };
	decode(c, bytes, f.entry - map->bias);
	sym->code = c;
	return c;
}

void sym_row_by_code(struct fred_sym *sym, const struct sym_map *map, uint64_t pc,
		     struct sym_row *row)
{
	const struct sym_code *c = code_around(sym, map, pc);
	size_t i = c ? place_at(c, pc - map->bias) : 0;
	const struct state *s;

	/* behind a call, where the unwinder asks for the byte before */
	if (c && i == c->n)
		for (i = 0; i + 1 < c->n && c->places[i + 1].vaddr <= pc - map->bias;)
			i++;
	s = c && i < c->n ? &c->places[i].before : NULL;
	if (!s || !s->seen || (!s->has_sp && !s->has_fp))
		return;
	*row = (struct sym_row){ .valid = true, .guessed = true, .cfa_kind = SYM_CFA_REG };
	row->cfa_reg = s->has_sp ? FRED_RSP : FRED_RBP;
	row->cfa_offset = s->has_sp ? -s->sp : -s->fp;
	for (size_t k = 0; k < sizeof(callees); k++) {
		int64_t at = s->saved[callees[k]];

		row->rules[callees[k]].kind = at ? SYM_RULE_AT_CFA : SYM_RULE_SAME;
		row->rules[callees[k]].offset = at;
	}
	row->rules[FRED_RSP].kind = SYM_RULE_CFA_PLUS;
	row->rules[FRED_RIP] = (struct sym_rule){ .kind = SYM_RULE_AT_CFA, .offset = -8 };
}
