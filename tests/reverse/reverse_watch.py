"""reverse-watch EXPR: the statement that made it false."""
import re

from tests import *


def test_calls_a_function():
    with Backward("bounded", "2000") as b:
        b.only_fred()
        b.start_at("done")
        b.cmd("reverse-watch length() <= 9")
        b.check(b.where().function, "push", "inside the innermost function")
        b.on("link")
        b.check((b.value("step"), b.value("length()")), (1200, 9), "step, length()")
        b.cmd("step")
        b.check(b.value("length()"), 10, "one statement later")


def test_plain_value():
    with Backward("watch") as b:
        b.only_fred()
        b.start_at("reset")
        b.cmd("reverse-watch level < 6")
        b.on("bump")
        b.check((b.value("level"), b.value("by")), (2, 3), "level, by")
        b.cmd("next")
        b.check(b.value("level"), 6, "level after")


def test_local_variable():
    """of the frame in which the user asks; its statement goes on behind a call"""
    with Backward("calls", watch=["sum"]) as b:
        b.only_fred()
        b.start_at("print")
        b.cmd("reverse-watch sum < 10")
        b.on("call")
        b.check((b.value("sum"), b.value("i"), b.where().function), (8, 2, "main"), "sum, i")
        b.cmd("next")
        b.check(b.value("sum"), 28, "sum after")
        b.cmd("tbreak leaf")
        b.cmd("continue")
        b.cmd("up")
        b.check(b.value("x"), 3, "x of mid")
        b.expect("reverse-watch nosuch", r'No symbol "nosuch"')
        b.expect("frame", r"^#1 ")
        here = b.where()
        b.expect("reverse-watch x != 3", r"^x != 3 is false since this frame began")
        b.at(here, "no other call's x")


def test_frame_that_is_soon_gone():
    """what is about its variables is looked for while it is there"""
    with Backward("spans", watch=["x"]) as b:
        b.only_fred()
        b.start()
        b.cmd("break add if x == 4")    # totals: 0 1 3, 4 6 9, 11 14 ...
        b.cmd("continue")
        here = b.where()
        b.check((here.function, b.value("s->n")), ("add", 11 + 3), "add, n")
        for expr in "s->n < 3", "x != 4", "x":
            b.expect("reverse-watch " + expr, "^%s (is false|has this value) since this frame began" % expr)
            b.at(here, expr)
        b.cmd("next")
        b.cmd("next")
        b.on("add-end")
        behind = b.where()
        b.expect("reverse-watch s->n < 3", "^s->n < 3 is false since this frame began")
        b.at(behind, "amid the frame")
        b.cmd("reverse-watch s->n < 15")
        b.on("add-add", "in the frame's life")
        b.cmd("next")
        b.cmd("up")
        b.cmd("reverse-watch steps < 2")
        b.on("steps")
        b.check((b.where().function, b.value("steps"), b.value("i"), b.value("x")), ("round_of", 1, 1, 2), "of the caller's frame")
        b.cmd("continue")
        b.at(here, "forward again")
        b.cmd("reverse-watch total.n < 3")
        b.on("add-add", "what is about no frame")
        b.check((b.value("total.n"), b.value("x")), (1, 2), "total.n, x")


def test_method():
    with Backward("spans", watch=["x"]) as b:
        b.only_fred()
        b.start()
        b.cmd("break sum::put if x == 1")
        b.cmd("continue")
        here = b.where()
        for expr in "this->n < 3", "n < 3":
            b.expect("reverse-watch " + expr, "^%s is false since this frame began" % expr)
            b.at(here, expr)
        b.cmds("next", "next", "next")
        b.on("put-end")
        b.cmd("reverse-watch last >= 0")
        b.on("put-last")
        b.cmd("next")
        b.cmd("reverse-watch this->n < 31")
        b.on("put-add")


def test_never():
    """dynamically linked, where the dynamic linker runs first; also after the program's end. (A snapshot by the clock may be
    at a place where gdb finds no names.)"""
    with Backward("spans", watch=["x"]) as b:
        b.only_fred()
        b.start_at("print")
        for end in False, True:
            here = b.where()
            for expr in "never == 6", "never", "zero", "same(never)", "same(never) == 6", "never && zero":
                b.expect("reverse-watch " + expr, "^%s (is false|has this value) at every snapshot (since the beginning|where gdb can tell;)" % re.escape(expr))
                b.check(b.where(), here, expr)
            if not end:
                b.expect("continue", "exited normally")


def test_mistakes_after_the_end():
    """leave the program ended"""
    with Backward("spans", watch=["x"]) as b:
        b.only_fred()
        b.start()
        b.cmd("checkpoint")
        b.expect("continue", "exited normally")
        for line in ("reverse-watch nosuch", "reverse-watch never <", "reverse-watch never == 5", "reverse-watch never == 6",
                     "restart 77", "reverse-step nosuch"):
            b.cmd(line)
            b.expect("bt", "^No stack")
            b.expect("info threads", "^No threads")
            b.expect("print $_exitcode", "= 0$")
        b.expect("list %d,%d" % (b.mark("print"), b.mark("print")), "MARK print")
        b.cmd("reverse-watch total.n < 3")
        b.on("add-add")
        b.expect("continue", "exited normally")
        b.cmd("restart 1")
        b.check(b.where().function, "main", "at the checkpoint")


def test_aliases_and_mistakes():
    with Backward("watch") as b:
        b.only_fred()
        b.check(b.cmd("reverse-watch level < 6"), "The program is not being run.\n", "before the start")
        b.start_at("reset")
        here = b.where()
        for expr, said in (("", "Argument required (expression to watch)."),
                           ("nosuch > 3", 'No symbol "nosuch" in current context.'),
                           ("level <", "A syntax error in expression, near `'."),
                           ("level >= 0", "level >= 0 is true now; reverse-watch looks for where a true expression became false.")):
            b.check(b.cmd("reverse-watch " + expr), said + "\n", expr)
            b.at(here, expr)
        b.cmd("fred-rw level < 6")
        b.on("bump")


def test_back_to_the_first_value():
    """0 at the beginning, something else, and 0 again: found, where a snapshot tells; never a wrong answer"""
    with Backward("watch") as b:
        b.only_fred()
        here = b.start_at("reset")
        b.expect("reverse-watch main", r"^main has this value at every snapshot since the beginning")
        b.at(here, "a constant")
        b.expect("reverse-watch 1 == 2", r"^1 == 2 is false at every snapshot since the beginning")
        b.at(here, "never true")


def test_after_exit():
    with Backward("bounded", "2000") as b:
        b.only_fred()
        b.start()
        b.expect("continue", r"exited")
        b.cmd("reverse-watch length() <= 9")
        b.check((b.where().function, b.value("step")), ("push", 1200), "function, step")


def test_breakpoints_stay():
    with Backward("watch") as b:
        b.only_fred()
        b.start_at("reset")
        b.cmd("break bump")
        b.cmd("display level")
        b.cmd("reverse-watch level < 6")
        b.on("bump")
        b.expect("info breakpoints", r"in bump at")
        b.expect("info display", r"level")


def test_code_without_lines():
    """there are no statements to choose from: it says so where it ends"""
    with Backward("nolines") as b:
        b.only_fred()
        b.start("exit")
        b.check(b.value("*(int *)&total"), 10, "total")
        b.expect("reverse-watch *(int *)&total < 3", "^fred: this is a snapshot; .* < 3 became false at some later point")
        b.check(b.value("*(int *)&total") < 3, True, "it is true there")


run(globals())
