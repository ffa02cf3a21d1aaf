/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Finding points in the past. One primitive: the last point before a moment at
 * which one of some rules (addresses with conditions on registers) held; newest
 * interval first: count up to the moment, then stop at the last one.
 */
#ifndef FRED_SEEK_H
#define FRED_SEEK_H

#include "fred/symbols.h"
#include "fred/timeline.h"

/* A moment: the goal, and the interval in which it lies. */
struct fred_moment {
	struct ckpt_goal goal;
	size_t interval;
	pid_t thread;		 /* whose past is looked at; 0: all threads' */
	struct ckpt_task *owned; /* the goal's ref, if it is the moment's to destroy */
};

void fred_moment_deinit(struct fred_moment *m);
/* The moment at which the puppet p stands, in its current thread's past; p must
 * outlive it. */
void fred_moment_of(struct ckpt_task *p, struct fred_moment *ret);
/*
 * Makes m the last moment up to it at which thread tid ran: where it stands at
 * m. 1: it is; 0: the thread hasn't run since the beginning of history (then m
 * is undefined); others as fred_seek_last().
 */
int fred_moment_in_thread(struct fred_moment *m, pid_t tid) __must_check;

/* Whose turn it was at m. */
pid_t fred_moment_thread(const struct fred_moment *m);
/* The number of the event that gave the turn in whose course m's interval has come to
 * m; false: it is the turn with which the interval began. */
bool fred_moment_turn(const struct fred_moment *m, uint64_t *ret);
/* Makes m the end of the turn before the one that m is in; false: there is none in
 * recorded history. */
bool fred_moment_turn_before(struct fred_moment *m);
/* Whether m is where its interval begins. */
bool fred_moment_begins(const struct fred_moment *m);

/* A puppet at the beginning of an interval, or where `from', if not NULL, stands. */
int fred_seek_start(size_t interval, struct ckpt_task *from, struct ckpt_task **ret) __must_check;

/*
 * The last point before m at which a rule held, in m's thread, as a puppet
 * standing there.
 * @from: look no further back than this puppet's point; NULL: to the beginning
 * of history
 * @which: index of the rule that held
 * Returns 1 found (*ret is the caller's), 0 none, -EINTR cancelled, -EPROTO
 * replay diverged (fred_seek_error says how), others.
 */
int fred_seek_last(const struct fred_moment *m, struct ckpt_task *from,
		   const struct ckpt_rule *rules, size_t n, struct ckpt_task **ret,
		   size_t *which) __must_check;

/* Whether a rule's hit is one, where p stands. */
typedef bool (*fred_seek_judge)(struct ckpt_task *p, size_t which);
/* The same of hits that are good; NULL: all are. */
int fred_seek_last_good(const struct fred_moment *m, struct ckpt_task *from,
			const struct ckpt_rule *rules, size_t n, fred_seek_judge good,
			struct ckpt_task **ret, size_t *which) __must_check;

/* Hits of the rules at a site that don't count, the last ones. */
struct fred_skip {
	uint64_t site;
	uint64_t most; /* so many; those that were passed are taken off */
};
/* As fred_seek_last(), but for such hits. */
int fred_seek_last_but(const struct fred_moment *m, struct ckpt_task *from,
		       const struct ckpt_rule *rules, size_t n, struct fred_skip *skip,
		       struct ckpt_task **ret, size_t *which) __must_check;

/* The nth point from where the puppet `from` stands (itself included) at which
 * a rule holds, before m; as fred_seek_last(). */
int fred_seek_first(struct ckpt_task *from, const struct fred_moment *m,
		    const struct ckpt_rule *rules, size_t n, uint64_t nth, struct ckpt_task **ret,
		    size_t *which) __must_check;

/* The same in the interval of m, where `from' stands, when it is known that they hold so
 * often there. */
int fred_seek_nth(struct ckpt_task *from, const struct fred_moment *m,
		  const struct ckpt_rule *rules, size_t n, uint64_t nth, struct ckpt_task **ret,
		  size_t *which) __must_check;

/* As fred_seek_last() in the interval of m, where `from' stands, but so many hits
 * further back, or the first of them. */
int fred_seek_earlier(const struct fred_moment *m, struct ckpt_task *from,
		      const struct ckpt_rule *rules, size_t n, uint64_t back,
		      struct ckpt_task **ret) __must_check;

/* The point one instruction of m's thread before m; as fred_seek_last(). */
int fred_seek_instruction(const struct fred_moment *m, struct ckpt_task **ret) __must_check;

/* Where thread tid, which runs at m, begins; 0: not after the beginning of recorded
 * history. */
int fred_seek_thread_begin(const struct fred_moment *m, pid_t tid,
			   struct ckpt_task **ret) __must_check;

/* How often the rules hold from where `from` stands up to m. */
int fred_seek_count(struct ckpt_task *from, const struct fred_moment *m,
		    const struct ckpt_rule *rules, size_t n, uint64_t *ret) __must_check;

/* Before a search from m, where the user is: a snapshot near it, if the way to
 * it is long. Changes m's interval. (dense.c) */
void fred_dense_before(struct fred_moment *m);

/* The beginning of the recorded history, and its end after the program's. */
int fred_seek_begin(struct ckpt_task **ret) __must_check;
int fred_seek_end(struct ckpt_task **ret) __must_check;
/* Whether the program's end, without an event of its own, lies in an interval. */
bool fred_seek_may_die(size_t interval);
/* Whether all of interval i is that the program died of the signal it begins with, or was
 * killed by the debugger. */
bool fred_seek_died_at_once(size_t i);

/* How a leg's run failed: 0 not at all (it came to its goal, or to the program's
 * end), -EINTR, -EPROTO (fred_seek_error says how). */
int fred_seek_failure(enum ckpt_halt halt, const struct ckpt_leg *leg);

/* Words about the last -EPROTO. */
extern char fred_seek_error[1024];
/* Appends to text where p stands: its thread, if there are others, and its stack. */
void fred_seek_tell_where(struct ckpt_task *p, char *text, size_t size);

/* What is known of the program's code, for the copy t. */
struct fred_sym *fred_seek_symbols(struct ckpt_task *t);
/* As fred_sym_tell_debug(). */
int fred_seek_tell_debug(const char *file, const char *debug) __must_check;
struct fred_sym_reader fred_seek_reader(struct ckpt_task *t);
/* The call stack of the thread t, frame 0 first; as fred_sym_unwind(). */
int fred_seek_unwind(struct ckpt_task *t, struct fred_sym *sym, struct fred_frame *frames,
		     size_t max, size_t *n) __must_check;
/* The instructions of the function around pc; *rules is the caller's. @leaders:
 * only those where straight code begins, and cheap ones. */
int fred_seek_function_rules(struct ckpt_task *t, uint64_t pc, bool leaders,
			     struct ckpt_rule **rules, size_t *n) __must_check;

#endif
