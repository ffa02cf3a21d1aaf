/* Threads, and a child, that wait for each other by semaphores, queues of messages and connections: what can be had at once
 * makes no stop, who has to wait does so, and gets what is his. cc: -pthread */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS 3

struct message {
	long type;
	unsigned int from, n;
	char text[24];
};

volatile unsigned long wrong, waited;
volatile int phase;
unsigned long sums[4];
static int rounds = 200, sems, queue, small;
static mqd_t posix;
static int holder;

#define check(x) check_(x, __LINE__)
static void check_(int good, int line)
{
	if (!good)
		__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED), fprintf(stderr, "line %d\n", line);
}

/* ------------------------------------------------------------ semaphores */

/* A token goes round; the last one of the ring is the child's. */
static void pass(int me, int i)
{
	struct sembuf ops[2] = { { (unsigned short)me, -1, 0 }, { (unsigned short)((me + 1) % (THREADS + 1)), 1, 0 } };
	struct sembuf take = ops[0], give = ops[1];
	struct timespec soon = { 0, 100000 };

	if (i % 5 == 0) { /* at once, as long as it isn't there */
		check(!semop(sems, ops, 2));
		return;
	}
	take.sem_flg = i % 5 == 1 ? IPC_NOWAIT : 0;
	while (i % 5 < 3 && semtimedop(sems, &take, 1, i % 5 == 2 ? &soon : NULL)) {
		check(errno == EAGAIN);
		waited++;
		if (i % 5 == 1)
			usleep(50);
	}
	if (i % 5 >= 3)
		check(!semop(sems, &take, 1)); /* MARK take */
	if (me < THREADS) {
		check(!holder);
		holder = me + 1;
		sums[0] = sums[0] * 3 + (unsigned long)(me * 1000 + i);
		holder = 0;
	}
	check(!semop(sems, &give, 1));
}

static void *tokens(void *arg)
{
	struct sembuf bad = { 200, 1, 0 }, many[20] = { { 0 } };

	for (int i = 0; i < rounds; i++)
		pass((int)(long)arg, i);
	check(semop(sems, &bad, 1) == -1 && errno == EFBIG);
	check(semop(sems, (struct sembuf *)16, 1) == -1 && errno == EFAULT);
	check(semop(sems + 7777, &bad, 1) == -1 && (errno == EINVAL || errno == EIDRM));
	for (int i = 0; i < 20; i++) /* more than one looks at: all or none */
		many[i] = (struct sembuf){ THREADS + 1, i % 2 ? -1 : 1, 0 };
	check(!semop(sems, many, 20));
	return NULL;
}

/* ---------------------------------------------------------------- messages */

static void *send_some(void *arg)
{
	struct message m = { .from = (unsigned int)(long)arg };

	for (m.n = 0; m.n < (unsigned int)rounds; m.n++) {
		m.type = m.n % 2 + 1;
		snprintf(m.text, sizeof(m.text), "%u of %u", m.n, m.from);
		while (msgsnd(queue, &m, sizeof(m) - sizeof(long), m.n % 7 ? 0 : IPC_NOWAIT)) {
			check(errno == EAGAIN && m.n % 7 == 0);
			waited++;
			usleep(20);
		}
		check(!mq_send(posix, (char *)&m, sizeof(m), 1));
	}
	check(msgsnd(queue, &m, 1 << 20, 0) == -1 && errno == EINVAL);
	check(msgsnd(queue, (void *)16, 8, 0) == -1 && errno == EFAULT);
	return NULL;
}

