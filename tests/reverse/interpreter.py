"""reverse-stepi where a function with short instructions ran for long: exact, and without a stop at each of them."""
from tests import *


def test_last_instructions():
    with Backward("machine", watch=["acc", "$rax", "$rdx", "$eflags"]) as b:
        stops = [b.start("stop")]
        b.only_fred("millions of instructions")
        for _ in range(12):
            b.cmd("reverse-stepi")
            stops.insert(0, b.where())
        b.again("stepi", stops)
        b.on("stop")


run(globals())
