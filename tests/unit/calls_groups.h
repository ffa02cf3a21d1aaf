/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The child's side of calls_test.c: groups of calls with real arguments. */
#ifndef CALLS_GROUPS_H
#define CALLS_GROUPS_H

/* The child's side: calls with arguments of which the unused rest is a pattern. */

static unsigned char buf[1 << 17] __attribute__((aligned(4096)));
static volatile bool direct; /* the next read is with O_DIRECT; also read by the tracer */
static char dir[64] = "/tmp/calls_test.XXXXXX";

#define AT(off) ((void *)(buf + (off)))

static void fill(void)
{
	memset(buf, 0xa5, sizeof(buf));
}

static long call(long nr, ...)
{
	long a[6];
	va_list ap;

	va_start(ap, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	return syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* With six arguments as long, so that ints are extended. */
#define L(x) ((long)(x))
#define CALL_(nr, a, b, c, d, e, f, ...) call(nr, L(a), L(b), L(c), L(d), L(e), L(f))
#define CALL(nr, ...) CALL_(nr, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
/* The same with a new pattern in buf; not if buf holds arguments. */
#define FRESH(nr, ...) (fill(), CALL(nr, ##__VA_ARGS__))

static void on_signal(int sig)
{
	(void)sig;
}

static void alarm_in(int ms)
{
	struct itimerval it = { .it_value = { 0, ms * 1000 } };

	setitimer(ITIMER_REAL, &it, NULL);
}

static void set_iov(void *at, int n, const size_t *lens)
{
	struct iovec *iov = at;
	size_t off = 8192;

	for (int i = 0; i < n; i++, off += 4096)
		iov[i] = (struct iovec){ AT(off), lens[i] };
}

static const size_t some_lens[] = { 5, 0, 7, 3000, 4000, 100 };

static int data_file(const char *name, size_t len)
{
	int fd = CALL(SYS_openat, AT_FDCWD, name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	static char data[10000];

	memset(data, 'd', sizeof(data));
	CALL(SYS_write, fd, data, len);
	return fd;
}

static void t_files(void)
{
	int fd = data_file("data", 10000), out = data_file("out", 0), p[2];

	symlink("data", "link");
	FRESH(SYS_pread64, fd, buf, 5000, 0);
	FRESH(SYS_pread64, fd, buf, 9000, 7000);
	FRESH(SYS_lseek, fd, 9990, SEEK_SET);
	FRESH(SYS_read, fd, buf, 500);
	FRESH(SYS_read, fd, buf, 500);
	FRESH(SYS_read, -1, buf, 500);
	FRESH(SYS_read, fd, NULL, 500);
	for (int nr = 0; nr < 3; nr++) {
		static const int nrs[] = { SYS_readv, SYS_preadv, SYS_preadv2 };

		fill();
		set_iov(buf, 6, some_lens);
		lseek(fd, 100, SEEK_SET);
		CALL(nrs[nr], fd, buf, 6, 10, 0, 0);
		fill();
		set_iov(buf, 6, some_lens);
		lseek(fd, 9000, SEEK_SET);
		CALL(nrs[nr], fd, buf, 6, 9000, 0, 0);
		/* data overwrite the list of buffers */
		fill();
		set_iov(buf, 2, some_lens + 3);
		((struct iovec *)AT(0))[0].iov_base = buf;
		lseek(fd, 0, SEEK_SET);
		CALL(nrs[nr], fd, buf, 2, 0, 0, 0);
	}
	fill();
	set_iov(buf, 6, some_lens);
	CALL(SYS_process_vm_readv, getpid(), buf, 2, AT(1024), 0, 0);
	((struct iovec *)AT(1024))[0] = (struct iovec){ dir, 10 };
	CALL(SYS_process_vm_readv, getpid(), buf, 4, AT(1024), 1, 0);
	FRESH(SYS_stat, "data", buf);
	FRESH(SYS_stat, "none", buf);
	FRESH(SYS_lstat, "link", buf);
	FRESH(SYS_fstat, fd, buf);
	FRESH(SYS_newfstatat, AT_FDCWD, "data", buf, 0);
	FRESH(SYS_statx, AT_FDCWD, "data", 0, STATX_ALL, buf);
	FRESH(SYS_statfs, "/proc", buf);
	FRESH(SYS_fstatfs, fd, buf);
	FRESH(SYS_access, "data", R_OK);
	FRESH(SYS_readlink, "link", buf, 100);
	FRESH(SYS_readlinkat, AT_FDCWD, "link", buf, 2);
	FRESH(SYS_getcwd, buf, 4096);
	FRESH(SYS_getcwd, buf, 2);
	FRESH(SYS_getdents64, open("/etc", O_RDONLY), buf, 300);
	FRESH(SYS_getdents64, open("/proc", O_RDONLY), buf, 30000);
	FRESH(SYS_getdents, open("/etc", O_RDONLY), buf, 3000);
	fill();
	*(uint64_t *)AT(0) = 100;
	CALL(SYS_sendfile, out, fd, buf, 5000);
	*(uint64_t *)AT(0) = *(uint64_t *)AT(64) = 100;
	CALL(SYS_copy_file_range, fd, AT(0), out, AT(64), 3000, 0);
	pipe(p);
	*(uint64_t *)AT(0) = 9;
	CALL(SYS_splice, fd, AT(0), p[1], NULL, 900, 0);
	*(uint64_t *)AT(0) = 9;
	CALL(SYS_splice, p[0], NULL, out, AT(0), 300, 0);
	set_iov(buf, 6, some_lens);
	CALL(SYS_vmsplice, p[0], buf, 4, 0);
	FRESH(SYS_fallocate, fd, 0, 0, 20000);
	FRESH(451 /* cachestat */, fd, ((uint64_t[]){ 0, 0 }), buf, 0);
	FRESH(468 /* file_getattr */, AT_FDCWD, "data", buf, 24, 0);
	FRESH(468, AT_FDCWD, "data", buf, 64, 0);
	fill();
	*(uint32_t *)AT(0) = 0;
	CALL(SYS_name_to_handle_at, AT_FDCWD, "data", buf, AT(4096), 0);
	*(uint32_t *)AT(0) = 128;
	CALL(SYS_name_to_handle_at, AT_FDCWD, "data", buf, AT(4096), 0);
	CALL(SYS_name_to_handle_at, AT_FDCWD, "data", buf, AT(5000), 1 /* 64-bit mount id */);
}

static void t_direct(void)
{
	static const int lens[] = { 100, 512, 4096, 5000, 9999 };

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		int fd = data_file("direct", lens[i]);

		fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 1 << 20);
		fsync(fd);
		fcntl(fd, F_SETFL, O_DIRECT);
		lseek(fd, 0, SEEK_SET);
		fill();
		direct = true;
		CALL(SYS_read, fd, buf, 65536);
		fill();
		CALL(SYS_pread64, fd, buf, 65536, 0);
		fill();
		((struct iovec *)AT(0))[0] = (struct iovec){ AT(8192), 4096 };
		((struct iovec *)AT(0))[1] = (struct iovec){ AT(16384), 8192 };
		CALL(SYS_preadv, fd, buf, 2, 0, 0);
		direct = false;
	}
}

static void t_xattr(void)
{
	int fd = data_file("xattr", 10);
	uint64_t xargs[2] = { (uint64_t)AT(256), 100 };

	FRESH(SYS_setxattr, "xattr", "user.a", "value", 5, 0);
	FRESH(SYS_setxattr, "xattr", "user.b", "other value", 11, 0);
	FRESH(SYS_getxattr, "xattr", "user.a", buf, 100);
	FRESH(SYS_getxattr, "xattr", "user.a", buf, 0);
	FRESH(SYS_getxattr, "xattr", "user.b", buf, 3);
	FRESH(SYS_lgetxattr, "xattr", "user.a", buf, 5);
	FRESH(SYS_fgetxattr, fd, "user.b", buf, 50);
	FRESH(SYS_listxattr, "xattr", buf, 100);
	FRESH(SYS_listxattr, "xattr", buf, 0);
	FRESH(SYS_llistxattr, "xattr", buf, 100);
	FRESH(SYS_flistxattr, fd, buf, 100);
	FRESH(464 /* getxattrat */, AT_FDCWD, "xattr", 0, "user.a", xargs, 16);
	FRESH(465 /* listxattrat */, AT_FDCWD, "xattr", 0, buf, 100);
	FRESH(SYS_removexattr, "xattr", "user.a");
}

static void t_fcntl(void)
{
	int fd = data_file("locks", 100), pid, cmds[] = { F_GETLK, F_OFD_GETLK };
	struct flock lock = { .l_type = F_WRLCK, .l_len = 10 };

	pid = fork();
	if (pid == 0) {
		int other = open("locks", O_RDWR);

		fcntl(other, F_SETLK, &lock);
		sleep(3);
		_exit(0);
	}
	usleep(50000);
	for (int i = 0; i < 2; i++) {
		fill();
		memcpy(buf, &lock, sizeof(lock));
		CALL(SYS_fcntl, fd, cmds[i], buf);
	}
	kill(pid, SIGKILL);
	FRESH(SYS_wait4, pid, buf, 0, AT(128));
	for (int cmd = 0; cmd < 1045; cmd == 40 ? cmd = 1024 : cmd++) {
		if (cmd != F_GETLK && cmd != F_SETLKW && cmd != F_OFD_SETLKW && cmd != F_SETOWN &&
		    cmd != F_SETFL)
			FRESH(SYS_fcntl, fd, cmd, buf);
	}
}

static void t_ioctl(void)
{
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY), slave, fds[4], n = 0;
	static const int skip[] = { TIOCSTI, TIOCCONS, TIOCNOTTY, TIOCSCTTY,  TIOCSETD,	  TCSBRK,
				    TCSBRKP, TCSETSW,  TCSETSF,	  TIOCMIWAIT, TIOCVHANGUP };
	/* Those that read only: the others change the machine. */
	static const int ifs[] = { SIOCGIFNAME,	   SIOCGIFFLAGS,   SIOCGIFADDR,	  SIOCGIFDSTADDR,
				   SIOCGIFBRDADDR, SIOCGIFNETMASK, SIOCGIFMETRIC, SIOCGIFMTU,
				   SIOCGIFHWADDR,  SIOCGIFINDEX,   SIOCGIFTXQLEN, SIOCGIFMAP };

	signal(SIGIO,
	       SIG_IGN); /* FIOASYNC, and the terminal's input comes when the kernel has time */
	unlockpt(master);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	write(master, "input\n", 6);
	fds[n++] = master;
	fds[n++] = slave;
	fds[n++] = data_file("ioctl", 200);
	fds[n++] = open("/dev/vda", O_RDONLY);
	for (int i = 0; i < n; i++) {
		for (unsigned int cmd = 0x5401; cmd < 0x5461; cmd++) {
			bool skipped = false;

			for (size_t k = 0; k < sizeof(skip) / sizeof(skip[0]); k++)
				skipped |= (int)cmd == skip[k];
			if (!skipped)
				FRESH(SYS_ioctl, fds[i], cmd, buf);
		}
		FRESH(SYS_ioctl, fds[i], 0x802c542a, buf); /* TCGETS2 */
		FRESH(SYS_ioctl, fds[i], TIOCGPTN, buf);
		FRESH(SYS_ioctl, fds[i], TIOCGPTLCK, buf);
		FRESH(SYS_ioctl, fds[i], TIOCGPKT, buf);
		FRESH(SYS_ioctl, fds[i], TIOCGEXCL, buf);
		FRESH(SYS_ioctl, fds[i], FS_IOC_GETFLAGS, buf);
		FRESH(SYS_ioctl, fds[i], FS_IOC_GETVERSION, buf);
		FRESH(SYS_ioctl, fds[i], FS_IOC_FSGETXATTR, buf);
		FRESH(SYS_ioctl, fds[i], FS_IOC_GETFSLABEL, buf);
		FRESH(SYS_ioctl, fds[i], FIGETBSZ, buf);
		FRESH(SYS_ioctl, fds[i], BLKROGET, buf);
		FRESH(SYS_ioctl, fds[i], BLKGETSIZE, buf);
		FRESH(SYS_ioctl, fds[i], BLKRAGET, buf);
		FRESH(SYS_ioctl, fds[i], BLKSSZGET, buf);
		FRESH(SYS_ioctl, fds[i], BLKPBSZGET, buf);
		FRESH(SYS_ioctl, fds[i], BLKBSZGET, buf);
		FRESH(SYS_ioctl, fds[i], BLKGETSIZE64, buf);
	}
	n = open("/proc/self/ns/user", O_RDONLY);
	FRESH(SYS_ioctl, n, 0xb704, buf); /* NS_GET_OWNER_UID */
	n = socket(AF_INET, SOCK_DGRAM, 0);
	for (size_t i = 0; i < sizeof(ifs) / sizeof(ifs[0]); i++) {
		fill();
		memset(buf, 0, sizeof(struct ifreq));
		strcpy(AT(0), "lo");
		if (ifs[i] == SIOCGIFNAME)
			((struct ifreq *)AT(0))->ifr_ifindex = 1;
		CALL(SYS_ioctl, n, ifs[i], buf);
	}
	fill();
	*(struct ifconf *)AT(0) = (struct ifconf){ .ifc_len = 400, .ifc_buf = AT(4096) };
	CALL(SYS_ioctl, n, SIOCGIFCONF, buf);
	fill();
	memset(buf, 0, sizeof(struct fiemap));
	((struct fiemap *)AT(0))->fm_length = 1 << 20;
	((struct fiemap *)AT(0))->fm_extent_count = 3;
	CALL(SYS_ioctl, fds[2], FS_IOC_FIEMAP, buf);
	FRESH(SYS_ioctl, n, FIOGETOWN, buf);
	FRESH(SYS_ioctl, n, SIOCGPGRP, buf);
	FRESH(SYS_ioctl, n, FIONREAD, buf);
}

