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
        self.function = None
        if self.is_local(frame):
            self.function, self.level_from_top = self.function_of(frame), self.depth(frame)
            self.thread = selected_tid()
        self.unknown = None     # why it had no value at the newest good point
        # In a copy, as in the past: what the expression calls has no effect on the program. (There is none amid a call.)
        with Peek(in_its_thread=True) if fred.ask("present")["status"] == "found" else alone(), Mute():
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
            raise

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
        while block is not None and not block.is_global and not block.is_static:
            if any(s.name in names for s in block):
                return True
            block = block.superblock
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

    def good(self):
        """Unknown counts as good: the expression can't be bad yet where it means nothing."""
        unknown = None
        try:
            good = not self.select() or self.is_good(self.plain(self.value()))
        except gdb.error as e:
            good, unknown = True, str(e).split("\n")[0]
        if good:
            self.unknown = unknown
        return good

    def is_good(self, value):
        return bool(value) if self.truth else value != self.now


class ReverseWatch(gdb.Command):
    """Find where an expression went wrong: reverse-watch EXPR
Goes back to the statement whose execution made a true EXPR false, or, when EXPR
is no truth value, gave it the value that it has now.
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
        if r["status"] == "always":
            raise gdb.GdbError("%s at every snapshot since the beginning of the recorded history." % (
                "%s is false" % arg if judge.truth else "%s has this value" % arg))
        if r["status"] != "found":
            fail(r)
        effort.say()
        land("step")
        if not r["placed"]:
            gdb.write("fred: this is a snapshot; %s at some later point, but no code with line numbers ran in between.\n" % (
                "%s became false" % arg if judge.truth else "%s got its value" % arg))
        if judge.unknown:
            gdb.write("fred: before that %s has no value (%s).\n" % (arg, judge.unknown.rstrip(".")))

    @staticmethod
    def search(judge):
        with Setting("pagination", "off"), Mute():      # gdb tells of each signal that ends a function
            r = fred.ask("bisect")
            while r["status"] == "evaluate":
                with Peek(in_its_thread=True):
                    good = judge.good()
                r = fred.ask("verdict", good=good)
        return r


ReverseWatch("reverse-watch")
gdb.execute("alias fred-reverse-watch = reverse-watch", to_string=True)
gdb.execute("alias fred-rw = reverse-watch", to_string=True)
