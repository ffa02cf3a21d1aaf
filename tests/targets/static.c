/* No dynamic loader.   cc: -static */
#include <stdio.h>

int n;

int next(int x) { return x + 3; }	/* MARK next */

int main(void)
{
	for (int i = 0; i < 4; i++)
		n = next(n);	/* MARK call */
	printf("%d\n", n);	/* MARK print */
	return 0;
}
