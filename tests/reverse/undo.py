"""What undo counts as a command, and does again."""
import os
import re
import subprocess
import time

from tests import *


def history(b):
    return re.findall(r"^ +\d+  (.*)$", b.cmd("fred-history"), re.M)


def test_what_counts():
    with Backward("branch", watch=["sum"]) as b:
        b.only_fred()
        b.start()
        before = len(history(b))
        for line in ("", "help list", "info registers rip", "show version", "bt 1", "ptype sum", "fred-list", "fred-history",
                     "fred-stats", "i b", "set $z = 1", "", "print $z", "", "nosuch", "tbreak turn", "bt", "fred-verify"):
            b.cmd(line)
        b.check(history(b)[before:], ["set $z = 1", "set $z = 1", "print $z", "print $z", "nosuch", "tbreak turn"], "what counts")
        b.cmd("undo 2")
        b.expect("info breakpoints", "^No breakpoints")
        b.check(len(history(b)), before + 4, "history")
        b.expect("print $z", r"^\$3 = 1$")


def test_inserted_breakpoints():
    """those that gdb leaves in the program at a prompt are there in an undo's program, too"""
    with Backward("branch", watch=["sum"]) as b:
        b.only_fred()
        b.start()
        b.cmd("set breakpoint always-inserted on")
        b.cmd("break turn")
        b.cmd("continue")
        b.cmd("next")           # from a breakpoint gdb would insert them anew
        first = b.where()
        for _ in range(12):     # a session snapshot lies among them
            b.cmd("set $z = 1")
        b.cmd("continue")
        second = b.where()
        b.cmd("undo")
        b.cmd("undo 2")
        b.at(first, "undone")
        b.expect("continue", r"^Breakpoint \d+, turn")
        b.at(second, "once more")


def test_empty_lines():
    """repeat nearly all of gdb's commands; so does undo. (The test's own looks are commands, too.)"""
    with Backward("branch", watch=["sum", "$z"]) as b:
        b.only_fred()
        b.cmd("set $z = 0")
        before = b.start()
        for line in "set $z = $z + 1", "", "", "tbreak turn", "display $z", "", "next", "", "set $z = 100":
            b.cmd(line)
        b.cmd("undo")
        now = b.where()
        b.check((now.line, now.values), (b.mark("add"), "0|3"), "two steps, $z counted up three times")
        b.cmd("undo 2")
        b.on("call", "one step undone")
        b.cmd("undo 2")
        b.at(before._replace(values="0|3"), "both undone")
        b.check(len(re.findall(r"^\d+: +y +\$z", b.cmd("info display"), re.M)), 1, "displays: an empty line makes no second one")
        b.cmd("undo 3")
        b.check(b.where().values, "0|3", "breakpoint and display undone")
        b.expect("info breakpoints", "^No breakpoints")
        b.cmd("undo 3")
        b.at(before._replace(values="0|1"), "the two empty lines undone")


def test_lines_of_a_definition():
    with Backward("branch", watch=["sum"]) as b:
        b.only_fred()
        b.start()
        b.cmd("tbreak turn")
        for line in ["commands", "silent"] + ["set $y = %d" % i for i in range(15)] + ["end"]:
            b.cmd(line)
        for line in "define bump", "set $x = $x + 5", "end", "set $x = 1", "bump", "print 1", "print 2":
            b.cmd(line)
        said = history(b)
        b.cmd("undo 2")
        b.check(b.value("$x"), 6, "bump was done")
        b.cmd("bump")
        b.check(b.value("$x"), 11, "bump is defined")
        b.check(history(b), said[:-2] + ["output $x", "bump", "output $x"], "history")
        b.cmd("continue")
        b.check((b.where().function, b.value("$y")), ("turn", 14), "the breakpoint's commands")


