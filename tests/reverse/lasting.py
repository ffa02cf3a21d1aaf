"""Code in which a frame stays for long needn't be run to go back out of it; frames that only look like the same are told apart"""
import re

from tests import *


def runs(b):
    return int(re.search(r"runs (\d+)", b.cmd("fred-stats"))[1])


def few_runs(b, before, most):
    b.check(runs(b) - before <= most, True, "few runs: %d" % (runs(b) - before))


def test_loops_with_an_end():
    with Backward("lasting", "l", watch=["n", "rounds"]) as b:
        b.only_fred("too long a way")
        b.start_at("end")
        b.check(int(re.search(r"snapshots +(\d+)", b.cmd("fred-stats"))[1]) > 8, True, "snapshots")
        before = runs(b)
        b.go("reverse-next", "busy")
        b.check(b.value("n"), 0, "n where the line begins")
        b.go("reverse-next", "between")
        b.check(b.value("n"), 40, "n before")
        b.go("reverse-next", "calls")
        b.check(b.value("n"), 0, "n where the calls begin")
        b.go("reverse-next", "begin")
        b.check(b.value("rounds"), 0, "rounds before")
        few_runs(b, before, 30)


def test_out_of_it():
    """from amid the calls"""
    with Backward("lasting", "l", watch=["n", "rounds"]) as b:
        b.only_fred("too long a way")
        b.start()
        b.cmd("tbreak spin if n == 37")
        b.cmd("continue")
        before = runs(b)
        b.cmd("reverse-finish")
        b.on("calls")
        b.check(b.value("n"), 37, "n at the call")
        b.go("reverse-next", "calls")
        b.check(b.value("n"), 0, "n at the line's beginning")
        b.cmd("reverse-finish")
        b.check(b.value("rounds"), 0, "rounds at the call")
        few_runs(b, before, 16)


def again(mode, word, rounds=200):
    """many rounds between two snapshots, each in a frame at the same place with the same caller"""
    with Backward("lasting", mode, str(rounds), watch=["n", "rounds"]) as b:
        b.only_fred("too long a way")
        b.start()
        b.cmd("tbreak lasting.c:%d if rounds == %d" % (b.mark("spun"), rounds - 1))
        b.cmd("continue")
        for k in (rounds - 1, rounds - 2, rounds - 3):
            b.check((b.value("n"), b.value("rounds")), (k - 1, k), "amid a round")
            b.cmd("reverse-finish")
            b.on(word)
            b.check((b.value("n"), b.value("rounds")), (k - 1, k), "at its call")
            b.cmd("tbreak lasting.c:%d" % b.mark("spun"))
            b.cmd("reverse-continue")


def test_setjmp():
    again("j", "jump-call")


def test_exceptions():
    again("t", "throw-call")


def test_tail_calls():
    again("h", "tail-call")


def test_contexts():
    again("c", "co-call")


def test_setjmp_line():
    """back to a line before that a jump has led to again"""
    with Backward("lasting", "j", "300", watch=["n", "rounds"]) as b:
        b.only_fred("too long a way")
        b.start_at("last")
        b.cmd("break lasting.c:%d" % b.mark("setjmp"))
        b.expect("reverse-continue", r"Breakpoint")
        b.check(b.value("rounds"), 0, "setjmp is called once")
        b.cmd("delete")
        b.cmd("tbreak lasting.c:%d if rounds == 290" % b.mark("jump-call"))
        b.cmd("continue")
        b.check((b.value("n"), b.value("rounds")), (289, 290), "a round")
        b.cmd("reverse-next")
        b.cmd("reverse-next")
        b.check((b.value("n"), b.value("rounds")), (289, 289), "the lines before")


run(globals())
