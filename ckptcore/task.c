/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tasks: the table of everything we trace, their states, and the only calls
 * of waitpid() and of resuming ptrace requests in fred.
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/audit.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "ckptcore/clock.h"
#include "ckptcore/plugin.h"
#include "ckptcore/turns.h"

#define HASH_SIZE 4096

static struct ckpt_task *table[HASH_SIZE], *all;
static pthread_t tracer;
static unsigned int untold; /* tasks with untold set */
static struct ckpt_task *expected;
static bool counted;	   /* nothing has come or gone since others were counted */
static unsigned int alone; /* so many stops in a row were of one process, and no signal came */
static size_t processes;   /* that aren't copies */
static size_t siblings;	   /* threads of the expected one's process */

#define LOOK_AROUND 16 /* waits for the expected one between looks at the others */

struct ckpt_stats ckpt_stats;
void (*ckpt_warn)(const char *text);
void (*ckpt_cutting)(struct ckpt_timeline *tl, size_t n);
void (*ckpt_turned)(struct ckpt_timeline *tl, struct ckpt_task *from, struct ckpt_task *to);
bool (*ckpt_cancelled)(void);

static const long trace_options =
	PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACECLONE |
	PTRACE_O_TRACEEXEC | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD;

double ckpt_now(void)
{
	struct timespec ts;

	/* Not the vdso's: it reads the counter, which costs a fault here, see tsc.h. */
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

int ckpt_init(void)
{
	tracer = pthread_self();
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

static void check_thread(void)
{
	assert(pthread_equal(tracer, pthread_self()));
}

struct ckpt_task *ckpt_find(pid_t tid)
{
	struct ckpt_task *t = table[(unsigned int)tid % HASH_SIZE];

	while (t && t->tid != tid)
		t = t->next;
	return t;
}

void ckpt_each_task(void (*fn)(struct ckpt_task *t, void *arg), void *arg)
{
	for (struct ckpt_task *t = all; t; t = t->next_of_all)
		fn(t, arg);
}

static void unlink_task(struct ckpt_task *t)
{
	struct ckpt_task **p = &table[(unsigned int)t->tid % HASH_SIZE];

	while (*p != t)
		p = &(*p)->next;
	*p = t->next;
}

static void link_task(struct ckpt_task *t)
{
	struct ckpt_task **head = &table[(unsigned int)t->tid % HASH_SIZE];

	t->next = *head;
	*head = t;
}

/* Of a, whom others point to, what isn't its thread's comes from b. */
static void keep_place(struct ckpt_task *a, const struct ckpt_task *b)
{
	a->ops = b->ops;
	a->owner = b->owner;
	a->play = b->play;
	a->next_of_all = b->next_of_all;
	memcpy(a->plugin_state, b->plugin_state, sizeof(a->plugin_state));
}

void ckpt_task_swap(struct ckpt_task *a, struct ckpt_task *b)
{
	struct ckpt_task was = *a;

	unlink_task(a);
	unlink_task(b);
	*a = *b;
	keep_place(a, &was);
	keep_place(&was, b);
	*b = was;
	link_task(a);
	link_task(b);
}

struct ckpt_task *ckpt_task_new(pid_t tid, pid_t tgid, const struct ckpt_task_ops *ops)
{
	struct ckpt_task *t = calloc(1, sizeof(*t));

	if (!t)
		abort(); /* a tracer without memory can't let go safely */
	assert(!ckpt_find(tid));
	t->tid = tid;
	t->tgid = tgid;
	t->ops = ops;
	t->mem_fd = -1;
	t->fresh = true;
	link_task(t);
	t->next_of_all = all;
	all = t;
	counted = false;
	return t;
}

void ckpt_forget(struct ckpt_task *t)
{
	struct ckpt_task **p = &all;

	while (*p != t)
		p = &(*p)->next_of_all;
	*p = t->next_of_all;
	unlink_task(t);
	untold -= t->untold;
	counted = false;
	if (expected == t)
		expected = NULL;
	if (t->mem_fd >= 0)
		close(t->mem_fd);
	ckpt_plugins_forget(t);
	free(t);
}

int ckpt_seize(pid_t tid, pid_t tgid, const struct ckpt_task_ops *ops, bool kill,
	       struct ckpt_task **ret)
{
	struct ckpt_task *t;

	check_thread();
	if (ptrace(PTRACE_SEIZE, tid, 0, trace_options | (kill ? PTRACE_O_EXITKILL : 0)) < 0)
		return -errno;
	t = ckpt_task_new(tid, tgid, ops);
	t->state = CKPT_RUNNING;
	t->no_exitkill = !kill;
	*ret = t;
	return 0;
}

int ckpt_end_with_us(struct ckpt_task *t)
{
	const long options = trace_options | PTRACE_O_EXITKILL;

	return ptrace(PTRACE_SETOPTIONS, t->tid, 0, options) < 0 ? -errno : 0;
}

void ckpt_detach(struct ckpt_task *t, int sig)
{
	check_thread();
	ckpt_regs_flush(t);
	ptrace(PTRACE_DETACH, t->tid, 0, (long)sig);
	t->state = CKPT_DEAD;
	ckpt_forget(t);
}

/* -------------------------------------------------------------- registers */

struct user_regs_struct *ckpt_regs(struct ckpt_task *t)
{
	if (!t->regs_valid) {
		if (ptrace(PTRACE_GETREGS, t->tid, 0, &t->regs_cache) < 0)
			memset(&t->regs_cache, 0, sizeof(t->regs_cache)); /* being killed */
		t->regs_valid = true;
		t->regs_dirty = false;
	}
	return &t->regs_cache;
}

void ckpt_regs_dirty(struct ckpt_task *t)
{
	assert(t->regs_valid);
	t->regs_dirty = true;
}

void ckpt_regs_flush(struct ckpt_task *t)
{
	if (t->regs_dirty)
		ptrace(PTRACE_SETREGS, t->tid, 0, &t->regs_cache);
	t->regs_dirty = false;
}

void ckpt_set_result(struct ckpt_task *t, long result)
{
	bool before = t->state == CKPT_SECCOMP || t->state == CKPT_ENTRY;

	if (t->regs_valid) {
		t->regs_cache.rax = result;
		if (before)
			t->regs_cache.orig_rax = -1;
		t->regs_dirty = true;
		return;
	}
	if (before)
		ptrace(PTRACE_POKEUSER, t->tid, offsetof(struct user_regs_struct, orig_rax), -1L);
	ptrace(PTRACE_POKEUSER, t->tid, offsetof(struct user_regs_struct, rax), result);
}

int ckpt_get_xstate(struct ckpt_task *t, void *buf, size_t *len)
{
	struct iovec iov = { buf, *len };

	if (ptrace(PTRACE_GETREGSET, t->tid, 0x202 /* NT_X86_XSTATE */, &iov) < 0)
		return -errno;
	*len = iov.iov_len;
	return 0;
}

int ckpt_set_xstate(struct ckpt_task *t, const void *buf, size_t len)
{
	struct iovec iov = { (void *)buf, len };

	return ptrace(PTRACE_SETREGSET, t->tid, 0x202, &iov) < 0 ? -errno : 0;
}

/* ------------------------------------------------------ resume, interrupt */

int ckpt_resume(struct ckpt_task *t, int request, int sig)
{
	check_thread();
	assert(t->state != CKPT_RUNNING && t->state != CKPT_DEAD && t->state != CKPT_NEW);
	ckpt_regs_flush(t);
	t->regs_valid = false;
	t->state = CKPT_RUNNING;
	if (ptrace(request, t->tid, 0, (long)sig) < 0)
		return -errno;
	return 0;
}

bool ckpt_fault_pending(struct ckpt_task *t)
{
	struct __ptrace_peeksiginfo_args args = { .nr = 8 };
	siginfo_t si[8];
	long n = ptrace(PTRACE_PEEKSIGINFO, t->tid, &args, si);

	for (long i = 0; i < n; i++)
		if (si[i].si_code > 0 && (si[i].si_signo == SIGTRAP || si[i].si_signo == SIGSEGV ||
					  si[i].si_signo == SIGBUS || si[i].si_signo == SIGFPE ||
					  si[i].si_signo == SIGILL))
			return true;
	return false;
}

bool ckpt_key_waits(struct ckpt_task *t, int sig)
{
	struct __ptrace_peeksiginfo_args args = { .flags = PTRACE_PEEKSIGINFO_SHARED, .nr = 8 };
	siginfo_t si[8];
	long n = ptrace(PTRACE_PEEKSIGINFO, t->tid, &args, si);

	for (long i = 0; i < n; i++)
		if (si[i].si_signo == sig && si[i].si_code == SI_KERNEL)
			return true;
	return false;
}

/* The stop that is the interrupt's, or shows that it came amid a call: one that was on its way comes before. */
#define CKPT_CUTS 3

int ckpt_interrupt(struct ckpt_task *t)
{
	check_thread();
	t->cuts = CKPT_CUTS;
	return ptrace(PTRACE_INTERRUPT, t->tid, 0, 0) < 0 ? -errno : 0;
}

/* ------------------------------------------------------------------ waits */

static void decode_call(struct ckpt_task *t, struct ckpt_stop *s)
{
	struct __ptrace_syscall_info info;

	s->state = CKPT_EXIT;
	if (ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof(info), &info) <= 0)
		return; /* being killed: its death follows */
	s->ip = info.instruction_pointer;
	switch (info.op) {
	case PTRACE_SYSCALL_INFO_ENTRY:
	case PTRACE_SYSCALL_INFO_SECCOMP:
		s->state = info.op == PTRACE_SYSCALL_INFO_ENTRY ? CKPT_ENTRY : CKPT_SECCOMP;
		s->nr = info.entry.nr;
		if (info.arch == AUDIT_ARCH_I386)
			s->nr |= CKPT_CALL_32_BIT;
		memcpy(s->args, info.entry.args, sizeof(s->args));
		break;
	case PTRACE_SYSCALL_INFO_EXIT:
		s->rval = info.exit.rval;
		break;
	}
}

/* The facts behind a wait status; changes t's state accordingly. */
static void decode(struct ckpt_task *t, int status)
{
	struct ckpt_stop *s = &t->stop;

	memset(s, 0, sizeof(*s));
	s->status = status;
	t->regs_valid = t->regs_dirty = false;
	t->cuts -= t->cuts > 0;
	if (WIFEXITED(status) || WIFSIGNALED(status)) {
		s->state = CKPT_DEAD;
	} else if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
		decode_call(t, s);
	} else if (status >> 16 == PTRACE_EVENT_SECCOMP) {
		decode_call(t, s);
	} else if (status >> 16 == PTRACE_EVENT_STOP && WSTOPSIG(status) != SIGTRAP) {
		s->state = CKPT_GROUP;
		s->sig = WSTOPSIG(status);
	} else if (status >> 16) {
		s->state = CKPT_EVENT;
		s->event = status >> 16;
		ptrace(PTRACE_GETEVENTMSG, t->tid, 0, &s->msg);
	} else {
		s->state = CKPT_SIGNAL;
		s->sig = WSTOPSIG(status);
	}
	t->state = s->state;
}

