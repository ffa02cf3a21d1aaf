/* cc: -O2
 *
 * Optimized: functions whose first line starts at their entry, calls amid other lines' code, and calls at a function's
 * end that are jumps. */
volatile long global;
int users, steps;

__attribute__((noinline)) long leaf(long x)
{
	global = x;	/* MARK leaf-1 */
	global += 2;	/* MARK leaf-2 */
	global ^= 7;	/* MARK leaf-3 */
	return global;	/* MARK leaf-4 */
}

__attribute__((noinline)) void user(void)
{
	users++;	/* MARK user */
}

__attribute__((noinline)) long jumps(long x)
{
	global = 3;		/* MARK jumps-1 */
	user();			/* MARK jumps-2 */
	return leaf(x + 1);	/* MARK jumps-3 */
}

__attribute__((noinline)) long calls(long x)
{
	global = 3;			/* MARK calls-1 */
	user();				/* MARK calls-2 */
	return leaf(x + 1) + global;	/* MARK calls-3 */
}

__attribute__((noinline)) long both(long x)
{
	long r = calls(x);	/* MARK both-1 */
	user();			/* MARK both-2 */
	r += calls(x + 1);	/* MARK both-3 */
	user();			/* MARK both-4 */
	r += jumps(x + 2);	/* MARK both-5 */
	return r;		/* MARK both-6 */
}

__attribute__((noinline)) int odd(int n);

__attribute__((noinline)) int even(int n)
{
	if (n == 0)	/* MARK even */
		return 1;
	return odd(n - 1);	/* MARK even-on */
}

__attribute__((noinline)) int odd(int n)
{
	if (n == 0)	/* MARK odd */
		return 0;
	steps++;	/* MARK odd-counts */
	return even(n - 1);	/* MARK odd-on */
}

int main(void)
{
	long r = both(1);	/* MARK main */
	r += even(5);		/* MARK even-call */
	user();			/* MARK end */
	return (int)r & 1;
}
