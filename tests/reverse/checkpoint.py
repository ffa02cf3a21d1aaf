"""checkpoint, restart, info checkpoints, delete checkpoint; undo."""
from tests import *


def test_restart():
    with Backward("calls", watch=["x", "total"]) as b:
        b.only_fred()
        b.start()
        b.cmd("break leaf")
        b.cmd("continue")
        first = b.where()
        b.expect("checkpoint", r"^Checkpoint 1 at 0x\w+, file calls\.c, line %d\.$" % b.mark("leaf"))
        b.cmd("continue 4")
        later = b.where()
        b.expect("checkpoint", r"^Checkpoint 2 at 0x\w+, file calls\.c, line %d\.$" % b.mark("leaf"))
        at_leaf = r"0x\w+, file calls\.c, line %d\n" % b.mark("leaf")
        b.expect("info checkpoints", r"\A  1 %s  2 %s\Z" % (at_leaf, at_leaf))
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
        b.expect("info checkpoints", r"\A  2 %s\Z" % at_leaf)
        b.expect("restart 1", r"^Not found: checkpoint id 1$")
        b.at(first, "restart of a deleted checkpoint moves nothing")
        b.cmd("restart 2")
        b.at(later, "restart 2 after deleting 1")


def test_bad_arguments():
    with Backward("calls") as b:
        b.only_fred()
        for command in ("checkpoint", "restart 1"):
            b.check(b.cmd(command), "The program is not being run.\n", command)
        b.start()
        b.cmd("next")
        here = b.where()
        nosuch = 'No symbol "nosuch" in current context.'
        for command, said in (("restart", "Requires numeric checkpoint id to restart."),
                              ("restart nosuch", nosuch),
                              ("restart main", "Cannot convert value to long."),
                              ("restart *(int *) 0", "Cannot access memory at address 0x0"),
                              ("restart 77", "Not found: checkpoint id 77"),
                              ("restart -session 77", "Not found: checkpoint id 77"),
                              ("restart -session 0", "Not found: checkpoint id 0"),
                              ("delete checkpoint nosuch", nosuch),
                              ("delete checkpoint 77", "Not found: checkpoint id 77"),
                              ("undo nosuch", nosuch),
                              ("undo 99999", "fred: there are not so many commands to undo."),
                              ("reverse-next 1.5", "The count is no number: 1.5."),
                              ("fred-source", "fred-source: which file?")):
            b.check(b.cmd(command), said + "\n", command)
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
