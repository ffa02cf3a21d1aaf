/* A process with threads dies: its first argument says how. cc: -pthread */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int sum;
static int *volatile nothing;
static pthread_t leader;

static void *sleeper(void *arg)
{
	for (;;)
		sleep(1);
	return arg;
}

static void die(const char *how)
{
	sum += 5;
	if (!strcmp(how, "abort"))
		abort(); /* MARK abort */
	if (!strcmp(how, "fault"))
		*nothing = sum; /* MARK fault */
	if (!strcmp(how, "kill"))
		kill(getpid(), SIGTERM); /* MARK kill */
	if (!strcmp(how, "main"))
		pthread_kill(leader, SIGTERM); /* MARK main */
	else
		_exit(3);
}

static void *killer(void *how)
{
	usleep(20000);
	die(how);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t[3];
	sigset_t none;

	leader = pthread_self();
	pthread_create(&t[0], NULL, sleeper, NULL);
	pthread_create(&t[1], NULL, sleeper, NULL);
	for (volatile int i = 0; i < 100000; i++)
		sum += i & 1;
	usleep(1000);
	if (argc == 2)
		die(argv[1]);
	/* Another thread does it, while this one waits. */
	pthread_create(&t[2], NULL, killer, argv[1]);
	sigemptyset(&none);
	if (!strcmp(argv[2], "suspend"))
		sigsuspend(&none);
	pthread_join(t[2], NULL);
	return 0;
}
