/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Position-independent code for the inside of the program, and places to lead there from.
 * It has no stack: below the program's lies the red zone.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <linux/futex.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "ckptcore/arch/x86_64/probe_internal.h"
#include "ckptcore/arch/x86_64/quick_code.h"
#include "ckptcore/clock.h"

_Static_assert(offsetof(struct ckpt_quick_notes, open) == 0, "");
_Static_assert(offsetof(struct ckpt_quick_notes, room) == 8, "");
_Static_assert(offsetof(struct ckpt_quick_notes, at) == 16, "");
_Static_assert(offsetof(struct ckpt_quick_notes, nr) == 24, "");
_Static_assert(offsetof(struct ckpt_quick_notes, flags) == 32, "");
_Static_assert(offsetof(struct ckpt_quick_notes, site) == 40, "");
_Static_assert(offsetof(struct ckpt_quick_notes, rcx) == 48, "");
_Static_assert(offsetof(struct ckpt_quick_notes, r11) == 56, "");
_Static_assert(offsetof(struct ckpt_quick_notes, result) == 64, "");
_Static_assert(offsetof(struct ckpt_quick_notes, kind) == 72, "");
_Static_assert(offsetof(struct ckpt_quick_notes, rsi) == 80, "");
_Static_assert(offsetof(struct ckpt_quick_notes, rdi) == 88, "");
_Static_assert(offsetof(struct ckpt_quick_notes, back) == 96, "");
_Static_assert(offsetof(struct ckpt_quick_notes, files) == 224, "");
_Static_assert(offsetof(struct ckpt_quick_notes, pipes) == 288, "");
_Static_assert(offsetof(struct ckpt_quick_notes, code) == 352, "");
_Static_assert(offsetof(struct ckpt_quick_notes, amid) == 368, "");
_Static_assert(offsetof(struct ckpt_quick_notes, halves) == 376, "");
_Static_assert(offsetof(struct ckpt_quick_notes, kinds) == 440, "");
_Static_assert(offsetof(struct ckpt_quick_notes, data) == 1528, "");
_Static_assert(offsetof(struct ckpt_quick_call, output) == 88, "");
_Static_assert(sizeof(struct stat) == 144, "");
_Static_assert(CKPT_QUICK_FILE == 1 && CKPT_QUICK_READS == 2 && CKPT_QUICK_STAT == 4 &&
		       CKPT_QUICK_WRITES == 16 && CKPT_QUICK_WAKE == 32 && CKPT_QUICK_THIRD == 64 &&
		       CKPT_QUICK_TALK == 128 && CKPT_QUICK_HALF == 256 &&
		       CKPT_QUICK_OPENS == 512 && (O_TRUNC | O_DIRECT) == 0x4200 &&
		       CKPT_QUICK_NUMBERS == 512,
	       "as in the code");
_Static_assert(FUTEX_WAKE == 1 && FUTEX_PRIVATE_FLAG == 128 &&
		       (MSG_DONTWAIT | MSG_NOSIGNAL) == 0x4040,
	       "likewise");
_Static_assert(sizeof(struct ckpt_quick_call) + 7 <= 96 && PIPE_BUF == 4096, "likewise");
/* What has no output of its own length needs less than 512 bytes. */
_Static_assert(sizeof(struct ckpt_quick_call) + sizeof(struct stat) + 7 <= 512, "likewise");
_Static_assert(CKPT_QUICK_NOTES == 0x7e9000018000 && CKPT_QUICK_NOTES - CKPT_RING == 0x8000,
	       "as in the code");

