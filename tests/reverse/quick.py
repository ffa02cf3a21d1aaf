"""Calls that can't sleep make no stop, and nobody notices: the program checks what it gets, and the past is the same."""
import re

from tests import *

PHASES = 19


def quick(*args, **more):
    b = Backward("quick", *args, env=dict(more, QUICKLIB=target("quicklib")))
    b.cmd("handle SIGALRM SIGSYS SIGPIPE SIGUSR1 SIGHUP nostop noprint pass")
    return b


def without_stop(b):
    return int(re.search(r"^calls +(\d+) without a stop", b.cmd("fred-stats"), re.M).group(1))


def here(b):
    return b.cmd(r'printf "phase %d, sum %lx, %lu calls, %lu ticks, %lu came\n", phase, sum, calls, ticks, came')


def test_phases():
    """each with something that comes in between; then back through all of them"""
    with quick("5") as b:
        b.only_fred()
        b.cmd("break quick.c:%d" % b.mark("next"))
        b.expect("run", r"MARK next")
        truth = []
        for i in range(1, PHASES):
            b.check(b.value("wrong"), 0, "what phase %d saw" % i)
            truth.append(here(b))
            if i < PHASES - 1:
                b.expect("continue", r"MARK next")
        b.check(without_stop(b) > 10000, True, "most make no stop")
        for was in reversed(truth[:-1]):
            b.expect("reverse-continue", r"MARK next")
            b.check(here(b), was, "as then")
        for was in truth[1:4]:
            b.expect("continue", r"MARK next")
            b.check(here(b), was, "once more")


def test_interrupted():
    """wherever ^C strikes, registers and code are the program's"""
    with quick("7", "forever") as b:
        b.only_fred()
        code = "x/40xb getppid"
        b.cmd("tbreak quick.c:%d" % b.mark("files"))
        b.cmd("run")
        was = b.cmd(code)
        for _ in range(6):
            quick_ones = without_stop(b)
            b.type("continue")
            b.pause(0.05)
            b.interrupt()
            b.wait()
            b.check(b.cmd(code), was, "its code")
            b.check(0x7e9000000000 <= b.value("(long)$pc") < 0x7e9000100000, False, "fred's code isn't seen")
            b.check(without_stop(b) > quick_ones, True, "it came from quick ones")
            before = b.cmd("info registers")
            b.cmd("stepi 5")
            b.cmd("reverse-stepi 5")
            b.check(b.cmd("info registers"), before, "there and back")
            b.cmd("stepi 5")


def test_debugged():
    """breakpoints at the call's instruction, steps over it, watchpoints between calls"""
    with quick("9") as b:
        b.only_fred()
        b.cmd("tbreak quick.c:%d" % b.mark("files"))
        b.expect("run", r"MARK files")
        b.check(without_stop(b) > 1000, True, "there are quick ones")
        out = b.cmd("disassemble getppid")
        at = int(re.search(r"0x([0-9a-f]+) <\+\d+>:\tsyscall", out).group(1), 16)
        b.cmd("break *%d" % at)
        b.cmd("continue")
        b.check(b.value("(long)$pc"), at, "at the instruction")
        b.cmd("stepi")
        b.check((b.value("(long)$pc"), b.value("(long)$rcx"), b.value("$rax > 1")), (at + 2, at + 2, 1), "behind it")
        b.cmd("reverse-stepi")
        b.check(b.value("(long)$pc"), at, "before it")
        b.cmd("delete")
        b.cmd("tbreak some")
        b.cmd("continue")
        was = b.value("calls")
        b.cmd("watch -l calls")
        for i in (0, 1):
            b.expect("continue", r"watchpoint \d+: ", r"Old value = %d\nNew value = %d" % (was + i, was + i + 1))
        for i in (1, 0):
            b.expect("reverse-continue", r"watchpoint \d+: ", r"Old value = %d\nNew value = %d" % (was + i + 1, was + i))
        b.cmd("delete")
        b.cmd("tbreak quick.c:%d" % b.mark("masked"))
        b.expect("continue", r"MARK masked")
        b.check((b.value("wrong"), b.value("came")), (0, 50), "all went well")


def test_ticking():
    """back amid a timer's signals, and forward to the same place"""
    with quick("11") as b:
        b.only_fred()
        b.cmd("break quick.c:%d" % b.mark("ticking"))  # with a condition gdb passes true ones where signals come amid its steps
        b.expect("run", r"MARK ticking")
        was = here(b)
        b.cmd("reverse-stepi 300")
        b.expect("continue", r"MARK ticking")
        b.check(here(b), was, "once more")


def test_survived():
    """a signal that would kill, had the program not blocked it"""
    with quick("15") as b:
        b.only_fred()
        b.cmd("tbreak quick.c:%d" % b.mark("blocked"))
        b.expect("run", r"MARK blocked")
        b.check(without_stop(b) > 1000, True, "there are quick ones")
        b.cmd("tbreak quick.c:%d" % b.mark("still"))
        b.expect("signal SIGTERM", r"MARK still")
        b.check(b.value("wrong"), 0, "all went well")


