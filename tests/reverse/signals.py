"""Signals: at arbitrary instructions, on another stack, left by a jump; passed in both directions. ^C."""
from tests import *

QUIET = "handle SIGALRM nostop noprint pass"


def test_timer():
    with Backward("ticks", watch=["ticks", "spins", "at_tick[0]", "at_tick[7]"]) as b:
        b.only_fred("asynchronous signals")
        b.cmd(QUIET)
        b.start()
        b.cmd("break %d" % b.mark("tick"))
        b.cmd("break %d" % b.mark("print"))
        stops = b.stops_before(b.mark("print"))
        end = b.where()
        b.check(len(stops) >= 8, True, "ticks")
        b.back("reverse-continue", stops + [end])
        b.again("continue", stops + [end])
        b.back("reverse-continue", stops + [end])


def test_into_the_handler_and_out():
    with Backward("ticks", watch=["ticks", "spins"]) as b:
        b.only_fred("asynchronous signals")
        b.cmd(QUIET)
        b.start()
        b.cmd("break %d" % b.mark("tick"))
        b.cmd("continue 4")
        inside = b.where()
        b.expect("backtrace", r"<signal handler called>")
        b.cmd("up 2")
        struck = b.value("(long)$pc")
        b.cmd("frame 0")
        b.cmd("reverse-finish")
        b.cmd("delete")
        for _ in range(30):
            if b.where().function in ("main", "work"):
                break
            b.cmd("reverse-stepi")
        b.check(b.value("(long)$pc"), struck, "where the signal struck")
        b.cmd("tbreak %d" % b.mark("tick"))
        b.cmd("continue")
        b.at(inside, "forward again")


def test_stops_at_signals_again():
    with Backward("ticks", watch=["ticks", "spins"]) as b:
        b.only_fred("asynchronous signals")
        b.cmd("handle SIGALRM stop print pass")
        b.start()
        stops = []
        for _ in range(4):
            b.expect("continue", r"Program received signal SIGALRM")
            stops.append(b.where())
        b.cmd("reverse-stepi 3")
        b.cmd("stepi 3")
        b.at(stops[3], "back and forth where the last signal struck")
        b.cmd("break %d" % b.mark("arm"))
        b.cmd("reverse-continue")
        b.on("arm")
        for stop in stops:
            b.expect("continue", r"Program received signal SIGALRM")
            b.at(stop, "the same signal")
        b.cmd("delete")
        b.expect("continue", r"Program received signal SIGALRM")
        b.cmd(QUIET)
        b.expect("continue", r"exited normally")


def test_stopped_and_continued():
    with Backward("stops", watch=["round_", "conts"], timeout=20) as b:
        b.only_fred("asynchronous signals")
        b.cmd("handle SIGSTOP SIGCONT SIGCHLD nostop noprint pass")
        b.start()
        b.cmd("break %d" % b.mark("mark"))
        stops = [b.where()]
        for _ in range(3):
            b.cmd("continue")
            stops.append(b.where())
        b.expect("continue", r"^3$", r"exited normally")
        b.expect("fred-verify", r"^\d+ snapshots verified\.$")
        b.cmd("reverse-continue")
        b.at(stops[-1], "back from the end")
        b.check([s.values for s in stops[1:]], ["0|1", "1|2", "2|3"], "rounds and signals")


def test_other_stack():
    with Backward("altstack", watch=["faults", "round_"]) as b:
        b.only_fred("signals")
        b.cmd("handle SIGSEGV nostop noprint pass")
        b.start()
        b.cmd("break %d" % b.mark("handler"))
        b.cmd("break %d" % b.mark("caught"))
        b.cmd("break %d" % b.mark("print"))
        stops = b.stops_before(b.mark("print"))
        end = b.where()
        b.check(len(stops), 6, "stops")
        b.check(end.values, "33|3", "at the end")
        b.back("reverse-continue", stops + [end])
        b.again("continue", stops + [end])
        b.cmd("delete")
        b.expect("continue", r"exited normally")
        b.cmd("break touch")
        for want in ("22|2", "11|1", "0|0"):
            b.cmd("reverse-continue")
            b.check(b.where().values, want, "in touch")
        b.ends()


def test_interrupted_anywhere():
    with Backward("compute", "100000000000", watch=["rounds", "state"]) as b:
        b.only_fred("it takes too long")
        b.start()
        stops = []
        for _ in range(3):
            b.type("continue")
            b.spinning("compute")
            b.keys("\\x03")
            b.expect_stop()
            stops.append(b.where())
        b.cmd("reverse-stepi 2")
        b.cmd("stepi 2")
        b.at(stops[2], "where ^C struck")
        b.cmd("tbreak main")
        b.cmd("reverse-continue")
        b.check(b.where().function, "main", "main")
        b.cmd("watch rounds if rounds == 3")
        b.cmd("continue")
        b.check(b.value("rounds"), 3, "rounds, forward in the past")


def test_interrupt_a_search():
    with Backward("compute", "400000000", watch=["rounds"]) as b:
        b.only_fred("speed")
        b.start_at("after")
        here = b.where()
        b.cmd("break churn if x == 77")
        for seconds in (0.3, 0.1, 0.6):
            b.type("reverse-continue")
            b.pause(seconds)
            b.keys("\\x03")
            b.wait()
            b.at(here, "^C in a search")
        b.cmd("delete")
        b.cmd("reverse-stepi")
        b.cmd("stepi")
        b.at(here, "back and forth after ^C")


def test_steps_with_all_signals_blocked():
    """a trap unblocks SIGTRAP, which the program sees, then and in the past"""
    for step in (0, 3):
        with Backward("masked", watch=["now", "sum"]) as b:
            b.only_fred()
            b.start()
            b.cmd("tbreak %d" % b.mark("asked"))
            if step:
                b.cmd("tbreak %d" % b.mark("blocked"))
                b.cmd("continue")
                b.cmd("stepi %d" % step)
            b.cmd("continue")
            asked = b.on("asked")
            b.cmd("tbreak main")
            b.cmd("reverse-continue")
            b.cmd("tbreak %d" % b.mark("asked"))
            b.cmd("continue")
            b.at(asked, "the masks again")


def test_stopped_naps():
    """a timed call goes on where a signal of which the program knows nothing came amid it"""
    with Backward("napstop") as b:
        b.only_fred()
        b.cmd("handle SIGSTOP SIGCONT nostop noprint pass")
        end = b.mark("end")
        b.cmd("tbreak %d" % end)
        b.expect("run", r"rested, in pieces", r"MARK end")
        b.expect("fred-verify", r"snapshots verified")
        b.expect("reverse-continue", r"start of the recording|No more reverse-execution history")
        b.cmd("tbreak %d" % end)
        b.expect("continue", r"MARK end")


run(globals())
