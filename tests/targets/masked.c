/* Computes with all signals blocked, and asks which are. */
#include <signal.h>
#include <stdio.h>

sigset_t all, former, now;
int sum;

int main(void)
{
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &former);
	for (int i = 0; i < 5; i++)
		sum += i;	/* MARK blocked */
	sigprocmask(SIG_SETMASK, &former, &now);
	printf("%d %d\n", sum, sigismember(&now, SIGTRAP));	/* MARK asked */
	return 0;
}
