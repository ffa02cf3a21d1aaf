// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The engine without a debugger: injected calls, the fork that a snapshot is,
 * record and replay of one thread, the overlay. test-timeout: 300
 */
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "engine_test.h"
#include "ckptcore/record.h"
#include "ckptcore/replay.h"
#include "ckptcore/turns.h"
#include "tests/unit/engine_target.h"

#define FIELD(name) offsetof(struct told, name)

static void poke(struct ckpt_task *t, uint64_t addr, uint64_t value)
{
	need(!ckpt_write(t, addr, &value, sizeof(value)));
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* ------------------------------------------------------------------ injection */

/* What an injection must not change. */
struct look {
	struct user_regs_struct regs;
	uint8_t xstate[CKPT_XSTATE_MAX];
	size_t xlen;
	uint64_t mask, pending, shared_pending;
	enum ckpt_state state;
	struct ckpt_stop stop;
	siginfo_t si;
};

static void look(struct ckpt_task *t, struct look *ret)
{
	memset(ret, 0, sizeof(*ret));
	/* From the kernel, not from the cache. */
	need(!ptrace(PTRACE_GETREGS, t->tid, 0, &ret->regs));
	ret->xlen = sizeof(ret->xstate);
	need(!ckpt_get_xstate(t, ret->xstate, &ret->xlen));
	ret->mask = mask_of(t);
	ret->pending = status_of(t->tid, "SigPnd", 16);
	ret->shared_pending = status_of(t->tid, "ShdPnd", 16);
	ret->state = t->state;
	ret->stop = t->stop;
	if (t->state == CKPT_SIGNAL)
		need(!ptrace(PTRACE_GETSIGINFO, t->tid, 0, &ret->si));
}

static void calls_at(struct ckpt_task *t, const char *where)
{
	static struct look before, after;
	long map;

	ckpt_regs_flush(t);
	look(t, &before);
	need(inject(t, SYS_getpid, 0, 0, 0) == t->tgid);
	need(inject(t, SYS_getppid, 0, 0, 0) == getpid());
	need(inject(t, SYS_close, 12345, 0, 0) == -EBADF);
	need(!ckpt_inject(t, &map, SYS_mmap, 0, 8192, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, ~0ull, 0));
	need(map > 0);
	poke(t, (uint64_t)map + 4096, 77);
	need(peek(t, (uint64_t)map + 4096) == 77);
	need(!inject(t, SYS_munmap, (uint64_t)map, 8192, 0));
	look(t, &after);
	ok(!memcmp(&before, &after, sizeof(before)),
	   "calls at %s: right results; registers, xstate, mask, pending signals, siginfo untouched",
	   where);
}

static void inject_at_stops(struct ckpt_task *t, uint64_t told, const char *how)
{
	union sigval value = { .sival_int = 42 };
	char where[80];
	uint64_t usr1;

	snprintf(where, sizeof(where), "a signal stop, %s", how);
	run_to(t, MARK_READY, NULL);
	kill(t->tgid, SIGUSR2); /* blocked: pending */
	syscall(SYS_tgkill, t->tgid, t->tid, SIGRTMAX);
	calls_at(t, where);

	snprintf(where, sizeof(where), "a call's exit, %s", how);
	while (t->state != CKPT_EXIT || t->stop.rval < 0)
		run(t, PTRACE_SYSCALL, 0),
			t->state == CKPT_ENTRY ? (void)0 : (void)poke(t, told + FIELD(stop), 2);
	calls_at(t, where);
	poke(t, told + FIELD(stop), 0);
	run_to(t, MARK_READY, NULL);

	usr1 = peek(t, told + FIELD(usr1));
	need(!sigqueue(t->tgid, SIGUSR1, value));
	run(t, PTRACE_CONT, 0);
	need(t->state == CKPT_SIGNAL && t->stop.sig == SIGUSR1);
	snprintf(where, sizeof(where), "a handled signal, %s", how);
	calls_at(t, where);
	run(t, PTRACE_CONT, SIGUSR1);
	need(at_mark(t, MARK_AGAIN));
	ok(peek(t, told + FIELD(usr1)) == usr1 + 1 &&
		   peek(t, told + FIELD(usr1_code)) == (uint64_t)SI_QUEUE &&
		   peek(t, told + FIELD(usr1_pid)) == (uint64_t)getpid() &&
		   peek(t, told + FIELD(usr1_value)) == 42,
	   "  it is delivered once, with its siginfo");
}

static void inject_in_calls(struct ckpt_task *t, uint64_t told, const char *how)
{
	static struct look before, after;
	uint64_t took = 0;
	int p[2];

	(void)p;
	/* On a busy machine it may wake late; if it slept anew it would always. */
	for (int tries = 0; tries < 20 && (!took || took >= 75000000); tries++) {
		run_to(t, MARK_READY, NULL);
		poke(t, told + FIELD(stop), 2);
		need(!ckpt_resume(t, PTRACE_CONT, 0));
		usleep(20000);
		need(!ckpt_interrupt(t));
		wait_task(t);
		need(t->state == CKPT_EVENT && (int64_t)ckpt_regs(t)->rax == -516);
		look(t, &before);
		need(inject(t, SYS_getpid, 0, 0, 0) == t->tgid);
		look(t, &after);
		need(!memcmp(&before, &after, sizeof(before)));
		run(t, PTRACE_CONT, 0);
		need(at_mark(t, MARK_AGAIN));
		took = peek(t, told + FIELD(order));
	}
	ok(!peek(t, told + FIELD(result)) && took > 59000000 && took < 75000000,
	   "inside of nanosleep, %s: it sleeps on for the rest (%.1f ms of 60)", how,
	   (double)took / 1e6);

	poke(t, told + FIELD(stop), 3);
	run_to(t, MARK_READY, NULL);
	need(!ckpt_resume(t, PTRACE_CONT, 0));
	usleep(5000);
	need(!ckpt_interrupt(t));
	wait_task(t);
	need(t->state == CKPT_EVENT && (int64_t)ckpt_regs(t)->rax == -512);
	need(inject(t, SYS_getpid, 0, 0, 0) == t->tgid);
	need(!ckpt_resume(t, PTRACE_CONT, 0));
	usleep(5000);
	need(waitpid(t->tid, NULL, WNOHANG | __WALL) == 0);
	need(write(FD_READ + 1, "x", 1) == 1);
	wait_task(t);
	ok(at_mark(t, MARK_AGAIN) && peek(t, told + FIELD(result)) == 'x',
	   "inside of read, %s: it reads on", how);
	poke(t, told + FIELD(stop), 0);
}

static void inject_at_fault(struct ckpt_task *t, uint64_t told, bool int3)
{
	uint64_t faults = peek(t, told + FIELD(faults));

	run_to(t, MARK_READY, NULL);
	poke(t, told + FIELD(stop), 1);
	run(t, PTRACE_CONT, 0);
	need(t->state == CKPT_SIGNAL && t->stop.sig == SIGSEGV);
	t->int3_after = false; /* as snapshots at faults do */
	calls_at(t, "a fault");
	t->int3_after = int3;
	run(t, PTRACE_CONT, SIGSEGV);
	need(at_mark(t, MARK_AGAIN));
	ok(peek(t, told + FIELD(faults)) == faults + 1 &&
		   peek(t, told + FIELD(fault_trapno)) == 14 &&
		   peek(t, told + FIELD(fault_cr2)) == 0x123450 &&
		   peek(t, told + FIELD(fault_addr)) == 0x123450,
	   "  its handler runs once and sees trap number, error code, address");
	poke(t, told + FIELD(stop), 0);
}

static void inject_at_group_stop(struct ckpt_task *t, const char *how)
{
	run_to(t, MARK_READY, NULL);
	kill(t->tgid, SIGSTOP);
	need(inject(t, SYS_getpid, 0, 0, 0) == t->tgid); /* it can't be blocked */
	run(t, PTRACE_CONT, 0);
	ok(t->state == CKPT_SIGNAL && t->stop.sig == SIGSTOP,
	   "a SIGSTOP amid a call comes afterwards, %s", how);
	run(t, PTRACE_CONT, SIGSTOP);
	need(t->state == CKPT_GROUP && t->stop.sig == SIGSTOP);
	need(inject(t, SYS_getpid, 0, 0, 0) == t->tgid);
	ok(!ckpt_resume(t, PTRACE_LISTEN, 0), "a group stop stays one, %s", how);
	kill(t->tgid, SIGCONT);
	wait_task(t);
	need(t->state == CKPT_EVENT || t->state == CKPT_SIGNAL);
	run_to(t, MARK_AGAIN, NULL);
}

/* Signals that come while calls are made: all delivered, in order. */
static void inject_among_signals(struct ckpt_task *t, uint64_t told)
{
	enum { N = 2000 };
	static struct told copy;
	int injected = 0, status = 0, first;
	pid_t sender, dead;
	bool order = true;

	run_to(t, MARK_READY, NULL);
	first = (int)peek(t, told + FIELD(nvalues));
	sender = fork();
	if (!sender) {
		for (int i = 0; i < N; i++) {
			while (sigqueue(t->tgid, SIGRTMIN, (union sigval){ .sival_int = i }))
				usleep(100);
			if (i % 10 == 0)
				usleep(100);
		}
		_exit(0);
	}
	do {
		need(inject(t, SYS_getpid, 0, 0, 0) == t->tgid);
		injected++;
		dead = waitpid(sender, &status, WNOHANG);
	} while (!dead);
	run_to(t, MARK_AGAIN, NULL);
	need(!ckpt_read(t, told, &copy, sizeof(copy)));
	for (int i = 0; i < N; i++)
		order &= copy.values[first + i] == i;
	ok(order && copy.nvalues == (uint64_t)first + N,
	   "%d signals queued amid %d calls: all come, in order", N, injected);
}

static int deaths;

static void count_deaths(struct ckpt_task *t, const struct ckpt_stop *stop)
{
	deaths += stop->state == CKPT_DEAD;
	if (stop->state == CKPT_DEAD)
		ckpt_forget(t);
}

static void injection(void)
{
	static const struct ckpt_task_ops ops = { .name = "counted", .stopped = count_deaths };
	struct ckpt_task *t;
	uint64_t told;
	long res;
	int p[2];

	need(!pipe(p) && dup2(p[0], FD_READ) >= 0 && dup2(p[1], FD_READ + 1) >= 0);
	t = start_target("inject", &ops);
	run_to(t, MARK_READY, &told);
	run_to(t, MARK_AGAIN, NULL);
	inject_at_stops(t, told, "two stops a call");
	inject_in_calls(t, told, "two stops a call");
	inject_at_fault(t, told, false);
	inject_at_group_stop(t, "two stops a call");
	need(!ckpt_vdso_patch(t, true) && t->int3_after);
	inject_at_stops(t, told, "one stop a call");
	inject_in_calls(t, told, "one stop a call");
	inject_at_fault(t, told, true);
	inject_at_group_stop(t, "one stop a call");
	inject_among_signals(t, told);
	run_to(t, MARK_READY, NULL);
	kill(t->tgid, SIGKILL);
	need(ckpt_inject(t, &res, SYS_getpid, 0, 0, 0, 0, 0, 0) == -ESRCH);
	need(ckpt_inject(t, &res, SYS_getpid, 0, 0, 0, 0, 0, 0) == -ESRCH);
	need(!deaths && !ckpt_wait_any());
	ok(deaths == 1, "a death amid a call: ESRCH, and its ops are told later");
	for (int fd = FD_READ; fd < FD_READ + 2; fd++)
		close(fd);
}

/* ----------------------------------------------------------------------- fork */

/* Zombies among the children of ours and of another process. */
static size_t zombies(pid_t other)
{
	struct dirent *e;
	DIR *d = opendir("/proc");
	size_t n = 0;

	while ((e = readdir(d))) {
		pid_t pid = atoi(e->d_name), parent;
		char path[300], text[300] = "", *at, state;
		int fd;

		if (pid <= 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		fd = open(path, O_RDONLY);
		if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && (at = strrchr(text, ')')) &&
		    sscanf(at, ") %c %d", &state, &parent) == 2)
			n += state == 'Z' && (parent == getpid() || parent == other);
		if (fd >= 0)
			close(fd);
	}
	closedir(d);
	return n;
}

static size_t descriptors(pid_t pid)
{
	char path[40];
	DIR *d;
	size_t n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	d = opendir(path);
	need(d);
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static bool ends_soon(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char c;

	return poll(&pfd, 1, 1000) == 1 && read(fd, &c, 1) == 0;
}

static void forking(void)
{
	static struct look a, b;
	struct ckpt_overlay none = { 0 };
	struct ckpt_task *t, *copies[40];
	uint64_t told, where;
	stack_t alt[2];
	int p[2], s[2];
	bool same;

	need(!pipe2(p, O_CLOEXEC) && !socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s));
	need(dup2(p[1], FD_PIPE) >= 0 && dup2(s[1], FD_SOCKET) >= 0);
	t = start_target("fork", &plain_ops);
	close(FD_PIPE);
	close(FD_SOCKET);
	close(p[1]);
	close(s[1]);
	run_to(t, MARK_READY, &told);
	for (int i = 0; i < 40; i++) {
		if (i == 20)
			need(!ckpt_vdso_patch(t, true));
		look(t, &a);
		need(!ckpt_fork(t, false, &plain_ops, &copies[i]));
		look(t, &b);
		need(!memcmp(&a, &b, sizeof(a)));
	}
	ok(true, "40 copies; the original's registers, xstate, mask, signals untouched");
	look(copies[39], &b);
	ok(!memcmp(&a.regs, &b.regs, sizeof(a.regs)) && !memcmp(a.xstate, b.xstate, a.xlen) &&
		   a.mask == b.mask,
	   "a copy has the same registers, xstate and mask");
	same = ckpt_same_memory(copies[39], t, &none, &where);
	ok(same, "... and memory");
	for (int i = 0; i < 2; i++) {
		struct ckpt_task *who = i ? copies[39] : t;

		need(!inject(who, SYS_sigaltstack, 0, told + FIELD(values), 0));
		need(!ckpt_read(who, told + FIELD(values), &alt[i], sizeof(alt[i])));
	}
	ok(alt[0].ss_size == 65536 && !memcmp(&alt[0], &alt[1], sizeof(*alt)),
	   "... and alternate signal stack");
	same = true;
	for (int i = 0; i < 40; i++)
		same &= descriptors(copies[i]->tid) == 0 &&
			getpgid(copies[i]->tid) == copies[i]->tid &&
			status_of(copies[i]->tid, "PPid", 10) == (uint64_t)getpid();
	ok(same, "copies have no descriptors, a process group of their own, and are our children");
	run_to(t, MARK_AGAIN, NULL);
	ok((int64_t)peek(t, told + FIELD(waited)) == -1 &&
		   peek(t, told + FIELD(waited_errno)) == ECHILD && !peek(t, told + FIELD(sigchld)),
	   "the program's wait for any child finds none, no SIGCHLD came");
	ok(!zombies(t->tgid), "no zombies");
	run_to(t, MARK_END, NULL);
	ok(ends_soon(p[0]) && ends_soon(s[0]),
	   "when the program closes its pipe and its socket, their peers see the end");
	for (int i = 0; i < 40; i++)
		ckpt_kill(copies[i]);
	ckpt_kill(t);
	close(p[0]);
	close(s[0]);
	ok(!zombies(0) && waitpid(-1, NULL, WNOHANG | __WALL) == -1 && errno == ECHILD,
	   "nobody is left");
}

/* ------------------------------------------------------------ record and replay */

static void live_stopped(struct ckpt_task *t, const struct ckpt_stop *stop)
{
	if (ckpt_target_stopped(t) != CKPT_REPORT || stop->state == CKPT_DEAD)
		return;
	if (t->state == CKPT_EVENT && t->stop.event == PTRACE_EVENT_STOP)
		return; /* the test's own interrupt */
	ckpt_target_resume(t, PTRACE_CONT,
			   t->state == CKPT_SIGNAL && t->stop.sig != SIGTRAP ? t->stop.sig : 0);
}

/* Children of the program run on their own. */
static void other_stopped(struct ckpt_task *t, const struct ckpt_stop *stop)
{
	if (stop->state == CKPT_DEAD)
		ckpt_forget(t);
	else
		ckpt_resume(t, PTRACE_CONT, stop->state == CKPT_SIGNAL ? stop->sig : 0);
}

static const struct ckpt_task_ops other_ops = { .name = "other", .stopped = other_stopped };

static void live_forked(struct ckpt_task *t, struct ckpt_task *child, int event)
{
	(void)t;
	(void)event;
	child->ops = &other_ops;
	ckpt_first_stop(child);
}

static const struct ckpt_task_ops live_ops = { .name = "live",
					       .stopped = live_stopped,
					       .forked = live_forked };

static struct ckpt_timeline *record(const char *mode)
{
	struct ckpt_timeline *tl = ckpt_timeline_create();
	struct ckpt_task *t = start_target(mode, &live_ops);

	need(tl && !ckpt_vdso_patch(t, true) && !ckpt_trap_tsc(t, true));
	tl->live = t;
	t->timeline = tl;
	need(!ckpt_record_start(tl));
	ckpt_snapshot(tl, CKPT_END_NOW, true, 0, NULL);
	need(tl->nsnaps == 1);
	return tl;
}

/* Lets the live target run for so long, or to its end. */
static void record_for(struct ckpt_timeline *tl, double seconds)
{
	struct itimerval it = { .it_value = { 0, 5000 }, .it_interval = { 0, 5000 } },
			 off = { .it_value = { 0, 0 } };
	double end = ckpt_now() + seconds;
	bool asked = false;

	setitimer(ITIMER_REAL, &it, NULL);
	ckpt_target_resume(tl->live, PTRACE_CONT, 0);
	while (tl->live && tl->live->state == CKPT_RUNNING) {
		if (ckpt_wait_any() == -EINTR) {
			ckpt_record_tick(tl);
			asked = false; /* a snapshot by clock swallows an interrupt */
		}
		if (!asked && tl->live && tl->live->state == CKPT_RUNNING && ckpt_now() > end &&
		    !ckpt_interrupt(tl->live))
			asked = true;
	}
	setitimer(ITIMER_REAL, &off, NULL);
	need(tl->recording);
}

static const char *const ends[] = { "a state", "an event", "a call", "a change" };

/* Runs interval i in a puppet up to its goal, and compares. */
static bool replay(struct ckpt_timeline *tl, size_t i, char *why, size_t size)
{
	struct ckpt_goal goal;
	enum ckpt_halt halt;
	struct ckpt_leg leg;
	struct ckpt_task *p;
	uint64_t where = 0;
	bool same = true;
	int err;

	ckpt_goal_of(tl, i, &goal);
	need(!ckpt_puppet_create(tl, i, &p));
	err = ckpt_leg_begin(&leg, p, &goal, NULL, 0);
	if (err) {
		snprintf(why, size, "no probe: %s", strerror(-err));
		ckpt_puppet_destroy(p);
		return false;
	}
	halt = ckpt_leg_run(&leg);
	ckpt_leg_end(&leg);
	if (halt != CKPT_HALT_GOAL && halt != CKPT_HALT_EXIT) {
		snprintf(why, size, "halt %d, %s", halt, leg.run.seen);
		same = false;
	} else if (goal.ref && (goal.how == CKPT_END_MATCH || goal.how == CKPT_END_EVENT)) {
		struct ckpt_general regs = ckpt_canonical(goal.ref);

		same = ckpt_same_registers(p, goal.ref, &regs);
		snprintf(why, size, "registers");
		if (same) {
			same = ckpt_same_memory(p, goal.ref, &tl->overlay, &where);
			snprintf(why, size, "memory at %#llx", (unsigned long long)where);
		}
	}
	ckpt_puppet_destroy(p);
	return same;
}

static void replay_all(struct ckpt_timeline *tl, const char *what)
{
	size_t kinds[4] = { 0 }, signals = 0, dead = 0;
	char why[200];

	for (size_t i = 0; i < tl->nsnaps; i++) {
		struct ckpt_goal goal;

		ckpt_goal_of(tl, i, &goal);
		if (!replay(tl, i, why, sizeof(why)))
			ok(false, "%s: interval %zu of %zu, ending with %s at event %llu: %s", what,
			   i, tl->nsnaps, ends[goal.how], (unsigned long long)goal.event, why);
		kinds[goal.how]++;
		signals += tl->snaps[i]->sig != 0;
		dead += tl->snaps[i]->before_dead;
	}
	ok(true,
	   "%s: %zu intervals replay to equal states (%llu events; ends: %zu states, %zu events, %zu calls; %zu signals, %zu barriers)",
	   what, tl->nsnaps, (unsigned long long)tl->nevents, kinds[CKPT_END_MATCH],
	   kinds[CKPT_END_EVENT], kinds[CKPT_END_CALL], signals, dead);
}

static void there_and_back(struct ckpt_timeline *tl)
{
	size_t n = 0, intervals = 0;
	char why[64] = "";

	for (size_t i = 0; i < tl->nsnaps && n < 30; i++) {
		struct ckpt_general regs;
		struct ckpt_goal goal;
		struct ckpt_task *p;
		struct ckpt_pos pos;
		uint64_t where;
		bool same;

		ckpt_goal_of(tl, i, &goal);
		intervals++;
		if (goal.how != CKPT_END_MATCH && goal.how != CKPT_END_EVENT)
			continue;
		need(!ckpt_locate(tl, i, &goal, &pos) && pos.known);
		need(!ckpt_goto(tl, &pos, &p));
		regs = ckpt_canonical(goal.ref);
		same = ckpt_same_registers(p, goal.ref, &regs);
		snprintf(why, sizeof(why), "registers of %zu", i);
		if (same) {
			same = ckpt_same_memory(p, goal.ref, &tl->overlay, &where);
			snprintf(why, sizeof(why), "memory of %zu", i);
		}
		ckpt_puppet_destroy(p);
		if (!same)
			ok(false, "position of a state and back: %s", why);
		n++;
	}
	ok(n > 0, "%zu moments located, and gone to again: equal states", n);
}

static void drop_timeline(struct ckpt_timeline *tl)
{
	ckpt_record_kill(tl);
	ckpt_timeline_destroy(tl);
}

static void recording(void)
{
	struct ckpt_timeline *tl = record("record");
	int status;

	record_for(tl, 60);
	need(!tl->live);
	status = tl->end_status;
	ok(WIFEXITED(status), "recorded a program to its end (status %d)", WEXITSTATUS(status));
	replay_all(tl, "calls, time, random, memory, rdtsc, signals, faults, forks");
	there_and_back(tl);
	drop_timeline(tl);

	tl = record("record-forever");
	for (int i = 0; i < 40; i++) {
		char why[200] = "";
		struct ckpt_goal goal;

		record_for(tl, i ? 0.001 * (i % 7) + 0.0003 * i : 0.3);
		if (!tl->live)
			ok(false, "the live process died: status %#x, round %d", tl->end_status, i);
		ckpt_goal_of(tl, tl->nsnaps - 1, &goal);
		if (!replay(tl, tl->nsnaps - 1, why, sizeof(why)))
			ok(false, "stopped at a random moment (%d): %s", i, why);
		/* The end of an interval when a signal comes. */
		if (i % 3 == 0)
			sigqueue(tl->live->tgid, SIGRTMIN, (union sigval){ .sival_int = i });
	}
	ok(true, "stopped at 40 random moments: a puppet comes to the live process's state");
	replay_all(tl, "interrupted again and again");
	there_and_back(tl);
	drop_timeline(tl);
}

/* -------------------------------------------------------------------- overlay */

static void overlay(void)
{
	struct ckpt_task *t = start_target("inject", &plain_ops);
	struct ckpt_overlay o = { 0 };
	uint8_t original[2], now[16], byte = 0;
	uint64_t at;

	run_to(t, MARK_READY, NULL);
	at = ckpt_regs(t)->rip + 8;
	need(!ckpt_read(t, at, original, 2));
	need(!ckpt_write(t, at, "\xcc\xcc", 2));
	need(!ckpt_overlay_add(&o, at, original[0]) && !ckpt_overlay_add(&o, at + 1, original[1]));
	ok(ckpt_overlay_at(&o, at, &byte) && byte == original[0] &&
		   !ckpt_overlay_at(&o, at + 2, NULL),
	   "the overlay knows its bytes");
	need(!ckpt_read(t, at - 4, now, sizeof(now)));
	ckpt_overlay_mask(&o, at - 4, now, sizeof(now));
	ok(!memcmp(now + 4, original, 2), "... masks them in what was read");
	ckpt_overlay_remove(&o, t);
	need(!ckpt_read(t, at, now, 2));
	ok(!memcmp(now, original, 2), "... takes them out");
	ckpt_overlay_apply(&o, t);
	need(!ckpt_read(t, at, now, 2));
	ok(!memcmp(now, "\xcc\xcc", 2), "... and puts them in");
	ckpt_overlay_delete(&o, at);
	ckpt_overlay_remove(&o, t);
	need(!ckpt_read(t, at, now, 2));
	ok(now[0] == 0xcc && now[1] == original[1], "... and forgets one");
	free(o.pokes);
	ckpt_kill(t);
}

/* --------------------------------------------------------------------- waking */

static void on_tick(int sig)
{
	(void)sig;
	ckpt_wake();
}

/* A tick a tenth of a second from now. */
static void set_tick(void)
{
	const struct itimerval it = { .it_value = { 0, 100000 } };

	setitimer(ITIMER_REAL, &it, NULL);
}

static void waking(void)
{
	struct sigaction sa = { .sa_handler = on_tick }, old;
	struct ckpt_task *t = start_target("inject", &plain_ops);
	double began = ckpt_now();

	sigaction(SIGALRM, &sa, &old);
	run_to(t, MARK_READY, NULL);
	ckpt_wake();
	ok(ckpt_poll_any() == -EAGAIN && ckpt_wait_any() == -EINTR, "a wake is for who waits");
	set_tick();
	ok(ckpt_wait_any() == -EINTR && ckpt_now() - began >= 0.1, "... and told once");
	set_tick();
	ok(ckpt_wait_any() == -EINTR && ckpt_now() - began >= 0.2,
	   "... also if it came amid a wait");
	ckpt_wake();
	need(!ckpt_resume(t, PTRACE_CONT, 0) && !ckpt_interrupt(t));
	wait_task(t);
	ok(ckpt_wait_any() == -EINTR, "... and to wait for one task leaves it");
	ckpt_turns_grace(1000000);
	need(!ckpt_resume(t, PTRACE_CONT, 0));
	began = ckpt_now();
	while (ckpt_now() - began < 0.01)
		;
	ckpt_turns_grace(0);
	need(!ckpt_interrupt(t));
	wait_task(t);
	began = ckpt_now();
	set_tick();
	ok(ckpt_wait_any() == -EINTR && ckpt_now() - began >= 0.1,
	   "the clock for one thread is no tick");
	sigaction(SIGALRM, &old, NULL);
	ckpt_kill(t);
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_alarm };

	start_engine();
	sigaction(SIGALRM, &sa, NULL);
	injection();
	forking();
	overlay();
	waking();
	recording();
	return 0;
}
