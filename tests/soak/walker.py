"""A program's session: the first run from breakpoint to breakpoint, every stop noted; then moves from stop to stop, and excursions
that are made twice and must show the same twice. At the end the program goes to its end, back to its first instruction, forward
again, and all of its past is verified.
"""
import os
import random
import re
import shlex
import subprocess
import time

from session import Session, environment, fred
from targets import ROOT, tmp

END = "No more reverse-execution history."
GONE = "@@ no program"
HERE = os.path.join(ROOT, "tests", "soak", "here.py")
SLOW = 5	# seconds; a command that takes longer is told
QUIET = "handle SIGALRM SIGVTALRM SIGPROF SIGSEGV SIGUSR1 SIGUSR2 SIGCHLD SIGPIPE SIGURG SIG34 nostop noprint pass"
VALUES = ["main_arena.top", "main_arena.system_mem", "_IO_2_1_stdout_._IO_write_ptr"]	# of every program with a libc


class Walker:
    def __init__(self, program, seed):
        self.p, self.seed = program, seed
        self.rng = random.Random(seed)
        self.moves, self.slow = [], []
        self.s = Session(["-q", "-nx", "-x", HERE, "--args", *program.argv()], fred(), cwd=tmp(), env=program.env, timeout=program.timeout)
        self.beside = None

    def cmd(self, line):
        start = time.monotonic()
        out = self.s.cmd(line)
        took = time.monotonic() - start
        if took > SLOW:
            self.slow.append("%s: %.1f s (after %s)" % (line, took, "; ".join(self.moves[-6:])))
        if re.search(r"^fred: (?!.*(recorded|mapped|shared))|diverged|Traceback|internal-error|Error in sourced|Couldn't|Cannot ", out, re.M):
            self.moves.append("(%s said: %s)" % (line, out.strip()[-300:]))
            if re.search(r"diverged|internal-error|Traceback", out):
                self.s.fail("%s: %r" % (line, out))
        return out

    def asking(self, command):
        return " ".join([command, *map(shlex.quote, [*self.p.watch, *VALUES])])

    def here(self):
        out = self.cmd(self.asking("soak-here"))
        m = re.search(r"^@@ .*$", out, re.M)
        return m.group(0) if m else out.strip()

    def go(self, line):
        self.moves.append(line)
        out = self.cmd(line)
        return self.here() + (" END" if END in out else "")

    def same(self, got, want, what):
        if got != want:
            a, b = got.split("|"), want.split("|")
            differ = ["%s, expected %s" % (x, y) for x, y in zip(a, b) if x != y] or [got, want]
            self.s.fail("%s differs (seed %d):\n%s\nmoves: %s" % (what, self.seed, "\n".join(differ), "; ".join(self.moves[-12:])))

    # -- truth

    def begin(self):
        self.s.wait()
        for line in ("width 0", "pagination off", "confirm off", "breakpoint pending on", "language c"):
            self.s.cmd("set " + line)
        self.s.cmd(QUIET)
        if self.p.outside:
            self.beside = subprocess.Popen(["sh", "-c", "exec >%s/beside 2>&1; %s" % (tmp(), self.p.outside)],
                                           env=environment(PATH=os.environ["PATH"]), cwd=tmp())
        self.cmd("starti")
        first = self.here()
        for name in self.p.breaks:
            self.cmd("break " + name)
        self.stops = [first]
        self.ended = False
        while len(self.stops) <= self.p.stops and not self.ended:
            now = self.go("continue")
            if now == GONE:
                self.ended = True
            else:
                self.stopped(now)
        self.at = len(self.stops) - 1
        if self.ended:
            self.moves.append("reverse-continue")
            self.cmd("reverse-continue")
            self.same(self.here(), self.stops[-1], "back from the end")

    def stopped(self, place):
        self.stops.append(place)

    # -- moves

    def jump(self):
        n = self.rng.choice((1, 1, 1, 2, 3, 7, len(self.stops)))
        if self.rng.random() < 0.5:
            self.back(n)
        else:
            self.forth(n)

    def back(self, n):
        to = max(0, self.at - n)
        over = " END" if to == 0 else ""
        if to < self.at:
            now = self.repeat("reverse-continue", self.at - to)
            self.at = to
            self.same(now, self.stops[to] + over, "stop %d" % to)

    def forth(self, n):
        to = min(len(self.stops) - 1, self.at + n)
        if to > self.at:
            now = self.repeat("continue", to - self.at)
            self.at = to
            self.same(now, self.stops[to], "stop %d" % to)

    def repeat(self, command, n):
        """a count is one of crossings of the same breakpoint"""
        if len(self.p.breaks) == 1 and 0 < self.at and self.rng.random() < 0.5:
            return self.go("%s %d" % (command, n))
        for _ in range(n):
            now = self.go(command)
        return now

    def steps(self):
        """single steps away and back; away again, and back to the stop by the other direction's continue"""
        forward = self.at == 0 or (self.at < len(self.stops) - 1 and self.rng.random() < 0.5)
        if self.at == len(self.stops) - 1 and forward:
            return
        if self.stops.count(self.stops[self.at]) > 1:	# a signal struck at a breakpoint, for instance
            return
        n = self.rng.choice((1, 2, 5, 20, 50, 100))
        there, back = ("stepi", "reverse-stepi") if forward else ("reverse-stepi", "stepi")
        self.moves.append("%s %d" % (there, n))
        out = self.cmd("%s %d" % (there, n))
        now = self.here()
        if END in out or now == GONE or re.search(r"^(Thread.* hit )?(Temporary b|B)reakpoint [\d.]+, ", out, re.M):
            self.at = max(self.at + (1 if forward else -1), 0)	# another stop came in between
            self.same(now, self.stops[self.at], "%s %d, which ends at stop %d" % (there, n, self.at))
            return
        self.same(self.go("%s %d" % (back, n)), self.stops[self.at], "%s %d and %s %d" % (there, n, back, n))
        self.same(self.go("%s %d" % (there, n)), now, "%s %d again" % (there, n))
        if forward and self.at:
            self.same(self.go("reverse-continue"), self.stops[self.at], "reverse-continue to stop %d" % self.at)
        elif forward:
            self.same(self.go("reverse-continue"), self.stops[0] + " END", "reverse-continue to the beginning")
        else:
            self.same(self.go("continue"), self.stops[self.at], "continue to stop %d" % self.at)

    def excursion(self):
        kinds = ["stepi", "nexti", "reverse-stepi", "reverse-nexti", "reverse-finish", "stepi 30", "reverse-stepi 30", "nexti 10",
                 "reverse-nexti 10", "reverse-continue", "next", "step", "reverse-next", "reverse-step", "continue", "finish", "up",
                 "reverse-step 3", "next 3"]
        out = self.cmd("checkpoint")
        m = re.search(r"[Cc]heckpoint (\d+)", out)
        if not m:
            self.s.fail("checkpoint: %r" % out)
        commands = [self.rng.choice(kinds) for _ in range(self.rng.randint(1, 4))]
        if self.at >= len(self.stops) - 1:
            commands = [c for c in commands if c not in ("continue", "finish")]
        if self.at == 0:	# `step' there is by instructions until libc
            commands = [c for c in commands if "i" in c.split()[0] and "fi" not in c]
        first = [self.go(c) for c in commands]
        self.moves.append("restart " + m[1])
        self.cmd("restart " + m[1])
        self.same(self.here(), self.stops[self.at], "restart %s at stop %d" % (m[1], self.at))
        for c, want in zip(commands, first):
            self.same(self.go(c), want, c + " for the second time")
        self.cmd("restart " + m[1])
        self.cmd("delete checkpoint " + m[1])
        self.same(self.here(), self.stops[self.at], "restart %s again at stop %d" % (m[1], self.at))

    def walk(self, moves):
        for _ in range(moves):
            self.rng.choice((self.jump, self.jump, self.steps, self.excursion))()

    def more(self):
        """what else is done in the past"""

    # -- all of it

    def whole(self):
        """to the end, back to the first instruction, to the end, verified"""
        self.cmd("delete")
        out = self.cmd("continue")
        if not re.search(self.p.says, out):
            self.s.fail("the end: %r" % out)
        self.moves.append("continue to the end, reverse-continue")
        self.same(self.go("reverse-continue"), self.stops[0] + " END", "the first instruction")
        out = self.cmd("continue")
        if not re.search(self.p.says, out):
            self.s.fail("the end again: %r" % out)
        out = self.cmd("fred-verify")
        if not re.search(r"^\d+ snapshots verified", out, re.M):
            self.s.fail("fred-verify: %r" % out)
        return re.search(r"\d+ snapshots", out)[0]

    def run(self, moves):
        try:
            self.begin()
            self.walk(moves)
            self.more()
            verified = self.whole()
            self.s.quit()
            return verified
        finally:
            self.s.kill()
            if self.beside:
                self.beside.kill()
                self.beside.wait()
