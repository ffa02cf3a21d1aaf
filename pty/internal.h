/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pty, inside: pty.c owns the descriptors and the modes, relay.c the thread, progress.c the line,
 * keeper.c the fork.
 */
#ifndef FRED_PTY_INTERNAL_H
#define FRED_PTY_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include "pty/pty.h"

#define PTY_BUF_SIZE (64 * 1024)
#define PTY_LINE_MAX 512

#define _cleanup_(f) __attribute__((__cleanup__(f)))
#define _cleanup_close_ _cleanup_(pty_closep)

/* What the main thread wants of the relay. */
enum relay_want {
	WANT_RUN,
	WANT_PAUSE,
	WANT_DRAIN,
};

/* What the relay does. */
enum relay_state {
	RELAY_OFF,
	RELAY_RUNNING,
	RELAY_PAUSED,
	RELAY_ENDED, /* to be joined */
};

enum screen {
	SCREEN_LINES,
	SCREEN_FULL, /* a full-screen program switched to the alternate screen */
};

enum progress {
	PROGRESS_NONE,
	PROGRESS_IN_LINE, /* shown in the row of the half-written line */
	PROGRESS_OWN_ROW, /* that line did not fit one row, so shown below it */
};

struct relay_buf {
	size_t pos; /* data[pos .. pos + len) is to be written */
	size_t len;
	char data[PTY_BUF_SIZE];
};

struct pty {
	int master; /* non-blocking; -1 once the user's terminal hung up */
	int slave;  /* -1 after pty_spawn() */
	int user_in,
		user_out; /* the user's terminal: non-blocking descriptions of our own if it can be had */
	bool user_blocks; /* it could not: 0 and 1 themselves, whose flags belong to others too */
	int wake;	  /* eventfd: the relay is to look at @want and at the window size */

	int life;      /* write end of the pipe whose end ends the keeper */
	int keeper_fd; /* pidfd */
	pid_t keeper;

	pthread_t thread;
	pthread_mutex_t lock;	/* guards all below, @master, and writing to user_out */
	pthread_cond_t changed; /* of @want and @state */
	enum relay_want want;
	enum relay_state state;
	struct relay_buf in, out; /* user to debugger, debugger to user */
	size_t drained;		  /* bytes since WANT_DRAIN */
	int stalled;		  /* polls in a row that moved nothing since WANT_DRAIN */

	bool dumb; /* the terminal knows no escape sequences */
	enum screen screen;
	size_t screen_match;	 /* bytes of the switching sequence seen so far */
	char line[PTY_LINE_MAX]; /* output since the last line feed */
	size_t line_len;
	bool line_cut; /* it was longer */
	enum progress progress;
	size_t progress_cols;
};

static inline void pty_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/*
 * Moves *@fd above the standard descriptors, which may be closed in fred. Returns 0 or -errno, then
 * *@fd is closed.
 */
__must_check int pty_fd_above_stdio(int *fd);

/*
 * The user's terminal raw (@save: and remember its modes as those to restore). Returns 0 or -errno.
 */
__must_check int pty_modes_raw(struct pty *p, bool save);

/*
 * Whether this process's group has terminal @fd, or it is not its controlling terminal, so that
 * there is no such thing.
 */
bool pty_in_foreground(int fd);

void pty_copy_winsize(struct pty *p);

/* progress.c; all with the lock held */
void pty_progress_note(struct pty *p, const char *buf,
		       size_t len); /* output that was written to the user */
void pty_progress_erase(struct pty *p);

/* keeper.c: ends the keeper, and with it the slave's session, and reaps it. */
void pty_keeper_end(struct pty *p);

#endif
