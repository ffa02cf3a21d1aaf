/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>
#include <sys/ptrace.h>
#include <sys/random.h>

#include "ckptcore/arch/x86_64/outer_insn.h"
#include "ckptcore/arch/x86_64/probe_internal.h"

#define CHUNK (1 << 20)
#define LONGEST 15
#define BEHIND 48 /* where decoding begins, so that it has fallen into step */
#define STARTS 24 /* so many places to begin at ... */
#define AGREE 20  /* ... of which so many have to lead to the instruction */
#define ASKS_WITHIN 5

#define CF 0x001ull
#define ARITHMETIC 0x8d5ull /* CF, PF, AF, ZF, SF, OF */

/* rdrand and rdseed are 0f c7 f0..ff behind an operand size and a REX prefix; with ff
 * in place of c7 that is ud0, which no compiler emits. */
static bool parse_random(const uint8_t *p, size_t n, uint8_t second, struct ckpt_outer_insn *ret)
{
	size_t i = 0;
	uint8_t rex = 0;
	bool narrow = false;

	if (i < n && p[i] == 0x66) {
		narrow = true;
		i++;
	}
	if (i < n && (p[i] & 0xf0) == 0x40)
		rex = p[i++];
	if (n - i < 3 || p[i] != 0x0f || p[i + 1] != second || p[i + 2] < 0xf0)
		return false;
	ret->len = (int)i + 3;
	ret->random = true;
	ret->size = rex & 8 ? 8 : narrow ? 2 : 4;
	ret->reg = (p[i + 2] & 7u) | (rex & 1u) << 3;
	return true;
}

size_t ckpt_outer_insn_trapped(const uint8_t *p, size_t n)
{
	struct ckpt_outer_insn r;

	return parse_random(p, n, 0xff, &r) ? (size_t)r.len : 0;
}

/* -------------------------------------------------------------- doing them */

static int counter_length(const uint8_t *p, size_t n)
{
	if (n >= 2 && p[0] == 0x0f && p[1] == 0x31)
		return 2;
	return n >= 3 && p[0] == 0x0f && p[1] == 0x01 && p[2] == 0xf9 ? 3 : 0;
}

bool ckpt_outer_insn_at(struct ckpt_task *t, struct ckpt_outer_insn *ret)
{
	uint8_t insn[LONGEST];
	siginfo_t si;
	ssize_t n;

	memset(ret, 0, sizeof(*ret));
	if ((t->stop.sig != SIGSEGV && t->stop.sig != SIGILL) ||
	    ptrace(PTRACE_GETSIGINFO, t->tid, 0, &si) < 0)
		return false;
	n = ckpt_read_some(t, ckpt_regs(t)->rip, insn, LONGEST);
	if (n <= 0)
		return false;
	if (t->stop.sig == SIGILL)
		return si.si_code > 0 && parse_random(insn, (size_t)n, 0xff, ret);
	ret->len = si.si_code == SI_KERNEL ? counter_length(insn, (size_t)n) : 0;
	return ret->len;
}

uint64_t ckpt_outer_insn_value(const struct ckpt_outer_insn *i)
{
	uint64_t value;

	if (!i->random || getrandom(&value, sizeof(value), 0) != sizeof(value))
		return __rdtsc();
	return value;
}

static void give_random(struct user_regs_struct *r, const struct ckpt_outer_insn *i, uint64_t value)
{
	unsigned long long *const regs[] = { &r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp,
					     &r->rsi, &r->rdi, &r->r8,	&r->r9,	 &r->r10, &r->r11,
					     &r->r12, &r->r13, &r->r14, &r->r15 };

	if (i->size == 2)
		*regs[i->reg] = (*regs[i->reg] & ~0xffffull) | (value & 0xffff);
	else
		*regs[i->reg] = i->size == 4 ? (uint32_t)value : value;
	r->eflags = (r->eflags & ~ARITHMETIC) | CF; /* there was one */
}

void ckpt_outer_insn_give(struct ckpt_task *t, const struct ckpt_outer_insn *i, uint64_t value)
{
	struct user_regs_struct *r = ckpt_regs(t);

	if (i->random) {
		give_random(r, i, value);
	} else {
		r->rax = (uint32_t)value;
		r->rdx = value >> 32;
		if (i->len == 3)
			r->rcx = 0; /* rdtscp: processor 0 */
	}
	r->rip += (unsigned int)i->len;
	ckpt_regs_dirty(t);
}

