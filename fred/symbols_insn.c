/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * symbols_insn.c - where instructions are and what they do to the pc
 */
#include <errno.h>
#include <string.h>

#include "ckptcore/arch/x86_64/outer_insn.h"
#include "ckptcore/arch/x86_64/probe_code.h"
#include "symbols_internal.h"

#define MAX_DECODE (64UL << 20)
#define KEEP_DECODE (256UL << 10) /* longer ranges aren't kept */
#define MAX_CALL 9		  /* prefixes, ff /2, SIB, disp32 */
#define WINDOW_BEFORE_CALL 16384  /* how far a linear decode goes back */

static enum fred_insn_kind kind_of(unsigned int id)
{
	switch (id) {
	case X86_INS_CALL:
	case X86_INS_LCALL:
		return FRED_INSN_CALL;
	case X86_INS_RET:
	case X86_INS_RETF:
	case X86_INS_RETFQ:
	case X86_INS_IRET:
	case X86_INS_IRETD:
	case X86_INS_IRETQ:
		return FRED_INSN_RET;
	case X86_INS_JMP:
	case X86_INS_LJMP:
		return FRED_INSN_JMP;
	case X86_INS_JA:
	case X86_INS_JAE:
	case X86_INS_JB:
	case X86_INS_JBE:
	case X86_INS_JE:
	case X86_INS_JNE:
	case X86_INS_JG:
	case X86_INS_JGE:
	case X86_INS_JL:
	case X86_INS_JLE:
	case X86_INS_JNO:
	case X86_INS_JNP:
	case X86_INS_JNS:
	case X86_INS_JO:
	case X86_INS_JP:
	case X86_INS_JS:
	case X86_INS_JCXZ:
	case X86_INS_JECXZ:
	case X86_INS_JRCXZ:
	case X86_INS_LOOP:
	case X86_INS_LOOPE:
	case X86_INS_LOOPNE:
		return FRED_INSN_JCC;
	case X86_INS_SYSCALL:
	case X86_INS_SYSENTER:
	case X86_INS_INT:
		return FRED_INSN_SYSCALL;
	default:
		return FRED_INSN_OTHER;
	}
}

/* Where a direct branch goes: capstone's detail would tell, at twice the time. */
static uint64_t target_of(const uint8_t *b, size_t size, uint64_t addr)
{
	static const uint8_t prefixes[] = {
		0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf2, 0xf3,
	};
	size_t i = 0;
	int32_t rel;

	while (i < size && (memchr(prefixes, b[i], sizeof(prefixes)) || (b[i] & 0xf0) == 0x40))
		i++;
	if (i == size)
		return 0;
	if (b[i] == 0xeb || (b[i] & 0xf0) == 0x70 || (b[i] >= 0xe0 && b[i] <= 0xe3))
		return addr + size + (int8_t)b[size - 1];
	if (b[i] != 0xe8 && b[i] != 0xe9 &&
	    !(b[i] == 0x0f && i + 1 < size && (b[i + 1] & 0xf0) == 0x80))
		return 0;
	if (size - i < 5)
		return 0;
	memcpy(&rel, b + size - 4, 4);
	return addr + size + rel;
}

/*
 * Newer instructions without operands in memory that capstone 4 doesn't know:
 * 0f 01 with registers (wrpkru, serialize, ...) and 0f 1e (rdssp). 0 if none.
 */
static size_t new_length(const uint8_t *p, size_t len)
{
	size_t n = 0;

	while (n < len && (p[n] == 0xf3 || p[n] == 0xf2 || p[n] == 0x66))
		n++;
	if (n < len && (p[n] & 0xf0) == 0x40)
		n++;
	if (len - n < 3 || p[n] != 0x0f || (p[n + 1] != 0x01 && p[n + 1] != 0x1e) ||
	    p[n + 2] < 0xc0)
		return 0;
	return n + 3;
}

