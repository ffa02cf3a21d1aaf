/* Two threads that compute at the same time, and make no calls. cc: -pthread */
#include <pthread.h>
#include <stdio.h>

#define ROUNDS 20

static long sums[2];

static void mark(int id, int i)
{
	sums[id] += i; /* MARK mark */
}

static void *work(void *arg)
{
	int id = (int)(long)arg;

	for (int i = 0; i < ROUNDS; i++) {
		for (volatile int k = 0; k < 5000000; k++)
			;
		mark(id, i);
	}
	return NULL;
}

int main(void)
{
	pthread_t t[2];

	for (long i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, work, (void *)i);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	printf("%ld %ld\n", sums[0], sums[1]); /* MARK last */
	return 0;
}
