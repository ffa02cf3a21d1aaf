/* A process with threads dies: its first argument says how. cc: -pthread */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
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

/* sync() isn't for this program. */
static void forbid(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sync, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog all = { sizeof(code) / sizeof(code[0]), code };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &all);
}

static void die(const char *how)
{
	sum += 5;
	if (!strcmp(how, "filter")) {
		forbid();
		sync();
	}
	if (!strcmp(how, "SIGKILL"))
		kill(getpid(), SIGKILL);
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
