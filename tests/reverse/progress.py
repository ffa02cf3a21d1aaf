"""What is shown of a long search, what is left of it, and ^C."""
import os
import re
import signal

from screen import Screen
from tests import REFERENCE, Backward, Session, fred, mark, run, target

SIZE = (20, 70)
NEVER = "break churn if x == 77"


def long_past(*gdb_args, term="xterm", **more):
    b = Backward("compute", "400000000", gdb_args=gdb_args, env={"TERM": term}, size=SIZE, **more)
    b.only_fred("speed")
    b.start_at("after")
    return b


def screen(b):
    """what the user sees"""
    s = Screen(*SIZE)
    s.feed(b.raw)
    return s.text()


def shown(b, command, line):
    """types a command and waits until the screen has that line; returns the screen before"""
    before = screen(b)
    b.type(command)
    for _ in range(200):
        if re.search("^%s \\d+ of \\d+$" % line, screen(b), re.M):
            return before
        b.pause(0.05)
    b.fail("%s: no progress on %r" % (command, screen(b)))


def check_search(b, command, line):
    """the line goes with the search, and ^C leaves the user where he was"""
    here = b.where()
    before = shown(b, command, line)
    b.interrupt()
    b.wait()
    said = "\nContinuing." if command == "reverse-continue" else ""
    want = (before.rstrip("\n") + " " + command + said + "\n^CQuit\n(gdb)").split("\n")
    got = screen(b).rstrip("\n").split("\n")
    if "slow ()" in screen(b):  # amid a function that gdb had called: gdb says so
        b.check(got[-2:], ["Quit", "(gdb)"], "the end of " + command)
    else:
        b.check(got[-6:], want[-6:], "the screen behind " + command)
    b.at(here, "^C in " + command)


def test_searches():
    for term in ("xterm", "dumb"):
        with long_past(term=term) as b:
            b.cmd(NEVER)
            check_search(b, "reverse-continue", "fred: looking back: snapshot")
            check_search(b, "fred-verify", "fred: comparing: snapshot")
            check_search(b, "reverse-watch slow() || rounds < 1000", "fred: looking back: snapshot")


def test_found():
    with long_past() as b:
        here = b.where()
        b.expect("tbreak main", "reakpoint")
        before = shown(b, "reverse-continue", "fred: looking back: snapshot")
        b.wait()
        rows = screen(b).rstrip("\n").split("\n")
        b.check([r for r in rows if "fred:" in r], [], "rows of progress")
        b.check(rows.count("(gdb) reverse-continue"), 1, "the command's row")
        at = rows.index("(gdb) reverse-continue")
        b.check(rows[at + 1:at + 3] + [rows[at + 3][:23]], ["Continuing.", "", "Temporary breakpoint 3,"], "below the command")


def stopped(b):
    """by ^C; where gdb just judges the condition itself it says so"""
    b.interrupt()
    b.until("received signal SIGINT|^Quit")
    b.wait()


def interrupted_twice(b):
    """^C on the way forward from main"""
    b.cmd("tbreak main")
    b.cmd("reverse-continue")
    b.cmd(NEVER)
    for _ in range(2):
        shown(b, "continue", "fred: going forward: snapshot")
        stopped(b)
        b.check(b.where().function, "churn", "^C in the past")


def test_forward_in_the_past():
    with long_past() as b:
        interrupted_twice(b)
        b.cmd("delete")
        b.cmd("reverse-stepi")
        b.cmd("stepi")
        shown(b, "continue", "fred: going forward: snapshot")
        b.until("exited normally")
        b.wait()
        b.check("fred:" in screen(b), False, "progress on the screen")


def test_forward_after_the_end():
    with long_past() as b:
        b.expect("continue", "exited normally")
        b.cmd("tbreak main")
        b.cmd("reverse-continue")
        b.cmd(NEVER)
        shown(b, "continue", "fred: going forward: snapshot")
        stopped(b)
        b.check(b.where().function, "churn", "^C in the past of an ended program")
        b.cmd("delete")
        b.expect("continue", "exited normally", timeout=60)


def test_forward_while_a_call_waits():
    """the live process stands at the beginning of a call, from where ^C can't be taken"""
    with long_past() as b:
        b.expect("catch syscall write", "Catchpoint")
        b.expect("continue", r"call to syscall write")
        interrupted_twice(b)
        b.cmd("delete")
        b.expect("continue", "exited normally", timeout=60)


def test_nowhere():
    """no terminal, MI, or a screen of somebody else's"""
    with long_past(terminal=False) as b:
        b.expect("tbreak main", "reakpoint")
        out, seconds = b.timed("reverse-continue")
        b.check((seconds > 0.6, "fred:" in out), (True, False), "through a pipe")
    with long_past() as b:
        b.cmd("tbreak main")
        b.cmd("tui enable")
        b.cmd("reverse-continue")
        b.check(b"fred:" in b.raw, False, "progress in the TUI")
        b.cmd("tui disable")


def test_verbose():
    if REFERENCE:
        return
    took = r"^fred: \d+\.\d\d s: [1-9]\d* restarts of [1-9]\d* snapshots, [1-9]\d* runs, (\d+) evaluations\.$"
    args = ["gdb", "-q", "-nx", target("calls")]
    for options in ([], ["-v"]):
        with Session(options + args, os.path.join(os.path.dirname(fred()), "fred")) as s:
            s.wait()
            s.cmds("set pagination off", "break fact", "run")
            out = s.cmd("reverse-watch total < 1") + s.cmd("reverse-next")
            s.check([int(n) > 0 for n in re.findall(took, out, re.M)], [True, False] if options else [],
                    "what %r says: %r" % (options, out))
            s.check(len(re.findall("^fred:", out, re.M)), 2 if options else 0, "lines of fred's")


def test_asked_to_end():
    """SIGTERM doesn't wait for a search to come to its end"""
    with Session(["-q", "-nx", "--args", target("compute"), "2000000000"], fred(), size=SIZE, timeout=60) as s:
        s.wait()
        s.cmd("break compute.c:%d" % mark("compute", "after"))
        s.cmd("run")
        s.cmd(NEVER)
        s.type("reverse-continue")
        s.until("looking back")
        os.kill(s.pid, signal.SIGTERM)
        s.end(timeout=3)


run(globals())
