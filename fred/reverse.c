/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the reverse commands look for.
 *
 * A line's points are the starts of its statements in the frame at hand: the
 * frame is told by its canonical address, which at every address is a register
 * plus a constant (from the call frame information), so a probe there can test
 * it. The function's entry bounds the search: behind it lies another call.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#include "fred/reverse.h"

#define F fred_tl

/* Where a task stands, in terms of its program. */
struct spot {
	struct ckpt_task *t;
	struct ckpt_general regs;
	struct fred_sym *sym;
	struct fred_sym_reader reader;
	struct fred_function f;
	bool has_function;
	struct fred_frame frame;
	struct fred_statement *stmts;
	size_t nstmts;
};

/* Rules with room for one condition each. */
struct rules {
	struct ckpt_rule *r;
	struct probe_cond *conds;
	size_t n, room;
};

static void spot_deinit(struct spot *s)
{
	free(s->stmts);
	s->stmts = NULL;
}

static int spot_init(struct spot *s, struct ckpt_task *t)
{
	size_t n;
	int err;

	memset(s, 0, sizeof(*s));
	s->t = t;
	s->regs = ckpt_canonical(t);
	s->sym = fred_seek_symbols(t);
	s->reader = fred_seek_reader(t);
	if (!s->sym)
		return -ENOENT;
	s->has_function = !fred_sym_function(s->sym, s->regs.rip, &s->f);
	err = fred_seek_unwind(t, s->sym, &s->frame, 1, &n);
	if (err || n == 0)
		return err ? err : -ENOENT;
	if (s->has_function && s->f.has_lines &&
	    fred_sym_statements(s->sym, &s->f, &s->stmts, &s->nstmts))
		s->nstmts = 0;
	return 0;
}

static bool add_rule(struct rules *rs, uint64_t site, enum probe_operand reg, uint64_t value)
{
	if (rs->n == rs->room) {
		size_t room = rs->room ? rs->room * 2 : 64;
		struct ckpt_rule *r = realloc(rs->r, room * sizeof(*r));
		struct probe_cond *c;

		if (!r)
			return false;
		rs->r = r;
		c = realloc(rs->conds, room * sizeof(*c));
		if (!c)
			return false;
		rs->conds = c;
		rs->room = room;
	}
	rs->conds[rs->n] = (struct probe_cond){ .what = reg, .value = value };
	rs->r[rs->n++] = (struct ckpt_rule){ .site = site, .nconds = 1 };
	for (size_t i = 0; i < rs->n; i++)
		rs->r[i].conds = &rs->conds[i];
	return true;
}

static void rules_deinit(struct rules *rs)
{
	free(rs->r);
	free(rs->conds);
}

/* Execution at site in the frame whose canonical address is cfa. */
static void add_in_frame(struct rules *rs, const struct spot *s, uint64_t site)
{
	struct fred_cfa cfa;

	if (!fred_sym_cfa(s->sym, site, &cfa))
		add_rule(rs, site, (enum probe_operand)cfa.reg,
			 s->frame.cfa - (uint64_t)cfa.offset);
}

static bool same_line(const struct fred_statement *a, const struct fred_statement *b)
{
	return a->line == b->line && a->file == b->file;
}

static const struct fred_statement *statement_at(const struct spot *s, uint64_t addr)
{
	for (size_t i = 0; i < s->nstmts; i++)
		if (s->stmts[i].addr == addr)
			return &s->stmts[i];
	return NULL;
}

/* The frame's statements: all, or those on other lines than not_line. begin: and where
 * it begins, the function's entry and, should it have been entered elsewhere (a jump
 * into the midst of it), the call. */
static void frame_rules(const struct spot *s, const struct fred_statement *not_line, bool begin,
			struct rules *rs)
{
	uint64_t call;

	memset(rs, 0, sizeof(*rs));
	for (size_t i = 0; i < s->nstmts; i++)
		if (s->stmts[i].addr != s->f.entry &&
		    !(not_line && same_line(&s->stmts[i], not_line)))
			add_in_frame(rs, s, s->stmts[i].addr);
	if (begin)
		add_rule(rs, s->f.entry, PROBE_RSP, s->frame.cfa - 8);
	if (begin && s->frame.how != FRED_FRAME_END &&
	    !fred_sym_call_before(s->sym, &s->reader, s->frame.ret, &call))
		add_rule(rs, call, PROBE_RSP, s->frame.cfa);
}

