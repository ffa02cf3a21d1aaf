// SPDX-License-Identifier: GPL-3.0-or-later
/* test-timeout 600
 * Counting probes, tried on this very process: it patches its own code, plays the debugger in its SIGTRAP handler, and
 * compares with the same code single-stepped (TF).
 *
 * The functions to be probed are included twice, once at -O0 and once at -O2.
 */
#include "tests/unit/probe_code_harness.h"

/* ---- running ---- */

struct target {
	const char *name;
	uint64_t (*fn)(uint64_t);
	const uint8_t *lo, *hi;
	bool is_fixed; /* reads the time stamp: no exact traces */
};

static void random_regs(struct regs *r, uint64_t seed)
{
	uint64_t save = rng;

	rng = seed * 2654435761U + 1;
	for (int i = 0; i < 16; i++)
		r->r[i] = rnd();
	r->r[PROBE_RDI] = seed;
	r->flags = (rnd() & FLAGS) | 0x202;
	rng = save;
}

/* Registers are in and out; the stack below is left for comparison. */
static void run(const struct target *t, uint64_t seed, enum mode mode, struct regs *r)
{
	random_regs(r, seed);
	r->r[4] = r->pc = 0;
	memset(test_stack, 0xa5, STACK_SIZE);
	st.mode = mode;
	st.ntrace = st.nstops = 0;
	st.last_pc = 0;
	st.lo = (uint64_t)t->lo;
	st.hi = (uint64_t)t->hi;
	if (mode == STEP || mode == STEP_PROBED)
		r->flags |= 0x100;
	test_call(r, t->fn, test_stack + STACK_SIZE - 256);
	st.mode = IDLE;
	r->flags &= FLAGS | 0x400;
}

static bool same_regs(const struct regs *a, const struct regs *b)
{
	for (int i = 0; i < 16; i++)
		if (a->r[i] != b->r[i])
			return false;
	return a->flags == b->flags && a->pc == b->pc;
}

static void show_regs(const char *what, const struct regs *r)
{
	printf("# %s pc %#lx flags %#lx", what, r->pc, r->flags);
	for (int i = 0; i < 16; i++)
		printf(" r%d=%lx", i, r->r[i]);
	printf("\n");
}

/* Every instruction, a cell each: equal results, equal stack bytes, equal counts. Then a random part of them. */
static void test_counts(const struct target *t, bool part)
{
	static uint64_t sites[MAX_SITES], want[1 << 16];
	static uint8_t stack[STACK_SIZE];
	uint64_t *cells = (uint64_t *)(data + 4096);
	uint64_t lo = (uint64_t)t->lo;
	size_t n = decode_range(lo, (uint64_t)t->hi, sites, MAX_SITES), nbad = 0, sum = 0;
	struct probe_plan *plan = new_plan();
	const struct probe_stats *stats;
	struct regs native, stepped, probed;
	uint64_t seed = rnd() % 1000;
	char what[200];

	if (t->lo == __start_probed_asm && !part)
		sites[n++] = (uint64_t)asm_past_lock;
	run(t, seed, IDLE, &native); /* binds PLT entries */
	run(t, seed, IDLE, &native);
	memcpy(stack, test_stack, STACK_SIZE);
	run(t, seed, STEP, &stepped);
	REQUIRE(native.r[0] == stepped.r[0]);
	memset(want, 0, sizeof(want));
	for (size_t i = 0; i < st.ntrace; i++)
		want[st.trace[i].pc - lo]++;
	for (size_t i = 0; i < n; i++) {
		struct probe_rule r = { .cell = (uint64_t)&cells[sites[i] - lo] };

		if (part && rnd() % 3)
			want[sites[i] - lo] = ~0ULL;
		else
			REQUIRE(!probe_plan_add(plan, sites[i], &r, 1));
		cells[sites[i] - lo] = START;
	}
	REQUIRE(!probe_plan_build(plan));
	stats = probe_plan_stats(plan);
	apply(plan);
	st.rules = NULL;
	st.cell_base = (uint64_t)cells;
	run(t, seed, PROBE, &probed);
	for (size_t i = 0; i < n; i++) {
		if (want[sites[i] - lo] == ~0ULL)
			continue;
		/* TF traps one instruction too late after a system call */
		if (i && sites[i] - sites[i - 1] == 2 && t->is_fixed &&
		    ((const uint8_t *)sites[i - 1])[1] == 5)
			continue;
		sum += START - cells[sites[i] - lo];
		if (START - cells[sites[i] - lo] != want[sites[i] - lo] && nbad++ < 5)
			printf("# +%#lx: %lu hits, expected %lu\n", sites[i] - lo,
			       START - cells[sites[i] - lo], want[sites[i] - lo]);
	}
	if (!same_regs(&native, &probed)) {
		show_regs("native", &native);
		show_regs("probed", &probed);
		nbad++;
	}
	if (memcmp(stack, test_stack, STACK_SIZE)) {
		printf("# the stack differs\n");
		nbad++;
	}
	snprintf(what, sizeof(what),
		 "%s%s: %zu sites (%.1f%% jumps, %zu ranges), %zu hits, result, stack", t->name,
		 part ? ", a third" : "", stats->sites,
		 100.0 * (double)stats->jumps / (double)stats->sites, stats->ranges, sum);
	check(!nbad, what);
	unapply(plan);
}

