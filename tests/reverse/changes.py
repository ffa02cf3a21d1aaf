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
    """the copy goes with the change, and fred says so; the registers that gdb gives back are no sign that the call lasts"""
    for change, what in (("set var total = 1000", "total"), ("set $rbx = 77", "$rbx")):
        with Backward("calls", watch=["x", "total"]) as b:
            b.only_fred("record cannot call functions")
            here = past(b)
            was = b.cmd("print " + what).split()[-1]
            b.cmd(change)
            b.expect("call leaf(3)", r"= 2006$" if what == "total" else r"= 12$")
            b.cmd("delete")
            b.type("stepi")
            b.check("fred: the change is dropped" in b.wait(), True, "said: " + change)
            b.cmd("reverse-stepi")
            b.at(here, "as it was")
            b.expect("print " + what, r"= %s$" % re.escape(was))
            b.cmd("call leaf(3)")
            b.cmd("tbreak calls.c:%d" % b.mark("print"))
            b.go("continue", "print")
            b.expect("fred-list", "newest point")


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