static void t_poll(void)
{
	int p[2], q[2], ep = epoll_create1(0);
	struct pollfd fds[3];
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 77 };
	struct timespec ts = { 0, 30000000 };
	struct timeval tv = { 0, 30000 };
	uint64_t six[2] = { 0, 8 };

	FRESH(SYS_pipe, buf);
	FRESH(SYS_pipe2, buf, O_CLOEXEC);
	FRESH(SYS_pipe2, buf, 0x777777);
	pipe(p);
	pipe(q);
	write(p[1], "x", 1);
	fds[0] = (struct pollfd){ p[0], POLLIN, 0x5a };
	fds[1] = (struct pollfd){ q[0], POLLIN, 0x5a };
	fds[2] = (struct pollfd){ -1, POLLIN, 0x5a };
	for (int i = 0; i < 3; i++) { /* ready; none; interrupted */
		int off = i ? 1 : 0, wait = i == 2 ? 500 : 10;

		ts.tv_nsec = wait * 1000000L;
		tv.tv_usec = wait * 1000;
		for (int k = 0; k < 7; k++) {
			fd_set *r = AT(0);

			fill();
			memset(buf, 0, 512);
			FD_SET(off ? q[0] : p[0], r);
			FD_SET(q[0], r);
			FD_SET(q[1], (fd_set *)AT(256));
			if (off)
				FD_ZERO((fd_set *)AT(256));
			memcpy(AT(8192), fds + off, sizeof(fds[0]) * (3 - off));
			memcpy(AT(4096), k ? (void *)&ts : &tv, 16);
			epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL);
			if (!off)
				epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev);
			if (i == 2)
				alarm_in(20);
			switch (k) {
			case 0:
				CALL(SYS_select, 70, r, AT(256), NULL, AT(4096));
				break;
			case 1:
				CALL(SYS_pselect6, 70, r, AT(256), AT(1024), AT(4096), six);
				break;
			case 2:
				CALL(SYS_poll, AT(8192), 3 - off, wait);
				break;
			case 3:
				CALL(SYS_ppoll, AT(8192), 3 - off, AT(4096), NULL, 8);
				break;
			case 4:
				CALL(SYS_epoll_wait, ep, AT(16384), 10, wait);
				break;
			case 5:
				CALL(SYS_epoll_pwait, ep, AT(16384), 10, wait, NULL, 8);
				break;
			case 6:
				CALL(SYS_epoll_pwait2, ep, AT(16384), 10, &ts, NULL, 8);
				break;
			}
		}
		alarm_in(0);
	}
	FRESH(SYS_poll, buf, 1 << 30, 0);
}

