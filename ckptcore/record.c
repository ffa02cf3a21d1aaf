/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Recording the live target (one thread). It stops at the entry and the exit
 * of its calls; at the exit the table says what the kernel wrote, which goes
 * into the log. What can't be described (an exec, a vfork's child writing our
 * memory, a call that the table doesn't know) is a barrier: a snapshot is taken
 * straight after it, and a replay that comes to it goes on from there. So is
 * whatever happens at an arbitrary instruction: a signal's delivery, a change
 * by the user. Never a wrong answer, at worst one more snapshot.
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <x86intrin.h>

#include "ckptcore/materialize.h"
#include "ckptcore/outside.h"
#include "ckptcore/record.h"
#include "ckptcore/replay.h"

struct ckpt_record {
	bool in_call;	/* between a call's entry and its exit */
	bool step_call; /* the debugger single-steps over it */
	bool barrier;	/* nothing but a snapshot describes it */
	bool thread;	/* it starts a second thread */
	bool due;	/* the clock wants a snapshot */
	bool changed;	/* the user changed the stopped target */
	/* A function that the user calls runs: */
	struct ckpt_general before_call; /* registers that will come back */
	unsigned int call_snap;		 /* 1 more than the id of the snapshot before it; 0: none */
	bool aligned;			 /* no instruction was run since the last event */
	siginfo_t siginfo;		 /* at a signal's stop, as the kernel gave it */
	int redeliver;			 /* comes once more, to be given with siginfo */
	bool direct;			 /* it may have descriptors with O_DIRECT */
	bool own_cores;			 /* it chose its cores itself */
	int request;			 /* the debugger's last resume */
	long nr;
	uint64_t args[6];
	const struct ckpt_call *call;
	enum ckpt_call_class class;
	struct ckpt_call_entry entry;
};

static int read_task(void *ctx, uint64_t addr, void *buf, size_t len)
{
	return ckpt_read(ctx, addr, buf, len);
}

struct ckpt_call_reader ckpt_reader(struct ckpt_task *t)
{
	return (struct ckpt_call_reader){ read_task, t };
}

/* Whether a descriptor of t's was opened with O_DIRECT. */
static bool is_direct(struct ckpt_task *t, const char *fd)
{
	char path[320], line[128];
	unsigned int flags = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", t->tgid, fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "flags: %o", &flags) == 1)
			break;
	if (f)
		fclose(f);
	return flags & O_DIRECT;
}

static bool any_direct(struct ckpt_task *t)
{
	bool found = false;
	struct dirent *e;
	char path[32];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", t->tgid);
	dir = opendir(path);
	while (dir && !found && (e = readdir(dir)))
		found = e->d_name[0] != '.' && is_direct(t, e->d_name);
	if (dir)
		closedir(dir);
	return found;
}

/* Asking /proc at every read would cost too much: only once such a descriptor
 * may exist. (One that came through a socket isn't noticed.) */
static void note_direct(struct ckpt_record *rec, struct ckpt_task *t)
{
	char fd[16];

	switch (rec->nr) {
	case SYS_open:
		rec->direct |= (rec->args[1] & O_DIRECT) != 0;
		break;
	case SYS_openat:
		rec->direct |= (rec->args[2] & O_DIRECT) != 0;
		break;
	case SYS_fcntl:
		rec->direct |= rec->args[1] == F_SETFL && rec->args[2] & O_DIRECT;
		break;
	case SYS_openat2:
		rec->direct = true;
		break;
	case SYS_read:
	case SYS_pread64:
	case SYS_readv:
	case SYS_preadv:
	case SYS_preadv2:
		if (rec->direct) {
			snprintf(fd, sizeof(fd), "%d", (int)rec->args[0]);
			rec->entry.direct = is_direct(t, fd);
		}
		break;
	}
}

