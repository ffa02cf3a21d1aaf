// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * pty: the relay thread.
 *
 * One poll() over four descriptors and a buffer per direction; a buffer is filled only when it is
 * empty, so a reader that does not keep up holds the writer back, as a terminal does. The thread
 * holds the lock except in poll().
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#include "pty/internal.h"

enum {
	/*
	 * What the debugger wrote reaches the master through a kernel worker, so "nothing there"
	 * needs time to be true.
	 */
	QUIET_MS = 20,
	STALLED_MAX = 100, /* times QUIET_MS */
	/*
	 * The kernel holds less than this per pty, so more than this was written after the relay
	 * was told to stop.
	 */
	DRAIN_MAX = 256 * 1024,
	/*
	 * With bytes to write, try every so often even if poll() says no: POLLOUT of a pty depends
	 * on the other side's reads, and the space is made by a worker after them.
	 */
	RETRY_MS = 100,
	BLOCKING_CHUNK = 512, /* per write to a terminal that may block */
	BACKGROUND_TRIES = 20,
	BACKGROUND_MS = 50,
};

enum { POLL_WAKE, POLL_USER_IN, POLL_MASTER, POLL_USER_OUT, N_POLL };

/* The end of this turn. */
enum turn {
	TURN_AGAIN,
	TURN_END,
	TURN_HANGUP, /* the user's terminal is gone */
};

