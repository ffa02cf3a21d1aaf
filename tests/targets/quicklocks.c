/* Threads, and a child, that count in a file under locks of it (flock, fcntl) and yield meanwhile: none may be lost, and who
 * waits for a lock gets it. cc: -pthread */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 3

volatile unsigned long wrong, waited;
volatile int phase;
static char name[] = "/tmp/fred-locks-XXXXXX";
static int rounds = 300;
static int holder;

static void check(int good)
{
	if (!good)
		__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
}

static unsigned long count(int fd, int at)
{
	unsigned long n = 0;

	check(pread(fd, &n, sizeof(n), at) == sizeof(n));
	n++;
	check(pwrite(fd, &n, sizeof(n), at) == sizeof(n));
	return n;
}

static void *by_flock(void *arg)
{
	const int me = (int)(long)arg, fd = open(name, O_RDWR);

	for (int i = 0; i < rounds; i++) {
		if (i % 3 == 0 && flock(fd, LOCK_EX | LOCK_NB))
			waited++;
		check(!flock(fd, LOCK_EX)); /* MARK lock */
		check(!holder);
		holder = me;
		if (i % 4 == 0)
			sched_yield();
		count(fd, 0);
		check(holder == me);
		holder = 0;
		check(!flock(fd, LOCK_UN));
		if (i % 7 == 0)
			sched_yield();
		check(!kill(getpid(), 0));
	}
	return NULL; /* to close it would give up the process's locks by fcntl */
}

static void by_fcntl(int fd)
{
	for (int i = 0; i < rounds; i++) {
		struct flock l = { .l_type = F_WRLCK, .l_start = 8, .l_len = 8 };

		check(!fcntl(fd, F_SETLKW, &l));
		count(fd, 8);
		if (i % 50 == 0)
			usleep(200);
		l.l_type = F_UNLCK;
		check(!fcntl(fd, F_SETLKW, &l));
	}
}

int main(int argc, char **argv)
{
	unsigned long n[4] = { 0 };
	pthread_t t[THREADS];
	int fd, status = -1, talk[2], null = open("/dev/null", O_WRONLY);
	off_t at;
	pid_t child;

	if (argc > 1)
		rounds = atoi(argv[1]);
	fd = mkstemp(name);
	check(fd >= 0 && write(fd, n, sizeof(n)) == sizeof(n));
	child = fork();
	if (!child) {
		by_fcntl(open(name, O_RDWR));
		_exit(wrong != 0);
	}
	for (long i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, by_flock, (void *)(i + 1));
	by_fcntl(fd);
	phase++; /* MARK counted */
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	waitpid(child, &status, 0);
	check(!status && pread(fd, n, sizeof(n), 0) == sizeof(n));
	phase++; /* MARK joined */
	check(n[0] == (unsigned long)(THREADS * rounds) && n[1] == (unsigned long)(2 * rounds));
	check(!pipe(talk) && !fallocate(fd, 0, 0, 8192));
	for (int i = 0; i < rounds; i++) {
		char got[20];

		at = i % 16;
		check(sendfile(talk[1], fd, &at, 16) == 16 && at == i % 16 + 16);
		check(read(talk[0], got, sizeof(got)) == 16);
		check(sendfile(null, fd, NULL, 4096) >= 0);
	}
	unlink(name);
	phase++; /* MARK sent */
	printf("%lu by flock, %lu by fcntl, %lu wrong\n", n[0], n[1], wrong);
	return wrong != 0;
}
