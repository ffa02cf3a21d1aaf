/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * symbols.c - files and mappings: which code is where
 *
 * /proc/PID/maps is compared as text first; when it differs, it is parsed, and
 * each file is looked for among the known objects by its identity. An object has
 * a Dwfl of its own that places it at its link-time addresses, so that nothing
 * parsed depends on where it is loaded.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "symbols_internal.h"

/* How many objects that the process doesn't map are kept for the next one. */
#define MAX_UNUSED_OBJECTS 64
#define MAX_REBUILT (256UL << 20)

struct line {
	uint64_t lo, hi, off, dev, ino;
	bool exec;
	const char *path; /* within the text, NUL-terminated by parse_line */
	bool deleted;
};

int sym_grow(void **v, size_t *cap, size_t need, size_t size)
{
	size_t n = *cap ? *cap : 16;
	void *p;

	if (need <= *cap)
		return 0;
	while (n < need)
		n *= 2;
	p = reallocarray(*v, n, size);
	if (!p)
		return -ENOMEM;
	*v = p;
	*cap = n;
	return 0;
}

/* ---- spans ---- */

int sym_spans_add(struct sym_spans *s, uint64_t lo, uint64_t hi, uint32_t index)
{
	int r;

	if (lo >= hi)
		return 0;
	r = sym_grow((void **)&s->v, &s->cap, s->n + 1, sizeof(*s->v));
	if (r < 0)
		return r;
	s->v[s->n++] = (struct sym_span){ lo, hi, index };
	return 0;
}

/* At equal starts, the last one wins in sym_spans_find(): the shortest. */
static int span_cmp(const void *pa, const void *pb)
{
	const struct sym_span *a = pa, *b = pb;

	if (a->lo != b->lo)
		return a->lo < b->lo ? -1 : 1;
	if (a->hi != b->hi)
		return a->hi > b->hi ? -1 : 1;
	return a->index > b->index ? -1 : a->index < b->index;
}

void sym_spans_sort(struct sym_spans *s)
{
	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), span_cmp);
}

/*
 * The innermost span with addr: spans seldom nest, so going back a few from the
 * last one that starts at or before addr is enough.
 */
const struct sym_span *sym_spans_find(const struct sym_spans *s, uint64_t addr)
{
	size_t lo = 0, hi = s->n, i;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->v[mid].lo <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (i = lo; i-- > 0 && lo - i <= 8;)
		if (addr < s->v[i].hi)
			return &s->v[i];
	return NULL;
}

/* ---- strings ---- */

static uint32_t hash_bytes(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint32_t h = 2166136261u; /* FNV-1a */

	while (n--)
		h = (h ^ *b++) * 16777619u;
	return h;
}

static void strings_resize(struct fred_sym *sym)
{
	size_t cap = sym->cap_strings ? sym->cap_strings * 2 : 256, i;
	struct sym_string **v = calloc(cap, sizeof(*v));

	if (!v)
		return; /* longer chains, then */
	for (i = 0; i < sym->cap_strings; i++) {
		struct sym_string *s, *next;

		for (s = sym->strings[i]; s; s = next) {
			next = s->next;
			s->next = v[s->hash & (cap - 1)];
			v[s->hash & (cap - 1)] = s;
		}
	}
	free(sym->strings);
	sym->strings = v;
	sym->cap_strings = cap;
}

/* The one copy of text that lives as long as sym; NULL for NULL or no memory. */
const char *sym_intern(struct fred_sym *sym, const char *text)
{
	struct sym_string *s, **slot;
	uint32_t hash;
	size_t len;

	if (!text)
		return NULL;
	len = strlen(text);
	hash = hash_bytes(text, len);
	if (sym->n_strings >= sym->cap_strings)
		strings_resize(sym);
	if (!sym->cap_strings)
		return NULL;
	slot = &sym->strings[hash & (sym->cap_strings - 1)];
	for (s = *slot; s; s = s->next)
		if (s->hash == hash && s->len == len && !memcmp(s->text, text, len))
			return s->text;
	s = malloc(sizeof(*s) + len + 1);
	if (!s)
		return NULL;
	s->len = len;
	s->hash = hash;
	memcpy(s->text, text, len + 1);
	s->next = *slot;
	*slot = s;
	sym->n_strings++;
	return s->text;
}

/* ---- objects ---- */

static int no_elf(Dwfl_Module *mod, void **userdata, const char *modname, Dwarf_Addr base,
		  char **file, Elf **elf)
{
	(void)mod, (void)userdata, (void)modname, (void)base, (void)file, (void)elf;
	return -1;
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = no_elf,
	.find_debuginfo = sym_find_debuginfo,
};

