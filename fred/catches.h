/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Catchpoints of the debugger's that have no address, going back: the last fork, vfork, system call (its
 * entry or its end), signal or exec before a moment, of those that it catches; and how it is told of that.
 */
#ifndef FRED_CATCHES_H
#define FRED_CATCHES_H

#include "fred/seek.h"

/* Takes from a request what is caught; false: nothing is. */
bool fred_catches_read(json_object *in);
/* A puppet where that last happened before m, no further back than interval `lowest', and how the debugger arrives
 * there; as fred_seek_last(). */
int fred_catches_before(const struct fred_moment *m, size_t lowest, struct ckpt_task **ret,
			enum fred_arrival *how) __must_check;
/* Tells the debugger of what F.now, where it has arrived so, stands at; false: not such a one. */
bool fred_catches_tell(struct vpt_thread *vt, enum fred_arrival arrival);
/* The debugger resumes vt, and has to be told the rest of that. */
bool fred_catches_resuming(struct vpt_thread *vt);

#endif
