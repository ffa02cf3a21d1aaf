/* Reads what other programs print, and waits for a child of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

char answer[64];
int status, round_;

void mark(void) { }		/* MARK mark */

int main(void)
{
	for (round_ = 0; round_ < 3; round_++) {
		char cmd[64];
		snprintf(cmd, sizeof cmd, "echo answer %d; echo $$ >>popens.log", round_);
		FILE *p = popen(cmd, "r");
		if (!p || !fgets(answer, sizeof answer, p))
			return 1;
		pclose(p);
		pid_t child = fork();
		if (child == 0)
			_exit(round_ + 20);
		waitpid(child, &status, 0);
		status = WEXITSTATUS(status);
		mark();		/* MARK call */
	}
	return 0;		/* MARK last */
}
