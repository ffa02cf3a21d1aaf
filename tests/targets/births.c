/* Children one after the other, by fork or (with an argument) by vfork. */
#include <sys/wait.h>
#include <unistd.h>

int born;

int main(int argc, char **argv)
{
	(void)argv;
	for (int i = 0; i < 3; i++) {	/* MARK begin */
		pid_t pid = argc > 1 ? vfork() : fork();

		if (pid == 0)
			_exit(0);
		waitpid(pid, NULL, 0);
		born++;
	}
	return 0;
}
