"""A front end that talks MI: each command has one answer, and what it is told of threads is what there is."""
import os
import re

from tests import *


class FrontEnd(Session):
    """keeps a list of threads by what it is told, as they do, and counts answers"""

    def __init__(self, program, *args):
        super().__init__(["-q", "-nx", "-i=mi", "--args", target(program), *args], terminal=False, prompt="(gdb) \n", timeout=30)
        self.token, self.threads, self.processes = 0, set(), set()
        self.wait()

    def hear(self, out):
        for what, number in re.findall(r"^=(thread-created|thread-exited|thread-group-started|thread-group-exited),id=\"(\w+)\"", out, re.M):
            known = self.processes if "group" in what else self.threads
            (known.discard if what.endswith("exited") else known.add)(number)

    def do(self, command, stops=None, answer="running|done"):
        """the command's output, until it has stopped at what `stops' says"""
        self.token += 1
        self.type("%d%s" % (self.token, command))
        self.until(r"^\*stopped.*%s(.*\n)*\(gdb\) $" % stops if stops else r"^%d\^.*\n\(gdb\) $" % self.token)
        out = self.text()
        self.hear(out)
        answers = re.findall(r"^%d\^(\w+)" % self.token, out, re.M)
        self.check(len(answers) == 1 and answers[0] in answer.split("|"), True, "one answer to %s in %r" % (command, out))
        return out

    def threads_are_known(self, count):
        told = set(re.findall(r"\{id=\"(\d+)\"", self.do("-thread-info")))
        self.check(len(told), count, "threads there")
        self.check(self.threads, told, "threads told of")
        self.check(self.processes, {"i1"}, "processes")


def test_threads_come_and_go():
    s = FrontEnd("turns")
    try:
        s.do("-break-insert done")
        s.do("-exec-run", r'bkptno="1"')
        s.threads_are_known(1)
        s.do('-interpreter-exec console "reverse-watch sum[0] < 10"', r'func="hit",args=\[{name="id",value="0"},{name="i",value="4"}')
        s.threads_are_known(4)
        s.do("-exec-step --reverse", r'func="hit"')
        s.threads_are_known(4)
        s.do('-interpreter-exec console "reverse-continue"', r'func="_start"')
        s.threads_are_known(1)
        s.do("-exec-continue", r'bkptno="1"')
        s.threads_are_known(1)
    finally:
        s.kill()


def test_core():
    """where the thread runs is told of each step, in the past as well"""
    s = FrontEnd("loops")
    try:
        s.do("-break-insert -t main")
        s.do("-exec-run", r'func="main"')
        cores = set()
        for command in ["-exec-next"] * 6 + ["-exec-next --reverse"] * 3 + ["-exec-next"] * 3:
            out = s.do(command, r'func="main"')
            cores.add(re.search(r"^\*stopped.*core=\"(\d+)\"", out, re.M)[1])
        s.check(1 <= len(cores) <= os.cpu_count(), True, "cores")
    finally:
        s.kill()


def test_after_the_end():
    s = FrontEnd("turns")
    try:
        s.do("-exec-run", r'reason="exited-normally"')
        s.check((s.processes, s.threads), (set(), set()), "after the end")
        s.do("-exec-step-instruction --reverse", r'func="\w*_exit"')
        s.threads_are_known(1)
        s.do("-exec-continue", r'reason="exited-normally"')
        s.check((s.processes, s.threads), (set(), set()), "after the end")
        s.do('-interpreter-exec console "reverse-watch nothing"', answer="error")
        s.check((s.processes, s.threads), (set(), set()), "after a command that failed there")
        s.do('-interpreter-exec console "reverse-watch sum[1] < 6"', r'func="hit",args=\[{name="id",value="1"},{name="i",value="3"}')
        s.threads_are_known(4)
    finally:
        s.kill()


run(globals())
