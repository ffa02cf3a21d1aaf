/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fred/spot.h"

#define MAX_STUBS 4 /* jumps on the way from a call to its function */

void fred_spot_deinit(struct fred_spot *s)
{
	free(s->stmts);
	s->stmts = NULL;
}

int fred_spot_init(struct fred_spot *s, struct ckpt_task *t)
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
	if (s->frame.how == FRED_FRAME_RBP && s->nstmts) /* perhaps a caller's */
		s->frame = (struct fred_frame){ .how = FRED_FRAME_END };
	return 0;
}

static bool knows_frame(const struct fred_frame *f)
{
	return f->how != FRED_FRAME_END || f->cfa;
}

bool fred_rules_add(struct fred_rules *rs, uint64_t site, enum probe_operand reg, uint64_t value)
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

void fred_rules_deinit(struct fred_rules *rs)
{
	free(rs->r);
	free(rs->conds);
}

void fred_rules_in_frame(struct fred_rules *rs, const struct fred_spot *s, uint64_t site)
{
	struct fred_cfa cfa;
	int err = knows_frame(&s->frame) ? fred_sym_cfa(s->sym, site, &cfa) : -ENOENT;

	if (!err)
		fred_rules_add(rs, site, (enum probe_operand)cfa.reg,
			       s->frame.cfa - (uint64_t)cfa.offset);
	else if (err == -ENOENT && fred_rules_add(rs, site, PROBE_RSP, 0))
		rs->r[rs->n - 1].nconds = 0;
}

bool fred_rules_entry(struct fred_rules *rs, const struct fred_spot *s,
		      const struct fred_function *f, const struct fred_frame *frame)
{
	struct fred_cfa cfa;

	if (!knows_frame(frame)) {
		if (!fred_rules_add(rs, f->entry, PROBE_RSP, 0))
			return false;
		rs->r[rs->n - 1].nconds = 0;
		return true;
	}
	if (fred_sym_cfa(s->sym, f->entry, &cfa))
		cfa = (struct fred_cfa){ FRED_RSP, 8 };
	return fred_rules_add(rs, f->entry, (enum probe_operand)cfa.reg,
			      frame->cfa - (uint64_t)cfa.offset);
}

/* ----------------------------------------------------- how it got there */

int fred_seek_call(const struct fred_moment *m, struct ckpt_task *from, const struct fred_spot *s,
		   const struct fred_frame *frame, struct ckpt_task **ret)
{
	struct fred_rules rs = { 0 };
	struct fred_function f;
	struct ckpt_task *entry;
	uint64_t call;
	size_t which;
	int err = 0;

	if (frame->how == FRED_FRAME_END)
		return 0; /* the outermost: what is before is history's begin */
	if (!fred_sym_call_before(s->sym, &s->reader, frame->ret, &call)) {
		err = fred_rules_add(&rs, call, PROBE_RSP, frame->cfa) ? 0 : -ENOMEM;
		if (!err)
			err = fred_seek_last(m, from, rs.r, rs.n, ret, &which);
	} else if (!fred_sym_function(s->sym, frame->pc, &f)) {
		/* No call made it: a signal did, before the function's entry. */
		err = fred_rules_add(&rs, f.entry, PROBE_RSP, frame->cfa - 8) ? 0 : -ENOMEM;
		if (!err)
			err = fred_seek_last(m, from, rs.r, rs.n, &entry, &which);
		if (err > 0) {
			struct fred_moment at_entry;

			fred_moment_of(entry, &at_entry);
			err = fred_seek_instruction(&at_entry, ret);
			ckpt_puppet_destroy(entry);
		}
	}
	fred_rules_deinit(&rs);
	return err;
}

/* ------------------------------------------------------------ tail calls */

/* The address to which the PLT's stub at pc jumps, by t's memory; 0: it is none, or
 * nothing is bound to it yet. */
static uint64_t stub_target(struct ckpt_task *t, struct fred_sym *sym, uint64_t pc)
{
	struct fred_function f;
	uint8_t b[16];
	uint64_t to;
	int32_t disp;

	if (fred_sym_function(sym, pc, &f) || f.source != FRED_FUNCTION_PLT ||
	    ckpt_read(t, pc, b, sizeof(b)))
		return 0;
	for (size_t i = 0; i + 6 <= sizeof(b); i++) { /* behind an endbr64, a bnd */
		if (b[i] != 0xff || b[i + 1] != 0x25)
			continue;
		memcpy(&disp, b + i + 2, sizeof(disp));
		if (ckpt_read(t, pc + i + 6 + (uint64_t)(int64_t)disp, &to, sizeof(to)))
			return 0;
		return to;
	}
	return 0;
}

uint64_t fred_spot_behind_stubs(struct ckpt_task *t, struct fred_sym *sym, uint64_t pc)
{
	for (int i = 0; i < MAX_STUBS; i++) {
		uint64_t to = stub_target(t, sym, pc);

		if (!to)
			break;
		pc = to;
	}
	return pc;
}

