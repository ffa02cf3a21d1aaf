/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the timeline may cost: how much memory and how many processes, and how
 * much a target's copies use of it. What is done about it is in thin.c.
 */
#ifndef CKPT_BUDGET_H
#define CKPT_BUDGET_H

#include "ckptcore/ckptcore.h"

/* As many snapshots as are of use: beyond it they are thinned with their age. */
#define CKPT_MAX_SNAPS 200

struct ckpt_budget {
	uint64_t bytes; /* of private memory of the copies, and of the log */
	size_t snaps;	/* how many to keep, if none has to be kept */
};

/*
 * A quarter of the machine's or the cgroup's memory, whichever is less, or what
 * the variable FRED_BUDGET in the environment says; and at most an eighth of
 * the processes that the cgroup or the user may have. Found out once.
 */
const struct ckpt_budget *ckpt_budget(void);

/* A size such as 500M; suffixes k, m, g, t. -EINVAL: it is none. */
int ckpt_parse_size(const char *text, uint64_t *ret) __must_check;

/* Cheap. All zero when it can't be told. */
struct ckpt_memory ckpt_memory_of(pid_t pid);
/* Bytes that no other process has. Visits each page: 30 ns a page. */
uint64_t ckpt_memory_private(pid_t pid);
/*
 * The bytes that a copy of t, made when t had *then, has alone by now, or
 * shares with older copies: pages that t has written or given back since.
 */
uint64_t ckpt_memory_lost(const struct ckpt_task *t, const struct ckpt_memory *then,
			  const struct ckpt_memory *now);

#endif