static void object_free(struct sym_object *o)
{
	size_t i;

	for (i = 0; i < o->n_cus; i++) {
		free(o->cus[i].funcs.v);
		free(o->cus[i].funcs.spans.v);
		free(o->cus[i].stmts.v);
	}
	free(o->cus);
	free(o->cu_spans.v);
	free(o->symbols.v);
	free(o->symbols.spans.v);
	free(o->plt.v);
	free(o->fdes.v);
	free(o->stmts.v);
	free(o->loads);
	free(o->path);
	if (o->dwfl)
		dwfl_end(o->dwfl);
	free(o);
}

static int object_read_loads(struct sym_object *o)
{
	size_t n, i;

	if (elf_getphdrnum(o->elf, &n) < 0)
		return -EINVAL;
	o->loads = calloc(n ? n : 1, sizeof(*o->loads));
	if (!o->loads)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		GElf_Phdr ph;

		if (!gelf_getphdr(o->elf, i, &ph) || ph.p_type != PT_LOAD || !(ph.p_flags & PF_X))
			continue;
		o->loads[o->n_loads].off = ph.p_offset;
		o->loads[o->n_loads].vaddr = ph.p_vaddr;
		o->loads[o->n_loads++].filesz = ph.p_filesz;
	}
	return 0;
}

/* Reads the ELF file fd, which it consumes; leaves o without dwfl if it isn't one. */
static void object_open(struct sym_object *o, int fd)
{
	GElf_Addr bias = 0;
	GElf_Ehdr ehdr;
	void **userdata;

	o->dwfl = dwfl_begin(&callbacks);
	if (!o->dwfl) {
		close(fd);
		return;
	}
	dwfl_report_begin(o->dwfl);
	o->mod = dwfl_report_elf(o->dwfl, o->path, o->path, fd, 0, true);
	if (!o->mod)
		close(fd);
	else if (dwfl_module_info(o->mod, &userdata, NULL, NULL, NULL, NULL, NULL, NULL))
		*userdata = o;
	if (dwfl_report_end(o->dwfl, NULL, NULL) == 0 && o->mod)
		o->elf = dwfl_module_getelf(o->mod, &bias);
	if (!o->elf || bias != 0 || !gelf_getehdr(o->elf, &ehdr) || ehdr.e_machine != EM_X86_64 ||
	    object_read_loads(o) < 0) {
		dwfl_end(o->dwfl);
		o->dwfl = NULL;
		o->mod = NULL;
		o->elf = NULL;
		o->n_loads = 0;
	}
}

static struct sym_object *object_find(struct fred_sym *sym, const struct sym_id *id,
				      const char *path)
{
	struct sym_object *o;

	for (o = sym->objects; o; o = o->next)
		if (!o->outdated && o->id.dev == id->dev && o->id.ino == id->ino &&
		    o->id.size == id->size && o->id.mtime.tv_sec == id->mtime.tv_sec &&
		    o->id.mtime.tv_nsec == id->mtime.tv_nsec && !strcmp(o->path, path))
			return o;
	return NULL;
}

/* Consumes fd, also on errors. */
static struct sym_object *object_new(struct fred_sym *sym, const struct sym_id *id,
				     const char *path, int fd)
{
	struct sym_object *o = calloc(1, sizeof(*o));

	if (o)
		o->path = strdup(path);
	if (!o || !o->path) {
		free(o);
		close(fd);
		return NULL;
	}
	o->id = *id;
	o->told = sym_told_debug(sym, o);
	object_open(o, fd);
	o->next = sym->objects;
	sym->objects = o;
	return o;
}

static void id_from_stat(const struct stat *st, struct sym_id *ret)
{
	*ret = (struct sym_id){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = st->st_size,
		.mtime = st->st_mtim,
	};
}

/*
 * Another name for the mapped file where its path doesn't lead to it: deleted or
 * replaced, or the process has another root. /proc/PID/map_files needs
 * CAP_CHECKPOINT_RESTORE.
 */
