# Loaded into the debugger: `soak-here [EXPR]...` says on one line all that must be the same at a moment of the past.
import hashlib

import gdb

GENERAL = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip eflags fs_base gs_base".split()
VECTOR = [r + str(n) for r in ("ymm", "zmm") for n in range(16)] + ["zmm%d" % n for n in range(16, 32)] + ["k%d" % n for n in range(8)]


def register(frame, name):
    try:
        return str(frame.read_register(name))
    except (gdb.error, ValueError):
        return "-"


class SoakHere(gdb.Command):
    """Print registers, stack, a part of memory and the values of expressions, for tests."""

    def __init__(self):
        super().__init__("soak-here", gdb.COMMAND_STATUS)

    def invoke(self, arg, tty):
        try:
            f = frame = gdb.newest_frame()
        except gdb.error:
            print("@@ no program")
            return
        calls = []
        while f is not None and len(calls) < 30:
            calls.append("%x" % f.pc())
            f = f.older() if f.unwind_stop_reason() == gdb.FRAME_UNWIND_NO_REASON else None
        sp = int(frame.read_register("rsp")) & (1 << 64) - 1
        memory = b""
        for at in range(sp - 128, sp + 2048, 64):
            try:
                memory += bytes(gdb.selected_inferior().read_memory(at, 64))
            except gdb.MemoryError:
                break
        values = []
        for expr in gdb.string_to_argv(arg):
            try:
                values.append(str(gdb.parse_and_eval(expr)).replace("\n", " "))
            except gdb.error:
                values.append("-")
        def digest(data):
            return hashlib.md5(data).hexdigest()[:8]
        thread = gdb.selected_thread()
        print("@@ %s|thread +%d|%s|vector %s|memory %s|stack %s|%s" % (
            frame.name() or "?", thread.ptid[1] - gdb.selected_inferior().pid,
            " ".join("%s=%x" % (r, int(frame.read_register(r)) & (1 << 64) - 1) for r in GENERAL),
            digest(" ".join(register(frame, r) for r in VECTOR).encode()), digest(memory), " ".join(calls), "|".join(values)))


SoakHere()
