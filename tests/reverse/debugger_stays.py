"""What belongs to the user stays when time moves, and the commands work wherever gdb takes commands."""
import os
import re

from screen import Screen
from tests import *


def test_state():
    with Backward("calls", watch=["total"]) as b:
        b.start()
        b.cmd("break leaf if x >= 0")
        b.cmd("break fact")
        b.cmd("disable 3")
        b.cmd("set $here = 7")
        b.cmd("display total")
        b.cmd("set listsize 3")
        b.cmd("set print pretty on")
        b.cmd("python mine = [1, 2]")
        b.cmd("continue 3")
        before = b.cmd("info display"), b.cmd("show listsize"), b.cmd("show print pretty")
        b.cmd("reverse-continue")
        b.cmd("reverse-next")
        b.check((b.cmd("info display"), b.cmd("show listsize"), b.cmd("show print pretty")), before, "settings")
        b.check(b.value("$here"), 7, "$here")
        b.expect("info breakpoints", r"^2 .*leaf", r"stop only if x >= 0", r"^3 .* n .*fact")
        b.expect("python print(mine)", r"\[1, 2\]")


def test_displays_are_shown():
    with Backward("calls") as b:
        b.start()
        b.cmd("display total")
        b.cmd("next 6")
        b.expect("reverse-next", r"^1: total = 3$")


def test_in_define():
    with Backward("calls", watch=["total"]) as b:
        b.start()
        b.type("define twice-back")
        b.wait()
        b.type("reverse-next")
        b.wait()
        b.type("reverse-next")
        b.wait()
        b.cmd("end")
        stops = b.forward("next", 6)
        b.cmd("twice-back")
        b.at(stops[4], "twice-back")


def test_in_a_file():
    path = os.path.join(tmp(), "back.gdb")
    open(path, "w").write("reverse-next\nreverse-next\nset $from_file = total\n")
    with Backward("calls", watch=["total"]) as b:
        b.start()
        stops = b.forward("next", 6)
        b.cmd("source " + path)
        b.at(stops[4], "source")


def test_in_python():
    with Backward("calls", watch=["total"]) as b:
        b.start()
        stops = b.forward("stepi", 10)
        b.cmd("python gdb.execute('reverse-stepi 4')")
        b.at(stops[6], "gdb.execute")
        b.cmd("python text = gdb.execute('reverse-stepi', to_string=True)")
        b.at(stops[5], "gdb.execute(to_string)")


def test_in_breakpoint_commands():
    with Backward("calls", watch=["x", "total"]) as b:
        b.start()
        b.cmd("break leaf")
        b.cmd("continue")
        b.cmd("continue 2")
        b.check(b.where().values, "1|0", "x, total")
        b.cmd("tbreak %d" % b.mark("fact-call"))
        for line in ("commands", "silent", "reverse-continue", "end"):
            b.type(line)
            b.wait()
        b.cmd("delete 2")
        b.cmd("break leaf if x == 1")
        b.cmd("continue")
        b.on("leaf", "breakpoint commands went back")
        b.check(b.where().values, "1|8", "x, total at the last such hit")


def test_aliases():
    with Backward("calls", watch=["total"]) as b:
        b.start("leaf")
        b.cmd("next")
        for there, back in (("stepi", "rsi"), ("nexti", "rni"), ("step", "rs"), ("next", "rn")):
            here = b.where()
            b.cmd(there)
            b.cmd(back)
            b.check(b.where()[2:5], here[2:5], "%s after %s" % (back, there))
        b.cmd("break leaf")
        b.cmd("rc")
        b.on("leaf", "rc")


def test_fred_names():
    with Backward("calls", watch=["total"]) as b:
        b.only_fred()
        b.start()
        stops = b.forward("next", 6)
        b.cmd("fred-reverse-next")
        b.at(stops[5], "fred-reverse-next")
        b.cmd("fred-rn")
        b.at(stops[4], "fred-rn")
        b.expect("fred-stats", r"^snapshots +\d+  total \d", r"^searches +2 ")
        b.expect("fred-help", r"^reverse-watch EXPR ", r"^fred-source FILE, fred-help$")
        b.expect("fred-list", r"^\d+ snapshots, \d+ events recorded; now after event \d+, in the past$", r"^No checkpoints\.$")
        b.expect("fred-history", r"^ +\d+  fred-reverse-next\n +\d+  where-now total\n +\d+  fred-rn$")
        for name, other in (("rs", "reverse-step"), ("rf", "reverse-finish"), ("rc", "reverse-continue"), ("rw", "reverse-watch"),
                            ("undo", "undo"), ("ckpt", "checkpoint"), ("restart", "restart")):
            b.expect("help fred-" + name, r"\A%s,.* fred-%s\b" % (other, name))
        b.expect("help fred-source", r"\ARead fred or gdb commands from a file")


