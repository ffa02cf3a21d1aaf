/* Rewrites MEGABYTES (64) again and again, ROUNDS times and at least SECONDS (0) long: all words are the same, `turn`,
 * but in the middle of a round. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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
	time_t end = argc > 3 ? time(NULL) + atoi(argv[3]) : 0;

	words = (size_t)(argc > 2 ? atoi(argv[2]) : 64) << 17;
	memory = calloc(words, sizeof(*memory));
	for (long i = 1; i <= rounds || time(NULL) < end; i++)
		rewrite(i);
	done();
	return 0;
}
