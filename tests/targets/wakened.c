/* Signals for the whole process wake threads that wait in calls: who is woken by one gets it, as a rule, and none sees a
 * call interrupted by what wasn't for him, or a result of the kernel's own. sigsuspend beside a thread that computes.
 * cc: -pthread */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/time.h>
#include <unistd.h>

#define THREADS 4

volatile unsigned long interrupted, strange, others, handled, suspended, rounds;
volatile int phase, over;
static __thread volatile unsigned long mine;
static int poller, sems, queue;

static void on_alarm(int sig)
{
	(void)sig;
	mine++;
	handled++;
}

static int wait_in(long way)
{
	struct timespec some = { 0, 50000000 };
	struct sembuf down = { 0, -1, 0 };
	struct epoll_event e;
	char message[16];

	switch (way % 3) {
	case 0:
		return epoll_wait(poller, &e, 1, 50);
	case 1:
		return semtimedop(sems, &down, 1, &some);
	default:
		return (int)msgrcv(queue, message, 8, 0, 0);
	}
}

static void *waiter(void *arg)
{
	while (!over) {
		unsigned long before = mine;

		if (wait_in((long)arg) >= 0 || errno == EAGAIN || errno == EIDRM)
			continue;
		__atomic_fetch_add(errno == EINTR ? &interrupted : &strange, 1, __ATOMIC_RELAXED);
		if (mine == before)
			__atomic_fetch_add(&others, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void *computer(void *arg)
{
	sigset_t all;

	(void)arg;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	while (!over)
		rounds++;
	return NULL;
}

int main(void)
{
	struct itimerval often = { { 0, 2000 }, { 0, 2000 } }, once = { { 0, 0 }, { 0, 30000 } }, never = { { 0, 0 }, { 0, 0 } };
	sigset_t alarm, none;
	pthread_t t[THREADS];

	poller = epoll_create1(0);
	sems = semget(IPC_PRIVATE, 1, 0600);
	queue = msgget(IPC_PRIVATE, 0600);
	sigemptyset(&none);
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	signal(SIGALRM, on_alarm);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, waiter, (void *)i);
	pthread_sigmask(SIG_SETMASK, &alarm, NULL); /* the kernel would choose this one */
	setitimer(ITIMER_REAL, &often, NULL);
	while (handled < 150)
		rounds++;
	setitimer(ITIMER_REAL, &never, NULL);
	phase++; /* MARK woken */
	over = 1;
	semctl(sems, 0, IPC_RMID);
	msgctl(queue, IPC_RMID, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	over = 0;
	pthread_create(&t[0], NULL, computer, NULL);
	for (int i = 0; i < 5; i++) {
		unsigned long before = handled;

		setitimer(ITIMER_REAL, &once, NULL);
		suspended += sigsuspend(&none) == -1 && errno == EINTR && handled == before + 1;
	}
	over = 1;
	pthread_join(t[0], NULL);
	phase++; /* MARK suspended */
	printf("%lu handled, %lu strange, %lu suspended\n", handled, strange, suspended);
	return 0;
}
