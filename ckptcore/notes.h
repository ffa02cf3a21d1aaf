/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a call does outside and only its moment shows: the recorder writes it into
 * the log, behind the call's outputs, and effects.c reads it there.
 */
#ifndef CKPT_NOTES_H
#define CKPT_NOTES_H

#include "ckptcore/outside.h"

/* A timer, and when it was set. */
struct ckpt_timer_note {
	struct itimerval value;
	double armed;
};

/* A child that is gone, and what it has moved. */
struct ckpt_child_note {
	pid_t pid;
	struct ckpt_moved moved[];
};

/* Notes what there is about the newest event, a call that t has just ended and that
 * has succeeded. 1: only a snapshot can tell. */
typedef int ckpt_note_fn(struct ckpt_timeline *tl, struct ckpt_task *t,
			 const struct ckpt_event *ev);

/* Descriptors: one struct ckpt_file each. In it `same' is 1 more than another
 * descriptor of the same open file, or 0: numbers of open files aren't the same in
 * every copy. */
ckpt_note_fn ckpt_note_result, ckpt_note_pair, ckpt_note_fetched, ckpt_note_message,
	ckpt_note_messages, ckpt_note_listener;
/* A descriptor, or flags (uint32_t), as the request wants it. */
ckpt_note_fn ckpt_note_control, ckpt_note_io_control;
/* Where the first argument's file stands (uint64_t); the second: if it appends. */
ckpt_note_fn ckpt_note_offset, ckpt_note_end;
/* Its path. */
ckpt_note_fn ckpt_note_folder;
/* struct ckpt_rights */
ckpt_note_fn ckpt_note_rights;
/* struct ckpt_timer_note */
ckpt_note_fn ckpt_note_timer, ckpt_note_alarm;
/* A byte: memory that is shared with others may be written now. */
ckpt_note_fn ckpt_note_protection;
/* A pid_t: a new child. */
ckpt_note_fn ckpt_note_child;
/* struct ckpt_child_note */
ckpt_note_fn ckpt_note_end_of_child;

#endif
