/*
 * A packing plan: parcel types are read from a table of text, a plan is made from them, and thousands
 * of orders are packed by the plan. At the end the crates don't add up. The number that is wrong was
 * read long ago, and has been copied twice since.
 *
 * usage: farvalue [ORDERS]	(default 30000)
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TYPES = 4 };

struct type {
	char name[16];
	long per_crate;
};

struct plan {
	const char *name;
	long per_crate;
	long open; /* parcels in the crate that is being filled */
	long parcels, crates;
};

static const char *const table[] = {
	"small	012",
	"medium	006",
	"large	002",
};

static struct type types[MAX_TYPES];
static struct plan plans[MAX_TYPES];
static int n_types;

static long number(const char *text)
{
	return strtol(text, NULL, 0);
}

static void type_set(struct type *t, const char *name, size_t length, long per_crate)
{
	if (length >= sizeof(t->name))
		length = sizeof(t->name) - 1;
	memcpy(t->name, name, length);
	t->name[length] = '\0';
	t->per_crate = per_crate;
}

static void read_line(const char *line)
{
	const char *tab = strchr(line, '\t');

	if (!tab || n_types == MAX_TYPES)
		return;
	type_set(&types[n_types], line, tab - line, number(tab + 1));
	n_types++;
}

static void read_table(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		read_line(table[i]);
}

static void make_plans(void)
{
	for (int i = 0; i < n_types; i++) {
		plans[i].name = types[i].name;
		plans[i].per_crate = types[i].per_crate;
	}
}

static void pack(struct plan *p)
{
	p->parcels++;
	if (++p->open == p->per_crate) {
		p->open = 0;
		p->crates++;
	}
}

static unsigned int random_number(void)
{
	static unsigned int seed = 7;

	seed = seed * 1103515245u + 12345u;
	return seed >> 16;
}

static void pack_orders(long orders)
{
	for (long i = 0; i < orders; i++)
		pack(&plans[random_number() % n_types]);
}

/* The warehouse pays by its own price list: 12 small, 6 medium or 2 large parcels to a crate. */
static void check(const struct plan *p, long per_crate)
{
	printf("%s: %ld parcels in %ld crates\n", p->name, p->parcels, p->crates);
	fflush(stdout);
	assert(p->crates == p->parcels / per_crate);
}

int main(int argc, char **argv)
{
	read_table();
	make_plans();
	pack_orders(argc > 1 ? atol(argv[1]) : 30000);
	check(&plans[2], 2);
	check(&plans[1], 6);
	check(&plans[0], 12);
	return 0;
}
