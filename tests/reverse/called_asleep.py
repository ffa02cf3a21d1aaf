"""Functions called from gdb in threads that sleep in a call, while another stands at a breakpoint: they answer, and the call goes on"""
import re

from tests import *

THREADS = 2, 3, 4, 5


def start(b, stop):
    b.only_fred("threads")
    b.cmd("break pass")
    b.expect("run", r"pass \(i=1\)")
    for i in range(2, stop + 1):
        b.expect("continue", r"pass \(i=%d\)" % i)


def ask(b, *threads):
    """each thread's answers: twice its number, and its own numbers"""
    for t in threads:
        out = b.cmd("thread %d" % t)
        tid = int(re.search(r"LWP (\d+)", out)[1])
        before = b.cmd("info registers") + b.cmd("backtrace")
        b.check(b.value("twice(%d)" % t), 2 * t, "a function in thread %d" % t)
        b.check(b.value("(int)gettid()"), tid, "the number of thread %d" % t)
        b.check(b.cmd("info registers") + b.cmd("backtrace"), before, "the registers of thread %d" % t)


def rest(b, called):
    b.cmd("delete")
    b.expect("continue", r"sum 1111, twice called %d times$" % called, r"exited normally")


def test_in_the_past():
    with Backward("asleep") as b:
        start(b, 3)
        for again in 1, 2:
            b.expect("reverse-continue", r"pass \(i=%d\)" % (3 - again))
            here = b.cmd("info registers")
            ask(b, *THREADS, 1)
            b.check(b.value("twice_called"), 5, "in the copy")
            b.cmd("thread 1")
            b.check(b.cmd("info registers"), here, "the main thread's registers")
        b.expect("continue", r"pass \(i=2\)")
        b.check(b.value("twice_called"), 0, "the copy is gone")
        rest(b, 0)


def test_stopped_amid():
    """such a function, by a breakpoint; it ends, or goes as the program does"""
    for ends in True, False:
        with Backward("asleep") as b:
            start(b, 3)
            b.expect("reverse-continue", r"pass \(i=2\)")
            here = b.cmd("info registers")
            b.cmd("break twice")
            b.cmd("thread 2")
            b.expect("print twice(5)", r"hit Breakpoint 2, twice \(i=5\)", r"stopped while in a function called from GDB")
            b.check(b.value("i"), 5, "its argument")
            if ends:
                b.expect("finish", r"Value returned is .* 10$|Run till exit")
            b.cmd("thread 1")
            b.check(b.cmd("info registers"), here, "the main thread's registers")
            b.expect("reverse-continue", r"pass \(i=1\)")
            b.expect("continue", r"pass \(i=2\)")
            b.check(b.cmd("info registers"), here, "the main thread's registers, again")
            rest(b, 0)


def test_at_the_newest_point():
    """calls go on, what was called isn't looked for in the past, and replay is clean"""
    with Backward("asleep") as b:
        start(b, 2)
        b.cmd("set scheduler-locking on")
        ask(b, *THREADS)
        ask(b, 1, *THREADS)
        b.expect("fred-verify", r"^\d+ snapshots verified")
        b.cmd("set scheduler-locking off")
        b.cmd("thread 1")
        b.expect("continue", r"pass \(i=3\)")
        b.cmd("break twice")
        b.expect("reverse-continue", r"pass \(i=2\)")
        b.expect("reverse-continue", r"pass \(i=1\)")
        b.check(b.value("twice_called"), 0, "before")
        rest(b, 9)


def test_all_run_meanwhile():
    """the others go on while it runs, as gdb has it"""
    with Backward("asleep") as b:
        start(b, 2)
        b.cmd("delete")
        b.cmd("thread 2")
        b.expect("print twice(2)", r"= 4$")
        b.expect("continue", r"sum 1111, twice called 1 times$", r"exited normally")
        b.expect("fred-verify", r"^\d+ snapshots verified")
        b.cmd("break pass")
        b.expect("reverse-continue", r"pass \(i=[23]\)")


run(globals())
