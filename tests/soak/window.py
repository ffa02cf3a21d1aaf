"""Many random walks in one session.

Truth: a window, which is a straight run of single steps from one of the session's stops, each instruction's place noted. What
follows from it: where calls return to, which instruction changes which word, where breakpoints would be met. A walk begins at a
window's first instruction and goes through it with forward and backward commands; wherever it comes that must be the place that
follows. Where the window doesn't tell (the way leads out of it, lines begin somewhere), the place must be on the right side of the
one before, and the same command must lead there again.
"""
import json
import os
import random
import re
import time

from targets import tmp
from walker import END, GONE, Walker

LENGTHS = 100, 150, 150, 400	# instructions of a window
LIVE, PAST = 4, 3	# windows that are the first run itself; of its replay
MOVES = 15	# of a walk
CALL = re.compile(r"(66|67|f2|f3|2e|3e|4\w)*(e8|ff([159d][0-7]|[159d][89a-f]))")
RETURN = re.compile(r"(f2|f3)?c[23]")
JUMP = re.compile(r"(f2|3e|4\w)*(e9|eb|ff(2[0-7]|e[0-7]|[6a][0-7]))")
FAR = 1 << 16   # bytes
STUB = re.compile(r"(f2)?ff25")
SYSCALL = re.compile(r"0f05")


class Window:
    """stop: the last one that isn't behind its begin; exact: it begins there"""

    def __init__(self, stop, exact, checkpoint, trace):
        self.stop, self.exact, self.checkpoint = stop, exact, checkpoint
        self.places, self.pc, self.sp, self.code = trace["places"], trace["pc"], trace["sp"], trace["code"]
        self.inline = trace["inline"]
        self.breaks = set(trace["breaks"])
        self.whole = trace["whole"]
        self.words = {int(at): changes for at, changes in trace["words"].items()}
        self.last = len(self.pc) - 1
        self.memo = {}
        self._match()

    def _match(self):
        """returns: of a call, the index behind its return; caller: of each index, the call that made its frame"""
        self.returns, self.calls, self.caller, self.leaves = {}, {}, [], {}
        open_calls = []
        for i in range(self.last + 1):
            self.caller.append(open_calls[-1] if open_calls else None)
            if i == self.last:
                break
            down = self.sp[i] - self.sp[i + 1]
            if self.is_call(i) and down == 8:
                open_calls.append(i)
            elif RETURN.match(self.code[i]) and down <= -8:
                while open_calls and self.sp[open_calls[-1]] < self.sp[i + 1]:
                    open_calls.pop()
                if open_calls and self.sp[open_calls[-1]] == self.sp[i + 1] and 2 <= self.pc[i + 1] - self.pc[open_calls[-1]] <= 8:
                    call = open_calls.pop()
                    self.returns[call], self.calls[i + 1] = i + 1, call
                elif not open_calls:
                    self.calls[i + 1] = None	# before the window
        for behind, call in self.calls.items():
            for i in range(call + 1 if call is not None else 0, behind):
                if call == self.caller[i]:
                    self.leaves.setdefault(i, behind)

    def is_call(self, i):
        m = CALL.match(self.code[i])
        return bool(m) and (m[2] == "e8" or int(m[2][2:], 16) >> 3 & 7 in (2, 3))

    def stopped(self, i, to, more=()):
        """the first index on the way from i to `to' at which a breakpoint is, else `to'; None when neither is known"""
        step = 1 if to is None or to > i else -1
        end = to if to is not None else self.last
        for k in range(i + step, end + step, step):
            if self.pc[k] in self.breaks or self.pc[k] in more:
                return k
        return to

    def back_to(self, i, more=()):
        """the last index before i at which a breakpoint is, or None"""
        return next((k for k in range(i - 1, -1, -1) if (self.pc[k] in self.breaks or self.pc[k] in more) and self.arrival(k)), None)

    def arrival(self, k):
        """repetitions of a string instruction aren't arrivals at it, going back"""
        return k == 0 or self.pc[k] != self.pc[k - 1]

    def nexti(self, i):
        if i == self.last:
            return None
        if self.is_call(i) and self.sp[i] - self.sp[i + 1] == 8:
            return self.stopped(i, self.returns.get(i))
        return i + 1

    def reverse_nexti(self, i):
        if i == 0:
            return None
        if i in self.calls:
            call = self.calls[i]
            at = self.back_to(i)
            return call if at is None or (call is not None and at < call) else at
        return i - 1

    def repeated(self, how, i, n):
        """how, n times; a breakpoint ends it"""
        for _ in range(n):
            i = how(i)
            if i is None or self.pc[i] in self.breaks:
                return i
        return i

    def return_address(self, i, level):
        """of a frame, if that, those within and its caller are plain ones; else None. From inline frames gdb steps."""
        calls = re.search(r"\|calls ([^|]*)\|", self.places[i])[1].split()
        if len(calls) < level + 3 or self.inline[i] or re.search("[st?]", "".join(calls[:level + 3])):
            return None
        return int(calls[level + 1], 16)

    def is_jumped_to(self, i, level):
        """whether another function may have given its frame to that of a level by a jump (a tail call): that is the caller then.
        The jump of a PLT's stub, straight behind the call, is none; a branch to far away leads to the part of a function that is
        seldom used, which without a symbol is one of its own."""
        for _ in range(level):
            i = self.caller[i]
        call = self.caller[i]
        return any(self.caller[k] == call and self.sp[k] == self.sp[k + 1] == self.sp[call] - 8 and (JUMP.match(self.code[k]) or abs(self.pc[k + 1] - self.pc[k]) > FAR)
                   for k in range(call + 1, i) if not (k <= call + 2 and STUB.match(self.code[k])))

    def caller_of(self, i, level):
        """the call that made a frame, if it is in the window"""
        call = self.caller[i]
        while level and call is not None:
            call, level = self.caller[call], level - 1
        return call


