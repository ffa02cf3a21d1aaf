/* SPDX-License-Identifier: GPL-3.0-or-later */
/* probe_code_test.c's own debugger: plans for this process, a SIGTRAP handler. */
#ifndef PROBE_CODE_HARNESS_H
#define PROBE_CODE_HARNESS_H

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <capstone/capstone.h>

#include "ckptcore/arch/x86_64/probe_code.h"

#pragma GCC push_options
#pragma GCC optimize("O0")
#define TARGET(n) n##_O0
#define IN __attribute__((section("probed_O0"), noinline))
#include "tests/unit/probe_code_targets.h"
#undef TARGET
#undef IN
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC optimize("O2")
#define TARGET(n) n##_O2
#define IN __attribute__((section("probed_O2"), noinline))
#include "tests/unit/probe_code_targets.h"
#undef TARGET
#undef IN
#pragma GCC pop_options

extern const uint8_t __start_probed_O0[], __stop_probed_O0[], __start_probed_O2[],
	__stop_probed_O2[];
extern const uint8_t __start_probed_asm[], __stop_probed_asm[];
uint64_t asm_forms(uint64_t seed);
uint64_t asm_short(uint64_t seed);
uint64_t asm_fixed(uint64_t seed);
extern const uint8_t asm_past_lock[];
uint64_t asm_flags(uint64_t seed);
uint64_t bench_loop(uint64_t n);
void asm_fault_load(void), asm_fault_rip(void), asm_fault_call_mem(void), asm_fault_call_reg(void);
void asm_fault_call_ptr(void), asm_fault_jmp_mem(void), asm_fault_ud(void), asm_fault_push(void);
extern const uint8_t bench_site[];

