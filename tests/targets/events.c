/* Loops around epoll, eventfd, timerfd, signalfd, inotify; interval timers; contexts of ucontext.h.   cc: -D_GNU_SOURCE */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <ucontext.h>
#include <unistd.h>

unsigned long sum;
int round_;
volatile int ticks;

void mark(void)
{
	round_++;	/* MARK mark */
}

void add(const void *p, ssize_t n)
{
	for (ssize_t i = 0; i < n; i++)
		sum = sum * 31 + ((const unsigned char *)p)[i];
}

struct epoll_event *volatile no_memory = (void *)8;

void watch(int ep, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
		exit(2);
}

void loop(void)
{
	struct itimerspec every = { { 0, 2000000 }, { 0, 1000000 } };
	int ep = epoll_create1(0), ev = eventfd(3, EFD_NONBLOCK), in = inotify_init1(IN_NONBLOCK), tfd, sfd, left = 40;
	struct epoll_event got[8];
	char buf[4096], name[] = "/tmp/eventsXXXXXX";
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sfd = signalfd(-1, &set, SFD_NONBLOCK);
	tfd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	timerfd_settime(tfd, 0, &every, NULL);
	if (!mkdtemp(name))
		exit(2);
	inotify_add_watch(in, name, IN_CREATE | IN_DELETE);
	watch(ep, ev);
	watch(ep, sfd);
	watch(ep, tfd);
	watch(ep, in);
	while (left > 0) {
		int n = epoll_wait(ep, got, 8, 100);

		for (int i = 0; i < n; i++, left--) {
			add(buf, read(got[i].data.fd, buf, sizeof(buf)));
			if (got[i].data.fd != tfd)
				continue;
			if (left % 3 == 0)
				kill(getpid(), SIGUSR1);
			if (left % 5 == 0)
				eventfd_write(ev, left);
			if (left % 7 == 0) {
				char path[64];

				snprintf(path, sizeof(path), "%s/%d", name, left);
				close(open(path, O_CREAT, 0600));
				unlink(path);
			}
		}
	}
	rmdir(name);
	close(tfd);
	for (int i = 0; i < 20; i++)
		add(&(int){ epoll_wait(ep, got, 8, 0) }, 4);
	eventfd_write(ev, 1);
	add(&(int){ epoll_wait(ep, no_memory, 8, 100) }, 4); /* EFAULT */
	mark();
}

void on_alarm(int sig)
{
	ticks += sig > 0;
}

void timers(void)
{
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct itimerval it = { { 0, 20000 }, { 0, 20000 } };
	struct timeval tv;
	fd_set fds;

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	while (ticks < 6) {
		FD_ZERO(&fds);
		tv = (struct timeval){ 0, 30000 };
		add(&(int){ select(0, &fds, NULL, NULL, &tv) }, 4);
		add(&tv, sizeof(tv));
	}
	memset(&it, 0, sizeof(it));
	setitimer(ITIMER_REAL, &it, NULL);
	mark();
}

sigjmp_buf out;
char *guarded;

void on_fault(int sig, siginfo_t *si, void *context)
{
	ucontext_t *u = context;

	add(&sig, 4);
	if (ticks++ & 1)
		siglongjmp(out, 1);
	mprotect(guarded, 4096, PROT_READ | PROT_WRITE);
	sum += (char *)si->si_addr - guarded + (u->uc_mcontext.gregs[REG_RSP] != 0);
}

void faults(void)
{
	static char other[65536];
	stack_t st = { .ss_sp = other, .ss_size = sizeof(other) };
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigaltstack(&st, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	guarded = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ticks = 0;
	for (volatile int i = 0; i < 6; i++) {
		mprotect(guarded, 4096, PROT_NONE);
		if (!sigsetjmp(out, 1))
			guarded[i]++;
		add((const void *)&i, 4);
	}
	mark();
}

ucontext_t main_context, contexts[2];
int turns;

void ping(int who)
{
	while (turns++ < 20) {
		add(&who, 4);
		swapcontext(&contexts[who], &contexts[!who]);
	}
}

void coroutines(void)
{
	static char stacks[2][32768];

	for (int i = 0; i < 2; i++) {
		getcontext(&contexts[i]);
		contexts[i].uc_stack.ss_sp = stacks[i];
		contexts[i].uc_stack.ss_size = sizeof(stacks[i]);
		contexts[i].uc_link = &main_context;
		makecontext(&contexts[i], (void (*)(void))ping, 1, i);
	}
	swapcontext(&main_context, &contexts[0]);
	mark();
}

int main(void)
{
	loop();	/* MARK first */
	timers();
	faults();
	coroutines();
	printf("sum %lx\n", sum);
	return 0;
}