/* A msghdr in buf, control data at 1024, its list at 512, a name at 2048. */
static struct msghdr *set_msg(size_t controllen, size_t namelen)
{
	struct msghdr *m = AT(0);

	fill();
	memset(m, 0, sizeof(*m));
	set_iov(AT(512), 6, some_lens);
	m->msg_iov = AT(512);
	m->msg_iovlen = 6;
	m->msg_control = controllen ? AT(1024) : NULL;
	m->msg_controllen = controllen;
	m->msg_name = namelen ? AT(2048) : NULL;
	m->msg_namelen = namelen;
	return m;
}

static void send_fds(int sock, int n)
{
	char data[] = "some data of a message", control[512] = "";
	struct iovec iov = { data, sizeof(data) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n) {
		struct cmsghdr *c = (struct cmsghdr *)control;

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
	}
	CALL(SYS_sendmsg, sock, &m, 0);
}

static void set_mmsg(int n)
{
	struct mmsghdr *m = AT(32768);

	fill();
	for (int i = 0; i < n; i++) {
		struct iovec *iov = AT(40960 + i * 64);

		iov[0] = (struct iovec){ AT(49152 + i * 1024), 10 };
		iov[1] = (struct iovec){ AT(49152 + i * 1024 + 500), 300 };
		memset(&m[i], 0, sizeof(m[i]));
		m[i].msg_hdr = (struct msghdr){ AT(65536 + i * 256), 20 + i, iov, 2,
						AT(73728 + i * 256), 100,    0 };
	}
}

