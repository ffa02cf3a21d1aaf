/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * symbols_elf.c - functions without DWARF: ELF symbols, the PLT, and the bounds
 * that call frame information (FDEs) gives to code that has nothing else
 */
#include <dwarf.h>
#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <string.h>

#include "symbols_internal.h"

/* ---- symbols ---- */

struct candidate {
	uint64_t addr, size;
	const char *name;
	uint8_t bind;
};

static unsigned int underscores(const char *s)
{
	return strspn(s, "_");
}

/* By address; among aliases, the best name first: sized, global, plain. */
static int candidate_cmp(const void *pa, const void *pb)
{
	static const uint8_t rank[16] = {
		[STB_GLOBAL] = 0,
		[STB_GNU_UNIQUE] = 0,
		[STB_WEAK] = 1,
		[STB_LOCAL] = 2,
	};
	const struct candidate *a = pa, *b = pb;

	if (a->addr != b->addr)
		return a->addr < b->addr ? -1 : 1;
	if (a->size != b->size)
		return a->size > b->size ? -1 : 1;
	if (rank[a->bind & 15] != rank[b->bind & 15])
		return (int)rank[a->bind & 15] - (int)rank[b->bind & 15];
	if (underscores(a->name) != underscores(b->name))
		return (int)underscores(a->name) - (int)underscores(b->name);
	return strcmp(a->name, b->name);
}

static bool candidate_get(struct sym_object *o, int i, struct candidate *ret)
{
	GElf_Sym s;
	GElf_Addr addr;
	GElf_Word shndx;
	const char *name = dwfl_module_getsym_info(o->mod, i, &s, &addr, &shndx, NULL, NULL);
	unsigned int type;
	size_t k;

	if (!name || !*name || shndx == SHN_UNDEF || shndx == (GElf_Word)-1 || shndx == SHN_ABS)
		return false;
	type = GELF_ST_TYPE(s.st_info);
	if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE)
		return false;
	for (k = 0; k < o->n_loads; k++)
		if (addr - o->loads[k].vaddr < o->loads[k].filesz)
			break;
	if (k == o->n_loads)
		return false;
	*ret = (struct candidate){ addr, s.st_size, name, GELF_ST_BIND(s.st_info) };
	return true;
}

static int name_cmp(const void *pa, const void *pb)
{
	const struct candidate *a = pa, *b = pb;

	return strcmp(a->name, b->name);
}

/* The one address that name stands for among n candidates by name; 0: none or several. */
static uint64_t address_of(const struct candidate *by_name, size_t n, const char *name)
{
	const struct candidate key = { .name = name }, *hit, *i;

	hit = bsearch(&key, by_name, n, sizeof(*by_name), name_cmp);
	if (!hit)
		return 0;
	for (i = hit; i >= by_name && !strcmp(i->name, name); i--)
		if (i->addr != hit->addr)
			return 0;
	for (i = hit; i < by_name + n && !strcmp(i->name, name); i++)
		if (i->addr != hit->addr)
			return 0;
	return hit->addr;
}

static struct sym_func *symbol_from(const struct sym_funcs *f, uint64_t addr)
{
	const struct sym_span *s = sym_spans_find(&f->spans, addr);

	return s && f->v[s->index].entry == addr ? &f->v[s->index] : NULL;
}

/*
 * "f.cold" is a part of f that gcc moved away. They are joined when there is
 * only one f (static functions of different files may have one name). Sorts c.
 */
static void join_cold_parts(struct sym_funcs *f, struct candidate *c, size_t n)
{
	size_t i;

	qsort(c, n, sizeof(*c), name_cmp);
	for (i = 0; i < n; i++) {
		const char *dot = strstr(c[i].name, ".cold");
		_cleanup_free_ char *name = NULL;
		struct sym_func *cold, *hot;
		uint64_t addr;

		if (!dot || address_of(c, n, c[i].name) != c[i].addr)
			continue;
		name = strndup(c[i].name, dot - c[i].name);
		addr = name ? address_of(c, n, name) : 0;
		cold = symbol_from(f, c[i].addr);
		hot = addr ? symbol_from(f, addr) : NULL;
		if (!cold || !hot || cold == hot || hot->n_ranges != 1 || cold->n_ranges != 1)
			continue;
		hot->ranges[hot->n_ranges++] = cold->ranges[0];
		*cold = *hot;
	}
}

static void read_plt(struct sym_object *o)
{
	Elf_Scn *scn = NULL;
	size_t shstrndx;

	if (elf_getshdrstrndx(o->elf, &shstrndx) < 0)
		return;
	while ((scn = elf_nextscn(o->elf, scn))) {
		GElf_Shdr sh;
		const char *name;

		if (!gelf_getshdr(scn, &sh) || !(sh.sh_flags & SHF_EXECINSTR))
			continue;
		name = elf_strptr(o->elf, shstrndx, sh.sh_name);
		if (!name || strncmp(name, ".plt", 4) || (name[4] && name[4] != '.'))
			continue;
		/* some linkers leave the entry size at 0, as for static programs */
		if (sh.sh_entsize != 8 && sh.sh_entsize != 16)
			sh.sh_entsize = sh.sh_addralign == 8 ? 8 : 16;
		if (sym_spans_add(&o->plt, sh.sh_addr, sh.sh_addr + sh.sh_size, sh.sh_entsize) < 0)
			return;
	}
	sym_spans_sort(&o->plt);
}

