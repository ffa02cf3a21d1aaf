// SPDX-License-Identifier: GPL-3.0-or-later
/* The program below the engine's tests: engine_target MODE [MEGABYTES]. With ENGINE_HUGE in the
 * environment the megabytes are in huge pages. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <x86intrin.h>

#include "engine_target.h"

static struct told told;
static volatile uint64_t sum; /* of everything that happened */

static void mark(uint64_t nr)
{
	__asm__ volatile("int3" ::"a"(nr), "b"(&told) : "memory");
}

static void mix(uint64_t value)
{
	sum = (sum ^ value) * 0x100000001b3ull + (sum >> 29);
}

static void on_value(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	told.values[told.nvalues++ % MAX_VALUES] = si->si_value.sival_int;
}

static void on_usr1(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	told.usr1++;
	told.usr1_code = (uint64_t)si->si_code;
	told.usr1_pid = (uint64_t)si->si_pid;
	told.usr1_value = (uint64_t)si->si_value.sival_int;
	mix(told.usr1);
}

/* The faulting access is `mov (%rax), %rax'. */
static void on_segv(int sig, siginfo_t *si, void *ucontext)
{
	greg_t *r = ((ucontext_t *)ucontext)->uc_mcontext.gregs;

	(void)sig;
	told.faults++;
	told.fault_addr = (uint64_t)si->si_addr;
	told.fault_trapno = (uint64_t)r[REG_TRAPNO];
	told.fault_error = (uint64_t)r[REG_ERR];
	told.fault_cr2 = (uint64_t)r[REG_CR2];
	mix(told.fault_addr);
	r[REG_RIP] += 3;
	r[REG_RAX] = 7;
}

static void on_chld(int sig)
{
	(void)sig;
	told.sigchld++;
}

static void handle(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = { .sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags };

	sigaction(sig, &sa, NULL);
}

static void altstack(void)
{
	stack_t ss = { .ss_sp = malloc(65536), .ss_size = 65536 };

	sigaltstack(&ss, NULL);
}

static void fault(void)
{
	uint64_t at = 0x123450;

	__asm__ volatile("mov (%%rax), %%rax" : "+a"(at)::"memory");
	mix(at);
}

/* ------------------------------------------------------------------- inject */

static void m_inject(void)
{
	sigset_t set;

	handle(SIGRTMIN, on_value, 0);
	handle(SIGUSR1, on_usr1, SA_RESTART);
	handle(SIGSEGV, on_segv, SA_ONSTACK);
	altstack();
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGRTMAX);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (;;) {
		mark(MARK_READY);
		switch (told.stop) {
		case 0:
			break;
		case 1:
			fault();
			break;
		case 2: {
			struct timespec ts = { 0, 60000000 }, a, b;

			clock_gettime(CLOCK_MONOTONIC, &a);
			told.result = syscall(SYS_nanosleep, &ts, NULL);
			clock_gettime(CLOCK_MONOTONIC, &b);
			told.order = (uint64_t)((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec -
						a.tv_nsec);
			break;
		}
		case 3: {
			char c = 0;

			told.result = read(FD_READ, &c, 1) == 1 ? c : -errno;
			break;
		}
		case 4:
			for (volatile uint64_t i = 0; i < 100000000 && told.nvalues < told.order;
			     i++)
				;
			break;
		}
		mark(MARK_AGAIN);
	}
}

/* --------------------------------------------------------------------- fork */

static void m_fork(void)
{
	struct sigaction sa = { .sa_handler = on_chld };

	sigaction(SIGCHLD, &sa, NULL);
	altstack();
	for (;;) {
		mark(MARK_READY);
		told.waited = waitpid(-1, NULL, WNOHANG | __WALL);
		told.waited_errno = errno;
		mark(MARK_AGAIN);
		close(FD_PIPE);
		close(FD_SOCKET);
		mark(MARK_END);
	}
}

/* ------------------------------------------------------------------- record */

