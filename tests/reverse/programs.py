"""Programs that use much of the system: forwards, back to their beginning, forwards again, and all of it verified.

test-timeout: 240
"""
import os
import re
import shutil
import subprocess

from tests import *

QUIET = "handle SIGALRM SIGSEGV SIGUSR1 nostop noprint pass"


def there_and_back(program, stops_at="mark", count=None, says=r"exited normally", watch=("round_", "sum"), args=(), **more):
    """the stops at `mark' are the same each time; so is the end"""
    with Backward(program, *args, watch=list(watch), cwd=tmp(), timeout=60, **more) as b:
        b.only_fred("system calls of all kinds")
        b.cmd(QUIET)
        b.start()
        first = b.where()
        b.cmd("break " + stops_at)
        stops = [first]
        while True:
            out = b.cmd("continue")
            now = b.where()
            if now is None:
                break
            stops.append(now)
        b.check(bool(re.search(says, out)), True, "the end: %r" % out)
        if count:
            b.check(len(stops) - 1, count, "stops")
        b.cmd("reverse-continue")
        b.at(stops[-1], "back from the end")
        b.cmd("break main")
        b.back("reverse-continue", stops)
        b.ends()
        b.cmd("delete")
        b.cmd("break " + stops_at)
        for want in stops[1:]:
            b.at(want, "forwards again", b.cmd("continue"))
        b.expect("continue", says)
        b.cmd("reverse-continue")
        b.at(stops[-1], "back from the end again")


def test_sockets():
    there_and_back("sockets", count=5)


def test_events():
    there_and_back("events", count=4)


def test_coroutines_by_instruction():
    """what XSAVEC and fnstenv leave in memory depends on when the kernel switched tasks"""
    with Backward("events", watch=["round_", "sum", "$rax"], cwd=tmp(), timeout=60) as b:
        b.only_fred("system calls of all kinds")
        b.cmd(QUIET)
        b.start()
        b.cmd("break mark")
        for _ in range(4):
            b.cmd("continue")
        last = b.where()
        for n in (80, 150, 300):
            out = b.cmd("reverse-stepi %d" % n)
            b.check("fred:" in out, False, out)
            b.cmd("stepi %d" % n)
            b.at(last, "there and back by %d instructions" % n)


def test_waits_with_another_mask():
    prints = subprocess.run([target("waits")], stdout=subprocess.PIPE, text=True).stdout.strip()
    there_and_back("waits", count=12, says=r"exited normally", watch=("round_", "sum", "ticks"))
    with Session(["-q", "-nx", target("waits")], fred()) as s:
        s.wait()
        s.expect("run", "^" + prints + "$")


def test_signals_in_such_waits_stop():
    with Backward("waits", watch=["round_", "sum", "ticks"], timeout=60) as b:
        b.only_fred("signals")
        b.start()
        first = b.where()
        b.cmd("handle SIGALRM stop print")
        b.cmd("break mark")
        stops = []
        for i in range(8):
            b.expect("continue", r"Program received signal SIGALRM")
            b.cmd("checkpoint")     # by a call injected there
            if i & 1:
                b.expect("stepi", r"on_alarm")
            b.expect("continue", r"Breakpoint 2, mark")
            stops.append(b.where())
        b.cmd("handle SIGALRM nostop noprint")
        b.back("reverse-continue", stops)
        b.cmd("delete")
        b.cmd("reverse-continue")
        b.cmd("tbreak main")
        b.cmd("continue")
        b.at(first, "in main")
        b.expect("continue", r"exited normally")


def test_maps():
    there_and_back("maps", count=10)


def test_generated_code():
    """what a probe replaced is the program's, also if the program has written there since"""
    with Backward("jit", watch=["sum", "faults", "i"], cwd=tmp()) as b:
        b.only_fred("faults")
        b.cmd(QUIET)
        b.start()
        stops = [b.where()]
        b.cmd("break %d" % b.mark("run"))
        for _ in range(6):
            b.cmd("continue")
            stops.append(b.where())
        b.expect("continue", r"exited normally")
        b.cmd("reverse-continue")
        b.at(stops[-1], "back from the end")
        b.cmd("break main")
        b.back("reverse-continue", stops)
        b.again("continue", stops)
        b.cmd("delete")
        b.expect("continue", r"exited normally")