__asm__(".section probed_asm,\"ax\",@progbits\n"
	/* every form of instruction; results go into rax by way of r15 */
	"asm_forms: endbr64\n push %rbp\n mov %rsp,%rbp\n push %rbx\n push %r12\n push %r15\n sub $72,%rsp\n"
	"mov %rdi,%r15\n"
	"mov $5,%ecx\n 1: add %rcx,%r15\n loop 1b\n"
	"mov $9,%ecx\n 1: imul $3,%r15,%r15\n dec %ecx\n jrcxz 2f\n jmp 1b\n 2: nop\n"
	"mov $3,%ecx\n 1: inc %r15\n test $0,%eax\n loope 1b\n mov $3,%ecx\n 1: or $1,%al\n loopne 1b\n"
	"xor %ecx,%ecx\n jecxz 3f\n ud2\n 3:\n"
	"lea asm_leaf(%rip),%rax\n call *%rax\n mov %rax,%r12\n lea asm_leaf(%rip),%r12\n call *%r12\n"
	"call asm_leaf\n call *asm_pointer(%rip)\n"
	"lea asm_pointer(%rip),%rbx\n call *(%rbx)\n call *8(%rbx)\n mov $1,%eax\n call *(%rbx,%rax,8)\n"
	"lea asm_pointer(%rip),%r12\n call *(%r12)\n call *(%r12,%rax,8)\n"
	"mov %r12,(%rsp)\n lea asm_leaf(%rip),%rax\n mov %rax,8(%rsp)\n call *8(%rsp)\n"
	".byte 0x66,0x66,0x48\n call asm_leaf\n"
	"lea 4f(%rip),%rax\n jmp *%rax\n ud2\n 4: add $1,%r15\n"
	"lea 5f(%rip),%rax\n mov %rax,(%rsp)\n jmp *(%rsp)\n ud2\n 5: jmp *asm_jump(%rip)\n ud2\n asm_back:\n"
	"push $7\n push asm_word(%rip)\n pop %rax\n pop %rdx\n add %rax,%r15\n"
	"cmpl $0x12345678,asm_word(%rip)\n setb %al\n movzbl %al,%eax\n add %rax,%r15\n"
	"movl $5,asm_word2(%rip)\n addb $1,asm_word2(%rip)\n add asm_word2(%rip),%r15d\n"
	"pshufd $0x1b,asm_vector(%rip),%xmm0\n movq %xmm0,%rax\n xor %rax,%r15\n"
	"movaps asm_vector(%rip),%xmm1\n paddd asm_vector(%rip),%xmm1\n movq %xmm1,%rax\n add %rax,%r15\n"
	"cld\n lea asm_vector(%rip),%rsi\n mov %rsp,%rdi\n mov $16,%ecx\n rep movsb\n mov (%rsp),%rax\n xor %rax,%r15\n"
	"lock incl asm_word2(%rip)\n mov $8,%eax\n cmpxchg %eax,asm_word2(%rip)\n"
	"test $1,%r15b\n jz asm_past_lock\n lock\n asm_past_lock: incl asm_word3(%rip)\n movl $0,asm_word3(%rip)\n"
	"call 6f\n 6: pop %rax\n lea 6b(%rip),%rdx\n sub %rdx,%rax\n add %rax,%r15\n"
	"pushq $3\n call asm_ret8\n mov %fs:0,%rax\n xor %eax,%eax\n"
	"mov %r15,%rax\n shl $7,%rax\n jc 7f\n xor $0x55,%al\n 7: jnp 8f\n rol $3,%rax\n 8: js 9f\n not %rax\n"
	"9: jo 10f\n lea 1(%rax),%rax\n 10: bswap %rax\n xchg %rax,%rdx\n cqo\n cwtl\n xchg %rax,%rdx\n"
	"add $72,%rsp\n pop %r15\n pop %r12\n pop %rbx\n leave\n rep ret\n"
	"asm_leaf: lea 3(%r15,%r15,2),%r15\n ret\n asm_ret8: ret $8\n"
	"asm_land: jmp asm_back\n"
	"asm_fixed: push %rbx\n mov %rdi,%r8\n xor %eax,%eax\n xor %ecx,%ecx\n cpuid\n add %rbx,%r8\n"
	"rdtsc\n xor %eax,%eax\n xor %edx,%edx\n mov $39,%eax\n syscall\n add %rax,%r8\n xor %ecx,%ecx\n"
	"xor %r11d,%r11d\n xor %edx,%edx\n mov %rsp,%rbx\n mov %r8,%rax\n pop %rbx\n ret\n"
	/* short instructions, each a jump target: every one is entered from the one before and by a table */
	"asm_short: mov $90,%ecx\n mov %edi,%eax\n mov %rsp,%r8\n"
	"1: mov %r8,%rsp\n lea (%rcx,%rax),%edx\n and $7,%edx\n lea asm_table(%rip),%rsi\n movslq (%rsi,%rdx,4),%rdx\n"
	"add %rsi,%rdx\n jmp *%rdx\n"
	"s0: push %rax\n s1: nop\n s2: cltq\n s3: clc\n s4: adc %al,%al\n s5: inc %eax\n s6: cmc\n s7: sbb %ecx,%eax\n"
	"test %dl,%dl\n cmp %rsp,asm_limit(%rip)\n dec %ecx\n jnz 1b\n"
	"lea (%rsp),%rdx\n sub %r8,%rdx\n add %rdx,%rax\n mov %r8,%rsp\n pop %rcx\n cmp %rcx,%rcx\n jz 2f\n 2: push %rcx\n"
	"xor %ecx,%ecx\n jmp 4f\n 3: nop\n 4: ret\n"
	".balign 16, 0x90\n"
	/* flags: set each combination, and read it back in different ways */
	"asm_flags: push %rbx\n mov %rdi,%rbx\n mov $64,%ecx\n xor %edx,%edx\n"
	"1: mov %bl,%ah\n sahf\n setc %al\n setp %al\n lahf\n movzbl %ah,%eax\n adc %rax,%rdx\n seto %al\n rcl $1,%rdx\n"
	"sbb $0,%rdx\n add %bl,%bl\n pushfq\n andl $0x8d5,(%rsp)\n pop %rax\n add %rax,%rdx\n add $0x7f,%bl\n jo 2f\n inc %rdx\n"
	"2: cmc\n adc $0,%rdx\n std\n cld\n rol $5,%rbx\n lea -1(%rcx),%rcx\n jrcxz 3f\n jmp 1b\n"
	"3: mov %rdx,%rax\n pop %rbx\n ret\n"
	"bench_loop: mov $0x123456789,%rax\n 1:\n bench_site: lea 0x1000(%rsi),%rsi\n sub $1,%rdi\n jnz 1b\n mov %rsi,%rax\n ret\n"
	"asm_fault_load: mov 0x10(%rbx),%rax\n ret\n asm_fault_rip: movl $1,asm_rodata(%rip)\n ret\n"
	"asm_fault_call_mem: call *0x10(%rbx)\n ret\n asm_fault_call_reg: call *%rbx\n ret\n"
	"asm_fault_call_ptr: call *asm_bad_pointer(%rip)\n ret\n asm_fault_jmp_mem: jmp *0x10(%rbx)\n"
	"asm_fault_ud: ud2\n asm_fault_push: push (%rbx)\n ret\n"
	".data\n.balign 16\n asm_vector: .long 1,2,3,4\n asm_pointer: .quad asm_leaf,asm_leaf\n asm_jump: .quad asm_land\n"
	"asm_word: .quad 99\n asm_word2: .quad 0\n asm_word3: .quad 0\n asm_limit: .quad 5\n asm_zero: .quad 0\n"
	"asm_bad_pointer: .quad 0x1234567812345678\n"
	".section .rodata\n asm_rodata: .long 0\n .balign 4\n"
	"asm_table: .long s0-asm_table,s1-asm_table,s2-asm_table,s3-asm_table,s4-asm_table,s5-asm_table,s6-asm_table\n"
	".long s7-asm_table\n.text\n");