/* Whether p, where one of those rules held, is where the frame begins. */
static bool begins_frame(const struct spot *s, struct ckpt_task *p)
{
	const struct ckpt_general g = ckpt_canonical(p);

	return g.rip == s->f.entry || g.r[PROBE_RSP] >= s->frame.cfa;
}

/* The call instruction that made the frame of s; as fred_seek_last(). */
static int seek_call(const struct fred_moment *m, struct ckpt_task *from, const struct spot *s,
		     const struct fred_frame *frame, struct ckpt_task **ret)
{
	struct rules rs = { 0 };
	struct fred_function f;
	struct ckpt_task *entry;
	uint64_t call;
	size_t which;
	int err = 0;

	if (frame->how == FRED_FRAME_END)
		return 0; /* the outermost: what is before is history's begin */
	if (!fred_sym_call_before(s->sym, &s->reader, frame->ret, &call)) {
		err = add_rule(&rs, call, PROBE_RSP, frame->cfa) ? 0 : -ENOMEM;
		if (!err)
			err = fred_seek_last(m, from, rs.r, rs.n, ret, &which);
	} else if (!fred_sym_function(s->sym, frame->pc, &f)) {
		/* No call made it: a signal did, before the function's entry. */
		err = add_rule(&rs, f.entry, PROBE_RSP, frame->cfa - 8) ? 0 : -ENOMEM;
		if (!err)
			err = fred_seek_last(m, from, rs.r, rs.n, &entry, &which);
		if (err > 0) {
			struct fred_moment at_entry;

			fred_moment_of(entry, &at_entry);
			err = fred_seek_instruction(&at_entry, ret);
			ckpt_puppet_destroy(entry);
		}
	}
	rules_deinit(&rs);
	return err;
}

/* ---------------------------------------------------- reverse-next, -step */

/* h stands at a statement of the line; the line's beginning is the first one
 * behind the last statement of another line. Replaces *h. */
static int line_begin(const struct spot *s, struct ckpt_task **h)
{
	const struct fred_statement *here = statement_at(s, ckpt_canonical(*h).rip);
	struct fred_moment m;
	struct ckpt_task *q, *first;
	struct rules rs;
	size_t which;
	bool at_statement;
	int err;

	fred_moment_of(*h, &m);
	frame_rules(s, here, true, &rs);
	err = fred_seek_last(&m, NULL, rs.r, rs.n, &q, &which);
	rules_deinit(&rs);
	if (err <= 0)
		return err < 0 ? err : 1;
	at_statement = !begins_frame(s, q);
	frame_rules(s, NULL, false, &rs);
	err = fred_seek_first(q, &m, rs.r, rs.n, at_statement ? 2 : 1, &first, &which);
	rules_deinit(&rs);
	ckpt_puppet_destroy(q);
	if (err > 0) {
		ckpt_puppet_destroy(*h);
		*h = first;
	}
	return err < 0 ? err : 1;
}

/* The player whose state the moment is. */
static struct ckpt_task *player_of(const struct fred_moment *m)
{
	return m->goal.ref ? m->goal.ref : F.now;
}

/* What seek_line() found. */
enum {
	NO_HISTORY,
	LINE_BEFORE,
	NOT_IN_FRAME, /* but the frame's call may have one */
	LINE_OF_CALL, /* m itself */
};

/* The beginning of the line before m; where that is NOT_IN_FRAME, the frame's, or NULL.
 * @call: a player that stands at m, a call from
 * which it came out; then m counts, too, since a call may be all of a line. */
static int seek_line(const struct fred_moment *m, const struct spot *s, struct ckpt_task *call,
		     struct ckpt_task **ret)
{
	struct ckpt_task *at = NULL;
	struct rules rs;
	size_t which;
	int err;

