"""A short seeded walk forward and back; the soak test walks longer."""
import os
import sys

from tests import *

sys.path.insert(0, os.path.join(ROOT, "tests", "soak"))
from walk import walk


def test_walks():
    for seed, program in ((1, "calls"), (2, "mutual"), (3, "cases")):
        with Backward(program, watch=["$rax"]) as b:
            walk(b, seed, 40)


run(globals())
