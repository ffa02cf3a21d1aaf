"""Breakpoints of one thread, where that isn't there yet: they wait, and are about it again under its new number"""
import re

from tests import *


def start(b, *, hits):
    b.only_fred("threads")
    b.cmd("break hit")
    b.cmd("run")
    for _ in range(hits - 1):
        b.cmd("continue")
    b.cmd("delete")


def to_main(b, *numbers):
    b.cmd("tbreak main")
    out = b.expect("reverse-continue", r"hit Temporary breakpoint \d+, main")
    b.check(re.findall(r"breakpoint (\d+) waits for thread (\d+), which isn't there yet", out), list(numbers), "who waits")


def hits_of(b, k, first, number):
    """the thread's hits from that one on, and then no more"""
    for i in range(first, 3):
        out = b.cmd("continue")
        b.check(re.findall(r'hit Breakpoint (\d+), hit \(k=(\d), i=(\d)\)', out), [(str(number), str(k), str(i))], "the hit")
    b.expect("continue", r"Thread-specific breakpoint %d deleted" % number, r"exited normally")


def test_comes_back():
    with Backward("relay") as b:
        start(b, hits=4)
        b.expect("break hit thread 3 if i < 5", r"Breakpoint 2 at")
        to_main(b, ("2", "3"))
        b.expect("info breakpoints", r"^2 +breakpoint +keep n ", r"stop only if i < 5")
        out = b.cmd("continue")
        b.check(re.findall(r"thread 3 has come back as (\d+); breakpoint 2 is about that", out), ["4"], "its new number")
        b.check(re.findall(r'Thread (\d+) "relay" hit Breakpoint 2, hit \(k=(\d), i=(\d)\)', out), [("4", "1", "0")], "the hit")
        b.expect("info breakpoints", r"^2 +breakpoint +keep y ", r"stop only in thread 4")
        b.expect("info threads", r"^\* 4 ")
        # And once more, from there.
        to_main(b, ("2", "4"))
        b.expect("continue", r"thread 4 has come back as 5", r"hit Breakpoint 2, hit \(k=1, i=0\)")
        hits_of(b, 1, 1, 2)


def test_user_thinks_otherwise():
    """what the user enables or deletes meanwhile is as he has it"""
    with Backward("relay") as b:
        start(b, hits=1)
        for number in (2, 3, 4):
            b.expect("break hit thread 2", r"Breakpoint %d at" % number)
        b.cmd("disable 4")
        to_main(b, ("2", "2"), ("3", "2"))
        b.cmd("delete 2")
        b.cmd("enable 3")
        out = b.expect("continue", r"hit Breakpoint 3, hit \(k=0, i=0\)")
        b.check(re.findall("has come back", out), [], "none is about the thread")
        for k, i in (0, 1), (0, 2), (1, 0):
            b.expect("continue", r"hit Breakpoint 3, hit \(k=%d, i=%d\)" % (k, i))


def test_at_a_checkpoint():
    with Backward("relay") as b:
        start(b, hits=6)
        b.cmd("break hit thread 3")
        b.expect("checkpoint", r"[Cc]heckpoint 1")
        for i in 1, 0:
            b.expect("reverse-continue", r"hit Breakpoint 2, hit \(k=1, i=%d\)" % i)
        to_main(b, ("2", "3"))
        b.expect("restart 1", r"thread 3 has come back as 4; breakpoint 2 is about that")
        b.check((b.value("k"), b.value("i")), (1, 2), "at the checkpoint")
        b.expect("reverse-continue", r"hit Breakpoint 2, hit \(k=1, i=1\)")
        hits_of(b, 1, 2, 2)


run(globals())