/* An entry has saved rax and put the site's number into it. */
asm(".pushsection .rodata\n"
    ".intel_syntax noprefix\n"
    ".globl ckpt_quick_code, ckpt_quick_code_call, ckpt_quick_code_copy\n"
    ".globl ckpt_quick_code_trap, ckpt_quick_code_real, ckpt_quick_code_again, ckpt_quick_code_end\n"
    "ckpt_quick_code:\n"
    "	movabs [0x7e9000018000 + 40], rax\n"
    "	mov rax, rcx\n"
    "	movabs [0x7e9000018000 + 48], rax\n"
    "	mov rax, r11\n"
    "	movabs [0x7e9000018000 + 56], rax\n"
    "	movabs r11, 0x7e9000018000\n"
    "	lahf\n"
    "	seto al\n"
    "	mov [r11 + 32], rax\n"
    "	cmp qword ptr [r11], 0\n"
    "	je 9f\n"
    "	cmp qword ptr [r11 + 8], 512\n"
    "	jb 9f\n"
    "	mov rax, [r11 + 24]\n"
    "	cmp rax, 512\n"
    "	jae 9f\n"
    "	movzx eax, word ptr [r11 + rax * 2 + 440]\n"
    "	test eax, eax\n"
    "	jz 9f\n"
    "	test al, 1\n" /* CKPT_QUICK_FILE */
    "	jz 1f\n"
    "	cmp rdi, 512\n"
    "	jae 9f\n"
    "	bt qword ptr [r11 + 224], rdi\n"
    "	jc 1f\n"
    "	bt qword ptr [r11 + 288], rdi\n"
    "	jnc 2f\n"
    "	test al, 16\n" /* CKPT_QUICK_WRITES */
    "	jz 1f\n"
    "	cmp rdx, 4096\n" /* PIPE_BUF */
    "	jbe 1f\n"
    "2:	bt qword ptr [r11 + 376], rdi\n"
    "	jnc 9f\n"
    "	or eax, 256\n" /* CKPT_QUICK_HALF */
    "1:	test al, 16\n"
    "	jz 1f\n"
    "	lea rcx, [rsi + rdx]\n"
    "	cmp rcx, [r11 + 352]\n"
    "	jbe 1f\n"
    "	cmp rsi, [r11 + 360]\n"
    "	jb 9f\n"
    "1:	test al, 2\n" /* CKPT_QUICK_READS */
    "	jz 2f\n"
    "	mov rcx, [r11 + 8]\n"
    "	sub rcx, 96\n" /* the note itself, and what fills words */
    "	cmp rdx, rcx\n"
    "	jbe 2f\n"
    "	or eax, 256\n" /* CKPT_QUICK_HALF */
    "2:	test al, 32\n" /* CKPT_QUICK_WAKE: FUTEX_WAKE, private or not */
    "	jz 1f\n"
    "	mov ecx, esi\n"
    "	and ecx, ~128\n"
    "	cmp ecx, 1\n"
    "	jne 9f\n"
    "1:	test al, 128\n" /* CKPT_QUICK_TALK: MSG_DONTWAIT and MSG_NOSIGNAL may be */
    "	jz 1f\n"
    "	test r10d, ~0x4040\n"
    "	jnz 9f\n"
    "	test r8, r8\n"
    "	jnz 9f\n"
    "1:	test eax, 512\n" /* CKPT_QUICK_OPENS */
    "	jz 1f\n"
    "	test edx, 0x4200\n"
    "	jnz 9f\n"
    "1:	mov [r11 + 72], rax\n"
    "	mov rax, [r11 + 32]\n"
    "	add al, 0x7f\n"
    "	sahf\n"
    "	mov rax, [r11 + 24]\n"
    "	mov [r11 + 368], r11\n" /* amid it */
    "ckpt_quick_code_call:\n"
    "	syscall\n"
    "	movabs rcx, 0x7e9000018000\n"
    "	mov [rcx + 56], r11\n"
    "	mov [rcx + 64], rax\n"
    /* The note. */
    "	mov r11, [rcx + 16]\n"
    "	lea r11, [rcx + r11 + 1528]\n"
    "	mov [r11 + 64], rax\n"
    "	mov rax, [rcx + 24]\n"
    "	mov [r11], rax\n"
    "	mov rax, [rcx + 40]\n"
    "	mov [r11 + 8], rax\n"
    "	mov [r11 + 16], rdi\n"
    "	mov [r11 + 24], rsi\n"
    "	mov [r11 + 32], rdx\n"
    "	mov [r11 + 40], r10\n"
    "	mov [r11 + 48], r8\n"
    "	mov [r11 + 56], r9\n"
    "	mov rax, [rcx - 0x8000 + 8]\n" /* the ring's `at' */
    "	mov [r11 + 72], rax\n"
    "	mov qword ptr [r11 + 80], 0\n"
    "	mov rax, [rcx + 72]\n"
    "	test eax, 256\n" /* CKPT_QUICK_HALF */
    "	jnz 7f\n"
    "	test al, 2\n"
    "	jnz 3f\n"
    "	test al, 4\n" /* CKPT_QUICK_STAT */
    "	jz 5f\n"
    "	cmp qword ptr [rcx + 64], 0\n"
    "	jne 5f\n"
    "	mov eax, 144\n"
    "	jmp 4f\n"
    "3:	mov rax, [rcx + 64]\n"
    "	test rax, rax\n"
    "	jle 5f\n"
    /* rax bytes of output, upwards whatever the direction flag says. */
    "4:	mov [r11 + 80], rax\n"
    "	mov [rcx + 80], rsi\n"
    "	mov [rcx + 88], rdi\n"
    "	test byte ptr [rcx + 72], 64\n" /* CKPT_QUICK_THIRD */
    "	cmovnz rsi, rdx\n"
    "	lea rdi, [r11 + 88]\n"
    "	mov rcx, rax\n"
    "	cld\n"
    "ckpt_quick_code_copy:\n"
    "	rep movsb\n"
    "	movabs rcx, 0x7e9000018000\n"
    "	test byte ptr [rcx + 57], 4\n"
    "	jz 1f\n"
    "	std\n"
    "1:	lea rax, [rdi + 7]\n"
    "	and rax, -8\n"
    "	mov rsi, [rcx + 80]\n"
    "	mov rdi, [rcx + 88]\n"
    "	jmp 6f\n"
    "7:	mov qword ptr [r11 + 80], -1\n" /* CKPT_QUICK_UNREAD */
    "5:	lea rax, [r11 + 88]\n"
    /* rax: the note's end. */
    "6:	sub rax, rcx\n"
    "	sub rax, 1528\n"
    "	mov r11, rax\n"
    "	sub rax, [rcx + 16]\n"
    "	sub [rcx + 8], rax\n"
    "	mov [rcx + 16], r11\n"
    "	mov qword ptr [rcx + 368], 0\n"
    "	test byte ptr [rcx + 73], 1\n" /* CKPT_QUICK_HALF */
    "	jz 1f\n"
    "ckpt_quick_code_trap:\n"
    "	int3\n"
    "1:\n"
    "	mov rax, [rcx + 32]\n"
    "	add al, 0x7f\n"
    "	sahf\n"
    "	mov r11, [rcx + 56]\n"
    "	mov rax, [rcx + 40]\n"
    "	mov rcx, [rcx + rax * 8 + 96]\n"
    "	movabs rax, [0x7e9000018000 + 64]\n"
    "	jmp rcx\n"
    "9:	mov rax, [r11 + 32]\n"
    "	add al, 0x7f\n"
    "	sahf\n"
    "	mov rax, [r11 + 24]\n"
    "ckpt_quick_code_real:\n"
    "	syscall\n" /* a tracer has it go on at its site; without one: */
    "	movabs [0x7e9000018000 + 64], rax\n"
    "	movabs rax, [0x7e9000018000 + 40]\n"
    "	movabs rcx, 0x7e9000018000\n"
    "	mov rcx, [rcx + rax * 8 + 96]\n"
    "	movabs rax, [0x7e9000018000 + 64]\n"
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
	const int32_t jump = (int32_t)(CKPT_QUICK_CODE - (at + CKPT_QUICK_ENTRY));
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
		if (to >= lo && to < hi)
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
