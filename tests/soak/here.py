# Loaded into the debugger: `soak-here [EXPR]...` says on one line all that must be the same at a moment of the past;
# `soak-trace FILE COUNT [EXPR]...` steps by instructions and writes down what was seen at each.
import hashlib
import json
import re

import gdb

GENERAL = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip eflags fs_base gs_base".split()
AROUND = 512	# bytes of the stack, up and down, whose changes a trace notes
KINDS = {gdb.NORMAL_FRAME: "", gdb.SIGTRAMP_FRAME: "s", gdb.TAILCALL_FRAME: "t"}


def digest(data):
    return hashlib.md5(data).hexdigest()[:8]


def register(frame, name):
    return int(frame.read_register(name)) & (1 << 64) - 1


def wide():
    """x87, vector and mask registers, as bytes; orig_rax isn't the program's"""
    listing = gdb.execute("maintenance print raw-registers", to_string=True)
    return "".join(re.findall(r"^ (?:st\d|f\w+|xmm\w+|ymm\w+|zmm\w+|k\d|mxcsr|pkru) .*(0x\w+)$", listing, re.M)).encode()


def read(at, size):
    try:
        return bytes(gdb.selected_inferior().read_memory(at, size))
    except gdb.MemoryError:
        return b""


def place(exprs):
    try:
        f = frame = gdb.newest_frame()
    except gdb.error:
        return "@@ no program"
    calls = []
    while f is not None and len(calls) < 30:
        if f.type() != gdb.INLINE_FRAME:	# where one begins it depends on how we came whether gdb shows it
            calls.append("%s%x" % (KINDS.get(f.type(), "?"), f.pc()))
        f = f.older() if f.unwind_stop_reason() == gdb.FRAME_UNWIND_NO_REASON else None
    general = [register(frame, r) for r in GENERAL]
    general[GENERAL.index("eflags")] &= ~0x10000	# the resume flag: set by the processor where a hardware breakpoint struck
    sp = general[GENERAL.index("rsp")]
    stack = b"".join(read(at, 64) for at in range(sp - 128, sp + 2048, 64))
    heap = b"".join(read(at, 32) for at in general if at > 4096)
    values = []
    for expr in exprs:
        try:
            values.append(str(gdb.parse_and_eval(expr)).replace("\n", " "))
        except gdb.error:
            values.append("-")
    while frame.type() == gdb.INLINE_FRAME:
        frame = frame.older()
    return "@@ %s|thread +%d|%s|wide %s|stack %s|pointed at %s|calls %s|%s" % (
        frame.name() or "?", gdb.selected_thread().ptid[1] - gdb.selected_inferior().pid,
        " ".join("%s=%x" % pair for pair in zip(GENERAL, general)), digest(wide()), digest(stack), digest(heap), " ".join(calls),
        "|".join(values))


class SoakHere(gdb.Command):
    """Print registers, stack, a part of memory and the values of expressions, for tests."""

    def __init__(self):
        super().__init__("soak-here", gdb.COMMAND_STATUS)

    def invoke(self, arg, tty):
        print(place(gdb.string_to_argv(arg)))


LEADS = re.compile(r"(rep\w*|repn?z|bnd|notrack|data16|cs|ds) |j|call|ret|loop|syscall|xbegin|iret")


def step():
    """whether the same thread is one instruction further on, and nothing else happened"""
    thread, frame = gdb.selected_thread().ptid, gdb.newest_frame()
    sp, code, insn = register(frame, "rsp"), read(frame.pc(), 4), frame.architecture().disassemble(frame.pc())[0]
    gdb.execute("stepi", to_string=True)
    if not gdb.selected_thread() or gdb.selected_thread().ptid != thread:
        return False
    # Else it faulted, and the handler went elsewhere: gdb had it run on.
    if gdb.newest_frame().pc() != insn["addr"] + insn["length"] and not LEADS.match(insn["asm"]):
        return False
    down = sp - register(gdb.newest_frame(), "rsp")
    return down < AROUND or re.match(rb"[\x48\x49]?[\x81\x29\x2b]", code) is not None	# else it is a signal's frame


def handled(words, k, sp):
    """whether a signal's handler ran during step k, although gdb stepped over it: its frame was below the red zone"""
    return any(at < sp - 128 and changes[-1][0] == k for at, changes in words.items())


class SoakUp(gdb.Command):
    """soak-up N: selects a frame as `up', but inline ones don't count"""

    def __init__(self):
        super().__init__("soak-up", gdb.COMMAND_USER)

    def invoke(self, arg, from_tty):
        frame, n = gdb.newest_frame(), int(arg)
        while n or frame.type() == gdb.INLINE_FRAME:
            n -= frame.type() != gdb.INLINE_FRAME
            frame = frame.older()
        frame.select()


SoakUp()


class SoakTrace(gdb.Command):
    """Step COUNT instructions; FILE gets all places, codes, addresses of breakpoints and changes on the stack as JSON."""

    def __init__(self):
        super().__init__("soak-trace", gdb.COMMAND_STATUS)

    def invoke(self, arg, tty):
        path, count, *exprs = gdb.string_to_argv(arg)
        base = (register(gdb.newest_frame(), "rsp") - AROUND) & ~7
        out = {"places": [], "pc": [], "sp": [], "code": [], "inline": [], "words": {}, "whole": True}
        out["breaks"] = [loc.address for b in gdb.breakpoints() if b.is_valid() and b.enabled and b.type == gdb.BP_BREAKPOINT
                         for loc in b.locations if loc.enabled and loc.address]
        memory = read(base, 2 * AROUND)
        while True:
            frame = gdb.newest_frame()
            out["places"].append(place(exprs))
            out["pc"].append(frame.pc())
            out["sp"].append(register(frame, "rsp"))
            out["inline"].append(frame.type() == gdb.INLINE_FRAME)
            out["code"].append(read(frame.pc(), 8).hex())
            now = read(base, 2 * AROUND)
            for i in range(0, min(len(now), len(memory)), 8):
                if now[i:i + 8] != memory[i:i + 8]:
                    old, new = (int.from_bytes(m[i:i + 8], "little", signed=True) for m in (memory, now))
                    out["words"].setdefault(base + i, []).append([len(out["pc"]) - 2, old, new])
            memory = now
            if len(out["sp"]) > 1 and handled(out["words"], len(out["pc"]) - 2, min(out["sp"][-2:])):
                self.cut(out)
                break
            if len(out["pc"]) > int(count):
                break
            if not step():
                out["whole"] = False
                break
        with open(path, "w") as f:
            json.dump(out, f)
        print("@@ traced %d%s" % (len(out["pc"]) - 1, "" if out["whole"] else " until another thread or a signal"))

    @staticmethod
    def cut(out):
        """without the last place"""
        k, out["whole"] = len(out["pc"]) - 2, False
        for name in ("places", "pc", "sp", "code", "inline"):
            out[name].pop()
        for changes in out["words"].values():
            changes[:] = [c for c in changes if c[0] < k]
        out["words"] = {at: changes for at, changes in out["words"].items() if changes}


SoakHere()
SoakTrace()
