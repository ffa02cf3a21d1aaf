/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * symbols_lines.c - where statements start
 *
 * The line programs are run here rather than by dwarf_getsrclines(), whose rows
 * come sorted: an empty row just before the end of a sequence can't be told from
 * the first row of what follows any more, and gdb drops one and not the other.
 * The rules by which gdb 13 makes its table from the rows, as its behaviour and
 * the comments in its sources say:
 *
 * - a row repeating the line and file of the recorded row before is left out if
 *   the line had a discriminator (one line, several blocks);
 * - where the file changes and where a sequence ends, rows of the file before
 *   at this very address vanish (they are empty); but a row that is no statement
 *   doesn't displace a statement of another file, it is left out instead;
 * - a pc belongs to the last row at its address, statements before others.
 */
#include <dwarf.h>
#include <errno.h>
#include <gelf.h>
#include <string.h>

#include "symbols_internal.h"

/* The header of a line program, DWARF 2 to 5, as far as it is needed. */
struct program {
	const uint8_t *p, *end;
	uint8_t min_insn, default_is_stmt, line_range, opcode_base;
	int8_t line_base;
	uint8_t arg_counts[256];
};

struct row {
	uint64_t addr;
	const char *file;
	uint32_t line;
	bool is_stmt;
	bool again;
};

struct machine {
	const char *const *files;
	size_t n_files;
	uint64_t low_pc;

	struct row *rows;
	size_t n, cap;

	/* registers of the standard */
	uint64_t addr, file;
	uint32_t line;
	bool is_stmt;
	uint64_t discriminator;

	/* of the sequence */
	bool ignored;	       /* of a function that the linker dropped */
	const char *last_file; /* recorded last */
	uint32_t last_line;
	uint64_t last_addr; /* seen last, recorded or not */
	bool stmt_at_addr;
	bool line_discriminated;
};

/* ---- reading bytes; all stop at the end and give 0 ---- */

static uint64_t fixed(const uint8_t **p, const uint8_t *end, unsigned int n)
{
	uint64_t v = 0;

	if ((size_t)(end - *p) < n) {
		*p = end;
		return 0;
	}
	memcpy(&v, *p, n);
	*p += n;
	return v;
}

static uint64_t uleb(const uint8_t **p, const uint8_t *end)
{
	unsigned int shift = 0;
	uint64_t v = 0;

	while (*p < end) {
		uint8_t b = *(*p)++;

		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		shift += 7;
		if (!(b & 0x80))
			break;
	}
	return v;
}

static int64_t sleb(const uint8_t **p, const uint8_t *end)
{
	unsigned int shift = 0;
	uint64_t v = 0;
	uint8_t b = 0;

	while (*p < end) {
		b = *(*p)++;
		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		shift += 7;
		if (!(b & 0x80))
			break;
	}
	if (shift < 64 && (b & 0x40))
		v |= ~0ULL << shift;
	return v;
}

static bool program_open(const Elf_Data *data, uint64_t off, struct program *ret)
{
	const uint8_t *p, *end;
	unsigned int version, offsize = 4, i;
	uint64_t len;

	if (off >= data->d_size)
		return false;
	p = (const uint8_t *)data->d_buf + off;
	end = (const uint8_t *)data->d_buf + data->d_size;
	len = fixed(&p, end, 4);
	if (len == 0xffffffff) {
		offsize = 8;
		len = fixed(&p, end, 8);
	}
	if (len > (size_t)(end - p))
		return false;
	end = p + len;
	version = fixed(&p, end, 2);
	if (version < 2 || version > 5)
		return false;
	if (version == 5)
		p += 2; /* address and selector size */
	len = fixed(&p, end, offsize);
	if (p > end || len > (size_t)(end - p))
		return false;
	ret->p = p + len;
	ret->end = end;
	ret->min_insn = fixed(&p, end, 1);
	if (version >= 4)
		fixed(&p, end, 1); /* operations per instruction: 1, no VLIW here */
	ret->default_is_stmt = fixed(&p, end, 1);
	ret->line_base = fixed(&p, end, 1);
	ret->line_range = fixed(&p, end, 1);
	ret->opcode_base = fixed(&p, end, 1);
	for (i = 1; i < ret->opcode_base; i++)
		ret->arg_counts[i] = fixed(&p, end, 1);
	return ret->line_range && ret->opcode_base;
}

