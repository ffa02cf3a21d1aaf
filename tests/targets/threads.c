/* Three threads that wait, one at a time, until main lets them go.   cc: -pthread */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn = PTHREAD_COND_INITIALIZER;
static int whose = -1;
int work[3];

/* until every other thread sleeps in the kernel, so that a stop finds them at the same place each time */
static void settle(void)
{
	for (int round = 0, busy = 1; busy && round < 2000; round++) {
		DIR *d = opendir("/proc/self/task");
		busy = 0;
		for (struct dirent *e; d && (e = readdir(d)); ) {
			char path[64], line[256] = "", *state;
			snprintf(path, sizeof path, "/proc/self/task/%.20s/stat", e->d_name);
			FILE *f = e->d_name[0] == '.' || atoi(e->d_name) == getpid() ? NULL : fopen(path, "r");
			if (f && fgets(line, sizeof line, f) && (state = strrchr(line, ')')) && state[2] == 'R')
				busy = 1;
			if (f)
				fclose(f);
		}
		if (d)
			closedir(d);
		usleep(busy ? 1000 : 0);
	}
}

static void step(int n)
{
	work[n] += n + 1;		/* MARK step */
	work[n] *= 2;
}

static void *worker(void *arg)
{
	int n = (int)(long)arg;
	pthread_mutex_lock(&lock);
	while (whose != n)
		pthread_cond_wait(&turn, &lock);
	step(n);			/* MARK work */
	whose = -1;
	pthread_cond_broadcast(&turn);
	pthread_mutex_unlock(&lock);
	return NULL;
}

static void go(int n)
{
	pthread_mutex_lock(&lock);
	whose = n;
	pthread_cond_broadcast(&turn);
	while (whose == n)
		pthread_cond_wait(&turn, &lock);
	pthread_mutex_unlock(&lock);
}

void ready(void) { }		/* MARK ready */

int main(void)
{
	pthread_t t[3];
	for (long i = 0; i < 3; i++) {
		pthread_create(&t[i], NULL, worker, (void *)i);
		settle();
	}
	ready();		/* MARK call */
	for (int i = 0; i < 3; i++) {
		go(i);		/* MARK go */
		pthread_join(t[i], NULL);
	}
	printf("%d %d %d\n", work[0], work[1], work[2]);	/* MARK print */
	return 0;
}
