"""Signals whose delivery is an event: behind calls, in those that they interrupt; and those that wait for a call."""
import re

from tests import *


ITSELF = [(0, 0), (0, 0), (1, 0), (0, 0), (0, 0), (0, 0)]
EINTR = (-1, 4)
STEPS = (ITSELF + [(0, 0), (0, 0), (1, 0), (11, 0), (0, 0)] + ITSELF +
         [EINTR, (4, 0), EINTR, EINTR, (1, 0), EINTR, (1, 0), EINTR, EINTR, EINTR, EINTR, (2, 0)] + [(1, 0), (3, 0)])
#  count, si_code, si_value, on the other stack, its flags, SIGALRM blocked, nested
NOTED_ITSELF = [(-1, 77), (-6, 0), (-6, 0), (-6, 0), (-6, 0), (-6, 0), (-6, 0), (-6, 0), (-6, 0)]
NOTES = len(NOTED_ITSELF) * 2 + 2 + 1 + 9 + 2 + 1
WATCH = ["count", "from", "value", "other_stack", "alt_flags", "was_blocked", "depth", "result", "error", "product"]


def deliveries(b):
    """the breakpoints of that program, and their stops up to its end"""
    b.cmd("handle all nostop noprint pass")
    b.cmd("handle SIGTRAP SIGINT stop print nopass")
    b.start_at("begin")
    for word in ("begin", "note", "step", "print"):
        b.cmd("break %d" % b.mark(word))
    return [b.where()] + b.stops_before(b.mark("print")) + [b.where()]


def has_few_snapshots(b):
    """a fault is one, signals are none"""
    few = int(re.search(r"^(\d+) snapshots?,", b.cmd("fred-list"), re.M).group(1))
    b.check(few <= 16, True, "%d snapshots" % few)


def test_events():
    with Backward("deliveries", watch=WATCH) as b:
        b.only_fred("asynchronous signals")
        stops = deliveries(b)
        steps = [s.values.split("|")[7:9] for s in stops if s.line == b.mark("step")]
        notes = [s.values.split("|")[:7] for s in stops if s.line == b.mark("note")]
        b.check(len(notes), NOTES, "calls of the handler")
        b.check([tuple(map(int, n[1:3])) for n in notes[:9]], NOTED_ITSELF, "what the handler was told")
        b.check([n[3:5] for n in notes[9:12]], [["1", "1"], ["1", "2"], ["1", "2"]], "the other stack")
        b.check([n[5] for n in notes[-12:]], ["0"] * 5 + ["1"] * 4 + ["0"] * 3, "blocked before")
        b.check([int(s[0]) for s in steps], [s[0] for s in STEPS], "results")
        b.check([int(s[1]) for s in steps[1:]], [s[1] for s in STEPS[:-1]], "errors")
        b.back("reverse-continue", stops)
        b.again("continue", stops)


def test_events_at_full_speed():
    """the same, but it isn't stopped the first time"""
    with Backward("deliveries", watch=WATCH) as b:
        b.only_fred("asynchronous signals")
        stops = deliveries(b)
        b.cmd("kill")
        b.cmd("delete")
        b.start_at("begin")
        b.cmd("tbreak %d" % b.mark("print"))
        b.cmd("continue")
        has_few_snapshots(b)
        for word in ("begin", "note", "step"):
            b.cmd("break %d" % b.mark(word))
        b.back("reverse-continue", stops)
        b.again("continue", stops[:-1])


def test_told_again():
    """signals at events stop it in the past as they did"""
    with Backward("deliveries", watch=["count"]) as b:
        b.only_fred("asynchronous signals")
        b.cmd("handle SIGALRM stop print pass")
        b.cmd("handle SIGUSR1 SIGUSR2 SIGSEGV SIGCHLD nostop noprint pass")
        b.start_at("begin")
        stops, codes = [], []
        for _ in range(5):
            b.expect("continue", r"Program received signal SIGALRM")
            stops.append(b.where())
            codes.append((b.value("$rax"), b.value("$_siginfo.si_code")))
        b.check(codes[0], (-516, 128), "a nanosleep that is interrupted")
        b.cmd("tbreak %d" % b.mark("print"))
        b.cmd("handle SIGALRM nostop noprint pass")
        b.cmd("continue")
        b.cmd("handle SIGALRM stop print pass")
        b.cmd("tbreak %d" % b.mark("begin"))
        b.cmd("reverse-continue")
        for stop, code in zip(stops, codes):
            b.expect("continue", r"Program received signal SIGALRM")
            b.at(stop, "the same signal")
            b.check((b.value("$rax"), b.value("$_siginfo.si_code")), code, "how the call ends, and the signal's code")
        b.cmd("stepi")
        inside = b.where()
        b.check(inside.function, "feed", "the handler")
        b.cmd("reverse-stepi")
        b.at(stops[-1], "back where it struck")
        b.expect("stepi", r"Program received signal SIGALRM")
        b.cmd("stepi")
        b.at(inside, "into the handler again")
        b.cmd("finish")
        b.cmd("reverse-stepi 4")
        b.cmd("stepi 4")
        b.cmd("break note")
        b.cmd("reverse-continue")
        b.check(b.value("count"), 25, "the handler that it was")


def test_told_amid_code():
    """one that strikes amid code, and one at the end of its handler"""
    with Backward("deliveries", watch=["count"]) as b:
        b.only_fred("asynchronous signals")
        b.cmd("handle all nostop noprint pass")
        b.cmd("handle SIGTRAP SIGINT stop print nopass")
        b.start_at("amid")
        b.cmd("handle SIGALRM SIGUSR2 stop print pass")
        stops = []
        for sig in ("ALRM", "USR2"):
            b.expect("continue", r"Program received signal SIG" + sig)
            stops.append(b.where())
        b.check(stops[0].function, "waiting", "amid code")
        b.cmd("break %d" % b.mark("print"))
        b.cmd("continue")
        b.cmd("tbreak %d" % b.mark("begin"))
        b.cmd("reverse-continue")
        b.cmd("tbreak %d" % b.mark("amid"))
        b.cmd("handle SIGALRM SIGUSR2 nostop noprint pass")
        b.cmd("continue")
        b.cmd("handle SIGALRM SIGUSR2 stop print pass")
        for stop, sig in zip(stops, ("ALRM", "USR2")):
            b.expect("continue", r"Program received signal SIG" + sig)
            b.at(stop, "the same signal")


def test_delayed():
    """signals amid code come at the next call, with what they were sent with; few are snapshots"""
    with Backward("delays", watch=["count", "wrong", "spins", "at_signal[0]", "at_signal[99]", "at_signal[199]"]) as b:
        b.only_fred("asynchronous signals")
        b.cmd("handle SIGUSR1 nostop noprint pass")
        b.start_at("begin")
        b.cmd("break %d" % b.mark("handler"))
        b.cmd("break %d" % b.mark("end"))
        stops = b.stops_before(b.mark("end"))
        end = b.where()
        b.check([s.values.split("|")[:2] for s in stops + [end]], [[str(i), "0"] for i in range(201)], "counts")
        b.check(int(re.search(r"^(\d+) snapshots?,", b.cmd("fred-list"), re.M).group(1)) < 100, True, "few snapshots")
        b.cmd("delete")
        b.cmd("break %d if count %% 20 == 7" % b.mark("handler"))
        b.back("reverse-continue", stops[7::20] + [end])
        b.again("continue", stops[7::20])


run(globals())
