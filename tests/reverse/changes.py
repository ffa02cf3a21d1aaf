"""What the user does to the program in the past: going back drops changes, and fred says so; calls have no effect.
Going forward makes a branch: branches.py."""
import re

from tests import *


def says(b, line):
    """fred's own words may come before the echo of the line"""
    b.type(line)
    b.check("fred: the change is dropped" in b.wait(), True, "%s says so" % line)


def past(b):
    """in the past, at mid (x=2)"""
    b.start_at("print")
    b.cmd("break mid if x == 2")
    b.cmd("reverse-continue")
    b.check(b.value("x"), 2, "x")
    return b.where()


def test_variable():
    with Backward("calls", watch=["x", "total"]) as b:
        b.only_fred("record changes the past")
        here = past(b)
        b.cmd("set var total = 1000")
        b.check(b.value("total"), 1000, "as set")
        says(b, "reverse-stepi")
        b.cmd("stepi")
        b.at(here, "as it was")
        b.cmd("set var total = 1000")
        out = b.cmd("reverse-stepi")
        b.check("dropped" in out, False, "said once")
        b.cmd("stepi")
        b.at(here, "as it was, again")


def test_register():
    with Backward("calls", watch=["x", "total", "$rax"]) as b:
        b.only_fred("record changes the past")
        here = past(b)
        b.cmd("set $rax = 77")
        says(b, "reverse-stepi")
        b.cmd("stepi")
        b.at(here, "as it was")


def test_calls():
    with Backward("calls", watch=["x", "total"]) as b:
        b.only_fred("record cannot call functions")
        here = past(b)
        b.expect("print fact(5)", r"= 120")
        b.expect("call leaf(3)", r"= 12$")
        b.cmd("stepi")
        b.check("fred: " in b.text(0), False, "a call is no change")
        b.cmd("reverse-stepi")
        b.at(here, "leaf's effect on total is gone")
        b.cmd("delete")
        b.cmd("tbreak %d" % b.mark("print"))
        b.go("continue", "print")
        b.expect("print fact(4)", r"= 24")
        b.cmd("reverse-next")
        b.cmd("next")
        b.on("print", "live, after a call")


def test_calls_of_a_changed_program():
    """before the change, behind it, or both: the change stays, what the function did goes"""
    for lines in (["set var total = 1000", "call leaf(3)"], ["call leaf(3)", "set var total = 1000"],
                  ["call leaf(3)", "set var total = 1000", "print leaf(1)", "call leaf(5)"],
                  ["set var depth = 3", "call leaf(3)", "print total = 1000"]):
        with Backward("calls", watch=["x", "total"]) as b:
            b.only_fred("record cannot call functions")
            here = past(b)
            b.cmd("delete")
            b.cmds(*lines)
            b.expect("finish", r"This is branch b1", r"= 4016$")    # 1002 * 2 + 1006 * 2
            b.check((b.value("total"), b.value("depth")), (1006, 3 if len(lines) == 3 and "depth" in lines[0] else 0), "total, depth")
            b.cmd("fred-switch main")
            b.at(here, "as it was")
            b.check("dropped" in b.text(0), False, "nothing was dropped")


def test_calls_and_registers():
    for lines in ["set $rbx = 77", "call leaf(3)"], ["call leaf(3)", "set $rbx = 77"], ["call leaf(3)", "set $xmm5.uint128 = 77"]:
        with Backward("calls", watch=["x", "total"]) as b:
            b.only_fred("record cannot call functions")
            here = past(b)
            b.cmds("delete", *lines)
            b.expect("stepi", r"This is branch b1")
            b.check(b.value("$xmm5.uint128" if "xmm" in lines[1] else "$rbx"), 77, "as set")
            b.cmd("fred-switch main")
            b.at(here, "as it was")


