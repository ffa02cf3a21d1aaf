"""Catchpoints of forks in the past: forward the program stops at each, as the first time"""
import re

from tests import *

STOP = r"^Catchpoint (\d+) \((v?forked) process (\d+)\), (\w+)"


def start(b, *catches):
    b.only_fred("gdb's record knows no forks")
    b.cmd("break children.c:%d" % b.mark("first"))
    b.cmd("run")
    for c in catches:
        b.cmd("catch " + c)


def stops(b):
    """at the catchpoints, up to the last line: (catchpoint, what, child's number, function, k)"""
    b.cmd("tbreak children.c:%d" % b.mark("last"))
    found = []
    for _ in range(9):
        out = b.cmd("continue")
        m = re.search(STOP, out, re.M)
        if not m:
            b.on("last")
            return found
        found.append(m.groups() + (b.value("k"),))
        b.check(len(re.findall(r"^\* 1 ", b.cmd("info inferiors"), re.M)), 1, "one inferior")
    b.fail("too many stops: %r" % found)


def to_first(b, *catches):
    """back to the first line, past those catchpoints"""
    for n in catches:
        b.cmd("disable %d" % n)
    b.expect("reverse-continue", r"Breakpoint 1, main")
    for n in catches:
        b.cmd("enable %d" % n)


def test_each_again():
    with Backward("children") as b:
        start(b, "fork", "vfork")
        first = stops(b)
        b.check([(s[0], s[1], s[4]) for s in first], [("2", "forked", 0), ("2", "forked", 1), ("2", "forked", 2), ("3", "vforked", 3)],
                "the first time")
        for again in 1, 2:
            to_first(b, 2, 3)
            b.check(b.value("k"), 0, "k at the beginning")
            b.check(stops(b), first, "in the past")
        b.expect("info breakpoints", r"already hit 9 times", r"already hit 3 times")
        b.cmd("delete")
        b.expect("continue", r"^10$", r"exited normally")


def test_some():
    """only what is caught; and a condition"""
    with Backward("children") as b:
        start(b)
        b.check(stops(b), [], "nothing is caught")
        b.cmd("catch vfork")
        to_first(b, 3)
        b.check([(s[1], s[4]) for s in stops(b)], [("vforked", 3)], "vfork only")
        b.cmd("delete")
        b.cmd("break children.c:%d" % b.mark("first"))
        b.cmd("catch fork")
        b.cmd("condition $bpnum k == 1")
        b.expect("reverse-continue", r"Breakpoint \d+, main")
        b.check([(s[1], s[4]) for s in stops(b)], [("forked", 1)], "the second fork only")


def test_from_there():
    """backward and forward from such a stop"""
    with Backward("children") as b:
        start(b, "fork", "vfork")
        first = stops(b)
        to_first(b, 2, 3)
        for want in first:
            for again in 1, 2:
                m = re.search(STOP, b.cmd("continue"), re.M)
                b.check(m and m.groups(), want[:4], "a stop")
                b.cmd("reverse-stepi")
                b.check(b.value("k"), want[4], "k before the call")
            m = re.search(STOP, b.cmd("continue"), re.M)
            b.check(m and m.groups(), want[:4], "the stop again")
            b.cmd("stepi")
            b.cmd("finish")
        b.check(b.value("k"), 3, "k at last")


def test_followed():
    """where gdb would follow the child once more it isn't told, and the user is"""
    with Backward("children") as b:
        start(b)
        stops(b)
        b.cmd("catch fork")
        to_first(b, 3)
        b.cmd("set detach-on-fork off")
        b.cmd("tbreak work")
        b.expect("continue", r"catchpoint 3 doesn't stop the program at forks of its past", r"Temporary breakpoint \d+, work \(i=1\)")
        b.cmd("set detach-on-fork on")
        b.expect("continue", STOP)
        b.check(b.value("k"), 1, "k at the second fork")


def test_back():
    """reverse-continue stops at each fork and vfork, too; breakpoints and watchpoints in between as ever"""
    with Backward("children") as b:
        start(b, "fork", "vfork")
        first = stops(b)
        for again in 1, 2:
            for want in reversed(first):
                m = re.search(STOP, b.cmd("reverse-continue"), re.M)
                b.check(m and m.groups() + (b.value("k"),), want, "back at a fork")
            b.expect("reverse-continue", r"Breakpoint 1, main")
            b.check(stops(b), first, "forward again")
        b.cmd("disable 3")
        first = first[:3]
        b.cmd("break work")
        for k in 3, 2, 1, 0:
            b.expect("reverse-continue", r"Breakpoint \d+, work \(i=%d\)" % (k + 1 if k < 3 else 10))
            b.check(b.value("k"), k, "k at work")
            if k:
                m = re.search(STOP, b.cmd("reverse-continue"), re.M) if k < 3 else None
                b.check(m and m.groups(), first[k][:4] if k < 3 else None, "a fork in between")
        b.cmd("reverse-next")
        b.check(re.search(r"work", b.cmd("backtrace 1")), None, "at the call")
        b.expect("reverse-continue", r"^Catchpoint 2 .forked process %s" % first[0][2])
        b.cmd("delete 1")
        b.ends()


def test_conditions_back():
    """gdb would go on forward where a condition doesn't hold"""
    with Backward("children") as b:
        start(b, "fork")
        b.cmd("condition 2 k == 1")
        b.check([s[4] for s in stops(b)], [1], "forward")
        b.expect("reverse-continue", r"catchpoint 2 doesn't stop the program going back", r"Breakpoint 1, main")


run(globals())
