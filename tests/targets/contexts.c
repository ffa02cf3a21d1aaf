/* Stacks of its own: makecontext, handlers on alternate stacks left by siglongjmp; interval timers; dlopen; itself by exec.   cc: -D_GNU_SOURCE -ldl */
#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

unsigned long sum;
int round_;
volatile int ticks;
ucontext_t back, co[3];
char stacks[3][65536], alt[65536];
sigjmp_buf out;

void mark(void)
{
	round_++;	/* MARK mark */
}

void coroutine(int n)
{
	for (int i = 0; i < 5; i++) {
		sum = sum * 31 + (unsigned long)(n * 100 + i);
		swapcontext(&co[n], n == 2 ? &back : &co[n + 1]);
	}
}

void contexts(void)
{
	for (int n = 0; n < 3; n++) {
		getcontext(&co[n]);
		co[n].uc_stack.ss_sp = stacks[n];
		co[n].uc_stack.ss_size = sizeof(stacks[n]);
		co[n].uc_link = &back;
		makecontext(&co[n], (void (*)(void))coroutine, 1, n);
	}
	for (int i = 0; i < 5; i++) {
		swapcontext(&back, &co[0]);
		mark();
	}
}

void on_segv(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)uc;
	sum = sum * 31 + (unsigned long)si->si_addr;
	siglongjmp(out, 1);
}

void faults(void)
{
	struct sigaction sa = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) };

	sigaltstack(&ss, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	for (volatile int i = 0; i < 5; i++) {
		if (!sigsetjmp(out, 1))
			*(volatile char *)(long)(i * 16 + 1) = 1;
		mark();
	}
}

/* A handler that repairs what it was called for. */
char *page;

void on_write(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)uc;
	mprotect((void *)((unsigned long)si->si_addr & ~4095ul), 4096, PROT_READ | PROT_WRITE);
	sum++;
}

void barriers(void)
{
	struct sigaction sa = { .sa_sigaction = on_write, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, NULL);
	page = mmap(NULL, 8 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 8; i++)
		page[i * 4096 + i] = (char)i;
	mark();
	munmap(page, 8 * 4096);
}

void on_alarm(int sig)
{
	(void)sig;
	ticks++;
}

void timers(void)
{
	struct itimerval it = { { 0, 2000 }, { 0, 2000 } }, no = { 0 };
	unsigned long x = 1;

	signal(SIGALRM, on_alarm);
	signal(SIGVTALRM, on_alarm);
	setitimer(ITIMER_REAL, &it, NULL);
	while (ticks < 5)
		x = x * 6364136223846793005ul + 1;
	setitimer(ITIMER_REAL, &no, NULL);
	mark();
	setitimer(ITIMER_VIRTUAL, &it, NULL);
	while (ticks < 8)
		x = x * 6364136223846793005ul + 1;
	setitimer(ITIMER_VIRTUAL, &no, NULL);
	sum += x;
	mark();
}

void libraries(void)
{
	for (int i = 0; i < 3; i++) {
		void *lib = dlopen("libm.so.6", RTLD_NOW);
		double (*f)(double) = lib ? (double (*)(double))dlsym(lib, "cos") : NULL;

		sum += f ? (unsigned long)(f(i) * 1000) : 1;
		mark();
		if (lib)
			dlclose(lib);
	}
}

int main(int argc, char **argv)
{
	(void)argc;
	contexts();
	faults();
	barriers();
	timers();
#ifndef NO_LIBRARIES
	libraries();
#endif
	printf("%lu %d\n", sum, round_);
	fflush(stdout);
	if (!getenv("AGAIN")) {
		setenv("AGAIN", "1", 1);
		execv(argv[0], argv);
	}
	return 0;
}
