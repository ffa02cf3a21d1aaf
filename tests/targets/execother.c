/* Becomes another program. */
#include <unistd.h>

int main(int argc, char **argv)
{
	(void)argc, (void)argv;
	execl("./exits", "exits", "4", "five", (char *)NULL);	/* MARK exec */
	return 1;
}
