"""`from tests import *` is all that a reverse test needs; its functions named test_* run in order."""
import sys
import traceback

from session import Failure, Session, environment, fred, plain, stat, tagged  # noqa: F401
from targets import ROOT, mark, source, target, tmp  # noqa: F401
from truth import END, REFERENCE, Backward, Stop, show  # noqa: F401


def run(names):
    """runs every test_* of the caller; the first failure of each is printed"""
    bad = 0
    wanted = sys.argv[1:]
    for name, function in list(names.items()):
        if not name.startswith("test_") or (wanted and name not in wanted):
            continue
        try:
            function()
            print("ok   %s" % name)
        except SystemExit as e:
            if e.code:
                raise
        except Failure as e:
            bad += 1
            print("FAIL %s: %s" % (name, e))
        except Exception:
            bad += 1
            print("FAIL %s:\n%s" % (name, traceback.format_exc()))
    sys.exit(bad > 0)