/* Decodes one instruction at *p; always gives one, perhaps a bad byte. */
static struct fred_insn decode(struct fred_sym *sym, const uint8_t *p, size_t len, uint64_t addr)
{
	struct fred_insn insn = { .addr = addr, .size = 1, .kind = FRED_INSN_BAD };
	const uint8_t *at = p;
	uint64_t next = addr;
	size_t known = ckpt_outer_insn_trapped(p, len);

	if (!known)
		known = probe_vector_length(p, len);
	if (known) {
		insn.size = known;
		insn.kind = FRED_INSN_OTHER;
		return insn;
	}
	if (!cs_disasm_iter(sym->cs, &at, &len, &next, sym->cs_insn)) {
		known = new_length(p, len);
		if (known) {
			insn.size = known;
			insn.kind = FRED_INSN_OTHER;
		}
		return insn;
	}
	insn.size = sym->cs_insn->size;
	insn.kind = kind_of(sym->cs_insn->id);
	if (insn.kind == FRED_INSN_CALL || insn.kind == FRED_INSN_JMP || insn.kind == FRED_INSN_JCC)
		insn.target = target_of(p, insn.size, addr);
	return insn;
}

static int decode_range(struct fred_sym *sym, const uint8_t *bytes, uint64_t lo, size_t len,
			struct fred_insn **ret, size_t *n)
{
	_cleanup_free_ struct fred_insn *v = NULL;
	size_t cap = 0, at = 0;
	int r;

	*n = 0;
	while (at < len) {
		r = sym_grow((void **)&v, &cap, *n + 1, sizeof(*v));
		if (r < 0)
			return r;
		v[*n] = decode(sym, bytes + at, len - at, lo + at);
		at += v[(*n)++].size;
	}
	*ret = v;
	v = NULL;
	return 0;
}

static void decode_free(struct sym_decode *d)
{
	free(d->bytes);
	free(d->insns);
	*d = (struct sym_decode){ 0 };
}

void sym_decodes_free(struct fred_sym *sym)
{
	size_t i;

	for (i = 0; i < SYM_DECODES; i++)
		decode_free(&sym->decodes[i]);
}

/* The kept decode of the range if its bytes are these, else the slot to replace. */
static struct sym_decode *decode_slot(struct fred_sym *sym, uint64_t lo, uint64_t hi,
				      const uint8_t *bytes, bool *hit)
{
	struct sym_decode *oldest = &sym->decodes[0];
	size_t i;

	*hit = false;
	for (i = 0; i < SYM_DECODES; i++) {
		struct sym_decode *d = &sym->decodes[i];

		if (d->insns && d->lo == lo && d->hi == hi) {
			*hit = !memcmp(d->bytes, bytes, hi - lo);
			return d;
		}
		if (d->used < oldest->used)
			oldest = d;
	}
	return oldest;
}

/* As fred_sym_instructions(), but *ret is kept: not the caller's, see *owned. */
static int instructions(struct fred_sym *sym, const struct fred_sym_reader *reader, uint64_t lo,
			uint64_t hi, struct fred_insn **ret, size_t *n, bool *owned)
{
	_cleanup_free_ uint8_t *bytes = NULL;
	struct sym_decode *d;
	bool hit;
	int r;

	if (hi <= lo || hi - lo > MAX_DECODE)
		return -EINVAL;
	bytes = malloc(hi - lo);
	if (!bytes)
		return -ENOMEM;
	r = reader->read(reader->ctx, lo, bytes, hi - lo);
	if (r < 0)
		return r;
	*owned = hi - lo > KEEP_DECODE;
	if (*owned)
		return decode_range(sym, bytes, lo, hi - lo, ret, n);
	d = decode_slot(sym, lo, hi, bytes, &hit);
	if (!hit) {
		decode_free(d);
		r = decode_range(sym, bytes, lo, hi - lo, &d->insns, &d->n);
		if (r < 0)
			return r;
		d->lo = lo;
		d->hi = hi;
		d->bytes = bytes;
		bytes = NULL;
	}
	d->used = ++sym->decode_clock;
	*ret = d->insns;
	*n = d->n;
	return 0;
}

