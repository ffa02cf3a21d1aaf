// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * pty: the keeper, which leads the slave's session, and the debugger's process below it.
 *
 *	fred --fork--> keeper (session leader, slave is its controlling terminal)
 *			 `--fork--> debugger (process group of its own, in the foreground)
 *
 * The kernel hangs a terminal up when the leader of its session ends. The debugger may be killed
 * and forked again, so the leader has to be somebody who does nothing. As the keeper is the
 * debugger's parent and of its session, the debugger's group is not orphaned and ^Z stops it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>

#include "pty/internal.h"

enum {
	EXIT_SETUP = 127, /* as of a shell that cannot start a command */
	KEEPER_LIFE_FD = 3,
};

struct keeper_job {
	struct pty *p;
	pid_t parent;
	int life;	 /* read end */
	int report;	 /* write end */
	int report_read; /* fred's end */
	int (*child)(void *arg);
	void *arg;
};

/* What comes back through @report, once. */
struct keeper_report {
	int err; /* -errno or 0 */
	pid_t pid;
};

static _Noreturn void report_exit(const struct keeper_job *job, int err)
{
	struct keeper_report r = { .err = err };

	/* Below PIPE_BUF, so all or nothing; if fred is gone nobody cares. */
	if (write(job->report, &r, sizeof(r)) < 0)
		_exit(EXIT_SETUP + 1);
	_exit(EXIT_SETUP);
}

static void reset_signals(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };

	/* Fails for SIGKILL, SIGSTOP and the two that glibc keeps for itself. */
	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &dfl, NULL);
}

static int slave_to_stdio(int slave)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (dup2(slave, fd) < 0)
			return -errno;
	}
	return 0;
}

static _Noreturn void child_main(const struct keeper_job *job)
{
	struct pty *p = job->p;
	struct keeper_report r = { .pid = getpid() };
	int life = job->life, report = job->report, err;
	sigset_t none;

	reset_signals();
	prctl(PR_SET_PDEATHSIG, 0);
	if (setpgid(0, 0) < 0)
		report_exit(job, -errno);
	/*
	 * We are in the background till then; SIGTTOU is blocked, like all signals, so the kernel
	 * lets us.
	 */
	if (tcsetpgrp(p->slave, getpgrp()) < 0)
		report_exit(job, -errno);
	err = slave_to_stdio(p->slave);
	if (err < 0)
		report_exit(job, err);

	pty_closep(&p->slave);
	pty_closep(&p->master);
	pty_closep(&p->wake);
	if (!p->user_blocks) {
		pty_closep(&p->user_in);
		pty_closep(&p->user_out);
	}
	pty_closep(&life);
	if (write(report, &r, sizeof(r)) != sizeof(r))
		_exit(EXIT_SETUP);
	pty_closep(&report);

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	_exit(job->child(job->arg));
}

static void keeper_signals(void)
{
	static const int ignored[] = { SIGHUP,	SIGINT,	 SIGQUIT, SIGTERM,
				       SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE };
	struct sigaction ign = { .sa_handler = SIG_IGN };
	struct sigaction reap = { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT };

	reset_signals();
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		sigaction(ignored[i], &ign, NULL);
	/*
	 * The kernel reaps for us; of a traced child it tells the tracer first (wait_consider_task
	 * in kernel/exit.c).
	 */
	sigaction(SIGCHLD, &reap, NULL);
}

/*
 * Until fred closes its end of the pipe, or the master, which hangs the terminal up. Then the
 * kernel sends SIGHUP to the session's leader only; the foreground group gets it when the leader
 * ends (tty_signal_session_leader and disassociate_ctty in drivers/tty/tty_jobctrl.c). So the
 * leader has to end.
 */
static void wait_for_end(void)
{
	struct pollfd fds[] = { { .fd = KEEPER_LIFE_FD },
				{ .fd = STDIN_FILENO } }; /* POLLHUP comes unasked */

	while (poll(fds, sizeof(fds) / sizeof(fds[0]), -1) < 0 && errno == EINTR)
		;
}

/* Called with all signals blocked, so that none of fred's handlers runs here. */
static _Noreturn void keeper_main(const struct keeper_job *job)
{
	struct pty *p = job->p;
	sigset_t none;
	pid_t child;

	close(job->report_read);
	pty_closep(&p->life);
	/* Sent when the *thread* that forked us ends, hence "in the main thread". */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		report_exit(job, -errno);
	if (getppid() != job->parent)
		_exit(EXIT_SETUP);
	keeper_signals();
	if (setsid() < 0 || ioctl(p->slave, TIOCSCTTY, 0) < 0)
		report_exit(job, -errno);
	child = fork();
	if (child < 0)
		report_exit(job, -errno);
	if (child == 0)
		child_main(job);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);

	/*
	 * Hold the slave and the pipe; anything else of fred's would miss its end of file because
	 * of us.
	 */
	if (slave_to_stdio(p->slave) < 0 || dup2(job->life, KEEPER_LIFE_FD) < 0)
		_exit(EXIT_SETUP);
	close_range(KEEPER_LIFE_FD + 1, ~0U, 0);

	wait_for_end();
	_exit(0);
}

static int pipe_above_stdio(int ret[2])
{
	int err;

	if (pipe2(ret, O_CLOEXEC) < 0)
		return -errno;
	err = pty_fd_above_stdio(&ret[0]);
	return err < 0 ? err : pty_fd_above_stdio(&ret[1]);
}

void pty_keeper_end(struct pty *p)
{
	siginfo_t info;

	pty_closep(&p->life);
	if (p->keeper_fd < 0)
		return;
	/*
	 * Another fork of fred's may hold the pipe, so do not count on it. Somebody else may have
	 * reaped: never mind.
	 */
	pidfd_send_signal(p->keeper_fd, SIGKILL, NULL, 0);
	while (waitid(P_PIDFD, (id_t)p->keeper_fd, &info, WEXITED | __WALL) < 0 && errno == EINTR)
		;
	pty_closep(&p->keeper_fd);
	p->keeper = 0;
}

static int fork_keeper(const struct keeper_job *job, pid_t *ret)
{
	sigset_t all, old;
	pid_t pid;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = fork();
	err = pid < 0 ? -errno : 0;
	if (pid == 0)
		keeper_main(job);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	*ret = pid;
	return err;
}

static int read_report(int fd, pid_t *ret)
{
	struct keeper_report r;
	ssize_t n;

	do
		n = read(fd, &r, sizeof(r));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n != sizeof(r)) /* died before it could say why */
		return -EIO;
	if (r.err == 0)
		*ret = r.pid;
	return r.err;
}

int pty_spawn(struct pty *p, int (*child)(void *arg), void *arg, pid_t *ret)
{
	int life[2] = { -1, -1 }, report[2] = { -1, -1 };
	struct keeper_job job = { .p = p, .parent = getpid(), .child = child, .arg = arg };
	int err;

	if (p->slave < 0)
		return -EBUSY;
	err = pipe_above_stdio(life);
	_cleanup_close_ int life_r = life[0];

	p->life = life[1];
	if (err == 0)
		err = pipe_above_stdio(report);
	_cleanup_close_ int report_r = report[0];
	_cleanup_close_ int report_w = report[1];

	job.life = life_r;
	job.report = report_w;
	job.report_read = report_r;
	if (err == 0)
		err = fork_keeper(&job, &p->keeper);
	if (err < 0) {
		pty_closep(&p->life);
		return err;
	}
	p->keeper_fd = pidfd_open(p->keeper, 0);
	pty_closep(&report_w);
	err = read_report(report_r, ret);
	if (err < 0) {
		pty_keeper_end(p);
		return err;
	}
	pty_closep(&p->slave);
	return 0;
}
