/* Descriptors of which poll(2) says that they are ready, though a call waits: a socket without a peer, while the queue
 * of the one to which it sends is full; epoll_wait, which doesn't care whether its descriptor is nonblocking. What is
 * sent and what comes is checked. cc: -pthread */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MANY 2000
#define BELLS 200

volatile unsigned long wrong;
static int from, to, bell, poller;

static void check(int good)
{
	if (!good)
		__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
}

static void *receive(void *arg)
{
	unsigned int v;

	for (unsigned int i = 0; i < MANY; i++)
		check(read(to, &v, sizeof(v)) == sizeof(v) && v == i);
	return arg;
}

static void *listen_to(void *arg)
{
	struct epoll_event ev;
	eventfd_t one, all = 0;

	while (all < BELLS)
		if (epoll_wait(poller, &ev, 1, -1) == 1 && eventfd_read(bell, &one) == 0)
			all += one;
	check(all == BELLS);
	return arg;
}

int main(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct epoll_event ev = { .events = EPOLLIN };
	socklen_t len = offsetof(struct sockaddr_un, sun_path);
	pthread_t t;

	to = socket(AF_UNIX, SOCK_DGRAM, 0);
	from = socket(AF_UNIX, SOCK_DGRAM, 0);
	check(bind(to, (struct sockaddr *)&a, len) == 0); /* the kernel makes up a name */
	len = sizeof(a);
	check(getsockname(to, (struct sockaddr *)&a, &len) == 0);
	pthread_create(&t, NULL, receive, NULL);
	for (unsigned int i = 0; i < MANY; i++)
		check(sendto(from, &i, sizeof(i), 0, (struct sockaddr *)&a, len) == sizeof(i));
	pthread_join(t, NULL);

	bell = eventfd(0, 0);
	poller = epoll_create1(0);
	check(fcntl(poller, F_SETFL, O_NONBLOCK) == 0);
	check(epoll_ctl(poller, EPOLL_CTL_ADD, bell, &ev) == 0);
	pthread_create(&t, NULL, listen_to, NULL);
	for (int i = 0; i < BELLS; i++)
		check(eventfd_write(bell, 1) == 0);
	pthread_join(t, NULL);
	printf("%lu wrong\n", wrong);
	return 0;			/* MARK end */
}