/* Each sender's come in their order. */
static void *receive_some(void *arg)
{
	const long type = (long)arg;
	unsigned int last[2] = { 0, 0 }, last_posix[2] = { 0, 0 };
	struct message m;
	char text[24];

	for (int i = 0; i < rounds; i++) {
		ssize_t n = msgrcv(queue, &m, i % 9 ? sizeof(m) - sizeof(long) : 12, type, MSG_NOERROR);

		check(n == (i % 9 ? (ssize_t)(sizeof(m) - sizeof(long)) : 12) && m.type == type && m.n % 2 + 1 == type);
		check(m.from < 2 && (m.n >= last[m.from % 2]));
		last[m.from % 2] = m.n + 1;
		snprintf(text, sizeof(text), "%u of %u", m.n, m.from);
		check(!strncmp(text, m.text, i % 9 ? sizeof(text) : 4));
		sums[type] = sums[type] * 5 + m.n * 2 + m.from; /* MARK received */
		check(mq_receive(posix, (char *)&m, sizeof(m), NULL) == sizeof(m) && m.from < 2 && m.n >= last_posix[m.from]);
		last_posix[m.from % 2] = m.n;
	}
	check(msgrcv(queue, &m, 8, 77, IPC_NOWAIT) == -1 && errno == ENOMSG);
	return NULL;
}

/* Waits for what never comes; or is late for it. */
static void *be_removed(void *arg)
{
	struct message m;
	struct sembuf never = { 0, -1, 0 };

	if (arg)
		check(semop(small, &never, 1) == -1 && (errno == EIDRM || errno == EINVAL));
	else
		check(msgrcv(small, &m, 8, 0, 0) == -1 && (errno == EIDRM || errno == EINVAL));
	return NULL;
}

/* ------------------------------------------------------------- connections */

struct server {
	struct sockaddr_storage at;
	socklen_t len;
	int fd, slow, asked;
};

static void *serve(void *arg)
{
	struct server *s = arg;

	for (int i = 0; i < rounds; i++) {
		int c = accept(s->fd, NULL, NULL), n;

		if (s->slow && i % 16 == 0)
			usleep(300);
		check(read(c, &n, sizeof(n)) == sizeof(n));
		n = -n;
		check(write(c, &n, sizeof(n)) == sizeof(n) && !close(c));
	}
	return NULL;
}

/* Some more connect than are waited for. */
static void *ask(void *arg)
{
	struct server *s = arg;
	const int twin = 100 + __atomic_fetch_add(&s->asked, 1, __ATOMIC_RELAXED);

	for (int i = 0; i < rounds / 2; i++) {
		int c = socket(s->at.ss_family, SOCK_STREAM, 0), n = i + 1;

		check(!connect(c, (struct sockaddr *)&s->at, s->len));
		check(write(c, &n, sizeof(n)) == sizeof(n) && read(c, &n, sizeof(n)) == sizeof(n) && n == -i - 1);
		check(dup2(c, twin) == twin && !close(c));
		check(read(twin, &n, 1) == 0); /* nobody is there any more */
	}
	return NULL;
}

static void connections(int family)
{
	struct sockaddr_un un = { AF_UNIX, "\0fred-queues" };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct server s = { .fd = socket(family, SOCK_STREAM, 0), .slow = family == AF_UNIX };
	pthread_t t[3];
	int c;

	snprintf(un.sun_path + 1, sizeof(un.sun_path) - 1, "fred-queues-%d", getpid());
	s.len = family == AF_UNIX ? sizeof(un) : sizeof(in);
	memcpy(&s.at, family == AF_UNIX ? (void *)&un : (void *)&in, s.len);
	check(!bind(s.fd, (struct sockaddr *)&s.at, s.len) && !listen(s.fd, 1));
	check(!getsockname(s.fd, (struct sockaddr *)&s.at, &s.len));
	pthread_create(&t[0], NULL, serve, &s);
	pthread_create(&t[1], NULL, ask, &s);
	if (family == AF_UNIX) /* who is too many for TCP waits for a second */
		pthread_create(&t[2], NULL, ask, &s);
	else
		ask(&s);
	for (int i = 0; i < (family == AF_UNIX ? 3 : 2); i++)
		pthread_join(t[i], NULL);
	close(s.fd);
	c = socket(family, SOCK_STREAM, 0);
	check(connect(c, (struct sockaddr *)&s.at, s.len) == -1 && errno == ECONNREFUSED);
	check(connect(c, (struct sockaddr *)16, s.len) == -1 && errno == EFAULT && !close(c));
}