static void t_sockets(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "sock" };
	struct timespec ts = { 0, 50000000 };
	int s[2], u, c, l, a, on = 1;
	socklen_t len = sizeof(sin);

	FRESH(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, buf);
	FRESH(SYS_socketpair, AF_INET, SOCK_STREAM, 0, buf); /* fails, but writes */
	FRESH(SYS_socketpair, 9999, SOCK_STREAM, 0, buf);
	socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
	setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	for (int n = 0; n < 4; n++) { /* with room for control data, little, none */
		send_fds(s[0], n);
		CALL(SYS_recvmsg, s[1], set_msg(n == 3 ? 40 : 300, 128), 0);
		send_fds(s[0], n);
		CALL(SYS_recvmsg, s[1], set_msg(n * 9, 0), MSG_CMSG_CLOEXEC);
	}
	CALL(SYS_recvmsg, s[1], set_msg(100, 100), MSG_DONTWAIT);
	send_fds(s[0], 0);
	FRESH(SYS_recvfrom, s[1], buf, 10, MSG_TRUNC, NULL, NULL);
	send_fds(s[0], 0);
	FRESH(SYS_recvfrom, s[1], buf, 100, MSG_TRUNC, AT(1024), &len);

	l = socket(AF_INET, SOCK_STREAM, 0);
	bind(l, (void *)&sin, sizeof(sin));
	listen(l, 5);
	for (int i = 0; i < 4; i++) {
		fill();
		*(int *)AT(4096) = i * 7;
		CALL(SYS_getsockname, l, buf, AT(4096));
	}
	len = sizeof(sin);
	getsockname(l, (void *)&sin, &len);
	for (int i = 0; i < 4; i++) {
		c = socket(AF_INET, SOCK_STREAM, 0);
		connect(c, (void *)&sin, sizeof(sin));
		fill();
		*(int *)AT(4096) = i * 7;
		a = i == 3 ? CALL(SYS_accept, l, NULL, NULL) :
			     CALL(i & 1 ? SYS_accept : SYS_accept4, l, buf, AT(4096), 0);
		fill();
		*(int *)AT(4096) = i * 7;
		CALL(SYS_getpeername, a, buf, AT(4096));
	}
	write(c, "tcp data", 8);
	fill();
	*(int *)AT(4096) = 16;
	CALL(SYS_recvfrom, a, buf, 100, 0, AT(1024), AT(4096));
	for (int opt = 0; opt < 90; opt++) {
		static const int levels[] = { SOL_SOCKET, IPPROTO_TCP, IPPROTO_IP, IPPROTO_IPV6 };

		for (int i = 0; i < 12; i++) {
			fill();
			*(int *)AT(4096) = (int[]){ 4, 1, 300 }[i % 3];
			if (levels[i / 3] != IPPROTO_TCP || opt != TCP_ZEROCOPY_RECEIVE)
				CALL(SYS_getsockopt, a, levels[i / 3], opt, buf, AT(4096));
		}
	}
	for (int i = 0; i < 2; i++) { /* counts instructions */
		uint64_t ret = 0x06, prog[2] = { 1, (uint64_t)&ret };

		if (i == 0)
			setsockopt(a, SOL_SOCKET, SO_ATTACH_FILTER, prog, 16);
		fill();
		*(int *)AT(4096) = 1;
		CALL(SYS_getsockopt, a, SOL_SOCKET, SO_GET_FILTER, buf, AT(4096));
	}

	u = socket(AF_INET, SOCK_DGRAM, 0);
	sin.sin_port = 0;
	bind(u, (void *)&sin, sizeof(sin));
	len = sizeof(sin);
	getsockname(u, (void *)&sin, &len);
	setsockopt(u, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on));
	setsockopt(u, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	for (int i = 0; i < 9; i++) {
		static const char data[] = "a datagram of some length";

		c = socket(AF_INET, SOCK_DGRAM, 0);
		CALL(SYS_sendto, c, data, sizeof(data), 0, &sin, sizeof(sin));
	}
	fill();
	*(int *)AT(4096) = 6;
	CALL(SYS_recvfrom, u, buf, 100, 0, AT(1024), AT(4096));
	CALL(SYS_recvmsg, u, set_msg(200, 9), 0);
	CALL(SYS_recvmsg, u, set_msg(50, 100), MSG_TRUNC);
	set_mmsg(3);
	CALL(SYS_recvmmsg, u, AT(32768), 3, 0, memcpy(AT(4096), &ts, 16));
	set_mmsg(8);
	CALL(SYS_recvmmsg, u, AT(32768), 8, MSG_DONTWAIT, NULL);
	set_mmsg(2);
	CALL(SYS_recvmmsg, u, AT(32768), 2, MSG_DONTWAIT, memcpy(AT(4096), &ts, 16));
	set_mmsg(3);
	for (int i = 0; i < 3; i++) {
		struct msghdr *m = &((struct mmsghdr *)AT(32768))[i].msg_hdr;

		m->msg_control = m->msg_name = NULL;
		m->msg_controllen = m->msg_namelen = 0;
	}
	CALL(SYS_sendmmsg, s[0], AT(32768), 3, 0);

	l = socket(AF_UNIX, SOCK_STREAM, 0);
	bind(l, (void *)&sun, sizeof(sun));
	fill();
	*(int *)AT(4096) = 110;
	CALL(SYS_getsockname, l, buf, AT(4096));
}

