/*
 * Reads the clock in many ways, and keeps what it read. cc: -pthread
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define N 4000		/* the last so many are kept */

static long long seen[N], newest;
static int count, backwards, child_status, faults, ticks;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sigjmp_buf out;

static __attribute__((noinline)) void note(long long ns)
{
	newest = ns;			/* MARK note */
	seen[count++ % N] = ns;
}

static long long monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

static void straight(int n)
{
	long long last = 0, now;

	for (int i = 0; i < n; i++) {
		now = monotonic();
		backwards += now < last;
		last = now;
		note(now);
	}
}

static void others(void)
{
	struct timespec ts;
	struct timeval tv;
	time_t t;

	clock_gettime(CLOCK_REALTIME, &ts);
	note(ts.tv_sec * 1000000000ll + ts.tv_nsec);
	gettimeofday(&tv, NULL);
	note(tv.tv_sec * 1000000000ll + tv.tv_usec * 1000ll);
	backwards += (tv.tv_sec - ts.tv_sec) * 1000000ll + tv.tv_usec - ts.tv_nsec / 1000 < 0;
	note(time(&t));
	backwards += time(NULL) < t || tv.tv_sec - t > 1 || t - tv.tv_sec > 1;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	note(ts.tv_sec);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	note(ts.tv_nsec);
	note(clock());
}

static void on_fault(int sig)
{
	(void)sig;
	faults++;
	siglongjmp(out, 1);
}

static void bad(void)
{
	signal(SIGSEGV, on_fault);
	if (!sigsetjmp(out, 1))
		clock_gettime(CLOCK_MONOTONIC, (struct timespec *)16);
	signal(SIGSEGV, SIG_DFL);
	note(monotonic());
}

static void *thread(void *arg)
{
	for (int i = 0; i < 300; i++) {
		pthread_mutex_lock(&lock);
		note(monotonic());
		pthread_mutex_unlock(&lock);
		if (i % 50 == 0)
			sched_yield();
	}
	return arg;
}

static void in_threads(void)
{
	pthread_t t[2];

	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, thread, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
}

static void in_child(void)
{
	long long before = monotonic();
	pid_t pid = fork();

	if (!pid) {
		long long last = before;

		for (int i = 0; i < 3000; i++) {
			long long now = monotonic();

			if (now < last)
				_exit(1);
			last = now;
		}
		_exit(7);
	}
	for (int i = 0; i < 3000; i++)
		note(monotonic());
	waitpid(pid, &child_status, 0);
}

static void on_tick(int sig)
{
	(void)sig;
	ticks++;
	note(monotonic());
}

static void with_ticks(void)
{
	struct itimerval it = { { 0, 3000 }, { 0, 3000 } }, none = { 0 };
	long long end = monotonic() + 50000000;

	signal(SIGALRM, on_tick);
	setitimer(ITIMER_REAL, &it, NULL);
	while (monotonic() < end)
		continue;
	setitimer(ITIMER_REAL, &none, NULL);
}

int main(void)
{
	straight(9000);	/* more than the ring has room for */
	others();	/* MARK others */
	bad();		/* MARK bad */
	in_threads();	/* MARK threads */
	in_child();	/* MARK child */
	with_ticks();	/* MARK ticks */
	printf("%d backwards, child %d, %d faults, %d ticks\n", backwards,
	       WEXITSTATUS(child_status), faults, ticks > 0);
	return 0;	/* MARK end */
}
