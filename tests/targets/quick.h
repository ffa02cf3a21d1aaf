/* What quick.c and quickkinds.c share: files with known contents, small calls, and what became of them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

volatile unsigned long sum, calls, wrong, ticks, seed;
volatile int phase;
static int in, out;
static int phase_status __attribute__((unused));
static char buf[300000];

static unsigned long rnd(void)
{
	seed = seed * 6364136223846793005ul + 1442695040888963407ul;
	return seed >> 33;
}

static void add(const void *p, long n)
{
	const unsigned char *c = p;

	for (long i = 0; i < n; i += 7)
		sum = sum * 31 + c[i];
	sum = sum * 31 + (unsigned long)n;
	calls++;
}

static void check(int good)
{
	if (!good)
		__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
}

static void some(int n)
{
	struct timespec ts;
	struct stat st;

	for (int i = 0; i < n; i++) {
		long at = (long)(rnd() % 60000), len = (long)(rnd() % 500);
		long is = lseek(in, at, SEEK_SET);

		check(is == at);
		is = read(in, buf, (size_t)len);
		check(is == len && (!len || buf[len / 2] == (char)((at + len / 2) * 7)));
		add(buf, is);
		is = pread(in, buf, 20, at / 2);
		add(buf, is);
		is = write(out, buf, 20);
		add(&is, sizeof(is));
		is = getppid();
		add(&is, sizeof(is));
		if (i % 7 == 0) {
			static long newest;

			clock_gettime(CLOCK_REALTIME, &ts);
			add(&ts, sizeof(ts));
			clock_gettime(CLOCK_MONOTONIC, &ts);	/* goes forward, whoever tells it */
			is = ts.tv_sec * 1000000000 + ts.tv_nsec;
			check(is >= newest);
			newest = is;
		}
		if (i % 5 == 0) {
			is = syscall(SYS_fstat, in, &st);
			check(is == 0 && st.st_size == 65536);
			add(&st, sizeof(st));
		}
	}
}

static void tick(int sig)
{
	char mine[16];

	(void)sig;
	ticks++;
	check(pread(in, mine, sizeof(mine), 7) == sizeof(mine) && mine[3] == (char)((7 + 3) * 7));
}

static int prepare(const char *start)
{
	char name[] = "/tmp/quickXXXXXX", name2[] = "/tmp/quickXXXXXX";

	seed = start ? strtoul(start, NULL, 10) : 1;
	in = mkstemp(name);
	out = mkstemp(name2);
	unlink(name);
	unlink(name2);
	for (int i = 0; i < 65536; i++)
		buf[i] = (char)(i * 7);
	return write(in, buf, 65536) == 65536;
}