/* ---- rows ---- */

static const char *current_file(const struct machine *m)
{
	return m->file < m->n_files ? m->files[m->file] : NULL;
}

static void add_row(struct machine *m, const char *file)
{
	if (m->ignored || sym_grow((void **)&m->rows, &m->cap, m->n + 1, sizeof(*m->rows)) < 0)
		return;
	m->rows[m->n++] = (struct row){ m->addr, file, m->line, m->is_stmt,
					m->stmt_at_addr && m->last_addr == m->addr };
}

/* What was recorded last for the last file ends here; what starts here is empty. */
static void finish(struct machine *m)
{
	if (!m->last_file || m->ignored)
		return;
	while (m->n && m->rows[m->n - 1].addr == m->addr && m->rows[m->n - 1].file == m->last_file)
		m->n--;
}

static void emit(struct machine *m, bool end_sequence)
{
	const char *file = current_file(m);

	if (file) {
		bool changed = file != m->last_file;
		bool skip = !end_sequence && (m->line == 0 || (changed && m->last_addr == m->addr &&
							       !m->is_stmt && m->stmt_at_addr));

		if (end_sequence || (changed && !skip))
			finish(m);
		if (!end_sequence && !skip &&
		    (changed || m->line != m->last_line || !m->line_discriminated)) {
			add_row(m, file);
			m->last_file = file;
			m->last_line = m->line;
		}
	}
	if (m->last_addr != m->addr) {
		m->stmt_at_addr = false;
		m->last_addr = m->addr;
	}
	m->stmt_at_addr |= m->is_stmt;
	m->discriminator = 0;
}

static void reset(struct machine *m, const struct program *prog)
{
	m->addr = 0;
	m->file = 1;
	m->line = 1;
	m->is_stmt = prog->default_is_stmt;
	m->discriminator = 0;
	m->ignored = false;
	m->last_file = NULL;
	m->last_line = 0;
	m->last_addr = 0;
	m->stmt_at_addr = false;
	m->line_discriminated = false;
}

static void advance_line(struct machine *m, int64_t delta)
{
	m->line += delta;
	if (delta)
		m->line_discriminated = m->discriminator != 0;
}

static void extended(struct machine *m, struct program *prog)
{
	uint64_t len = uleb(&prog->p, prog->end);
	const uint8_t *p = prog->p, *end;

	if (!len || len > (size_t)(prog->end - p)) {
		if (len)
			prog->p = prog->end;
		return;
	}
	prog->p = end = p + len;
	switch (*p++) {
	case DW_LNE_end_sequence:
		emit(m, true);
		reset(m, prog);
		break;
	case DW_LNE_set_address:
		m->addr = fixed(&p, end, len - 1 < 8 ? len - 1 : 8);
		/* what linkers make of the addresses of functions they dropped */
		if ((m->addr == 0 && m->addr < m->low_pc) || m->addr >= (uint64_t)-2)
			m->ignored = true;
		break;
	case DW_LNE_set_discriminator:
		m->discriminator = uleb(&p, end);
		m->line_discriminated |= m->discriminator != 0;
		break;
	}
}

