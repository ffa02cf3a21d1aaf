"""Random numbers from the processor (rdrand) are the same each time, though no call gives them."""
from tests import *

NAMES = ("wide", "word", "half", "sum")


def numbers(b):
    return [b.value(name) for name in NAMES]


def test_there_and_back():
    with Backward("chance") as b:
        b.only_fred()
        b.cmd("break done")
        if "exited with code 0115" in b.cmd("run"):
            print("skipped: this processor has no rdrand")
            return
        end = numbers(b)
        b.check(len(set(end)), 4, "four different numbers")
        b.check(b.value("refused"), 0, "all were given, in the child, too")
        b.cmd("break draw")
        seen = []
        for _ in range(5):
            b.expect("reverse-continue", r"Breakpoint 2, ")
            seen.append(numbers(b))
        b.check(len(set(map(tuple, seen))), 5, "others each time")
        b.cmd("delete")
        b.cmd("stepi")
        stops = b.forward("stepi", 30)
        b.back("reverse-stepi", stops)
        b.cmd("break draw")
        for want in reversed(seen[:-1]):
            b.expect("continue", r"Breakpoint 3, ")
            b.check(numbers(b), want, "the same again")
        b.cmd("delete")
        b.cmd("break done")
        b.expect("continue", r"done \(\)")
        b.check(numbers(b), end, "in the end")


def test_stepped_forward():
    """a step over one is one step"""
    with Backward("chance") as b:
        b.only_fred()
        b.cmd("break draw")
        if "exited with code 0115" in b.cmd("run"):
            return
        b.cmd("delete")
        before = b.value("wide")
        for _ in range(30):
            b.cmd("stepi")
        wide, word = b.value("wide"), b.value("word")
        b.check(wide != before, True, "a number")
        b.cmd("reverse-stepi 30")
        b.check(b.value("wide"), before, "back before it")
        b.cmd("stepi 30")
        b.check((b.value("wide"), b.value("word")), (wide, word), "the same numbers")


run(globals())
