/* Code of a file, from which calls come that make no stop, changes: the kernel takes a length of 1 for a page. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096

volatile long sum, wrong;
static int level; /* how nice it is */

static void check(int good)
{
	wrong += !good;
}

/* A function that makes a call, mapped from a file. */
static char *code(void)
{
	static const unsigned char call[] = { 0xb8, SYS_getppid, 0, 0, 0, 0x0f, 0x05, 0xc3 };
	char name[] = "/tmp/quickcodeXXXXXX", page[PAGE], *p;
	int fd = mkstemp(name);

	unlink(name);
	memset(page, 0x90, sizeof(page));
	memcpy(page + 256, call, sizeof(call));
	for (int i = 0; i < 2; i++)
		check(write(fd, page, PAGE) == PAGE);
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	check(p != MAP_FAILED);
	close(fd);
	return p;
}

/* Calls from there, while other memory is changed. */
static void use(int (*f)(void))
{
	char *other = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (int i = 0; i < 300; i++) {
		check(f() == getppid());
		check(!mprotect(other, PAGE, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE));
		other = i % 2 ? other : mremap(other, PAGE, PAGE, MREMAP_MAYMOVE);
	}
	check(!munmap(other, PAGE));
}

static void rewritten(void)
{
	static const unsigned char other[] = { 0xb8, 42, 0, 0, 0, 0xc3 };
	char *p = code();
	int (*f)(void) = (int (*)(void))(p + 256);

	use(f);
	check(!mprotect(p, 1, PROT_READ | PROT_WRITE));
	memcpy(p + 256, other, sizeof(other));
	check(!mprotect(p, 1, PROT_READ | PROT_EXEC));
	sum += f();
	check(f() == 42);
	munmap(p, 2 * PAGE);
}

static void moved(void)
{
	char *p = code(), *to;
	int (*f)(void) = (int (*)(void))(p + 256);

	use(f);
	to = mremap(p, 1, 100 * PAGE, MREMAP_MAYMOVE);
	check(to != MAP_FAILED && to != p);
	check(!memcmp(to + 256, "\xb8\x6e\0\0\0\x0f\x05\xc3", 8));
	to = mmap(p, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	check(to == p);
	check(getpriority(PRIO_PROCESS, 0) == level);
	for (int i = 0; i < PAGE; i++)
		check(!to[i]);
}

static void unmapped(void)
{
	char *p = code(), *to[100];
	int (*f)(void) = (int (*)(void))(p + 256);

	use(f);
	check(!munmap(p, 1));
	for (int i = 0; i < 100; i++) {
		to[i] = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		memset(to[i], 7, PAGE);
		sum += to[i] == p;
	}
	check(getpriority(PRIO_PROCESS, 0) == level);
	for (int i = 0; i < 100; i++)
		for (int k = 0; k < PAGE; k++)
			check(to[i][k] == 7);
}

/* Other memory moves there. */
static void replaced(void)
{
	char *p = code(), *other = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int (*f)(void) = (int (*)(void))(p + 256);
	pid_t pid;

	memset(other, 7, PAGE);
	use(f);
	check(mremap(other, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p) == p);
	pid = fork();
	if (!pid)
		_exit(0);
	check(waitpid(pid, NULL, 0) == pid);
	for (int i = 0; i < PAGE; i++)
		check(p[i] == 7);
}

int main(void)
{
	level = getpriority(PRIO_PROCESS, 0);
	use(getppid);	/* MARK begin */
	rewritten();
	moved();
	unmapped();
	replaced();
	printf("%ld, %ld wrong\n", sum, wrong);
	return 0;			/* MARK end */
}
