/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CKPT_QUICK_CODE_H
#define CKPT_QUICK_CODE_H

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "ckptcore/ckptcore.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/*
 * The code for the inside of the program that makes its quick calls, see ckptcore/quick.h. It
 * is copied to CKPT_QUICK_CODE, and one entry for each site to CKPT_QUICK_ENTRIES: there the site's
 * number is loaded, and the common part jumped to. What is C of it (quick_body.c) runs on a stack
 * of its own. No register and no flag is other than before at `call' and `real', but for rcx and
 * r11, which a system call loses anyway; what they were is in struct ckpt_quick_notes.
 */
extern const uint8_t __start_fred_quick[], __stop_fred_quick[]; /* all of it */
extern const uint8_t ckpt_quick_code_begin[];
extern const uint8_t ckpt_quick_code_decided[]; /* behind what is decided of a call ... */
extern const uint8_t ckpt_quick_code_noted[];	/* ... and what is noted */
extern const uint8_t ckpt_quick_code_call[];	/* a syscall that makes no stop */
extern const uint8_t ckpt_quick_code_ask[];   /* another one, by which the code learns of a call */
extern const uint8_t ckpt_quick_code_trap[];  /* an int3 behind a call that is to be looked at */
extern const uint8_t ckpt_quick_code_copy[];  /* a rep movsb into our memory */
extern const uint8_t ckpt_quick_code_real[];  /* a syscall that makes stops */
extern const uint8_t ckpt_quick_code_again[]; /* another one, for a thread beside: it never
						goes on from there */
extern const uint8_t ckpt_quick_code_end[];

/* What the code has to look at, and to note, of a call. Arguments count from 0. */
enum ckpt_quick_flag {
	CKPT_QUICK_PLAIN = 1,  /* nothing */
	CKPT_QUICK_FILE = 2,   /* the first argument is a descriptor, see enum ckpt_quick_file */
	CKPT_QUICK_WRITES = 4, /* it takes as many bytes from argument 1 as argument 2 says */
	CKPT_QUICK_TALK = 8,   /* argument 3: no flags that change the output's meaning */
	CKPT_QUICK_WAKE =
		16, /* argument 1 is FUTEX_WAKE, or FUTEX_WAIT that doesn't wait for a thread */
	CKPT_QUICK_OPENS =
		32, /* argument `path' and flags: not O_DIRECT, nor cutting what is mapped */
	CKPT_QUICK_CLOSES = 64, /* argument 0, a descriptor */
	CKPT_QUICK_MOVES = 128, /* where the file stands behind it isn't clear from its result */
	CKPT_QUICK_MAPS = 256,	/* as mmap: memory of its own, anywhere, without code; of a file: as
				    a half one */
	CKPT_QUICK_RANGE = 512, /* arguments 0 and 1 are a range of memory, not of our jumps */
	CKPT_QUICK_DATA = 1024, /* argument 2 makes it no code */
	CKPT_QUICK_KEEPS = 2048, /* argument 3 doesn't say where memory goes to */
	CKPT_QUICK_ONLY = 4096,	 /* only if argument `only' is `value'; if it isn't, see `other' */
	CKPT_QUICK_WAITS =
		8192, /* it may, unless `timeout' is an argument's number, and that 0: only
				    where there are no other threads */
	CKPT_QUICK_CONTROL = 16384,    /* as fcntl: what doesn't change the file, nor waits */
	CKPT_QUICK_OPTION = 1 << 15,   /* as getsockopt: what it gives is as long as it says */
	CKPT_QUICK_HALF = 1 << 16,     /* it is only noted that it was; then a trap */
	CKPT_QUICK_COPIES = 1 << 17,   /* its result is as good a descriptor as argument 0 */
	CKPT_QUICK_MASKS = 1 << 18,    /* as rt_sigprocmask; not a mask with SIGSYS or SIGTRAP */
	CKPT_QUICK_ACTS = 1 << 19,     /* as rt_sigaction; not of these */
	CKPT_QUICK_GATHERS = 1 << 20,  /* as writev, of few pieces */
	CKPT_QUICK_SCATTERS = 1 << 21, /* as readv, likewise */
	CKPT_QUICK_MESSAGE = 1 << 22,  /* argument 1 is a struct msghdr, of few pieces */
	CKPT_QUICK_MAKES = 1 << 23,    /* its result is a new descriptor */
	CKPT_QUICK_ALONE = 1 << 24,    /* where there are threads, as a half one */
	CKPT_QUICK_FAILS = 1 << 25,    /* there may be output, too, when it has failed */
	CKPT_QUICK_PAIR = 1 << 26,     /* its first output is two new descriptors */
	CKPT_QUICK_ENTERS = 1 << 27,   /* as chdir */
	CKPT_QUICK_REAPS = 1 << 28,    /* as wait4: a result above 0 is to be looked at */
	CKPT_QUICK_TIMES = 1 << 29,    /* as setitimer */
	CKPT_QUICK_ASKS =
		1 << 30, /* WAITS, but one can ask, or guess, whether: by FILE, or its number */
	CKPT_QUICK_YIELDS = 1u << 31, /* where another thread waits for its turn, as a half one */
};

