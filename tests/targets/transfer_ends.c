/* Transfers that end otherwise than by all of their bytes: another thread makes a new program of the process, a file
 * is at its limit, the first part brings a name for which there is no room, descriptors come with the second,
 * nobody is to be written to any more, the other end resets, what comes is looked at first, or is random. How many went wrong is said. cc: -pthread */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <netinet/in.h>

#define SIZE 2000000
#define LIMIT 30000000

static int fds[2], wrong;
static volatile int signals, over;
static char bytes[SIZE];
static const char *program;

static void count(int sig)
{
	signals += sig > 0;
}

static void compute(double seconds)
{
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	do
		clock_gettime(CLOCK_MONOTONIC, &b);
	while ((double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9 < seconds);
}

static void check(int right, const char *what)
{
	if (!right) {
		printf("wrong: %s\n", what);
		wrong++;
	}
}

static void *execs(void *arg)
{
	compute(0.5);
	execl(program, program, "new", NULL);
	return arg;
}

static void *computes(void *arg)
{
	while (!over)
		compute(0.01);
	return arg;
}

static void *sends(void *arg)
{
	for (int i = 0; i < 10; i++) {
		if (write(fds[1], bytes, 500) != 500)
			wrong++;
		compute(0.05);
	}
	return arg;
}

static void *sends_descriptor(void *arg)
{
	char control[CMSG_SPACE(sizeof(int))] = "";
	struct iovec v = { bytes, 100 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fds[1], sizeof(int));
	if (write(fds[1], bytes, 100) != 100)
		wrong++;
	compute(0.5);
	if (sendmsg(fds[1], &m, 0) != 100 || write(fds[1], bytes, 800) != 800)
		wrong++;
	return arg;
}

static void *resets(void *arg)
{
	const struct linger none = { 1, 0 };

	if (write(fds[1], bytes, 1000) != 1000)
		wrong++;
	compute(0.5);
	setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	close(fds[1]);
	return arg;
}

static void *shuts(void *arg)
{
	compute(0.5);
	shutdown(fds[1], SHUT_WR);
	return arg;
}

static void limit(void)
{
	const struct rlimit l = { LIMIT, RLIM_INFINITY };
	char *big = mmap(NULL, 2 * LIMIT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = memfd_create("limited", 0);

	setrlimit(RLIMIT_FSIZE, &l);
	for (int i = 0; i < 60; i++) {
		lseek(fd, 0, SEEK_SET);
		check(write(fd, big, 2 * LIMIT) == LIMIT, "file at its limit");
	}
	over = 1;
	check(signals == 0, "no SIGXFSZ");
}

static void name(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX }, b = { .sun_family = AF_UNIX };
	struct {
		char name[4], behind[200];
	} room;
	socklen_t len = sizeof(room.name);
	int l = socket(AF_UNIX, SOCK_STREAM, 0), changed = 0;

	snprintf(a.sun_path + 1, 90, "fred-listens-%d", getpid());
	snprintf(b.sun_path + 1, 90, "fred-sends-%d", getpid());
	fds[1] = socket(AF_UNIX, SOCK_STREAM, 0);
	check(!bind(l, (void *)&a, sizeof(a)) && !listen(l, 1) && !bind(fds[1], (void *)&b, sizeof(b)) &&
		      !connect(fds[1], (void *)&a, sizeof(a)),
	      "connected");
	fds[0] = accept(l, NULL, NULL);
	memset(&room, 'x', sizeof(room));
	/* The other thread sends once this is awaited. */
	pthread_t t;
	pthread_create(&t, NULL, sends, NULL);
	recvfrom(fds[0], bytes + 1000, 5000, MSG_WAITALL, (void *)&room, &len);
	for (size_t i = 0; i < sizeof(room.behind); i++)
		changed += room.behind[i] != 'x';
	check(!changed, "nothing behind the name's room is changed");
	pthread_join(t, NULL);
}

static void rights(void)
{
	int descriptors = 0;

	for (ssize_t left = 1000, r; left > 0; left -= r) {
		char control[200];
		struct iovec v = { bytes + 1000, (size_t)left };
		struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };

		r = recvmsg(fds[0], &m, MSG_WAITALL);
		if (r <= 0)
			break;
		descriptors += m.msg_controllen >= CMSG_LEN(sizeof(int));
	}
	check(descriptors == 1, "the descriptor came");
}

static void connect_tcp(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	fds[1] = socket(AF_INET, SOCK_STREAM, 0);
	check(!bind(l, (void *)&a, len) && !listen(l, 1) && !getsockname(l, (void *)&a, &len) &&
		      !connect(fds[1], (void *)&a, len),
	      "connected");
	fds[0] = accept(l, NULL, NULL);
}

static void all_of_it(void)
{
	static char much[30000000];

	check(send(fds[1], much, sizeof(much), 0) > 0, "a part was sent");
	check(signals == 0, "no SIGPIPE for that");
}

static void reset(void)
{
	check(recv(fds[0], bytes, 5000, MSG_WAITALL) == 1000, "a part came");
	check(recv(fds[0], bytes, 100, 0) == -1 && errno == ECONNRESET, "and then the error");
	check(recv(fds[0], bytes, 100, 0) == 0, "once");
}

static void peek(void)
{
	check(recv(fds[0], bytes + 1000, 5000, MSG_WAITALL | MSG_PEEK) == 5000, "looked at all");
	check(recv(fds[0], bytes + 1000, 5000, MSG_WAITALL) == 5000, "took all");
}

static void random_bytes(void)
{
	static char much[30000000];
	int fd = open("/dev/urandom", O_RDONLY);

	for (int i = 0; i < 4; i++)
		check(getrandom(much, sizeof(much), 0) == sizeof(much) && read(fd, much, sizeof(much)) == sizeof(much),
		      "all of it is random");
	over = 1;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	pthread_t t;

	program = argv[0];
	signal(SIGXFSZ, count);
	signal(SIGPIPE, count);
	check(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), "a pair");
	if (!strcmp(how, "exec")) {
		pthread_create(&t, NULL, execs, NULL);
		wrong += write(fds[1], bytes, SIZE) >= 0;
	} else if (!strcmp(how, "limit")) {
		pthread_create(&t, NULL, computes, NULL);
		limit();
		pthread_join(t, NULL);
	} else if (!strcmp(how, "name")) {
		name();
	} else if (!strcmp(how, "rights")) {
		pthread_create(&t, NULL, sends_descriptor, NULL);
		rights();
		pthread_join(t, NULL);
	} else if (!strcmp(how, "shut")) {
		connect_tcp();
		pthread_create(&t, NULL, shuts, NULL);
		all_of_it();
		pthread_join(t, NULL);
	} else if (!strcmp(how, "reset")) {
		connect_tcp();
		pthread_create(&t, NULL, resets, NULL);
		reset();
		pthread_join(t, NULL);
	} else if (!strcmp(how, "peek")) {
		connect_tcp();
		pthread_create(&t, NULL, sends, NULL);
		peek();
		pthread_join(t, NULL);
	} else if (!strcmp(how, "random")) {
		pthread_create(&t, NULL, computes, NULL);
		random_bytes();
		pthread_join(t, NULL);
	}
	printf("%s: %d wrong\n", how, wrong);
	return wrong;
}
