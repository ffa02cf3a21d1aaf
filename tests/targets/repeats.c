/* String instructions that repeat: few times, and very often. */
#include <string.h>

char a[1 << 20], b[1 << 20];
unsigned long sum;

void fill(void *p, int c, unsigned long n)
{
	asm volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(c) : "memory");
	sum++;		/* MARK filled */
}

void copy(void *to, void *from, unsigned long n)
{
	asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	sum++;
}

unsigned long length(const char *s)
{
	unsigned long n = -1ul;

	asm volatile("repne scasb" : "+D"(s), "+c"(n) : "a"(0) : "memory", "cc");
	return ~n - 1;
}

int main(void)
{
	for (int i = 1; i < 4; i++) {
		fill(a, i, 5);
		copy(b, a, 6);
		sum += length(b);
	}
	fill(a, 7, sizeof(a) - 1);
	copy(b, a, sizeof(a) / 8);
	sum += length(b);
	return 0;	/* MARK last */
}
