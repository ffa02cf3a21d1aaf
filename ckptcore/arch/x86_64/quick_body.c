/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the code for the inside of the program decides, and notes. It is copied, and called by the
 * assembly in quick_code.c: so it refers to nothing but itself, and memory at known places (no
 * constants that aren't immediate, no tables), and uses general registers only.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "ckptcore/arch/x86_64/quick_code.h"
#include "ckptcore/clock.h"

#define OURS __attribute__((section("fred_quick")))
#define NOTES ((struct ckpt_quick_notes *)CKPT_QUICK_NOTES)
#define RING ((const struct ckpt_ring *)CKPT_RING)

/* What is to be done about a call; the assembly knows them. */
enum ckpt_quick_way { CKPT_QUICK_ELSEWHERE, CKPT_QUICK_HERE, CKPT_QUICK_MADE };
enum ckpt_quick_way ckpt_quick_before(void);
bool ckpt_quick_behind(void);
long ckpt_quick_ask(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e);
void ckpt_quick_copy(void *to, const void *from, uint64_t n);

OURS static bool is_mapped(const struct ckpt_quick_notes *n, uint64_t ino)
{
	if (n->nmapped > CKPT_QUICK_MAPPED)
		return true;
	for (uint64_t i = 0; i < n->nmapped; i++)
		if (n->mapped[i] == ino)
			return true;
	return false;
}

/* Whether to open a file so would cut one that is mapped, or may be. */
OURS static bool cuts_mapped(const struct ckpt_quick_notes *n, const struct ckpt_quick_kind *k)
{
	const uint64_t dir = k->path ? n->args[0] : (uint64_t)AT_FDCWD;
	struct stat st;
	long err;

	if (!(k->flags & CKPT_QUICK_OPENS) || !(n->args[k->path + 1] & O_TRUNC))
		return false;
	err = ckpt_quick_ask(SYS_newfstatat, dir, n->args[k->path], (uint64_t)&st, 0, 0);
	return err ? err != -ENOENT : is_mapped(n, st.st_ino);
}

/* The program's memory; to read there ourselves might be a fault. */
OURS static bool peek(const struct ckpt_quick_notes *n, uint64_t addr, void *ret, uint64_t len)
{
	struct iovec from = { (void *)addr, len }, to = { ret, len };

	return !n->unseen && ckpt_quick_ask(SYS_process_vm_readv, n->pid, (uint64_t)&to, 1,
					    (uint64_t)&from, 1) == (long)len;
}

/* Whether those signals by which our code works, or is kept from it, would be blocked. */
OURS static bool masks_ours(const struct ckpt_quick_notes *n, const uint64_t a[6])
{
	const uint64_t ours = 1ull << (SIGSYS - 1) | 1ull << (SIGTRAP - 1);
	uint64_t mask;

	if (!a[1] || a[0] == SIG_UNBLOCK)
		return false;
	return !peek(n, a[1], &mask, sizeof(mask)) || mask & ours;
}

OURS static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

OURS static uint64_t in_words(uint64_t bytes)
{
	return (bytes + 7) & ~7ull;
}

/* A piece of a call's note, `at' bytes behind its beginning. */
OURS static struct ckpt_quick_piece *piece_at(struct ckpt_quick_call *c, uint64_t at)
{
	return (struct ckpt_quick_piece *)(c->rest + at);
}

/* Adds memory to what is noted before the call. NULL: it can't be read. */
OURS static void *save(const struct ckpt_quick_notes *n, struct ckpt_quick_call *c, uint64_t addr,
		       uint64_t len)
{
	struct ckpt_quick_piece *p = piece_at(c, c->saved);

	if (!peek(n, addr, p->bytes, len))
		return NULL;
	p->addr = addr;
	p->len = len;
	c->saved += sizeof(*p) + in_words(len);
	return p->bytes;
}

OURS static bool has_length(const struct ckpt_quick_notes *n, const struct ckpt_quick_kind *k)
{
	return k->length && n->args[k->length];
}

/* Whether what it takes from so many pieces isn't of where the jumps are. More than a pipe may take at
 * once makes it a half one, as ckpt_quick_fits() has it. */
OURS static bool gathers(struct ckpt_quick_notes *n, const struct iovec *pieces, uint64_t count)
{
	const uint64_t fd = n->args[0];
	uint64_t sum = 0;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t addr = (uint64_t)pieces[i].iov_base, len = pieces[i].iov_len;

		if (addr + len > n->code[0] && addr < n->code[1])
			return false;
		sum += len;
	}
	if (sum <= PIPE_BUF || n->files[fd] & CKPT_QUICK_CALM)
		return true;
	n->half = true;
	return n->alone;
}