static void t_wait(void)
{
	int status, pid;

	for (int i = 0; i < 4; i++) {
		pid = fork();
		if (pid == 0)
			_exit(i);
		if (i == 0)
			FRESH(SYS_wait4, pid, buf, 0, AT(64));
		else if (i == 1)
			FRESH(SYS_waitid, P_PID, pid, buf, WEXITED, AT(256));
		else
			FRESH(SYS_waitid, P_PID, pid, buf, WEXITED | WNOWAIT, NULL);
		waitpid(pid, &status, 0);
	}
	FRESH(SYS_wait4, -1, buf, 0, AT(64));
	FRESH(SYS_waitid, P_ALL, 0, buf, WEXITED, AT(256));
	pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	FRESH(SYS_wait4, pid, buf, WNOHANG, AT(64));
	FRESH(SYS_waitid, P_PID, pid, buf, WEXITED | WNOHANG, AT(256));
	alarm_in(20);
	FRESH(SYS_wait4, pid, buf, 0, AT(64));
	kill(pid, SIGKILL);
	FRESH(SYS_wait4, pid, buf, 0, NULL);
}

static void t_time(void)
{
	struct timespec ts = { 0, 300000000 }, none = { 0, 0 };
	struct itimerspec its = { .it_value = { 100, 0 } };
	struct itimerval itv = { .it_value = { 100, 0 } };
	struct timex tx = { .modes = 0 };
	struct sigevent sev = { .sigev_notify = SIGEV_NONE };
	int id, fd = timerfd_create(CLOCK_MONOTONIC, 0);

	alarm_in(20);
	FRESH(SYS_nanosleep, &ts, buf);
	FRESH(SYS_nanosleep, &none, buf);
	alarm_in(20);
	FRESH(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &ts, buf);
	FRESH(SYS_clock_gettime, CLOCK_REALTIME, buf);
	FRESH(SYS_clock_gettime, 9999, buf);
	FRESH(SYS_clock_getres, CLOCK_REALTIME, buf);
	FRESH(SYS_gettimeofday, buf, AT(64));
	FRESH(SYS_time, buf);
	FRESH(SYS_times, buf);
	FRESH(SYS_setitimer, ITIMER_VIRTUAL, &itv, buf);
	FRESH(SYS_setitimer, ITIMER_VIRTUAL, &itv, buf);
	FRESH(SYS_getitimer, ITIMER_VIRTUAL, buf);
	FRESH(SYS_timerfd_settime, fd, 0, &its, buf);
	FRESH(SYS_timerfd_gettime, fd, buf);
	FRESH(SYS_timer_create, CLOCK_MONOTONIC, &sev, buf);
	id = *(int *)AT(0);
	FRESH(SYS_timer_settime, id, 0, &its, buf);
	FRESH(SYS_timer_gettime, id, buf);
	FRESH(SYS_timer_create, 9 /* CLOCK_BOOTTIME_ALARM */, &sev, buf);
	FRESH(SYS_timer_create, 9999, &sev, buf);
	fill();
	memcpy(buf, &tx, sizeof(tx));
	CALL(SYS_adjtimex, buf);
	memcpy(buf, &tx, sizeof(tx));
	CALL(SYS_clock_adjtime, CLOCK_REALTIME, buf);
}

