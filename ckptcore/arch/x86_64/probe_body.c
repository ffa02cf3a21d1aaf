// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The code of a trampoline: rules, displaced instruction, jump back.
 *
 * No flag is ever changed, so none has to be saved: "reg == C" is "rcx = reg - C by lea, jrcxz", and a cell
 * is decremented by lea. (lahf, seto, sahf need five more instructions on the path that everyone takes, and the flags
 * at a stop would need them even where they are dead.) Only rax can be loaded from and stored to any 64-bit address
 * (movabs), so rax is saved first. Between instructions the code is in one of these states:
 *
 *	O: all registers are the program's
 *	S: rax is in scratch[0], and anything
 *	E: rax is in scratch[0]; the program's rcx is in rax; rcx is anything
 *
 *	O -> S  movabs [scratch], rax		S -> E  mov rax, rcx
 *	S -> O  movabs rax, [scratch]		E -> S  mov rcx, rax
 *
 * A condition goes from E to E, a count from S to E. Conditions on rax or memory load into rax, and get the program's
 * rcx back from scratch[1]. One rule with conditions c1, c2 becomes:
 *
 *		O->S->E; c1; jrcxz match
 *	miss:	E->S->O
 *	out:	displaced instruction; jmp back
 *	match:	c2; jrcxz . + 5; jmp miss
 *		E->S; count; jrcxz stop; jmp miss
 *	stop:	E->S->O; int3; jmp out
 *
 * With several rules, the miss of one is the start of the next, in state E.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probe_internal.h"

#define REX_W 0x48
#define FIXUP_MAX (1LL << 31)

static void *reserve(struct probe_body *b, void *array, size_t *size, size_t need, size_t elem)
{
	size_t n = *size ? *size : 64;
	void *p;

	if (need <= *size)
		return array;
	while (n < need)
		n *= 2;
	p = realloc(array, n * elem);
	if (!p) {
		b->failed = true;
		return array;
	}
	*size = n;
	return p;
}

static void emit(struct probe_body *b, const void *bytes, size_t n)
{
	b->bytes = reserve(b, b->bytes, &b->size, b->len + n, 1);
	if (b->failed)
		return;
	memcpy(b->bytes + b->len, bytes, n);
	b->len += n;
}

#define EMIT(b, ...)                                           \
	do {                                                   \
		const uint8_t emit_bytes_[] = { __VA_ARGS__ }; \
		emit((b), emit_bytes_, sizeof(emit_bytes_));   \
	} while (0)

static void emit32(struct probe_body *b, uint32_t v)
{
	emit(b, &v, sizeof(v));
}

static void emit64(struct probe_body *b, uint64_t v)
{
	emit(b, &v, sizeof(v));
}

static void add_point(struct probe_body *b, uint64_t addr, size_t rule, uint8_t rsp_add,
		      bool is_stop)
{
	b->points = reserve(b, b->points, &b->points_size, b->npoints + 1, sizeof(*b->points));
	if (b->failed)
		return;
	b->points[b->npoints++] = (struct probe_point){
		.addr = addr,
		.offset = (uint32_t)b->len,
		.rsp_add = rsp_add,
		.rule = (uint8_t)rule,
		.is_stop = is_stop,
	};
}

/* The rel32 at @offset, followed by @trailing bytes of the same instruction, leads to @target outside the body. */
static void add_fixup(struct probe_body *b, size_t offset, size_t trailing, uint64_t target)
{
	b->fixups = reserve(b, b->fixups, &b->fixups_size, b->nfixups + 1, sizeof(*b->fixups));
	if (b->failed)
		return;
	b->fixups[b->nfixups++] = (struct probe_fixup){
		.target = target,
		.offset = (uint32_t)offset,
		.trailing = (uint32_t)trailing,
	};
}

static void emit_jmp_out(struct probe_body *b, uint64_t target)
{
	EMIT(b, 0xe9, 0, 0, 0, 0);
	add_fixup(b, b->len - 4, 0, target);
}

/* A jmp rel32 inside the body; returns where its rel32 is, for link_jmp(). */
static size_t emit_jmp(struct probe_body *b)
{
	EMIT(b, 0xe9, 0, 0, 0, 0);
	return b->len - 4;
}

