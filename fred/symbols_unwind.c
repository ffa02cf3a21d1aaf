/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * symbols_unwind.c - the call stack
 *
 * Rules come from call frame information, or are read from the code. Code for
 * which neither gives any is followed in two cases only. Guesses lead only to an
 * address just after a call instruction: a wrong frame is worse for the search
 * than a missing one.
 */
#include <dwarf.h>
#include <errno.h>
#include <string.h>

#include "symbols_internal.h"

#define WINDOW 4096
#define STACK_DEPTH 32
#define MAX_OPS 256

/* Stack memory is read in pages: each read may be a system call. */
struct memory {
	const struct fred_sym_reader *reader;
	uint64_t page; /* address; ~0: none */
	uint8_t bytes[WINDOW];
};

/* A frame's registers as far as known. */
struct context {
	uint64_t reg[FRED_NREGS];
	uint32_t known; /* bit per register */
};

static bool load(struct memory *m, uint64_t addr, void *buf, size_t len)
{
	uint64_t page = addr & ~(uint64_t)(WINDOW - 1);

	if (addr - page + len <= WINDOW) {
		if (m->page != page) {
			m->page = ~0ULL;
			if (m->reader->read(m->reader->ctx, page, m->bytes, WINDOW) == 0)
				m->page = page;
		}
		if (m->page == page) {
			memcpy(buf, m->bytes + (addr - page), len);
			return true;
		}
	}
	return m->reader->read(m->reader->ctx, addr, buf, len) == 0;
}

static bool load64(struct memory *m, uint64_t addr, uint64_t *ret)
{
	return load(m, addr, ret, sizeof(*ret));
}

static bool get(const struct context *c, int reg, uint64_t *ret)
{
	if (reg < 0 || !(c->known & 1u << reg))
		return false;
	*ret = c->reg[reg];
	return true;
}

static void set(struct context *c, int reg, uint64_t value)
{
	c->reg[reg] = value;
	c->known |= 1u << reg;
}

/* ---- DWARF expressions, as far as call frame information uses them ---- */

struct stack {
	uint64_t v[STACK_DEPTH];
	unsigned int n;
};

static bool push(struct stack *s, uint64_t v)
{
	if (s->n == STACK_DEPTH)
		return false;
	s->v[s->n++] = v;
	return true;
}

static bool binary(struct stack *s, unsigned int atom)
{
	uint64_t a, b;

	if (s->n < 2)
		return false;
	b = s->v[--s->n];
	a = s->v[--s->n];
	switch (atom) {
	case DW_OP_and:
		return push(s, a & b);
	case DW_OP_or:
		return push(s, a | b);
	case DW_OP_xor:
		return push(s, a ^ b);
	case DW_OP_plus:
		return push(s, a + b);
	case DW_OP_minus:
		return push(s, a - b);
	case DW_OP_mul:
		return push(s, a * b);
	case DW_OP_shl:
		return push(s, b < 64 ? a << b : 0);
	case DW_OP_shr:
		return push(s, b < 64 ? a >> b : 0);
	case DW_OP_shra:
		return push(s, (int64_t)a >> (b < 63 ? b : 63));
	case DW_OP_eq:
		return push(s, a == b);
	case DW_OP_ne:
		return push(s, a != b);
	case DW_OP_ge:
		return push(s, (int64_t)a >= (int64_t)b);
	case DW_OP_gt:
		return push(s, (int64_t)a > (int64_t)b);
	case DW_OP_le:
		return push(s, (int64_t)a <= (int64_t)b);
	case DW_OP_lt:
		return push(s, (int64_t)a < (int64_t)b);
	default:
		return false;
	}
}

static bool unary(struct stack *s, const Dwarf_Op *op, struct memory *m)
{
	uint64_t *top = &s->v[s->n - 1], v = 0;

	if (!s->n)
		return false;
	switch (op->atom) {
	case DW_OP_deref:
		return load64(m, *top, top);
	case DW_OP_deref_size:
		if (op->number > 8 || !load(m, *top, &v, op->number))
			return false;
		*top = v;
		return true;
	case DW_OP_plus_uconst:
		*top += op->number;
		return true;
	case DW_OP_neg:
		*top = -*top;
		return true;
	case DW_OP_not:
		*top = ~*top;
		return true;
	case DW_OP_dup:
		return push(s, *top);
	case DW_OP_drop:
		s->n--;
		return true;
	default:
		return false;
	}
}

