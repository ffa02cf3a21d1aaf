"""A loop of one line that never ends: going back out of it takes no run through it, and what signals' handlers do is found"""
import re

from tests import *


def interrupted(b, seconds, *settings):
    b.only_fred("gdb would step")
    b.cmd("handle SIGALRM nostop noprint pass")
    b.cmd("tbreak main")
    b.cmd("run")
    for line in settings:
        b.cmd(line)
    b.type("continue")
    b.pause(seconds)
    b.interrupt()
    b.expect_stop()


def runs(b):
    return int(re.search(r"runs (\d+)", b.cmd("fred-stats"))[1])


def test_out_of_it():
    with Backward("endless") as b:
        interrupted(b, 1.2)
        snapshots = int(re.search(r"snapshots +(\d+)", b.cmd("fred-stats"))[1])
        b.check((snapshots > 2, b.value("n") > 10000000), (True, True), "it has run for a while")
        before = runs(b)
        b.cmd("reverse-next")
        b.on("loop")
        b.check(b.value("n"), 1, "n at the line's beginning")
        b.check(runs(b) - before < 16, True, "few runs: %d" % (runs(b) - before))
        b.go("reverse-next", "before")
        b.check(b.value("n"), 0, "n before")
        b.cmd("next")
        b.check(b.value("n"), 1, "n at the loop")
        b.expect("reverse-step", r"MARK before")


def test_to_a_breakpoint():
    with Backward("endless") as b:
        interrupted(b, 0.9)
        b.cmd("break endless.c:%d" % b.mark("before"))
        b.expect("reverse-continue", r"Breakpoint \d+, main")
        b.check(b.value("n"), 0, "n before")
        b.ends()


def test_to_what_is_in_it():
    """a breakpoint in the loop itself: the iteration before"""
    with Backward("endless") as b:
        interrupted(b, 0.5)
        n = b.value("n")
        b.cmd("break *$pc")
        b.expect("reverse-continue", r"Breakpoint \d+")
        b.check(b.value("n"), n - 1, "n an iteration before")


def test_signals_meanwhile():
    with Backward("endless", "alarms") as b:
        interrupted(b, 0.9)
        ticks = b.value("ticks")
        b.check(ticks >= 2, True, "alarms came: %d" % ticks)
        b.cmd("break on_alarm")
        for k in range(ticks, 0, -1):
            b.expect("reverse-continue", r"Breakpoint \d+, on_alarm \(sig=14\)")
            b.check(b.value("ticks"), k - 1, "ticks before the last")
        b.cmd("delete")
        b.cmd("reverse-finish")
        b.go("reverse-next", "loop")
        b.check(b.value("n"), 2, "n at the line's beginning")
        b.go("reverse-next", "before")


run(globals())
