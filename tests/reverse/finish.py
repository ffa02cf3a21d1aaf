"""reverse-finish: to the call in the caller."""
from tests import *


def test_lands_on_the_call_instruction():
    with Backward("calls", watch=["total"]) as b:
        b.start("leaf")
        b.cmd("next")
        back = b.value("(long)*(void **)($rbp + 8)")
        b.expect("reverse-finish", r"^Run back to call of #0 .*leaf \(x=0\)")
        here = b.where()
        b.check(here.function, "mid", "function")
        b.check(here.depth, 2, "depth")
        b.expect("x/i $pc", r"call.*<leaf>")
        b.check(here.pc + 5, back, "the call whose return address leaf had")
        b.on("mid")


def test_from_deep_recursion():
    with Backward("calls", watch=["n"]) as b:
        b.start_at("base")
        b.check(b.where().depth, 6, "depth at the base case")
        for n in (2, 3, 4, 5):
            b.cmd("reverse-finish")
            b.check((b.where().function, b.value("n")), ("fact", n), "reverse-finish to n = %d" % n)
            b.expect("x/i $pc", r"call.*<fact>")
        b.go("reverse-finish", "fact-call")
        b.check(b.where().function, "main", "function")


def test_from_thousands_of_frames():
    with Backward("deep", watch=["n"]) as b:
        b.only_fred("speed")
        b.start()
        b.expect("continue", r"SIGSEGV")
        b.cmd("up")
        first = b.value("n")
        b.cmd("frame 4000")
        b.expect("reverse-finish", r"^Run back to call of #4000 ")
        b.check((b.where().function, b.value("n")), ("forever", first - 4000), "the caller of frame 4000")
        b.on("deeper")
        b.cmd("frame function main")
        b.cmd("down")
        b.cmd("reverse-finish")
        b.on("call")


def test_from_the_first_instruction():
    with Backward("calls", watch=["total"]) as b:
        b.start("*leaf")
        b.cmd("reverse-finish")
        b.expect("x/i $pc", r"call.*<leaf>")
        b.check(b.where().function, "mid", "function")


def test_upper_frame():
    with Backward("calls") as b:
        b.start("leaf")
        b.cmd("up")
        b.expect("reverse-finish", r"^Run back to call of #1 .*mid \(x=0\)")
        b.expect("x/i $pc", r"call.*<%s>" % ("leaf" if REFERENCE else "mid"))	# gdb 13 says #1, and runs back to the call of #0


def test_stops_at_breakpoint():
    with Backward("calls") as b:
        b.start("calls.c:%d" % (b.mark("mid") + 2))
        b.cmd("break leaf")
        b.go("reverse-finish", "leaf", r"^Breakpoint \d+, leaf")


def test_out_of_a_callback():
    with Backward("sorted", watch=["compared"]) as b:
        b.start("compare")
        b.cmd("reverse-finish")
        b.check(b.value("compared"), 0, "compared")
        b.expect("x/i $pc", r"\tcall ")
        b.cmd("stepi")
        b.check(b.value("$pc == (void *) compare"), 1, "that was the call of compare")


def test_out_of_a_library():
    with Backward("dl", target("plugin"), watch=["r"]) as b:
        b.cmd("set breakpoint pending on")
        b.cmd("break plugin_work")
        b.cmd("run")
        b.only_fred("dlopen is too much for record")
        b.cmd("continue")
        b.go("reverse-finish", "second")
        b.expect("x/i $pc", r"\tcall ")
        b.cmd("stepi")
        b.check(b.where().function, "plugin_work", "that was the call")


def test_outermost():
    with Backward("calls") as b:
        b.start()
        b.expect("reverse-finish", r'^"finish" not meaningful in the outermost frame\.$')


run(globals())
