/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * symbols_functions.c - compilation units and the functions in them
 *
 * The units' address ranges are read for a whole object at once (.debug_aranges
 * isn't used: clang leaves it out), the functions of a unit when a pc in it is
 * asked for.
 */
#include <dwarf.h>
#include <errno.h>
#include <string.h>

#include "symbols_internal.h"

static void add_cu(struct sym_object *o, size_t *cap, Dwarf_Die *die, Dwarf_Die *sub, uint64_t bias)
{
	Dwarf_Addr base, lo, hi;
	ptrdiff_t off = 0;
	struct sym_cu *c;

	if (sym_grow((void **)&o->cus, cap, o->n_cus + 1, sizeof(*o->cus)) < 0)
		return;
	c = &o->cus[o->n_cus];
	*c = (struct sym_cu){ .die = *die, .functions = *sub, .bias = bias };
	if (dwarf_lowpc(die, &c->low_pc) < 0)
		c->low_pc = 0;
	while ((off = dwarf_ranges(die, off, &base, &lo, &hi)) > 0)
		if (lo && sym_spans_add(&o->cu_spans, lo + bias, hi + bias, o->n_cus) < 0)
			return;
	o->n_cus++;
}

void sym_object_read_cus(struct sym_object *o)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Addr bias;
	Dwarf_Die die, sub;
	uint8_t type;
	size_t cap = 0;
	Dwarf *dw;

	if (o->cus_read)
		return;
	o->cus_read = true;
	dw = dwfl_module_getdwarf(o->mod, &bias);
	if (!dw)
		return;
	while (dwarf_get_units(dw, cu, &cu, NULL, &type, &die, &sub) == 0) {
		if (type == DW_UT_compile)
			sub = die;
		else if (type != DW_UT_skeleton)
			continue;
		else if (!sub.addr) /* its .dwo isn't there */
			sub = die;
		if (dwarf_tag(&die) == DW_TAG_compile_unit ||
		    dwarf_tag(&die) == DW_TAG_skeleton_unit)
			add_cu(o, &cap, &die, &sub, bias);
	}
	sym_spans_sort(&o->cu_spans);
}

struct sym_cu *sym_cu_at(struct sym_object *o, uint64_t vaddr)
{
	const struct sym_span *s;

	sym_object_read_cus(o);
	s = sym_spans_find(&o->cu_spans, vaddr);
	return s ? &o->cus[s->index] : NULL;
}

/* ---- functions of a unit ---- */

static void add_function(struct sym_cu *cu, Dwarf_Die *die)
{
	struct sym_funcs *f = &cu->funcs;
	Dwarf_Addr base, lo, hi, entry;
	Dwarf_Attribute attr;
	struct sym_func *s;
	ptrdiff_t off = 0;

	if (sym_grow((void **)&f->v, &f->cap, f->n + 1, sizeof(*f->v)) < 0)
		return;
	s = &f->v[f->n];
	*s = (struct sym_func){ 0 };
	while ((off = dwarf_ranges(die, off, &base, &lo, &hi)) > 0) {
		if (!lo || lo >= hi) /* dropped by the linker */
			continue;
		if (s->n_ranges < FRED_FUNCTION_RANGES)
			s->ranges[s->n_ranges++] =
				(struct sym_range){ lo + cu->bias, hi + cu->bias };
		if (sym_spans_add(&f->spans, lo + cu->bias, hi + cu->bias, f->n) < 0)
			return;
	}
	if (!s->n_ranges)
		return;
	/* as gdb: without DW_AT_entry_pc, the first part is the one with the entry */
	s->entry = s->ranges[0].lo;
	if (dwarf_hasattr(die, DW_AT_entry_pc) && dwarf_entrypc(die, &entry) == 0)
		s->entry = entry + cu->bias;
	s->name = dwarf_diename(die);
	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attr) ||
	    dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attr))
		s->linkage = dwarf_formstring(&attr);
	f->n++;
}

