/* Ends badly: segv, abort, fpe, bus, ill, trap, kill. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

int steps;
int *pointer;

static void wreck(void)
{
	steps = 7;		/* MARK wreck */
	*pointer = steps;	/* MARK segv */
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "segv";
	volatile int zero = 0;
	for (int i = 0; i < 5; i++)
		steps++;	/* MARK step */
	if (!strcmp(how, "segv"))
		wreck();	/* MARK call */
	if (!strcmp(how, "abort"))
		abort();
	if (!strcmp(how, "fpe"))
		steps = 7 / zero;
	if (!strcmp(how, "ill"))
		__asm__ volatile("ud2");
	if (!strcmp(how, "trap"))
		__asm__ volatile("int3");
	if (!strcmp(how, "kill"))
		raise(SIGKILL);
	return 0;
}
