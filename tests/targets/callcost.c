/* Many system calls of one kind, for tests/bench: callcost getppid|read|write|pipe|stat|open|append|clock_gettime COUNT
 * open: half of them closes */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	long n = argc > 2 ? atol(argv[2]) : 0;
	int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY);
	const char *what = argc > 1 ? argv[1] : "";
	int log = open("/tmp", O_TMPFILE | O_WRONLY | O_APPEND, 0600), file = -1;
	struct timespec ts;
	struct stat st;
	char buf[64] = "";
	int fds[2];

	if (pipe(fds))
		return 1;
	for (long i = 0; i < n; i++) {
		if (what[0] == 'g')
			syscall(SYS_getppid);
		else if (what[0] == 'r' && read(zero, buf, sizeof(buf)) < 0)
			return 1;
		else if (what[0] == 'w' && write(null, buf, sizeof(buf)) < 0)
			return 1;
		else if (what[0] == 'p' && (i % 2 ? read(fds[0], buf, 1) : write(fds[1], buf, 1)) != 1)
			return 1;
		else if (what[0] == 's' && stat("/etc/passwd", &st))
			return 1;
		else if (what[0] == 'o' && (i % 2 ? close(file) : (file = open("/etc/passwd", O_RDONLY))) < 0)
			return 1;
		else if (what[0] == 'a' && write(log, buf, sizeof(buf)) < 0)
			return 1;
		else if (what[0] == 'c')
			clock_gettime(CLOCK_MONOTONIC, &ts);
	}
	return 0;
}
