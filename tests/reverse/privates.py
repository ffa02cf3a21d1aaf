"""A file that is mapped privately, and written: each moment sees what it saw then."""
import os
import re
import subprocess

from tests import *


def own(round_):
    """what the round before has left there"""
    return 0 if round_ == 2 else 99 if round_ > 10 else round_ - 1


def truth(round_):
    return "%d %d %d %d %d" % (round_, (round_ - 1) * 1001, own(round_), round_, round_)


def here(b):
    return b.cmd(r'printf "%d %d %d %d %d\n", round_, seen, own, both[0], read_only[7]').strip()


def round_trip(how):
    with Backward("privates", how) as b:
        b.only_fred()
        b.cmd("break %d" % b.mark("mapped"))
        b.expect("run", r"MARK mapped")
        b.cmd("break %d" % b.mark("written"))
        out = b.expect("continue", r"MARK written")
        b.check("fred:" in out, False, "nothing to be told")
        for round_ in range(3, 40):
            b.cmd("continue")
        b.check(here(b), truth(39), "the last round")
        for round_ in range(38, 1, -1):
            b.expect("reverse-continue", r"MARK written")
            b.check(here(b), truth(round_), "as then")
        b.expect("reverse-continue", r"MARK mapped")
        b.check((b.value("both[0]"), b.value("read_only[7]")), (1, 1), "before the first")
        b.ends()
        b.cmd("delete")
        b.cmd("tbreak %d if round_ == 21" % b.mark("written"))
        b.expect("continue", r"MARK written")
        b.check(here(b), truth(21), "forward")
        b.cmd("break %d" % b.mark("end"))
        b.expect("continue", r"MARK end")
        b.check(b.value("last"), 78, "in the end")


def test_file():
    round_trip("file")


def test_memfd():
    round_trip("memfd")


def test_opened_before():
    """another descriptor, which there is already, is for writing"""
    round_trip("first")


def test_opened_later():
    """when there are snapshots that show the file, and events that map it"""
    round_trip("later")


def test_moved():
    """by mremap, and out of reach for a while"""
    round_trip("moved")


def test_attached():
    """the mappings are there already"""
    program = subprocess.Popen([target("privates"), "slowly"], stdout=subprocess.DEVNULL)
    try:
        with Backward("privates", gdb_args=["-p", str(program.pid)]) as b:
            b.only_fred()
            b.cmd("break privates.c:%d" % b.mark("written"))
            b.expect("continue", r"MARK written")
            first = b.value("round_")
            for round_ in range(first + 1, first + 6):
                b.cmd("continue")
            for round_ in range(first + 4, first - 1, -1):
                b.expect("reverse-continue", r"MARK written")
                b.check((b.value("round_"), b.value("seen"), b.value("read_only[7]")), (round_, (round_ - 1) * 1001, round_), "as then")
            b.cmd("kill")
    finally:
        program.kill()
        program.wait()


def others(then, told):
    """another process writes it"""
    path = os.path.join(tmp(), "mapped")
    open(path, "wb").write(bytes(12288))
    with Backward("privates", "others", path, then) as b:
        b.only_fred()
        b.cmd("break %d" % b.mark("mapped"))
        b.expect("run", r"MARK mapped")
        b.cmd("tbreak %d" % b.mark("after"))
        with open(path, "r+b") as f:
            f.write(b"x")
        told(b, r"^fred: .*mapped is mapped, and was written meanwhile")


def test_others():
    """that is told at the next snapshot"""
    others("long", lambda b, text: b.expect("continue", text, r"MARK after"))


def test_others_soon():
    """or when the past is shown, if there was none: once"""
    def told(b, text):
        out = b.expect("continue", r"MARK after") + b.expect("reverse-continue", r"MARK mapped")
        out += b.expect("reverse-stepi") + b.expect("stepi")
        b.check(len(re.findall(text, out, re.M)), 1, "told once")

    others("soon", told)


run(globals())