def test_switched_off():
    with quick("17", FRED_QUICK="0") as b:
        b.only_fred()
        b.cmd("tbreak quick.c:%d" % b.mark("masked"))
        b.expect("run", r"MARK masked")
        b.check((b.value("wrong"), without_stop(b)), (0, 0), "no quick ones")


def test_detached():
    """the program goes on by itself"""
    with quick("13") as b:
        b.cmd("tbreak quick.c:%d" % b.mark("files"))
        b.expect("run", r"MARK files")
        b.cmd("detach")
        b.until(r"%d phases, \d+ calls, 0 wrong" % PHASES, timeout=15)


def test_code():
    """code with our jumps in it is changed by lengths that aren't whole pages"""
    with Backward("quickcode") as b:
        b.only_fred()
        b.cmd("tbreak %d" % b.mark("end"))
        b.expect("run", r"MARK end")
        b.check(without_stop(b) > 500, True, "there are quick ones")
        b.check(b.value("wrong"), 0, "what went wrong")
        b.expect("fred-verify", r"snapshots verified")


def test_background():
    """code that the user looks at, or breaks in, while the program runs"""
    with quick("7", "forever") as b:
        b.only_fred()
        code = "x/40xb getppid"
        b.cmd("tbreak quick.c:%d" % b.mark("files"))
        b.cmd("run")
        was = b.cmd(code)
        for _ in range(3):
            b.cmd("continue &")
            b.pause(0.1)
            b.check(b.cmd(code), was, "its code")
            quick_ones = without_stop(b)
            b.check(quick_ones > 1000, True, "there are quick ones")
            b.type("interrupt")
            b.pause(0.3)
            b.check(b.cmd(code), was, "its code")
        b.expect("fred-verify", r"snapshots verified")


def kinds(name, seed):
    b = Backward(name, seed)
    b.cmd("handle SIGALRM SIGUSR1 nostop noprint pass")
    b.only_fred()
    return b


def there_and_back(name, seed, least):
    """through all four phases of a program, back and forward; so many calls make no stop"""
    with kinds(name, seed) as b:
        b.cmd("break %d" % b.mark("next"))
        b.expect("run", r"MARK next")
        truth = []
        show = r'printf "phase %d, sum %lx, %lu calls, %lu ticks\n", phase, sum, calls, ticks'
        for i in range(4):
            b.check(b.value("wrong"), 0, "what phase %d saw" % i)
            truth.append(b.cmd(show))
            if i < 3:
                b.expect("continue", r"MARK next")
        b.check(without_stop(b) > least, True, "most make no stop")
        b.both_ways(lambda: b.cmd(show), truth, r"MARK next")
        b.expect("fred-verify", r"snapshots verified")


def test_kinds():
    """files by name, memory, waits, files that are mapped and cut"""
    there_and_back("quickkinds", "21", 5000)


def test_sockets():
    """addresses, messages, pieces, descriptors that come and go, waits that end, also by a signal"""
    there_and_back("quicksockets", "23", 5000)


def test_branch():
    """what was opened and written without a stop, a branch has, too: how, and where each file stands"""
    with kinds("quickkinds", "11") as b:
        b.cmd("tbreak %d" % b.mark("looked"))
        b.expect("run", r"MARK looked")
        files = b.value("files")
        b.cmd("reverse-continue")
        b.cmd("tbreak %d" % b.mark("holding"))
        b.expect("continue", r"MARK holding")
        b.check(b.value("files"), 0, "before they were looked at")
        b.cmd("set var sum = 5")
        b.cmd("tbreak %d" % b.mark("looked"))
        b.expect("continue", r"^This is branch b1\.$", r"MARK looked")
        b.check(b.value("files"), files, "what is open in the branch")
        b.check(b.value("wrong"), 0, "what went wrong")


def test_append():
    """where a file stands is known also if a signal came while that was noted"""
    with Backward("quickappend") as b:
        b.only_fred()
        b.cmd("handle SIGALRM nostop noprint pass")
        came = b.mark("came")
        b.cmd("tbreak %d if came > 50" % came)
        b.expect("run", r"MARK came")
        b.check(without_stop(b) > 1000, True, "there are quick ones")
        b.cmd("break %d" % came)
        for i in range(8):
            b.expect("continue", r"MARK came")
            b.expect("reverse-continue", r"MARK came")
            b.cmd("set var branch = %d" % (i + 1))
            b.cmd("tbreak %d" % b.mark("checked"))
            b.expect("continue", r"^This is branch b%d\.$" % (i + 1), r"MARK checked")
            b.check(b.value("wrong"), 0, "where it stands in the branch")
            b.expect("fred-switch main", r"MARK came")
            b.expect("continue", r"MARK came")


run(globals())
