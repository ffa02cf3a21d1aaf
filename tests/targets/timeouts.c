/* Calls that wait for some time at most, as another thread computes, and each snapshot interrupts them: each ends when that
 * has passed, as if nothing had been. cc: -pthread */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MILLISECONDS 60

volatile unsigned long wrong, rounds;
volatile int phase, over;
static double took[20];
static struct timespec span = { 0, MILLISECONDS * 1000000 };
static int pair[2], listener;
static char buf[1 << 20];

static void check(int good)
{
	wrong += !good;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void *compute(void *arg)
{
	(void)arg;
	while (!over)
		rounds++;
	return NULL;
}

static int failed(long result, int with)
{
	return result == -1 && errno == with;
}

static int do_epoll_wait(void)
{
	struct epoll_event e;
	int fd = epoll_create1(0), n = epoll_wait(fd, &e, 1, MILLISECONDS);

	close(fd);
	return n == 0;
}
static int do_epoll_pwait2(void)
{
	struct epoll_event e;
	int fd = epoll_create1(0), n = epoll_pwait2(fd, &e, 1, &span, NULL);

	close(fd);
	return n == 0 || (n < 0 && errno == ENOSYS);
}
static int do_poll(void) { return poll(NULL, 0, MILLISECONDS) == 0; }
static int do_ppoll(void) { return ppoll(NULL, 0, &span, NULL) == 0; }
static int do_select(void)
{
	struct timeval tv = { 0, MILLISECONDS * 1000 };

	return select(0, NULL, NULL, NULL, &tv) == 0;
}
static int do_nanosleep(void) { return nanosleep(&span, NULL) == 0; }
static int do_semtimedop(void)
{
	struct sembuf down = { 0, -1, 0 };
	int sem = semget(IPC_PRIVATE, 1, 0600), good = failed(semtimedop(sem, &down, 1, &span), EAGAIN);

	semctl(sem, 0, IPC_RMID);
	return good;
}
static int do_sigtimedwait(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	return failed(sigtimedwait(&set, NULL, &span), EAGAIN);
}
static int do_cond(void)
{
	static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
	struct timespec until;
	int r;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += span.tv_nsec;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&m);
	r = pthread_cond_timedwait(&c, &m, &until);
	pthread_mutex_unlock(&m);
	return r == ETIMEDOUT;
}
static int do_recv(void) { return failed(recv(pair[0], buf, 10, 0), EAGAIN); }
static int do_read(void) { return failed(read(pair[0], buf, 10), EAGAIN); }
static int do_recv_all(void) { return send(pair[1], "four", 4, 0) == 4 && recv(pair[0], buf, 10, MSG_WAITALL) == 4; }
static int do_accept(void) { return failed(accept(listener, NULL, NULL), EAGAIN); }
static int do_send(void)
{
	long n = send(pair[0], buf, sizeof(buf), 0); /* more than anybody takes */

	return n > 0 && n < (long)sizeof(buf);
}
static int do_send_none(void) { return failed(send(pair[0], buf, 10000, 0), EAGAIN); }

static int (*const calls[])(void) = { do_epoll_wait, do_epoll_pwait2, do_poll, do_ppoll,    do_select,	do_nanosleep, do_semtimedop, do_sigtimedwait,
				      do_cond,	     do_recv,	      do_read, do_recv_all, do_accept,	do_send,      do_send_none };
#define CALLS (sizeof(calls) / sizeof(*calls))

int main(void)
{
	struct sockaddr_un at = { AF_UNIX, "" };
	struct timeval tv = { 0, MILLISECONDS * 1000 };
	pthread_t t;

	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	check(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair) && !bind(listener, (struct sockaddr *)&at, sizeof(sa_family_t)) &&
	      !listen(listener, 1));
	for (int i = 0; i < 2; i++)
		check(!setsockopt(i ? pair[0] : listener, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	check(!setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
	pthread_create(&t, NULL, compute, NULL);
	for (size_t i = 0; i < CALLS; i++) {
		double began = now();

		if (!calls[i]())
			printf("call %zu: wrong\n", i), wrong++;
		took[i] = now() - began;
		if (took[i] < MILLISECONDS / 1e3 * 0.98)
			printf("call %zu: too soon, after %.3f s\n", i, took[i]), wrong++;
		phase++; /* MARK next */
	}
	over = 1;
	pthread_join(t, NULL);
	for (size_t i = 0; i < CALLS; i++)
		printf("%.3f ", took[i]);
	printf("s, %d calls, %lu wrong\n", phase, wrong); /* MARK end */
	return wrong != 0;
}
