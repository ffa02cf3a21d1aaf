// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Snapshots of processes with several threads, made as fred makes them, by a fork
 * of one thread and a note of the others: every thread of a restarted process is
 * as it was, and the process can run to its end; nothing leaks; what they cost.
 *
 * engine_threads_test [RESTARTS]; test-timeout: 300
 */
#include <dirent.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "engine_test.h"
#include "ckptcore/replay.h"
#include "ckptcore/threads.h"
#include "tests/unit/engine_target.h"

#define MAX 8

/* ------------------------------------------------------- a process as a whole */

struct process {
	struct ckpt_task *tasks[MAX]; /* the first one is the leader, if it lives */
	size_t n;
	uint64_t told;
	int status; /* of the leader, once it ended */
};

static void forked(struct ckpt_task *t, struct ckpt_task *child, int event)
{
	(void)t;
	(void)event;
	ckpt_first_stop(child);
}

static struct process *current;

static void stopped(struct ckpt_task *t, const struct ckpt_stop *stop)
{
	size_t i = 0;

	if (stop->state == CKPT_DEAD) {
		while (i < current->n && current->tasks[i] != t)
			i++;
		if (i < current->n)
			current->tasks[i] = current->tasks[--current->n];
		if (t->tid == t->tgid)
			current->status = stop->status;
		ckpt_forget(t);
		return;
	}
	for (i = 0; i < current->n && current->tasks[i] != t;)
		i++;
	if (i == current->n)
		current->tasks[current->n++] = t;
	ckpt_resume(t, PTRACE_CONT, stop->state == CKPT_SIGNAL ? stop->sig : 0);
}

static const struct ckpt_task_ops process_ops = { .name = "process",
						  .stopped = stopped,
						  .forked = forked };

/* Stops those that run; but not a leader that has ended before its threads: its
 * death is told last. -EBUSY: one doesn't stop within so many seconds. */
static int stop_all(struct ckpt_task **tasks, size_t n, double seconds)
{
	double deadline = ckpt_now() + seconds;
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		if (tasks[i]->state != CKPT_RUNNING || ckpt_proc_state(tasks[i]->tid) == 'Z')
			continue;
		ckpt_interrupt(tasks[i]);
		err = ckpt_wait_until(tasks[i], NULL, deadline);
		need(tasks[i]->state != CKPT_DEAD);
	}
	return err;
}

/* Starts the target and lets its threads come to where they stay. */
static struct process start(const char *mode, size_t threads, bool int3)
{
	bool leaderless = strstr(mode, "leaderless");
	struct process p = { .n = 1 };
	double end;

	p.tasks[0] = start_target(mode, &process_ops);
	if (int3)
		need(!ckpt_vdso_patch(p.tasks[0], false));
	run_to(p.tasks[0], MARK_READY, &p.told);
	current = &p;
	need(!ckpt_resume(p.tasks[0], PTRACE_CONT, 0));
	end = ckpt_now() + 0.05;
	while (p.n < threads + leaderless || ckpt_now() < end) {
		struct itimerval it = { .it_value = { 0, 10000 } };

		setitimer(ITIMER_REAL, &it, NULL);
		need(ckpt_wait_any() != -ECHILD);
	}
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	need(!stop_all(p.tasks, p.n, 1));
	if (p.tasks[0]->state == CKPT_RUNNING) { /* the leader, dead; told about at the end */
		need(p.n == threads + 1);
		p.tasks[0] = p.tasks[--p.n];
	}
	for (size_t i = 0; i < p.n; i++)
		need(p.tasks[i]->state == CKPT_EVENT &&
		     p.tasks[i]->stop.event == PTRACE_EVENT_STOP);
	return p;
}

/* Lets all threads run to the process's end; its wait status. */
static int run_out(struct process *p)
{
	current = p;
	p->status = -1;
	for (size_t i = 0; i < p->n; i++)
		need(!ckpt_resume(p->tasks[i], PTRACE_CONT, 0));
	while (p->n)
		need(ckpt_wait_any() != -ECHILD);
	return p->status;
}

