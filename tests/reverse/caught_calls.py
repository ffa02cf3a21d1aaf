"""Catchpoints of system calls, forward in the past: at each call and at each end, also of calls that aren't replayed"""
import re

from tests import *

CALLS = "vfork", "wait4", "ioctl", "getppid", "ioctl"


def stops(b):
    b.cmd("tbreak barriers.c:%d" % b.mark("last"))
    found = []
    for _ in range(2 * len(CALLS) + 3):
        m = re.search(r"^Catchpoint 2 \((call to|returned from) syscall '?(\w+)", b.cmd("continue"), re.M)
        if not m:
            b.on("last")
            return found
        found.append(m.groups())
    b.fail("too many stops: %r" % found)


def test_each_again():
    with Backward("barriers") as b:
        b.only_fred("gdb's record stops at none")
        b.cmd("break barriers.c:%d" % b.mark("first"))
        b.cmd("run")
        b.cmd("catch syscall vfork wait4 ioctl getppid")
        truth = [(how, call) for call in CALLS for how in ("call to", "returned from")]
        b.check(stops(b), truth, "the first time")
        for again in 1, 2:
            b.cmd("disable 2")
            b.expect("reverse-continue", r"Breakpoint 1, main")
            b.cmd("enable 2")
            b.check(b.value("k"), 0, "k at the beginning")
            b.check(stops(b), truth, "in the past")
        b.cmd("delete")
        b.expect("continue", r"exited normally")


run(globals())