static void t_restart(void)
{
	struct timespec ts = { 0, 200000000 };
	int parent = getpid(), pid = fork();

	if (pid == 0) {
		for (int i = 0; i < 3; i++) {
			usleep(30000);
			kill(parent, SIGUSR2); /* never delivered by the tracer */
		}
		_exit(0);
	}
	FRESH(SYS_nanosleep, &ts, buf);
	waitpid(pid, NULL, 0);
}

static void t_process(void)
{
	uint32_t caps[2] = { 0x20080522, 0 };

	FRESH(SYS_uname, buf);
	FRESH(SYS_sysinfo, buf);
	FRESH(SYS_getrusage, RUSAGE_SELF, buf);
	FRESH(SYS_getrlimit, RLIMIT_NOFILE, buf);
	FRESH(SYS_prlimit64, 0, RLIMIT_STACK, NULL, buf);
	FRESH(SYS_getgroups, 100, buf);
	setgroups(3, (gid_t[]){ 7, 8, 9 });
	FRESH(SYS_getgroups, 100, buf);
	FRESH(SYS_getgroups, 0, buf);
	FRESH(SYS_getgroups, 2, buf);
	FRESH(SYS_getresuid, buf, AT(64), AT(128));
	FRESH(SYS_getresgid, buf, AT(64), AT(128));
	fill();
	memcpy(buf, caps, 8);
	CALL(SYS_capget, buf, AT(64));
	memset(buf, 1, 8);
	CALL(SYS_capget, buf, AT(64));
	CALL(SYS_capset, buf, AT(64));
	FRESH(SYS_sched_getaffinity, 0, 128, buf);
	FRESH(SYS_sched_getaffinity, 0, 4000, buf);
	FRESH(SYS_sched_getparam, 0, buf);
	FRESH(SYS_sched_getattr, 0, buf, 56, 0);
	FRESH(SYS_sched_getattr, 0, buf, 200, 0);
	FRESH(SYS_sched_setattr, 0, buf, 0);
	FRESH(SYS_sched_rr_get_interval, 0, buf);
	FRESH(SYS_getcpu, buf, AT(64), NULL);
	FRESH(SYS_get_robust_list, 0, buf, AT(64));
	FRESH(SYS_getrandom, buf, 333, 0);
	FRESH(SYS_get_mempolicy, buf, AT(64), 1024, NULL, 0);
	FRESH(SYS_mincore, (long)buf & ~4095, 65536, AT(4096));
	FRESH(SYS_mincore, (long)environ & ~4095, 1 << 25, AT(4096));
	FRESH(SYS_move_pages, 0, 1, (void *[]){ buf }, NULL, AT(4096), 0);
	FRESH(SYS_syslog, 3, buf, 500);
	FRESH(SYS_modify_ldt, 0, buf, 500);
	FRESH(SYS_ustat, 0xfe00, buf);
	FRESH(SYS_seccomp, 3, 0, buf);
	FRESH(SYS_futex, memset(buf, 0, 8), FUTEX_WAIT, 1, NULL);
	FRESH(SYS_futex, buf, FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 1, 1, AT(64),
	      FUTEX_OP(FUTEX_OP_SET, 5, FUTEX_OP_CMP_EQ, 0));
	fill();
	*(int *)AT(0) = 0;
	CALL(SYS_futex, buf, FUTEX_TRYLOCK_PI, 0, NULL);
	CALL(SYS_futex, buf, FUTEX_UNLOCK_PI, 0, NULL);
	for (int op = 1; op < 80; op++) {
		static const int skip[] = {
			PR_SET_SECCOMP,		23, 24, PR_SET_TSC, PR_SET_TIMERSLACK, PR_SET_MM,
			PR_SET_CHILD_SUBREAPER, 59, 65
		};
		bool skipped = false;

		for (size_t i = 0; i < sizeof(skip) / sizeof(skip[0]); i++)
			skipped |= op == skip[i];
		if (!skipped)
			FRESH(SYS_prctl, op, buf, 0, 0, 0);
	}
	FRESH(SYS_prctl, PR_GET_TSC, buf);
	FRESH(SYS_prctl, 0x41555856 /* PR_GET_AUXV */, buf, 4000, 0, 0);
	FRESH(SYS_prctl, 0x41555856, buf, 20, 0, 0);
	FRESH(SYS_arch_prctl, ARCH_GET_FS, buf);
	FRESH(SYS_arch_prctl, ARCH_GET_GS, buf);
	for (int op = 0x1021; op < 0x1025; op++)
		FRESH(SYS_arch_prctl, op, buf);
	FRESH(SYS_arch_prctl, 0x4001, buf);
	FRESH(SYS_arch_prctl, 0x4003, buf);
	FRESH(SYS_arch_prctl, 0x5005, buf);
}

