/*
 * Threads that are there while functions of the program are called in the past: each of them changes `head' once, in a
 * known order, and stays to the end. MARKs are what tests look for. cc: -pthread
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 4

struct node {
	int v;
};

static struct node *head;
static int bad, ready, calls, noise;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, held = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int turn;

int first(void)
{
	calls++;
	return head->v;
}

/* The same with what functions like to do. */
int copied(void)
{
	struct node *copy = malloc(sizeof(*copy));
	int v;

	memcpy(copy, head, sizeof(*copy));
	v = copy->v;
	free(copy);
	return v;
}

int printed(void)
{
	calls++;
	printf("asked\n");
	fflush(stdout);
	return head->v;
}

/* Needs what the main thread has. */
int locked(void)
{
	int v;

	pthread_mutex_lock(&held);
	v = head->v;
	pthread_mutex_unlock(&held);
	return v;
}

/* Ends only where `ready' is set. */
int patient(void)
{
	while (!ready)
		calls++;
	return head->v;
}

static void *work(void *arg)
{
	int id = (int)(long)arg;

	pthread_mutex_lock(&mutex);
	while (turn != id)
		pthread_cond_wait(&changed, &mutex);
	for (int i = 0; i < 100; i++)
		noise++;
	head->v = 10 + id; /* MARK change */
	if (id == 2)
		bad = 1; /* MARK bad */
	turn++;
	pthread_cond_broadcast(&changed);
	while (turn != THREADS + 1)
		pthread_cond_wait(&changed, &mutex);
	pthread_mutex_unlock(&mutex);
	return NULL;
}

int main(void)
{
	pthread_t t[THREADS];

	pthread_mutex_lock(&held);
	head = malloc(sizeof(*head)); /* MARK begin */
	head->v = 1;
	ready = 1;
	for (long i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, work, (void *)i);
	pthread_mutex_lock(&mutex);
	while (turn != THREADS)
		pthread_cond_wait(&changed, &mutex);
	noise = 0; /* MARK all */
	turn++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	pthread_mutex_unlock(&held); /* MARK unlock */
	return 0; /* MARK end */
}
