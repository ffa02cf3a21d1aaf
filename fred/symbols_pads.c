/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * symbols_pads.c - where exceptions lead within a function
 *
 * A function's FDE names a table (its LSDA, in .gcc_except_table), which says of each
 * stretch of code where an exception that comes out of it goes on. The format is that of
 * the Itanium C++ ABI's exception handling, which other languages' compilers use as well.
 */
#include <dwarf.h>
#include <errno.h>
#include <string.h>

#include "symbols_internal.h"

struct pads {
	struct fred_pad *v;
	size_t n, room;
};

static bool take_byte(const uint8_t **p, const uint8_t *end, unsigned int *ret)
{
	if (*p >= end)
		return false;
	*ret = *(*p)++;
	return true;
}

static bool take_uleb(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
	unsigned int b, shift = 0;

	*ret = 0;
	do {
		if (shift > 63 || !take_byte(p, end, &b))
			return false;
		*ret |= (uint64_t)(b & 0x7f) << shift;
		shift += 7;
	} while (b & 0x80);
	return true;
}

/* A number of the table: as pointers are, or an LEB128. */
static bool take_number(const struct sym_eh *d, const uint8_t **p, const uint8_t *end,
			unsigned int enc, uint64_t *ret)
{
	return enc == DW_EH_PE_uleb128 ? take_uleb(p, end, ret) : sym_encoded(d, p, end, enc, ret);
}

/* The encodings 'R' and 'L' of a CIE; *lsda DW_EH_PE_omit: its functions have no tables. */
static bool read_cie(const struct sym_eh *d, Dwarf_Off off, unsigned int *fde, unsigned int *lsda)
{
	const uint8_t *p, *end;
	Dwarf_CFI_Entry e;
	Dwarf_Off next;
	unsigned int enc;
	uint64_t ignored;

	*fde = DW_EH_PE_absptr;
	*lsda = DW_EH_PE_omit;
	if (dwarf_next_cfi(d->ident, d->data, true, off, &next, &e) || e.CIE_id != DW_CIE_ID_64)
		return false;
	p = e.cie.augmentation_data;
	if (!e.cie.augmentation || *e.cie.augmentation != 'z' || !p)
		return true;
	end = p + e.cie.augmentation_data_size;
	for (const char *a = e.cie.augmentation + 1; *a; a++) {
		if (*a != 'R' && *a != 'L' && *a != 'P')
			continue;
		if (!take_byte(&p, end, &enc))
			return false;
		if (*a == 'R')
			*fde = enc;
		else if (*a == 'L')
			*lsda = enc;
		else if (!sym_encoded(d, &p, end, enc & 15, &ignored))
			return false;
	}
	return true;
}

/* The address of the table of the FDE at off, and where its function begins; 0: none. */
static bool read_fde(const struct sym_eh *d, Dwarf_Off off, uint64_t *begin, uint64_t *lsda)
{
	unsigned int enc, lsda_enc;
	Dwarf_CFI_Entry e;
	Dwarf_Off next;
	const uint8_t *p, *at;
	uint64_t len;

	*lsda = 0;
	if (dwarf_next_cfi(d->ident, d->data, true, off, &next, &e) || e.CIE_id == DW_CIE_ID_64 ||
	    !read_cie(d, e.fde.CIE_pointer, &enc, &lsda_enc))
		return false;
	if (lsda_enc == DW_EH_PE_omit)
		return true;
	p = e.fde.start;
	if (!sym_encoded(d, &p, e.fde.end, enc, begin) ||
	    !sym_encoded(d, &p, e.fde.end, enc & 15, &len) || !take_uleb(&p, e.fde.end, &len))
		return false;
	at = p;
	/* Zeros stay 0, whatever they would be relative to. */
	if (!sym_encoded(d, &p, e.fde.end, lsda_enc & 15, lsda))
		return false;
	return !*lsda || sym_encoded(d, &at, e.fde.end, lsda_enc, lsda);
}

static int add_pad(struct pads *ps, uint64_t lo, uint64_t hi, uint64_t pad)
{
	if (sym_grow((void **)&ps->v, &ps->room, ps->n + 1, sizeof(*ps->v)) < 0)
		return -ENOMEM;
	ps->v[ps->n++] = (struct fred_pad){ lo, hi, pad };
	return 0;
}

/* The table at lsda of the function at begin, which is mapped `bias' further up. */
static int read_table(struct sym_object *o, uint64_t begin, uint64_t lsda, uint64_t bias,
		      struct pads *ps)
{
	struct sym_eh d = { 0 };
	const uint8_t *p, *end;
	unsigned int enc;
	uint64_t base = begin, len, from, size, pad, action;
	int err = 0;

	if (!sym_eh_section(o->elf, ".gcc_except_table", &d) || lsda < d.vaddr ||
	    lsda - d.vaddr >= d.data->d_size)
		return -ENOENT;
	p = (const uint8_t *)d.data->d_buf + (lsda - d.vaddr);
	end = (const uint8_t *)d.data->d_buf + d.data->d_size;
	if (!take_byte(&p, end, &enc) ||
	    (enc != DW_EH_PE_omit && !take_number(&d, &p, end, enc, &base)) ||
	    !take_byte(&p, end, &enc) || (enc != DW_EH_PE_omit && !take_uleb(&p, end, &len)) ||
	    !take_byte(&p, end, &enc) || !take_uleb(&p, end, &len) || len > (uint64_t)(end - p))
		return -ENOENT;
	end = p + len;
	while (p < end && !err) {
		if (!take_number(&d, &p, end, enc, &from) ||
		    !take_number(&d, &p, end, enc, &size) || !take_number(&d, &p, end, enc, &pad) ||
		    !take_uleb(&p, end, &action))
			return -ENOENT;
		if (pad)
			err = add_pad(ps, begin + from + bias, begin + from + size + bias,
				      base + pad + bias);
	}
	return err;
}

/* Those of the part of a function that begins at pc. */
static int add_pads(struct fred_sym *sym, uint64_t pc, struct pads *ps)
{
	const struct sym_map *map = sym_map_at(sym, pc);
	struct sym_eh d = { .eh_frame = true };
	const struct sym_span *span;
	uint64_t begin, lsda;

	if (!map || !map->object || !map->object->elf)
		return -ENOENT;
	sym_object_read_fdes(map->object);
	span = sym_spans_find(&map->object->fdes, pc - map->bias);
	if (!span) /* no exception comes through it */
		return 0;
	/* (What only .debug_frame describes has no tables, unless .eh_frame does, too.) */
	if (!span->index)
		return sym_eh_section(map->object->elf, ".gcc_except_table", &d) ? -ENOENT : 0;
	if (!sym_eh_section(map->object->elf, ".eh_frame", &d) ||
	    !read_fde(&d, span->index, &begin, &lsda))
		return -ENOENT;
	return lsda ? read_table(map->object, begin, lsda, map->bias, ps) : 0;
}

int fred_sym_pads(struct fred_sym *sym, const struct fred_function *f, struct fred_pad **ret,
		  size_t *n)
{
	struct pads ps = { 0 };
	int err = 0;

	for (size_t k = 0; !err && k < f->n_ranges; k++)
		err = add_pads(sym, f->ranges[k].lo, &ps);
	if (err) {
		free(ps.v);
		ps = (struct pads){ 0 };
	}
	*ret = ps.v;
	*n = ps.n;
	return err;
}
