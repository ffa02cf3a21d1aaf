/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What replay.c needs of the probes in a puppet. */
#ifndef CKPT_PROBE_H
#define CKPT_PROBE_H

#include "ckptcore/replay.h"

/* Sets n cells from first on to CKPT_NEVER. */
int ckpt_cells_reset(struct ckpt_task *p, unsigned int first, unsigned int n);
/* Whether pc, after a SIGTRAP, is that of a probe's int3. *rule -1: the
 * site is a plain int3, whose rules we evaluate ourselves. */
bool ckpt_probe_site_of(struct ckpt_task *p, uint64_t pc, uint64_t *site, int *rule);
/* Evaluates the site's rules from number `from` on; the one that stops or -1. */
int ckpt_probe_evaluate(struct ckpt_task *p, uint64_t site, size_t from);
/* The cell of a rule. */
unsigned int ckpt_probe_cell(struct ckpt_task *p, uint64_t site, size_t rule);
/* Where to go on: *resume behind all rules, *stop_resume behind rule (0: not
 * that way). True: the site is a jump. */
bool ckpt_probe_resume(struct ckpt_task *p, uint64_t site, uint64_t *resume, uint64_t *stop_resume,
		       int rule);
/* Whether there is a probe at addr. */
bool ckpt_probe_is_site(struct ckpt_task *p, uint64_t addr);
/* Puts a site's own bytes back, or the probe's in. */
int ckpt_probe_original(struct ckpt_task *p, uint64_t site, bool in);
/* Puts those in again over which the program has written code since. */
int ckpt_probes_renew(struct ckpt_task *p) __must_check;
/* Replaces the probes' bytes in what was read of p at addr by the program's. */
void ckpt_probes_mask(const struct ckpt_task *p, uint64_t addr, uint8_t *buf, size_t len);
/* As probe_plan_pc(). */
int ckpt_probe_where(struct ckpt_task *p, uint64_t pc, struct probe_where *ret);

/* Before the puppet is given ev: takes the probes out when ev changes what is
 * mapped where they are; then true, and ckpt_probes_return() has to follow. */
bool ckpt_probes_yield(struct ckpt_task *p, const struct ckpt_event *ev);
int ckpt_probes_return(struct ckpt_task *p);

/* puppet.c: looks whether p's thread blocks SIGTRAP: then each of our traps
 * unblocks it, as the kernel must get it through. */
void ckpt_play_note_mask(struct ckpt_task *p);
/* puppet.c: t is one more of a puppet's other threads. */
int ckpt_play_add(struct ckpt_play *play, struct ckpt_task *t) __must_check;
/* The i-th of them has ended. Its task stays, stopped: a process can't be read
 * by the number of a leader that is gone. */
int ckpt_play_retire(struct ckpt_play *play, size_t i) __must_check;
/* The process dies; a leader's end is told only behind those of its threads, which
 * are waited for here. */
void ckpt_play_reap(struct ckpt_play *play);

/* Frees what is known of the probes in a puppet that is thrown away. */
void ckpt_probes_forget(struct ckpt_task *p);

#endif
