/* Waits with another signal mask: sigsuspend, ppoll, pselect, epoll_pwait. A signal ends each; then it is blocked again.   cc: -D_GNU_SOURCE */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <unistd.h>

int round_, sum;
volatile int ticks;
sigset_t none, alarm_;

void mark(void)
{
	round_++;	/* MARK mark */
}

void on_alarm(int sig)
{
	(void)sig;
	ticks++;	/* MARK handler */
}

void after(int result, int error)
{
	sigset_t now;

	sigprocmask(SIG_SETMASK, NULL, &now);
	sum = sum * 31 + result * 7 + error + 100 * sigismember(&now, SIGALRM) + 10 * sigismember(&now, SIGUSR1) + ticks;
	mark();
}

int main(void)
{
	struct itimerval soon = { { 0, 0 }, { 0, 10000 } };
	struct epoll_event ev;
	int ep = epoll_create1(0);

	signal(SIGALRM, on_alarm);
	sigemptyset(&none);
	sigaddset(&none, SIGUSR1);
	sigemptyset(&alarm_);
	sigaddset(&alarm_, SIGALRM);
	sigprocmask(SIG_BLOCK, &alarm_, NULL);
	for (int i = 0; i < 3; i++) {
		setitimer(ITIMER_REAL, &soon, NULL);
		after(sigsuspend(&none), errno);
		setitimer(ITIMER_REAL, &soon, NULL);
		after(ppoll(NULL, 0, NULL, &none), errno);
		setitimer(ITIMER_REAL, &soon, NULL);
		after(pselect(0, NULL, NULL, NULL, NULL, &none), errno);
		setitimer(ITIMER_REAL, &soon, NULL);
		after(epoll_pwait(ep, &ev, 1, -1, &none), errno);
	}
	printf("%d %d\n", sum, ticks);
	return 0;
}
