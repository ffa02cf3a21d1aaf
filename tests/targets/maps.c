/* Memory of all kinds: files mapped privately and shared, memfd, System V, shared with a child, large, brk, madvise.   cc: -D_GNU_SOURCE -pthread */
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

unsigned long sum;
int round_;

void mark(void)
{
	round_++;	/* MARK mark */
}

void add(const void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum = sum * 31 + ((const unsigned char *)p)[i];
}

void need(int good)
{
	if (!good)
		abort();
}

void *map(size_t len, int prot, int flags, int fd)
{
	void *p = mmap(NULL, len, prot, flags, fd, 0);

	need(p != MAP_FAILED);
	return p;
}

void files(void)
{
	char name[] = "/tmp/mapsXXXXXX", *p, *q, *r;
	int fd = mkstemp(name);

	need(ftruncate(fd, 20000) == 0);
	need(pwrite(fd, "private", 7, 100) == 7);
	p = map(20000, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	add(p, 200);
	strcpy(p + 100, "changed");
	q = map(20000, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	add(q, 200);
	strcpy(q + 5000, "by the mapping");
	need(pread(fd, p, 100, 5000) == 100);
	add(p, 200);
	need(pwrite(fd, "by a call", 9, 9000) == 9);
	add(q + 9000, 20);	/* the program's own write shows */
	r = map(20000, PROT_READ, MAP_SHARED, fd);
	need(pwrite(fd, "and again", 9, 12000) == 9);
	add(r + 12000, 20);
	need(msync(q, 20000, MS_SYNC) == 0);
	need(madvise(q, 8192, MADV_DONTNEED) == 0);	/* a shared file keeps its contents */
	add(q + 5000, 20);
	munmap(p, 20000);
	munmap(q, 20000);
	munmap(r, 20000);
	close(fd);
	unlink(name);
	mark();
}

void memfd(void)
{
	int fd = memfd_create("something", MFD_ALLOW_SEALING);
	char *p;

	need(ftruncate(fd, 8192) == 0);
	p = map(8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	for (int i = 0; i < 8192; i++)
		p[i] = (char)(i * 7);
	add(p, 8192);
	need(pwrite(fd, "written", 7, 4000) == 7);
	add(p + 3990, 30);
	p = mremap(p, 8192, 4096, 0);
	need(p != MAP_FAILED);
	add(p, 4096);
	munmap(p, 4096);
	need(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	close(fd);
	mark();
}

void segment(void)
{
	int id = shmget(IPC_PRIVATE, 10000, 0600);
	struct shmid_ds ds;
	char *p = shmat(id, NULL, 0);
	pid_t child;

	need(p != (void *)-1);
	shmctl(id, IPC_RMID, NULL);
	strcpy(p, "from the parent");
	child = fork();
	if (child == 0) {
		strcpy(p + 5000, "from the child");
		_exit(0);
	}
	need(waitpid(child, NULL, 0) == child);
	add(p, 10000);
	need(shmctl(id, IPC_STAT, &ds) == 0);
	add(&ds.shm_segsz, 8);
	shmdt(p);
	mark();
}

void with_child(void)
{
	volatile int *p = map(65536, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
	int go[2], done[2];
	pid_t child;
	char c = 0;

	p[0] = 1;
	madvise((void *)p, 4096, MADV_DONTNEED); /* keeps its contents, too */
	add((void *)p, 4096);
	need(pipe(go) == 0 && pipe(done) == 0);
	child = fork();
	if (child == 0) {
		for (int i = 1; i < 20; i++) {
			if (read(go[0], &c, 1) != 1)
				_exit(1);
			p[i * 100] = p[i * 100 - 1] + getpid();
			if (write(done[1], &c, 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	for (int i = 1; i < 20; i++) {
		p[i * 100 - 1] = i;
		need(write(go[1], &c, 1) == 1 && read(done[0], &c, 1) == 1);
		sum = sum * 31 + p[i * 100];
	}
	waitpid(child, NULL, 0);
	munmap((void *)p, 65536);
	mark();
}

/* A child takes what this one posts before this one looks: each time all is as before. */
void posts(void)
{
	sem_t *sem = map(4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
	int taken[2];
	pid_t child;
	char c = 0;

	need(sem_init(sem, 1, 0) == 0 && pipe(taken) == 0);
	child = fork();
	if (child == 0) {
		for (int i = 0; i < 20; i++) {
			while (sem_trywait(sem))
				;
			if (write(taken[1], &c, 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	for (int i = 0; i < 20; i++) {
		sem_post(sem);
		need(read(taken[0], &c, 1) == 1);
		sum = sum * 31 + (sem_trywait(sem) == 0);
	}
	need(waitpid(child, NULL, 0) == child);
	munmap(sem, 4096);
	mark();
}

void large(void)
{
	char *p = malloc(300 << 20), *old = sbrk(0), *q;

	for (size_t i = 0; i < 300 << 20; i += 50 << 20)
		p[i] = (char)i + 1;
	add(p, 100);
	q = realloc(p, 400 << 20);
	need(q != NULL);
	for (size_t i = 0; i < 300 << 20; i += 50 << 20)
		add(q + i, 1);
	free(q);
	need(sbrk(1 << 20) == old);
	memset(old, 7, 1 << 20);
	need(sbrk(-(1 << 19)) != (void *)-1);
	add(old, 1 << 10);
	mark();
}

void advice(void)
{
	char *p = map(1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	unsigned char in[256];
	static const int kinds[] = { MADV_NORMAL, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED, MADV_FREE, MADV_DONTFORK,
		MADV_DOFORK, MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP,
		MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_COLD, MADV_PAGEOUT, MADV_POPULATE_READ, MADV_POPULATE_WRITE };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		memset(p + (i << 13), (int)i + 1, 8192);
		sum += madvise(p + (i << 13), 8192, kinds[i]) == 0;
		if (kinds[i] != MADV_FREE)
			add(p + (i << 13), 8192);
	}
	need(mincore(p, 1 << 20, in) == 0);
	add(in, 256);
	need(mlock(p, 4096) == 0 && munlock(p, 4096) == 0);
	need(mprotect(p, 4096, PROT_READ) == 0);
	p = mremap(p, 4096, 2 << 20, MREMAP_MAYMOVE);
	need(p != MAP_FAILED);
	add(p, 5000);
	munmap(p, 2 << 20);
	mark();
}

/* What is stored at one address shows at another, with no call in between. */
void doubles(void)
{
	static const unsigned char add_one[] = { 0x8d, 0x47, 0x01, 0xc3 }; /* lea 1(%rdi),%eax; ret */
	int fd = memfd_create("doubles", 0);
	unsigned char *code, *ring, *own, *again;

	need(ftruncate(fd, 8192) == 0);
	code = map(4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd);
	ring = map(12288, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	need(mmap(ring, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == ring);
	need(mmap(ring + 8192, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == ring + 8192);
	memcpy(ring, add_one, 4);
	for (int i = 0; i < 40; i++) {
		ring[8192 + 2] = (unsigned char)i;
		sum = sum * 31 + ((int (*)(int))code)((int)sum);
		if (i % 10 == 0)
			getppid();
	}
	own = map(8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	ring[5000] = 1;
	add(own + 4990, 20);
	own[5000] = 2;
	ring[5000] = 3;
	add(own + 4990, 20);	/* that page is its own now */
	mark();
	again = mremap(ring, 0, 8192, MREMAP_MAYMOVE);
	need(again != MAP_FAILED);
	again[7000] = 4;
	add(ring + 6990, 20);
	need(ftruncate(fd, 4096) == 0 && ftruncate(fd, 8192) == 0);
	add(again + 6990, 20);	/* it was cut */
	munmap(ring, 12288);
	again[10] = 5;
	add(code, 20);
	munmap(again, 8192);
	munmap(own, 8192);
	munmap(code, 4096);
	close(fd);
	mark();
}

/* Moved and left behind; and refused by a limit. */
void moved(void)
{
	char *p = map(8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1), *q;
	struct rlimit little = { 0, RLIM_INFINITY }, before;

	strcpy(p, "moves");
	q = mremap(p, 8192, 8192, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	need(q != MAP_FAILED);
	add(p, 10);
	add(q, 10);
	need(getrlimit(RLIMIT_DATA, &before) == 0);
	little.rlim_max = before.rlim_max;
	need(setrlimit(RLIMIT_DATA, &little) == 0);
	need(sbrk(8 << 20) == (void *)-1);
	need(setrlimit(RLIMIT_DATA, &before) == 0);
	need(sbrk(1 << 16) != (void *)-1);
	mark();
}

int main(void)
{
	files();	/* MARK first */
	memfd();
	segment();
	with_child();
	posts();
	large();
	advice();
	doubles();
	moved();
	printf("sum %lx\n", sum);
	return 0;
}