/* ----------------------------------------------------------------- snapshots */

struct snapshot {
	struct ckpt_task *copy; /* of the first thread; never runs */
	struct ckpt_threads *others;
};

static void destroy(struct snapshot *s)
{
	ckpt_kill(s->copy);
	ckpt_threads_destroy(s->others);
}

static int snapshot(struct process *p, struct snapshot *ret)
{
	struct ckpt_task *first = p->tasks[0];
	int err = ckpt_threads_save(p->tasks + 1, p->n - 1, first, &ret->others);
	uint64_t bytes;

	if (err)
		return err;
	need(!ckpt_fork(first, false, &plain_ops, &ret->copy));
	need(!ckpt_copy_prepare(ret->copy, &bytes));
	ret->copy->vtid = ckpt_vtid(first);
	ret->copy->state = CKPT_PARKED;
	return 0;
}

static size_t count_threads(const struct snapshot *s)
{
	return 1 + ckpt_threads_count(s->others);
}

static struct process restart(const struct snapshot *s, const struct process *of)
{
	struct process q = { .n = count_threads(s), .told = of->told };

	need(q.n <= MAX);
	need(!ckpt_fork(s->copy, false, &process_ops, &q.tasks[0]));
	s->copy->state = CKPT_PARKED;
	q.tasks[0]->vtid = s->copy->vtid;
	need(!ckpt_threads_add(s->others, q.tasks[0], q.tasks + 1));
	return q;
}

/* Its calls will really be made. How much of their time was left isn't forked, and
 * restart_syscall would fail. ERESTARTNOHAND: all of it again. */
static void revive(struct process *q)
{
	for (size_t i = 0; i < q->n; i++) {
		struct user_regs_struct *r = ckpt_regs(q->tasks[i]);

		if ((int64_t)r->orig_rax >= 0 && (int64_t)r->rax == -516) {
			r->rax = (uint64_t)-514;
			ckpt_regs_dirty(q->tasks[i]);
		}
	}
}

/* --------------------------------------------------------------- comparisons */

/* What is known of a thread only by its own calls. */
struct inside {
	stack_t alt;
	uint64_t clear_tid;
};

static struct inside ask(struct ckpt_task *t, uint64_t room)
{
	uint8_t saved[64];
	struct inside in;

	memset(&in, 0, sizeof(in));
	need(!ckpt_read(t, room, saved, sizeof(saved)));
	need(!inject(t, SYS_sigaltstack, 0, room, 0));
	need(!ckpt_read(t, room, &in.alt, sizeof(in.alt)));
	need(!inject(t, SYS_prctl, 40 /* PR_GET_TID_ADDRESS */, room, 0));
	in.clear_tid = peek(t, room);
	need(!ckpt_write(t, room, saved, sizeof(saved)));
	return in;
}

static bool same_name(struct ckpt_task *a, struct ckpt_task *b)
{
	char names[2][32] = { { 0 } }, path[64];

	for (int i = 0; i < 2; i++) {
		struct ckpt_task *t = i ? b : a;
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", t->tgid, t->tid);
		fd = open(path, O_RDONLY);
		need(fd >= 0 && read(fd, names[i], 31) > 0);
		close(fd);
	}
	return !strcmp(names[0], names[1]);
}

