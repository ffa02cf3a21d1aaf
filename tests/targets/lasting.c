/* Frames that last for long, and others that look as if they had.   cc: -x c++ -lstdc++ */
#include <csetjmp>
#include <cstdlib>
#include <string>
#include <ucontext.h>

static volatile long n, rounds, sum;
static long most;
static jmp_buf env;
static ucontext_t back, other;
static char stack[65536];

static void spin(long k)
{
	for (long i = 0; i < k; i++) sum += i;	/* MARK spin */
	n++;	/* MARK spun */
}

static void loops(void)
{
	std::string text = "some text, long enough to be freed";

	rounds++;	/* MARK begin */
	while (n < 40) { spin(20000000); }	/* MARK calls */
	n = 0;	/* MARK between */
	while (n < 800000000) n++;	/* MARK busy */
	rounds++;	/* MARK end */
}

static void jumps(void)
{
	setjmp(env);	/* MARK setjmp */
	if (rounds < most) {
		rounds++;
		spin(1000000);	/* MARK jump-call */
		longjmp(env, 1);
	}
}

static void thrower(void)
{
	if (rounds < most)
		throw 1;
}

static void throws(void)
{
again:
	try {
		rounds++;
		spin(1000000);	/* MARK throw-call */
		thrower();
		return;
	} catch (int) {
		goto again;
	}
}

static void tail(long k);

__attribute__((noinline, optimize("O2"))) static void head(long k)
{
	rounds++;
	spin(1000000);	/* MARK tail-call */
	tail(k - 1);
}

__attribute__((noinline, optimize("O2"))) static void tail(long k)
{
	if (k)
		head(k);
}

static void coroutine(void)
{
	rounds++;
	spin(1000000);	/* MARK co-call */
}

static void contexts(void)
{
	while (rounds < most) {
		getcontext(&other);
		other.uc_stack.ss_sp = stack;
		other.uc_stack.ss_size = sizeof(stack);
		other.uc_link = &back;
		makecontext(&other, coroutine, 0);
		swapcontext(&back, &other);
	}
}

int main(int argc, char **argv)
{
	most = argc > 2 ? atol(argv[2]) : 0;
	switch (argc > 1 ? *argv[1] : 0) {
	case 'l': loops(); break;
	case 'j': jumps(); break;
	case 't': throws(); break;
	case 'h': head(most); break;
	case 'c': contexts(); break;
	}
	return 0;	/* MARK last */
}
