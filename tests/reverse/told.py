"""What gdb is told of a stop (ptrace-plugin/facts.h) is what it would hear if it asked, wherever in time it is."""
import os
import re

from tests import *


def gdbs(b, field):
    pid = b.expect("python print('pid', os.getpid())", r"^pid \d+$").split()[-1]
    return re.search(r"^%s:\s+(\d+)" % field, open("/proc/%s/status" % pid).read(), re.M).group(1)


def registers(b):
    """as gdb keeps them, and asked for anew"""
    kept = b.cmd("info registers")
    b.cmd("maintenance flush register-cache")
    b.check(b.cmd("info registers"), kept, "registers asked for anew")
    return kept


def test_registers():
    with Backward("calls") as b:
        b.only_fred()
        b.start()
        told = []
        for _ in range(25):
            told.append(registers(b))
            b.cmd("stepi")
        for want in reversed(told):
            b.cmd("reverse-stepi")
            b.check(registers(b), want, "registers of the past")
        for want in told[1:]:
            b.cmd("stepi")
            b.check(registers(b), want, "registers of the past, forward")


def test_changed():
    with Backward("calls") as b:
        b.only_fred()
        b.start()
        b.cmd("stepi")
        for value in (11, 12):
            b.cmd("set $rax = %d" % value)
            b.check(int(re.search(r"rax +0x\w+ +(\d+)", registers(b)).group(1)), value, "rax")
        b.cmd("checkpoint")
        b.cmd("stepi")
        b.cmd("set $rcx = 13")
        b.cmd("restart 1")
        b.check(int(re.search(r"rax +0x\w+ +(\d+)", registers(b)).group(1)), 12, "rax at the checkpoint")
        b.cmd("restart -session 1")
        registers(b)
        b.cmd("stepi")
        b.cmd("undo")
        registers(b)


def test_library():
    with Backward("calls") as b:
        b.only_fred()
        b.start()
        pid = b.expect("python print('pid', os.getpid())", r"^pid \d+$").split()[-1]
        b.check("facts.so" in open("/proc/%s/maps" % pid).read(), True, "facts.so is loaded")


def test_paths_once_others_play():
    """paths are translated as soon as another process plays, and gdb isn't stopped for them before"""
    with Backward("calls") as b:
        b.only_fred()
        b.start()
        pid = int(b.expect("python print('pid', gdb.selected_inferior().pid)", r"^pid \d+$").split()[-1])
        read = "python print('read', open('/proc/%d/status').read().split('Pid:')[1].split()[0])" % pid
        before = int(gdbs(b, "Seccomp_filters"))
        b.cmd("next 3")
        b.check(int(gdbs(b, "Seccomp_filters")), before, "filters")
        b.cmd("reverse-next")
        b.check(int(gdbs(b, "Seccomp_filters")), before + 1, "filters")
        b.expect(read, r"^read %d$" % pid)
        b.cmd("undo")
        b.expect(read, r"^read %d$" % pid)
        b.cmd("reverse-next")
        b.expect(read, r"^read %d$" % pid)


run(globals())
