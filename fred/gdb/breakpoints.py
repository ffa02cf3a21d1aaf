# SPDX-License-Identifier: GPL-3.0-or-later
"""What gdb would stop at, going back: breakpoints, watchpoints, their conditions. Read by fred.py."""


# What gdb stops at by its address: breakpoints, and catchpoints of exceptions. (Others have no address.)
PLACES = gdb.BP_BREAKPOINT, gdb.BP_HARDWARE_BREAKPOINT, getattr(gdb, "BP_CATCHPOINT", None)

# How fred watches for each.
CHANGES, READS, ACCESSES = range(3)
WATCH_TYPES = {gdb.BP_HARDWARE_WATCHPOINT: CHANGES, gdb.BP_WATCHPOINT: CHANGES, gdb.BP_READ_WATCHPOINT: READS,
               gdb.BP_ACCESS_WATCHPOINT: ACCESSES}

# Of watchpoints on local variables: the thread and the canonical address of the frame that they are about, and its function
# (unless that is inlined).
watch_frame = {}
watch_function = {}


def watchpoints():
    return [b for b in gdb.breakpoints() if b.is_valid() and b.enabled and b.type in WATCH_TYPES]


def frame_address(frame):
    """The stack pointer in the caller, the same all the time that the frame exists."""
    older = frame.older()
    return int(older.read_register("rsp")) if older is not None else None


def is_real(frame):
    """Whether the frame is on the stack: not the one of an inlined function, nor of one that has left by a jump."""
    return frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME)


def frames():
    f = gdb.newest_frame()
    while f is not None:
        yield f
        f = f.older()


def names_in(text):
    """The names in an expression, without those of members."""
    return set(re.findall(r"[A-Za-z_]\w*", re.sub(r"(->|\.)\s*[A-Za-z_]\w*", " ", text)))


def local_names(frame, text):
    """The variables of the frame that an expression names."""
    try:
        block = frame.block()
    except RuntimeError:
        return set()
    names, found = names_in(text), set()
    while block is not None and not block.is_global and not block.is_static:
        found |= {s.name for s in block if s.name in names and s.needs_frame}
        block = block.superblock
    return found


# `watch -location EXPR' means the memory that EXPR was when the watchpoint was made; gdb doesn't tell which that is.
locations = {}


def note_watchpoint(b):
    if b.type not in WATCH_TYPES or not b.expression:
        return
    try:
        if b.expression.startswith("-l"):
            v = gdb.parse_and_eval(re.sub(r"^-l(ocation)?\s+", "", b.expression))
            locations[b.number] = v.address
        elif local_names(gdb.selected_frame(), b.expression):
            frame = gdb.selected_frame()
            watch_frame[b.number] = selected_tid(), frame_address(frame)
            if frame.type() == gdb.NORMAL_FRAME:
                watch_function[b.number] = frame.name()
    except gdb.error:
        pass


def forget_watchpoint(b):
    for known in watch_frame, watch_function, locations:
        known.pop(b.number, None)


gdb.events.breakpoint_created.connect(note_watchpoint)
gdb.events.breakpoint_deleted.connect(forget_watchpoint)


# gdb disables breakpoints at places that the program doesn't have. Going back over an exec, and forward again, they have
# theirs again.
class Execs:
    def __init__(self):
        self.before = set()     # were enabled when gdb put the former program's symbols away
        self.lost = set()       # gdb has disabled them since
        gdb.events.clear_objfiles.connect(self.cleared)
        gdb.events.breakpoint_modified.connect(self.modified)
        gdb.events.stop.connect(self.read)
        gdb.events.before_prompt.connect(self.read)

    @staticmethod
    def breakpoints():
        return [b for b in gdb.breakpoints() if b.is_valid() and b.type in PLACES[:2]]

    def cleared(self, event):
        for b in self.breakpoints():
            if b.number in self.lost and not b.enabled:
                b.enabled = True
        self.before |= {b.number for b in self.breakpoints() if b.enabled}

    def modified(self, b):
        """by the user: then it is to stay so"""
        if not b.enabled:
            self.lost.discard(b.number)

    def read(self, event=None):
        if self.before:
            self.lost = {b.number for b in self.breakpoints() if b.number in self.before and b.pending and not b.enabled}
            self.before = set()


