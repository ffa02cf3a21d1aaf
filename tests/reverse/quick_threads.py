"""Calls that make no stop, in programs with threads: quick.py in turns."""
import re

from tests import *


def without_stop(b):
    return int(re.search(r"^calls +(\d+) without a stop", b.cmd("fred-stats"), re.M).group(1))


def threads(seed, rounds):
    b = Backward("quickthreads", str(seed), str(rounds))
    b.cmd("handle SIGALRM SIGUSR1 nostop noprint pass")
    b.only_fred()
    return b


def seen(b):
    fmt = ", ".join(["%lx"] * 5)
    return b.cmd('printf "phase %%d, sums %s, %%lu ticks, %%lu struck, %%ld\\n", phase, sums[0], sums[1], sums[2], sums[3], '
                 'sums[4], ticks, struck, shared' % fmt)


def test_threads():
    """calls without a stop in turns: each thread gets what is its, there and back"""
    with threads(3, 300) as b:
        b.cmd("break %d" % b.mark("next"))
        b.expect("run", r"MARK next")
        truth = b.looks(lambda: seen(b), r"MARK next", 8)
        b.check(b.value("wrong"), 0, "what the threads saw")
        b.check(without_stop(b) > 10000, True, "most make no stop")
        b.both_ways(lambda: seen(b), truth, r"MARK next")
        b.expect("continue", r"9 phases, 0 wrong, 300 handed", r"exited normally")


def test_threads_watched():
    """a watchpoint in all threads, back and forward; interrupts wherever they strike"""
    with threads(4, 3500) as b:
        b.cmd("break hand")
        b.expect("run", r"hand \(arg")
        b.cmd("delete")
        b.cmd("tbreak %d if turn == 1000" % b.mark("handed"))
        b.expect("continue", r"MARK handed")
        b.check(without_stop(b) > 1000, True, "there are quick ones")
        b.cmd("watch shared")
        was = b.value("shared")
        for i in range(3):
            b.expect("continue", r"Old value = %d\s+New value = %d" % (was + i, was + i + 1))
        for i in reversed(range(3)):
            b.expect("reverse-continue", r"Old value = %d\s+New value = %d" % (was + i + 1, was + i))
        b.cmd("delete")
        for _ in range(4):
            b.type("continue")
            b.pause(0.05)
            b.interrupt()
            b.wait()
            if -516 <= b.value("(long)$rax") <= -512:
                continue  # amid a call that sleeps: one comes back to before it
            before = b.cmd("info registers")
            b.cmd("stepi 3")
            b.cmd("reverse-stepi 3")
            b.check(b.cmd("info registers"), before, "there and back")
        b.expect("continue", r"9 phases, 0 wrong, 3500 handed", r"exited normally")


def test_blocking():
    """calls that may wait: quick where they don't, else others go on meanwhile"""
    with Backward("quickblocking", "5") as b:
        b.cmd("handle SIGALRM nostop noprint pass")
        b.only_fred()
        for mark in "next", "further":
            b.cmd("break %d" % b.mark(mark))
        b.expect("run", r"MARK next")
        fmt = 'printf "%d %lx\\n", phase, sum'
        truth = [b.cmd(fmt)]
        for mark in "further", "next", "further":
            b.expect("continue", r"MARK " + mark)
            truth.append(b.cmd(fmt))
        b.check((b.value("wrong"), b.value("phase")), (0, 3), "what the threads saw")
        b.check(without_stop(b) > 5000, True, "most make no stop")
        b.both_ways(lambda: b.cmd(fmt), truth, r"MARK")
        b.expect("continue", r"4 phases, .*, 0 wrong", r"exited normally")


def test_vain():
    """who waits though he was said not to does so once: others had to wait for a tick with him, and for a snapshot"""
    with Backward("quickvain") as b:
        b.only_fred()
        b.cmd("break %d" % b.mark("end"))
        b.expect("run", r"MARK end")
        b.check(b.value("wrong"), 0, "what the threads saw")
        b.check(without_stop(b) > 100, True, "there are quick ones")
        snapshots = int(re.search(r"^snapshots +(\d+)", b.cmd("fred-stats"), re.M).group(1))
        b.check(snapshots < 60, True, "%d snapshots" % snapshots)
        b.expect("fred-verify", r"snapshots verified")


def test_replies():
    """what the kernel writes for another thread comes of a call: not before it; more threads than the kernel has switches for"""
    for off in ({}, {"FRED_QUICK": "0"}):
        with Backward("replies", "600", env=off) as b:
            b.only_fred()
            b.cmd("tbreak %d" % b.mark("many"))
            b.expect("run", r"MARK many")
            b.expect("fred-verify", r"snapshots verified")
            b.cmd("break %d" % b.mark("replied"))
            for i in (600, 599, 598):
                b.expect("reverse-continue", r"MARK replied")
                b.check((b.value("got"), b.value("wrong")), (i, 0), "the reply")
            b.cmd("delete")
            b.cmd("tbreak %d" % b.mark("end"))
            b.expect("continue", r"MARK end")
            b.check(b.value("wrong"), 0, "what each thread read")
            b.expect("fred-verify", r"snapshots verified")


def test_locks():
    """locks that others hold are waited for, and who yields does so"""
    with Backward("quicklocks", "300") as b:
        b.only_fred()
        for word in ("counted", "joined", "sent"):
            b.cmd("break %d" % b.mark(word))
        look, stop = lambda: b.cmd('printf "%d %lu %lu %d\\n", phase, wrong, waited, holder'), r"MARK (counted|joined|sent)"
        b.expect("run", stop)
        truth = b.looks(look, stop, 2)
        b.check(without_stop(b) > 1000, True, "most make no stop")
        b.both_ways(look, truth, stop)
        b.expect("continue", r"900 by flock, 600 by fcntl, 0 wrong", r"exited normally")


def test_queues():
    """semaphores, messages and connections of threads: had at once, or waited for"""
    with Backward("quickqueues") as b:
        b.only_fred()
        for word in ("passed", "sent", "connected", "drained"):
            b.cmd("break %d" % b.mark(word))
        look = lambda: b.cmd('printf "%d %lu %lu %lx %lx %lx %lx\\n", phase, wrong, waited, sums[0], sums[1], sums[2], sums[3]')
        stop = r"MARK (passed|sent|connected|drained)"
        b.expect("run", stop)
        truth = b.looks(look, stop, 3)
        b.check(b.value("wrong"), 0, "what the threads saw")
        b.check(without_stop(b) > 4000, True, "most make no stop")
        b.both_ways(look, truth, stop)
        b.cmd("delete")
        b.cmd("break %d" % b.mark("received"))
        b.cmd("reverse-continue")
        one = b.cmd("output m.text")
        b.cmd("reverse-continue")
        b.cmd("continue")
        b.check(b.cmd("output m.text"), one, "the same message")
        b.cmd("delete")
        b.expect("continue", r"4 phases, sums .* 0 wrong", r"exited normally")


run(globals())
