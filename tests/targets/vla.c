/* Arrays whose size is known late. */
#include <alloca.h>

int total;

static int fill(int n)
{
	int array[n];			/* MARK vla */
	char *extra = alloca(n * 16);	/* MARK alloca */
	for (int i = 0; i < n; i++) {
		array[i] = i * n;	/* MARK fill */
		extra[i] = (char)i;
	}
	int sum = 0;
	for (int i = 0; i < n; i++)
		sum += array[i] + extra[i];	/* MARK sum */
	return sum;
}

int main(void)
{
	for (int n = 1; n < 4; n++)
		total += fill(n);	/* MARK call */
	return total;			/* MARK last */
}
