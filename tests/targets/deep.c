/* A recursion that only ends when its stack does. */
#pragma GCC diagnostic ignored "-Winfinite-recursion"
static int forever(int n)
{
	char room[1000];

	room[0] = (char)n;
	return forever(n + 1) + room[0];	/* MARK deeper */
}

int main(void)
{
	return forever(0);	/* MARK call */
}
