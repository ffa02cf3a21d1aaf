/* Lines that are a call and nothing else, without arguments: their first instruction is the call. */
#include <stdio.h>

static int n;

static void inner(void)
{
	n++;			/* MARK inner */
}				/* MARK inner-end */

static void outer(void)
{
	n += 2;			/* MARK outer */
	inner();		/* MARK one */
	inner();		/* MARK two */
}				/* MARK outer-end */

int main(void)
{
	n = 1;			/* MARK first */
	inner();		/* MARK before */
	outer();		/* MARK call */
	n *= 2;			/* MARK behind */
	printf("%d\n", n);	/* MARK print */
	return 0;
}
