/* A program by vfork and exec. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "./exits";
	int status = 0;
	pid_t pid = vfork();	/* MARK vfork */
	if (pid == 0) {
		execl(what, what, "3", (char *)NULL);	/* MARK exec */
		_exit(127);
	}
	waitpid(pid, &status, 0);
	printf("%s ended with %d\n", what, WEXITSTATUS(status));	/* MARK waited */
	return 0;
}
