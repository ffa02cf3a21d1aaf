/* Small system calls with addresses, messages and pieces, and those that make descriptors: more of quick.c. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "quick.h"

volatile unsigned long files;
static int minus = -1;
static struct iovec *nowhere = (struct iovec *)8;

static struct sockaddr_in bound(int fd)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	check(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && getsockname(fd, (struct sockaddr *)&a, &len) == 0 && len == sizeof(a));
	return a;
}

/* A signal may come before there is anything. */
static long again(long n, int *more)
{
	*more = n == -1 && errno == EINTR;
	return n;
}

/* Datagrams from here to there: where they come from, of which only as much is told as there is room for. */
static void addressed(void)
{
	int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), more;
	struct sockaddr_in at = bound(a), bt = bound(b), from;
	unsigned char text[200], got[300];

	for (int i = 0; i < 300; i++) {
		socklen_t len = i % 3 == 0 ? sizeof(from) : i % 3 == 1 ? 6 : 0, was = len;
		long n = (long)(rnd() % sizeof(text));

		memset(text, i, sizeof(text));
		memset(&from, 0x55, sizeof(from));
		memset(got, 0, sizeof(got));
		check(sendto(a, text, (size_t)n, 0, (struct sockaddr *)&bt, sizeof(bt)) == n);
		check(recvfrom(b, got, sizeof(got), 0, (struct sockaddr *)&from, &len) == n && len == sizeof(from));
		check(memcmp(text, got, (size_t)n) == 0 && got[n] == 0 && memcmp(&from, &at, was) == 0);
		for (size_t k = was; k < sizeof(from); k++)
			check(((unsigned char *)&from)[k] == 0x55);
		check(recvfrom(b, got, sizeof(got), 0, (struct sockaddr *)&from, &len) == -1 && errno == EAGAIN);
		check(sendto(b, text, 3, MSG_NOSIGNAL, (struct sockaddr *)&at, sizeof(at)) == 3);
		do
			n = again(recvfrom(a, got, 2, i % 2 ? MSG_TRUNC : 0, NULL, NULL), &more);
		while (more);
		check(n == (i % 2 ? 3 : 2) && got[0] == (unsigned char)i);
		check(recvfrom(-1, got, 2, 0, (struct sockaddr *)&from, (socklen_t *)8) == -1 && errno == EBADF);
		add(&from, sizeof(from));
	}
	check(fcntl(b, F_GETFD) == FD_CLOEXEC && close(a) == 0 && close(b) == 0);
}					/* MARK addressed */

