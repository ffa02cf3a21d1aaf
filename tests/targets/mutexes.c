/*
 * Four threads and mutexes, for tests/bench: mutexes take|hand COUNT
 * take: each takes the same mutex COUNT times, for a moment that is short beside what it does in between;
 * hand: they hand a turn round by condition variables, COUNT times in all, with three system calls each: to wake the
 * next one, to let go of the mutex, to wait.
 * cc: -pthread -O1
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 4

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turns[THREADS];
static long count, shared, turn;

static void compute(long n)
{
	for (volatile long k = 0; k < n; k++)
		;
}

static void *take(void *arg)
{
	for (long i = 0; i < count; i++) {
		compute(5000);
		pthread_mutex_lock(&mutex);
		shared++;
		compute(50);
		pthread_mutex_unlock(&mutex);
	}
	return arg;
}

static void *hand(void *arg)
{
	long me = (long)arg;

	pthread_mutex_lock(&mutex);
	while (turn < count) {
		if (turn % THREADS == me) {
			shared++;
			turn++;
			pthread_cond_signal(&turns[turn % THREADS]);
		} else {
			pthread_cond_wait(&turns[me], &mutex);
		}
	}
	for (int i = 0; i < THREADS; i++)
		pthread_cond_signal(&turns[i]);
	pthread_mutex_unlock(&mutex);
	return arg;
}

int main(int argc, char **argv)
{
	void *(*work)(void *) = argc > 1 && !strcmp(argv[1], "hand") ? hand : take;
	pthread_t t[THREADS];

	count = argc > 2 ? atol(argv[2]) : 0;
	for (long i = 0; i < THREADS; i++)
		pthread_cond_init(&turns[i], NULL);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, work, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	printf("shared %ld\n", shared);
	return 0;
}
