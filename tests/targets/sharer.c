/*
 * Children that share the program's memory without being threads: one that nobody may trace, as LeakSanitizer's is,
 * and ("traced") one that works while its parent looks on. cc: -D_GNU_SOURCE
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static char stack[65536];
static volatile int done, sum, seen, changes, error;

static int child(void *arg)
{
	for (int i = 1; i <= 20; i++) {
		sum += i;
		usleep(20000);
	}
	done = 1;
	return arg != NULL;
}

int main(int argc, char **argv)
{
	int flags = argc > 1 ? SIGCHLD : CLONE_UNTRACED | CLONE_FS | CLONE_FILES;
	int pid, status;

	(void)argv;
	pid = clone(child, stack + sizeof(stack), CLONE_VM | flags, NULL);
	error = pid < 0 ? errno : 0;	/* MARK made */
	if (pid < 0)
		return 7;
	while (!done) {
		if (seen != sum) {
			seen = sum;	/* MARK seen */
			changes++;
		}
		sched_yield();
	}
	waitpid(pid, &status, __WALL);
	printf("%d\n", sum);	/* MARK print */
	return 0;
}
