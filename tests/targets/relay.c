/*
 * Threads one after another: each has ended before the next one begins, and
 * may have its stack and its pthread_t. cc: -pthread
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static int hits;
static long millions;

/* Computes, so that there are snapshots meanwhile. */
static void compute(void)
{
	for (volatile long n = millions * 1000000; n > 0; n--)
		;
}

static int hit(int k, int i)
{
	hits = hits + 1; /* MARK the write */
	return 10 * k + i;
}

static void *work(void *arg)
{
	int k = (int)(long)arg, got = 0;

	compute();
	for (int i = 0; i < 3; i++)
		got = hit(k, i); /* MARK the call */
	return (void *)(long)got; /* MARK it returns */
}

int main(int argc, char **argv)
{
	pthread_t t;

	if (argc > 1)
		millions = atol(argv[1]);
	for (long k = 0; k < 3; k++) {
		pthread_create(&t, NULL, work, (void *)k);
		pthread_join(t, NULL); /* MARK the join */
	}
	printf("%d\n", hits); /* MARK the end */
	return 0;
}
