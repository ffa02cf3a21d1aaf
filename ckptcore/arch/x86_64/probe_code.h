/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Counting probes: a pure code generator.
 *
 * A puppet (a single-threaded, stopped copy of the target) is to run at nearly full speed while the arrivals at some
 * addresses are counted, and to stop at the N-th one, or at the first one with given register contents. This planner
 * takes the original bytes and says which pages to map and which bytes to patch; it never touches a process.
 *
 *	probe_plan_create(&config, &plan);
 *	probe_plan_add(plan, site, rules, nrules);	for every site
 *	probe_plan_build(plan);
 *	map every probe_plan_areas() r-x, write every probe_plan_patches(), set the cells, continue
 *	on SIGTRAP: probe_plan_stop(plan, pc, ...) tells site and rule
 *
 * At a site each rule in order is evaluated before the instruction executes: if all its conditions hold, its cell is
 * decremented, and if the cell thereby becomes 0 an int3 in the trampoline executes with all registers and all flags
 * as on arrival. The trampolines use no stack, change no flag (they count with lea and test with jrcxz), and
 * save only rax and rcx, in two words of @scratch.
 *
 * What the caller has to know:
 * - Single thread. A signal handler must not be started while the pc is inside a trampoline's rules, since a
 *   probe in the handler would overwrite the scratch words: when probe_plan_pc() says -EBUSY, step until it doesn't.
 * - A call whose site is probed is emulated (push of the original return address, jump): right, but its return is
 *   mispredicted by the processor. The x87 instruction pointer (FIP) of a displaced x87 instruction is the
 *   trampoline's: ignore it when comparing states.
 * - One plan per process at a time: a patch may rely on the patched bytes of the sites above it, so the
 *   patches go in, and out, together.
 */
#ifndef FRED_PROBE_CODE_H
#define FRED_PROBE_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef __must_check
#define __must_check __attribute__((warn_unused_result))
#endif

#define PROBE_MAX_CONDS 20
#define PROBE_MAX_RULES 64
#define PROBE_SCRATCH_SIZE 64
#define PROBE_MIN_ADDR 0x10000ULL
#define PROBE_MAX_ADDR 0x7ffffffff000ULL

/** What a condition looks at: a general register, numbered as the processor does, or a word of memory. */
enum probe_operand {
	PROBE_RAX,
	PROBE_RCX,
	PROBE_RDX,
	PROBE_RBX,
	PROBE_RSP,
	PROBE_RBP,
	PROBE_RSI,
	PROBE_RDI,
	PROBE_R8,
	PROBE_R9,
	PROBE_R10,
	PROBE_R11,
	PROBE_R12,
	PROBE_R13,
	PROBE_R14,
	PROBE_R15,
	PROBE_MEM,
};

/** One comparison: @what (the 64-bit word at @addr if PROBE_MEM, which must be readable) equals @value. */
struct probe_cond {
	enum probe_operand what;
	uint64_t addr;
	uint64_t value;
};

/**
 * If all @nconds conditions hold, the u64 at @cell is decremented; it becoming 0 is a stop.
 * @cheap: not worth an int3: a site where all rules are cheap, and no jump fits, gets no probe
 */
struct probe_rule {
	const struct probe_cond *conds;
	size_t nconds;
	uint64_t cell;
	bool cheap;
};

/** Addresses [lo, hi). */
struct probe_range {
	uint64_t lo;
	uint64_t hi;
};

enum probe_kind {
	PROBE_JUMP, /* rules run in a trampoline */
	PROBE_INT3, /* the caller evaluates the rules itself at the int3 */
	PROBE_NONE, /* left alone: its rules are cheap ones */
};

/**
 * struct probe_config - what a plan is made from
 * @read: reads @len bytes of *original* memory at @addr, all of them within one 4096-byte page; returns 0, or a
 *	negative errno if the page can't be read.
 * @ctx: passed to @read
 * @occupied: sorted, disjoint ranges where no trampoline may be: everything mapped now, everything the process will
 *	map while the probes are in place, and room for the stack and the heap to grow. Copied.
 * @noccupied: their number
 * @scratch: address of PROBE_SCRATCH_SIZE bytes of the process's writable memory, 8-aligned, used by nobody else
 * @max_ranges: most separate page ranges to ask for; further short instructions become PROBE_INT3. 0: 4096.
 */
struct probe_config {
	int (*read)(void *ctx, uint64_t addr, void *buf, size_t len);
	void *ctx;
	const struct probe_range *occupied;
	size_t noccupied;
	uint64_t scratch;
	uint32_t max_ranges;
};

/** Pages to map r-x (not writable: the cells are elsewhere, and writes near code are slow). */
struct probe_area {
	uint64_t addr;
	size_t len;
	const uint8_t *bytes;
};

/** Bytes to write at @addr, and those to write back afterwards. */
struct probe_patch {
	uint64_t addr;
	uint8_t len;
	uint8_t new_bytes[5];
	uint8_t old_bytes[5];
};

/**
 * struct probe_site_info - how one site was planned
 * @site: its address
 * @kind: jump or int3
 * @len: length of the instruction there, 0 if it can't be decoded
 * @entry: PROBE_JUMP: first address of the trampoline's body
 * @resume: where to continue at to execute the instruction out of line and go on after it, evaluating no rule.
 *	0 (PROBE_INT3 only): it can't be displaced; put the byte back, step, insert it again.
 */
