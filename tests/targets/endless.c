/* A loop of one line without an end; with an argument, signals come meanwhile. */
#include <signal.h>
#include <sys/time.h>

static volatile long n;
static volatile int ticks;

static void on_alarm(int sig)
{
	ticks += sig != 0; /* MARK tick */
}

int main(int argc, char **argv)
{
	struct itimerval it = { { 0, 200000 }, { 0, 200000 } };

	(void)argv;
	signal(SIGALRM, on_alarm);
	if (argc > 1)
		setitimer(ITIMER_REAL, &it, 0); /* MARK timer */
	n = argc; /* MARK before */
	for (;;) { n++; } /* MARK loop */
}
