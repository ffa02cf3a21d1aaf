# Loaded into the debugger: `where-now [EXPR]...` says on one line where the program is and what it holds.
import gdb


class WhereNow(gdb.Command):
    """Print pc, sp, depth, function, line and the values of expressions, for tests."""

    def __init__(self):
        super().__init__("where-now", gdb.COMMAND_STATUS)

    def invoke(self, arg, tty):
        try:
            frame = gdb.newest_frame()
        except gdb.error:
            print("@@ none")
            return
        depth, f = 0, frame
        while f is not None:
            depth, f = depth + 1, f.older()
        sal = frame.find_sal()
        values = []
        for expr in gdb.string_to_argv(arg):
            try:
                values.append(str(gdb.parse_and_eval(expr)))
            except gdb.error:
                values.append("-")
        print("@@ %#x %#x %d %s %d %s" % (frame.pc(), int(frame.read_register("rsp")), depth, frame.name() or "?",
                                          sal.line if sal.symtab else 0, "|".join(values).replace("\n", " ")))


WhereNow()
