/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * symbols_test.c - fred/symbols.h against nm, gdb and what programs know of
 * themselves
 *
 * Compiles symbols_target.c in several ways, runs it stopped under ptrace and
 * compares. With the argument "perf", only prints times.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fred/symbols.h"
#include "symbols_test.h"

/* ---- functions against nm ---- */

static void check_functions(struct fred_sym *sym, const char *path, uint64_t bias, bool stripped)
{
	char command[4200], line[1024], name[512], type;
	uint64_t addr, size;
	int before = failures, n = 0;
	FILE *f;

	snprintf(command, sizeof(command), "nm -S --defined-only %s", path);
	f = popen(command, "r");
	while (fgets(line, sizeof(line), f)) {
		struct fred_function fn = { 0 };
		bool found = false;
		uint64_t pc;
		size_t i;
		int r;

		if (sscanf(line, "%" SCNx64 " %" SCNx64 " %c %511s", &addr, &size, &type, name) !=
			    4 ||
		    (type != 'T' && type != 't') || !size)
			continue;
		n++;
		pc = addr + bias + size / 2;
		r = fred_sym_function(sym, pc, &fn);
		if (r < 0) {
			check(stripped && (strstr(name, "nocfi") || strstr(name, "odd_")),
			      "no function at %s: %s", name, strerror(-r));
			continue;
		}
		for (i = 0; i < fn.n_ranges; i++)
			found |= fn.ranges[i].lo <= addr + bias &&
				 fn.ranges[i].hi >= addr + bias + size;
		/* _start's FDE may end earlier than the symbol, hand-written code has oddities */
		check(found || fn.source == FRED_FUNCTION_FDE, "%s isn't in the range of %s", name,
		      fn.name);
		check(fn.entry >= fn.ranges[0].lo && fn.entry < fn.ranges[0].hi, "entry of %s",
		      name);
		if (!strcmp(name, "with_cold.cold") && fn.source != FRED_FUNCTION_FDE)
			check(fn.n_ranges == 2 && fn.entry != addr + bias, "%s has no hot part",
			      name);
		if (fn.source == FRED_FUNCTION_DWARF)
			check(!strncmp(name, fn.name, strlen(fn.name)) ||
				      (fn.linkage &&
				       !strncmp(name, fn.linkage, strlen(fn.linkage))),
			      "%s is called %s", name, fn.name);
	}
	pclose(f);
	check(n > 5, "only %d symbols", n);
	ok(before, "functions as in nm");
}

/* ---- statements against gdb ---- */

struct gdb_line {
	uint64_t addr;
	uint32_t line;
	int order;
	char file[64];
};

static int gdb_line_cmp(const void *pa, const void *pb)
{
	const struct gdb_line *a = pa, *b = pb;

	if (a->addr != b->addr)
		return a->addr < b->addr ? -1 : 1;
	return a->order - b->order;
}

static size_t gdb_lines(const char *path, struct gdb_line **ret)
{
	char command[4300], line[4096], file[64] = "";
	struct gdb_line *v = NULL;
	size_t n = 0, i, k;
	FILE *f;

	snprintf(command, sizeof(command),
		 "gdb -nx -batch -iex 'set debuginfod enabled off' -ex 'maint expand-symtabs' "
		 "-ex 'maint info line-table' %s 2>/dev/null",
		 path);
	f = popen(command, "r");
	while (fgets(line, sizeof(line), f)) {
		uint64_t addr;
		unsigned int index, number;
		char stmt = 0;

		if (!strncmp(line, "symtab: ", 8)) {
			char *e = strstr(line, " ((struct");

			if (e)
				*e = 0;
			snprintf(file, sizeof(file), "%s", basename(line + 8));
		}
		if (sscanf(line, "%u %u 0x%" SCNx64 " %c", &index, &number, &addr, &stmt) < 4 ||
		    stmt != 'Y')
			continue;
		v = realloc(v, (n + 1) * sizeof(*v));
		v[n].addr = addr;
		v[n].line = number;
		v[n].order = n;
		strcpy(v[n++].file, file);
	}
	pclose(f);
	if (n)
		qsort(v, n, sizeof(*v), gdb_line_cmp);
	for (i = k = 0; i < n; i++) {
		if (k && v[k - 1].addr == v[i].addr)
			k--;
		v[k++] = v[i];
	}
	*ret = v;
	return k;
}

