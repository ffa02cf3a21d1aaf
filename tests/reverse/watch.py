"""Watchpoints going back: before the instruction that wrote, with old and new value as gdb says them."""
from tests import *


def test_hardware():
    with Backward("watch", watch=["level"]) as b:
        b.only_fred("record misses hardware watchpoints")
        b.start_at("reset")
        b.expect("watch level", r"^Hardware watchpoint \d+: level")
        b.expect("reverse-continue", r"^Hardware watchpoint \d+: level", r"^Old value = 6$", r"^New value = 2$")
        b.on("bump")
        b.check(b.value("level"), 2, "level before the write")
        b.expect("reverse-continue", r"^Old value = 2$", r"^New value = 0$")
        b.on("bump")
        b.ends()
        b.expect("continue", r"^Old value = 0$", r"^New value = 2$")


def test_software():
    with Backward("watch", watch=["level"]) as b:
        b.cmd("set can-use-hw-watchpoints 0")
        b.start_at("reset")
        b.expect("watch level", r"^Watchpoint \d+: level")
        b.expect("reverse-continue", r"^Watchpoint \d+: level", r"^Old value = 6$", r"^New value = 2$")
        b.on("bump")
        b.expect("reverse-continue", r"^Old value = 2$", r"^New value = 0$")
        b.on("bump")
        b.ends()


def test_stops_at_the_writing_instruction():
    with Backward("watch", watch=["level"]) as b:
        b.start_at("reset")
        b.only_fred()
        b.cmd("watch level")
        b.cmd("reverse-continue")
        b.expect("x/i $pc", r"mov .*<level>")
        b.check(b.value("level"), 2, "before it")
        b.cmd("stepi")
        b.check(b.value("level"), 6, "after it")
        b.cmd("reverse-stepi")
        b.check(b.value("level"), 2, "before it again")


def test_part_of_a_structure():
    with Backward("watch") as b:
        b.start_at("reset")
        b.only_fred()
        b.cmd("watch pair.b")
        for new in (3, 2, 1, 0):
            b.expect("reverse-continue", r"^Old value = %d$" % (new + 1), r"^New value = %d$" % new)
            b.on("pair")


def test_condition():
    with Backward("watch") as b:
        b.start_at("reset")
        b.only_fred()
        b.cmd("watch pair.b if pair.b == 1")
        b.expect("reverse-continue", r"^New value = 1$")
        b.check(b.value("i"), 2, "i")


def test_bytes():
    with Backward("watch") as b:
        b.start_at("reset")
        b.only_fred()
        b.cmd("watch text[2]")
        b.expect("reverse-continue", r"^Old value = 99 'c'$", r"^New value = 0 '\\000'$")
        b.check(b.value("i"), 2, "i")


def test_local():
    with Backward("watch") as b:
        b.start("watch.c:%d" % (b.mark("bump") + 1))
        b.only_fred()
        b.cmd("watch local")
        b.expect("reverse-continue", r"^Old value = 2$", r"^New value = 1$")
        b.on("local")


def test_access():
    with Backward("watch") as b:
        b.start_at("reset")
        b.only_fred()
        b.expect("awatch other", r"access .*watchpoint \d+: other")
        b.expect("reverse-continue", r"access .*watchpoint \d+: other")
        b.on("read")
        b.check(b.value("i"), 4, "i")


def test_over_a_long_loop():
    with Backward("loops") as b:
        b.start_at("three")
        b.only_fred()
        b.cmd("watch count")
        b.expect("reverse-continue", r"^Old value = 12$", r"^New value = 11$")
        b.on("nested")


def test_two_at_once():
    """forward: level 2 (i=1), other 2 (i=2), level 6 (i=3), other 6 (i=4)"""
    with Backward("watch") as b:
        b.start_at("reset")
        b.only_fred()
        b.cmd("watch level")
        b.cmd("watch other")
        for name, old, new in (("other", 6, 2), ("level", 6, 2), ("other", 2, 0), ("level", 2, 0)):
            b.expect("reverse-continue", r": %s$" % name, r"^Old value = %d$" % old, r"^New value = %d$" % new)
        b.ends()


def test_amid_a_repeated_string_instruction():
    """forward to the middle of a copy, back to another word that it wrote before"""
    with Backward("repeats", watch=["$rcx"]) as b:
        b.only_fred()
        n = 1 << 17
        b.start()
        b.cmd("break copy if n == %d" % n)
        b.cmd("continue")
        b.cmd("delete")
        b.cmd("watch *(long *) &b[1600]")
        b.expect("continue", r"^New value = 506381209866536711$")
        b.check(b.value("$rcx"), n - 201, "behind the write")
        for at in 800, 400:
            b.cmd("delete")
            b.cmd("watch *(long *) &b[%d]" % at)
            b.expect("reverse-continue", r"^New value = 0$")
            b.check(b.value("$rcx"), n - at // 8, "before the write")
            b.expect("continue", r"^Old value = 0$", r"^New value = 506381209866536711$")
            b.check(b.value("$rcx"), n - at // 8 - 1, "behind the write")
        b.expect("reverse-continue", r"^New value = 0$")
        b.check(b.value("$rcx"), n - 50, "before it again")


def test_with_breakpoints():
    with Backward("watch") as b:
        b.start_at("reset")
        b.only_fred()
        b.cmd("watch level")
        b.cmd("break %d" % b.mark("read"))
        b.go("reverse-continue", "read")
        b.check(b.value("i"), 4, "i")
        b.expect("reverse-continue", r"^Old value = 6$")


def test_scope_over_several_lines():
    """a caller's variable is watched, lines of what it has called are stepped back over"""
    with Backward("calls") as b:
        b.only_fred("record misses hardware watchpoints")
        b.start_at("print")
        b.expect("watch sum", r"atchpoint \d+: sum")
        single = []
        for _ in range(6):
            b.cmd("reverse-step")
            single.append(b.where())
        b.cmd("tbreak calls.c:%d" % b.mark("print"))
        b.expect("continue", r"main \(\)")
        for n in (2, 4):
            out = b.cmd("reverse-step %d" % n)
            b.check("deleted" in out, False, "the watchpoint's frame is there yet")
            b.at(single[n - 1] if n == 2 else single[5], "reverse-step %d" % n)


run(globals())
