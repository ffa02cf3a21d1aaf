"""Threads that have ended come alive again, going back: gdb's current thread is the one at that point, whichever it was before."""
import re

from tests import *


class Relay(Backward):
    """At the end of the program, where only the main thread is left. The nth hit is that of thread n // 3."""

    def __init__(self, *settings, millions=()):
        super().__init__("relay", *millions)
        self.only_fred("threads")
        for setting in settings:
            self.cmd("set " + setting)
        self.start("relay.c:%d" % self.mark("the end"))

    def values(self, *expressions):
        """as value() of each, at once"""
        out = self.cmd('printf "@%s\\n", %s' % (" %d" * len(expressions), ", ".join(expressions)))
        return tuple(map(int, re.search(r"^@(.*)", out, re.M)[1].split()))

    def in_thread(self, k, i):
        """the current thread is the kth, amid its ith hit, also as gdb lists it; the main thread waits or is about to"""
        out = self.cmd("info threads")
        listed = re.findall(r"^[* ] (\d+) ", out, re.M)
        here = re.findall(r'^\* (\d+) +Thread 0x\w+ \(LWP (\d+)\) "relay" +(?:0x\w+ in )?(\w+)', out, re.M)
        self.check((len(listed), len(here)), (2, 1), "threads, current ones")
        self.check(self.values("$_thread"), (int(here[0][0]),), "the current thread")
        bt = self.cmd("bt")
        frame = re.search(r"in work \(arg=(\w+)\)|#0 +work \(arg=(\w+)\)", bt)
        self.check(int(frame[1] or frame[2], 16), k, "the thread in the backtrace")
        self.check(re.findall(r"\b(start_thread|main) \(", bt), ["start_thread"], "where it began")
        if here[0][2] == "hit":
            self.check(self.values("k", "i"), (k, i), "its arguments")
        return int(here[0][1])

    def writes_back(self, numbers, by="reverse-continue", kind="Hardware w"):
        """to each of the writes, given by the value that it writes; it hasn't yet"""
        for n in numbers:
            out = self.cmd(by)
            m = re.search(r"hit %satchpoint \d+: hits\s+Old value = (\d+)\s+New value = (\d+)\s.*\bhit \(k=(\d), i=(\d)\) at" % kind, out)
            self.check(m and tuple(map(int, m.groups())), (n, n - 1, (n - 1) // 3, (n - 1) % 3), "the write of %d: %r" % (n, out))
            self.check(self.values("hits"), (n - 1,), "hits")
            self.in_thread((n - 1) // 3, (n - 1) % 3)

    def writes_forth(self, numbers):
        for n in numbers:
            out = self.cmd("continue")
            m = re.search(r"hit Hardware watchpoint \d+: hits\s+Old value = (\d+)\s+New value = (\d+)\s", out)
            self.check(m and tuple(map(int, m.groups())), (n - 1, n), "the write of %d" % n)
            self.in_thread((n - 1) // 3, (n - 1) % 3)

    def at_beginning(self):
        self.ends()
        self.check(len(re.findall(r"^[* ] \d", self.cmd("info threads"), re.M)), 1, "threads at the beginning")


def test_watchpoint():
    with Relay() as b:
        b.cmd("watch hits")
        b.writes_back(range(9, 0, -1))
        b.at_beginning()
        b.writes_forth(range(1, 10))
        b.writes_back(range(9, 4, -1))     # it stands behind that write
        b.writes_forth(range(5, 10))
        b.cmd("delete")
        b.expect("continue", r"exited normally")


def test_watchpoint_over_snapshots():
    """forward, in threads that gdb hasn't met yet where the next snapshot takes over"""
    with Relay(millions=["300"]) as b:
        n = int(re.search(r"^(\d+) snapshots", b.cmd("fred-list"), re.M)[1])
        b.check(n > 4, True, "%d snapshots: in each thread" % n)
        b.cmd("tbreak main")
        b.expect("reverse-continue", r"main \(")
        b.cmd("watch hits")
        b.writes_forth(range(1, 10))
        b.writes_back(range(9, 6, -1))


def test_software_watchpoint():
    """the value that gdb compares with is that at the place before, however many threads it meets on the way"""
    with Relay("can-use-hw-watchpoints 0") as b:
        b.cmd("watch hits")
        b.writes_back(range(9, 0, -1), kind="W")
        b.at_beginning()


def test_conditions_of_watchpoints():
    with Relay() as b:
        b.cmd("watch hits if hits == 1 || hits == 6")
        b.writes_back((7, 2))
        b.at_beginning()
        b.cmd("delete")
        b.cmd("tbreak relay.c:%d" % b.mark("the end"))
        b.expect("continue", r"main \(")
        b.cmd("watch hits if $_caller_is(\"work\") && hits == 4")    # judged in the thread that writes
        b.writes_back((5,))
        b.at_beginning()


def test_read_watchpoint():
    with Relay() as b:
        b.cmd("rwatch hits")
        for n in range(9, 0, -1):
            b.expect("reverse-continue", r"read watchpoint \d+: hits\s+Value = %d\s.*\bhit \(k=%d, i=%d\)" % (
                n - 1, (n - 1) // 3, (n - 1) % 3))
        b.at_beginning()


def test_breakpoints():
    with Relay() as b:
        b.cmd("break hit")
        for n in range(9, 0, -1):
            b.expect("reverse-continue", r"hit Breakpoint \d+, hit \(k=%d, i=%d\)" % ((n - 1) // 3, (n - 1) % 3))
            b.in_thread((n - 1) // 3, (n - 1) % 3)
        b.at_beginning()
        for n in range(1, 10):
            b.expect("continue", r"hit Breakpoint \d+, hit \(k=%d, i=%d\)" % ((n - 1) // 3, (n - 1) % 3))
            b.in_thread((n - 1) // 3, (n - 1) % 3)
        b.cmd("delete")
        b.cmd("break hit if k < 2 && i == 2")
        b.expect("reverse-continue", r"hit \(k=1, i=2\)")
        b.expect("reverse-continue", r"hit \(k=0, i=2\)")
        b.in_thread(0, 2)
        b.at_beginning()


def test_breakpoints_of_threads():
    """one of a thread that gdb knows doesn't stop those that it doesn't know, though these are judged in its name"""
    with Relay() as b:
        b.cmd("break hit thread 1")
        b.at_beginning()
        b.cmd("delete")
        b.cmd("break hit")
        for k, i in (0, 0), (0, 1), (0, 2), (1, 0):
            b.expect("continue", r"hit \(k=%d, i=%d\)" % (k, i))
        b.cmd("delete")
        me = b.value("$_thread")
        b.cmd("break hit thread %d" % me)
        b.expect("continue", r"hit \(k=1, i=1\)")
        b.expect("reverse-continue", r"hit \(k=1, i=0\)")
        b.in_thread(1, 0)
        b.at_beginning()


def test_lines():
    """stepping back in a thread that had ended, and forward again"""
    with Relay() as b:
        b.cmd("tbreak relay.c:%d if k == 1" % b.mark("it returns"))
        b.expect("reverse-continue", r"work \(arg=0x1\)")
        b.check(b.value("hits"), 6, "hits")
        b.cmd("reverse-step 2")     # by way of the loop's head
        b.expect("frame", r"hit \(k=1, i=2\)")
        b.in_thread(1, 2)
        b.cmd("reverse-step")
        b.go("reverse-step", "the write")
        b.go("reverse-finish", "the call")
        b.in_thread(1, 2)
        stops = b.forward("next", 2)
        b.back("reverse-next", stops)
        b.go("reverse-next")
        b.go("reverse-next", "the call")
        b.in_thread(1, 1)
        b.check(b.value("hits"), 4, "hits")
        b.go("step", "the write")
        stops = b.forward("stepi", 12)
        b.back("reverse-stepi", stops)
        b.in_thread(1, 1)


def test_checkpoints():
    """taken in a thread that has ended, or isn't born, where the user is when he restarts"""
    with Relay() as b:
        b.cmd("break hit if i == 1")
        tids = []
        for k in 2, 1, 0:
            b.expect("reverse-continue", r"hit \(k=%d, i=1\)" % k)
            tids.append(b.in_thread(k, 1))
            b.expect("checkpoint", r"Checkpoint %d at" % (3 - k))
        b.check(len(set(tids)), 3, "threads")
        for k in 2, 0, 1, 2, 1, 0:
            out = b.cmd("restart %d" % (3 - k))
            b.check(len(re.findall(r"^\[Switching to Thread 0x\w+ \(LWP %d\)\]$" % tids[2 - k], out, re.M)), 1, "it says where: %r" % out)
            b.check(len(re.findall(r"\bhit \(k=%d, i=1\) at .*relay\.c:%d$" % (k, b.mark("the write")), out, re.M)), 1, "and the frame: %r" % out)
            b.check((b.in_thread(k, 1), b.value("hits")), (tids[2 - k], 3 * k + 1), "thread, hits")
        b.cmd("delete")
        b.go("reverse-finish", "the call")
        b.in_thread(0, 1)


def test_checkpoint_of_the_selected_thread():
    """not of the one that ran last"""
    with Relay() as b:
        b.cmd("tbreak hit if k == 1")
        b.expect("reverse-continue", r"hit \(k=1, i=2\)")
        b.cmd("thread 1")
        b.cmd("checkpoint")
        b.cmd("tbreak hit if k == 0")
        b.expect("reverse-continue", r"hit \(k=0, i=2\)")
        b.expect("restart 1", r"hit \(k=1, i=2\)", r"^\[Switching to thread 1 \(Thread")
        b.expect("bt", r"\bmain \(")
        b.check((b.value("$_thread"), b.value("hits")), (1, 5), "thread, hits")


def test_reverse_watch():
    """it switches to a thread that has ended: gdb says so, and shows the frame"""
    with Relay() as b:
        b.expect("reverse-watch hits < 5", r"^\[Switching to Thread 0x\w+ \(LWP \d+\)\]$", r"^(0x\w+ in )?hit \(k=1, i=1\) at .*relay\.c:%d$" % b.mark("the write"))
        b.in_thread(1, 1)
        b.expect("reverse-watch hits < 2", r"^\[Switching to Thread 0x\w+ \(LWP \d+\)\]$", r"^(0x\w+ in )?hit \(k=0, i=1\) at .*relay\.c:%d$" % b.mark("the write"))
        b.in_thread(0, 1)


def test_watchpoint_when_the_main_thread_has_left():
    """its end has loaded a library, which isn't there before; gdb takes the other one's word for memory"""
    with Backward("leaves") as b:
        b.only_fred("threads")
        b.cmd("break hit if i == 4")
        b.expect("run", r"hit Breakpoint \d+, hit \(i=4\)")
        b.cmd("watch total")
        for i, new in (3, 3), (2, 1), (1, 0):
            b.expect("reverse-continue", r"^Old value = %d$" % (new + i), r"^New value = %d$" % new, r"\bhit \(i=%d\)" % i)
        b.check(len(re.findall(r"^[* ] \d", b.cmd("info threads"), re.M)), 2, "threads before the main thread's end")
        b.ends()
        for i, new in (1, 1), (2, 3), (3, 6):
            b.expect("continue", r"^Old value = %d$" % (new - i), r"^New value = %d$" % new, r"\bhit \(i=%d\)" % i)
        b.expect("continue", r"hit Breakpoint \d+, hit \(i=4\)")


def test_local_variable_of_another_thread():
    """a watchpoint on it goes on, whichever thread the user is in; and only in its own, as gdb has it"""
    with Backward("turns") as b:
        b.only_fred("threads")
        b.cmd("break hit if id == 1 && i == 3")
        b.expect("run", r"hit \(id=1, i=3\)")
        b.cmd("up")
        b.cmd("watch i")
        b.cmd("break hit thread 2")         # id 0
        hits, changes = [], []              # their order is by whose turn it was when
        while len(changes) < 3 or len(hits) < 3:
            out = b.expect("reverse-continue", r"hit \(id=0, i=\d\)|\bwork \(arg=0x1\)")
            hits += re.findall(r"hit \(id=0, i=(\d)\)", out)
            changes += re.findall(r"^Old value = (\d)\s+New value = (\d)$", out, re.M)
            b.check(len(hits) + len(changes) < 8, True, "no more than these")
        b.check(hits[:3], ["3", "2", "1"], "hits of thread 2")
        b.check(changes[:3], [("3", "2"), ("2", "1"), ("1", "0")], "changes in thread 3")
        b.cmd("delete 3")
        b.cmd("thread 2")
        b.expect("reverse-continue", r"Watchpoint \d+ deleted because the program has left the block in")
        b.expect("frame", r"start_thread \(")
        b.check(b.value("$_thread"), 3, "thread")


run(globals())