static void check_statements(struct fred_sym *sym, const char *path, uint64_t bias, uint64_t pc)
{
	struct fred_statement *s = NULL;
	struct gdb_line *g = NULL;
	size_t n = 0, n_gdb = gdb_lines(path, &g), i = 0, k = 0;
	int before = failures;

	check(fred_sym_user_statements(sym, pc, &s, &n) == 0, "user statements");
	while ((i < n || k < n_gdb) && failures < before + 10) {
		if (k == n_gdb || (i < n && s[i].addr - bias < g[k].addr)) {
			check(false, "gdb doesn't have %" PRIx64 " %s:%u", s[i].addr - bias,
			      s[i].file, s[i].line);
			i++;
		} else if (i == n || s[i].addr - bias > g[k].addr) {
			check(false, "only gdb has %" PRIx64 " %s:%u", g[k].addr, g[k].file,
			      g[k].line);
			k++;
		} else {
			check(s[i].line == g[k].line, "%" PRIx64 ": line %u, gdb says %u",
			      g[k].addr, s[i].line, g[k].line);
			check(!strcmp(strrchr(s[i].file, '/') + 1, g[k].file),
			      "%" PRIx64 ": %s, gdb: %s", g[k].addr, s[i].file, g[k].file);
			i++;
			k++;
		}
	}
	check(n > 10, "only %zu statements", n);
	if (failures == before)
		printf("ok - %s: %zu statements as in gdb\n", context, n);
	free(s);
	free(g);
}

static void check_function_statements(struct fred_sym *sym, uint64_t pc)
{
	struct fred_statement *s = NULL;
	struct fred_function f;
	int before = failures;
	size_t n = 0, i;

	if (fred_sym_function(sym, pc, &f) < 0) {
		check(false, "no function");
		return;
	}
	check(f.has_lines, "%s has no lines", f.name);
	check(fred_sym_statements(sym, &f, &s, &n) == 0 && n >= 3, "%zu statements of %s", n,
	      f.name);
	check(n && s[0].addr == f.entry, "the first statement isn't the entry");
	for (i = 0; i < n; i++)
		check(s[i].file == s[0].file && strstr(s[i].file, "symbols_target.c"), "file %s",
		      s[i].file);
	free(s);
	ok(before, "statements of a function");
}

/* ---- the stack ---- */

/* @names: what has to occur, in order; NULL ends it. Names of frames between are free. */
static void check_stack(struct fred_sym *sym, struct target *t, const char *what, bool named,
			const char *const *names, const char *cfa_of)
{
	struct fred_frame f[64];
	uint64_t regs[FRED_NREGS];
	size_t n = 0, i;
	int before = failures;

	get_regs(t, regs);
	check(fred_sym_refresh(sym, t->pid) == 0, "refresh");
	check(fred_sym_unwind(sym, regs, &t->reader, f, 64, &n) == 0 && n > 1, "unwind: %zu frames",
	      n);
	for (i = 0; i < n; i++) {
		uint64_t pc = f[i].pc - !f[i].exact, call;
		struct fred_function fn = { 0 };

		if (fred_sym_function(sym, pc, &fn) == 0 && named && *names && fn.name &&
		    !strcmp(fn.name, *names))
			names++;
		if (getenv("VERBOSE"))
			printf("# %s #%zu pc %" PRIx64 " cfa %" PRIx64 " %s how %d%s\n", what, i,
			       f[i].pc, f[i].cfa, fn.name, f[i].how, f[i].signal ? " signal" : "");
		if (!i || f[i].exact)
			continue;
		if (f[i].pc != f[i - 1].ret)
			check(false, "frame %zu has another pc", i);
		/* the kernel "calls" handlers with a return address of __restore_rt */
		if (!f[i].signal) {
			check(fred_sym_call_before(sym, &t->reader, f[i].pc, &call) == 0 &&
				      call < f[i].pc && call + 8 > f[i].pc,
			      "no call before %" PRIx64, f[i].pc);
		}
	}
	check(n < 20, "%s: %zu frames", what, n);
	check(!named || !*names, "%s: no frame of %s", what, *names);
	check(f[n - 1].how == FRED_FRAME_CFI && !f[n - 1].ret, "%s: doesn't end at _start", what);
	if (cfa_of) {
		uint64_t cfa = fact(t, cfa_of);

		for (i = 0; i < n && f[i].cfa != cfa; i++)
			;
		check(i < n, "%s: no frame with %s %" PRIx64, what, cfa_of, cfa);
	}
	ok(before, what);
}