/* Adds the functions below die: only those within functions if deep, only others if not. */
static void walk(struct sym_cu *cu, Dwarf_Die *die, bool deep, bool in_function, int level)
{
	Dwarf_Die child;

	if (level > 64 || dwarf_child(die, &child) != 0)
		return;
	do {
		switch (dwarf_tag(&child)) {
		case DW_TAG_subprogram:
			/* the deep walk comes second and adds only what the first left out */
			if (in_function == deep)
				add_function(cu, &child);
			if (deep)
				walk(cu, &child, deep, true, level + 1);
			break;
		case DW_TAG_lexical_block:
			if (deep && in_function)
				walk(cu, &child, deep, in_function, level + 1);
			break;
		case DW_TAG_namespace:
		case DW_TAG_module:
		case DW_TAG_structure_type:
		case DW_TAG_class_type:
		case DW_TAG_union_type:
			walk(cu, &child, deep, in_function, level + 1);
			break;
		default:
			break;
		}
	} while (dwarf_siblingof(&child, &child) == 0);
}

/*
 * Functions within functions (GNU C, Ada, Pascal) cost a walk through all that
 * the functions contain, which is done only if the pc isn't in a plain one.
 */
static const struct sym_func *dwarf_function(struct sym_cu *cu, uint64_t vaddr)
{
	for (;;) {
		const struct sym_span *s = sym_spans_find(&cu->funcs.spans, vaddr);

		if (s)
			return &cu->funcs.v[s->index];
		if (cu->depth == SYM_DEEP)
			return NULL;
		walk(cu, &cu->functions, cu->depth == SYM_SHALLOW, false, 0);
		cu->depth++;
		sym_spans_sort(&cu->funcs.spans);
	}
}

/* ---- the question ---- */

static const struct sym_func *symbol_function(struct sym_object *o, uint64_t vaddr)
{
	const struct sym_span *s = sym_spans_find(&o->symbols.spans, vaddr);

	return s ? &o->symbols.v[s->index] : NULL;
}