/* ---- running a function with given registers, on a stack of its own ---- */

struct regs {
	uint64_t r[16]; /* numbered as in enum probe_operand; rsp is not an input */
	uint64_t flags;
	uint64_t pc;
};

void test_call(struct regs *io, const void *fn, void *stack_top);
uint64_t test_io, test_fn, test_rsp, test_rdi;
__asm__(".text\ntest_call: push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n pushfq\n"
	"mov %rdi,test_io(%rip)\n mov %rsi,test_fn(%rip)\n mov %rsp,test_rsp(%rip)\n mov %rdx,%rsp\n push 128(%rdi)\n"
	"mov (%rdi),%rax\n mov 8(%rdi),%rcx\n mov 16(%rdi),%rdx\n mov 24(%rdi),%rbx\n mov 40(%rdi),%rbp\n"
	"mov 48(%rdi),%rsi\n mov 64(%rdi),%r8\n mov 72(%rdi),%r9\n mov 80(%rdi),%r10\n mov 88(%rdi),%r11\n"
	"mov 96(%rdi),%r12\n mov 104(%rdi),%r13\n mov 112(%rdi),%r14\n mov 120(%rdi),%r15\n mov 56(%rdi),%rdi\n"
	/* functions with variable arguments spill them */
	"pxor %xmm0,%xmm0\n pxor %xmm1,%xmm1\n pxor %xmm2,%xmm2\n pxor %xmm3,%xmm3\n"
	"pxor %xmm4,%xmm4\n pxor %xmm5,%xmm5\n pxor %xmm6,%xmm6\n pxor %xmm7,%xmm7\n"
	"pxor %xmm8,%xmm8\n pxor %xmm9,%xmm9\n pxor %xmm10,%xmm10\n pxor %xmm11,%xmm11\n"
	"pxor %xmm12,%xmm12\n pxor %xmm13,%xmm13\n pxor %xmm14,%xmm14\n pxor %xmm15,%xmm15\n"
	"popfq\n call *test_fn(%rip)\n mov %rdi,test_rdi(%rip)\n mov test_io(%rip),%rdi\n pushfq\n pop 128(%rdi)\n"
	"mov %rax,(%rdi)\n mov %rcx,8(%rdi)\n mov %rdx,16(%rdi)\n mov %rbx,24(%rdi)\n mov %rsp,32(%rdi)\n"
	"mov %rbp,40(%rdi)\n mov %rsi,48(%rdi)\n mov %r8,64(%rdi)\n mov %r9,72(%rdi)\n mov %r10,80(%rdi)\n"
	"mov %r11,88(%rdi)\n mov %r12,96(%rdi)\n mov %r13,104(%rdi)\n mov %r14,112(%rdi)\n mov %r15,120(%rdi)\n"
	"mov test_rdi(%rip),%rax\n mov %rax,56(%rdi)\n mov test_rsp(%rip),%rsp\n popfq\n"
	"pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n");

