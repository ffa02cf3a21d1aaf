/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pty: the pseudo-terminal between the user's terminal and the debugger.
 *
 *	user's terminal (raw) <-> relay thread <-> master | slave <-> debugger
 *
 * The debugger gets a terminal of its own, so that fred can show progress lines and keep the user's
 * terminal sane whatever happens to the debugger. A *keeper* process leads the slave's session: if
 * the debugger led it, killing the debugger would hang the terminal up. This layer knows neither
 * debuggers nor the rest of fred.
 *
 * Use: pty_create, pty_spawn, pty_relay_start, ... pty_relay_stop, pty_destroy. Functions that can
 * fail return 0 or -errno. All but pty_winch(), pty_progress() and pty_restore_modes() belong to
 * the main thread.
 */
#ifndef FRED_PTY_H
#define FRED_PTY_H

#include <stdbool.h>
#include <sys/types.h>

#ifndef __must_check
#define __must_check __attribute__((__warn_unused_result__))
#endif

struct pty;

/*
 * Whether a pty makes sense: standard input and output are both terminals. With a pipe or an IDE
 * there is no pty.
 */
bool pty_wanted(void);

/*
 * Opens a master and a slave; the slave gets the modes and the window size of the user's terminal
 * (descriptors 0 and 1). As a background job the caller stops here (SIGTTOU) until it is brought to
 * the foreground.
 * @ret: the new pty, for pty_destroy(); untouched on errors.
 * Errors: -ENOTTY (see pty_wanted()), -EIO (background job of an orphaned group), -ENOMEM, those of
 * open().
 */
__must_check int pty_create(struct pty **ret);

/*
 * Ends the relay if it runs, the keeper, and with it the session on the slave: what still runs in
 * its foreground gets SIGHUP. Takes NULL.
 */
void pty_destroy(struct pty *p);

/*
 * Forks the keeper and below it the debugger, once per pty. Call it in the main thread, before
 * there are others. The debugger's process leads a process group, the foreground one; descriptors 0
 * to 2 are the slave and no other descriptor of this layer is open in it; signals are all default
 * and unblocked. Its other descriptors are the caller's. The keeper keeps none of the caller's
 * descriptors, reaps its children by itself (a tracer still gets a traced one's status first), and
 * dies with the caller.
 * @child: runs in the debugger's process; it normally execs, what it returns is the exit status.
 * @arg: handed to @child.
 * @ret: the debugger's pid. It is the caller's grandchild and not a zombie after its death:
 *	nothing pins the pid before the caller traces it, so let @child wait for that if it can end
 *	early.
 * Errors: -EBUSY (spawned before), those of pipe(), fork(), and of the set-up in keeper and child.
 */
__must_check int pty_spawn(struct pty *p, int (*child)(void *arg), void *arg, pid_t *ret);

/*
 * The keeper's pid, 0 before pty_spawn(). It is a child of the caller: its end may turn up in a
 * wait for any child.
 */
pid_t pty_keeper(const struct pty *p);

/*
 * Makes the user's terminal raw and starts the thread that copies bytes both ways. The modes come
 * back with pty_relay_stop(), pty_destroy(), exit(), and pty_restore_modes(). When the user's
 * terminal hangs up, the master is closed, so that the debugger's foreground group gets SIGHUP.
 * Errors: -EBUSY (runs already), those of tcsetattr() and pthread_create().
 */
__must_check int pty_relay_start(struct pty *p);

/*
 * Copies what the debugger's side wrote last to the user's terminal (until nothing came for 20 ms;
 * gives up on a user's terminal that took nothing for 2 s), ends the thread, erases the progress
 * line, and restores the modes. Does nothing if no relay was started. Call it before anything ends
 * the keeper: that would throw output away.
 */
void pty_relay_stop(struct pty *p);

/*
 * Tells the relay to look at the window size again; a change reaches the debugger's foreground
 * group as SIGWINCH. Async-signal-safe, for the SIGWINCH handler. Takes NULL.
 */
void pty_winch(struct pty *p);

/*
 * Shows one line of progress, in place of the one shown before. The next byte of the debugger's
 * erases it and brings back the half-written line (the prompt) it covered. A text that cannot be
 * shown now is dropped: the relay does not run or has bytes under way, or a full-screen program has
 * the terminal. Thread-safe; may block for 100 ms.
 * @p: NULL does nothing.
 * @text: without line feed; control characters are left out and it is cut to the window's
 *	width. NULL erases.
 */
void pty_progress(struct pty *p, const char *text);

/*
 * Suspends the caller's process group (SIGTSTP, default action) with the user's modes restored; for
 * when the debugger stopped by ^Z. Returns when continued and in the foreground, the terminal raw
 * again and its size passed on; the debugger is the caller's to continue. A group that nobody could
 * continue (orphaned) does not stop.
 * Errors: -EINVAL (no relay), those of tcsetattr().
 */
__must_check int pty_suspend(struct pty *p);

/*
 * Restores the user's modes if they are raw and the process has the terminal. Async-signal-safe,
 * for handlers of fatal signals; exit() does it by itself.
 */
void pty_restore_modes(void);

#endif
