/*
 * A document cache: a linked list of at most LIMIT slots. Clients open and close documents; an open
 * document is pinned and keeps its slot. Slots are reused, least recently used first, so the list
 * never grows beyond LIMIT. Except that, once in many thousand requests, it does.
 *
 * usage: list [REQUESTS]	(default 20000)
 */
#include <stdio.h>
#include <stdlib.h>

enum { LIMIT = 8, DOCUMENTS = 40 };

struct slot {
	struct slot *next;
	int document;
	int pins;
	long last_use;
};

static struct slot *head;
static long request;

/* The invariant of the whole program is list_len(head) <= LIMIT. */
static int list_len(const struct slot *s)
{
	int n = 0;

	for (; s; s = s->next)
		n++;
	return n;
}

static int pinned(const struct slot *s)
{
	int n = 0;

	for (; s; s = s->next)
		n += s->pins > 0;
	return n;
}

static struct slot *find(int document)
{
	struct slot *s = head;

	while (s && s->document != document)
		s = s->next;
	return s;
}

static struct slot *least_recently_used(void)
{
	struct slot *best = NULL;

	for (struct slot *s = head; s; s = s->next)
		if (!s->pins && (!best || s->last_use < best->last_use))
			best = s;
	return best;
}

static struct slot *add_slot(void)
{
	struct slot *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->next = head;
	head = s;
	return s;
}

static struct slot *load(int document)
{
	struct slot *s = NULL;

	if (list_len(head) >= LIMIT)
		s = least_recently_used();
	if (!s)
		s = add_slot();
	s->document = document;
	return s;
}

static void open_document(int document)
{
	struct slot *s = find(document);

	if (!s)
		s = load(document);
	s->pins++;
	s->last_use = request;
}

static void close_document(int document)
{
	struct slot *s = find(document);

	if (s && s->pins)
		s->pins--;
}

static unsigned int random_number(void)
{
	static unsigned int seed = 42;

	seed = seed * 1103515245u + 12345u;
	return seed >> 16;
}

static int report(void)
{
	int len = list_len(head);

	printf("%ld requests: %d slots (limit %d), %d of them pinned\n", request, len, LIMIT,
	       pinned(head));
	return len > LIMIT;
}

int main(int argc, char **argv)
{
	long requests = argc > 1 ? atol(argv[1]) : 20000;

	while (request < requests) {
		int document = random_number() % DOCUMENTS;

		request++;
		if (random_number() % 18 == 0)
			open_document(document);
		else
			close_document(document);
	}
	return report();
}
