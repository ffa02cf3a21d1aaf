"""Threads amid calls that sleep: where they stand, steps from there both ways, and breakpoints at such calls."""
from tests import *

N = 6


def giving(b, i):
    """the other thread is about to give i; the main thread sleeps in the call for it"""
    b.expect("continue", r"hit Breakpoint \d+, give \(i=%d\)" % i)
    b.cmd("thread 1")
    b.check((b.value("asked"), b.value("given")), (i, i - 1), "asked and given")


def amid(b, when):
    b.check(b.value("$pc == ask_behind"), 1, "amid its call, " + when)


def rest(b):
    """all is as without a debugger"""
    b.cmd("delete")
    b.expect("continue", r"sum %d$" % sum(range(N + 1)), r"exited normally")


def both_ways(b, i):
    """from amid the i-th call to before it, and to its end"""
    b.cmd("thread 1")
    amid(b, "shown")
    b.cmd("reverse-stepi")
    b.check((b.value("$pc == ask_call"), b.value("asked"), b.value("answer")), (1, i, i - 1), "before it")
    before = b.cmd("info registers")
    b.cmd("stepi")
    b.check((b.value("$pc == ask_behind"), b.value("$rax"), b.value("answer"), b.value("given")), (1, 1, i, i), "its end")
    end = b.cmd("info registers")
    b.cmd("reverse-stepi")
    b.check(b.cmd("info registers"), before, "the registers before it")
    b.cmd("stepi")
    b.check(b.cmd("info registers"), end, "the registers at its end")


def test_live_step_amid_a_call():
    """ends with the call, as below the kernel"""
    with Backward("asks", str(N)) as b:
        b.only_fred("threads")
        b.expect("break give", "Breakpoint")
        b.expect("run", r"give \(i=1\)")
        giving(b, 2)
        amid(b, "live")
        b.cmd("delete")
        b.cmd("stepi")
        b.check((b.value("$pc == ask_behind"), b.value("$rax"), b.value("answer")), (1, 1, 2), "behind it")
        b.cmd("stepi")
        b.check(b.value("$pc == ask_behind + 4"), 1, "one instruction further")
        rest(b)


def test_steps_amid_a_call():
    with Backward("asks", str(N)) as b:
        b.only_fred("threads")
        b.expect("break give", "Breakpoint")
        b.expect("run", r"give \(i=1\)")
        for i in range(2, 5):
            giving(b, i)
        b.expect("reverse-continue", r"give \(i=3\)")
        b.cmd("thread 1")
        here = b.cmd("info registers")
        amid(b, "in the past")
        b.cmd("disable")
        both_ways(b, 3)
        b.cmd("enable")
        b.expect("reverse-continue", r"give \(i=3\)")
        b.cmd("thread 1")
        b.check(b.cmd("info registers"), here, "the registers amid it")
        b.expect("reverse-finish", r"main")
        b.check((b.value("asked"), b.value("given"), b.value("sum")), (3, 2, 3), "before the function that calls")
        giving(b, 3)
        b.check(b.cmd("info registers"), here, "the registers amid it, coming from before")
        giving(b, 4)
        b.cmd("disable")
        both_ways(b, 4) # its end is the live process's
        rest(b)


def test_step_to_the_end_of_a_call_that_is_over_by_now():
    """in the live process, whose thread hasn't had its turn since"""
    with Backward("asks", str(N)) as b:
        b.only_fred("threads")
        b.expect("break give", "Breakpoint")
        b.expect("break gave", "Breakpoint")
        b.expect("run", r"give \(i=1\)")
        b.expect("continue", r"hit Breakpoint \d+, gave")
        b.expect("reverse-continue", r"give \(i=1\)")
        b.cmd("set scheduler-locking on")
        b.cmd("disable")
        both_ways(b, 1)
        b.cmd("stepi")
        b.check(b.value("$pc == ask_behind + 4"), 1, "one instruction further")
        b.cmd("set scheduler-locking off")
        rest(b)


def test_led_elsewhere():
    """a thread amid its call in the past; else it makes the call once more, though another register is the user's"""
    for change, end in (("p $pc = done", r"exited with code 01"), ("p $rbx = 5", r"sum %d$" % sum(range(N + 1)))):
        with Backward("asks", str(N)) as b:
            b.only_fred("threads")
            b.expect("break give", "Breakpoint")
            b.expect("run", r"give \(i=1\)")
            giving(b, 2)
            giving(b, 3)
            b.expect("reverse-continue", r"give \(i=2\)")
            b.cmd("thread 1")
            amid(b, "in the past")
            b.cmd(change)
            b.cmd("disable")
            b.expect("continue", r"This is branch", end)


