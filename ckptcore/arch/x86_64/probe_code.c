// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Planning of counting probes: which bytes of each site become which jump.
 *
 * Only the bytes of the one instruction at the site may change, as the following ones may be jumped to. An instruction
 * of five bytes or more takes any jmp rel32. For a shorter one the bytes behind it serve as the high bytes of the
 * rel32 (instruction punning), optionally shifted by prefixes that a jmp ignores, and the trampoline goes
 * where that leads. Sites are done from high to low addresses, so that these bytes have their final values, patches
 * included. Both ideas (tactics B2 and T1, and the reverse order) are from E9Patch: Duck, Gao, Roychoudhury, "Binary
 * Rewriting without Control Flow Recovery", PLDI 2020. Eviction of neighbours (T2, T3) isn't done: where it would be
 * needed an int3 serves.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probe_internal.h"

#define JMP_LEN 5
#define VIEW_LEN 20
/* ES override: null in 64-bit mode, and unlike 2e and 3e never a branch hint */
#define IGNORED_PREFIX 0x26
#define DIRECT_SITES 64

struct site {
	uint64_t addr;
	size_t first_rule;
	size_t nrules;
	struct probe_site_info info;
};

/** A body or a stub. */
struct piece {
	uint64_t addr;
	uint64_t site;
	size_t bytes; /* offsets into the plan's arrays */
	size_t len;
	size_t points;
	size_t npoints;
};

/** A page of original memory. */
struct cached_page {
	uint64_t addr;
	int status;
	bool valid;
	uint8_t bytes[PROBE_PAGE];
};

/** A growing array. */
struct vec {
	void *data;
	size_t n;
	size_t size;
};

struct probe_plan {
	struct probe_config config;
	struct probe_pages pages;
	struct probe_body body;
	struct cached_page cache[2];
	struct vec sites;   /* struct site, descending once built */
	struct vec rules;   /* struct probe_rule, conds being an index until built */
	struct vec conds;   /* struct probe_cond */
	struct vec pieces;  /* struct piece, ascending once built */
	struct vec bytes;   /* code of the pieces */
	struct vec points;  /* struct probe_point */
	struct vec patches; /* struct probe_patch */
	struct vec areas;   /* struct probe_area */
	uint8_t *area_bytes;
	struct probe_stats stats;
	csh cs;
	cs_insn *cs_insn;
	bool built;
};

static int vec_append(struct vec *v, const void *data, size_t n, size_t elem)
{
	size_t size = v->size ? v->size : 64;
	void *p;

	while (size < v->n + n)
		size *= 2;
	if (size != v->size) {
		p = realloc(v->data, size * elem);
		if (!p)
			return -ENOMEM;
		v->data = p;
		v->size = size;
	}
	if (n)
		memcpy((uint8_t *)v->data + v->n * elem, data, n * elem);
	v->n += n;
	return 0;
}

int probe_plan_create(const struct probe_config *config, struct probe_plan **ret)
{
	struct probe_plan *plan;
	int err;

	*ret = NULL;
	if (!config->read || (config->scratch & 7) || (config->noccupied && !config->occupied))
		return -EINVAL;
	plan = calloc(1, sizeof(*plan));
	if (!plan)
		return -ENOMEM;
	plan->config = *config;
	plan->config.occupied = NULL;
	err = probe_pages_init(&plan->pages, config);
	if (!err && !probe_insn_capstone(&plan->cs, &plan->cs_insn))
		err = -ENOMEM;
	if (err) {
		probe_plan_destroy(plan);
		return err;
	}
	*ret = plan;
	return 0;
}

void probe_plan_destroy(struct probe_plan *plan)
{
	if (!plan)
		return;
	probe_pages_deinit(&plan->pages);
	probe_body_deinit(&plan->body);
	free(plan->sites.data);
	free(plan->rules.data);
	free(plan->conds.data);
	free(plan->pieces.data);
	free(plan->bytes.data);
	free(plan->points.data);
	free(plan->patches.data);
	free(plan->areas.data);
	free(plan->area_bytes);
	free(plan);
}