/* The index of the first symbol at vaddr or after. */
static size_t symbols_after(const struct sym_funcs *f, uint64_t vaddr)
{
	size_t lo = 0, hi = f->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (f->v[mid].ranges[0].lo < vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The name of what starts at vaddr, or up to a byte later (__restore_rt's FDE). */
static const char *name_at(const struct sym_object *o, uint64_t vaddr)
{
	const struct sym_funcs *f = &o->symbols;
	size_t i = symbols_after(f, vaddr);

	return i < f->n && f->v[i].ranges[0].lo - vaddr <= 1 ? f->v[i].name : NULL;
}

/* Code that has lines, but whose symbol has no size: up to the next function or unit. Local
 * symbols may be labels within it. */
static bool sizeless_function(struct sym_object *o, uint64_t vaddr, struct sym_func *ret)
{
	const struct sym_funcs *f = &o->symbols;
	const struct sym_span *unit = sym_spans_find(&o->cu_spans, vaddr);
	size_t i = symbols_after(f, vaddr + 1);

	if (!unit)
		return false;
	while (i > 0 && !f->v[i - 1].global)
		i--;
	if (!i || f->v[i - 1].entry < unit->lo ||
	    f->v[i - 1].ranges[0].hi > f->v[i - 1].ranges[0].lo)
		return false;
	*ret = f->v[i - 1];
	while (i < f->n && !f->v[i].global && f->v[i].ranges[0].hi == f->v[i].ranges[0].lo)
		i++;
	ret->ranges[0].hi = i < f->n && f->v[i].entry < unit->hi ? f->v[i].entry : unit->hi;
	return vaddr < ret->ranges[0].hi;
}

static bool has_lines(struct fred_sym *sym, struct sym_object *o, const struct sym_func *f)
{
	uint32_t i;

	for (i = 0; i < f->n_ranges; i++) {
		struct sym_cu *cu = sym_cu_at(o, f->ranges[i].lo);
		size_t k;

		if (!cu)
			continue;
		sym_cu_read_lines(sym, o, cu);
		k = sym_stmts_after(&cu->stmts, f->ranges[i].lo);
		if (k < cu->stmts.n && cu->stmts.v[k].addr < f->ranges[i].hi)
			return true;
	}
	return false;
}

/*
 * The line of the function's head starts at its entry. Where that of its body does, too,
 * compilers say both, the head's without code. Assembly has no heads.
 */
static bool starts_body(struct fred_sym *sym, struct sym_object *o, uint64_t entry)
{
	struct sym_cu *cu = sym_cu_at(o, entry);
	size_t k;

	if (!cu)
		return false;
	sym_cu_read_lines(sym, o, cu);
	k = sym_stmts_after(&cu->stmts, entry);
	return k < cu->stmts.n && cu->stmts.v[k].addr == entry &&
	       (cu->stmts.v[k].again || dwarf_srclang(&cu->die) == DW_LANG_Mips_Assembler);
}

static void fill(struct fred_sym *sym, const struct sym_map *map, const struct sym_func *f,
		 enum fred_function_source source, struct fred_function *ret)
{
	uint32_t i, entry = 0;

	*ret = (struct fred_function){
		.name = sym_intern(sym, f->name),
		.linkage = sym_intern(sym, f->linkage),
		.entry = f->entry + map->bias,
		.source = source,
		.n_ranges = f->n_ranges,
		.has_lines = has_lines(sym, map->object, f),
		.starts_body = starts_body(sym, map->object, f->entry),
	};
	for (i = 0; i < f->n_ranges; i++) {
		ret->ranges[i].lo = f->ranges[i].lo + map->bias;
		ret->ranges[i].hi = f->ranges[i].hi + map->bias;
		if (f->entry >= f->ranges[i].lo && f->entry < f->ranges[i].hi)
			entry = i;
	}
	if (entry) {
		struct fred_range r = ret->ranges[0];

		ret->ranges[0] = ret->ranges[entry];
		ret->ranges[entry] = r;
	}
}

int fred_sym_function(struct fred_sym *sym, uint64_t pc, struct fred_function *ret)
{
	const struct sym_map *map = sym_map_at(sym, pc);
	struct sym_func f = { .n_ranges = 1 };
	const struct sym_func *found;
	const struct sym_span *s;
	struct sym_object *o;
	struct sym_cu *cu;
	uint64_t vaddr;

	if (!map || !map->object)
		return -ENOENT;
	o = map->object;
	vaddr = pc - map->bias;
	cu = sym_cu_at(o, vaddr);
	found = cu ? dwarf_function(cu, vaddr) : NULL;
	if (found) {
		fill(sym, map, found, FRED_FUNCTION_DWARF, ret);
		return 0;
	}

	sym_object_read_symbols(o);
	s = sym_spans_find(&o->plt, vaddr);
	if (s) {
		f.entry = s->lo + (vaddr - s->lo) / s->index * s->index;
		f.ranges[0] = (struct sym_range){ f.entry, f.entry + s->index };
		if (f.ranges[0].hi > s->hi)
			f.ranges[0].hi = s->hi;
		fill(sym, map, &f, FRED_FUNCTION_PLT, ret);
		return 0;
	}
	found = symbol_function(o, vaddr);
	if (found) {
		fill(sym, map, found, FRED_FUNCTION_SYMBOL, ret);
		return 0;
	}

	sym_object_read_fdes(o);
	s = sym_spans_find(&o->fdes, vaddr);
	if (!s && sizeless_function(o, vaddr, &f)) {
		fill(sym, map, &f, FRED_FUNCTION_SYMBOL, ret);
		return 0;
	}
	if (!s)
		return -ENOENT;
	f.name = name_at(o, s->lo);
	f.entry = s->lo;
	f.ranges[0] = (struct sym_range){ s->lo, s->hi };
	fill(sym, map, &f, FRED_FUNCTION_FDE, ret);
	return 0;
}
