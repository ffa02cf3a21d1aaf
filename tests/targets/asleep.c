/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Four threads asleep, each in another call, as the main thread comes by: a read, a nap, a futex, a mutex. What each
 * adds to `sum' tells that its call ended well. */
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>
#include <linux/futex.h>

static int pipe_fd[2], word, twice_called;
static volatile int ready;
static int sum;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

int twice(int i)
{
	twice_called++;
	return 2 * i;
}

static void *reads(void *arg)
{
	char c = 0;

	ready++;
	if (read(pipe_fd[0], &c, 1) == 1 && c == 'x')
		__sync_fetch_and_add(&sum, 1);
	return arg;
}

static void *naps(void *arg)
{
	const struct timespec t = { 0, 400000000 };

	ready++;
	if (!nanosleep(&t, NULL))
		__sync_fetch_and_add(&sum, 10);
	return arg;
}

static void *waits(void *arg)
{
	ready++;
	if (!syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0))
		__sync_fetch_and_add(&sum, 100);
	return arg;
}

static void *locks(void *arg)
{
	ready++;
	pthread_mutex_lock(&mutex);
	__sync_fetch_and_add(&sum, 1000);
	pthread_mutex_unlock(&mutex);
	return arg;
}

void pass(int i)
{
	(void)i;
}

int main(void)
{
	static void *(*const what[])(void *) = { reads, naps, waits, locks };
	pthread_t threads[4];

	if (pipe(pipe_fd))
		return 1;
	pthread_mutex_lock(&mutex);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, what[i], NULL);
	while (ready < 4)
		usleep(1000);
	usleep(20000);
	for (int i = 1; i < 4; i++)
		pass(i);
	if (write(pipe_fd[1], "x", 1) != 1)
		return 1;
	while (syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1) != 1)
		usleep(1000);
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	printf("sum %d, twice called %d times\n", sum, twice_called);
	return 0;
}
