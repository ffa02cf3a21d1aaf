/*
 * The main thread ends before the other one, which waits for that and goes on. cc: -pthread
 */
#include <pthread.h>
#include <stdio.h>

static int total;

static void hit(int i)
{
	total += i; /* the hit */
}

static void *work(void *leaver)
{
	hit(1);
	pthread_join(*(pthread_t *)leaver, NULL);
	for (int i = 2; i < 6; i++)
		hit(i);
	printf("total %d\n", total);
	return NULL;
}

int main(void)
{
	static pthread_t t, self;

	self = pthread_self();
	pthread_create(&t, NULL, work, &self);
	pthread_exit(NULL);
}
