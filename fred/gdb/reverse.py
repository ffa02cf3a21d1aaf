# SPDX-License-Identifier: GPL-3.0-or-later
"""reverse-step and its like. Read by fred.py."""


class plain_errors:
    """gdb's errors are said as gdb says them; whatever ends a command, nothing of its search stays."""

    def __enter__(self):
        global reattached
        reattached = False
        try:
            self.level = gdb.selected_frame().level()
        except gdb.error:
            self.level = 0

    def __exit__(self, kind, error, _):
        if kind is None:
            return
        end_search()
        if reattached:
            leave_again()
        select_frame(self.level)
        if kind is gdb.error or (issubclass(kind, gdb.error) and kind is not gdb.GdbError):
            raise gdb.GdbError(str(error)) from None


def end_search():
    """The program is where the user left it, and gdb has read nothing else."""
    for _ in range(3):
        try:
            fred.ask("drop")
            flush_caches()
            return
        except KeyboardInterrupt:       # gdb may ask for it twice
            pass


def select_frame(level):
    try:
        frame = gdb.newest_frame()
        for _ in range(level):
            frame = frame.older()
        frame.select()
    except (gdb.error, AttributeError):
        pass                            # there is none any more


def parse_count(arg):
    if not arg:
        return 1
    n = gdb.parse_and_eval(arg)
    if n.type.strip_typedefs().code not in (gdb.TYPE_CODE_INT, gdb.TYPE_CODE_CHAR, gdb.TYPE_CODE_ENUM, gdb.TYPE_CODE_BOOL):
        raise gdb.GdbError("The count is no number: %s." % arg)
    return max(int(n), 0)


last_hit = []


def note_stop(event):
    last_hit[:] = event.breakpoints if isinstance(event, gdb.BreakpointEvent) else []


gdb.events.stop.connect(note_stop)


def ignore_crossings(count, from_tty):
    """`reverse-continue N': N - 1 crossings of the breakpoints at which the program is don't count."""
    say = gdb.write if from_tty else lambda text: None
    here = [b for b in last_hit if b.is_valid()]
    for b in here:
        b.ignore_count = max(count - 1, 0)
        if count < 2:
            say("Will stop next time breakpoint %d is reached.  " % b.number)
        else:
            crossings = "crossing" if count == 2 else "%d crossings" % (count - 1)
            say("Will ignore next %s of breakpoint %d.  " % (crossings, b.number))
    if not here:
        say("Not stopped at any breakpoint; argument ignored.\n")


def end_of_history():
    gdb.write("\nNo more reverse-execution history.\n")


def end_of_scope(b):
    gdb.write("\nWatchpoint %d deleted because the program has left the block in\n"
              "which its expression is valid.\n" % b.number)
    b.delete()


def go_back(how, count=1, to=(), **request):
    """to: addresses at which it stops, too."""
    s = check_can_go_back()
    effort = Effort(s)
    thread = reattach() if s["state"] == "ended" else selected_tid()
    stops = Stops(watches=how != "stepi", catches=how == "continue")
    for addr in to:
        stops.by_addr.setdefault(addr, []).append(None)
    r, done = None, 0
    while done < count:
        more = dict(request, chain=1) if done else request
        if done and stops.scopes:   # frames have other levels there
            with Peek():
                stops.find_scopes()
        r = settle(fred.ask("reverse", how=how, count=count - done, thread=thread, **stops.request(), **more), stops)
        if r["status"] != "found":
            fail(r)
        done += r.get("steps", 1)
        if r["kind"] != "step" or (done < count and stops.at_staged(r)):
            break
    if r is None:
        return
    if r["kind"] == "exec":     # nothing stops it in this program
        land("step", passing=True)
        go_back("continue")
        return
    if r["kind"] == "breakpoint" and stops.by_addr.get(r["pc"]) == [None]:
        r["kind"] = "step"
    effort.say()
    if r["kind"] == "begin":
        end_of_history()
    elif r["kind"] == "scope":
        end_of_scope(stops.watch_of_scope[r["slot"]])
    elif r["kind"] == "catch":
        fred.ask("forks", tell=lets_children_go())
    land("step" if r["kind"] in ("begin", "scope") else r["kind"], r.get("code", True), stops.watch_of_slot)


HELP = {
    "step": "Step program backward until it reaches the beginning of another source line.",
    "next": "Step program backward, proceeding through subroutine calls.",
    "stepi": "Step backward exactly one instruction.",
    "nexti": "Step backward one instruction, but proceed through called subroutines.",
    "continue": "Continue program being debugged but run it in reverse.",
    "finish": "Execute backward until just before selected stack frame is called.",
}


class Reverse(gdb.Command):
    def __init__(self, name, how):
        self.__doc__ = HELP[how]
        if how != "finish":
            self.__doc__ += "\nArgument N means do this N times (or till program stops for another reason)."
        self.how = how
        super().__init__(name, gdb.COMMAND_RUNNING)

    def invoke(self, arg, from_tty):
        if gdb.current_recording() is not None:
            self.by_gdb(arg, from_tty)
        elif direction.now == "reverse":
            raise gdb.GdbError("Already in reverse mode.  Use '%s' or 'set exec-dir forward'." % self.how)
        else:
            run_reverse(self.how, arg, from_tty)

    def by_gdb(self, arg, from_tty):
        """the user has gdb itself record (`record full'): what gdb's own command does"""
        gdb.execute("set %s reverse" % BUILT_IN)
        try:
            gdb.execute("%s %s" % (self.how, arg), from_tty)
        finally:
            gdb.execute("set %s forward" % BUILT_IN)


def run_reverse(how, arg, from_tty):
    with plain_errors():
        if how == "finish":
            finish(from_tty)
        elif how == "continue":
            continue_back(arg, from_tty)
        else:
            go_back(how, parse_count(arg))


def continue_back(arg, from_tty):
    check_can_go_back()
    if arg:
        ignore_crossings(parse_count(arg), from_tty)
    if from_tty:
        gdb.write("Continuing.\n")
    go_back("continue")


def level_of(frame):
    """as the machine counts frames: those that are on the stack"""
    level = 0
    f = gdb.newest_frame()
    while f is not None and f != frame:
        if is_real(f):
            level += 1
        f = f.older()
    return level


def finish(from_tty):
    check_can_go_back()
    try:
        frame = gdb.selected_frame()
    except gdb.error:
        raise gdb.GdbError("The program is not being run.")
    if frame.older() is None:
        raise gdb.GdbError("\"finish\" not meaningful in the outermost frame.")
    if from_tty:
        gdb.write("Run back to call of ")
        with Setting("print frame-info", "location"):
            show("frame")
    level, jumps = level_of(frame), jumps_to(frame)
    if jumps:
        level -= 1      # the frame of its caller was given to the function to which it jumped
    go_back("finish", level=level, jumps=jumps)


def jumps_to(frame):
    """how many tail calls led from the frame's function, which has none of its own any more, to the one that has it now; else 0"""
    jumps = 0
    for f in frames():
        jumps = jumps + 1 if f.type() == gdb.TAILCALL_FRAME else 0
        if f == frame:
            break
    return jumps


for name in HELP:
    Reverse("reverse-" + name, name)
for alias, name in (("step", "step"), ("next", "next"), ("finish", "finish"), ("continue", "continue")):
    gdb.execute("alias fred-r%s = reverse-%s" % (alias[0], name), to_string=True)
    gdb.execute("alias fred-reverse-%s = reverse-%s" % (name, name), to_string=True)
for name in ("stepi", "nexti"):
    gdb.execute("alias fred-reverse-%s = reverse-%s" % (name, name), to_string=True)
