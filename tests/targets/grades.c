/* A function that is called very often, for conditions on what it is called with. */
#include <stdio.h>

struct pair {
	short a;
	unsigned char b;
	long *p;
};

static long total = -5;
static unsigned int bits;
static struct pair pair;

static int twice(int n)
{
	return 2 * n;
}

static void grade(int n, unsigned char c, struct pair *q)
{
	long square = (long)n * n;

	total += n % 7; /* MARK grade */
	bits = bits * 3 + c;
	q->a = (short)(100 - n);
	q->b = c;
	q->p = n % 2 ? &total : &square;
}

int main(void)
{
	for (int n = 0; n < 2000; n++)
		grade(n, (unsigned char)(n * 37), &pair);
	printf("%ld %u %d\n", total, bits, twice(3)); /* MARK end */
	return 0;
}
