"""Calls with a timeout that snapshots interrupt all the time: each ends in time, with what it would have given."""
from tests import *


def test_timeouts():
    """epoll_wait, semtimedop, receive timeouts ... beside a thread that computes, there and back"""
    with Backward("timeouts") as b:
        b.only_fred()
        b.cmd("break %d if phase %% 4 == 2" % b.mark("next"))
        look = lambda: b.cmd('printf "%d %lu %.6f\\n", phase, wrong, took[phase]')
        b.expect("run", r"MARK next")
        truth = b.looks(look, r"MARK next", 3)
        b.check((b.value("wrong"), b.value("phase")), (0, 14), "what the calls gave")
        took = float(b.cmd("output took[14]"))
        b.check(took < 10, True, "%.3f s for 60 ms" % took)
        b.both_ways(look, truth, r"MARK next")
        b.expect("continue", r"15 calls, 0 wrong", r"exited normally")


run(globals())
