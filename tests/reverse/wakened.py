"""Signals that wake threads in calls, and those for which a thread waits, beside others that compute."""
from tests import *


def test_wakened():
    """who is woken gets the signal; there and back"""
    with Backward("wakened") as b:
        b.only_fred()
        b.cmd("handle SIGALRM nostop noprint pass")
        for word in ("woken", "suspended"):
            b.cmd("break %d" % b.mark(word))
        look = lambda: b.cmd('printf "%d %lu %lu %lu %lu\\n", phase, interrupted, others, handled, suspended')
        b.expect("run", r"MARK woken")
        truth = b.looks(look, r"MARK suspended", 1)
        interrupted, others = b.value("interrupted"), b.value("others")
        b.check((b.value("strange"), b.value("suspended")), (0, 5), "what the calls gave")
        b.check(interrupted > 60, True, "%d calls interrupted" % interrupted)
        b.check(others * 20 <= interrupted, True, "%d of %d by a signal that another thread got" % (others, interrupted))
        b.both_ways(look, truth, r"MARK")
        b.expect("continue", r"0 strange, 5 suspended", r"exited normally")


run(globals())