struct probe_site_info {
	uint64_t site;
	enum probe_kind kind;
	unsigned int len;
	uint64_t entry;
	uint64_t resume;
};

/**
 * struct probe_where - what a pc inside a trampoline means
 * @site: the site whose trampoline it is
 * @addr: the program's own pc that corresponds to it: the site, the address after it, or a branch's target
 * @rsp_add: to be added to rsp for the exact state at @addr: 0, or 8 at the jump of an emulated call, which
 *	faults only if the pointer called is not canonical
 * @rule: the next rule to be evaluated when continuing at this pc; the number of rules if none
 */
struct probe_where {
	uint64_t site;
	uint64_t addr;
	unsigned int rsp_add;
	unsigned int rule;
};

/**
 * struct probe_stats - what became of the sites
 * @by_len: [length of instruction][kind], length 0 = can't be decoded
 */
struct probe_stats {
	size_t sites;
	size_t jumps;
	size_t int3s;
	size_t int3_displaced; /* those int3s with a resume address */
	size_t stubs;	       /* jumps that need a second one to reach the body */
	size_t pages;
	size_t ranges;
	size_t code_bytes;
	size_t by_len[16][3];
};

struct probe_plan;

/**
 * probe_plan_create() - start an empty plan
 * @config: copied, except what @config->ctx points at
 * @ret: the plan, to be given to probe_plan_destroy()
 *
 * Return: 0, -EINVAL (unsorted ranges, no reader, unaligned scratch), -ENOMEM.
 */
int __must_check probe_plan_create(const struct probe_config *config, struct probe_plan **ret);

/** probe_plan_destroy() - free a plan and all it handed out; NULL is allowed. */
void probe_plan_destroy(struct probe_plan *plan);

/**
 * probe_plan_add() - add one site; before probe_plan_build() only
 * @plan: the plan
 * @site: address of an instruction
 * @rules: copied, with their conditions
 * @nrules: 1 to PROBE_MAX_RULES
 *
 * A site added twice is found by probe_plan_build() only.
 * Return: 0, -EINVAL, -E2BIG (too many rules or conditions), -EBUSY (already built), -ENOMEM.
 */
int __must_check probe_plan_add(struct probe_plan *plan, uint64_t site,
				const struct probe_rule *rules, size_t nrules);

/**
 * probe_plan_build() - make the trampolines and patches
 *
 * Return: 0, -EEXIST (a site was added twice), -EFAULT (a site can't be read), -EBUSY (already built), -ENOMEM,
 * or an error of the reader other than for the bytes behind a site. After an error only destroy the plan.
 */
int __must_check probe_plan_build(struct probe_plan *plan);

/** probe_plan_areas() - the pages to map, ascending, adjacent ones merged; owned by the plan. */
const struct probe_area *probe_plan_areas(const struct probe_plan *plan, size_t *count);

/** probe_plan_patches() - the bytes to write, descending by address, disjoint; owned by the plan. */
const struct probe_patch *probe_plan_patches(const struct probe_plan *plan, size_t *count);

/** probe_plan_stats() - counts; owned by the plan. */
const struct probe_stats *probe_plan_stats(const struct probe_plan *plan);

/** probe_plan_site() - how a site was planned. Return: 0, or -ENOENT. */
int __must_check probe_plan_site(const struct probe_plan *plan, uint64_t site,
				 struct probe_site_info *ret);

/**
 * probe_plan_rule() - the address of a rule's int3
 * @plan: the plan
 * @site: a site
 * @rule: index of its rule
 * @stop: address of the int3; the stop's pc is one more, and continuing there evaluates the following rules
 *
 * Return: 0, or -ENOENT (no such site or rule, or a PROBE_INT3).
 */
int __must_check probe_plan_rule(const struct probe_plan *plan, uint64_t site, size_t rule,
				 uint64_t *stop);

/**
 * probe_plan_stop() - which rule stopped
 * @plan: the plan
 * @pc: the pc after the SIGTRAP
 * @site: the site
 * @rule: the rule's index, or -1 for the int3 of a PROBE_INT3 site, whose rules the caller evaluates
 *
 * At a stop the program's pc is @site and all other registers are right. To go on: leave the pc as it is, except
 * that it becomes the site's resume address for a PROBE_INT3.
 * Return: 0, or -ENOENT if this is no int3 of the plan's.
 */
int __must_check probe_plan_stop(const struct probe_plan *plan, uint64_t pc, uint64_t *site,
				 int *rule);

/**
 * probe_plan_pc() - translate the pc of a fault, signal or single step inside a trampoline
 * @plan: the plan
 * @pc: the pc, not yet executed
 * @ret: what it stands for; with it the state is exactly that of the program
 *
 * All faults of a displaced instruction have such a pc.
 * Return: 0, -ENOENT (not in a trampoline), -EBUSY (amid the rules or an emulated call: a few steps further
 * it is exact again; if it is a fault, then a condition's or a cell's word is not accessible).
 */
int __must_check probe_plan_pc(const struct probe_plan *plan, uint64_t pc, struct probe_where *ret);

/**
 * The length of the VEX or EVEX instruction in the first of @len bytes, or 0 if it isn't one. capstone 4 doesn't know
 * many of them, which libc's string functions are made of; in 64-bit mode their lengths are simple (Intel manual,
 * volume 2, 2.3 and 2.7), and none of them changes the pc.
 */
size_t probe_vector_length(const uint8_t *p, size_t len);

#endif
