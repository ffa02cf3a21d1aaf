/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Running a puppet: its calls are stopped before they happen (PTRACE_SYSEMU),
 * compared with the log and answered from it; a few that shape the process are
 * executed again. Any difference ends the run: never a silent wrong answer.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "ckptcore/probe.h"
#include "ckptcore/record.h"

#define PATH_AT (CKPT_PAGE + 1024)

#ifndef TRAP_HWBKPT
#define TRAP_HWBKPT 4
#endif

/* ----------------------------------------------------------- life of puppets */

static void puppet_stopped(struct ckpt_task *t, const struct ckpt_stop *stop)
{
	(void)t;
	(void)stop; /* they run inside of ckpt_puppet_run() only */
}

static const struct ckpt_task_ops puppet_ops = { .name = "puppet", .stopped = puppet_stopped };

int ckpt_puppet_create(struct ckpt_timeline *tl, size_t i, struct ckpt_task **ret)
{
	struct ckpt_snap *s = tl->snaps[i];
	double start = ckpt_now();
	struct ckpt_task *p;
	int err;

	if (!s->copy)
		return -ESRCH; /* killed from outside, e.g. out of memory */
	err = ckpt_fork(s->copy, false, &puppet_ops, &p);
	if (err)
		return err;
	s->copy->state = CKPT_PARKED;
	p->timeline = tl;
	p->state = CKPT_EVENT;
	p->play = calloc(1, sizeof(*p->play));
	if (!p->play) {
		ckpt_kill(p);
		return -ENOMEM;
	}
	p->play->interval = i;
	p->play->event = s->event;
	p->play->sig = s->sig;
	p->play->siginfo = s->siginfo;
	ckpt_stats.restarts++;
	ckpt_stats.restart_s += ckpt_now() - start;
	*ret = p;
	return 0;
}

int ckpt_puppet_clone(struct ckpt_task *p, struct ckpt_task **ret)
{
	struct ckpt_task *copy;
	int err;

	assert(!p->play->probes);
	err = ckpt_fork(p, false, &puppet_ops, &copy);
	if (err)
		return err;
	copy->state = p->state;
	copy->stop = p->stop;
	copy->timeline = p->timeline;
	copy->play = malloc(sizeof(*copy->play));
	if (!copy->play) {
		ckpt_kill(copy);
		return -ENOMEM;
	}
	*copy->play = *p->play;
	*ret = copy;
	return 0;
}

void ckpt_puppet_destroy(struct ckpt_task *p)
{
	if (!p)
		return;
	if (p->play) {
		if (p->state != CKPT_DEAD)
			kill(p->tgid, SIGKILL);
		ckpt_probes_forget(p);
		free(p->play);
		p->play = NULL;
	}
	ckpt_kill(p);
}

void ckpt_goal_of(struct ckpt_timeline *tl, size_t i, struct ckpt_goal *ret)
{
	struct ckpt_snap *next = i + 1 < tl->nsnaps ? tl->snaps[i + 1] : NULL;

	memset(ret, 0, sizeof(*ret));
	if (next) {
		ret->event = next->event;
		ret->how = next->before;
		ret->ref = next->copy;
		if (!next->copy && ret->how == CKPT_END_MATCH)
			ret->how = CKPT_END_CALL; /* it will be found lost */
	} else {
		ret->event = tl->nevents;
		ret->how = ckpt_record_where(tl);
		ret->ref = tl->live;
	}
	/* An exit's event is logged when it is called. */
	if (ret->how == CKPT_END_CALL && ret->event > tl->snaps[i]->event &&
	    ckpt_log_event(tl, ret->event - 1).kind == CKPT_EV_EXIT)
		ret->event--;
	if (ret->how == CKPT_END_MATCH)
		ret->regs = ckpt_canonical(ret->ref);
}

/* ------------------------------------------------------------------- calls */

static void diverged(struct ckpt_task *p, struct ckpt_run *run, const char *text)
{
	run->expected_event = p->play->event;
	snprintf(run->seen, sizeof(run->seen), "%s", text);
}

