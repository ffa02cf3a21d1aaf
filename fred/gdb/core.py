# SPDX-License-Identifier: GPL-3.0-or-later
"""Talking to fred by its reserved system call, and arriving where it found something. Read by fred.py."""
import contextlib
import ctypes
import json
import os
import re
import signal
import time

import gdb


class Channel:
    """Requests to fred: a dict in, a dict out."""

    NUMBER = 0x66726564
    ROOM = 1 << 20

    def __init__(self):
        self.call = ctypes.CDLL(None, use_errno=True).syscall
        self.call.restype = ctypes.c_long
        self.reply = ctypes.create_string_buffer(self.ROOM)
        self.last = {}      # inferior's number: its process, or the last that it had
        gdb.events.new_objfile.connect(lambda event: self.note())

    def note(self):
        self.last.update((i.num, i.pid) for i in gdb.inferiors() if i.pid)

    def process(self):
        """which process the user looks at, by its number, and whether that has ended"""
        shown = gdb.selected_inferior()
        if shown.pid:
            self.last[shown.num] = shown.pid
        return {"process": self.last.get(shown.num, 0), "ended": not shown.pid}

    def ask(self, op, **request):
        text = json.dumps(dict(request, op=op, **self.process())).encode()
        n = self.call(ctypes.c_long(self.NUMBER), ctypes.c_char_p(text), ctypes.c_long(len(text)),
                      self.reply, ctypes.c_long(self.ROOM))
        if n < 0:
            raise gdb.GdbError("fred does not answer (errno %d); was gdb started by fred-gdb?" % ctypes.get_errno())
        return json.loads(ctypes.string_at(self.reply, n))


fred = Channel()
fred.ask("status")


def read_facts():
    """gdb reads what fred tells it of a stop (facts.c) instead of asking for it."""
    for folder in "build", "lib/fred":      # of a checkout; installed
        path = os.path.join(FOLDER, "..", "..", folder, "facts.so")
        if os.path.exists(path):
            library = ctypes.CDLL(path)
            library.fred_facts_start.restype = ctypes.c_void_p
            at = library.fred_facts_start()
            if at:
                fred.ask("facts", at=at, size=ctypes.c_size_t.in_dll(library, "fred_facts_size").value)


read_facts()


def flush_caches():
    """gdb forgets what it has read of the program."""
    gdb.execute("maintenance flush register-cache", to_string=True)
    gdb.execute("maintenance flush dcache", to_string=True)


class Peek:
    """The staged point plays, as long as the block lasts, in its thread: that is selected, or, if gdb doesn't know it, plays
    the selected one. Functions that are called run in that thread only: others may not be there."""

    def __enter__(self):
        self.selected = selected_tid()
        self.alone = alone()
        self.alone.__enter__()
        r = fred.ask("peek", on=1, **{"as": self.selected})
        select_thread(r["thread"])      # first of all: the other may not be there, and gdb reads its registers at each command
        flush_caches()

    def __exit__(self, *exc):
        fred.ask("peek", on=0)
        select_thread(self.selected)
        flush_caches()
        self.alone.__exit__(None, None, None)


# ---------------------------------------------------------------- settings


class Setting:
    """A gdb setting, changed as long as the block lasts."""

    def __init__(self, name, value):
        self.name, self.value = name, value

    def __enter__(self):
        old = gdb.parameter(self.name)
        self.old = {True: "on", False: "off", None: "unlimited"}.get(old, old)
        gdb.execute("set %s %s" % (self.name, self.value), to_string=True)

    def __exit__(self, *exc):
        gdb.execute("set %s %s" % (self.name, self.old), to_string=True)


# gdb would execute the instruction below a breakpoint as a copy elsewhere in the program's memory. That is a change of
# the program by the user in fred's eyes; stepped in its place it is none. (Off by fred's -eiex already.)
if "currently off" not in gdb.execute("show displaced-stepping", to_string=True):
    gdb.execute("set displaced-stepping off", to_string=True)


# What a front end that talks MI must hear whatever a command does silently: the threads, processes and libraries that it
# keeps a list of, and the one answer that each command has, with the prompt behind it.
MI_FACTS = re.compile(rb"^(?:=(?:thread|library)-.*|\d*\^running|\(gdb\) )\n", re.M)


