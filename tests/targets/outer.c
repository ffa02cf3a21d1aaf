/* Time, chance, typed lines, files: everything that a replay must not ask for again. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

long when;
unsigned chance;
char line[64], from_file[32];
int turn;

void mark(void) { }		/* MARK mark */

int main(void)
{
	for (turn = 0; turn < 4; turn++) {
		struct timespec ts, nap = { 0, 100000000 };
		clock_gettime(CLOCK_MONOTONIC, &ts);
		when = ts.tv_sec * 1000000000L + ts.tv_nsec;
		if (getrandom(&chance, sizeof chance, 0) != sizeof chance)
			return 1;
		printf("line %d? ", turn);
		fflush(stdout);
		if (!fgets(line, sizeof line, stdin))
			return 2;
		int fd = open("outer.log", O_RDWR | O_CREAT | O_APPEND, 0644);
		dprintf(fd, "%d %s", turn, line);
		lseek(fd, 0, SEEK_SET);
		memset(from_file, 0, sizeof from_file);
		if (read(fd, from_file, sizeof from_file - 1) < 0)
			return 3;
		close(fd);
		nanosleep(&nap, NULL);
		mark();		/* MARK call */
	}
	puts("bye");		/* MARK bye */
	return 0;
}
