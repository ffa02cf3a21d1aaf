/* Transfers that sleep with a part of the bytes moved: without signals none may end short. A thread sends, another
 * receives, in all the ways there are; with "child" the one that receives, or sends, is another process. cc: -pthread */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE 300000
#define PIECES 7
#define LOW 12000

volatile unsigned long sum, wrong, shorts;
volatile int phase;
static int rounds = 3, fds[2], over[2], file, busy = 300000;
static unsigned char in[SIZE], out[SIZE];

/* ways to send, or to receive, all of p */
enum way { WRITE, WRITEV, SENDTO, SENDMSG, SENDFILE, SENDFILE_AT, READS, RECV_ALL, RECVMSG_ALL, LOWAT, READV_LOWAT };
static const char *names[] = { "write", "writev", "sendto", "sendmsg", "sendfile", "sendfile-at", "reads", "recv", "recvmsg", "lowat", "readv" };

static int split(struct iovec v[PIECES], unsigned char *p, size_t n)
{
	for (int i = 0; i < PIECES; i++) {
		size_t len = i < PIECES - 1 ? n * (size_t)(i % 3) / 10 : n;

		v[i] = (struct iovec){ p, len };
		p += len;
		n -= len;
	}
	return PIECES;
}

static void compute(void)
{
	for (volatile int i = 0; i < busy; i++)
		;
}

static ssize_t transfer(enum way way, int fd, unsigned char *p, size_t n)
{
	struct iovec v[PIECES];
	struct msghdr m = { .msg_iov = v, .msg_iovlen = (size_t)split(v, p, n) };

	switch (way) {
	case WRITE:
		return write(fd, p, n);
	case WRITEV:
		return writev(fd, v, PIECES);
	case SENDTO:
		return sendto(fd, p, n, MSG_NOSIGNAL, NULL, 0);
	case SENDMSG:
		return sendmsg(fd, &m, MSG_NOSIGNAL);
	case SENDFILE:
		lseek(file, p - out, SEEK_SET);
		return sendfile(fd, file, NULL, n);
	case SENDFILE_AT: {
		off_t at = p - out;
		ssize_t r = sendfile(fd, file, &at, n);

		wrong += r < 0 || at != p - out + r;
		return r;
	}
	case RECV_ALL:
		return recv(fd, p, n, MSG_WAITALL);
	case RECVMSG_ALL:
		return recvmsg(fd, &m, MSG_WAITALL);
	case READV_LOWAT:
		return readv(fd, v, PIECES);
	default:
		return read(fd, p, n);
	}
}

/* One end of the talk: `many' times all of it; `whole': at least so much must come at once. */
static void talk(enum way way, int fd, unsigned char *p, int many, size_t whole, size_t step)
{
	for (int k = 0; k < many; k++) {
		for (size_t at = 0; at < SIZE;) {
			size_t n = SIZE - at < step ? SIZE - at : step;
			ssize_t r = transfer(way, fd, p + at, n);

			if (r <= 0) {
				wrong++;
				return;
			}
			if ((size_t)r < whole && (size_t)r < n) {
				shorts++;
				lseek(-1, (off_t)r, SEEK_SET);
			}
			at += (size_t)r;
			if (!whole)
				compute();
		}
		if (p == in) {
			for (size_t i = 0; i < SIZE; i++)
				wrong += in[i] != (unsigned char)(i * 7 + i / 251);
			for (size_t i = 0; i < SIZE; i += 1000)
				sum = sum * 31 + in[i];
			lseek(-1, (off_t)(sum & 0xffffff), SEEK_SET);
			memset(in, 0, SIZE);
		}
	}
}

struct end {
	enum way way;
	int fd;
	unsigned char *p;
};

/* Its first way is the one that is tried, the other end goes slowly. */
static void run(const struct end *e)
{
	if (e->way == READS)
		talk(READS, e->fd, e->p, rounds, 0, 5000);
	else if (e->way == LOWAT || e->way == READV_LOWAT)
		talk(e->way, e->fd, e->p, rounds, LOW, SIZE);
	else
		talk(e->way, e->fd, e->p, rounds, SIZE, SIZE);
}

static void *slow_sender(void *arg)
{
	int fd = *(int *)arg;

	for (int k = 0; k < rounds; k++)
		for (size_t at = 0; at < SIZE; at += 5000) {
			wrong += write(fd, out + at, 5000) != 5000;
			compute();
		}
	wrong += write(fd, out, LOW) != LOW; /* only for so many the kernel wakes who wants them at least */
	return NULL;
}

static void *slow_receiver(void *arg)
{
	const struct end e = { READS, *(int *)arg, in };

	run(&e);
	return NULL;
}

static void connect_tcp(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int size = 20000, l = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(l, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	fds[1] = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	wrong += bind(l, (void *)&a, len) || listen(l, 1) || getsockname(l, (void *)&a, &len) ||
		 connect(fds[1], (void *)&a, len);
	fds[0] = accept(l, NULL, NULL);
	close(l);
}

static void try(const char *kind, enum way way, int child)
{
	const int receives = way > READS, mine = receives ? 0 : 1, low = LOW;
	struct end e;
	pthread_t t;
	unsigned long before = shorts;
	pid_t pid = -1;

	if (!strcmp(kind, "pipe"))
		wrong += pipe(fds) != 0;
	else if (!strcmp(kind, "unix"))
		wrong += socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0;
	else
		connect_tcp();
	if (way == LOWAT || way == READV_LOWAT)
		wrong += setsockopt(fds[0], SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low)) != 0;
	e = (struct end){ way, fds[mine], receives ? in : out };
	wrong += pipe(over) != 0;
	phase++; /* MARK phase */
	if (!child)
		pthread_create(&t, NULL, receives ? slow_sender : slow_receiver, &fds[!mine]);
	else if (!(pid = fork())) {
		char byte;

		(receives ? slow_sender : slow_receiver)(&fds[!mine]);
		close(over[1]); /* its end is a signal, which may come only then */
		_exit(read(over[0], &byte, 1) || wrong);
	}
	run(&e);
	if (pid > 0) {
		int status = -1;

		close(over[1]);
		waitpid(pid, &status, 0);
		wrong += status != 0;
	} else {
		pthread_join(t, NULL);
	}
	close(fds[0]);
	close(fds[1]);
	close(over[0]);
	if (!child)
		close(over[1]);
	if (shorts != before)
		printf("%s %s: %lu short\n", kind, names[way], shorts - before);
}

int main(int argc, char **argv)
{
	const char *only = argc > 3 ? argv[3] : "";
	int child = argc > 1 && !strcmp(argv[1], "child");

	rounds = argc > 2 ? atoi(argv[2]) : rounds;
	for (size_t i = 0; i < SIZE; i++)
		out[i] = (unsigned char)(i * 7 + i / 251);
	file = memfd_create("out", 0);
	wrong += write(file, out, SIZE) != SIZE;
	for (enum way way = WRITE; way <= READV_LOWAT; way++) {
		if (way == READS || (*only && strcmp(only, names[way])))
			continue;
		if (way == WRITE || way == WRITEV)
			try("pipe", way, child);
		try("tcp", way, child);
		if (way < LOWAT) /* a socket of files takes no notice of it before it sleeps */
			try("unix", way, child);
	}
	printf("%d phases, %lu wrong, %lu short, sum %lx\n", phase, wrong, shorts, sum); /* MARK end */
	return wrong || shorts;
}
