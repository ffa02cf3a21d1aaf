/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fred: options, and which debugger to run. */
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ckptcore/budget.h"
#include "fred/personality.h"
#include "fred/session.h"

#define VERSION "0.1"

static const char help[] = "Usage: fred [OPTIONS] gdb [GDB-OPTIONS]\n"
			   "       fred-gdb [--no-record] [GDB-OPTIONS]\n"
			   "Runs gdb so that the program can also go back in time.\n"
			   "\n"
			   "  -v, --verbose   say what each search in the past took\n"
			   "      --no-record do not record: forward debugging only\n"
			   "      --version   print fred's version\n"
			   "  -h, --help      print this\n"
			   "\n"
			   "Inside gdb: `help fred', or fred-gdb(1).\n";

static int usage(const char *what, const char *arg)
{
	fprintf(stderr, "fred: %s%s; try `fred --help'\n", what, arg);
	return 2;
}

/* The debugger's argv: its program, what the personality adds, the user's. */
static char **debugger_argv(const struct fred_personality *p, char **args)
{
	size_t n = 0, extra = 0;
	char **argv, **more = p->arguments();

	while (args[n])
		n++;
	while (more && more[extra])
		extra++;
	argv = calloc(n + extra + 2, sizeof(*argv));
	if (!argv)
		return NULL;
	argv[0] = (char *)p->program();
	if (extra)
		memcpy(argv + 1, more, extra * sizeof(*argv));
	memcpy(argv + 1 + extra, args, n * sizeof(*argv));
	free(more);
	return argv;
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	struct fred_options options = { 0 };
	const struct fred_personality *p;
	uint64_t budget;
	int i = 1, status;

	if (!strncmp(name, "fred-", 5)) {
		p = fred_personality_find(name + 5);
		if (!p)
			return usage("no such debugger: ", name + 5);
		/* All else is the debugger's; it has no such option. */
		if (i < argc && !strcmp(argv[i], "--no-record")) {
			options.no_record = true;
			i++;
		}
	} else {
		for (; i < argc && argv[i][0] == '-'; i++) {
			if (!strcmp(argv[i], "-v") || !strcmp(argv[i], "--verbose")) {
				options.verbose = true;
			} else if (!strcmp(argv[i], "--no-record")) {
				options.no_record = true;
			} else if (!strcmp(argv[i], "--version")) {
				puts("fred " VERSION);
				return 0;
			} else if (!strcmp(argv[i], "-h") || !strcmp(argv[i], "--help")) {
				fputs(help, stdout);
				return 0;
			} else {
				return usage("unknown option ", argv[i]);
			}
		}
		if (i == argc)
			return usage("which debugger?", "");
		p = fred_personality_find(argv[i]);
		if (!p)
			return usage("no such debugger: ", argv[i]);
		i++;
	}
	if (getenv("FRED_BUDGET") && ckpt_parse_size(getenv("FRED_BUDGET"), &budget))
		return usage("FRED_BUDGET is no size such as 500M: ", getenv("FRED_BUDGET"));
	options.no_progress = p->has_front_end(argv + i);
	options.argv = debugger_argv(p, argv + i);
	if (!options.argv) {
		fprintf(stderr, "fred: out of memory\n");
		return 1;
	}
	status = fred_session_run(&options);
	free(options.argv);
	return status;
}
