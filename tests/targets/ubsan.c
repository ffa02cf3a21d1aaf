/* Overflows. cc: -fsanitize=undefined */
#include <limits.h>
#include <stdio.h>

static int total;

int main(void)
{
	for (int i = 0; i < 6; i++) {
		total += INT_MAX / 4;	/* MARK add */
		printf("%d\n", i);
	}
	return 0;
}
