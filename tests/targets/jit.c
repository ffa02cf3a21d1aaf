/* Writes code and runs it, each time other code at the same place; some of it faults. */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const unsigned char load[] = { 0x8b, 0x07, 0xc3 };		/* mov (%rdi),%eax; ret */
static const unsigned char twice[] = { 0x8b, 0x07, 0x01, 0xc0, 0xc3 };	/* mov (%rdi),%eax; add %eax,%eax; ret */
static sigjmp_buf back;
int sum, faults;

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(back, 1);
}

static int run(unsigned char *at, const unsigned char *code, size_t len, int *arg)
{
	memcpy(at, code, len);
	return ((int (*)(int *))at)(arg);	/* MARK run */
}

int main(void)
{
	unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	signal(SIGSEGV, on_fault);
	for (volatile int i = 0; i < 6; i++) {
		if (sigsetjmp(back, 1))
			faults++;	/* MARK fault */
		else if (i & 1)
			sum += run(code + 16, twice, sizeof(twice), i == 3 ? NULL : (int *)&i);
		else
			sum += run(code + 16, load, sizeof(load), i == 4 ? NULL : (int *)&i);
		if (i == 2)
			getppid();
	}
	printf("%d %d\n", sum, faults);		/* MARK last */
	return 0;
}