def test_changed_past():
    """is no past: a session of it would be one"""
    with Backward("branch", watch=["sum"]) as b:
        b.only_fred()
        b.start()
        b.cmd("break turn if n == 5")
        b.cmd("continue")
        b.cmd("delete")
        b.cmd("break turn if n == 2")
        b.expect("reverse-continue", r"turn \(n=2\)")
        here = b.where()
        b.cmd("set var sum = 1000")
        time.sleep(1.2)     # the next prompt would have a session of its own
        for line in "print 1", "print 2":
            b.cmd(line)
        b.cmd("undo")
        b.check(b.value("sum"), 1000, "the change was done again")
        b.expect("next", "This is branch b1")
        b.check(b.value("sum"), 1002, "changed")
        b.cmd("fred-switch main")
        b.at(here, "the past")
        b.check("dropped" in b.text(0), False, "nothing was dropped")
        for command in "print turn(5)", "set var sum = sum", "print $rax = $rax", "print turn(5)":
            b.cmd(command)
            time.sleep(0.6)
            b.cmd("print 3")
            b.cmd("undo")
            b.cmd("reverse-stepi")
            b.cmd("stepi")
            b.at(here, command)
        b.check("dropped" in b.text(0), False, "nothing was changed")


def test_without_a_terminal():
    """gdb keeps no history then, and would read a file's commands again"""
    with Backward("branch", terminal=False) as b:
        b.only_fred()
        b.start()
        b.cmd("next")
        here = b.where()
        b.cmd("checkpoint")
        for line in "undo", "undo 2", "fred-history", "restart -session 1":
            b.expect(line, "^%s needs a terminal: " % line.rstrip("12 "))
            b.at(here, line)
    commands = os.path.join(tmp(), "commands")
    with open(commands, "w") as f:
        f.write("break turn\nrun\nreverse-stepi\nundo\nprint 40 + 2\n")
    with open(commands) as f:
        out = subprocess.run([fred(), "-q", "-nx", target("branch")], stdin=f, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             env=environment(), timeout=20).stdout.decode()
    for said in "undo needs a terminal", "$1 = 42", "Breakpoint 1, turn":
        if out.count(said) != 1:
            raise Failure("%s: %d times in %s" % (said, out.count(said), out))


def test_output_elsewhere():
    """what gdb has printed to a file is neither lost nor printed again by its copies"""
    path = os.path.join(tmp(), "out")
    open(path, "w").close()
    with Session(["-c", "exec %s -q -nx %s > %s" % (fred(), target("branch"), path)], "/bin/sh") as b:
        expected = [("set confirm off", ""), ("break turn", "Breakpoint 1 at"), ("run", "Breakpoint 1, turn"), ("reverse-stepi", "0x"), ("print 40 + 1", "= 41"),
                    ("undo", "#0 "), ("undo", "Breakpoint 1, turn|#0 "), ("print 40 + 2", "= 42"), ("print 40 + 3", "= 43")]
        seen, before = 0, ""
        for line, said in expected:
            b.type(line)
            for _ in range(1000):
                now = open(path).read()
                if re.search(said, now[seen:]) and now.endswith("(gdb) "):
                    break
                b.pause(0.01)
            else:
                b.fail("%s: %s" % (line, now[seen:]))
            b.check(now[:seen], before, "what was said before")
            before, seen = now, len(now)
        b.check([now.count(line) for line, _ in expected], [1, 1, 1, 1, 1, 2, 2, 1, 1], "each line once: " + now)


def test_many_commands():
    """however many there were, few have to be done again to undo some"""
    with Backward("loops") as b:
        b.only_fred()
        b.start()
        done = os.path.join(tmp(), "done")
        for i in range(400):
            b.cmd("python _ = open(%r, 'a').write('%d\\n')" % (done, i))
        again = []
        for n in (9, 20, 40):
            before = len(open(done).readlines())
            b.cmd("undo %d" % n)
            again.append(len(open(done).readlines()) - before)
        b.check(max(again) <= 40, True, "commands done again: %s" % again)


run(globals())