#define STACK_SIZE 65536
#define MAX_SITES 20000
#define MAX_TRACE 400000
#define START (1UL << 62)
#define FLAGS 0x8d5U
#define DATA_ADDR 0x100000000000ULL

enum mode { IDLE, STEP, PROBE, STEP_PROBED, FAULT };

static struct {
	enum mode mode;
	uint64_t lo, hi; /* what is traced */
	struct regs *trace;
	size_t ntrace;
	uint64_t last_pc;
	struct probe_plan *plan;
	const struct probe_rule *rules; /* of every site, if they are all the same */
	size_t nrules;
	uint64_t stepping;  /* site of an int3 being stepped, or 0 */
	uint64_t cell_base; /* one cell per site, at cell_base + 8 * (site - lo), if rules is NULL */
	struct regs stops[256];
	int stop_rules[256];
	size_t nstops;
	struct regs fault;
	sigjmp_buf out;
} st;

static const int greg_of[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
				 REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
				 REG_R12, REG_R13, REG_R14, REG_R15 };
static uint8_t *test_stack;
static uint64_t data; /* scratch words, then cells */
static uint64_t rng = 88172645463325252ULL;
static int failures;
static size_t total_kind[2];

static uint64_t rnd(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

static void check(bool cond, const char *what)
{
	printf("%s - %s\n", cond ? "ok" : "not ok", what);
	if (!cond)
		failures++;
}

#define REQUIRE(c)                                                                        \
	do {                                                                              \
		if (!(c)) {                                                               \
			printf("not ok - line %d: %s (errno %d)\n", __LINE__, #c, errno); \
			exit(1);                                                          \
		}                                                                         \
	} while (0)

/* ---- the signal handler as debugger: nothing it calls is ever probed ---- */

static void get_regs(const ucontext_t *uc, struct regs *r)
{
	for (int i = 0; i < 16; i++)
		r->r[i] = (uint64_t)uc->uc_mcontext.gregs[greg_of[i]];
	r->flags = (uint64_t)uc->uc_mcontext.gregs[REG_EFL] & (FLAGS | 0x400);
	r->pc = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
}

static void trace_step(const struct regs *r)
{
	uint8_t b = *(const uint8_t *)r->pc;

	if (r->pc < st.lo || r->pc >= st.hi)
		goto out;
	/* a rep instruction is stepped once per round, but arrived at once */
	if (r->pc == st.last_pc && (b == 0xf2 || b == 0xf3))
		return;
	REQUIRE(st.ntrace < MAX_TRACE);
	st.trace[st.ntrace++] = *r;
out:
	st.last_pc = r->pc;
}

static bool holds(const struct probe_rule *rule, const struct regs *r)
{
	for (size_t i = 0; i < rule->nconds; i++) {
		const struct probe_cond *c = &rule->conds[i];
		uint64_t v = c->what == PROBE_MEM ? *(const uint64_t *)c->addr : r->r[c->what];

		if (v != c->value)
			return false;
	}
	return true;
}

static void record_stop(const struct regs *r, int rule)
{
	if (st.nstops < 256) {
		st.stops[st.nstops] = *r;
		st.stop_rules[st.nstops] = rule;
	}
	st.nstops++;
}

static void int3_site(struct regs *r, ucontext_t *uc)
{
	struct probe_site_info info;

	r->pc = (uint64_t)uc->uc_mcontext.gregs[REG_RIP] - 1;
	if (st.rules) {
		for (size_t i = 0; i < st.nrules; i++)
			if (holds(&st.rules[i], r) && !--*(uint64_t *)st.rules[i].cell)
				record_stop(r, (int)i);
	} else {
		--*(uint64_t *)(st.cell_base + 8 * (r->pc - st.lo));
	}
	REQUIRE(!probe_plan_site(st.plan, r->pc, &info));
	if (info.resume) {
		uc->uc_mcontext.gregs[REG_RIP] = (greg_t)info.resume;
		return;
	}
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)r->pc;
	uc->uc_mcontext.gregs[REG_EFL] |= 0x100;
	st.stepping = r->pc;
}

static uint8_t old_byte(uint64_t site)
{
	size_t n;
	const struct probe_patch *p = probe_plan_patches(st.plan, &n);

	for (size_t i = 0; i < n; i++)
		if (p[i].addr == site)
			return p[i].old_bytes[0];
	return 0;
}

static void on_trap(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;
	struct regs r;
	uint64_t site;
	int rule;

	(void)sig;
	(void)si;
	get_regs(uc, &r);
	if (st.mode == STEP) {
		trace_step(&r);
		return;
	}
	/* An int3 has SI_KERNEL; a step has TRAP_TRACE, or now and then, in a virtual machine, TRAP_BRKPT. */
	if (st.stepping && si->si_code != SI_KERNEL) {
		*(uint8_t *)st.stepping = 0xcc;
		st.stepping = 0;
		if (st.mode != STEP_PROBED) {
			uc->uc_mcontext.gregs[REG_EFL] &= ~0x100;
			return;
		}
	}
	if (st.mode == STEP_PROBED && si->si_code != SI_KERNEL) {
		struct probe_where w;
		int err = probe_plan_pc(st.plan, r.pc, &w);

		if (err == -EBUSY || (err == -ENOENT && (r.pc < st.lo || r.pc >= st.hi)))
			return;
		if (!err) {
			r.pc = w.addr;
			r.r[PROBE_RSP] += w.rsp_add;
		}
		if (r.pc < st.lo || r.pc >= st.hi)
			return;
		if (st.ntrace < MAX_TRACE &&
		    !(st.ntrace && !memcmp(&st.trace[st.ntrace - 1], &r, sizeof(r))))
			st.trace[st.ntrace++] = r;
		return;
	}
	if (probe_plan_stop(st.plan, r.pc, &site, &rule)) {
		printf("# SIGTRAP code %d at +%#lx, %#lx, stepping %#lx\n", si->si_code,
		       r.pc - st.lo, r.pc, st.stepping);
		REQUIRE(0);
	}
	if (rule < 0) {
		int3_site(&r, uc);
		if (st.stepping)
			*(uint8_t *)st.stepping = old_byte(st.stepping);
		return;
	}
	r.pc = site;
	record_stop(&r, rule);
}

static void on_fault(int sig, siginfo_t *si, void *ctx)
{
	(void)si;
	if (st.mode != FAULT) {
		uint64_t pc = (uint64_t)((ucontext_t *)ctx)->uc_mcontext.gregs[REG_RIP];
		struct probe_where w = { 0 };
		int err = st.plan ? probe_plan_pc(st.plan, pc, &w) : -1;

		printf("not ok - signal %d at %#lx (trampoline: %d, site %#lx)\n", sig, pc, err,
		       w.site);
		fflush(stdout);
		_exit(1);
	}
	get_regs(ctx, &st.fault);
	siglongjmp(st.out, sig);
}

/* ---- plans for this process ---- */

static int read_self(void *ctx, uint64_t addr, void *buf, size_t len)
{
	const struct probe_range *r = ctx;

	for (; r->hi; r++)
		if (addr >= r->lo && addr + len <= r->hi) {
			memcpy(buf, (const void *)addr, len);
			return 0;
		}
	return -EFAULT;
}

static struct probe_range ranges[4096], readable[4096];
static size_t nranges;

static void read_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512], perm[8];
	size_t nr = 0;
	uint64_t lo, hi;

	REQUIRE(f);
	nranges = 0;
	while (fgets(line, sizeof(line), f)) {
		REQUIRE(sscanf(line, "%lx-%lx %7s", &lo, &hi, perm) == 3);
		if (hi > PROBE_MAX_ADDR + (1ULL << 40))
			break;
		if (perm[0] == 'r' && !strstr(line, "[v"))
			readable[nr++] = (struct probe_range){ lo, hi };
		/* room for what malloc and the loader map meanwhile */
		hi += strstr(line, "[heap]") ? 256 << 20 : 0;
		lo -= strstr(line, "[stack]") ? 64 << 20 : 0;
		if (lo > 0x7f0000000000 && (!nranges || ranges[nranges - 1].hi < 0x7f0000000000))
			lo -= 256 << 20;
		if (nranges && lo <= ranges[nranges - 1].hi)
			ranges[nranges - 1].hi = hi;
		else
			ranges[nranges++] = (struct probe_range){ lo, hi };
	}
	fclose(f);
	readable[nr] = (struct probe_range){ 0, 0 };
}