int probe_plan_add(struct probe_plan *plan, uint64_t site, const struct probe_rule *rules,
		   size_t nrules)
{
	struct site s = { .addr = site, .first_rule = plan->rules.n, .nrules = nrules };
	int err;

	if (plan->built)
		return -EBUSY;
	if (!nrules || !rules || site >= PROBE_MAX_ADDR)
		return -EINVAL;
	if (nrules > PROBE_MAX_RULES)
		return -E2BIG;
	for (size_t i = 0; i < nrules; i++) {
		if (rules[i].nconds > PROBE_MAX_CONDS)
			return -E2BIG;
		for (size_t j = 0; j < rules[i].nconds; j++)
			if ((unsigned int)rules[i].conds[j].what > PROBE_MEM)
				return -EINVAL;
	}
	for (size_t i = 0; i < nrules; i++) {
		struct probe_rule r = rules[i];

		err = vec_append(&plan->conds, r.conds, r.nconds, sizeof(struct probe_cond));
		r.conds = NULL;
		if (!err)
			err = vec_append(&plan->rules, &r, 1, sizeof(r));
		if (err)
			return err;
	}
	return vec_append(&plan->sites, &s, 1, sizeof(s));
}

/* ---- original and patched bytes ---- */

static struct cached_page *get_page(struct probe_plan *plan, uint64_t page)
{
	struct cached_page *c = &plan->cache[page / PROBE_PAGE & 1];

	if (c->valid && c->addr == page)
		return c;
	c->addr = page;
	c->valid = true;
	c->status = plan->config.read(plan->config.ctx, page, c->bytes, PROBE_PAGE);
	return c;
}

/* Original bytes; returns how many of @len can be read. */
static size_t fetch(struct probe_plan *plan, uint64_t addr, uint8_t *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		uint64_t at = addr + done;
		const struct cached_page *c = get_page(plan, at & ~(PROBE_PAGE - 1));
		size_t off = at & (PROBE_PAGE - 1);
		size_t n = PROBE_PAGE - off < len - done ? PROBE_PAGE - off : len - done;

		if (c->status)
			break;
		memcpy(buf + done, c->bytes + off, n);
		done += n;
	}
	return done;
}

/* Apply the patches made so far, all of them at higher addresses, the nearest last. */
static void overlay(const struct probe_plan *plan, uint64_t addr, uint8_t *buf, size_t len)
{
	const struct probe_patch *patches = plan->patches.data;

	for (size_t i = plan->patches.n; i-- > 0 && patches[i].addr < addr + len;)
		for (size_t j = 0; j < patches[i].len && patches[i].addr + j < addr + len; j++)
			buf[patches[i].addr + j - addr] = patches[i].new_bytes[j];
}

static int add_patch(struct probe_plan *plan, uint64_t addr, const uint8_t *old,
		     const uint8_t *new_bytes, size_t len)
{
	struct probe_patch p = { .addr = addr, .len = (uint8_t)len };

	memcpy(p.old_bytes, old, len);
	memcpy(p.new_bytes, new_bytes, len);
	return vec_append(&plan->patches, &p, 1, sizeof(p));
}

/* ---- placing ---- */

static int add_piece(struct probe_plan *plan, uint64_t addr, uint64_t site, const uint8_t *bytes,
		     size_t len, const struct probe_point *points, size_t npoints)
{
	struct piece pc = {
		.addr = addr,
		.site = site,
		.bytes = plan->bytes.n,
		.len = len,
		.points = plan->points.n,
		.npoints = npoints,
	};
	int err;

	err = vec_append(&plan->bytes, bytes, len, 1);
	if (!err)
		err = vec_append(&plan->points, points, npoints, sizeof(*points));
	if (!err)
		err = vec_append(&plan->pieces, &pc, 1, sizeof(pc));
	return err;
}

static int add_body(struct probe_plan *plan, uint64_t addr, uint64_t site)
{
	struct probe_body *b = &plan->body;

	probe_body_link(b, addr);
	return add_piece(plan, addr, site, b->bytes, b->len, b->points, b->npoints);
}

static int add_stub(struct probe_plan *plan, uint64_t addr, uint64_t site, uint64_t body)
{
	const struct probe_point point = { .addr = site };
	uint8_t code[JMP_LEN] = { 0xe9 };
	int32_t rel = (int32_t)(body - (addr + JMP_LEN));

	memcpy(code + 1, &rel, sizeof(rel));
	plan->stats.stubs++;
	return add_piece(plan, addr, site, code, sizeof(code), &point, 1);
}

/* Where a jmp rel32 ending at @end leads. */
static void jump_window(uint64_t end, int64_t *lo, int64_t *hi)
{
	*lo = (int64_t)end + INT32_MIN;
	*hi = (int64_t)end + INT32_MAX;
}

/* The body of a jump whose target may be anything in [@lo, @hi]. */
static uint64_t place_body(struct probe_plan *plan, int64_t lo, int64_t hi, uint64_t site)
{
	if (!probe_body_window(&plan->body, &lo, &hi))
		return 0;
	return probe_pages_large(&plan->pages, lo, hi, plan->body.len, site);
}

