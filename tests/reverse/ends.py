"""Back from where a program ended: exit, SIGSEGV, abort; and through signals."""
import re
import subprocess

from tests import *


def test_after_exit():
    with Backward("calls", watch=["sum", "f"]) as b:
        b.start()
        b.only_fred("record stops at exit")
        b.cmd("break %d" % b.mark("last"))
        b.cmd("continue")
        last = b.where()
        b.expect("continue", r"exited normally")
        b.cmd("reverse-continue")
        b.at(last, "reverse-continue after the exit")
        b.cmd("reverse-continue")
        b.expect("continue", r"Breakpoint \d+, main")
        b.at(last, "forward again")
        b.expect("continue", r"exited normally")
        b.expect("print $_exitcode", r"= 0")


def test_after_exit_without_breakpoints():
    with Backward("exits", "5") as b:
        b.cmd("run")
        b.only_fred("record stops at exit")
        b.cmd("break main")
        b.expect("reverse-continue", r"^Breakpoint \d+, main \(argc=2")
        b.expect("continue", r"exited with code 05")


def test_reverse_stepi_after_exit():
    with Backward("static") as b:
        b.cmd("run")
        b.only_fred("record stops at exit")
        b.cmd("reverse-stepi")
        b.expect("x/i $pc", r"syscall")
        b.expect("stepi", r"exited normally")


def test_after_segv():
    with Backward("crash", "segv", watch=["steps", "pointer"]) as b:
        b.start()
        b.expect("continue", r"Program received signal SIGSEGV")
        b.on("segv")
        crashed = b.where()
        b.go("reverse-next", "segv")
        b.go("reverse-next", "wreck")
        b.check(b.value("steps"), 5, "steps before wreck")
        b.cmd("next")
        b.only_fred("record does not crash again")
        b.expect("next", r"SIGSEGV")
        b.at(crashed, "crashed again")
        b.go("reverse-finish", "call")
        b.expect("continue", r"SIGSEGV")
        b.at(crashed, "crashed a third time")


def test_after_death():
    with Backward("crash", "segv", watch=["steps"]) as b:
        b.start()
        b.only_fred("record does not die")
        b.cmd("continue")
        crashed = b.where()
        b.expect("continue", r"Program terminated with signal SIGSEGV")
        b.cmd("break wreck")
        b.cmd("reverse-continue")
        b.check(b.where().function, "wreck", "function")
        b.cmd("delete")
        b.cmd("continue")
        b.at(crashed, "crashed again")


def test_after_abort():
    with Backward("crash", "abort", watch=["steps"]) as b:
        b.start()
        b.only_fred()
        b.expect("continue", r"SIGABRT")
        b.cmd("break crash.c:%d" % b.mark("step"))
        b.go("reverse-continue", "step")
        b.check(b.value("steps"), 4, "steps")
        b.cmd("delete")
        b.expect("continue", r"SIGABRT")


def test_smashed_arithmetic():
    with Backward("crash", "fpe", watch=["steps"]) as b:
        b.start()
        b.only_fred()
        b.expect("continue", r"SIGFPE")
        here = b.where()
        b.cmd("reverse-stepi 5")
        b.cmd("stepi 5")
        b.check(b.where().pc, here.pc, "pc")


def test_handlers():
    with Backward("signals", watch=["handled"]) as b:
        b.cmd("handle SIGUSR1 SIGUSR2 SIGCHLD nostop noprint pass")
        b.start_at("print")
        b.only_fred("signals")
        b.cmd("break %d" % b.mark("handler"))
        b.cmd("break %d" % b.mark("info"))
        b.go("reverse-continue", "info")
        b.check(b.value("handled"), 101, "handled")
        b.expect("backtrace", r"<signal handler called>")
        b.go("reverse-continue", "handler")
        b.check(b.value("handled"), 0, "handled")
        b.ends()
        b.go("continue", "handler")
        b.go("continue", "info")


def test_next_over_a_signal():
    with Backward("signals", watch=["handled"]) as b:
        b.cmd("handle SIGUSR1 SIGUSR2 SIGCHLD nostop noprint pass")
        b.start_at("first")
        b.only_fred("signals")
        b.roundtrip("next", b.forward("next", 4))


def test_quitting_in_the_past_of_an_ended_program():
    r = subprocess.run([fred(), "-q", "-nx", "-batch", "-ex", "break leaf", "-ex", "run", "-ex", "delete", "-ex", "continue",
                        "-ex", "reverse-stepi", target("calls")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=60)
    if r.returncode or not re.search(r"exited normally", r.stdout):
        raise Failure("exit status %d: %s" % (r.returncode, r.stdout))


def test_undo_behind_the_end():
    """from a copy of gdb that had seen the end, for it is made at the prompt after a second"""
    with Backward("calls", watch=["$rax"]) as b:
        b.only_fred()
        b.start()
        b.pause(1.2)
        b.expect("continue", "exited normally")
        b.cmd("reverse-stepi 5")
        here = b.where()
        b.cmd("stepi 2")
        b.cmd("undo")
        b.at(here, "undo of stepi")
        b.cmd("undo 3")
        b.check(b.where(), None, "undo to the end")
        b.cmd("reverse-stepi 5")
        b.at(here, "back from the end again")
        b.cmd("run")
        b.cmd("undo")


def test_threads_and_much_memory():
    """gdb sees a zombie long before the last thread's end, and expects the leader's straight after that"""
    with Backward("bigexit", timeout=60) as b:
        b.only_fred("threads")
        b.start()
        first = b.where()
        b.expect("continue", r"exited with code 03")
        b.cmd("tbreak main")
        b.cmd("reverse-continue")
        b.at(first, "back in main")
        for _ in range(2):
            b.expect("continue", r"exited with code 03")
            b.cmd("reverse-stepi")
        b.expect("kill", r"killed")
        b.start()
        b.expect("continue", r"exited with code 03")
        b.cmd("reverse-stepi")


def test_kills_itself():
    """no event tells of that end; what it did before counts all the same"""
    with Backward("selfkill") as b:
        b.only_fred("record knows no such end")
        b.cmd("handle SIGUSR1 nostop noprint pass")
        b.expect("run", r"terminated with signal SIGKILL")
        for _ in range(2):
            b.cmd("reverse-stepi")
            b.check((b.value("n"), b.value("came")), (2777, 200), "just before its end")
            b.expect("fred-verify", r"snapshots verified")
            b.cmd("reverse-continue")
            b.expect("continue", r"terminated with signal SIGKILL")


def test_after_kill():
    """history ends where the program stood, not at its next system call"""
    for behind in False, True:
        with Backward("calls", watch=["sum", "f"]) as b:
            b.only_fred("record knows no kill")
            b.start()
            b.cmd("break %d if sum > 0" % b.mark("call"))
            b.cmd("continue")
            here = b.where()
            if behind:      # killed while the user is elsewhere in its past
                b.cmd("reverse-next")
            b.expect("kill", r"killed")
            b.cmd("reverse-stepi")
            b.cmd("stepi")
            b.at(here, "its last moment")
            for forward in "continue", "stepi", "next":
                b.expect(forward, r"Program received signal SIGKILL")
                b.at(here, "no further by " + forward)
            b.check(b.text(0).count("fred: history ends here: the program was killed"), 3, "said")
            b.cmd("reverse-next")
            b.expect("continue", r"Breakpoint \d+, main")
            b.at(here, "back and forward")
            b.start()
            b.expect("continue", r"Breakpoint \d+, main")


run(globals())
