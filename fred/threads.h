/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Threads across a transplant. Copies have one thread; when the debugger
 * leaves a live process with more, it is told that the others exited, and when
 * it comes back, that they were cloned.
 */
#ifndef FRED_THREADS_H
#define FRED_THREADS_H

#include "fred/timeline.h"

/* The threads of vt's process but vt vanish for the debugger. */
void fred_threads_vanish(struct vpt_thread *vt);
/* vt's live process plays again: announces its other threads one by one.
 * True: vt was reported with one; call it again at its next resume. False:
 * all are known. */
bool fred_threads_appear(struct vpt_thread *vt);

#endif