/* Saves what the call reads and may change, or what is to be known of what it reads. Whether that could
 * be, and is as it has to be. */
OURS static bool saves(struct ckpt_quick_notes *n, struct ckpt_quick_call *c,
		       const struct ckpt_quick_kind *k)
{
	const uint64_t *a = n->args;
	uint64_t at = a[1], count = a[2];
	const struct iovec *pieces;
	const struct msghdr *m;

	c->saved = 0;
	if (k->flags & CKPT_QUICK_TIMES && a[1] && !save(n, c, a[1], sizeof(struct itimerval)))
		return false;
	if (has_length(n, k) && !save(n, c, a[k->length], sizeof(uint32_t)))
		return false;
	if (k->flags & CKPT_QUICK_MESSAGE) {
		m = save(n, c, a[1], sizeof(*m));
		if (!m)
			return false;
		at = (uint64_t)m->msg_iov;
		count = m->msg_iovlen;
	} else if (!(k->flags & (CKPT_QUICK_GATHERS | CKPT_QUICK_SCATTERS))) {
		return true;
	}
	if (count > CKPT_QUICK_PIECES)
		return false;
	pieces = save(n, c, at, count * sizeof(*pieces));
	return pieces && (!(k->flags & CKPT_QUICK_GATHERS) || gathers(n, pieces, count));
}

/* Whether select(2) with these sets wouldn't wait. */
OURS static bool is_selected(const struct ckpt_quick_notes *n)
{
	const uint64_t count = n->args[0];
	struct timeval wait, never = { 0, 0 }; /* in which nothing is as much in a timespec */
	fd_set some[3];

	if (n->args[4] && peek(n, n->args[4], &wait, sizeof(wait)) && !wait.tv_sec && !wait.tv_usec)
		return true;
	if (count > FD_SETSIZE)
		return false;
	for (int i = 0; i < 3; i++)
		if (n->args[i + 1] && !peek(n, n->args[i + 1], &some[i], (count + 63) / 64 * 8))
			return false;
	return ckpt_quick_ask(SYS_select, count, n->args[1] ? (uint64_t)&some[0] : 0,
			      n->args[2] ? (uint64_t)&some[1] : 0,
			      n->args[3] ? (uint64_t)&some[2] : 0, (uint64_t)&never) > 0;
}

/* Whether poll(2) of these wouldn't wait. */
OURS static bool is_polled(const struct ckpt_quick_notes *n)
{
	struct pollfd some[CKPT_QUICK_PIECES];
	const uint64_t count = n->args[1];

	return count <= CKPT_QUICK_PIECES && peek(n, n->args[0], some, count * sizeof(*some)) &&
	       ckpt_quick_ask(SYS_poll, (uint64_t)some, count, 0, 0, 0) > 0;
}

/* Whether connect(2) leads to this machine, where one waits for it only if there are too many. */
OURS static bool is_near(const struct ckpt_quick_notes *n)
{
	struct sockaddr_in a;

	if (!peek(n, n->args[1], &a.sin_family, sizeof(a.sin_family)))
		return false;
	return a.sin_family == AF_UNIX ||
	       (a.sin_family == AF_INET && peek(n, n->args[1], &a, sizeof(a)) &&
		(a.sin_addr.s_addr & 255) == IN_LOOPBACKNET);
}

/* Whether the call can be made so that it fails instead of waiting. */
OURS static bool may_fail(const struct ckpt_quick_notes *n)
{
	return n->nr == SYS_semop || n->nr == SYS_semtimedop || n->nr == SYS_msgsnd ||
	       n->nr == SYS_msgrcv;
}

