"""reverse-step and its like in assembly without call frame information: the same stops as gdb's record full makes"""
import os
import re

from targets import ROOT
from tests import *

PLAIN = ["plain-4", "plain-3", "plain-2", "plain-1"]
PUSHES = ["pushes-8", "pushes-7", "pushes-6", "pushes-5", *PLAIN, "pushes-4", "pushes-3", "pushes-2", "pushes-1"]
ALIGNS = ["aligns-5", "aligns-4", "aligns-3", "aligns-2", "aligns-1"]
BARE = ["bare-3", "bare-2", "bare-1"]


def line_of(word):
    """where the MARK is: a file, and a line in it"""
    for name in ("assembly.s", "assembler.c"):
        for i, text in enumerate(open(os.path.join(ROOT, "tests", "targets", name)), 1):
            if re.search(r"MARK %s\b(?!-)" % re.escape(word), text):
                return name, i
    raise KeyError(word)


def on(b, word, what):
    out = b.cmd("info source")
    name, line = line_of(word)
    b.check((re.search(r"Current source file is (?:\S*/)?(\S+)", out)[1], b.where().line), (name, line), what)


def walk(b, command, words):
    for i, word in enumerate(words):
        b.cmd(command)
        on(b, word, "%s number %d, to %s" % (command, i + 1, word))


def test_step():
    with Backward("assembler", watch=["sum"]) as b:
        b.only_fred("gdb stops in the middle of the callers' lines, too")
        b.start_at("end")
        walk(b, "reverse-step", [*BARE, "bare-b", *BARE, "bare-a", *ALIGNS, "aligns-b", *ALIGNS, "aligns-a", *PUSHES, "pushes-b",
                                 *PUSHES, "pushes-a", *PLAIN, "plain-b", *PLAIN, "plain-a"])


def test_next():
    for function, words in (("pushes", ["pushes-4", "pushes-3", "pushes-2", "pushes-1"]), ("aligns", ALIGNS[2:]), ("bare", BARE[2:])):
        with Backward("assembler", watch=["sum"]) as b:
            b.start(function)
            b.cmd("nexti %d" % len(words))
            walk(b, "reverse-next", words)


def test_finish():
    with Backward("assembler", watch=["sum"]) as b:
        b.start("pushes")
        b.cmd("tbreak plain")
        b.cmd("continue")
        b.cmd("stepi")
        b.cmd("reverse-finish")
        on(b, "pushes-4", "reverse-finish")
        b.cmd("reverse-finish")
        on(b, "pushes-a", "reverse-finish again")


run(globals())