/* ------------------------------------------------------------ finding them */

/* Whether decoding from nearly everywhere before code[at] comes to it: else it is a
 * part of other instructions. */
static bool is_begun(csh cs, cs_insn *insn, const uint8_t *code, size_t n, size_t at)
{
	int agree = 0;

	for (size_t start = at - BEHIND; start < at - BEHIND + STARTS; start++) {
		const uint8_t *p = code + start;
		size_t left = n - start;
		uint64_t addr = start;

		while (addr < at)
			if (!cs_disasm_iter(cs, &p, &left, &addr, insn)) {
				p++;
				left--;
				addr++;
			}
		agree += addr == at;
	}
	return agree >= AGREE;
}

/* Whether one of the next instructions asks for the carry flag, which says whether
 * there was a random number: else it is data. */
static bool is_asked_for(csh cs, cs_insn *insn, const uint8_t *code, size_t n, size_t behind)
{
	const uint8_t *p = code + behind;
	size_t left = n - behind;
	uint64_t addr = behind;

	for (int i = 0; i < ASKS_WITHIN && cs_disasm_iter(cs, &p, &left, &addr, insn); i++)
		switch (insn->id) {
		case X86_INS_JB:
		case X86_INS_JAE:
		case X86_INS_CMOVB:
		case X86_INS_CMOVAE:
		case X86_INS_SETB:
		case X86_INS_SETAE:
		case X86_INS_ADC:
		case X86_INS_SBB:
		case X86_INS_RCL:
		case X86_INS_RCR:
		case X86_INS_LAHF:
		case X86_INS_PUSHFQ:
			return true;
		}
	return false;
}

static bool is_instruction(const uint8_t *code, size_t n, size_t at, size_t len)
{
	cs_insn *insn;
	csh cs;

	return at >= BEHIND && probe_insn_capstone(&cs, &insn) && is_begun(cs, insn, code, n, at) &&
	       is_asked_for(cs, insn, code, n, at + len);
}

/* The rdrand or rdseed whose opcode (0f c7) is at code[at]; false: it is none. */
static bool find_random(const uint8_t *code, size_t n, size_t at)
{
	struct ckpt_outer_insn r;

	for (size_t prefixes = 3; prefixes-- > 0;)
		if (at >= prefixes &&
		    parse_random(code + at - prefixes, n - at + prefixes, 0xc7, &r) &&
		    (size_t)r.len == prefixes + 3 &&
		    is_instruction(code, n, at - prefixes, prefixes + 3))
			return true;
	return false;
}

int ckpt_outer_insn_trap(struct ckpt_task *t, uint64_t addr, uint64_t len,
			 int (*changed)(struct ckpt_task *t, uint64_t addr))
{
	static const uint8_t undefined = 0xff;
	/* Each chunk begins before the end of the last one. */
	uint8_t *code = malloc(CHUNK);
	int err = code ? 0 : -ENOMEM;

	for (uint64_t off = 0; !err && off < len; off += CHUNK - 2 * BEHIND) {
		size_t want = len - off < CHUNK ? len - off : CHUNK;
		ssize_t n = ckpt_read_some(t, addr + off, code, want);
		const uint8_t *p = code;

		while (!err && n > 0 && (p = memchr(p, 0xc7, (size_t)(code + n - p)))) {
			size_t at = (size_t)(p++ - code);

			if (at == 0 || at + 1 >= (size_t)n || code[at - 1] != 0x0f ||
			    code[at + 1] < 0xf0 || !find_random(code, (size_t)n, at - 1))
				continue;
			err = ckpt_write(t, addr + off + at, &undefined, 1);
			if (!err && changed)
				err = changed(t, addr + off + at);
		}
		if (n < (ssize_t)want)
			break; /* behind the file's end */
	}
	free(code);
	return err;
}

int ckpt_outer_insn_trap_all(struct ckpt_task *t)
{
	struct ckpt_map *maps;
	size_t n;
	int err = ckpt_maps(t->tid, &maps, &n);

	if (err)
		return err;
	for (size_t i = 0; i < n && !err; i++)
		if (maps[i].x && maps[i].inode)
			err = ckpt_outer_insn_trap(t, maps[i].lo, maps[i].hi - maps[i].lo, NULL);
	free(maps);
	return err;
}