static void link_jmp(struct probe_body *b, size_t at, size_t target)
{
	int32_t rel = (int32_t)((int64_t)target - (int64_t)(at + 4));

	if (!b->failed)
		memcpy(b->bytes + at, &rel, sizeof(rel));
}

static size_t emit_jrcxz(struct probe_body *b)
{
	EMIT(b, 0xe3, 0);
	return b->len - 1;
}

/* The planner's own layouts keep these short: displaced code is at most 64 bytes. */
static void link_jrcxz(struct probe_body *b, size_t at)
{
	size_t rel = b->len - (at + 1);

	if (b->failed)
		return;
	if (rel > 127)
		abort();
	b->bytes[at] = (uint8_t)rel;
}

static void emit_load_rax(struct probe_body *b, uint64_t addr)
{
	EMIT(b, REX_W, 0xa1);
	emit64(b, addr);
}

static void emit_store_rax(struct probe_body *b, uint64_t addr)
{
	EMIT(b, REX_W, 0xa3);
	emit64(b, addr);
}

static void emit_rax_from_rcx(struct probe_body *b)
{
	EMIT(b, REX_W, 0x89, 0xc8);
}

static void emit_rcx_from_rax(struct probe_body *b)
{
	EMIT(b, REX_W, 0x89, 0xc1);
}

/* rcx = register @reg - @value */
static void emit_difference(struct probe_body *b, unsigned int reg, uint64_t value)
{
	int64_t minus = (int64_t)-value;
	uint8_t rex = (uint8_t)(REX_W | (reg >> 3));
	uint8_t low = reg & 7;

	if (minus == (int32_t)minus) {
		EMIT(b, rex, 0x8d, (uint8_t)(0x88 | low)); /* lea rcx, [reg + disp32] */
		if (low == PROBE_RSP)
			EMIT(b, 0x24);
		emit32(b, (uint32_t)minus);
		return;
	}
	EMIT(b, REX_W, 0xb9); /* mov rcx, imm64 */
	emit64(b, (uint64_t)minus);
	if (low == PROBE_RBP)
		EMIT(b, rex, 0x8d, 0x4c, (uint8_t)(0x08 | low), 0); /* lea rcx, [reg + rcx + 0] */
	else
		EMIT(b, rex, 0x8d, 0x0c, (uint8_t)(0x08 | low)); /* lea rcx, [reg + rcx] */
}

static bool uses_rax(const struct probe_cond *c)
{
	return c->what == PROBE_MEM || c->what == PROBE_RAX;
}

/* E -> E with rcx == 0 if the condition holds */
static void emit_cond(struct probe_body *b, const struct probe_cond *c, uint64_t scratch)
{
	if (uses_rax(c)) {
		emit_load_rax(b, c->what == PROBE_MEM ? c->addr : scratch);
		emit_difference(b, PROBE_RAX, c->value);
		emit_load_rax(b, scratch + 8);
		return;
	}
	emit_difference(b, c->what == PROBE_RCX ? PROBE_RAX : c->what, c->value);
}

/* S -> E with rcx == 0 if the cell became 0 */
static void emit_count(struct probe_body *b, uint64_t cell)
{
	emit_load_rax(b, cell);
	EMIT(b, REX_W, 0x8d, 0x40, 0xff); /* lea rax, [rax - 1] */
	emit_store_rax(b, cell);
	EMIT(b, REX_W, 0x91); /* xchg rax, rcx */
}

/* push the original return address, with no register and no flag, and nothing but the word a call writes */
static void emit_push_return(struct probe_body *b, const struct probe_insn *in, size_t rule)
{
	uint64_t ret = in->addr + in->len;

	add_point(b, in->addr, rule, 0, false);
	EMIT(b, 0x68);
	emit32(b, (uint32_t)ret);
	if ((uint64_t)(int64_t)(int32_t)ret == ret)
		return;
	EMIT(b, 0xc7, 0x44, 0x24, 0x04); /* mov dword [rsp + 4], imm32 */
	emit32(b, (uint32_t)(ret >> 32));
}

/* The ModRM operand of @in with another opcode FF or 8B and another /digit. */
static void emit_operand(struct probe_body *b, const struct probe_insn *in, uint8_t rex, uint8_t op,
			 uint8_t digit)
{
	size_t modrm = in->opcode + 1U;

	if (in->segment)
		EMIT(b, in->segment);
	if (rex)
		EMIT(b, rex);
	EMIT(b, op, (uint8_t)((in->bytes[modrm] & 0xc7) | digit << 3));
	emit(b, in->bytes + modrm + 1, in->len - modrm - 1);
	if (in->rip_disp)
		add_fixup(b, b->len - 4, 0, in->target);
}