/* Makes the call so; what it gives is in n->result. False: it would wait. */
OURS static bool make(struct ckpt_quick_notes *n)
{
	const uint64_t *a = n->args;
	struct sembuf ops[CKPT_QUICK_PIECES];

	if (n->nr == SYS_msgsnd) {
		n->result = ckpt_quick_ask(SYS_msgsnd, a[0], a[1], a[2], a[3] | IPC_NOWAIT, 0);
		return n->result != -EAGAIN;
	}
	if (n->nr == SYS_msgrcv) {
		if (a[4] & MSG_COPY) /* which has another meaning without */
			return false;
		n->result = ckpt_quick_ask(SYS_msgrcv, a[0], a[1], a[2], a[3], a[4] | IPC_NOWAIT);
		return n->result != -ENOMSG;
	}
	if (a[2] > CKPT_QUICK_PIECES || !peek(n, a[1], ops, a[2] * sizeof(*ops)))
		return false;
	for (uint64_t i = 0; i < a[2]; i++)
		ops[i].sem_flg = (short)(ops[i].sem_flg | IPC_NOWAIT);
	n->result = ckpt_quick_ask((long)n->nr, a[0], (uint64_t)ops, a[2], a[3], 0);
	return n->result != -EAGAIN;
}

/* Whether the call doesn't wait, as others would have to for its thread's turn. If another process is
 * quicker it does, and is interrupted. */
OURS static bool is_ready(const struct ckpt_quick_notes *n, const struct ckpt_quick_kind *k)
{
	const bool writes =
		k->flags & (CKPT_QUICK_WRITES | CKPT_QUICK_GATHERS) || n->nr == SYS_sendfile;
	const bool queue = n->nr == SYS_mq_timedsend || n->nr == SYS_mq_timedreceive;
	struct pollfd file = { (int)n->args[0], writes ? POLLOUT : POLLIN, 0 };
	uint32_t word;

	if (n->alone || (k->timeout && !(int)n->args[k->timeout]))
		return true;
	if (k->flags & CKPT_QUICK_WAKE)
		return (n->args[1] & ~(uint64_t)FUTEX_PRIVATE_FLAG) == FUTEX_WAKE ||
		       (peek(n, n->args[0], &word, sizeof(word)) && word != (uint32_t)n->args[2]);
	/* Who has got a lock gets it at once. */
	if (n->nr == SYS_flock)
		return n->args[1] & LOCK_UN ||
		       !ckpt_quick_ask(SYS_flock, n->args[0], n->args[1] | LOCK_NB, 0, 0, 0);
	if (k->flags & CKPT_QUICK_CONTROL && n->args[1] == F_SETLKW)
		return !ckpt_quick_ask(SYS_fcntl, n->args[0], F_SETLK, n->args[2], 0, 0);
	if (k->flags & CKPT_QUICK_FILE && n->files[n->args[0]] & CKPT_QUICK_CALM)
		return true;
	if (n->nr == SYS_connect)
		return is_near(n);
	if (k->flags & CKPT_QUICK_FILE || queue)
		return ckpt_quick_ask(SYS_poll, (uint64_t)&file, 1, 0, 0, 0) > 0;
	if (!(k->flags & CKPT_QUICK_ASKS) || may_fail(n))
		return true;
	return n->nr == SYS_select || n->nr == SYS_pselect6 ? is_selected(n) : is_polled(n);
}

/* Whether, and how, the call is made from here. */
OURS enum ckpt_quick_way ckpt_quick_before(void)
{
	struct ckpt_quick_notes *n = NOTES;
	struct ckpt_quick_call *c = (struct ckpt_quick_call *)(n->data + n->at);
	const struct ckpt_quick_kind *k;
	bool half;

	if (!n->open || n->room < CKPT_QUICK_LEAST || n->nr >= CKPT_QUICK_NUMBERS)
		return CKPT_QUICK_ELSEWHERE;
	k = ckpt_quick_kind(n, n->nr, n->args);
	if (!ckpt_quick_fits(n, k, n->args, &half))
		return CKPT_QUICK_ELSEWHERE;
	n->half = half;
	if (cuts_mapped(n, k) || (k->flags & CKPT_QUICK_MASKS && masks_ours(n, n->args)) ||
	    !is_ready(n, k) || !saves(n, c, k))
		return CKPT_QUICK_ELSEWHERE;
	__atomic_store_n(&n->amid, 1, __ATOMIC_RELEASE);
	if (n->alone || !may_fail(n))
		return CKPT_QUICK_HERE;
	if (make(n))
		return CKPT_QUICK_MADE;
	__atomic_store_n(&n->amid, 0, __ATOMIC_RELEASE);
	return CKPT_QUICK_ELSEWHERE;
}