def test_help_and_completion():
    with Backward("calls") as b:
        b.expect("help reverse-next", r"^Step program backward, proceeding through subroutine calls\.$")
        b.expect("complete reverse-", r"^reverse-continue$", r"^reverse-finish$", r"^reverse-step$")
        b.only_fred()
        b.expect("complete fred-", r"^fred-stats$")
        for name in b.cmd("complete fred-").split():
            b.check("Internal" in b.cmd("help " + name), False, name + " is for users")
        b.expect("complete reverse-w", r"^reverse-watch$")
        b.expect("help reverse-watch", r"^Find where an expression went wrong: reverse-watch EXPR$")


def test_before_run():
    with Backward("calls") as b:
        for command in ("reverse-next", "reverse-stepi", "reverse-continue"):
            said = "Target exec does not support this command." if REFERENCE else "The program is not being run."
            b.check(b.cmd(command), said + "\n", command)


def test_bad_counts():
    with Backward("calls") as b:
        b.start("leaf")
        here = b.where()
        b.expect("reverse-next nosuch", r'No symbol "nosuch" in current context\.')
        b.at(here, "reverse-next nosuch")
        b.cmd("reverse-stepi 0")
        b.at(here, "reverse-stepi 0")


def test_mi():
    s = Session(["-q", "-nx", "-i=mi2", target("calls")], terminal=False, prompt="(gdb) \n")
    try:
        s.wait()
        if REFERENCE:
            return
        s.cmd("-break-insert leaf")
        s.type("-exec-run")
        s.until(r"\*stopped,reason=\"breakpoint-hit\"(.*\n)*\(gdb\) $")
        s.type("-exec-continue")
        s.until(r"\*stopped,reason=\"breakpoint-hit\"(.*\n)*\(gdb\) $")
        s.type('-interpreter-exec console "reverse-continue"')
        out = s.until(r"\*stopped(.*\n)*\(gdb\) $")
        s.check('name="x",value="0"' in out, True, "stopped in leaf (x=0): %r" % out[-300:])
        s.type('-interpreter-exec console "reverse-stepi"')
        s.until(r"\*stopped(.*\n)*\(gdb\) $")
        for command, line in (("-exec-next", 9), ("-exec-next", 10), ("-exec-next --reverse", 9), ("-exec-next", 10),
                              ("-exec-step --reverse", 9), ("-exec-step-instruction --reverse", 8)):
            s.type(command)
            s.until(r"\*stopped,.*line=\"%d\"(.*\n)*\(gdb\) $" % line)
        s.type("-gdb-set exec-direction reverse")
        s.until(r"^\^error,msg=\"-exec-continue would go forward")
        s.type('-interpreter-exec console "delete"')
        s.until(r"\(gdb\) $")
        s.type('-interpreter-exec console "reverse-continue"')
        s.until(r"No more reverse-execution history(.*\n)*.*\*stopped(.*\n)*\(gdb\) $")
    finally:
        s.kill()


def test_tui():
    """what is printed stands in its window, and the source window shows where the program is"""
    with Backward("calls", env={"TERM": "xterm"}, size=(30, 90)) as b:
        b.only_fred("the TUI")
        b.start("leaf")
        b.cmd("tui enable")
        for command, said, line in (("reverse-finish", r"Run back to call of #0  leaf \(x=0\) at calls\.c:9\n0x\w+ in mid \(x=0\) at calls\.c:15", 15),
                                    ("next", r"", 16), ("reverse-next", r"", 15),
                                    ("reverse-finish", r"Run back to call of #0 .*\n0x\w+ in main \(\) at calls\.c:31", 31)):
            b.keys(command + "\\r")
            for _ in range(100):
                s = Screen(30, 90)
                s.feed(b.raw)
                rows = s.text().split("\n")
                marked = [int(m[1]) for m in (re.match(r"\|[B+ ]*> +(\d+) ", row) for row in rows) if m]
                if marked == [line] and re.search(r"\(gdb\) " + command + "\n" + said, s.text()) and s.text().rstrip().endswith("\n(gdb)"):
                    break
                b.pause(0.05)
            else:
                b.fail("%s: the screen is\n%s" % (command, s.text()))
        b.cmd("tui disable")


def test_batch():
    import subprocess
    if REFERENCE:
        return
    r = subprocess.run([fred(), "-q", "-nx", "-batch", "-ex", "break leaf", "-ex", "run", "-ex", "continue", "-ex", "reverse-continue",
                        "-ex", "print x", target("calls")], env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=20)
    if r.returncode or "$1 = 0" not in r.stdout:
        raise Failure("batch: %d, %s" % (r.returncode, r.stdout[-500:]))


run(globals())
