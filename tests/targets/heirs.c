/* Mutexes whose owner inherits the priority of who waits for them: the kernel marks their words while threads wait,
 * and gives them to the next.   cc: -pthread -D_GNU_SOURCE */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define THREADS 4

long sum;
int round_;
static pthread_mutex_t mutex, dies;
static unsigned int word;
static int held;

void mark(void)
{
	round_++;	/* MARK mark */
}

static void *take(void *arg)
{
	for (int i = 0; i < 30; i++) {
		pthread_mutex_lock(&mutex);
		sum = sum * 3 + (long)arg;
		if (i % 10 == 0)
			usleep(300); /* the others come to wait */
		if (i == 15 && arg == (void *)2)
			mark();
		pthread_mutex_unlock(&mutex);
	}
	return arg;
}

static void *die(void *arg)
{
	pthread_mutex_lock(&dies);
	__atomic_store_n(&held, 1, __ATOMIC_RELEASE);
	usleep(5000);
	return arg;
}

static void *wait_raw(void *arg)
{
	if (syscall(SYS_futex, &word, FUTEX_LOCK_PI, 0, NULL))
		abort();
	sum += (long)arg;
	syscall(SYS_futex, &word, FUTEX_UNLOCK_PI, 0);
	return arg;
}

/* A thread that holds `dies', and ends with it. */
static pthread_t doomed(void)
{
	pthread_t t;

	held = 0;
	pthread_create(&t, NULL, die, NULL);
	while (!__atomic_load_n(&held, __ATOMIC_ACQUIRE))
		sched_yield();
	return t;
}

static void init(pthread_mutex_t *m, int robust)
{
	pthread_mutexattr_t a;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
	pthread_mutexattr_setrobust(&a, robust);
	pthread_mutex_init(m, &a);
}

static void all(void *(*start)(void *), int n)
{
	pthread_t t[THREADS];

	for (long i = 0; i < n; i++)
		pthread_create(&t[i], NULL, start, (void *)i);
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
}

int main(void)
{
	struct timespec soon;
	pthread_t t;

	init(&mutex, PTHREAD_MUTEX_STALLED);	/* MARK first */
	init(&dies, PTHREAD_MUTEX_ROBUST);
	all(take, THREADS);
	mark();
	t = doomed();
	sum = sum * 3 + (pthread_mutex_lock(&dies) == EOWNERDEAD);
	pthread_mutex_consistent(&dies);
	pthread_mutex_unlock(&dies);
	pthread_join(t, NULL);
	mark();
	word = (unsigned int)gettid();
	pthread_create(&t, NULL, wait_raw, (void *)7);
	while (!(__atomic_load_n(&word, __ATOMIC_ACQUIRE) & FUTEX_WAITERS))
		;
	mark();
	if (syscall(SYS_futex, &word, FUTEX_UNLOCK_PI, 0))
		abort();
	pthread_join(t, NULL);
	sum = sum * 3 + word;
	t = doomed();
	clock_gettime(CLOCK_REALTIME, &soon);
	switch (pthread_mutex_timedlock(&dies, &soon)) {
	case ETIMEDOUT:
		sum = sum * 3 + 1;
		break;
	case EOWNERDEAD: /* on a slow machine */
		pthread_mutex_consistent(&dies);
		pthread_mutex_unlock(&dies);
	}
	pthread_join(t, NULL);
	mark();
	printf("%s\n", sum ? "done" : "");
	return 0;
}
