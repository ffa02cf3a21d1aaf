"""Real programs, there and back: whatever was seen at a moment must be seen there again.

Truth: the first run from breakpoint to breakpoint, every stop noted (registers, stack, memory, values). Then a random walk over these
stops, with excursions from them (steps of all kinds in both directions) that are made twice and must show the same twice. At the
end each program goes to its end, back to its first instruction, forward again, and all of its past is verified.

Programs that aren't installed are skipped, with a line.
"""
import os
import random
import shutil
import socket
import subprocess
import time
import zlib

from session import Failure, environment
from targets import source, target, tmp
from window import Walks


class Skip(Exception):
    pass


class Program:
    """argv: a function that makes what it needs, and may raise Skip; breaks: functions at which the walk stops, `stops' times at
    most; says: how it ends; outside: a shell command that runs beside it"""

    def __init__(self, name, argv, breaks, watch=(), stops=40, says=r"exited (normally|with code)", outside=None, env=None,
                 timeout=60):
        self.name, self.argv, self.breaks, self.watch, self.stops = name, argv, breaks, watch, stops
        self.says, self.outside, self.env, self.timeout = says, outside, env or {}, timeout


def path(program):
    found = shutil.which(program, path=environment()["PATH"] + ":/usr/sbin:" + os.environ["PATH"])
    if not found:
        raise Skip("no %s here" % program)
    return found


def file(name, text):
    at = os.path.join(tmp(), name)
    with open(at, "w") as f:
        f.write(text)
    return at