/* Stepping the probed code: every exact pc must be a state of the native trace, in order, none left out. */
static void test_points(const struct target *t)
{
	static uint64_t sites[MAX_SITES];
	size_t n = decode_range((uint64_t)t->lo, (uint64_t)t->hi, sites, MAX_SITES), ntrace, k = 0,
	       nbad = 0;
	struct regs *trace = malloc(MAX_TRACE * sizeof(*trace));
	struct probe_plan *plan = new_plan();
	struct probe_rule r = { .cell = data + 4096 };
	struct regs out;
	uint64_t seed = rnd() % 1000;
	char what[100];

	run(t, seed, STEP, &out);
	ntrace = st.ntrace;
	memcpy(trace, st.trace, ntrace * sizeof(*trace));
	for (size_t i = 0; i < n; i++)
		REQUIRE(!probe_plan_add(plan, sites[i], &r, 1));
	REQUIRE(!probe_plan_build(plan));
	*(uint64_t *)r.cell = START;
	apply(plan);
	st.rules = &r;
	st.nrules = 1;
	run(t, seed, STEP_PROBED, &out);
	for (size_t i = 0; i < st.ntrace; i++) {
		/* rounds of a rep instruction are not in the native trace */
		uint8_t b = 0;

		while (k + 1 < ntrace && !same_regs(&trace[k], &st.trace[i]) &&
		       same_regs(&trace[k + 1], &st.trace[i]))
			k++;
		if (same_regs(&trace[k], &st.trace[i]))
			continue;
		if (st.trace[i].pc == trace[k].pc)
			for (size_t j = 0; j < n; j++)
				b = sites[j] == trace[k].pc ? 1 : b;
		if (b && st.trace[i].pc == trace[k].pc && st.trace[i].r[1] < trace[k].r[1] &&
		    k + 1 < ntrace)
			continue;
		if (nbad++ < 3) {
			show_regs("expected", &trace[k + 1 < ntrace ? k + 1 : k]);
			show_regs("seen    ", &st.trace[i]);
		}
		while (k + 1 < ntrace && !same_regs(&trace[k], &st.trace[i]))
			k++;
	}
	snprintf(what, sizeof(what), "%s: pc map, %zu states of %zu", t->name, st.ntrace, ntrace);
	check(!nbad && k + 1 >= ntrace, what);
	unapply(plan);
	free(trace);
}