static bool again(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/*
 * A read of the terminal failed with EIO: a hangup, or we are a background job (SIGSTOP and `bg`),
 * which would get SIGTTIN if this thread did not block it. Do as the kernel would: stop the group
 * until it is in the foreground. The shell may have changed the modes by then.
 */
static enum turn read_failed(struct pty *p)
{
	for (int tries = 0; tries < BACKGROUND_TRIES && p->want == WANT_RUN; tries++) {
		if (pty_in_foreground(p->user_in)) {
			if (tries == 0)
				return TURN_HANGUP;
			pty_copy_winsize(p);
			return pty_modes_raw(p, false) < 0 ? TURN_HANGUP : TURN_AGAIN;
		}
		pthread_mutex_unlock(&p->lock);
		kill(0, SIGTTIN);
		poll(NULL, 0, BACKGROUND_MS);
		pthread_mutex_lock(&p->lock);
	}
	return p->want == WANT_RUN ? TURN_HANGUP : TURN_AGAIN;
}

static enum turn read_user(struct pty *p)
{
	ssize_t n = read(p->user_in, p->in.data, sizeof(p->in.data));

	if (n > 0) {
		p->in.pos = 0;
		p->in.len = (size_t)n;
	} else if (n < 0 && !again()) {
		return read_failed(p);
	}
	/* 0 without POLLHUP is ^D to a terminal that somebody made cooked again. */
	return TURN_AGAIN;
}

static void write_master(struct pty *p)
{
	ssize_t n = write(p->master, p->in.data + p->in.pos, p->in.len);

	if (n > 0) {
		p->in.pos += (size_t)n;
		p->in.len -= (size_t)n;
	} else if (n < 0 && !again()) {
		p->in.len = 0; /* the slave's side is gone; reading says so too */
	}
}

/*
 * Fills the buffer, as a pty gives at most 4 KiB per read. TURN_END: the slave's side is gone and
 * all is read.
 */
static enum turn read_master(struct pty *p)
{
	struct relay_buf *b = &p->out;
	ssize_t n = 1;

	b->pos = 0;
	while (n > 0 && b->len < sizeof(b->data)) {
		n = read(p->master, b->data + b->len, sizeof(b->data) - b->len);
		if (n > 0)
			b->len += (size_t)n;
	}
	if (p->want == WANT_DRAIN)
		p->drained += b->len;
	/* EIO, when nobody has the slave open. With bytes in hand, the next read says it again. */
	if (b->len == 0 && (n == 0 || (n < 0 && !again())))
		return TURN_END;
	return TURN_AGAIN;
}

static enum turn write_user(struct pty *p)
{
	size_t len = p->out.len;
	ssize_t n;

	if (p->user_blocks && len > BLOCKING_CHUNK)
		len = BLOCKING_CHUNK;
	pty_progress_erase(p);
	n = write(p->user_out, p->out.data + p->out.pos, len);
	if (n > 0) {
		pty_progress_note(p, p->out.data + p->out.pos, (size_t)n);
		p->out.pos += (size_t)n;
		p->out.len -= (size_t)n;
		p->stalled = 0;
	} else if (n < 0 && !again()) {
		return TURN_HANGUP;
	}
	return TURN_AGAIN;
}

static void wait_while_paused(struct pty *p)
{
	if (p->want != WANT_PAUSE)
		return;
	p->state = RELAY_PAUSED;
	pthread_cond_broadcast(&p->changed);
	while (p->want == WANT_PAUSE)
		pthread_cond_wait(&p->changed, &p->lock);
	p->state = RELAY_RUNNING;
}

static int wait_ready(struct pty *p, struct pollfd fds[N_POLL])
{
	bool draining = p->want == WANT_DRAIN;
	short master_events = 0;
	int timeout = -1, n;

	if (p->out.len == 0)
		master_events |= POLLIN;
	if (p->in.len > 0)
		master_events |= POLLOUT;
	/*
	 * A negative descriptor is left out: POLLHUP comes unasked, and this loop would spin on it.
	 */
	fds[POLL_WAKE] = (struct pollfd){ .fd = p->wake, .events = POLLIN };
	fds[POLL_USER_IN] = (struct pollfd){ .fd = draining ? -1 : p->user_in,
					     .events = p->in.len ? 0 : POLLIN };
	fds[POLL_MASTER] =
		(struct pollfd){ .fd = master_events ? p->master : -1, .events = master_events };
	fds[POLL_USER_OUT] =
		(struct pollfd){ .fd = p->out.len ? p->user_out : -1, .events = POLLOUT };
	if (draining)
		timeout = QUIET_MS;
	else if (p->in.len || p->out.len)
		timeout = RETRY_MS;

	pthread_mutex_unlock(&p->lock);
	n = poll(fds, N_POLL, timeout);
	pthread_mutex_lock(&p->lock);
	return n;
}

static void woken(struct pty *p)
{
	unsigned long long count;

	if (read(p->wake, &count, sizeof(count)) == sizeof(count))
		pty_copy_winsize(p);
}

static enum turn relay_turn(struct pty *p)
{
	struct pollfd fds[N_POLL];
	enum turn turn = TURN_AGAIN;
	int n;

	wait_while_paused(p);
	n = wait_ready(p, fds);
	if (n < 0)
		return errno == EINTR ? TURN_AGAIN : TURN_HANGUP;
	if (p->want == WANT_PAUSE)
		return TURN_AGAIN;
	if (p->want == WANT_DRAIN && n == 0 && (p->out.len == 0 || ++p->stalled >= STALLED_MAX))
		return TURN_END;
	if (fds[POLL_WAKE].revents)
		woken(p);

	/* The user first: ^C is to get through a flood of output. */
	if (fds[POLL_USER_IN].revents & (POLLHUP | POLLERR))
		return TURN_HANGUP;
	if (fds[POLL_USER_IN].revents & POLLIN)
		turn = read_user(p);
	if (turn == TURN_AGAIN && p->in.len > 0)
		write_master(p);
	if (turn == TURN_AGAIN && p->out.len == 0 &&
	    fds[POLL_MASTER].revents & (POLLIN | POLLHUP | POLLERR))
		turn = read_master(p);
	if (turn == TURN_AGAIN && p->out.len > 0 && (!p->user_blocks || fds[POLL_USER_OUT].revents))
		turn = write_user(p);
	if (p->want == WANT_DRAIN && turn == TURN_AGAIN && p->out.len == 0 &&
	    p->drained > DRAIN_MAX)
		turn = TURN_END;
	return turn;
}

static void *relay_main(void *arg)
{
	struct pty *p = arg;
	enum turn turn;

	pthread_mutex_lock(&p->lock);
	do
		turn = relay_turn(p);
	while (turn == TURN_AGAIN);

	/*
	 * The kernel hangs the slave up: reads there end, writes fail, the keeper ends, and the
	 * foreground gets SIGHUP.
	 */
	if (turn == TURN_HANGUP)
		pty_closep(&p->master);
	p->state = RELAY_ENDED;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

int pty_relay_start(struct pty *p)
{
	sigset_t all, old;
	enum relay_state state;
	int err;

	pthread_mutex_lock(&p->lock);
	state = p->state;
	pthread_mutex_unlock(&p->lock);
	if (state != RELAY_OFF)
		return -EBUSY;
	err = pty_modes_raw(p, true);
	if (err < 0)
		return err;
	atexit(pty_restore_modes); /* twice does no harm */

	p->want = WANT_RUN;
	p->state = RELAY_RUNNING;
	p->in.len = p->out.len = 0;
	p->drained = 0;
	p->stalled = 0;
	pty_winch(p); /* the window may have changed since pty_create() */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = -pthread_create(&p->thread, NULL, relay_main, p);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err < 0) {
		p->state = RELAY_OFF;
		pty_restore_modes();
	}
	return err;
}

void pty_relay_stop(struct pty *p)
{
	bool started;

	pthread_mutex_lock(&p->lock);
	started = p->state != RELAY_OFF;
	p->want = WANT_DRAIN;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	if (!started)
		return;
	pty_winch(p);
	pthread_join(p->thread, NULL);

	pthread_mutex_lock(&p->lock);
	pty_progress_erase(p);
	p->state = RELAY_OFF;
	pthread_mutex_unlock(&p->lock);
	pty_restore_modes();
}
