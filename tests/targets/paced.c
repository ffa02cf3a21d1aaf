/* Computes and makes a small call, for some seconds: some of the calls are where snapshots are taken. */
#include <sys/syscall.h>
#include <unistd.h>

volatile unsigned long sum;

static long call(long nr)
{
	long result;

	asm volatile("syscall" : "=a"(result) : "a"(nr) : "rcx", "r11", "memory");
	return result;
}

int main(void)
{
	for (int i = 0; i < 15; i++) {
		for (int k = 0; k < 50000000; k++)
			sum += (unsigned long)k;
		sum += (unsigned long)call(SYS_getppid);	/* MARK call */
	}
	for (int i = 0; i < 100000; i++)	/* MARK many */
		call(SYS_getppid);
	return 0;
}