/* Random rules at a random site: stops with exact registers, compared with a simulation on the trace. */
static bool try_rules(const struct target *t, const uint64_t *sites, size_t n)
{
	static struct regs arrivals[MAX_TRACE], want[256];
	static int want_rule[256];
	struct probe_cond conds[6][PROBE_MAX_CONDS];
	struct probe_rule rules[6];
	uint64_t *cells = (uint64_t *)(data + 4096), sim[3];
	struct probe_plan *plan = new_plan();
	size_t narr = 0, nwant = 0, nrules = 1 + rnd() % 6;
	uint64_t seed = rnd() % 1000, site;
	struct regs out;
	bool good;

	run(t, seed, STEP, &out);
	site = st.trace[rnd() % st.ntrace].pc;
	for (size_t i = 0; i < st.ntrace; i++)
		if (st.trace[i].pc == site)
			arrivals[narr++] = st.trace[i];
	for (size_t i = 0; i < 3; i++)
		cells[i] = sim[i] = 1 + rnd() % (narr + 2);
	cells[8] = 0x123456789abcdefULL;
	for (size_t i = 0; i < nrules; i++) {
		const struct regs *like = &arrivals[rnd() % narr];

		rules[i] = (struct probe_rule){ conds[i], rnd() % 3 ? rnd() % 21 : 0,
						(uint64_t)&cells[rnd() % 3], false };
		for (size_t j = 0; j < rules[i].nconds; j++) {
			struct probe_cond *c = &conds[i][j];

			c->what = (enum probe_operand)(rnd() % 17);
			c->addr = (uint64_t)&cells[8];
			c->value = c->what == PROBE_MEM ? cells[8] : like->r[c->what];
			if (rnd() % 40 == 0)
				c->value ^= 1ULL << rnd() % 64;
		}
	}
	for (size_t a = 0; a < narr; a++)
		for (size_t i = 0; i < nrules; i++) {
			uint64_t *cell = &sim[(rules[i].cell - (uint64_t)cells) / 8];

			if (holds(&rules[i], &arrivals[a]) && !--*cell && nwant < 256) {
				want[nwant] = arrivals[a];
				want_rule[nwant++] = (int)i;
			}
		}
	cells[5] = START;
	REQUIRE(!probe_plan_add(plan, site, rules, nrules));
	for (size_t i = 0; i < n; i++) {
		struct probe_rule far = { .cell = (uint64_t)&cells[5] };

		if (sites[i] != site && rnd() % 50 == 0)
			REQUIRE(!probe_plan_add(plan, sites[i], &far, 1));
	}
	REQUIRE(!probe_plan_build(plan));
	{
		struct probe_site_info info;

		/* the handler knows one set of rules */
		REQUIRE(!probe_plan_site(plan, site, &info));
		if (info.kind == PROBE_INT3) {
			probe_plan_destroy(plan);
			return true;
		}
	}
	apply(plan);
	{
		struct probe_rule far = { .cell = (uint64_t)&cells[5] };

		st.rules = &far;
		st.nrules = 1;
		run(t, seed, PROBE, &out);
	}
	good = nwant == st.nstops;
	for (size_t i = 0; i < 3; i++)
		good &= cells[i] == sim[i];
	for (size_t i = 0; i < nwant && good; i++) {
		good = same_regs(&want[i], &st.stops[i]) && want_rule[i] == st.stop_rules[i];
		if (!good) {
			show_regs("expected", &want[i]);
			show_regs("stop    ", &st.stops[i]);
		}
	}
	unapply(plan);
	return good;
}

static void test_rules(const struct target *t, int rounds)
{
	static uint64_t sites[MAX_SITES];
	size_t n = decode_range((uint64_t)t->lo, (uint64_t)t->hi, sites, MAX_SITES);
	char what[100];
	int bad = 0;

	for (int i = 0; i < rounds; i++)
		bad += !try_rules(t, sites, n);
	snprintf(what, sizeof(what), "%s: %d random sets of rules: stops, registers, flags, cells",
		 t->name, rounds);
	check(!bad, what);
}