Execs()


class OfThreads:
    """gdb deletes breakpoints of one thread (`break PLACE thread N') where that has gone. Where it only isn't there yet, since the
    program goes back to before its birth, they wait, disabled, and are about it again when it comes: gdb gives it a new number."""

    def __init__(self):
        self.waiting = {}       # breakpoint's number: the thread's, as the kernel and as gdb had it
        self.arriving = False   # gdb arrives elsewhere; breakpoints stay as they are meanwhile
        gdb.events.new_thread.connect(lambda event: self.come())
        gdb.events.breakpoint_deleted.connect(lambda b: self.waiting.pop(b.number, None))

    def __enter__(self):
        for b in gdb.breakpoints():
            t = b.is_valid() and b.enabled and b.thread is not None and self.thread(b.thread)
            if t and t.ptid[0] == gdb.selected_inferior().pid and not fred.ask("has thread", tid=t.ptid[1])["has"]:
                self.waiting[b.number] = t.ptid[1], b.thread
                b.enabled, b.thread = False, None
                gdb.write("fred: breakpoint %d waits for thread %d, which isn't there yet.\n" % (b.number, t.global_num))
        self.arriving = True

    def __exit__(self, *exc):
        self.arriving = False
        self.come()

    @staticmethod
    def thread(number):
        for i in gdb.inferiors():
            for t in i.threads():
                if t.global_num == number:
                    return t
        return None

    def come(self):
        """those whose thread is there"""
        for b in gdb.breakpoints() if self.waiting and not self.arriving else ():
            tid, former = self.waiting.get(b.number, (None, None))
            t = tid and known_thread(tid)
            if b.number in self.waiting and (b.enabled or b.thread is not None):
                del self.waiting[b.number]      # the user has thought of something else
            elif t:
                del self.waiting[b.number]
                b.thread, b.enabled = t.global_num, True
                gdb.write("fred: thread %d has come back as %d; breakpoint %d is about that.\n" % (former, t.global_num, b.number))


of_threads = OfThreads()


AGGREGATES = (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION, gdb.TYPE_CODE_ARRAY, gdb.TYPE_CODE_FUNC)


def pieces(value):
    """What can be watched of a value: (address, size)."""
    if value.address is not None and not value.is_optimized_out:
        yield int(value.address), value.type.sizeof


# A variable with members and elements of it, none of them behind a parenthesis.
CHAIN = r"(?<![.\w>])[A-Za-z_]\w*(?:\s*(?:->|\.)\s*[A-Za-z_]\w*|\s*\[[^][]*\])*"


def parts(text):
    """The parts of an expression whose values matter: of `*a->b[i]' that, a->b[i], a->b, a and i."""
    for stars, chain in re.findall(r"(\**)\s*(%s)" % CHAIN, text):
        for n in range(len(stars) + 1):
            yield "*" * n + chain
        for m in re.finditer(r"->|\[", chain):
            yield chain[:m.start()]
    yield from re.findall(r"(?<![.\w>])[A-Za-z_]\w*(?!\s*\()", text)


def watched(text):
    """Of what memory the value of an expression in the selected frame may depend: [(address, size)]."""
    found = list(pieces(gdb.parse_and_eval(text)))
    for part in dict.fromkeys(parts(text)):
        try:
            v = gdb.parse_and_eval(part)
        except gdb.error:
            continue        # a type, or no such member
        if v.type.strip_typedefs().code not in AGGREGATES:
            found += pieces(v)
    return list(dict.fromkeys(found))


