/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where the log's chunks are: the newest in memory, up to a share of the budget;
 * older ones compressed in one unlinked file, from which they are read back
 * when asked for. Timelines share chunks; each has a reference.
 */
#ifndef CKPT_STORE_H
#define CKPT_STORE_H

#include "ckptcore/ckptcore.h"

/* A run of events and their outputs. Timelines that share one have the same
 * events before it, so that their numbers are the same, too. */
struct ckpt_chunk {
	unsigned int refs;
	bool closed;	      /* nothing is added any more */
	uint64_t first;	      /* number of its first event */
	uint64_t data_first;  /* offset of its data in all data */
	uint64_t n, data_len; /* events, bytes of data */
	uint32_t *starts;     /* where each event begins in data; NULL: on disk only */
	uint8_t *data;	      /* each event, packed, then its outputs: see log.c */
	uint64_t room, data_room;
	bool packed;			/* it is on disk ... */
	uint64_t at, packed_len;	/* ... there */
	struct ckpt_chunk *prev, *next; /* of those closed and in memory: older, newer */
};

/* An open one without events; one reference. NULL: no memory. */
struct ckpt_chunk *ckpt_chunk_create(uint64_t first, uint64_t data_first);
void ckpt_chunk_ref(struct ckpt_chunk *c);
/* Gives a reference back; with the last one memory and disk are. */
void ckpt_chunk_unref(struct ckpt_chunk *c);

/* The next data are of one more event. */
int ckpt_chunk_event(struct ckpt_chunk *c) __must_check;
/* Appends bytes of data, which the caller fills. NULL: no memory. */
uint8_t *ckpt_chunk_data(struct ckpt_chunk *c, uint64_t len) __must_check;
/* Cuts it to so many bytes of data / takes its newest event back with its data. */
void ckpt_chunk_trim(struct ckpt_chunk *c, uint64_t data_len);
void ckpt_chunk_undo(struct ckpt_chunk *c);

/* Whether it is large enough to be closed. */
bool ckpt_chunk_full(const struct ckpt_chunk *c);
/* Nothing will be added; it may go to disk, as may others. */
void ckpt_chunk_close(struct ckpt_chunk *c);
/* Its data are there until the next call of these functions.
 * -errno: they can't be read back. */
int ckpt_chunk_load(struct ckpt_chunk *c) __must_check;

/* Bytes of all chunks in memory / on disk. */
uint64_t ckpt_store_memory(void);
uint64_t ckpt_store_disk(void);
/* Why chunks that should be on disk aren't, in words; NULL: they all are. Tries
 * again before. */
const char *ckpt_store_stuck(void);

#endif
