/* Private mappings of files that are written while they are mapped:
 * privates file|memfd|first|later|moved|slowly
 * privates others FILE long|soon */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define SIZE 12288

volatile int seen, own, last, round_;

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "file";
	char name[] = "/tmp/privatesXXXXXX", path[64], buf[SIZE];
	int memory = !strcmp(how, "memfd"), later = !strcmp(how, "later"), first = !strcmp(how, "first");
	int others = !strcmp(how, "others");
	int fd = memory ? memfd_create("privates", 0) : others ? open(argv[2], O_RDWR) : mkstemp(name), writer = fd;
	volatile char *both, *read_only;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	memset(buf, 1, SIZE);
	if (write(fd, buf, SIZE) != SIZE)
		return 1;
	if (first || later || others) {	/* mapped by a descriptor for reading only */
		fd = open(path, O_RDONLY);
		if (!first)
			close(writer);
	}
	both = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	read_only = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
	round_ = 1;			/* MARK mapped */
	if (others) {
		for (clock_t begin = clock(); !strcmp(argv[3], "long") && clock() - begin < CLOCKS_PER_SEC / 3;)
			;
		own = read_only[0];	/* MARK after */
		return 0;
	}
	if (later) {
		snprintf(path, sizeof(path), "%s", name);
		writer = open(path, O_WRONLY);
	}
	unlink(name);
	for (round_ = 2; round_ < 40; round_++) {
		if (!strcmp(how, "slowly"))
			usleep(300000);
		seen = both[0] * 1000 + read_only[SIZE - 1];
		memset(buf, round_, SIZE);
		if (pwrite(writer, buf, SIZE, 0) != SIZE)
			return 2;
		if (round_ == 10)
			both[4096] = 99;
		if (round_ == 20) {
			munmap((void *)both, 4096);
			both = mmap((void *)both, 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 8192);
		}
		if (round_ == 15 && !strcmp(how, "moved")) {
			void *room = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			read_only = mremap((void *)read_only, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, room);
			mprotect((void *)both, SIZE, PROT_NONE);
			if (pwrite(writer, buf, 100, 300) != 100)
				return 3;
			mprotect((void *)both, SIZE, PROT_READ);
		}
		own = both[4096];	/* MARK written */
	}
	last = both[0] + read_only[5000];
	printf("%d %d %d\n", seen, own, last);
	return 0;			/* MARK end */
}
