/* Ends with threads and much memory: the leader is a zombie long before the last thread has given that back.   cc: -pthread */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *idle(void *arg)
{
	for (;;)
		pause();
	return arg;
}

int main(void)
{
	size_t size = 600ul << 20;
	pthread_t t;

	memset(malloc(size), 1, size);
	for (int i = 0; i < 8; i++)
		pthread_create(&t, NULL, idle, NULL);
	usleep(10000);
	return 3;
}
