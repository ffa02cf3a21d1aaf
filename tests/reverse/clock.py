"""The clock is read without a stop, and says the same each time. What was read the program itself keeps."""
import re

from tests import *

N = 4000


def to_end(b):
    """at the end, where the counters are right; returns how many readings there are"""
    b.cmd("handle SIGSEGV SIGALRM nostop noprint pass")
    b.cmd("break %d" % b.mark("end"))
    b.expect("run", r"MARK end")
    b.check((b.value("backwards"), b.value("ticks > 0"), b.value("child_status")), (0, 1, 7 << 8),
            "clocks went forward in parent and child")
    return b.value("count")


def test_there_and_back():
    with Backward("clock") as b:
        b.only_fred()
        count = to_end(b)
        # The first ones are overwritten, but for those of this list.
        truth = {i: b.value("seen[%d]" % (i % N)) for i in range(count - N, count) if i % 97 == 0}
        b.cmd("break note if count %% 97 == 0 && count >= %d" % (count - N))
        came = []
        for i in sorted(truth, reverse=True)[:16]:
            b.expect("reverse-continue", r"note \(ns=%d\)" % truth[i])
            b.check(b.value("count"), i, "which one")
            came.append(i)
        b.cmd("delete 2")
        for _ in range(3):
            b.cmd("reverse-stepi 20")
            b.cmd("stepi 10")
        b.cmd("break note if count %% 97 == 0 && count >= %d" % (count - N))
        at = b.value("count")
        for i in [i for i in sorted(truth) if i >= at][:9]:
            b.expect("continue", r"note \(ns=%d\)" % truth[i])
            b.check(b.value("count"), i, "which one, forward")
        b.cmd("delete")
        b.cmd("break %d" % b.mark("end"))
        b.expect("continue", r"MARK end")
        b.check(b.value("count"), count, "as often in the end")


def test_stepped():
    """by single steps through the vdso, in the past and live; a read without steps is one with the jump to it"""
    with Backward("clock", watch=["count", "newest"]) as b:
        b.only_fred()
        b.cmd("break note if count == 30")
        b.cmd("run")
        b.cmd("delete")
        stops = b.forward("stepi", 120)
        b.back("reverse-stepi", stops)
        b.cmd("tbreak note if count == 400")
        b.cmd("continue")
        newest = b.value("ns")
        b.cmd("reverse-stepi 200")
        b.cmd("tbreak note if count == 400")
        b.cmd("continue")
        b.check(b.value("ns"), newest, "the same one")
        b.cmd("reverse-stepi 150")
        stops = b.forward("stepi", 140)
        b.back("reverse-stepi", stops)


def test_who_wrote_it():
    """watchpoints strike in the middle of the read"""
    if "[vsyscall]" not in open("/proc/self/maps").read():
        print("skipped: here reads are calls, of which watchpoints don't see what the kernel writes")
        return
    with Backward("clock") as b:
        b.only_fred()
        b.cmd("break monotonic if count == 300")
        b.cmd("run")
        b.cmd("delete")
        b.cmd("next")
        b.cmd("watch -l ts.tv_nsec")
        first = int(re.search(r"New value = (\d+)", b.cmd("continue")).group(1))
        second = int(re.search(r"Old value = %d\nNew value = (\d+)" % first, b.cmd("continue")).group(1))
        b.expect("reverse-continue", r"Old value = %d" % second, r"New value = %d" % first)
        b.expect("continue", r"New value = %d" % second)
        b.cmd("delete")
        b.cmd("tbreak note")
        b.cmd("continue")
        b.check(b.value("ns % 1000000000"), second, "what was read then")


def test_branch():
    """a changed past reads the clock of now"""
    with Backward("clock") as b:
        b.only_fred()
        to_end(b)
        last = b.value("newest")
        b.cmd("tbreak note if count == 8000")
        b.cmd("reverse-continue")
        old = b.value("ns")
        b.check(old < last, True, "earlier")
        b.cmd("set var backwards = 0")
        b.cmd("set var count = 0")
        b.cmd("tbreak note if count == 5")
        b.cmd("continue")
        b.check(b.value("ns") > last, True, "later than all that was before")


run(globals())
