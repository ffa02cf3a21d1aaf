"""Transfers that snapshots interrupt, and that end otherwise than by all of their bytes.

test-timeout: 120
"""
from tests import *


def ends(how, says):
    with Backward("transfer_ends", how, timeout=60) as b:
        b.only_fred()
        b.expect("run", says + r": 0 wrong\s", r"exited normally")
        b.expect("fred-verify", r"snapshots verified")


def test_exec():
    """another thread makes a new program of the process"""
    ends("exec", "new")


def test_limit():
    """a file is at its limit: that is told once, without a signal"""
    ends("limit", "limit")


def test_name():
    """recvfrom without room for all of the sender's name"""
    ends("name", "name")


def test_rights():
    """a descriptor that comes with the second part"""
    ends("rights", "rights")


def test_shut():
    """nobody is to be written to any more: no SIGPIPE if a part was sent"""
    ends("shut", "shut")


def test_reset():
    """the other end resets: the next call is told, as if nothing had asked in between"""
    ends("reset", "reset")


def test_peek():
    """what came is looked at, and taken then"""
    ends("peek", "peek")


def test_random():
    """many random bytes, at which interrupts are looked for, too"""
    ends("random", "random")


run(globals())
