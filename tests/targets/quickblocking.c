/* Threads that talk by descriptors which may make them wait, and mostly don't: calls that make no stop if they are ready.
 * What each has seen goes into a call now and then, so that a replay compares it. cc: -pthread */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define THREADS 4
#define JOBS 600

volatile unsigned long sum, wrong, ticks;
volatile int phase;
static unsigned long seed;
static int jobs[2], results[2], rings[THREADS][2], bell, poller;

static void check(int good)
{
	if (!good)
		__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
}

static unsigned long next(unsigned long *state)
{
	*state = *state * 6364136223846793005ul + 1442695040888963407ul;
	return *state >> 33;
}

static void tell(unsigned long seen)
{
	check(lseek(-1, (off_t)(seen & 0x7fffffffffff), SEEK_SET) == -1);
	__atomic_fetch_add(&sum, seen, __ATOMIC_RELAXED);
}

static void tick(int sig)
{
	(void)sig;
	ticks++;
}

/* All of so many bytes: a signal, or a pipe's size, may have it end early. */
static void all(ssize_t (*f)(int, void *, size_t), int fd, void *p, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t r = f(fd, (char *)p + done, n - done);

		check(r > 0 || (r == -1 && errno == EINTR));
		done += r > 0 ? (size_t)r : 0;
	}
}

static ssize_t put(int fd, void *p, size_t n)
{
	return write(fd, p, n);
}

/* Takes jobs from a pipe that all read; the job says how much is to be sent back, and how. */
static void *work(void *arg)
{
	unsigned long seen = 0, state = seed + (unsigned long)arg;
	struct { unsigned int number, size; } job;
	static __thread char text[600];
	int done = 0;

	for (;;) {
		struct pollfd p = { jobs[0], POLLIN, 0 };

		if (next(&state) % 3 == 0)
			check(poll(&p, 1, -1) == 1 || errno == EINTR);
		if (read(jobs[0], &job, sizeof(job)) != sizeof(job)) {
			check(errno == EINTR);
			continue;
		}
		if (!job.size)
			break;
		seen = seen * 31 + job.number;
		memset(text, (int)job.number, job.size);
		memcpy(text, &job, sizeof(job));
		if (job.number % 2) {
			struct iovec v[2] = { { text, 8 }, { text + 8, job.size - 8 } };

			check(writev(results[1], v, 2) == (ssize_t)job.size);
		} else {
			check(write(results[1], text, job.size) == (ssize_t)job.size);
		}
		if (done++ % 20 == 0)
			tell(seen);
	}
	tell(seen);
	return NULL;
}

static void pool(void)
{
	struct { unsigned int number, size; } job, got;
	unsigned long state = seed, seen = 0;
	pthread_t t[THREADS];
	char text[600];
	int out = 0, in = 0;

	check(pipe(jobs) == 0 && pipe(results) == 0);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, work, (void *)i);
	while (in < JOBS) {
		int burst = (int)(next(&state) % 20);

		for (; burst && out < JOBS; burst--) {
			job.number = (unsigned int)out++;
			job.size = 8 + (unsigned int)(next(&state) % 500);
			check(write(jobs[1], &job, sizeof(job)) == sizeof(job));
		}
		while (in < out && next(&state) % 16) {
			all(read, results[0], &got, sizeof(got));
			all(read, results[0], text, got.size - 8);
			check(got.size == 8 || text[(got.size - 8) / 2] == (char)got.number);
			seen = seen * 31 + got.number;
			in++;
		}
		if (in % 10 == 0)
			tell(seen);
	}
	job.size = 0;
	for (int i = 0; i < THREADS; i++)
		check(write(jobs[1], &job, sizeof(job)) == sizeof(job));
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	check(close(jobs[0]) == 0 && close(jobs[1]) == 0 && close(results[0]) == 0 && close(results[1]) == 0);
}					/* MARK pooled */

