"""Changing the past and going on makes a branch: really run, with what the program had open; the old future stays."""
import os
import re
import tempfile
import time

from tests import *


def sums(b, out=None):
    """the numbers that the program said"""
    return [int(n) for n in re.findall(r"^sum (-?\d+)", b.text() if out is None else out, re.M)]


def names(b):
    """{branch: line of fred-branch}, and the current one"""
    lines = re.findall(r"^([* ]) (\S+) +(\d+ events.*)$", b.cmd("fred-branch"), re.M)
    return {name: rest for _, name, rest in lines}, [name for star, name, _ in lines if star == "*"]


def verified(b, what):
    b.check(re.search(r"^\d+ snapshots verified", b.cmd("fred-verify"), re.M) is not None, True, "verified: " + what)


def to(b, command, where, *patterns):
    """by a command to a breakpoint; what that printed"""
    b.cmd("tbreak %s" % where)
    return b.expect(command, *patterns)


def back_to_two(b):
    """at turn (n=2), from turn (n=5); sum is 1 there"""
    b.start()
    b.cmd("break turn if n == 5")
    b.check(sums(b, b.expect("continue", r"turn \(n=5\)")), [0, 1, 3, 6, 10], "said the first time")
    b.cmd("delete")
    b.cmd("break turn if n == 2")
    b.expect("reverse-continue", r"turn \(n=2\)")
    b.cmd("delete")
    b.check(b.value("sum"), 1, "sum in the past")


def test_variable():
    with Backward("branch", watch=["sum", "count"]) as b:
        b.only_fred()
        back_to_two(b)
        before = b.where()
        b.cmd("set var sum = 1000")
        b.cmd("break turn if n == 4")
        out = b.expect("continue", r"^This is branch b1\.$", r"turn \(n=4\)")
        b.check(sums(b, out), [1002, 1005], "what the branch says")
        there = b.where()
        verified(b, "b1")
        for _ in range(9):
            b.cmd("reverse-next")
        b.check((b.value("sum"), b.where().line), (1, b.mark("call")), "back over the change, within turn 2")
        b.cmd("next 9")
        b.at(there, "next as often as reverse-next")
        b.cmd("delete")
        b.cmd("break turn")
        values = []
        for _ in range(4):
            b.cmd("reverse-continue")
            values.append((b.value("n"), b.value("sum")))
        b.check(values, [(3, 1002), (2, 1000), (1, 0), (0, 0)], "before and behind the change")
        b.cmd("delete")
        b.check(sums(b, to(b, "continue", b.mark("end"), r"MARK end")), [1009, 1014], "only what is new is said")
        branches, current = names(b)
        b.check((sorted(branches), current), (["b1", "main"], ["b1"]), "branches")
        b.expect("fred-list", r"^\* b1 +.*newest point", r"^  main .*after event")
        b.cmd("fred-switch main")
        b.at(before, "main, where it was left")
        verified(b, "main")
        to(b, "reverse-continue", "turn")
        b.check((b.value("n"), b.value("sum")), (1, 0), "back in main")
        b.check(sums(b, to(b, "continue", "turn if n == 5", r"turn \(n=5\)")), [], "main says nothing twice")
        b.check(b.value("sum"), 10, "the old value")
        b.check(sums(b, b.expect("continue", "exited with code 017")), [15], "main goes on, really")
        b.cmd("reverse-stepi")
        b.check(b.value("sum"), 15, "back from main's end")
        b.cmd("fred-switch b1")
        b.check((b.value("sum"), b.where().line), (1014, b.mark("end")), "b1, where it was left")
        b.expect("continue", r"^end 1014$", "exited with code 0166")
        b.cmd("fred-switch main")
        b.check(b.value("sum"), 15, "main from b1's end")
        verified(b, "main in the end")
        b.cmd("fred-switch b1")
        b.check(b.value("sum"), 1014, "b1's end")


