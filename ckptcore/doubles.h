/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Memory that a process has mapped more than once: what it stores at one address shows at the
 * other. (Code is made that way where no page may be both writable and executable, and ring
 * buffers that needn't wrap.) In a copy such mappings are of a file of its own, without
 * a name; each copy of the copy gets another one.
 */
#ifndef CKPT_DOUBLES_H
#define CKPT_DOUBLES_H

#include "ckptcore/internal.h"

/* Whether m, one of a process's n maps, shows shared memory that another one shows, too. */
bool ckpt_is_double(const struct ckpt_map *maps, size_t n, const struct ckpt_map *m);
/* Those of copy, fresh from a fork of the program, are its own from now on. Its page of ours is
 * there. *bytes: grows by so much memory as that takes. */
int ckpt_doubles_own(struct ckpt_task *copy, uint64_t *bytes) __must_check;
/* The same for a copy of a copy. */
int ckpt_doubles_renew(struct ckpt_task *copy) __must_check;

#endif
