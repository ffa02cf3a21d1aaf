/* longjmp out of three calls, twice. */
#include <setjmp.h>

static jmp_buf back;
int tries;

void deep(int n)
{
	if (n < 0)
		return;
	if (n > 0)
		deep(n - 1);
	else
		longjmp(back, 1);	/* MARK longjmp */
}

int main(void)
{
	volatile int got = 0;		/* MARK first */
	if (setjmp(back))		/* MARK setjmp */
		got += 10;		/* MARK returned */
	tries++;			/* MARK tries */
	if (tries < 3)
		deep(tries);		/* MARK call */
	return got;			/* MARK last */
}
