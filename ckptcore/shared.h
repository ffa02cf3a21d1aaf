/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Memory of the live target that others can write, too: mapped files, segments
 * of System V, anonymous memory shared with children. In copies it is private
 * (snapshot.c). What has changed there is recorded at the ends of those calls
 * by which a program learns of others (that sleep, or write files); a program
 * that only looks, with no call in between, is beyond that, and the user is told
 * once per mapping.
 */
#ifndef CKPT_SHARED_H
#define CKPT_SHARED_H

#include "ckptcore/internal.h"

struct ckpt_shared;

/* Looks what t has; to be called at the start of recording and after an exec. */
void ckpt_shared_look(struct ckpt_timeline *tl, struct ckpt_task *t);
/*
 * At the end of a call of t's that gets an event (if `log'; it is the newest
 * then), or else a snapshot behind it. flags: of ckpt_call_flags().
 * -ENOMEM: the event isn't complete.
 */
int ckpt_shared_after_call(struct ckpt_timeline *tl, struct ckpt_task *t, long nr,
			   const uint64_t args[6], unsigned int flags, bool log) __must_check;
/* The kernel writes to len bytes at addr whenever it likes to. */
void ckpt_shared_unstable(struct ckpt_timeline *tl, uint64_t addr, uint64_t len);
/* Whether others may write at addr: then two equal states may differ there. */
bool ckpt_shared_at(const struct ckpt_timeline *tl, uint64_t addr);
/* Among t's private mappings, too, there may be such ones from now on: see written.h. Whether
 * these are recorded; else there are too many. */
bool ckpt_shared_written(struct ckpt_timeline *tl, struct ckpt_task *t);
/* Whether addr is of one of these, and recorded: then copies must not show the file. */
bool ckpt_shared_follows(const struct ckpt_timeline *tl, uint64_t addr);
/* Whether the file behind t's descriptor fd is mapped shared. */
bool ckpt_shared_maps(const struct ckpt_task *t, int fd);
/* Bytes of it that are looked at behind calls. */
uint64_t ckpt_shared_bytes(const struct ckpt_timeline *tl);
void ckpt_shared_destroy(struct ckpt_shared *s);

#endif
