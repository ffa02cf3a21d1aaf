/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Clocks by which waits for threads end early. */
#include <signal.h>
#include <time.h>

#include "ckptcore/turns.h"

struct alarm {
	timer_t timer;
	bool made;
};

static void set(struct alarm *a, int sig, long ns)
{
	struct itimerspec it = { { 0, ns }, { 0, ns } };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = sig };

	if (!a->made && timer_create(CLOCK_MONOTONIC, &ev, &a->timer))
		return;
	a->made = true;
	timer_settime(a->timer, 0, &it, NULL);
}

void ckpt_turns_clock(long ns)
{
	static struct alarm a;

	set(&a, SIGALRM, ns);
}

static void on_grace(int sig)
{
	(void)sig;
}

void ckpt_turns_grace(long ns)
{
	static struct alarm a;
	const struct sigaction sa = { .sa_handler = on_grace };

	if (!a.made)
		sigaction(SIGVTALRM, &sa, NULL);
	set(&a, SIGVTALRM, ns);
}