static void t_new(void)
{
	uint64_t req[3] = { 24, 0, 0x3f }, root[3] = { 24, UINT64_MAX, 0 };
	struct statx sx;

	statx(AT_FDCWD, "/", 0, 0x4000 /* unique mount id */, &sx);
	req[1] = ((uint64_t *)&sx)[18];
	FRESH(457 /* statmount */, req, buf, 2000, 0);
	FRESH(457, req, buf, 100, 0);
	FRESH(458 /* listmount */, root, buf, 50, 0);
	for (int i = 0; i < 2; i++) {
		fill();
		*(uint32_t *)AT(4096) = i ? 1024 : 1;
		CALL(459 /* lsm_get_self_attr */, 100, buf, AT(4096), 0);
		CALL(461 /* lsm_list_modules */, buf, AT(4096), 0);
	}
	FRESH(SYS_keyctl, 6, -3, buf, 200);
	FRESH(SYS_keyctl, 6, -3, buf, 3);
}

static void t_signals(void)
{
	sigset_t set;
	struct timespec ts = { 0, 10000000 };
	uint64_t act[4];

	FRESH(SYS_rt_sigaction, SIGALRM, NULL, buf, 8);
	memcpy(act, buf, 32);
	FRESH(SYS_rt_sigaction, SIGALRM, act, buf, 8);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	FRESH(SYS_rt_sigprocmask, SIG_BLOCK, &set, buf, 8);
	kill(getpid(), SIGUSR1);
	FRESH(SYS_rt_sigpending, buf, 8);
	FRESH(SYS_rt_sigtimedwait, &set, buf, &ts, 8);
	FRESH(SYS_rt_sigtimedwait, &set, buf, &ts, 8);
	FRESH(SYS_sigaltstack, NULL, buf);
}