static void calls(unsigned int round)
{
	struct timespec ts;
	struct timeval tv;
	char buf[200];
	int p[2];

	clock_gettime(CLOCK_REALTIME, &ts);
	mix((uint64_t)ts.tv_nsec);
	gettimeofday(&tv, NULL);
	mix((uint64_t)tv.tv_usec + (uint64_t)time(NULL));
	if (getrandom(buf, sizeof(buf), 0) > 0)
		for (size_t i = 0; i < sizeof(buf); i++)
			mix((unsigned char)buf[i]);
	mix((uint64_t)getpid() + (uint64_t)getppid());
	if (!pipe(p)) {
		mix((uint64_t)write(p[1], buf, 100));
		mix((uint64_t)read(p[0], buf + 100, 100));
		close(p[0]);
		close(p[1]);
	}
	if (round % 4 == 1) {
		char *m = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);

		memset(m, (int)round, 100000);
		mix((uint64_t)m[round % 100000]);
		mprotect(m, 4096, PROT_READ);
		m = mremap(m, 1 << 20, 1 << 21, MREMAP_MAYMOVE);
		mix((uint64_t)m);
		munmap(m + 8192, (1 << 21) - 8192);
		free(malloc(100000 + round * 1000));
		mix((uint64_t)sbrk(4096));
	}
}

static void compute(unsigned int n)
{
	static double grid[64];

	for (unsigned int i = 0; i < n; i++) {
		grid[i % 64] = grid[(i + 7) % 64] * 1.0001 + (double)(sum & 0xff);
		mix((uint64_t)grid[i % 64] + i);
	}
}

static void m_record(int forever)
{
	unsigned int aux;
	int status = 0;

	handle(SIGUSR1, on_usr1, SA_RESTART);
	handle(SIGRTMIN, on_value, 0);
	handle(SIGSEGV, on_segv, SA_ONSTACK);
	altstack();
	for (unsigned int round = 0; forever || round < 60; round++) {
		calls(round);
		compute(3000);
		mix(__rdtsc());
		mix(__rdtscp(&aux));
		if (round % 8 == 3)
			kill(getpid(), SIGUSR1);
		if (round % 8 == 5)
			fault();
		if (round % 16 == 7) { /* a barrier: its memory is shared meanwhile */
			pid_t pid = vfork();

			if (!pid)
				_exit(3);
			waitpid(pid, &status, 0);
			mix((uint64_t)status);
		}
		if (round % 16 == 9) {
			pid_t pid = fork();

			if (!pid)
				_exit(4);
			waitpid(pid, &status, 0);
			mix((uint64_t)status);
		}
	}
	exit((int)(sum & 0x3f));
}

/* ------------------------------------------------------------------ threads */

static pthread_mutex_t mutex, wait_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static volatile int woken, ready;
static __thread volatile uint64_t tls = 1;
static __thread char *my_stack;

static void on_usr2(int sig, siginfo_t *si, void *uc)
{
	char here;

	(void)sig;
	(void)si;
	(void)uc;
	if (&here > my_stack && &here < my_stack + 65536)
		__atomic_add_fetch(&told.on_altstack, 1, __ATOMIC_SEQ_CST);
}

static void thread_setup(uint64_t nr)
{
	stack_t ss = { .ss_sp = my_stack = malloc(65536), .ss_size = 65536 };
	char name[16];
	sigset_t set;

	sigaltstack(&ss, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 2 + (int)nr);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	snprintf(name, sizeof(name), "thread %d)", (int)nr);
	if (nr)
		prctl(PR_SET_NAME, name);
	tls = nr * 1000;
	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
}