def test_question():
    with Backward("branch", watch=["sum", "count"]) as b:
        b.only_fred()
        back_to_two(b)
        b.cmd("set confirm on")
        before = b.where()
        for no, want in ((True, None), (False, 1002)):
            b.cmd("set var sum = 1000")
            b.expect("next", r"^You have changed the past: .* branch b1\? \(y or n\) $")
            b.expect("what", r"Please answer y or n\.")
            out = b.cmd("n" if no else "y")
            b.check("This is branch b1." in out, not no, "the answer")
            b.check(b.value("sum"), 3 if no else 1002, "sum after the answer")
            if no:
                b.check(names(b)[1], ["main"], "no branch")
                b.cmd("reverse-next")
                b.at(before, "as it was")
        b.check(names(b)[1], ["b1"], "a branch")
        b.cmd("reverse-next")
        b.cmd("set var sum = 7")
        b.cmd("reverse-next")
        b.check("the change is dropped" in b.text(0), True, "going back drops a change")
        b.cmd("set confirm off")
        verified(b, "b1")


def test_same_value():
    """what is no change asks nothing"""
    with Backward("branch", watch=["sum"]) as b:
        b.only_fred()
        back_to_two(b)
        b.cmd("set var sum = 1")
        b.cmd("set var $rax = $rax")
        b.cmd("print turn(5)")
        b.cmd("next")
        b.check(b.value("sum"), 3, "sum")
        b.check(names(b)[1], ["main"], "no branch")


def test_same_change():
    """what the user has changed at the newest point is part of the past: the same again there is no branch"""
    with Backward("branch", watch=["sum"]) as b:
        b.only_fred()
        b.start()
        b.cmd("break turn if n == 2")
        b.cmd("commands\nsilent\nset var sum = 100\ncontinue\nend")
        b.check(sums(b, to(b, "continue", b.mark("end"), r"MARK end")), [0, 1, 102, 105, 109, 114], "the first time")
        b.cmd("tbreak turn if n == 1")
        b.cmd("disable 2")
        b.cmd("reverse-continue")
        b.cmd("enable 2")
        b.check(sums(b, to(b, "continue", b.mark("end"), r"MARK end")), [], "again")
        b.check((b.value("sum"), names(b)[1]), (114, ["main"]), "sum, branch")


def test_register_jump_return():
    with Backward("branch", watch=["sum"]) as b:
        b.only_fred()
        back_to_two(b)
        b.cmd("next")
        b.cmd("set var $rip = %d" % b.value("(long) &turn"))
        b.cmd("fred-switch main") # there
        b.cmd("reverse-next")
        line = b.mark("add")
        b.cmd("next")
        b.cmd("tbreak %d" % b.mark("say"))
        b.expect("jump %d" % line, r"^This is branch b1\.$", r"MARK say")
        b.check(b.value("sum"), 5, "added twice")
        to(b, "reverse-continue", "turn")
        b.check(b.value("sum"), 3, "behind the jump")
        b.cmd("reverse-stepi")
        b.check(b.value("sum"), 1, "before the jump")
        b.cmd("fred-switch main")
        b.check(b.value("sum"), 3, "main")
        to(b, "reverse-continue", "turn")
        b.cmd("return 9")
        b.check(b.value("sum"), 1, "not added")
        b.check(sums(b, to(b, "continue", "turn", r"^This is branch b2\.$", r"turn \(n=3\)")), [1], "without 2")
        b.cmd("set var $rdi = 77")
        b.cmd("next")
        to(b, "reverse-continue", "turn")
        b.cmd("stepi")
        b.cmd("reverse-continue")
        b.check(names(b)[1], ["b2"], "branch")
        b.cmd("fred-switch b1")
        b.check(b.value("sum"), 1, "b1, where it was left")
        verified(b, "b1")
        b.cmd("fred-switch b2")
        verified(b, "b2")
        branches, current = names(b)
        b.check((sorted(branches), current), (["b1", "b2", "main"], ["b2"]), "branches")


