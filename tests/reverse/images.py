"""Programs that change under the debugger: exec, dlopen, fork and wait, popen."""
import os

from tests import *


def test_across_exec():
    with Backward("execs", watch=["generation", "argc"]) as b:
        b.cmd("break %d" % (b.mark("first") + 1))
        b.only_fred("exec")
        stops = []
        for command in ("run", "continue", "continue"):
            b.cmd(command)
            stops.append(b.where())
        b.check([s.values.split("|")[0] for s in stops], ["0", "1", "2"], "generations forward")
        b.cmd("reverse-continue")
        b.at(stops[1], "reverse-continue across an exec")
        b.cmd("reverse-continue")
        b.at(stops[0], "reverse-continue across two")
        b.cmd("continue")
        b.at(stops[1], "forward again")
        b.cmd("continue")
        b.at(stops[2], "forward again")
        b.cmd("delete")
        b.expect("continue", r"exited normally")


def test_stepping_before_exec():
    with Backward("execs", watch=["generation"]) as b:
        b.only_fred("exec")
        b.start_at("exec")
        here = b.where()
        b.cmd("break main")
        b.cmd("continue")
        b.cmd("tbreak execs.c:%d" % b.mark("exec"))
        b.cmd("delete 3")
        b.cmd("reverse-continue")
        b.at(here, "the line that execs, from behind the exec")


def test_breakpoints_of_another_program():
    """gdb disables those that the new program has no place for; back there, and forward again, all stop it"""
    with Backward("execother", cwd=os.path.dirname(target("exits"))) as b:
        b.only_fred("exec")
        b.cmd("set breakpoint pending on")
        b.cmd("break execother.c:%d" % b.mark("exec"))
        b.cmd("run")
        b.on("exec")
        at_exec = b.where()
        b.cmd("break execother.c:6")
        b.cmd("disable 2")
        b.cmd("break exits.c:main")
        b.expect("continue", r"^Breakpoint 3, main", r"exits\.c")
        in_exits = b.where()
        b.expect("info breakpoints", r"^1 .* n ", r"^2 .* n ", r"^3 .* y ")
        b.expect("reverse-continue", r"^The program is .*/execother here", r"^Breakpoint 1, main")
        b.at(at_exec, "before the exec")
        b.expect("info breakpoints", r"^1 .* y ", r"^2 .* n ", r"^3 .* y ")
        b.ends()
        b.cmd("continue")
        b.at(at_exec, "before the exec again")
        b.expect("continue", r"^Breakpoint 3, main")
        b.at(in_exits, "behind the exec again")
        b.cmd("disable 1")
        b.cmd("tbreak exits.c:main")
        b.expect("reverse-continue", r"^The program is .*/execother here", END)
        b.expect("continue", r"^(Temporary b|B)reakpoint [34], main")
        b.at(in_exits, "behind the exec again")
        b.cmd("reverse-stepi")
        b.expect("continue", r"^(Temporary b|B)reakpoint [34], main")
        b.at(in_exits, "behind the exec again")


def test_catch_exec():
    """into another program, and itself: the catchpoint stops at each of them again, also going back"""
    for program, times in ("execother", 1), ("execs", 2):
        with Backward(program, cwd=os.path.dirname(target("exits"))) as b:
            b.only_fred("exec")
            b.cmd("catch exec")
            b.expect("run", r"^Catchpoint 1 \(exec'd")
            for _ in range(times - 1):
                b.expect("continue", r"^Catchpoint 1 \(exec'd")
            hits = r"already hit %d time" % times
            b.expect("info breakpoints", hits)
            for _ in range(times - 1):
                b.expect("reverse-continue", r"^Catchpoint 1 \(exec'd")
            b.ends()
            b.expect("info breakpoints", r"already hit %d time" % (2 * times - 1))
            for _ in range(times):
                b.expect("continue", r"^Catchpoint 1 \(exec'd")
            b.expect("continue", r"exited")


def test_catch_fork():
    """the program stops at each again, the one at which it was is the newest point"""
    for kind, args in ("fork", []), ("vfork", ["v"]):
        with Backward("births", *args, watch=["born"]) as b:
            b.only_fred("fork")
            b.start()
            main = b.where()
            b.expect("catch " + kind, r"^Catchpoint 2")
            for _ in range(2):
                b.expect("continue", r"^Catchpoint 2 \(%sed process \d+\)" % kind)
            here = b.where()
            b.check(b.value("born"), 1, "born")
            b.cmd("tbreak main")
            said = b.cmd("reverse-continue")
            b.check(b.value("born"), 0, "born, at the one before")
            said += b.cmd("reverse-continue")
            b.check("Detaching after " + kind in said, True, "a child was let go")
            b.at(main)
            b.expect("continue", r"^Catchpoint 2 \(%sed process \d+\)" % kind)
            b.check(b.value("born"), 0, "born")
            b.expect("continue", r"^fred: this is the fork at which the program was", r"^Program stopped\.")
            b.at(here, "at the fork again")
            b.cmd("reverse-stepi 3")
            b.cmd("tbreak main")
            b.cmd("disable 2")
            b.cmd("reverse-continue")
            b.cmd("enable 2")
            b.at(main, "a breakpoint behind the fork")
            b.expect("continue", r"^Catchpoint 2 \(%sed process \d+\)" % kind)
            b.expect("continue", r"^Program stopped\.")
            b.at(here, "at the fork again")
            b.cmd("delete")
            b.expect("continue", r"exited")


def test_library():
    with Backward("dl", target("plugin"), watch=["r"]) as b:
        b.only_fred("dlopen")
        b.cmd("set breakpoint pending on")
        b.cmd("break plugin_work")
        b.cmd("tbreak %d" % b.mark("print"))
        b.cmd("run")
        first = b.where()
        b.cmd("continue")
        second = b.where()
        b.go("continue", "print")
        b.expect("info sharedlibrary", r"ld-linux")
        b.cmd("reverse-continue")
        b.at(second, "in a library that was closed since")
        b.check(b.value("plugin_state"), 42, "plugin_state")
        b.expect("info sharedlibrary", r"plugin")
        b.cmd("reverse-continue")
        b.at(first, "the first call")
        b.cmd("tbreak dl.c:%d" % b.mark("open"))
        b.go("reverse-continue", "open")
        b.check("plugin" in b.cmd("info sharedlibrary"), False, "the library is not yet there")
        b.cmd("continue")
        b.at(first, "forward into the library")


def test_children():
    with Backward("popens", watch=["round_", "status", "answer"], cwd=tmp()) as b:
        b.only_fred("processes")
        b.cmd("break mark")
        stops = []
        for command in ("run", "continue", "continue"):
            b.cmd(command)
            stops.append(b.where())
        log = open(tmp() + "/popens.log").read()
        b.back("reverse-continue", stops)
        b.again("continue", stops)
        b.check(open(tmp() + "/popens.log").read(), log, "children ran once")
        b.cmd("delete")
        b.expect("continue", r"exited normally")
        b.check(len(log.split()), 3, "children")


def test_next_over_fork_and_wait():
    with Backward("forks", watch=["role", "status"]) as b:
        b.only_fred("processes")
        b.start()
        b.roundtrip("next", b.forward("next", 6))


run(globals())
