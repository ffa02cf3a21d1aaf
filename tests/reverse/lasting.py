"""Thousands of restarts and transplants leave nothing behind; nor do deaths of fred and gdb at random moments.

alone
test-timeout: 300
"""
import os
import subprocess
import sys

from tests import *


def soak(what, *args):
    """a part of tests/soak/run with processes of its own"""
    env = dict(os.environ, FRED_TEST_TAG=os.environ.get("FRED_TEST_TAG", "lasting") + "-" + what)
    return subprocess.Popen([sys.executable, os.path.join(ROOT, "tests", "soak", "run"), what, *args], env=env,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_lasting():
    if REFERENCE:
        return
    # Side by side: one computes, the other mostly waits.
    parts = [soak("leak", "--rounds", "2500"), soak("kill", "--kills", "100")]
    outputs = [p.communicate()[0] for p in parts]
    for line in "".join(outputs).splitlines():
        print("# " + line)
    if any(p.returncode for p in parts):
        raise Failure("it does not last")


run(globals())
