/* A function that is entered amid its code, never at its beginning.   cc: -O2 -fno-inline */
#include <stdio.h>

int n;
void side(void);

void whole(void)
{
	n = 1000;
	__asm__ volatile("midst:" ::: "memory");
	n += 1; /* MARK one */
	__asm__ volatile("" ::: "memory");
	n += 2; /* MARK two */
	__asm__ volatile("" ::: "memory"); /* MARK return */
}

__asm__("side: jmp midst");

int main(void)
{
	side(); /* MARK first */
	n += 10; /* MARK between */
	side(); /* MARK second */
	printf("%d\n", n); /* MARK print */
	return 0;
}
