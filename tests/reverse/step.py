"""reverse-step: into the functions that were called, and out of them to their callers."""
from tests import *


def test_into_the_last_call():
    with Backward("calls", watch=["total"]) as b:
        b.start_at("print")
        b.go("reverse-next", "fact-call")
        b.go("next", "print")
        b.cmd("reverse-step")
        here = b.where()
        b.check(here.function, "fact", "reverse-step into the last call of main's line")
        b.check(here.depth, 2, "depth there")


def test_enters_recursion_at_its_end():
    with Backward("calls", watch=["n"]) as b:
        b.start_at("print")
        depths = []
        for _ in range(4):
            b.cmd("reverse-step")
            depths.append((b.where().depth, b.where().function))
        b.check(all(f == "fact" for _, f in depths), True, "still in fact: %r" % depths)
        b.check(depths[0][0], 2, "the outermost fact ended last")
        b.check(depths == sorted(depths), True, "deeper and deeper: %r" % depths)


def test_out_to_the_caller():
    with Backward("calls", watch=["total"]) as b:
        b.start("leaf")
        b.cmd("reverse-step")
        b.on("mid", "reverse-step from a function's first line")
        b.check(b.where().function, "mid", "function")
        b.cmd("reverse-step")
        b.on("call", "reverse-step from mid's first line")


