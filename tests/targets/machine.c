/* An interpreter: a switch with short cases, and a small function called from it very often.   cc: -O2 */
#include <stdio.h>
#include <stdlib.h>

enum { ADD, SUB, XOR, SHIFT, CALL, BACK, STOP };

static const unsigned char code[] = { ADD, XOR, CALL, SUB, SHIFT, CALL, BACK, STOP };
unsigned long acc, rounds;

__attribute__((noinline)) unsigned long mix(unsigned long x)
{
	return x ^ x >> 7;
}

__attribute__((noinline)) void stop(void)
{
	printf("%lu\n", acc); /* MARK stop */
}

__attribute__((noinline)) void run(unsigned long left)
{
	const unsigned char *pc = code;
	unsigned long a = 1;

	for (;;) {
		switch (*pc++) {
		case ADD:
			a += left;
			break;
		case SUB:
			a -= 3;
			break;
		case XOR:
			a ^= left;
			break;
		case SHIFT:
			a <<= 1;
			break;
		case CALL:
			a = mix(a);
			break;
		case BACK:
			rounds++;
			if (--left)
				pc = code;
			break;
		case STOP:
			acc = a;
			stop();
			return;
		}
	}
}

int main(int argc, char **argv)
{
	run(argc > 1 ? strtoul(argv[1], NULL, 0) : 300000);
	return 0;
}