/* Messages in pieces, with descriptors or without, through sockets and files. */
static void pieced(void)
{
	struct itimerval it = { { 0, 2000 }, { 0, 2000 } }, never = { { 0, 0 }, { 0, 0 } };
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control;
	char left[40], right[60], other[3], text[100], big[9000];
	int pair[2], pipes[2], f, fd, more;

	signal(SIGALRM, tick);
	setitimer(ITIMER_REAL, &it, NULL);
	check(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0 && pipe2(pipes, O_CLOEXEC) == 0);
	f = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	for (int i = 0; i < 300; i++) {
		struct iovec from[2] = { { text, rnd() % 50 }, { text + 50, rnd() % 50 } };
		struct iovec to[3] = { { left, sizeof(left) }, { other, i % 4 }, { right, sizeof(right) } };
		struct msghdr sent = { .msg_iov = from, .msg_iovlen = 2 };
		struct msghdr got = { .msg_iov = to, .msg_iovlen = 3, .msg_control = i % 3 ? &control : NULL, .msg_controllen = i % 3 ? sizeof(control) : 0 };
		long all = (long)(from[0].iov_len + from[1].iov_len), n;

		memset(left, 0, sizeof(left));
		memset(other, 0, sizeof(other));
		memset(right, 0, sizeof(right));
		memset(text, 'a' + i % 26, sizeof(text));
		if (i % 10 == 0 && i % 3) {
			sent.msg_control = &control;
			sent.msg_controllen = sizeof(control);
			control.header = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
			memcpy(CMSG_DATA(&control.header), &in, sizeof(int));
		}
		check(sendmsg(pair[0], &sent, 0) == all && sent.msg_iov == from);
		do
			n = again(recvmsg(pair[1], &got, i % 2 ? MSG_CMSG_CLOEXEC : 0), &more);
		while (more);
		check(n == all && got.msg_iovlen == 3 && got.msg_namelen == 0);
		check(left[39] == (n > 39 ? text[0] : 0) && other[0] == (n > 40 && i % 4 ? text[0] : 0) && right[0] == (n > 40 + i % 4 ? text[0] : 0));
		if (i % 10 == 0 && i % 3) {
			check(got.msg_controllen == CMSG_SPACE(sizeof(int)));
			memcpy(&fd, CMSG_DATA(&control.header), sizeof(int));
			check(fd > 2 && pread(fd, text, 9, 7) == 9 && text[3] == (char)(10 * 7) && (fcntl(fd, F_GETFD) == FD_CLOEXEC) == i % 2 && close(fd) == 0);
		} else {
			check(got.msg_controllen == 0 && !(got.msg_flags & MSG_CTRUNC));
		}
		add(left, sizeof(left));
		add(right, sizeof(right));

		/* The same by a file and a pipe. */
		check(pwritev(f, from, 2, i) == all && lseek(f, i, SEEK_SET) == i);
		check(readv(f, to, 2) >= (all < 40 + i % 4 ? all : 40 + i % 4));
		check(preadv(f, to, 3, 1000000) == 0 && readv(f, to, minus) == -1 && readv(f, nowhere, 1) == -1 && errno == EFAULT);
		n = writev(pipes[1], from, 2);
		check(n == all && (n == 0 || readv(pipes[0], to, 3) == n));
		add(left, sizeof(left));
		/* Pieces that are where the pieces are told. */
		if (n > 32) {
			struct iovec self[2] = { { self, 16 }, { right, 16 } };

			check(pwritev(f, from, 2, 0) == all && preadv(f, self, 2, 0) == 32 && self[0].iov_len != 16);
			add(self, sizeof(self));
			add(right, 16);
		}
		/* More than a pipe takes at once. */
		if (i % 50 == 0) {
			struct iovec many[20];
			char end[9000];

			for (int k = 0; k < 20; k++)
				many[k] = (struct iovec){ big + k * 400, 450 };
			memset(big, i, sizeof(big));
			check(writev(pipes[1], many, 20) == 9000 && read(pipes[0], end, sizeof(end)) == 9000 && end[8999] == (char)i);
			check(pwritev(f, many, 20, 0) == 9000 && preadv(f, many, 20, 0) == 9000);
		}
	}
	setitimer(ITIMER_REAL, &never, NULL);
	close(pair[0]);
	close(pair[1]);
	close(pipes[0]);
	close(pipes[1]);
	close(f);
}					/* MARK pieced */

/* What descriptors are, how, and where they stand. */
static unsigned long look(void)
{
	unsigned long all = 0;

	for (int fd = 0; fd < 60; fd++) {
		struct stat st;
		long flags = fcntl(fd, F_GETFL);
		int type = 0;
		socklen_t len = sizeof(type);

		if (flags == -1 || fstat(fd, &st))
			continue;
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
		flags = flags * 8 + fcntl(fd, F_GETFD);
		all = all * 31 + (unsigned long)(fd + flags * 100 + type * 7) + (st.st_mode & S_IFMT);
	}
	return all;
}

