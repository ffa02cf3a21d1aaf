/* The main thread reads one byte at a time from a pipe, by a system call whose place is known, and sleeps in it until
 * another thread has written the next number. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

long ask(int fd, unsigned char *answer);
__asm__(".text\n.globl ask, ask_call, ask_behind\n.type ask, @function\n"
	"ask:\n\t.cfi_startproc\n\tmov $0, %eax\n\tmov $1, %edx\n\tnop\n"
	"ask_call:\n\tsyscall\n"
	"ask_behind:\n\tadd $0, %rax\n\tnop\n\tret\n\t.cfi_endproc\n\t.size ask, . - ask\n");

int asked, given, sum;
unsigned char answer;
static int ends[2];

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

void gave(void)
{
}

void give(int i)
{
	unsigned char c = (unsigned char)i;

	given = i;
	if (write(ends[1], &c, 1) != 1)
		exit(1);
	gave();
}

static void *giver(void *n)
{
	for (int i = 1; i <= *(int *)n; i++) {
		nap(); /* the other one sleeps by then */
		give(i);
	}
	return NULL;
}

void done(void)
{
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 6;
	pthread_t t;

	if (pipe(ends) || pthread_create(&t, NULL, giver, &n))
		return 1;
	for (asked = 1; asked <= n; asked++) {
		if (ask(ends[0], &answer) != 1 || answer != asked)
			return 1;
		sum += answer; /* answered */
	}
	pthread_join(t, NULL);
	done();
	printf("sum %d\n", sum);
	return 0;
}