static void standard(struct machine *m, struct program *prog, uint8_t op)
{
	unsigned int i;

	switch (op) {
	case DW_LNS_copy:
		emit(m, false);
		break;
	case DW_LNS_advance_pc:
		m->addr += uleb(&prog->p, prog->end) * prog->min_insn;
		break;
	case DW_LNS_advance_line:
		advance_line(m, sleb(&prog->p, prog->end));
		break;
	case DW_LNS_set_file:
		m->file = uleb(&prog->p, prog->end);
		if (current_file(m))
			m->line_discriminated = m->discriminator != 0;
		break;
	case DW_LNS_negate_stmt:
		m->is_stmt = !m->is_stmt;
		break;
	case DW_LNS_const_add_pc:
		m->addr += (255 - prog->opcode_base) / prog->line_range * prog->min_insn;
		break;
	case DW_LNS_fixed_advance_pc:
		m->addr += fixed(&prog->p, prog->end, 2);
		break;
	default:
		for (i = 0; i < prog->arg_counts[op]; i++)
			uleb(&prog->p, prog->end);
		break;
	}
}

static void run(struct machine *m, struct program *prog)
{
	reset(m, prog);
	while (prog->p < prog->end) {
		uint8_t op = *prog->p++;

		if (op >= prog->opcode_base) {
			op -= prog->opcode_base;
			m->addr += op / prog->line_range * prog->min_insn;
			advance_line(m, prog->line_base + op % prog->line_range);
			emit(m, false);
		} else if (op == 0) {
			extended(m, prog);
		} else {
			standard(m, prog, op);
		}
	}
}

/* ---- statements of a unit ---- */

/* Removes "//", "/./" and "/x/../": compilers spell one header in many ways. */
static void normalize(char *path)
{
	char *in = path, *out = path;

	if (*path != '/')
		return;
	while (*in) {
		size_t len;

		while (*in == '/')
			in++;
		len = strcspn(in, "/");
		if (len == 2 && in[0] == '.' && in[1] == '.') {
			while (out > path && *--out != '/')
				;
		} else if (len && !(len == 1 && in[0] == '.')) {
			*out++ = '/';
			memmove(out, in, len);
			out += len;
		}
		in += len;
	}
	if (out == path)
		*out++ = '/';
	*out = 0;
}

static const char **file_names(struct fred_sym *sym, struct sym_cu *cu, size_t *ret_n)
{
	const char **v;
	Dwarf_Files *files;
	size_t n, i;

	if (dwarf_getsrcfiles(&cu->die, &files, &n) != 0 || !n)
		return NULL;
	v = calloc(n, sizeof(*v));
	if (!v)
		return NULL;
	for (i = 0; i < n; i++) {
		const char *name = dwarf_filesrc(files, i, NULL, NULL);
		_cleanup_free_ char *copy = NULL;

		/* libdw's name for the unused index 0 of DWARF 2 to 4 */
		if (!name || !strcmp(name, "???"))
			continue;
		copy = strdup(name);
		if (!copy)
			continue;
		normalize(copy);
		v[i] = sym_intern(sym, copy);
	}
	*ret_n = n;
	return v;
}

/* By address, and rows at one address in their order. */
static int row_cmp(const void *pa, const void *pb, void *base)
{
	const struct row *rows = base;
	const struct row *a = &rows[*(const uint32_t *)pa], *b = &rows[*(const uint32_t *)pb];

	if (a->addr != b->addr)
		return a->addr < b->addr ? -1 : 1;
	return a < b ? -1 : a > b;
}

static bool in_code(const struct sym_object *o, uint64_t vaddr)
{
	size_t i;

	for (i = 0; i < o->n_loads; i++)
		if (vaddr - o->loads[i].vaddr < o->loads[i].filesz)
			return true;
	return false;
}