static void t_ipc(void)
{
	int shm = shmget(IPC_PRIVATE, 4096, 0600), sem = semget(IPC_PRIVATE, 3, 0600), q, mq;
	struct mq_attr attr = { .mq_maxmsg = 4, .mq_msgsize = 100 };

	for (int cmd = 1; cmd < 21; cmd++) {
		if (cmd != IPC_SET && cmd != SETVAL && cmd != SETALL)
			FRESH(SYS_semctl, sem, 0, cmd, buf);
		if (cmd != IPC_SET)
			FRESH(SYS_shmctl, cmd == SHM_STAT || cmd == 15 ? 0 : shm, cmd, buf);
	}
	q = msgget(IPC_PRIVATE, 0600);
	for (int cmd = 2; cmd < 15; cmd++)
		FRESH(SYS_msgctl, cmd == MSG_STAT || cmd == 13 ? 0 : q, cmd, buf);
	msgsnd(q, "\1\0\0\0\0\0\0\0hello", 5, 0);
	FRESH(SYS_msgrcv, q, buf, 100, 0, 0);
	shmctl(shm, IPC_RMID, NULL);
	semctl(sem, 0, IPC_RMID);
	msgctl(q, IPC_RMID, NULL);
	mq = syscall(SYS_mq_open, "calls_test", O_RDWR | O_CREAT, 0600, &attr);
	FRESH(SYS_mq_getsetattr, mq, NULL, buf);
	syscall(SYS_mq_timedsend, mq, "message", 7, 3, NULL);
	FRESH(SYS_mq_timedreceive, mq, buf, 100, AT(512), NULL);
	syscall(SYS_mq_unlink, "calls_test");
}

static const struct call_group {
	const char *name;
	void (*run)(void);
} groups[] = {
	{ "files", t_files },	  { "reads with O_DIRECT", t_direct },
	{ "xattr", t_xattr },	  { "fcntl", t_fcntl },
	{ "ioctl", t_ioctl },	  { "poll, select, epoll", t_poll },
	{ "sockets", t_sockets }, { "wait", t_wait },
	{ "time", t_time },	  { "restart_syscall", t_restart },
	{ "process", t_process }, { "newer calls", t_new },
	{ "signals", t_signals }, { "System V and POSIX queues", t_ipc },
};

static void child(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	sigaction(SIGALRM, &sa, NULL);
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		CALL(MARK, groups[i].name);
		groups[i].run();
	}
	CALL(MARK, NULL);
	_exit(0);
}

#endif