def built(name, text, *command):
    """command: {src} and {out} are filled in"""
    src, out = file(name, text), os.path.join(tmp(), name.split(".")[0])
    r = subprocess.run([a.format(src=src, out=out) for a in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       cwd=tmp())
    if r.returncode:
        raise Skip("can't be built: " + r.stdout.strip()[-200:])
    return out


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# ------------------------------------------------------------------ what is run

SQL = """
pragma journal_mode = %s;
create table t(a integer primary key, b, c);
begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 300) insert into t select i, random(), hex(randomblob(20)) from n;
commit;
create index i on t(b);
update t set c = datetime('now') where a %% 7 = 0;
delete from t where b < 0;
select count(*), sum(a) > 0, max(c) from t;
"""

LUA = """
math.randomseed(os.time())
local t, names = {}, {}
for i = 1, 2000 do t[i] = {math.random(1000000), tostring(i)} end
table.sort(t, function(a, b) return a[1] < b[1] end)
for i = 1, 20 do names[#names + 1] = os.tmpname(); os.remove(names[i]) end
local p = io.popen("echo from the child; date +%s", "r")
print(p:read("a"), p:close())
local co = coroutine.wrap(function() for i = 1, 50 do coroutine.yield(i * math.random()) end end)
local sum = 0
for i = 1, 50 do sum = sum + co() end
print(sum, os.clock(), pcall(error, {1}))
for i = 1, 10 do io.write(string.format("%d %s\\n", i, t[i][2])) end
"""

PYTHON = """
import os, queue, random, signal, socket, subprocess, sys, tempfile, threading, time
out, todo = [], queue.Queue()
def work():
    while (n := todo.get()) is not None:
        out.append((n, random.random(), time.time()))
        if n % 10 == 0:
            time.sleep(0.001)
threads = [threading.Thread(target=work) for _ in range(3)]
for t in threads: t.start()
for i in range(60): todo.put(i)
for t in threads: todo.put(None)
for t in threads: t.join()
print(subprocess.run(["sh", "-c", "echo child; date; exit 3"], stdout=subprocess.PIPE))
signal.signal(signal.SIGALRM, lambda *a: out.append("alarm"))
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
time.sleep(0.05)
signal.setitimer(signal.ITIMER_REAL, 0)
a, b = socket.socketpair()
a.send(os.urandom(100)); print(sum(b.recv(200)))
with tempfile.TemporaryFile() as f:
    f.write(os.urandom(5000)); f.seek(0); print(len(f.read()))
pid = os.fork()
if not pid: os._exit(7)
print(os.waitpid(pid, 0)[1], len(out))
"""

PERL = """
use Time::HiRes qw(time sleep setitimer ITIMER_REAL); use Socket;
my ($n, %h) = (0);
$SIG{ALRM} = sub { $n++ };
setitimer(ITIMER_REAL, 0.005, 0.005);
for my $i (1 .. 3000) { $h{rand()} = $i; $x .= substr(join(",", sort { $a <=> $b } (keys %h)[0..3]), 0, 10); }
setitimer(ITIMER_REAL, 0);
my $out = `echo from a child; date`; print $out, $?, "\\n";
socketpair(my $c, my $p, AF_UNIX, SOCK_STREAM, PF_UNSPEC);
if (my $pid = fork) { close $p; print scalar <$c>; waitpid $pid, 0; print $? >> 8, "\\n"; } else { print $p "hello $$\\n"; close $p; exit 5; }
sleep 0.02; print time, " ", length $x, "\\n"; print "$_\\n" for 1 .. 5;
eval { die { a => 1 } }; print ref $@, "\\n"; open my $f, "<", $0; my @l = <$f>; print scalar(@l), "\\n";
"""

GO = """
package main
import ("fmt"; "math/rand"; "net"; "os"; "os/exec"; "sort"; "sync"; "time"; "runtime")
func worker(n int, in chan int, out chan int, wg *sync.WaitGroup) { defer wg.Done(); for i := range in { out <- i * n } }
//go:noinline
func Mark(n int) int { return n + 1 }
func main() {
	rand.Seed(time.Now().UnixNano())
	in, out := make(chan int), make(chan int, 1000)
	var wg sync.WaitGroup
	for n := 0; n < 4; n++ { wg.Add(1); go worker(n, in, out, &wg) }
	for i := 0; i < 200; i++ { in <- rand.Intn(1000); if i % 20 == 0 { Mark(i) } }
	close(in); wg.Wait(); close(out)
	var all []int
	for o := range out { all = append(all, o) }
	sort.Ints(all); runtime.GC()
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	go func() { c, _ := l.Accept(); c.Write([]byte("over tcp")); c.Close() }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil { fmt.Println(err); os.Exit(1) }
	buf := make([]byte, 100); k, _ := c.Read(buf)
	b, _ := exec.Command("echo", "child").Output()
	time.Sleep(5 * time.Millisecond); Mark(1)
	fmt.Println(len(all), string(buf[:k]), string(b))
}
"""

RUST = """
use std::{collections::HashMap, io::{Read, Write}, net, process::Command, sync::mpsc, thread, time};
#[no_mangle] #[inline(never)]
pub extern "C" fn mark(n: u64) -> u64 { std::hint::black_box(n + 1) }
fn main() {
    let (tx, rx) = mpsc::channel();
    let all: Vec<_> = (0..3u64).map(|n| { let tx = tx.clone(); thread::spawn(move || for i in 0..50u64 { tx.send(i * n).unwrap(); }) }).collect();
    drop(tx);
    let mut h = HashMap::new();
    for v in rx { *h.entry(v % 17).or_insert(0u64) += mark(v); }
    for t in all { t.join().unwrap(); }
    let l = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let a = l.local_addr().unwrap();
    let t = thread::spawn(move || { let (mut c, _) = l.accept().unwrap(); c.write_all(b"over tcp").unwrap(); });
    let mut s = String::new();
    net::TcpStream::connect(a).unwrap().read_to_string(&mut s).unwrap();
    t.join().unwrap();
    thread::sleep(time::Duration::from_millis(3));
    let o = Command::new("echo").arg("child").output().unwrap();
    let r = std::panic::catch_unwind(|| { let v: Vec<u8> = vec![]; v[mark(3) as usize] });
    println!("{} {} {:?} {} {:?}", h.len(), s, o.stdout, r.is_err(), time::SystemTime::now());
}
"""

JAVA = """
public class A {
    public static void main(String[] args) throws Exception {
        java.util.Map<Integer, String> m = new java.util.HashMap<>();
        for (int i = 0; i < 100000; i++) m.put(i, "x" + Math.random());
        System.gc();
        Thread t = new Thread(() -> System.out.println("thread " + m.size()));
        t.start(); t.join();
        try { Object o = m.get(-1); o.hashCode(); } catch (NullPointerException e) { System.out.println("null"); }
    }
}
"""

NODE = """
const fs = require('fs'), { execSync } = require('child_process');
const m = new Map();
for (let i = 0; i < 20000; i++) m.set(i, Math.random());
console.log(execSync('echo child').toString().trim(), m.size, Date.now() > 0);
setTimeout(() => { fs.readFile(__filename, (e, d) => console.log(d.length)); }, 5);
Promise.resolve(1).then(x => console.log(x));
"""

AVX512 = """
#include <immintrin.h>
#include <stdio.h>
#include <unistd.h>
double total;
__attribute__((noinline)) void mark(__m512d v) { double d[8]; _mm512_storeu_pd(d, v); for (int i = 0; i < 8; i++) total += d[i]; }
int main(void)
{
	__m512d a = _mm512_set1_pd(1.5), b = _mm512_set_pd(1, 2, 3, 4, 5, 6, 7, 8);
	for (int i = 0; i < 200; i++) {
		__mmask8 k = _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ);
		a = _mm512_mask_fmadd_pd(a, k, b, _mm512_set1_pd(0.25));
		b = _mm512_permutexvar_pd(_mm512_set_epi64(0, 1, 2, 3, 4, 5, 6, 7), b);
		a = _mm512_mask_mov_pd(a, (__mmask8)(i * 37), b);
		if (i % 10 == 0) { mark(a); getppid(); }
	}
	printf("%g\\n", total);
	return 0;
}
"""


def sqlite3(mode):
    db = os.path.join(tmp(), mode + ".db")
    for suffix in ("", "-wal", "-shm", "-journal"):
        if os.path.exists(db + suffix):
            os.unlink(db + suffix)
    return [path("sqlite3"), db, " ".join((SQL % mode).split())]


def cc1():
    found = subprocess.run([path("gcc"), "-print-prog-name=cc1"], stdout=subprocess.PIPE, text=True).stdout.strip()
    return [found, "-quiet", "-O1", "-imultiarch", "x86_64-linux-gnu", source("jumps"), "-o", os.path.join(tmp(), "jumps.s")]


def sort():
    rng = random.Random(1)
    lines = file("lines", "".join("%d\n" % rng.randrange(10**9) for _ in range(200000)))
    return [path("sort"), "--parallel=2", "-S", "50M", "-o", lines + ".sorted", lines]


PORT = free_port()
REDIS = ("until redis-cli -p {0} ping; do sleep .1; done; redis-benchmark -p {0} -n 300 -c 5 -t set,get,lpush,lrange -q; "
         "redis-cli -p {0} bgsave; redis-cli -p {0} shutdown nosave").format(PORT)


def redis():
    path("redis-benchmark")
    return [path("redis-server"), "--port", str(PORT), "--save", "", "--dir", tmp(), "--appendonly", "yes"]


def java():
    built("A.java", JAVA, path("javac"), "{src}")
    return [os.path.realpath(path("java")), "-cp", tmp(), "A"]


def avx512():
    if " avx512f" not in open("/proc/cpuinfo").read():
        raise Skip("no AVX-512 here")
    return [built("wide512.c", AVX512, path("gcc"), "-g", "-O1", "-mavx512f", "{src}", "-o", "{out}")]


def contexts(*flags):
    name = "contexts" + flags[0]
    return lambda: [built(name + ".c", open(source("contexts")).read(), path("gcc"), "-g", "-O0", "-D_GNU_SOURCE", *flags, "{src}", "-o",
                          "{out}", "-ldl")]


MARK = dict(breaks=["mark"], watch=["round_", "sum"])
PROGRAMS = [
    Program("sockets", lambda: [target("sockets")], **MARK),
    Program("events", lambda: [target("events")], **MARK),
    Program("maps", lambda: [target("maps")], **MARK),
    Program("contexts-pie", contexts("-pie"), **MARK),
    Program("contexts-no-pie", contexts("-no-pie"), **MARK),
    Program("contexts-static", contexts("-static", "-DNO_LIBRARIES"), **MARK),
    Program("contexts-static-pie", contexts("-static-pie", "-DNO_LIBRARIES"), **MARK),
    Program("avx512", avx512, ["mark"], watch=["total"]),
    Program("dl", lambda: [target("dl"), target("plugin")], ["dlsym", "dlclose", "puts"]),
    Program("execs", lambda: [target("execs")], ["main", "execv", "execve"]),
    Program("sqlite3", lambda: sqlite3("delete"), ["write", "pwrite64", "fdatasync", "unlink"]),
    Program("sqlite3-wal", lambda: sqlite3("wal"), ["pwrite64", "fdatasync", "ftruncate64"]),
    Program("lua", lambda: [path("lua5.4"), file("a.lua", LUA)], ["fwrite", "popen", "__clone_internal", "longjmp", "lua_gc", "write"]),
    Program("perl", lambda: [path("perl"), file("a.pl", PERL)], ["write", "fork", "setitimer", "Perl_die_unwind"]),
    # `step` at the first instruction of all has gdb, also without fred, step through the whole dynamic linker: a minute
    Program("cc1", cc1, ["read", "open", "fputs", "write"], timeout=240),
    Program("python3", lambda: [path("python3"), file("a.py", PYTHON)],
            ["pthread_create", "getrandom", "setitimer", "socketpair", "vfork", "wait4", "waitpid", "write"]),
    Program("sort", sort, ["pthread_create", "pthread_join", "fread_unlocked", "fclose"]),
    Program("threads", lambda: [target("turns")], ["pthread_mutex_unlock", "sched_yield", "pthread_create"]),
    Program("redis", redis, ["accept", "accept4", "zmalloc", "fork"], outside=REDIS),
    Program("go", lambda: [built("a.go", GO, path("go"), "build", "-o", "{out}", "{src}")], ["main.Mark", "main.worker"],
            env={"HOME": "/tmp"}),
    Program("java", java, ["pthread_create", "munmap", "readlink"]),
    Program("node", lambda: [os.path.realpath(path("node")), file("a.js", NODE)], ["pthread_create", "uv_spawn", "uv_fs_read", "waitpid"]),
    Program("rust", lambda: [built("a.rs", RUST, path("rustc"), "-g", "{src}", "-o", "{out}")], ["mark"]),
]


TOGETHER = 40	# walks in one session


class Tally:
    """of one program's sessions"""

    def __init__(self):
        self.walks = self.failures = self.sessions = 0
        self.counts = {}

    def add(self, w, failed):
        self.walks += w.done
        self.failures += failed
        self.sessions += 1
        for name, seconds in w.counts.items():
            self.counts[name] = self.counts.get(name, []) + seconds


def session(program, seed, moves, walks, keep):
    """the session's Walks, and whether it failed; keep: the folder for transcripts"""
    own, start = seed ^ zlib.crc32(program.name.encode()), time.monotonic()
    w, failed = Walks(program, own, walks), False
    try:
        verified = w.run(moves)
        print("programs: %s: seed %d: %d stops, %d moves, %d walks, %s; %.0f s" % (
            program.name, seed, len(w.stops), moves, w.done, verified, time.monotonic() - start), flush=True)
    except Failure as e:
        failed = True
        print("programs: %s: FAILED in walk %d of %d (--only %s --seed %d --moves %d --walks %d): %s" % (
            program.name, w.done, walks, program.name, seed, moves, walks, e), flush=True)
    if keep:
        with open(os.path.join(keep, "%s.%d.log" % (program.name, seed)), "w") as f:
            f.write(w.s.text(0))
    for line in w.slow:
        print("programs: %s: seed %d: slow: %s" % (program.name, seed, line), flush=True)
    return w, failed


def programs(seed, moves, walks, names, keep=None):
    """the number of failures; walks: of each program, TOGETHER in a session, whose seed is one more than that before"""
    bad = 0
    for program in PROGRAMS:
        if names and program.name not in names:
            continue
        tally = Tally()
        try:
            for first in range(0, max(walks, 1), TOGETHER):
                tally.add(*session(program, seed + first // TOGETHER, moves, min(TOGETHER, walks - first), keep))
        except Skip as e:
            print("programs: %s: skipped, %s" % (program.name, e), flush=True)
        bad += tally.failures
        print("programs: %s: %d walks in %d sessions, %d failed; %s" % (
            program.name, tally.walks, tally.sessions, tally.failures,
            ", ".join("%d %s (%.2f s)" % (len(t), name, sum(t) / len(t)) for name, t in sorted(tally.counts.items()))), flush=True)
    return bad
