"""What gdb compares a watchpoint's value with: that of where the program is, whatever command led there."""
from tests import *

WARNING = "location number not found"


def at_second(b, watch, *pattern, soft=False):
    """in loc(2), at whose begin a checkpoint is; b and gs->n are about to go from 9 to 12"""
    b.only_fred()
    if soft:
        b.cmd("set can-use-hw-watchpoints 0")
    b.start()
    b.cmd("break loc if n == 2")
    b.cmd("continue")
    b.on("begin")
    b.expect("checkpoint", r"^Checkpoint 1")
    b.cmd("delete")
    b.expect(watch, *pattern)


def changes(b, old, new, command="continue"):
    out = b.expect(command, r"^Old value = %d$" % old, r"^New value = %d$" % new)
    b.check(WARNING in out, False, "a warning")


def silent(b, command):
    """arrives, and says nothing of watchpoints"""
    out = b.cmd(command)
    b.check("Old value" in out or WARNING in out, False, "%s: %s" % (command, out))


def around(b):
    """each way back to before the change, and forward over it"""
    changes(b, 9, 12)
    for command in "restart 1", "reverse-stepi", "reverse-stepi 5", "reverse-watch b", "reverse-step", "reverse-nexti":
        if command in ("reverse-step", "reverse-nexti"):
            b.cmd(command)
        else:
            silent(b, command)
        b.check(b.value("b"), 9, "b after " + command)
        b.check(b.value("gs->n"), 9, "gs->n after " + command)
        changes(b, 9, 12)
    changes(b, 12, 15)
    silent(b, "restart 1")
    changes(b, 9, 12)
    changes(b, 12, 9, "reverse-continue")
    changes(b, 9, 6, "reverse-continue")
    silent(b, "restart 1")
    changes(b, 9, 12)


def test_hardware():
    with Backward("values") as b:
        at_second(b, "watch b", r"^Hardware watchpoint \d+: b")
        around(b)


def test_software():
    with Backward("values") as b:
        at_second(b, "watch b", r"^Watchpoint \d+: b", soft=True)
        around(b)


def test_location():
    with Backward("values") as b:
        at_second(b, "watch -l b", r"^Hardware watchpoint \d+: -location b")
        around(b)


def test_pointer():
    """two places in memory: gs, and what it points to"""
    for soft in False, True:
        with Backward("values") as b:
            at_second(b, "watch gs->n", r"atchpoint \d+: gs->n", soft=soft)
            changes(b, 9, 12)
            for command in "restart 1", "reverse-stepi", "reverse-stepi 9", "reverse-watch gs->n":
                silent(b, command)
                b.check(b.value("gs->n"), 9, "gs->n after " + command)
                changes(b, 9, 12)
            for old in 12, 9, 6:
                changes(b, old, old - 3 if old > 6 else 0, "reverse-continue")
                b.check(WARNING in b.cmd("info program"), False, "a warning")
            for new in 6, 9, 12, 15:
                changes(b, new - 3 if new > 6 else 0, new)


def test_two_pointers():
    """what lies between the variable and the value changes, not these"""
    with Backward("values") as b:
        b.only_fred()
        b.start_at("begin")
        b.cmd("set var third.n = 7")
        b.cmd("tbreak loc if n == 3")
        b.cmd("continue")
        b.cmd("tbreak values.c:%d" % b.mark("next"))
        b.cmd("continue")
        b.cmd("checkpoint")
        b.cmd("watch gs->next->n")
        changes(b, 7, 0)
        silent(b, "restart 1")
        b.check(b.value("gs->next->n"), 7, "value")
        changes(b, 7, 0)
        changes(b, 0, 7)
        for new in 0, 7:
            changes(b, 7 - new, new, "reverse-continue")
        for new in 0, 7:
            changes(b, 7 - new, new)
        for new in 0, 7, 0, 7:
            changes(b, 7 - new, new, "reverse-continue")


def test_failing_command_leaves_no_warnings():
    with Backward("values") as b:
        at_second(b, "watch gs->n", r"^Hardware watchpoint \d+: gs->n")
        changes(b, 9, 12)
        b.cmd("restart 1")
        changes(b, 9, 12)
        b.cmd("reverse-finish")
        changes(b, 9, 12)
        b.expect("reverse-watch gs->n == 12", r"is true now")
        b.expect("reverse-next nonsense", r'^No symbol "nonsense"')
        b.check(WARNING in b.cmd("print gs->n"), False, "a warning")


