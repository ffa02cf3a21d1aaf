/* A child stops it amid its naps and lets it go on, which are signals that no handler sees. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
	pid_t child = fork();
	long left = 0;

	if (!child) {
		for (;;) {
			usleep(7000);
			kill(getppid(), SIGSTOP);
			usleep(2000);
			kill(getppid(), SIGCONT);
		}
	}
	for (int i = 0; i < 10; i++) {
		struct timespec nap = { 0, 30000000 }, rest = { 0, 0 };

		if (i % 2 ? poll(NULL, 0, 30) : nanosleep(&nap, &rest))
			return 1;
		left += rest.tv_nsec;
	}
	kill(child, SIGKILL);
	kill(getpid(), SIGCONT);
	waitpid(child, NULL, 0);
	printf("rested, %s\n", left ? "in pieces" : "at once");
	return 0;			/* MARK end */
}
