"""Catchpoints going back: reverse-continue stops where the program stopped going forward, with gdb's own messages"""
import re

from tests import *

STOP = r"^(?:Thread \d+ \S+ hit )?Catchpoint (\d+) \((.*?)\)"


def start(b, *catches):
    b.only_fred("gdb's record stops at none")
    b.cmd("handle SIGUSR1 SIGALRM SIGCHLD nostop noprint pass")
    b.start()
    for c in catches:
        b.expect("catch " + c, r"^Catchpoint")


def stop(b, command):
    """(catchpoint, what, k, pc), None at other stops"""
    m = re.search(STOP, b.cmd(command), re.M)
    if not m:
        return None
    k, pc = b.cmd('printf "%%d %%#lx\\n", %s, $pc' % ("-1" if "exec'd" in m[2] else "k")).split()
    return int(m[1]), re.sub(r"exec'd .*", "exec'd", m[2]), int(k), pc


def stops(b, command, limit=40):
    found = []
    while (s := stop(b, command)) is not None:
        found.append(s)
        if len(found) > limit:
            b.fail("too many stops: %r" % found)
    return found


def there_and_back(b, *want):
    """the stops up to the last line, and back, and again; want: what of them has to be what"""
    b.cmd("break caught.c:%d" % b.mark("last"))
    first = stops(b, "continue")
    b.on("last")
    b.check([s[:3] for s in first], list(want), "the first time")
    for again in 1, 2:
        b.check(stops(b, "reverse-continue"), first[::-1], "back")
        b.check(stops(b, "continue"), first, "forward again")
        b.on("last")
    # To and fro between two stops.
    back = first[::-1]
    for i in range(len(back)):
        b.check(stop(b, "reverse-continue"), back[i], "back, one by one")
        if i:
            b.check(stop(b, "continue"), back[i - 1], "forward from there")
            b.check(stop(b, "reverse-continue"), back[i], "back from there")
    b.cmd("reverse-continue")
    b.cmd("delete")
    b.expect("continue", r"^2 signals$|exited normally")


def call(n, name, k):
    return [(n, "call to syscall " + name, k), (n, "returned from syscall " + name, k)]


def test_a_call():
    with Backward("caught", "again") as b:
        start(b, "syscall write")
        there_and_back(b, *call(2, "write", 1), *call(2, "write", 9))


def test_calls():
    """those that aren't replayed, too"""
    with Backward("caught", "again") as b:
        start(b, "syscall getppid ioctl fork clone wait4")
        there_and_back(b, *call(2, "getppid", 3), *call(2, "clone", 6), *call(2, "wait4", 7) * 3, *call(2, "ioctl", 8))


def test_signals():
    with Backward("caught", "again") as b:
        start(b, "signal SIGUSR1", "signal SIGALRM")
        there_and_back(b, (2, "signal SIGUSR1", 2), (3, "signal SIGALRM", 5))


def test_children():
    with Backward("caught", "again") as b:
        start(b, "fork", "vfork")
        b.cmd("break caught.c:%d" % b.mark("last"))
        first = stops(b, "continue")
        b.check([(s[0], s[2]) for s in first], [(3, 4), (2, 6)], "the first time")
        for again in 1, 2:
            b.check(stops(b, "reverse-continue"), first[::-1], "back")
            b.check(stops(b, "continue"), first, "forward again")


def test_an_exec():
    with Backward("caught") as b:
        start(b, "exec")
        there_and_back(b, (2, "exec'd", -1))


def test_any():
    """of all calls and signals"""
    with Backward("caught", "again") as b:
        start(b, "syscall", "signal SIGUSR1 SIGALRM", "vfork")
        b.cmd("break caught.c:%d" % b.mark("last"))
        first = stops(b, "continue", 200)
        names = [s[1].split()[-1] for s in first if s[1].startswith("call to")]
        for name in "write", "getppid", "vfork", "setitimer", "clone", "wait4", "ioctl":
            b.check(name in names, True, name + " is among them")
        back = stops(b, "reverse-continue", 400)
        again = stops(b, "continue", 400)
        for i, (x, y) in enumerate(zip(back, again[::-1])):     # (the first ones have no names, as libraries aren't there)
            b.check(x[:3], y[:3], "back as forward in the past, stop %d" % i)
        b.check(len(back), len(again), "as many")
        b.check(again[-len(first):], first, "forward again")


def once(stops):
    """forward, a thread comes to its call again when others have stopped meanwhile"""
    found, amid = [], set()
    for s in stops:
        sp = s[1].split()[-1]
        if s[0].startswith("call to") and sp in amid:
            continue
        (amid.add if s[0].startswith("call to") else amid.discard)(sp)
        found.append(s)
    return found


def test_threads():
    """also those that come to a call, and are amid it as others go on"""
    with Backward("asleep") as b:
        b.only_fred("threads")
        b.cmd("tbreak main")
        b.cmd("run")
        b.cmd("catch syscall read write exit")
        b.cmd("break printf")

        def all(command, end):
            found = []
            while True:
                out = b.cmd(command)
                m = re.search(r"^(?:Thread \d+ \S+ hit )?Catchpoint \d+ \((.*?)\)", out, re.M)
                if not m:
                    b.check(re.search(end, out) is not None, True, "the end of %r" % out[-200:])
                    return found
                found.append((m[1], b.cmd("printf \"%d %d %#lx\\n\", sum, ready, $rsp").strip()))
                if len(found) > 500:
                    b.fail("too many stops")

        first = all("continue", r"Breakpoint \d+, \w*printf")
        b.check(sum(s[0] == "call to syscall write" for s in first), 1, "writes")
        amid = None
        for s in first:     # (of the main thread, which has each stack pointer once)
            if s[0].endswith("write"):
                b.check(s[0].startswith("returned"), amid == s[1].split()[-1], "an end behind its entry")
                amid = s[1].split()[-1]
        for again in 1, 2:
            back = all("reverse-continue", END)
            forward = all("continue", r"Breakpoint \d+, \w*printf")
            b.check(back, once(forward)[::-1], "back")
        b.cmd("delete")
        b.expect("continue", r"sum 1111")


def test_conditions():
    """gdb would go on forward where a condition doesn't hold"""
    with Backward("caught", "again") as b:
        start(b, "syscall write")
        b.cmd("condition 2 k == 9")
        b.cmd("break caught.c:%d" % b.mark("last"))
        b.check([s[2] for s in stops(b, "continue")], [9, 9], "forward")
        b.expect("reverse-continue", r"catchpoint 2 doesn't stop the program going back", END)


run(globals())
