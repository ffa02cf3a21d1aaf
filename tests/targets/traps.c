/* Traps of the program's own: int3 between statements, in a loop, and SIGTRAP sent. */
#include <signal.h>

int n;
int rounds;

static void round_(int i)
{
	rounds = i;
	__asm__ volatile("int3");	/* MARK looped */
	rounds += 10;			/* MARK behind looped */
}

int main(void)
{
	n = 1;			/* MARK one */
	__asm__ volatile("int3"); /* MARK int3 */
	n = 2;			/* MARK two */
	n = 3;			/* MARK three */
	for (int i = 0; i < 4; i++)
		round_(i);
	n = 4;			/* MARK before */
	raise(SIGTRAP);
	n = 5;			/* MARK behind */
	return 0;
}
