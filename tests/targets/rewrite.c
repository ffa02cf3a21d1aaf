/* Rewrites MEGABYTES (64) again and again, ROUNDS times and at least SECONDS (0) long: all words are the same, `turn`,
 * but in the middle of a round. With a fourth argument each round gets new memory for it, in huge pages. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>

static long *memory;
static size_t words;
static volatile long turn, changed;
static int anew;

static void renew(void)
{
	if (memory)
		munmap(memory, words * sizeof(*memory));
	memory = mmap(NULL, words * sizeof(*memory), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(memory, words * sizeof(*memory), MADV_HUGEPAGE);
}

static void rewrite(long value)
{
	if (anew)
		renew();
	for (size_t i = 0; i < words; i++)
		memory[i] = value;
	turn = value;			/* MARK turn */
	getppid();			/* a snapshot comes at a call: here, not where that memory is gone */
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
	anew = argc > 4;
	if (anew)
		renew();
	else
		memory = calloc(words, sizeof(*memory));
	for (long i = 1; i <= rounds || time(NULL) < end; i++)
		rewrite(i);
	done();
	return 0;
}
