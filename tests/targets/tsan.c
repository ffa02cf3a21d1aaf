/* Three threads add to a counter, one of two that they share without a lock. cc: -fsanitize=thread -pthread */
#include <pthread.h>
#include <stdio.h>

static int counter, safe;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *work(void *arg)
{
	for (int i = 0; i < 50; i++) {
		counter++;	/* MARK race */
		pthread_mutex_lock(&lock);
		safe++;
		pthread_mutex_unlock(&lock);
	}
	return arg;
}

int main(void)
{
	pthread_t t[3];

	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, work, NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	printf("%d %d\n", counter, safe);	/* MARK print */
	return 0;
}