/* An execve by a thread that isn't the leader takes the leader's number over;
 * the other threads are gone without a word. */
static struct ckpt_task *take_over(struct ckpt_task *t)
{
	struct ckpt_task *former = ckpt_find((pid_t)t->stop.msg);

	if (former && former != t && former->tgid == t->tgid) {
		former->state = CKPT_DEAD;
		former->ops->stopped(former,
				     &(struct ckpt_stop){ .state = CKPT_DEAD, .status = 0 });
	}
	return t;
}

/* A fork by the program itself: makes the child known before anybody hears. */
static void adopt(struct ckpt_task *t)
{
	pid_t tid = (pid_t)t->stop.msg;
	struct ckpt_task *child = ckpt_find(tid);
	bool thread = false;

	if (t->stop.event == PTRACE_EVENT_CLONE) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/task/%d", t->tgid, tid);
		thread = access(path, F_OK) == 0;
	}
	if (!child)
		child = ckpt_task_new(tid, tid, t->ops);
	child->tgid = thread ? t->tgid : tid;
	counted = false;
	child->parent = t->tgid;
	child->no_exitkill = t->no_exitkill;
	child->syscall_ip = t->syscall_ip;
	child->int3_after = t->int3_after;
	child->clock_code = thread || t->stop.event == PTRACE_EVENT_FORK ? t->clock_code : 0;
	child->near_code = child->clock_code ? t->near_code : 0;
	child->tsc_trapped = t->tsc_trapped; /* the kernel's inherits, too */
	child->ops = t->ops;
	if (thread)
		ckpt_turns_born(t, child);
	if (t->ops->forked)
		t->ops->forked(t, child, t->stop.event);
}

