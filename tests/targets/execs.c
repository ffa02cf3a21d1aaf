/* Becomes itself twice, then exits. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int generation;

int main(int argc, char **argv)
{
	char next[16];
	generation = argc > 1 ? atoi(argv[1]) : 0;	/* MARK first */
	printf("generation %d\n", generation);
	fflush(stdout);
	if (generation < 2) {
		snprintf(next, sizeof next, "%d", generation + 1);
		execl("/proc/self/exe", argv[0], next, (char *)NULL);	/* MARK exec */
		return 1;
	}
	return 0;		/* MARK last */
}