static int give_outputs(struct ckpt_task *p, const struct ckpt_event *ev)
{
	const uint8_t *at = ckpt_log_outputs(p->timeline, ev), *end = at + ev->data_len;

	if (!at)
		return -EIO;
	while (at < end) {
		uint64_t addr, len;

		memcpy(&addr, at, 8);
		memcpy(&len, at + 8, 8);
		if (addr != CKPT_NOTE && ckpt_write(p, addr, at + 16, len))
			return -EFAULT;
		at += 16 + len;
	}
	return 0;
}

static int redo_mmap(struct ckpt_task *p, const struct ckpt_event *ev, long *res)
{
	uint64_t flags = (ev->args[3] & ~(uint64_t)MAP_FIXED_NOREPLACE) | MAP_FIXED;
	uint64_t prot = ev->args[2];
	char path[64];
	long fd = -1, ignored;
	int err;

	if (ev->file >= 0) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), ev->file);
		err = ckpt_write(p, PATH_AT, path, strlen(path) + 1);
		if (!err)
			err = ckpt_inject(p, &fd, SYS_openat, (uint64_t)-100, PATH_AT, 0, 0, 0, 0);
		if (err)
			return err;
		if (fd < 0)
			return (int)fd;
	}
	err = ckpt_inject(p, res, SYS_mmap, (uint64_t)ev->result, ev->args[1], prot, flags,
			  (uint64_t)fd, ev->args[5]);
	if (!err && fd >= 0)
		err = ckpt_inject(p, &ignored, SYS_close, (uint64_t)fd, 0, 0, 0, 0, 0);
	return err;
}

