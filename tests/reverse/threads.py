"""Programs of several threads, going back: the order in which they ran, their stops, births and ends."""
import os
import re
import subprocess
import sys
import time

from tests import *

sys.path.insert(0, os.path.join(ROOT, "tests", "soak"))
from walk import walk

ROUNDS = 5


def nth(i):
    """`last' after the i-th hit: threads 0, 1, 2, 0, 1 ..."""
    return i % 3 * 1000 + i // 3


def hits(b, command, order):
    """one stop at the breakpoint in hit() for each of order, the values known"""
    for i in order:
        b.expect(command, r"hit Breakpoint \d+, hit \(id=%d, i=%d\)" % (i % 3, i // 3))


def at_first_hit(b):
    b.expect("break hit", r"Breakpoint")
    b.expect("run", r"hit Breakpoint \d+, hit \(id=0, i=0\)")


def test_breakpoints_both_ways():
    with Backward("turns") as b:
        b.only_fred("threads")
        at_first_hit(b)
        hits(b, "continue", range(1, 12))
        hits(b, "reverse-continue", range(10, -1, -1))
        b.expect("reverse-continue", END)
        b.check(len(re.findall(r"^[* ] \d", b.cmd("info threads"), re.M)), 1, "threads at the beginning")
        hits(b, "continue", range(0, 3 * ROUNDS))
        b.cmd("delete")
        b.expect("continue", r"last 2004, sums 10 10 10$", r"exited normally")


def test_lines_of_a_thread():
    """other threads run in between; stepping stays in its own"""
    with Backward("turns", watch=["i", "id"]) as b:
        b.only_fred("threads")
        at_first_hit(b)
        hits(b, "continue", range(1, 8))
        b.cmd("delete")
        b.cmd("up")
        me = re.search(r"Current thread is (\d+)", b.cmd("thread"))[1]
        b.cmd("tbreak turns.c:%d thread %s" % (b.mark("the call"), me))
        b.expect("continue", r"work")
        stops = b.forward("next", 8)
        b.back("reverse-next", stops)
        stops = b.forward("stepi", 40)
        b.back("reverse-stepi", stops)


def test_walk():
    """by instructions of one thread, over its waits for the others"""
    def start():
        at_first_hit(b)
        hits(b, "continue", range(1, 8))
        b.cmd("delete")

    with Backward("turns", watch=["$rax", "turn"], timeout=60) as b:
        b.only_fred("threads")
        walk(b, 5, 30, 250, start)


def test_instructions_of_threads_that_are_preempted():
    with Backward("rivals", watch=["$rdi", "$rsi", "sums[0]", "sums[1]"], timeout=60) as b:
        b.only_fred("threads")
        b.start("rivals.c:%d" % b.mark("last"))
        b.cmd("break *mark")
        for _ in range(40):
            b.expect("reverse-continue", r"Breakpoint \d+, ")
            here = b.where()
            for n in (1, 30):
                b.cmd("reverse-stepi %d" % n)
                b.check(b.function(), "work", "the function %d instructions before" % n)
                b.cmd("stepi %d" % n)
                b.at(here, "there again")
        b.ends()


def test_watchpoint_in_other_threads():
    with Backward("turns") as b:
        b.only_fred("threads")
        b.expect("break done", r"Breakpoint")
        b.expect("run", r"hit Breakpoint \d+, done")
        b.cmd("watch last")
        for i in range(3 * ROUNDS - 1, 3 * ROUNDS - 7, -1):
            out = b.cmd("reverse-continue")
            m = re.search(r"Old value = (\d+)\s+New value = (\d+)\s+hit \(id=(\d), i=(\d+)\)", out)
            b.check(m and tuple(map(int, m.groups())), (nth(i), nth(i - 1), i % 3, i // 3), "the change before %d" % i)


def test_reverse_watch():
    with Backward("turns", "300") as b:
        b.only_fred("threads")
        b.expect("break done", r"Breakpoint")
        b.expect("run", r"hit Breakpoint \d+, done")
        b.cmd("reverse-watch sum[1] < 20000")
        b.check(b.value("sum[1] < 20000"), 1, "before it changes")
        b.check(b.value("id"), 1, "the thread that changes it")
        b.cmd("next")
        b.check(b.value("sum[1] < 20000"), 0, "behind the change")


def test_reverse_watch_in_a_thread():
    """that isn't there at the beginning; also by calls of functions"""
    with Backward("turns", "30") as b:
        b.only_fred("threads")
        b.expect("break hit if last == 1020", "Breakpoint")
        b.expect("run", r"hit Breakpoint \d+, hit \(id=2, i=20\)")
        here = b.where()
        for expr in ("sum[1] < 50", "labs(sum[1]) < 50", "sum[2] < 50"):
            b.cmd("reverse-watch " + expr)
            b.check((b.value("id"), b.value("sum[%s]" % b.value("id"))), (2 if "2" in expr else 1, 45), expr)
            b.cmd("delete")
            b.cmd("break hit if last == 1020")
            b.expect("continue", r"hit \(id=2, i=20\)")
            b.at(here, "there again")
        b.cmd("up")
        b.cmd("reverse-watch i < 7")
        b.check((b.value("id"), b.value("i")), (2, 6), "a local variable of the thread")


def test_checkpoint_and_undo():
    with Backward("turns") as b:
        b.only_fred("threads")
        at_first_hit(b)
        hits(b, "continue", range(1, 5))
        b.expect("checkpoint", r"Checkpoint 1")
        hits(b, "continue", range(5, 8))
        b.expect("restart 1", r"hit \(id=1, i=1\)")
        hits(b, "continue", range(5, 7))
        b.cmd("undo 2")
        b.expect("frame", r"hit \(id=1, i=1\)")
        b.check(len(re.findall(r"^[* ] \d", b.cmd("info threads"), re.M)), 4, "threads")
        hits(b, "continue", range(5, 8))


def test_after_the_end():
    """gdb has only the main thread then: of the others it hears on the way, and conditions are judged in theirs"""
    with Backward("turns") as b:
        b.only_fred("threads")
        b.expect("run", r"exited normally")
        b.cmd("break hit")
        hits(b, "reverse-continue", range(14, 11, -1))
        hits(b, "continue", range(13, 15))
        b.expect("continue", r"exited normally")
        b.cmd("delete")
        b.cmd("break hit if i == 2 && id == 1")
        b.expect("reverse-continue", r"hit Breakpoint \d+, hit \(id=1, i=2\)")
        b.cmd("delete")
        b.cmd("break hit if i == 1")
        hits(b, "reverse-continue", (5, 4, 3))
        b.expect("reverse-continue", END)
        b.expect("continue", r"hit Breakpoint \d+, hit \(id=0, i=1\)")
        b.expect("detach", r"detached")    # all of its threads, none of which is there
        b.expect("run", r"hit Breakpoint \d+, hit \(id=0, i=1\)")


def test_other_thread_selected():
    """all threads' breakpoints stop reverse-continue, whichever the user looks at"""
    with Backward("turns") as b:
        b.only_fred("threads")
        at_first_hit(b)
        hits(b, "continue", range(1, 8))
        b.cmd("thread 1")
        hits(b, "reverse-continue", range(6, 3, -1))
        b.cmd("thread 1")
        b.expect("reverse-stepi", r"Switching to Thread|pthread_join|futex")
        b.check(b.value("$_thread"), 1, "the thread that was stepped back")
        hits(b, "continue", range(0, 3))    # it had waited since before all of them


def test_ended_under_a_branch():
    """the process that was left has threads, and is ended with its branch"""
    with Backward("turns") as b:
        b.only_fred("threads")
        b.start()
        b.expect("break hit", r"Breakpoint")
        hits(b, "continue", range(0, 4))
        b.cmd("delete")
        b.cmd("tbreak main")
        b.expect("reverse-continue", r"main \(")
        b.cmd("set var rounds = 2")
        b.expect("next", r"This is branch b1")
        left = tagged(comm="turns")
        b.expect("continue", r"last 2001, sums 1 1 1$", r"exited normally")
        b.expect("run", r"last 2004, sums 10 10 10$", r"exited normally")
        b.check(sorted(set(left) & set(tagged(comm="turns"))), [], "processes of the first run that are left")


def test_undo_of_run():
    """there was no process then: the one with threads ends"""
    with Backward("turns") as b:
        b.only_fred("threads")
        b.cmd("break hit")
        b.expect("run", r"hit Breakpoint \d+, hit \(id=0, i=0\)")
        b.cmd("undo")
        b.expect("info threads", r"No threads")
        b.expect("run", r"hit Breakpoint \d+, hit \(id=0, i=0\)")
        hits(b, "continue", range(1, 4))


def test_main_thread_leaves():
    """gdb forgets a main thread that ends first; what it can't be shown then is said in words"""
    with Backward("leaves") as b:
        b.only_fred("threads")
        b.expect("break hit", r"Breakpoint")
        b.expect("run", r"hit Breakpoint \d+, hit \(i=1\)")
        for i in range(2, 6):
            b.expect("continue", r"hit Breakpoint \d+, hit \(i=%d\)" % i)
            b.check(b.value("total"), i * (i - 1) // 2, "total")
        for i in range(4, 1, -1):
            b.expect("reverse-continue", r"hit Breakpoint \d+, hit \(i=%d\)" % i)
            b.check(b.value("total"), i * (i - 1) // 2, "total")
        b.expect("reverse-continue", r"hit Breakpoint \d+, hit \(i=1\)")
        b.check(len(re.findall(r"^[* ] \d", b.cmd("info threads"), re.M)), 2, "threads before the main thread's end")
        for i in range(2, 4):
            b.expect("continue", r"hit Breakpoint \d+, hit \(i=%d\)" % i)
        b.cmd("delete")
        b.expect("reverse-continue", r"on the other side of the main thread's end")
        b.check((b.value("i"), b.value("total")), (3, 3), "where it stayed")
        b.expect("continue", r"exited normally")
        b.cmd("break hit if i == 1")
        b.expect("reverse-continue", r"hit \(i=1\)")
        b.check(len(re.findall(r"^[* ] \d", b.cmd("info threads"), re.M)), 2, "threads before the main thread's end")


def test_attached():
    """to a process that has its threads already, each of them amid a call"""
    p = subprocess.Popen([target("turns"), "5", "3000"], stdout=subprocess.PIPE, text=True)
    time.sleep(1)
    with Session(["-q", "-nx", "-p", str(p.pid)], fred(), timeout=30) as b:
        b.wait()
        for setting in ("width 0", "pagination off", "confirm off"):
            b.cmd("set " + setting)
        b.check(len(re.findall(r"^[* ] \d", b.cmd("info threads"), re.M)), 4, "threads")
        b.expect("break hit", r"Breakpoint 1")
        hits(b, "continue", range(0, 5))
        hits(b, "reverse-continue", range(3, -1, -1))
        b.expect("reverse-continue", END)
        hits(b, "continue", range(0, 7))
        b.cmd("delete")
        b.expect("fred-verify", r"^\d+ snapshots verified")
        b.cmd("detach")
    out, _ = p.communicate(timeout=20)
    b.check((out.strip(), p.returncode), ("last 2004, sums 10 10 10", 0), "what it did after that")


def test_priority_inheritance():
    """what the kernel marks in a mutex while a thread waits for it, its owner sees"""
    with Backward("heirs", watch=["round_", "sum", "word"], timeout=30) as b:
        b.only_fred("threads")
        b.cmd("break mark")
        stops = []
        while "exited normally" not in b.cmd("continue" if stops else "run"):
            stops.append(b.where())
        b.check(len(stops), 5, "stops")
        for want in reversed(stops):
            b.cmd("reverse-continue")
            b.at(want, "back")
        b.expect("reverse-continue", END)
        for want in stops:
            b.cmd("continue")
            b.at(want, "forwards again")
        b.expect("continue", r"exited normally")
        b.expect("fred-verify", r"^\d+ snapshots verified\.$")


def test_signals_and_waits():
    """nothing to see on the way, but replay is compared with it at the end"""
    with Backward("busythreads", timeout=60) as b:
        b.only_fred("threads")
        b.cmd("handle SIGUSR1 SIGALRM nostop noprint pass")
        b.expect("break done", r"Breakpoint")
        b.expect("run", r"hit Breakpoint \d+, done \(letters=3993\)")
        b.check(b.value("total"), 1000820, "total")
        b.cmd("tbreak main")
        b.expect("reverse-continue", r"main \(\) at")
        b.cmd("tbreak poller")
        b.expect("continue", r"poller")
        b.expect("continue", r"hit Breakpoint \d+, done \(letters=3993\)")
        b.check(b.value("total"), 1000820, "total, again")


def test_back_to_the_threads_beginning():
    """it has no earlier past: instructions, lines and calls end there, but breakpoints of all threads are looked for before"""
    with Backward("threads") as b:
        b.only_fred("threads")
        b.start("worker")
        b.expect("thread", r"thread is 2 ")
        for command in ("reverse-stepi 1000", "reverse-stepi", "reverse-nexti", "reverse-step 100"):
            b.expect(command, END)
            b.expect("info symbol $pc", r"clone")
            b.expect("x/i $pc", r"test +%[re]ax,%[re]ax")
            b.check(int(b.value("$rax")), 0, "what clone gave the thread")
            if command == "reverse-nexti":
                b.cmd("nexti 3")
        b.expect("reverse-continue", END)
        b.expect("thread", r"thread is 1 ")


run(globals())
