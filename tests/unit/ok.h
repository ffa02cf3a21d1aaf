// SPDX-License-Identifier: GPL-3.0-or-later
/* What tests say and when they end. */
#ifndef OK_H
#define OK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* One line for what holds; the end at the first thing that doesn't. */
static void __attribute__((format(printf, 2, 3), unused)) ok(bool holds, const char *what, ...)
{
	va_list ap;

	printf("%s - ", holds ? "ok" : "not ok");
	va_start(ap, what);
	vprintf(what, ap);
	va_end(ap);
	putchar('\n');
	if (!holds)
		exit(1);
}

/* The same without a line when it holds. */
#define need(holds)                                                                     \
	do {                                                                            \
		if (!(holds)) {                                                         \
			printf("not ok - %s, line %d (errno: %m)\n", #holds, __LINE__); \
			exit(1);                                                        \
		}                                                                       \
	} while (0)

#endif
