#!/usr/bin/env python3
"""Make the C tables of the system calls from calls.tbl and ioctls.tbl.

usage: gen-calls.py calls.tbl ioctls.tbl > calls.gen.c

The language of the tables is described in the first lines of calls.tbl, the structures
that are generated in calls.h.  Numbers and sizes are checked twice: here
against <asm/unistd_64.h>, where it is installed, and by static assertions of
the generated file against the headers it is compiled with.
"""

import re
import sys

UNISTD = ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h")
CLASSES = "barrier answer redo mmap refuse fork exec exit sigreturn restart".split()
WHEN = "ok pos intr any".split()
FLAGS = "newfd blocks sigmask early".split()
MAX_OUTS = 6
OWN_NAMES = ("mmap", "syslog", "modify_ldt")	# the names of their cases are ours

ITEM = r"[^*+(),]+(?:\([^)]*\))?"
LEN = re.compile(rf"(?:min\(({ITEM}),({ITEM})\)|({ITEM}))(?:\*(\w+))?(?:\+(\w+))?$")


class TableError(Exception):
	pass


class Table:
	def __init__(self):
		self.includes = []
		self.sizes = {}		# name -> (bytes, C type or None)
		self.calls = {}		# number -> dict

	def number(self, word):
		if word in self.sizes:
			return self.sizes[word][0]
		try:
			return int(word, 0)
		except ValueError:
			raise TableError(f"'{word}' is no number and no size") from None

	def source(self, word):
		"""One source of a length: (kind, argument or constant, offset)."""
		m = re.match(r"([aw])([0-5])$", word)
		if m:
			return ("ARG" if m[1] == "a" else "WORD", int(m[2]), 0)
		m = re.match(r"(bits|pages|data)\(([aw])([0-5])\)$", word)
		if m:
			return (m[1].upper(), int(m[3]), 0)
		m = re.match(r"u32\(a([0-5])(?:\+(\d+))?\)$", word)
		if m:
			return ("U32", int(m[1]), int(m[2] or 0))
		if word == "r":
			return ("RESULT", 0, 0)
		if word == "data":
			return ("DATA_ALL", 0, 0)
		return ("CONST", self.number(word), 0)

	def length(self, text):
		m = LEN.match(text)
		if not m:
			raise TableError(f"length '{text}'")
		a = self.source(m[1] or m[3])
		b = self.source(m[2]) if m[2] else ("NONE", 0, 0)
		if a[0] == "U32" and b[0] == "U32":
			raise TableError("one u32() per output")
		return (a, b, self.number(m[4] or "1"), self.number(m[5] or "0"))

	def output(self, text):
		m = re.match(r"(?:(\w+):)?(\w+)\((.*)\)$", text)
		if not m or (m[1] or "ok") not in WHEN:
			raise TableError(f"output '{text}'")
		kind, args = m[2], split(m[3], ",")
		out = {"when": m[1] or "ok", "kind": kind, "arg": 0, "arg2": 0, "off": 0,
		       "len": (("CONST", 0, 0), ("NONE", 0, 0), 1, 0)}
		want = {"out": 2, "ptr": 2, "sockaddr": 2, "iov": 3, "msghdr": 1, "mmsg": 1}
		if want.get(kind) != len(args):
			raise TableError(f"output '{text}'")
		m = re.match(r"a([0-5])(?:\+(\d+))?$", args[0])
		if not m or (m[2] and kind != "ptr"):
			raise TableError(f"address '{args[0]}'")
		out["arg"], out["off"] = int(m[1]), int(m[2] or 0)
		if kind in ("sockaddr", "iov"):
			m = re.match(r"[aw]([0-5])$", args[1])
			if not m:
				raise TableError(f"argument '{args[1]}'")
			out["arg2"] = int(m[1])
		if kind in ("out", "ptr", "iov"):
			out["len"] = self.length(args[-1])
		return out

	def form(self, name, words):
		"""Class, attributes and outputs of a call or of one of its cases."""
		m = re.match(r"(\w+)(?:\((\w+)\))?$", words[0]) if words else None
		if not m or m[1] not in CLASSES or (m[1] == "refuse") != bool(m[2]):
			raise TableError(f"class of {name}")
		form = {"name": name, "class": m[1], "errno": m[2], "outs": []}
		form.update(attributes(words[1:]))
		form["outs"] = [self.output(w) for w in words[1:] if "(" in w]
		if len(form["outs"]) > MAX_OUTS:
			raise TableError(f"more than {MAX_OUTS} outputs of {name}")
		if sum(o["kind"] in ("iov", "msghdr", "mmsg") for o in form["outs"]) > 1:
			raise TableError(f"two lists of buffers of {name}")
		return form

	def call(self, words):
		nr, name = int(words[0], 0), words[1]
		if nr in self.calls or name in (c["name"] for c in self.calls.values()):
			raise TableError(f"{nr} {name} is there twice")
		call = {"nr": nr, "name": name, "key": (0, 0xff, 0xffffffff), "forms": []}
		if words[2] == "by":
			m = re.match(r"w([0-5])(?:&(\w+)|:w([0-5]))?$", words[3])
			if not m:
				raise TableError(f"key '{words[3]}'")
			second = int(m[3]) if m[3] else 0xff
			call["key"] = (int(m[1]), second, int(m[2] or "0xffffffff", 0))
			call["attr"] = attributes(words[4:])
			call["by"] = True
		else:
			call["forms"].append(dict(self.form(name, words[2:]), value=0, mask=0))
			call["attr"] = {"flags": [], "fds": 0, "paths": 0}
			call["by"] = False
		self.calls[nr] = call
		return call

	def case(self, call, words):
		if not call or not call["by"]:
			raise TableError("a case of no call")
		form = self.form(words[1], words[2:])
		if call["forms"] and call["forms"][-1]["mask"] == 0:
			raise TableError("a case after *")
		two = call["key"][1] != 0xff
		if words[0] == "*":
			form["value"], form["mask"] = 0, 0
		elif two:
			high, low = words[0].split(":")
			form["value"] = int(high, 0) << 32 | (0 if low == "*" else int(low, 0))
			form["mask"] = 0xffffffff << 32 | (0 if low == "*" else 0xffffffff)
		else:
			value, _, mask = words[0].partition("/")
			form["value"], form["mask"] = int(value, 0), int(mask or "0xffffffff", 0)
			if form["value"] & ~form["mask"]:
				raise TableError(f"{words[0]} has bits that the mask lacks")
		form["flags"] = sorted(set(form["flags"] + call["attr"]["flags"]))
		form["fds"] |= call["attr"]["fds"]
		form["paths"] |= call["attr"]["paths"]
		known = [(f["value"], f["mask"]) for f in call["forms"]]
		if (form["value"], form["mask"]) in known:
			raise TableError(f"{words[0]} is there twice")
		call["forms"].append(form)

	def read(self, path):
		call = None
		with open(path, encoding="ascii") as f:
			for n, line in enumerate(f, 1):
				line = line.split("#", 1)[0].rstrip()
				if not line:
					continue
				words = split(line, None)
				try:
					if line[0] == "\t":
						self.case(call, words)
					elif words[0] == "include":
						self.includes += words[1:]
					elif words[0] == "size":
						ctype = " ".join(words[3:])
						self.sizes[words[1]] = (int(words[2]), ctype)
					else:
						call = self.call(words)
				except (TableError, ValueError, IndexError) as e:
					raise TableError(f"{path}:{n}: {e}") from None
		for call in self.calls.values():
			if not call["forms"] or call["forms"][-1]["mask"]:
				raise TableError(f"{path}: {call['name']} has no case *")


