/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One thread naps all the time, one computes without a call; the main thread is to get its share, too. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static volatile int stop, naps, rounds;
static volatile long spins;

static void *nap(void *arg)
{
	while (!stop) {
		usleep(500);
		naps++;
	}
	return arg;
}

static void *spin(void *arg)
{
	while (!stop)
		spins++;
	return arg;
}

int main(void)
{
	pthread_t threads[2];

	pthread_create(&threads[0], NULL, nap, NULL);
	pthread_create(&threads[1], NULL, spin, NULL);
	while (!spins || naps < 3)
		continue;
	for (rounds = 0; rounds < 100; rounds++)
		for (volatile int i = 0; i < 100000; i++)
			continue;
	stop = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	printf("%d rounds, naps %d, spins %d\n", rounds, naps > 0, spins > 0);
	return 0;
}
