/* Private mappings of files that are written while they are mapped. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE 12288

volatile int seen, own, last, round_;

int main(int argc, char **argv)
{
	char name[] = "/tmp/privatesXXXXXX", buf[SIZE];
	int fd = argc > 1 && argv[1][0] == 'm' ? memfd_create("privates", 0) : mkstemp(name);
	volatile char *both, *read_only;

	if (argc < 2 || argv[1][0] != 'm')
		unlink(name);
	memset(buf, 1, SIZE);
	if (write(fd, buf, SIZE) != SIZE)
		return 1;
	both = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	read_only = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
	for (round_ = 2; round_ < 40; round_++) {
		seen = both[0] * 1000 + read_only[SIZE - 1];
		memset(buf, round_, SIZE);
		if (pwrite(fd, buf, SIZE, 0) != SIZE)
			return 2;
		if (round_ == 10)
			both[4096] = 99;
		if (round_ == 20) {
			munmap((void *)both, 4096);
			both = mmap((void *)both, 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 8192);
		}
		own = both[4096];	/* MARK written */
	}
	last = both[0] + read_only[5000];
	printf("%d %d %d\n", seen, own, last);
	return 0;			/* MARK end */
}