/* Adds memory to what is noted behind the call. False: there is no room, or it isn't there, unless that
 * is sure. */
OURS static bool put_if(struct ckpt_quick_notes *n, struct ckpt_quick_call *c, uint64_t addr,
			uint64_t len, bool sure)
{
	struct ckpt_quick_piece *p = piece_at(c, c->saved + c->len);
	const uint64_t used = sizeof(*c) + c->saved + c->len + CKPT_QUICK_LEAST;

	if (!addr || !len)
		return true;
	if (used > n->room || len > n->room - used)
		return false;
	if (!sure && !peek(n, addr, p->bytes, len))
		return false;
	if (sure)
		ckpt_quick_copy(p->bytes, (const void *)addr, len);
	p->addr = addr;
	p->len = len;
	c->len += sizeof(*p) + in_words(len);
	return true;
}

OURS static bool put(struct ckpt_quick_notes *n, struct ckpt_quick_call *c, uint64_t addr,
		     uint64_t len)
{
	return put_if(n, c, addr, len, true);
}

/* The first bytes of what readv or recvmsg was given. */
OURS static bool put_pieces(struct ckpt_quick_notes *n, struct ckpt_quick_call *c, uint64_t at,
			    uint64_t bytes)
{
	const struct ckpt_quick_piece *p = piece_at(c, at);
	const struct iovec *v = (const struct iovec *)p->bytes;

	for (uint64_t i = 0; i < p->len / sizeof(*v) && bytes; i++) {
		const uint64_t len = least(v[i].iov_len, bytes);

		if (!put(n, c, (uint64_t)v[i].iov_base, len))
			return false;
		bytes -= len;
	}
	return true;
}

/* What recvmsg has written, if there is nothing with it, such as descriptors. */
OURS static bool put_message(struct ckpt_quick_notes *n, struct ckpt_quick_call *c)
{
	const struct ckpt_quick_piece *p = piece_at(c, 0);
	const struct msghdr *was = (const struct msghdr *)p->bytes, *is = (const void *)p->addr;

	return !is->msg_controllen && put(n, c, p->addr, sizeof(*is)) &&
	       put(n, c, (uint64_t)was->msg_name, least(was->msg_namelen, is->msg_namelen)) &&
	       put_pieces(n, c, sizeof(*p) + in_words(p->len), (uint64_t)n->result);
}

OURS static uint64_t count_of(const struct ckpt_quick_notes *n, struct ckpt_quick_call *c,
			      const struct ckpt_quick_kind *k, const struct ckpt_quick_output *o)
{
	const uint64_t most = n->args[o->most];
	const uint32_t *was = (const uint32_t *)piece_at(c, 0)->bytes;

	if (o->count == CKPT_QUICK_RESULT)
		return least(most, (uint64_t)n->result);
	if (o->count == CKPT_QUICK_ROOM)
		return most;
	if (o->count == CKPT_QUICK_BITS)
		return ((uint32_t)most + 63) / 64;
	if (o->count == CKPT_QUICK_PAGES)
		return most / 4096 + !!(most % 4096);
	if (o->count == CKPT_QUICK_LENGTH)
		return least(*was, *(const uint32_t *)n->args[k->length]);
	return 0;
}

/* Notes what the call, which didn't fail, has written. */
OURS static bool put_outputs(struct ckpt_quick_notes *n, struct ckpt_quick_call *c,
			     const struct ckpt_quick_kind *k)
{
	const struct ckpt_quick_output *o = k->outputs;
	uint64_t count;

	for (; o < k->outputs + CKPT_QUICK_OUTPUTS && o->used; o++) {
		if (k->length && o->at >= k->length - 1 && !has_length(n, k))
			continue;
		if (!n->args[o->at])
			continue;
		count = count_of(n, c, k, o);
		/* The kernel looks at no more bits than there may be descriptors: the rest needn't be there. */
		if (!put_if(n, c, n->args[o->at], o->size + o->unit * count,
			    o->count != CKPT_QUICK_BITS || count <= 1))
			return false;
	}
	if (k->flags & CKPT_QUICK_SCATTERS)
		return put_pieces(n, c, 0, (uint64_t)n->result);
	/* To send one doesn't change it. */
	return !(k->flags & CKPT_QUICK_MESSAGE) || k->flags & CKPT_QUICK_GATHERS ||
	       put_message(n, c);
}

