/* Threads that make many small system calls and hand work to each other: calls that make no stop, in turns.
 * Each checks what it gets; quickthreads SEED ROUNDS   cc: -pthread */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define THREADS 4
#define SIZE 65536

volatile unsigned long wrong, ticks, struck;
unsigned long sums[THREADS + 1], calls[THREADS + 1];
int phase;
static long rounds;
static unsigned long seed;
static int in, out, pipes[THREADS][2], pairs[THREADS][2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turns[THREADS];
static long turn, shared;
static __thread long newest;

static unsigned long rnd(unsigned long *s)
{
	*s = *s * 6364136223846793005ul + 1442695040888963407ul;
	return *s >> 33;
}

static void check(int good)
{
	if (!good)
		__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
}

static void add(long me, const void *p, long n)
{
	const unsigned char *c = p;

	for (long i = 0; i < n; i += 7)
		sums[me] = sums[me] * 31 + c[i];
	sums[me] = sums[me] * 31 + (unsigned long)n;
	calls[me]++;
}

/* Small calls of which one thread's don't depend on another's. */
static void some(long me, unsigned long *s, int n)
{
	struct timespec ts;
	struct stat st;
	char buf[500];

	for (int i = 0; i < n; i++) {
		long at = (long)(rnd(s) % 60000), len = (long)(rnd(s) % sizeof(buf));
		long is = pread(in, buf, (size_t)len, at);

		check(is == len && (!len || buf[len / 2] == (char)((at + len / 2) * 7)));
		add(me, buf, is);
		is = pwrite(out, buf, 20, me * 100);
		check(is == 20);
		check(pread(out, buf + 100, 20, me * 100) == 20 && !memcmp(buf, buf + 100, 20));
		is = getppid();
		add(me, &is, sizeof(is));
		if (i % 5 == 0) {
			for (int k = 0; k < (i % 2 ? 1 : 3); k++) {	/* it goes forward, whoever tells it */
				clock_gettime(CLOCK_MONOTONIC, &ts);
				is = ts.tv_sec * 1000000000 + ts.tv_nsec;
				check(is >= newest);
				newest = is;
			}
			add(me, &ts, sizeof(ts));
		}
		if (i % 3 == 0) {
			check(fstat(in, &st) == 0 && st.st_size == SIZE);
			add(me, &st, sizeof(st));
			check(stat("/nowhere", &st) == -1 && errno == ENOENT);
			check(access("/", F_OK) == 0);
		}
		if (i % 7 == 0) {
			check(syscall(SYS_gettid) > 1);
			check(readlink("/proc/self/fd/0/nowhere", buf, sizeof(buf)) == -1);
		}
	}
}

static void *apart(void *arg)
{
	long me = (long)arg;
	unsigned long s = seed + (unsigned long)me;

	some(me, &s, (int)rounds);
	return arg;
}

/* The turn goes round, with some calls each time. */
static void *hand(void *arg)
{
	long me = (long)arg;
	unsigned long s = seed + (unsigned long)me;

	pthread_mutex_lock(&mutex);
	while (turn < rounds) {
		if (turn % THREADS == me) {
			shared++;
			if (turn % 10 < 5)
				some(me, &s, 2);
			turn++;
			pthread_cond_signal(&turns[turn % THREADS]);	/* MARK handed */
		} else {
			pthread_cond_wait(&turns[me], &mutex);
		}
	}
	for (int i = 0; i < THREADS; i++)
		pthread_cond_signal(&turns[i]);
	pthread_mutex_unlock(&mutex);
	return arg;
}

/* Each reads what the one before has written, and writes it on; the first begins. */
static void *pass(void *arg)
{
	long me = (long)arg, n = 0;
	unsigned long s = seed + (unsigned long)me;

	for (long i = 0; i < rounds / 4; i++) {
		if (me || i)
			check(read(pipes[me][0], &n, sizeof(n)) == sizeof(n));
		check(n == i * THREADS + me);
		n++;
		if (i % 3 == 0)
			some(me, &s, 3);
		check(write(pipes[(me + 1) % THREADS][1], &n, sizeof(n)) == sizeof(n));
	}
	if (!me)
		check(read(pipes[0][0], &n, sizeof(n)) == sizeof(n) && n == rounds / 4 * THREADS);
	return arg;
}

/* By sockets that nobody waits for but in poll; odd threads answer. */
static void *talk(void *arg)
{
	long me = (long)arg, got;
	unsigned long s = seed + (unsigned long)me;
	struct pollfd p = { pairs[me / 2][me % 2], POLLIN, 0 };

	for (long i = 0; i < rounds / 4; i++) {
		if (me % 2 == 0)
			check(send(p.fd, &i, sizeof(i), MSG_NOSIGNAL) == sizeof(i));
		while (recv(p.fd, &got, sizeof(got), 0) != sizeof(got)) {
			check(errno == EAGAIN);
			poll(&p, 1, -1);
		}
		check(got == i);
		if (me % 2)
			check(send(p.fd, &got, sizeof(got), MSG_NOSIGNAL) == sizeof(got));
		if (i % 10 == 0)
			some(me, &s, 5);
	}
	return arg;
}

/* With a processor each, as far as they know. */
static void *compute(void *arg)
{
	long me = (long)arg;
	unsigned long s = seed + (unsigned long)me;

	for (long i = 0; i < rounds / 20; i++) {
		for (volatile long k = 0; k < 20000; k++)
			;
		some(me, &s, (int)(rnd(&s) % 8));
	}
	return arg;
}

/* Files and memory of one's own: what descriptors are, and what is mapped, changes all the time. */
static void *own(void *arg)
{
	long me = (long)arg, len = 0;
	unsigned long s = seed + (unsigned long)me;
	char name[] = "/tmp/quickthreads.XXXXXX", line[64], list[1000];
	int log = mkstemp(name), flags = fcntl(log, F_GETFL);
	void *block = NULL;

	unlink(name);
	check(fcntl(log, F_SETFL, flags | O_APPEND) == 0);
	for (long i = 0; i < rounds / 4; i++) {
		int f = open("/etc/passwd", O_RDONLY), dir;
		char *m = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		struct pollfd p = { f, POLLIN, 0 };
		long n = (long)(rnd(&s) % 30) + 1;

		check(m != MAP_FAILED && !m[5000]);
		memset(m, (int)me, 12288);
		check(f > 2 && read(f, m, 4) == 4 && !memcmp(m, "root", 4) && lseek(f, 0, SEEK_CUR) == 4);
		check(write(log, m + 4096, (size_t)n) == n);
		len += n;
		check(lseek(log, 0, SEEK_CUR) == len && pread(log, line, 1, len - 1) == 1 && line[0] == (char)me);
		check(poll(&p, 1, 0) == 1 && p.revents == POLLIN && close(f) == 0);
		check(mprotect(m, 4096, PROT_READ) == 0 && madvise(m + 4096, 4096, MADV_DONTNEED) == 0);
		check(m[0] == 'r' && !m[4096] && m[8192] == (char)me && munmap(m, 12288) == 0);
		free(block);
		block = malloc(rnd(&s) % 300000);
		if (i % 5 == 0) {
			dir = open("/etc", O_RDONLY | O_DIRECTORY);
			n = syscall(SYS_getdents64, dir, list, sizeof(list));
			check(n >= 24 && close(dir) == 0);
			add(me, list, n);
			check(syscall(SYS_getrandom, line, 20, 0) == 20);
			add(me, line, 20);
		}
		if (i % 9 == 0)
			sched_yield();
		some(me, &s, 1);
	}
	free(block);
	close(log);
	return arg;
}

static void tick(int sig)
{
	char mine[16];

	(void)sig;
	ticks++;
	check(pread(in, mine, sizeof(mine), 7) == sizeof(mine) && mine[3] == (char)((7 + 3) * 7));
}

static void on_signal(int sig)
{
	(void)sig;
	struck++;
}

/* Signals for the process, and for one thread after another. */
static void *disturb(void *arg)
{
	pthread_t *t = arg;
	unsigned long s = seed + THREADS;

	for (long i = 0; i < rounds / 50; i++) {
		pthread_kill(t[rnd(&s) % THREADS], SIGUSR1);
		some(THREADS, &s, 3);
		usleep(200);
	}
	return arg;
}

static void together(void *(*work)(void *), int disturbed)
{
	struct itimerval it = { { 0, 2000 }, { 0, 2000 } }, none = { { 0, 0 }, { 0, 0 } };
	pthread_t t[THREADS], d;

	for (long i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, work, (void *)i);
	if (disturbed) {
		pthread_create(&d, NULL, disturb, t);
		setitimer(ITIMER_REAL, &it, NULL);
		pthread_join(d, NULL);
		setitimer(ITIMER_REAL, &none, NULL);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	phase++;		/* MARK next */
}

int main(int argc, char **argv)
{
	char *bytes = malloc(SIZE), name[] = "/tmp/quickthreads.XXXXXX";
	struct sigaction sa = { .sa_handler = tick, .sa_flags = SA_RESTART };

	seed = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
	rounds = argc > 2 ? atol(argv[2]) : 1000;
	in = mkstemp(name);
	for (long i = 0; i < SIZE; i++)
		bytes[i] = (char)(i * 7);
	check(write(in, bytes, SIZE) == SIZE);
	unlink(name);
	strcpy(name, "/tmp/quickthreads.XXXXXX");
	out = mkstemp(name);
	unlink(name);
	for (int i = 0; i < THREADS; i++)
		check(pipe(pipes[i]) == 0 &&
		      socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pairs[i]) == 0);
	sigaction(SIGALRM, &sa, NULL);
	sa.sa_handler = on_signal;
	sigaction(SIGUSR1, &sa, NULL);
	apart((void *)0);
	together(apart, 0);
	together(hand, 0);
	turn = 0;
	together(pass, 0);
	together(talk, 0);
	together(compute, 0);
	together(apart, 1);
	together(compute, 1);
	together(own, 0);
	together(own, 1);
	free(bytes);
	printf("%d phases, %lu wrong, %ld handed\n", phase, wrong, shared);
	return 0;		/* MARK end */
}