/* Descriptors come, are others, and go. */
static void made(void)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0), inner = inotify_init1(IN_NONBLOCK), ep = epoll_create1(EPOLL_CLOEXEC);
	struct sockaddr_in here = bound(listener), peer, mine;
	struct itimerspec t = { { 0, 0 }, { 0, 100000 } }, rest;
	struct epoll_event ev = { .events = EPOLLIN }, told[2];
	unsigned long long v;
	char line[64];

	check(listen(listener, 5) == 0 && ep > 2 && inner > 2);
	for (int i = 0; i < 120; i++) {
		int c = socket(AF_INET, SOCK_STREAM, 0), type = 0, s, p[2], q[2], e, m, tm, d;
		socklen_t len = sizeof(peer), short_len = 3;
		struct stat st;

		check(connect(c, (struct sockaddr *)&here, sizeof(here)) == 0);
		s = i % 2 ? accept(listener, (struct sockaddr *)&peer, &len) : accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		len = sizeof(mine);
		check(s > 2 && getsockname(c, (struct sockaddr *)&mine, &len) == 0 && len == sizeof(mine));
		if (i % 2 == 0)
			check(getpeername(s, (struct sockaddr *)&peer, &len) == 0);
		check(mine.sin_port == peer.sin_port && !!(fcntl(s, F_GETFL) & O_NONBLOCK) == !(i % 2));
		check(getsockopt(c, SOL_SOCKET, SO_TYPE, &type, &short_len) == 0 && type == SOCK_STREAM && short_len == 3);
		len = sizeof(type);
		check(getsockopt(c, IPPROTO_TCP, TCP_MAXSEG, &type, &len) == 0 && type > 100 && getsockopt(c, SOL_SOCKET, 7777, &type, &len) == -1);
		check(send(c, "hello", 5, 0) == 5 && recv(s, line, sizeof(line), i % 2 ? 0 : MSG_DONTWAIT) == 5 && !memcmp(line, "hello", 5));
		check(ioctl(s, FIONREAD, &type) == 0 && type == 0 && shutdown(c, SHUT_WR) == 0 && recv(s, line, 9, 0) == 0);

		check(pipe(p) == 0 && socketpair(AF_UNIX, SOCK_STREAM | (i % 2 ? SOCK_CLOEXEC : 0), 0, q) == 0);
		check(write(p[1], "abc", 3) == 3 && read(p[0], line, 9) == 3 && write(q[0], line, 3) == 3 && read(q[1], line, 9) == 3);
		e = eventfd(3, i % 3 ? 0 : EFD_NONBLOCK);
		check(read(e, &v, 8) == 8 && v == 3 && write(e, &v, 8) == 8);
		check(epoll_ctl(ep, EPOLL_CTL_ADD, e, &ev) == 0 && epoll_wait(ep, told, 2, -1) == 1);
		m = memfd_create("m", i % 2 ? MFD_CLOEXEC : 0);
		check(m > 2 && ftruncate(m, 10000) == 0 && fstat(m, &st) == 0 && st.st_size == 10000 && pwrite(m, "x", 1, 9) == 1 && pread(m, line, 9, 5) == 9 && line[4] == 'x');
		tm = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
		check(timerfd_settime(tm, 0, &t, NULL) == 0 && read(tm, &v, 8) == 8 && v == 1 && timerfd_gettime(tm, &rest) == 0 && !rest.it_value.tv_nsec);
		d = inotify_add_watch(inner, "/tmp", IN_DELETE_SELF);
		check(d > 0 && inotify_rm_watch(inner, d) == 0);
		while (read(inner, buf, sizeof(buf)) > 0)
			;
		/* Another one takes its place, and its number means something else. */
		check(dup2(e, p[0]) == p[0] && read(p[0], &v, 8) == 8 && v == 3 && dup3(q[1], e, O_CLOEXEC) == e);
		check(write(q[0], "self", 4) == 4 && read(e, line, 8) == 4 && !memcmp(line, "self", 4) && dup2(7777, 1) == -1);
		check(close(p[0]) == 0 && close(p[0]) == -1 && errno == EBADF);
		if (i == 60) {
			files = 1;	/* MARK holding */
			files = look();
			files = files;	/* MARK looked */
		}
		check(close(c) == 0 && close(s) == 0 && close(p[1]) == 0 && close(e) == 0 && close(m) == 0);
		check(close_range((unsigned int)tm, (unsigned int)tm, 0) == 0 && close(q[0]) == 0 && read(q[1], line, 9) == 0 && close(q[1]) == 0);
		check(fstat(tm, &st) == -1);
		some(2);
	}
	close(listener);
	close(inner);
	close(ep);
}					/* MARK made */

static void hang(int sig)
{
	(void)sig;
	ticks++;
}

