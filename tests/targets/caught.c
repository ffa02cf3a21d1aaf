/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What catchpoints catch: an exec, calls (one that is not replayed, one that a signal ends), signals, children. */
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

static volatile int k, got;

static void on_signal(int sig)
{
	(void)sig;
	got++;
}

int main(int argc, char **argv)
{
	const struct itimerval timer = { { 0, 0 }, { 0, 20000 } };
	const struct timespec nap = { 0, 50000000 };

	if (argc == 1)
		execl("/proc/self/exe", argv[0], "again", NULL); /* MARK first */
	signal(SIGUSR1, on_signal);
	signal(SIGALRM, on_signal);
	k = 1;
	if (write(1, "a\n", 2) != 2)
		return 1;
	k = 2;
	raise(SIGUSR1);
	k = 3;
	syscall(SYS_getppid);
	k = 4;
	if (!vfork())
		_exit(0);
	k = 5;
	setitimer(ITIMER_REAL, &timer, NULL);
	nanosleep(&nap, NULL); /* not made again */
	k = 6;
	if (!fork())
		_exit(0);
	k = 7;
	while (wait(NULL) > 0)
		continue;
	k = 8;
	ioctl(1, 0x12345678, 0);
	k = 9;
	printf("%d signals\n", got);
	return 0; /* MARK last */
}
