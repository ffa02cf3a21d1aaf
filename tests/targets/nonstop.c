/* Threads that count, take a mutex from each other and nap, each as it goes. cc: -pthread */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define ROUNDS 20000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long n[3], sum;

static void tick(int i)
{
	n[i]++;
}

static void *worker(void *arg)
{
	int i = (int)(long)arg;

	for (int k = 0; k < ROUNDS; k++) {
		pthread_mutex_lock(&lock);
		sum++;
		pthread_mutex_unlock(&lock);
		tick(i);
		if (k % 100 == i)
			usleep(100);
	}
	return NULL;
}

int main(void)
{
	pthread_t t[3];

	for (long i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, worker, (void *)i);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	printf("counted %ld %ld %ld %ld\n", n[0], n[1], n[2], sum);
	return 0;
}
