"""Processes with threads that a signal kills: into the death, back out of it, and into it again."""
import os
import signal

from tests import *

WAYS = {"abort": "SIGABRT", "fault": "SIGSEGV", "kill": "SIGTERM"}


def play(how, *who):
    signal = WAYS[how]
    with Backward("lethal", how, *who, watch=["sum"], timeout=10) as b:
        b.only_fred("threads")
        died = r"Program terminated with signal " + signal
        b.expect("run", r"received signal " + signal)
        struck = b.where()
        b.check(b.value("sum"), 50005, "sum at the end")
        b.expect("stepi", died)
        b.cmd("reverse-stepi")
        before = b.where()
        b.check(before.sp, struck.sp, "the thread that died, one instruction earlier")
        b.check(before.pc < struck.pc <= before.pc + 7, True, "one instruction: %r %r" % (before, struck))
        b.cmd("stepi")
        b.at(struck, "stepi from there")
        b.expect("stepi", r"received signal " + signal)
        b.at(struck, "at the signal again")
        b.expect("stepi", died)
        b.cmd("reverse-stepi")
        b.at(before, "back out of the end again")
        b.expect("continue", r"received signal " + signal)
        b.at(struck, "continue from there")
        b.expect("continue", died)
        b.cmd("tbreak die")
        b.expect("reverse-continue", r"die \(how=")
        b.check(b.value("sum"), 50000, "sum before its end")
        b.expect("continue", r"received signal " + signal)
        b.cmd("reverse-stepi")
        b.at(before, "back from the signal, which the past had told")
        b.expect("continue", r"received signal " + signal)
        b.expect("continue", died)


def test_the_leader():
    for how in WAYS:
        play(how)


def test_another_thread():
    for how in WAYS:
        play(how, "thread")


def test_the_leader_waits_with_another_mask():
    for how in WAYS:
        play(how, "suspend")


def test_the_leader_is_killed_while_it_waits():
    with Backward("lethal", "main", "suspend", watch=["sum"], timeout=10) as b:
        b.only_fred("threads")
        b.expect("run", r"Thread 1 \S+ received signal SIGTERM")
        struck = b.where()
        for forward in ("stepi", "continue", "stepi"):
            b.expect(forward, r"Program terminated with signal SIGTERM")
            b.cmd("reverse-stepi")
            before = b.where()
            b.check((before.pc, before.sp), (struck.pc - 2, struck.sp), "before the call")
            b.expect("stepi", r"Thread 1 \S+ received signal SIGTERM")
            b.at(struck, "told again")


def test_killed_without_a_stop():
    """of which the debugger hears as it happens"""
    for how, signal in (("filter", "SIGSYS"), ("SIGKILL", "SIGKILL")):
        for who in ([], ["thread"]):
            with Backward("lethal", how, *who, watch=["sum"], timeout=30) as b:
                b.only_fred("threads")
                died = r"Program terminated with signal " + signal
                b.expect("run", died)
                b.cmd("break die")
                for _ in range(2):
                    b.expect("reverse-continue", r"die \(how=")
                    b.check(b.value("sum"), 50000, "sum before its end")
                    b.expect("continue", died)
                b.expect("fred-verify", r"^\d+ snapshots verified\.$")


def test_killed_from_outside():
    """amid its code: nobody knows where, so the past ends a little before"""
    for args in ([], ["ticks"]):
        with Backward("endless", *args) as b:
            b.only_fred()
            b.cmd("handle SIGALRM nostop noprint pass")
            b.cmd("break %d" % b.mark("before"))
            b.expect("run", r"MARK before")
            pid = int(b.cmd("python print(gdb.selected_inferior().pid)"))
            b.cmd("delete")
            died = r"Program terminated with signal SIGKILL"
            b.type("continue")
            b.pause(1)
            os.kill(pid, signal.SIGKILL)
            b.until(r"^fred: it was killed amid its code.*\s+" + died)
            b.wait()
            b.cmd("reverse-stepi")
            last = b.value("n")
            b.check(last > 1 if args else last >= 1, True, "and some of it is known: %d" % last)
            b.expect("continue", died)
            b.cmd("reverse-stepi")
            b.check(b.value("n"), last, "back from there again")
            b.expect("reverse-continue", r"No more reverse-execution history")
            b.cmd("break %d" % b.mark("before"))
            b.expect("continue", r"MARK before")
            b.cmd("delete")
            b.expect("continue", died)
            b.expect("fred-verify", r"^\d+ snapshots verified\.$")


def test_an_exit_by_another_thread():
    with Backward("lethal", "exit", "thread", watch=["sum"]) as b:
        b.only_fred("threads")
        b.expect("run", r"exited with code 03")
        b.expect("reverse-next", r"Switching to Thread")
        b.cmd("reverse-next")
        b.check((b.function(), b.value("sum")), ("die", 50005), "the thread that ended it")
        b.expect("continue", r"exited with code 03")


run(globals())
