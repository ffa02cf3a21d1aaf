"""--no-record: as below plain gdb, and what would go back says why it can't."""
from tests import *

SAYS = r"Nothing is recorded: fred was started with --no-record"


def test_forward_only():
    with Session(["--no-record", "-q", "-nx", "--args", target("calls")], fred()) as s:
        s.wait()
        s.cmd("set confirm off")
        s.expect("break leaf", r"Breakpoint 1")
        s.expect("run", r"Breakpoint 1, leaf")
        for command in ("reverse-next", "reverse-continue", "reverse-watch total", "checkpoint", "restart 1", "undo",
                        "fred-verify", "set exec-direction reverse"):
            s.expect(command, SAYS)
        s.expect("fred-stats", r"^log +0 events")
        s.expect("next", r"^10\t.*return total")
        s.expect("record full", r"\A\Z")
        s.expect("next", r"\A11\t}$")
        s.expect("reverse-next", r"^leaf \(x=0\) at calls\.c:10$")       # gdb's own recording still works
        s.cmd("record stop")
        s.cmd("delete")
        s.expect("continue", r"exited normally")


def test_not_the_programs():
    with Session(["-q", "-nx", "--args", target("calls"), "--no-record"], fred()) as s:
        s.wait()
        s.expect("show args", r'"--no-record"')
        s.cmd("break leaf")
        s.cmd("run")
        s.expect("reverse-step", r"\Amid \(x=0\) at calls\.c:%d$" % mark("calls", "mid"))


run(globals())
