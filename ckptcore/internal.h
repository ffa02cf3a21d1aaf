/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of ckptcore/ share and nobody else needs. */
#ifndef CKPTCORE_INTERNAL_H
#define CKPTCORE_INTERNAL_H

#include <pthread.h>
#include <sys/ptrace.h>

#include "ckptcore/arch/x86_64/quick_code.h"
#include "ckptcore/calls.h"
#include "ckptcore/ckptcore.h"
#include "ckptcore/target.h"

#ifndef PTRACE_GETSIGMASK
#define PTRACE_GETSIGMASK 0x420a
#define PTRACE_SETSIGMASK 0x420b
#endif

#ifndef PTRACE_GET_RSEQ_CONFIGURATION
#define PTRACE_GET_RSEQ_CONFIGURATION 0x420f
#endif

/* As struct ptrace_rseq_configuration. */
struct ckpt_rseq {
	uint64_t at;
	uint32_t len, signature, flags, pad;
};

/* A page range of ours in every copy: cells of probes, room for strings. It lies where
 * neither the kernel nor a sanitizer (its shadow memory is most of what a program
 * can address) has anything. */
#define CKPT_PAGE CKPT_OURS_LO
#define CKPT_PAGE_SIZE 0x10000ull
#define CKPT_PAGE_MIN 4096ull /* the processor's */
/* Behind it, in live processes, too: see clock.h and quick.h. The first two are one mapping. */
#define CKPT_RING (CKPT_PAGE + CKPT_PAGE_SIZE)
#define CKPT_RING_SIZE 0x8000ull
#define CKPT_QUICK_NOTES (CKPT_RING + CKPT_RING_SIZE)
#define CKPT_QUICK_NOTES_SIZE 0x40000ull
#define CKPT_QUICK_CODE (CKPT_QUICK_NOTES + CKPT_QUICK_NOTES_SIZE)
#define CKPT_QUICK_CODE_SIZE (CKPT_OURS_HI - CKPT_QUICK_CODE)

/* The kernel's codes for interrupted calls; never seen by programs. */
#define CKPT_ERESTARTNOINTR 513 /* it is made again in any case */
static inline bool ckpt_interrupted(int64_t rax)
{
	return rax == -512 || rax == -513 || rax == -514 || rax == -516;
}

/* Whether a task with these registers goes on by making its call again. */
static inline bool ckpt_calls_again(const struct user_regs_struct *r)
{
	return (int64_t)r->orig_rax >= 0 && ckpt_interrupted((int64_t)r->rax);
}

/*
 * A single step's trap flag is the tracer's, yet the program sees it in two
 * places: `pushf` stores it, and `syscall` leaves it in r11. Both are cleared,
 * or a stepped run would differ from one at full speed.
 */
/* Whether the instruction at insn is a pushf. */
static inline bool ckpt_is_pushf(const uint8_t insn[2])
{
	return insn[0] == 0x9c || (insn[0] == 0x66 && insn[1] == 0x9c);
}
/* t has just been stepped over a pushf / into a call. */
void ckpt_hide_trap_in_flags(struct ckpt_task *t);
void ckpt_hide_trap_in_r11(struct ckpt_task *t);

/* Enters a task into the table. Its state is CKPT_NEW. */
struct ckpt_task *ckpt_task_new(pid_t tid, pid_t tgid, const struct ckpt_task_ops *ops);
/* Has a stopped task die with us, also if we are killed; so do its children. */
int ckpt_end_with_us(struct ckpt_task *t) __must_check;

/* Whether an interrupt came between a fault (or an int3, a step) of t and its
 * signal's stop, which is then the next one. */
bool ckpt_fault_pending(struct ckpt_task *t);

/* Hands the stop at which t is, found by ckpt_wait(), to its ops. */
void ckpt_dispatch(struct ckpt_task *t);

/* t's death was seen where nobody looks after it: ckpt_wait_any() tells its
 * ops, unless it is forgotten before. */
