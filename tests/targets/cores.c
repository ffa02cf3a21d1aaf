/* Prints on how many cores it may run, before and after it chooses one. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>

static int cores(void)
{
	cpu_set_t set;
	return sched_getaffinity(0, sizeof set, &set) ? -1 : CPU_COUNT(&set);
}

int main(void)
{
	cpu_set_t one;
	printf("%d\n", cores());
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof one, &one);
	printf("%d\n", cores());
	return 0;
}
