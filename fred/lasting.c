/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The stacks at both moments are compared from the outermost frame on. Nothing comes into a
 * frame but by its calls' returns, exceptions and longjmp, all of which flow.c knows of; a
 * handler of a signal comes back to where it struck.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fred/flow.h"
#include "fred/lasting.h"

#define MAX_FRAMES 256

struct stack {
	struct ckpt_task *t;
	struct fred_frame *frames; /* innermost first */
	size_t n;
};

/* What is known of the frames that lasted. */
struct lasting {
	uint64_t cfa; /* the innermost one's; those around it ran nothing. 0: there is none */
	struct fred_flow flow;
	bool *path;  /* what it may have run, by flow's instructions; NULL: that isn't known */
	bool closed; /* nothing else was run at all */
	bool alone;  /* the rules are about this thread's frames only */
};

static bool unwind(struct stack *s, struct ckpt_task *t, const struct ckpt_general *g)
{
	struct fred_sym *sym = fred_seek_symbols(t);
	struct fred_sym_reader reader = fred_seek_reader(t);
	uint64_t regs[FRED_NREGS];

	s->t = t;
	s->frames = calloc(MAX_FRAMES, sizeof(*s->frames));
	memcpy(regs, g->r, sizeof(g->r));
	regs[FRED_RIP] = g->rip;
	return sym && s->frames &&
	       !fred_sym_unwind(sym, regs, &reader, s->frames, MAX_FRAMES, &s->n) &&
	       !s->frames[s->n - 1].ret && s->frames[s->n - 1].how == FRED_FRAME_CFI;
}

/* The i-th frame from outside. */
static const struct fred_frame *outer(const struct stack *s, size_t i)
{
	return &s->frames[s->n - 1 - i];
}

static uint64_t code_of(const struct fred_frame *f)
{
	return f->exact ? f->pc : f->pc - 1;
}

static bool function_of(const struct stack *s, size_t i, struct fred_function *ret)
{
	struct fred_sym *sym = fred_seek_symbols(s->t);

	return sym && !fred_sym_function(sym, code_of(outer(s, i)), ret);
}

/* Where processes and threads begin. Other stacks, of coroutines, may be used again. */
static bool begins_stack(const struct stack *s)
{
	static const char *const names[] = { "_start", "clone", "clone3", "__clone", "__clone3" };
	struct fred_function f;

	if (!function_of(s, 0, &f) || !f.name)
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(f.name, names[i]))
			return true;
	return false;
}

static bool is_named(const struct stack *s, size_t i, const char *name)
{
	struct fred_function f;

	return function_of(s, i, &f) && (!f.name || !strncmp(f.name, name, strlen(name)));
}

static bool calls_setjmp(const struct stack *s, size_t i)
{
	struct fred_flow flow;
	bool calls = !fred_flow_init(&flow, s->t, code_of(outer(s, i))) && !flow.closed;

	fred_flow_deinit(&flow);
	return calls;
}

/*
 * How many frames from outside are the C library's own, which call main, or a thread's
 * function, just once. (Its symbols may be missing. One of them calls setjmp, for threads that
 * end themselves; that is the last one.)
 */
static size_t begin_of_program(const struct stack *s)
{
	static const char *const ways[][2] = {
		{ "__libc_start_main", "__libc_start_call_main" },
		{ "start_thread", NULL },
	};

	for (size_t k = 0; k < sizeof(ways) / sizeof(*ways); k++) {
		size_t i = 1;

		while (i <= 2 && i < s->n && ways[k][i - 1] && is_named(s, i, ways[k][i - 1]))
			if (calls_setjmp(s, i++))
				return i;
	}
	return 1;
}

static bool same_frame(const struct stack *a, const struct stack *b, size_t i)
{
	return outer(a, i)->pc == outer(b, i)->pc && outer(a, i)->cfa == outer(b, i)->cfa &&
	       !outer(a, i)->exact && !outer(b, i)->exact;
}

static bool any(const bool *on, size_t n)
{
	return memchr(on, true, n) != NULL;
}

/* Whether along the path nothing is called. */
static bool stays(const struct fred_flow *w, const bool *on)
{
	for (size_t i = 0; i < w->n; i++)
		if (on[i] &&
		    (w->insns[i].kind == FRED_INSN_CALL || w->insns[i].kind == FRED_INSN_SYSCALL))
			return false;
	return true;
}

