/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "ckptcore/ckptcore.h"
#include "fred/progress.h"

#define PATIENCE 0.5 /* seconds */
#define PAUSE 0.1    /* between two lines */

static struct pty *terminal;

static struct {
	double begun; /* 0: no search */
	double shown; /* 0: nothing is */
	const char *what;
	size_t at, of;
} progress;

void fred_progress_init(struct pty *pty)
{
	terminal = pty;
}

void fred_progress_at(const char *what, size_t at, size_t of)
{
	if (!progress.begun)
		progress.begun = ckpt_now();
	progress.what = what;
	progress.at = at;
	progress.of = of;
}

void fred_progress_tick(void)
{
	double now;
	char text[128];

	if (!terminal || !progress.begun)
		return;
	now = ckpt_now();
	if (now - progress.begun < PATIENCE || now - progress.shown < PAUSE)
		return;
	snprintf(text, sizeof(text), "fred: %s %zu of %zu", progress.what, progress.at,
		 progress.of);
	pty_progress(terminal, text);
	progress.shown = now;
}

void fred_progress_end(void)
{
	if (progress.shown)
		pty_progress(terminal, NULL);
	memset(&progress, 0, sizeof(progress));
}
