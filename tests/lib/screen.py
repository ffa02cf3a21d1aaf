"""A small terminal: what a user sees after these bytes (the part of xterm that gdb's TUI and readline use)."""
import re

SEQUENCE = re.compile(rb"\x1b\[([0-9;?>]*)([@-~])|\x1b([()])(.)|\x1b\][^\x07]*\x07|\x1b([^\[\]()])|([\x00-\x1f])|([^\x00-\x1f\x1b]+)",
                      re.S)


UNFINISHED = re.compile(rb"\x1b(?:\[[0-9;?>]*|\][^\x07]*|[()])?$|[\xc0-\xff][\x80-\xbf]*$")


class Screen:
    def __init__(self, rows, cols):
        self.rows, self.cols = rows, cols
        self.lines = [[" "] * cols for _ in range(rows)]
        self.y = self.x = 0
        self.top, self.bottom, self.saved, self.graphics, self.last = 0, rows - 1, (0, 0), False, " "
        self.rest = b""

    def feed(self, data):
        data = self.rest + data
        cut = UNFINISHED.search(data)
        data, self.rest = (data[:cut.start()], data[cut.start():]) if cut else (data, b"")
        for m in SEQUENCE.finditer(data):
            args, final, which, charset, escape, control, text = m.groups()
            if final:
                self.csi(args.decode(), final.decode())
            elif which == b"(":
                self.graphics = charset == b"0"
            elif escape:
                self.escape(escape.decode("latin1"))
            elif control:
                self.control(control[0])
            elif text:
                for c in text.decode(errors="replace"):
                    self.put(c)

    def put(self, c):
        if self.graphics:
            c = {"q": "-", "x": "|", "l": "+", "k": "+", "m": "+", "j": "+", "t": "+", "u": "+", "n": "+"}.get(c, c)
        if self.x >= self.cols:
            self.x = 0
            self.newline()
        self.lines[self.y][self.x] = self.last = c
        self.x += 1

    def newline(self):
        if self.y == self.bottom:
            self.scroll(1)
        elif self.y < self.rows - 1:
            self.y += 1

    def scroll(self, n, top=None):
        top = self.top if top is None else top
        for _ in range(min(abs(n), self.rows)):
            if n > 0:
                del self.lines[top]
                self.lines.insert(self.bottom, [" "] * self.cols)
            else:
                del self.lines[self.bottom]
                self.lines.insert(top, [" "] * self.cols)

    def control(self, c):
        if c == 10:
            self.newline()
        elif c == 13:
            self.x = 0
        elif c == 8:
            self.x = max(0, self.x - 1)
        elif c == 9:
            self.x = min(self.cols - 1, self.x // 8 * 8 + 8)
        elif c in (14, 15):
            self.graphics = c == 14

    def escape(self, c):
        if c == "M":
            if self.y == self.top:
                self.scroll(-1)
            else:
                self.y = max(0, self.y - 1)
        elif c == "7":
            self.saved = self.y, self.x
        elif c == "8":
            self.y, self.x = self.saved
        elif c == "c":
            self.__init__(self.rows, self.cols)

    def csi(self, args, final):
        if args.startswith(">"):
            return
        if args.startswith("?"):
            if args in ("?1049", "?47"):
                self.lines = [[" "] * self.cols for _ in range(self.rows)]
            return
        n = [int(a) if a.isdigit() else 0 for a in args.split(";")]
        one = max(1, n[0])
        line = self.lines[self.y]
        if final in "Hf":
            self.y, self.x = one - 1, max(1, n[1] if len(n) > 1 else 1) - 1
        elif final == "A":
            self.y -= one
        elif final == "B":
            self.y += one
        elif final == "C":
            self.x += one
        elif final == "D":
            self.x -= one
        elif final == "G":
            self.x = one - 1
        elif final == "d":
            self.y = one - 1
        elif final == "J":
            if n[0] == 0:
                line[min(self.x, self.cols):] = [" "] * (self.cols - min(self.x, self.cols))
            elif n[0] == 1:
                line[:self.x + 1] = [" "] * min(self.x + 1, self.cols)
            for y in range(self.rows):
                if n[0] == 2 or (n[0] == 0 and y > self.y) or (n[0] == 1 and y < self.y):
                    self.lines[y] = [" "] * self.cols
        elif final == "K":
            begin, end = {0: (self.x, self.cols), 1: (0, self.x + 1), 2: (0, self.cols)}[n[0]]
            for x in range(begin, min(end, self.cols)):
                line[x] = " "
        elif final in "LM" and self.top <= self.y <= self.bottom:
            self.scroll(one if final == "M" else -one, self.y)
        elif final in "@P":
            for _ in range(min(one, self.cols)):
                if final == "@":
                    line.insert(self.x, " ")
                    line.pop()
                else:
                    del line[self.x:self.x + 1]
                    line.append(" ")
        elif final == "X":
            for x in range(self.x, min(self.x + one, self.cols)):
                line[x] = " "
        elif final == "b":
            for _ in range(one):
                self.put(self.last)
        elif final == "r":
            self.top, self.bottom = one - 1, (n[1] if len(n) > 1 and n[1] else self.rows) - 1
            self.y = self.x = 0
        elif final in "ST":
            self.scroll(one if final == "S" else -one)
        self.y = min(max(self.y, 0), self.rows - 1)
        self.x = min(max(self.x, 0), self.cols)

    def text(self):
        return "\n".join("".join(line).rstrip() for line in self.lines)
