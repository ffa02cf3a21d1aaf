/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * symbols_debug.c - debug information in files of its own
 *
 * Lines that the debugger doesn't know are none to stop at, so it says which files
 * it has read; only of files that it doesn't mention we look for some ourselves.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "symbols_internal.h"

struct sym_told {
	struct sym_told *next;
	dev_t dev; /* of the file that runs */
	ino_t ino;
	char *debug; /* NULL: none */
};

/*
 * dwfl's own search, but never over the network: it would ask debuginfod when
 * DEBUGINFOD_URLS is set. The variable is put back since it is the user's, and
 * what fred starts inherits it.
 */
static int standard(Dwfl_Module *mod, void **userdata, const char *modname, GElf_Addr base,
		    const char *file, const char *debuglink, GElf_Word crc, char **debuginfo)
{
	const char *urls = getenv("DEBUGINFOD_URLS");
	_cleanup_free_ char *saved = urls ? strdup(urls) : NULL;
	int fd;

	if (urls)
		unsetenv("DEBUGINFOD_URLS");
	fd = dwfl_standard_find_debuginfo(mod, userdata, modname, base, file, debuglink, crc,
					  debuginfo);
	if (saved)
		setenv("DEBUGINFOD_URLS", saved, 1);
	return fd;
}

int sym_find_debuginfo(Dwfl_Module *mod, void **userdata, const char *modname, GElf_Addr base,
		       const char *file, const char *debuglink, GElf_Word crc, char **debuginfo)
{
	const struct sym_object *o = *userdata;
	int fd;

	if (!o || !o->told)
		return standard(mod, userdata, modname, base, file, debuglink, crc, debuginfo);
	if (!o->told->debug)
		return -1;
	fd = open(o->told->debug, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		*debuginfo = strdup(o->told->debug);
	return fd;
}

static struct sym_told *find(const struct fred_sym *sym, dev_t dev, ino_t ino)
{
	struct sym_told *t = sym->told;

	while (t && (t->dev != dev || t->ino != ino))
		t = t->next;
	return t;
}

const struct sym_told *sym_told_debug(const struct fred_sym *sym, const struct sym_object *o)
{
	return find(sym, o->id.dev, o->id.ino);
}

int fred_sym_tell_debug(struct fred_sym *sym, const char *file, const char *debug)
{
	char *copy = debug ? strdup(debug) : NULL;
	struct sym_told *t;
	struct stat st;

	if (debug && !copy)
		return -ENOMEM;
	if (stat(file, &st) < 0) { /* the vdso, for one */
		free(copy);
		return 0;
	}
	t = find(sym, st.st_dev, st.st_ino);
	if (!t) {
		t = calloc(1, sizeof(*t));
		if (!t) {
			free(copy);
			return -ENOMEM;
		}
		*t = (struct sym_told){ sym->told, st.st_dev, st.st_ino, NULL };
		sym->told = t;
	}
	free(t->debug);
	t->debug = copy;
	for (struct sym_object *o = sym->objects; o; o = o->next)
		if (o->id.dev == st.st_dev && o->id.ino == st.st_ino)
			o->outdated = true;
	sym->maps_len = 0; /* maps are to be read again */
	return 0;
}

void sym_told_free(struct fred_sym *sym)
{
	while (sym->told) {
		struct sym_told *t = sym->told;

		sym->told = t->next;
		free(t->debug);
		free(t);
	}
}