/* Calls that shape the process. *res as the kernel answers. */
static int redo(struct ckpt_task *p, const struct ckpt_event *ev, long *res)
{
	const uint64_t *a = ev->args;
	struct user_regs_struct *r;

	if (ev->nr == SYS_mmap)
		return redo_mmap(p, ev, res);
	if (ev->nr == SYS_arch_prctl && (a[0] == 0x1001 || a[0] == 0x1002)) {
		/* The base is one of the registers that an injection restores. */
		r = ckpt_regs(p);
		if (a[0] == 0x1002)
			r->fs_base = a[1];
		else
			r->gs_base = a[1];
		ckpt_regs_dirty(p);
		*res = 0;
		return 0;
	}
	if (ev->nr == SYS_set_tid_address) { /* its result is a real number */
		*res = ev->result;
		return 0;
	}
	if (ev->nr == SYS_mremap && (uint64_t)ev->result != a[0])
		return ckpt_inject(p, res, SYS_mremap, a[0], a[1], a[2],
				   MREMAP_MAYMOVE | MREMAP_FIXED, (uint64_t)ev->result, 0);
	return ckpt_inject(p, res, ev->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* rt_sigreturn takes registers and mask from the stack: it must really run. */
static int redo_sigreturn(struct ckpt_task *p)
{
	struct user_regs_struct *r = ckpt_regs(p);
	bool entered = false;

	/* Not where it was called: a probe may be there. */
	r->rip = p->syscall_ip ? p->syscall_ip : r->rip - 2;
	r->rax = SYS_rt_sigreturn;
	ckpt_regs_dirty(p);
	/* The end of the skipped call may be reported first. */
	while (p->state != CKPT_EXIT || !entered) {
		if (ckpt_resume(p, PTRACE_SYSCALL, 0))
			return -ESRCH;
		while (ckpt_wait(p, NULL) == -EINTR)
			;
		if (p->state == CKPT_DEAD)
			return -ESRCH;
		entered |= p->state == CKPT_ENTRY;
	}
	return 0;
}

/* Gives the next event to a puppet at its call. 0 or -EPROTO (see run). */
static int give_call(struct ckpt_task *p, struct ckpt_run *run)
{
	const struct ckpt_event event = ckpt_log_event(p->timeline, p->play->event), *ev = &event;
	const struct ckpt_stop *stop = &p->stop;
	const struct ckpt_call *call = ckpt_call_find(stop->nr);
	enum ckpt_call_class class = ckpt_call_class(call, stop->args);
	char text[160];
	long res = ev->result;
	bool yielded;
	int err = 0;

	if (ev->kind != CKPT_EV_CALL || ev->nr != stop->nr ||
	    (class != CKPT_CALL_SIGRETURN && ev->ip != ckpt_regs(p)->rip) ||
	    memcmp(ev->args, stop->args, sizeof(ev->args))) {
		snprintf(
			text, sizeof(text),
			"recorded %s(%#llx, %#llx, %#llx) at %#llx, seen %s(%#llx, %#llx, %#llx) at %#llx",
			ckpt_call_name(ev->nr), (unsigned long long)ev->args[0],
			(unsigned long long)ev->args[1], (unsigned long long)ev->args[2],
			(unsigned long long)ev->ip, ckpt_call_name(stop->nr),
			(unsigned long long)stop->args[0], (unsigned long long)stop->args[1],
			(unsigned long long)stop->args[2], (unsigned long long)ckpt_regs(p)->rip);
		diverged(p, run, text);
		return -EPROTO;
	}
	p->state = CKPT_EXIT; /* the call is skipped: as if it were over */
	ckpt_hide_trap_in_r11(p);
	yielded = ckpt_probes_yield(p, ev);
	if (class == CKPT_CALL_SIGRETURN) {
		err = redo_sigreturn(p);
	} else {
		if ((class == CKPT_CALL_REDO || class == CKPT_CALL_MMAP) && ev->result >= 0 &&
		    !ckpt_interrupted(ev->result))
			err = redo(p, ev, &res);
		else
			err = give_outputs(p, ev);
		if (!err && res != ev->result)
			err = -EPROTO;
		if (!err)
			ckpt_set_result(p, res);
	}
	if (!err && yielded)
		err = ckpt_probes_return(p);
	if (err) {
		snprintf(text, sizeof(text), "%s: result %ld, recorded %lld (%s)",
			 ckpt_call_name(ev->nr), res, (long long)ev->result, strerror(-err));
		diverged(p, run, text);
		return -EPROTO;
	}
	p->play->event++;
	return 0;
}

/* What follows from having been given an event. -1: goes on. */
static int after_event(struct ckpt_task *p, struct ckpt_run *run)
{
	if (run->reset_n)
		ckpt_cells_reset(p, run->reset_first, run->reset_n);
	if (run->arm_count && p->play->event == run->arm_event)
		ckpt_cell_set(p, run->arm_cell, run->arm_count);
	if (run->goal && run->goal->how == CKPT_END_EVENT && p->play->event == run->goal->event)
		return CKPT_HALT_GOAL;
	if (run->stop_event && p->play->event == run->stop_event)
		return CKPT_HALT_EVENT;
	return -1;
}

/* At a call. -1: answered, goes on. */
static int at_call(struct ckpt_task *p, struct ckpt_run *run)
{
	struct ckpt_timeline *tl = p->timeline;
	const struct ckpt_goal *goal = run->goal;
	uint64_t at = p->play->event;
	bool exits = at < tl->nevents && ckpt_log_event(tl, at).kind == CKPT_EV_EXIT;

	if (exits)
		return CKPT_HALT_EXIT;
	if (goal && at >= goal->event) {
		if (goal->how == CKPT_END_CALL)
			return CKPT_HALT_GOAL;
		diverged(p, run, "a call where the interval should have ended");
		return CKPT_HALT_DIVERGED;
	}
	if (at >= tl->nevents) {
		diverged(p, run, "a call behind the end of the log");
		return CKPT_HALT_DIVERGED;
	}
	if (run->calls && !p->play->shown) {
		p->play->shown = true;
		return CKPT_HALT_CALL;
	}
	p->play->shown = false;
	if (give_call(p, run))
		return p->state == CKPT_DEAD ? CKPT_HALT_DEAD : CKPT_HALT_DIVERGED;
	if (run->calls && after_event(p, run) < 0)
		return CKPT_HALT_CALL;
	return run->calls ? CKPT_HALT_GOAL : after_event(p, run);
}

/* As ckpt_rdtsc_at(), below probes; *pc: where the program has it. */
static int find_rdtsc(struct ckpt_task *p, uint64_t *pc)
{
	struct probe_where w;
	bool hidden;
	int len;

	*pc = ckpt_regs(p)->rip;
	if (!ckpt_probe_where(p, *pc, &w))
		*pc = w.addr;
	/* A probe may be its first byte. */
	hidden = p->play->probes && !ckpt_probe_original(p, ckpt_regs(p)->rip, false);
	len = ckpt_rdtsc_at(p);
	if (hidden && ckpt_probe_original(p, ckpt_regs(p)->rip, true))
		return 0;
	return len;
}

static int at_rdtsc(struct ckpt_task *p, struct ckpt_run *run, int len, uint64_t pc)
{
	struct ckpt_timeline *tl = p->timeline;
	struct ckpt_event ev = { .kind = CKPT_EV_EXIT };

	if (p->play->event < tl->nevents)
		ev = ckpt_log_event(tl, p->play->event);
	if (ev.kind != CKPT_EV_RDTSC || ev.ip != pc) {
		diverged(p, run, "rdtsc");
		return CKPT_HALT_DIVERGED;
	}
	ckpt_rdtsc_give(p, len, (uint64_t)ev.result);
	p->play->event++;
	return after_event(p, run);
}

/* -------------------------------------------------------------------- stops */

/* Brings the pc out of a trampoline after a stop inside of it. */
static void settle(struct ckpt_task *p)
{
	struct probe_where w;
	int err, steps = 0;

	while ((err = ckpt_probe_where(p, ckpt_regs(p)->rip, &w)) == -EBUSY && steps++ < 200) {
		if (ckpt_resume(p, PTRACE_SINGLESTEP, 0))
			return;
		while (ckpt_wait(p, NULL) == -EINTR)
			;
		if (p->state == CKPT_DEAD)
			return;
	}
	if (err)
		return;
	ckpt_regs(p)->rip = w.addr;
	ckpt_regs(p)->rsp += w.rsp_add;
	ckpt_regs_dirty(p);
}

/* A SIGTRAP that may be a probe's. -1: go on; -2: not ours. */
static int at_trap(struct ckpt_task *p, struct ckpt_run *run)
{
	uint64_t site, resume, behind;
	int rule;

	if (!ckpt_probe_site_of(p, ckpt_regs(p)->rip, &site, &rule))
		return -2;
	if (rule < 0)
		rule = ckpt_probe_evaluate(p, site, 0);
	ckpt_regs(p)->rip = site;
	ckpt_regs_dirty(p);
	if (rule >= 0) {
		run->site = site;
		run->cell = ckpt_probe_cell(p, site, (size_t)rule);
		p->play->at_site = site;
		p->play->at_rule = rule;
		return CKPT_HALT_PROBE;
	}
	ckpt_probe_resume(p, site, &resume, &behind, -1);
	if (resume) {
		ckpt_regs(p)->rip = resume;
		return -1;
	}
	p->play->step_over = site;
	return -1;
}

/* Continues at a site behind the rule that stopped it there, or behind the
 * first rules. -1: go on. */
static int leave_site(struct ckpt_task *p, struct ckpt_run *run)
{
	uint64_t pc = ckpt_regs(p)->rip, site = p->play->at_site, resume, behind;
	int rule = -1;

	p->play->at_site = 0;
	if (run->skip_rule)
		rule = (int)run->skip_rule - 1;
	else if (site == pc)
		rule = p->play->at_rule;
	run->skip_rule = 0;
	if (!p->play->probes || rule < 0)
		return -1;
	if (ckpt_probe_resume(p, pc, &resume, &behind, rule)) {
		ckpt_regs(p)->rip = behind ? behind : resume;
		ckpt_regs_dirty(p);
		return -1;
	}
	rule = ckpt_probe_evaluate(p, pc, (size_t)rule + 1);
	if (rule >= 0) {
		run->site = p->play->at_site = pc;
		run->cell = ckpt_probe_cell(p, pc, (size_t)rule);
		p->play->at_rule = rule;
		return CKPT_HALT_PROBE;
	}
	if (resume) {
		ckpt_regs(p)->rip = resume;
		ckpt_regs_dirty(p);
	} else {
		p->play->step_over = pc;
	}
	return -1;
}

/* Only a signal that is really pending makes a stop at which the one of then
 * can be given; a call injected meanwhile would swallow it. */
static void queue_signal(struct ckpt_task *p)
{
	siginfo_t si = { .si_signo = p->play->sig, .si_code = SI_QUEUE };

	syscall(SYS_rt_tgsigqueueinfo, p->tgid, p->tid, p->play->sig, &si);
}

/* Resumes once and waits. */
static int run_once(struct ckpt_task *p, int request, int sig)
{
	uint64_t over = p->play->sig ? 0 : p->play->step_over;
	bool asked = false;

	if (p->play->sig)
		queue_signal(p);
	if (over) {
		if (ckpt_probe_original(p, over, false))
			return -EIO;
		request = PTRACE_SYSEMU_SINGLESTEP;
	}
	if (ckpt_resume(p, request, sig))
		return -ESRCH;
	while (ckpt_wait(p, NULL) == -EINTR)
		if (!asked && ckpt_cancelled && ckpt_cancelled()) {
			ckpt_interrupt(p);
			asked = true;
		}
	if (over && p->state != CKPT_DEAD) {
		p->play->step_over = 0;
		if (ckpt_probe_original(p, over, true))
			return -EIO;
	}
	return over ? 1 : 0;
}

/* A stop by a signal. -1: goes on (*sig is delivered). */
static int at_signal(struct ckpt_task *p, struct ckpt_run *run, bool stepped_over, int *sig)
{
	siginfo_t *si = &p->play->stopped_by;
	uint64_t pc;
	int len, halt;

	if (p->play->sig && p->stop.sig == p->play->sig) {
		ptrace(PTRACE_SETSIGINFO, p->tid, 0, &p->play->siginfo);
		*sig = p->play->sig;
		p->play->sig = 0;
		return -1;
	}
	len = p->stop.sig == SIGSEGV ? find_rdtsc(p, &pc) : 0;
	if (len)
		return at_rdtsc(p, run, len, pc);
	/* Injected calls, for the probes, make stops of their own. */
	memset(si, 0, sizeof(*si));
	ptrace(PTRACE_GETSIGINFO, p->tid, 0, si);
	if (p->stop.sig == SIGTRAP) {
		if (si->si_code != TRAP_HWBKPT) {
			halt = at_trap(p, run);
			if (halt != -2)
				return halt;
		}
		if (stepped_over && si->si_code != TRAP_HWBKPT)
			return -1;
		settle(p);
		return CKPT_HALT_TRAP;
	}
	settle(p);
	return CKPT_HALT_SIGNAL;
}

enum ckpt_halt ckpt_puppet_run(struct ckpt_task *p, struct ckpt_run *run)
{
	int halt = -1, sig = 0, over;

	if (run->arm_count && p->play->event >= run->arm_event && !run->armed)
		ckpt_cell_set(p, run->arm_cell, run->arm_count);
	run->armed = true;
	if (p->state == CKPT_ENTRY) /* its call isn't answered yet */
		halt = at_call(p, run);
	else
		halt = leave_site(p, run);
	while (halt < 0) {
		over = run_once(p, PTRACE_SYSEMU, sig);
		sig = 0;
		if (over < 0 || p->state == CKPT_DEAD)
			return CKPT_HALT_DEAD;
		switch (p->state) {
		case CKPT_ENTRY:
			halt = at_call(p, run);
			break;
		case CKPT_SIGNAL:
			halt = at_signal(p, run, over, &sig);
			break;
		case CKPT_EVENT:
			if (ckpt_cancelled && ckpt_cancelled() && !ckpt_fault_pending(p)) {
				settle(p);
				halt = CKPT_HALT_CANCELLED;
			}
			break;
		default:
			break;
		}
	}
	return (enum ckpt_halt)halt;
}

enum ckpt_halt ckpt_puppet_step(struct ckpt_task *p, struct ckpt_run *run)
{
	struct user_regs_struct before = *ckpt_regs(p);
	enum ckpt_state from = p->state;
	uint8_t insn[2] = { 0 };
	int sig = 0;

	assert(!p->play->probes);
	if (p->state == CKPT_ENTRY) {
		int halt = at_call(p, run);

		return halt < 0 ? CKPT_HALT_STEP : (enum ckpt_halt)halt;
	}
	if (ckpt_read(p, before.rip, insn, 2) && ckpt_read(p, before.rip, insn, 1))
		insn[0] = 0; /* it will fault */
	for (;;) {
		if (run_once(p, PTRACE_SYSEMU_SINGLESTEP, sig) < 0 || p->state == CKPT_DEAD)
			return CKPT_HALT_DEAD;
		if (p->state == CKPT_ENTRY) {
			int halt = at_call(p, run);

			return halt < 0 ? CKPT_HALT_STEP : (enum ckpt_halt)halt;
		}
		if (p->state != CKPT_SIGNAL)
			continue;
		memset(&p->play->stopped_by, 0, sizeof(siginfo_t));
		ptrace(PTRACE_GETSIGINFO, p->tid, 0, &p->play->stopped_by);
		if (p->stop.sig == SIGTRAP) {
			/* After a call's stop the first report may come before
			 * the instruction ran. */
			if (from == CKPT_EXIT && ckpt_regs(p)->rip == before.rip &&
			    ckpt_regs(p)->rcx == before.rcx) {
				from = CKPT_SIGNAL;
				continue;
			}
			if (ckpt_is_pushf(insn) && ckpt_regs(p)->rip != before.rip)
				ckpt_hide_trap_in_flags(p);
			return p->play->stopped_by.si_code == SI_KERNEL ? CKPT_HALT_TRAP :
									  CKPT_HALT_STEP;
		}
		if (p->play->sig && p->stop.sig == p->play->sig) {
			ptrace(PTRACE_SETSIGINFO, p->tid, 0, &p->play->siginfo);
			sig = p->play->sig;
			p->play->sig = 0;
			continue;
		}
		if (ckpt_rdtsc_at(p)) {
			int halt = at_rdtsc(p, run, ckpt_rdtsc_at(p), ckpt_regs(p)->rip);

			return halt < 0 ? CKPT_HALT_STEP : (enum ckpt_halt)halt;
		}
		return CKPT_HALT_SIGNAL;
	}
}

/* ------------------------------------------------- calls outside the record */

void ckpt_foreign_call(struct ckpt_task *p)
{
	const struct ckpt_stop stop = p->stop;
	const struct ckpt_call *call = ckpt_call_find(stop.nr);
	enum ckpt_call_class class = ckpt_call_class(call, stop.args);
	long res = -EPERM;

	p->state = CKPT_EXIT;
	if (class == CKPT_CALL_REDO || (class == CKPT_CALL_MMAP && stop.args[3] & MAP_ANONYMOUS)) {
		if (ckpt_inject(p, &res, stop.nr, stop.args[0], stop.args[1], stop.args[2],
				stop.args[3], stop.args[4], stop.args[5]))
			return;
	} else if (stop.nr == SYS_write) {
		res = (long)stop.args[2];
	} else if (stop.nr == SYS_getpid || stop.nr == SYS_gettid) {
		res = p->timeline->live ? p->timeline->live->tgid : p->tgid;
	}
	ckpt_set_result(p, res);
}