static void compare(const struct process *p, const struct process *q, const char *what)
{
	static uint8_t xa[CKPT_XSTATE_MAX], xb[CKPT_XSTATE_MAX];
	bool regs = true, xstate = true, mask = true, alt = true, robust = true, clear = true,
	     name = true, number = true;
	struct ckpt_overlay none = { 0 };
	bool some_alt = false, some_clear = false, some_robust = false;
	uint64_t where, room = p->told + offsetof(struct told, values);

	need(p->n == q->n);
	regs = ckpt_same_memory(q->tasks[0], p->tasks[0], &none, &where);
	ok(regs, "%s: memory is equal", what);
	for (size_t i = 0; i < p->n; i++) {
		struct ckpt_task *a = p->tasks[i], *b = q->tasks[i];
		struct user_regs_struct ra = *ckpt_regs(a), rb = *ckpt_regs(b);
		size_t na = sizeof(xa), nb = sizeof(xb), la = 0, lb = 0;
		struct inside ia = ask(a, room), ib = ask(b, room);
		uint64_t ha = 0, hb = 0;

		ra.eflags &= ~0x10100ull;
		rb.eflags &= ~0x10100ull;
		regs &= !memcmp(&ra, &rb, sizeof(ra)); /* TLS bases among them */
		need(!ckpt_get_xstate(a, xa, &na) && !ckpt_get_xstate(b, xb, &nb));
		xstate &= na == nb && !memcmp(xa, xb, na);
		mask &= mask_of(a) == mask_of(b);
		alt &= !memcmp(&ia.alt, &ib.alt, sizeof(ia.alt));
		need(!syscall(SYS_get_robust_list, a->tid, &ha, &la) &&
		     !syscall(SYS_get_robust_list, b->tid, &hb, &lb));
		if (i == 0) { /* a fork has neither: no thread of a copy ends by itself */
			clear &= !ib.clear_tid;
			robust &= !hb;
		} else {
			clear &= ia.clear_tid == ib.clear_tid;
			robust &= ha == hb && la == lb;
		}
		name &= same_name(a, b);
		number &= b->vtid == a->tid;
		some_alt |= ia.alt.ss_size == 65536;
		some_clear |= ib.clear_tid != 0;
		some_robust |= hb != 0;
	}
	ok(regs, "%s: registers are equal, TLS bases and interrupted calls among them", what);
	ok(xstate, "%s: extended state is equal", what);
	ok(mask, "%s: signal masks are equal", what);
	ok(alt && some_alt, "%s: alternate stacks are equal", what);
	ok(clear && some_clear, "%s: clear_child_tid is equal", what);
	ok(robust && some_robust, "%s: robust lists are equal", what);
	ok(name, "%s: names are equal", what);
	ok(number, "%s: the program's numbers of them are equal", what);
}

/* ---------------------------------------------------------------- the tests */

static void tell_stop(struct process *p)
{
	uint64_t one = 1;

	need(!ckpt_write(p->tasks[0], p->told + offsetof(struct told, stop), &one, sizeof(one)));
}

static void whole(const char *mode, size_t threads, bool int3)
{
	struct process p = start(mode, threads, int3), q;
	bool leaderless = strstr(mode, "leaderless");
	struct snapshot s;
	char what[80];

	snprintf(what, sizeof(what), "%s, %s", mode, int3 ? "one stop a call" : "two stops a call");
	need(!snapshot(&p, &s));
	ok(count_threads(&s) == threads, "%s: %zu threads in a snapshot", what, threads);
	q = restart(&s, &p);
	compare(&p, &q, what);
	ckpt_threads_kill(q.tasks, q.n);

	for (int i = 0; i < 2; i++) { /* twice: the snapshot stays */
		q = restart(&s, &p);
		revive(&q);
		tell_stop(&q);
		for (size_t k = 0; k < q.n; k++) {
			char name[32] = "";
			int fd;

			snprintf(what, sizeof(what), "/proc/%d/task/%d/comm", q.tasks[k]->tgid,
				 q.tasks[k]->tid);
			fd = open(what, O_RDONLY);
			need(read(fd, name, sizeof(name) - 1) > 0);
			close(fd);
			if (!strcmp(name, "thread 1)\n"))
				syscall(SYS_tgkill, q.tasks[k]->tgid, q.tasks[k]->tid, SIGUSR2);
		}
		/* Without the one that looks at it all, the last thread's end is the end. */
		ok(run_out(&q) == W_EXITCODE(leaderless ? 0 : 42, 0),
		   "%s: the restarted process ran to its end: joins, mutex, condition, sleep, TLS, xmm",
		   mode);
	}
	tell_stop(&p);
	if (leaderless) {
		run_out(&p);
	} else {
		ok(run_out(&p) == W_EXITCODE(42, 0),
		   "%s: so did the original, which noticed nothing", mode);
	}
	destroy(&s);
}