/* The linker's code between a call and its function: no place to be. */
static bool is_linkage(struct fred_sym *sym, uint64_t pc)
{
	struct fred_function f;

	return !fred_sym_function(sym, pc, &f) &&
	       (f.source == FRED_FUNCTION_PLT ||
		(f.name && !strncmp(f.name, "_dl_runtime_resolve", 19)));
}

/* Whether m itself is the entry of f in the frame. */
static bool is_entry(const struct fred_moment *m, const struct fred_spot *s,
		     const struct fred_function *f, const struct fred_frame *frame)
{
	return m->goal.how == CKPT_END_MATCH && s->regs.rip == f->entry && frame->pc == f->entry &&
	       frame->cfa == s->frame.cfa;
}

/* Whether the call at which `call' stands led into f in the frame, and nothing else did
 * since, up to m; 1, 0 or an error. */
static int led_into(struct ckpt_task *call, const struct fred_moment *m, const struct fred_spot *s,
		    const struct fred_function *f, const struct fred_frame *frame)
{
	struct ckpt_run run = { .goal = &m->goal };
	struct fred_rules rs = { 0 };
	struct ckpt_task *p;
	uint64_t pc = 0, n = 0;
	int err = ckpt_puppet_clone(call, &p);

	if (err)
		return err;
	if (ckpt_puppet_step(p, &run) == CKPT_HALT_STEP)
		pc = fred_spot_behind_stubs(s->t, s->sym, ckpt_canonical(p).rip);
	ckpt_puppet_destroy(p);
	if (pc != f->entry)
		return 0;
	err = fred_rules_entry(&rs, s, f, frame) ? 0 : -ENOMEM;
	if (!err)
		err = fred_seek_count(call, m, rs.r, rs.n, &n);
	fred_rules_deinit(&rs);
	return err ? err : n + is_entry(m, s, f, frame) <= 1;
}

int fred_seek_entry(const struct fred_moment *m, const struct fred_spot *s,
		    const struct fred_function *f, const struct fred_frame *frame,
		    struct ckpt_task *call, struct ckpt_task **ret)
{
	struct fred_rules rs = { 0 };
	size_t which;
	int err = fred_rules_entry(&rs, s, f, frame) ? 0 : -ENOMEM;

	if (!err)
		err = fred_seek_last(m, call, rs.r, rs.n, ret, &which);
	fred_rules_deinit(&rs);
	return err;
}

/* The instruction before that: a jump, or call. */
static int before_entry(const struct fred_moment *m, const struct fred_spot *s,
			const struct fred_function *f, const struct fred_frame *frame,
			struct ckpt_task *call, struct ckpt_task **ret)
{
	struct fred_moment at_entry;
	struct ckpt_task *entry;
	int err;

	if (is_entry(m, s, f, frame))
		return fred_seek_instruction(m, ret);
	err = fred_seek_entry(m, s, f, frame, call, &entry);
	if (err <= 0)
		return err;
	fred_moment_of(entry, &at_entry);
	err = fred_seek_instruction(&at_entry, ret);
	ckpt_puppet_destroy(entry);
	return err;
}

/* Whether p stands at the call. */
static bool is_that(struct ckpt_task *p, struct ckpt_task *call)
{
	struct ckpt_general a = ckpt_canonical(p), b = ckpt_canonical(call);

	return a.rip == b.rip && a.r[PROBE_RSP] == b.r[PROBE_RSP];
}

int fred_seek_entered(const struct fred_moment *m, const struct fred_spot *s,
		      const struct fred_function *f, const struct fred_frame *frame,
		      struct ckpt_task **ret)
{
	struct ckpt_task *call, *jump = NULL, *before;
	struct fred_moment at;
	uint64_t insn;
	struct fred_spot in;
	int err, direct;

	if (f && !knows_frame(frame))
		return before_entry(m, s, f, frame, NULL, ret);
	err = fred_seek_call(m, NULL, s, frame, &call);
	if (err <= 0 || !f || fred_sym_call_before(s->sym, &s->reader, frame->ret, &insn)) {
		*ret = call;
		return err;
	}
	direct = led_into(call, m, s, f, frame);
	if (!direct)
		err = before_entry(m, s, f, frame, call, &jump);
	for (int i = 0; !direct && err > 0 && i < FRED_TAIL_CALLS; i++) {
		if (is_that(jump, call) || !is_linkage(s->sym, ckpt_canonical(jump).rip))
			break;
		fred_moment_of(jump, &at);
		err = fred_spot_init(&in, jump);
		if (!err)
			err = before_entry(&at, &in, &in.f, &in.frame, call, &before);
		fred_spot_deinit(&in);
		ckpt_puppet_destroy(jump);
		jump = err > 0 ? before : NULL;
	}
	if (direct < 0 || err < 0 || jump) {
		ckpt_puppet_destroy(call);
		*ret = jump;
		return direct < 0 ? direct : err;
	}
	*ret = call;
	return 1;
}
