/* Optimized: inlined functions, lines out of order.   cc: -O2 */
#include <stdio.h>
#include <stdlib.h>

int table[16];

static inline int mix(int a, int b)
{
	a ^= b << 3;		/* MARK mix */
	return a * 7 + b;
}

__attribute__((noinline)) int fill(int seed)
{
	int sum = 0;
	for (int i = 0; i < 16; i++) {
		table[i] = mix(seed, i);	/* MARK fill */
		sum += table[i];
	}
	return sum;
}

int main(int argc, char **argv)
{
	int seed = argc > 1 ? atoi(argv[1]) : 3;
	int a = fill(seed);	/* MARK call */
	int b = fill(a);	/* MARK again */
	printf("%d %d\n", a, b);
	return 0;
}