static int open_other(pid_t pid, const struct line *l, struct stat *st)
{
	char name[3][4200];
	size_t i;

	snprintf(name[0], sizeof(name[0]), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)pid,
		 l->lo, l->hi);
	snprintf(name[1], sizeof(name[1]), "/proc/%d/exe", (int)pid);
	snprintf(name[2], sizeof(name[2]), "/proc/%d/root%s", (int)pid, l->path);
	for (i = 0; i < 3; i++) {
		int fd = open(name[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);

		if (fd < 0)
			continue;
		if (fstat(fd, st) == 0 && (i == 0 || st->st_ino == l->ino) && S_ISREG(st->st_mode))
			return fd;
		close(fd);
	}
	return -ENOENT;
}

static ssize_t peek(pid_t pid, uint64_t addr, void *buf, size_t len)
{
	struct iovec local = { buf, len };
	struct iovec remote = { (void *)(uintptr_t)addr, len };

	return process_vm_readv(pid, &local, 1, &remote, 1, 0);
}

/*
 * An ELF file without section headers, as far as it is mapped: enough for its
 * call frame information and dynamic symbols, and all of the vdso.
 */
static int rebuild_from_memory(pid_t pid, const struct line *lines, size_t n, const struct line *l)
{
	int fd = memfd_create("fred-elf", MFD_CLOEXEC);
	uint64_t total = 0;
	size_t i;

	if (fd < 0)
		return -errno;
	for (i = 0; i < n; i++) {
		uint64_t len = lines[i].hi - lines[i].lo;
		_cleanup_free_ void *buf = NULL;

		if (lines[i].ino != l->ino || lines[i].dev != l->dev ||
		    strcmp(lines[i].path, l->path))
			continue;
		total += len;
		if (total > MAX_REBUILT)
			break;
		buf = malloc(len);
		if (!buf || peek(pid, lines[i].lo, buf, len) != (ssize_t)len)
			continue;
		/* a private writable mapping comes last and may have changed: fine */
		if (pwrite(fd, buf, len, lines[i].off) != (ssize_t)len)
			break;
	}
	return fd;
}

static struct sym_object *object_from_memory(struct fred_sym *sym, pid_t pid,
					     const struct line *lines, size_t n,
					     const struct line *l)
{
	struct sym_id id = { .dev = l->dev, .ino = l->ino, .size = l->hi - l->lo };
	struct sym_object *o;
	size_t i;
	int fd;

	/* what else tells two such files apart: ELF header and build id */
	for (i = 0; i < n; i++) {
		uint8_t page[4096];

		if (lines[i].ino == l->ino && lines[i].off == 0 &&
		    !strcmp(lines[i].path, l->path) &&
		    peek(pid, lines[i].lo, page, sizeof(page)) == sizeof(page)) {
			id.mtime.tv_nsec = hash_bytes(page, sizeof(page));
			break;
		}
	}
	o = object_find(sym, &id, l->path);
	if (o)
		return o;
	fd = rebuild_from_memory(pid, lines, n, l);
	if (fd < 0)
		return NULL;
	o = object_new(sym, &id, l->path, fd);
	if (o)
		o->from_memory = true;
	return o;
}

