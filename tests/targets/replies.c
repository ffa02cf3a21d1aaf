/* A buffer is cleared, and then what another thread's read, which waits in the kernel, fills it with is sent; and
 * more threads than there are switches for quick calls. replies ROUNDS   cc: -pthread */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS 100

volatile long got, wrong;
static long rounds, done;
static int pair[2], file;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t all;

static void check(int good)
{
	if (!good)
		__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
}

static void *receive(void *arg)
{
	for (long i = 1; i <= rounds; i++) {
		check(read(pair[0], (void *)&got, sizeof(got)) == sizeof(got) && got == i);
		pthread_mutex_lock(&mutex);
		done = i;
		pthread_cond_signal(&cond);
		pthread_mutex_unlock(&mutex);
	}
	return arg;
}

static void send_all(void)
{
	for (long i = 1; i <= rounds; i++) {
		for (int k = 0; k < 20; k++)
			getppid();
		got = 0;
		check(write(pair[1], &i, sizeof(i)) == sizeof(i));
		pthread_mutex_lock(&mutex);
		while (done < i)
			pthread_cond_wait(&cond, &mutex);
		pthread_mutex_unlock(&mutex);
		check(got == i);	/* MARK replied */
	}
}

static void *one_of_many(void *arg)
{
	char buf[8];

	pthread_barrier_wait(&all);
	for (long i = 0; i < rounds / 10; i++) {
		long at = ((long)arg + i) % 50;

		check(pread(file, buf, sizeof(buf), at) == sizeof(buf) && buf[3] == (char)(at + 3));
		if (i % 20 == 0)
			usleep(10);
	}
	pthread_barrier_wait(&all);
	return arg;
}

int main(int argc, char **argv)
{
	char name[] = "/tmp/replies.XXXXXX", bytes[64];
	pthread_t t[THREADS];

	rounds = argc > 1 ? atol(argv[1]) : 1000;
	file = mkstemp(name);
	unlink(name);
	for (int i = 0; i < (int)sizeof(bytes); i++)
		bytes[i] = (char)i;
	check(write(file, bytes, sizeof(bytes)) == sizeof(bytes) &&
	      socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && fcntl(pair[1], F_SETFL, O_NONBLOCK) == 0);
	pthread_create(&t[0], NULL, receive, NULL);
	send_all();
	pthread_join(t[0], NULL);
	pthread_barrier_init(&all, NULL, THREADS);	/* MARK many */
	for (long i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, one_of_many, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	printf("%ld wrong\n", wrong);	/* MARK end */
	return 0;
}