int ckpt_record_start(struct ckpt_timeline *tl)
{
	tl->record = calloc(1, sizeof(*tl->record));
	if (!tl->record)
		return -ENOMEM;
	tl->record->request = PTRACE_CONT;
	tl->record->direct = any_direct(tl->live);
	if (!tl->outside)
		tl->outside = calloc(1, sizeof(*tl->outside));
	if (tl->outside && !tl->outside->next_same && ckpt_outside_capture(tl->live, tl->outside)) {
		ckpt_outside_free(tl->outside);
		tl->outside = NULL;
	}
	if (!tl->live->no_exitkill) /* an attached one outlives us */
		ckpt_affinity_share(tl->live->tid);
	tl->recording = true;
	return 0;
}

static void stop_recording(struct ckpt_timeline *tl, const char *why)
{
	if (!tl->recording)
		return;
	tl->recording = false;
	if (tl->live)
		ckpt_affinity_free(tl->live->tid);
	free(tl->broken);
	tl->broken = strdup(why);
}

void ckpt_record_stop(struct ckpt_timeline *tl, const char *why)
{
	stop_recording(tl, why);
}

int ckpt_record_signal(const struct ckpt_timeline *tl, siginfo_t *ret)
{
	const struct ckpt_task *t = tl->live;

	if (!t || !tl->recording || t->state != CKPT_SIGNAL || t->stop.sig == SIGTRAP)
		return 0;
	*ret = tl->record->siginfo;
	return t->stop.sig;
}

enum ckpt_end ckpt_record_where(const struct ckpt_timeline *tl)
{
	struct user_regs_struct *r;

	if (!tl->live || !tl->recording || tl->record->in_call)
		return CKPT_END_CALL;
	if (tl->record->aligned)
		return CKPT_END_EVENT;
	r = ckpt_regs(tl->live);
	if ((int64_t)r->orig_rax >= 0 && ckpt_interrupted((int64_t)r->rax))
		return CKPT_END_CALL;
	return CKPT_END_MATCH;
}

/* --------------------------------------------------------------- the calls */

/* Lets the target run on its own account. */
static void run_on(struct ckpt_task *t, int request, int sig)
{
	t->timeline->record->aligned = false;
	ckpt_resume(t, request, sig);
}

