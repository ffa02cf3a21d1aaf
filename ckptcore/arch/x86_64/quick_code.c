/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Position-independent code for the inside of the program, and places to lead there from. It takes
 * another stack than the program's, below which lies the red zone.
 */
#include <stdlib.h>
#include <string.h>

#include "ckptcore/arch/x86_64/probe_internal.h"
#include "ckptcore/arch/x86_64/quick_code.h"
#include "ckptcore/clock.h"

_Static_assert(offsetof(struct ckpt_quick_notes, open) == 0, "");
_Static_assert(offsetof(struct ckpt_quick_notes, nr) == 8, "");
_Static_assert(offsetof(struct ckpt_quick_notes, flags) == 16, "");
_Static_assert(offsetof(struct ckpt_quick_notes, site) == 24, "");
_Static_assert(offsetof(struct ckpt_quick_notes, rcx) == 32, "");
_Static_assert(offsetof(struct ckpt_quick_notes, r11) == 40, "");
_Static_assert(offsetof(struct ckpt_quick_notes, result) == 48, "");
_Static_assert(offsetof(struct ckpt_quick_notes, rsp) == 56, "");
_Static_assert(offsetof(struct ckpt_quick_notes, args) == 64, "");
_Static_assert(offsetof(struct ckpt_quick_notes, back) == 112, "");
_Static_assert(offsetof(struct ckpt_quick_notes, stack) + 1280 == 1656, "");
_Static_assert(CKPT_QUICK_NOTES == 0x7e9000018000, "as in the code");