static bool step(struct stack *s, const Dwarf_Op *op, const struct context *c, uint64_t cfa,
		 struct memory *m)
{
	uint64_t v;

	if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31)
		return push(s, op->atom - DW_OP_lit0);
	if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31)
		return get(c, sym_reg_from_dwarf(op->atom - DW_OP_breg0), &v) &&
		       push(s, v + op->number);
	switch (op->atom) {
	case DW_OP_bregx:
		return get(c, sym_reg_from_dwarf(op->number), &v) && push(s, v + op->number2);
	case DW_OP_call_frame_cfa:
		return push(s, cfa);
	case DW_OP_addr:
		return false; /* would need the bias; nobody uses it here */
	case DW_OP_const1u:
	case DW_OP_const1s:
	case DW_OP_const2u:
	case DW_OP_const2s:
	case DW_OP_const4u:
	case DW_OP_const4s:
	case DW_OP_const8u:
	case DW_OP_const8s:
	case DW_OP_constu:
	case DW_OP_consts:
		return push(s, op->number);
	case DW_OP_over:
		return s->n >= 2 && push(s, s->v[s->n - 2]);
	case DW_OP_swap:
		if (s->n < 2)
			return false;
		v = s->v[s->n - 1];
		s->v[s->n - 1] = s->v[s->n - 2];
		s->v[s->n - 2] = v;
		return true;
	case DW_OP_nop:
		return true;
	default:
		return unary(s, op, m) || binary(s, op->atom);
	}
}

/* *is_value: the expression gives the value itself, not where it is. */
static bool evaluate(const Dwarf_Op *ops, size_t n, const struct context *c, uint64_t cfa,
		     struct memory *m, uint64_t *ret, bool *is_value)
{
	struct stack s = { .n = 0 };
	size_t i;

	*is_value = false;
	for (i = 0; i < n && i < MAX_OPS; i++) {
		if (ops[i].atom == DW_OP_stack_value) {
			*is_value = true;
			break;
		}
		if (!step(&s, &ops[i], c, cfa, m))
			return false;
	}
	if (!s.n)
		return false;
	*ret = s.v[s.n - 1];
	return true;
}

/* ---- one frame ---- */

static bool apply(const struct sym_rule *rule, int reg, const struct context *c, uint64_t cfa,
		  struct memory *m, uint64_t *ret)
{
	bool value;

	switch (rule->kind) {
	case SYM_RULE_UNDEFINED:
		return false;
	case SYM_RULE_SAME:
		return get(c, reg, ret);
	case SYM_RULE_AT_CFA:
		return load64(m, cfa + rule->offset, ret);
	case SYM_RULE_CFA_PLUS:
		*ret = cfa + rule->offset;
		return true;
	case SYM_RULE_REG:
		return get(c, rule->offset, ret);
	case SYM_RULE_EXPR:
		return evaluate(rule->ops, rule->n_ops, c, cfa, m, ret, &value) &&
		       (value || load64(m, *ret, ret));
	}
	return false;
}

static bool compute_cfa(const struct sym_row *row, const struct context *c, struct memory *m,
			uint64_t *ret)
{
	bool value;

	switch (row->cfa_kind) {
	case SYM_CFA_REG:
		if (!get(c, row->cfa_reg, ret))
			return false;
		*ret += row->cfa_offset;
		return true;
	case SYM_CFA_EXPR:
		return evaluate(row->cfa_ops, row->n_cfa_ops, c, 0, m, ret, &value);
	case SYM_CFA_NONE:
		break;
	}
	return false;
}

/* Fills in frame and replaces c by the caller's registers; false: stop here. */
static bool by_cfi(const struct sym_row *row, struct context *c, struct memory *m,
		   struct fred_frame *frame)
{
	struct context caller = { .known = 0 };
	uint64_t cfa, v;
	int i;

