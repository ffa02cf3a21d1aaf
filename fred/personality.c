/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fred/personality.h"

/* The file with fred's commands: beside the checkout's bin/, or installed. */
static const char *commands_file(void)
{
	static char path[PATH_MAX + 32];
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (n > 0) {
		static const char *const places[] = { "%s/../fred/gdb/fred.py",
						      "%s/../../../fred/gdb/fred.py",
						      "%s/../share/fred/fred.py" };

		exe[n] = 0;
		*strrchr(exe, '/') = 0;
		for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
			snprintf(path, sizeof(path), places[i], exe);
			if (access(path, R_OK) == 0)
				return path;
		}
	}
	return FRED_DATADIR "/fred.py";
}

static const char *gdb_program(void)
{
	const char *other = getenv("FRED_DEBUGGER");

	return other && *other ? other : "gdb";
}

static char **gdb_arguments(void)
{
	static char source[PATH_MAX + 64];
	char **a = calloc(5, sizeof(*a));

	if (!a)
		return NULL;
	snprintf(source, sizeof(source), "source %s", commands_file());
	/* This early it is no change that MI would have to tell of. See core.py. */
	a[0] = (char *)"-eiex";
	a[1] = (char *)"set displaced-stepping off";
	a[2] = (char *)"-iex";
	a[3] = source;
	return a;
}

/* Whether arg is that option: one dash or two, shortened to `least' letters or
 * more, or to one. *value: what stands behind its `=', or NULL. */
static bool is_option(const char *arg, const char *name, size_t least, const char **value)
{
	const char *p = arg + strspn(arg, "-");
	size_t len = strcspn(p, "=");

	*value = p[len] ? p + len + 1 : NULL;
	return *arg == '-' && (len == 1 || len >= least) && !strncmp(p, name, len);
}

static bool gdb_has_front_end(char **args)
{
	const char *value;

	for (size_t i = 0; args[i] && strcmp(args[i], "--args"); i++) {
		if (is_option(args[i], "interpreter", 3, &value)) {
			if (!value)
				value = args[i + 1];
			if (value && !strncmp(value, "mi", 2))
				return true;
		}
		if (is_option(args[i], "fullname", 2, &value) ||
		    is_option(args[i], "annotate", 2, &value))
			return true;
	}
	return false;
}

static const struct fred_personality personalities[] = {
	{ "gdb", gdb_program, gdb_arguments, gdb_has_front_end },
};

const struct fred_personality *fred_personality_find(const char *name)
{
	for (size_t i = 0; i < sizeof(personalities) / sizeof(*personalities); i++)
		if (!strcmp(personalities[i].name, name))
			return &personalities[i];
	return NULL;
}
