"""Namespaces of processes: fred's copies would be in them. A program's history ends where it makes one; nobody in it notices anything"""
import re
import sys

from tests import *


def can(b):
    b.only_fred("namespaces")
    b.cmd("break namespaces.c:%d" % b.mark("last"))
    out = b.cmd("run")
    if "can't" in out:
        print("skipped: namespaces aren't allowed here")
        sys.exit(0)
    return out


def test_parent():
    with Backward("namespaces") as b:
        b.check(re.search(r"^code (\d+)$", can(b), re.M)[1], "4", "numbers in it")
        b.cmd("watch k")
        b.expect("reverse-continue", r"the timeline ends before this point \(the program has made a namespace of processes\)", r"New value = 1")
        b.expect("reverse-continue", r"Old value = 1", r"New value = 0")
        b.cmd("delete")
        b.expect("fred-verify", r"^\d+ snapshots verified")
        b.expect("continue", r"exited normally")


def test_child():
    for follow in ("set follow-fork-mode child",), ("set detach-on-fork off", "set schedule-multiple on"):
        with Backward("namespaces") as b:
            for c in follow:
                b.cmd(c)
            b.cmd("break inner")
            b.only_fred("namespaces")
            out = b.cmd("run")
            if "can't" in out:
                print("skipped: namespaces aren't allowed here")
                sys.exit(0)
            b.check("inner ()" in out, True, "in the child")
            b.check(b.value("(int)getpid()"), 1, "its number")
            b.expect("reverse-stepi", r"This program is not recorded")
            b.cmd("delete")
            if len(follow) == 1:
                b.type("continue")
                b.until(r"code 4")
                continue
            out = ""
            for _ in range(6):      # from one process's end to another's
                out += b.cmd("continue") + b.cmd("inferior 1")
            b.check(re.findall(r"^code (\d+)$", out, re.M), ["4"], "the end")


run(globals())