/* ----------------------------------------------------------- descriptors */

static void *drain(void *arg)
{
	char buf[10];
	ssize_t n;

	while ((n = read(*(int *)arg, buf, sizeof(buf))) > 0)
		sums[3] = sums[3] * 7 + (unsigned long)n + (unsigned char)buf[0];
	check(n == 0);
	return NULL;
}

/* A descriptor gets another meaning, or is closed, as another thread waits there. */
static void meanings(void)
{
	for (int i = 0; i < rounds / 10; i++) {
		int was[2], is[2], at = 60;
		pthread_t t;

		check(!pipe(was) && !pipe(is) && dup2(was[0], at) == at && !close(was[0]));
		pthread_create(&t, NULL, drain, &at);
		usleep(i % 3 * 100);
		check(write(was[1], "old one", 8) == 8);
		usleep(i % 4 * 100);
		if (i % 2)
			check(dup2(is[0], at) == at);
		check(write(is[1], "new", 4) == 4 && !close(was[1])); /* who waits there comes to its end ... */
		check(!close(is[1]));				      /* ... as does who reads the other one */
		pthread_join(t, NULL);
		check(!close(is[0]) && !close(at));
	}
}

static pid_t child_of_ring(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	for (int i = 0; i < rounds; i++)
		pass(THREADS, i);
	_exit(wrong != 0);
}

int main(int argc, char **argv)
{
	struct mq_attr attr = { .mq_maxmsg = 3, .mq_msgsize = sizeof(struct message) };
	char name[40];
	struct msqid_ds ds;
	pthread_t t[4];
	pid_t child;
	int status = -1;

	if (argc > 1)
		rounds = atoi(argv[1]);
	snprintf(name, sizeof(name), "/fred-queues-%d", getpid());
	sems = semget(IPC_PRIVATE, THREADS + 2, 0600);
	queue = msgget(IPC_PRIVATE, 0600);
	posix = mq_open(name, O_CREAT | O_RDWR, 0600, &attr);
	mq_unlink(name);
	check(sems >= 0 && posix >= 0 && !msgctl(queue, IPC_STAT, &ds));
	ds.msg_qbytes = 128;
	check(!msgctl(queue, IPC_SET, &ds) && !semctl(sems, 0, SETVAL, 1));
	child = child_of_ring();
	for (long i = 1; i < THREADS; i++)
		pthread_create(&t[i], NULL, tokens, (void *)i);
	tokens(NULL);
	for (int i = 1; i < THREADS; i++)
		pthread_join(t[i], NULL);
	waitpid(child, &status, 0);
	check(!status && semctl(sems, 0, GETVAL) == 1);
	phase++; /* MARK passed */
	for (long i = 0; i < 2; i++) {
		pthread_create(&t[i], NULL, send_some, (void *)i);
		pthread_create(&t[i + 2], NULL, receive_some, (void *)(i + 1));
	}
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	phase++; /* MARK sent */
	msgctl(queue, IPC_RMID, NULL);
	semctl(sems, 0, IPC_RMID);
	for (long i = 0; i < 2; i++) {
		small = i ? semget(IPC_PRIVATE, 1, 0600) : msgget(IPC_PRIVATE, 0600);
		pthread_create(&t[i], NULL, be_removed, (void *)i);
		usleep(3000);
		check(i ? !semctl(small, 0, IPC_RMID) : !msgctl(small, IPC_RMID, NULL));
		pthread_join(t[i], NULL);
	}
	connections(AF_UNIX);
	connections(AF_INET);
	phase++; /* MARK connected */
	meanings();
	phase++; /* MARK drained */
	printf("%d phases, sums %lx %lx %lx %lx, %lu wrong\n", phase, sums[0], sums[1], sums[2], sums[3], wrong);
	return wrong != 0;
}
