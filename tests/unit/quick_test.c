/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Checks what the code for the inside of the program notes of quick calls against the table of system calls
 * (calls.tbl): for each kind, with arguments that it takes and several results, both must name the same bytes
 * of memory. The calls themselves aren't made: their outputs are random.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "ckptcore/calls.h"
#include "ckptcore/clock.h"
#include "ckptcore/quick_kinds.h"
#include "tests/unit/ok.h"

bool ckpt_quick_before(void);
bool ckpt_quick_behind(void);

#define AREA 2048 /* bytes that each argument may point to */
#define FD 3
#define LENGTH_BEFORE 20
#define LENGTH_BEHIND 12
#define SMALL 48

static struct ckpt_quick_notes *const n = (struct ckpt_quick_notes *)CKPT_QUICK_NOTES;
static _Alignas(16) uint8_t areas[7][AREA]; /* the last one: what is pointed to from others */
static unsigned int tried, same, halves;

static uint64_t area(int i)
{
	return (uint64_t)areas[i];
}

static int read_here(void *ctx, uint64_t addr, void *buf, size_t len)
{
	(void)ctx;
	memcpy(buf, (const void *)addr, len);
	return 0;
}

static const struct ckpt_call_reader reader = { read_here, NULL };

/* Arguments with which a call is of kind k. */
static void set_args(const struct ckpt_quick_kind *k, uint64_t a[6])
{
	for (int i = 0; i < 6; i++)
		a[i] = SMALL;
	if (k->flags & (CKPT_QUICK_FILE | CKPT_QUICK_CLOSES | CKPT_QUICK_CONTROL))
		a[0] = FD;
	if (k->flags & CKPT_QUICK_TALK)
		a[3] = 0;
	if (k->flags & CKPT_QUICK_MESSAGE)
		a[2] = 0;
	if (k->flags & CKPT_QUICK_DATA)
		a[2] = PROT_READ;
	if (k->flags & CKPT_QUICK_KEEPS)
		a[3] = MREMAP_MAYMOVE;
	if (k->flags & CKPT_QUICK_MAPS) {
		a[0] = 0;
		a[3] = MAP_PRIVATE | MAP_ANONYMOUS;
	}
	if (k->flags & (CKPT_QUICK_MASKS | CKPT_QUICK_ACTS)) {
		a[0] = k->flags & CKPT_QUICK_MASKS ? SIG_BLOCK : SIGUSR1;
		a[1] = 0;
		a[3] = 8;
	}
	if (k->flags & CKPT_QUICK_OPTION) {
		a[1] = SOL_SOCKET;
		a[2] = SO_TYPE;
	}
	if (k->flags & CKPT_QUICK_CONTROL)
		a[1] = F_GETFD;
	if (k->flags & CKPT_QUICK_OPENS)
		a[k->path + 1] = O_RDONLY;
	if (k->flags & CKPT_QUICK_WAKE)
		a[1] = FUTEX_WAKE;
	if (k->flags & CKPT_QUICK_TIMES) {
		a[0] = 0;
		a[1] = area(1);
	}
	if (k->flags & CKPT_QUICK_GATHERS)
		a[1] = area(1);
	if (k->flags & CKPT_QUICK_ONLY)
		a[k->only] = k->value;
}

/* The form of the call, see calls.h. */
static const struct ckpt_call_form *form_of(const struct ckpt_call *call, const uint64_t a[6])
{
	uint64_t key = a[call->key_arg] & call->key_mask;

	if (call->key_arg2 < 6)
		key = key << 32 | (uint32_t)a[call->key_arg2];
	for (size_t i = 0; i < call->n_forms; i++)
		if ((key & call->forms[i].mask) == call->forms[i].value)
			return &call->forms[i];
	return NULL;
}

static void set_pieces(struct iovec *v)
{
	for (int i = 0; i < 2; i++)
		v[i] = (struct iovec){ areas[6] + 100 + i * 200, 20 };
}