static void check_recursion(struct fred_sym *sym, struct target *t)
{
	struct fred_frame f[64];
	uint64_t regs[FRED_NREGS];
	struct fred_cfa rule;
	int before = failures;
	size_t n = 0, i;

	get_regs(t, regs);
	check(fred_sym_unwind(sym, regs, &t->reader, f, 64, &n) == 0 && n >= 8, "%zu frames", n);
	for (i = 0; i < 6; i++) {
		char name[32];

		snprintf(name, sizeof(name), "cfa_recursion_%zu", i);
		check(f[i].cfa == fact(t, name), "cfa %zu: %" PRIx64, i, f[i].cfa);
	}
	check(f[6].cfa == fact(t, "cfa_main"), "cfa of main");
	check(fred_sym_cfa(sym, regs[FRED_RIP], &rule) == 0 &&
		      regs[rule.reg] + rule.offset == fact(t, "cfa_recursion_0"),
	      "fred_sym_cfa");
	check(fred_sym_cfa(sym, fact(t, "recursion"), &rule) == 0 && rule.reg == FRED_RSP &&
		      rule.offset == 8,
	      "fred_sym_cfa at an entry");
	check(fred_sym_cfa(sym, 1, &rule) == -ENOENT, "fred_sym_cfa of nothing");
	ok(before, "CFAs of a recursion");
}

/*
 * From "step" to "stepped" one instruction at a time, through the PLT and ld.so's
 * resolver: main's frame is on the stack all the time, each pc is a decoded
 * instruction, and each call is found from its return address.
 */
