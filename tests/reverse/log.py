"""More record than memory: it goes on to disk, and going back gives what was."""
import os
import re
import tempfile

from tests import *

TURNS = 6000        # of 4 KB that nobody can compress

SPOTS = (5, 17, 1023, 2500, 4096, 5000, TURNS - 1)


def words(b):
    """the turn, and what it has read"""
    out = b.cmd('printf "%u %u %u %u %lu\\n", turn, block[0], block[511], block[1023], sum')
    return [int(n) for n in out.split()]


def log_sizes(b):
    m = re.search(r"^log +\d+ events, (\d+) bytes in memory, (\d+) on disk$", b.cmd("fred-stats"), re.M)
    return (int(m[1]), int(m[2])) if m else b.fail("fred-stats has no sizes of the log")


def random_spots(b, truth):
    """what the program had read at turns all over its history, from the newest to the oldest"""
    for turn in sorted(truth, reverse=True):
        b.expect("reverse-watch turn <= %d" % turn, r"turn")
        b.check(words(b), truth[turn], "what was read in turn %d" % turn)


def test_more_than_memory():
    state = tempfile.mkdtemp(dir=tmp())
    with Backward("reader", str(TURNS), *map(str, SPOTS), env={"FRED_BUDGET": "16M", "XDG_STATE_HOME": state}, timeout=60) as b:
        b.only_fred()
        truth = {}
        b.start()
        b.expect("break spot", r"reakpoint")
        for turn in SPOTS:
            b.expect("continue", r"spot \(")
            truth[turn] = words(b)
            b.check(truth[turn][0], turn, "turn")
        b.cmd("delete")
        b.expect("break reader.c:%d" % b.mark("end"), r"reakpoint")
        b.expect("continue", r"reakpoint \d+, main")
        b.cmd("delete")
        memory, disk = log_sizes(b)
        print("# log: %d bytes in memory, %d on disk" % (memory, disk))
        b.check(memory < 5 << 20, True, "a quarter of the budget is the log's")
        b.check(disk > 19 << 20, True, "the rest is on disk")
        b.check(os.listdir(state + "/fred"), [], "names in the folder")
        b.check(os.stat(state + "/fred").st_mode & 0o777, 0o700, "the folder's mode")
        random_spots(b, truth)
        b.expect("tbreak reader.c:%d" % b.mark("end"), r"reakpoint")
        b.expect("continue", r"reakpoint \d+, main")
        random_spots(b, {turn: truth[turn] for turn in (4096,)})
        b.check("fred: " in b.text(0), False, "a word about it")
        b.ends()
        b.expect("tbreak main", r"reakpoint")
        b.expect("continue", r"main")
        b.check(b.value("turn"), 0, "turn at the beginning")


def test_no_disk():
    """history begins later then, with one message"""
    with Backward("reader", str(TURNS), "5500", env={"FRED_BUDGET": "16M", "XDG_STATE_HOME": "/proc/none"}, timeout=60) as b:
        b.only_fred()
        b.start()
        b.expect("break spot", r"reakpoint")
        b.expect("continue", r"spot \(")
        truth = words(b)
        b.cmd("delete")
        b.expect("break reader.c:%d" % b.mark("end"), r"reakpoint")
        b.expect("continue", r"reakpoint \d+, main")
        b.cmd("delete")
        said = re.findall(r"fred: the record can't go on to disk \(/proc/none/fred: .*\): the oldest part", b.text(0), re.M)
        b.check(len(said), 1, "messages")
        end = words(b)
        b.ends()
        b.check("_start" in b.cmd("frame"), False, "a later beginning")
        first = b.value("turn")
        b.expect("tbreak reader.c:%d" % b.mark("end"), r"reakpoint")
        b.expect("continue", r"reakpoint \d+, main")
        b.check(words(b), end, "forward from the later beginning")
        if first < 5500: # that depends on when snapshots were taken
            random_spots(b, {5500: truth})
        memory, disk = log_sizes(b)
        b.check(memory < 6 << 20, True, "a quarter of the budget, and the newest part: %d bytes" % memory)
        b.check(disk, 0, "bytes on disk")


run(globals())
