/* Three children by fork and one by vfork, one after another. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int k;

static void work(int i)
{
	k = i; /* MARK work */
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0); /* MARK first */
	for (int i = 1; i <= 3; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(i);
		work(i);
		waitpid(pid, NULL, 0);
	}
	if (vfork() == 0)
		_exit(4);
	wait(NULL);
	work(10);
	printf("%d\n", k); /* MARK last */
	return 0;
}