/* Notes what descriptor fd, a new one, is. NULL: the kernel doesn't tell. */
OURS static const struct ckpt_quick_opened *put_opened(struct ckpt_quick_notes *n,
						       struct ckpt_quick_call *c, uint64_t fd)
{
	struct ckpt_quick_piece *p = piece_at(c, c->saved + c->len);
	struct ckpt_quick_opened *o = (struct ckpt_quick_opened *)p->bytes;
	char *digit = n->link + n->link_len;
	struct stat st;
	uint64_t scale = 1;
	long flags, path, kept;

	if (n->unseen || fd >= CKPT_QUICK_NUMBERS ||
	    ckpt_quick_ask(SYS_fstat, fd, (uint64_t)&st, 0, 0, 0))
		return NULL;
	while (fd / scale >= 10)
		scale *= 10;
	for (; scale; scale /= 10)
		*digit++ = (char)('0' + fd / scale % 10);
	*digit = 0;
	flags = ckpt_quick_ask(SYS_fcntl, fd, F_GETFL, 0, 0, 0);
	kept = ckpt_quick_ask(SYS_fcntl, fd, F_GETFD, 0, 0, 0);
	path = ckpt_quick_ask(SYS_readlink, (uint64_t)n->link, (uint64_t)o->path, sizeof(o->path),
			      0, 0);
	if (flags < 0 || kept < 0 || path < 0 || path == sizeof(o->path))
		return NULL;
	o->fd = fd;
	o->dev = st.st_dev;
	o->ino = st.st_ino;
	o->mode = st.st_mode;
	o->flags = (uint32_t)flags | (kept & FD_CLOEXEC ? O_CLOEXEC : 0);
	p->addr = CKPT_QUICK_OPENED;
	p->len = offsetof(struct ckpt_quick_opened, path) + (uint64_t)path;
	c->len += sizeof(*p) + in_words(p->len);
	return o;
}

/* Notes in which folder the program is now. */
OURS static bool put_folder(const struct ckpt_quick_notes *n, struct ckpt_quick_call *c)
{
	struct ckpt_quick_piece *p = piece_at(c, c->saved + c->len);
	long len = n->unseen ? -1 : ckpt_quick_ask(SYS_getcwd, (uint64_t)p->bytes, 256, 0, 0, 0);

	if (len < 2 || p->bytes[0] != '/')
		return false;
	p->addr = CKPT_QUICK_FOLDER;
	p->len = (uint64_t)len; /* with its 0 */
	c->len += sizeof(*p) + in_words(p->len);
	return true;
}

/* Notes what the clock of the timer says that was set. */
OURS static bool put_clock(const struct ckpt_quick_notes *n, struct ckpt_quick_call *c)
{
	struct ckpt_quick_piece *p = piece_at(c, c->saved + c->len);
	/* Of the process: what it has used, in its own code only or in all. */
	const clockid_t clock = n->args[0] == ITIMER_REAL    ? CLOCK_MONOTONIC :
				n->args[0] == ITIMER_VIRTUAL ? ~7 | 1 :
							       ~7;

	if (ckpt_quick_ask(SYS_clock_gettime, (uint64_t)clock, (uint64_t)p->bytes, 0, 0, 0))
		return false;
	p->addr = CKPT_QUICK_CLOCK;
	p->len = sizeof(struct timespec);
	c->len += sizeof(*p) + p->len;
	return true;
}

/* What is known of such a descriptor without further questions, as ckpt_quick_know_files() has it;
 * 0: perhaps nothing. */
OURS static uint8_t file_of(const struct ckpt_quick_notes *n, const struct ckpt_quick_opened *f)
{
	const uint8_t half = n->alone ? CKPT_QUICK_HALVES : 0;
	uint64_t i = 0;

	if (f->flags & (O_PATH | O_DIRECT))
		return 0;
	if (S_ISFIFO(f->mode))
		return CKPT_QUICK_PIPE | half;
	if (S_ISSOCK(f->mode) || !(f->mode & S_IFMT))
		return CKPT_QUICK_PIPE | half | (f->flags & O_NONBLOCK ? CKPT_QUICK_CALM : 0);
	if (!S_ISREG(f->mode) && !S_ISDIR(f->mode))
		return 0;
	while (i < n->ndevs && n->devs[i].dev != f->dev)
		i++;
	if (i == n->ndevs || !n->devs[i].calm ||
	    ((f->flags & O_ACCMODE) != O_RDONLY && is_mapped(n, f->ino)))
		return 0;
	return CKPT_QUICK_CALM | CKPT_QUICK_HALVES | (f->flags & O_APPEND ? CKPT_QUICK_APPEND : 0);
}

