"""Known truth for reverse commands: go forward and note every stop, then go back and compare.

    with Backward("loops", watch=["sum", "k"]) as b:
        b.start()                             # at main
        stops = b.forward("next", 20)         # 21 stops, each a Stop
        b.back("reverse-next", stops)         # every one again, in reverse

FRED_TEST_REFERENCE=record runs a test below plain gdb with its own `record full`, which is slow but is what reverse
commands mean: it shows whether the test's expectations are right. Tests of what only fred has call b.only_fred().
"""
import os
import re
import sys
from collections import namedtuple

from session import Failure, Session, fred, plain
from targets import ROOT, mark, target, tmp

Stop = namedtuple("Stop", "pc sp depth function line values")
END = "No more reverse-execution history."
REFERENCE = os.environ.get("FRED_TEST_REFERENCE") == "record"
SIMPLE_CPU = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-ERMS,-XSAVE,-XSAVEC,-SSE4_2,-SSSE3,-SSE4_1",
              "LD_BIND_NOW": "1"}


class Backward(Session):
    def __init__(self, program, *args, watch=(), gdb_args=(), **more):
        self.program, self.watch = program, list(watch)
        debugger = plain() if REFERENCE else fred()
        env = dict(more.pop("env", {}), **(SIMPLE_CPU if REFERENCE else {}))
        where = os.path.join(ROOT, "tests", "lib", "where.py")
        more.setdefault("timeout", 120 if REFERENCE else 20)
        super().__init__(["-q", "-nx", "-x", where, *gdb_args, "--args", target(program), *args], debugger, env=env, **more)
        self.wait()
        self.cmd("set width 0")
        self.cmd("set pagination off")
        self.cmd("set confirm off")

    def mark(self, word):
        return mark(self.program, word)

    def only_fred(self, why="only fred has it"):
        if REFERENCE:
            print("skipped below gdb's record: " + why)
            self.kill()
            sys.exit(0)

    def __exit__(self, kind, *rest):
        """whatever was tested: replay must do what the program did"""
        if kind is None and not REFERENCE and self.status is None:
            out = self.cmd("fred-verify", 60)
            if not re.search(r"^\d+ snapshots verified|^The program is not|^This program is not recorded|^Nothing is", out, re.M):
                self.fail("fred-verify: %s" % out.strip())
        return super().__exit__(kind, *rest)

    # -- going

    def stops_before(self, last):
        """continues from breakpoint to breakpoint, up to the one at line `last'; the stops before that"""
        stops = []
        while True:
            self.cmd("continue")
            now = self.where()
            if now is None or now.line == last:
                return stops
            stops.append(now)

    def start(self, *where):
        """runs to main, or to the given place; what happened before main is not of interest"""
        self.expect("tbreak main", r"reakpoint \d+")
        self.expect("run", r"reakpoint \d+, ")
        if REFERENCE:
            self.cmd("record full")
            self.cmd("set record full insn-number-max unlimited")
        if where:
            self.expect("tbreak " + where[0], r"reakpoint \d+")
            self.expect("continue", r"reakpoint \d+, ")
        return self.where()

    def start_at(self, word):
        """runs to the line with this MARK"""
        return self.start("%s.c:%d" % (self.program, self.mark(word)))

    def where(self):
        """the Stop at which the program is, None when there is no program"""
        out = self.cmd(" ".join(["where-now", *self.watch]))
        m = re.search(r"^@@ (0x\w+) (0x\w+) (\d+) (.*?) (\d+) (.*)$", out, re.M)
        if not m:
            return None
        return Stop(int(m[1], 16), int(m[2], 16), int(m[3]), m[4], int(m[5]), m[6])

    def forward(self, command, count):
        """the present stop and `count` more; fewer when the program ends"""
        stops = [self.where()]
        for _ in range(count):
            self.cmd(command)
            now = self.where()
            if now is None:
                break
            stops.append(now)
        return stops

    def forward_while(self, command, condition, limit=2000):
        """stops until one for which condition(stop) is false, that one included"""
        stops = [self.where()]
        while condition(stops[-1]):
            self.cmd(command)
            stops.append(self.where())
            if len(stops) > limit or stops[-1] is None:
                self.fail("%s never ended" % command)
        return stops

    def back(self, command, stops):
        """from the last of the stops back to the first, all of them checked

        By instruction a stop must be the same. By line the same line of the same frame will do, when it has several
        statements (the parts of a `for`), if one forward step leads to where we were; the next stop may then be that
        line's beginning.
        """
        exact = "stepi" in command or "nexti" in command
        forward = command.replace("reverse-", "")
        i, came_from, loose = len(stops) - 2, stops[-1], False
        while i >= 0:
            out = self.cmd(command)
            now, want = self.where(), stops[i]
            if now == want:
                i, loose = i - 1, False
            elif loose and i and now == stops[i - 1]:
                i, loose = i - 2, False
            elif exact or loose or now is None or now[2:5] != want[2:5]:
                self.at(want, command, out)
            else:
                self.cmd(forward)
                self.at(came_from, forward + " after " + command)
                self.cmd(command)
                self.at(now, command + " again")
                loose = True
                if i == 0:
                    return
            came_from = now

    def again(self, command, stops):
        """from the first to the last"""
        for want in stops[1:]:
            out = self.cmd(command)
            self.at(want, command, out)

    def roundtrip(self, command, stops):
        """back and forth and back over the stops"""
        self.back("reverse-" + command, stops)
        if self.where() == stops[0]:
            self.again(command, stops)
        else:
            self.cmd("%s %d" % (command, len(stops) - 1))
            self.at(stops[-1], command + " again")
        self.back("reverse-" + command, stops)

    def looks(self, look, stop, more):
        """from a stop forward to so many others: what look() sees at each"""
        seen = [look()]
        for _ in range(more):
            self.expect("continue", stop)
            seen.append(look())
        return seen

    def both_ways(self, look, truth, stop):
        """from the last of these stops back to the first, and forward again: look() sees at each what it saw then"""
        for command, those in ("reverse-continue", truth[-2::-1]), ("continue", truth[1:]):
            for was in those:
                self.expect(command, stop)
                self.check(look(), was, command + ": as then")

    def at(self, want, what="here", out=""):
        now = self.where()
        if now != want:
            self.fail("%s: at %s, expected %s; it printed %r" % (what, show(now), show(want), out[-300:]))
        return now

    def on(self, word, what="here", program=None):
        """at the line with this MARK"""
        line = mark(program or self.program, word)
        now = self.where()
        if now is None or now.line != line:
            self.fail("%s: at %s, expected line %d (%s)" % (what, show(now), line, word))
        return now

    def go(self, command, word=None, *patterns):
        """a command, the MARK it must reach, and what it must print"""
        out = self.expect(command, *patterns)
        if word:
            self.on(word, command)
        return out

    def ends(self, command="reverse-continue"):
        """the beginning of history, said in gdb's words"""
        self.expect(command, "^" + re.escape(END) + "$")


def show(stop):
    return "no program" if stop is None else "%s:%d pc %#x depth %d values %s" % (
        stop.function, stop.line, stop.pc, stop.depth, stop.values)


def main(test):
    """runs a test function; says why it failed and exits with 1"""
    try:
        test()
    except Failure as e:
        print(e)
        sys.exit(1)
