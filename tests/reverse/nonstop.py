"""`set non-stop on': threads stop one by one, and the others go on, also where the program comes out of its past"""
import re

from tests import *


class NonStop(Session):
    """What gdb tells meanwhile comes behind its prompt, so each command is followed by a mark."""

    def __init__(self):
        super().__init__(["-q", "-nx", target("nonstop")], terminal=False, timeout=60)
        self.marks = 0
        for setting in ("pagination off", "confirm off", "non-stop on"):
            self.cmd("set " + setting)

    def cmd(self, line, timeout=None):
        self.marks += 1
        self.type(line)
        since = self.since
        self.type("echo MARK%d\\n" % self.marks)
        self.since = since
        return self.until(r"^.*\bMARK%d$" % self.marks, timeout)

    def expect(self, command, *patterns):
        out = self.cmd(command)
        for p in patterns:
            if not re.search(p, out, re.M):
                self.fail("`%s' printed %r, not %s" % (command, out, p))
        return out

    def threads(self):
        """{number: whether it runs}"""
        return {int(n): "(running)" in line for n, line in re.findall(r"^(?:\(gdb\))? *\*? (\d+) +(Thread .*)$", self.cmd("info threads"), re.M)}

    def until_threads(self, good, what):
        for _ in range(200):
            now = self.threads()
            if good(now):
                return now
            self.pause(0.05)
        self.fail("never: %s; %s" % (what, now))

    def stop_all(self):
        self.cmd("interrupt -a")
        return self.until_threads(lambda t: t and not any(t.values()), "all have stopped")

    def finish(self):
        self.cmd("delete")
        self.type("continue -a &")
        self.since = 0
        self.until(r"\bcounted 20000 20000 20000 60000$")
        self.until(r"exited normally")


def test_breakpoints_while_they_run():
    with NonStop() as s:
        s.cmd("run &")
        s.pause(0.05)
        for _ in range(3):
            s.cmd("break tick")
            s.until_threads(lambda t: len(t) > 2 and sum(t.values()) < 2, "all but main have stopped")
            s.cmd("delete")
            s.cmd("continue -a &")
        s.stop_all()
        s.finish()


def back_to_begin(s):
    s.cmd("break tick")
    s.cmd("run &")
    s.until_threads(lambda t: len(t) == 4 and sum(t.values()) == 1, "three have stopped")
    s.stop_all()
    s.cmd("delete")
    s.cmd("thread 1")
    s.expect("reverse-continue", r"No more reverse-execution history")
    s.cmd("break tick")


def test_no_way_back_while_one_runs():
    with NonStop() as s:
        back_to_begin(s)
        s.cmd("continue &")
        s.until_threads(lambda t: not all(t.values()), "one has stopped")
        for command in ("reverse-stepi", "reverse-continue", "reverse-watch 1"):
            s.expect(command, r"Cannot execute this command while the target is running\.$")
        s.stop_all()
        s.cmd("thread 1")
        s.expect("reverse-continue", r"No more reverse-execution history")
        s.finish()


def test_others_go_on_at_the_newest_point():
    """those that run for gdb where one has stopped"""
    with NonStop() as s:
        back_to_begin(s)
        s.cmd("continue &")
        for _ in range(8):
            s.until_threads(lambda t: not all(t.values()), "one has stopped")
            s.cmd("continue -a &")
        s.finish()


run(globals())