	*ret = NULL;
	if (m->goal.how == CKPT_END_MATCH && s->regs.rip == s->f.entry)
		return NOT_IN_FRAME; /* what is before in such a frame was another call's */
	if (call && statement_at(s, s->regs.rip)) {
		err = ckpt_puppet_clone(call, &at);
		if (err)
			return err;
		*ret = at;
	} else {
		frame_rules(s, NULL, true, &rs);
		err = fred_seek_last(m, NULL, rs.r, rs.n, ret, &which);
		rules_deinit(&rs);
		if (err <= 0)
			return err;
		if (begins_frame(s, *ret))
			return NOT_IN_FRAME;
	}
	err = line_begin(s, ret);
	if (err < 0) {
		ckpt_puppet_destroy(*ret);
		*ret = NULL;
		return err;
	}
	return *ret == at ? LINE_OF_CALL : LINE_BEFORE;
}

/* The calls of the frame's function, or the places behind them, as further rules. */
static void add_calls(const struct spot *s, bool behind, struct rules *rs)
{
	for (size_t k = 0; k < s->f.n_ranges; k++) {
		struct fred_insn *insns;
		size_t n;

		if (fred_sym_instructions(s->sym, &s->reader, s->f.ranges[k].lo, s->f.ranges[k].hi,
					  &insns, &n))
			continue;
		for (size_t i = 0; i < n; i++)
			if (insns[i].kind == FRED_INSN_CALL)
				add_in_frame(rs, s, insns[i].addr + (behind ? insns[i].size : 0));
		free(insns);
	}
}

static bool has_site(const struct ckpt_rule *rules, size_t n, uint64_t site)
{
	for (size_t i = 0; i < n; i++)
		if (rules[i].site == site)
			return true;
	return false;
}

/* Whether p stands before a return to its caller. */
static bool is_at_return(struct ckpt_task *p)
{
	uint8_t insn[2] = { 0 };

	if (ckpt_read(p, ckpt_canonical(p).rip, insn, 2))
		return false;
	if (insn[0] == 0xf2 || insn[0] == 0xf3) /* bnd ret, rep ret */
		insn[0] = insn[1];
	return insn[0] == 0xc3 || insn[0] == 0xc2;
}

/* m is behind a call: if the function called has lines, the beginning of its
 * last one (1), else 0. *jumped: it came there in another way than by a return (from
 * setjmp for the second time). */
static int into_callee(const struct fred_moment *m, bool *jumped, struct ckpt_task **ret)
{
	struct fred_moment inside;
	struct ckpt_task *p;
	struct spot s;
	int err = fred_seek_instruction(m, &p);

	if (err <= 0)
		return err;
	*jumped = !is_at_return(p);
	err = spot_init(&s, p);
	/* Deeper in the stack, else it wasn't a return. */
	if (!err && s.nstmts && s.regs.r[PROBE_RSP] < m->goal.regs.r[PROBE_RSP]) {
		fred_moment_of(p, &inside);
		err = seek_line(&inside, &s, NULL, ret);
		if (err == NOT_IN_FRAME) {
			ckpt_puppet_destroy(*ret);
			err = 0;
		}
	}
	spot_deinit(&s);
	ckpt_puppet_destroy(p);
	return err;
}

/* The last statement of the user's code, in whatever frame, between `call' and m; as
 * fred_seek_last(). */
static int last_statement(const struct fred_moment *m, struct ckpt_task *call,
			  struct ckpt_task **ret)
{
	struct fred_sym *sym = fred_seek_symbols(call);
	struct fred_statement *stmts = NULL;
	struct ckpt_rule *rules = NULL;
	size_t n = 0, which;
	int err = sym ? fred_sym_user_statements(sym, 0, &stmts, &n) : -ENOENT;

	if (!err && n) {
		rules = calloc(n, sizeof(*rules));
		for (size_t i = 0; rules && i < n; i++)
			rules[i].site = stmts[i].addr;
		err = rules ? fred_seek_last(m, call, rules, n, ret, &which) : -ENOMEM;
	}
	free(rules);
	free(stmts);
	return err;
}

