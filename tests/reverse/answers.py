"""Functions of the program that are called in the past, by reverse-watch and by the user, while there are other threads."""
import re

from tests import *

WATCHED = ["bad", "head->v", "turn", "calls"]     # turn says whose it is


def main_only(b, what):
    """nobody has asked for a branch"""
    out = b.cmd("fred-branch")
    b.check(re.findall(r"^(. \S+) ", out, re.M), ["* main"], "branches: " + what)
    b.check("b1" in b.cmd("fred-list"), False, "fred-list: " + what)
    b.check(re.search("the past was changed|is branch|dropped", b.text(0)), None, "nothing said: " + what)


def back_to_bad(b):
    """at the statement of thread 2 that makes it bad, in the past"""
    b.cmd("reverse-watch bad == 0")
    here = b.on("bad", "reverse-watch bad == 0")
    b.check(here.values, "0|12|2|0", "bad, v, turn, calls")
    return here


def changes_first(b, command):
    """found by the command: thread 0's statement that changes it from 1"""
    out = b.cmd(command)
    b.check(b.on("change", command).values, "0|1|0|0", command)
    b.check(re.search("signal|fred:|asked", out), None, "nothing else is said by " + command)


def interrupts(b, what):
    b.pause(0.7)
    b.interrupt()
    out = b.wait()
    b.check((out.endswith("Quit\n(gdb) "), "signal" in out), (True, False), what + ": %r" % out)


def test_second_search():
    for at, rounds in ("all", 5), ("end", 2):
        with Backward("answers", watch=WATCHED) as b:
            b.only_fred()
            end = b.start_at(at)
            for i in range(rounds):
                back_to_bad(b)
                changes_first(b, "reverse-watch %s() == 1" % ("first", "copied", "printed")[i % 3])
                main_only(b, "round %d" % i)
                b.cmd("next")
                b.check(b.where().values, "0|10|0|0", "behind it; what the function did stays in its copy")
                b.expect("fred-verify", r"^\d+ snapshots verified\.$")
                b.cmd("tbreak %d" % b.mark(at))
                b.cmd("continue")
                b.at(end, "forward again")
            b.expect("continue", "exited normally")


def test_print():
    """gdb resumes all threads, in its own order, for each of them"""
    with Backward("answers", watch=WATCHED) as b:
        b.only_fred()
        b.start_at("all")
        here = back_to_bad(b)
        for thread in 1, 2, 3, 4, 5, 4:
            b.cmd("thread %d" % thread)
            for function in "first", "copied", "printed":
                b.expect("print %s()" % function, r"^\$\d+ = 12$")
        b.at(here._replace(values="0|12|2|12"), "where it was, in the copy")
        main_only(b, "functions called by the user")
        b.expect("next", r"turn\+\+")
        b.check(b.where().values, "1|12|2|0", "what they did is gone")
        b.cmd("reverse-next")
        b.at(here, "there and back")
        b.cmd("set var head->v = 5")
        b.expect("next", "This is branch b1")


def test_stopped_amid():
    """in a function that stopped at a breakpoint: goes on to its end; what goes back ends it"""
    with Backward("answers", watch=WATCHED) as b:
        b.only_fred()
        b.start_at("all")
        here = back_to_bad(b)
        b.cmd("break first")
        for on in True, False:
            b.expect("print first()", "hit Breakpoint", "stopped while in a function called from GDB")
            b.expect("bt", "^#0  first", "<function called from gdb>")
            b.expect("info threads", r"^\* 4 .*first \(")
            if on:
                b.cmd("continue")
                b.at(here._replace(values="0|12|2|1"), "behind it, in the copy")
        b.cmd("reverse-stepi")
        b.cmd("stepi")
        b.at(here, "back and forth")
        b.cmd("delete")
        b.expect("print locked()", "received signal")
        b.cmd("reverse-watch first() == 99")
        b.on("begin", "before the threads and their stacks")
        b.check("call dummy" in b.cmd("maintenance info breakpoints"), False, "gdb has forgotten the call")
        main_only(b, "stopped functions")


def test_no_answer():
    """a function that crashes has none; gdb's words about that aren't the user's"""
    with Backward("answers", watch=WATCHED) as b:
        b.only_fred()
        b.start_at("end")
        end = b.where()
        for expr, at in (("first() == 99", "begin"), ("locked() == 1", "unlock")):
            b.check(b.cmd("reverse-watch " + expr).splitlines()[-1],
                    "fred: before that %s has no value (The program being debugged was signaled while in a function called "
                    "from GDB)." % expr, expr)
            b.on(at, expr)
            b.cmd("tbreak %d" % b.mark("end"))
            b.cmd("continue")
            b.at(end, "forward again")
        b.check("SIG" in b.text(0), False, "no signal is told")
        b.expect("reverse-watch 1 == 2", "false at every snapshot")
        b.expect("reverse-watch first() < 99", "is true now")
        b.at(end, "no search")
        main_only(b, "no answers")
        b.cmd("tbreak %d" % b.mark("begin"))
        b.cmd("reverse-continue")
        out = b.cmd("reverse-watch first() == 99")
        b.check(out.splitlines()[0], "The program being debugged was signaled while in a function called from GDB.", "no value now")
        b.on("begin")


def test_interrupted():
    """^C in a function that doesn't end: the search is over, and the user where they were"""
    with Backward("answers", watch=WATCHED) as b:
        b.only_fred()
        b.start_at("all")
        here = back_to_bad(b)
        for i in range(3):
            b.type("reverse-watch patient() == 99")
            interrupts(b, "^C")
            b.at(here, "after ^C")
        main_only(b, "^C")
        b.cmd("delete")
        changes_first(b, "reverse-watch first() == 1")
        b.cmd("tbreak %d" % b.mark("begin"))
        b.cmd("reverse-continue")
        here = b.where()
        b.type("reverse-watch patient() == 99")     # where it doesn't end now
        interrupts(b, "^C at once")
        b.at(here, "after ^C at once")


def test_at_the_newest_point():
    """the expression's value now is found in a copy, too: nothing is done by looking"""
    with Backward("answers", watch=WATCHED) as b:
        b.only_fred()
        b.start_at("all")
        b.cmd("fred-list")
        b.expect("reverse-watch printed() == 13", "is true now")
        b.expect("reverse-watch locked() == 13", "signaled while in a function")
        b.check(b.where().values, "1|13|4|0", "bad, v, turn, calls")
        b.check("asked" in b.text(0).replace("asked()", ""), False, "nothing printed")
        b.expect("fred-list", "newest point")
        main_only(b, "looking")
        b.expect("continue", "exited normally")


run(globals())
