"""Drives a debugger as a user would: on a terminal of its own, or through pipes.

A prompt is found by what is printed, never by the clock: output ends with the prompt at the start of a line after the
line that was typed. Everything printed is kept as bytes in Session.raw. What goes wrong raises Failure, whose text ends
with the transcript's tail.
"""
import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from targets import ROOT, gdb_preload, tmp

ANSI = re.compile(rb"\x1b\[[0-9;?>]*[a-zA-Z]|\x1b\][^\x07]*\x07|\x1b[=>]|\x1b[()][0-9A-B]|[\x01\x02\x0f]")
# A line of progress and how it goes: on a terminal with escapes the next one is written over it.
PROGRESS = re.compile(rb"\rfred: [^\r\n\x08]*\x1b\[K|fred: [^\r\n\x08]*\x08+ +\x08+")
# What else waits for the user: a query, the pager, the lines of a definition.
ASKS = [rb"\((?:y or n|y or \[n\]|\[y\] or n)\) $", rb"--Type <RET> for more, q to quit, c to continue without paging--$",
        rb"\n\r* *>+$"]


def readable(raw):
    """what was printed, without terminal escapes and progress"""
    return ANSI.sub(b"", PROGRESS.sub(b"", raw))


class Failure(Exception):
    pass


def plain():
    return os.environ.get("GDB", "gdb")


def fred():
    return os.environ.get("FRED_GDB", os.path.join(ROOT, "bin", "fred-gdb"))


def environment(**more):
    """the same small environment for every debugger; it is part of the target's stack, so it must not vary"""
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": tmp(), "TERM": "dumb", "LC_ALL": "C.UTF-8",
           "SHELL": "/bin/sh", "FRED_TEST_TAG": os.environ.get("FRED_TEST_TAG", "none")}
    for name in ("FRED_TEST_TMP", "ASAN_OPTIONS", "UBSAN_OPTIONS"):
        if name in os.environ:
            env[name] = os.environ[name]
    env.update(more)
    return env


def tagged(tag=None, comm=None):
    """pids of living processes that carry this test's tag in their environment"""
    want = b"FRED_TEST_TAG=" + (tag or os.environ.get("FRED_TEST_TAG", "none")).encode() + b"\0"
    found = []
    for pid in os.listdir("/proc"):
        if not pid.isdigit() or int(pid) == os.getpid():
            continue
        try:
            if comm and open("/proc/%s/comm" % pid, "rb").read().strip() != comm[:15].encode():
                continue
            if want in open("/proc/%s/environ" % pid, "rb").read() + b"\0":
                found.append(int(pid))
        except OSError:
            pass
    return found


def stat(pid):
    """(state, ticks of user time) of a process, or None"""
    try:
        fields = open("/proc/%d/stat" % pid, errors="replace").read().rpartition(")")[2].split()
        return fields[0], int(fields[11])
    except (OSError, IndexError):
        return None


