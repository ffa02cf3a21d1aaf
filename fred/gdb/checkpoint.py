# SPDX-License-Identifier: GPL-3.0-or-later
"""checkpoint, restart and their like. Read by fred.py."""


def where():
    frame = gdb.newest_frame()
    sal = frame.find_sal()
    text = "%#x" % frame.pc()
    if sal.symtab:
        text += ", file %s, line %d" % (sal.symtab.filename, sal.line)
    return text


class Checkpoint(gdb.Command):
    """Name this point of the program's time, to come back to it with `restart'."""

    def __init__(self):
        super().__init__("checkpoint", gdb.COMMAND_RUNNING)

    def invoke(self, arg, from_tty):
        if not gdb.selected_inferior().pid:
            raise gdb.GdbError("The program is not being run.")
        check_can_go_back()
        at = where()
        r = fred.ask("checkpoint", where=at, thread=selected_tid())
        if r["status"] != "ok":
            fail(r)
        gdb.write("Checkpoint %d at %s.\n" % (r["id"], at))


def checkpoint_id(arg, what):
    if not arg:
        raise gdb.GdbError("Requires numeric checkpoint id to %s." % what)
    with plain_errors():
        return int(gdb.parse_and_eval(arg))


class Restart(gdb.Command):
    """Go to a checkpoint: restart N
The program is again as it was there; gdb stays as it is."""

    def __init__(self):
        super().__init__("restart", gdb.COMMAND_RUNNING)

    def invoke(self, arg, from_tty):
        self.dont_repeat()
        if arg and arg.startswith("-session"):
            n = checkpoint_id(arg[len("-session"):].strip(), "restart")
            if not any(c["id"] == n for c in fred.ask("checkpoints")["list"]):
                raise gdb.GdbError("Not found: checkpoint id %d" % n)
            check_session("restart -session")
            r = fred.ask("undo", checkpoint=n)
            if r["status"] != "ok":
                fail(r)
            return
        n = checkpoint_id(arg, "restart")
        s = check_can_go_back()
        with plain_errors():
            if s["state"] == "ended":
                reattach()
            r = fred.ask("restart", id=n)
            if r.get("foreign"):
                raise gdb.GdbError("Checkpoint %d is of another process: select its inferior first." % n)
            if r["status"] != "found":
                raise gdb.GdbError("Not found: checkpoint id %d" % n)
            land("step")
            t = known_thread(r["selected"])
            if t is not None and t != gdb.selected_thread():    # the user looked at another one than that which ran
                show("thread %d" % t.num)


class InfoCheckpoints(gdb.Command):
    """IDs of currently known checkpoints."""

    def __init__(self):
        super().__init__("info checkpoints", gdb.COMMAND_STATUS)

    def invoke(self, arg, from_tty):
        points = fred.ask("checkpoints")["list"]
        if not points:
            gdb.write("No checkpoints.\n")
        for c in points:
            gdb.write("  %d %s\n" % (c["id"], c["where"]))


class DeleteCheckpoint(gdb.Command):
    """Delete a checkpoint (experimental): delete checkpoint N"""

    def __init__(self):
        super().__init__("delete checkpoint", gdb.COMMAND_RUNNING)

    def invoke(self, arg, from_tty):
        n = checkpoint_id(arg, "delete")
        if fred.ask("delete", id=n)["status"] != "ok":
            raise gdb.GdbError("Not found: checkpoint id %d" % n)


Checkpoint()
Restart()
InfoCheckpoints()
DeleteCheckpoint()
for alias, name in (("checkpoint", "checkpoint"), ("ckpt", "checkpoint"), ("restart", "restart")):
    gdb.execute("alias fred-%s = %s" % (alias, name), to_string=True)