static void set_message(struct msghdr *m)
{
	set_pieces((struct iovec *)(areas[6] + 1000));
	*m = (struct msghdr){ .msg_name = areas[6] + 600,
			      .msg_namelen = LENGTH_BEFORE,
			      .msg_iov = (struct iovec *)(areas[6] + 1000),
			      .msg_iovlen = 2,
			      .msg_control = areas[6] + 700,
			      .msg_controllen = 30 };
}

/* Lets arguments point to where the table says that something is written, or read. */
static void set_pointers(const struct ckpt_call_form *form, const struct ckpt_quick_kind *k,
			 uint64_t a[6])
{
	for (size_t i = 0; i < form->n_outs; i++) {
		const struct ckpt_call_out *o = &form->outs[i];

		a[o->arg] = area(o->arg);
		if (o->kind == CKPT_CALL_OUT_SOCKADDR)
			a[o->arg2] = area(o->arg2);
		if (o->kind == CKPT_CALL_OUT_IOV) {
			set_pieces((struct iovec *)a[o->arg]);
			a[o->arg2] = 2;
		}
		if (o->kind == CKPT_CALL_OUT_MSGHDR)
			set_message((struct msghdr *)a[o->arg]);
		for (int s = 0; s < 2; s++)
			if (o->len.src[s].kind == CKPT_CALL_LEN_U32)
				a[o->len.src[s].value] = area(o->len.src[s].value);
	}
	if (k->length)
		*(uint32_t *)a[k->length] = LENGTH_BEFORE;
	if (k->flags & CKPT_QUICK_GATHERS && k->flags & CKPT_QUICK_MESSAGE)
		set_message((struct msghdr *)a[1]);
	else if (k->flags & CKPT_QUICK_GATHERS)
		set_pieces((struct iovec *)a[1]);
	if (k->flags & CKPT_QUICK_GATHERS && !(k->flags & CKPT_QUICK_MESSAGE))
		a[2] = 2;
}

/* Writes something everywhere where the kernel might; descriptors and lengths are true. */
static void write_outputs(const struct ckpt_call_form *form, const struct ckpt_quick_kind *k,
			  const uint64_t a[6], const int pair[2])
{
	uint8_t was[AREA];
	struct msghdr *m;

	for (int i = 0; i < 7; i++) {
		memcpy(was, areas[i], AREA);
		for (int b = 0; b < AREA; b++)
			areas[i][b] = (uint8_t)rand();
		if (i == 6) /* the pieces of a message */
			memcpy(areas[i] + 1000, was + 1000, 100);
	}
	if (k->length)
		*(uint32_t *)a[k->length] = LENGTH_BEHIND;
	if (k->flags & CKPT_QUICK_PAIR)
		memcpy((void *)a[k->outputs[0].at], pair, 2 * sizeof(int));
	for (size_t i = 0; i < form->n_outs; i++)
		if (form->outs[i].kind == CKPT_CALL_OUT_MSGHDR) {
			m = (struct msghdr *)a[form->outs[i].arg];
			set_message(m);
			m->msg_namelen = LENGTH_BEHIND;
			m->msg_controllen = 0;
		}
}

static bool covers(uint8_t seen[7][AREA], uint64_t addr, uint64_t len, uint8_t bit)
{
	uint64_t at = addr - area(0);

	if (at > sizeof(areas) || len > sizeof(areas) - at)
		return false;
	for (uint64_t i = at; i < at + len; i++)
		seen[i / AREA][i % AREA] |= bit;
	return true;
}