/* `call' stands at a call that never returned to its frame, that of m: an exception, or
 * a jump, has led there. If it called the user's code, the beginning of the line that
 * ran last in that (1), else 0. */
static int into_left(const struct fred_moment *m, struct ckpt_task *call, struct ckpt_task **ret)
{
	struct spot s = { 0 };
	struct ckpt_task *p;
	int err = last_statement(m, call, &p);

	if (err <= 0)
		return err;
	if (ckpt_canonical(p).r[PROBE_RSP] < ckpt_canonical(call).r[PROBE_RSP]) {
		err = spot_init(&s, p);
		if (!err)
			err = line_begin(&s, &p);
	} else {
		err = 0;
	}
	spot_deinit(&s);
	if (err > 0)
		*ret = p;
	else
		ckpt_puppet_destroy(p);
	return err;
}

/* Whether p, which stands behind a call as rule says, is where `line' is: that call
 * ended the line before. */
static int is_at(struct ckpt_task *p, struct ckpt_task *line, const struct ckpt_rule *rule)
{
	struct fred_moment m;
	uint64_t n;
	int err;

	if (ckpt_canonical(p).rip != ckpt_canonical(line).rip)
		return 0;
	fred_moment_of(p, &m);
	err = fred_seek_count(line, &m, rule, 1, &n);
	return err ? err : !n;
}

/* The last call between the line's beginning and m that went into a function
 * with lines. 0: none. */
static int last_callee(const struct fred_moment *m, const struct spot *s, struct ckpt_task *line,
		       struct ckpt_task **ret)
{
	struct ckpt_task *at = NULL, *before;
	struct fred_moment behind = *m;
	bool jumped = true; /* if so, the call before may be one that never returned */
	struct rules rs = { 0 };
	size_t which, returns;
	int err = 0;

	add_calls(s, true, &rs);
	returns = rs.n;
	add_calls(s, false, &rs);
	/* m itself may be behind a call. */
	if (m->goal.how == CKPT_END_MATCH && has_site(rs.r, returns, s->regs.rip))
		err = into_callee(&behind, &jumped, ret);
	while (!err) {
		err = fred_seek_last(&behind, line, rs.r, jumped ? rs.n : returns, &before, &which);
		if (err <= 0)
			break;
		ckpt_puppet_destroy(at);
		at = before;
		if (jumped && has_site(rs.r + returns, rs.n - returns, ckpt_canonical(at).rip)) {
			jumped = false;
			fred_moment_of(at, &behind);
			err = into_left(m, at, ret);
			continue;
		}
		err = is_at(at, line, &rs.r[which]);
		if (err) {
			err = err < 0 ? err : 0;
			break;
		}
		fred_moment_of(at, &behind);
		err = into_callee(&behind, &jumped, ret);
	}
	ckpt_puppet_destroy(at);
	rules_deinit(&rs);
	return err;
}

/* To the line before m; into: or into the last function that it called. @call: as for
 * seek_line(). */
static int back(const struct fred_moment *m, struct ckpt_task *call, bool into,
		struct ckpt_task **ret)
{
	struct ckpt_task *line = NULL, *callee;
	struct fred_moment at_call;
	struct spot s;
	int found, err = spot_init(&s, player_of(m));

	if (!err)
		err = s.nstmts ? seek_line(m, &s, call, &line) : NOT_IN_FRAME;
	found = err;
	if (err > 0)
		err = into && line && found != LINE_OF_CALL ? last_callee(m, &s, line, &callee) : 0;
	if (err > 0) {
		*ret = callee;
	} else if (!err && found == NOT_IN_FRAME) {
		err = seek_call(m, NULL, &s, &s.frame, &call);
		if (err > 0) {
			fred_moment_of(call, &at_call);
			err = back(&at_call, call, into, ret);
			ckpt_puppet_destroy(call);
		}
	} else if (!err && found) {
		*ret = line;
		line = NULL;
		err = 1;
	}
	ckpt_puppet_destroy(line);
	spot_deinit(&s);
	return err;
}

int fred_reverse_next(const struct fred_moment *m, struct ckpt_task **ret)
{
	return back(m, NULL, false, ret);
}