/**
 * struct jump - a way to write the jump
 * @prefixes: ignored prefixes before the E9
 * @nfree: bytes of the rel32 that can be chosen, the low ones
 * @lo: lowest target
 * @hi: highest target
 */
struct jump {
	unsigned int prefixes;
	unsigned int nfree;
	int64_t lo;
	int64_t hi;
};

/* @view: @len bytes at the site, patched ones included; @own: how many may be changed */
static bool make_jump(uint64_t site, const uint8_t *view, size_t len, unsigned int own,
		      unsigned int prefixes, struct jump *ret)
{
	unsigned int total = JMP_LEN + prefixes;
	uint64_t end = site + total;
	uint32_t fixed;
	int64_t base;

	ret->prefixes = prefixes;
	ret->nfree = own >= total ? 4 : own - 1 - prefixes;
	if (ret->nfree == 4) {
		jump_window(end, &ret->lo, &ret->hi);
		return true;
	}
	if (len < total)
		return false;
	memcpy(&fixed, view + prefixes + 1, sizeof(fixed));
	fixed &= ~((1U << 8 * ret->nfree) - 1);
	base = (int64_t)end + (int32_t)fixed;
	ret->lo = base;
	ret->hi = base + (1LL << 8 * ret->nfree) - 1;
	return true;
}

/* Sets *@entry to the jump's target, with the body there or behind a stub; 0: no room. */
static int place_jump(struct probe_plan *plan, const struct jump *j, uint64_t site,
		      enum probe_claim claim, uint64_t *entry, uint64_t *body)
{
	bool is_direct = j->nfree >= 2 || plan->sites.n <= DIRECT_SITES;
	int64_t lo = j->lo;
	int64_t hi = j->hi;
	uint64_t at = 0;
	uint64_t stub;

	*entry = 0;
	if (is_direct && probe_body_window(&plan->body, &lo, &hi)) {
		if (j->nfree >= 3)
			at = claim == PROBE_CLAIM_NONE ? 0 : place_body(plan, lo, hi, site);
		else
			at = probe_pages_small(&plan->pages, lo, hi, plan->body.len, claim);
	}
	if (at) {
		*entry = *body = at;
		return add_body(plan, at, site);
	}
	if (j->nfree >= 3 || plan->pages.no_memory)
		return plan->pages.no_memory ? -ENOMEM : 0;
	stub = probe_pages_small(&plan->pages, j->lo, j->hi, JMP_LEN, claim);
	if (!stub)
		return 0;
	jump_window(stub + JMP_LEN, &lo, &hi);
	at = place_body(plan, lo, hi, site);
	if (!at)
		return 0; /* the stub's five bytes are lost */
	*entry = stub;
	*body = at;
	return add_body(plan, at, site) ?: add_stub(plan, stub, site, at);
}

/* Tries all ways to jump from the site; *@entry is 0 if there is none. */
static int plan_jump(struct probe_plan *plan, struct site *s, const uint8_t *original, size_t avail,
		     unsigned int own)
{
	static const enum probe_claim claims[] = { PROBE_CLAIM_NONE, PROBE_CLAIM_NEW };
	uint8_t view[VIEW_LEN];
	uint8_t code[VIEW_LEN];
	uint64_t entry = 0;
	uint64_t body = 0;
	struct jump j;
	int32_t rel;
	int err;

	memcpy(view, original, avail);
	overlay(plan, s->addr, view, avail);
	for (int c = 0; c < 2 && !entry; c++) {
		for (unsigned int p = 0; p < (own < JMP_LEN ? own : 1) && !entry; p++) {
			if (!make_jump(s->addr, view, avail, own, p, &j))
				continue;
			err = place_jump(plan, &j, s->addr, claims[c], &entry, &body);
			if (err)
				return err;
		}
	}
	if (!entry)
		return 0;
	rel = (int32_t)(entry - (s->addr + JMP_LEN + j.prefixes));
	memset(code, IGNORED_PREFIX, j.prefixes);
	code[j.prefixes] = 0xe9;
	memcpy(code + j.prefixes + 1, &rel, sizeof(rel));
	s->info.kind = PROBE_JUMP;
	s->info.entry = body;
	s->info.resume = body + plan->body.displaced;
	return add_patch(plan, s->addr, original, code, own < JMP_LEN ? own : JMP_LEN);
}

static bool all_cheap(const struct probe_plan *plan, const struct site *s)
{
	const struct probe_rule *rules = plan->rules.data;

	for (size_t i = 0; i < s->nrules; i++)
		if (!rules[s->first_rule + i].cheap)
			return false;
	return true;
}

