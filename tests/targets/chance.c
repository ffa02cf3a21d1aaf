/*
 * Random numbers from the processor itself, of all sizes, also in a child. cc: -O1 -mrdrnd
 */
#include <immintrin.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned long long wide;
static unsigned int word;
static unsigned short half;
static unsigned long sum;
static int refused;

static __attribute__((noinline)) void draw(void)
{
	refused += !_rdrand64_step(&wide); /* MARK draw */
	refused += !_rdrand32_step(&word);
	refused += !_rdrand16_step(&half);
	sum += wide ^ word ^ half;
}

static void done(void)
{
	printf("refused %d\n", refused);
}

int main(void)
{
	int status = 1;
	pid_t pid;

	if (!__builtin_cpu_supports("rdrnd"))
		return 77;
	for (int i = 0; i < 200; i++)
		draw();
	pid = fork();
	if (pid == 0) {
		draw();
		_exit(refused);
	}
	waitpid(pid, &status, 0);
	refused += status;
	done();
	return 0;
}
