/* Counts, and says what it has: a change of the past shows in its output. MARKs are what tests look for. */
#include <stdio.h>
#include <unistd.h>

long count, sum;
int quiet;

static void say(const char *what, long n)
{
	char text[64];

	write(1, text, snprintf(text, sizeof(text), "%s %ld\n", what, n));
}

int turn(int n)
{
	sum += n; /* MARK add */
	return n + 1;
}

int main(void)
{
	for (count = 0; count < 6; count++) {
		turn(count); /* MARK call */
		if (!quiet)
			say("sum", sum); /* MARK say */
	}
	say("end", sum); /* MARK end */
	return (int)sum & 127;
}
