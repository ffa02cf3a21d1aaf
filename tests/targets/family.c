/*
 * A parent and a child that both compute, then a grandchild by vfork and exec:
 * ./family exec is that one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int value = 5;

static int child_work(int n)
{
	n += 1; /* MARK child */
	n *= 2;
	value = n;
	return n;
}

static int parent_work(int n)
{
	n += 10; /* MARK parent */
	value = n;
	return n;
}

static int grandchild_work(int n)
{
	n *= 7; /* MARK grandchild */
	value = n;
	return n;
}

static int wait_for(pid_t pid)
{
	int status = 0;

	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	pid_t pid;

	setvbuf(stdout, NULL, _IONBF, 0);
	if (argc > 1)
		return grandchild_work(value);
	pid = fork();
	if (pid == 0)
		exit(child_work(value));
	printf("parent %d\n", parent_work(value));
	printf("child %d\n", wait_for(pid));
	pid = vfork();
	if (pid == 0) {
		execl("/proc/self/exe", argv[0], "exec", NULL);
		_exit(99);
	}
	printf("grandchild %d\n", wait_for(pid));
	return 0;
}
