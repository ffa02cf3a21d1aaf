/*
 * Threads one after another: each has ended before the next one begins, and
 * may have its stack and its pthread_t. cc: -pthread
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int hits, pause_ms;

/* Computes, so that there are snapshots meanwhile. */
static void pause_before(void)
{
	clock_t end = clock() + pause_ms * (CLOCKS_PER_SEC / 1000);

	while (pause_ms && clock() < end)
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

	pause_before();
	for (int i = 0; i < 3; i++)
		got = hit(k, i); /* MARK the call */
	return (void *)(long)got; /* MARK it returns */
}

int main(int argc, char **argv)
{
	pthread_t t;

	if (argc > 1)
		pause_ms = atoi(argv[1]);
	for (long k = 0; k < 3; k++) {
		pthread_create(&t, NULL, work, (void *)k);
		pthread_join(t, NULL); /* MARK the join */
	}
	printf("%d\n", hits); /* MARK the end */
	return 0;
}