/* An entry has saved rax and put the site's number into it. */
asm(".pushsection fred_quick, \"ax\", @progbits\n"
    ".intel_syntax noprefix\n"
    ".globl ckpt_quick_code_begin, ckpt_quick_code_call, ckpt_quick_code_ask\n"
    ".globl ckpt_quick_code_copy, ckpt_quick_code_trap, ckpt_quick_code_real, ckpt_quick_code_again\n"
    ".globl ckpt_quick_code_decided, ckpt_quick_code_noted, ckpt_quick_code_end\n"
    ".globl ckpt_quick_ask, ckpt_quick_copy\n"
    "ckpt_quick_code_begin:\n"
    "	movabs [0x7e9000018000 + 24], rax\n"
    "	mov rax, rcx\n"
    "	movabs [0x7e9000018000 + 32], rax\n"
    "	mov rax, r11\n"
    "	movabs [0x7e9000018000 + 40], rax\n"
    "	movabs r11, 0x7e9000018000\n"
    "	lahf\n"
    "	seto al\n"
    "	mov [r11 + 16], rax\n"
    "	mov [r11 + 64], rdi\n"
    "	mov [r11 + 72], rsi\n"
    "	mov [r11 + 80], rdx\n"
    "	mov [r11 + 88], r10\n"
    "	mov [r11 + 96], r8\n"
    "	mov [r11 + 104], r9\n"
    "	mov [r11 + 56], rsp\n"
    "	lea rsp, [r11 + 1656]\n"
    "	call ckpt_quick_before\n"
    "ckpt_quick_code_decided:\n"
    "	movabs r11, 0x7e9000018000\n"
    "	mov rdi, [r11 + 64]\n"
    "	mov rsi, [r11 + 72]\n"
    "	mov rdx, [r11 + 80]\n"
    "	mov r10, [r11 + 88]\n"
    "	mov r8, [r11 + 96]\n"
    "	mov r9, [r11 + 104]\n"
    "	mov rsp, [r11 + 56]\n"
    "	cmp al, 1\n"
    "	mov rax, [r11 + 16]\n"
    "	ja 8f\n"
    "	jb 9f\n"
    "	add al, 0x7f\n"
    "	sahf\n"
    "	mov rax, [r11 + 8]\n"
    "ckpt_quick_code_call:\n"
    "	syscall\n"
    "	movabs rcx, 0x7e9000018000\n"
    "	mov [rcx + 40], r11\n"
    "	mov [rcx + 48], rax\n"
    "	lea rsp, [rcx + 1656]\n"
    "7:	cld\n"
    "	call ckpt_quick_behind\n"
    "ckpt_quick_code_noted:\n"
    "	movabs rcx, 0x7e9000018000\n"
    "	mov rdi, [rcx + 64]\n"
    "	mov rsi, [rcx + 72]\n"
    "	mov rdx, [rcx + 80]\n"
    "	mov r10, [rcx + 88]\n"
    "	mov r8, [rcx + 96]\n"
    "	mov r9, [rcx + 104]\n"
    "	mov rsp, [rcx + 56]\n"
    "	test byte ptr [rcx + 41], 4\n" /* the direction flag, as it was */
    "	jz 1f\n"
    "	std\n"
    "1:	test al, al\n"
    "	jz 1f\n"
    "ckpt_quick_code_trap:\n"
    "	int3\n"
    "1:	mov rax, [rcx + 16]\n"
    "	add al, 0x7f\n"
    "	sahf\n"
    "	mov r11, [rcx + 40]\n"
    "	mov rax, [rcx + 24]\n"
    "	mov rcx, [rcx + rax * 8 + 112]\n"
    "	movabs rax, [0x7e9000018000 + 48]\n"
    "	jmp rcx\n"
    /* long ckpt_quick_ask(nr, argument 0, 1, 2, 3, 4); argument 5 is 0 */
    "ckpt_quick_ask:\n"
    "	mov rax, rdi\n"
    "	mov rdi, rsi\n"
    "	mov rsi, rdx\n"
    "	mov rdx, rcx\n"
    "	mov r10, r8\n"
    "	mov r8, r9\n"
    "	xor r9d, r9d\n"
    "ckpt_quick_code_ask:\n"
    "	syscall\n"
    "	ret\n"
    /* Up to here the kernel lets it make calls. */
    "ckpt_quick_copy:\n"
    "	mov rcx, rdx\n"
    "ckpt_quick_code_copy:\n"
    "	rep movsb\n"
    "	ret\n"
    /* The call is made; behind it r11 holds the flags. */
    "8:	add al, 0x7f\n"
    "	sahf\n"
    "	movabs rcx, 0x7e9000018000\n"
    "	lea rsp, [rcx + 1656]\n"
    "	pushfq\n"
    "	pop qword ptr [rcx + 40]\n"
    "	jmp 7b\n"
    "9:	add al, 0x7f\n"
    "	sahf\n"
    "	mov rax, [r11 + 8]\n"
    "ckpt_quick_code_real:\n"
    "	syscall\n" /* a tracer has it go on at its site; without one: */
    "	movabs [0x7e9000018000 + 48], rax\n"
    "	movabs rax, [0x7e9000018000 + 24]\n"
    "	movabs rcx, 0x7e9000018000\n"
    "	mov rcx, [rcx + rax * 8 + 112]\n"
    "	movabs rax, [0x7e9000018000 + 48]\n"
    "	jmp rcx\n"
    "ckpt_quick_code_again:\n"
    "	syscall\n"
    "	int3\n"
    "ckpt_quick_code_end:\n"
    ".att_syntax\n"
    ".popsection\n");

void ckpt_quick_entry(uint64_t at, unsigned int site, long nr, uint8_t ret[CKPT_QUICK_ENTRY])
{
	const uint64_t note = CKPT_QUICK_NOTES + offsetof(struct ckpt_quick_notes, nr);
	const uint64_t begin =
		CKPT_QUICK_CODE + (uint64_t)(ckpt_quick_code_begin - __start_fred_quick);
	const int32_t jump = (int32_t)(begin - (at + CKPT_QUICK_ENTRY));
	const int32_t number = (int32_t)nr;

	memcpy(ret, "\x0f\x1f\x44\0\0", 5); /* nop */
	if (nr >= 0) {
		ret[0] = 0xb8; /* mov eax, nr */
		memcpy(ret + 1, &number, 4);
	}
	memcpy(ret + 5, "\x48\xa3", 2); /* movabs [note], rax */
	memcpy(ret + 7, &note, 8);
	ret[15] = 0xb8; /* mov eax, site */
	memcpy(ret + 16, &site, 4);
	ret[20] = 0xe9; /* jmp */
	memcpy(ret + 21, &jump, 4);
}