static void record_outputs(struct ckpt_timeline *tl, struct ckpt_task *t, int64_t result)
{
	static struct ckpt_range out[CKPT_CALL_MAX_RANGES];
	struct ckpt_record *rec = tl->record;
	struct ckpt_call_reader reader = ckpt_reader(t);
	struct ckpt_event ev = { .kind = CKPT_EV_CALL, .file = -1 };
	size_t n = 0;
	int err;

	if (rec->class == CKPT_CALL_ANSWER || rec->class == CKPT_CALL_RESTART) {
		if (ckpt_call_outputs(rec->call, rec->args, result, &reader, &rec->entry, out,
				      CKPT_CALL_MAX_RANGES, &n) < 0) {
			rec->barrier = true;
			return;
		}
	}
	ev.nr = (int16_t)rec->nr;
	ev.result = result;
	memcpy(ev.args, rec->args, sizeof(ev.args));
	ev.ip = ckpt_regs(t)->rip;
	if (rec->class == CKPT_CALL_MMAP && result >= 0 && !(rec->args[3] & MAP_ANONYMOUS)) {
		ev.file = ckpt_file_keep(t, (int)rec->args[4]);
		if (ev.file < 0)
			rec->barrier = true;
	}
	if (ckpt_log_add(tl, &ev)) {
		rec->barrier = true;
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (ckpt_log_data(tl, t, out[i].addr, out[i].len)) {
			ckpt_log_undo(tl);
			rec->barrier = true;
			return;
		}
	err = ckpt_outside_record(tl, t);
	if (err < 0) {
		ckpt_log_undo(tl);
		rec->barrier = true;
	}
	rec->due |= err > 0;
}

static uint64_t clone_flags(struct ckpt_task *t, long nr, const uint64_t args[6])
{
	uint64_t flags;

	if (nr == SYS_fork)
		return SIGCHLD;
	if (nr == SYS_vfork)
		return CLONE_VM | CLONE_VFORK;
	if (nr == SYS_clone3)
		return ckpt_read(t, args[0], &flags, 8) ? CLONE_VM : flags;
	return args[0];
}

/* Sets what kind of event the call at entry will be. */
static void classify(struct ckpt_timeline *tl, struct ckpt_task *t)
{
	struct ckpt_record *rec = tl->record;
	uint64_t flags;

	rec->barrier = rec->class == CKPT_CALL_BARRIER || rec->class == CKPT_CALL_EXEC;
	rec->thread = false;
	if (rec->class == CKPT_CALL_FORK) {
		flags = clone_flags(t, rec->nr, rec->args);
		rec->thread = flags & CLONE_THREAD;
		rec->barrier =
			flags & (CLONE_VM | CLONE_PARENT_SETTID | CLONE_PIDFD | CLONE_UNTRACED);
	}
	/* fork would leave holes in our copies. */
	if (rec->nr == SYS_madvise &&
	    (rec->args[2] == MADV_DONTFORK || rec->args[2] == MADV_WIPEONFORK))
		rec->class = CKPT_CALL_REFUSE;
}

static enum ckpt_verdict at_entry(struct ckpt_timeline *tl, struct ckpt_task *t)
{
	struct ckpt_record *rec = tl->record;
	struct ckpt_call_reader reader = ckpt_reader(t);
	const struct ckpt_stop *stop = &t->stop;

	rec->in_call = true;
	rec->aligned = false;
	if (stop->nr != SYS_restart_syscall) { /* that goes on with the former */
		rec->nr = stop->nr;
		memcpy(rec->args, stop->args, sizeof(rec->args));
		ckpt_identity_enter(t);
		rec->call = ckpt_call_find(rec->nr);
		rec->class = ckpt_call_class(rec->call, rec->args);
		classify(tl, t);
		ckpt_call_enter(rec->call, rec->args, &reader, &rec->entry);
		note_direct(rec, t);
	}
	if (rec->class == CKPT_CALL_EXIT) {
		struct ckpt_event ev = { .kind = CKPT_EV_EXIT,
					 .nr = (int16_t)rec->nr,
					 .result = (int64_t)rec->args[0],
					 .ip = ckpt_regs(t)->rip,
					 .file = -1 };

		rec->barrier |= ckpt_log_add(tl, &ev) != 0;
	}
	if (rec->class == CKPT_CALL_REFUSE) {
		ckpt_regs(t)->orig_rax = -1;
		ckpt_regs_dirty(t);
	}
	if (rec->request == PTRACE_SYSCALL)
		return CKPT_REPORT;
	ckpt_resume(t, PTRACE_SYSCALL, 0);
	return CKPT_HANDLED;
}

static void snapshot_if_due(struct ckpt_timeline *tl, enum ckpt_end before, bool dead)
{
	struct ckpt_record *rec = tl->record;

	if (!rec->due && !rec->barrier)
		return;
	ckpt_snapshot(tl, before, dead, 0, NULL);
	rec->due = rec->barrier = false;
}

static enum ckpt_verdict at_exit(struct ckpt_timeline *tl, struct ckpt_task *t)
{
	struct ckpt_record *rec = tl->record;
	int64_t result = t->stop.rval;

	rec->in_call = false;
	result = ckpt_identity_leave(t, rec->nr, rec->args, result);
	if (rec->class == CKPT_CALL_REFUSE) {
		int e = ckpt_call_refusal(rec->call, rec->args);

		result = rec->nr == SYS_madvise ? 0 : e ? -e : -ENOSYS;
		ckpt_set_result(t, result);
	}
	if (ckpt_interrupted(result)) {
		/* A signal follows, and then the call again, or its EINTR. */
		if (!rec->step_call) {
			run_on(t, PTRACE_SYSCALL, 0);
			return CKPT_HANDLED;
		}
	} else if (rec->thread && result >= 0) {
		stop_recording(tl, "the program started a second thread");
		if (ckpt_trap_tsc(t, false) == -ESRCH)
			return CKPT_REPORT;
	} else {
		rec->own_cores |= rec->nr == SYS_sched_setaffinity && !result;
		if (rec->nr == SYS_sched_getaffinity && !rec->own_cores)
			ckpt_affinity_hide(t, rec->args, result);
		if (!rec->barrier)
			record_outputs(tl, t, result);
		if (rec->nr == SYS_munmap && result == 0)
			ckpt_overlay_forget(&tl->overlay, rec->args[0], rec->args[1]);
		rec->aligned = true;
		if (rec->barrier)
			snapshot_if_due(tl, CKPT_END_CALL, true);
		else
			snapshot_if_due(tl, CKPT_END_EVENT, false);
	}
	if (rec->step_call) {
		rec->step_call = false;
		return CKPT_REPORT_TRACE;
	}
	if (rec->request == PTRACE_SYSCALL)
		return CKPT_REPORT;
	if (!tl->recording) {
		run_on(t, rec->request, 0);
		return CKPT_HANDLED;
	}
	run_on(t, PTRACE_SYSCALL, 0);
	return CKPT_HANDLED;
}

/* ----------------------------------------------------------------- rdtsc */

uint64_t ckpt_rdtsc(void)
{
	return __rdtsc();
}

int ckpt_rdtsc_at(struct ckpt_task *t)
{
	uint8_t insn[3] = { 0 };
	siginfo_t si;

	if (t->stop.sig != SIGSEGV || ptrace(PTRACE_GETSIGINFO, t->tid, 0, &si) < 0 ||
	    si.si_code != SI_KERNEL)
		return 0;
	if (ckpt_read(t, ckpt_regs(t)->rip, insn, sizeof(insn)) &&
	    ckpt_read(t, ckpt_regs(t)->rip, insn, 2))
		return 0;
	if (insn[0] == 0x0f && insn[1] == 0x31)
		return 2;
	if (insn[0] == 0x0f && insn[1] == 0x01 && insn[2] == 0xf9)
		return 3;
	return 0;
}

void ckpt_rdtsc_give(struct ckpt_task *t, int len, uint64_t value)
{
	struct user_regs_struct *r = ckpt_regs(t);

	r->rax = (uint32_t)value;
	r->rdx = value >> 32;
	if (len == 3)
		r->rcx = 0; /* rdtscp: processor 0 */
	r->rip += (unsigned int)len;
	ckpt_regs_dirty(t);
}

static enum ckpt_verdict rdtsc(struct ckpt_timeline *tl, struct ckpt_task *t, int len)
{
	struct ckpt_event ev = { .kind = CKPT_EV_RDTSC,
				 .result = (int64_t)ckpt_rdtsc(),
				 .ip = ckpt_regs(t)->rip,
				 .file = -1 };

	tl->record->barrier |= ckpt_log_add(tl, &ev) != 0;
	ckpt_rdtsc_give(t, len, (uint64_t)ev.result);
	tl->record->aligned = true;
	if (tl->record->request == PTRACE_SINGLESTEP) {
		t->stop.sig = SIGTRAP; /* there was no fault, for whoever asks later */
		return CKPT_REPORT_TRACE;
	}
	run_on(t, PTRACE_SYSCALL, 0);
	return CKPT_HANDLED;
}

/* ------------------------------------------------------------------ stops */

/* Whether t's signal has to do with the instruction where it stands. */
static bool synchronous(const struct ckpt_task *t, const siginfo_t *si)
{
	switch (t->stop.sig) {
	case SIGTRAP:
		return true;
	case SIGSEGV:
	case SIGBUS:
	case SIGFPE:
	case SIGILL:
		return si->si_code > 0;
	default:
		return false;
	}
}

enum ckpt_verdict ckpt_record_stopped(struct ckpt_task *t)
{
	struct ckpt_timeline *tl = t->timeline;
	struct ckpt_record *rec = tl->record;
	int len;

	switch (t->state) {
	case CKPT_DEAD:
		tl->live = NULL;
		tl->end_status = t->stop.status;
		rec->aligned = false;
		return CKPT_REPORT;
	case CKPT_SECCOMP: /* its entry was seen already */
		run_on(t, PTRACE_SYSCALL, 0);
		return CKPT_HANDLED;
	case CKPT_ENTRY:
		return at_entry(tl, t);
	case CKPT_EXIT:
		return at_exit(tl, t);
	case CKPT_SIGNAL:
		if (rec->redeliver && t->stop.sig == rec->redeliver) {
			rec->redeliver = 0;
			ptrace(PTRACE_SETSIGINFO, t->tid, 0, &rec->siginfo);
			run_on(t,
			       rec->request == PTRACE_SINGLESTEP ? PTRACE_SINGLESTEP :
								   PTRACE_SYSCALL,
			       t->stop.sig);
			return CKPT_HANDLED;
		}
		len = ckpt_rdtsc_at(t);
		if (len)
			return rdtsc(tl, t, len);
		/* Injected calls make stops of their own later. */
		memset(&rec->siginfo, 0, sizeof(rec->siginfo));
		ptrace(PTRACE_GETSIGINFO, t->tid, 0, &rec->siginfo);
		if (!synchronous(t, &rec->siginfo) && ckpt_finish_rep(t))
			return CKPT_HANDLED; /* it died: told soon */
		return CKPT_REPORT;
	case CKPT_EVENT:
		if (t->stop.event != PTRACE_EVENT_STOP)
			return CKPT_REPORT;
		if (ckpt_finish_rep(t))
			return CKPT_HANDLED;
		/* The clock interrupted it, or an attach did. */
		if (!rec->due)
			return CKPT_REPORT;
		if (ckpt_fault_pending(t)) { /* it comes at once; another time */
			rec->due = false;
			run_on(t,
			       rec->request == PTRACE_SINGLESTEP ? PTRACE_SINGLESTEP :
								   PTRACE_SYSCALL,
			       0);
			return CKPT_HANDLED;
		}
		snapshot_if_due(tl, ckpt_record_where(tl), false);
		run_on(t, rec->request == PTRACE_SINGLESTEP ? PTRACE_SINGLESTEP : PTRACE_SYSCALL,
		       0);
		return CKPT_HANDLED;
	default:
		return CKPT_REPORT;
	}
}

/* Whether delivering sig does anything: a handler, a death, a stop. */
static bool has_effect(struct ckpt_task *t, int sig)
{
	unsigned long caught = 0, ignored = 0;
	char path[32], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", t->tid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		sscanf(line, "SigIgn: %lx", &ignored);
		sscanf(line, "SigCgt: %lx", &caught);
	}
	if (f)
		fclose(f);
	if (caught >> (sig - 1) & 1)
		return true;
	if (ignored >> (sig - 1) & 1)
		return false;
	return sig != SIGCHLD && sig != SIGURG && sig != SIGWINCH && sig != SIGCONT;
}

