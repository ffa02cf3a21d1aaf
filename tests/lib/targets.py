"""The target programs: tests/targets/NAME.c, built when asked for; the line `cc: FLAGS` in a source adds flags."""
import atexit
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCES = os.path.join(ROOT, "tests", "targets")
BUILT = os.environ.get("FRED_TEST_TARGETS", os.path.join(ROOT, "build", "tests", "targets"))
_tmp = None


def tmp():
    """this test's own folder; the runner made it, or it goes when the test ends"""
    global _tmp
    if _tmp is None:
        _tmp = os.environ.get("FRED_TEST_TMP")
    if _tmp is None:
        _tmp = tempfile.mkdtemp(prefix="fred-test-")
        atexit.register(shutil.rmtree, _tmp, ignore_errors=True)
    return _tmp


def source(name):
    return os.path.join(SOURCES, name + ".c")


def target(name):
    """the path of the built program (or library, for a source with -shared)"""
    os.makedirs(BUILT, exist_ok=True)
    out, src = os.path.join(BUILT, name), source(name)
    text = open(src).read()
    sources = [src] + [os.path.join(SOURCES, f) for f in re.findall(r'^#include "(.*)"', text, re.M)]
    with open(out + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(out) or os.path.getmtime(out) < max(map(os.path.getmtime, sources)):
            m = re.search(r"\bcc: (.*?) *(?:\*/)?$", text, re.M)
            flags = m.group(1).split() if m else []
            cmd = ["gcc", "-g", "-O0", "-Wall", "-Wextra", *flags, "-o", out + ".new", name + ".c"]
            cmd += [f for f in flags if f.startswith("-l")]
            r = subprocess.run(cmd, cwd=SOURCES, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if r.returncode:
                print(r.stdout)
                sys.exit("cannot build the target %s" % name)
            if r.stdout:
                print(r.stdout, file=sys.stderr)
            os.rename(out + ".new", out)
    return out


def gdb_preload():
    """{} or the environment in which plain gdb can call functions on this processor; see xstate.c"""
    if " amx_tile" not in open("/proc/cpuinfo").read():
        return {}
    lib, src = os.path.join(BUILT, "xstate.so"), os.path.join(ROOT, "tests", "lib", "xstate.c")
    os.makedirs(BUILT, exist_ok=True)
    with open(lib + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(lib) or os.path.getmtime(lib) < os.path.getmtime(src):
            subprocess.run(["gcc", "-O1", "-Wall", "-shared", "-fPIC", "-o", lib + ".new", src], check=True)
            os.rename(lib + ".new", lib)
    return {"LD_PRELOAD": lib}


def mark(name, word):
    """the number of the line of a target that carries the comment `MARK word`"""
    for number, line in enumerate(open(source(name)), 1):
        if re.search(r"MARK %s\b" % re.escape(word), line):
            return number
    sys.exit("no MARK %s in %s.c" % (word, name))
