/* Sleeps forever; SIGUSR1 makes it say so; SIGTERM ends it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int naps;

static void on_usr1(int sig)
{
	(void)sig;
	if (write(1, "usr1\n", 5) != 5)
		_exit(1);
}

static void nap(void)
{
	pause();		/* MARK pause */
	naps++;
}

int main(int argc, char **argv)
{
	signal(SIGUSR1, on_usr1);
	if (write(1, "ready\n", 6) != 6)
		return 1;
	for (int n = argc > 1 ? atoi(argv[1]) : 1000000; naps < n; )
		nap();		/* MARK nap */
	puts("awake");
	return 0;
}
