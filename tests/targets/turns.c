/*
 * Three threads take turns under a mutex and a condition variable. Which one is
 * next is known, so is every value. cc: -pthread
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int turn, last, rounds = 5;
static long sum[3];

static void hit(int id, int i)
{
	last = id * 1000 + i; /* the hit */
	sum[id] += i;
}

static void *work(void *arg)
{
	int id = (int)(long)arg;

	for (int i = 0; i < rounds; i++) {
		pthread_mutex_lock(&mutex);
		while (turn % 3 != id)
			pthread_cond_wait(&changed, &mutex);
		hit(id, i); /* MARK the call */
		turn++;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void done(void)
{
	printf("last %d, sums %ld %ld %ld\n", last, sum[0], sum[1], sum[2]);
}

int main(int argc, char **argv)
{
	pthread_t t[3];

	if (argc > 1)
		rounds = atoi(argv[1]);
	pthread_mutex_lock(&mutex);
	for (long i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, work, (void *)i);
	if (argc > 2) /* time to attach, the threads waiting */
		poll(NULL, 0, atoi(argv[2]));
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	done();
	return 0;
}
