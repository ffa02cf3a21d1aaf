/* SIGSEGV handled on a stack of its own, left by siglongjmp. */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

int faults, round_;
static sigjmp_buf back;

static void on_segv(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)context;
	faults += info->si_addr == (void *)16;	/* MARK handler */
	siglongjmp(back, round_ + 1);
}

static void touch(volatile int *p)
{
	*p = 1;			/* MARK touch */
}

int main(void)
{
	stack_t st = { .ss_sp = malloc(65536), .ss_size = 65536 };
	struct sigaction sa = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	sigaltstack(&st, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	for (round_ = 0; round_ < 3; round_++)
		if (!sigsetjmp(back, 1))	/* MARK set */
			touch((int *)16);
		else
			faults += 10;		/* MARK caught */
	printf("%d\n", faults);		/* MARK print */
	return 0;
}
