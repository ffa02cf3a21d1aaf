# SPDX-License-Identifier: GPL-3.0-or-later
"""Session snapshots: undo, and which commands led to a prompt. Read by fred.py."""


# gdb does the last command again at an empty line, but for these (and what has lines of its own).
NOT_REPEATED = re.compile(r"(ru?n?|starti?|att\w*|det\w*|disc\w*|sign?a?l?|disp\w*|undisp\w*|d|del\w*|(exec-|symbol-)?file|core\S*|"
                          r"cd|path|dir\w*|tty|target|mem|restart|(fred-)?undo|fred-switch|fred-restart)(\s|$)")
# These show something and change nothing: they are no commands to undo.
LOOKS = re.compile(r"(h|help|apropos|i|inf|info|show|bt|backtrace|where|ptype|whatis|pwd|"
                   r"fred|fred-(help|list|history|stats|verify))(\s|$)")


class Prompts:
    """Tells fred at each prompt which command led there."""

    def __init__(self):
        self.number, self.line = self.last()
        self.begun = False
        gdb.events.before_prompt.connect(self.shown)

    @staticmethod
    def lines(around=""):
        """up to ten lines of gdb's history with their numbers; the last ones, or around a number"""
        text = gdb.execute("show commands %s" % around, to_string=True)
        return [(int(n), line) for n, line in re.findall(r"^ *(\d+)  (.*)$", text, re.M)]

    def last(self):
        lines = self.lines()
        return lines[-1] if lines else (0, "")

    def command(self):
        """what led to this prompt, "": nothing was done, None: unknown (without a terminal gdb keeps no history)"""
        number, line = self.last()
        if number == self.number:
            if not number and not os.isatty(0):
                return None
            return "" if "\n" in self.line or NOT_REPEATED.match(self.line) else self.line
        typed = {}                      # several lines: those of a definition, too
        for n in range(self.number + 1, number + 1):
            if n not in typed:
                typed.update(self.lines(n + 5))
        self.line = "\n".join(typed.get(n, "") for n in range(self.number + 1, number + 1)).strip()
        self.number = number
        return self.line

    def shown(self):
        command = self.command()
        if not self.begun:
            # A session snapshot is a fork of gdb, and a fork copies one thread only. From now on gdb reads symbols
            # without helpers.
            self.begun = True
            gdb.execute("maintenance set worker-threads 0", to_string=True)
        elif command == "" or (command and LOOKS.match(command)):
            return
        gdb.flush()     # what is in gdb's buffers would be printed by each copy that goes on from here
        r = fred.ask("prompt", command=command)
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


def check_session(command):
    """a former gdb can go on only where lines are typed: from a file it would read the same ones again"""
    if not os.isatty(0):
        raise gdb.GdbError("%s needs a terminal: of commands from a file or a pipe gdb keeps no history." % command)


class Undo(gdb.Command):
    """Undo the last command, or the last N: undo [N]
The program and gdb itself (breakpoints, settings, variables) are again as before.
What was typed counts, also print (it sets $1 ...) and what gdb refused; not empty
lines that repeat nothing, nor what only shows something (help, info, show,
backtrace, ptype ...). fred-history lists what counts."""

    def __init__(self, name):
        super().__init__(name, gdb.COMMAND_RUNNING)

    def invoke(self, arg, from_tty):
        self.dont_repeat()
        with plain_errors():
            n = parse_count(arg)
        check_recorded()
        check_session("undo")
        r = fred.ask("undo", n=n)
        if r["status"] != "ok":
            fail(r)


Undo("undo")
gdb.execute("alias fred-undo = undo", to_string=True)


class History(gdb.Command):
    """The commands that count for `undo', oldest first; it takes back the last ones."""

    def __init__(self):
        super().__init__("fred-history", gdb.COMMAND_STATUS)

    def invoke(self, arg, from_tty):
        check_session("fred-history")
        for i, line in enumerate(fred.ask("history")["list"]):
            gdb.write("%5d  %s\n" % (i + 1, line))


History()