static bool is_fork(int event)
{
	return event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK ||
	       event == PTRACE_EVENT_CLONE;
}

void ckpt_dispatch(struct ckpt_task *t)
{
	/* A child isn't recorded, whoever will debug it. If that fails it died. */
	if (t->fresh && t->tsc_trapped && !t->thread && t->state == CKPT_EVENT &&
	    ckpt_trap_tsc(t, false))
		t->tsc_trapped = true;
	if (t->fresh && !t->thread && t->tid == t->tgid)
		ckpt_clock_leave(t);
	t->fresh = false;
	if (t->state == CKPT_EVENT && is_fork(t->stop.event))
		adopt(t);
	if (t->state == CKPT_EVENT && t->stop.event == PTRACE_EVENT_EXEC) {
		take_over(t);
		/* The descriptor means the former address space for good. */
		if (t->mem_fd >= 0)
			close(t->mem_fd);
		t->mem_fd = -1;
		memset(t->exec_pages, 0, sizeof(t->exec_pages));
		t->syscall_ip = 0;
		t->int3_after = false;
		t->clock_code = t->near_code = 0;
	}
	t->ops->stopped(t, &t->stop);
}

/* A signal that comes while we work, or just as a task stops, doesn't interrupt waitpid(): with
 * a task on our own processor that makes call after call, none ever would. Each is told of once, by
 * wait_any(): to wait for one task doesn't take that away. */
