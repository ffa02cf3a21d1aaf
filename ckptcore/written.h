/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files that are mapped privately, and written. Where the program hasn't stored there itself
 * such a mapping shows what its file has now; so would each copy, and each mapping that a
 * puppet makes anew: the past would see the file's newest contents. So, before the program
 * first writes a file that it has mapped, the copies get their own pages of it, and the log
 * another file, as it is then. What the live process sees from then on is recorded as that of
 * memory shared with others (shared.c). Of writes by others is only told.
 */
#ifndef CKPT_WRITTEN_H
#define CKPT_WRITTEN_H

#include <sys/stat.h>

#include "ckptcore/internal.h"

/* t's program begins: those that it has mapped by now. */
void ckpt_written_start(struct ckpt_task *t);
/* t enters the kernel for its call. */
void ckpt_written_entered(struct ckpt_task *t);
/* t has mapped its descriptor fd: whether by now that is such a file. */
bool ckpt_written_mapped(struct ckpt_task *t, int fd);
/* Whether a file, which may be none (0), is such a one. */
bool ckpt_written_has(const struct ckpt_timeline *tl, uint64_t inode);
/* Whether t's program has ever mapped that file: then a write isn't like any other. */
bool ckpt_written_is_mapped(const struct ckpt_timeline *tl, uint64_t dev, uint64_t inode);
/* The inodes of all of these: the first max of them to ret; returns how many there are. */
size_t ckpt_written_mapped_files(const struct ckpt_timeline *tl, uint64_t *ret, size_t max);
/* A copy has the mapping m, which isn't recorded: tells once if its file was written since. */
void ckpt_written_watch(const struct ckpt_map *m);
/* The past is about to be shown: the same for all such mappings of which is known. */
void ckpt_written_look(const struct ckpt_timeline *tl);
/* The log has a descriptor for a file that is mapped now. */
void ckpt_written_kept(const struct stat *st);
void ckpt_written_destroy(struct ckpt_timeline *tl);

#endif