static void check_steps(struct fred_sym *sym, struct target *t)
{
	uint64_t regs[FRED_NREGS], main_cfa = fact(t, "cfa_main"), call_pc = 0;
	int before = failures, steps = 0, calls = 0, plt = 0;
	double unwinding = 0;

	if (getenv("VERBOSE"))
		run("grep x[p] /proc/%d/maps", t->pid);
	while (steps < 100000 && failures < before + 10) {
		struct fred_function fn = { 0 };
		struct fred_frame f[64];
		struct fred_insn *v = NULL;
		uint64_t ret, at;
		uint8_t byte;
		size_t n = 0, i, k;
		double t0;
		int r;

		get_regs(t, regs);
		t0 = now_us();
		r = fred_sym_unwind(sym, regs, &t->reader, f, 64, &n);
		unwinding += now_us() - t0;
		for (i = 0; r == 0 && i < n && f[i].cfa != main_cfa; i++)
			;
		check(r == 0 && i < n, "step %d: main isn't below %" PRIx64 ", %zu frames", steps,
		      regs[FRED_RIP], n);
		if (call_pc) {
			read_target(t, regs[FRED_RSP], &ret, 8);
			r = fred_sym_call_before(sym, &t->reader, ret, &at);
			check(r == 0 && at == call_pc, "call at %" PRIx64 ", not %" PRIx64, call_pc,
			      at);
			calls++;
			call_pc = 0;
		}
		r = fred_sym_function(sym, regs[FRED_RIP], &fn);
		check(r == 0, "no function at %" PRIx64, regs[FRED_RIP]);
		if (r == 0) {
			plt += fn.source == FRED_FUNCTION_PLT;
			for (k = 0; k + 1 < fn.n_ranges; k++)
				if (regs[FRED_RIP] >= fn.ranges[k].lo &&
				    regs[FRED_RIP] < fn.ranges[k].hi)
					break;
			r = fred_sym_instructions(sym, &t->reader, fn.ranges[k].lo, fn.ranges[k].hi,
						  &v, &n);
			check(r == 0, "instructions: %d", r);
			for (i = 0; r == 0 && i < n && v[i].addr != regs[FRED_RIP]; i++)
				;
			check(r == 0 && i < n, "no instruction at %" PRIx64, regs[FRED_RIP]);
			if (r == 0 && i < n && v[i].kind == FRED_INSN_CALL)
				call_pc = v[i].addr;
			free(v);
		}
		read_target(t, regs[FRED_RIP], &byte, 1);
		if (byte == 0xcc)
			break;
		if (ptrace(PTRACE_SINGLESTEP, t->pid, 0, 0) < 0 || !go(t, -1))
			break;
		steps++;
	}
	check(steps > 50 && calls > 3, "only %d steps, %d calls", steps, calls);
	if (failures == before)
		printf("ok - %s: %d single steps, %d calls, %d in the PLT; %.1f us an unwinding\n",
		       context, steps, calls, plt, unwinding / steps);
}

static void check_calls(struct fred_sym *sym, struct target *t)
{
	static const char *const ends[] = { "odd_calls", "odd_1", "odd_2",  "odd_3",
					    "odd_4",	 "odd_5", "odd_end" };
	struct fred_insn *v = NULL;
	int before = failures;
	uint64_t call;
	size_t n = 0, i;

	for (i = 1; i <= 5; i++)
		check(fred_sym_call_before(sym, &t->reader, fact(t, ends[i]), &call) == 0 &&
			      call == fact(t, ends[i - 1]),
		      "call before %s", ends[i]);
	check(fred_sym_call_before(sym, &t->reader, fact(t, "odd_end"), &call) == -ENOENT,
	      "a mov is no call");
	check(fred_sym_instructions(sym, &t->reader, fact(t, "odd_calls"), fact(t, "odd_end") + 1,
				    &v, &n) == 0 &&
		      n == 7,
	      "%zu instructions", n);
	for (i = 0; i < n; i++)
		check(v[i].kind == (i < 5  ? FRED_INSN_CALL :
				    i == 5 ? FRED_INSN_OTHER :
					     FRED_INSN_RET),
		      "kind of instruction %zu", i);
	check(n == 7 && v[4].target == fact(t, "nocfi") && !v[0].target, "target of a call");
	free(v);
	ok(before, "calls of many encodings");
}

static void check_nowhere(struct fred_sym *sym, struct target *t)
{
	struct fred_frame f[64];
	uint64_t regs[FRED_NREGS];
	int before = failures, sig;
	size_t n = 0;

	while ((sig = go(t, 0)) == SIGTRAP)
		;
	listen_to(t);
	check(sig == SIGSEGV, "signal %d", sig);
	get_regs(t, regs);
	check(fred_sym_unwind(sym, regs, &t->reader, f, 64, &n) == 0 && n >= 3 && f[0].pc == 0 &&
		      f[0].how == FRED_FRAME_ENTRY && f[1].cfa == fact(t, "cfa_jump_nowhere") &&
		      f[2].cfa == fact(t, "cfa_main"),
	      "%zu frames", n);
	ok(before, "a call of NULL");
}

/* ---- a program from start to end ---- */

enum { STRIPPED = 1, NO_LIB = 2, NO_GDB = 4 };

