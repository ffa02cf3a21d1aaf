/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Watchpoints in the past, by debug registers. */
#ifndef FRED_WATCHPOINTS_H
#define FRED_WATCHPOINTS_H

#include "fred/seek.h"

/* What is watched. */
enum fred_access {
	FRED_WATCH_CHANGE, /* its value changes */
	FRED_WATCH_READ,   /* it is accessed and stays */
	FRED_WATCH_ACCESS,
};

struct fred_watch {
	uint64_t addr;
	unsigned int len; /* 1, 2, 4, 8; aligned */
	enum fred_access access;
};

/* The point before the last instruction before m (and after from, if any) that
 * did so to one of at most 4 watched words. */
int fred_seek_write(const struct fred_moment *m, struct ckpt_task *from, const struct fred_watch *w,
		    size_t n, struct ckpt_task **ret, size_t *which) __must_check;

#endif