/* Of how many units an output is. */
enum ckpt_quick_count {
	CKPT_QUICK_NONE,
	CKPT_QUICK_RESULT, /* as the result says, but at most argument `most' */
	CKPT_QUICK_ROOM,   /* argument `most' */
	CKPT_QUICK_BITS,   /* words, for so many bits */
	CKPT_QUICK_PAGES,  /* of so many bytes */
	CKPT_QUICK_LENGTH, /* what the kernel says in argument `length', but at most what was there */
};

struct ckpt_quick_output {
	uint8_t used, at; /* whether there is one / the argument that says where, if that isn't 0 */
	uint8_t count, most, unit;
	uint16_t size; /* bytes beyond the units */
};

#define CKPT_QUICK_OUTPUTS 4
struct ckpt_quick_kind {
	uint32_t flags; /* 0: never quick */
	uint8_t only, timeout, path;
	uint8_t other; /* not 0: the call with another value is of this kind of all */
	/* Not 0: this argument is where a length is, which it reads and changes; some do so even if the
	 * argument before is 0. */
	uint8_t length;
	uint16_t value;
	struct ckpt_quick_output outputs[CKPT_QUICK_OUTPUTS];
};

/* Of a descriptor. */
enum ckpt_quick_file {
	CKPT_QUICK_CALM = 1, /* nobody has to wait for it */
	/* Calls may wait, and be made again as if nothing had been; with threads only if it is ready. */
	CKPT_QUICK_PIPE = 2,
	CKPT_QUICK_HALVES = 4, /* calls may be half ones */
	CKPT_QUICK_APPEND = 8,
};

#define CKPT_QUICK_SITES 32
#define CKPT_QUICK_NUMBERS 512 /* calls, and descriptors, below that */
#define CKPT_QUICK_KINDS 256   /* of which the first one is none */
#define CKPT_QUICK_THREADS 64
#define CKPT_QUICK_DEVS 8
#define CKPT_QUICK_MAPPED 256
#define CKPT_QUICK_PIECES 16
#define CKPT_QUICK_LEAST 1024 /* bytes: room for a note whose output has no length of its own */

/* Some of the program's memory. */
struct ckpt_quick_piece {
	uint64_t addr, len; /* bytes; they fill words */
	uint8_t bytes[];
};

/* What the code notes of a call. */
struct ckpt_quick_call {
	uint64_t nr, site, args[6];
	int64_t result;
	uint64_t clock;	 /* so many values of the ring came before, see clock.h */
	uint64_t offset; /* where the file stands, if it MOVES; or CKPT_QUICK_UNREAD */
	uint64_t saved; /* bytes of what follows: pieces that it reads and may change, as they were */
	uint64_t len;	/* likewise: what it has written; or CKPT_QUICK_UNREAD */
	uint8_t rest[];
};

#define CKPT_QUICK_UNREAD (~0ull) /* it is in the program's memory */

/* Pieces that are no memory: a new descriptor, the folder in which the program is, what an interval
 * timer's clock says, by their addresses. */
#define CKPT_QUICK_OPENED 0
#define CKPT_QUICK_FOLDER 1
#define CKPT_QUICK_CLOCK 2     /* struct timespec */
#define CKPT_QUICK_MEMORY 4096 /* from there on it is memory */
struct ckpt_quick_opened {
	uint64_t dev, ino, fd;
	uint32_t mode, flags;
	char path[232]; /* without a 0, if it is that long */
};

/* Memory that the live process shares with us. The assembly knows where these are: */
struct ckpt_quick_notes {
	uint64_t open;			    /* calls may be quick */
	uint64_t nr, flags, site, rcx, r11; /* before the call; r11: behind it */
	int64_t result;
	uint64_t rsp, args[6];
	uint64_t back[CKPT_QUICK_SITES]; /* where the sites go on */
	uint64_t ask;			 /* address of the code for clock.h's read */
	uint64_t stack[160];
	/* ... not these: */
	uint64_t room;	  /* so many bytes of notes have room */
	uint64_t at;	  /* where the next call is noted, in data */
	uint64_t half;	  /* that call is */
	uint64_t amid;	  /* not 0: of the call that is made now there is no note yet */
	uint64_t alone;	  /* there is one thread ... */
	uint64_t waited;  /* ... or another waits for its turn */
	uint64_t unseen;  /* how a file was opened can't be asked */
	uint64_t pid;	  /* the program's */
	uint64_t code[2]; /* from there to there it isn't the program's own: nothing to be written */
	char link[32];	  /* a folder's path, to which the code adds a number: link[link_len] */
	uint64_t link_len;
	struct { /* file systems whose files don't make anybody wait, or do */
		uint64_t dev, calm;
	} devs[CKPT_QUICK_DEVS];
	uint64_t ndevs;
	uint64_t mapped[CKPT_QUICK_MAPPED]; /* inodes of files that are mapped */
	uint64_t nmapped;		    /* more than that: all may be */
	uint8_t files[CKPT_QUICK_NUMBERS];  /* enum ckpt_quick_file */
	uint8_t kind[CKPT_QUICK_NUMBERS];   /* of each call */
	struct ckpt_quick_kind kinds[CKPT_QUICK_KINDS];
	uint8_t selectors[CKPT_QUICK_THREADS]; /* a byte for each thread, see prctl(2) */
	uint8_t data[];
};

