/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CKPT_QUICK_CODE_H
#define CKPT_QUICK_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ckptcore/ckptcore.h"

/*
 * The code for the inside of the program that makes its quick calls, see ckptcore/quick.h. It
 * is copied to CKPT_QUICK_CODE, and one entry for each site to CKPT_QUICK_ENTRIES: there the site's
 * number is loaded, and the common part jumped to. No register and no flag is other than before
 * at `call' and `real', but for rcx and r11, which a system call loses anyway; what they were
 * is in struct ckpt_quick_notes.
 */
extern const uint8_t ckpt_quick_code[];	      /* the common part */
extern const uint8_t ckpt_quick_code_call[];  /* a syscall that makes no stop */
extern const uint8_t ckpt_quick_code_trap[];  /* an int3 behind a call that is to be looked at */
extern const uint8_t ckpt_quick_code_copy[];  /* a rep movsb into our memory */
extern const uint8_t ckpt_quick_code_real[];  /* a syscall that makes stops */
extern const uint8_t ckpt_quick_code_again[]; /* another one, for a thread beside: it never
						goes on from there */
extern const uint8_t ckpt_quick_code_end[];

/* Which of a call's arguments the code looks at. */
enum ckpt_quick_kind {
	CKPT_QUICK_NOT = 0,
	CKPT_QUICK_FILE = 1, /* the first is of `files' or `pipes', or, then it is HALF, `halves' */
	CKPT_QUICK_READS =
		2, /* it fills as much of the second as its result says, the third at most */
	CKPT_QUICK_STAT = 4,	/* it fills a struct stat, the second */
	CKPT_QUICK_PLAIN = 8,	/* it looks at none */
	CKPT_QUICK_WRITES = 16, /* it takes as many bytes from the second as the third says */
	CKPT_QUICK_WAKE = 32,	/* the second is FUTEX_WAKE */
	CKPT_QUICK_THIRD = 64,	/* not the second is filled, but the third */
	CKPT_QUICK_TALK = 128,	/* no flags that change the output's meaning, and no address */
	CKPT_QUICK_HALF = 256,	/* noted without its output; then it traps */
	CKPT_QUICK_OPENS = 512, /* the third has flags: neither O_TRUNC nor O_DIRECT */
};

#define CKPT_QUICK_SITES 16
#define CKPT_QUICK_NUMBERS 512 /* calls, and descriptors, below that */
#define CKPT_QUICK_THREADS 64

/* What the code notes of a call; the output follows, and fills words. */
struct ckpt_quick_call {
	uint64_t nr, site, args[6];
	int64_t result;
	uint64_t clock; /* so many values of the ring came before, see clock.h */
	uint64_t len;	/* of the output, in bytes; or CKPT_QUICK_UNREAD */
	uint8_t output[];
};

#define CKPT_QUICK_UNREAD (~0ull) /* it is in the program's memory */

/* Memory that the live process shares with us. The code knows where these are, and the kinds. */
struct ckpt_quick_notes {
	uint64_t open; /* calls may be quick */
	uint64_t room; /* so many bytes of notes have room */
	uint64_t at;   /* where the next call is noted, in data */
	uint64_t nr, flags, site, rcx, r11, result, kind, rsi, rdi; /* the code's own */
	uint64_t back[CKPT_QUICK_SITES];			    /* where the sites go on */
	uint64_t files[CKPT_QUICK_NUMBERS / 64];		    /* bits ... */
	uint64_t pipes[CKPT_QUICK_NUMBERS / 64]; /* ... and those into which little can be written */
	uint64_t code[2]; /* from there to there it isn't the program's own: nothing to be written */
	uint64_t amid;	  /* not 0: of the call that is made now there is no note yet */
	uint64_t halves[CKPT_QUICK_NUMBERS / 64]; /* descriptors that may make one wait */
	uint16_t kinds[CKPT_QUICK_NUMBERS];
	uint8_t selectors[CKPT_QUICK_THREADS]; /* a byte for each thread, see prctl(2) */
	uint8_t data[];
};

/* An entry, and the bytes of a jump to it, which reaches everywhere. An entry loads nr before that
 * is noted, if it is one. */
#define CKPT_QUICK_ENTRIES (CKPT_QUICK_CODE + 1024)
#define CKPT_QUICK_ENTRY 25
void ckpt_quick_entry(uint64_t at, unsigned int site, long nr, uint8_t ret[CKPT_QUICK_ENTRY]);
#define CKPT_QUICK_JUMP 14
void ckpt_quick_jump(uint64_t to, uint8_t ret[CKPT_QUICK_JUMP]);

/* Where a near jump (CKPT_QUICK_PAD bytes) leads out of the program's code. */
#define CKPT_QUICK_PAD 5
#define CKPT_QUICK_HOP 2
struct ckpt_quick_place {
	uint64_t pad; /* address of the jump, 0: no place */
	uint64_t hop; /* a short jump (CKPT_QUICK_HOP) by which it is reached, or 0 */
	long nr;      /* or -1: pad is that of padding */
};

/*
 * Finds a place for t's syscall instruction at site: the instruction just before it, if that loads
 * the call's number, nr; or else padding behind code that leads elsewhere, which a short jump at the
 * site reaches, by way of another one (hop) if need be. Nothing in the site's mapping jumps
 * into any of it.
 */
void ckpt_quick_place(struct ckpt_task *t, uint64_t site, struct ckpt_quick_place *ret);

#endif
