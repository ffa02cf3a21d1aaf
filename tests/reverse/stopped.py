"""A program that is stopped by SIGSTOP, and goes on by SIGCONT, amid code and in a call: replay finds each of them"""
from tests import *


def test_stopped():
    with Backward("stopped") as b:
        b.only_fred("signals")
        b.cmd("handle SIGSTOP SIGCONT SIGUSR1 SIGCHLD nostop noprint pass")
        b.expect("run", r"^4, 3 of them SIGCONT$", r"exited normally")
        b.expect("fred-verify", r"^\d+ snapshots verified")
        b.cmd("reverse-stepi")
        b.cmd("watch total")
        for n in 3, 2, 1, 0:
            b.expect("reverse-continue", r"Old value = %d" % (n + 1), r"New value = %d" % n)
            b.check(b.value("conts"), n + (n < 3), "SIGCONTs")
        b.cmd("delete")
        b.expect("continue", r"exited normally")


run(globals())