static void test_faults(void)
{
	static void (*const fns[])(void) = { asm_fault_load,	 asm_fault_rip,
					     asm_fault_call_mem, asm_fault_call_reg,
					     asm_fault_call_ptr, asm_fault_jmp_mem,
					     asm_fault_ud,	 asm_fault_push };
	static struct regs in;
	struct probe_rule r = { .cell = data + 4096 };

	for (volatile size_t i = 0; i < sizeof(fns) / sizeof(fns[0]); i++) {
		struct probe_plan *plan = new_plan();
		struct regs native, probed;
		struct probe_where w = { 0 };
		char what[80];
		int sig;

		for (volatile int pass = 0; pass < 2; pass++) {
			random_regs(&in, i);
			in.r[PROBE_RBX] |= 0x4000000000000000ULL;
			st.mode = FAULT;
			if (pass) {
				*(uint64_t *)r.cell = START;
				st.rules = &r;
				st.nrules = 1;
				REQUIRE(!probe_plan_add(plan, (uint64_t)fns[i], &r, 1));
				REQUIRE(!probe_plan_build(plan));
				apply(plan);
			}
			sig = sigsetjmp(st.out, 1);
			if (!sig)
				test_call(&in, (const void *)fns[i], test_stack + STACK_SIZE - 256);
			if (pass)
				probed = st.fault;
			else
				native = st.fault;
			st.mode = IDLE;
		}
		if (!probe_plan_pc(plan, probed.pc, &w)) {
			probed.pc = w.addr;
			probed.r[PROBE_RSP] += w.rsp_add;
		}
		snprintf(what, sizeof(what), "fault %zu maps to its site with exact registers", i);
		if (!same_regs(&native, &probed)) {
			show_regs("native", &native);
			show_regs("probed", &probed);
		}
		check(same_regs(&native, &probed), what);
		unapply(plan);
	}
}

/* ---- speed ---- */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double bench_once(void)
{
	const uint64_t n = 20000000;
	double best = 1e18;

	for (int i = 0; i < 5; i++) {
		double t = now();

		bench_loop(n);
		t = now() - t;
		best = t < best ? t : best;
	}
	return best / (double)n;
}

static void bench(const char *what, size_t nconds, bool large)
{
	struct probe_cond conds[16];
	struct probe_rule r = { conds, nconds, data + 4096, false };
	struct probe_plan *plan = new_plan();
	double base = bench_once();

	*(uint64_t *)r.cell = START;
	for (size_t i = 0; i < nconds; i++)
		conds[i] = (struct probe_cond){ (enum probe_operand)((i + PROBE_R10) % 16), 0,
						large ? 0xdeadbeefcafe0000 + i : 77 + i };
	REQUIRE(!probe_plan_add(plan, (uint64_t)bench_site, &r, 1));
	REQUIRE(!probe_plan_build(plan));
	apply(plan);
	printf("# %s: %.2f ns per hit\n", what, bench_once() - base);
	unapply(plan);
}

/* ---- libc ---- */

static uint64_t libc_text[400000];

static void report(const char *what, const struct probe_stats *s, double ms)
{
	printf("# %s: %zu sites, jump %.1f%%, int3 with copy %.1f%%, to be stepped %.1f%%; stubs %zu, pages %zu, "
	       "ranges %zu; %.1f ms; jump by length:",
	       what, s->sites, 100.0 * (double)s->jumps / (double)s->sites,
	       100.0 * (double)s->int3_displaced / (double)s->sites,
	       100.0 * (double)(s->int3s - s->int3_displaced) / (double)s->sites, s->stubs,
	       s->pages, s->ranges, ms);
	for (int i = 1; i < 8; i++)
		printf(" %d:%.0f%%", i,
		       100.0 * (double)s->by_len[i][0] /
			       (double)(s->by_len[i][0] + s->by_len[i][1] + 1e-9));
	printf("\n");
}

