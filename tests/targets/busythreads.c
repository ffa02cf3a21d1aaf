/*
 * Threads that wait in all ways while signals come: epoll, a pipe, a sleep; then
 * one that spins until another sets a flag. cc: -pthread -O1
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define LAST 1000000

static volatile sig_atomic_t asked, alarms;
static __thread int mine;
static int ep, event, fds[2];
static long total;
static atomic_int flag;

static void on_usr(int sig)
{
	(void)sig;
	asked++;
	mine++;
}

static void on_alarm(int sig)
{
	(void)sig;
	alarms++;
}

static void *poller(void *arg)
{
	struct epoll_event e;
	long v = 0;

	(void)arg;
	while (v < LAST) {
		if (epoll_wait(ep, &e, 1, -1) < 0)
			continue; /* EINTR */
		if (read(event, &v, 8) == 8)
			total += v;
	}
	return NULL;
}

static void *reader(void *arg)
{
	char c = 0;

	while (c != 'q')
		if (read(fds[0], &c, 1) == 1)
			*(int *)arg += c;
	return NULL;
}

static void *sleeper(void *arg)
{
	struct timespec t = { 0, 200000000 };

	(void)arg;
	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
	return NULL;
}

static void *spinner(void *arg)
{
	while (!atomic_load(&flag))
		++*(long *)arg;
	return NULL;
}

static void done(int letters)
{
	printf("asked %d, total %ld, letters %d\n", (int)asked, total, letters);
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_usr };
	struct epoll_event e = { .events = EPOLLIN };
	struct itimerval tick = { { 0, 5000 }, { 0, 5000 } };
	int letters = 0;
	pthread_t t[3], s;
	long v, rounds = 0;

	sigaction(SIGUSR1, &sa, NULL);
	sa.sa_handler = on_alarm;
	sa.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &sa, NULL);
	ep = epoll_create1(0);
	event = eventfd(0, 0);
	epoll_ctl(ep, EPOLL_CTL_ADD, event, &e);
	if (pipe(fds))
		return 1;
	pthread_create(&t[0], NULL, poller, NULL);
	pthread_create(&t[1], NULL, reader, &letters);
	pthread_create(&t[2], NULL, sleeper, NULL);
	setitimer(ITIMER_REAL, &tick, NULL);
	for (v = 1; v <= 40; v++) {
		if (write(event, &v, 8) != 8 || write(fds[1], "a", 1) != 1)
			return 1;
		if (v % 5 == 0)
			pthread_kill(t[v / 5 % 3], SIGUSR1);
		for (volatile int k = 0; k < 500000; k++)
			;
	}
	memset(&tick, 0, sizeof(tick));
	setitimer(ITIMER_REAL, &tick, NULL);
	v = LAST;
	if (write(event, &v, 8) != 8 || write(fds[1], "q", 1) != 1)
		return 1;
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	pthread_create(&s, NULL, spinner, &rounds);
	for (volatile int k = 0; k < 100000000; k++)
		;
	atomic_store(&flag, 1);
	pthread_join(s, NULL);
	done(letters);
	return 0;
}
