/* Rewrites MEGABYTES (64) again and again, ROUNDS times: all words are the same, `turn`, but in the middle of a round. */
#include <stdio.h>
#include <stdlib.h>

static long *memory;
static size_t words;
static volatile long turn, changed;

static void rewrite(long value)
{
	for (size_t i = 0; i < words; i++)
		memory[i] = value;
	turn = value;			/* MARK turn */
}

static void done(void)
{
	printf("%ld %ld\n", memory[words - 1], changed);	/* MARK done */
}

int main(int argc, char **argv)
{
	long rounds = argc > 1 ? atol(argv[1]) : 100;

	words = (size_t)(argc > 2 ? atoi(argv[2]) : 64) << 17;
	memory = calloc(words, sizeof(*memory));
	for (long i = 1; i <= rounds; i++)
		rewrite(i);
	done();
	return 0;
}
