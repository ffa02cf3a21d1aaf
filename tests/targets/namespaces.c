/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Makes a namespace of processes; the numbers in it are 1 and 2, whoever debugs that. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/wait.h>

static int k;

static int code_of(pid_t child)
{
	int status = 0;

	return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int inner(void)
{
	pid_t child = fork();

	if (!child)
		_exit(getpid() == 2 ? 4 : 5);
	return getpid() == 1 ? code_of(child) : 6;
}

int main(void)
{
	pid_t child;

	k = 1;
	if (unshare(CLONE_NEWUSER | CLONE_NEWPID)) {
		puts("can't");
		return 0;
	}
	k = 2;
	usleep(150000);
	child = fork();
	if (!child)
		_exit(inner()); /* MARK child */
	k = 3;
	usleep(150000);
	printf("code %d\n", code_of(child));
	k = 4; /* MARK last */
	return 0;
}