	frame->how = FRED_FRAME_CFI;
	frame->signal = row->signal;
	if (!compute_cfa(row, c, m, &cfa)) {
		frame->how = FRED_FRAME_END;
		return false;
	}
	frame->cfa = cfa;
	if (row->rules[FRED_RIP].kind == SYM_RULE_UNDEFINED)
		return false; /* the outermost frame: _start, clone */
	for (i = 0; i < FRED_NREGS; i++)
		if (apply(&row->rules[i], i, c, cfa, m, &v))
			set(&caller, i, v);
	/* the definition of the CFA, where no rule says so */
	if (!(caller.known & 1u << FRED_RSP))
		set(&caller, FRED_RSP, cfa);
	if (!get(&caller, FRED_RIP, &frame->ret)) {
		frame->how = FRED_FRAME_END;
		return false;
	}
	*c = caller;
	return frame->ret != 0;
}

static bool after_call(struct fred_sym *sym, const struct memory *m, uint64_t ret)
{
	uint64_t call;

	return sym_executable(sym, ret) && fred_sym_call_before(sym, m->reader, ret, &call) == 0;
}

/* As by_cfi(), where the rules are read from the code: only if they lead behind a call. */
static bool by_code(struct fred_sym *sym, const struct sym_row *row, struct context *c,
		    struct memory *m, struct fred_frame *frame)
{
	struct context kept = *c;
	struct fred_frame made = *frame;

	if (!by_cfi(row, c, m, &made) || !after_call(sym, m, made.ret)) {
		*c = kept;
		return false;
	}
	*frame = made;
	frame->how = FRED_FRAME_CODE;
	return true;
}

static bool by_guess(struct fred_sym *sym, struct context *c, struct memory *m,
		     struct fred_frame *frame)
{
	uint64_t pc = frame->pc, rsp, rbp, ret;
	struct context caller = *c;
	struct fred_function f;
	bool at_entry;

	frame->how = FRED_FRAME_END;
	if (!get(c, FRED_RSP, &rsp))
		return false;
	/* a jump to nowhere came from a call, most likely by a bad pointer */
	at_entry = frame->exact && (!sym_executable(sym, pc) ||
				    (fred_sym_function(sym, pc, &f) == 0 && f.entry == pc));
	if (at_entry && load64(m, rsp, &ret) && after_call(sym, m, ret)) {
		frame->how = FRED_FRAME_ENTRY;
		frame->cfa = rsp + 8;
	} else if (get(c, FRED_RBP, &rbp) && rbp >= rsp && rbp % 8 == 0 &&
		   load64(m, rbp + 8, &ret) && after_call(sym, m, ret) &&
		   load64(m, rbp, &caller.reg[FRED_RBP])) {
		frame->how = FRED_FRAME_RBP;
		frame->cfa = rbp + 16;
		/* it may have saved and changed any of the others */
		caller.known = 1u << FRED_RBP;
	} else {
		return false;
	}
	frame->ret = ret;
	set(&caller, FRED_RSP, frame->cfa);
	set(&caller, FRED_RIP, ret);
	*c = caller;
	return true;
}

int fred_sym_unwind(struct fred_sym *sym, const uint64_t regs[FRED_NREGS],
		    const struct fred_sym_reader *reader, struct fred_frame *frames, size_t max,
		    size_t *n)
{
	struct memory m = { .reader = reader, .page = ~0ULL };
	struct context c = { .known = (1u << FRED_NREGS) - 1 };
	bool exact = true;
	size_t i;

	if (!max)
		return -EINVAL;
	memcpy(c.reg, regs, sizeof(c.reg));
	for (i = 0; i < max; i++) {
		struct fred_frame *f = &frames[i];
		const struct sym_row *row;
		uint64_t at;

		*f = (struct fred_frame){
			.pc = c.reg[FRED_RIP],
			.sp = c.reg[FRED_RSP],
			.exact = exact,
			.how = FRED_FRAME_END,
		};
		*n = i + 1;
		/* a call that never returns may be the last instruction of its function */
		at = exact ? f->pc : f->pc - 1;
		row = sym_row_at(sym, sym_map_at(sym, at), at);
		if (!(row && row->guessed && by_code(sym, row, &c, &m, f)) &&
		    (row && !row->guessed ? !by_cfi(row, &c, &m, f) : !by_guess(sym, &c, &m, f)))
			return 0;
		/*
		 * The stack has to shrink, which is also what ends a circle; only from a
		 * signal stack can it lead anywhere (bounded by max).
		 */
		if (!f->signal && f->cfa <= f->sp) {
			f->how = FRED_FRAME_END;
			f->cfa = 0;
			f->ret = 0;
			return 0;
		}
		exact = f->signal;
	}
	return 0;
}
