# SPDX-License-Identifier: GPL-3.0-or-later
PREFIX ?= /usr/local
CC = gcc
B = build
WARN = -Wall -Wextra -Wshadow -Wmissing-prototypes -Werror
CFLAGS ?= -O2 -g
LIBS = -ldw -lelf -lcapstone -ljson-c -lzstd -lpthread
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(WARN) $(CFLAGS) -I. -MMD -MP -DFRED_DATADIR='"$(PREFIX)/share/fred"'
ifdef SAN
B = build/san
ALL_CFLAGS += -fsanitize=address,undefined -fno-omit-frame-pointer -DFRED_SAN
LDFLAGS += -fsanitize=address,undefined
endif

SRC = $(wildcard fred/*.c pty/*.c ptrace-plugin/*.c ckptcore/*.c ckptcore/arch/x86_64/*.c)
OBJ = $(SRC:%.c=$(B)/%.o) $(B)/calls.gen.o
CORE_OBJ = $(filter-out $(B)/fred/main.o,$(OBJ))
UNIT = $(patsubst tests/unit/%_test.c,$(B)/tests/%_test,$(wildcard tests/unit/*_test.c))
EXAMPLES = $(patsubst examples/%.c,build/examples/%,$(wildcard examples/*.c))
BINDIR = bin
ifdef SAN
BINDIR = build/san/bin
endif
BIN = $(BINDIR)/fred $(BINDIR)/fred-gdb

all: $(BIN) build/compiled.stamp build/facts.so

$(BINDIR)/fred: $(OBJ)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@.new $^ $(LIBS) && mv -f $@.new $@

$(BINDIR)/fred-gdb: $(BINDIR)/fred
	@ln -sf fred $@

# For the inside of gdb, so never sanitized.
build/facts.so: fred/gdb/facts.c ptrace-plugin/facts.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) -O2 -g -I. -shared -fPIC -o $@.new $< && mv -f $@.new $@

# By gdb's own Python, whose version counts; without it gdb compiles them at each start.
COMPILE = gdb -nx -batch -iex 'python import compileall; compileall.compile_dir("$(1)", ddir="$(2)", quiet=1)' >/dev/null

build/compiled.stamp: $(wildcard fred/gdb/*.py)
	@mkdir -p $(@D)
	-@$(call COMPILE,fred/gdb,$(CURDIR)/fred/gdb)
	@touch $@

$(B)/calls.gen.c: ckptcore/gen-calls.py ckptcore/calls.tbl ckptcore/ioctls.tbl
	@mkdir -p $(@D)
	python3 $^ > $@.new && mv -f $@.new $@

$(B)/calls.gen.o: $(B)/calls.gen.c
	$(CC) $(ALL_CFLAGS) -Ickptcore -c -o $@ $<

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

# For the inside of the program, without anything that the compiler adds of its own, or keeps elsewhere.
$(B)/ckptcore/arch/x86_64/quick_body.o: ALL_CFLAGS := $(filter-out -fsanitize=%,$(ALL_CFLAGS)) -O2 -ffreestanding \
	-mgeneral-regs-only -fno-stack-protector -fcf-protection=none -fno-jump-tables -fno-tree-switch-conversion \
	-fno-tree-loop-distribute-patterns

# Only what a test refers to is linked.
$(B)/libfred.a: $(CORE_OBJ)
	rm -f $@ && ar rcs $@ $^

$(B)/tests/%_test: tests/unit/%_test.c $(B)/libfred.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MF $@.d -Ifred -Ickptcore $(LDFLAGS) -o $@ $(filter %.c %.o %.a,$^) $(LIBS)

# The program below the engine's tests: never sanitized, so small in memory.
$(B)/tests/engine_target: tests/unit/engine_target.c tests/unit/engine_target.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) -O1 -g -o $@ $< -lpthread

build/examples/%: examples/%.c
	@mkdir -p $(@D)
	$(CC) -g -O0 -o $@ $<

unit-tests: $(UNIT) $(B)/tests/engine_target
examples: $(EXAMPLES)

check: all unit-tests examples
	tests/run

lint:
	scripts/lint

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/fred \
		$(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install bin/fred $(DESTDIR)$(PREFIX)/bin/fred
	ln -sf fred $(DESTDIR)$(PREFIX)/bin/fred-gdb
	install -m 644 fred/gdb/*.py $(DESTDIR)$(PREFIX)/share/fred
	install -D -m 644 build/facts.so $(DESTDIR)$(PREFIX)/lib/fred/facts.so
	-$(call COMPILE,$(DESTDIR)$(PREFIX)/share/fred,$(PREFIX)/share/fred)
	install -m 644 doc/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 completions/fred.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/fred

clean:
	rm -rf build bin

-include $(OBJ:.o=.d) $(UNIT:%=%.d)
.PHONY: all check lint install clean unit-tests examples
