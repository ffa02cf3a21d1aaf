"""checkpoint, restart, info checkpoints, delete checkpoint; undo."""
from tests import *


def test_restart():
    with Backward("calls", watch=["x", "total"]) as b:
        b.only_fred()
        b.start()
        b.cmd("break leaf")
        b.cmd("continue")
        first = b.where()
        b.expect("checkpoint", r"[Cc]heckpoint 1")
        b.cmd("continue 4")
        later = b.where()
        b.expect("checkpoint", r"[Cc]heckpoint 2")
        b.expect("info checkpoints", r"\b1\b.*leaf|\b1\b.*calls\.c", r"\b2\b")
        b.cmd("restart 1")
        b.at(first, "restart 1")
        b.cmd("restart 2")
        b.at(later, "restart 2")
        b.cmd("restart 1")
        b.cmd("continue 4")
        b.at(later, "forward from checkpoint 1")
        b.cmd("restart 1")
        b.cmd("reverse-stepi 5")
        b.cmd("stepi 5")
        b.at(first, "back and forth at checkpoint 1")
        b.cmd("delete checkpoint 1")
        out = b.cmd("info checkpoints")
        b.check("leaf (x=0)" in out, False, "checkpoint 1 deleted")
        out = b.cmd("restart 1")
        b.check(b.where(), first, "restart of a deleted checkpoint moves nothing: %r" % out)
        b.cmd("restart 2")
        b.at(later, "restart 2 after deleting 1")


def test_bad_arguments():
    with Backward("calls") as b:
        b.only_fred()
        b.start()
        b.cmd("next")
        here = b.where()
        for command, said in (("restart nosuch", r'^No symbol "nosuch" in current context\.$'),
                              ("restart main", r"."),
                              ("restart *(int *) 0", r"."), ("delete checkpoint nosuch", r'^No symbol "nosuch"'),
                              ("undo nosuch", r'^No symbol "nosuch" in current context\.$'),
                              ("reverse-next 1.5", r"^The count is no number: 1\.5\.$"),
                              ("fred-source", r"^fred-source: which file\?$")):
            out = b.expect(command, said)
            b.check("Python" in out, False, "%s speaks of Python: %r" % (command, out))
            b.at(here, command)


def test_debugger_stays():
    with Backward("calls") as b:
        b.only_fred()
        b.start()
        b.cmd("checkpoint")
        b.cmd("break leaf")
        b.cmd("set $mine = 12")
        b.cmd("display total")
        b.cmd("continue")
        b.expect("restart 1", r"main")
        b.check(b.value("$mine"), 12, "$mine")
        b.expect("info breakpoints", r"leaf")
        b.expect("info display", r"total")


def test_restart_with_the_debugger():
    with Backward("calls", watch=["total"]) as b:
        b.only_fred()
        b.start()
        b.cmd("set $mine = 1")
        here = b.where()
        b.cmd("checkpoint")
        b.cmd("set $mine = 2")
        b.cmd("break leaf")
        b.cmd("continue")
        b.cmd("restart -session 1")
        b.at(here, "restart -session 1")
        b.check(b.value("$mine"), 1, "$mine came back")
        b.check("leaf" in b.cmd("info breakpoints"), False, "the breakpoint did not exist then")


def test_after_exit():
    with Backward("exits", "3") as b:
        b.only_fred()
        b.start()
        here = b.where()
        b.cmd("checkpoint")
        b.expect("continue", r"exited with code 03")
        b.cmd("restart 1")
        b.at(here, "restart after the exit")
        b.expect("continue", r"exited with code 03")


def test_bad_arguments():
    with Backward("calls") as b:
        b.only_fred()
        b.expect("checkpoint", r"\S")
        b.expect("restart 1", r"\S")
        b.start()
        here = b.where()
        for line in ("restart", "restart 77", "restart x", "delete checkpoint 77", "undo x", "undo 99999"):
            b.expect(line, r"\S")
            b.at(here, line)


def test_undo_steps():
    with Backward("calls") as b:
        b.only_fred()
        b.start()
        pcs = [b.value("(long)$pc")]
        for _ in range(4):
            b.cmd("stepi")
            pcs.append(b.value("(long)$pc"))
        b.cmd("stepi 3")
        b.cmd("undo")
        b.check(b.value("(long)$pc"), pcs[-1], "undo of stepi 3")


def test_undo_of_a_setting():
    with Backward("calls") as b:
        b.only_fred()
        b.start()
        b.cmd("set $mine = 5")
        b.cmd("set $mine = 6")
        b.cmd("undo")
        b.check(b.value("$mine"), 5, "$mine after undo")


run(globals())