def compile_condition(text, pc):
    """A condition as gdb compiles it for remote targets in the selected frame, which is at pc: [[offset, operation,
    argument], ...]; None: it can't."""
    try:
        listing = gdb.execute("maintenance agent-eval " + text, to_string=True)
    except gdb.error:
        return None
    scope = re.search(r"^Scope: (0x\w+)", listing, re.M)
    code = re.findall(r"^ *(\d+)  (\w+)(?: (\d+))?$", listing, re.M)
    if not scope or int(scope[1], 16) != pc:
        return None
    return [[int(at), op, int(arg or 0)] for at, op, arg in code] or None


def catchpoints():
    """{number: (fork, vfork, exec, syscall or signal, names of which ones)} of the enabled ones"""
    if not any(b.enabled and b.type == PLACES[2] for b in gdb.breakpoints()):
        return {}
    found = re.findall(r'^(\d+) +catchpoint +\w+ +y +(v?fork|exec|syscall|signal)s?\b(?: "(.*)")?', gdb.execute("info breakpoints", to_string=True),
                       re.M)
    return {int(n): (kind, re.split(r",? ", names) if names[:1] != "<" else [names]) for n, kind, names in found}


def fork_catchpoints():
    """{number: fork or vfork}"""
    return {n: kind for n, (kind, names) in catchpoints().items() if kind in ("fork", "vfork")}


ALL = 1 << 16       # more than any number of a signal or call


def call_numbers(names):
    """of system calls as gdb names them, by its own list"""
    if names == ["<any syscall>"]:
        return [ALL]
    known = {}
    if not all(n.isdigit() for n in names):
        with open(os.path.join(gdb.parameter("data-directory"), "syscalls", "amd64-linux.xml")) as f:
            known = dict(re.findall(r'<syscall name="(\w+)" number="(\d+)"', f.read()))
    return [int(known.get(n, n)) for n in names]


def signal_numbers(names):
    """of signals as gdb names them; all but those of debuggers are the standard ones"""
    if names == ["<any signal>"]:
        return [ALL]
    if names == ["<standard signals>"]:
        return [n for n in range(1, 65) if n not in (signal.SIGTRAP, signal.SIGINT)]
    return [int(n[3:]) if n[3:].isdigit() else int(getattr(signal, n)) for n in names]


class Caught:
    """What catchpoints without an address would stop at, going back."""

    KINDS = {
        "fork": lambda names: lets_children_go() and {"forks": True},
        "vfork": lambda names: lets_children_go() and {"vforks": True},
        "exec": lambda names: {"execs": True},
        "syscall": lambda names: {"calls": call_numbers(names)},
        "signal": lambda names: {"signals": signal_numbers(names)},
    }

    def __init__(self):
        self.what = {}

    def add(self, kind, names):
        """whether it's known how to stop there"""
        try:
            more = self.KINDS[kind](names)
        except (KeyError, OSError, ValueError, AttributeError):
            return False
        for key, value in (more or {}).items():
            self.what[key] = self.what.get(key, type(value)()) + value if isinstance(value, list) else value
        return bool(more)


def lets_children_go():
    """Forks of the past are told to gdb again only if it lets the child go, as it did then. Else it would wait for a child that
    doesn't run again, or have it twice."""
    return gdb.parameter("detach-on-fork") and gdb.parameter("follow-fork-mode") == "parent"