class Session:
    def __init__(self, args, debugger=None, terminal=True, cwd=None, env=None, size=(50, 200), timeout=20, prompt="(gdb) "):
        self.argv = [debugger or fred(), *args]
        self.terminal, self.timeout, self.size = terminal, timeout, size
        self.raw, self.since, self.typed, self.status = b"", 0, False, None
        self.set_prompt(prompt)
        spawn = self._spawn_pty if terminal else self._spawn_pipes
        preload = gdb_preload() if os.path.basename(self.argv[0]) == "gdb" else {}
        spawn(cwd or tmp(), environment(**preload, **(env or {})))

    # -- starting

    def _spawn_pty(self, cwd, env):
        self.pid, fd = pty.fork()
        if self.pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", *self.size, 0, 0))
                os.chdir(cwd)
                for sig in (signal.SIGPIPE, signal.SIGXFSZ):	# python ignores them
                    signal.signal(sig, signal.SIG_DFL)
                os.execvpe(self.argv[0], self.argv, env)
            except OSError as e:
                os.write(2, ("%s: %s\n" % (self.argv[0], e.strerror)).encode())
            os._exit(127)
        self.rfd = self.wfd = fd

    def _spawn_pipes(self, cwd, env):
        try:
            self.child = subprocess.Popen(self.argv, cwd=cwd, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                          stderr=subprocess.STDOUT, bufsize=0, start_new_session=True)
        except OSError as e:
            self.fail("%s: %s" % (self.argv[0], e.strerror))
        self.pid, self.rfd, self.wfd = self.child.pid, self.child.stdout.fileno(), self.child.stdin.fileno()

    def set_prompt(self, prompt):
        self.prompt = prompt

    # -- reading

    def fail(self, reason):
        tail = self.text(0)[-3000:]
        raise Failure("%s\n---- %s, the transcript's tail:\n%s\n----" % (reason, " ".join(self.argv), tail))

    def _read(self, seconds):
        """more output, b"" at the end of it, None when nothing came in time"""
        if not select.select([self.rfd], [], [], max(seconds, 0))[0]:
            return None
        try:
            more = os.read(self.rfd, 65536)
        except OSError:
            more = b""
        self.raw += more
        return more

    def text(self, start=None):
        """what was printed since the last thing typed"""
        out = self.raw[self.since if start is None else start:]
        return readable(out).decode(errors="replace").replace("\r", "")

    def _idle(self):
        """2: waits for the user for certain; 1: looks like it; 0: no"""
        out = readable(self.raw[self.since:][-1000:])
        prompt = re.escape(self.prompt.encode())
        start = rb"\n\r*" if self.terminal and self.typed else rb"(?:^|\n)\r*"
        if re.search(start + prompt + rb"$", out):
            return 2
        if any(re.search(ask, out) for ask in ASKS):
            return 2
        return 1 if prompt and re.search(prompt + rb"$", out) else 0

    def wait(self, timeout=None):
        """until the debugger waits for the user; returns what was printed"""
        end = time.monotonic() + (timeout or self.timeout)
        while True:
            idle = self._idle()
            more = self._read(0.003 if idle == 2 else 0.2 if idle else end - time.monotonic())
            if more is None and idle:
                return self.text()
            if more == b"":
                self.fail("the debugger ended where a prompt was expected")
            if more is None and time.monotonic() >= end:
                self.fail("no prompt within %g s" % (timeout or self.timeout))

    def until(self, pattern, timeout=None):
        """until the output since the last thing typed matches; returns it"""
        end = time.monotonic() + (timeout or self.timeout)
        while not re.search(pattern, self.text(), re.M):
            more = self._read(end - time.monotonic())
            if not more:
                self.fail("never printed: %s" % pattern)
        return self.text()

    def end(self, timeout=None):
        """until the debugger ends; returns its exit status (128 + signal number when killed)"""
        end = time.monotonic() + (timeout or self.timeout)
        while self.status is None:
            try:
                more = self._read(0.01)
            except (OSError, ValueError):
                more = b""
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                self.status = code if code >= 0 else 128 - code
                while self._read(0.003):	# on a terminal the rest is there already
                    pass
                os.close(self.rfd)
                if not self.terminal:
                    self.child.returncode = self.status
            elif more == b"":
                time.sleep(0.002)
            if self.status is None and time.monotonic() > end:
                self.fail("the debugger did not end within %g s" % (timeout or self.timeout))
        return self.status

    # -- typing

    def keys(self, keys):
        """sends bytes, or text with escapes such as \\x03 and \\t"""
        if isinstance(keys, str):
            keys = codecs.escape_decode(keys.encode())[0]
        self.since, self.typed = len(self.raw), True
        while keys:
            keys = keys[os.write(self.wfd, keys):]

    def type(self, line):
        self.since, self.typed = len(self.raw), True
        data = line.encode() + (b"\r" if self.terminal else b"\n")
        while data:
            data = data[os.write(self.wfd, data):]

    def cmd(self, line, timeout=None):
        """types a line; returns what it printed, without the echo and the prompt"""
        m = re.match(r"set prompt (.*)$", line)
        if m:
            self.set_prompt(m.group(1))
        self.type(line)
        out = self.wait(timeout)
        if self.terminal:
            first, _, rest = out.partition("\n")
            # A message of fred's may be quicker than the echo, which gdb writes.
            out = first + "\n" + rest.partition("\n")[2] if first.startswith("fred: ") else rest
        if self.prompt and out.endswith(self.prompt):
            out = out[:-len(self.prompt)]
        return out

    def cmds(self, *lines):
        for line in lines:
            out = self.cmd(line)
        return out

    def timed(self, line, timeout=None):
        start = time.monotonic()
        out = self.cmd(line, timeout)
        return out, time.monotonic() - start

    def interrupt(self):
        self.keys("\\x03")

    def expect_stop(self, signal="SIGINT"):
        """after a key that stops the program"""
        self.until(r"received signal " + signal)
        self.wait()

    def pause(self, seconds):
        """the clock, where what matters is that something is interrupted in the middle"""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._read(end - time.monotonic()) == b"":
                self.fail("the debugger ended")

    def resize(self, rows, cols):
        """a new window size; returns when the debugger's own terminal has it"""
        self.size = (rows, cols)
        fcntl.ioctl(self.rfd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        end = time.monotonic() + 5
        while time.monotonic() < end:
            for pid in tagged(comm="gdb"):
                try:
                    fd = os.open("/proc/%d/fd/0" % pid, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
                except OSError:
                    continue
                try:
                    if struct.unpack("HHHH", fcntl.ioctl(fd, termios.TIOCGWINSZ, b"\0" * 8))[:2] == (rows, cols):
                        return self._signalled(pid, end)
                except OSError:
                    pass
                finally:
                    os.close(fd)
            time.sleep(0.005)
        self.fail("the debugger's terminal never became %dx%d" % (rows, cols))

    def _signalled(self, pid, end):
        """until the debugger has taken its signal and waits again"""
        calm = 0
        while time.monotonic() < end and calm < 3:
            pending = re.search(r"ShdPnd:\t(\w+)", open("/proc/%d/status" % pid).read())
            moved = self._read(0.005)
            calm = 0 if moved or int(pending.group(1), 16) or (stat(pid) or "S")[0] == "R" else calm + 1

    def quit(self):
        """quits as a user would and answers the query; returns the exit status"""
        if self.status is not None:
            return self.status
        self.type("quit")
        end = time.monotonic() + self.timeout
        while time.monotonic() < end:
            more = self._read(0.05)
            if re.search(ASKS[0], self.raw[self.since:]):
                self.type("y")
            if more == b"" or stat(self.pid) in (None, ("Z", 0)) or (stat(self.pid) or "Z")[0] == "Z":
                break
        return self.end()

    def kill(self):
        """for tests that failed: ends this session's processes"""
        if self.status is None:
            try:
                os.kill(self.pid, signal.SIGKILL)
                self.end(5)
            except (OSError, Failure):
                pass

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.quit()
        else:
            self.kill()

    # -- asking

    def value(self, expr):
        """an expression as an int (or a str, when it prints as no number)"""
        out = self.cmd("output " + expr).strip()
        m = re.match(r"(?:\([^)]*\) )?(-?0x[0-9a-fA-F]+|-?\d+)", out)
        return int(m.group(1), 0) if m else out

    def line(self):
        """the line of the selected frame, or None"""
        m = re.search(r"^#\d+ .*:(\d+)\s*$", self.cmd("frame"), re.M)
        return int(m.group(1)) if m else None

    def function(self):
        m = re.search(r"^#\d+ +(?:0x[0-9a-f]+ in )?(\S+) \(", self.cmd("frame"), re.M)
        return m.group(1) if m else None

    def expect(self, line, *patterns, timeout=None):
        """types a line whose output must match every pattern"""
        out = self.cmd(line, timeout)
        for p in patterns:
            if not re.search(p, out, re.M):
                self.fail("%s: expected %r in %r" % (line, p, out))
        return out

    def check(self, got, want, what):
        if got != want:
            self.fail("%s: got %r, expected %r" % (what, got, want))

    # -- the target, seen from outside

    def asleep(self, comm, pids=None, timeout=10):
        """until a process of that name sleeps in the kernel"""
        self._target(comm, pids, timeout, lambda now, before: now[0] in "SD" and before == now, 1.5)

    def spinning(self, comm, timeout=10):
        """until a process of that name computes"""
        first = {pid: (stat(pid) or ("", 0))[1] for pid in tagged(comm=comm)}
        self._target(comm, None, timeout, lambda now, before: now[1] >= max(first.values(), default=0) + 2, None)

    def _target(self, comm, pids, timeout, good, settle):
        """settle: after that many seconds a process that isn't running will do (an engine may hold it)"""
        begin, before = time.monotonic(), {}
        while time.monotonic() < begin + timeout:
            for pid in pids or tagged(comm=comm):
                now = stat(pid)
                if now and pid in before and good(now, before[pid]):
                    return
                if now and settle and now[0] in "tT" and time.monotonic() > begin + settle:
                    return
                before[pid] = now
            if self._read(0.004) == b"":
                time.sleep(0.004)
        self.fail("%s is not where it should be: %r" % (comm, before))
