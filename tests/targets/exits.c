/* Prints its arguments and exits with the first. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		printf("<%s>\n", argv[i]);
	const char *word = getenv("WORD");
	if (word)
		printf("WORD=%s\n", word);
	return argc > 1 ? atoi(argv[1]) : 0;	/* MARK last */
}
