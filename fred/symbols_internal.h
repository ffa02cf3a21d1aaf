/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * symbols_internal.h - what the symbols*.c files share; for nobody else
 *
 * Names: a sym_object is a file (or the vdso), its addresses are link-time ones
 * ("vaddr"); a sym_map is a piece of the address space, perhaps of an object;
 * pc = vaddr + map->bias. A sym_cu is a compilation unit of an object.
 */
#ifndef FRED_SYMBOLS_INTERNAL_H
#define FRED_SYMBOLS_INTERNAL_H

#include <capstone/capstone.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "symbols.h"

struct sym_range {
	uint64_t lo, hi;
};

/* A sorted table of ranges, each with the index of what it belongs to. */
struct sym_span {
	uint64_t lo, hi;
	uint32_t index;
};

struct sym_spans {
	struct sym_span *v;
	size_t n, cap;
};

/* What a span of a CU's or an object's function table refers to. */
struct sym_func {
	const char *name; /* in the ELF or DWARF data */
	const char *linkage;
	uint64_t entry;
	bool global; /* an ELF symbol's binding isn't local */
	uint32_t n_ranges;
	struct sym_range ranges[FRED_FUNCTION_RANGES];
};

struct sym_funcs {
	struct sym_func *v;
	size_t n, cap;
	struct sym_spans spans;
};

struct sym_stmt {
	uint64_t addr;
	const char *file; /* interned */
	uint32_t line;
	bool again; /* another statement, an empty one, is at the same address */
};

struct sym_stmts {
	struct sym_stmt *v;
	size_t n, cap;
};

enum sym_depth {
	SYM_NONE,    /* nothing read yet */
	SYM_SHALLOW, /* functions outside of functions */
	SYM_DEEP,    /* also nested ones */
};

struct sym_cu {
	Dwarf_Die die;	     /* of the (skeleton) unit, for lines */
	Dwarf_Die functions; /* where functions are: the same, or a .dwo's */
	uint64_t bias;	     /* vaddr = DWARF address + bias */
	uint64_t low_pc;
	enum sym_depth depth;
	struct sym_funcs funcs;
	bool lines_read;
	struct sym_stmts stmts;
};

/* One call frame rule, "how to get the caller's value of this register". */
struct sym_rule {
	enum sym_rule_kind {
		SYM_RULE_UNDEFINED,
		SYM_RULE_SAME,
		SYM_RULE_AT_CFA,   /* in memory at cfa + offset */
		SYM_RULE_CFA_PLUS, /* it is cfa + offset */
		SYM_RULE_REG,	   /* it is in the register with number offset */
		SYM_RULE_EXPR,	   /* the location or value that ops compute */
	} kind;
	int64_t offset;
	const Dwarf_Op *ops; /* belongs to the Dwarf_CFI's cache */
	size_t n_ops;
};

/* All rules at one pc. */
struct sym_row {
	bool valid;
	bool guessed; /* from the code, not from call frame information */
	bool signal;
	enum sym_cfa_kind {
		SYM_CFA_NONE,
		SYM_CFA_REG,
		SYM_CFA_EXPR,
	} cfa_kind;
	enum fred_reg cfa_reg;
	int64_t cfa_offset;
	const Dwarf_Op *cfa_ops;
	size_t n_cfa_ops;
	struct sym_rule rules[FRED_NREGS]; /* [FRED_RIP]: return address */
};

/* From fstat(), not from maps: overlayfs and btrfs show another device there. */
struct sym_id {
	uint64_t dev, ino, size;
	struct timespec mtime;
};

struct sym_object {
	struct sym_object *next;
	struct sym_id id;
	char *path;		     /* as in maps, without " (deleted)" */
	bool outdated;		     /* other debug information is to be read for its file */
	const struct sym_told *told; /* where its debug information is; NULL: nobody said */
	bool from_memory;	     /* rebuilt; id.size and id.ino are a hash */
	uint64_t used;		     /* generation of maps that last had it */

	Dwfl *dwfl; /* NULL: no information at all */
	Dwfl_Module *mod;
	Elf *elf;

	struct sym_load {
		uint64_t off, vaddr, filesz;
	} * loads; /* PT_LOADs */
	size_t n_loads;

	bool cus_read;
	struct sym_cu *cus;
	size_t n_cus;
	struct sym_spans cu_spans;

	bool symbols_read;
	struct sym_funcs symbols;
	struct sym_spans plt; /* index: size of an entry */

	bool fdes_read;
	struct sym_spans fdes; /* index: offset in .eh_frame; 0: it is of .debug_frame */

	bool cfi_read;
	Dwarf_CFI *eh_cfi, *debug_cfi;
	uint64_t eh_bias, debug_bias;

