"""Conditions of breakpoints, going back: the last arrivals at which they hold, whoever judges them."""
import re
import time

from tests import *

N = 2000


def truth():
    """what the variables are at each arrival"""
    total, bits, a, b = -5, 0, 0, 0
    for n in range(N):
        c = n * 37 % 256
        yield {"n": n, "c": c, "total": total, "bits": bits, "a": a, "b": b, "square": n * n}
        total, bits = total + n % 7, (bits * 3 + c) % 2**32
        a, b = 100 - n, c


# (as gdb reads it, as Python does)
CONDITIONS = (
    ("n == 700", lambda v: v["n"] == 700),
    ("n % 250 == 3", lambda v: v["n"] % 250 == 3),
    ("c > 250 && total < 3000", lambda v: v["c"] > 250 and v["total"] < 3000),
    ("square == 90000 || square == 810000L", lambda v: v["square"] in (90000, 810000)),
    ("(bits & 0xffff) < 100", lambda v: v["bits"] & 0xffff < 100),
    ("bits >> 28 == 15 && !(n & 31)", lambda v: v["bits"] >> 28 == 15 and not v["n"] & 31),
    ("q->a < -1500 && q->b == 7", lambda v: v["a"] < -1500 and v["b"] == 7),
    ("(signed char) c == -100", lambda v: v["c"] == 156),
    ("pair.a * 3 - 1 == -2 * n + 299", lambda v: v["a"] * 3 - 1 == -2 * v["n"] + 299),
    ("total < 0", lambda v: v["total"] < 0),
    ("c ? n / c == 9 : n == 256 * 3", lambda v: v["n"] // v["c"] == 9 if v["c"] else v["n"] == 768),
    ("twice(n) == 3900", lambda v: v["n"] == 1950),           # a call: gdb's to judge
    ("$wanted == n", lambda v: v["n"] == 1980),               # so is a variable of gdb's
    ("~n == -1235 || n == -1", lambda v: v["n"] == 1234),
)


def test_all_kinds():
    with Backward("grades") as b:
        b.only_fred()
        b.cmd("break grades.c:%d" % b.mark("end"))
        b.expect("run", r"Breakpoint 1, ")
        b.expect("checkpoint", r"Checkpoint 1")
        b.cmd("set var $wanted = 1980")
        values = list(truth())
        b.cmd("tbreak grades.c:%d" % b.mark("grade"))
        for text, holds in CONDITIONS:
            b.cmd("restart 1")
            b.cmd("delete")
            b.cmd("break grades.c:%d if %s" % (b.mark("grade"), text))
            want = [v["n"] for v in values if holds(v)]
            begin = time.monotonic()
            for n in reversed(want[-3:]):
                b.expect("reverse-continue", r"Breakpoint \d+, grade")
                b.check(b.value("n"), n, "n where " + text)
            if len(want) < 3 and "twice" not in text and "$" not in text:    # those are gdb's, each arrival some ms
                b.expect("reverse-continue", END)
            print("# %-40s %2d times, looked back in %.2f s" % (text, len(want), time.monotonic() - begin))


def test_never_true():
    with Backward("grades") as b:
        b.only_fred()
        b.cmd("break grades.c:%d" % b.mark("end"))
        b.expect("run", r"Breakpoint 1, ")
        b.cmd("break grade if n == 123456")
        b.expect("reverse-continue", END)
        b.expect("info breakpoints", r"grade at (?!.*already hit)[^\n]*\n\s+stop only if n == 123456\s*$")


def test_unreadable():
    """gdb stops where a condition can't be evaluated, and says why"""
    with Backward("grades") as b:
        b.only_fred()
        b.cmd("break grades.c:%d" % b.mark("end"))
        b.expect("run", r"Breakpoint 1, ")
        b.cmd("break grades.c:%d if *q->p == 7 && n < 1000" % b.mark("grade"))
        b.expect("reverse-continue", r"Breakpoint 2, grade")
        b.check(b.value("n") < 1000, True, "n: %d" % b.value("n"))
        for _ in range(5):
            b.cmd("reverse-continue")
            if b.value("n") == 0:
                break


def test_ignored():
    """counts of arrivals to ignore: each is one, wherever the search for the next begins"""
    with Backward("grades") as b:
        b.only_fred()
        b.cmd("break grades.c:%d" % b.mark("end"))
        b.expect("run", r"Breakpoint 1, ")
        b.expect("checkpoint", r"Checkpoint 1")
        begin = time.monotonic()
        b.cmd("break grade")
        b.cmd("ignore 2 1500")
        b.expect("reverse-continue", r"Breakpoint 2, grade")
        b.check(b.value("n"), N - 1 - 1500, "n behind 1500 that are ignored")
        b.cmd("ignore 2 %d" % N)
        b.expect("reverse-continue", END)
        b.expect("info breakpoints", r"ignore next %d hits" % (N - (N - 1 - 1500)))
        b.cmd("delete")
        b.cmd("restart 1")
        b.cmd("break grade if n % 10 == 3")
        b.cmd("ignore $bpnum 4")
        b.expect("reverse-continue", r"Breakpoint 3, grade")
        b.check(b.value("n"), 1953, "n behind 4 where the condition holds")
        b.cmd("delete")
        b.cmd("restart 1")
        b.cmd("break grade if n == 1900")
        b.cmd("break grade")        # the same place: each is judged
        b.cmd("ignore $bpnum 150")
        b.expect("reverse-continue", r"Breakpoint 4, grade")
        b.check(b.value("n"), 1900, "n where the other one stops")
        b.cmd("delete")
        b.cmd("restart 1")
        b.cmd("break twice")
        b.cmd("break grade")
        b.cmd("ignore $bpnum 1200")
        b.expect("reverse-continue", r"Breakpoint 7, grade")
        b.check(b.value("n"), N - 1 - 1200, "n with a breakpoint that is never met")
        print("# looked back in %.2f s" % (time.monotonic() - begin))


run(globals())
