/* Calls that nest, a loop and recursion. */
#include <stdio.h>

int total;
int depth;

int leaf(int x)
{
	total += x;		/* MARK leaf */
	return total * 2;
}

int mid(int x)
{
	int a = leaf(x);	/* MARK mid */
	int b = leaf(a % 5);
	return a + b;
}

int fact(int n)
{
	if (n < 2)		/* MARK fact */
		return 1;	/* MARK base */
	return n * fact(n - 1);
}

int main(void)
{
	int sum = 0;		/* MARK first */
	for (int i = 0; i < 4; i++)
		sum += mid(i);	/* MARK call */
	int f = fact(5);	/* MARK fact-call */
	printf("%d %d\n", sum, f);	/* MARK print */
	return sum > 1000;	/* MARK last */
}
