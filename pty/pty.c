// SPDX-License-Identifier: GPL-3.0-or-later
/* pty: making and unmaking, the user's modes and window size, suspending. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "pty/internal.h"

/*
 * The modes to restore. There is one user's terminal per process, and exit() and signal handlers
 * have no argument, so this is not in struct pty.
 */
static struct {
	volatile sig_atomic_t raw;
	pid_t owner; /* a forked child's exit() must leave the terminal alone */
	int fd;
	struct termios cooked;
} modes;

bool pty_wanted(void)
{
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

int pty_fd_above_stdio(int *fd)
{
	int old = *fd;

	if (old > STDERR_FILENO)
		return 0;
	*fd = fcntl(old, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	int err = *fd < 0 ? -errno : 0;

	close(old);
	return err;
}

bool pty_in_foreground(int fd)
{
	pid_t group = tcgetpgrp(fd);

	return group < 0 ? errno == ENOTTY : group == getpgrp();
}

/*
 * Makes the foreground group the foreground group: nothing, but the kernel stops a background job
 * that tries (SIGTTOU) and begins the call anew when the job continues. -EIO if nobody could
 * continue it.
 */
static int wait_foreground(int fd)
{
	while (tcsetpgrp(fd, getpgrp()) < 0) {
		if (errno == ENOTTY) /* not our controlling terminal: no job control on it */
			return 0;
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

int pty_modes_raw(struct pty *p, bool save)
{
	struct termios raw;

	if (save) {
		if (tcgetattr(p->user_in, &modes.cooked) < 0)
			return -errno;
		modes.owner = getpid();
		modes.fd = p->user_in;
	}
	raw = modes.cooked;
	cfmakeraw(&raw);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	modes.raw = 1;
	/* Not TCSAFLUSH: what the user typed ahead is the debugger's. */
	while (tcsetattr(p->user_in, TCSANOW, &raw) < 0) {
		if (errno != EINTR) {
			modes.raw = 0;
			return -errno;
		}
	}
	return 0;
}

void pty_restore_modes(void)
{
	int saved_errno = errno;

	/* In the background the terminal is somebody else's, with modes of its own. */
	if (modes.raw && modes.owner == getpid() && pty_in_foreground(modes.fd)) {
		while (tcsetattr(modes.fd, TCSANOW, &modes.cooked) < 0 && errno == EINTR)
			;
		modes.raw = 0;
	}
	errno = saved_errno;
}

void pty_copy_winsize(struct pty *p)
{
	struct winsize size;

	/* The kernel signals the slave's foreground group, and only if the size changed. */
	if (p->master >= 0 && ioctl(p->user_out, TIOCGWINSZ, &size) == 0)
		ioctl(p->master, TIOCSWINSZ, &size);
}

static int open_slave(int master)
{
	char name[64];
	int fd, err;

	/* Works when /dev/pts is that of another mount namespace. */
	fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	err = ptsname_r(master, name, sizeof(name));
	if (err)
		return -err;
	fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_pair(struct pty *p)
{
	struct termios t;
	int err;

	p->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (p->master < 0)
		return -errno;
	err = pty_fd_above_stdio(&p->master);
	if (err < 0)
		return err;
	if (grantpt(p->master) < 0 || unlockpt(p->master) < 0)
		return -errno;

	p->slave = open_slave(p->master);
	if (p->slave < 0)
		return p->slave;
	err = pty_fd_above_stdio(&p->slave);
	if (err < 0)
		return err;
	if (tcgetattr(p->user_in, &t) < 0 || tcsetattr(p->slave, TCSANOW, &t) < 0)
		return -errno;
	pty_copy_winsize(p);
	return 0;
}

static int reopen(int fd, int flags, int *ret)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	*ret = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return *ret < 0 ? -errno : pty_fd_above_stdio(ret);
}

/*
 * The relay must never block in a write, but O_NONBLOCK belongs to the open file description, which
 * the shell and others share. So open the terminal again. That fails below su, where the terminal
 * is another user's.
 */
static void open_user(struct pty *p)
{
	if (reopen(STDIN_FILENO, O_RDONLY, &p->user_in) == 0 &&
	    reopen(STDOUT_FILENO, O_WRONLY, &p->user_out) == 0)
		return;
	pty_closep(&p->user_in);
	pty_closep(&p->user_out);
	p->user_in = STDIN_FILENO;
	p->user_out = STDOUT_FILENO;
	p->user_blocks = true;
}

static void destroyp(struct pty **p)
{
	pty_destroy(*p);
}

int pty_create(struct pty **ret)
{
	_cleanup_(destroyp) struct pty *p = NULL;
	const char *term = getenv("TERM");
	int err;

	if (!pty_wanted())
		return -ENOTTY;
	/* The shell's modes of line editing are not the user's: first get the terminal. */
	err = wait_foreground(STDIN_FILENO);
	if (err < 0)
		return err;

	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->master = p->slave = p->wake = p->life = p->keeper_fd = p->user_in = p->user_out = -1;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	p->dumb = !term || !*term || strcmp(term, "dumb") == 0;

	open_user(p);
	err = open_pair(p);
	if (err < 0)
		return err;
	p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->wake < 0)
		return -errno;
	err = pty_fd_above_stdio(&p->wake);
	if (err < 0)
		return err;
	*ret = p;
	p = NULL;
	return 0;
}

void pty_destroy(struct pty *p)
{
	if (!p)
		return;
	pty_relay_stop(p);
	if (modes.fd == p->user_in)
		modes.raw = 0; /* we stopped in the background; the descriptor goes */
	pty_closep(&p->slave);
	pty_keeper_end(p);
	pty_closep(&p->master);
	pty_closep(&p->wake);
	if (!p->user_blocks) {
		pty_closep(&p->user_in);
		pty_closep(&p->user_out);
	}
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

pid_t pty_keeper(const struct pty *p)
{
	return p->keeper;
}

void pty_winch(struct pty *p)
{
	const unsigned long long one = 1;
	int saved_errno = errno;

	/* Fails only if the counter is full, and then the relay is woken as well. */
	if (p && write(p->wake, &one, sizeof(one)) < 0)
		errno = saved_errno;
}

/*
 * SIGTSTP with its default action, whatever fred does with it. The kernel ignores it in an orphaned
 * group.
 */
static void stop_group(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL }, old;
	sigset_t set, old_set;

	sigaction(SIGTSTP, &dfl, &old);
	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	pthread_sigmask(SIG_UNBLOCK, &set, &old_set);
	/*
	 * Delivered before kill() returns, as every other thread blocks it or this is the main
	 * thread.
	 */
	kill(0, SIGTSTP);
	pthread_sigmask(SIG_SETMASK, &old_set, NULL);
	sigaction(SIGTSTP, &old, NULL);
}

int pty_suspend(struct pty *p)
{
	int err;

	pthread_mutex_lock(&p->lock);
	if (p->state == RELAY_OFF) {
		pthread_mutex_unlock(&p->lock);
		return -EINVAL;
	}
	/* A relay that reads in the background would get EIO and take it for a hangup. */
	p->want = WANT_PAUSE;
	pty_winch(p);
	while (p->state == RELAY_RUNNING)
		pthread_cond_wait(&p->changed, &p->lock);
	pty_progress_erase(p);
	pthread_mutex_unlock(&p->lock);

	pty_restore_modes();
	stop_group();
	err = wait_foreground(p->user_in);
	if (err == 0)
		err = pty_modes_raw(p, true);

	pthread_mutex_lock(&p->lock);
	pty_copy_winsize(p);
	p->want = WANT_RUN;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	return err;
}