static void emit_call_mem(struct probe_body *b, const struct probe_insn *in, uint64_t scratch,
			  size_t rule)
{
	uint8_t rex = in->rex & 0xf7;

	/* a fault of the operand must come before the push */
	add_point(b, in->addr, rule, 0, false);
	emit_store_rax(b, scratch);
	add_point(b, in->addr, rule, 0, false);
	emit_operand(b, in, (uint8_t)(rex | REX_W), 0x8b, 0);
	emit_load_rax(b, scratch);
	emit_push_return(b, in, rule);
	add_point(b, in->addr, rule, 8, false);
	emit_operand(b, in, rex, 0xff, 4);
}

static void emit_copy(struct probe_body *b, const struct probe_insn *in)
{
	size_t start = b->len;

	emit(b, in->bytes, in->len);
	if (in->rip_disp)
		add_fixup(b, start + in->rip_disp, in->len - in->rip_disp - 4U, in->target);
}

/* State O. @rule: number of rules, for the points */
static void emit_displaced(struct probe_body *b, const struct probe_insn *in, uint64_t scratch,
			   size_t rule)
{
	uint64_t next = in->addr + in->len;

	b->displaced = (uint32_t)b->len;
	if (in->form != INSN_CALL && in->form != INSN_CALL_REG && in->form != INSN_CALL_MEM)
		add_point(b, in->addr, rule, 0, false);
	switch (in->form) {
	case INSN_FIXED:
		abort();
	case INSN_COPY:
		emit_copy(b, in);
		break;
	case INSN_COPY_END:
		emit_copy(b, in);
		return;
	case INSN_JMP:
		emit_jmp_out(b, in->target);
		return;
	case INSN_JCC:
		EMIT(b, 0x0f, (uint8_t)(0x80 | (in->bytes[in->opcode] & 0x0f)), 0, 0, 0, 0);
		add_fixup(b, b->len - 4, 0, in->target);
		break;
	case INSN_LOOP:
		emit(b, in->bytes, in->len - 1U);
		EMIT(b, 5);
		add_point(b, next, rule, 0, false);
		emit_jmp_out(b, next);
		add_point(b, in->target, rule, 0, false);
		emit_jmp_out(b, in->target);
		return;
	case INSN_CALL:
		emit_push_return(b, in, rule);
		add_point(b, in->target, rule, 0, false);
		emit_jmp_out(b, in->target);
		return;
	case INSN_CALL_REG:
		emit_push_return(b, in, rule);
		add_point(b, in->addr, rule, 8, false);
		emit_operand(b, in, in->rex & 0xf7, 0xff, 4);
		return;
	case INSN_CALL_MEM:
		emit_call_mem(b, in, scratch, rule);
		return;
	}
	/* the displaced instruction falls through */
	add_point(b, next, rule, 0, false);
	emit_jmp_out(b, next);
}

/* What the emission of one site's rules has to remember. */
struct rules_state {
	const struct probe_rule *rules;
	size_t nrules;
	uint64_t scratch;
	uint64_t site;
	bool keep_rcx; /* scratch[1] is in use */
};

/* O -> E, or S with rcx still the program's */
static void emit_enter(struct probe_body *b, const struct rules_state *st)
{
	emit_store_rax(b, st->scratch);
	emit_rax_from_rcx(b);
	if (st->keep_rcx)
		emit_store_rax(b, st->scratch + 8);
}

/* E -> O -> int3 -> O */
static void emit_stop(struct probe_body *b, const struct rules_state *st, size_t rule)
{
	emit_rcx_from_rax(b);
	emit_load_rax(b, st->scratch);
	add_point(b, st->site, rule, 0, true);
	EMIT(b, 0xcc);
	add_point(b, st->site, rule + 1, 0, false);
}

