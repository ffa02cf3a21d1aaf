"""Transfers that sleep with a part of the bytes moved: snapshots interrupt them, and the program doesn't notice.

test-timeout: 240
"""
import re

from tests import *


def seen(b):
    return b.cmd('printf "phase %d, sum %lx, %lu short, %lu wrong\\n", phase, sum, shorts, wrong')


def there_and_back(how, rounds):
    with Backward("transfers", how, str(rounds), timeout=60) as b:
        b.only_fred()
        b.cmd("break %d" % b.mark("phase"))
        b.expect("run", r"MARK phase")
        truth = b.looks(lambda: seen(b), r"MARK phase", 19)
        b.check(len(set(truth)), 20, "each phase is another")
        b.both_ways(lambda: seen(b), truth, r"MARK phase")
        b.expect("continue", r"20 phases, 0 wrong, 0 short, sum \w+\s", r"exited normally")
        b.expect("reverse-continue", r"MARK phase")
        b.check(seen(b), truth[-1], "back from the end")


def test_threads():
    """between threads, of which each snapshot interrupts those that sleep"""
    there_and_back("threads", 4)


def test_child():
    """one thread, and another process at the other end"""
    there_and_back("child", 4)


def test_amid():
    """the debugger stops a thread amid a transfer, which goes on then; a function called there has it end short"""
    with Backward("transfers", "threads", "20", "writev", timeout=60) as b:
        b.only_fred()
        b.cmd("break %d" % b.mark("phase"))
        b.expect("run", r"MARK phase")
        b.cmd("delete")
        b.cmd("break compute")
        for _ in range(8):
            b.expect("continue", r"compute \(\)")
            b.expect("thread 1", r"writev \(")
        b.check(b.value("shorts"), 0, "none was short")
        b.cmd("delete")
        b.check(b.value("(int)getppid() > 0"), 1, "called amid it")
        b.expect("continue", r"3 phases, 0 wrong, [01] short", r"exited (normally|with code 01)")


run(globals())
