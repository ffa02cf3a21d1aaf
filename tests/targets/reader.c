/* Reads and writes many blocks: more of a record than fits. MARKs are what tests look for. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

unsigned int block[1024], turn;
unsigned long sum;

void next(unsigned int *b) /* block number turn is there */
{
	sum = sum * 31 + b[0] + b[1023];
}

void spot(void) /* the block of one of the turns that were asked for is there */
{
}

int main(int argc, char **argv)
{
	unsigned int n = argc > 1 ? atoi(argv[1]) : 1000;
	int fd = open("/dev/urandom", O_RDONLY);

	for (turn = 0; turn < n; turn++) {
		if (read(fd, block, sizeof(block)) != sizeof(block))
			return 1;
		next(block);
		if (argc > 2 && turn == (unsigned int)atoi(argv[2])) {
			spot();
			argc--;
			argv++;
		}
	}
	printf("sum %lu\n", sum); /* MARK end */
	return 0;
}
