/* Frames that are left in other ways than by a return.   cc: -x c++ -lstdc++ */
#include <csetjmp>
#include <cstdio>

static int n;
static jmp_buf env;

struct Guard {
	int k;

	~Guard()
	{
		n -= k;
	} /* MARK end of cleaning */
};

static int id(int x)
{
	return x;
} /* MARK end of id */

static int inner(int x)
{
	if (x > 1)
		throw x; /* MARK the throw */
	return x;
} /* MARK end of inner */

static int outer(int x)
{
	return inner(x) + 1; /* MARK in between */
} /* MARK end of outer */

static int cleaner(int x)
{
	Guard g = { 5 };

	return outer(x) + g.k;
} /* MARK end of cleaner */

static void jumper(int x)
{
	n += x;
	longjmp(env, 1); /* MARK the jump */
}

int main()
{
	int r = 0;

	try {
		r = outer(1);
		r += outer(id(2)), id(3); /* MARK call */
	} catch (int e) { /* MARK catch */
		n += e; /* MARK caught */
	}
	try {
		r += outer(1); /* MARK fine */
	} catch (int e) {
		n += e;
	}
	r++; /* MARK nothing thrown */
	try {
		cleaner(3); /* MARK cleaned call */
	} catch (int e) { /* MARK clean catch */
		n += e;
	}
	try {
		throw id(4); /* MARK own throw */
	} catch (int e) { /* MARK own catch */
		n += e;
	}
	if (setjmp(env) == 0)
		jumper(7); /* MARK jumping call */
	else
		n += 1000; /* MARK jumped */
	if (setjmp(env) == 0) /* MARK again */
		jumper(8); /* MARK last but one */
	n++; /* MARK behind the call */
	for (int i = 0; i < 3; i++) try { inner(i); } catch (int e) { n += e; } /* MARK all in one */
	printf("%d %d\n", n, r); /* MARK print */
	return 0;
}