int fred_sym_instructions(struct fred_sym *sym, const struct fred_sym_reader *reader, uint64_t lo,
			  uint64_t hi, struct fred_insn **ret, size_t *n)
{
	struct fred_insn *v, *copy;
	size_t count;
	bool owned;
	int r;

	r = instructions(sym, reader, lo, hi, &v, &count, &owned);
	if (r < 0)
		return r;
	if (!owned) {
		copy = malloc(count * sizeof(*copy));
		if (!copy)
			return -ENOMEM;
		memcpy(copy, v, count * sizeof(*copy));
		v = copy;
	}
	*ret = v;
	*n = count;
	return 0;
}

/* ---- the call before a return address ---- */

/*
 * An address before retaddr where an instruction is known to start: the last
 * statement that is far enough before it, or the start of the function's part.
 */
static bool known_start(struct fred_sym *sym, uint64_t retaddr, uint64_t *ret)
{
	struct fred_function f;
	const struct sym_map *map;
	struct sym_cu *cu;
	size_t i;

	if (fred_sym_function(sym, retaddr - 1, &f) < 0)
		return false;
	for (i = 0; i < f.n_ranges; i++)
		if (retaddr - 1 >= f.ranges[i].lo && retaddr - 1 < f.ranges[i].hi)
			*ret = f.ranges[i].lo;
	map = sym_map_at(sym, retaddr - 1);
	cu = sym_cu_at(map->object, retaddr - 1 - map->bias);
	if (cu) {
		sym_cu_read_lines(sym, map->object, cu);
		i = sym_stmts_after(&cu->stmts, retaddr - 1 - map->bias);
		if (i > 0 && cu->stmts.v[i - 1].addr + map->bias > *ret)
			*ret = cu->stmts.v[i - 1].addr + map->bias;
	}
	return *ret < retaddr && retaddr - *ret <= WINDOW_BEFORE_CALL;
}

/* How much a candidate looks like the call, more is better; 0: it is none. */
static int plausibility(struct fred_sym *sym, const uint8_t *b, size_t len, uint64_t addr)
{
	struct fred_insn insn = decode(sym, b, len, addr);

	if (insn.size != len || insn.kind != FRED_INSN_CALL)
		return 0;
	if (insn.target)
		return sym_executable(sym, insn.target) ? 100 + (len == 5) : 1;
	/* e.g. 41 ff d0: the whole of it rather than its tail ff d0 */
	return 2 + (int)len;
}

int fred_sym_call_before(struct fred_sym *sym, const struct fred_sym_reader *reader,
			 uint64_t retaddr, uint64_t *ret_addr)
{
	uint8_t bytes[MAX_CALL];
	struct fred_insn *v;
	size_t n, len, have = MAX_CALL;
	uint64_t start = 0;
	int best = 0;
	bool owned;
	int r;

	if (retaddr < MAX_CALL)
		return -ENOENT;
	if (known_start(sym, retaddr, &start) &&
	    instructions(sym, reader, start, retaddr, &v, &n, &owned) == 0) {
		struct fred_insn last = v[n - 1];
		size_t i, bad = 0;

		for (i = 0; i < n; i++)
			bad += v[i].kind == FRED_INSN_BAD;
		if (owned)
			free(v);
		if (last.kind == FRED_INSN_CALL) {
			*ret_addr = last.addr;
			return 0;
		}
		if (!bad)
			return -ENOENT; /* another instruction ends there */
	}

	/* the start of a mapping may be nearer than MAX_CALL */
	do {
		r = reader->read(reader->ctx, retaddr - have, bytes + MAX_CALL - have, have);
	} while (r < 0 && --have >= 2);
	if (r < 0)
		return r;
	for (len = 2; len <= have; len++) {
		int p = plausibility(sym, bytes + MAX_CALL - len, len, retaddr - len);

		if (p > best) {
			best = p;
			*ret_addr = retaddr - len;
		}
	}
	return best ? 0 : -ENOENT;
}
