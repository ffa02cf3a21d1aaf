/* Loops that are all of their line, with calls that are seldom made. */
#include <unistd.h>

long n, hits;

void hit(void)
{
	hits++;	/* MARK hit */
}		/* MARK hit-end */

int main(void)
{
	n = 0;	/* MARK before */
	for (;;) { n++; if (n % 100000 == 0) getppid(); if (n == 3000000) break; }	/* MARK library */
	n = 0;	/* MARK between */
	for (;;) { n++; if (n % 1000000 == 0) hit(); if (n == 3500000) break; }	/* MARK own */
	return (int)hits - 3;	/* MARK end */
}
