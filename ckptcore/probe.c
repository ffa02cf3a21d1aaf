/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Probes in a puppet: makes a plan (arch/x86_64/probe_code.h), applies it to
 * the puppet's memory and takes it out again. Counts are cells in a page of
 * ours that every copy has.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "ckptcore/probe.h"

#define CELLS (CKPT_PAGE + 4096)
#define SCRATCH CKPT_PAGE
#define HEAP_ROOM (256ull << 20)
#define STACK_ROOM (64ull << 20)

struct ckpt_probes {
	struct probe_plan *plan; /* NULL: none of the sites is mapped */
	struct ckpt_rule *rules; /* sorted by site, in given order */
	size_t n;
	bool generated; /* some are in memory into which the program may write code */
};

static uint64_t cell_addr(unsigned int cell)
{
	assert(cell < CKPT_MAX_CELLS);
	return CELLS + cell * 8ull;
}

int ckpt_cell_set(struct ckpt_task *p, unsigned int cell, uint64_t value)
{
	return ckpt_write(p, cell_addr(cell), &value, 8);
}

uint64_t ckpt_cell_get(struct ckpt_task *p, unsigned int cell)
{
	uint64_t value = 0;

	return ckpt_read(p, cell_addr(cell), &value, 8) ? 0 : value;
}

int ckpt_cells_reset(struct ckpt_task *p, unsigned int first, unsigned int n)
{
	static uint64_t never[CKPT_MAX_CELLS];

	assert(first + n <= CKPT_MAX_CELLS);
	if (!never[0])
		for (size_t i = 0; i < CKPT_MAX_CELLS; i++)
			never[i] = CKPT_NEVER;
	return n ? ckpt_write(p, cell_addr(first), never, n * 8ull) : 0;
}

/* ---------------------------------------------------------------- planning */

static int read_original(void *ctx, uint64_t addr, void *buf, size_t len)
{
	return ckpt_read(ctx, addr, buf, len);
}

static int by_lo(const void *a, const void *b)
{
	const struct probe_range *x = a, *y = b;

	return x->lo < y->lo ? -1 : x->lo > y->lo;
}

/* Where no trampoline may be: what is mapped, and what the rest of the log
 * will map. *ret is the caller's. */
static int occupied(struct ckpt_task *p, const struct ckpt_map *maps, size_t nmaps,
		    struct probe_range **ret, size_t *ret_n)
{
	struct ckpt_timeline *tl = p->timeline;
	struct probe_range *r, heap = { ~0ull, 0 };
	size_t n = nmaps, out = 0;
	uint64_t i;

	for (i = p->play->event; (i = ckpt_log_next_map(tl, i)) < tl->nevents; i++)
		n++;
	r = calloc(n + 2, sizeof(*r));
	if (!r)
		return -ENOMEM;
	for (n = 0; n < nmaps; n++) {
		r[n] = (struct probe_range){ maps[n].lo, maps[n].hi };
		if (!strcmp(maps[n].name, "[heap]"))
			r[n].hi += HEAP_ROOM;
		if (!strcmp(maps[n].name, "[stack]") && r[n].lo > STACK_ROOM)
			r[n].lo -= STACK_ROOM;
	}
	for (i = tl->log_begin; (i = ckpt_log_next_map(tl, i)) < tl->nevents; i++) {
		const struct ckpt_event ev = ckpt_log_event(tl, i);

		if (ev.nr == SYS_brk) {
			heap.lo = (uint64_t)ev.result < heap.lo ? (uint64_t)ev.result & ~4095ull :
								  heap.lo;
			heap.hi = (uint64_t)ev.result > heap.hi ? (uint64_t)ev.result : heap.hi;
		}
	}
	if (heap.lo < heap.hi)
		r[n++] = (struct probe_range){ heap.lo, heap.hi + HEAP_ROOM };
	for (i = p->play->event; (i = ckpt_log_next_map(tl, i)) < tl->nevents; i++) {
		const struct ckpt_event ev = ckpt_log_event(tl, i);
		uint64_t len = ev.nr == SYS_mmap ? ev.args[1] : ev.args[2];

		if (ev.result > 0 && (ev.nr == SYS_mmap || ev.nr == SYS_mremap))
			r[n++] = (struct probe_range){ (uint64_t)ev.result & ~4095ull,
						       ((uint64_t)ev.result + len + 4095) &
							       ~4095ull };
	}
	qsort(r, n, sizeof(*r), by_lo);
	for (size_t k = 0; k < n; k++) {
		if (r[k].hi > 0x7ffffffff000ull)
			r[k].hi = 0x7ffffffff000ull;
		if (r[k].lo >= r[k].hi)
			continue; /* the vsyscall page */
		if (out && r[k].lo <= r[out - 1].hi) {
			if (r[k].hi > r[out - 1].hi)
				r[out - 1].hi = r[k].hi;
		} else {
			r[out++] = r[k];
		}
	}
	*ret = r;
	*ret_n = out;
	return 0;
}