void ckpt_tell_later(struct ckpt_task *t);

/*
 * inject.c: when t, stopped by something from outside, is amid a repeated
 * string instruction (at its page faults interrupts come in), finishes that:
 * a position inside of it is dear, since probes see it once.
 */
int ckpt_finish_rep(struct ckpt_task *t) __must_check;
/* Whether there is one at addr. */
bool ckpt_is_rep(struct ckpt_task *t, uint64_t addr);
/* Has the one at which t stands repeated until that many repetitions are left. *sig: the signal of what
 * ended it earlier (a fault, a debug register), or 0. */
int ckpt_repeat(struct ckpt_task *t, uint64_t left, int *sig) __must_check;
/* The same for an impatient caller: only if it surely comes to that (comparisons may
 * end earlier), else nothing is done. */
int ckpt_hurry(struct ckpt_task *t, uint64_t left) __must_check;

/*
 * inject.c: when t, stopped by the clock, stands at an instruction in whose place
 * no jump to a probe fits, runs on to one where it does, if there is one soon: in
 * a hot loop an int3 would cost a stop at each arrival.
 */
int ckpt_pass_short(struct ckpt_task *t) __must_check;
/* Steps t, which is no copy or has no signals coming, as long as more(t), but not
 * more often than that. */
int ckpt_step_while(struct ckpt_task *t, bool (*more)(struct ckpt_task *t), int most) __must_check;
/* Has it run to `at', or to a fault before that: what is there doesn't go on for long. */
int ckpt_run_to(struct ckpt_task *t, uint64_t at) __must_check;

/* snapshot.c: makes a fresh copy fit to be parked: memory shared with others
 * becomes its own (*bytes of it), our page is there. */
int ckpt_copy_prepare(struct ckpt_task *copy, uint64_t *bytes) __must_check;

/* redo.c: maps a file, of which we have a descriptor, in a copy. *res: what mmap returns. */
int ckpt_map_file(struct ckpt_task *p, uint64_t addr, uint64_t len, int prot, uint64_t flags,
		  int file, uint64_t offset, long *res) __must_check;
/* How m may be used, as mmap is told. */
int ckpt_protection(const struct ckpt_map *m);
/* Puts another file with the same contents in place of that of a private mapping of copy's. */
int ckpt_copy_replace(struct ckpt_task *copy, const struct ckpt_map *m, int file) __must_check;

/* Whether t is in a call that isn't over, also one that isn't recorded yet. */
bool ckpt_is_in_call(const struct ckpt_task *t);
/* Brings the registers of t, whose call isn't over, back to before it. */
void ckpt_before_call(const struct ckpt_task *t, struct user_regs_struct *r);

/* A reader of t's memory for the table of calls. */
struct ckpt_call_reader ckpt_reader(struct ckpt_task *t);

/* unknown.c: says once that this call, or request, can't be described. */
void ckpt_tell_unknown(long nr, const uint64_t args[6]);
/* ... and that the recording ends, for a reason in words. */
void ckpt_tell_end(const char *why);

/* direct.c: whether t's process may have descriptors with O_DIRECT. */
bool ckpt_direct_any(struct ckpt_task *t);
/* t is at the entry of its call: notes in *any that it may have them, or in the
 * call that it reads from one. */
void ckpt_direct_note(struct ckpt_task *t, bool *any);

/* affinity.c: t has chosen cores for a thread, or itself (0): we don't any more. */
void ckpt_affinity_chosen(struct ckpt_task *t, pid_t of);
/* At the end of t's sched_getaffinity: its cores as without us. */
void ckpt_affinity_hide(struct ckpt_task *t, const uint64_t args[6], int64_t result);

/* log.c */
/* Appends an event; it has no outputs yet. */
int ckpt_log_add(struct ckpt_timeline *tl, const struct ckpt_event *ev) __must_check;
/* Appends { addr, len, bytes }, t's memory, to the newest event's outputs. */
int ckpt_log_data(struct ckpt_timeline *tl, struct ckpt_task *t, uint64_t addr,
		  uint64_t len) __must_check;