/* Runs in user code with values in all xmm registers until told to stop. */
static void spin(uint64_t nr)
{
	uint64_t wrong = 0;

	__asm__ volatile("movq %[nr], %%xmm3\n"
			 "punpcklqdq %%xmm3, %%xmm3\n"
			 "movdqa %%xmm3, %%xmm15\n"
			 "1: movq %%xmm3, %%rax\n"
			 "cmp %%rax, %[nr]\n"
			 "je 2f\n"
			 "inc %[wrong]\n"
			 "2: movq %%xmm15, %%rax\n"
			 "cmp %%rax, %[nr]\n"
			 "je 3f\n"
			 "inc %[wrong]\n"
			 "3: cmpq $0, %[stop]\n"
			 "je 1b\n"
			 : [wrong] "+r"(wrong)
			 : [nr] "r"(nr), [stop] "m"(told.stop)
			 : "rax", "xmm3", "xmm15", "memory", "cc");
	told.xmm_wrong += wrong;
}

static void *spinner(void *arg)
{
	thread_setup((uint64_t)arg);
	pthread_mutex_lock(&mutex);
	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
	spin(0x1234567890abcdefull);
	pthread_mutex_unlock(&mutex);
	pthread_mutex_lock(&wait_mutex);
	woken = 1;
	pthread_cond_signal(&cond);
	pthread_mutex_unlock(&wait_mutex);
	told.tls_wrong += tls != (uint64_t)arg * 1000;
	return (void *)1;
}

static void *waiter(void *arg)
{
	thread_setup((uint64_t)arg);
	pthread_mutex_lock(&wait_mutex);
	while (!woken)
		pthread_cond_wait(&cond, &wait_mutex);
	pthread_mutex_unlock(&wait_mutex);
	told.tls_wrong += tls != (uint64_t)arg * 1000;
	return (void *)2;
}

static void *locker(void *arg)
{
	thread_setup((uint64_t)arg);
	while (ready < 5) /* until the spinner has it */
		sched_yield();
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
	told.tls_wrong += tls != (uint64_t)arg * 1000;
	return (void *)4;
}

static void *sleeper(void *arg)
{
	struct timespec ts = { 0, 300000000 };

	thread_setup((uint64_t)arg);
	while (!told.stop)
		if (syscall(SYS_nanosleep, &ts, NULL))
			told.result = -1;
	told.tls_wrong += tls != (uint64_t)arg * 1000;
	return (void *)8;
}

static void m_threads(const char *megabytes, int leader_dies)
{
	void *(*const fns[])(void *) = { spinner, waiter, locker, sleeper };
	size_t size = megabytes ? (size_t)atoi(megabytes) << 20 : 0;
	pthread_mutexattr_t attr;
	pthread_t threads[4];
	uint64_t all = 0;

	if (size) {
		char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0);

		if (getenv("ENGINE_HUGE"))
			madvise(p, size, MADV_HUGEPAGE);
		memset(p, 1, size);
	}
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&mutex, &attr);
	handle(SIGUSR2, on_usr2, SA_ONSTACK | SA_RESTART);
	mark(MARK_READY); /* the last one with a single thread */
	for (uint64_t i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, fns[i], (void *)(i + 1));
	if (leader_dies)
		pthread_exit(NULL);
	for (uint64_t i = 0; i < 4; i++) {
		void *ret = NULL;

		pthread_join(threads[i], &ret);
		all |= (uint64_t)ret;
	}
	_exit(all == 15 && !told.result && !told.xmm_wrong && !told.tls_wrong ? 42 : 1);
}

static void m_vfork(void)
{
	mark(MARK_READY);
	if (!vfork()) {
		sleep(1);
		_exit(0);
	}
	mark(MARK_END);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (!strcmp(mode, "inject"))
		m_inject();
	else if (!strcmp(mode, "fork"))
		m_fork();
	else if (!strcmp(mode, "record"))
		m_record(0);
	else if (!strcmp(mode, "record-forever"))
		m_record(1);
	else if (!strcmp(mode, "threads"))
		m_threads(argc > 2 ? argv[2] : getenv("ENGINE_MEGABYTES"), 0);
	else if (!strcmp(mode, "threads-leaderless"))
		m_threads(NULL, 1);
	else if (!strcmp(mode, "vfork"))
		m_vfork();
	return 1;
}