static struct sym_object *object_for(struct fred_sym *sym, pid_t pid, const struct line *lines,
				     size_t n, const struct line *l)
{
	struct sym_object *o;
	struct sym_id id;
	struct stat st;
	int fd = -1;

	if (!strcmp(l->path, "[vdso]"))
		return object_from_memory(sym, pid, lines, n, l);
	if (l->path[0] != '/' || !l->ino)
		return NULL;
	if (l->deleted || stat(l->path, &st) < 0 || st.st_ino != l->ino) {
		fd = open_other(pid, l, &st);
		/* overlayfs: maps can show another inode number than stat() */
		if (fd < 0 && (l->deleted || stat(l->path, &st) < 0))
			return object_from_memory(sym, pid, lines, n, l);
	}
	if (!S_ISREG(st.st_mode)) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	id_from_stat(&st, &id);
	o = object_find(sym, &id, l->path);
	if (o) {
		if (fd >= 0)
			close(fd);
		return o;
	}
	if (fd < 0) {
		fd = open(l->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		/* e.g. executable, but not readable */
		if (fd < 0)
			return object_from_memory(sym, pid, lines, n, l);
	}
	return object_new(sym, &id, l->path, fd);
}

/* ---- maps ---- */

static int read_maps(struct fred_sym *sym, pid_t pid, size_t *ret_len)
{
	char name[64];
	size_t len = 0;
	int fd, r;

	snprintf(name, sizeof(name), "/proc/%d/maps", (int)pid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t got;

		r = sym_grow((void **)&sym->new_text, &sym->new_cap, len + 8192, 1);
		if (r < 0)
			break;
		/* the kernel gives at most about a page, in whole lines */
		got = read(fd, sym->new_text + len, sym->new_cap - len - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			r = got < 0 ? -errno : 0;
			break;
		}
		len += got;
	}
	close(fd);
	if (r < 0)
		return r;
	sym->new_text[len] = 0;
	*ret_len = len;
	return 0;
}

static uint64_t hex(char **p)
{
	uint64_t v = 0;

	for (;; ++*p) {
		unsigned int c = **p;

		if (c - '0' < 10)
			v = v << 4 | (c - '0');
		else if (c - 'a' < 6)
			v = v << 4 | (c - 'a' + 10);
		else
			return v;
	}
}

/* "lo-hi perms off maj:min ino   path"; paths have \012 for a newline, which stays. */
static char *parse_line(char *p, struct line *l)
{
	static const char suffix[] = " (deleted)";
	char *end = strchrnul(p, '\n');
	char *next = *end ? end + 1 : end;
	size_t len;

	*end = 0;
	l->lo = hex(&p);
	if (*p)
		p++;
	l->hi = hex(&p);
	l->exec = strnlen(p, 4) == 4 && p[3] == 'x';
	p += strcspn(p + (*p != 0), " ") + (*p != 0);
	p += strspn(p, " ");
	l->off = hex(&p);
	p += strspn(p, " ");
	l->dev = hex(&p) << 32;
	if (*p)
		p++;
	l->dev |= hex(&p);
	l->ino = strtoull(p, &p, 10);
	p += strspn(p, " ");
	len = strlen(p);
	l->deleted = len > sizeof(suffix) - 1 && !strcmp(p + len - (sizeof(suffix) - 1), suffix);
	if (l->deleted)
		p[len - (sizeof(suffix) - 1)] = 0;
	l->path = p;
	return next;
}

/* Where the file offset off is in link-time addresses, minus off. */
static bool object_delta(const struct sym_object *o, const struct line *l, uint64_t *ret)
{
	size_t i;

	for (i = 0; i < o->n_loads; i++) {
		if (l->off >= (o->loads[i].off & ~4095ULL) &&
		    l->off < o->loads[i].off + o->loads[i].filesz) {
			*ret = o->loads[i].vaddr - o->loads[i].off;
			return true;
		}
	}
	return false;
}

static int add_map(struct fred_sym *sym, const struct line *l, struct sym_object *o)
{
	uint64_t delta;
	int r;

	r = sym_grow((void **)&sym->maps, &sym->cap_maps, sym->n_maps + 1, sizeof(*sym->maps));
	if (r < 0)
		return r;
	sym->maps[sym->n_maps] = (struct sym_map){ .lo = l->lo, .hi = l->hi, .exec = true };
	if (o && o->dwfl && object_delta(o, l, &delta)) {
		sym->maps[sym->n_maps].object = o;
		sym->maps[sym->n_maps].bias = l->lo - l->off - delta;
	}
	sym->n_maps++;
	return 0;
}

static void drop_unused(struct fred_sym *sym)
{
	for (;;) {
		struct sym_object **p, **oldest = NULL, *o;
		size_t unused = 0;

		for (p = &sym->objects; *p; p = &(*p)->next) {
			if ((*p)->used == sym->generation)
				continue;
			unused++;
			if (!oldest || (*p)->used < (*oldest)->used)
				oldest = p;
		}
		if (unused <= MAX_UNUSED_OBJECTS)
			return;
		o = *oldest;
		*oldest = o->next;
		sym_rows_forget(sym, o);
		object_free(o);
	}
}

static uint64_t exe_inode(pid_t pid)
{
	char name[64];
	struct stat st;

	snprintf(name, sizeof(name), "/proc/%d/exe", (int)pid);
	return stat(name, &st) < 0 ? 0 : st.st_ino;
}

static int build_maps(struct fred_sym *sym, pid_t pid, char *text)
{
	_cleanup_free_ struct line *lines = NULL;
	uint64_t exe = exe_inode(pid);
	size_t n = 0, cap = 0, i;
	struct sym_object *o = NULL;
	const struct line *last = NULL;
	int r;

	while (*text) {
		r = sym_grow((void **)&lines, &cap, n + 1, sizeof(*lines));
		if (r < 0)
			return r;
		text = parse_line(text, &lines[n++]);
	}
	sym->n_maps = 0;
	sym->main = NULL;
	sym->generation++;
	for (i = 0; i < n; i++) {
		const struct line *l = &lines[i];

		/* vsyscall is no memory of the process: nothing runs there */
		if (!l->exec || !strcmp(l->path, "[vsyscall]"))
			continue;
		if (!last || last->ino != l->ino || last->dev != l->dev ||
		    strcmp(last->path, l->path))
			o = object_for(sym, pid, lines, n, l);
		last = l;
		if (o)
			o->used = sym->generation;
		if (o && !sym->main && exe && l->ino && (l->ino == exe || o->id.ino == exe))
			sym->main = o;
		r = add_map(sym, l, o);
		if (r < 0)
			return r;
	}
	drop_unused(sym);
	return 0;
}

/* No file that is mapped was written to or replaced under its name. */
static bool objects_same(const struct fred_sym *sym)
{
	const struct sym_object *o;

	for (o = sym->objects; o; o = o->next) {
		struct stat st;

		if (o->used != sym->generation || o->from_memory)
			continue;
		if (stat(o->path, &st) < 0 || (uint64_t)st.st_ino != o->id.ino)
			continue; /* deleted: the mapped one can't have changed */
		if (st.st_mtim.tv_sec != o->id.mtime.tv_sec ||
		    st.st_mtim.tv_nsec != o->id.mtime.tv_nsec || (uint64_t)st.st_size != o->id.size)
			return false;
	}
	return true;
}

int fred_sym_refresh(struct fred_sym *sym, pid_t pid)
{
	_cleanup_free_ char *copy = NULL;
	char *text;
	size_t len = 0, cap;
	int r;

	r = read_maps(sym, pid, &len);
	if (r < 0)
		return r;
	sym->pid = pid;
	if (sym->maps_text && len == sym->maps_len && !memcmp(sym->maps_text, sym->new_text, len) &&
	    objects_same(sym))
		return 0;

	copy = strdup(sym->new_text);
	if (!copy)
		return -ENOMEM;
	sym->maps_len = 0;
	r = build_maps(sym, pid, copy);
	if (r < 0)
		return r;
	text = sym->maps_text;
	cap = sym->maps_cap;
	sym->maps_text = sym->new_text;
	sym->maps_cap = sym->new_cap;
	sym->maps_len = len;
	sym->new_text = text;
	sym->new_cap = cap;
	return 0;
}

const struct sym_map *sym_map_at(const struct fred_sym *sym, uint64_t pc)
{
	size_t lo = 0, hi = sym->n_maps;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (pc >= sym->maps[mid].hi)
			lo = mid + 1;
		else if (pc < sym->maps[mid].lo)
			hi = mid;
		else
			return &sym->maps[mid];
	}
	return NULL;
}

