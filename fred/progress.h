/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How far a search is, on the user's terminal, once it has taken half a second:
 * one line, which goes with the search.
 *
 * A search may be several requests and runs of puppets. It begins with the
 * first fred_progress_at() and ends with fred_progress_end().
 */
#ifndef FRED_PROGRESS_H
#define FRED_PROGRESS_H

#include <stddef.h>
#include "pty/pty.h"

/* NULL: there is nowhere to show it. */
void fred_progress_init(struct pty *pty);

/* It is now at number `at' of `of'; `what' says of what, as "looking back:
 * snapshot". All of it is kept. */
void fred_progress_at(const char *what, size_t at, size_t of);

/* Shows it, if it is time to. Called by the clock. */
void fred_progress_tick(void);

void fred_progress_end(void);

#endif
