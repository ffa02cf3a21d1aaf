/*
 * The main thread ends before the other one, which goes on for a while. cc: -pthread
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static int total;

static void hit(int i)
{
	total += i; /* the hit */
}

static void *work(void *arg)
{
	hit(1);
	usleep(300000); /* the main thread ends meanwhile, also on a busy machine */
	for (int i = 2; i < 6; i++)
		hit(i);
	printf("total %d\n", total);
	return arg;
}

int main(void)
{
	pthread_t t;

	pthread_create(&t, NULL, work, NULL);
	pthread_exit(NULL);
}