	bool stmts_read;
	struct sym_stmts stmts; /* of all CUs */
};

struct sym_map {
	uint64_t lo, hi;
	uint64_t bias;
	struct sym_object *object; /* NULL: anonymous or no information */
	bool exec;
};

struct sym_string {
	struct sym_string *next;
	size_t len;
	uint32_t hash;
	char text[];
};

#define SYM_ROWS 1024 /* a power of 2 */
#define SYM_DECODES 32

struct fred_sym {
	pid_t pid;
	uint64_t generation;

	char *maps_text;
	size_t maps_len, maps_cap;
	char *new_text;
	size_t new_cap;

	struct sym_map *maps;
	size_t n_maps, cap_maps;
	struct sym_object *main;
	struct sym_object *objects;

	struct sym_string **strings;
	size_t n_strings, cap_strings;

	struct sym_row_slot {
		const struct sym_object *object;
		uint64_t vaddr;
		struct sym_row row;
	} * rows;

	csh cs;
	bool cs_open;
	cs_insn *cs_insn;
	struct sym_decode {
		uint64_t lo, hi;
		uint64_t used;
		uint8_t *bytes;
		struct fred_insn *insns;
		size_t n;
	} decodes[SYM_DECODES];
	uint64_t decode_clock;
	struct sym_told *told; /* see symbols_debug.c */
	struct sym_code *code; /* see symbols_code.c */
};

/* symbols.c */
const char *sym_intern(struct fred_sym *sym, const char *text);
const struct sym_map *sym_map_at(const struct fred_sym *sym, uint64_t pc);
bool sym_executable(const struct fred_sym *sym, uint64_t pc);
int sym_grow(void **v, size_t *cap, size_t need, size_t size) __must_check;

/* symbols_debug.c */
int sym_find_debuginfo(Dwfl_Module *mod, void **userdata, const char *modname, GElf_Addr base,
		       const char *file, const char *debuglink, GElf_Word crc, char **debuginfo);
/* What was said of an object's file; NULL: nothing. */
const struct sym_told *sym_told_debug(const struct fred_sym *sym, const struct sym_object *o);
void sym_told_free(struct fred_sym *sym);

/* spans: add in any order, sort once, then find */
int sym_spans_add(struct sym_spans *s, uint64_t lo, uint64_t hi, uint32_t index) __must_check;
void sym_spans_sort(struct sym_spans *s);
const struct sym_span *sym_spans_find(const struct sym_spans *s, uint64_t addr);

/* symbols_elf.c */
/* The section of this name that has contents, NULL: none; with its header. */
Elf_Scn *sym_section(Elf *elf, const char *name, GElf_Shdr *ret);
void sym_object_read_symbols(struct sym_object *o);
void sym_object_read_fdes(struct sym_object *o);

/* A section of call frame information, or of tables for exceptions. */
struct sym_eh {
	Elf_Data *data;
	uint64_t vaddr; /* of the section */
	bool eh_frame;
	const unsigned char *ident;
};

/* False: there is none of that name. eh_frame stays as it is. */
bool sym_eh_section(Elf *elf, const char *name, struct sym_eh *ret);
/* Decodes a pointer of .eh_frame: LSB 5.0, "DWARF Exception Header Encoding". */
bool sym_encoded(const struct sym_eh *d, const uint8_t **p, const uint8_t *end, unsigned int enc,
		 uint64_t *ret);

/* symbols_functions.c */
void sym_object_read_cus(struct sym_object *o);
struct sym_cu *sym_cu_at(struct sym_object *o, uint64_t vaddr);

/* symbols_lines.c */
void sym_cu_read_lines(struct fred_sym *sym, struct sym_object *o, struct sym_cu *cu);
size_t sym_stmts_after(const struct sym_stmts *s, uint64_t addr);

/* symbols_cfi.c */
const struct sym_row *sym_row_at(struct fred_sym *sym, const struct sym_map *map, uint64_t pc);
void sym_rows_forget(struct fred_sym *sym, const struct sym_object *o);

int sym_reg_from_dwarf(unsigned int dwarf);

/* symbols_code.c */
/* Fills in the rules at pc as far as the code tells; else leaves row alone. */
void sym_row_by_code(struct fred_sym *sym, const struct sym_map *map, uint64_t pc,
		     struct sym_row *row);
void sym_code_forget(struct fred_sym *sym);

/* symbols_insn.c */
void sym_decodes_free(struct fred_sym *sym);

#define _cleanup_(f) __attribute__((__cleanup__(f)))

static inline void sym_freep(void *p)
{
	free(*(void **)p);
}

#define _cleanup_free_ _cleanup_(sym_freep)

#endif