class Mute:
    """What gdb prints goes nowhere, as long as the block lasts: some of it can't be had as a string."""

    def __enter__(self):
        gdb.flush()
        self.saved, self.kept = [], None
        try:
            if in_mi():
                self.kept = os.memfd_create("muted")
            null = os.open("/dev/null", os.O_WRONLY)
            for fd in (1, 2):
                self.saved.append((fd, os.dup(fd)))
                os.dup2(self.kept if fd == 1 and self.kept is not None else null, fd)
            os.close(null)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *exc):
        interrupted = False
        while self.saved:               # also if ^C comes amid this
            try:
                gdb.flush()
                fd, saved = self.saved[-1]
                os.dup2(saved, fd)
                self.saved.pop()
                os.close(saved)
            except KeyboardInterrupt:
                interrupted = True
        self.tell_facts()
        if interrupted:
            raise KeyboardInterrupt

    def tell_facts(self):
        if self.kept is None:
            return
        size = os.lseek(self.kept, 0, os.SEEK_CUR)
        facts = b"".join(MI_FACTS.findall(os.pread(self.kept, size, 0)))
        os.close(self.kept)
        self.kept = None
        while facts:
            facts = facts[os.write(1, facts):]


# ------------------------------------------------------------------- state


def check_recorded():
    s = fred.ask("status")
    if s["no_record"]:
        raise gdb.GdbError("Nothing is recorded: fred was started with --no-record. There is no way back, nor to checkpoints.")
    return s


def check_can_go_back():
    """The status, if going back is possible; else an error in plain words."""
    s = check_recorded()
    if s["state"] == "none":
        if s["threads"]:
            raise gdb.GdbError("This program is not recorded; fred can't go back in it.")
        raise gdb.GdbError("The program is not being run.")
    if s["running"] or any(t.is_running() for t in gdb.selected_inferior().threads()):  # some: `set non-stop on'
        raise gdb.GdbError("Cannot execute this command while the target is running.\n"
                           "Use the \"interrupt\" command to stop the target\nand then try again.")
    if s["state"] == "live" and not s["recording"]:
        say_once(s["tid"], "the timeline ends before this point (%s); going back to where it ends"
                 % s.get("broken", "recording ended"))
    if s["calling"]:
        end_calls()
    tell_debug_files()
    return s


debug_files = {}        # of each file whose symbols gdb has read, the other one with its debug information, or None
FILES_A_REQUEST = 16


def tell_debug_files():
    """What gdb knows no lines of has none for fred, either."""
    now = dict.fromkeys((o.filename for o in gdb.objfiles() if not o.owner))
    now.update((o.owner.filename, o.filename) for o in gdb.objfiles() if o.owner)
    new = [f for f in now.items() if f[0] not in debug_files or debug_files[f[0]] != f[1]]
    for i in range(0, len(new), FILES_A_REQUEST):
        fred.ask("debug files", files=new[i:i + FILES_A_REQUEST])
    debug_files.update(now)


def end_calls():
    """Functions called in the past that a signal or a breakpoint has stopped go with the copy in which they run. gdb is not to
    keep the breakpoints to which they were to return: where the thread isn't, its stack isn't either."""
    former = selected_tid()
    with Mute(), Setting("confirm", "off"):
        for t in gdb.selected_inferior().threads():
            t.switch()
            while (f := called_frame()) is not None:
                f.select()
                gdb.execute("return", to_string=True)
    select_thread(former)


def called_frame():
    """The outermost frame of the function that gdb called last in the selected thread."""
    f = gdb.newest_frame()
    while f.older() is not None:
        if f.older().type() == gdb.DUMMY_FRAME:
            return f
        f = f.older()
    return None


said = set()


def say_once(key, text):
    if (key, text) not in said:
        said.add((key, text))
        gdb.write("fred: %s.\n" % text)


def selected_tid():
    """The number of the user's thread, 0 without one."""
    t = gdb.selected_thread()
    return t.ptid[1] if t is not None and t.is_valid() else 0


def target_id():
    """The selected thread as gdb calls it: Thread 0x7ffff7d8a6c0 (LWP 1234)."""
    text = gdb.execute("thread", to_string=True)
    return re.sub(r"^.Current thread is \S+ \((.*)\)\]$", r"\1", text.splitlines()[0])


def known_thread(tid):
    """gdb's thread of that number, or None."""
    for t in gdb.selected_inferior().threads():
        if t.ptid[1] == tid:
            return t
    return None


def select_thread(*tids):
    """Selects the first of these threads that there is."""
    for tid in tids:
        t = known_thread(tid)
        if t is not None:
            t.switch()
            return


class InThread:
    """A thread is selected, as long as the block lasts; False: there is none of that number."""

    def __init__(self, tid):
        self.tid = tid

    def __enter__(self):
        self.thread, self.frame = gdb.selected_thread(), gdb.selected_frame()
        t = known_thread(self.tid)
        if t is not None:
            t.switch()
        return t is not None

    def __exit__(self, *exc):
        self.thread.switch()
        self.frame.select()


reattached = False      # by the command that runs


