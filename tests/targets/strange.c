/* Calls and memory that can't be recorded.   cc: -D_GNU_SOURCE */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

long results[8];
int n;

void mark(void)
{
	n++;	/* MARK mark */
}

long by_int80(long nr)
{
	long res;

	__asm__ volatile("int $0x80" : "=a"(res) : "a"(nr), "b"(0), "c"(0), "d"(0) : "memory", "r8", "r9", "r10", "r11");
	return res;
}

int main(void)
{
	char name[] = "/tmp/strangeXXXXXX", *p;
	int fd = mkstemp(name);

	for (int i = 0; i < 2; i++) {
		results[0] = prctl(4711, i);	/* MARK first */
		mark();
		results[1] = by_int80(20) == getpid();
		mark();
		results[2] = syscall(400, 1, 2, 3);	/* no such call: nothing to tell */
		results[3] = ioctl(fd, 0x80087777, &p);	/* nor such a request */
		mark();
	}
	if (unlink(name) || ftruncate(fd, 4096))
		abort();
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	p[0] = 7;
	results[4] = p[0];
	mark();
	printf("%ld %ld\n", results[1], results[4]);
	return 0;
}
