/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fred/flow.h"
#include "fred/spot.h"

size_t fred_flow_index(const struct fred_flow *w, uint64_t pc)
{
	size_t lo = 0, hi = w->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (w->insns[mid].addr < pc)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < w->n && w->insns[lo].addr == pc ? lo : w->n;
}

bool fred_flow_has(const struct fred_flow *w, uint64_t pc)
{
	for (size_t k = 0; k < w->f.n_ranges; k++)
		if (pc >= w->f.ranges[k].lo && pc < w->f.ranges[k].hi)
			return true;
	return false;
}

/* Where a call leads to that goes by way of a word of memory (call *disp(%rip)), as
 * -fno-plt makes them; 0: it is none. */
static uint64_t called_by_word(struct ckpt_task *t, const struct fred_insn *insn)
{
	uint8_t b[6];
	int32_t disp;
	uint64_t to;

	if (insn->size != 6 || ckpt_read(t, insn->addr, b, 6) || b[0] != 0xff || b[1] != 0x15)
		return 0;
	memcpy(&disp, b + 2, 4);
	return ckpt_read(t, insn->addr + 6 + (uint64_t)(int64_t)disp, &to, 8) ? 0 : to;
}

/* Whether it calls a function that comes back more than once. */
static bool returns_twice(struct ckpt_task *t, struct fred_sym *sym, const struct fred_insn *insn)
{
	static const char *const names[] = { "setjmp",	 "_setjmp",    "sigsetjmp", "__sigsetjmp",
					     "__setjmp", "getcontext", "savectx",   "_setjmp3" };
	uint64_t to = insn->target ? insn->target : called_by_word(t, insn);
	struct fred_function f;

	if (!to || fred_sym_function(sym, fred_spot_behind_stubs(t, sym, to), &f) || !f.name)
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strncmp(f.name, names[i], strlen(names[i])) &&
		    (!f.name[strlen(names[i])] || f.name[strlen(names[i])] == '@'))
			return true;
	return false;
}

static int by_address(const void *a, const void *b)
{
	const struct fred_insn *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* The instructions of all of its parts. */
static int read_instructions(struct fred_flow *w, struct fred_sym *sym,
			     const struct fred_sym_reader *reader)
{
	int err = 0;

	for (size_t k = 0; !err && k < w->f.n_ranges; k++) {
		struct fred_insn *part, *all;
		size_t n;

		err = fred_sym_instructions(sym, reader, w->f.ranges[k].lo, w->f.ranges[k].hi,
					    &part, &n);
		if (err)
			break;
		all = realloc(w->insns, (w->n + n) * sizeof(*all));
		if (all) {
			memcpy(all + w->n, part, n * sizeof(*all));
			w->insns = all;
			w->n += n;
		} else {
			err = -ENOMEM;
		}
		free(part);
	}
	if (!err)
		qsort(w->insns, w->n, sizeof(*w->insns), by_address);
	return err;
}

int fred_flow_init(struct fred_flow *ret, struct ckpt_task *t, uint64_t pc)
{
	struct fred_sym *sym = fred_seek_symbols(t);
	struct fred_sym_reader reader = fred_seek_reader(t);
	int err;

	memset(ret, 0, sizeof(*ret));
	if (!sym || fred_sym_function(sym, pc, &ret->f))
		return -ENOENT;
	/* Code that the program makes itself may change. */
	if (ret->f.source == FRED_FUNCTION_PLT || !ret->f.n_ranges)
		return -ENOENT;
	err = read_instructions(ret, sym, &reader);
	if (!err)
		err = fred_sym_pads(sym, &ret->f, &ret->pads, &ret->npads);
	ret->closed = true;
	for (size_t i = 0; !err && i < ret->n; i++)
		if (ret->insns[i].kind == FRED_INSN_CALL && returns_twice(t, sym, &ret->insns[i]))
			ret->closed = false;
	return err;
}

void fred_flow_deinit(struct fred_flow *w)
{
	free(w->insns);
	free(w->pads);
	memset(w, 0, sizeof(*w));
}

/* Calls visit for each place that control may go to from instruction i; false: not all are
 * known, or visit says so. */
static bool each_next(const struct fred_flow *w, size_t i,
		      bool (*visit)(const struct fred_flow *w, size_t to, void *arg), void *arg)
{
	const struct fred_insn *insn = &w->insns[i];
	uint64_t end = insn->addr + insn->size;
	bool falls = insn->kind != FRED_INSN_RET && insn->kind != FRED_INSN_JMP;
	bool jumps = insn->kind == FRED_INSN_JMP || insn->kind == FRED_INSN_JCC;

	if (insn->kind == FRED_INSN_BAD)
		return false;
	for (size_t k = 0; k < w->npads; k++)
		if (insn->addr >= w->pads[k].lo && insn->addr < w->pads[k].hi &&
		    !visit(w, fred_flow_index(w, w->pads[k].pad), arg))
			return false;
	/* A call at a function's end, or of a part of it, doesn't return. */
	if (falls && insn->kind == FRED_INSN_CALL && !fred_flow_has(w, end))
		falls = false;
	return (!falls || visit(w, fred_flow_index(w, end), arg)) &&
	       (!jumps || (insn->target && visit(w, fred_flow_index(w, insn->target), arg)));
}

struct search {
	size_t *todo, n;
	bool *seen;
};

static bool reach(const struct fred_flow *w, size_t to, void *arg)
{
	struct search *s = arg;

	if (to == w->n) /* amid an instruction, or out of the function */
		return false;
	if (!s->seen[to])
		s->todo[s->n++] = to;
	s->seen[to] = true;
	return true;
}

/* The instruction that a place is at. */
static size_t index_of(const struct fred_flow *w, const struct fred_flow_place *at)
{
	if (!at->amid_call)
		return fred_flow_index(w, at->pc);
	for (size_t i = 0; i < w->n; i++)
		if (w->insns[i].addr + w->insns[i].size == at->pc)
			return w->insns[i].kind == FRED_INSN_CALL ? i : w->n;
	return w->n;
}

struct wanted {
	const bool *on;
	bool found;
};

static bool is_on(const struct fred_flow *w, size_t to, void *arg)
{
	struct wanted *wanted = arg;

	(void)w;
	wanted->found |= wanted->on[to];
	return true;
}

/* Leaves of those reached the ones that lead to `last'. */
static void keep_those_to(const struct fred_flow *w, size_t last, const bool *reached, bool *on)
{
	bool more = reached[last];

	memset(on, 0, w->n * sizeof(*on));
	on[last] = reached[last];
	while (more) {
		more = false;
		for (size_t i = w->n; i-- > 0;) {
			struct wanted wanted = { on, false };

			if (!reached[i] || on[i])
				continue;
			(void)each_next(w, i, is_on, &wanted);
			on[i] = wanted.found;
			more |= wanted.found;
		}
	}
}

bool fred_flow_between(const struct fred_flow *w, const struct fred_flow_place *from,
		       const struct fred_flow_place *to, bool *on)
{
	size_t first = index_of(w, from), last = index_of(w, to);
	struct search s = { calloc(w->n, sizeof(*s.todo)), 0, calloc(w->n, sizeof(*s.seen)) };
	bool known = w->closed && s.todo && s.seen && first < w->n && last < w->n;

	/* The call that it is amid has been run already. */
	if (known && from->amid_call)
		known = each_next(w, first, reach, &s);
	else if (known)
		known = reach(w, first, &s);
	while (known && s.n)
		known = each_next(w, s.todo[--s.n], reach, &s);
	if (known)
		keep_those_to(w, last, s.seen, on);
	free(s.todo);
	free(s.seen);
	return known;
}