def reattach():
    """After its end gdb has no process: gives it the program's last moment, silently. Returns the number of the
    thread that ran last, of which gdb, with the leader only, doesn't know yet."""
    global reattached
    s = fred.ask("reattach")
    if s["status"] != "ok":
        raise gdb.GdbError("fred can't go back into the ended program: %s." % s.get("message", "?"))
    reattached = True
    with Mute(), Setting("confirm", "off"), Setting("exec-file-mismatch", "off"):
        gdb.execute("attach %d" % s["tid"], to_string=True)
    return s["thread"]


def leave_again():
    """The command has failed for which the ended program was attached to: gdb has no process again."""
    if fred.ask("leave")["status"] == "ok":
        with Mute(), Setting("confirm", "off"):
            gdb.execute("detach", to_string=True)
            try:
                gdb.execute("list main,main", to_string=True)   # a file of the program's is the one at hand again
            except gdb.error:
                pass


def clear_signal():
    """A signal that stopped the program isn't given to it by our arrival."""
    try:
        gdb.execute("queue-signal 0", to_string=True)
    except gdb.error:
        pass


def land(kind, code=True, compared=(), passing=False):
    """The debugger arrives at the staged point: gdb's own resume is answered with the stop there.
    code: other libraries may be mapped there. compared: watchpoints that the search has looked at on the way; what gdb
    compares the others with is of here, and must be of there. passing: the search goes on from there."""
    clear_signal()
    hooks.make()
    if code:
        forget_longjmp()
    with of_threads:
        arrive(kind, code, compared, passing)


CATCHES = "catch", "return"                # at what is caught, or at the end of a system call that is
STOPS = ("breakpoint", "watch", *CATCHES)   # what a `continue' ends by


def arrive(kind, code, compared, passing):
    s = fred.ask("status")
    exe = s.get("exe")
    former = selected_tid()
    select_thread(s["thread"], s["known"])
    if exe and gdb.current_progspace().filename and os.path.realpath(gdb.current_progspace().filename) != exe:
        land_in_program(exe, passing)
        return
    bare = contextlib.nullcontext()
    if s["strangers"] and kind == "watch":
        bare = WithoutBreakpoints()
    elif s["strangers"] or kind in CATCHES:    # (which gdb isn't to be told amid a step over a breakpoint)
        meet_threads()
        select_thread(s["thread"])
    switched = selected_tid() == s["thread"] != former != 0
    if switched:
        gdb.write("[Switching to %s]\n" % target_id())
    others = [b for b in watchpoints() if (b not in compared or WATCH_TYPES[b.type] == READS) and not is_as_there(b)]
    if others:
        with Peek():
            gone = refresh_in_frames(others)
        for b in gone:
            end_of_scope(b)
    stay = kind in STOPS and code
    if stay:
        # gdb must know the libraries there before it is told of a breakpoint in one of them.
        fred.ask("peek", on=1)
        flush_caches()
        if refresh_libraries() and kind == "watch":
            read_watchpoints_in(former)
    arm_landing(stay=int(stay))
    try:
        with alone(), bare, frame_line() if switched else contextlib.nullcontext(), \
                NotBefore() if kind == "return" else contextlib.nullcontext():
            gdb.execute(direction.gdbs("continue" if kind in STOPS else "stepi"))
    except BaseException:
        fred.ask("drop")
        flush_caches()
        raise
    if s["threads"] > 1:
        flush_caches()  # the other threads weren't resumed, as far as gdb knows
    if code and not stay:
        refresh_libraries()


class NotBefore:
    """gdb is told the end of a system call behind an entry that there isn't (catches.c): catchpoints of any call don't stop at
    that."""

    NO_CALL = 1023

    def __enter__(self):
        self.them = [n for n, (kind, names) in catchpoints().items() if (kind, names) == ("syscall", ["<any syscall>"])]
        for n in self.them:
            gdb.execute("condition %d $orig_rax != %d" % (n, self.NO_CALL), to_string=True)

    def __exit__(self, *exc):
        for n in self.them:
            if any(b.number == n for b in gdb.breakpoints()):       # (not a temporary one)
                gdb.execute("condition %d" % n, to_string=True)


def forget_longjmp():
    """After a `next' that failed (in a function without line numbers) gdb keeps the breakpoints that it had for longjmp. Where
    libc isn't mapped they can't be put in, and gdb would never go on; a step by no instruction takes them out."""
    if re.search(r"^0 +longjmp ", gdb.execute("maintenance info breakpoints", to_string=True), re.M):
        with Mute():
            gdb.execute(direction.gdbs("nexti") + " 0", to_string=True)