/* A ring of sockets: some messages on to the next, and as many from the one before, also by sendmsg and in pieces. */
static void *around(void *arg)
{
	const long me = (long)arg;
	unsigned long seen = 0, state = seed;
	char text[300], left[100], right[200];

	for (int i = 0; i < 150; i++) {
		int many = (int)(next(&state) % 6) + 1, size = (int)(next(&state) % 290) + 8;

		for (int k = 0; k < many; k++) {
			struct iovec v = { text, (size_t)size };
			struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
			ssize_t n;

			memset(text, i + k + (int)me, (size_t)size);
			do
				n = k % 2 ? sendmsg(rings[me][1], &m, 0) : send(rings[me][1], text, (size_t)size, MSG_NOSIGNAL);
			while (n == -1 && errno == EINTR);
			check(n == size);
		}
		for (int k = 0; k < many; k++) {
			const int from = rings[(me + THREADS - 1) % THREADS][0];
			struct iovec v[2] = { { left, 100 }, { right, 200 } };
			struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
			ssize_t n;

			do
				n = k % 3 == 0 ? readv(from, v, 2) : k % 3 == 1 ? recvmsg(from, &m, 0) : recv(from, left, 100, 0);
			while (n == -1 && errno == EINTR);
			check(n == (k % 3 == 2 && size > 100 ? 100 : size) && left[7] == (char)(i + k + (me + THREADS - 1) % THREADS));
			seen = seen * 31 + (unsigned long)left[0] + (unsigned long)n;
		}
		if (i % 10 == 0)
			tell(seen);
	}
	return NULL;
}

/* A bell that all wait for, some by epoll; more than a pipe holds goes to a reader. */
static void *ring(void *arg)
{
	const long me = (long)arg;
	static char much[200000];
	unsigned long seen = 0;
	struct epoll_event ev;
	eventfd_t one;

	if (me == 0) {
		memset(much, 'x', sizeof(much));
		for (int i = 0; i < 5; i++)
			all(put, jobs[1], much, sizeof(much));
		for (int i = 0; i < 300; i++)
			check(eventfd_write(bell, 1 + (unsigned)i % 3) == 0);
		return NULL;
	}
	if (me == 1) {
		char part[5000];
		size_t n = 0;

		while (n < 5 * sizeof(much)) {
			ssize_t r = read(jobs[0], part, sizeof(part));

			check(r > 0 && part[r - 1] == 'x');
			n += (size_t)r;
			seen = seen * 31 + (unsigned long)r;
		}
		tell(seen);
		return NULL;
	}
	for (int i = 0; i < 300; i++) {
		while (me == 2 && epoll_wait(poller, &ev, 1, -1) == -1)
			check(errno == EINTR);
		while (read(bell, &one, sizeof(one)) == -1)
			check(errno == EINTR);
		seen = seen * 31 + one;
		if (i % 30 == 0)
			tell(seen);
	}
	return NULL;
}

static void together(void *(*f)(void *))
{
	pthread_t t[THREADS];

	for (long i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, f, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}

int main(int argc, char **argv)
{
	struct itimerval it = { { 0, 3000 }, { 0, 3000 } }, never = { { 0, 0 }, { 0, 0 } };
	struct epoll_event ev = { .events = EPOLLIN };
	struct sigaction act = { .sa_handler = tick };

	seed = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
	sigaction(SIGALRM, &act, NULL);
	for (int i = 0; i < THREADS; i++)
		check(socketpair(AF_UNIX, SOCK_DGRAM, 0, rings[i]) == 0);
	for (int disturbed = 0; disturbed < 2; disturbed++) {
		pool();
		phase++;	/* MARK next */
		together(around);
		phase++;	/* MARK further */
		check(pipe(jobs) == 0);
		bell = eventfd(0, EFD_SEMAPHORE);
		poller = epoll_create1(0);
		check(epoll_ctl(poller, EPOLL_CTL_ADD, bell, &ev) == 0);
		if (!disturbed)
			together(ring);
		close(jobs[0]);
		close(jobs[1]);
		close(bell);
		close(poller);
		setitimer(ITIMER_REAL, disturbed ? &never : &it, NULL);
	}
	printf("%d phases, sum %lx, %lu wrong\n", phase, sum, wrong);
	return 0;			/* MARK end */
}