/* Notes the descriptors that the call has made. False: somebody else is to look at them. */
OURS static bool put_made(struct ckpt_quick_notes *n, struct ckpt_quick_call *c,
			  const struct ckpt_quick_kind *k)
{
	const int *pair = (const int *)n->args[k->outputs[0].at];
	const uint64_t many = k->flags & CKPT_QUICK_PAIR ? 2 : 1;

	for (uint64_t i = 0; i < many; i++) {
		const uint64_t fd = (uint64_t)(k->flags & CKPT_QUICK_PAIR ? pair[i] : n->result);
		const struct ckpt_quick_opened *o = put_opened(n, c, fd);

		if (!o)
			return false;
		n->files[fd] = file_of(n, o);
		if (k->flags & CKPT_QUICK_OPENS && !n->files[fd])
			return false;
	}
	return true;
}

/* Whether there may be outputs of the call, which has failed: a bad address, or length of an address, may
 * have struck amid them. */
OURS static bool fails_amid(const struct ckpt_quick_notes *n, const struct ckpt_quick_kind *k)
{
	return k->flags & CKPT_QUICK_FAILS || n->result == -EINTR || n->result == -EFAULT ||
	       (n->result == -EINVAL && k->length);
}

/* Writes down what the call has done. Whether somebody has to look at it himself. */
OURS bool ckpt_quick_behind(void)
{
	struct ckpt_quick_notes *n = NOTES;
	struct ckpt_quick_call *c = (struct ckpt_quick_call *)(n->data + n->at);
	const struct ckpt_quick_kind *k = ckpt_quick_kind(n, n->nr, n->args);
	const uint64_t fd = n->args[0];
	const bool done = n->result >= 0;
	uint64_t size;
	bool look = n->half;

	c->nr = n->nr;
	c->site = n->site;
	for (int i = 0; i < 6; i++)
		c->args[i] = n->args[i];
	c->result = n->result;
	c->clock = RING->at;
	c->offset = CKPT_QUICK_UNREAD;
	c->len = 0;
	if (!done)
		look |= fails_amid(n, k);
	else if (!look)
		look = !put_outputs(n, c, k);
	if (done && !look && k->flags & (CKPT_QUICK_MAKES | CKPT_QUICK_PAIR))
		look = !put_made(n, c, k);
	if (done && !look && k->flags & CKPT_QUICK_ENTERS)
		look = !put_folder(n, c);
	if (done && !look && k->flags & CKPT_QUICK_TIMES)
		look = !put_clock(n, c);
	look |= k->flags & CKPT_QUICK_REAPS && n->result > 0;
	if (done && !look &&
	    (k->flags & CKPT_QUICK_MOVES ||
	     (k->flags & (CKPT_QUICK_WRITES | CKPT_QUICK_GATHERS) && fd < CKPT_QUICK_NUMBERS &&
	      n->files[fd] & CKPT_QUICK_APPEND))) {
		c->offset = (uint64_t)ckpt_quick_ask(SYS_lseek, fd, 0, SEEK_CUR, 0, 0);
		look = (int64_t)c->offset < 0;
		if (look) /* it was interrupted before it could ask, for one */
			c->offset = CKPT_QUICK_UNREAD;
	}
	if (done && k->flags & CKPT_QUICK_CLOSES && fd < CKPT_QUICK_NUMBERS)
		n->files[fd] = 0;
	if (done && ckpt_quick_dups(k->flags, n->args) && n->result < CKPT_QUICK_NUMBERS)
		n->files[n->result] = fd < CKPT_QUICK_NUMBERS ? n->files[fd] : 0;
	size = sizeof(*c) + c->saved + (look ? 0 : c->len);
	if (look)
		c->len = CKPT_QUICK_UNREAD;
	n->room -= size;
	__atomic_store_n(&n->at, n->at + size, __ATOMIC_RELEASE);
	__atomic_store_n(&n->amid, 0, __ATOMIC_RELEASE);
	return look;
}