static bool is_same(const struct ckpt_call *call, const struct ckpt_call_entry *entry,
		    const struct ckpt_quick_kind *k, const uint64_t a[6], int64_t result,
		    const struct ckpt_quick_call *c)
{
	static uint8_t seen[7][AREA];
	static struct ckpt_range out[CKPT_CALL_MAX_RANGES];
	const struct ckpt_quick_piece *p = NULL;
	size_t nout = 0;

	memset(seen, 0, sizeof(seen));
	if (ckpt_call_class(call, a) == CKPT_CALL_ANSWER &&
	    ckpt_call_outputs(call, a, result, &reader, entry, out, CKPT_CALL_MAX_RANGES, &nout))
		return false;
	for (size_t i = 0; i < nout; i++)
		if (!covers(seen, out[i].addr, out[i].len, 1))
			return false;
	while ((p = ckpt_quick_pieces(c, c->saved, c->len, p)))
		if (p->addr >= CKPT_QUICK_MEMORY &&
		    (!covers(seen, p->addr, p->len, 2) ||
		     memcmp(p->bytes, (const void *)p->addr, p->len)))
			return false;
	/* What is done again in a copy has its outputs there by itself. Of an option the table names all
	 * that there was room for. */
	for (int i = 0; i < 7 && ckpt_call_class(call, a) == CKPT_CALL_ANSWER; i++)
		for (int b = 0; b < AREA; b++)
			if (seen[i][b] == 2 || (seen[i][b] == 1 && !(k->flags & CKPT_QUICK_OPTION)))
				return false;
	return true;
}

static void try(long nr, const struct ckpt_quick_kind *k, int64_t result, const int pair[2])
{
	static struct ckpt_call_entry entry;
	const struct ckpt_call *call = ckpt_call_find(nr);
	const struct ckpt_quick_call *c = (const void *)n->data;
	const struct ckpt_call_form *form;
	uint64_t a[6];
	bool look;

	if (nr == SYS_rt_sigtimedwait && !result) /* which it never has */
		return;
	set_args(k, a);
	form = form_of(call, a);
	if (!form) {
		ok(false, "%s: not in the table", call->name);
		return;
	}
	set_pointers(form, k, a);
	n->nr = (uint64_t)nr;
	memcpy(n->args, a, sizeof(a));
	n->at = n->amid = 0;
	n->room = sizeof(n->data[0]) * 65536;
	if (!ckpt_quick_before()) {
		ok(false, "%s: it isn't quick", call->name);
		return;
	}
	ckpt_call_enter(call, a, &reader, &entry);
	write_outputs(form, k, a, pair);
	n->result = k->flags & CKPT_QUICK_MAKES ? pair[0] : result;
	tried++;
	look = ckpt_quick_behind();
	if (look) {
		halves++;
		ok(n->half || k->flags & CKPT_QUICK_REAPS ||
			   (result < 0 && k->flags & CKPT_QUICK_FAILS) || result == -EINTR,
		   "%s (%s): a stop, with result %lld", call->name, form->name, (long long)result);
		return;
	}
	if (is_same(call, &entry, k, a, n->result, c))
		same++;
	else
		ok(false, "%s (%s): other outputs than the table's, with result %lld", call->name,
		   form->name, (long long)result);
}

int main(void)
{
	static const int64_t results[] = { 0, 1, 7, 30, 40, -EAGAIN, -EINTR };
	const size_t size = CKPT_QUICK_NOTES + CKPT_QUICK_NOTES_SIZE - CKPT_RING;
	unsigned int kinds = 0;
	int pair[2];

	if (mmap((void *)CKPT_RING, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != (void *)CKPT_RING ||
	    dup2(open("/", O_RDONLY | O_DIRECTORY), FD) != FD || pipe(pair))
		return 1;
	ckpt_quick_fill_kinds(n);
	n->open = n->alone = 1;
	n->pid = (uint64_t)getpid();
	n->link_len = (uint64_t)stpcpy(n->link, "/proc/self/fd/") - (uint64_t)n->link;
	for (long nr = 0; nr < CKPT_QUICK_NUMBERS; nr++)
		for (unsigned int i = n->kind[nr]; i; i = n->kinds[i].other) {
			kinds++;
			for (size_t r = 0; r < sizeof(results) / sizeof(*results); r++) {
				memset(n->files, CKPT_QUICK_CALM, sizeof(n->files));
				try(nr, &n->kinds[i], results[r], pair);
			}
		}
	ok(same + halves == tried && same > 4 * halves,
	   "%u kinds of quick calls note what the table says: %u of %u", kinds, same, tried);
	return 0;
}