def split(text, sep):
	"""Split at sep (None: white space), but not inside parentheses; inside, spaces go."""
	words, word, depth = [], "", 0
	for ch in text:
		depth += (ch == "(") - (ch == ")")
		if depth == 0 and (ch == sep or (sep is None and ch.isspace())):
			words.append(word)
			word = ""
		elif not ch.isspace():
			word += ch
	words.append(word)
	if depth:
		raise TableError("parentheses")
	return [w for w in words if w]


def attributes(words):
	attr = {"flags": [], "fds": 0, "paths": 0}
	for word in words:
		m = re.match(r"(fd|path)([0-5])$", word)
		if m:
			attr[m[1] + "s"] |= 1 << int(m[2])
		elif word in FLAGS:
			attr["flags"].append(word)
		elif "(" not in word:
			raise TableError(f"attribute '{word}'")
	return attr


def check_numbers(table):
	"""The numbers of the table must be those of the kernel's header. (That none is missing is what
	tests/unit/calls_test.c checks: with a newer header fred can be built all the same.)"""
	for path in UNISTD:
		try:
			with open(path, encoding="ascii") as f:
				text = f.read()
		except OSError:
			continue
		names = {c["name"]: nr for nr, c in table.calls.items()}
		for name, nr in re.findall(r"^#define __NR_(\w+)\s+(\d+)$", text, re.M):
			if names.get(name, int(nr)) != int(nr):
				raise TableError(f"{path}: {name} is {nr}, "
						 f"in the table it is {names[name]}")
		return
	print("gen-calls.py: no asm/unistd_64.h: numbers not checked", file=sys.stderr)


