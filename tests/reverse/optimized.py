"""reverse-step and its like in optimized code: lines that begin at a function's entry, calls amid other lines' code, and
calls that are jumps. Where they stop is where gdb's record full does, but for the beginnings of lines that it leaves out."""
from tests import *

LEAF = ["leaf-4", "leaf-3", "leaf-2", "leaf-1"]
CALLS = ["calls-3", *LEAF, "calls-3", "user", "calls-2", "calls-1"]
ODD = ["odd-on", "odd-counts", "odd"]
EVEN = ["even-on", "even"]


def walk(b, command, words):
    for i, word in enumerate(words):
        b.cmd(command)
        b.on(word, "%s number %d" % (command, i + 1))


def test_step_into_all_there_is():
    with Backward("optimized", watch=["users"]) as b:
        b.only_fred("gdb stops amid lines, too")
        b.start_at("both-5")
        walk(b, "reverse-step", ["user", *CALLS, "both-3", "user", *CALLS, "both-1", "main"])
        b.check(b.value("users"), 0, "users there")


def test_step_into_tail_calls():
    with Backward("optimized", watch=["users"]) as b:
        b.only_fred("gdb stops amid lines, too")
        b.start_at("end")
        walk(b, "reverse-step", ["user", "odd", *EVEN, *ODD, *EVEN, *ODD, *EVEN, "even-call", "both-6", *LEAF, "jumps-3"])
        b.check(b.value("users"), 5, "users there")
        walk(b, "reverse-step", ["user", "jumps-2", "jumps-1", "both-5"])
        b.check(b.value("users"), 4, "users there")


def test_next():
    with Backward("optimized", watch=["users"]) as b:
        b.start_at("both-5")
        walk(b, "reverse-next", ["both-3", "both-1", "main"])
        b.check(b.value("users"), 0, "users there")


def test_next_from_behind_a_jump():
    """the first line of a function that another jumped to comes after that one's last"""
    with Backward("optimized", watch=["global"]) as b:
        b.start_at("jumps-1")
        b.cmd("break leaf")
        b.cmd("continue")
        b.cmd("step")
        b.on("leaf-2")
        walk(b, "reverse-next", ["leaf-1", "jumps-3", "jumps-2", "jumps-1", "both-5"])


def test_finish_to_the_jump():
    with Backward("optimized", watch=["users"]) as b:
        b.start_at("jumps-1")
        b.cmd("tbreak leaf")
        b.cmd("continue")
        b.cmd("stepi 3")
        b.expect("reverse-finish", "Run back to call of")
        b.on("jumps-3", "reverse-finish from a function that was jumped to")
        b.expect("x/i $pc", r"jmp +0x\w+ <leaf>")
        b.cmd("reverse-finish")
        b.on("both-5", "reverse-finish again")


def test_finish_of_the_function_that_jumped():
    with Backward("optimized", watch=["users"]) as b:
        b.only_fred("gdb stops at the jump")
        b.start_at("jumps-1")
        b.cmd("tbreak leaf")
        b.cmd("continue")
        b.expect("frame 1", "jumps")
        b.cmd("reverse-finish")
        b.on("both-5", "the function's call")
        b.cmd("tbreak leaf")
        b.cmd("continue")
        b.expect("frame 2", "both")
        b.cmd("reverse-finish")
        b.on("main", "the call of the caller's caller")


run(globals())
