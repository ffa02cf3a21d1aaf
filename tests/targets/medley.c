/* A bit of everything: time, chance, rdtsc, callbacks, alloca, switch, memory, files, other programs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>
#include <alloca.h>
#include <sys/mman.h>
#include <x86intrin.h>
unsigned long acc; int step_;
static int cmp(const void *a, const void *b) { acc++; return *(int *)a - *(int *)b; }
static int rec(int n) { char *p = alloca(16 + n * 8); memset(p, n, 16 + n * 8); acc += p[n]; return n ? rec(n - 1) + p[1] : 0; }
static int (*ops[3])(int) = { rec, abs, rec };
static int sw(int k) { switch (k) { case 0: return 1; case 1: return 5; case 2: return 7; case 3: acc += 2; /* fall through */ case 4: return 9; case 5: return 11; default: return -1; } }
int main(void) {
	int d[50]; srandom(time(NULL));
	for (int i = 0; i < 50; i++) d[i] = random() % 1000;
	step_ = 1; qsort(d, 50, sizeof *d, cmp);
	step_ = 2; acc += __rdtsc() & 0xffff;
	for (int i = 0; i < 7; i++) acc += sw(i);
	step_ = 3; for (int i = 0; i < 6; i++) acc += ops[i % 3](i);
	step_ = 4;	/* MARK memory */ char *big = malloc(300 << 20); for (size_t i = 0; i < (300u << 20); i += 1 << 20) big[i] = i >> 20, acc += big[i];
	free(big);
	step_ = 5; int fd = open("/proc/self/exe", O_RDONLY); char *m = mmap(0, 8192, PROT_READ, MAP_PRIVATE, fd, 0); acc += m[1] + m[100]; munmap(m, 8192); close(fd);
	step_ = 6; sbrk(1 << 20); struct timespec ts; clock_gettime(CLOCK_REALTIME, &ts); acc += ts.tv_nsec;
	step_ = 7; char *s = strdup("hello"); for (int i = 0; i < 1000; i++) { s = realloc(s, 10 + i * 13); acc += s[0]; } free(s);
	step_ = 8; int st = system("true"); acc += st;
	step_ = 9; FILE *p = popen("echo 42", "r"); char b[20]; if (fgets(b, 20, p)) acc += atoi(b); pclose(p);
	step_ = 10;	/* MARK print */ printf("%lu\n", acc);
	return 0;
}