static volatile sig_atomic_t woken;

void ckpt_wake(void)
{
	woken = true;
}

static bool take_wake(void)
{
	if (!woken)
		return false;
	woken = false;
	return true;
}

int ckpt_wait(struct ckpt_task *t, struct ckpt_stop *stop)
{
	int status;

	check_thread();
	assert(t->state == CKPT_RUNNING || t->state == CKPT_NEW);
	if (waitpid(t->tid, &status, __WALL) < 0) {
		if (errno == EINTR)
			return -EINTR;
		/* Somebody's exec took its number, or it is gone: as good as dead. */
		status = 0;
	}
	decode(t, status);
	if (stop)
		*stop = t->stop;
	return 0;
}

void ckpt_tell_later(struct ckpt_task *t)
{
	untold += !t->untold;
	t->untold = true;
}

static void tell(void)
{
	struct ckpt_task *t = all;

	while (!t->untold)
		t = t->next_of_all;
	t->untold = false;
	untold--;
	if (t->ops)
		t->ops->stopped(t, &t->stop);
}

void ckpt_expect(struct ckpt_task *t, bool soon)
{
	if (soon || alone > LOOK_AROUND)
		expected = t;
}

static void count_member(struct ckpt_task *t, void *arg)
{
	(void)arg;
	/* A debugger's helper threads run no calls that would stop them. */
	processes += !t->ours && t->tid == t->tgid;
	siblings += t->tgid == expected->tgid;
}

/* The task to wait for alone, the process group of its process, or -1. Each copy has
 * a group of its own: so the kernel passes them over without a look at their states. */
static pid_t whom(void)
{
	static unsigned int n;

	if (!expected || expected->state != CKPT_RUNNING)
		return -1;
	if (!counted) {
		processes = siblings = 0;
		ckpt_each_task(count_member, NULL);
		counted = true;
	}
	if (processes > 2 || ++n % LOOK_AROUND == 0)
		return -1;
	return siblings > 1 ? -getpgid(expected->tid) : expected->tid;
}

