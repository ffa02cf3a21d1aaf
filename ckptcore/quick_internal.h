/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What quick.c, which has calls made without a stop, and quick_stops.c, which deals with the stops amid
 * that, share. */
#ifndef CKPT_QUICK_INTERNAL_H
#define CKPT_QUICK_INTERNAL_H

#include <stddef.h>

#include "ckptcore/arch/x86_64/quick_code.h"
#include "ckptcore/quick.h"
#include "ckptcore/quick_kinds.h"
#include "ckptcore/sites.h"
#include "ckptcore/turns.h"

/* A selector's values: calls pass, or make a signal. */
#define CKPT_QUICK_ALLOW 0
#define CKPT_QUICK_BLOCK 1

/* They stay quick as long as there are WORTH_STILL quick ones to WINDOW others; so many reads of the clock
 * are as good as one. */
#define CKPT_QUICK_WINDOW 64
#define CKPT_QUICK_WORTH_STILL 64
#define CKPT_QUICK_READS 32
#define CKPT_QUICK_DATA_SIZE (CKPT_QUICK_NOTES_SIZE - sizeof(struct ckpt_quick_notes))

struct ckpt_quick {
	struct ckpt_sites sites;
	bool ready; /* the code is there */
	bool impossible;
	bool on;     /* whenever it runs freely */
	bool in;     /* now: jumps are in its code */
	bool looked; /* somebody looks, or has, though it runs: not until he lets it run anew */
	struct ckpt_quick_files files;
	bool ignored; /* SIGSYS is, or SIGTRAP, which wouldn't stay so */
	bool ignored_known;
	unsigned int seen, good;	  /* of the present window */
	unsigned int others, done;	  /* likewise, while on */
	pid_t owners[CKPT_QUICK_THREADS]; /* the threads of which the kernel knows the selectors */
	uint64_t drained;		  /* of the notes so much are events already */
	int failed;			  /* ... or couldn't be */
};

/* Where a label of our code is in the program. */
static inline uint64_t ckpt_quick_address(const uint8_t *label)
{
	return CKPT_QUICK_CODE + (uint64_t)(label - __start_fred_quick);
}

/* t's selector, by which the kernel lets its calls pass, or NULL: the kernel knows none. */
static inline uint8_t *ckpt_quick_selector(const struct ckpt_task *t,
					   struct ckpt_quick_notes *notes)
{
	const struct ckpt_quick *q = t->timeline->quick;

	for (size_t i = 0; i < CKPT_QUICK_THREADS; i++)
		if (q->owners[i] == t->tid)
			return &notes->selectors[i];
	return NULL;
}

/* Sets it, if there is one. */
static inline void ckpt_quick_select(const struct ckpt_task *t, struct ckpt_quick_notes *notes,
				     uint8_t value)
{
	uint8_t *s = ckpt_quick_selector(t, notes);

	if (s)
		*s = value;
}

#endif