static int by_site(const void *a, const void *b)
{
	const struct ckpt_rule *x = a, *y = b;

	if (x->site != y->site)
		return x->site < y->site ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* What is mapped at site, if that is code; else NULL. */
static const struct ckpt_map *code_at(const struct ckpt_map *maps, size_t n, uint64_t site)
{
	for (size_t i = 0; i < n; i++)
		if (site >= maps[i].lo && site < maps[i].hi)
			return maps[i].x ? &maps[i] : NULL;
	return NULL;
}

/* Adds the sites that are code at this time of the program. */
static int add_sites(struct ckpt_probes *ps, const struct ckpt_map *maps, size_t nmaps,
		     size_t *added)
{
	struct probe_rule rules[PROBE_MAX_RULES];
	const struct ckpt_map *map;
	size_t i = 0;

	*added = 0;
	while (i < ps->n) {
		size_t k = 0;
		int err;

		while (i + k < ps->n && ps->rules[i + k].site == ps->rules[i].site &&
		       k < PROBE_MAX_RULES) {
			const struct ckpt_rule *r = &ps->rules[i + k];

			rules[k++] = (struct probe_rule){ r->conds, r->nconds, cell_addr(r->cell),
							  r->cheap };
		}
		map = code_at(maps, nmaps, ps->rules[i].site);
		if (map) {
			ps->generated |= map->w;
			err = probe_plan_add(ps->plan, ps->rules[i].site, rules, k);
			if (err)
				return err;
			(*added)++;
		}
		i += k;
	}
	return 0;
}

static void free_probes(struct ckpt_probes *ps)
{
	if (!ps)
		return;
	probe_plan_destroy(ps->plan);
	for (size_t i = 0; i < ps->n; i++)
		free(ps->rules[i].conds);
	free(ps->rules);
	free(ps);
}

static int copy_rules(const struct ckpt_rule *rules, size_t n, struct ckpt_probes **ret)
{
	struct ckpt_probes *ps = calloc(1, sizeof(*ps));

	if (!ps)
		return -ENOMEM;
	ps->rules = calloc(n + 1, sizeof(*ps->rules));
	for (size_t i = 0; ps->rules && i < n; i++) {
		ps->rules[i] = rules[i];
		ps->rules[i].order = i;
		ps->rules[i].conds = calloc(rules[i].nconds + 1, sizeof(struct probe_cond));
		ps->n = i + 1;
		if (!ps->rules[i].conds)
			break;
		if (rules[i].nconds)
			memcpy(ps->rules[i].conds, rules[i].conds,
			       rules[i].nconds * sizeof(struct probe_cond));
	}
	if (!ps->rules || ps->n < n || !ps->rules[n - 1].conds) {
		free_probes(ps);
		return -ENOMEM;
	}
	qsort(ps->rules, n, sizeof(*ps->rules), by_site);
	*ret = ps;
	return 0;
}

/* ------------------------------------------------------- in and out of it */

/* Makes the plan for the sites that are mapped now. */
static int make_plan(struct ckpt_task *p, struct ckpt_probes *ps)
{
	struct probe_config config = { .read = read_original, .ctx = p, .scratch = SCRATCH };
	struct probe_range *ranges = NULL;
	struct ckpt_map *maps;
	size_t nmaps, added = 0;
	int err = ckpt_maps(p->tgid, &maps, &nmaps);

	if (err)
		return err;
	err = occupied(p, maps, nmaps, &ranges, &config.noccupied);
	config.occupied = ranges;
	if (!err)
		err = probe_plan_create(&config, &ps->plan);
	if (!err)
		err = add_sites(ps, maps, nmaps, &added);
	if (!err && added)
		err = probe_plan_build(ps->plan);
	if (err || !added) {
		probe_plan_destroy(ps->plan);
		ps->plan = NULL;
	}
	free(ranges);
	free(maps);
	return err;
}

static int plant(struct ckpt_task *p, struct ckpt_probes *ps)
{
	const struct probe_area *areas;
	const struct probe_patch *patches;
	size_t count;
	long res;
	int err = make_plan(p, ps);

	if (err || !ps->plan)
		return err;
	areas = probe_plan_areas(ps->plan, &count);
	for (size_t i = 0; !err && i < count; i++) {
		err = ckpt_inject(p, &res, SYS_mmap, areas[i].addr, areas[i].len,
				  PROT_READ | PROT_EXEC,
				  MAP_FIXED_NOREPLACE | MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1,
				  0);
		if (!err && res < 0)
			err = (int)res;
		if (!err)
			err = ckpt_write(p, areas[i].addr, areas[i].bytes, areas[i].len);
	}
	patches = probe_plan_patches(ps->plan, &count);
	for (size_t i = 0; !err && i < count; i++)
		err = ckpt_write(p, patches[i].addr, patches[i].new_bytes, patches[i].len);
	return err;
}

static bool has_bytes(struct ckpt_task *p, const struct probe_patch *patch, const uint8_t *bytes)
{
	uint8_t now[sizeof(patch->new_bytes)];

	return !ckpt_read(p, patch->addr, now, patch->len) && !memcmp(now, bytes, patch->len);
}

static bool is_planted(struct ckpt_task *p, const struct probe_patch *patch)
{
	return has_bytes(p, patch, patch->new_bytes);
}

static void uproot(struct ckpt_task *p, struct ckpt_probes *ps)
{
	const struct probe_area *areas;
	const struct probe_patch *patches;
	size_t count;
	long res;

	if (!ps->plan)
		return;
	patches = probe_plan_patches(ps->plan, &count);
	for (size_t i = 0; p->state != CKPT_DEAD && i < count; i++) {
		if (ps->generated && !is_planted(p, &patches[i]))
			continue; /* the program has written other code there */
		if (ckpt_write(p, patches[i].addr, patches[i].old_bytes, patches[i].len))
			break; /* it is being killed */
	}
	areas = probe_plan_areas(ps->plan, &count);
	for (size_t i = 0; p->state != CKPT_DEAD && i < count; i++)
		if (ckpt_inject(p, &res, SYS_munmap, areas[i].addr, areas[i].len, 0, 0, 0, 0))
			break;
	probe_plan_destroy(ps->plan);
	ps->plan = NULL;
}

int ckpt_probes_install(struct ckpt_task *p, const struct ckpt_rule *rules, size_t n)
{
	struct ckpt_probes *ps = NULL;
	int err;

	assert(!p->play->probes);
	if (!n)
		return 0;
	err = copy_rules(rules, n, &ps);
	if (!err)
		err = plant(p, ps);
	if (err) {
		free_probes(ps); /* the caller throws the puppet away */
		return err;
	}
	p->play->probes = ps;
	return 0;
}

void ckpt_probes_remove(struct ckpt_task *p)
{
	struct ckpt_probes *ps = p->play->probes;

	if (!ps)
		return;
	p->play->probes = NULL;
	p->play->at_site = 0;
	uproot(p, ps);
	free_probes(ps);
}

int ckpt_probes_renew(struct ckpt_task *p)
{
	struct ckpt_probes *ps = p->play->probes;
	const struct probe_patch *patches;
	size_t n = 0, i = 0;

	if (!ps || !ps->plan || !ps->generated)
		return 0;
	patches = probe_plan_patches(ps->plan, &n);
	while (i < n && is_planted(p, &patches[i]))
		i++;
	if (i == n)
		return 0;
	uproot(p, ps);
	return plant(p, ps);
}

/* The index of the first rule at or behind addr. */
static size_t first_rule(const struct ckpt_probes *ps, uint64_t addr)
{
	size_t lo = 0, hi = ps->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (ps->rules[mid].site < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool has_sites(const struct ckpt_probes *ps, uint64_t addr, uint64_t len)
{
	size_t i = first_rule(ps, addr & ~4095ull);

	return i < ps->n && ps->rules[i].site - (addr & ~4095ull) < (len + 8191) / 4096 * 4096;
}

/* Whether ev changes what is mapped where a rule has its site. */
static bool remaps(const struct ckpt_probes *ps, const struct ckpt_event *ev)
{
	if (ev->kind != CKPT_EV_CALL || ckpt_interrupted(ev->result) || ev->result < 0)
		return false;
	switch (ev->nr) {
	case SYS_mmap:
		return has_sites(ps, (uint64_t)ev->result, ev->args[1]);
	case SYS_munmap:
	case SYS_mprotect:
	case SYS_pkey_mprotect:
		return has_sites(ps, ev->args[0], ev->args[1]);
	case SYS_mremap:
		return has_sites(ps, ev->args[0], ev->args[1]) ||
		       has_sites(ps, (uint64_t)ev->result, ev->args[2]);
	default:
		return false;
	}
}

bool ckpt_probes_yield(struct ckpt_task *p, const struct ckpt_event *ev)
{
	if (!p->play->probes || !remaps(p->play->probes, ev))
		return false;
	uproot(p, p->play->probes);
	return true;
}

int ckpt_probes_return(struct ckpt_task *p)
{
	return plant(p, p->play->probes);
}

/* ------------------------------------------------------------------- stops */

static bool holds(struct ckpt_task *p, const struct ckpt_rule *r)
{
	struct ckpt_general g = ckpt_general_of(ckpt_regs(p));

	for (size_t i = 0; i < r->nconds; i++) {
		const struct probe_cond *c = &r->conds[i];
		uint64_t v;

		if (c->what == PROBE_MEM) {
			if (ckpt_read(p, c->addr, &v, 8))
				return false;
		} else {
			v = g.r[c->what];
		}
		if (v != c->value)
			return false;
	}
	return true;
}

static struct ckpt_rule *rule_at(struct ckpt_probes *ps, uint64_t site, size_t index)
{
	size_t i = first_rule(ps, site) + index;

	return i < ps->n && ps->rules[i].site == site ? &ps->rules[i] : NULL;
}

bool ckpt_probe_site_of(struct ckpt_task *p, uint64_t pc, uint64_t *site, int *rule)
{
	const struct ckpt_probes *ps = p->play->probes;

	return ps && ps->plan && !probe_plan_stop(ps->plan, pc, site, rule);
}

/* At an int3 probe we are the trampoline: evaluates the rules from `from` on;
 * the index of the one whose cell came to 0, or -1. */
int ckpt_probe_evaluate(struct ckpt_task *p, uint64_t site, size_t from)
{
	struct ckpt_rule *r;

	for (size_t k = from; (r = rule_at(p->play->probes, site, k)); k++) {
		uint64_t value;

		if (!holds(p, r))
			continue;
		value = ckpt_cell_get(p, r->cell) - 1;
		ckpt_cell_set(p, r->cell, value);
		if (value == 0)
			return (int)k;
	}
	return -1;
}

unsigned int ckpt_probe_cell(struct ckpt_task *p, uint64_t site, size_t rule)
{
	return rule_at(p->play->probes, site, rule)->cell;
}

bool ckpt_probe_resume(struct ckpt_task *p, uint64_t site, uint64_t *resume, uint64_t *stop_resume,
		       int rule)
{
	struct probe_site_info info;
	uint64_t at;

	*resume = *stop_resume = 0;
	if (!p->play->probes->plan || probe_plan_site(p->play->probes->plan, site, &info))
		return false;
	*resume = info.resume;
	if (rule >= 0 && info.kind == PROBE_JUMP &&
	    !probe_plan_rule(p->play->probes->plan, site, (size_t)rule, &at))
		*stop_resume = at + 1;
	return info.kind == PROBE_JUMP;
}

bool ckpt_probe_is_site(struct ckpt_task *p, uint64_t addr)
{
	struct probe_site_info info;

	return p->play->probes && p->play->probes->plan &&
	       !probe_plan_site(p->play->probes->plan, addr, &info);
}

int ckpt_probe_original(struct ckpt_task *p, uint64_t site, bool in)
{
	const struct ckpt_probes *ps = p->play->probes;
	const struct probe_patch *patches;
	size_t n, i = 0;

	if (!ps->plan)
		return -ENOENT;
	patches = probe_plan_patches(ps->plan, &n);
	while (i < n && patches[i].addr != site)
		i++;
	if (i == n || (!in && ps->generated && !is_planted(p, &patches[i])))
		return -ENOENT;
	if (in && ps->generated && !has_bytes(p, &patches[i], patches[i].old_bytes))
		return 0; /* the program's own code is there by now */
	return ckpt_write(p, site, in ? patches[i].new_bytes : patches[i].old_bytes,
			  patches[i].len);
}

void ckpt_probes_mask(const struct ckpt_task *p, uint64_t addr, uint8_t *buf, size_t len)
{
	const struct ckpt_probes *ps = p->play ? p->play->probes : NULL;
	const struct probe_patch *patches;
	size_t n = 0;

	if (!ps || !ps->plan)
		return;
	patches = probe_plan_patches(ps->plan, &n);
	for (size_t i = 0; i < n; i++)
		for (uint64_t k = 0, at; k < patches[i].len; k++) {
			at = patches[i].addr + k - addr;
			if (at < len && buf[at] == patches[i].new_bytes[k])
				buf[at] = patches[i].old_bytes[k];
		}
}

int ckpt_probe_where(struct ckpt_task *p, uint64_t pc, struct probe_where *ret)
{
	const struct ckpt_probes *ps = p->play->probes;

	return ps && ps->plan ? probe_plan_pc(ps->plan, pc, ret) : -ENOENT;
}

void ckpt_probes_forget(struct ckpt_task *p)
{
	free_probes(p->play->probes);
	p->play->probes = NULL;
}