def test_same_lines_as_step():
    with Backward("fixed", watch=["sum"]) as b:
        b.start("add")
        stops = b.forward("step", 9)
        lines = [(s.function, s.line) for s in stops]
        seen = [lines[-1]]
        while len(seen) < 60 and (seen[-1] != lines[0] or len(seen) < len(lines) // 2):
            b.cmd("reverse-step")
            seen.append((b.where().function, b.where().line))
        missing = set(lines) - set(seen)
        b.check(missing, set(), "lines never visited going back (%r)" % seen)


def test_step_leads_back():
    """wherever reverse-step stops inside a function, one step leads to where it came from, or into the same line"""
    with Backward("mutual", watch=["calls", "n"]) as b:
        b.start("odd")
        b.cmd("step 3")
        for _ in range(6):
            here = b.where()
            b.cmd("reverse-step")
            there = b.where()
            b.cmd("step")
            b.check((b.where().function, b.where().line), (here.function, here.line), "step after reverse-step")
            b.cmd("reverse-step")
            b.check(b.where()[2:5], there[2:5], "reverse-step again")


def test_over_functions_without_lines():
    with Backward("sorted", watch=["compared"]) as b:
        b.start_at("sorted")
        b.cmd("delete")
        here = b.where()
        b.cmd("reverse-step")
        b.check(b.where().pc != here.pc, True, "reverse-step moves")
        b.cmd("tbreak *%#x" % here.pc)
        b.cmd("continue")
        b.at(here, "forward again")


def test_over_functions_whose_lines_gdb_has_not_read():
    """a library's debug information is in a file of its own; where gdb doesn't look there, fred doesn't, either"""
    with Backward("calls", watch=["total"]) as b:
        b.only_fred("gdb knows by itself")
        b.cmd("set debug-file-directory /nonexistent")
        b.start_at("print")
        b.cmd("next")
        b.go("reverse-step", "print")


def test_count():
    with Backward("loops", watch=["count", "i", "j"]) as b:
        b.start_at("nested")
        stops = b.forward("step", 8)
        b.cmd("reverse-step 4")
        b.check(b.where()[3:], stops[4][3:], "reverse-step 4")


def test_through_longjmp():
    with Backward("jumps", watch=["tries", "got"]) as b:
        b.start_at("returned")
        b.cmd("reverse-step")
        b.on("setjmp", "where it came back")
        b.cmd("tbreak jumps.c:%d" % b.mark("longjmp"))
        b.go("reverse-continue", "longjmp")
        b.check(b.where().depth, 3, "depth at the longjmp")
        b.check(b.value("tries"), 1, "tries")


def test_from_a_call_that_is_all_of_its_line():
    with Backward("bare", watch=["n"]) as b:
        b.start_at("print")
        for word in ("behind", "outer-end", "inner-end", "inner", "two", "inner-end", "inner", "one", "outer", "call", "inner-end", "inner",
                     "before", "first"):
            b.cmd("reverse-step")
            b.on(word, "reverse-step to " + word)


def test_into_what_an_exception_left():
    """the function that threw, whatever lies in between; not one that had returned before"""
    with Backward("unwinds") as b:
        b.only_fred("gdb's record goes by instructions through the unwinder")
        b.start_at("caught")
        b.go("reverse-step", "catch")
        b.go("reverse-step", "the throw", r"^inner \(x=2\) at")
        b.go("reverse-step 2", "in between", r"^outer \(x=2\) at")
        b.go("reverse-step", "end of id", r"^id \(x=2\) at")
        b.go("reverse-finish", "call")
        b.go("tbreak unwinds.c:%d" % b.mark("catch"))
        b.go("continue", "catch")
        b.go("reverse-next", "call")


def test_into_what_returned_where_it_might_have_thrown():
    with Backward("unwinds") as b:
        b.only_fred("as above")
        b.start_at("nothing thrown")
        b.go("reverse-step", "end of outer", r"^outer \(x=1\) at")
        b.go("reverse-step", "end of inner", r"^inner \(x=1\) at")


def test_into_cleaning_behind_an_exception():
    with Backward("unwinds") as b:
        b.only_fred("as above")
        b.start_at("clean catch")
        b.go("reverse-step", "end of cleaning", r"^Guard::~Guard \(")
        b.expect("reverse-finish", r" in cleaner \(x=3\) at|^cleaner \(x=3\) at")
        b.go("reverse-step", "end of cleaner")
        b.go("reverse-step", "the throw", r"^inner \(x=3\) at")


def test_from_a_function_that_catches_itself():
    """what it called had returned"""
    with Backward("unwinds") as b:
        b.only_fred("as above")
        b.start_at("own catch")
        b.go("reverse-step", "end of id", r"^id \(x=4\) at")


def test_into_what_a_longjmp_left():
    with Backward("unwinds") as b:
        b.only_fred("as above")
        b.start_at("jumped")
        b.go("reverse-step", "the jump", r"^jumper \(x=7\) at")
        b.go("reverse-finish", "jumping call")


def test_into_what_a_longjmp_left_to_the_place_behind_its_call():
    with Backward("unwinds") as b:
        b.only_fred("as above")
        b.start_at("behind the call")
        b.go("reverse-step", "again")
        b.go("reverse-step", "the jump", r"^jumper \(x=8\) at")


def test_into_what_an_exception_left_amid_a_line():
    with Backward("unwinds") as b:
        b.only_fred("as above")
        b.cmd("set debug-file-directory /nonexistent")
        b.start_at("print")
        b.go("reverse-step", "the throw", r"^inner \(x=2\) at")
        b.cmd("reverse-step")
        for x in 1, 0:
            b.go("reverse-step", "end of inner")
            b.check(b.value("x"), x, "x there")
            b.go("reverse-finish", "all in one")
        b.go("reverse-step", "all in one")
        b.go("reverse-step", "behind the call")


def test_function_entered_in_its_midst():
    """as by the string functions of libc: the call bounds it, not its beginning"""
    with Backward("midst", watch=["n"]) as b:
        b.only_fred("gdb's record looks for the function's beginning, too")
        b.start_at("print")
        for command, word, n in (("step", "return", 16), ("step", "two", 14), ("step", "one", 13), ("step", "second", 13),
                                 ("step", "between", 3), ("step", "return", 3), ("step", "two", 1), ("next", "one", 0)):
            b.go("reverse-" + command, word)
            b.check(b.value("n"), n, "n before " + word)


run(globals())