static int plan_int3(struct probe_plan *plan, struct site *s, const struct probe_insn *in,
		     const uint8_t *original)
{
	static const uint8_t int3 = 0xcc;
	int64_t lo = (int64_t)PROBE_MIN_ADDR;
	int64_t hi = (int64_t)PROBE_MAX_ADDR;
	uint64_t at;
	int err;

	s->info.kind = PROBE_INT3;
	if (in->form != INSN_FIXED) {
		err = probe_body_emit(&plan->body, in, plan->config.scratch, NULL, 0);
		if (err)
			return err;
		at = place_body(plan, lo, hi, s->addr);
		if (plan->pages.no_memory)
			return -ENOMEM;
		if (at) {
			s->info.resume = at;
			err = add_body(plan, at, s->addr);
			if (err)
				return err;
		}
	}
	return add_patch(plan, s->addr, original, &int3, 1);
}

static int plan_site(struct probe_plan *plan, struct site *s, uint64_t above)
{
	uint8_t original[VIEW_LEN] = { 0 };
	size_t avail = fetch(plan, s->addr, original, sizeof(original));
	struct probe_insn in;
	unsigned int own;
	int err;

	if (!avail)
		return -EFAULT;
	probe_insn_decode(plan->cs, plan->cs_insn, s->addr, original, avail, &in);
	s->info.site = s->addr;
	s->info.len = in.len;
	/* A higher site may lie inside of this instruction; and single-threaded code jumps past lock prefixes (glibc). */
	own = original[0] == 0xf0 ? 1 : in.len;
	if (above - s->addr < own)
		own = (unsigned int)(above - s->addr);
	s->info.kind = PROBE_INT3;
	if (in.form != INSN_FIXED) {
		err = probe_body_emit(&plan->body, &in, plan->config.scratch,
				      (const struct probe_rule *)plan->rules.data + s->first_rule,
				      s->nrules);
		if (!err)
			err = plan_jump(plan, s, original, avail, own);
		if (err)
			return err;
	}
	if (s->info.kind == PROBE_INT3 && all_cheap(plan, s))
		s->info.kind = PROBE_NONE;
	if (s->info.kind == PROBE_INT3) {
		err = plan_int3(plan, s, &in, original);
		if (err)
			return err;
	}
	plan->stats.jumps += s->info.kind == PROBE_JUMP;
	plan->stats.int3s += s->info.kind == PROBE_INT3;
	plan->stats.int3_displaced += s->info.kind == PROBE_INT3 && s->info.resume;
	plan->stats.by_len[in.len][s->info.kind]++;
	return 0;
}

/* ---- the result ---- */

static int site_compare(const void *a, const void *b)
{
	const struct site *x = a;
	const struct site *y = b;

	return (x->addr < y->addr) - (x->addr > y->addr);
}

static int piece_compare(const void *a, const void *b)
{
	const struct piece *x = a;
	const struct piece *y = b;

	return (x->addr > y->addr) - (x->addr < y->addr);
}

static int make_areas(struct probe_plan *plan)
{
	struct probe_page **sorted = NULL;
	struct piece *pieces = plan->pieces.data;
	struct probe_area *areas;
	size_t npages = plan->pages.npages;
	size_t a = 0;
	int err;

	err = probe_pages_sorted(&plan->pages, &sorted);
	if (err)
		return err;
	plan->area_bytes = malloc(npages * PROBE_PAGE + 1);
	if (!plan->area_bytes) {
		free(sorted);
		return -ENOMEM;
	}
	memset(plan->area_bytes, 0xcc, npages * PROBE_PAGE);
	for (size_t i = 0; i < npages && !err; i++) {
		struct probe_area area = { sorted[i]->addr, PROBE_PAGE,
					   plan->area_bytes + i * PROBE_PAGE };
		struct probe_area *last =
			plan->areas.n ? (struct probe_area *)plan->areas.data + plan->areas.n - 1 :
					NULL;

		if (last && last->addr + last->len == area.addr)
			last->len += PROBE_PAGE;
		else
			err = vec_append(&plan->areas, &area, 1, sizeof(area));
	}
	free(sorted);
	if (err)
		return err;
	qsort(pieces, plan->pieces.n, sizeof(*pieces), piece_compare);
	areas = plan->areas.data;
	for (size_t i = 0; i < plan->pieces.n; i++) {
		while (areas[a].addr + areas[a].len <= pieces[i].addr)
			a++;
		memcpy(plan->area_bytes + (areas[a].bytes - plan->area_bytes) +
			       (pieces[i].addr - areas[a].addr),
		       (uint8_t *)plan->bytes.data + pieces[i].bytes, pieces[i].len);
	}
	plan->stats.pages = npages;
	plan->stats.ranges = plan->areas.n;
	plan->stats.code_bytes = plan->bytes.n;
	return 0;
}

