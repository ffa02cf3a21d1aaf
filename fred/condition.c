/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "fred/condition.h"

#define MAX_CODE 512
#define MAX_STACK 64
#define MAX_STEPS 10000

enum op {
	ADD,
	SUB,
	MUL,
	DIV_SIGNED,
	DIV_UNSIGNED,
	REM_SIGNED,
	REM_UNSIGNED,
	LSH,
	RSH_SIGNED,
	RSH_UNSIGNED,
	BIT_AND,
	BIT_OR,
	BIT_XOR,
	EQUAL,
	LESS_SIGNED,
	LESS_UNSIGNED,
	FIRST_UNARY,
	LOG_NOT = FIRST_UNARY,
	BIT_NOT,
	EXT,
	ZERO_EXT,
	REF,
	DUP,
	POP,
	SWAP,
	IF_GOTO,
	GOTO,
	CONST,
	REG,
	END,
};

/* The names that gdb prints. */
static const struct {
	const char *name;
	enum op op;
	unsigned int size; /* REF: bytes */
} ops[] = {
	{ "add", ADD, 0 },
	{ "sub", SUB, 0 },
	{ "mul", MUL, 0 },
	{ "div_signed", DIV_SIGNED, 0 },
	{ "div_unsigned", DIV_UNSIGNED, 0 },
	{ "rem_signed", REM_SIGNED, 0 },
	{ "rem_unsigned", REM_UNSIGNED, 0 },
	{ "lsh", LSH, 0 },
	{ "rsh_signed", RSH_SIGNED, 0 },
	{ "rsh_unsigned", RSH_UNSIGNED, 0 },
	{ "log_not", LOG_NOT, 0 },
	{ "bit_and", BIT_AND, 0 },
	{ "bit_or", BIT_OR, 0 },
	{ "bit_xor", BIT_XOR, 0 },
	{ "bit_not", BIT_NOT, 0 },
	{ "equal", EQUAL, 0 },
	{ "less_signed", LESS_SIGNED, 0 },
	{ "less_unsigned", LESS_UNSIGNED, 0 },
	{ "ext", EXT, 0 },
	{ "zero_ext", ZERO_EXT, 0 },
	{ "ref8", REF, 1 },
	{ "ref16", REF, 2 },
	{ "ref32", REF, 4 },
	{ "ref64", REF, 8 },
	{ "dup", DUP, 0 },
	{ "pop", POP, 0 },
	{ "swap", SWAP, 0 },
	{ "if_goto", IF_GOTO, 0 },
	{ "goto", GOTO, 0 },
	{ "const8", CONST, 0 },
	{ "const16", CONST, 0 },
	{ "const32", CONST, 0 },
	{ "const64", CONST, 0 },
	{ "reg", REG, 0 },
	{ "end", END, 0 },
};

struct fred_condition {
	size_t n;
	struct insn {
		enum op op;
		unsigned int size;
		int64_t at; /* its offset, which jumps name */
		uint64_t arg;
	} code[];
};

static bool decode(json_object *item, struct insn *ret)
{
	const char *name = json_object_get_string(json_object_array_get_idx(item, 1));
	size_t i = 0, n = sizeof(ops) / sizeof(*ops);

	while (i < n && (!name || strcmp(ops[i].name, name)))
		i++;
	if (i == n)
		return false;
	ret->op = ops[i].op;
	ret->size = ops[i].size;
	ret->at = json_object_get_int64(json_object_array_get_idx(item, 0));
	ret->arg = json_object_get_uint64(json_object_array_get_idx(item, 2));
	return ret->op != REG || ret->arg <= 16;
}

/* Makes the offsets to which it jumps indexes. */
static bool link_jumps(struct fred_condition *c)
{
	for (size_t i = 0; i < c->n; i++) {
		size_t to = 0;

		if (c->code[i].op != GOTO && c->code[i].op != IF_GOTO)
			continue;
		while (to < c->n && c->code[to].at != (int64_t)c->code[i].arg)
			to++;
		if (to == c->n)
			return false;
		c->code[i].arg = to;
	}
	return true;
}

struct fred_condition *fred_condition_create(json_object *code)
{
	size_t n = json_object_is_type(code, json_type_array) ? json_object_array_length(code) : 0;
	struct fred_condition *c;
	bool good = n > 0 && n <= MAX_CODE;

	c = good ? calloc(1, sizeof(*c) + n * sizeof(*c->code)) : NULL;
	if (!c)
		return NULL;
	c->n = n;
	for (size_t i = 0; i < n && good; i++)
		good = decode(json_object_array_get_idx(code, i), &c->code[i]);
	if (good && c->code[n - 1].op == END && link_jumps(c))
		return c;
	free(c);
	return NULL;
}

