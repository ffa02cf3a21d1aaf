/* Sends itself signals, by way of small calls that make no stop; the last one, SIGKILL, ends it. */
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

volatile long n, came;

static void on_signal(int sig)
{
	(void)sig;
	came++;
}

int main(void)
{
	signal(SIGUSR1, on_signal);
	for (int i = 0; i < 2000; i++) {
		n++;
		getppid();
		if (i % 30 == 0)
			kill(getpid(), SIGUSR1);
		else if (i % 30 == 10)
			raise(SIGUSR1);
		else if (i % 30 == 20)
			syscall(SYS_tkill, getpid(), SIGUSR1);
	}
	for (int i = 0; i < 777; i++) {
		n++;
		getppid();
	}
	kill(getpid(), SIGKILL);
	n = 0;
	return 0;
}
