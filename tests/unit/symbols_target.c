/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * symbols_target.c - the program that symbols_test.c looks at
 *
 * It is stopped by int3 at places that it announces, with what it knows of
 * itself, as "name hex" lines on file descriptor 3.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <ucontext.h>
#include <unistd.h>

#define STOP(what)                             \
	do {                                   \
		dprintf(3, "stop %s\n", what); \
		__asm__ volatile("int3");      \
	} while (0)
#define KEEP __attribute__((noinline, noclone, noipa))

/* Without CFI: one with a frame pointer; and calls of several encodings. */
__asm__(".text\n"
	".globl nocfi, nocfi_end, odd_calls, odd_1, odd_2, odd_3, odd_4, odd_5, odd_end\n"
	".type nocfi, @function\n"
	"nocfi: push %rbp\n mov %rsp, %rbp\n sub $32, %rsp\n int3\n leave\n ret\n"
	"nocfi_end: .size nocfi, . - nocfi\n"
	".type odd_calls, @function\n"
	"odd_calls: call *%rax\n"
	"odd_1: call *%r8\n"
	"odd_2: call *8(%r12,%rbx,4)\n"
	"odd_3: .byte 0x3e, 0xff, 0xd1\n"
	"odd_4: .byte 0x67\n call nocfi\n"
	"odd_5: mov $0x12345678, %eax\n"
	"odd_end: ret\n"
	".size odd_calls, . - odd_calls\n");
extern char nocfi[], nocfi_end[], odd_calls[], odd_1[], odd_2[], odd_3[], odd_4[], odd_5[],
	odd_end[];
void call_nocfi(void);
__asm__(".type call_nocfi, @function\n.globl call_nocfi\n"
	"call_nocfi: .cfi_startproc\n sub $8, %rsp\n .cfi_adjust_cfa_offset 8\n"
	"call nocfi\n add $8, %rsp\n .cfi_adjust_cfa_offset -8\n ret\n .cfi_endproc\n"
	".size call_nocfi, . - call_nocfi\n");

volatile int sink;
static volatile int one = 1;
int recursion(int depth);
int with_cold(int x);
int compare(const void *a, const void *b);
int stepped(const char *s);
void victim(void);
void handler(int sig, siginfo_t *si, void *uc);
void jump_nowhere(void);
__attribute__((cold)) void unlikely(int x);

static void say(const char *name, const void *value)
{
	dprintf(3, "%s %llx\n", name, (unsigned long long)(uintptr_t)value);
}

KEEP int recursion(int depth)
{
	char name[32];
	int r;

	snprintf(name, sizeof(name), "cfa_recursion_%d", depth);
	say(name, __builtin_dwarf_cfa());
	if (depth == 0) {
		STOP("recursion");
		return 1;
	}
	r = recursion(depth - 1) + depth;
	sink += r;
	return r;
}

KEEP void unlikely(int x)
{
	sink += x;
}

KEEP int with_cold(int x)
{
	int i;

	for (i = 0; i < x; i++)
		sink += i;
	if (__builtin_expect(x > 100, 0)) {
		unlikely(x);
		sink *= 3;
		unlikely(x + sink);
		abort();
	}
	return sink;
}

KEEP int compare(const void *a, const void *b)
{
	static int calls;

	if (calls++ == 3) {
		say("cfa_compare", __builtin_dwarf_cfa());
		STOP("compare");
	}
	return *(const int *)a - *(const int *)b;
}

KEEP int stepped(const char *s)
{
	char *copy, *end;
	int n;

	copy = strdup(s);
	n = strtol(copy, &end, 10) + with_cold(3);
	free(copy);
	return n;
}

KEEP void handler(int sig, siginfo_t *si, void *arg)
{
	ucontext_t *uc = arg;

	(void)si;
	STOP(sig == SIGILL ? "sigill" : "sigusr1");
	if (sig == SIGILL)
		uc->uc_mcontext.gregs[REG_RIP] += 2;
}

KEEP void victim(void)
{
	say("cfa_victim", __builtin_dwarf_cfa());
	raise(SIGUSR1);
	__asm__ volatile(".globl ud_here\nud_here: ud2");
	sink++;
}
extern char ud_here[];

KEEP void jump_nowhere(void)
{
	void (*volatile f)(void) = NULL;

	say("cfa_jump_nowhere", __builtin_dwarf_cfa());
	dprintf(3, "stop nowhere\n");
	f();
	sink++;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	int v[] = { 5, 3, 9, 1, 7, 2 };
	static char altstack[65536];
	stack_t ss = { .ss_sp = altstack, .ss_size = sizeof(altstack) };

	ptrace(PTRACE_TRACEME, 0, 0, 0);
	say("main", main);
	say("cfa_main", __builtin_dwarf_cfa());
	say("recursion", recursion);
	say("ud_here", ud_here);
	say("nocfi", nocfi);
	say("nocfi_end", nocfi_end);
	say("odd_calls", odd_calls);
	say("odd_1", odd_1);
	say("odd_2", odd_2);
	say("odd_3", odd_3);
	say("odd_4", odd_4);
	say("odd_5", odd_5);
	say("odd_end", odd_end);
	STOP("start");
	recursion(5);
	qsort(v, 6, sizeof(*v), compare);
	sigaction(SIGUSR1, &sa, NULL);
	sigaltstack(&ss, NULL);
	sa.sa_flags |= SA_ONSTACK;
	sigaction(SIGILL, &sa, NULL);
	victim();
	STOP("step");
	sink += stepped("1234 five");
	STOP("stepped");
	call_nocfi();
	if (argc > 1) {
		void *h = dlopen(argv[1], RTLD_NOW);
		int (*twice)(int) = h ? (int (*)(int))dlsym(h, "lib_twice") : NULL;

		if (twice) {
			say("lib_twice", twice);
			STOP("dlopen");
			sink += twice(one);
		}
	}
	jump_nowhere();
	return 0;
}