def test_stepi_from_a_breakpoint_at_a_call():
    """first into the call, as the others have to go on, then to its end; in the past at once to the end"""
    with Backward("asks", str(N)) as b:
        b.only_fred("threads")
        b.expect("break *ask_call", "Breakpoint")
        b.expect("run", r"hit Breakpoint \d+")
        for i in range(1, 4):
            b.cmd("stepi")
            amid(b, "call %d" % i)
            b.check((b.value("answer"), b.value("given")), (i - 1, i - 1), "before it is given")
            b.expect("reverse-stepi", r"hit Breakpoint \d+")
            b.cmd("stepi")
            amid(b, "again, call %d" % i)
            b.cmd("stepi")
            amid(b, "behind it")
            b.check((b.value("$rax"), b.value("answer")), (1, i), "behind call %d" % i)
            b.expect("continue", r"hit Breakpoint \d+")
        for i in range(3, 0, -1):
            b.expect("reverse-continue", r"hit Breakpoint \d+")
            b.cmd("stepi")
            amid(b, "behind it")
            b.check((b.value("$rax"), b.value("answer")), (1, i), "behind call %d in the past" % i)
            b.expect("reverse-stepi", r"hit Breakpoint \d+")
        rest(b)


def test_continue_from_a_breakpoint_at_a_call():
    with Backward("asks", str(N)) as b:
        b.only_fred("threads")
        b.expect("break *ask_call", "Breakpoint")
        b.expect("run", r"hit Breakpoint \d+")
        for i in range(1, N + 1):
            b.check((b.value("asked"), b.value("answer"), b.value("sum")), (i, i - 1, i * (i - 1) // 2), "at call %d" % i)
            if i < N:
                b.expect("continue", r"hit Breakpoint \d+")
        for i in range(N - 1, 0, -1):
            b.expect("reverse-continue", r"hit Breakpoint \d+")
            b.check((b.value("asked"), b.value("answer")), (i, i - 1), "back at call %d" % i)
        for i in range(2, N + 1):
            b.expect("continue", r"hit Breakpoint \d+")
            b.check((b.value("asked"), b.value("answer")), (i, i - 1), "again at call %d" % i)
        b.expect("continue", r"sum 21$", r"exited normally")


def test_breakpoints_of_others_meanwhile():
    """as the debugger steps over the one at the call"""
    with Backward("asks", str(N)) as b:
        b.only_fred("threads")
        b.expect("break *ask_call", "Breakpoint")
        b.expect("break give", "Breakpoint")
        b.expect("run", r"hit Breakpoint 1,")
        for again in range(2):
            for i in range(1, N + 1):
                b.check((b.value("asked"), b.value("answer")), (i, i - 1), "at call %d" % i)
                b.expect("continue", r"hit Breakpoint 2, give \(i=%d\)" % i)
                b.cmd("thread 1")
                amid(b, "as the other gives")
                if i < N:
                    b.expect("continue", r"hit Breakpoint 1,")
            if not again:
                for i in range(N, 0, -1):
                    b.expect("reverse-continue", r"hit Breakpoint 1,")
                    if i > 1:
                        b.expect("reverse-continue", r"hit Breakpoint 2, give \(i=%d\)" % (i - 1))
        rest(b)


def test_lines_from_a_breakpoint_at_a_call():
    """next, and finish, go on to the call's end"""
    with Backward("asks", str(N)) as b:
        b.only_fred("threads")
        b.expect("break *ask_call if asked == 3", "Breakpoint")
        b.expect("run", r"hit Breakpoint \d+")
        b.expect("finish", r"Run till exit", r"main")
        b.check((b.value("asked"), b.value("answer"), b.value("$rax")), (3, 3, 1), "behind the call")
        b.expect("reverse-continue", r"hit Breakpoint \d+")
        b.expect("finish", r"Run till exit", r"main")
        b.check((b.value("asked"), b.value("answer"), b.value("$rax")), (3, 3, 1), "behind the call, in the past")
        rest(b)


run(globals())