/* Any rule but the last: ends in state E, where the next one begins. */
static void emit_inner_rule(struct probe_body *b, const struct rules_state *st, size_t index)
{
	const struct probe_rule *r = &st->rules[index];
	size_t miss[PROBE_MAX_CONDS + 1];
	size_t n = 0;
	size_t hit;

	for (size_t i = 0; i < r->nconds; i++) {
		emit_cond(b, &r->conds[i], st->scratch);
		hit = emit_jrcxz(b);
		miss[n++] = emit_jmp(b);
		link_jrcxz(b, hit);
	}
	emit_rcx_from_rax(b);
	emit_count(b, r->cell);
	hit = emit_jrcxz(b);
	miss[n++] = emit_jmp(b);
	link_jrcxz(b, hit);
	emit_stop(b, st, index);
	emit_enter(b, st);
	for (size_t i = 0; i < n; i++)
		link_jmp(b, miss[i], b->len);
}

/* The last rule, its first test falling through to the displaced instruction. */
static void emit_last_rule(struct probe_body *b, const struct rules_state *st,
			   const struct probe_insn *in)
{
	const struct probe_rule *r = &st->rules[st->nrules - 1];
	size_t first;
	size_t out;
	size_t hit;

	if (r->nconds) {
		emit_cond(b, &r->conds[0], st->scratch);
	} else {
		/* after emit_enter() or in state E */
		if (st->nrules > 1)
			emit_rcx_from_rax(b);
		emit_count(b, r->cell);
	}
	first = emit_jrcxz(b);
	out = b->len;
	emit_rcx_from_rax(b);
	emit_load_rax(b, st->scratch);
	emit_displaced(b, in, st->scratch, st->nrules);
	link_jrcxz(b, first);
	for (size_t i = 1; i < r->nconds; i++) {
		emit_cond(b, &r->conds[i], st->scratch);
		hit = emit_jrcxz(b);
		link_jmp(b, emit_jmp(b), out);
		link_jrcxz(b, hit);
	}
	if (r->nconds) {
		emit_rcx_from_rax(b);
		emit_count(b, r->cell);
		hit = emit_jrcxz(b);
		link_jmp(b, emit_jmp(b), out);
		link_jrcxz(b, hit);
	}
	emit_stop(b, st, st->nrules - 1);
	link_jmp(b, emit_jmp(b), b->displaced);
}

int probe_body_emit(struct probe_body *body, const struct probe_insn *insn, uint64_t scratch,
		    const struct probe_rule *rules, size_t nrules)
{
	struct rules_state st = {
		.rules = rules, .nrules = nrules, .scratch = scratch, .site = insn->addr
	};

	body->len = 0;
	body->npoints = 0;
	body->nfixups = 0;
	body->displaced = 0;
	body->failed = false;
	if (nrules) {
		for (size_t i = 0; i < nrules; i++)
			for (size_t j = 0; j < rules[i].nconds; j++)
				st.keep_rcx |= uses_rax(&rules[i].conds[j]);
		add_point(body, insn->addr, 0, 0, false);
		if (nrules == 1 && !rules[0].nconds)
			emit_store_rax(body, scratch);
		else
			emit_enter(body, &st);
		for (size_t i = 0; i + 1 < nrules; i++)
			emit_inner_rule(body, &st, i);
		emit_last_rule(body, &st, insn);
	} else {
		emit_displaced(body, insn, scratch, 0);
	}
	return body->failed ? -ENOMEM : 0;
}

bool probe_body_window(const struct probe_body *body, int64_t *lo, int64_t *hi)
{
	for (size_t i = 0; i < body->nfixups; i++) {
		const struct probe_fixup *f = &body->fixups[i];
		int64_t end = (int64_t)f->offset + 4 + (int64_t)f->trailing;
		int64_t at = (int64_t)f->target - end; /* body address for rel32 = 0 */

		if (*lo < at - FIXUP_MAX + 1)
			*lo = at - FIXUP_MAX + 1;
		if (*hi > at + FIXUP_MAX)
			*hi = at + FIXUP_MAX;
	}
	return *lo <= *hi;
}

void probe_body_link(struct probe_body *body, uint64_t addr)
{
	for (size_t i = 0; i < body->nfixups; i++) {
		const struct probe_fixup *f = &body->fixups[i];
		int32_t rel = (int32_t)(f->target - (addr + f->offset + 4 + f->trailing));

		memcpy(body->bytes + f->offset, &rel, sizeof(rel));
	}
}

void probe_body_deinit(struct probe_body *body)
{
	free(body->bytes);
	free(body->points);
	free(body->fixups);
	memset(body, 0, sizeof(*body));
}
