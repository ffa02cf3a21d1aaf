/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the reverse commands look for.
 *
 * A line's points are the starts of its statements in the frame at hand: the
 * frame is told by its canonical address, which at every address is a register
 * plus a constant (from the call frame information), so a probe there can test
 * it. The function's entry bounds the search: behind it lies another call, or the
 * function that jumped here with its caller's frame (a tail call). Where the frame
 * isn't known, all of the function's frames are looked at: the answer must never
 * lie before the line that was run last.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fred/reverse.h"
#include "fred/spot.h"

#define F fred_tl

static bool same_line(const struct fred_statement *a, const struct fred_statement *b)
{
	return a->line == b->line && a->file == b->file;
}

static const struct fred_statement *statement_at(const struct fred_spot *s, uint64_t addr)
{
	for (size_t i = 0; i < s->nstmts; i++)
		if (s->stmts[i].addr == addr)
			return &s->stmts[i];
	return NULL;
}

/* Whether p stands at the function's entry, and that is a statement of its body. */
static bool is_body_entry(const struct fred_spot *s, struct ckpt_task *p)
{
	return s->f.starts_body && ckpt_canonical(p).rip == s->f.entry;
}

/* ... which is one of the line's. */
static bool is_entry_on(const struct fred_spot *s, struct ckpt_task *p,
			const struct fred_statement *line)
{
	const struct fred_statement *first = statement_at(s, s->f.entry);

	return is_body_entry(s, p) && first && line && same_line(first, line);
}

/* Which of a frame's statements. */
enum which_lines {
	ALL_LINES,
	THIS_LINE,
	OTHER_LINES,
};

/* The frame's statements, but for one at its entry. */
static void frame_rules(const struct fred_spot *s, enum which_lines which,
			const struct fred_statement *line, struct fred_rules *rs)
{
	memset(rs, 0, sizeof(*rs));
	for (size_t i = 0; i < s->nstmts; i++)
		if (s->stmts[i].addr != s->f.entry &&
		    (which == ALL_LINES || same_line(&s->stmts[i], line) == (which == THIS_LINE)))
			fred_rules_in_frame(rs, s, s->stmts[i].addr);
}

/* The last of them before m, or (*begins) where the frame begins: the function's entry or,
 * should it have been entered elsewhere (a jump into the midst of it), the call; as
 * fred_seek_last(). */
static int seek_statement(const struct fred_moment *m, const struct fred_spot *s,
			  enum which_lines lines, const struct fred_statement *line,
			  struct ckpt_task **ret, bool *begins)
{
	struct fred_rules rs;
	size_t which, nstatements;
	uint64_t call;
	int err;

	frame_rules(s, lines, line, &rs);
	nstatements = rs.n;
	fred_rules_entry(&rs, s, &s->f, &s->frame);
	if (s->frame.how != FRED_FRAME_END &&
	    !fred_sym_call_before(s->sym, &s->reader, s->frame.ret, &call))
		fred_rules_add(&rs, call, PROBE_RSP, s->frame.cfa);
	err = fred_seek_last(m, NULL, rs.r, rs.n, ret, &which);
	*begins = err > 0 && which >= nstatements;
	fred_rules_deinit(&rs);
	return err;
}

/* ---------------------------------------------------- reverse-next, -step */

/* h stands at a statement of the line; the line's beginning is the first one
 * behind the last statement of another line. Replaces *h. */
