"""Traps that the program makes itself: int3 in its code, SIGTRAP that it sends. They stop it again, going forward in the past."""
from tests import *

SIGTRAP = r"^Program received signal SIGTRAP"


def at_int3(b):
    b.only_fred("record stops at such traps")
    b.start()
    b.on("one")
    b.expect("continue", SIGTRAP)
    b.on("two")


def test_steps_over_it():
    with Backward("traps", watch=["n"]) as b:
        at_int3(b)
        b.go("reverse-step", "int3")
        b.go("reverse-step", "one")
        b.expect("continue", SIGTRAP)
        b.on("two")
        b.go("next", "three")
        b.go("reverse-next", "two")
        b.go("reverse-next", "int3")
        b.check(b.value("n"), 1, "n")
        b.go("reverse-next", "one")
        b.check(b.value("n"), 0, "n")


def test_instructions():
    with Backward("traps", watch=["n"]) as b:
        at_int3(b)
        stops = b.forward("stepi", 2)
        b.back("reverse-stepi", stops)
        b.cmd("reverse-stepi")
        b.expect("x/i $pc", r"int3")
        int3 = b.where()
        b.cmd("reverse-stepi")
        b.expect("x/i $pc", r"mov.*,.*<n>")
        before = b.where()
        for command in "stepi", "nexti":
            b.again(command, [before, int3] + stops)
            b.back("reverse-" + command, [before, int3] + stops)
        b.cmd("stepi 3")
        b.at(stops[1], "stepi 3")


def test_breakpoints_and_watchpoints():
    with Backward("traps", watch=["n", "rounds"]) as b:
        at_int3(b)
        stops = [b.where()]
        b.cmd("break traps.c:%d" % b.mark("three"))
        b.cmd("continue")
        b.on("three")
        stops.append(b.where())
        for _ in range(4):
            b.expect("continue", SIGTRAP)
            b.on("behind looped")
            stops.append(b.where())
        b.expect("continue", SIGTRAP)
        last = b.where()
        b.go("reverse-continue", "three")
        b.again("continue", stops[1:] + [last])
        b.cmd("delete")
        b.cmd("watch rounds")
        for old, new in (13, 3), (3, 12), (12, 2), (2, 11), (11, 1), (1, 10), (10, 0):
            b.expect("reverse-continue", r"^Old value = %d$" % old, r"^New value = %d$" % new)
        b.ends()
        b.cmd("delete")
        b.again("continue", [b.where(), stops[0]] + stops[2:] + [last])
        b.expect("continue", r"exited normally")
        b.ends()


def test_reverse_watch():
    with Backward("traps", watch=["n", "rounds"]) as b:
        at_int3(b)
        b.cmd("tbreak traps.c:%d" % b.mark("before"))
        for _ in range(4):
            b.expect("continue", SIGTRAP)
        b.cmd("continue")
        b.on("before")
        b.cmd("reverse-watch rounds != 13")
        b.on("behind looped")
        b.check(b.value("rounds"), 3, "rounds")
        b.cmd("reverse-watch n != 3")
        b.on("three")


def test_sent():
    with Backward("traps", watch=["n", "rounds"]) as b:
        b.only_fred("signals")
        b.start()
        b.cmd("checkpoint")
        for _ in range(5):
            b.expect("continue", SIGTRAP)
        b.expect("continue", SIGTRAP)
        b.check(b.value("n"), 4, "n")
        raised = b.where()
        b.expect("backtrace 5", r"raise")
        b.cmd("reverse-stepi 5")
        b.expect("continue", SIGTRAP)
        b.at(raised, "at the signal again")
        b.cmd("restart 1")
        for _ in range(6):
            b.expect("continue", SIGTRAP)
        b.at(raised, "at the signal again")
        b.expect("continue", r"exited normally")


def test_passed():
    """a program that is given it dies"""
    with Backward("traps", watch=["n"]) as b:
        at_int3(b)
        b.expect("signal SIGTRAP", r"^Program terminated with signal SIGTRAP")
        b.cmd("reverse-stepi")
        b.expect("continue", r"^Program (received|terminated with) signal SIGTRAP")
        b.cmd("reverse-step")
        b.on("int3")


run(globals())