static struct probe_plan *new_plan(void)
{
	struct probe_config c = {
		.read = read_self, .ctx = readable, .occupied = ranges, .scratch = data
	};
	struct probe_plan *p;

	read_maps();
	c.noccupied = nranges;
	REQUIRE(!probe_plan_create(&c, &p));
	return p;
}

static void apply(struct probe_plan *p)
{
	size_t n;
	const struct probe_area *a = probe_plan_areas(p, &n);
	const struct probe_patch *pa;

	for (size_t i = 0; i < n; i++) {
		void *m = mmap((void *)a[i].addr, a[i].len, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		REQUIRE(m == (void *)a[i].addr);
		memcpy(m, a[i].bytes, a[i].len);
		REQUIRE(!mprotect(m, a[i].len, PROT_READ | PROT_EXEC));
	}
	pa = probe_plan_patches(p, &n);
	for (size_t i = 0; i < n; i++) {
		REQUIRE(!memcmp((void *)pa[i].addr, pa[i].old_bytes, pa[i].len));
		for (int j = 0; j < pa[i].len; j++)
			((volatile uint8_t *)pa[i].addr)[j] = pa[i].new_bytes[j];
	}
	st.plan = p;
}

static void unapply(struct probe_plan *p)
{
	size_t n;
	const struct probe_patch *pa = probe_plan_patches(p, &n);
	const struct probe_area *a;

	for (size_t i = 0; i < n; i++)
		for (int j = 0; j < pa[i].len; j++)
			((volatile uint8_t *)pa[i].addr)[j] = pa[i].old_bytes[j];
	a = probe_plan_areas(p, &n);
	for (size_t i = 0; i < n; i++)
		munmap((void *)a[i].addr, a[i].len);
	st.plan = NULL;
	total_kind[0] += probe_plan_stats(p)->jumps;
	total_kind[1] += probe_plan_stats(p)->int3s;
	probe_plan_destroy(p);
}

static void writable(uint64_t lo, uint64_t hi)
{
	lo &= ~4095ULL;
	REQUIRE(!mprotect((void *)lo, (hi - lo + 4095) & ~4095ULL,
			  PROT_READ | PROT_WRITE | PROT_EXEC));
}

/* All instruction starts in [lo, hi). */
static size_t decode_range(uint64_t lo, uint64_t hi, uint64_t *ret, size_t max)
{
	const uint8_t *p = (const uint8_t *)lo;
	size_t len = hi - lo, n = 0;
	uint64_t at = lo;
	cs_insn *in;
	csh cs;

	REQUIRE(cs_open(CS_ARCH_X86, CS_MODE_64, &cs) == CS_ERR_OK);
	in = cs_malloc(cs);
	while (len && n < max) {
		uint64_t start = at;

		if (!cs_disasm_iter(cs, &p, &len, &at, in)) {
			if (len > 4 && !memcmp(p, "\xf3\x0f\x1e\xfa", 4)) {
				p += 4, len -= 4, at += 4;
			} else {
				p++, len--, at++;
				continue;
			}
		}
		ret[n++] = start;
	}
	cs_free(in, 1);
	cs_close(&cs);
	return n;
}

#endif
