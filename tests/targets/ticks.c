/* A timer's signals, at whatever instruction they strike. */
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>

volatile int ticks;
volatile unsigned long spins, at_tick[100];
static volatile unsigned long noise[64];

static void on_tick(int sig)
{
	(void)sig;
	at_tick[ticks % 100] = spins;
	ticks++;			/* MARK tick */
}

static unsigned long work(unsigned long x)
{
	for (int i = 0; i < 10; i++)
		x = x * 6364136223846793005UL + 1442695040888963407UL;
	return x;
}

int main(void)
{
	struct itimerval tv = { { 0, 20000 }, { 0, 20000 } };
	signal(SIGALRM, on_tick);
	setitimer(ITIMER_REAL, &tv, NULL);	/* MARK arm */
	while (ticks < 8) {
		noise[spins % 64] = work(spins);
		spins++;			/* MARK spin */
	}
	tv.it_value.tv_usec = tv.it_interval.tv_usec = 0;
	setitimer(ITIMER_REAL, &tv, NULL);
	printf("%d\n", ticks);			/* MARK print */
	return 0;
}
