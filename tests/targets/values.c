/* Variables that are written again and again, each line one statement. */
#include <stdlib.h>

int a, b, seen;
struct node { int n; struct node *next; } *gs, second, third;

static int loc(int n)
{
	int l = n;		/* MARK begin */
	l += 2;
	a = l;
	l *= 3;
	b = l;			/* MARK b */
	gs->n = l;		/* MARK gs */
	gs->next = n % 2 ? &second : &third;	/* MARK next */
	return l;		/* MARK return */
}

int main(void)
{
	gs = calloc(1, sizeof(*gs));
	for (int i = 0; i < 5; i++) {
		loc(i);		/* MARK call */
		seen += b;	/* MARK read */
	}
	return 0;		/* MARK last */
}
