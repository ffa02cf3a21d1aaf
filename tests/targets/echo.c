/* Reads lines and says them again. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int lines;

void got(const char *line)
{
	lines++;		/* MARK got */
	printf("%d:%d:%s", lines, (int)strlen(line), line);
	fflush(stdout);
}

int main(void)
{
	char line[100];
	fprintf(stderr, "tty %d %d %d\n", isatty(0), isatty(1), isatty(2));
	while (fgets(line, sizeof line, stdin))
		got(line);	/* MARK call */
	puts("end");
	return lines;		/* MARK last */
}