bool sym_executable(const struct fred_sym *sym, uint64_t pc)
{
	return sym_map_at(sym, pc) != NULL;
}

/* ---- life ---- */

int fred_sym_create(struct fred_sym **ret)
{
	struct fred_sym *sym;

	if (elf_version(EV_CURRENT) == EV_NONE)
		return -ENOTSUP;
	sym = calloc(1, sizeof(*sym));
	if (!sym)
		return -ENOMEM;
	sym->rows = calloc(SYM_ROWS, sizeof(*sym->rows));
	if (!sym->rows) {
		free(sym);
		return -ENOMEM;
	}
	if (cs_open(CS_ARCH_X86, CS_MODE_64, &sym->cs) != CS_ERR_OK) {
		fred_sym_destroy(sym);
		return -ENOTSUP;
	}
	sym->cs_open = true;
	sym->cs_insn = cs_malloc(sym->cs);
	if (!sym->cs_insn) {
		fred_sym_destroy(sym);
		return -ENOMEM;
	}
	*ret = sym;
	return 0;
}

struct fred_sym *fred_sym_destroy(struct fred_sym *sym)
{
	size_t i;

	if (!sym)
		return NULL;
	while (sym->objects) {
		struct sym_object *o = sym->objects;

		sym->objects = o->next;
		object_free(o);
	}
	for (i = 0; i < sym->cap_strings; i++) {
		while (sym->strings[i]) {
			struct sym_string *s = sym->strings[i];

			sym->strings[i] = s->next;
			free(s);
		}
	}
	sym_decodes_free(sym);
	sym_code_forget(sym);
	sym_told_free(sym);
	if (sym->cs_insn)
		cs_free(sym->cs_insn, 1);
	if (sym->cs_open)
		cs_close(&sym->cs);
	free(sym->strings);
	free(sym->rows);
	free(sym->maps);
	free(sym->maps_text);
	free(sym->new_text);
	free(sym);
	return NULL;
}
