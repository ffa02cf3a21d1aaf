/* A callback called by the C library, and calls through a table. */
#include <stdlib.h>

int data[] = { 5, 3, 9, 1 };
int compared;

static int compare(const void *a, const void *b)
{
	compared++;				/* MARK compare */
	return *(const int *)a - *(const int *)b;
}

static int twice(int x) { return 2 * x; }	/* MARK twice */
static int square(int x) { return x * x; }	/* MARK square */
static int (*const table[])(int) = { twice, square };

int main(void)
{
	qsort(data, 4, sizeof data[0], compare);	/* MARK sort */
	int r = 0;				/* MARK sorted */
	for (int i = 0; i < 4; i++)
		r += table[i % 2](data[i]);	/* MARK table */
	return r;				/* MARK last */
}
