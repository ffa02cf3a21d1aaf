// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * pty: the progress line.
 *
 * It is drawn over the row of the cursor, where the debugger's half-written line stands, so that
 * line is remembered and written again when the progress goes. On a dumb terminal it stands behind
 * that line and goes by backspaces.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "pty/internal.h"

enum {
	DEFAULT_COLS = 80,
	MIN_COLS = 8, /* for less, no progress is shown */
	WRITE_TRIES = 4,
	WRITE_WAIT_MS = 25,
};

/* Bounded: a user's terminal that takes nothing must not stop the search whose progress this is. */
static void write_user(struct pty *p, const char *buf, size_t len)
{
	struct pollfd pfd = { .fd = p->user_out, .events = POLLOUT };

	for (int tries = 0; len > 0 && tries < WRITE_TRIES;) {
		ssize_t n = write(p->user_out, buf, len);

		if (n > 0) {
			buf += n;
			len -= (size_t)n;
		} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
			return;
		} else {
			tries++;
			poll(&pfd, 1, WRITE_WAIT_MS);
		}
	}
}

/* ncurses programs, such as gdb's TUI, begin with ESC [ ? 1049 h and end with the same and l. */
static void note_screen(struct pty *p, const char *buf, size_t len)
{
	static const char seq[] = "\x1b[?1049";
	const size_t seq_len = sizeof(seq) - 1;
	const char *end = buf + len;

	while (buf < end) {
		if (p->screen_match == 0) {
			buf = memchr(buf, seq[0], (size_t)(end - buf));
			if (!buf)
				return;
			buf++;
			p->screen_match = 1;
		} else if (p->screen_match < seq_len && *buf == seq[p->screen_match]) {
			buf++;
			p->screen_match++;
		} else {
			if (p->screen_match == seq_len && (*buf == 'h' || *buf == 'l'))
				p->screen = *buf == 'h' ? SCREEN_FULL : SCREEN_LINES;
			p->screen_match = 0; /* the byte itself may begin another one */
		}
	}
}

void pty_progress_note(struct pty *p, const char *buf, size_t len)
{
	const char *nl;

	note_screen(p, buf, len);
	nl = memrchr(buf, '\n', len);
	if (nl) {
		len -= (size_t)(nl + 1 - buf);
		buf = nl + 1;
		p->line_len = 0;
		p->line_cut = false;
	}
	if (len > sizeof(p->line) - p->line_len) {
		len = sizeof(p->line) - p->line_len;
		p->line_cut = true;
	}
	memcpy(p->line + p->line_len, buf, len);
	p->line_len += len;
}

static size_t repeat(char *buf, char c, size_t n)
{
	memset(buf, c, n);
	return n;
}

void pty_progress_erase(struct pty *p)
{
	char buf[3 * PTY_LINE_MAX + 16];
	size_t n = 0;

	if (p->progress == PROGRESS_NONE)
		return;
	if (p->dumb) {
		n += repeat(buf + n, '\b', p->progress_cols);
		n += repeat(buf + n, ' ', p->progress_cols);
		n += repeat(buf + n, '\b', p->progress_cols);
	} else {
		n += (size_t)sprintf(buf, "\r\x1b[K");
		if (p->progress == PROGRESS_IN_LINE) {
			memcpy(buf + n, p->line, p->line_len);
			n += p->line_len;
		} else {
			/* The line still stands above; what follows begins in the empty row. */
			p->line_len = 0;
			p->line_cut = false;
		}
	}
	write_user(p, buf, n);
	p->progress = PROGRESS_NONE;
	p->progress_cols = 0;
}

/*
 * Copies what can be shown of @text in @cols columns to @buf (PTY_LINE_MAX bytes); returns bytes,
 * @ret_cols columns.
 */
static size_t clean_text(char *buf, const char *text, size_t cols, size_t *ret_cols)
{
	size_t n = 0, used = 0;

	for (; *text && n < PTY_LINE_MAX; text++) {
		unsigned char c = (unsigned char)*text;
		bool begins = (c & 0xc0) != 0x80; /* a character, in UTF-8 */

		if (c < ' ' || c == 0x7f)
			continue;
		if (begins && used == cols)
			break;
		used += begins;
		buf[n++] = (char)c;
	}
	*ret_cols = used;
	return n;
}

static size_t window_cols(struct pty *p)
{
	struct winsize size;

	return ioctl(p->user_out, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col :
									       DEFAULT_COLS;
}

static void show(struct pty *p, const char *text)
{
	char buf[PTY_LINE_MAX + 16];
	size_t cols = window_cols(p) - 1, n = 0;
	/*
	 * Bytes, not columns: escape sequences in the line make it seem longer, which only costs a
	 * row.
	 */
	bool fits = !p->line_cut && p->line_len <= cols;

	if (p->dumb) {
		if (!fits || cols - p->line_len < MIN_COLS)
			return;
		pty_progress_erase(p);
		n = clean_text(buf, text, cols - p->line_len, &p->progress_cols);
		p->progress = PROGRESS_IN_LINE;
	} else {
		if (cols < MIN_COLS)
			return;
		if (p->progress == PROGRESS_NONE) {
			p->progress = fits ? PROGRESS_IN_LINE : PROGRESS_OWN_ROW;
			if (!fits)
				n += (size_t)sprintf(buf, "\r\n");
		}
		if (n == 0)
			buf[n++] = '\r';
		n += clean_text(buf + n, text, cols, &p->progress_cols);
		n += (size_t)sprintf(buf + n, "\x1b[K");
	}
	write_user(p, buf, n);
}

/*
 * Whether the debugger is writing: then the cursor may be inside an escape sequence or a character.
 */
static bool output_under_way(struct pty *p)
{
	struct pollfd pfd = { .fd = p->master, .events = POLLIN };

	return p->out.len > 0 || poll(&pfd, 1, 0) != 0;
}

void pty_progress(struct pty *p, const char *text)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	if (!text)
		pty_progress_erase(p);
	else if (p->state == RELAY_RUNNING && p->screen == SCREEN_LINES && p->master >= 0 &&
		 !output_under_way(p))
		show(p, text);
	pthread_mutex_unlock(&p->lock);
}