void fred_condition_destroy(struct fred_condition *c)
{
	free(c);
}

/* As gdb numbers them. */
static uint64_t register_value(struct ckpt_task *p, uint64_t number)
{
	const struct user_regs_struct *r = ckpt_regs(p);
	const unsigned long long values[] = { r->rax, r->rbx, r->rcx, r->rdx, r->rsi, r->rdi,
					      r->rbp, r->rsp, r->r8,  r->r9,  r->r10, r->r11,
					      r->r12, r->r13, r->r14, r->r15, r->rip };

	return values[number];
}

static bool binary(enum op op, uint64_t a, uint64_t b, uint64_t *ret)
{
	int64_t sa = (int64_t)a, sb = (int64_t)b;
	bool divides = op >= DIV_SIGNED && op <= REM_UNSIGNED;

	if (divides && (b == 0 || (sb == -1 && sa == INT64_MIN)))
		return false;
	switch (op) {
	case ADD:
		*ret = a + b;
		break;
	case SUB:
		*ret = a - b;
		break;
	case MUL:
		*ret = a * b;
		break;
	case DIV_SIGNED:
		*ret = (uint64_t)(sa / sb);
		break;
	case DIV_UNSIGNED:
		*ret = a / b;
		break;
	case REM_SIGNED:
		*ret = (uint64_t)(sa % sb);
		break;
	case REM_UNSIGNED:
		*ret = a % b;
		break;
	case LSH:
		*ret = b < 64 ? a << b : 0;
		break;
	case RSH_SIGNED:
		*ret = (uint64_t)(sa >> (b < 64 ? b : 63));
		break;
	case RSH_UNSIGNED:
		*ret = b < 64 ? a >> b : 0;
		break;
	case BIT_AND:
		*ret = a & b;
		break;
	case BIT_OR:
		*ret = a | b;
		break;
	case BIT_XOR:
		*ret = a ^ b;
		break;
	case EQUAL:
		*ret = a == b;
		break;
	case LESS_SIGNED:
		*ret = sa < sb;
		break;
	case LESS_UNSIGNED:
		*ret = a < b;
		break;
	default:
		return false;
	}
	return true;
}

static uint64_t extend(uint64_t v, uint64_t bits, bool sign)
{
	uint64_t mask;

	if (bits == 0 || bits >= 64)
		return v;
	mask = (1ull << bits) - 1;
	return sign && v >> (bits - 1) & 1 ? v | ~mask : v & mask;
}

/* One with at most one operand; false: it can't be told. */
static bool unary(const struct insn *i, struct ckpt_task *p, uint64_t *top)
{
	struct fred_sym_reader reader;
	uint64_t v = 0;

	switch (i->op) {
	case LOG_NOT:
		*top = !*top;
		return true;
	case BIT_NOT:
		*top = ~*top;
		return true;
	case EXT:
		*top = extend(*top, i->arg, true);
		return true;
	case ZERO_EXT:
		*top = extend(*top, i->arg, false);
		return true;
	case REF:
		reader = fred_seek_reader(p);
		if (reader.read(reader.ctx, *top, &v, i->size))
			return false;
		*top = v;
		return true;
	default:
		return false;
	}
}

bool fred_condition_holds(const struct fred_condition *c, struct ckpt_task *p)
{
	uint64_t stack[MAX_STACK] = { 0 }, swapped;
	size_t n = 0, pc = 0;

	for (int steps = 0; steps < MAX_STEPS && pc < c->n; steps++) {
		const struct insn *i = &c->code[pc++];
		size_t needs = i->op < FIRST_UNARY || i->op == SWAP ? 2 : i->op >= GOTO ? 0 : 1;

		if (i->op == END)
			return n == 0 || stack[n - 1];
		if (n < needs || n + 1 >= MAX_STACK)
			return true;
		switch (i->op) {
		case CONST:
			stack[n++] = i->arg;
			break;
		case REG:
			stack[n++] = register_value(p, i->arg);
			break;
		case GOTO:
			pc = i->arg;
			break;
		case IF_GOTO:
			pc = stack[--n] ? i->arg : pc;
			break;
		case DUP:
			stack[n] = stack[n - 1];
			n++;
			break;
		case POP:
			n--;
			break;
		case SWAP:
			swapped = stack[n - 1];
			stack[n - 1] = stack[n - 2];
			stack[n - 2] = swapped;
			break;
		default:
			if (i->op >= FIRST_UNARY) {
				if (!unary(i, p, &stack[n - 1]))
					return true;
			} else {
				if (!binary(i->op, stack[n - 2], stack[n - 1], &stack[n - 2]))
					return true;
				n--;
			}
		}
	}
	return true;
}
