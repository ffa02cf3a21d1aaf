"""Several processes below one gdb: each goes back on its own."""
import re

from tests import *


def steps(b, values, commands):
    """n after each command"""
    for want, command in zip(values, commands):
        b.cmd(command)
        b.check(b.value("n"), want, "n after " + command)


def test_child_followed():
    with Backward("family") as b:
        b.only_fred()
        b.cmd("set follow-fork-mode child")
        b.cmd("break child_work")
        b.expect("run >/dev/null", r"hit Breakpoint 1, child_work \(n=5\)")
        steps(b, (6, 12, 12, 6, 5, 6), ("next", "next", "next", "reverse-next 2", "reverse-next", "next"))
        b.expect("continue", r"exited with code 014")
        b.expect("reverse-continue", r"Breakpoint 1, child_work \(n=5\)")
        steps(b, (6, 12), ("next", "next"))
        b.cmd("delete")
        b.expect("reverse-continue", END)
        b.expect("backtrace", r"fork")
        b.expect("continue", r"exited with code 014")


def test_let_go():
    """a process that gdb has let go has no past, whatever became of another one"""
    with Backward("family") as b:
        b.only_fred("gdb's record doesn't follow")
        b.cmd("set follow-fork-mode child")
        b.cmd("tbreak child_work")
        b.expect("run >/dev/null", r"child_work \(n=")
        b.expect("continue", r"exited")
        b.cmd("inferior 1")
        b.expect("reverse-stepi", r"The program is not being run")
        b.cmd("inferior 2")
        b.cmd("reverse-stepi")
        b.expect("info inferiors", r"^\* 2 +process \d+", r"^  1 +<null>")


def test_both_kept():
    """two processes that stop; going back in one leaves the other where it is"""
    with Backward("family") as b:
        b.only_fred()
        b.cmd("set detach-on-fork off")
        b.cmd("break child_work")
        b.cmd("break parent_work")
        b.expect("run", r"hit Breakpoint 2.*parent_work \(n=5\)")
        steps(b, (15,), ("next",))
        b.cmd("inferior 2")
        b.expect("continue", r"hit Breakpoint 1.*child_work \(n=5\)")
        steps(b, (6, 12, 6), ("next", "next", "reverse-next"))
        b.cmd("inferior 1")
        b.check((b.value("n"), b.value("value")), (15, 5), "the parent, where it was")
        steps(b, (5, 15, 15), ("reverse-next", "next", "next"))
        b.check(b.value("value"), 15, "value of the parent")
        b.cmd("inferior 2")
        b.check((b.value("n"), b.value("value")), (6, 5), "the child, where it was")
        b.expect("fred-verify", r"^\d+ snapshots verified")
        b.expect("undo", r"several processes are debugged")
        b.expect("checkpoint", r"[Cc]heckpoint 1")
        steps(b, (12,), ("next",))
        b.expect("continue", r"exited with code 014")
        b.expect("reverse-continue", r"hit Breakpoint 1.*child_work \(n=5\)")
        b.expect("restart 1", r"n \*= 2")
        b.check(b.value("n"), 6, "n at the checkpoint")
        b.cmd("inferior 1")
        b.expect("restart 1", r"of another process")
        b.check(b.value("n"), 15, "the parent, once more")
        b.expect("fred-verify", r"^\d+ snapshots verified")
        b.cmd("inferior 2")
        b.expect("continue", r"exited with code 014")
        b.cmd("inferior 1")
        b.cmd("set detach-on-fork on")
        b.expect("continue", r"parent 15\s[^$]*exited normally")
        b.expect("reverse-continue", r"parent_work \(n=5\)")
        steps(b, (15,), ("next",))


def test_scheduled_together():
    """going back leaves the other one where it is, also where it goes along forward; what gdb stopped it with is no signal of the
    program's"""
    with Backward("family") as b:
        b.only_fred()
        b.cmd("set detach-on-fork off")
        b.cmd("set schedule-multiple on")
        b.cmd("break child_work")
        b.expect("run", r"hit Breakpoint 1.*child_work \(n=5\)")
        steps(b, (6, 5), ("next", "reverse-next"))
        b.cmd("inferior 1")
        for command in "reverse-stepi", "reverse-step", "reverse-next":
            b.cmd(command)
            b.cmd("inferior 2")
            b.check((b.where().function, b.value("n")), ("child_work", 5), "the child, where it was")
            b.cmd("inferior 1")
        b.cmd("tbreak main")
        b.expect("reverse-continue", r"hit Temporary.* main \(argc=1")
        b.cmd("delete")
        seen = ""
        for _ in range(4):
            seen += b.cmd("continue")
            if "not being run" in seen:
                b.cmd("inferior 1")
        b.check([len(re.findall(what, b.text(0))) for what in ("Cannot remove", "SIGSTOP")], [0, 0], "no trouble")
        b.check(len(re.findall(r"^parent 15$", b.text(0), re.M)), 1, "the parent's line")


def test_grandchild_by_exec():
    """nothing of it is its own before its exec: recorded from there on"""
    with Backward("family") as b:
        b.only_fred()
        b.cmd("tbreak parent_work")
        b.expect("run >/dev/null", r"parent_work \(n=5\)")
        b.cmd("set follow-fork-mode child")
        b.cmd("break grandchild_work")
        b.expect("continue", r"hit Breakpoint \d+.*grandchild_work \(n=5\)")
        steps(b, (35, 35, 35, 5), ("next", "next", "reverse-next", "reverse-next"))
        b.cmd("delete")
        b.expect("reverse-continue", END)
        b.expect("continue", r"exited with code 043")
        b.cmd("break grandchild_work")
        b.expect("reverse-continue", r"grandchild_work \(n=5\)")


def test_run_again():
    """the pasts of the former run's processes are gone, the new ones' are there"""
    with Backward("family") as b:
        b.only_fred()
        b.cmd("set follow-fork-mode child")
        for _ in range(3):
            b.cmd("delete")
            b.cmd("break child_work")
            b.expect("run >/dev/null", r"child_work \(n=5\)")
            steps(b, (6, 12, 6), ("next", "next", "reverse-next"))
        b.expect("continue", r"exited with code 014")
        b.expect("run >/dev/null", r"child_work \(n=5\)")
        steps(b, (6, 5), ("next", "reverse-next"))
        b.check(len(tagged(comm="family")) < 40, True, "no processes of former runs")


run(globals())