def frame_line():
    """gdb says in which function it is, as long as the block lasts, also where a step has ended in the frame in which it began:
    another thread's."""
    auto = gdb.parameter("print frame-info") == "auto"
    return Setting("print frame-info", "source-and-location") if auto else contextlib.nullcontext()


class WithoutBreakpoints:
    """As long as the block lasts: gdb can be told of threads that are there and that it doesn't know, but not while it steps
    over a breakpoint, as it trips on the new threads. (Watchpoints stay: they would have their old values read anew.)"""

    def __enter__(self):
        self.before = [b for b in gdb.breakpoints() if b.is_valid() and b.enabled and b.expression is None]
        for b in self.before:
            b.enabled = False

    def __exit__(self, *exc):
        for b in self.before:
            b.enabled = True


def meet_threads():
    """gdb is told of those threads, and arrives twice: first by a step. (At a watchpoint it can't: if that is a software one, its
    value would be compared, and read anew, at the first stop.)"""
    with WithoutBreakpoints():
        arm_landing(meet=1)
        with Mute(), alone():
            gdb.execute(direction.gdbs("stepi"), to_string=True)
    fred.ask("met")


def alone():
    """Only the selected thread runs, as long as the block lasts: no other one of its inferior's, nor of another inferior
    (`set schedule-multiple on')."""
    several = sum(len(i.threads()) for i in gdb.inferiors()) > 1
    return Setting("scheduler-locking", "on") if several else contextlib.nullcontext()


def arm_landing(**how):
    r = fred.ask("land", **how)
    if r["status"] != "ok":
        fred.ask("drop")
        flush_caches()
        raise gdb.GdbError("fred can't arrive: %s." % r.get("message", "?"))


def show(command):
    """What a command of gdb's prints. In the TUI it would go past the windows, so it goes there without its colours."""
    if "not active" in gdb.execute("info win", to_string=True):
        gdb.execute(command)
    else:
        gdb.write(gdb.execute(command, to_string=True))


def land_in_program(exe, passing):
    """The point lies before or behind an exec: gdb is shown one, so that it reads the right symbols."""
    # Catchpoints would stop it at that already, before it has arrived.
    before = [b for b in gdb.breakpoints() if b.is_valid() and b.enabled and b.type == PLACES[2]]
    try:
        for b in before:
            b.enabled = False
        arm_landing(exec=1)
        with Mute():
            gdb.execute(direction.gdbs("continue"), to_string=True)
    finally:
        for b in before:
            b.enabled = True
    clear_signal()
    gdb.write("The program is %s here.\n" % exe)
    if not passing:
        show("frame")


def read_watchpoints_in(former):
    """gdb has read the values of watchpoints anew where it is about to arrive, and wouldn't see a change there: it reads them
    where the program still is, in the thread `former'."""
    there = selected_tid()
    fred.ask("peek", on=0)
    select_thread(former)
    flush_caches()
    for b in gdb.breakpoints():
        if b.is_valid() and b.enabled and b.type in WATCH_TYPES and b.type != gdb.BP_READ_WATCHPOINT:
            refresh(b)
    fred.ask("peek", on=1)
    select_thread(there)
    flush_caches()


def refresh_libraries():
    """gdb reads the program's list of libraries again. Whether it has looked for all of its breakpoints again."""
    try:
        if not gdb.selected_inferior().pid:
            return False
        before = len(gdb.objfiles())
        gdb.execute("sharedlibrary", to_string=True)
        if len(gdb.objfiles()) < before:
            # gdb's own breakpoints in a library that isn't there (longjmp's) go when it looks for all of them again,
            # which this setting makes it do.
            gdb.execute("set solib-search-path " + (gdb.parameter("solib-search-path") or ""), to_string=True)
            return True
    except gdb.error:
        pass
    return False


class Effort:
    """What a search takes; `fred -v' says it."""

    def __init__(self, status):
        self.wanted = status["verbose"]
        if self.wanted:
            self.begin, self.before = time.monotonic(), fred.ask("stats")

    def say(self):
        if not self.wanted:
            return
        s, seconds = fred.ask("stats"), time.monotonic() - self.begin
        n = {key: s[key] - self.before[key] for key in ("restarts", "search runs", "evaluations")}
        gdb.write("fred: %.2f s: %d restarts of %d snapshots, %d runs, %d evaluations.\n" % (
            seconds, n["restarts"], s["snapshots kept"], n["search runs"], n["evaluations"]))


def quit_if_interrupted():
    """A function that gdb called in the past was ended by ^C: gdb takes that for an error, the user means the command."""
    if fred.ask("interrupted")["interrupted"]:
        raise KeyboardInterrupt


def fail(r):
    if r["status"] == "interrupted":
        raise KeyboardInterrupt
    raise gdb.GdbError("fred: %s." % r.get("message", r["status"]))