class Walks(Walker):
    """a session with walks; a walk's own seed is the session's and its number"""

    def __init__(self, program, seed, walks):
        super().__init__(program, seed)
        self.wanted, self.typed = walks, 0
        self.windows, self.live = [], set(self.rng.sample(range(min(program.stops, 16)), LIVE))
        self.done, self.counts = 0, {}

    # -- windows

    def stopped(self, place):
        super().stopped(place)
        if len(self.stops) - 1 in self.live:
            self.trace(len(self.stops) - 1)

    def trace(self, stop, exact=True):
        """from the present place, which is this stop, or behind it"""
        path = os.path.join(tmp(), "trace.json")
        m = re.search(r"Checkpoint (\d+)", self.cmd("checkpoint"))
        self.moves.append("soak-trace at stop %d" % stop)
        out = self.cmd(self.asking("soak-trace %s %d" % (path, self.rng.choice(LENGTHS))))
        if not re.search(r"^@@ traced \d+", out, re.M):
            if GONE in self.here():	# the program ended amid it
                return self.back_after_end(m[1])
            self.s.fail("soak-trace: %r" % out)
        w = Window(stop, exact, int(m[1]), json.load(open(path)))
        self.windows.append(w)
        if w.whole and stop == len(self.stops) - 1:	# further breakpoints that were met are stops as well
            self.stops += [p for p, pc in list(zip(w.places, w.pc))[1:] if pc in w.breaks]
        else:
            self.restart(w)

    def back_after_end(self, checkpoint):
        self.cmd("restart " + checkpoint)
        self.live = set()

    def restart(self, w):
        self.moves.append("restart %d" % w.checkpoint)
        self.cmd("restart %d" % w.checkpoint)
        self.w, self.i = w, 0
        self.same(self.here(), w.places[0], "restart at the window's begin")

    # -- walks

    def more(self):
        for _ in range(PAST):
            self.jump()
            if self.at < len(self.stops) - 1 and self.stops.count(self.stops[self.at]) == 1:
                self.trace_here()
        self.windows = [w for w in self.windows if w.last > 10]
        while self.windows and self.done < self.wanted:
            self.one_walk(random.Random("%d %d" % (self.seed, self.done)))
            self.done += 1

    def trace_here(self):
        """from the present stop, or from some place before it"""
        self.trace(self.at)
        if self.at and self.rng.random() < 0.5:
            out = self.cmd("reverse-stepi %d" % self.rng.randrange(1, max(LENGTHS)))
            if "reakpoint" not in out and END not in out and self.here().split("|")[1] == self.stops[self.at].split("|")[1]:
                self.trace(self.at - 1, False)
            self.restart(self.windows[-1])
            if not self.w.exact:
                self.cmd("continue")
                self.same(self.here(), self.stops[self.at], "stop %d, from before it" % self.at)

    def one_walk(self, rng):
        self.rng, self.moves = rng, ["walk %d" % self.done]
        self.restart(rng.choice(self.windows))
        self.marks, self.log, self.typed = {0: (self.w.checkpoint, 0)}, [], 0
        kinds = [self.stepi, self.nexti, self.line, self.line, self.finish, self.finish, self.breakpoint, self.breakpoint, self.watch, self.watch,
                 self.reverse_watch, self.place_again, self.undo, self.stop_to_stop, self.to_location]
        n = rng.randrange(1, self.w.last + 1)
        self.command("stepi %d" % n, self.w.stopped(0, n))
        for _ in range(MOVES):
            if self.i is None:
                rng.choice((self.around, self.place_again, self.undo))()
            else:
                rng.choice(kinds)()
        for number, _ in list(self.marks.values())[1:]:
            self.cmd("delete checkpoint %d" % number)

    def command(self, line, expected, back=False, around=(), memo=True):
        """from the present index to the expected one, or to any on the right side of it; around: commands before and one behind"""
        start, w = self.i, self.w
        self.log.append((self.typed, start))
        for before in around[:-1]:
            self.cmd(before)
        self.moves.append("%s at %s" % ("; ".join([*around[:-1], line]), start))
        begin = time.monotonic()
        out = self.cmd(line)
        self.counts.setdefault(line.split()[0], []).append(time.monotonic() - begin)
        now = self.here()
        for behind in around[-1:]:
            self.cmd(behind)
        if expected is not None and self.by_another(now, w.places[expected]):
            self.i = None
            return out
        if expected is None:
            expected = self.guess(now, start, back, line if memo else None)
        self.i = expected
        if expected is not None:
            self.same(now, w.places[expected], "walk %d: %s from %s to %s" % (self.done, line, start, expected))
        return out

    def by_another(self, now, want):
        """whether another thread came to a breakpoint first"""
        threads = [re.search(r"\|thread (\S+?)\|", p) for p in (now, want)]
        return None not in threads and threads[0][1] != threads[1][1] and "break" in self.moves[-1]

    def guess(self, now, start, back, line):
        """the index of a place that the window doesn't tell; None when it lies outside"""
        w = self.w
        if start is None:
            return w.places.index(now) if w.places.count(now) == 1 else None
        found = [k for k, p in enumerate(w.places) if p == now]
        right = [k for k in found if (k < start if back else k > start)]
        if found and not right and now != w.places[start]:
            self.s.fail("walk %d: %s from %d came to %r, on the wrong side" % (self.done, line, start, found))
        if line and w.memo.setdefault((start, line), now) != now:
            self.same(now, w.memo[start, line], "walk %d: %s from %d for another time" % (self.done, line, start))
        return right[0] if len(right) == 1 else None

    def cmd(self, line):
        self.typed += 1
        return super().cmd(line)

    # -- moves

    def stepi(self):
        n, w = self.rng.choice((1, 1, 2, 3, 7, 30, 60)), self.w
        if self.i and self.rng.random() < 0.6:
            to = w.stopped(self.i, max(0, self.i - n))
            if self.rng.random() < 0.1:
                self.command("stepi %d" % n if n <= self.i else "stepi %d" % self.i, to, True, ("set exec-direction reverse", "set exec-direction forward"))
            else:
                self.command("reverse-stepi %d" % min(n, self.i), to, True)
        elif self.i < w.last:
            n = min(n, w.last - self.i)
            self.command("stepi %d" % n, w.stopped(self.i, self.i + n), False)

    def nexti(self):
        n, w = self.rng.choice((1, 1, 1, 2, 4, 10)), self.w
        if self.i and self.rng.random() < 0.6:
            self.command("reverse-nexti %d" % n, w.repeated(lambda i: None if i is None else w.reverse_nexti(i), self.i, n), True)
        elif self.i < w.last:
            self.command("nexti %d" % n, w.repeated(lambda i: None if i is None else w.nexti(i), self.i, n), False)

    def line(self):
        what = self.rng.choice(("step", "next", "reverse-step", "reverse-next", "reverse-next", "until", "next 2", "reverse-step 2"))
        if self.w.stop == len(self.stops) - 1 and "reverse" not in what:
            return	# it may lead to where nobody has been
        if self.w.stop == 0 and "reverse" not in what:
            return	# gdb steps by instructions until libc
        self.command(what, None, "reverse" in what)

    def finish(self):
        """out of the selected frame, forward or back"""
        w, i = self.w, self.i
        level = self.rng.choice((0, 0, 1, 2))
        call, back = w.caller_of(i, level), self.rng.random() < 0.5
        behind = w.returns.get(call) if call is not None else w.leaves.get(i) if level == 0 else None
        to, address = call if back else behind, w.return_address(i, level)
        if to is None or address is None:
            return
        if address != w.pc[behind] if behind is not None else not 2 <= address - w.pc[call] <= 8:
            return
        to = None if back and w.is_jumped_to(i, level) else w.stopped(i, to)
        self.command("reverse-finish" if back else "finish", to, back, ("soak-up %d" % level, "frame") if level else ())

    def breakpoint(self):
        w, i = self.w, self.i
        back = self.rng.random() < 0.6
        if not (i if back else i < w.last):
            return
        k = self.rng.randrange(0, i) if back else self.rng.randrange(i + 1, w.last + 1)
        how, where, condition = self.rng.choice(("break", "break", "hbreak", "tbreak")), {w.pc[k]}, ""
        if self.rng.random() < 0.3:
            name, value = re.search(r"\b(rax|rdi|rsp)=(\w+)", w.places[k]).groups()
            condition = " if $%s == 0x%s" % (name, value)
            held = [m for m in range(w.last + 1) if w.pc[m] == w.pc[k] and "%s=%s " % (name, value) in w.places[m]]
        else:
            held = [m for m in range(w.last + 1) if w.pc[m] == w.pc[k]]
        if back:
            held = [m for m in held if w.arrival(m)]
        ordered = range(i - 1, -1, -1) if back else range(i + 1, w.last + 1)
        hits = [m for m in ordered if m in held]
        ignored = self.rng.randrange(len(hits)) if hits and self.rng.random() < 0.2 else 0
        to = next((m for m in ordered if m in hits[ignored:] or w.pc[m] in w.breaks), None)
        self.command("reverse-continue" if back else "continue", to, back,
                     ["%s *%#x%s" % (how, *where, condition), *(["ignore $bpnum %d" % ignored] if ignored else []), "delete $bpnum"])

    def watch(self):
        w, i = self.w, self.i
        back = self.rng.random() < 0.6
        words = [at for at, changes in w.words.items()
                 if any((k < i if back else k >= i) and not SYSCALL.match(w.code[k]) for k, _, _ in changes)]
        if not words:
            return
        at = self.rng.choice(words)
        changes = [k for k, _, _ in w.words[at]]
        k = max(k for k in changes if k < i) if back else min(k for k in changes if k >= i)
        if SYSCALL.match(w.code[k]):
            return
        to = w.stopped(i, k if back else k + 1)
        self.command("reverse-continue" if back else "continue", to, back, ("watch *(long *) %#x" % at, "delete $bpnum"))

    def reverse_watch(self):
        words = [at for at, changes in self.w.words.items() if any(k < self.i for k, _, _ in changes)]
        if not words:
            return
        at = self.rng.choice(words)
        value = self.cmd("output *(long *) %#x" % at)
        out = self.command("reverse-watch *(long *) %#x" % at, None, True, memo=False)	# of several it finds one
        if re.search(r"^(?!fred: (.*recorded|this is a snapshot)).*(error|fred: )", out, re.M):
            self.s.fail("reverse-watch: %r" % out)
        if "has this value at every snapshot" not in out and self.cmd("output *(long *) %#x" % at) == value:
            self.s.fail("walk %d: reverse-watch came to where the value is %s already" % (self.done, value))

    def to_location(self):
        w, i = self.w, self.i
        if i and self.rng.random() < 0.5:
            k = self.rng.randrange(i)
            to = w.back_to(i, {w.pc[k]})
            self.command("%s *%#x" % (self.rng.choice(("until", "advance")), w.pc[k]), to, True,
                         ("set exec-direction reverse", "set exec-direction forward"))
        elif i < w.last and w.stop < len(self.stops) - 1:
            k = self.rng.randrange(i + 1, w.last + 1)
            self.command("%s *%#x" % (self.rng.choice(("until", "advance")), w.pc[k]), None, False)

    def place_again(self):
        """a checkpoint here, or to one of the walk's"""
        if self.i is not None and self.i not in self.marks and self.rng.random() < 0.5:
            self.marks[self.i] = int(re.search(r"Checkpoint (\d+)", self.cmd("checkpoint"))[1]), self.typed
            return
        i = self.rng.choice(list(self.marks))
        self.command("restart %d" % self.marks[i][0], i)

    def undo(self):
        """some of the last moves"""
        ways = [(typed, i) for typed, i in self.log if i is not None and 0 < self.typed - typed < 15]
        if ways:
            typed, i = self.rng.choice(ways)
            self.marks = {at: (number, 0) for at, (number, made) in self.marks.items() if made <= typed}
            self.command("undo %d" % (self.typed - typed), i)
            self.log, self.typed = [], 0

    def around(self):
        """steps and back, where the window is left"""
        n = self.rng.choice((1, 1, 3, 10, 40))
        here = self.here()
        if here == GONE:
            return
        one, other = ("reverse-stepi %d" % n, "stepi %d" % n)
        self.moves.append("%s; %s" % (one, other))
        out = self.cmd(one)
        if END not in out and "reakpoint" not in out:
            if "[Switching to Thread" in self.cmd(other):
                return	# while this one waited, another one met its breakpoint
            self.same(self.here(), here, "walk %d: %s and %s" % (self.done, one, other))

    def stop_to_stop(self):
        w, i = self.w, self.i
        inside = sum(pc in w.breaks for pc in w.pc[1:])
        if self.rng.random() < 0.5:
            if w.back_to(i) is not None or (i and w.exact):
                self.command("reverse-continue", w.back_to(i) or 0, True)
            elif w.stop or not w.exact:
                self.command("reverse-continue", None, True)
                self.same(self.here(), self.stops[w.stop - w.exact], "walk %d: stop %d" % (self.done, w.stop - w.exact))
        elif w.stopped(i, None) is not None:
            self.command("continue", w.stopped(i, None), False)
        elif w.stop + 1 + inside < len(self.stops):
            self.command("continue", None, False)
            self.same(self.here(), self.stops[w.stop + 1 + inside], "walk %d: stop %d" % (self.done, w.stop + 1 + inside))