static int line_begin(const struct fred_spot *s, struct ckpt_task **h)
{
	const struct fred_statement *here = statement_at(s, ckpt_canonical(*h).rip);
	struct fred_moment m;
	struct ckpt_task *q, *first;
	struct fred_rules rs;
	size_t which;
	bool begins;
	int err;

	fred_moment_of(*h, &m);
	err = seek_statement(&m, s, OTHER_LINES, here, &q, &begins);
	if (err <= 0)
		return err < 0 ? err : 1;
	if (begins && is_entry_on(s, q, here)) {
		ckpt_puppet_destroy(*h);
		*h = q;
		return 1;
	}
	frame_rules(s, ALL_LINES, NULL, &rs);
	err = fred_seek_first(q, &m, rs.r, rs.n, begins ? 1 : 2, &first, &which);
	fred_rules_deinit(&rs);
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

/* The line that was run last in the frame, most likely: that of the statement which
 * contains the pc, or ends there. */
static const struct fred_statement *likely_line(const struct fred_spot *s)
{
	const struct fred_statement *found = NULL;

	for (size_t i = 0; i < s->nstmts && s->stmts[i].addr < s->regs.rip; i++)
		found = &s->stmts[i];
	return found;
}

/*
 * The beginning of the line before m, if that is this one: behind the last statement of
 * another line, of which there may be far fewer on the way than of this. 0: it isn't,
 * then *last stands at the frame's last statement, or (*begins) where that begins; NULL
 * there: that isn't known.
 */
static int seek_begin(const struct fred_moment *m, const struct fred_spot *s,
		      const struct fred_statement *line, struct ckpt_task **last, bool *begins,
		      struct ckpt_task **ret)
{
	struct fred_rules rs;
	size_t which;
	int err = seek_statement(m, s, OTHER_LINES, line, last, begins);

	if (err <= 0) {
		*last = NULL;
		return err;
	}
	frame_rules(s, THIS_LINE, line, &rs);
	err = rs.n ? fred_seek_first(*last, m, rs.r, rs.n, 1, ret, &which) : 0;
	fred_rules_deinit(&rs);
	if (err > 0 && *begins && is_entry_on(s, *last, line)) {
		ckpt_puppet_destroy(*ret);
		*ret = *last;
	} else if (err) {
		ckpt_puppet_destroy(*last);
	}
	return err;
}

/* The beginning of the line before m; where that is NOT_IN_FRAME, the frame's, or NULL if
 * m is there. @call: a player that stands at m, an instruction from which it came out, a
 * call or a return; then m counts, too, since that may be all of a line. */
static int seek_line(const struct fred_moment *m, const struct fred_spot *s, struct ckpt_task *call,
		     struct ckpt_task **ret)
{
	const struct fred_statement *line = likely_line(s);
	struct ckpt_task *at = NULL;
	bool begins = false;
	int err;

	*ret = NULL;
	if (m->goal.how == CKPT_END_MATCH && s->regs.rip == s->f.entry) {
		if (!call || !s->f.starts_body) /* what is before was in another call's frame */
			return NOT_IN_FRAME;
		err = ckpt_puppet_clone(call, ret);
		return err ? err : LINE_OF_CALL;
	}
	if (call && statement_at(s, s->regs.rip)) {
		err = ckpt_puppet_clone(call, &at);
		if (err)
			return err;
		*ret = at;
	} else {
		err = line ? seek_begin(m, s, line, ret, &begins, &at) : 0;
		if (err) {
			*ret = at;
			return err < 0 ? err : LINE_BEFORE;
		}
		if (!*ret) {
			err = seek_statement(m, s, ALL_LINES, NULL, ret, &begins);
			if (err <= 0)
				return err;
		}
		if (begins)
			return is_body_entry(s, *ret) ? LINE_BEFORE : NOT_IN_FRAME;
	}
	err = line_begin(s, ret);
	if (err < 0) {
		ckpt_puppet_destroy(*ret);
		*ret = NULL;
		return err;
	}
	return *ret == at ? LINE_OF_CALL : LINE_BEFORE;
}

/* How a call of pc may end in a function with lines: in the one called, or in one that it
 * jumps to. */
static bool may_have_lines(const struct fred_spot *s, uint64_t pc, int depth)
{
	struct fred_insn *insns;
	struct fred_function f;
	bool may = false;
	size_t n;

	pc = fred_spot_behind_stubs(s->t, s->sym, pc);
	if (depth > FRED_TAIL_CALLS || fred_sym_function(s->sym, pc, &f) || f.has_lines ||
	    f.source == FRED_FUNCTION_PLT)
		return true;
	for (size_t k = 0; !may && k < f.n_ranges; k++) {
		if (fred_sym_instructions(s->sym, &s->reader, f.ranges[k].lo, f.ranges[k].hi,
					  &insns, &n))
			return true;
		for (size_t i = 0; !may && i < n; i++) {
			struct fred_function to;
			uint64_t target = insns[i].target;

			if (insns[i].kind != FRED_INSN_JMP && insns[i].kind != FRED_INSN_JCC)
				continue;
			may = !target ||
			      ((fred_sym_function(s->sym, target, &to) || to.entry != f.entry) &&
			       may_have_lines(s, target, depth + 1));
		}
		free(insns);
	}
	return may;
}

/* Calls of the frame's function that may lead to lines, and the places behind them. */
struct calls {
	struct fred_rules at, behind;
};

static void calls_deinit(struct calls *c)
{
	fred_rules_deinit(&c->at);
	fred_rules_deinit(&c->behind);
}

static void calls_init(const struct fred_spot *s, struct calls *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t k = 0; k < s->f.n_ranges; k++) {
		struct fred_insn *insns;
		size_t n;

		if (fred_sym_instructions(s->sym, &s->reader, s->f.ranges[k].lo, s->f.ranges[k].hi,
					  &insns, &n))
			continue;
		for (size_t i = 0; i < n; i++) {
			if (insns[i].kind != FRED_INSN_CALL ||
			    (insns[i].target && !may_have_lines(s, insns[i].target, 0)))
				continue;
			fred_rules_in_frame(&ret->at, s, insns[i].addr);
			fred_rules_in_frame(&ret->behind, s, insns[i].addr + insns[i].size);
			if (ret->behind.n < ret->at.n)
				ret->at.n--;
			ret->behind.n = ret->at.n;
		}
		free(insns);
	}
}