void ckpt_quick_jump(uint64_t to, uint8_t ret[CKPT_QUICK_JUMP])
{
	memcpy(ret, "\xff\x25\0\0\0\0", 6); /* jmp [rip] */
	memcpy(ret + 6, &to, 8);
}

/* ------------------------------------------------------------- places for jumps */

#define REACH (CKPT_QUICK_HOP + 127) /* of a short jump, from its own place */
#define LONGEST 15		     /* bytes of an instruction */
#define BEFORE 64		     /* bytes in which decoding from anywhere gets in step */
#define ALIGNMENT 8
#define MOST_CODE (64u << 20)
#define MOST_PADS 16

struct pad {
	size_t at, len;
};

static bool is_padding(const cs_insn *in)
{
	return in->id == X86_INS_NOP || in->id == X86_INS_INT3 ||
	       (in->size == 2 && !memcmp(in->bytes, "\x66\x90", 2));
}

static bool leaves(const cs_insn *in)
{
	return in->id == X86_INS_RET || in->id == X86_INS_JMP;
}

/* The padding in len bytes of code from the site. */
static size_t find_pads(const uint8_t *code, size_t len, uint64_t site, struct pad pads[MOST_PADS])
{
	const uint8_t *p = code + CKPT_QUICK_HOP;
	size_t left = len - CKPT_QUICK_HOP, n = 0;
	uint64_t addr = site + CKPT_QUICK_HOP;
	bool left_behind = false; /* the instruction before doesn't lead here */
	struct pad pad = { 0, 0 };
	cs_insn *in;
	csh cs;

	if (!probe_insn_capstone(&cs, &in))
		return 0;
	while (n < MOST_PADS && cs_disasm_iter(cs, &p, &left, &addr, in)) {
		if (!is_padding(in)) {
			if (pad.len >= CKPT_QUICK_HOP && in->address % ALIGNMENT == 0)
				pads[n++] = pad;
			pad.len = 0;
			left_behind = leaves(in);
		} else if (left_behind) {
			if (!pad.len)
				pad.at = (size_t)(in->address - site);
			pad.len += in->size;
		}
	}
	return n;
}

/* The first that is long enough and reached from somewhere; 0: none. */
static size_t find_long(const struct pad *pads, size_t n, size_t from)
{
	for (size_t i = 0; i < n; i++)
		if (pads[i].at > from && pads[i].at <= from + REACH &&
		    pads[i].len >= CKPT_QUICK_PAD)
			return pads[i].at;
	return 0;
}

static size_t find_padding(const uint8_t *code, size_t len, uint64_t site, size_t *hop)
{
	struct pad pads[MOST_PADS];
	size_t n = find_pads(code, len, site, pads), at = find_long(pads, n, 0);

	*hop = 0;
	for (size_t i = n; !at && i-- > 0;) {
		if (pads[i].at > REACH)
			continue;
		at = find_long(pads, n, pads[i].at);
		*hop = at ? pads[i].at : 0;
	}
	return at;
}

static bool is_prefix(uint8_t b)
{
	return b == 0xf2 || b == 0xf3 || b == 0x2e || b == 0x3e || b == 0x66 || (b & 0xf0) == 0x40;
}

/* Whether code[i] may be where an instruction, a jump, begins, or its prefixes end: from one of some bytes
 * before, at which a true instruction begins, decoding comes by there. Behind what it can't decode it
 * gets in step again. */
static bool may_jump(const uint8_t *code, size_t len, size_t i)
{
	cs_insn *in;
	csh cs;

	if (i < BEFORE || len - i < LONGEST || !probe_insn_capstone(&cs, &in))
		return true;
	for (size_t from = i - BEFORE; from < i - BEFORE + LONGEST; from++) {
		size_t begin = from;

		for (uint64_t addr = from; addr <= i;) {
			const uint8_t *p = code + addr;
			size_t left = i + LONGEST - addr;

			begin = addr;
			if (!cs_disasm_iter(cs, &p, &left, &addr, in))
				addr++;
		}
		while (begin < i && is_prefix(code[begin]))
			begin++;
		if (begin == i)
			return true;
	}
	return false;
}

