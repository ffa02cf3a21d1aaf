/* Signals of all kinds where no instruction has been run since a call: what their handlers see, and what follows. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1 << 31)
#endif

volatile int count, from, value, other_stack, alt_flags, fault_number, was_blocked, depth, result, error;
volatile double product;
static int fds[2];
static char *stack;
static sigjmp_buf back;

static void note(int sig, siginfo_t *info, void *context)
{
	ucontext_t *c = context;
	char here;
	stack_t alt;

	sigaltstack(NULL, &alt);
	alt_flags = alt.ss_flags;
	from = info->si_code;
	value = info->si_value.sival_int;
	other_stack = &here >= stack && &here < stack + 65536;
	fault_number = (int)c->uc_mcontext.gregs[REG_TRAPNO];
	was_blocked = sigismember(&c->uc_sigmask, SIGALRM);
	product = product * 1.5 + sig;
	count++;			/* MARK note */
}

static void again(int sig, siginfo_t *info, void *context)
{
	if (++depth % 3)
		raise(sig);		/* MARK deeper */
	note(sig, info, context);
}

static void raise_other(int sig, siginfo_t *info, void *context)
{
	raise(SIGUSR2);			/* MARK blocked */
	note(sig, info, context);
}

static void feed(int sig, siginfo_t *info, void *context)
{
	note(sig, info, context);
	if (write(fds[1], "x", 1) != 1)
		abort();
}

static void jump(int sig, siginfo_t *info, void *context)
{
	note(sig, info, context);
	siglongjmp(back, 1);
}

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(back, 1);
}

static void handle(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

	sigaddset(&sa.sa_mask, SIGUSR2);
	sigaction(sig, &sa, NULL);
}

static void set_alarm(int first, int later)
{
	struct itimerval tv = { { 0, later }, { 0, first } };

	setitimer(ITIMER_REAL, &tv, NULL);
}

static void alarm_soon(void)
{
	set_alarm(20000, 500000);	/* once more, should it be too early */
}

static void step(int got)		/* what the call said, at its end */
{
	result = got;
	error = got < 0 ? errno : 0;	/* MARK step */
	if (from == SI_KERNEL)
		set_alarm(0, 0);
}

static void sent_to_itself(void)
{
	struct sigaction now;

	handle(SIGUSR1, note, 0);
	step(sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 77 }));
	step(raise(SIGUSR1));
	handle(SIGUSR1, note, (int)SA_RESETHAND);
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &now);
	step(now.sa_handler == SIG_DFL);
	handle(SIGUSR1, again, SA_NODEFER);
	step(raise(SIGUSR1));
	handle(SIGUSR1, raise_other, 0);
	handle(SIGUSR2, note, 0);
	step(raise(SIGUSR1));
	handle(SIGUSR1, jump, 0);
	if (!sigsetjmp(back, 1))
		raise(SIGUSR1);
	step(0);
}

static void on_other_stacks(void)
{
	stack_t st = { .ss_sp = stack, .ss_size = 65536 };

	sigaltstack(&st, NULL);
	handle(SIGUSR1, note, SA_ONSTACK);
	step(raise(SIGUSR1));
	st.ss_flags = (int)SS_AUTODISARM;
	sigaltstack(&st, NULL);
	step(raise(SIGUSR1));
	sigaltstack(NULL, &st);
	step(st.ss_flags == (int)SS_AUTODISARM);
}

static void unblocked(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	step(count);
	step(sigprocmask(SIG_UNBLOCK, &set, NULL));
}

static void waiting(void)
{
	struct timespec t = { 5, 0 }, rest = { 0, 0 };
	int ep = epoll_create1(0);
	struct epoll_event ev;
	sigset_t block, none;
	int done;
	char c;

	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGALRM);
	handle(SIGALRM, note, 0);
	alarm_soon();
	step(nanosleep(&t, &rest));
	step(rest.tv_sec);
	alarm_soon();
	step(read(fds[0], &c, 1));
	alarm_soon();
	step(pause());
	handle(SIGALRM, feed, SA_RESTART);
	alarm_soon();
	step(read(fds[0], &c, 1));
	alarm_soon();
	step(pause());			/* never made again */
	step(read(fds[0], &c, 1));
	handle(SIGALRM, note, SA_RESTART);
	sigprocmask(SIG_BLOCK, &block, NULL);
	alarm_soon();
	step(sigsuspend(&none));
	alarm_soon();
	step(ppoll(NULL, 0, NULL, &none));
	alarm_soon();
	step(pselect(0, NULL, NULL, NULL, &t, &none));
	alarm_soon();
	step(epoll_pwait(ep, &ev, 1, -1, &none));
	sigprocmask(SIG_UNBLOCK, &block, NULL);
	close(ep);
	handle(SIGALRM, raise_other, 0);
	done = count;
	alarm_soon();
	while (count < done + 2)	/* MARK amid */
		;
	step(count - done);
}

static void child(void)
{
	sigset_t set;
	pid_t pid;
	int status;

	handle(SIGCHLD, note, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);	/* it comes at the same place each time */
	pid = fork();
	if (!pid) {
		usleep(3000);
		_exit(3);
	}
	step(waitpid(pid, &status, 0) == pid);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	step(WEXITSTATUS(status));
}

int main(void)
{
	stack = malloc(65536);
	if (pipe(fds))
		return 1;
	sent_to_itself();		/* MARK begin */
	on_other_stacks();
	unblocked();
	signal(SIGSEGV, on_fault);
	if (!sigsetjmp(back, 1))
		raise(*(volatile int *)16);	/* the number of this fault stays in the frames of signals */
	sent_to_itself();
	waiting();
	child();
	printf("%d %d\n", count, depth);	/* MARK print */
	return 0;
}
