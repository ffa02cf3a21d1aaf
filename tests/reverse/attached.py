"""Processes that were there before the debugger, and go on when it is no more."""
import os
import signal
import subprocess
import time

from tests import *


def others(comm, pid):
    """processes of that name beside this one, once they had time to end"""
    end = time.monotonic() + 5
    while (left := [other for other in tagged(comm=comm) if other != pid]) and time.monotonic() < end:
        time.sleep(0.01)
    return left


def test_fred_is_killed():
    """the program goes on, once: its copies end with fred"""
    p = subprocess.Popen([target("turns"), "5", "3000"], stdout=subprocess.PIPE, text=True)
    time.sleep(1)
    b = Session(["-q", "-nx", "-p", str(p.pid)], fred(), timeout=30)
    try:
        b.wait()
        b.expect("break hit", r"Breakpoint 1")
        for command in ("continue", "continue", "reverse-continue"):
            b.expect(command, r"hit Breakpoint 1, ")
        b.check(len(tagged(comm="turns")) > 2, True, "it has copies")
        os.kill(b.pid, signal.SIGKILL)
        b.check(others("turns", p.pid), [], "copies that are left")
        out, _ = p.communicate(timeout=20)
        b.check((out.strip(), p.returncode), ("last 2004, sums 10 10 10", 0), "what it did after that")
    finally:
        b.kill()
        p.kill()
        p.wait()


run(globals())
