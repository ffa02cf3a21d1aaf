# SPDX-License-Identifier: GPL-3.0-or-later
"""Branches: the question before a changed past goes on, fred-branch, fred-switch. Read by fred.py."""
import sys


def query(question):
    """as gdb's own queries: yes without a terminal, and with `set confirm off'"""
    if not gdb.parameter("confirm"):
        return True
    if not (os.isatty(0) and os.isatty(1)):
        gdb.write(question + " (y or n) [answered Y; input not from terminal]\n")
        return True
    ours, sys.stdout = sys.stdout, sys.__stdout__      # then Python reads by gdb's line editing
    try:
        while True:
            gdb.flush()
            try:
                answer = input(question + " (y or n) ").strip().lower()
            except EOFError:
                ours.write("EOF [assumed Y]\n")
                return True
            if answer[:1] in ("y", "n"):
                return answer[:1] == "y"
            ours.write("Please answer y or n.\n")
    finally:
        sys.stdout = ours


def tell_of_forks():
    if fred.ask("status")["state"] != "past":
        return
    catches = fork_catchpoints()
    fred.ask("forks", tell=bool(catches) and lets_children_go())
    for n in catches if not lets_children_go() else ():
        say_once(n, "catchpoint %d doesn't stop the program at forks of its past: gdb would follow the child once more" % n)


class BeforeResume(gdb.Command):
    """Internal: before a command that lets the program go on, a changed past asks whether it becomes a branch."""

    def __init__(self):
        super().__init__("maintenance fred-before-resume", gdb.COMMAND_MAINTENANCE)

    def invoke(self, arg, from_tty):
        if hooks.silent:
            return
        tell_of_forks()
        changes = arg in ("jump", "signal")
        r = fred.ask("branch plan", changes=changes)
        if r.get("exchanged"):
            flush_caches()
        if r["status"] == "clean":
            return
        if r["status"] == "error":
            raise gdb.GdbError("The program can't go on changed from here: %s.%s" % (
                r["message"], "" if changes else "\nThe change goes when you go back."))
        if r["named"]:
            gdb.write("On this branch:\n%s\n" % "\n".join("  " + line for line in r["named"].split("\n")))
        yes = query("%s the past: the program goes on from here for real, as branch %s?"
                    % ("Change" if changes else "You have changed", r["name"]))
        fred.ask("branch answer", yes=yes)
        if yes:
            gdb.write("This is branch %s.\n" % r["name"])
        elif changes:
            raise gdb.GdbError("Not confirmed.")
        else:
            flush_caches()


BeforeResume()


def calling(event):
    """gdb is about to call a function of the program. In the past that changes a copy which goes; what the user changes
    himself stays."""
    if not isinstance(event, gdb.InferiorCallPreEvent):
        stand_still.release()
    elif fred.ask("call")["copy"]:
        stand_still.hold()


class StandStill:
    """The other threads, while such a function runs: gdb would step those at breakpoints over them before, and take them for
    being elsewhere from then on. If a breakpoint ends the function early they go with it, from the prompt on."""

    def __init__(self):
        self.depth, self.alone = 0, None
        gdb.events.before_prompt.connect(lambda: self.release(all=True))

    def hold(self):
        self.depth += 1
        if self.depth == 1:
            self.alone = alone()
            self.alone.__enter__()

    def release(self, all=False):
        if self.depth:
            self.depth = 0 if all else self.depth - 1
            if not self.depth:
                self.alone.__exit__()


stand_still = StandStill()


def written(event):
    r = fred.ask("written", at=event.address, size=event.length)
    if "message" in r:
        gdb.write("fred: %s.\n" % r["message"])


gdb.events.inferior_call.connect(calling)
gdb.events.memory_changed.connect(written)


class Hooks:
    """gdb calls hook-COMMAND before COMMAND. Made when the program first is in the past; the user's own are left alone
    (then there is no question: the branch is made, and fred says so)."""

    NAMES = ("continue", "step", "next", "stepi", "nexti", "finish", "until", "advance", "jump", "signal")

    def __init__(self):
        self.made = self.silent = False
        self.ours = set()

    def make(self):
        if self.made:
            return
        self.made = True
        for name in self.NAMES:
            if not self.is_theirs(name):
                self.ours.add(name)
                gdb.execute("define hook-%s\nmaintenance fred-before-resume %s\nend" % (name, name), to_string=True)

    def is_theirs(self, name):
        """whether the user has a hook there"""
        if name in self.ours:
            return False
        try:
            gdb.execute("show user hook-" + name, to_string=True)
            return True
        except gdb.error:
            return False


hooks = Hooks()


def describe(b):
    where = ("after event %d" % b["at"] if "at" in b else "ended" if b["ended"] else "at its newest point")
    left = ", left %s after event %d" % (b["parent"], b["from"]) if "parent" in b else ""
    return "%s %-6s %d events%s; %s" % ("*" if b["current"] else " ", b["name"], b["events"], left, where)


def list_branches():
    for b in fred.ask("branches")["list"]:
        gdb.write(describe(b) + "\n")


class Branch(gdb.Command):
    """List the program's branches: fred-branch
Changing the past and going on makes one; `fred-switch NAME' goes to another."""

    def __init__(self):
        super().__init__("fred-branch", gdb.COMMAND_RUNNING)

    def invoke(self, arg, from_tty):
        if arg:
            raise gdb.GdbError("fred-branch lists; fred-switch %s goes there." % arg)
        check_can_go_back()
        list_branches()


class Switch(gdb.Command):
    """Go to another branch, to where you last were in it: fred-switch NAME"""

    def __init__(self):
        super().__init__("fred-switch", gdb.COMMAND_RUNNING)

    def complete(self, text, word):
        return [b["name"] for b in fred.ask("branches")["list"] if b["name"].startswith(word)]

    def invoke(self, arg, from_tty):
        self.dont_repeat()
        if not arg:
            raise gdb.GdbError("fred-switch: to which branch? fred-branch lists them.")
        check_can_go_back()
        r = fred.ask("switch", name=arg.strip())
        if r["status"] != "found":
            fail(r)
        if r.get("attach"):
            with Mute(), Setting("confirm", "off"), Setting("exec-file-mismatch", "off"):
                gdb.execute("attach %d" % r["tid"], to_string=True)
            refresh_libraries()
            if fred.ask("met")["status"] == "ok":       # the other threads, and the one in which the user was
                land("step")
            else:
                refresh_in_frames(watchpoints())
        else:
            land("step")


Branch()
Switch()