class Stops:
    """What gdb would stop at: its breakpoints' addresses, what its watchpoints watch, and (catches) what it catches."""

    def __init__(self, watches=True, catches=False):
        self.by_addr = {}
        self.watches = []
        self.watch_of_slot = []
        self.scopes = []
        self.watch_of_scope = []
        self.ignore = {}
        self.value = {}
        self.caught = Caught()
        known = catchpoints() if catches else {}
        if watches and watchpoints():
            forget_stop()
        for b in gdb.breakpoints():
            if not b.is_valid() or not b.enabled or b.pending:
                continue
            self.ignore[b.number] = b.ignore_count
            if b.type in PLACES:
                for loc in b.locations:
                    if loc.enabled and loc.address:
                        self.by_addr.setdefault(loc.address, []).append(b)
                    elif loc.enabled and b.type not in PLACES[:2] and catches and not (
                            b.number in known and self.plain(b) and self.caught.add(*known[b.number])):
                        say_once(b.number, "catchpoint %d doesn't stop the program going back" % b.number)
            elif b.type in WATCH_TYPES and watches:
                self.add_watch(b)

    @staticmethod
    def plain(b):
        """whether gdb stops there at once"""
        return not b.condition and not b.ignore_count and b.thread is None

    def add_watch(self, b):
        level = self.level_of(b)
        if level is None:
            return
        try:
            if b.number in locations:
                found = list(pieces(locations[b.number].dereference()))
            else:
                found = self.in_frame_of(b, watched)
            self.value[b.number] = self.value_of(b)
            refresh(b)
        except gdb.error:
            return          # it means nothing here
        room = []
        for addr, size in found:
            while size > 0:
                n = min(size, 8)
                while addr % n or n & (n - 1):
                    n -= 1
                room.append([addr, n, WATCH_TYPES[b.type]])
                addr, size = addr + n, size - n
        if not room or len(self.watches) + len(room) > 4:
            gdb.write("fred: watchpoint %d can't be watched going back (%s).\n" % (
                b.number, "it is too big" if room else "its value isn't in memory"))
            return
        self.watches += room
        self.watch_of_slot += [b] * len(room)
        if level:
            self.add_scope(b, level)

    def find_scopes(self):
        """The frames of watchpoints once more, where the program is now."""
        before, self.scopes, self.watch_of_scope = self.watch_of_scope, [], []
        for b in before:
            level = self.level_of(b)
            if level:
                self.add_scope(b, level)

    def add_scope(self, b, level):
        self.scopes.append([watch_frame[b.number][0], level - 1])
        self.watch_of_scope.append(b)

    @staticmethod
    def level_of(b):
        """0: not about a frame; 1 more than the level of its frame; None: that frame doesn't exist."""
        if b.number not in watch_frame:
            return 0
        tid, address = watch_frame[b.number]
        level = 0
        with InThread(tid) as there:
            for f in frames() if there else ():
                if is_real(f):
                    level += 1
                if f.type() == gdb.NORMAL_FRAME and f.name() == watch_function.get(b.number, f.name()) \
                        and frame_address(f) == address:
                    return level
        return None

    def in_frame_of(self, b, what):
        """what(expression), in the frame that the watchpoint is about."""
        if b.number not in watch_frame:
            return what(b.expression)
        tid, address = watch_frame[b.number]
        with InThread(tid):
            for f in frames():
                if frame_address(f) == address:
                    f.select()
                    break
            return what(b.expression)

    def value_of(self, b):
        if b.number in locations:
            return str(locations[b.number].dereference())
        return self.in_frame_of(b, text_of)

    def request(self):
        return {"stops": list(self.by_addr), "watches": self.watches, "scopes": self.scopes, **self.caught.what}

    def condition_at(self, pc):
        """What fred can judge itself of the breakpoint at pc, where the selected frame is: a condition's code, or None."""
        here = self.by_addr[pc]
        b = here[0]
        if len(here) > 1 or b is None or not b.condition or b.thread is not None or self.ignore.get(b.number) \
                or hasattr(b, "stop"):
            return None
        return compile_condition(b.condition, pc)

    def stops_here(self, r):
        """Whether one of the breakpoints there would stop at the staged point, which plays."""
        return any([b is None or self.would_stop(b, r) for b in self.by_addr.get(r["pc"], [])])

    def at_staged(self, r):
        """Whether one of the breakpoints stops at the staged point, to which a step has led."""
        if not self.by_addr.get(r["pc"]):
            return False
        with Peek():
            return self.stops_here(r)

    def watch_stops(self, b, r):
        """Whether the watchpoint would stop at the staged point, which plays. One about a frame gdb heeds in its thread only."""
        if b.number in watch_frame and watch_frame[b.number][0] != r["thread"]:
            return False
        try:
            now = self.value_of(b)
        except gdb.error:
            return True
        if WATCH_TYPES[b.type] == CHANGES and now == self.value.get(b.number):
            return False
        self.value[b.number] = now
        stops = self.would_stop(b, r)
        # (gdb goes on at a read if the value isn't what it was: as it would be by a write that lies in between.)
        if not stops or b.type == gdb.BP_READ_WATCHPOINT:
            refresh(b)
        return stops

    def would_stop(self, b, r):
        if b.thread is not None:
            t = known_thread(r["thread"])       # the selected one may only stand in for it
            if t is None or b.thread != t.global_num:
                return False
        if b.condition:
            try:
                if not gdb.parse_and_eval(b.condition):
                    return False
            except gdb.error:
                quit_if_interrupted()
                return True        # gdb stops there, too, and says why
        if hasattr(b, "stop") and not b.stop():
            return False
        if self.ignore.get(b.number, 0) > 0:
            self.ignore[b.number] -= 1
            return False
        return True