/* The frame i has lasted; looks at what it ran. True: nothing, so the next may have lasted,
 * too. */
static bool look_at(struct lasting *l, const struct stack *a, const struct stack *b, size_t i)
{
	const struct fred_frame *fa = outer(a, i), *fb = outer(b, i);
	const struct fred_flow_place from = { fa->pc, !fa->exact }, to = { fb->pc, !fb->exact };
	struct fred_function f, g;

	l->cfa = fa->cfa;
	fred_flow_deinit(&l->flow);
	free(l->path);
	l->path = NULL;
	if (!function_of(a, i, &f) || !function_of(b, i, &g) || f.entry != g.entry ||
	    fred_flow_init(&l->flow, a->t, code_of(fa)))
		return false;
	l->path = calloc(l->flow.n, sizeof(*l->path));
	if (l->path && !fred_flow_between(&l->flow, &from, &to, l->path)) {
		free(l->path);
		l->path = NULL;
	}
	return l->path && same_frame(a, b, i) && !any(l->path, l->flow.n);
}

static void compare(struct lasting *l, const struct stack *a, const struct stack *b)
{
	size_t begin = begins_stack(a) ? begin_of_program(a) : 0, i = 0;

	while (i < begin && i < a->n && i < b->n && same_frame(a, b, i))
		i++;
	if (!i || i < begin)
		return;
	while (i < a->n && i < b->n && outer(a, i)->cfa == outer(b, i)->cfa && outer(a, i)->cfa &&
	       look_at(l, a, b, i))
		i++;
	l->closed = l->path && i + 1 == a->n && i + 1 == b->n && stays(&l->flow, l->path);
}

/* Whether the instruction at pc may have been run in the innermost frame. */
static bool may_run(const struct lasting *l, uint64_t pc)
{
	size_t i = fred_flow_index(&l->flow, pc);

	return i < l->flow.n && l->path[i];
}

/* Whether a condition of a rule tells that it can't have held. */
static bool excludes(const struct lasting *l, struct fred_sym *sym, uint64_t site,
		     const struct probe_cond *c)
{
	struct fred_cfa at;
	uint64_t cfa;

	if (c->what == PROBE_RSP && c->value >= l->cfa)
		return true;
	if (fred_sym_cfa(sym, site, &at) || (int)at.reg != (int)c->what)
		return false;
	cfa = c->value + (uint64_t)at.offset;
	return cfa > l->cfa || (cfa == l->cfa && l->path && !may_run(l, site));
}

static bool rule_idle(const struct lasting *l, struct fred_sym *sym, const struct ckpt_rule *r)
{
	if (l->closed && !may_run(l, r->site))
		return true;
	for (size_t i = 0; l->alone && i < r->nconds; i++)
		if (r->conds[i].what != PROBE_MEM && excludes(l, sym, r->site, &r->conds[i]))
			return true;
	return false;
}

bool fred_lasting_idle(struct ckpt_task *begin, const struct ckpt_goal *goal, pid_t thread,
		       bool quiet, const struct ckpt_rule *rules, size_t n)
{
	struct ckpt_general first = ckpt_canonical(begin);
	struct ckpt_general last =
		goal->how == CKPT_END_MATCH ? goal->regs : ckpt_canonical(goal->ref);
	struct lasting l = { .alone = thread != 0 };
	struct stack a = { 0 }, b = { 0 };
	struct fred_sym *sym;
	bool idle = false;

	if (begin->vtid != goal->ref->vtid || (thread ? begin->vtid != thread : !quiet))
		return false;
	if (unwind(&a, begin, &first) && unwind(&b, goal->ref, &last))
		compare(&l, &a, &b);
	sym = l.cfa ? fred_seek_symbols(begin) : NULL;
	if (sym) {
		l.closed = l.closed && quiet;
		idle = true;
		for (size_t i = 0; idle && i < n; i++)
			idle = rule_idle(&l, sym, &rules[i]);
	}
	fred_flow_deinit(&l.flow);
	free(l.path);
	free(a.frames);
	free(b.frames);
	return idle;
}