/*
 * Symbols without a size (assembly) stay in the table with an empty range: they
 * name an FDE that starts there, or are taken up to the next one.
 */
void sym_object_read_symbols(struct sym_object *o)
{
	_cleanup_free_ struct candidate *c = NULL;
	struct sym_funcs *f = &o->symbols;
	size_t n = 0, i;
	int total, k;

	if (o->symbols_read)
		return;
	o->symbols_read = true;
	read_plt(o);
	total = dwfl_module_getsymtab(o->mod);
	if (total <= 0)
		return;
	c = calloc(total, sizeof(*c));
	if (!c)
		return;
	for (k = 0; k < total; k++)
		n += candidate_get(o, k, &c[n]);
	qsort(c, n, sizeof(*c), candidate_cmp);
	f->v = calloc(n ? n : 1, sizeof(*f->v));
	if (!f->v)
		return;
	for (i = 0; i < n; i++) {
		struct sym_func *s;

		if (i && c[i].addr == c[i - 1].addr)
			continue;
		s = &f->v[f->n++];
		s->name = c[i].name;
		s->entry = c[i].addr;
		s->global = c[i].bind != STB_LOCAL;
		s->n_ranges = 1;
		s->ranges[0] = (struct sym_range){ c[i].addr, c[i].addr + c[i].size };
	}
	for (i = 0; i < f->n; i++)
		if (sym_spans_add(&f->spans, f->v[i].ranges[0].lo, f->v[i].ranges[0].hi, i) < 0)
			break;
	sym_spans_sort(&f->spans);
	join_cold_parts(f, c, n);
}

/* ---- FDEs ---- */

static bool take(const uint8_t **p, const uint8_t *end, void *v, size_t n)
{
	if ((size_t)(end - *p) < n)
		return false;
	memcpy(v, *p, n);
	*p += n;
	return true;
}

bool sym_encoded(const struct sym_eh *d, const uint8_t **p, const uint8_t *end, unsigned int enc,
		 uint64_t *ret)
{
	uint64_t at = d->vaddr + (*p - (const uint8_t *)d->data->d_buf);
	int16_t s2;
	int32_t s4;
	uint16_t u2;
	uint32_t u4;

	switch (enc & 15) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		if (!take(p, end, ret, 8))
			return false;
		break;
	case DW_EH_PE_udata2:
		if (!take(p, end, &u2, 2))
			return false;
		*ret = u2;
		break;
	case DW_EH_PE_udata4:
		if (!take(p, end, &u4, 4))
			return false;
		*ret = u4;
		break;
	case DW_EH_PE_sdata2:
		if (!take(p, end, &s2, 2))
			return false;
		*ret = (int64_t)s2;
		break;
	case DW_EH_PE_sdata4:
		if (!take(p, end, &s4, 4))
			return false;
		*ret = (int64_t)s4;
		break;
	default:
		return false;
	}
	if ((enc & 0x70) == DW_EH_PE_pcrel)
		*ret += at;
	else if ((enc & 0x70) != DW_EH_PE_absptr)
		return false;
	return true;
}

/* The 'R' encoding of a CIE's augmentation "zPLRS". */
static unsigned int cie_encoding(const struct sym_eh *d, const Dwarf_CIE *cie)
{
	const uint8_t *p = cie->augmentation_data;
	const uint8_t *end = p ? p + cie->augmentation_data_size : NULL;
	const char *a = cie->augmentation;
	uint64_t ignored;

	if (!d->eh_frame || !a || *a != 'z' || !p)
		return DW_EH_PE_absptr;
	for (a++; *a; a++) {
		switch (*a) {
		case 'R':
			return p < end ? *p : DW_EH_PE_omit;
		case 'L':
			p++;
			break;
		case 'P':
			if (p >= end)
				return DW_EH_PE_omit;
			p++;
			if (!sym_encoded(d, &p, end, p[-1] & 15, &ignored))
				return DW_EH_PE_omit;
			break;
		}
	}
	return DW_EH_PE_absptr;
}

