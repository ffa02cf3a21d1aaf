/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A session: the debugger below the engine, the terminal, and what the user
 * asks of fred by commands inside the debugger.
 */
#ifndef FRED_SESSION_H
#define FRED_SESSION_H

#include <stdbool.h>

struct fred_options {
	bool verbose;
	bool no_record;
	bool no_progress; /* nobody who would see it */
	char **argv;	  /* the debugger's, argv[0] its program */
};

/* Whether fred was asked to end (SIGTERM, or its terminal is gone): whatever takes long gives up. */
bool fred_session_ends(void);
/* Runs a session to its end; the exit status for fred itself. */
int fred_session_run(const struct fred_options *options);

#endif
