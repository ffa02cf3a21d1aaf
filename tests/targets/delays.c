/* Signals amid code, and calls in between: a child sends them one by one, and each time waits for the handler. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIGNALS 200

volatile int count, wrong;
volatile unsigned long spins, at_signal[SIGNALS];
static pid_t child;
static int acks[2];

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	wrong += sig != SIGUSR1 || info->si_code != SI_QUEUE || info->si_pid != child ||
		 info->si_value.sival_int != count;
	at_signal[count % SIGNALS] = spins;
	count++;			/* MARK handler */
	if (write(acks[1], "a", 1) != 1)
		abort();
}

static void send_all(pid_t to)
{
	char c;

	for (int i = 0; i < SIGNALS; i++)
		if (sigqueue(to, SIGUSR1, (union sigval){ .sival_int = i }) || read(acks[0], &c, 1) != 1)
			_exit(1);
	_exit(0);
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
	int go[2];
	char c = 0;

	if (pipe(acks) || pipe(go))
		return 1;
	sigaction(SIGUSR1, &sa, NULL);
	child = fork();
	if (!child)
		send_all(read(go[0], &c, 1) == 1 ? getppid() : 0);
	if (write(go[1], "g", 1) != 1)	/* MARK begin */
		return 1;
	while (count < SIGNALS) {
		for (int i = 0; i < 30000; i++)
			spins++;
		getppid();
	}
	wait(NULL);			/* MARK end */
	printf("%d %d\n", count, wrong);
	return 0;
}