static void read_fdes(struct sym_object *o, const struct sym_eh *d, uint64_t bias)
{
	Dwarf_Off off = 0, next, cie_off = (Dwarf_Off)-1;
	unsigned int enc = DW_EH_PE_omit, early = 0;
	Dwarf_CFI_Entry e;

	for (; off < d->data->d_size; off = next) {
		const uint8_t *p;
		uint64_t lo, len;
		int r = dwarf_next_cfi(d->ident, d->data, d->eh_frame, off, &next, &e);

		if (r > 0)
			return;
		if (r < 0) {
			if (next <= off || next == (Dwarf_Off)-1)
				return;
			continue;
		}
		if (e.CIE_id == DW_CIE_ID_64)
			continue;
		if (e.fde.CIE_pointer != cie_off) {
			Dwarf_CFI_Entry cie;
			Dwarf_Off ignored;

			cie_off = e.fde.CIE_pointer;
			enc = DW_EH_PE_omit;
			early = 0;
			if (dwarf_next_cfi(d->ident, d->data, d->eh_frame, cie_off, &ignored,
					   &cie) == 0 &&
			    cie.CIE_id == DW_CIE_ID_64) {
				enc = cie_encoding(d, &cie.cie);
				/* A signal frame's begins a byte before the code, for
				 * unwinders that look up a return address less 1. */
				early = cie.cie.augmentation && strchr(cie.cie.augmentation, 'S');
			}
		}
		p = e.fde.start;
		if (enc == DW_EH_PE_omit || !sym_encoded(d, &p, e.fde.end, enc, &lo) ||
		    !sym_encoded(d, &p, e.fde.end, enc & 15, &len))
			continue;
		/* the linker leaves FDEs of dropped functions at 0 */
		if (lo && sym_spans_add(&o->fdes, lo + bias + early, lo + bias + len,
					d->eh_frame ? (uint32_t)off : 0) < 0)
			return;
	}
}

Elf_Scn *sym_section(Elf *elf, const char *name, GElf_Shdr *ret)
{
	Elf_Scn *scn = NULL;
	const char *its;
	size_t names;

	if (elf_getshdrstrndx(elf, &names) < 0)
		return NULL;
	while ((scn = elf_nextscn(elf, scn))) {
		if (!gelf_getshdr(scn, ret) || ret->sh_type == SHT_NOBITS)
			continue;
		its = elf_strptr(elf, names, ret->sh_name);
		if (its && !strcmp(its, name))
			return scn;
	}
	return NULL;
}

bool sym_eh_section(Elf *elf, const char *name, struct sym_eh *ret)
{
	GElf_Shdr sh;
	Elf_Scn *scn = sym_section(elf, name, &sh);

	if (!scn)
		return false;
	/* compressed sections: libdw has replaced them by then */
	ret->data = elf_rawdata(scn, NULL);
	ret->vaddr = sh.sh_addr;
	ret->ident = (const unsigned char *)elf_getident(elf, NULL);
	return ret->data && ret->data->d_buf && ret->ident;
}

/* No section headers (a file rebuilt from memory): by way of PT_GNU_EH_FRAME. */
static bool find_eh_frame_hdr(struct sym_object *o, struct sym_eh *ret)
{
	size_t n, i;

	if (elf_getphdrnum(o->elf, &n) < 0)
		return false;
	for (i = 0; i < n; i++) {
		struct sym_eh hdr = { .eh_frame = true };
		const uint8_t *p, *end;
		uint64_t at;
		GElf_Phdr ph;
		size_t k;

		if (!gelf_getphdr(o->elf, i, &ph) || ph.p_type != PT_GNU_EH_FRAME)
			continue;
		hdr.data = elf_getdata_rawchunk(o->elf, ph.p_offset, ph.p_filesz, ELF_T_BYTE);
		hdr.vaddr = ph.p_vaddr;
		if (!hdr.data || hdr.data->d_size < 8)
			return false;
		p = (const uint8_t *)hdr.data->d_buf + 4;
		end = p + hdr.data->d_size - 4;
		if (!sym_encoded(&hdr, &p, end, p[-3], &at))
			return false;
		/* up to the end of the segment: a terminator of 4 zeros ends it */
		for (k = 0; k < n; k++) {
			if (!gelf_getphdr(o->elf, k, &ph) || ph.p_type != PT_LOAD ||
			    at - ph.p_vaddr >= ph.p_filesz)
				continue;
			ret->data =
				elf_getdata_rawchunk(o->elf, ph.p_offset + at - ph.p_vaddr,
						     ph.p_filesz - (at - ph.p_vaddr), ELF_T_BYTE);
			ret->vaddr = at;
			ret->ident = (const unsigned char *)elf_getident(o->elf, NULL);
			return ret->data && ret->ident;
		}
	}
	return false;
}

void sym_object_read_fdes(struct sym_object *o)
{
	struct sym_eh d = { .eh_frame = true };
	Dwarf_Addr bias;
	Dwarf *dw;

	if (o->fdes_read)
		return;
	o->fdes_read = true;
	if (sym_eh_section(o->elf, ".eh_frame", &d) || find_eh_frame_hdr(o, &d))
		read_fdes(o, &d, 0);
	dw = dwfl_module_getdwarf(o->mod, &bias);
	d = (struct sym_eh){ .eh_frame = false };
	if (dw && sym_eh_section(dwarf_getelf(dw), ".debug_frame", &d))
		read_fdes(o, &d, bias);
	sym_spans_sort(&o->fdes);
}
