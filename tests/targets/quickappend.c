/* Where a file stands to which is appended, and a folder that is read, with a timer's signals in between. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

volatile long wrong, ticks, came, branch;

static void tick(int sig)
{
	(void)sig;
	ticks++;
}

int main(void)
{
	struct itimerval often = { { 0, 2300 }, { 0, 2300 } }, never = { { 0, 0 }, { 0, 0 } };
	char name[] = "/tmp/quickappendXXXXXX";
	int log = mkostemp(name, O_APPEND);
	long written = 0, seen = 0;

	unlink(name);
	signal(SIGALRM, tick);
	setitimer(ITIMER_REAL, &often, NULL);
	while (came < 400) {
		written += write(log, "some", 4);
		if (ticks == seen)
			continue;
		came++;			/* MARK came */
		wrong += lseek(log, 0, SEEK_CUR) != written;
		seen = ticks;		/* MARK checked */
	}
	setitimer(ITIMER_REAL, &never, NULL);
	printf("%ld ticks, %ld wrong\n", ticks, wrong);
	return 0;			/* MARK end */
}