def c_len(length):
	a, b, mul, add = length
	src = ", ".join(f"{{ CKPT_CALL_LEN_{k}, {off}, {value} }}" for k, value, off in (a, b))
	return f"{{ {{ {src} }}, {mul}, {add} }}"


def c_form(form, out):
	"""Print the outputs of a form; return its initializer."""
	outs = "NULL"
	if form["outs"]:
		outs = f"outs_{c_form.n}"
		c_form.n += 1
		out.append(f"static const struct ckpt_call_out {outs}[] = {{")
		for o in form["outs"]:
			kind, when = o["kind"].upper(), o["when"].upper()
			out.append(f"\t{{ CKPT_CALL_OUT_{kind}, CKPT_CALL_WHEN_{when}, {o['arg']}, "
				   f"{o['arg2']}, {o['off']}, {c_len(o['len'])} }},")
		out.append("};")
	flags = " | ".join(f"CKPT_CALL_{f.upper()}" for f in form["flags"]) or "0"
	return (f"{{ \"{form['name']}\", {form['value']:#x}ull, {form['mask']:#x}ull, "
		f"CKPT_CALL_{form['class'].upper()}, {form['errno'] or 0}, {flags}, "
		f"{form['fds']:#x}, {form['paths']:#x}, {len(form['outs'])}, {outs} }}")


c_form.n = 0


def generate(table):
	out = ["/* Made by gen-calls.py from calls.tbl and ioctls.tbl: change those. */"]
	out += ["#include <errno.h>", "#include <stddef.h>", "#include <asm/unistd.h>"]
	out += [f"#include {i}" for i in table.includes]
	out += ['#include "calls.h"', ""]
	for name, (size, ctype) in table.sizes.items():
		if ctype:
			out.append(f"_Static_assert(sizeof({ctype}) == {size}, "
				   f'"{name} in the table");')
	for nr, call in sorted(table.calls.items()):
		out.append(f"#if defined(__NR_{call['name']}) && __NR_{call['name']} != {nr}\n"
			   f"#error {call['name']} in calls.tbl\n#endif")
		for form in call["forms"]:
			if form["mask"] != 0xffffffff or call["name"] in OWN_NAMES:
				continue
			name = ("MADV_" if call["name"] == "madvise" else "") + form["name"]
			out.append(f"#ifdef {name}\n_Static_assert((unsigned int){name} == "
				   f'{form["value"]:#x}, "{name} in the table");\n#endif')
	calls = []
	for nr, call in sorted(table.calls.items()):
		forms = [c_form(f, out) for f in call["forms"]]
		out.append(f"static const struct ckpt_call_form forms_{nr}[] = {{")
		out += [f"\t{f}," for f in forms]
		out.append("};")
		arg, arg2, mask = call["key"]
		calls.append(f"\t[{nr}] = {{ {nr}, \"{call['name']}\", {arg}, {arg2:#x}, "
			     f"{mask:#x}, {len(forms)}, forms_{nr} }},")
	out += ["const struct ckpt_call ckpt_calls[] = {"] + calls + ["};"]
	out.append("const size_t ckpt_n_calls = sizeof(ckpt_calls) / sizeof(ckpt_calls[0]);")
	print("\n".join(out))


def main():
	if len(sys.argv) < 2:
		sys.exit("usage: gen-calls.py TABLE... > calls.gen.c")
	table = Table()
	try:
		for path in sys.argv[1:]:
			table.read(path)
		check_numbers(table)
		generate(table)
	except (TableError, OSError) as e:
		sys.exit(f"gen-calls.py: {e}")


if __name__ == "__main__":
	main()