static void check_program(struct fred_sym *sym, const char *path, const char *symbols,
			  unsigned int how)
{
	static const char *const recursion[] = { "recursion", "recursion", "recursion", "recursion",
						 "recursion", "recursion", "main",	NULL };
	static const char *const sorting[] = { "compare", "main", NULL };
	static const char *const signals[] = { "handler", "victim", "main", NULL };
	static const char *const nocfi[] = { "nocfi", "call_nocfi", "main", NULL };
	static const char *const none[] = { NULL };
	struct fred_statement *s;
	struct fred_function fn;
	struct target t;
	char lib[128];
	uint64_t bias, in_main;
	bool named = !(how & STRIPPED);
	size_t n;

	snprintf(lib, sizeof(lib), "%s/symbols_lib.so", dir);
	start(&t, path, how & NO_LIB ? NULL : lib);
	go(&t, -1); /* the exec isn't traced yet: this is the first int3 */
	listen_to(&t);
	check(!strcmp(t.stop, "start"), "the target stops at %s", t.stop);
	check(fred_sym_refresh(sym, t.pid) == 0, "refresh");
	in_main = fact(&t, "main");
	{
		char command[4200];
		FILE *f;
		uint64_t addr = 0;

		snprintf(command, sizeof(command), "nm %s | grep ' T main$'", symbols);
		f = popen(command, "r");
		check(fscanf(f, "%" SCNx64, &addr) == 1, "nm has no main");
		pclose(f);
		bias = in_main - addr;
	}
	check_functions(sym, symbols, bias, !named);
	if (!(how & NO_GDB)) {
		check_statements(sym, symbols, bias, how & NO_LIB ? in_main : 0);
		check_function_statements(sym, fact(&t, "recursion") + 1);
	}
	if (named)
		check_calls(sym, &t);

	if (!go_to(&t, "recursion", false))
		goto out;
	check_recursion(sym, &t);
	check_stack(sym, &t, "stack of a recursion", named, recursion, "cfa_main");
	if (!go_to(&t, "compare", false))
		goto out;
	check_stack(sym, &t, "stack through qsort", named, sorting, "cfa_compare");
	check_stack(sym, &t, "stack through qsort to main", named, sorting, "cfa_main");
	if (!go_to(&t, "sigusr1", false))
		goto out;
	check_stack(sym, &t, "stack in a signal handler", named, signals, "cfa_victim");
	if (!go_to(&t, "sigill", false))
		goto out;
	check_stack(sym, &t, "stack in a handler on another stack", named, signals, "cfa_victim");
	if (!go_to(&t, "step", false))
		goto out;
	check_steps(sym, &t);
	go(&t, -1 + 1); /* over the int3 of "stepped", which nobody has waited for */
	listen_to(&t);	/* "stepped" */
	go(&t, 0);	/* nocfi's */
	if (named)
		check_stack(sym, &t, "stack in code without CFI", named, nocfi, "cfa_main");
	if (!(how & NO_LIB) && go_to(&t, "dlopen", false)) {
		size_t before_n = 0;
		int before = failures;

		check(fred_sym_user_statements(sym, 0, &s, &before_n) == 0, "statements");
		free(s);
		check(fred_sym_refresh(sym, t.pid) == 0, "refresh");
		check(fred_sym_user_statements(sym, 0, &s, &n) == 0 && n > before_n,
		      "no statements of the library: %zu, %zu", before_n, n);
		free(s);
		check(fred_sym_function(sym, fact(&t, "lib_twice") + 3, &fn) == 0 &&
			      !strcmp(fn.name, "lib_twice") && fn.entry == fact(&t, "lib_twice"),
		      "function of a library");
		go(&t, 0);
		check_stack(sym, &t, "stack in a library", false, none, "cfa_main");
		ok(before, "dlopen");
	}
	check_nowhere(sym, &t);
out:
	end(&t);
}