def text_of(expression):
    return str(gdb.parse_and_eval(expression))


def forget_stop():
    """gdb forgets why the program has stopped, as it does when it resumes. Else, once a watchpoint has been refreshed, it looks for the
    place in memory that was hit among the watchpoint's new ones, at each command, and warns that it isn't there. This is
    the first thing that `advance' does; then it finds no location."""
    if hooks.is_theirs("advance"):
        return
    hooks.silent = True
    try:
        gdb.execute(direction.gdbs("advance") + " *", to_string=True)
    except gdb.error:
        pass
    finally:
        hooks.silent = False


def refresh(b):
    """gdb reads the present value of a watchpoint as the one to compare with. (After forget_stop().)"""
    b.enabled = False
    b.enabled = True


def is_as_there(b):
    """Whether the watchpoint's value is certainly the same at the staged point; at little cost."""
    if b.number in watch_frame:
        return False        # the frame may not exist there
    if b.number not in locations and re.search(r"[($]", b.expression):
        return False        # it may depend on more than what is looked at
    try:
        found = list(pieces(locations[b.number].dereference())) if b.number in locations else watched(b.expression)
    except gdb.error:
        return False
    return bool(found) and fred.ask("same", memory=found)["same"]


def refresh_in_frames(them):
    """The same of several, each in its thread. Returns those whose frames don't exist here."""
    forget_stop()
    selected, gone = selected_tid(), []
    for b in them:
        select_thread(watch_frame[b.number][0] if b.number in watch_frame else selected)
        if b.number in watch_function and Stops.level_of(b) is None:
            gone.append(b)
        else:
            refresh(b)
    select_thread(selected)
    return gone


def settle(r, stops):
    """Goes further back until the staged point is one to stop at."""
    learnt = set()
    while r["status"] == "found":
        if r["kind"] == "breakpoint":
            here = [b for b in stops.by_addr.get(r["pc"], []) if b]
            ask = any(b.condition or hasattr(b, "stop") or b.thread is not None or stops.ignore.get(b.number)
                      for b in here)
        elif r["kind"] == "watch":
            here, ask = [stops.watch_of_slot[r["slot"]]], True
        else:
            break
        if ask:
            more = {}
            with Peek():
                good = stops.stops_here(r) if r["kind"] == "breakpoint" else stops.watch_stops(here[0], r)
                if not good and r["kind"] == "breakpoint" and r["pc"] not in learnt:
                    # From now on fred itself goes past the others where it doesn't hold.
                    learnt.add(r["pc"])
                    more = {"at": r["pc"], "condition": stops.condition_at(r["pc"])}
            if not good:
                r = fred.ask("again", **more)
                continue
        break
    for b in gdb.breakpoints():
        if b.ignore_count > stops.ignore.get(b.number, b.ignore_count):
            b.ignore_count = stops.ignore[b.number]
    return r