/* Signal handlers of a restarted process run on their thread's own stack. */
static void altstack_used(void)
{
	struct process p = start("threads", 5, true), q;
	struct snapshot s;
	uint64_t count;
	size_t ran = 0;

	need(!snapshot(&p, &s));
	q = restart(&s, &p);
	for (size_t i = 0; i < q.n; i++) {
		if ((int64_t)ckpt_regs(q.tasks[i])->orig_rax >= 0)
			continue; /* inside of a call: not the spinner */
		syscall(SYS_tgkill, q.tasks[i]->tgid, q.tasks[i]->tid, SIGUSR2);
		run(q.tasks[i], PTRACE_CONT, 0);
		need(q.tasks[i]->state == CKPT_SIGNAL && q.tasks[i]->stop.sig == SIGUSR2);
		need(!ckpt_resume(q.tasks[i], PTRACE_CONT, SIGUSR2));
		usleep(20000);
		need(!stop_all(&q.tasks[i], 1, 1));
		ran++;
	}
	count = peek(q.tasks[0], p.told + offsetof(struct told, on_altstack));
	ok(ran == 1 && count == 1,
	   "a handler in the restarted spinner runs on its alternate stack");
	ckpt_threads_kill(q.tasks, q.n);
	destroy(&s);
	ckpt_threads_kill(p.tasks, p.n);
}

static void refusals(void)
{
	struct process p = start("threads", 5, true);
	struct ckpt_task *t = start_target("vfork", &process_ops), *child;
	struct snapshot s, none;
	double from;
	int err;

	need(!ckpt_resume(p.tasks[1], PTRACE_CONT, 0));
	ok(snapshot(&p, &none) == -EBUSY, "a thread that runs: EBUSY");
	need(!stop_all(p.tasks, p.n, 1));
	ok(!snapshot(&p, &s), "stopped again, it works");
	kill(p.tasks[0]->tgid, SIGKILL);
	usleep(20000);
	err = snapshot(&p, &none);
	ok(err < 0 && err != -EBUSY, "a process that was killed: another error");
	ckpt_threads_kill(p.tasks, p.n);
	destroy(&s);

	run_to(t, MARK_READY, NULL);
	run(t, PTRACE_CONT, 0);
	need(t->state == CKPT_EVENT && t->stop.event == PTRACE_EVENT_VFORK);
	ok(ckpt_threads_save(&t, 1, t, &none.others) == -EBUSY, "at a fork's event: EBUSY");
	child = ckpt_find((pid_t)t->stop.msg);
	if (!child) {
		child = ckpt_task_new((pid_t)t->stop.msg, (pid_t)t->stop.msg, &plain_ops);
		wait_task(child);
	}
	need(!ckpt_resume(child, PTRACE_CONT, 0) && !ckpt_resume(t, PTRACE_CONT, 0));
	from = ckpt_now();
	ok(stop_all(&t, 1, 0.1) == -EBUSY && ckpt_now() - from < 0.5,
	   "a parent that waits for its vfork child: EBUSY at the deadline");
	ckpt_kill(child);
	wait_task(t);
	ckpt_kill(t);
}

/* ------------------------------------------------------------- leaks, figures */

static size_t entries(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	size_t n = 0;

	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.' &&
		     (strcmp(path, "/proc") || (e->d_name[0] >= '0' && e->d_name[0] <= '9'));
	if (d)
		closedir(d);
	return n;
}

/* Descendants of ours, zombies included. */
static size_t children(void)
{
	char path[64], text[65536];
	size_t n = 0;
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	fd = open(path, O_RDONLY);
	len = read(fd, text, sizeof(text));
	close(fd);
	for (ssize_t i = 0; i < len; i++)
		n += text[i] == ' ';
	return n;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2] * 1000;
}

