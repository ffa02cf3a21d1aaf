"""slow
test-timeout: 400
Programs with a bit of everything: to the end by lines, back to main, forward again, and a random walk; values compared."""
import random

from tests import *


def tour(program, watch, seed):
    with Backward(program, watch=watch, timeout=60) as b:
        b.only_fred("everything")
        b.start()
        stops = b.forward("next", 40)
        if b.where() is None:
            b.cmd("reverse-stepi")
        b.cmd("tbreak main")
        b.cmd("reverse-continue")
        b.at(stops[0], "back to main")
        b.again("next", stops)
        rng = random.Random(seed)
        for _ in range(15):
            here = b.where()
            if here is None or " main (" not in b.cmd("backtrace"):
                b.cmd("delete")
                b.cmd("reverse-continue")
                b.cmd("tbreak main")
                b.cmd("continue")
                b.cmd("next %d" % rng.randint(1, 15))
                here = b.where()
            n = rng.randint(1, 150)
            if END not in b.cmd("reverse-stepi %d" % n):
                b.cmd("stepi %d" % n)
                b.at(here, "reverse-stepi %d and stepi %d" % (n, n))
            move = rng.choice(("reverse-step", "reverse-next", "reverse-step 4", "reverse-nexti 9", "reverse-finish", "step"))
            out = b.cmd(move)
            b.check("fred:" in out or "Error" in out, False, "%s: %r" % (move, out))
        b.cmd("delete")
        b.cmd("reverse-continue")
        b.cmd("tbreak main")
        b.cmd("continue")
        b.at(stops[0], "main in the end")
        b.expect("continue", r"exited normally")


def test_c():
    tour("medley", ["acc", "step_"], 1)


def test_optimized():
    tour("medley2", ["acc", "step_"], 2)


def test_exceptions():
    tour("throws", ["caught", "depth"], 3)


run(globals())
