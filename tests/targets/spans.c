/* Frames that are soon gone, and what they reach.   cc: -x c++ -lstdc++ */
#include <stdio.h>

struct sum {
	int n, last;

	void put(int x)
	{
		last = x;	/* MARK put */
		n = n + x;	/* MARK put-add */
		last = -x;	/* MARK put-last */
	}			/* MARK put-end */
};

static struct sum total;
int never = 5, zero;

static void add(struct sum *s, int x)
{
	s->last = x;		/* MARK add */
	s->n = s->n + x;	/* MARK add-add */
}				/* MARK add-end */

static void round_of(struct sum *s, int x)
{
	int steps = 0;		/* MARK round */

	for (int i = 0; i < 3; i++) {
		steps++;	/* MARK steps */
		add(s, x + i);	/* MARK adds */
		s->put(0);
	}
	s->last = steps;	/* MARK round-end */
}

static int same(int x)
{
	return x;
}

int main(void)
{
	for (int j = 0; j < 4; j++)
		round_of(&total, j);
	total.put(same(1));
	printf("%d\n", total.n);	/* MARK print */
	return 0;
}
