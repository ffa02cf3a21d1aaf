"""Single steps over calls: those that aren't replayed, those behind which snapshots stand, and many."""
import re

from tests import *


def test_over_a_vfork():
    """which isn't replayed: a snapshot stands behind it"""
    with Backward("vforks", watch=["$rax", "$rdi"]) as b:
        b.only_fred("records the parent")
        b.cmd("set args %s >/dev/null" % target("exits"))  # the child says something, when it likes to
        b.start("vfork")
        b.roundtrip("stepi", b.forward("stepi", 10))


def test_back_from_behind_a_vfork():
    """where the newest point is straight behind it"""
    with Backward("vforks", watch=["$rax", "$rdi"]) as b:
        b.only_fred("records the parent")
        b.cmd("set args %s >/dev/null" % target("exits"))  # the child says something, when it likes to
        b.start("vfork")
        stops = b.forward("stepi", 3)
        b.cmd("tbreak main")
        b.cmd("reverse-continue")
        b.cmd("break *%#x" % stops[0].pc)
        b.cmd("continue")
        b.again("stepi", stops)
        b.cmd("fred-verify")
        b.cmd("reverse-continue")
        b.at(stops[0], "at the breakpoint")
        b.cmd("tbreak *%#x" % stops[3].pc)
        b.cmd("continue")
        b.at(stops[3], "straight behind it")


def test_over_calls_behind_which_snapshots_stand():
    with Backward("paced", watch=["sum", "$rax"]) as b:
        b.only_fred("as many instructions")
        b.start_at("many")
        b.cmd("break *" + re.search(r"(0x\w+) <.*syscall", b.cmd("disassemble call"))[1])
        for i in reversed(range(15)):
            b.cmd("reverse-continue")
            before = b.where()
            b.cmd("stepi")
            b.check(b.where().pc, before.pc + 2, "one instruction further on in round %d" % i)
            b.cmd("reverse-stepi")
            b.at(before, "back over the call of round %d" % i)
        b.ends()


def test_many_calls():
    """the clock interrupts the program where it is about to make one that is stepped over"""
    with Backward("paced") as b:
        b.only_fred()
        b.start_at("many")
        b.cmd("stepi 8000", 60)	# fred-verify follows


run(globals())