/* The last statement of each address. */
static void take_statements(const struct sym_object *o, struct sym_cu *cu, struct machine *m)
{
	_cleanup_free_ uint32_t *order = calloc(m->n ? m->n : 1, sizeof(*order));
	struct sym_stmts *s = &cu->stmts;
	size_t i;

	if (!order)
		return;
	for (i = 0; i < m->n; i++)
		order[i] = i;
	qsort_r(order, m->n, sizeof(*order), row_cmp, m->rows);
	for (i = 0; i < m->n; i++) {
		const struct row *r = &m->rows[order[i]];
		uint64_t addr = r->addr + cu->bias;

		if (!r->is_stmt || !in_code(o, addr))
			continue;
		if (s->n && s->v[s->n - 1].addr == addr)
			s->n--;
		if (sym_grow((void **)&s->v, &s->cap, s->n + 1, sizeof(*s->v)) < 0)
			return;
		s->v[s->n++] = (struct sym_stmt){ addr, r->file, r->line, r->again };
	}
}

/* libdw has decompressed the section by now, if it was. */
static Elf_Data *line_section(Elf *elf)
{
	GElf_Shdr sh;
	Elf_Scn *scn = elf ? sym_section(elf, ".debug_line", &sh) : NULL;

	if (!scn && elf)
		scn = sym_section(elf, ".zdebug_line", &sh);
	return scn ? elf_rawdata(scn, NULL) : NULL;
}

void sym_cu_read_lines(struct fred_sym *sym, struct sym_object *o, struct sym_cu *cu)
{
	struct machine m = { .low_pc = cu->low_pc };
	_cleanup_free_ const char **files = NULL;
	struct program prog;
	Dwarf_Attribute attr;
	Dwarf_Addr bias;
	Dwarf_Word off;
	Elf_Data *data;
	Dwarf *dw;

	if (cu->lines_read)
		return;
	cu->lines_read = true;
	dw = dwfl_module_getdwarf(o->mod, &bias);
	if (!dw || !dwarf_attr(&cu->die, DW_AT_stmt_list, &attr) ||
	    dwarf_formudata(&attr, &off) < 0)
		return;
	data = line_section(dwarf_getelf(dw));
	if (!data || !data->d_buf || !program_open(data, off, &prog))
		return;
	files = file_names(sym, cu, &m.n_files);
	m.files = files;
	if (!files)
		return;
	run(&m, &prog);
	take_statements(o, cu, &m);
	free(m.rows);
}

/* Index of the first statement at addr or after. */
size_t sym_stmts_after(const struct sym_stmts *s, uint64_t addr)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->v[mid].addr < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* ---- the questions ---- */

struct list {
	struct fred_statement *v;
	size_t n, cap;
};

static int list_add(struct list *l, const struct sym_stmts *s, uint64_t lo, uint64_t hi,
		    uint64_t bias)
{
	size_t i = sym_stmts_after(s, lo), end = sym_stmts_after(s, hi);
	int r;

	r = sym_grow((void **)&l->v, &l->cap, l->n + (end - i), sizeof(*l->v));
	if (r < 0)
		return r;
	for (; i < end; i++)
		l->v[l->n++] =
			(struct fred_statement){ s->v[i].addr + bias, s->v[i].file, s->v[i].line };
	return 0;
}

static int statement_cmp(const void *pa, const void *pb)
{
	const struct fred_statement *a = pa, *b = pb;

	return a->addr < b->addr ? -1 : a->addr > b->addr;
}

static int list_finish(struct list *l, int r, struct fred_statement **ret, size_t *n)
{
	if (r < 0) {
		free(l->v);
		return r;
	}
	if (!l->n) {
		free(l->v);
		l->v = NULL;
	}
	*ret = l->v;
	*n = l->n;
	return 0;
}

int fred_sym_statements(struct fred_sym *sym, const struct fred_function *f,
			struct fred_statement **ret, size_t *n)
{
	struct list l = { 0 };
	size_t i;
	int r = 0;