/* The same with bytes that were there. */
int ckpt_log_bytes(struct ckpt_timeline *tl, uint64_t addr, const void *bytes,
		   uint64_t len) __must_check;
/* Appends bytes that the program isn't given: what fred must know of the event. */
int ckpt_log_note(struct ckpt_timeline *tl, const void *bytes, uint64_t len) __must_check;
#define CKPT_NOTE (~0ull) /* their addr */
/* Takes the newest event back. */
void ckpt_log_undo(struct ckpt_timeline *tl);
/* The outputs of an event, ev->data_len bytes; valid until the log is asked for
 * something else. NULL: they can't be read back. */
const uint8_t *ckpt_log_outputs(struct ckpt_timeline *tl, const struct ckpt_event *ev);
/* Nobody will ask for what came before an event any more. */
void ckpt_log_forget(struct ckpt_timeline *tl, uint64_t event);
/* The log of `to', a new timeline, begins with the events of `from' before one.
 * -EIO: that one can't be read back. */
int ckpt_log_share(struct ckpt_timeline *from, uint64_t event,
		   struct ckpt_timeline *to) __must_check;
void ckpt_log_free(struct ckpt_timeline *tl);
/* A descriptor of ours for the file behind t's descriptor fd; shared by equal files. */
int ckpt_file_keep(struct ckpt_task *t, int fd);
/* Whether there is one for that file. */
bool ckpt_file_is_kept(uint64_t dev, uint64_t ino);
/* How many there are; the first max of them to inodes. */
size_t ckpt_files_kept(uint64_t *inodes, size_t max);
/* Those of a file lead to another one from now on. */
void ckpt_file_replace(int file, int by);

/* record.c */
void ckpt_record_resume(struct ckpt_task *t, int request, int sig);
enum ckpt_verdict ckpt_record_stopped(struct ckpt_task *t);
/* The CLONE_ flags of t's fork, vfork, clone or clone3. */
uint64_t ckpt_clone_flags(struct ckpt_task *t, long nr, const uint64_t args[6]);
/* Sets what kind of event t's call will be. */
void ckpt_record_classify(struct ckpt_task *t);
/* join.c: t, which stands, is recorded from now on. */
void ckpt_record_met(struct ckpt_task *t);
/* Appends t's call, which has ended with a result, to the log; else it is a barrier. */
void ckpt_record_call(struct ckpt_task *t, int64_t result);
/* The same for one that made no stop, or one only; ip: behind it. */
int ckpt_record_quick(struct ckpt_task *t, const struct ckpt_quick_call *c,
		      uint64_t ip) __must_check;
/* If t's call has mapped code: it is part of it that what gives random numbers there doesn't do so by
 * itself. -ENOMEM. */
int ckpt_record_random(struct ckpt_task *t, int64_t result) __must_check;
/* t enters the kernel for the call of its stop. */
void ckpt_record_entered(struct ckpt_task *t);
/* A snapshot is to be taken at the next occasion. */
void ckpt_record_due(struct ckpt_timeline *tl);
/* t, whose turn it isn't, is at the end of its call: what that wrote is recorded
 * now, since it is in memory now. */
void ckpt_record_write(struct ckpt_task *t);
/* t's call ends, with this code of the kernel's, by a signal that is delivered next. */
int ckpt_record_interrupted(struct ckpt_task *t, int64_t code) __must_check;
/* t is at the end of a clone whose event is told now. */
void ckpt_record_cloned(struct ckpt_task *t);
/* No instruction was run since the last event. */
void ckpt_record_aligned(struct ckpt_timeline *tl);
void ckpt_record_exec(struct ckpt_task *t);
void ckpt_record_changed(struct ckpt_task *t);

#endif