def test_calls_and_no_change():
    """nor is a value written that is there already"""
    with Backward("calls", watch=["x", "total"]) as b:
        b.only_fred("record cannot call functions")
        here = past(b)
        b.cmd("delete")
        total = b.value("total")
        for lines in (["print leaf(3)"], ["set var total = 7", "call leaf(3)", "set var total = %d" % total],
                      ["call leaf(3)", "set var total = %d" % total], ["print $_strlen(\"abc\")", "print (int)puts(\"abc\")"]):
            b.cmds(*lines)
            b.cmd("stepi")
            b.cmd("reverse-stepi")
            b.at(here, lines)
        b.check(re.findall("branch|dropped", b.text(0)), [], "no branch, nothing dropped")


def test_change_amid_a_call():
    """is one of the copy in which the function runs"""
    with Backward("calls", watch=["x", "total"]) as b:
        b.only_fred("record cannot call functions")
        here = past(b)
        b.cmds("delete", "set var depth = 5", "break leaf")
        b.expect("call leaf(3)", "The program being debugged stopped while in a function called from GDB")
        b.expect("set var total = 1000", "^fred: the function runs in a copy: the change goes when it returns")
        b.expect("finish", "= 2006$")
        b.cmd("delete")
        b.expect("set var $text = (char *)strdup(\"text\")", "^$")
        b.expect("print *(char **)&depth = $text", "^fred: what this points to was made or changed by a function that ran in a copy")
        b.cmd("set var depth = 5")
        b.expect("finish", "This is branch b1", r"= 20$")
        b.check((b.value("depth"), b.value("total")), (5, 5), "depth, total")
        b.cmd("fred-switch main")
        b.at(here, "as it was")


def test_change_and_call_dropped():
    with Backward("calls", watch=["x", "total"]) as b:
        b.only_fred("record cannot call functions")
        here = past(b)
        for lines in ["call leaf(3)", "set var total = 1000"], ["set var total = 1000", "call leaf(3)"]:
            b.cmds(*lines)
            b.cmd("reverse-stepi")
            b.cmd("stepi")
            b.at(here, "as it was")
        b.check(b.text(0).count("fred: the change is dropped"), 1, "said, once")


def test_no_change():
    """what has the value already isn't changed"""
    with Backward("calls", watch=["x", "total"]) as b:
        b.only_fred("record cannot call functions")
        here = past(b)
        for line in "set var total = total", "set $rax = $rax", "print fact(3)", "set var total = 7\nset var total = %d" % b.value("total"):
            b.cmds(*line.split("\n"))
            b.cmd("reverse-stepi")
            b.cmd("stepi")
            b.at(here, line)
        b.check("dropped" in b.text(0), False, "nothing was dropped")


def test_call_at_the_newest_point():
    """over it, back and forth: where it returned to is no matter of the program's"""
    with Backward("calls", watch=["x", "total"]) as b:
        b.only_fred("record cannot call functions")
        b.start("leaf")
        here = b.where()
        b.expect("print fact(5)", r"= 120$")
        b.cmd("reverse-stepi")
        b.cmd("stepi")
        b.at(here, "forward again")
        b.cmd("stepi 3")
        b.cmd("reverse-stepi 4")
        b.cmd("stepi")
        b.at(here, "from behind it, and forward again")
        b.cmd("reverse-stepi")
        b.expect("continue", r"exited normally")


def test_live_change():
    with Backward("calls", watch=["total", "x"]) as b:
        b.only_fred("record knows no exit")
        b.start("leaf")
        b.cmd("set var total = 500")
        b.cmd("tbreak %d" % b.mark("print"))
        b.cmd("continue")
        end = b.where()
        b.cmd("break leaf")
        stops = []
        while END not in b.cmd("reverse-continue"):
            stops.append(b.where())
        b.check([s.values for s in stops], ["508|1", "505|3", "505|0", "503|2", "501|2", "500|1", "500|0", "500|0"],
                "total, x behind the change")
        b.cmd("delete")
        b.cmd("tbreak calls.c:%d" % b.mark("print"))
        b.cmd("continue")
        b.at(end, "forward over the change")


run(globals())
