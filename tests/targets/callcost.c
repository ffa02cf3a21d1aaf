/* Many system calls of one kind, for tests/bench: callcost getppid|read|write|pipe|stat|open|append|clock_gettime|mmap|dup|nap|mask|truncate COUNT
 * open: half of them closes; mmap: munmap; dup: close; mask: SIG_BLOCK and SIG_SETMASK */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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
	struct timespec ts, nap = { 0, 1 };
	void *map = NULL;
	sigset_t all, none;
	struct stat st;
	char buf[64] = "";
	int fds[2];

	sigemptyset(&none);
	sigemptyset(&all);
	sigaddset(&all, SIGUSR1);
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
		else if (what[0] == 'm' && what[1] == 'm') {
			if (i % 2)
				munmap(map, 4096);
			else
				map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		} else if (what[0] == 'm') {
			sigprocmask(i % 2 ? SIG_SETMASK : SIG_BLOCK, i % 2 ? &none : &all, NULL);
		} else if (what[0] == 'd' && (i % 2 ? close(file) : (file = dup(1))) < 0)
			return 1;
		else if (what[0] == 'n')
			nanosleep(&nap, NULL);
		else if (what[0] == 't' && (i % 2 ? close(file) : (file = open("/dev/shm/callcost", O_RDWR | O_CREAT | O_TRUNC, 0600))) < 0)
			return 1;
		else if (what[0] == 'c')
			clock_gettime(CLOCK_MONOTONIC, &ts);
	}
	return 0;
}