int fred_reverse_step(const struct fred_moment *m, struct ckpt_task **ret)
{
	return back(m, NULL, true, ret);
}

/* -------------------------------------------------- reverse-nexti, -finish */

int fred_reverse_nexti(const struct fred_moment *m, struct ckpt_task **ret)
{
	struct rules rs = { 0 };
	struct spot s;
	uint64_t call;
	size_t which;
	int err = fred_seek_instruction(m, ret);

	if (err <= 0)
		return err;
	if (!is_at_return(*ret) || spot_init(&s, player_of(m)))
		return 1;
	/* Behind a return: back to its call, in the same frame. */
	if (!fred_sym_call_before(s.sym, &s.reader, s.regs.rip, &call) &&
	    add_rule(&rs, call, PROBE_RSP, s.regs.r[PROBE_RSP])) {
		struct ckpt_task *at_call;

		err = fred_seek_last(m, NULL, rs.r, rs.n, &at_call, &which);
		if (err > 0) {
			ckpt_puppet_destroy(*ret);
			*ret = at_call;
		}
	}
	rules_deinit(&rs);
	spot_deinit(&s);
	return err < 0 ? err : 1;
}

int fred_reverse_finish(const struct fred_moment *m, unsigned int level, struct ckpt_task **ret)
{
	return fred_reverse_scope(m, NULL, level, ret);
}

/* Makes s about its frame of that level instead of the innermost. */
static int spot_up(struct spot *s, unsigned int level)
{
	struct fred_frame *frames = calloc(level + 1, sizeof(*frames));
	size_t n = 0;
	int err = frames ? fred_seek_unwind(s->t, s->sym, frames, level + 1, &n) : -ENOMEM;

	if (!err && level >= n)
		err = -ENOENT;
	if (!err)
		s->frame = frames[level];
	free(frames);
	if (err || level == 0)
		return err;
	spot_deinit(s);
	s->nstmts = 0;
	/* Behind a call that doesn't return the next function may begin. */
	s->has_function = !fred_sym_function(s->sym, s->frame.pc - !s->frame.signal, &s->f);
	if (s->has_function && s->f.has_lines &&
	    fred_sym_statements(s->sym, &s->f, &s->stmts, &s->nstmts))
		s->nstmts = 0;
	return 0;
}

int fred_reverse_scope(const struct fred_moment *m, struct ckpt_task *from, unsigned int level,
		       struct ckpt_task **ret)
{
	struct spot s;
	int err = spot_init(&s, player_of(m));

	if (!err)
		err = spot_up(&s, level);
	if (!err)
		err = seek_call(m, from, &s, &s.frame, ret);
	spot_deinit(&s);
	return err;
}

int fred_reverse_frame(const struct fred_moment *m, unsigned int level, struct ckpt_task **ret)
{
	struct rules rs = { 0 };
	struct ckpt_task *call;
	struct spot s;
	size_t which;
	int err = spot_init(&s, player_of(m));

	if (!err)
		err = spot_up(&s, level);
	if (!err)
		err = seek_call(m, NULL, &s, &s.frame, &call);
	if (!err) /* it is as old as history */
		err = fred_seek_begin(&call) ? -ENOENT : 1;
	if (err > 0) {
		frame_rules(&s, NULL, false, &rs);
		err = fred_seek_first(call, m, rs.r, rs.n, 1, ret, &which);
		rules_deinit(&rs);
		ckpt_puppet_destroy(call);
	}
	spot_deinit(&s);
	return err;
}

/* ------------------------------------------------------------- watchpoints */

/* Sets the debug registers of p's thread t. */
static int arm_thread(struct ckpt_task *p, const struct fred_watch *w, size_t n)
{
	static const unsigned int lens[] = { [1] = 0, [2] = 1, [4] = 3, [8] = 2 };
	unsigned long dr7 = 0;

	for (size_t i = 0; i < n; i++) {
		if (ptrace(PTRACE_POKEUSER, p->tid, offsetof(struct user, u_debugreg[i]),
			   w[i].addr) < 0)
			return -EINVAL;
		dr7 |= 1ul << (i * 2) |
		       ((w[i].access ? 3ul : 1ul) | (unsigned long)lens[w[i].len] << 2)
			       << (16 + i * 4);
	}
	return ptrace(PTRACE_POKEUSER, p->tid, offsetof(struct user, u_debugreg[7]), dr7) < 0 ?
		       -EINVAL :
		       0;
}