/* Whether a call's result is as good a descriptor as its argument 0. */
static inline bool ckpt_quick_dups(uint32_t flags, const uint64_t a[6])
{
	return flags & CKPT_QUICK_COPIES ||
	       (flags & CKPT_QUICK_CONTROL && (a[1] == F_DUPFD || a[1] == F_DUPFD_CLOEXEC));
}

/* Of what kind call nr is. */
static inline const struct ckpt_quick_kind *ckpt_quick_kind(const struct ckpt_quick_notes *n,
							    uint64_t nr, const uint64_t a[6])
{
	const struct ckpt_quick_kind *k = &n->kinds[n->kind[nr]];

	while (k->flags & CKPT_QUICK_ONLY && a[k->only] != k->value)
		k = &n->kinds[k->other];
	return k;
}

/* Whether a call of that kind may be quick with these arguments, as far as they tell; *half: as a half
 * one only. */
static inline bool ckpt_quick_fits(const struct ckpt_quick_notes *n,
				   const struct ckpt_quick_kind *k, const uint64_t a[6], bool *half)
{
	const uint32_t f = k->flags;
	const uint8_t file = a[0] < CKPT_QUICK_NUMBERS ? n->files[a[0]] : 0;

	*half = f & CKPT_QUICK_HALF;
	if (!f)
		return false;
	if (f & CKPT_QUICK_FILE && !(file & CKPT_QUICK_CALM) &&
	    (!(file & CKPT_QUICK_PIPE) || (f & CKPT_QUICK_WRITES && a[2] > PIPE_BUF))) {
		if (!(file & CKPT_QUICK_HALVES))
			return false;
		*half = true;
	}
	if ((f & CKPT_QUICK_WRITES && a[1] + a[2] > n->code[0] && a[1] < n->code[1]) ||
	    (f & CKPT_QUICK_RANGE && a[0] + a[1] > n->code[0] && a[0] < n->code[1]))
		return false;
	if (f & CKPT_QUICK_WAKE) {
		const uint32_t op = (uint32_t)a[1] & ~(uint32_t)FUTEX_PRIVATE_FLAG;

		if (op != FUTEX_WAKE && op != FUTEX_WAIT)
			return false;
	}
	if ((f & CKPT_QUICK_ALONE && !n->alone) || (f & CKPT_QUICK_YIELDS && n->waited))
		*half = true;
	/* SO_ATTACH_FILTER is also to get it. */
	if (f & CKPT_QUICK_OPTION &&
	    (a[1] != SOL_SOCKET || (int)a[2] == SO_ATTACH_FILTER || (int)a[2] == SO_PEERPIDFD))
		return false;
	if (f & (CKPT_QUICK_TALK | CKPT_QUICK_MESSAGE) &&
	    (uint32_t)a[f & CKPT_QUICK_TALK ? 3 : 2] &
		    ~(uint32_t)(MSG_DONTWAIT | MSG_NOSIGNAL | MSG_CMSG_CLOEXEC))
		return false;
	if (f & CKPT_QUICK_OPENS && a[k->path + 1] & O_DIRECT)
		return false;
	if (f & CKPT_QUICK_MASKS && a[1] && (a[0] > SIG_SETMASK || a[3] != 8))
		return false;
	if (f & CKPT_QUICK_ACTS && ((int)a[0] == SIGSYS || (int)a[0] == SIGTRAP || a[3] != 8))
		return false;
	if (f & CKPT_QUICK_MAPS) {
		const uint64_t may = MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK | MAP_DENYWRITE;

		if (a[0] || (a[3] & ~may) != MAP_PRIVATE)
			return false;
		*half = !(a[3] & MAP_ANONYMOUS);
	}
	if (f & CKPT_QUICK_DATA && a[2] & ~(uint64_t)(PROT_READ | PROT_WRITE))
		return false;
	if (f & CKPT_QUICK_KEEPS && a[3] & ~(uint64_t)MREMAP_MAYMOVE)
		return false;
	if (f & CKPT_QUICK_CONTROL && !ckpt_quick_dups(f, a) && a[1] != F_GETFD &&
	    a[1] != F_SETFD && a[1] != F_GETFL && a[1] != F_SETLK && a[1] != F_SETLKW)
		return false;
	return !(f & CKPT_QUICK_WAITS) || n->alone || f & CKPT_QUICK_ASKS ||
	       (f & CKPT_QUICK_REAPS && a[2] & WNOHANG) || (k->timeout && !(int)a[k->timeout]);
}

/* An entry, and the bytes of a jump to it, which reaches everywhere. An entry loads nr before that
 * is noted, if it is one. */
#define CKPT_QUICK_ENTRIES (CKPT_QUICK_CODE + 0x2c00)
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