def test_branch_of_branch():
    with Backward("branch", watch=["sum"]) as b:
        b.only_fred()
        back_to_two(b)
        b.cmd("set var sum = 1000")
        to(b, "continue", "turn if n == 4", r"branch b1")
        to(b, "reverse-continue", "turn if n == 3")
        b.cmd("set var sum = 2000")
        b.check(sums(b, to(b, "continue", "turn if n == 5", r"branch b2")), [2003, 2007], "b2")
        b.cmd("checkpoint")
        values = []
        b.cmd("break turn")
        while END not in b.cmd("reverse-continue"):
            values.append((b.value("n"), b.value("sum")))
        b.check(values, [(4, 2003), (3, 2000), (2, 1000), (1, 0), (0, 0)], "b2's whole past")
        b.cmd("delete")
        b.cmd("fred-switch main")
        to(b, "continue", "turn if n == 5")
        b.check(b.value("sum"), 10, "main")
        b.expect("restart 1", r"MARK add")
        b.check((b.value("sum"), names(b)[1]), (2007, ["b2"]), "a checkpoint of another branch leads there")
        b.cmd("fred-switch b1")
        b.check(b.value("sum"), 1002, "b1")
        b.expect("undo 2", "MARK add")
        b.check((b.value("sum"), names(b)[1]), (2007, ["b2"]), "undo leads back to b2")


def test_run_again():
    with Backward("branch", watch=["sum"]) as b:
        b.only_fred()
        for i in range(3):
            back_to_two(b)
            for k in range(2):
                b.cmd("set var sum = %d" % (1000 + k))
                to(b, "continue", "turn if n == 3", r"branch b%d" % (k + 1))
                to(b, "reverse-continue", "turn if n == 2")
        b.cmd("kill")
        end = time.monotonic() + 5
        while time.monotonic() < end and len(tagged(comm="branch")) > 8:
            time.sleep(0.05)
        b.cmd("run")
        b.expect("fred-branch", r"main")
        print("# %d processes after three runs with two branches each" % len(tagged(comm="branch")))
        b.check(len(tagged(comm="branch")) < 12, True, "processes that are left")
        zombies = [p for p in os.listdir("/proc") if p.isdigit() and (stat_of(p) or "")[:1] == "Z"
                   and parent_of(p) in [str(q) for q in tagged(comm="gdb") + tagged(comm="fred-gdb")]]
        b.check(zombies, [], "zombies")
        b.check(names(b)[1], ["main"], "branches")


def stat_of(pid):
    try:
        return open("/proc/%s/stat" % pid, errors="replace").read().rpartition(")")[2].split()[0]
    except OSError:
        return None


def parent_of(pid):
    try:
        return open("/proc/%s/stat" % pid, errors="replace").read().rpartition(")")[2].split()[1]
    except OSError:
        return None


def world(*args, **more):
    return Backward("world", *args, watch=["how"], **more)


def to_points(b, *points):
    """forward to the last of the points, and back to the first"""
    b.start()
    b.cmd("break point")
    for n in points:
        b.expect("continue", r"point \(n=%d\)" % n)
    for n in reversed(points[:-1]):
        b.expect("reverse-continue", r"point \(n=%d\)" % n)


def go_on(b, how, *patterns):
    b.cmd("set var how = %d" % how)
    return b.expect("continue", r"^This is branch b\d\.$", *patterns)


def read(folder, name):
    return open(os.path.join(folder, name)).read()


def folder_of_files():
    folder = tempfile.mkdtemp(dir=tmp())
    with open(os.path.join(folder, "in"), "w") as f:
        f.write("".join("%3d\n" % (i + 1) for i in range(6)))
    return folder


def lines(*numbers):
    return "".join("%07d\n" % n for n in numbers)


