"""Programs that use much of the system: forwards, back to their beginning, forwards again, and all of it verified.

test-timeout: 240
"""
import re

from tests import *

QUIET = "handle SIGALRM SIGSEGV SIGUSR1 nostop noprint pass"


def there_and_back(program, stops_at="mark", count=None, says=r"exited normally", watch=("round_", "sum"), args=(), **more):
    """the stops at `mark' are the same each time; so is the end"""
    with Backward(program, *args, watch=list(watch), cwd=tmp(), timeout=60, **more) as b:
        b.only_fred("system calls of all kinds")
        b.cmd(QUIET)
        b.start()
        first = b.where()
        b.cmd("break " + stops_at)
        stops = [first]
        while True:
            out = b.cmd("continue")
            now = b.where()
            if now is None:
                break
            stops.append(now)
        b.check(bool(re.search(says, out)), True, "the end: %r" % out)
        if count:
            b.check(len(stops) - 1, count, "stops")
        b.cmd("reverse-continue")
        b.at(stops[-1], "back from the end")
        b.cmd("break main")
        b.back("reverse-continue", stops)
        b.ends()
        b.cmd("delete")
        b.cmd("break " + stops_at)
        for want in stops[1:]:
            b.at(want, "forwards again", b.cmd("continue"))
        b.expect("continue", says)
        b.cmd("reverse-continue")
        b.at(stops[-1], "back from the end again")


def test_sockets():
    there_and_back("sockets", count=5)


def test_events():
    there_and_back("events", count=4)


def test_maps():
    there_and_back("maps", count=6)


run(globals())
