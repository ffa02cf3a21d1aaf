"""What comes from outside is the same each time and what goes outside goes once."""
import os
import time

from tests import *


def play(b):
    """types four lines; the stops at mark()"""
    b.cmd("break mark")
    stops = []
    for i, word in enumerate(("one", "two", "three", "four")):
        b.type("continue" if i else "run")
        b.until(r"line %d\? $" % i)
        b.keys(word + "\\r")
        b.wait()
        stops.append(b.where())
    return stops


def test_all():
    log = os.path.join(tmp(), "outer.log")
    if os.path.exists(log):
        os.unlink(log)
    with Backward("outer", watch=["turn", "when", "chance", "line", "from_file"], cwd=tmp()) as b:
        b.only_fred("time and chance")
        stops = play(b)
        b.check(len({s.values for s in stops}), 4, "different values")
        text = open(log).read()
        b.check(text, "0 one\n1 two\n2 three\n3 four\n", "the file")
        b.back("reverse-continue", stops)
        b.again("continue", stops)
        b.back("reverse-continue", stops)
        begin = time.monotonic()
        b.cmd("continue 3")
        took = time.monotonic() - begin
        b.check(took < 0.3, True, "three naps of 0.1 s were slept again: %.2f s" % took)
        b.at(stops[3], "continue 3")
        b.check(open(log).read(), text, "the file after going back and forth")
        b.cmd("delete")
        b.expect("continue", r"bye", r"exited normally")
        everything = b.text(0)
        for i in range(4):
            b.check(everything.count("line %d?" % i), 1, "question %d asked" % i)
        b.check(everything.count("bye"), 1, "bye")


def test_stepping_over_time():
    with Backward("outer", watch=["turn", "when", "chance"], cwd=tmp()) as b:
        b.only_fred("time and chance")
        b.start()
        stops = b.forward("next", 5)
        b.roundtrip("next", stops)


def test_more_input_after_going_back():
    with Backward("echo", watch=["lines", "line"]) as b:
        b.only_fred("input")
        b.cmd("break got")
        stops = []
        for command, word in (("run", "a"), ("continue", "b")):
            b.type(command)
            b.asleep("echo")
            b.keys(word + "\\r")
            b.wait()
            stops.append(b.where())
        b.cmd("reverse-continue")
        b.at(stops[0], "the first line")
        b.cmd("continue")
        b.at(stops[1], "the second, not asked again")
        b.type("continue")
        b.asleep("echo")
        b.keys("c\\r")
        b.wait()
        b.expect("print lines", r"= 2$")
        b.expect("up", r"got\(line\)")
        b.expect("output (char *) line", r'"c\\n"')


run(globals())
