/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which calls may be quick, see quick.h, and with which descriptors: those of files that make nobody
 * wait, of sockets that don't either, and, where there are no other threads, of pipes; with a stop at its
 * end, of anything else but files that are mapped. */
#ifndef CKPT_QUICK_KINDS_H
#define CKPT_QUICK_KINDS_H

#include "ckptcore/internal.h"
#include "ckptcore/arch/x86_64/quick_code.h"

struct ckpt_quick_files {
	bool known;    /* those in the notes are right, unless a call changes them */
	bool alone;    /* ... for one thread */
	dev_t devs[8]; /* file systems whose files don't make anybody wait ... */
	bool plain[8]; /* ... or not */
	size_t ndevs;
};

/* Of call nr: bits of enum ckpt_quick_kind, 0: it never is. */
uint16_t ckpt_quick_kind(long nr);
/* Tells the code in the program of all of them. */
void ckpt_quick_fill_kinds(struct ckpt_quick_notes *notes);
/* Tells it of the descriptors, unless it knows. */
void ckpt_quick_know_files(struct ckpt_timeline *tl, struct ckpt_quick_files *q,
			   struct ckpt_quick_notes *notes);
/* Whether the code would let a call of that kind with these arguments be quick. */
bool ckpt_quick_is_fit(const struct ckpt_quick_notes *notes, uint16_t kind, const uint64_t a[6]);

#endif
