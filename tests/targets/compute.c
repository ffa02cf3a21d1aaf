/* Some seconds of computing, then a few plain lines. */
#include <stdio.h>
#include <stdlib.h>

unsigned long state = 1;
long rounds;

static unsigned long churn(unsigned long x)
{
	x ^= x << 13;		/* MARK churn */
	x ^= x >> 7;
	return x ^ x << 17;
}

int tail(int x)
{
	int y = x + 1;		/* MARK tail */
	return y * 2;
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 800000000L;
	for (rounds = 0; rounds < n; rounds++)
		state = churn(state);	/* MARK work */
	int a = 1;		/* MARK after */
	a = tail(a);		/* MARK call */
	a = tail(a + 1);	/* MARK again */
	a += 3;			/* MARK plain */
	printf("%lu %d\n", state, a);	/* MARK print */
	return 0;
}

/* For a debugger to call: 0, after a while. */
int slow(void)
{
	volatile int k = 0;

	while (k < 50000000)
		k++;
	return k - 50000000;
}
