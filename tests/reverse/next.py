"""reverse-next: statement starts of the frame, however the lines lie."""
from tests import *


def forward_in_main(b, count):
    b.start()
    return b.forward("next", count)


def test_loops():
    with Backward("loops", watch=["sum", "k", "count", "i", "j"]) as b:
        b.start_at("do")
        b.roundtrip("next", b.forward("next", 8))


def test_one_line_loop_is_one_statement():
    with Backward("loops", watch=["sum", "count"]) as b:
        stops = forward_in_main(b, 2)
        b.back("reverse-next", stops)


def test_long_loop_on_one_line():
    with Backward("loops", watch=["sum", "k"]) as b:
        b.start_at("busy")
        b.roundtrip("next", b.forward("next", 1))


def test_nested_loops():
    with Backward("loops", watch=["count", "i", "j"]) as b:
        b.start_at("nested")
        b.roundtrip("next", b.forward("next", 14))


def test_statements_on_one_line():
    with Backward("loops", watch=["sum"]) as b:
        b.start_at("three")
        b.roundtrip("next", b.forward("next", 1))


def test_from_the_middle_of_a_line():
    with Backward("loops", watch=["sum"]) as b:
        first = b.start_at("three")
        b.cmd("stepi 4")
        b.on("three", "stepi 4")
        b.cmd("reverse-next")
        b.at(first, "reverse-next in mid-line")


def test_over_calls():
    with Backward("calls", watch=["total", "sum", "i"]) as b:
        b.start()
        b.roundtrip("next", b.forward("next", 11))


def test_counts():
    with Backward("calls", watch=["total", "sum", "i"]) as b:
        b.start()
        stops = b.forward("next", 9)
        b.cmd("reverse-next 3")
        b.at(stops[6], "reverse-next 3")
        b.cmd("reverse-next 4")
        b.at(stops[2], "reverse-next 4")
        b.cmd("next 7")
        b.at(stops[9], "next 7")


def test_count_stops_at_breakpoint():
    with Backward("calls", watch=["total", "sum"]) as b:
        b.start()
        b.cmd("next 9")
        b.cmd("break leaf")
        b.go("reverse-next 3", "leaf", r"^Breakpoint \d+, leaf \(x=")


def test_recursion():
    with Backward("calls", watch=["n"]) as b:
        b.start("fact")
        b.cmd("break fact if n == 3")
        b.cmd("continue")
        b.cmd("delete")
        stops = b.forward("next", 1)
        b.check(stops[1].values, "3", "n after next")
        b.back("reverse-next", stops)


def test_out_of_a_function_to_its_caller():
    with Backward("calls", watch=["total"]) as b:
        b.start("leaf")
        here = b.where()
        b.cmd("reverse-next")
        now = b.where()
        b.check((now.function, now.depth), ("mid", here.depth - 1), "reverse-next from a function's first line")
        b.on("mid")


def test_switch():
    with Backward("cases", watch=["acc", "pc_"]) as b:
        b.start_at("switch")
        b.roundtrip("next", b.forward("next", 26))


def test_variable_arrays():
    with Backward("vla", watch=["total", "n"]) as b:
        b.start_at("call")
        b.roundtrip("next", b.forward("next", 5))


def test_over_libc():
    with Backward("sorted", watch=["data", "compared", "r"]) as b:
        b.start()
        b.roundtrip("next", b.forward("next", 6))


def test_function_pointers():
    with Backward("sorted", watch=["r", "i"]) as b:
        b.start_at("table")
        b.roundtrip("next", b.forward("next", 5))


def test_callback():
    with Backward("sorted", watch=["compared"]) as b:
        b.start("compare")
        b.roundtrip("next", b.forward("next", 2))


def test_optimized():
    """lines are out of order here: what holds is that one `next` leads forward again (to the same instruction; whether
    the first one of inlined code counts to it or to its caller depends on how one comes there)"""
    with Backward("fast", watch=["table[3]", "$rax"]) as b:
        b.start("fill")
        b.cmd("next 6")
        for _ in range(3):
            now = b.where()
            b.cmd("reverse-next")
            b.check(b.where() != now, True, "reverse-next moves")
            b.cmd("next")
            there = b.where()
            b.check((there.pc, there.sp, there.values), (now.pc, now.sp, now.values), "next after reverse-next")
            b.cmd("reverse-next")


def test_judged_by_next():
    """wherever reverse-next stops, one next leads back to where it came from"""
    with Backward("mutual", watch=["calls", "n"]) as b:
        b.start()
        b.cmd("next")
        here = b.where()
        b.cmd("reverse-next")
        b.cmd("next")
        b.at(here, "next after reverse-next")


def test_from_a_function_s_first_instruction():
    """nothing of it was executed: back to the line of its call, also when the same frame was there before"""
    for command in ("reverse-next", "reverse-step"):
        with Backward("calls") as b:
            b.cmd("break *fact")
            b.expect("run", r"Breakpoint 1, ")
            stops = [b.where()]
            for _ in range(4):
                b.cmd("continue")
                stops.append(b.where())
            b.cmd("delete")
            for depth in range(4, 0, -1):
                b.cmd(command)
                now = b.where()
                b.check((now.function, now.depth), ("fact", stops[depth].depth - 1), "out of the call number %d" % depth)
                b.check(now.line, b.mark("base") + 1, "the line of the call")
                b.cmd("reverse-stepi 100" if depth == 1 else "tbreak *fact")
                if depth > 1:
                    b.expect("reverse-continue", r"fact")
        with Backward("calls") as b:
            b.cmd("break *leaf")
            b.expect("run", r"Breakpoint 1, ")
            for _ in range(3):
                b.cmd("continue")
            b.cmd("delete")
            b.cmd(command)
            b.check((b.where().function, b.where().depth), ("mid", 2), "out of leaf's fourth call")


def test_from_a_call_that_is_all_of_its_line():
    with Backward("bare", watch=["n"]) as b:
        b.start("outer")
        b.cmd("reverse-next")
        b.on("call", "out of outer")
        b.check(b.value("n"), 2, "n there")
        b.cmd("reverse-next")
        b.on("before", "the line before the call")
        b.cmd("tbreak %d" % b.mark("two"))
        b.cmd("continue")
        b.cmd("step")
        b.on("inner", "into inner")
        for word in ("two", "one", "outer", "call", "before", "first"):
            b.cmd("reverse-next")
            b.on(word, "reverse-next to " + word)


run(globals())
