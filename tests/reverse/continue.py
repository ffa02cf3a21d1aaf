"""reverse-continue: breakpoints of every kind, and the beginning of history."""
import re

from tests import *


def hits(b, command="continue"):
    """the stops of one breakpoint up to the program's end, or back to the beginning"""
    stops = []
    while True:
        out = b.cmd(command)
        if END in out or "exited" in out:
            return stops
        stops.append(b.where())
        if len(stops) > 100:
            b.fail("it never ends")


def test_every_hit_again():
    with Backward("calls", watch=["x", "total"]) as b:
        b.start()
        b.cmd("break leaf")
        b.cmd("break %d" % b.mark("print"))
        stops = []
        while not stops or stops[-1].line != b.mark("print"):
            b.cmd("continue")
            stops.append(b.where())
        b.check(len(stops), 9, "stops forward")
        b.check(hits(b, "reverse-continue"), stops[-2::-1], "stops back")


def test_messages():
    with Backward("calls", watch=["x"]) as b:
        b.start()
        b.cmd("break leaf")
        b.cmd("continue")
        b.cmd("continue")
        b.expect("reverse-continue", r"^Breakpoint 2, leaf \(x=0\) at calls\.c:%d$" % b.mark("leaf"), r"^%d\t" % b.mark("leaf"))
        b.ends()


def test_conditional():
    with Backward("calls", watch=["n"]) as b:
        b.start_at("print")
        b.cmd("break fact if n == 4")
        b.go("reverse-continue", "fact", r"fact \(n=4\)")
        b.check(b.value("n"), 4, "n")
        b.ends()


def test_conditional_many_hits():
    with Backward("loops", watch=["k"]) as b:
        b.start_at("three")
        b.cmd("break %d if count == 7" % b.mark("nested"))
        b.go("reverse-continue", "nested")
        b.check((b.value("i"), b.value("j"), b.value("count")), (1, 3, 7), "i, j, count")


def test_condition_that_calls():
    with Backward("calls", watch=["x"]) as b:
        b.start_at("print")
        b.only_fred("record cannot call functions")
        b.cmd("break mid if fact(x) == 2")
        b.cmd("reverse-continue")
        b.check((b.where().function, b.value("x")), ("mid", 2), "where fact(x) is 2")


def test_ignore_count():
    with Backward("calls", watch=["x", "total"]) as b:
        b.start_at("print")
        b.cmd("break mid")
        b.cmd("ignore $bpnum 2")
        b.cmd("reverse-continue")
        b.check(b.value("x"), 1, "two hits ignored going back")


def test_count_argument():
    with Backward("calls", watch=["x"]) as b:
        b.start_at("print")
        b.cmd("break mid")
        b.expect("reverse-continue 3", r"^Not stopped at any breakpoint; argument ignored\.$", r"mid \(x=3\)")
        b.expect("reverse-continue 2", r"^Will ignore next crossing of breakpoint 3\.", r"mid \(x=1\)")


def test_temporary():
    with Backward("calls", watch=["x"]) as b:
        b.start_at("print")
        b.cmd("tbreak leaf")
        b.go("reverse-continue", "leaf", r"Temporary breakpoint \d+, leaf")
        b.expect("info breakpoints", "No breakpoints or watchpoints")
        b.ends()


def test_hardware_breakpoint():
    with Backward("calls", watch=["x"]) as b:
        b.start_at("print")
        b.only_fred("record misses hardware breakpoints")
        b.cmd("hbreak mid")
        b.cmd("reverse-continue")
        b.check((b.where().function, b.value("x")), ("mid", 3), "the last call of mid")


def test_disabled_and_deleted():
    with Backward("calls") as b:
        b.start_at("print")
        b.cmd("break leaf")
        b.cmd("break mid")
        b.cmd("break fact")
        b.cmd("disable 3")
        b.cmd("delete 5")
        b.cmd("reverse-continue")
        b.check(b.where().function, "mid", "only mid is enabled")


def test_end_of_history():
    with Backward("calls") as b:
        b.start("leaf")
        b.cmd("delete")
        b.ends()
        for command in ("reverse-continue", "reverse-step", "reverse-next", "reverse-stepi", "reverse-nexti"):
            b.ends(command)
        first = b.where()
        b.cmd("stepi 3")
        b.cmd("reverse-stepi 3")
        b.at(first, "the beginning again")


def test_exec_direction():
    with Backward("calls", watch=["x", "total"]) as b:
        b.start()
        b.cmd("break leaf")
        b.cmd("continue")
        b.cmd("continue 2")
        third = b.where()
        b.cmd("continue")
        b.expect("show exec-direction", "Forward")
        b.cmd("set exec-direction reverse")
        b.expect("show exec-direction", "Reverse")
        b.cmd("continue")
        b.at(third, "continue in reverse direction")
        b.cmd("stepi")
        b.check(b.where().pc < third.pc, True, "stepi in reverse direction")
        b.cmd("set exec-direction forward")
        b.cmd("stepi")
        b.at(third, "stepi forward")
        b.expect("set exec-direction sideways", r'^Undefined item: "sideways"\.$')


def test_switch_cases():
    with Backward("cases", watch=["acc", "pc_"]) as b:
        b.start()
        b.cmd("break %d" % b.mark("plus"))
        b.cmd("break %d" % b.mark("negate"))
        b.cmd("break %d" % b.mark("last"))
        stops = []
        while not stops or stops[-1].line != b.mark("last"):
            b.cmd("continue")
            stops.append(b.where())
        b.check(len(stops), 7, "stops forward")
        b.check(hits(b, "reverse-continue"), stops[-2::-1], "stops back")


def test_breakpoint_set_after_the_fact():
    with Backward("mutual", watch=["n", "calls"]) as b:
        b.start_at("last")
        b.cmd("break odd if n == 0")
        b.cmd("reverse-continue")
        b.check(b.where().values, "0|12", "n and calls at the last odd(0)")
        b.cmd("reverse-continue")
        b.check(b.where().values, "0|7", "n and calls at the first")
        b.ends()


def test_catchpoints():
    """of exceptions; those that don't stop are named"""
    with Backward("throws", watch=["depth", "caught"]) as b:
        b.only_fred("plain gdb's record stops elsewhere in libstdc++")
        b.start()
        b.expect("catch throw", "Catchpoint")
        seen = []
        while "exited" not in b.cmd("continue"):
            seen.append(b.where())
        b.check(len(seen), 3, "exceptions")
        b.cmd("catch syscall write")
        b.cmd("condition $bpnum depth >= 0")
        said = r"^fred: catchpoint %s doesn't stop the program going back\.$" % b.value("$bpnum")
        for i, want in enumerate(reversed(seen)):
            out = b.expect("reverse-continue", r"Catchpoint 2 \(exception thrown\)")
            b.check(len(re.findall(said, out, re.M)), not i, "said once")
            b.at(want, "catch throw, back")
        b.cmd("delete")
        b.expect("catch catch", "Catchpoint")
        b.expect("continue", r"Catchpoint 4 \(exception caught\)")


run(globals())