static void build(const char *name, const char *flags, const char *compiler)
{
	if (run("cd %s && %s -std=gnu11 -D_GNU_SOURCE -w -g %s -o %s/%s symbols_target.c -ldl "
		"2>%s/log",
		source, compiler, flags, dir, name, dir)) {
		run("cat %s/log", dir);
		exit(2);
	}
}

static void check_variants(struct fred_sym *sym)
{
	static const struct {
		const char *name, *compiler, *flags;
		unsigned int how;
	} variants[] = {
		{ "pie-O0", "gcc", "-O0 -pie -fPIE", 0 },
		{ "nopie-O2", "gcc", "-O2 -no-pie -fno-pie", 0 },
		{ "pie-O2-lazy-plt", "gcc", "-O2 -fPIE -pie -Wl,-z,lazy -fcf-protection=full", 0 },
		{ "static-O2", "gcc", "-O2 -static -no-pie", NO_LIB },
		{ "static-pie-O0", "gcc", "-O0 -static-pie", NO_LIB },
		{ "dwarf4-Og", "gcc", "-Og -gdwarf-4 -fno-omit-frame-pointer", 0 },
		{ "split-dwarf", "gcc", "-O0 -gsplit-dwarf", NO_GDB },
		{ "compressed", "gcc", "-O1 -gz=zlib", 0 },
		{ "O3-sections-gc", "gcc", "-O3 -ffunction-sections -Wl,--gc-sections", 0 },
		{ "clang-O0", "clang", "-O0", 0 },
	};
	char path[128];
	size_t i;

	for (i = 0; i < sizeof(variants) / sizeof(*variants); i++) {
		context = variants[i].name;
		if (run("command -v %s >/dev/null", variants[i].compiler)) {
			printf("skip - %s: no %s\n", context, variants[i].compiler);
			continue;
		}
		build(context, variants[i].flags, variants[i].compiler);
		snprintf(path, sizeof(path), "%s/%s", dir, context);
		check_program(sym, path, path, variants[i].how);
	}
}

static void check_stripped(struct fred_sym *sym)
{
	char path[128], full[128];

	snprintf(full, sizeof(full), "%s/nopie-O2", dir);
	context = "stripped";
	snprintf(path, sizeof(path), "%s/stripped", dir);
	run("strip -o %s %s", path, full);
	check_program(sym, path, full, STRIPPED | NO_GDB);

	context = "no DWARF";
	snprintf(path, sizeof(path), "%s/nodwarf", dir);
	run("strip -g -o %s %s", path, full);
	check_program(sym, path, full, NO_GDB);

	context = "debuglink";
	snprintf(path, sizeof(path), "%s/linked", dir);
	run("cd %s && objcopy --only-keep-debug nopie-O2 linked.debug && strip -o linked nopie-O2 && "
	    "objcopy --add-gnu-debuglink=linked.debug linked",
	    dir);
	check_program(sym, path, full, 0);
}

/* ---- files that go away, the vdso, this very process ---- */

static void check_deleted(struct fred_sym *sym)
{
	char path[128];
	struct fred_function fn;
	struct target t;
	int before = failures;

	context = "deleted";
	snprintf(path, sizeof(path), "%s/gone", dir);
	run("cp %s/pie-O0 %s", dir, path);
	start(&t, path, NULL);
	go(&t, -1);
	listen_to(&t);
	unlink(path);
	check(fred_sym_refresh(sym, t.pid) == 0, "refresh");
	check(fred_sym_function(sym, fact(&t, "recursion"), &fn) == 0 && fn.name &&
		      !strcmp(fn.name, "recursion"),
	      "function of a deleted file");
	end(&t);
	check(fred_sym_refresh(sym, t.pid) < 0, "refresh of an ended process");
	ok(before, "a deleted file");
}

static int read_self(void *ctx, uint64_t addr, void *buf, size_t len)
{
	(void)ctx;
	memcpy(buf, (void *)(uintptr_t)addr, len);
	return 0;
}