static int arm(struct ckpt_task *p, const struct fred_watch *w, size_t n)
{
	int err = arm_thread(p, w, n);

	for (size_t i = 0; !err && i < p->play->nothers; i++)
		err = arm_thread(p->play->others[i], w, n);
	return err;
}

static uint64_t value_of(struct ckpt_task *p, const struct fred_watch *w)
{
	uint64_t v = 0;

	return ckpt_read(p, w->addr, &v, w->len) ? 0 : v;
}

/* Which debug registers have struck since the last time. */
static unsigned long take_struck(struct ckpt_task *p)
{
	unsigned long dr6 = (unsigned long)ptrace(PTRACE_PEEKUSER, p->tid,
						  offsetof(struct user, u_debugreg[6]), 0L);

	ptrace(PTRACE_POKEUSER, p->tid, offsetof(struct user, u_debugreg[6]), 0L);
	return dr6 & 15;
}

/* Runs to the stop-th change of a watched value, or counts them all. */
static int run_changes(size_t interval, struct ckpt_task *from, const struct ckpt_goal *goal,
		       const struct fred_watch *w, size_t n, uint64_t stop, uint64_t *count,
		       struct ckpt_task **ret, size_t *which)
{
	unsigned long struck;
	uint64_t old[4];
	struct ckpt_leg leg;
	struct ckpt_task *p;
	enum ckpt_halt halt;
	int err = fred_seek_start(interval, from, &p);

	if (err)
		return err;
	*count = 0;
	for (size_t i = 0; i < n; i++)
		old[i] = value_of(p, &w[i]);
	err = arm(p, w, n);
	if (!err)
		err = ckpt_leg_begin(&leg, p, goal, NULL, 0);
	while (!err) {
		halt = ckpt_leg_run(&leg);
		if (halt != CKPT_HALT_TRAP && halt != CKPT_HALT_CALL) {
			if (halt != CKPT_HALT_DEAD || !fred_seek_may_die(interval))
				err = fred_seek_failure(halt, &leg);
			break;
		}
		struck = take_struck(p);
		for (size_t i = 0; i < n; i++) {
			uint64_t v = value_of(p, &w[i]);

			if (w[i].access == FRED_WATCH_CHANGE ?
				    v != old[i] :
				    struck >> i & 1 &&
					    (v == old[i] || w[i].access == FRED_WATCH_ACCESS)) {
				*which = i;
				(*count)++;
			}
			old[i] = v;
		}
		if (stop && *count >= stop) {
			ckpt_leg_end(&leg);
			if (arm(p, NULL, 0)) {
				err = -ESRCH;
				break;
			}
			*ret = p;
			return 1;
		}
	}
	ckpt_puppet_destroy(p);
	return err;
}

int fred_seek_write(const struct fred_moment *m, struct ckpt_task *from, const struct fred_watch *w,
		    size_t n, struct ckpt_task **ret, size_t *which)
{
	struct ckpt_goal goal = m->goal;
	size_t i = m->interval, lowest = from ? from->play->interval : 0;
	struct fred_moment behind;
	struct ckpt_task *p;
	uint64_t changes;
	int err;

	if (!n || n > 4)
		return 0;
	for (;; i--) {
		struct ckpt_task *begin = from && i == lowest ? from : NULL;

		err = run_changes(i, begin, &goal, w, n, 0, &changes, &p, which);
		if (!err && changes)
			err = run_changes(i, begin, &goal, w, n, changes, &changes, &p, which);
		if (err || i == lowest)
			break;
		ckpt_goal_of(F.tl, i - 1, &goal);
	}
	if (err <= 0)
		return err;
	/* The register strikes behind the write; the point is before it. */
	fred_moment_of(p, &behind);
	err = fred_seek_instruction(&behind, ret);
	ckpt_puppet_destroy(p);
	return err;
}
