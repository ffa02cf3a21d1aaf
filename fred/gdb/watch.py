# SPDX-License-Identifier: GPL-3.0-or-later
"""reverse-watch: judging an expression at points in the past. Read by fred.py."""


TRUTH = re.compile(r"[<>!]|==|&&|\|\|")


class Judge:
    """Whether the expression is good at the point that plays; in the frame in which the user asked, if it is
    about that frame."""

    def __init__(self, text):
        self.text = text
        self.truth = TRUTH.search(re.sub(r"->|<<|>>", "", text)) is not None
        frame = gdb.selected_frame()
        self.function, self.lifetime = None, {}
        if self.is_local(frame):
            self.function, self.level_from_top = self.function_of(frame), self.depth(frame)
            self.thread = selected_tid()
            self.lifetime = {"level": level_of(frame), "thread": self.thread}
        self.unknown = None     # why it had no value at the newest good point
        # In a copy, as in the past: what the expression calls has no effect on the program. (There is none amid a call.)
        with Peek() if fred.ask("present")["status"] == "found" else alone(), Mute():
            self.select()
            value = self.value()
            if value.type.strip_typedefs().code == gdb.TYPE_CODE_BOOL:
                self.truth = True
            self.now = self.plain(value)

    def value(self):
        try:
            return gdb.parse_and_eval(self.text)
        except gdb.error:
            quit_if_interrupted()
            outermost = gdb.newest_frame()
            while outermost.older() is not None:
                outermost = outermost.older()
            if self.function is not None or outermost.function() is not None:
                raise
        # From the dynamic linker, where the program begins, gdb 13 doesn't find the program's names if that has debug
        # information; it does from what it takes for the caller, code that it knows nothing about.
        outermost.select()
        return gdb.parse_and_eval(self.text)

    @staticmethod
    def depth(frame):
        n = 0
        while frame.older() is not None:
            frame, n = frame.older(), n + 1
        return n

    @staticmethod
    def function_of(frame):
        f = frame.function()        # a new object each time
        return f and (f.linkage_name, f.symtab.filename)

    def is_local(self, frame):
        try:
            block = frame.block()
        except RuntimeError:
            return False
        names = names_in(self.text)
        if any(self.is_field_of_this(name, block) for name in names):
            return True
        while block is not None and not block.is_global and not block.is_static:
            if any(s.name in names for s in block):
                return True
            block = block.superblock
        return False

    @staticmethod
    def is_field_of_this(name, block):
        try:
            return gdb.lookup_symbol(name, block)[1]
        except gdb.error:
            return False

    @staticmethod
    def plain(value):
        try:
            return int(value)
        except (gdb.error, TypeError, ValueError):
            return str(value)

    def select(self):
        if self.function is None:
            return True
        select_thread(self.thread)      # if it isn't there, gdb can't tell its frames
        frames, f = [], gdb.newest_frame()
        while f is not None:
            frames.append(f)
            f = f.older()
        for i, f in enumerate(reversed(frames)):
            if i == self.level_from_top and self.function_of(f) == self.function:
                f.select()
                return True
        return False

    def good(self, strict):
        """Unknown counts as good unless strict: the expression can't be bad yet where it means nothing."""
        unknown = None
        try:
            if self.select():
                good = self.is_good(self.plain(self.value()))
            else:
                good, unknown = not strict, "its frame isn't found"
        except gdb.error as e:
            good, unknown = not strict, str(e).split("\n")[0]
        if good:
            self.unknown = unknown
        return good

    def as_now(self):
        return ("%s is false" if self.truth else "%s has this value") % self.text

    def is_good(self, value):
        return bool(value) if self.truth else value != self.now


class ReverseWatch(gdb.Command):
    """Find where an expression went wrong: reverse-watch EXPR
Goes back to the statement whose execution made a true EXPR false, or, when EXPR
is no truth value, gave it the value that it has now. What is about variables of a frame
is looked for as long as that frame has existed.
EXPR may be anything that gdb can evaluate, also calls of functions of the program."""

    def __init__(self, name):
        super().__init__(name, gdb.COMMAND_RUNNING, gdb.COMPLETE_EXPRESSION)

    def invoke(self, arg, from_tty):
        with plain_errors():
            self.run(arg)

    def run(self, arg):
        if not arg:
            raise gdb.GdbError("Argument required (expression to watch).")
        s = check_can_go_back()
        effort = Effort(s)
        if s["state"] == "ended":
            reattach()
        with Setting("unwindonsignal", "on"), Setting("print thread-events", "off"):
            judge = Judge(arg)
            if judge.truth and judge.now:
                raise gdb.GdbError("%s is true now; reverse-watch looks for where a true expression became false."
                                   % arg)
            r = self.search(judge)
        if r["status"] == "begins" or (r["status"] == "always" and r["frame"]):
            raise gdb.GdbError(judge.as_now() + (" since this frame began." if r.get("everywhere", True) else
                               " at the beginning of this frame and wherever fred has looked in it since.") +
                               " In a caller's frame (`up') one can look further back.")
        if r["status"] == "always":
            raise gdb.GdbError("%s at every snapshot since the beginning of the recorded history." % judge.as_now())
        if r["status"] != "found":
            fail(r)
        effort.say()
        if judge.unknown and not r["placed"]:
            raise gdb.GdbError("%s at every snapshot where gdb can tell; at the one before it can't (%s)." % (
                judge.as_now(), judge.unknown.rstrip(".")))
        land("step")
        if not r["placed"]:
            gdb.write("fred: this is a snapshot; %s at some later point, but no code with line numbers ran in between.\n" % (
                "%s became false" % arg if judge.truth else "%s got its value" % arg))
        if judge.unknown:
            gdb.write("fred: before that %s has no value (%s).\n" % (arg, judge.unknown.rstrip(".")))

    @staticmethod
    def search(judge):
        with Setting("pagination", "off"), Mute():      # gdb tells of each signal that ends a function
            r = fred.ask("bisect", **judge.lifetime)
            while r["status"] == "evaluate":
                with Peek():
                    good = judge.good(r["strict"])
                r = fred.ask("verdict", good=good)
        return r


ReverseWatch("reverse-watch")
gdb.execute("alias fred-reverse-watch = reverse-watch", to_string=True)
gdb.execute("alias fred-rw = reverse-watch", to_string=True)