static int vdso_symbol(struct fred_sym *sym)
{
	char line[512];
	FILE *f = fopen("/proc/self/maps", "r");
	uint64_t lo, hi, pc;
	int named = 0;

	while (fgets(line, sizeof(line), f)) {
		if (!strstr(line, "[vdso]") || sscanf(line, "%" SCNx64 "-%" SCNx64, &lo, &hi) != 2)
			continue;
		for (pc = lo; pc < hi; pc += 16) {
			struct fred_function fn;

			named += fred_sym_function(sym, pc, &fn) == 0 && fn.name &&
				 strstr(fn.name, "gettimeofday");
		}
	}
	fclose(f);
	return named;
}

static void check_self(struct fred_sym *sym)
{
	const struct fred_sym_reader reader = { read_self, NULL };
	struct fred_function fn;
	struct fred_insn *v;
	struct fred_cfa cfa;
	uint64_t pc, call;
	int before = failures;
	char path[64];
	size_t n;
	Dl_info info;

	context = "self";
	check(fred_sym_refresh(sym, getpid()) == 0, "refresh");
	pc = (uintptr_t)__builtin_return_address(0);
	check(fred_sym_function(sym, pc, &fn) == 0 && !strcmp(fn.name, "main"), "function");
	check(fred_sym_call_before(sym, &reader, pc, &call) == 0 && call + 5 == pc, "call before");
	check(fred_sym_function(sym, 0, &fn) == -ENOENT, "function at 0");
	check(fred_sym_call_before(sym, &reader, (uintptr_t)check_self + 4, &call) == -ENOENT,
	      "no call before");
	check(fred_sym_instructions(sym, &reader, pc, pc, &v, &n) == -EINVAL, "empty range");
	check(fred_sym_cfa(sym, (uintptr_t)dir, &cfa) == -ENOENT, "CFA of data");
	check(vdso_symbol(sym) > 0, "no gettimeofday in the vdso");
	ok(before, "this process");
	dladdr((void *)check_self, &info);
	snprintf(path, sizeof(path), "/proc/%d/exe", getpid());
	check_statements(sym, path, (uintptr_t)info.dli_fbase, (uintptr_t)check_self);
	check_functions(sym, path, (uintptr_t)info.dli_fbase, false);
}

static void check_rebuilt(struct fred_sym *sym)
{
	char path[128], other[128];
	struct fred_function fn;
	struct target t;
	int before = failures, i;

	context = "rebuilt";
	snprintf(path, sizeof(path), "%s/again", dir);
	for (i = 0; i < 4; i++) {
		snprintf(other, sizeof(other), "%s/%s", dir, i % 2 ? "pie-O0" : "nopie-O2");
		run("cp %s %s", other, path);
		start(&t, path, NULL);
		go(&t, -1);
		listen_to(&t);
		check(fred_sym_refresh(sym, t.pid) == 0, "refresh");
		check(fred_sym_function(sym, fact(&t, "recursion"), &fn) == 0 &&
			      !strcmp(fn.name, "recursion") && fn.entry == fact(&t, "recursion"),
		      "function");
		end(&t);
	}
	ok(before, "a program rebuilt in place");
}

/* ---- times ---- */

