# SPDX-License-Identifier: GPL-3.0-or-later
"""Session snapshots: undo, and which commands led to a prompt. Read by fred.py."""


REPEATABLE = re.compile(r"(fred-)?(r(everse-)?)?(s|n|si|ni|c|u|rs|rn|rsi|rni|rc|step|next|stepi|nexti|continue|until|x|l|list)"
                        r"\b")


class Prompts:
    """Tells fred at each prompt which command led there."""

    def __init__(self):
        self.number, self.line = self.last()
        self.helpers = True
        gdb.events.before_prompt.connect(self.shown)

    @staticmethod
    def last():
        lines = gdb.execute("show commands", to_string=True).rstrip("\n").split("\n")
        m = re.match(r"\s*(\d+)  (.*)", lines[-1])
        return (int(m.group(1)), m.group(2)) if m else (0, "")

    def command(self):
        number, line = self.last()
        if number == self.number:      # an empty line: the last command again, if it is one of those
            return line if REPEATABLE.match(line) else ""
        self.number, self.line = number, line
        return line

    def shown(self):
        if self.helpers:
            # A session snapshot is a fork of gdb, and a fork copies one thread only. From now on gdb reads symbols
            # without helpers.
            self.helpers = False
            gdb.execute("maintenance set worker-threads 0", to_string=True)
        r = fred.ask("prompt", command=self.command())
        if r.get("restarted"):
            self.restarted(r)

    def restarted(self, r):
        hooks.make()        # this gdb may never have been in the past before
        with Mute():
            for line in filter(None, r["replay"]):
                try:
                    gdb.execute(line, False, True)
                except (gdb.error, KeyboardInterrupt):
                    pass
        if "say" in r:
            gdb.write("fred: %s.\n" % r["say"])
        try:
            show("frame")
        except gdb.error:
            pass


prompts = Prompts()


class Undo(gdb.Command):
    """Undo the last command, or the last N: undo [N]
The program and gdb itself (breakpoints, settings, variables) are again as before."""

    def __init__(self, name):
        super().__init__(name, gdb.COMMAND_RUNNING)

    def invoke(self, arg, from_tty):
        self.dont_repeat()
        with plain_errors():
            n = parse_count(arg)
        check_recorded()
        r = fred.ask("undo", n=n)
        if r["status"] != "ok":
            fail(r)


Undo("undo")
gdb.execute("alias fred-undo = undo", to_string=True)


class History(gdb.Command):
    """The commands given so far, oldest first; `undo' takes back the last ones."""

    def __init__(self):
        super().__init__("fred-history", gdb.COMMAND_STATUS)

    def invoke(self, arg, from_tty):
        for i, line in enumerate(fred.ask("history")["list"]):
            gdb.write("%5d  %s\n" % (i + 1, line))


History()