def test_local():
    with Backward("values") as b:
        at_second(b, "watch l", r"^Hardware watchpoint \d+: l")
        b.cmd("stepi")
        silent(b, "restart 1")
        was = b.value("l")
        changes(b, was, 2)
        changes(b, 2, 4)
        silent(b, "reverse-stepi")
        changes(b, 2, 4)
        changes(b, 4, 12)
        silent(b, "restart 1")
        changes(b, was, 2)


def test_local_of_another_frame():
    """another call's variable at the same place of the stack, before; and one that isn't there yet"""
    with Backward("values") as b:
        b.only_fred()
        b.start()
        b.cmd("checkpoint")
        b.cmd("tbreak values.c:%d" % b.mark("b"))
        b.cmd("continue")
        b.cmd("checkpoint")
        b.cmd("tbreak loc if n == 3")
        b.cmd("continue")
        b.cmd("next")
        b.cmd("watch l")
        changes(b, 3, 5)
        silent(b, "restart 2")
        b.check(b.value("l"), 6, "l")
        b.expect("restart 1", r"^Watchpoint \d+ deleted because")
        b.expect("info watchpoints", r"^No watchpoints")
        b.expect("continue", r"exited normally")


def test_reads():
    """of a value that changed meanwhile gdb would take a read for a write"""
    with Backward("values") as b:
        at_second(b, "rwatch b", r"^Hardware read watchpoint \d+: b")
        for command in "restart 1", "reverse-stepi 24":
            b.expect("continue", r"^Value = 12$")
            b.expect("continue", r"^Value = 15$")
            b.cmd("restart 1")
            b.expect("continue", r"^Value = 12$")
            silent(b, command)
            b.check(b.value("b"), 9, "b after " + command)
        for new in 12, 15:
            b.expect("continue", r"^Value = %d$" % new)
        for new in 15, 12, 9:
            b.expect("reverse-continue", r"^Value = %d$" % new)
        for new in 9, 12, 15:
            b.expect("continue", r"^Value = %d$" % new)


def test_accesses():
    with Backward("values") as b:
        at_second(b, "awatch b", r"^Hardware access .*watchpoint \d+: b")
        for command in "restart 1", "reverse-stepi 3":
            changes(b, 9, 12)
            b.expect("continue", r"^Value = 12$")
            b.cmd("restart 1")
            changes(b, 9, 12)
            silent(b, command)
            if command != "restart 1":
                b.check(b.value("b"), 9, "b")


def test_several_of_which_one_is_disabled():
    with Backward("values") as b:
        at_second(b, "watch b", r"^Hardware watchpoint \d+: b")
        b.cmd("watch gs->n")
        changes(b, 9, 12)
        b.on("gs")
        changes(b, 9, 12)
        b.cmd("disable $bpnum")
        changes(b, 12, 15)
        silent(b, "restart 1")
        b.cmd("enable $bpnum")
        changes(b, 9, 12)
        b.on("gs")
        changes(b, 9, 12)
        b.on("next")


def test_undo():
    with Backward("values") as b:
        at_second(b, "watch b", r"^Hardware watchpoint \d+: b")
        changes(b, 9, 12)
        changes(b, 12, 15)
        b.cmd("undo")
        changes(b, 12, 15)
        b.cmd("restart 1")
        b.cmd("undo")
        changes(b, 15, 18)
        b.cmd("reverse-stepi")
        b.cmd("undo 2")
        changes(b, 15, 18)


def test_branches():
    with Backward("values") as b:
        at_second(b, "watch b", r"^Hardware watchpoint \d+: b")
        changes(b, 9, 12)
        changes(b, 12, 15)
        b.cmd("restart 1")
        b.cmd("set var n = 100")
        changes(b, 9, 306)
        name = b.expect("fred-branch", r"^\* (\S+) ")
        changes(b, 306, 15)
        silent(b, "fred-switch main")
        b.check(b.value("b"), 9, "b in main")
        changes(b, 9, 12)
        silent(b, "fred-switch b1")
        b.check(b.value("b"), 15, "b in b1 of " + name)
        changes(b, 15, 18)


def test_users_hook():
    """a hook of the user's for `advance' isn't run by us"""
    with Backward("values") as b:
        b.cmd("define hook-advance\necho hooked\\n\nend")
        at_second(b, "watch b", r"^Hardware watchpoint \d+: b")
        changes(b, 9, 12)
        out = b.expect("reverse-continue", r"^Old value = 12$", r"^New value = 9$")
        b.check("hooked" in out, False, "the hook")
        changes(b, 9, 12)


run(globals())