static void plan_only(const char *what, const uint64_t *sites, size_t n, unsigned int stride)
{
	struct probe_plan *plan = new_plan();
	struct probe_rule r = { .cell = data + 4096 };
	double t = now();

	for (size_t i = 0; i < n; i += stride)
		REQUIRE(!probe_plan_add(plan, sites[i], &r, 1));
	REQUIRE(!probe_plan_build(plan));
	report(what, probe_plan_stats(plan), (now() - t) / 1e6);
	probe_plan_destroy(plan);
}

static uint64_t function_size(const void *fn)
{
	const Elf64_Sym *sym = NULL;
	Dl_info info;

	return dladdr1(fn, &info, (void **)&sym, RTLD_DL_SYMENT) && sym ? sym->st_size : 0;
}

static int compare_ints(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static uint64_t use_qsort(uint64_t seed)
{
	int a[200];
	uint64_t h = 0;

	for (int i = 0; i < 200; i++) {
		seed = seed * 6364136223846793005ULL + 1;
		a[i] = (int)(seed >> 40);
	}
	qsort(a, 200, sizeof(int), compare_ints);
	for (int i = 0; i < 200; i++)
		h = h * 31 + (uint64_t)a[i];
	return h;
}

static uint64_t use_strtod(uint64_t seed)
{
	static const char *const s[] = { "3.14159265358979", "-1e300", "0x1.8p3",
					 "123456789012345678901234567890" };
	double d = strtod(s[seed % 4], NULL) + (double)strtoul("987654321", NULL, 0);
	uint64_t r;

	memcpy(&r, &d, sizeof(r));
	return r;
}

static uint64_t use_printf(uint64_t seed)
{
	char b[200] = "";
	uint64_t h = 0;

	snprintf(b, sizeof(b), "%d %s %lx %5.3f %c|%-10s|", (int)seed, "text", seed * 77777,
		 (double)seed / 7, 'x', "y");
	for (int i = 0; b[i]; i++)
		h = h * 31 + (uint64_t)b[i];
	return h;
}

/* Instructions that capstone 4 doesn't know, and what their addresses have to become. */
static void test_vectors(void)
{
	static const uint8_t code[] = {
		0x62, 0xe1, 0x7f, 0x2a, 0x6f, 0x16,	  /* vmovdqu8 (%rsi),%ymm18{%k2} */
		0x62, 0xf3, 0x6d, 0x22, 0x3e, 0x0f, 0x04, /* vpcmpnequb (%rdi),... */
		0x62, 0xe1, 0x7f, 0x28, 0x6f, 0x05, 0x00, 0x10,
		0x00, 0x00,		      /* vmovdqu8 0x1000(%rip) */
		0xc4, 0xe1, 0xf9, 0x93, 0xc1, /* kmovd %k1,%eax */
		0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
	};
	static const uint8_t at[] = { 0, 6, 13, 23 };
	struct probe_rule r = { .cell = data + 4096 };
	struct probe_plan *plan = new_plan();
	struct probe_site_info info;

	for (size_t i = 0; i < sizeof(at); i++)
		REQUIRE(!probe_plan_add(plan, (uint64_t)code + at[i], &r, 1));
	REQUIRE(!probe_plan_build(plan));
	for (size_t i = 0; i < sizeof(at); i++)
		REQUIRE(!probe_plan_site(plan, (uint64_t)code + at[i], &info) &&
			info.kind == PROBE_JUMP);
	probe_plan_destroy(plan);
}

static void test_libc(void)
{
	static const char *const names[] = { "qsort",	"qsort_r",  "strtod",
					     "strtoul", "snprintf", "printf" };
	static uint64_t (*const uses[])(uint64_t) = { use_qsort,  use_qsort,  use_strtod,
						      use_strtod, use_printf, use_printf };
	const uint8_t *lo = (const uint8_t *)dlsym(RTLD_DEFAULT, "abort");
	Dl_info info;
	size_t n;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint8_t *fn = dlsym(RTLD_DEFAULT, names[i]);
		struct target t = { names[i], uses[i], fn, fn + function_size(fn), false };

		if (t.lo == t.hi)
			continue;
		use_qsort(1);
		use_strtod(1);
		use_printf(1);
		writable((uint64_t)t.lo, (uint64_t)t.hi);
		test_counts(&t, false);
	}
	/* all code of libc: the executable segment */
	REQUIRE(dladdr(lo, &info));
	read_maps();
	{
		FILE *f = fopen("/proc/self/maps", "r");
		uint64_t from = 0, to = 0, a, b;
		char line[512];

		while (fgets(line, sizeof(line), f))
			if (strstr(line, "libc.so") && sscanf(line, "%lx-%lx", &a, &b) == 2 &&
			    strchr(line, 'x')) {
				from = from ? from : strstr(line, "xp") ? a : 0;
				to = strstr(line, "xp") ? b : to;
			}
		fclose(f);
		n = decode_range(from + 0x1000, to - 0x1000, libc_text, 400000);
	}
	plan_only("libc, 20000 neighbours", libc_text + n / 3, 20000, 1);
	plan_only("libc, every 15th", libc_text, n < 300000 ? n : 300000, 15);
	plan_only("libc, every 1500th", libc_text, n < 300000 ? n : 300000, 1500);
	plan_only("libc, 200 neighbours", libc_text + n / 4, 200, 1);
	plan_only("libc, all", libc_text, n, 1);
}

