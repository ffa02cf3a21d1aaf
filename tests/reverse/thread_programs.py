"""Programs with threads that aren't ours: forwards to their end, back, forwards again, and all of it verified.

test-timeout: 240
"""
import os
import random
import re
import shutil
import sys

from tests import *

PYTHON = """
import queue, random, threading, time
results, todo, lock = [], queue.Queue(), threading.Lock()

def produce(n):
    for i in range(30):
        todo.put((n, i, random.random()))
        if i % 10 == 0:
            time.sleep(0.001)

def consume():
    while (item := todo.get()) is not None:
        with lock:
            results.append(item)

producers = [threading.Thread(target=produce, args=(n,)) for n in range(3)]
consumer = threading.Thread(target=consume)
for t in producers + [consumer]:
    t.start()
for t in producers:
    t.join()
todo.put(None)
consumer.join()
print(len(results), "results,", sum(r[2] for r in results))
"""


def file(name, text):
    path = os.path.join(tmp(), name)
    with open(path, "w") as f:
        f.write(text)
    return path


def there_and_back(program, *args, births):
    """as many threads are made each time, in each direction; what was made once is as it was"""
    path = shutil.which(program)
    if not path:
        print("skipped: no %s here" % program)
        return
    with Session(["-q", "-nx", "--args", path, *args], fred(), cwd=tmp(), timeout=60) as b:
        b.wait()
        for setting in ("width 0", "pagination off", "confirm off", "breakpoint pending on"):
            b.cmd("set " + setting)
        b.expect("break exit", r"Breakpoint 1")
        b.expect("run", r"^(Thread 1 .* hit )?Breakpoint 1, ")
        b.expect("break pthread_create", r"Breakpoint 2")
        seen = []
        for _ in range(births):
            b.expect("reverse-continue", r"Breakpoint 2, ")
            seen.append((b.value("$sp"), b.value("$rcx"), b.value("*(long *)$sp")))
        b.expect("reverse-continue", END)
        for want in reversed(seen):
            b.expect("continue", r"Breakpoint 2, ")
            b.check((b.value("$sp"), b.value("$rcx"), b.value("*(long *)$sp")), want, "the same call")
        b.expect("continue", r"Breakpoint 1, ")
        b.expect("fred-verify", r"^\d+ snapshots verified", timeout=100)


def test_python():
    there_and_back("python3", file("threads.py", PYTHON), births=4)


def test_sort():
    rng = random.Random(1)
    lines = file("lines", "".join("%d\n" % rng.randrange(10**9) for _ in range(200000)))
    there_and_back("sort", "--parallel=2", "-S", "50M", "-o", lines + ".sorted", lines, births=1)
    with open(lines + ".sorted") as f:
        got = f.read().split()
    if got != sorted(got) or len(got) != 200000:
        raise Failure("the file isn't sorted")


def test_xz():
    """blocks all signals in its threads"""
    data = file("data", "".join("%x" % random.Random(2).getrandbits(64) for _ in range(200000)))
    there_and_back("xz", "-T2", "--block-size=1MiB", "-k", "-f", "-1", data, births=2)


run(globals())
