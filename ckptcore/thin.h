/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Keeps a timeline within its budget: thins the snapshots with their age, and
 * where that isn't enough, has history begin later.
 */
#ifndef CKPT_THIN_H
#define CKPT_THIN_H

#include "ckptcore/budget.h"
#include "ckptcore/internal.h"

/* After a snapshot was taken: drops what has to go. Says so once a timeline. */
void ckpt_thin(struct ckpt_timeline *tl);
/* After one could not be taken, as no process or no memory was to be had: drops
 * some, and keeps fewer from now on. False: there is nothing to drop. */
bool ckpt_thin_harder(struct ckpt_timeline *tl) __must_check;

/* Drops snapshots whose copies were killed from outside, by the kernel short of memory most likely: nothing
 * can be replayed from there. Says so once a timeline. */
void ckpt_thin_lost(struct ckpt_timeline *tl);

/* What counts in the budget, of all timelines: bytes. */
uint64_t ckpt_budget_used(void);

/* The numbers of the intervals from i on change by delta: tells puppets. */
void ckpt_puppets_shift(struct ckpt_timeline *tl, size_t i, ssize_t delta);

/* snapshot.c: the copy too. */
void ckpt_snap_destroy(struct ckpt_snap *s);

#endif