static int last_callee(const struct fred_moment *m, const struct fred_spot *s,
		       struct ckpt_task *line, bool stay, struct ckpt_task **ret);

/* What seek_line() says is NOT_IN_FRAME of the frame of p: where *ret, or else p itself, is
 * at the entry, that is the function's only line (1); else (0) it has run none. */
static int only_line(const struct fred_spot *s, struct ckpt_task *p, struct ckpt_task **ret)
{
	int err;

	if (!*ret) {
		err = ckpt_puppet_clone(p, ret);
		return err ? err : 1;
	}
	if (ckpt_canonical(*ret).rip == s->f.entry)
		return 1;
	ckpt_puppet_destroy(*ret);
	*ret = NULL;
	return 0;
}

/*
 * p stands in a function that m, behind a call, came back from: where the last line run in
 * that one, or in the one that jumped there, begins or goes on behind a call of its own
 * into a function with lines (1), if they have lines; else 0. @ret: NULL: only that.
 */
static int last_line(const struct fred_moment *m, struct ckpt_task *p, int depth,
		     struct ckpt_task **ret)
{
	struct ckpt_task *by;
	struct fred_moment inside;
	struct fred_spot s;
	int err = fred_spot_init(&s, p);

	/* Deeper in the stack, else it wasn't a return. */
	if (err || s.regs.r[PROBE_RSP] >= m->goal.regs.r[PROBE_RSP] || depth > FRED_TAIL_CALLS) {
		fred_spot_deinit(&s);
		return err;
	}
	fred_moment_of(p, &inside);
	if (s.nstmts && !ret) {
		err = 1;
	} else if (s.nstmts) {
		err = seek_line(&inside, &s, p, ret);
		if (err == NOT_IN_FRAME)
			err = only_line(&s, p, ret);
		by = err > 0 ? *ret : NULL;
		if (err > 0)
			err = last_callee(&inside, &s, by, true, ret);
		if (err)
			ckpt_puppet_destroy(by);
		err = err < 0 ? err : by != NULL;
	} else {
		err = fred_seek_entered(&inside, &s, s.has_function ? &s.f : NULL, &s.frame, &by);
		if (err > 0) {
			err = last_line(m, by, depth + 1, ret);
			ckpt_puppet_destroy(by);
		}
	}
	fred_spot_deinit(&s);
	return err;
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

/* m is behind a call: if the function called has lines, as last_line(). *jumped: it came
 * there in another way than by a return (on a way around the call). */
static int into_callee(const struct fred_moment *m, bool *jumped, struct ckpt_task **ret)
{
	struct ckpt_task *p;
	int err = fred_seek_instruction(m, &p);

	if (err <= 0)
		return err;
	*jumped = !is_at_return(p);
	err = last_line(m, p, 0, ret);
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

/* The frame's first statement behind the call at which `call' stands; as
 * fred_seek_last(). */
static int next_statement(const struct fred_moment *m, const struct fred_spot *s,
			  struct ckpt_task *call, struct ckpt_task **ret)
{
	const struct fred_statement *here = statement_at(s, ckpt_canonical(call).rip);
	struct fred_rules rs;
	size_t which;
	int err;

	frame_rules(s, ALL_LINES, NULL, &rs);
	err = rs.n ? fred_seek_first(call, m, rs.r, rs.n, here ? 2 : 1, ret, &which) : 0;
	fred_rules_deinit(&rs);
	return err;
}

/* The beginning of the line on whose statement *p stands; as line_begin(). */
static int line_begin_at(struct ckpt_task **p)
{
	struct fred_spot s;
	int err = fred_spot_init(&s, *p);

	if (!err)
		err = statement_at(&s, s.regs.rip) ? line_begin(&s, p) : 1;
	fred_spot_deinit(&s);
	return err;
}

/* `call' stands at a call that never returned to its frame, that of s, in which m is: an
 * exception, or a jump, has led there. If it called the user's code, the beginning of the
 * line that ran last in that (1), else 0. */
static int into_left(const struct fred_moment *m, const struct fred_spot *s, struct ckpt_task *call,
		     struct ckpt_task **ret)
{
	struct ckpt_task *landed = NULL, *p;
	struct fred_moment until = *m;
	int err = next_statement(m, s, call, &landed);

	if (err > 0)
		fred_moment_of(landed, &until);
	if (err >= 0)
		err = last_statement(&until, call, &p);
	ckpt_puppet_destroy(landed);
	if (err <= 0)
		return err;
	err = ckpt_canonical(p).r[PROBE_RSP] < ckpt_canonical(call).r[PROBE_RSP] ?
		      line_begin_at(&p) :
		      0;
	if (err > 0)
		*ret = p;
	else
		ckpt_puppet_destroy(p);
	return err;
}

/* Where the call at which `call' stands comes back to, before m, or (*ret is NULL) at m;
 * 0: it doesn't. */
static int come_back(const struct fred_moment *m, struct ckpt_task *call,
		     const struct ckpt_rule *behind, struct ckpt_task **ret)
{
	size_t which;
	int err = fred_seek_first(call, m, behind, 1, 1, ret, &which);

	if (err)
		return err;
	*ret = NULL;
	return m->goal.how == CKPT_END_MATCH && m->goal.regs.rip == behind->site;
}

/* What into_callee() finds for the call at which `call' stands, the last one in the frame
 * before m. One with no return behind it was left: then, stay or not, where the last line
 * run in the user's code since begins. */
static int called(const struct fred_moment *m, const struct fred_spot *s, struct ckpt_task *call,
		  const struct ckpt_rule *behind, bool stay, struct ckpt_task **ret)
{
	struct ckpt_task *after = NULL;
	struct fred_moment back;
	bool jumped = true;
	int err = come_back(m, call, behind, &after);

	if (err > 0) {
		if (after)
			fred_moment_of(after, &back);
		err = into_callee(after ? &back : m, &jumped, stay ? NULL : ret);
		if (err > 0 && stay && !after)
			err = ckpt_puppet_clone(player_of(m), &after) ? -ENOMEM : 1;
		if (err > 0 && stay) {
			*ret = after;
			return 1;
		}
		ckpt_puppet_destroy(after);
	}
	/* (In a frame that isn't known the call may be that of another one.) */
	return !err && jumped && s->frame.cfa ? into_left(m, s, call, ret) : err;
}

/* The last call between the line's beginning and m that went into a function with lines:
 * there, as last_line(), or (stay) where it came back to. 0: none. */
static int last_callee(const struct fred_moment *m, const struct fred_spot *s,
		       struct ckpt_task *line, bool stay, struct ckpt_task **ret)
{
	struct fred_moment until = *m;
	struct ckpt_task *at = NULL, *call;
	struct calls calls;
	size_t which;
	int err = 0;

	calls_init(s, &calls);
	while (!err) {
		err = fred_seek_last(&until, line, calls.at.r, calls.at.n, &call, &which);
		if (err <= 0)
			break;
		err = called(&until, s, call, &calls.behind.r[which], stay, ret);
		ckpt_puppet_destroy(at);
		at = call;
		fred_moment_of(at, &until);
	}
	ckpt_puppet_destroy(at);
	calls_deinit(&calls);
	return err;
}

/* To the line before m; into: or into the last function that it called. @call: as for
 * seek_line(). */
static int back(const struct fred_moment *m, struct ckpt_task *call, bool into,
		struct ckpt_task **ret)
{
	struct ckpt_task *line = NULL, *callee;
	struct fred_moment at_call;
	struct fred_spot s;
	int found, err = fred_spot_init(&s, player_of(m));

	if (!err)
		err = s.nstmts ? seek_line(m, &s, call, &line) : NOT_IN_FRAME;
	found = err;
	if (err > 0)
		err = into && line && found != LINE_OF_CALL ?
			      last_callee(m, &s, line, false, &callee) :
			      0;
	if (err > 0) {
		*ret = callee;
	} else if (!err && found == NOT_IN_FRAME) {
		err = fred_seek_entered(m, &s, s.has_function ? &s.f : NULL, &s.frame, &call);
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
	fred_spot_deinit(&s);
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
	struct fred_rules rs = { 0 };
	struct fred_spot s;
	uint64_t call;
	size_t which;
	int err = fred_seek_instruction(m, ret);

	if (err <= 0)
		return err;
	if (!is_at_return(*ret) || fred_spot_init(&s, player_of(m)))
		return 1;
	/* Behind a return: back to its call, in the same frame. */
	if (!fred_sym_call_before(s.sym, &s.reader, s.regs.rip, &call) &&
	    fred_rules_add(&rs, call, PROBE_RSP, s.regs.r[PROBE_RSP])) {
		struct ckpt_task *at_call;

		err = fred_seek_last(m, NULL, rs.r, rs.n, &at_call, &which);
		if (err > 0) {
			ckpt_puppet_destroy(*ret);
			*ret = at_call;
		}
	}
	fred_rules_deinit(&rs);
	fred_spot_deinit(&s);
	return err < 0 ? err : 1;
}

/* The function whose frame it is: behind a call that doesn't return the next may begin. */
static bool function_of(const struct fred_spot *s, const struct fred_frame *frame,
			struct fred_function *ret)
{
	return !fred_sym_function(s->sym, frame->exact ? frame->pc : frame->pc - 1, ret);
}

/* As fred_seek_entered() for a frame so many jumps further back. */
static int entered_by_jump(const struct fred_moment *m, const struct fred_spot *s,
			   const struct fred_frame *frame, unsigned int jumps,
			   struct ckpt_task **ret)
{
	struct fred_function f;
	bool known = function_of(s, frame, &f);
	int err = fred_seek_entered(m, s, known ? &f : NULL, frame, ret);

	while (err > 0 && jumps-- > 0) {
		struct ckpt_task *jump = *ret;
		struct fred_moment at;
		struct fred_spot in;

		fred_moment_of(jump, &at);
		err = fred_spot_init(&in, jump);
		if (!err)
			err = fred_seek_entered(&at, &in, in.has_function ? &in.f : NULL, &in.frame,
						ret);
		fred_spot_deinit(&in);
		ckpt_puppet_destroy(jump);
	}
	return err;
}

/* The frame `level' of the stack at m, and s, where m is. */
static int frame_at(const struct fred_moment *m, unsigned int level, struct fred_spot *s,
		    struct fred_frame *ret)
{
	struct fred_frame *frames = calloc(level + 1, sizeof(*frames));
	size_t n = 0;
	int err = frames ? fred_spot_init(s, player_of(m)) : -ENOMEM;

	if (!err)
		err = fred_seek_unwind(s->t, s->sym, frames, level + 1, &n);
	if (!err && level >= n)
		err = -ENOENT;
	if (!err)
		*ret = frames[level];
	free(frames);
	return err;
}

int fred_reverse_finish(const struct fred_moment *m, unsigned int level, unsigned int jumps,
			struct ckpt_task **ret)
{
	struct fred_frame frame;
	struct fred_spot s = { 0 };
	int err = frame_at(m, level, &s, &frame);

	if (!err)
		err = entered_by_jump(m, &s, &frame, jumps, ret);
	fred_spot_deinit(&s);
	return err;
}

int fred_reverse_scope(const struct fred_moment *m, struct ckpt_task *from, unsigned int level,
		       struct ckpt_task **ret)
{
	struct fred_frame frame;
	struct fred_spot s = { 0 };
	int err = frame_at(m, level, &s, &frame);

	if (!err)
		err = fred_seek_call(m, from, &s, &frame, ret);
	fred_spot_deinit(&s);
	return err;
}

/* Makes s about its frame of that level instead of the innermost. */
static int spot_up(const struct fred_moment *m, unsigned int level, struct fred_spot *s)
{
	struct fred_frame frame;
	int err = frame_at(m, level, s, &frame);

	if (err)
		return err;
	s->frame = frame;
	if (level == 0)
		return 0;
	fred_spot_deinit(s);
	s->nstmts = 0;
	s->has_function = function_of(s, &frame, &s->f);
	if (s->has_function && s->f.has_lines &&
	    fred_sym_statements(s->sym, &s->f, &s->stmts, &s->nstmts))
		s->nstmts = 0;
	return 0;
}

int fred_reverse_frame(const struct fred_moment *m, unsigned int level, struct ckpt_task **ret)
{
	struct ckpt_task *call;
	struct fred_rules rs;
	struct fred_spot s = { 0 };
	size_t which;
	int err = spot_up(m, level, &s);

	if (!err)
		err = fred_seek_call(m, NULL, &s, &s.frame, &call);
	if (!err) /* it is as old as history */
		err = fred_seek_begin(&call) ? -ENOENT : 1;
	if (err > 0) {
		frame_rules(&s, ALL_LINES, NULL, &rs);
		err = fred_seek_first(call, m, rs.r, rs.n, 1, ret, &which);
		fred_rules_deinit(&rs);
		ckpt_puppet_destroy(call);
	}
	fred_spot_deinit(&s);
	return err;
}
