/* A client and a server in one: TCP, UDP and Unix sockets on the loopback, descriptors passed; and a child as the peer.   cc: -D_GNU_SOURCE */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

unsigned long sum; /* of all bytes that came */
int round_;

void mark(void)
{
	round_++;	/* MARK mark */
}

void add(const char *s, ssize_t n)
{
	for (ssize_t i = 0; i < n; i++)
		sum = sum * 31 + (unsigned char)s[i];
}

void check(int bad, const char *what)
{
	if (bad) {
		perror(what);
		exit(2);
	}
}

void tcp(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0), s;
	struct pollfd p[2];
	char buf[5000];

	check(bind(l, (void *)&a, sizeof(a)) || listen(l, 3), "listen");
	check(getsockname(l, (void *)&a, &len), "getsockname");
	add((char *)&a, len); /* the port: another one each time */
	check(connect(c, (void *)&a, sizeof(a)), "connect");
	s = accept(l, (void *)&a, &len);
	add((char *)&a, len);
	p[0] = (struct pollfd){ s, POLLIN, 0 };
	p[1] = (struct pollfd){ c, POLLIN, 0 };
	for (int i = 0; i < 20; i++) {
		memset(buf, i, sizeof(buf));
		check(send(c, buf, 100 + i * 200, 0) < 0, "send");
		while (poll(p, 2, 20) > 0 && p[0].revents) {
			ssize_t n = recv(s, buf, sizeof(buf), 0);

			add(buf, n);
			check(write(s, buf, n / 10) < 0, "write");
		}
		add(buf, read(c, buf, sizeof(buf)));
	}
	close(c);
	close(s);
	close(l);
	mark();
}

void udp(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, from;
	socklen_t len = sizeof(a);
	int s = socket(AF_INET, SOCK_DGRAM, 0), c = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
	char buf[3][200], control[3][200];
	struct iovec iov[3];
	struct mmsghdr m[3] = { 0 };

	check(bind(s, (void *)&a, sizeof(a)), "bind");
	getsockname(s, (void *)&a, &len);
	setsockopt(s, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on));
	for (int i = 0; i < 5; i++) {
		memset(buf, 'a' + i, sizeof(buf));
		check(sendto(c, buf, 50 + i, 0, (void *)&a, sizeof(a)) < 0, "sendto");
	}
	len = sizeof(from);
	add(buf[0], recvfrom(s, buf[0], 200, 0, (void *)&from, &len));
	add((char *)&from, len);
	for (int i = 0; i < 3; i++) {
		iov[i] = (struct iovec){ buf[i], 200 };
		m[i].msg_hdr.msg_iov = &iov[i];
		m[i].msg_hdr.msg_iovlen = 1;
		m[i].msg_hdr.msg_control = control[i];
		m[i].msg_hdr.msg_controllen = 200;
	}
	for (int i = recvmmsg(s, m, 3, 0, NULL); i-- > 0;) {
		add(buf[i], m[i].msg_len);
		add(control[i], m[i].msg_hdr.msg_controllen); /* the time it came */
	}
	close(s);
	close(c);
	mark();
}

int send_fd(int sock, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = "";
	struct iovec iov = { "fd", 2 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	return sendmsg(sock, &m, 0) < 0;
}

int recv_fd(int sock)
{
	char control[CMSG_SPACE(sizeof(int))], word[2];
	struct iovec iov = { word, 2 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	int fd = -1;

	if (recvmsg(sock, &m, 0) > 0)
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

void local(void)
{
	int s[2], p[2], fd;
	char buf[100];
	pid_t child;

	check(socketpair(AF_UNIX, SOCK_STREAM, 0, s), "socketpair");
	check(pipe(p), "pipe");
	check(send_fd(s[0], p[0]), "sendmsg");
	fd = recv_fd(s[1]);
	check(write(p[1], "by a passed descriptor", 22) < 0, "write");
	add(buf, read(fd, buf, sizeof(buf)));
	close(fd);
	mark();
	child = fork();
	if (child == 0) { /* the peer is a process */
		for (int i = 0; i < 10; i++) {
			ssize_t n = read(s[1], buf, sizeof(buf));

			usleep(500);
			if (n <= 0 || write(s[1], buf, n) < 0)
				_exit(1);
		}
		_exit(send_fd(s[1], p[0]));
	}
	close(s[1]);
	for (int i = 0; i < 10; i++) {
		snprintf(buf, sizeof(buf), "request %d of %d", i, getpid());
		check(send(s[0], buf, strlen(buf), 0) < 0, "send");
		add(buf, recv(s[0], buf, sizeof(buf), 0));
	}
	fd = recv_fd(s[0]);
	check(write(p[1], "once more", 9) < 0, "write");
	add(buf, read(fd, buf, sizeof(buf)));
	waitpid(child, NULL, 0);
	mark();
}

void by_name(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX }, peer;
	socklen_t len = sizeof(peer);
	int l = socket(AF_UNIX, SOCK_SEQPACKET, 0), c = socket(AF_UNIX, SOCK_SEQPACKET, 0), s, size;
	struct ucred cred;
	char buf[100];

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", name);
	unlink(name);
	check(bind(l, (void *)&a, sizeof(a)) || listen(l, 1), "bind");
	check(connect(c, (void *)&a, sizeof(a)), "connect");
	s = accept4(l, (void *)&peer, &len, SOCK_CLOEXEC);
	check(send(c, "a packet", 8, 0) < 0, "send");
	add(buf, recv(s, buf, sizeof(buf), 0));
	len = sizeof(cred);
	check(getsockopt(s, SOL_SOCKET, SO_PEERCRED, &cred, &len), "getsockopt");
	add((char *)&cred, len);
	len = sizeof(size);
	check(getsockopt(s, SOL_SOCKET, SO_RCVBUF, &size, &len), "getsockopt");
	add((char *)&size, len);
	unlink(name);
	mark();
}

int main(int argc, char **argv)
{
	tcp();	/* MARK first */
	udp();
	local();
	by_name(argc > 1 ? argv[1] : "socket");
	printf("sum %lx\n", sum);
	return 0;
}
