# SPDX-License-Identifier: GPL-3.0-or-later
"""fred's commands inside gdb. Loaded by fred with -iex; reads the other files of this folder into one namespace."""
import importlib.machinery
import os

import gdb

FOLDER = os.path.dirname(os.path.abspath(__file__))


def load(part):
    """as gdb's `source', but compiled only once"""
    path = os.path.join(FOLDER, part + ".py")
    exec(importlib.machinery.SourceFileLoader(part, path).get_code(part), globals())


if int(gdb.VERSION.split(".")[0]) < 12:
    gdb.write("fred needs gdb 12 or newer; this is %s. The program runs forward only.\n" % gdb.VERSION, gdb.STDERR)
else:
    # In this order: the later ones use the former.
    for part in ("core", "breakpoints", "reverse", "watch", "checkpoint", "direction", "undo", "branch", "others"):
        load(part)