/* The first bytes of the instruction that comes next, zeros if there is none. */
static void next_insn(struct ckpt_task *t, uint8_t insn[2])
{
	uint64_t rip = ckpt_regs(t)->rip;

	memset(insn, 0, 2);
	if (ckpt_read(t, rip, insn, 2) && ckpt_read(t, rip, insn, 1))
		return;
	ckpt_overlay_mask(&t->timeline->overlay, rip, insn, 2);
}

static size_t snap_index(const struct ckpt_timeline *tl, unsigned int id)
{
	size_t i = tl->nsnaps;

	while (i > 0 && tl->snaps[i - 1]->id != id)
		i--;
	return i ? i - 1 : tl->nsnaps;
}

/* The snapshot behind a change by the user. A function that the user called is
 * no part of the program's past: history goes on from before it to behind it. */
static void after_change(struct ckpt_timeline *tl, int sig)
{
	struct ckpt_record *rec = tl->record;
	struct ckpt_general now = ckpt_general_of(ckpt_regs(tl->live));
	unsigned int id = tl->snaps[tl->nsnaps - 1]->id, next = tl->next_id;
	size_t newest, before;

	rec->changed = false;
	tl->snaps[tl->nsnaps - 1]->pins++; /* or it might be dropped for the new one */
	ckpt_snapshot(tl, CKPT_END_NOW, true, sig, &rec->siginfo);
	newest = snap_index(tl, id);
	if (newest == tl->nsnaps)
		return; /* its copy was killed */
	tl->snaps[newest]->pins--;
	if (tl->next_id == next || !tl->snaps[newest]->copy)
		return; /* it failed */
	if (rec->call_snap && !memcmp(&now, &rec->before_call, sizeof(now))) {
		before = snap_index(tl, rec->call_snap - 1);
		if (before < newest)
			ckpt_snapshots_skip(tl, before + 1, newest + 1);
		rec->call_snap = 0;
		return;
	}
	if (rec->call_snap)
		return; /* the user changed things inside of the function */
	rec->before_call = ckpt_general_of(ckpt_regs(tl->snaps[newest]->copy));
	if (ckpt_call_was_pushed(tl->live, &rec->before_call))
		rec->call_snap = tl->snaps[newest]->id + 1;
}

