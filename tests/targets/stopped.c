/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stopped and continued by a child three times, while it sleeps, or computes; and other signals come. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/wait.h>

static volatile int total, conts;

static void on_signal(int sig)
{
	conts += sig == SIGCONT;
	total++;
}

static void child(pid_t parent)
{
	for (int i = 0; i < 3; i++) {
		usleep(30000);
		kill(parent, SIGSTOP);
		usleep(20000);
		kill(parent, SIGCONT);
	}
	usleep(20000);
	kill(parent, SIGUSR1);
	usleep(20000);
	_exit(0);
}

int main(void)
{
	const struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	pid_t pid, parent = getpid();

	sigaction(SIGCONT, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	pid = fork();
	if (!pid)
		child(parent);
	while (conts < 2) /* amid code */
		continue;
	while (waitpid(pid, NULL, 0) != pid)
		continue;
	printf("%d, %d of them SIGCONT\n", total, conts);
	return 0;
}