/* Whether bytes that may be a jump, wherever it would begin, lead into [lo, hi). */
static bool is_target(const uint8_t *code, size_t len, uint64_t at, uint64_t lo, uint64_t hi)
{
	for (size_t i = 0; i + 6 <= len; i++) {
		uint8_t b = code[i];
		uint64_t to;
		int32_t far;

		if (b == 0xe8 || b == 0xe9 || (b == 0x0f && (code[i + 1] & 0xf0) == 0x80)) {
			size_t n = b == 0x0f ? 2 : 1;

			memcpy(&far, code + i + n, 4);
			to = at + i + n + 4 + (uint64_t)(int64_t)far;
		} else if (b == 0xeb || (b & 0xf0) == 0x70 || (b & 0xfc) == 0xe0) {
			to = at + i + 2 + (uint64_t)(int64_t)(int8_t)code[i + 1];
		} else {
			continue;
		}
		if (to >= lo && to < hi && may_jump(code, len, i))
			return true;
	}
	return false;
}

/*
 * Whether the 5 bytes before the site are an instruction that loads a call's number: they look like
 * it, and from wherever some bytes earlier one begins to decode, whoever gets to the site comes
 * by there.
 */
static bool loads_number(const uint8_t *code, uint64_t site, long *nr)
{
	const uint8_t *mov = code + BEFORE - CKPT_QUICK_PAD;
	bool reached = false;
	int32_t number;
	cs_insn *in;
	csh cs;

	memcpy(&number, mov + 1, 4);
	*nr = number;
	if (mov[0] != 0xb8 || number < 0 || !probe_insn_capstone(&cs, &in))
		return false;
	for (size_t from = 0; from < LONGEST; from++) {
		const uint8_t *p = code + from;
		size_t left = BEFORE - from;
		uint64_t addr = site - left, last = 0;

		while (left && cs_disasm_iter(cs, &p, &left, &addr, in))
			last = in->address;
		if (!left && last != site - CKPT_QUICK_PAD)
			return false;
		reached |= !left;
	}
	return reached;
}

/* The mapping's code that site is in, with len bytes from there; the caller's to free(). */
static uint8_t *read_code(struct ckpt_task *t, uint64_t site, size_t len, uint64_t *lo, size_t *ret)
{
	const struct ckpt_map *m = NULL;
	struct ckpt_map *maps;
	uint8_t *code = NULL;
	size_t n;

	if (ckpt_maps(t->tgid, &maps, &n))
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (site >= maps[i].lo && site < maps[i].hi)
			m = &maps[i];
	if (m && m->x && !m->w && !m->shared && m->inode && m->hi - m->lo <= MOST_CODE &&
	    site + len <= m->hi && site - BEFORE >= m->lo) {
		*lo = m->lo;
		*ret = m->hi - m->lo;
		code = malloc(*ret);
		if (code && ckpt_read(t, *lo, code, *ret)) {
			free(code);
			code = NULL;
		}
	}
	free(maps);
	return code;
}

void ckpt_quick_place(struct ckpt_task *t, uint64_t site, struct ckpt_quick_place *ret)
{
	const size_t around = 2 * REACH + LONGEST;
	uint8_t *code;
	const uint8_t *here;
	uint64_t lo;
	size_t len, at, by;
	long nr;

	*ret = (struct ckpt_quick_place){ .nr = -1 };
	code = read_code(t, site, around, &lo, &len);
	if (!code)
		return;
	here = code + (site - lo);
	if (memcmp(here, "\x0f\x05", 2)) {
		;
	} else if (loads_number(here - BEFORE, site, &nr) &&
		   !is_target(code, len, lo, site - CKPT_QUICK_PAD + 1, site + 2)) {
		*ret = (struct ckpt_quick_place){ site - CKPT_QUICK_PAD, 0, nr };
	} else if ((at = find_padding(here, around, site, &by)) &&
		   !is_target(code, len, lo, site + at, site + at + CKPT_QUICK_PAD) &&
		   (!by || !is_target(code, len, lo, site + by, site + by + CKPT_QUICK_HOP)) &&
		   !is_target(code, len, lo, site + 1, site + 2)) {
		*ret = (struct ckpt_quick_place){ site + at, by ? site + by : 0, -1 };
	}
	free(code);
}
