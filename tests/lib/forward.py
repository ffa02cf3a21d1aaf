#!/usr/bin/env python3
"""Plays tests/forward/NAME.session below plain gdb and below fred-gdb; both must print the same and end the same.

A session is what a user types. Each line is typed at the prompt (or at a query, the pager, a `>`); the next one when
the debugger waits again. Lines that start with `%` do something else:

    %type LINE        types it and does not wait        %keys BYTES     sends keys: \\t \\x03 \\e
    %until REGEX      waits until that was printed      %prompt         waits for the debugger
    %asleep NAME      waits until the target sleeps     %spinning NAME  ... until it computes
    %size ROWS COLS   resizes the window                %screen REGEX   waits until the screen shows it, and compares
    %spawn NAME ARGS  starts a target outside; {pid}    %sh COMMAND     runs it, its output is compared too
    %eof              waits for the debugger's end

    %close            closes the debugger's input (@pipe)

{mark WORD} is the line of the first target with that comment. Lines that start with `@` come first:

    @program NAMES    targets, in the session's folder; the first one is debugged
    @gdb ARGS         the debugger's arguments (default: -q -nx PROGRAM)
    @shell            lines starting with `$` are run by sh, `gdb` in them is the debugger
    @pipe, @mi        no terminal; @mi: with MI's prompt
    @file NAME TEXT   a file in the session's folder (and HOME), with \\n
    @env NAME=VALUE   @size ROWS COLS   @timeout SECONDS   @alone   @slow
    @norm REGEX => REPLACEMENT          something that varies between two runs of plain gdb, and why
    @screens          compare only the screens, since the order of redrawing is curses' own affair
"""
import codecs
import difflib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from screen import Screen
from session import Failure, Session, environment, fred, plain
from targets import ROOT, gdb_preload, mark, target, tmp

PIDS = re.compile(r"(?:\b[Pp]rocess(?: Id:)? |\bLWP |\bpid[ =:]+\"?|\bid=\"i\d+\",pid=\"|/proc/|[.]core[.])(\d+)")


def unescape(text):
    return codecs.escape_decode(text.encode())[0].decode()


def normalize(text, norms, pids):
    """process ids become PID1, PID2, ... in order of appearance; the padding that depends on their length goes"""
    names = {}
    for pid in [str(p) for p in pids] + PIDS.findall(text):
        names.setdefault(pid, "PID%d" % (len(names) + 1))
    if names:
        number = re.compile(r"(?<![\w.])(%s)\b" % "|".join(sorted(names, key=len, reverse=True)))
        out = []
        for line in text.split("\n"):
            new = number.sub(lambda m: names[m.group(1)], line)
            padded = new != line or re.match(r"  (Id   Target Id|Num  Description) ", line)
            out.append(re.sub(r" +", " ", new) if padded else line)
        text = "\n".join(out)
    for pattern, replacement in norms:
        text = re.sub(pattern, replacement, text, flags=re.M)
    return text


class Script:
    def __init__(self, path):
        self.programs, self.args, self.mode, self.files, self.env = [], None, "pty", [], {}
        self.size, self.timeout, self.norms, self.screens, self.steps = (50, 200), 20, [], False, []
        for line in open(path).read().split("\n"):
            if line.startswith("@"):
                self.header(*line[1:].partition(" ")[::2])
            elif not line.startswith("#"):
                self.steps.append(line)
        while self.steps and not self.steps[-1]:
            self.steps.pop()

    def header(self, name, rest):
        if name == "program":
            self.programs = rest.split()
        elif name == "gdb":
            self.args = shlex.split(rest)
        elif name in ("shell", "pipe", "mi"):
            self.mode = name
        elif name == "file":
            file, _, text = rest.partition(" ")
            self.files.append((file, unescape(text)))
        elif name == "env":
            self.env.update([rest.split("=", 1)])
        elif name == "size":
            self.size = tuple(map(int, rest.split()))
        elif name == "timeout":
            self.timeout = int(rest)
        elif name == "norm":
            pattern, _, replacement = rest.partition(" => ")
            self.norms.append((pattern, replacement))
        elif name == "screens":
            self.screens = True
        elif name not in ("alone", "slow"):
            sys.exit("unknown @%s" % name)


