/*
 * A picture viewer's decoder: rows of run-length encoded pixels ("5a3b" is aaaaabbb) are expanded into
 * a buffer on the stack. The length is checked before a run, not within it: one row in thousands is
 * longer than the buffer, overwrites the return address of its caller, and the program crashes at the
 * end of a function that did nothing wrong.
 *
 * usage: smash [ROWS]	(default 5000)
 */
#include <stdio.h>
#include <stdlib.h>

enum { WIDTH = 64, ENCODED = 320 };

/* With a stack protector the program would end in __stack_chk_fail: a better message, the same bug. */
#if defined(__has_attribute)
#if __has_attribute(no_stack_protector)
#define UNPROTECTED __attribute__((no_stack_protector))
#endif
#endif
#ifndef UNPROTECTED
#define UNPROTECTED
#endif

static long row_number;
static unsigned long checksum;

static unsigned int random_number(void)
{
	static unsigned int seed = 5;

	seed = seed * 1103515245u + 12345u;
	return seed >> 16;
}

/* Writes a row as an encoder would; most rows are shorter than WIDTH pixels. */
static void make_row(char *encoded)
{
	int pixels = 0;

	while (pixels < WIDTH - 8) {
		int run = 1 + random_number() % 6;

		/* A broken encoder: one run in thousands is far too long. */
		if (random_number() % 32768 == 0)
			run = 95;
		encoded += sprintf(encoded, "%d%c", run, 'a' + random_number() % 26);
		pixels += run;
	}
}

static int expand(char *pixels, const char *encoded)
{
	int n = 0;

	while (*encoded && n < WIDTH) {
		char *colour;
		long run = strtol(encoded, &colour, 10);

		while (run-- > 0)
			pixels[n++] = *colour;
		encoded = colour + 1;
	}
	return n;
}

UNPROTECTED static void show_row(const char *encoded)
{
	char pixels[WIDTH];
	int n = expand(pixels, encoded);

	for (int i = 0; i < n && i < WIDTH; i++)
		checksum = checksum * 31 + (unsigned char)pixels[i];
}

int main(int argc, char **argv)
{
	long rows = argc > 1 ? atol(argv[1]) : 5000;
	char encoded[ENCODED];

	while (row_number < rows) {
		row_number++;
		make_row(encoded);
		show_row(encoded);
	}
	printf("%ld rows, checksum %016lx\n", row_number, checksum);
	return 0;
}