int probe_plan_build(struct probe_plan *plan)
{
	struct site *sites = plan->sites.data;
	struct probe_rule *rules = plan->rules.data;
	const struct probe_cond *conds = plan->conds.data;
	uint64_t above = UINT64_MAX;
	int err;

	if (plan->built)
		return -EBUSY;
	plan->built = true;
	for (size_t i = 0; i < plan->rules.n; i++) {
		rules[i].conds = conds;
		if (conds)
			conds += rules[i].nconds;
	}
	if (plan->sites.n)
		qsort(sites, plan->sites.n, sizeof(*sites), site_compare);
	plan->stats.sites = plan->sites.n;
	for (size_t i = 0; i < plan->sites.n; i++) {
		if (sites[i].addr == above)
			return -EEXIST;
		err = plan_site(plan, &sites[i], above);
		if (err)
			return err;
		above = sites[i].addr;
	}
	return plan->pieces.n ? make_areas(plan) : 0;
}

const struct probe_area *probe_plan_areas(const struct probe_plan *plan, size_t *count)
{
	*count = plan->areas.n;
	return plan->areas.data;
}

const struct probe_patch *probe_plan_patches(const struct probe_plan *plan, size_t *count)
{
	*count = plan->patches.n;
	return plan->patches.data;
}

const struct probe_stats *probe_plan_stats(const struct probe_plan *plan)
{
	return &plan->stats;
}

/* ---- lookups ---- */

static const struct site *find_site(const struct probe_plan *plan, uint64_t addr)
{
	struct site key = { .addr = addr };

	if (!plan->sites.n)
		return NULL;
	return bsearch(&key, plan->sites.data, plan->sites.n, sizeof(key), site_compare);
}

static const struct piece *find_piece(const struct probe_plan *plan, uint64_t pc)
{
	const struct piece *pieces = plan->pieces.data;
	size_t lo = 0;
	size_t hi = plan->pieces.n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (pieces[mid].addr + pieces[mid].len > pc)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo < plan->pieces.n && pieces[lo].addr <= pc ? &pieces[lo] : NULL;
}

int probe_plan_site(const struct probe_plan *plan, uint64_t site, struct probe_site_info *ret)
{
	const struct site *s = find_site(plan, site);

	if (!s)
		return -ENOENT;
	*ret = s->info;
	return 0;
}

int probe_plan_rule(const struct probe_plan *plan, uint64_t site, size_t rule, uint64_t *stop)
{
	const struct site *s = find_site(plan, site);
	const struct piece *pc =
		s && s->info.kind == PROBE_JUMP ? find_piece(plan, s->info.entry) : NULL;
	const struct probe_point *points = plan->points.data;

	for (size_t i = 0; pc && i < pc->npoints; i++) {
		const struct probe_point *p = &points[pc->points + i];

		if (p->is_stop && p->rule == rule) {
			*stop = pc->addr + p->offset;
			return 0;
		}
	}
	return -ENOENT;
}

int probe_plan_stop(const struct probe_plan *plan, uint64_t pc, uint64_t *site, int *rule)
{
	const struct piece *in = find_piece(plan, pc - 1);
	const struct probe_point *points = plan->points.data;
	const struct site *s;

	for (size_t i = 0; in && i < in->npoints; i++) {
		const struct probe_point *p = &points[in->points + i];

		if (p->is_stop && in->addr + p->offset == pc - 1) {
			*site = in->site;
			*rule = p->rule;
			return 0;
		}
	}
	s = find_site(plan, pc - 1);
	if (!s || s->info.kind != PROBE_INT3)
		return -ENOENT;
	*site = s->addr;
	*rule = -1;
	return 0;
}

int probe_plan_pc(const struct probe_plan *plan, uint64_t pc, struct probe_where *ret)
{
	const struct piece *in = find_piece(plan, pc);
	const struct probe_point *points = plan->points.data;

	if (!in)
		return -ENOENT;
	for (size_t i = 0; i < in->npoints; i++) {
		const struct probe_point *p = &points[in->points + i];

		if (in->addr + p->offset != pc)
			continue;
		*ret = (struct probe_where){
			.site = in->site,
			.addr = p->addr,
			.rsp_add = p->rsp_add,
			.rule = p->rule,
		};
		return 0;
	}
	return -EBUSY;
}