	for (i = 0; i < f->n_ranges && r == 0; i++) {
		const struct sym_map *map = sym_map_at(sym, f->ranges[i].lo);
		struct sym_cu *cu;
		uint64_t bias;

		if (!map || !map->object)
			continue;
		bias = map->bias;
		cu = sym_cu_at(map->object, f->ranges[i].lo - bias);
		if (!cu)
			continue;
		sym_cu_read_lines(sym, map->object, cu);
		r = list_add(&l, &cu->stmts, f->ranges[i].lo - bias, f->ranges[i].hi - bias, bias);
	}
	if (f->n_ranges > 1 && l.n)
		qsort(l.v, l.n, sizeof(*l.v), statement_cmp);
	return list_finish(&l, r, ret, n);
}

static int stmt_cmp(const void *pa, const void *pb)
{
	const struct sym_stmt *a = pa, *b = pb;

	return a->addr < b->addr ? -1 : a->addr > b->addr;
}

/* All units' statements, one per address: the first unit's, if units overlap. */
static int object_read_statements(struct fred_sym *sym, struct sym_object *o)
{
	struct sym_stmts *s = &o->stmts;
	size_t i, k;
	int r;

	if (o->stmts_read)
		return 0;
	sym_object_read_cus(o);
	s->n = 0;
	for (i = 0; i < o->n_cus; i++) {
		struct sym_cu *cu = &o->cus[i];

		sym_cu_read_lines(sym, o, cu);
		r = sym_grow((void **)&s->v, &s->cap, s->n + cu->stmts.n, sizeof(*s->v));
		if (r < 0)
			return r;
		if (cu->stmts.n)
			memcpy(s->v + s->n, cu->stmts.v, cu->stmts.n * sizeof(*s->v));
		s->n += cu->stmts.n;
	}
	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), stmt_cmp);
	for (i = k = 0; i < s->n; i++)
		if (!k || s->v[k - 1].addr != s->v[i].addr)
			s->v[k++] = s->v[i];
	s->n = k;
	o->stmts_read = true;
	return 0;
}

/* Directories and names of files that aren't the user's; '/' at the end: a prefix. */
static const char *const system_dirs[] = {
	"/lib/",       "/lib32/",     "/lib64/",      "/libx32/",      "/usr/lib/",
	"/usr/lib32/", "/usr/lib64/", "/usr/libx32/", "/usr/libexec/",
};

static const char *const system_names[] = {
	"ld-linux",   "ld.so",	  "ld-2.",  "libc.so", "libc-2.",  "libm.so",	"libstdc++",
	"libpthread", "libgcc_s", "libdl.", "librt.",  "libasan.", "libubsan.", "libtsan.",
};

static bool is_user(const struct fred_sym *sym, const struct sym_object *o)
{
	const char *base = strrchr(o->path, '/');
	size_t i;

	if (o == sym->main)
		return true;
	if (!base) /* [vdso] */
		return false;
	for (i = 0; i < sizeof(system_dirs) / sizeof(*system_dirs); i++)
		if (!strncmp(o->path, system_dirs[i], strlen(system_dirs[i])))
			return false;
	for (i = 0; i < sizeof(system_names) / sizeof(*system_names); i++)
		if (!strncmp(base + 1, system_names[i], strlen(system_names[i])))
			return false;
	return true;
}

int fred_sym_user_statements(struct fred_sym *sym, uint64_t pc, struct fred_statement **ret,
			     size_t *n)
{
	const struct sym_object *only = NULL;
	struct list l = { 0 };
	size_t i;
	int r = 0;

	if (pc) {
		const struct sym_map *map = sym_map_at(sym, pc);

		if (!map || !map->object)
			return -ENOENT;
		only = map->object;
	}
	/* maps are in order and each adds its own range: the result is sorted */
	for (i = 0; i < sym->n_maps && r == 0; i++) {
		const struct sym_map *map = &sym->maps[i];

		if (!map->object || (only ? map->object != only : !is_user(sym, map->object)))
			continue;
		r = object_read_statements(sym, map->object);
		if (r == 0)
			r = list_add(&l, &map->object->stmts, map->lo - map->bias,
				     map->hi - map->bias, map->bias);
	}
	return list_finish(&l, r, ret, n);
}