class Player:
    """one run of a script below one debugger"""

    def __init__(self, script, debugger):
        self.script, self.debugger, self.out, self.pids, self.s = script, debugger, "", [], None
        self.spawned, self.seen = [], 0
        self.cwd = os.path.join(tmp(), "w")
        shutil.rmtree(self.cwd, ignore_errors=True)
        os.mkdir(self.cwd)
        for name in script.programs:
            shutil.copy(target(name), self.cwd)
        for name, text in script.files:
            path = os.path.join(self.cwd, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            open(path, "w").write(text)
        self.env = environment(HOME=self.cwd, **script.env)
        shim = gdb_preload() if os.path.basename(debugger) == "gdb" else {}
        self.command = "env " + " ".join(["%s=%s" % item for item in shim.items()] + [shlex.quote(debugger)])

    def play(self):
        try:
            if self.script.mode == "shell":
                for line in self.script.steps:
                    if line.startswith("$ "):
                        self.out += line + "\n"
                        self.sh("gdb() { %s \"$@\"; }; %s" % (self.command, line[2:]), status=True)
            else:
                self.interact()
            return normalize(self.out, self.script.norms, self.pids)
        finally:
            if self.s:
                self.s.kill()
            for child in self.spawned:
                child.kill()
                child.wait()

    def interact(self):
        script = self.script
        args = script.args if script.args is not None else ["-q", "-nx", *script.programs[:1]]
        if script.mode == "mi":
            args = ["-q", "-i=mi2", *args] if script.args is None else args
        self.spawn_first()
        self.s = Session([self.fill(a) for a in args], self.debugger, script.mode == "pty", self.cwd,
                         dict(self.env), script.size,
                         script.timeout, prompt="(gdb) \n" if script.mode == "mi" else "(gdb) ")
        self.screen = Screen(*script.size)
        steps = list(script.steps)
        if not (steps and steps[0].startswith("%until")):
            self.s.wait()
        for step in steps:
            if step.startswith("%"):
                name, _, rest = step[1:].partition(" ")
                if name == "spawn":
                    continue
                getattr(self, "do_" + name)(self.fill(rest))
            else:
                self.s.cmd(self.fill(step))
        status = self.s.quit()
        self.flush()
        self.out += "\n[exit status %d]\n" % status
        self.out = self.out.replace("\r\n", "\n")

    def flush(self):
        """takes over what the session printed"""
        new, self.seen = self.s.raw[self.seen:], len(self.s.raw)
        self.screen.feed(new)
        if not self.script.screens:
            self.out += new.decode(errors="backslashreplace")

    def fill(self, text):
        text = text.replace("{tmp}", self.cwd)
        text = re.sub(r"\{mark (\S+)\}", lambda m: str(mark(self.script.programs[0], m.group(1))), text)
        return text.replace("{pid}", str(self.pids[-1])) if self.pids else text

    def spawn_first(self):
        """targets to attach to run before the debugger starts, and sleep or compute"""
        for step in self.script.steps:
            if step.startswith("%spawn "):
                argv = step.split()[1:]
                log = open(os.path.join(self.cwd, argv[0] + ".out"), "wb")
                child = subprocess.Popen([os.path.join(self.cwd, argv[0]), *argv[1:]], cwd=self.cwd, stdin=subprocess.DEVNULL, stdout=log,
                                         stderr=log, env=self.env, preexec_fn=no_aslr, start_new_session=True)
                self.spawned.append(child)
                self.pids.append(child.pid)
                end = time.monotonic() + 5
                while time.monotonic() < end and b"ready" not in open(log.name, "rb").read():
                    time.sleep(0.002)
                time.sleep(0.01)

    def sh(self, command, status=False):
        r = subprocess.run(["sh", "-c", command], cwd=self.cwd, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=self.script.timeout, errors="backslashreplace")
        self.out += r.stdout + "".join("2> %s\n" % line for line in r.stderr.splitlines())
        if status:
            self.out += "[exit status %d]\n" % r.returncode

    def do_sh(self, command):
        self.flush()
        self.out += "\n$ %s\n" % command
        self.sh(command)

    def do_type(self, line):
        self.s.type(line)

    def do_keys(self, keys):
        self.s.keys(keys)

    def do_until(self, pattern):
        self.s.until(pattern)

    def do_prompt(self, _):
        self.s.wait()

    def do_asleep(self, name):
        self.s.asleep(name)

    def do_spinning(self, name):
        self.s.spinning(name)

    def do_size(self, size):
        self.flush()
        rows, cols = map(int, size.split())
        self.screen = Screen(rows, cols)
        self.s.resize(rows, cols)

    def do_screen(self, pattern):
        end = time.monotonic() + self.s.timeout
        while True:
            self.flush()
            quiet = self.s._read(0.01) is None
            if quiet and re.search(pattern, self.screen.text(), re.M):
                break
            if time.monotonic() > end:
                self.s.fail("the screen never showed %s:\n%s" % (pattern, self.screen.text()))
        self.out += "[screen]\n%s\n[/screen]\n" % self.screen.text()

    def do_eof(self, _):
        self.s.end()

    def do_close(self, _):
        self.s.child.stdin.close()


def no_aslr():
    """as gdb does for what it runs: attached programs get the same addresses each time"""
    import ctypes
    ctypes.CDLL(None).personality(0x0040000)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def differ(a, b, names):
    return "\n".join(difflib.unified_diff(a.split("\n"), b.split("\n"), *names, lineterm="", n=2))


def main():
    show = "--show" in sys.argv
    name = [a for a in sys.argv[1:] if not a.startswith("--")][0]
    script = Script(os.path.join(ROOT, "tests", "forward", name + ".session"))
    try:
        want = Player(script, plain()).play()
        if show:
            print(want)
        got = Player(script, fred()).play()
    except Failure as e:
        sys.exit(str(e))
    if got != want:
        again = Player(script, plain()).play()
        if again != want:
            print("plain gdb differs from itself: the session is racy")
            print(differ(want, again, ("gdb", "gdb again")))
            sys.exit("racy")
        print(differ(want, got, ("gdb", "fred-gdb")))
        sys.exit("fred-gdb differs from gdb")


if __name__ == "__main__":
    main()
