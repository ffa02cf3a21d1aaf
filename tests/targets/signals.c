/* Signals that a program sends itself. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

int handled;

static void on_usr1(int sig)
{
	handled += sig == SIGUSR1;	/* MARK handler */
}

static void on_usr2(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)context;
	handled += info->si_pid == getpid() ? 10 : 20;	/* MARK info */
}

int main(void)
{
	signal(SIGUSR1, on_usr1);
	struct sigaction sa = { .sa_sigaction = on_usr2, .sa_flags = SA_SIGINFO };
	sigaction(SIGUSR2, &sa, NULL);
	raise(SIGUSR1);			/* MARK first */
	handled += 100;			/* MARK between */
	kill(getpid(), SIGUSR2);	/* MARK second */
	raise(SIGCHLD);
	printf("%d\n", handled);	/* MARK print */
	return 0;			/* MARK last */
}
