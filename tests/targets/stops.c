/* A program that stops itself, and whose children send it SIGCONT. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int conts, round_;

static void on_cont(int sig)
{
	conts += sig == SIGCONT;
}

void mark(void)
{
	round_++;	/* MARK mark */
}

int main(void)
{
	pid_t me = getpid(), child;

	signal(SIGCONT, on_cont);	/* MARK first */
	for (int i = 0; i < 3; i++) {
		child = fork();
		if (child == 0) {
			usleep(5000);
			kill(me, SIGCONT);
			_exit(0);
		}
		raise(SIGSTOP);
		waitpid(child, NULL, 0);
		mark();
	}
	printf("%d\n", conts);
	return 0;
}
