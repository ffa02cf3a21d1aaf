/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The delivery of signals to the program: recorded, and done again in puppets. */
#ifndef CKPT_SIGNALS_H
#define CKPT_SIGNALS_H

#include "ckptcore/replay.h"

/* What delivering a signal does. */
enum ckpt_effect {
	CKPT_EFFECT_NONE,
	CKPT_EFFECT_HANDLER,
	CKPT_EFFECT_STOP,
	CKPT_EFFECT_DEATH,
};

/* Whether the signal at whose stop t is has to do with the instruction where it stands. */
bool ckpt_signal_is_fault(const struct ckpt_task *t);
/* Whether t blocks sig now: it has its effect later, if ever. */
bool ckpt_signal_is_blocked(const struct ckpt_task *t, int sig);
enum ckpt_effect ckpt_signal_effect(struct ckpt_task *t, int sig);

/* Whether a signal comes to t, which stands at a stop in the kernel, before it runs
 * any instruction. */
bool ckpt_signal_comes(const struct ckpt_task *t);
/* The same, unless another thread takes it, as it is for the whole process. */
bool ckpt_signal_may_come(const struct ckpt_task *t);
/* Whether one may come to t that waits with the mask at addr. */
bool ckpt_signal_ends_wait(struct ckpt_task *t, uint64_t addr);

/*
 * Signals that strike amid the program's code are delayed to its next call, if one comes
 * soon: as if they had come a little later. Until then they are here.
 */
/* t is at the stop of a signal, amid its code: whether it is delayed; then t goes on. */
bool ckpt_signal_delay(struct ckpt_task *t) __must_check;
/* Whether t's signal can't be delayed any more. */
bool ckpt_signal_is_late(const struct ckpt_task *t);
/* t, wherever it stands, gets its delayed signal, if there is one, as soon as it goes on.
 * @called: at its call */
void ckpt_signal_release(struct ckpt_task *t, bool called);
/* t is at the stop of a signal: gives it, if it is such a one, the siginfo that it had. */
void ckpt_signal_resent(struct ckpt_task *t);

/*
 * t, whose turn it is, goes on with signal sig: if the place where it stands is known
 * by an event (@before: how the interval would end here), or t is in a call that waits
 * with another signal mask, delivers it and records that.
 * False: a snapshot has to be taken before. True: t stands at the handler's first
 * instruction (a stop by SIGTRAP), or what came instead: a fault, its death.
 */
bool ckpt_signal_deliver(struct ckpt_task *t, int sig, enum ckpt_effect effect,
			 enum ckpt_end before) __must_check;

/*
 * The signal with which p's interval begins, in code: has it come to p, which goes on. Only
 * one that is really pending makes a stop at which the one of then can be given; a call
 * injected meanwhile would swallow it.
 */
void ckpt_signal_queue(struct ckpt_task *p);
/* If p is at that stop: the signal to resume it with, else 0. */
int ckpt_signal_queued(struct ckpt_task *p);

/* Gives p the delivery ev. -EPROTO: p isn't where that was. */
int ckpt_signal_replay(struct ckpt_task *p, const struct ckpt_event *ev) __must_check;

/* Whether a delivery is p's next event. */
bool ckpt_signal_is_next(struct ckpt_task *p);
/* The signal that p gets before it runs any further, with *ret its siginfo; 0: none. */
int ckpt_signal_next(struct ckpt_task *p, siginfo_t *ret);

#endif