static void measure(struct fred_sym *sym)
{
	char path[128];
	struct fred_statement *s = NULL;
	struct fred_function fn;
	struct fred_cfa cfa;
	struct target t;
	FILE *f;
#ifdef __SANITIZE_ADDRESS__
	const double slack = 20;
#else
	const double slack = 2;
#endif
	double t0, t1;
	uint64_t pc;
	size_t n = 0;
	int i;

	context = "perf";
	snprintf(path, sizeof(path), "%s/big.c", dir);
	f = fopen(path, "w");
	fprintf(f, "volatile int x;\nlong ptrace();\n");
	for (i = 0; i < 2000; i++) {
		fprintf(f, "int f%d(int a)\n{\n", i);
		for (int k = 0; k < 50; k++)
			fprintf(f, "\tx += a * %d;\n", k);
		fprintf(f, "\treturn x;\n}\n");
	}
	fprintf(f,
		"int main(void)\n{\n\tptrace(0, 0, 0, 0);\n\t__asm__ volatile(\"int3\");\n\treturn f1(1);\n}\n");
	fclose(f);
	snprintf(path, sizeof(path), "%s/big", dir);
	if (run("gcc -g -O0 -o %s %s.c", path, path))
		exit(2);
	start(&t, path, NULL);
	if (go(&t, -1) != SIGTRAP) {
		check(false, "the target doesn't stop");
		end(&t);
		return;
	}
	t0 = now_us();
	check(fred_sym_refresh(sym, t.pid) == 0, "refresh");
	printf("# first refresh %.0f us\n", now_us() - t0);
	t0 = now_us();
	for (i = 0; i < 1000; i++)
		check(fred_sym_refresh(sym, t.pid) == 0, "refresh");
	printf("# refresh, nothing changed %.1f us\n", (now_us() - t0) / 1000);
	t0 = now_us();
	check(fred_sym_user_statements(sym, 0, &s, &n) == 0, "statements");
	t1 = now_us() - t0;
	printf("# first %zu user statements %.1f ms\n", n, t1 / 1000);
	/* 300 ms for 100,000, and 5 ms again; a loaded machine or a sanitizer gets more */
	check(n > 100000 && t1 * 100000 / n < 300000 * slack, "too slow");
	pc = n ? s[n / 2].addr : 0;
	free(s);
	t0 = now_us();
	check(fred_sym_user_statements(sym, 0, &s, &n) == 0, "statements");
	t1 = now_us() - t0;
	printf("# again %.2f ms\n", t1 / 1000);
	check(t1 * 100000 / n < 5000 * slack, "too slow");
	t0 = now_us();
	check(fred_sym_function(sym, pc, &fn) == 0, "function");
	printf("# first function of the unit %.0f us\n", now_us() - t0);
	t0 = now_us();
	for (i = 0; i < 1000; i++)
		check(fred_sym_function(sym, s[(size_t)i * 97 % n].addr, &fn) == 0, "function");
	printf("# function %.2f us\n", (now_us() - t0) / 1000);
	free(s);
	t0 = now_us();
	for (i = 0; i < 1000; i++) {
		check(fred_sym_statements(sym, &fn, &s, &n) == 0, "statements");
		free(s);
	}
	printf("# statements of a function (%zu) %.2f us\n", n, (now_us() - t0) / 1000);
	t0 = now_us();
	for (i = 0; i < 1000; i++)
		check(fred_sym_cfa(sym, fn.entry + i % 64, &cfa) == 0, "cfa");
	printf("# cfa %.2f us\n", (now_us() - t0) / 1000);
	end(&t);
	ok(0, "times");
}

int main(int argc, char **argv)
{
	struct fred_sym *sym;

	snprintf(source, sizeof(source), "%s", __FILE__);
	if (!realpath(dirname(source), source))
		snprintf(source, sizeof(source), "tests/unit");
	if (getenv("SYMBOLS_SOURCE"))
		snprintf(source, sizeof(source), "%s", getenv("SYMBOLS_SOURCE"));
	if (!mkdtemp(dir) || fred_sym_create(&sym) < 0)
		return 2;
	if (argc < 2 || strcmp(argv[1], "perf")) {
		if (run("cd %s && gcc -g -shared -fPIC -o %s/symbols_lib.so symbols_lib.c", source,
			dir))
			return 2;
		check_self(sym);
		check_variants(sym);
		check_stripped(sym);
		check_deleted(sym);
		check_rebuilt(sym);
	}
	measure(sym);
	fred_sym_destroy(sym);
	run("rm -rf %s", dir);
	printf("%s - %d checks, %d failed\n", failures ? "not ok" : "ok", checks, failures);
	return failures != 0;
}
