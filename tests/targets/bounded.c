/* A queue that must stay below 10 items, and from one step on does not. */
#include <stdio.h>
#include <stdlib.h>

struct node { struct node *next; long tag; };
static struct node *first;
static long step;

int length(void)
{
	int n = 0;
	for (struct node *p = first; p; p = p->next)
		n++;
	return n;
}

static void push(long tag)
{
	struct node *p = malloc(sizeof *p);
	p->tag = tag;
	p->next = first;
	first = p;		/* MARK link */
}

static void pop(void)
{
	struct node *p = first;
	first = p->next;
	free(p);
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 20000;
	for (step = 0; step < n; step++) {
		if (step == n * 6 / 10)
			while (length() < 10)
				push(-step);	/* MARK bug */
		else if (length() < 3 + step * step % 5 + (step > n * 6 / 10 ? 8 : 0))
			push(step);		/* MARK push */
		else
			pop();
	}
	puts("done");		/* MARK done */
	return 0;
}
