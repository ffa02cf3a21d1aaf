"""A file that is mapped privately, and written: each moment sees what it saw then."""
from tests import *


def own(round_):
    """what the round before has left there"""
    return 0 if round_ == 2 else 99 if round_ > 10 else round_ - 1


def truth(round_):
    return "%d %d %d %d %d" % (round_, (round_ - 1) * 1001, own(round_), round_, round_)


def here(b):
    return b.cmd(r'printf "%d %d %d %d %d\n", round_, seen, own, both[0], read_only[7]').strip()


def round_trip(*args):
    with Backward("privates", *args) as b:
        b.only_fred()
        b.cmd("break %d" % b.mark("written"))
        out = b.expect("run", r"MARK written")
        b.check("shared" in out, False, "nothing to be told")
        for round_ in range(3, 40):
            b.cmd("continue")
        b.check(here(b), truth(39), "the last round")
        for round_ in range(38, 1, -1):
            b.expect("reverse-continue", r"MARK written")
            b.check(here(b), truth(round_), "as then")
        b.cmd("continue 20")
        b.check(here(b), truth(22), "forward")
        b.cmd("delete")
        b.cmd("break %d" % b.mark("end"))
        b.expect("continue", r"MARK end")
        b.check(b.value("last"), 78, "in the end")


def test_file():
    round_trip()


def test_memfd():
    round_trip("m")


run(globals())
