/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Parts of the probe planner: instructions (probe_insn.c), code emission (probe_body.c), pages (probe_place.c), and
 * the plan itself (probe_code.c).
 */
#ifndef FRED_PROBE_INTERNAL_H
#define FRED_PROBE_INTERNAL_H

#include <capstone/capstone.h>

#include "probe_code.h"

#define PROBE_PAGE 4096ULL
#define PROBE_INSN_MAX 15

/** How an instruction is executed out of line. */
enum insn_form {
	INSN_FIXED,    /* not at all */
	INSN_COPY,     /* as it is */
	INSN_COPY_END, /* as it is, and it doesn't fall through: ret, indirect jmp */
	INSN_JMP,      /* direct jump */
	INSN_JCC,
	INSN_LOOP, /* loop, loope, loopne, jrcxz, jecxz: rel8 only */
	INSN_CALL,
	INSN_CALL_REG,
	INSN_CALL_MEM,
};

/**
 * struct probe_insn - a decoded instruction
 * @opcode: offset of the opcode's last byte
 * @rex: its REX byte, or 0
 * @segment: its fs or gs prefix, or 0
 * @rip_disp: offset of a rip-relative disp32, or 0
 * @target: of a direct branch, or the address of a rip-relative operand
 */
struct probe_insn {
	uint64_t addr;
	uint8_t bytes[PROBE_INSN_MAX];
	uint8_t len;
	enum insn_form form;
	uint8_t opcode;
	uint8_t rex;
	uint8_t segment;
	uint8_t rip_disp;
	uint64_t target;
};

/** The disassembler, for as long as fred lives, and room for one instruction; false: there is no memory for it. */
bool __must_check probe_insn_capstone(csh *cs, cs_insn **scratch);

/** Decode one of @len bytes at @addr; what can't be decoded has length 0 and is INSN_FIXED. */
void probe_insn_decode(csh cs, cs_insn *scratch, uint64_t addr, const uint8_t *bytes, size_t len,
		       struct probe_insn *ret);

/** A pc at which the state is exactly that of the program at @addr. */
struct probe_point {
	uint64_t addr;
	uint32_t offset; /* in the piece of code */
	uint8_t rsp_add;
	uint8_t rule; /* see probe_where.rule */
	bool is_stop; /* the int3 of that rule */
};

/** A rel32 to a place outside of the body, its last byte before @offset + 4 + @trailing. */
struct probe_fixup {
	uint64_t target;
	uint32_t offset;
	uint32_t trailing;
};

/** Code under construction; @failed is sticky, so that the emitters needn't be checked one by one. */
struct probe_body {
	uint8_t *bytes;
	size_t len;
	size_t size;
	struct probe_point *points;
	size_t npoints;
	size_t points_size;
	struct probe_fixup *fixups;
	size_t nfixups;
	size_t fixups_size;
	uint32_t displaced; /* offset of the displaced instruction */
	bool failed;
};

/**
 * probe_body_emit() - make the body for a site: rules, displaced instruction, jump back
 * @body: overwritten
 * @insn: not INSN_FIXED
 * @scratch: address of the scratch words
 * @rules: the rules
 * @nrules: 0 for the displaced instruction only
 *
 * Return: 0 or -ENOMEM.
 */
int __must_check probe_body_emit(struct probe_body *body, const struct probe_insn *insn,
				 uint64_t scratch, const struct probe_rule *rules, size_t nrules);

/** Narrow [@lo, @hi] (inclusive) to the start addresses from where all of the body's rel32 reach; false: none. */
bool probe_body_window(const struct probe_body *body, int64_t *lo, int64_t *hi);

/** Resolve the body's fixups for its being at @addr. */
void probe_body_link(struct probe_body *body, uint64_t addr);

void probe_body_deinit(struct probe_body *body);

/** A page of trampolines: one bit per used byte. */
struct probe_page {
	uint64_t addr;
	uint64_t used[PROBE_PAGE / 64];
	uint32_t next; /* no room is looked for below this offset, unless the window is tiny;
			  tiny windows don't move it */
};

/** A place that is filled upwards. */
struct probe_arena {
	uint64_t cursor;
};

struct probe_pages {
	struct probe_range *occupied;
	size_t noccupied;
	struct probe_page **table; /* hash by page number */
	size_t table_size;
	size_t npages;
	size_t nranges;
	size_t max_ranges;
	struct probe_arena *arenas;
	size_t narenas;
	size_t arenas_size;
	bool no_memory; /* sticky */
};

int __must_check probe_pages_init(struct probe_pages *pages, const struct probe_config *config);
void probe_pages_deinit(struct probe_pages *pages);

/** May a search for room claim new pages? */
enum probe_claim {
	PROBE_CLAIM_NONE,
	PROBE_CLAIM_NEW, /* up to max_ranges */
	PROBE_CLAIM_ALWAYS,
};

/**
 * probe_pages_small() - reserve bytes starting within a small window
 * @pages: the allocator
 * @lo: first possible start address
 * @hi: last possible start address; at most 64 KiB above @lo
 * @len: bytes wanted
 * @claim: whether new pages may be claimed
 *
 * Return: the address, or 0.
 */
uint64_t probe_pages_small(struct probe_pages *pages, int64_t lo, int64_t hi, size_t len,
			   enum probe_claim claim);

/** probe_pages_large() - the same for a window of any size, preferring pages in use, then the gap nearest @near. */
uint64_t probe_pages_large(struct probe_pages *pages, int64_t lo, int64_t hi, size_t len,
			   uint64_t near);

/** probe_pages_sorted() - all pages by address; *@ret is freed by the caller, the pages are not. */
int __must_check probe_pages_sorted(const struct probe_pages *pages, struct probe_page ***ret);

#endif
