"""A random walk over a program's past: what was seen at an instruction must be there again.

Truth: a straight run of single steps from main, every stop noted. Then forward and backward commands in random order;
single steps must land on the noted stop with the right index; other commands on some noted stop (the same pc, stack and
values), on the right side of the one before. The stop's index follows from the next single steps.
"""
import random


def walk(b, seed, moves, length=300, start=None):
    """start: goes to where the walk begins, main otherwise"""
    rng = random.Random(seed)
    (start or b.start)()
    truth = b.forward("stepi", length)
    for i, stop in enumerate(truth):
        if stop.function.startswith("__libc_start"):	# main is over; back from there may lead to before main
            del truth[i:]
            b.cmd("reverse-stepi %d" % (length + 1 - i))
            b.at(truth[-1], "seed %d: the last instruction of main" % seed)
            break
    index = {}
    for i, stop in enumerate(truth):
        index.setdefault(stop, []).append(i)
    at = len(truth) - 1
    for move in range(moves):
        kind = rng.choice(("reverse-stepi", "reverse-stepi", "stepi", "reverse-nexti", "reverse-next", "reverse-step"))
        n = rng.randint(1, 40)
        if kind == "stepi":
            n = min(n, len(truth) - 1 - at)
            if n == 0:
                continue
        elif kind == "reverse-stepi":
            n = min(n, at)
            if n == 0:
                b.cmd("stepi %d" % (len(truth) - 1))
                at = len(truth) - 1
                continue
        elif at < 60:
            continue
        if kind in ("stepi", "reverse-stepi"):
            b.cmd("%s %d" % (kind, n))
            at += n if kind == "stepi" else -n
            b.at(truth[at], "seed %d, move %d: %s %d" % (seed, move, kind, n))
            continue
        b.cmd(kind)
        now = b.where()
        before = [i for i in index.get(now, []) if i < at]
        if not before:
            b.fail("seed %d, move %d: %s from %d came to a place never seen before it: %r" % (seed, move, kind, at, now))
        at = before[-1]