static int wait_any(int options)
{
	static unsigned int in_a_row;
	static pid_t last = -1, last_process = -1;
	struct ckpt_task *t;
	int status;
	pid_t tid, from;

	check_thread();
	if (untold) {
		tell();
		return 0;
	}
	if (!options && take_wake())
		return -EINTR;
	from = options ? -1 : whom();
	/*
	 * Mostly it is the one that stopped last, and has done so by now. To ask
	 * for that one is cheap; to ask for any takes longer with each snapshot.
	 * The others have their turn soon.
	 */
	tid = from < 0 && in_a_row++ % LOOK_AROUND ? waitpid(last, &status, __WALL | WNOHANG) : 0;
	if (tid <= 0)
		tid = waitpid(from, &status, __WALL | options);
	if (tid < 0 && errno == ECHILD && from != -1)
		errno = EAGAIN; /* it isn't there any more, but others may be */
	if (tid <= 0) {
		expected = NULL;
		alone = 0;
		woken &= tid == 0 || errno != EINTR;
		return tid ? -errno : -EAGAIN;
	}
	last = tid;
	t = ckpt_find(tid);
	alone = t && t->tgid == last_process ? alone + 1 : 0;
	last_process = t ? t->tgid : -1;
	if (!t) {
		/* Either an orphan that came to us (a daemon's child), or a
		 * new child that was quicker than its parent's fork event. */
		if (!WIFSTOPPED(status))
			return 0;
		t = ckpt_task_new(tid, tid, NULL);
		decode(t, status);
		return 0;
	}
	expected = NULL;
	decode(t, status);
	if (!t->ops)
		return 0; /* still not adopted */
	ckpt_dispatch(t);
	return 0;
}

int ckpt_wait_any(void)
{
	return wait_any(0);
}

int ckpt_poll_any(void)
{
	return wait_any(WNOHANG);
}

int ckpt_wait_until(struct ckpt_task *t, struct ckpt_stop *stop, double deadline)
{
	/* Shorter than a fork's work, longer than it takes the task to stop:
	 * the task may need the very core that we are on. */
	const struct timespec pause = { 0, 20000 };
	int status;
	pid_t tid;

	check_thread();
	assert(t->state == CKPT_RUNNING || t->state == CKPT_NEW);
	while (!(tid = waitpid(t->tid, &status, __WALL | WNOHANG))) {
		if (ckpt_now() >= deadline)
			return -EBUSY;
		nanosleep(&pause, NULL);
	}
	decode(t, tid < 0 ? 0 : status);
	if (stop)
		*stop = t->stop;
	return 0;
}

/* Gives the first stop of a child to its ops, when it came before adoption.
 * Call it at the end of a forked() hook's work. */
void ckpt_first_stop(struct ckpt_task *child)
{
	if (child->fresh && child->state != CKPT_NEW)
		ckpt_dispatch(child);
}

void ckpt_kill(struct ckpt_task *t)
{
	struct ckpt_stop stop;

	check_thread();
	if (t->state != CKPT_DEAD)
		kill(t->tgid, SIGKILL);
	while (t->state != CKPT_DEAD) {
		if (t->state == CKPT_RUNNING || t->state == CKPT_NEW || t->state == CKPT_PARKED) {
			t->state = CKPT_RUNNING;
			if (ckpt_wait(t, &stop) < 0)
				continue;
		} else {
			t->regs_dirty = false;
			t->state = CKPT_RUNNING;
		}
	}
	/* Our own children leave a zombie once more, for the parent's wait. */
	waitpid(t->tid, NULL, WNOHANG | __WALL);
	ckpt_forget(t);
}

void ckpt_kill_process(pid_t tgid)
{
	struct ckpt_task *t;
	char path[32];
	struct dirent *e;
	DIR *d;

	check_thread();
	kill(tgid, SIGKILL);
	/* A leader's end is told after all the others'. */
	snprintf(path, sizeof(path), "/proc/%d/task", tgid);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		pid_t tid = atoi(e->d_name);

		if (tid <= 0 || tid == tgid)
			continue;
		t = ckpt_find(tid);
		if (t)
			ckpt_kill(t);
		else /* just born */
			waitpid(tid, NULL, __WALL);
	}
	if (d)
		closedir(d);
	t = ckpt_find(tgid);
	if (t)
		ckpt_kill(t);
}