/* Those that wait, with nobody else to run: for time, for the other end, or for a signal that ends it. */
static void waited(void)
{
	struct itimerval soon = { { 0, 3000 }, { 0, 3000 } }, never = { { 0, 0 }, { 0, 0 } };
	struct timeval tv = { 0, 0 };
	int pair[2], pipes[2], f = open("/tmp", O_TMPFILE | O_RDWR, 0600), g, queue = msgget(IPC_PRIVATE, 0600), sem = semget(IPC_PRIVATE, 1, 0600);
	struct { long type; char text[40]; } msg;
	struct sigaction act = { .sa_handler = hang };
	struct timespec nap, left;
	struct statfs fs;
	stack_t stack;
	char line[64];

	sigaction(SIGALRM, &act, NULL);
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && pipe(pipes) == 0 && queue >= 0 && sem >= 0);
	const char early = buf[100], late = buf[4999];

	check(write(f, buf, 5000) == 5000);
	for (int i = 0; i < 60; i++) {
		struct sembuf up = { 0, 2, 0 }, down = { 0, -2, 0 };
		struct pollfd p = { pair[0], POLLIN, 0 };
		unsigned long before = ticks;
		unsigned char in_core[3];
		off_t at = 100;
		sigset_t set;
		long n;

		some(3);
		nap = (struct timespec){ 0, 20000000 };
		left = (struct timespec){ 7, 7 };
		setitimer(ITIMER_REAL, &soon, NULL);
		switch (i % 6) {
		case 0:
			n = nanosleep(&nap, &left);
			check(n == -1 && left.tv_sec == 0 && left.tv_nsec > 0);
			break;
		case 1:
			n = recv(pair[0], line, sizeof(line), 0);
			break;
		case 2:
			n = poll(&p, 1, 1000);
			break;
		case 3:
			n = read(pipes[0], line, 3);
			break;
		case 4:
			n = msgrcv(queue, &msg, sizeof(msg.text), 0, 0);
			break;
		default:
			n = semop(sem, &down, 1);
		}
		check(n == -1 && errno == EINTR && ticks > before && setitimer(ITIMER_REAL, &never, NULL) == 0);
		add(&left, sizeof(left));
		check(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 0, 1000 }, sizeof(tv)) == 0);
		check(recv(pair[0], line, 9, 0) == -1 && errno == EAGAIN && setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 0, 0 }, sizeof(tv)) == 0);
		msg.type = i + 1;
		snprintf(msg.text, sizeof(msg.text), "message %d", i);
		check(msgsnd(queue, &msg, sizeof(msg.text), 0) == 0);
		memset(&msg, 0, sizeof(msg));
		check(msgrcv(queue, &msg, sizeof(msg.text), 0, 0) == sizeof(msg.text) && msg.type == i + 1 && atoi(msg.text + 8) == i);
		check(semop(sem, &up, 1) == 0 && semop(sem, &down, 1) == 0);
		g = open("/tmp", O_TMPFILE | O_RDWR, 0600);
		check(sendfile(g, f, &at, 1000) == 1000 && at == 1100 && pread(g, line, 9, 0) == 9 && line[0] == early);
		check(flock(g, LOCK_EX) == 0 && flock(g, LOCK_UN) == 0 && fallocate(g, 0, 0, 8192) == 0 && lseek(g, 0, SEEK_END) == 8192);
		check(fstatfs(g, &fs) == 0 && fs.f_bsize > 0 && close(g) == 0);
		sigemptyset(&set);
		sigaddset(&set, SIGUSR1);
		check(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && kill(getpid(), SIGUSR1) == 0 && sigpending(&set) == 0 && sigismember(&set, SIGUSR1));
		siginfo_t info;
		check(sigtimedwait(&set, &info, &(struct timespec){ 1, 0 }) == SIGUSR1 && info.si_pid == getpid());
		check(sigaltstack(NULL, &stack) == 0 && stack.ss_flags == SS_DISABLE && sched_getscheduler(0) == SCHED_OTHER);
		/* Files of which something is mapped. */
		char *map = mmap(NULL, 8000, PROT_READ, MAP_PRIVATE, f, 0);
		check(map != MAP_FAILED && map[4999] == late && mincore(map, 8000, in_core) == 0 && munmap(map, 8000) == 0);
		g = socket(AF_INET, SOCK_STREAM, 0);
		map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, g, 0);	/* it can't be opened again */
		check(map != MAP_FAILED && munmap(map, 4096) == 0 && close(g) == 0);
		check(chdir(i % 2 ? "/tmp" : "/") == 0 && getcwd(line, sizeof(line)) && !strcmp(line, i % 2 ? "/tmp" : "/"));
	}
	msgctl(queue, IPC_RMID, NULL);
	semctl(sem, 0, IPC_RMID);
	close(pair[0]);
	close(pair[1]);
	close(f);
}					/* MARK waited */

int main(int argc, char **argv)
{
	static void (*const phases[])(void) = { addressed, pieced, made, waited };

	(void)argc;
	if (!prepare(argv[1]))
		return 1;
	some(100);
	for (unsigned int i = 0; i < sizeof(phases) / sizeof(*phases); i++) {
		phases[i]();
		phase++;		/* MARK next */
	}
	printf("%d phases, %lu calls, %lu wrong\n", phase, calls, wrong);
	return 0;			/* MARK end */
}
