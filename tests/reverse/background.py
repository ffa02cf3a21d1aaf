"""A program that runs in the background (`continue &'): going back is refused in gdb's words, and works once it stops."""
from tests import *


def test_refused_while_running():
    with Backward("spin") as b:
        b.only_fred()
        b.start()
        b.cmd("next")
        here = b.line()
        b.type("continue &")
        b.wait()
        b.spinning("spin")
        for command in ("reverse-next", "reverse-continue", "reverse-finish", "reverse-watch 1", "checkpoint"):
            b.expect(command, r"^Cannot execute this command while the target is running\.$")
        b.type("interrupt")
        b.until(r"SIGINT")
        b.until(r"main \(\) at ")
        b.check(b.line(), here, "the line of the loop")
        b.cmd("reverse-next")


run(globals())
