# SPDX-License-Identifier: GPL-3.0-or-later
"""fred-stats, fred-source, and `delete' without a question. Read by fred.py."""


class Stats(gdb.Command):
    """Print what fred did and how long it took."""

    def __init__(self):
        super().__init__("fred-stats", gdb.COMMAND_STATUS)

    def invoke(self, arg, from_tty):
        s = fred.ask("stats")
        for what in ("snapshot", "restart", "evaluation"):
            n, total = s[what + "s"], s[what + " seconds"]
            gdb.write("%-12s %8d  total %.3f s  average %.6f s\n" % (what + "s", n, total, total / n if n else 0))
        gdb.write("%-12s %8d  total %.3f s  runs %d\n" % ("searches", s["searches"], s["search seconds"],
                                                         s["search runs"]))
        gdb.write("%-12s %8d\n" % ("transplants", s["transplants"]))
        gdb.write("%-12s %8d events, %d bytes in memory, %d on disk\n" % ("log", s["events"], s["log memory"],
                                                                            s["log disk"]))
        gdb.write("%-12s %8d without a stop\n" % ("calls", s["quick calls"]))
        gdb.write("%-12s %8d kept, %d dropped, %d bytes private%s\n" % (
            "copies", s["snapshots kept"], s["snapshots dropped"], s["private memory"],
            "; the oldest part of history is gone" if s["truncated"] else ""))
        gdb.write("%-12s %8d MB of %d MB used\n" % ("budget", s["budget used"] >> 20, s["budget"] >> 20))


Stats()


class List(gdb.Command):
    """List the program's checkpoints and where it is in its recorded time."""

    def __init__(self):
        super().__init__("fred-list", gdb.COMMAND_STATUS)

    def invoke(self, arg, from_tty):
        s = fred.ask("status")
        if "events" in s:
            gdb.write("%d snapshots, %d events recorded; %s\n"
                      % (s["snapshots"], s["events"], {"past": "now after event %d, in the past" % s["event"],
                                                      "live": "now at the newest point",
                                                      "ended": "the program has ended"}[s["state"]]))
            if "broken" in s:
                gdb.write("Recording ended: %s.\n" % s["broken"])
            branches = fred.ask("branches")["list"]
            for b in branches if len(branches) > 1 else ():
                gdb.write(describe(b) + "\n")
        show("info checkpoints")


class Help(gdb.Command):
    """What fred adds to gdb."""

    TEXT = """\
reverse-step, -next, -stepi, -nexti [N]   back by lines or instructions (rs, rn, rsi, rni)
reverse-continue, reverse-finish          back to a breakpoint or watchpoint; to the caller
reverse-watch EXPR                        back to where a true EXPR became false, or a value was changed
undo [N]                                  take back the last N commands, gdb's state included
checkpoint, restart N                     name a point in time; go there (restart -session N: gdb as well)
info checkpoints, delete checkpoint N
fred-branch, fred-switch NAME             a past that you changed and went on from is a branch: list them, go there
fred-list, fred-history, fred-stats       where the program is in its time; commands; figures
fred-verify                               replay the whole past and compare it with what was
fred-source FILE, fred-help
"""

    def __init__(self):
        super().__init__("fred-help", gdb.COMMAND_SUPPORT)

    def invoke(self, arg, from_tty):
        gdb.write(self.TEXT)


List()
Help()
gdb.execute("alias fred = fred-help", to_string=True)


class Verify(gdb.Command):
    """Replay the whole recorded past and compare: fred-verify
From each snapshot to the next the program's registers and memory must come out as they were."""

    def __init__(self):
        super().__init__("fred-verify", gdb.COMMAND_STATUS)

    def invoke(self, arg, from_tty):
        check_can_go_back()
        r = fred.ask("verify")
        if r["status"] != "ok":
            fail(r)
        gdb.write("%d snapshots verified.\n" % r["verified"])


Verify()


class Source(gdb.Command):
    """Read fred or gdb commands from a file: fred-source FILE"""

    def __init__(self):
        super().__init__("fred-source", gdb.COMMAND_SUPPORT, gdb.COMPLETE_FILENAME)

    def invoke(self, arg, from_tty):
        if not arg:
            raise gdb.GdbError("fred-source: which file?")
        gdb.execute("source " + arg, from_tty)


Source()


# Plain `delete' asks "Delete all breakpoints?". In a session that goes back and forth breakpoints come and go all the
# time, so fred does not ask; every other question stays.


class DeleteHook(gdb.Command):
    """Internal: `delete' doesn't ask."""

    former = None

    def __init__(self, name, before):
        self.before = before
        super().__init__("maintenance " + name, gdb.COMMAND_MAINTENANCE)

    def invoke(self, arg, from_tty):
        if self.before and DeleteHook.former is None and gdb.parameter("confirm"):
            DeleteHook.former = True
            gdb.execute("set confirm off", to_string=True)
        elif not self.before:
            DeleteHook.restore()

    @staticmethod
    def restore():
        if DeleteHook.former:
            DeleteHook.former = None
            gdb.execute("set confirm on", to_string=True)


DeleteHook("fred-before-delete", True)
DeleteHook("fred-after-delete", False)
gdb.execute("define hook-delete\nmaintenance fred-before-delete\nend", to_string=True)
gdb.execute("define hookpost-delete\nmaintenance fred-after-delete\nend", to_string=True)
gdb.events.before_prompt.connect(DeleteHook.restore)
