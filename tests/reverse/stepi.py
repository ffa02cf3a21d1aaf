"""reverse-stepi and reverse-nexti: every instruction again, through calls, system calls and counts."""
import re

from tests import *


def test_roundtrip():
    with Backward("calls", watch=["total", "$rax", "$eflags"]) as b:
        b.start()
        b.roundtrip("stepi", b.forward("stepi", 60))


def test_counts():
    with Backward("calls", watch=["total", "$rax"]) as b:
        b.start()
        stops = b.forward("stepi", 40)
        b.cmd("reverse-stepi 7")
        b.at(stops[33], "reverse-stepi 7")
        b.cmd("reverse-stepi 33")
        b.at(stops[0], "reverse-stepi 33")
        b.cmd("stepi 40")
        b.at(stops[40], "stepi 40")


def test_counts_end_at_breakpoints():
    with Backward("calls", watch=["total", "x"]) as b:
        b.start()
        b.cmd("break leaf")
        first, second, third, _ = [(b.cmd("continue"), b.where())[1] for _ in range(4)]
        b.cmd("reverse-continue")
        for command in ("reverse-stepi 100", "reverse-nexti 100"):
            b.expect(command, "^Breakpoint 2, leaf")
            b.at(second, command)
            b.expect("stepi 100", "^Breakpoint 2, leaf")
            b.at(third, "stepi 100")
        b.cmd("condition 2 total == 0")
        b.expect("reverse-stepi 120", "^Breakpoint 2, leaf")
        b.at(first, "the breakpoint whose condition holds")


def test_loop_of_one_line():
    with Backward("loops", watch=["sum", "$rax"]) as b:
        b.start()
        b.roundtrip("stepi", b.forward("stepi", 30))


def test_nexti_over_calls():
    with Backward("calls", watch=["total", "sum", "i"]) as b:
        b.start()
        b.roundtrip("nexti", b.forward("nexti", 24))


def test_no_pie():
    with Backward("fixed", watch=["sum", "r"]) as b:
        b.start()
        b.roundtrip("stepi", b.forward("stepi", 80))


def test_static():
    with Backward("static", watch=["n"]) as b:
        b.start()
        b.roundtrip("stepi", b.forward("stepi", 40))


def test_optimized():
    with Backward("fast", watch=["table[3]", "$rdx"]) as b:
        b.start("fill")
        b.roundtrip("stepi", b.forward("stepi", 100))


def test_repeated_strings():
    with Backward("repeats", watch=["sum", "$rcx", "$rdi", "$eflags&0xfff"]) as b:
        b.start("length")
        b.cmd("tbreak fill")
        b.cmd("continue")
        stops = b.forward("stepi", 70)
        b.roundtrip("stepi", stops)
        amid = [i for i, stop in enumerate(stops) if stop.function == "copy" and "|3|" in stop.values][0]
        b.cmd("stepi %d" % amid)
        b.at(stops[amid], "amid it")
        b.cmd("break fill")
        b.cmd("reverse-continue")
        b.at(stops[0], "back from amid it")


def test_very_often_repeated_strings():
    with Backward("repeats", watch=["sum", "$rcx"]) as b:
        b.only_fred("a million steps")
        b.start()
        b.cmd("break %d" % b.mark("last"))
        b.cmd("continue")
        b.cmd("break %d" % b.mark("filled"))
        b.cmd("reverse-continue")
        behind, steps = b.where(), 0
        while b.value("$rcx") == 0 and steps < 9:
            b.cmd("reverse-stepi")
            steps += 1
        for left in 1, 2, 3:
            b.check(b.value("$rcx"), left, "repetitions left")
            b.cmd("reverse-stepi")
            steps += 1
        b.cmd("stepi %d" % steps)
        b.at(behind, "behind the last repetition")


def test_arrivals_at_a_repeated_string_instruction():
    """from amid it: also its own arrival lies before; and those that only the memory tells from it"""
    with Backward("again", watch=["k", "$rcx"]) as b:
        b.only_fred()
        b.start()
        rep = re.search(r"(0x\w+) <.*rep stos", b.cmd("disassemble clear"))[1]
        b.cmd("tbreak clear if k == 10")
        b.cmd("continue")
        b.cmd("tbreak *" + rep)
        b.cmd("continue")
        b.cmd("stepi 3")
        amid = b.where()
        b.check(amid.values, "10|4093", "amid it")
        b.cmd("checkpoint")
        b.cmd("break *" + rep)
        for k in 10, 9, 8:
            b.cmd("reverse-continue")
            b.check(b.where().values, "%d|4096" % k, "the arrival")
        b.cmd("restart 1")
        b.at(amid, "amid it again")
        b.cmd("reverse-stepi")
        b.check(b.where().values, "10|4094", "one repetition before")
        b.cmd("stepi")
        b.at(amid, "amid it from before")


def test_through_a_system_call():
    with Backward("static", watch=["n", "$rax", "$rcx"]) as b:
        b.start("write")
        b.only_fred("the kernel's writes")
        b.roundtrip("stepi", b.forward("stepi", 25))


run(globals())