def test_threads():
    """each of them goes on where it was, also those that wait for another; numbers are the program's"""
    with Backward("turns") as b:
        b.only_fred()
        b.cmd("break hit")
        b.expect("run", r"hit \(id=0, i=0\)")
        b.expect("continue 8", r"hit \(id=2, i=2\)")
        for i in range(7, 3, -1):
            b.expect("reverse-continue", r"hit \(id=%d, i=%d\)" % (i % 3, i // 3))
        b.cmd("set var sum[0] = 1000")
        b.cmd("delete")
        b.cmd("break done")
        b.expect("continue", r"^This is branch b1\.$", r"hit Breakpoint \d+, done \(\)")
        b.check([b.value("sum[%d]" % i) for i in range(3)], [1009, 10, 10], "sums of the branch")
        verified(b, "b1")
        b.cmd("break hit if i == 3")
        for id in (2, 1, 0):
            b.expect("reverse-continue", r"hit \(id=%d, i=3\)" % id)
        b.check(b.value("sum[0]"), 1003, "a sum amid the branch")
        b.cmd("delete")
        b.expect("continue", r"last 2004, sums 1009 10 10$", r"exited normally")
        b.expect("fred-switch main", r"hit \(id=1, i=1\)")
        b.check([b.value("sum[%d]" % i) for i in range(3)], [1, 0, 0], "sums on main")
        b.check(len(re.findall(r"^[* ] \d", b.cmd("info threads"), re.M)), 4, "threads on main")
        b.cmd("thread 1")
        b.cmd("next")
        b.expect("continue", r"last 2004, sums 10 10 10$", r"exited normally")
        verified(b, "main")


def test_register_of_another_thread():
    with Backward("turns") as b:
        b.only_fred()
        b.cmd("break hit if i == 2")
        b.expect("run", r"hit \(id=0, i=2\)")
        b.expect("continue", r"hit \(id=1, i=2\)")
        b.expect("reverse-continue", r"hit \(id=0, i=2\)")
        b.cmd("thread 3")
        b.cmd("set var $r15 = $r15 + 0")
        b.cmd("thread 2")
        out = b.cmd("stepi")
        b.check("branch" in out, False, "the same again is no change")
        b.cmd("thread 3")
        b.cmd("set var $xmm9.v2_int64[0] = 77")
        b.cmd("thread 2")
        b.expect("next", r"This is branch b1")
        b.cmd("thread 3")
        b.check(b.value("$xmm9.v2_int64[0]"), 77, "its register")
        b.cmd("delete")
        b.expect("continue", r"last 2004, sums 10 10 10$", r"exited normally")


def test_files():
    folder = folder_of_files()
    with world("files", folder) as b:
        b.only_fred()
        to_points(b, *range(6), 99)
        b.cmd("continue 3")
        b.check(read(folder, "out"), lines(1, 2, 3, 4, 5, 6), "out of main")
        b.check(b.value("n"), 3, "where")
        log = read(folder, "log")
        b.cmd("delete")
        b.cmd("break point if n == 99")
        go_on(b, 100, r"^sum 1506$", r"^third 3$", r"^gone 48$", r"^closes 10$")
        b.check(read(folder, "out"), lines(1, 2, 3, 400, 500, 600), "out of b1, at its offsets")
        b.check(read(folder, "log"), log + lines(400, 500, 600), "the log is appended to")
        b.check(os.stat(os.path.join(folder, "new")).st_mode & 0o777, 0o640, "the file mode mask")
        verified(b, "b1")
        b.cmd("fred-switch main")
        verified(b, "main")


def test_missing_file():
    """a folder has its name now, but the old process still has it"""
    folder = folder_of_files()
    with world("files", folder) as b:
        b.only_fred()
        to_points(b, *range(6))
        here = b.where()
        os.unlink(os.path.join(folder, "in"))
        os.mkdir(os.path.join(folder, "in"))
        go_on(b, 5, r"point \(n=1\)")
        b.check(names(b)[1], ["b1"], "branch")
        b.check(read(folder, "out"), lines(5, 2, 3, 4, 5), "out: its first line is b1's")
        b.cmd("delete")
        b.expect("continue", r"^third 15$", r"^sum 105$", r"exited normally")
        b.check(read(folder, "out"), lines(5, 10, 15, 20, 25, 30), "out of b1")
        b.check(read(folder, "log"), lines(1, 2, 3, 4, 5, 5, 10, 15, 20, 25, 30), "the log")
        b.cmd("fred-switch main")
        b.at(here, "main")
        b.cmd("kill")


def test_folder():
    folder = tempfile.mkdtemp(dir=tmp())
    for i in range(300):
        open(os.path.join(folder, "f%d" % i), "w").close()
    with world("folder", folder) as b:
        b.only_fred()
        to_points(b, 3, 99)
        out = go_on(b, 2)
        b.check(int(re.search(r"^entries (\d+)", out, re.M)[1]), 302000 + 3 + 299 * 2, "entries")


def test_pipes():
    with world("pipe") as b:
        b.only_fred()
        to_points(b, 0, 99)
        go_on(b, 65, r"^empty 1$", r"^through 65$", r"^end 0$")
        verified(b, "b1")
    with world("pipe", "full") as b:
        to_points(b, 0, 99)
        here = b.where()
        b.cmd("set var how = 65")
        b.expect("continue", r"^The program can't go on changed from here: descriptor 3 is a pipe in which something is\.$",
                 r"^The change goes when you go back\.$")
        b.check(b.value("how"), 65, "nothing has moved")
        b.cmd("reverse-stepi")
        b.cmd("stepi")
        b.at(here, "as it was")


def test_children():
    with world("child") as b:
        b.only_fred()
        to_points(b, 0, 1, 99)
        b.cmd("set var how = 7")
        b.expect("continue", r"can't go on changed from here: it has a child process \(\d+\) there, which can't be had again\.$")
        b.cmd("reverse-stepi")
        b.cmd("tbreak point if n == 1")
        b.cmd("delete 2")
        b.expect("continue", r"point \(n=1\)")
        b.cmd("tbreak point if n == 99")
        go_on(b, 7, r"^child 21$")


def test_sockets():
    with world("socket") as b:
        b.only_fred()
        to_points(b, 0, 99)
        go_on(b, 2, r"^On this branch:$", r"^  descriptor 4 is a socket: its connection is cut, reads fail with ECONNRESET$",
              r"^read -104$")
        b.cmd("fred-switch main")
        b.expect("continue", r"point \(n=99\)")


def test_refused():
    for args, why in ((["shared"], "it shares memory with other processes or files there"),
                      (["master"], "descriptor 3 is the master's side of a terminal, which can't be had again"),
                      (["shared", "1"], r"descriptor 3 is of a kind that can't be had again \(anon_inode:\[eventfd\]\)")):
        with world(*args) as b:
            b.only_fred()
            to_points(b, 0, 99)
            here = b.where()
            b.cmd("set var how = 2")
            b.expect("continue", r"^The program can't go on changed from here: %s\.$" % why)
            b.expect("jump main", r"^The program can't go on changed from here: %s\.$" % why)
            b.cmd("reverse-stepi")
            b.cmd("stepi")
            b.at(here, "as it was")
            b.expect("continue", r"point \(n=99\)")


def test_odd_files():
    with world("odd", tempfile.mkdtemp(dir=tmp())) as b:
        b.only_fred()
        to_points(b, 0, 99)
        go_on(b, 2, r"^temp 8$", r"^gone 4$", r"^packet 4$", r"^itself 1$", r"point \(n=99\)")
        verified(b, "b1")
        b.cmd("reverse-continue")
        b.check(b.value("n"), 0, "back at the point")
        b.cmd("fred-switch main")
        go_on(b, 3, r"^temp 12$", r"^itself 1$", r"point \(n=99\)")


def test_rights():
    if os.geteuid():
        return # it takes root to become somebody else
    with world("rights") as b:
        b.only_fred()
        to_points(b, 0, 99)
        go_on(b, 2, r"^limits 5060$", r"^nice 14$", r"^groups 257$", r"^user 2100$", r"^group 1112$", r"point \(n=99\)")
        verified(b, "b1")


def test_threads():
    with world("threads") as b:
        b.only_fred()
        to_points(b, 0, 99)
        go_on(b, 2, r"^its own 21$", r"point \(n=99\)")
        verified(b, "b1")


def test_alarm():
    """what is left of a timer is what was left there, not now"""
    with world("once") as b:
        b.only_fred()
        b.cmd("handle SIGALRM nostop noprint pass")
        to_points(b, 0, 99)
        time.sleep(1)
        go_on(b, 2, r"^rung 2$", r"point \(n=99\)")


def test_timers_and_identity():
    with world("timers") as b:
        b.only_fred()
        b.cmd("handle SIGALRM nostop noprint pass")
        b.cmd("handle SIGUSR1 nostop noprint pass")
        to_points(b, 0, 1, 2, 99)
        go_on(b, 2, r"point \(n=1\)")
        b.expect("continue", r"^rung 1$", r"^self 100$", r"^raised 200$", r"point \(n=2\)")
        b.cmd("set var how = 6")
        b.expect("continue", r"SIGABRT")
        b.cmd("reverse-finish")
        b.expect("fred-switch main", r"point \(n=0\)")
        b.cmd("continue")
        b.expect("continue", r"point \(n=2\)")
        b.expect("continue", r"point \(n=99\)")
        b.expect("reverse-continue", r"point \(n=2\)")
        b.check(b.value("rung"), 200, "rung")
        b.expect("signal SIGUSR1", r"^This is branch b2\.$", r"point \(n=2\)") # the breakpoint again, behind the handler
        b.check(b.value("rung"), 300, "rung, with the signal")
        verified(b, "b2")
        b.cmd("fred-switch main")
        b.check(b.value("rung"), 200, "rung, in main")


def test_interrupt():
    with world("spin") as b:
        b.only_fred()
        to_points(b, 0, 99)
        b.cmd("set var how = -1")
        b.type("continue")
        b.until(r"This is branch b1")
        b.spinning("world")
        b.interrupt()
        b.expect_stop()
        b.check(b.value("how"), -1, "how")
        b.cmd("set var how = 12")
        b.expect("continue", r"^how 12$", r"point \(n=99\)")
        b.cmd("reverse-continue")
        b.cmd("fred-switch main")
        b.expect("continue", r"point \(n=99\)")
        b.expect("continue", r"exited normally")


def test_terminal_input():
    with world("lines") as b:
        b.only_fred()
        b.start()
        b.cmd("break point")
        for i, line in enumerate(("one", "two")):
            b.type("continue")
            b.until("Continuing")
            b.asleep("world")
            b.expect(line, r"point \(n=%d\)" % i)
        b.cmd("reverse-continue")
        b.check(b.value("n"), 0, "n")
        b.cmd("set var how = 50")
        b.type("continue")
        b.until(r"one 50")
        b.asleep("world")
        b.expect("other", r"point \(n=1\)")
        b.type("continue")
        b.until(r"other 50")
        b.asleep("world")
        b.expect("third", r"point \(n=2\)")
        b.cmd("fred-switch main")
        b.expect("continue", r"point \(n=1\)")
        verified(b, "main")


def test_killed():
    """nothing outlives fred"""
    with Backward("branch", watch=["sum"]) as b:
        b.only_fred()
        back_to_two(b)
        b.cmd("set var sum = 1000")
        to(b, "continue", "turn if n == 3", r"branch b1")
        b.check(len(tagged(comm="branch")) > 2, True, "processes")
        os.kill(b.pid, 9)
        end = time.monotonic() + 10
        while time.monotonic() < end and tagged(comm="branch"):
            time.sleep(0.05)
        b.check(tagged(comm="branch"), [], "processes that are left")
        b.end()


def test_no_terminal():
    """gdb in a pipe answers itself; gdb's own hooks of the user leave fred no question"""
    with Session(["-q", "-nx", target("branch")], terminal=False) as s:
        s.wait()
        for line in ("break turn if n == 3", "run", "delete", "break turn if n == 1", "reverse-continue", "delete",
                     "set var sum = 50", "tbreak turn"):
            s.cmd(line)
        s.expect("continue", r"as branch b1\? \(y or n\) \[answered Y; input not from terminal\]", r"^sum 51$")
        s.cmd("reverse-step")
        s.cmd("fred-switch main")
        s.cmd("define hook-next\nend")
        s.cmd("set var sum = 70")
    with Session(["-q", "-nx", target("branch")]) as s:
        s.wait()
        for line in ("set confirm off", "define hook-next", "end", "break turn if n == 3", "run", "delete",
                     "tbreak turn if n == 1", "reverse-continue", "set var sum = 50"):
            s.cmd(line)
        s.expect("next", r"fred: the past was changed: this is branch b1; `fred-switch main' goes back to what was")
        s.check(s.value("sum"), 51, "sum")


run(globals())
