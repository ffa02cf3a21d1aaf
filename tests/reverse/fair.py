"""A thread that neither sleeps nor computes without end gets its turn beside some that do"""
from tests import *


def test_fair():
    with Backward("fair") as b:
        b.only_fred("threads")
        b.expect("run", r"^100 rounds, naps 1, spins 1$", r"exited normally", timeout=15)
        b.expect("fred-verify", r"^\d+ snapshots verified")
        b.cmd("reverse-stepi")
        b.cmd("watch rounds")
        b.expect("reverse-continue", r"Old value = 100", r"New value = 99")
        b.expect("reverse-continue", r"Old value = 99", r"New value = 98")


run(globals())
