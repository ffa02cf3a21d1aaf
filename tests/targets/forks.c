/* A child by fork, waited for. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int role;

static int child_work(void)
{
	role = 2;		/* MARK child */
	return 5;
}

int main(void)
{
	int status = 0;
	setvbuf(stdout, NULL, _IONBF, 0);
	pid_t pid = fork();	/* MARK fork */
	if (pid == 0)
		_exit(child_work());
	role = 1;		/* MARK parent */
	waitpid(pid, &status, 0);
	printf("child ended with %d\n", WEXITSTATUS(status));	/* MARK waited */
	return 0;		/* MARK last */
}