void ckpt_record_settle(struct ckpt_timeline *tl)
{
	if (tl->recording && tl->live && tl->record->changed && !tl->record->in_call)
		after_change(tl, 0);
}

void ckpt_record_resume(struct ckpt_task *t, int request, int sig)
{
	struct ckpt_timeline *tl = t->timeline;
	struct ckpt_record *rec = tl->record;
	uint8_t insn[2];

	rec->request = request;
	if (rec->in_call) { /* at an event or entry stop amid a call */
		rec->step_call = request == PTRACE_SINGLESTEP;
		run_on(t, PTRACE_SYSCALL, sig);
		return;
	}
	if (sig && !has_effect(t, sig))
		sig = 0;
	if (sig && sig != rec->siginfo.si_signo) /* the user's: `signal N' */
		rec->siginfo = (siginfo_t){ .si_signo = sig, .si_code = SI_USER };
	if (rec->changed)
		after_change(tl, sig);
	else if (sig)
		ckpt_snapshot(tl, ckpt_record_where(tl), false, sig, &rec->siginfo);
	/* Given elsewhere than at a signal's stop it will come as a new one,
	 * from us. */
	rec->redeliver = t->state == CKPT_SIGNAL ? 0 : sig;
	if (request != PTRACE_SINGLESTEP) {
		run_on(t, PTRACE_SYSCALL, sig);
		return;
	}
	next_insn(t, insn);
	rec->step_call = !sig && insn[0] == 0x0f && (insn[1] == 0x05 || insn[1] == 0x34);
	if (rec->step_call) {
		run_on(t, PTRACE_SYSCALL, 0);
		return;
	}
	/* A step is over at once: no need to go to sleep for it. */
	run_on(t, PTRACE_SINGLESTEP, sig);
	if (t->state != CKPT_RUNNING)
		return;
	while (ckpt_wait(t, NULL) == -EINTR)
		;
	if (ckpt_is_pushf(insn) && !sig && t->state == CKPT_SIGNAL && t->stop.sig == SIGTRAP)
		ckpt_hide_trap_in_flags(t);
	t->ops->stopped(t, &t->stop);
}

void ckpt_record_branched(struct ckpt_timeline *tl)
{
	tl->record->changed = true;
}

void ckpt_record_exec(struct ckpt_task *t)
{
	struct ckpt_record *rec = t->timeline->record;

	rec->in_call = false;
	rec->step_call = false;
	rec->barrier = false;
	rec->changed = false;
	rec->aligned = true;
	t->timeline->overlay.n = 0; /* gone with the old program */
}

void ckpt_record_changed(struct ckpt_task *t)
{
	struct ckpt_timeline *tl = t->timeline;

	if (!tl->record || tl->record->changed || !tl->recording)
		return;
	/* The end of the interval before: as it was when it stopped. */
	if (!tl->record->in_call)
		ckpt_snapshot(tl, ckpt_record_where(tl), false, 0, NULL);
	tl->record->changed = true;
}

void ckpt_record_tick(struct ckpt_timeline *tl)
{
	struct ckpt_task *t = tl->live;

	if (!t || !tl->recording || t->state != CKPT_RUNNING || tl->record->due)
		return;
	if (ckpt_now() - tl->last_snap < ckpt_snapshot_spacing(tl))
		return;
	tl->record->due = true;
	if (!tl->record->in_call) /* else at its end */
		ckpt_interrupt(t);
}
