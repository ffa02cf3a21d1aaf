"""Limits: memory, processes. What is kept stays within them, one message says so, and going back stays right.

alone
test-timeout: 300
"""
import os
import pwd
import re
import subprocess
import threading
import time

from tests import *

MB = 1 << 20
ROUNDS = "400000000"
DROPPING = r"^fred: .*dropping the oldest snapshots"
SHORTER = r"^fred: .*the oldest part of the program's history is dropped"


def memory(comm, what="Pss_Anon"):
    """bytes that the processes of that name have together, each page counted once (or another of their numbers)"""
    total = 0
    for pid in tagged(comm=comm):
        try:
            total += int(re.search(r"^%s:\s*(\d+)" % what, open("/proc/%d/smaps_rollup" % pid).read(), re.M).group(1)) << 10
        except (OSError, AttributeError):
            pass
    return total


class Peak(threading.Thread):
    """the most that memory() was meanwhile"""

    def __init__(self, comm):
        super().__init__(daemon=True)
        self.comm, self.most, self.stop = comm, 0, False

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop = True
        self.join()

    def run(self):
        while not self.stop:
            self.most = max(self.most, memory(self.comm))
            time.sleep(0.05)


def budget_used(b):
    """(MB used, MB of the budget, snapshots kept, dropped) as fred-stats says"""
    out = b.cmd("fred-stats")
    m = re.search(r"(\d+) kept, (\d+) dropped", out)
    n = re.search(r"^budget +(\d+) MB of (\d+) MB used", out, re.M)
    return (int(n[1]), int(n[2]), int(m[1]), int(m[2])) if m and n else b.fail("fred-stats: %r" % out)


def count(b, pattern, start=0):
    return len(re.findall(pattern, b.text(start), re.M))


def consistent(b, what):
    """at the beginning of rewrite(): the turn before is over"""
    turn = b.value("turn")
    for word in ("memory[0]", "memory[words / 2]", "memory[words - 1]"):
        b.check(b.value(word), turn, what + ": " + word)
    b.check(b.value("value"), turn + 1, what + ": value")


def back_over_rounds(b, rounds):
    b.expect("break rewrite", r"reakpoint \d+")
    for turn in (rounds - 1, rounds - 2):
        b.expect("reverse-continue", r"rewrite \(value=%d\)" % (turn + 1))
        b.check(b.value("turn"), turn, "turn")
        consistent(b, "back at the last rounds")
    b.expect("continue", r"rewrite \(value=%d\)" % rounds)
    consistent(b, "forward again")
    b.cmd("delete")


def test_rewriting(*more):
    """three rewritten copies would not fit"""
    size = 64
    with Backward("rewrite", "1", str(size), "10", *more, env={"FRED_BUDGET": "150M"}, timeout=100) as b:
        b.only_fred()
        b.expect("break done", r"reakpoint")
        with Peak("rewrite") as peak:
            b.expect("run", r"reakpoint \d+, done")
        rounds = b.value("turn")
        b.check(count(b, DROPPING, 0), 1, "messages about dropped snapshots")
        used, budget, kept, dropped = budget_used(b)
        b.check(budget, 150, "the budget")
        print("# rewriting %d MB: %d snapshots kept, %d dropped, %d MB of %d MB used, %d MB with the program at most" % (
            size, kept, dropped, used, budget, peak.most / MB))
        b.check(used <= budget, True, "%d MB used of %d MB" % (used, budget))
        b.check(dropped > 0, True, "snapshots were dropped")
        print("# %d MB of them and of the program's are in huge pages" % (memory("rewrite", "AnonHugePages") / MB))
        exact = memory("rewrite") / MB - size
        b.check(abs(exact - used) < 24, True, "%d MB used, and fred says %d" % (exact, used))
        # The newest one's pages become its own after it was taken; that much was foreseen.
        b.check(peak.most < (size + 150 + size + 24) * MB, True, "at most %d MB" % (peak.most / MB))
        back_over_rounds(b, rounds)
        b.ends()
        b.check(b.value("turn"), 0, "turn at the beginning")
        b.expect("tbreak main", r"reakpoint")
        b.expect("continue", r"main")
        b.check(count(b, DROPPING, 0), 1, "messages in the end")


def test_huge_pages():
    """each given back for new ones: one fault is 2 MB"""
    test_rewriting("anew")


