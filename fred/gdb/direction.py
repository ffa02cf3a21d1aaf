# SPDX-License-Identifier: GPL-3.0-or-later
"""`set exec-direction reverse': the forward commands go back. Read by fred.py.

gdb has no way to put a command of its own aside: a new one of the same name destroys it. So gdb's commands are renamed
in its list of commands while ours stand in their place, and get their names back with `set exec-direction forward'.
The list is a C structure of gdb's that begins with two pointers, the next command and the name; whether that is so is
looked at first, and if not, everything stays as gdb made it.
"""


class Anchor(gdb.Command):
    """Internal: the place in gdb's list of commands from which fred finds the others."""

    def __init__(self, prefix):
        super().__init__(prefix + "Fred-anchor", gdb.COMMAND_OBSCURE)

    def invoke(self, arg, from_tty):
        pass


class Element:
    """A command in one of gdb's lists."""

    POINTER = ctypes.sizeof(ctypes.c_void_p)

    def __init__(self, address):
        self.address = address

    def pointer(self, index):
        return ctypes.c_void_p.from_address(self.address + index * self.POINTER)

    def next(self):
        at = self.pointer(0).value
        return Element(at) if at else None

    def name(self):
        return ctypes.string_at(self.pointer(1).value, 256).split(b"\0")[0].decode(errors="replace")

    def rename(self, name):
        """The new name's bytes live as long as gdb does."""
        kept.append(ctypes.create_string_buffer(name.encode()))
        self.pointer(1).value = ctypes.addressof(kept[-1])

    @staticmethod
    def of(command):
        """A Python command's element: the first thing behind the object's header; None: not with this gdb."""
        at = ctypes.c_void_p.from_address(id(command) + object.__basicsize__).value
        with open("/proc/self/mem", "rb", 0) as mem:
            try:
                mem.seek(at)
                words = ctypes.c_void_p * 2
                name = words.from_buffer_copy(mem.read(ctypes.sizeof(words)))[1]
                mem.seek(name)
                good = mem.read(12) == b"Fred-anchor\0"
            except (OSError, TypeError, ValueError, OverflowError):
                return None
        return Element(at) if good else None

    def find(self, names):
        """{name: element} of those commands behind this one."""
        found, e = {}, self.next()
        while e is not None and len(found) < len(names):
            if e.name() in names:
                found[e.name()] = e
            e = e.next()
        return found


kept = []
anchors = [Anchor(prefix) for prefix in ("", "set ", "show ")]
lists = [Element.of(a) for a in anchors]


class Reversed(gdb.Command):
    """A forward command while the direction is reverse."""

    def __init__(self, name, how):
        self.__doc__ = "As `reverse-%s': the direction of execution is reverse." % how
        self.how = how
        super().__init__(name, gdb.COMMAND_RUNNING)

    def invoke(self, arg, from_tty):
        run_reverse(self.how, arg, from_tty)


class ReversedTo(gdb.Command):
    """Run back to a location."""

    def __init__(self, name):
        self.name = name
        super().__init__(name, gdb.COMMAND_RUNNING, gdb.COMPLETE_LOCATION)

    def invoke(self, arg, from_tty):
        if arg:
            with plain_errors():
                go_back("continue", to=locate(arg))
        elif self.name == "until":
            run_reverse("next", arg, from_tty)
        else:
            raise gdb.GdbError("Argument required (a location).")


def locate(text):
    """The addresses that a location means."""
    b = gdb.Breakpoint(text, internal=True, temporary=True)
    try:
        found = [loc.address for loc in b.locations if loc.address is not None]
    finally:
        b.delete()
    if not found:
        raise gdb.GdbError("No code at %s." % text)
    return found


SWAPPED = {"step": "s", "next": "n", "stepi": "si", "nexti": "ni", "continue": "c fg", "finish": "fin",
           "until": "u", "advance": ""}


class Direction:
    """Which commands stand in the list: gdb's (forward) or ours."""

    def __init__(self):
        self.theirs = self.ours = None
        self.now = "forward"

    def gdbs(self, name):
        """What gdb's own command is called now."""
        return name if self.now == "forward" else "fred-forward-" + name

    def make(self):
        names = set(SWAPPED) | set(" ".join(SWAPPED.values()).split())
        self.theirs = lists[0].find(names)
        if set(self.theirs) != names:
            return False
        for name, e in self.theirs.items():
            e.rename("fred-forward-" + name)
        for name, aliases in SWAPPED.items():
            command = ReversedTo(name) if name in ("until", "advance") else Reversed(name, name)
            kept.append(command)
            for alias in aliases.split():
                gdb.execute("alias %s = %s" % (alias, name), to_string=True)
        self.ours = lists[0].find(names)
        return True

    def set(self, direction):
        if direction == self.now:
            return True
        if not lists[0] or (self.theirs is None and not self.make()):
            return False
        show, hide = (self.ours, self.theirs) if direction == "reverse" else (self.theirs, self.ours)
        for name, e in hide.items():
            e.rename("fred-forward-" + name if hide is self.theirs else "fred-reversed-" + name)
        for name, e in show.items():
            e.rename(name)
        self.now = direction
        return True


direction = Direction()


def in_mi():
    """Whether gdb was started for a front end that talks MI: its own commands can't be replaced."""
    with open("/proc/self/cmdline", "rb") as f:
        options = f.read().split(b"\0--args\0")[0]
    return re.search(rb"\0--?i(nt\w*)?[=\0]mi", options) is not None


class ExecDirection(gdb.Parameter):
    """Direction of execution: forward or reverse."""

    set_doc = "Set direction of execution.\nOptions are 'forward' or 'reverse'."
    show_doc = "Show direction of execution (forward/reverse)."

    def __init__(self):
        super().__init__("exec-direction", gdb.COMMAND_RUNNING, gdb.PARAM_ENUM, ["forward", "reverse"])
        self.value = "forward"

    def get_set_string(self):
        wanted, self.value = self.value, direction.now
        if gdb.current_recording() is not None:
            gdb.execute("set %s %s" % (BUILT_IN, wanted))
            self.value = wanted
            return ""
        if wanted == "reverse":
            check_can_go_back()
            if in_mi():
                raise gdb.GdbError("-exec-continue would go forward all the same; use -exec-step --reverse and so on, and "
                                   "-interpreter-exec console \"reverse-continue\".")
        if not direction.set(wanted):
            raise gdb.GdbError("fred can't do this with this gdb; use reverse-step, reverse-next and so on.")
        self.value = wanted
        return ""

    def get_show_string(self, value):
        return value.capitalize() + "."


BUILT_IN = "fred-exec-direction"

if all(lists):
    for start in lists[1:]:
        for e in start.find({"exec-direction"}).values():
            e.rename(BUILT_IN)
    ExecDirection()
else:
    BUILT_IN = "exec-direction"
