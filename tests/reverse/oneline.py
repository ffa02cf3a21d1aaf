"""reverse-step over loops that are all of their line, and calls in them that are seldom made: soon, and exact"""
import re

from tests import *

NO_DEBUG_FILES = "set debug-file-directory /nonexistent"


def runs(b):
    return int(re.search(r"runs (\d+)", b.cmd("fred-stats"))[1])


def snapshots(b):
    return int(re.search(r"snapshots +(\d+)", b.cmd("fred-stats"))[1])


def test_calls_without_lines():
    with Backward("oneline", watch=["n"]) as b:
        b.only_fred("too long a way")
        b.cmd(NO_DEBUG_FILES)
        b.start_at("between")
        before = runs(b)
        b.go("reverse-step", "library")
        b.check(b.value("n"), 0, "at the line's beginning")
        b.check(runs(b) - before <= 8 + 2 * snapshots(b), True, "few runs: %d" % (runs(b) - before))
        b.go("reverse-step", "before")


def test_from_amid_the_line():
    with Backward("oneline", watch=["n"]) as b:
        b.only_fred("too long a way")
        b.cmd(NO_DEBUG_FILES)
        b.start()
        b.cmd("tbreak getppid if n == 2500000")
        b.cmd("continue")
        b.cmd("finish")
        b.check(b.value("n"), 2500000, "amid the loop")
        b.go("reverse-step", "library")
        b.check(b.value("n"), 0, "at the line's beginning")
        b.go("reverse-step", "before")


def test_calls_with_lines():
    with Backward("oneline", watch=["n", "hits"]) as b:
        b.only_fred("too long a way")
        b.start_at("end")
        before = runs(b)
        for number in (3, 2, 1):
            b.go("reverse-step", "hit-end")
            b.check((b.value("n"), b.value("hits")), (number * 1000000, number), "at the end of call %d" % number)
            b.go("reverse-step", "hit")
        b.check(b.value("hits"), 0, "hits before the first")
        b.go("reverse-step", "own")
        b.check(b.value("n"), 0, "at the line's beginning")
        b.check(runs(b) - before <= 7 * (20 + 2 * snapshots(b)), True, "few runs: %d" % (runs(b) - before))
        b.go("reverse-step", "between")


run(globals())
