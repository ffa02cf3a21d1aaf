/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What fred knows of one debugger. A new one is one more entry of the table. */
#ifndef FRED_PERSONALITY_H
#define FRED_PERSONALITY_H

#include <stdbool.h>

struct fred_personality {
	const char *name;	      /* as in `fred NAME' */
	const char *(*program)(void); /* what to execute */
	/* What goes before the user's arguments: NULL or an array that ends
	 * with NULL, the caller's to free; its strings aren't. */
	char **(*arguments)(void);
	/* Whether a program, not a user, reads what it prints with these arguments. */
	bool (*has_front_end)(char **args);
};

/* NULL: unknown. */
const struct fred_personality *fred_personality_find(const char *name);

#endif