def test_too_little():
    """snapshots that can't be dropped (the user changed the program there) don't fit: history begins later"""
    rounds, size = 40, 64
    with Backward("rewrite", str(rounds), str(size), env={"FRED_BUDGET": "150M"}, timeout=60) as b:
        b.only_fred()
        b.start()
        b.expect("checkpoint", r"[Cc]heckpoint 1")
        b.expect("break rewrite", r"reakpoint")
        for turn in range(8):
            b.expect("continue", r"rewrite \(value=%d\)" % (turn + 1))
            b.cmd("set var changed = turn + 1")
        b.cmd("delete")
        b.expect("break done", r"reakpoint")
        b.expect("continue", r"reakpoint \d+, done")
        for what in (DROPPING, SHORTER, r"^fred: checkpoint 1 is gone"):
            b.check(count(b, what, 0), 1, "messages like " + what)
        b.expect("info checkpoints", r"No checkpoints")
        used, budget, kept, dropped = budget_used(b)
        print("# too little for %d MB: %d snapshots kept, %d dropped, %d MB of %d MB used" % (size, kept, dropped, used, budget))
        b.check(used <= budget, True, "%d MB used of %d MB" % (used, budget))
        back_over_rounds(b, rounds)
        b.ends()
        first = b.value("turn")
        b.check(4 < first < rounds - 4, True, "turn %d at the later beginning" % first)
        b.check(b.value("memory[words - 1]"), first, "the last word there")
        b.check(b.value("memory[0]") in (first, first + 1), True, "the first word there")
        b.ends()
        b.expect("break rewrite", r"reakpoint")
        b.expect("continue", r"rewrite \(value=\d+\)")
        consistent(b, "forward from the later beginning")
        out = b.cmd("restart 1")
        b.check("Not found" in out, True, "restarting what is gone: %r" % out)
        consistent(b, "after that")


def computes_within(b, rounds, limit):
    """lets the program compute within a limit that is set at its beginning, and goes back from its end"""
    b.expect("break main", r"reakpoint")
    b.expect("run", r"reakpoint \d+, main")
    limit()
    b.expect("break tail", r"reakpoint")
    b.expect("continue", r"reakpoint \d+, tail")
    b.check(count(b, DROPPING, 0), 1, "messages")
    b.check(b.value("rounds"), rounds, "rounds at the end")
    here = b.value("$pc"), b.value("state")
    for word in ("call", "after"):
        b.expect("reverse-next", r"MARK %s\b" % word)
    b.expect("reverse-step", r"^24\t")
    b.check(b.value("rounds"), rounds - 1, "rounds before the last turn")
    b.expect("continue", r"reakpoint \d+, tail")
    b.check((b.value("$pc"), b.value("state")), here, "back again")
    b.cmd("delete")
    b.expect("reverse-continue", "^" + re.escape(END) + "$")
    used, budget, kept, dropped = budget_used(b)
    print("# %d snapshots kept, %d dropped" % (kept, dropped))
    return kept, dropped


def uid_of(pid):
    try:
        return os.stat("/proc/" + pid).st_uid
    except OSError:
        return None


def as_another_user():
    """a command's beginning, or why there is none"""
    if os.getuid():
        return None, "only root can become another user, and only others have that limit"
    used = {uid_of(p) for p in os.listdir("/proc") if p.isdigit()} | {u.pw_uid for u in pwd.getpwall()}
    uid = next(n for n in range(54321, 60000) if n not in used)
    start = ["/usr/bin/setpriv", "--reuid=%d" % uid, "--regid=%d" % uid, "--clear-groups"]
    for path in (fred(), target("compute")):
        if os.system(" ".join(start) + " test -r " + path):
            return None, "another user can't read " + path
    return start, None


def test_user_limit():
    """RLIMIT_NPROC: a fork fails while the program runs, since others have taken what there was"""
    start, why = as_another_user()
    if why:
        print("# skipped: " + why)
        return
    uid, sleepers = int(start[1].partition("=")[2]), []

    def use_up(left=16):
        n = sum(p.isdigit() and uid_of(p) == uid for p in os.listdir("/proc"))
        for _ in range(64 - n - left):
            sleepers.append(subprocess.Popen([*start, "/bin/sleep", "100"]))

    args = [*start[1:], "/usr/bin/prlimit", "--nproc=64", fred(), "-q", "-nx", "--args", target("compute"), ROUNDS]
    try:
        with Session(args, start[0], cwd="/", timeout=60) as b:
            b.wait()
            kept, dropped = computes_within(b, int(ROUNDS), use_up)
            b.check(kept <= 16 and dropped > 0, True, "%d snapshots kept, %d dropped" % (kept, dropped))
    finally:
        for p in sleepers:
            p.kill()
            p.wait()


def test_control_group():
    """the same by pids.max"""
    parent = "/sys/fs/cgroup/pids" if os.path.exists("/sys/fs/cgroup/pids") else "/sys/fs/cgroup"
    group = os.path.join(parent, "fred-test-%d" % os.getpid())
    try:
        os.mkdir(group)
    except OSError as e:
        print("# skipped: no control group: %s" % e)
        return
    try:
        if not os.path.exists(group + "/pids.max"):
            print("# skipped: %s has no pids.max" % group)
            return
        open(group + "/pids.max", "w").write("80")
        script = "echo $$ >%s/cgroup.procs && exec \"$@\"" % group
        with Session(["-c", script, "sh", fred(), "-q", "-nx", "--args", target("compute"), ROUNDS], "/bin/sh",
                     timeout=60) as b:
            b.wait()
            kept, _ = computes_within(b, int(ROUNDS), lambda: None)
            b.check(kept <= 12, True, "%d snapshots kept: an eighth of 80, and what searches made" % kept)
    finally:
        for _ in range(100):
            try:
                os.rmdir(group)
                break
            except OSError:
                time.sleep(0.02)


def test_bad_budget():
    with Session(["-q", "-nx"], env={"FRED_BUDGET": "much"}, terminal=False) as s:
        s.check(s.end(), 2, "exit status")
        s.check("FRED_BUDGET is no size" in s.text(0), True, s.text(0))


run(globals())