int main(void)
{
#define T(n, o)                                                                  \
	{                                                                        \
#n "_" #o, n##_##o, __start_probed_##o, __stop_probed_##o, false \
	}
#define A(n, fixed)                                                 \
	{                                                           \
#n, n, __start_probed_asm, __stop_probed_asm, fixed \
	}
	static const struct target targets[] = {
		A(asm_forms, false), A(asm_short, false),  A(asm_flags, false),
		A(asm_fixed, true),  T(run_sort, O0),	   T(run_sha, O0),
		T(run_format, O0),   T(run_recursion, O0), T(run_switch, O0),
		T(run_float, O0),    T(run_pointers, O0),  T(run_sort, O2),
		T(run_sha, O2),	     T(run_format, O2),	   T(run_recursion, O2),
		T(run_switch, O2),   T(run_float, O2),	   T(run_pointers, O2),
	};
	static uint8_t altstack[65536];
	stack_t ss = { .ss_sp = altstack, .ss_size = sizeof(altstack) };
	struct sigaction trap = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	struct sigaction fault = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	setvbuf(stdout, NULL, _IOLBF, 0);
	st.trace = malloc(MAX_TRACE * sizeof(*st.trace));
	test_stack =
		mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	data = (uint64_t)mmap((void *)DATA_ADDR, 1 << 20, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	REQUIRE(data == DATA_ADDR && st.trace && test_stack != MAP_FAILED);
	sigaltstack(&ss, NULL);
	sigaction(SIGTRAP, &trap, NULL);
	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	sigaction(SIGILL, &fault, NULL);
	writable((uint64_t)__start_probed_O0, (uint64_t)__stop_probed_O0);
	writable((uint64_t)__start_probed_O2, (uint64_t)__stop_probed_O2);
	writable((uint64_t)__start_probed_asm, (uint64_t)__stop_probed_asm);
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		test_counts(&targets[i], false);
		for (int k = 0; k < 2; k++)
			test_counts(&targets[i], true);
		if (targets[i].is_fixed)
			continue;
		test_points(&targets[i]);
		test_rules(&targets[i], 6);
	}
	test_faults();
	test_vectors();
	test_libc();
	printf("# applied: %zu jumps, %zu int3s\n", total_kind[0], total_kind[1]);
	bench("unconditional count", 0, false);
	bench("one failing register condition", 1, false);
	bench("one failing register condition, 64-bit constant", 1, true);
	bench("16 conditions, the first fails", 16, true);
	return failures ? 1 : 0;
}
