/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which calls may be quick, see quick.h, and with which descriptors: those of files that make nobody
 * wait, of sockets that don't either, and of pipes and their like, where there are other threads only if
 * they are ready; with a stop at its end, of anything else but files that are mapped. */
#ifndef CKPT_QUICK_KINDS_H
#define CKPT_QUICK_KINDS_H

#include "ckptcore/outside.h"
#include "ckptcore/arch/x86_64/quick_code.h"

struct ckpt_quick_files {
	bool known;	 /* those in the notes are right, unless a call changes them */
	bool alone;	 /* ... for one thread */
	bool serves;	 /* calls by path may wait for the program itself */
	bool seen_known; /* whether the program itself sees in /proc what we do */
};

/* Whether call nr may be quick. */
bool ckpt_quick_possible(long nr);
/* ... and changes neither what descriptors are, nor which files are mapped. */
bool ckpt_quick_keeps_files(long nr);
/* Whether after call nr the program finds by a path what it found before. */
bool ckpt_quick_keeps_view(long nr);
/* Tells the code in the program of all of them. */
void ckpt_quick_fill_kinds(struct ckpt_quick_notes *notes);
/* Tells it of the descriptors, unless it knows. */
void ckpt_quick_know_files(struct ckpt_timeline *tl, struct ckpt_quick_files *q,
			   struct ckpt_quick_notes *notes);
/* The call that is made now waits, though its descriptor was ready, and others wait for it: calls on that
 * one make their stops until descriptors are told anew. */
void ckpt_quick_doubt(struct ckpt_quick_notes *notes);
/* Whether the code would let call nr with these arguments be quick. */
bool ckpt_quick_is_fit(const struct ckpt_quick_notes *notes, long nr, const uint64_t args[6]);
/* The bytes of c's note, of which there are `left' at most; 0: it isn't the code's. */
uint64_t ckpt_quick_length(const struct ckpt_quick_call *c, uint64_t left);
/* The first of the pieces, len bytes, `from' bytes behind the beginning of c's note; or the one behind
 * `last'. NULL: there are no more. */
const struct ckpt_quick_piece *ckpt_quick_pieces(const struct ckpt_quick_call *c, uint64_t from,
						 uint64_t len, const struct ckpt_quick_piece *last);
/* What c's note tells of descriptor fd, which it has made. False: nothing. */
bool ckpt_quick_file(const struct ckpt_quick_call *c, int fd, struct ckpt_file *ret);

#endif