def test_what_cannot_be_recorded_is_named():
    with Backward("strange", watch=["n", "results[0]", "results[1]", "results[3]"]) as b:
        b.only_fred("messages")
        b.start()
        first = b.where()
        b.cmd("break mark")
        stops = [first] + [(b.cmd("continue"), b.where())[1] for _ in range(7)]
        b.cmd("break main")
        b.back("reverse-continue", stops)
        b.again("continue", stops)
        said = b.text(0)
        for what in (r"system call 157 \(prctl, request 0x1267\) can't be replayed",
                     r"system call 20 \(of 32-bit programs\) can't be replayed",
                     r"/tmp/strange\w+ \(deleted\) is mapped shared: what others write there is recorded at the"):
            b.check(len(re.findall("fred: .*" + what, said)), 1, what)
        b.check(len(re.findall("fred: ", said)), 3, "messages in all")


def whole(argv, says=r"exited normally", **more):
    """a program without symbols: to its end, back to its first instruction, to its end again; all verified"""
    with Session(["-q", "-nx", "--args", *argv], fred(), cwd=tmp(), timeout=100, **more) as s:
        s.wait()
        s.cmd("set confirm off")
        s.expect("run", says)
        s.expect("reverse-continue", "^" + re.escape(END) + "$")
        s.expect("continue", says)
        s.cmd("reverse-stepi")
        s.expect("x/i $pc", r"\tsyscall")
        s.expect("fred-verify", r"^\d+ snapshots verified")


def test_cc1():
    cc1 = subprocess.run(["gcc", "-print-prog-name=cc1"], stdout=subprocess.PIPE, text=True).stdout.strip()
    out = os.path.join(tmp(), "jumps.s")
    whole([cc1, "-quiet", "-O1", "-imultiarch", "x86_64-linux-gnu", source("jumps"), "-o", out])
    plain_out = os.path.join(tmp(), "plain.s")
    subprocess.run([cc1, "-quiet", "-O1", "-imultiarch", "x86_64-linux-gnu", source("jumps"), "-o", plain_out], check=True)
    if open(out).read() != open(plain_out).read():
        raise Failure("cc1 wrote something else")


def test_execs():
    """what gdb reads memory through is closed there; the number means another file then"""
    whole([target("execs")])


def test_next_where_nothing_is_known():
    """it fails and leaves breakpoints in libc behind, which isn't mapped at the program's first instruction"""
    with Session(["-q", "-nx", "--args", "/usr/bin/sort", "--version"], fred(), cwd=tmp()) as s:
        s.wait()
        for line in ("set confirm off", "set breakpoint pending on", "starti", "break setlocale"):
            s.cmd(line)
        s.expect("continue", r"Breakpoint 1, ")
        s.cmd("finish")
        s.expect("next", r"Cannot find bounds of current function")
        s.cmd("delete")
        s.expect("reverse-continue", "^" + re.escape(END) + "$")
        s.check("Cannot" in s.cmd("stepi"), False, "the next instruction")
        s.expect("continue", r"exited normally")


SQL = """
pragma journal_mode = %s;
create table t(a integer primary key, b, c);
begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000)
insert into t select i, random(), hex(randomblob(20)) from n;
commit;
create index i on t(b);
update t set c = datetime('now') where a %% 7 = 0;
delete from t where b < 0;
select count(*), sum(a) > 0, max(c) from t;
"""


def test_sqlite3():
    sqlite3 = shutil.which("sqlite3")
    if not sqlite3:
        print("no sqlite3 here: skipped")
        return
    for mode in ("delete", "wal"):  # a journal; a log whose index is memory mapped shared
        db = os.path.join(tmp(), mode + ".db")
        whole([sqlite3, db, " ".join((SQL % mode).split())])
        n = subprocess.run([sqlite3, db, "pragma integrity_check"], stdout=subprocess.PIPE, text=True).stdout.strip()
        if n != "ok":
            raise Failure("the database: " + n)


run(globals())