static void leaks(size_t restarts)
{
	struct process p = start("threads", 5, true), q;
	struct snapshot s;
	size_t kids = 0, fds = 0;
	uint64_t rss = 0, now;
	double from;

	need(!snapshot(&p, &s));
	from = ckpt_now();
	for (size_t i = 0; i < restarts; i++) {
		if (i == restarts / 10) {
			kids = children();
			fds = entries("/proc/self/fd");
			rss = status_of(getpid(), "VmRSS", 10);
		}
		q = restart(&s, &p);
		ckpt_threads_kill(q.tasks, q.n);
	}
	from = ckpt_now() - from;
	now = status_of(getpid(), "VmRSS", 10);
	printf("# %zu restarts of 5 threads in %.1f s; children %zu -> %zu, descriptors %zu -> %zu, RSS %llu -> %llu kB\n",
	       restarts, from, kids, children(), fds, entries("/proc/self/fd"),
	       (unsigned long long)rss, (unsigned long long)now);
	ok(children() == kids && entries("/proc/self/fd") == fds && now <= rss + 64,
	   "%zu restarts leave no process, descriptor or memory behind", restarts);
	for (int i = 0; i < 200; i++) {
		struct snapshot one;

		need(!snapshot(&p, &one));
		destroy(&one);
	}
	ok(children() == kids && entries("/proc/self/fd") == fds, "nor do 200 snapshots");
	destroy(&s);
	ckpt_threads_kill(p.tasks, p.n);
	ok(children() == 0, "at the end there is nobody left");
}

/* What the kernel's fork takes here for so much memory: what a snapshot can't
 * be quicker than. ms */
static double fork_alone(size_t megabytes)
{
	size_t len = (megabytes << 20) + 4096;
	char *m = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	double took[9];

	need(m != MAP_FAILED);
	if (getenv("ENGINE_HUGE"))
		madvise(m, len, MADV_HUGEPAGE);
	memset(m, 1, len);
	for (size_t i = 0; i < 9; i++) {
		double from = ckpt_now();
		pid_t pid = fork();

		need(pid >= 0);
		if (pid == 0)
			_exit(0);
		took[i] = ckpt_now() - from;
		waitpid(pid, NULL, 0);
	}
	munmap(m, len);
	return median(took, 9);
}

static void figures(const char *megabytes, size_t rounds, double snapshot_goal, double restart_goal)
{
	double snap[200], again[200];
	struct process p, q;
	double a, b, alone = fork_alone((size_t)atol(megabytes));

	setenv("ENGINE_MEGABYTES", megabytes, 1);
	p = start("threads", 5, true);
	for (size_t i = 0; i < rounds; i++) {
		struct snapshot s;
		double from = ckpt_now();

		need(!snapshot(&p, &s));
		snap[i] = ckpt_now() - from;
		from = ckpt_now();
		q = restart(&s, &p);
		again[i] = ckpt_now() - from;
		ckpt_threads_kill(q.tasks, q.n);
		destroy(&s);
	}
	ckpt_threads_kill(p.tasks, p.n);
	unsetenv("ENGINE_MEGABYTES");
	a = median(snap, rounds);
	b = median(again, rounds);
	printf("# %s MB, 5 threads: snapshot %.2f ms (goal %.0f), restart %.2f ms (goal %.0f), fork alone %.2f ms%s\n",
	       megabytes, a, snapshot_goal, b, restart_goal, alone,
	       a > snapshot_goal || b > restart_goal ? " MISSED" : "");
}

static void on_alarm(int sig)
{
	(void)sig;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_alarm };

	start_engine();
	sigaction(SIGALRM, &sa, NULL);
	if (argc > 2 && !strcmp(argv[1], "figures")) {
		figures(argv[2], argc > 3 ? (size_t)atol(argv[3]) : 50, 0, 0);
		return 0;
	}
	whole("threads", 5, true);
	whole("threads", 5, false);
	whole("threads-leaderless", 4, true);
	setenv("ENGINE_RSEQ", "1", 1);
	whole("threads", 5, true);
	unsetenv("ENGINE_RSEQ");
	altstack_used();
	refusals();
	leaks(argc > 1 ? (size_t)atol(argv[1]) : 10000);
	figures("0", 200, 1, 2);
	figures("1024", 20, 15, 20);
	return 0;
}
