"""Functions called in the past: the numbers that they are told are the program's, and a signal that they raise is that signal."""
import re

from tests import *


def numbers(b):
    return b.value("(int)getpid()"), b.value("(int)gettid()")


def test_numbers():
    """of each thread, before and after the program's end: as while it ran"""
    with Backward("turns", watch=["last"], timeout=30) as b:
        b.only_fred("threads")
        b.cmd("break hit")
        truth, process = [], None
        b.expect("run", r"hit Breakpoint \d+, hit \(id=0, i=0\)")
        for _ in range(4):
            thread = int(re.search(r"LWP (\d+)", b.cmd("thread"))[1])
            process = int(re.search(r"process (\d+)", b.cmd("info inferiors"))[1])
            truth.append((process, thread))
            b.check(numbers(b), truth[-1], "at the newest point")
            b.expect("continue", r"hit Breakpoint \d+, hit")
        for want in reversed(truth):
            b.expect("reverse-continue", r"hit Breakpoint \d+, hit")
            b.check(numbers(b), want, "in the past")
        b.cmd("delete")
        b.expect("continue", r"exited normally")
        b.cmd("reverse-stepi")
        b.check(numbers(b), (process, process), "in the past of a program that has ended")
        b.cmd("tbreak hit if id == 2")
        b.expect("reverse-continue", r"hit \(id=2, i=4\)")
        b.check(numbers(b), (process, int(re.search(r"LWP (\d+)", b.cmd("thread"))[1])), "of a thread that has ended")


def test_raised():
    """as at the newest point: that signal stops the function, whose effects go"""
    with Backward("calls", watch=["x", "total"]) as b:
        b.only_fred("record cannot call functions")
        b.start_at("print")
        b.cmd("set unwindonsignal on")
        stopped = r"received signal %s, (.*\n)*The program being debugged was signaled while in a function called from GDB"
        b.expect("call (void)abort()", stopped % "SIGABRT")
        b.cmd("break mid if x == 2")
        b.cmd("reverse-continue")
        here = b.where()
        b.expect("call (void)abort()", stopped % "SIGABRT")
        b.at(here, "as before the call")
        b.expect("call (int)raise(12)", stopped % "SIGUSR2")
        b.at(here, "as before that call")
        b.cmd("set unwindonsignal off")
        b.expect("call (int)raise(10)", r"received signal SIGUSR1")
        b.expect("backtrace", r"<function called from gdb>", r" mid \(x=2\)")
        b.cmd("reverse-stepi")
        b.cmd("stepi")
        b.at(here, "there and back")


run(globals())
