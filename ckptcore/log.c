/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The append-only log of events, and the files that mappings in it need. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "ckptcore/internal.h"
#include "ckptcore/store.h"
#include "ckptcore/written.h"

/*
 * An event is kept as its kind and turn (a byte), its number (two), the lengths of its
 * values (half a byte each), and these, each in as many bytes as it needs. Its outputs
 * follow, up to where the next event starts.
 */
#define VALUES 9 /* result, ip, file, args */
#define VALUES_AT 8
#define PACKED_MAX (VALUES_AT + VALUES * 8)

static size_t pack_value(uint64_t v, uint8_t *to)
{
	size_t n = v ? 8 - (size_t)__builtin_clzll(v) / 8 : 0;

	memcpy(to, &v, n);
	return n;
}

static size_t pack(const struct ckpt_event *ev, uint8_t to[PACKED_MAX])
{
	/* -1, too, is short: the sign comes last. */
	uint64_t v[VALUES] = { (uint64_t)ev->result << 1 ^ (uint64_t)(ev->result >> 63), ev->ip,
			       (uint64_t)(ev->file + 1) };
	size_t len = VALUES_AT;

	memcpy(v + 3, ev->args, sizeof(ev->args));
	memset(to, 0, VALUES_AT);
	to[0] = (uint8_t)(ev->kind | ev->turn << 4);
	memcpy(to + 1, &ev->nr, 2);
	for (size_t i = 0; i < VALUES; i++) {
		size_t n = pack_value(v[i], to + len);

		to[3 + i / 2] |= (uint8_t)(n << i % 2 * 4);
		len += n;
	}
	return len;
}

/* Event i of a chunk. */
static struct ckpt_event unpack(const struct ckpt_chunk *c, uint64_t i)
{
	const uint8_t *from = c->data + c->starts[i];
	struct ckpt_event ev = { .kind = from[0] & 15, .turn = from[0] >> 4 };
	uint64_t v[VALUES] = { 0 }, at = c->starts[i] + VALUES_AT;

	memcpy(&ev.nr, from + 1, 2);
	for (size_t k = 0; k < VALUES; k++) {
		size_t n = from[3 + k / 2] >> k % 2 * 4 & 15;

		memcpy(&v[k], c->data + at, n);
		at += n;
	}
	ev.result = (int64_t)(v[0] >> 1 ^ -(v[0] & 1));
	ev.ip = v[1];
	ev.file = (int)v[2] - 1;
	memcpy(ev.args, v + 3, sizeof(ev.args));
	ev.data = c->data_first + at;
	ev.data_len = (uint32_t)((i + 1 < c->n ? c->starts[i + 1] : c->data_len) - at);
	return ev;
}

static bool changes_mappings(const struct ckpt_event *ev)
{
	return ev->kind == CKPT_EV_CALL && (ev->nr == SYS_brk || ev->nr == SYS_mmap ||
					    ev->nr == SYS_munmap || ev->nr == SYS_mremap);
}

/* Where events of this kind are looked up, or NULL. */
static struct ckpt_index *index_for(struct ckpt_timeline *tl, const struct ckpt_event *ev)
{
	return ev->kind == CKPT_EV_TURN ? &tl->turns : changes_mappings(ev) ? &tl->maps : NULL;
}

static int index_add(struct ckpt_index *x, uint64_t event)
{
	if (x->n == x->room) {
		size_t room = x->room ? x->room * 2 : 256;
		uint64_t *more = realloc(x->events, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		x->events = more;
		x->room = room;
	}
	x->events[x->n++] = event;
	return 0;
}

/* How many of them come before an event. */
static size_t index_before(const struct ckpt_index *x, uint64_t event)
{
	size_t lo = 0, hi = x->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (x->events[mid] < event)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void index_forget(struct ckpt_index *x, uint64_t event)
{
	size_t n = index_before(x, event);

	if (!n)
		return; /* perhaps there is no array */
	x->n -= n;
	memmove(x->events, x->events + n, x->n * sizeof(*x->events));
}

static int index_share(const struct ckpt_index *from, uint64_t event, struct ckpt_index *to)
{
	to->n = index_before(from, event);
	to->room = to->n + 1;
	to->events = calloc(to->room, sizeof(*to->events));
	if (!to->events)
		return -ENOMEM;
	if (to->n)
		memcpy(to->events, from->events, to->n * sizeof(*to->events));
	return 0;
}

uint64_t ckpt_log_next_map(const struct ckpt_timeline *tl, uint64_t i)
{
	size_t n = index_before(&tl->maps, i);

	return n < tl->maps.n ? tl->maps.events[n] : tl->nevents;
}

bool ckpt_log_last_turn(const struct ckpt_timeline *tl, uint64_t i, uint64_t *ret)
{
	size_t n = index_before(&tl->turns, i);

	if (n)
		*ret = tl->turns.events[n - 1];
	return n > 0;
}

/* The chunk to which the next event goes, or NULL. */
static struct ckpt_chunk *open_chunk(struct ckpt_timeline *tl)
{
	struct ckpt_chunk *last = tl->nchunks ? tl->chunks[tl->nchunks - 1] : NULL;

	if (last && !last->closed && !ckpt_chunk_full(last))
		return last;
	if (tl->nchunks == tl->chunks_room) {
		size_t room = tl->chunks_room ? tl->chunks_room * 2 : 16;
		struct ckpt_chunk **more = realloc(tl->chunks, room * sizeof(struct ckpt_chunk *));

		if (!more)
			return NULL;
		tl->chunks = more;
		tl->chunks_room = room;
	}
	if (last && !last->closed) {
		ckpt_chunk_close(last);
		/* The oldest part can go only if there are snapshots behind it. */
		if (tl->recording && ckpt_store_stuck())
			ckpt_record_due(tl);
	}
	last = ckpt_chunk_create(tl->nevents, tl->data_len);
	if (last)
		tl->chunks[tl->nchunks++] = last;
	return last;
}

int ckpt_log_add(struct ckpt_timeline *tl, const struct ckpt_event *event)
{
	struct ckpt_chunk *c = open_chunk(tl);
	struct ckpt_index *x = index_for(tl, event);
	uint8_t packed[PACKED_MAX], *to;
	size_t len = pack(event, packed);

	if (!c || ckpt_chunk_event(c))
		return -ENOMEM;
	to = ckpt_chunk_data(c, len);
	if (!to || (x && index_add(x, tl->nevents))) {
		ckpt_chunk_undo(c);
		return -ENOMEM;
	}
	memcpy(to, packed, len);
	tl->data_len += len;
	tl->nevents++;
	ckpt_stats.events++;
	return 0;
}

void ckpt_log_undo(struct ckpt_timeline *tl)
{
	struct ckpt_chunk *c = tl->chunks[tl->nchunks - 1];
	struct ckpt_event ev;
	struct ckpt_index *x;

	assert(!c->closed && c->n);
	ev = unpack(c, c->n - 1);
	x = index_for(tl, &ev);
	if (x)
		x->n--;
	tl->nevents--;
	ckpt_stats.events--;
	ckpt_chunk_undo(c);
	tl->data_len = c->data_first + c->data_len;
}

static int add_bytes(struct ckpt_timeline *tl, uint64_t addr, const void *bytes,
		     struct ckpt_task *t, uint64_t len)
{
	struct ckpt_chunk *c = tl->chunks[tl->nchunks - 1];
	uint8_t *to = ckpt_chunk_data(c, 16 + len);
	ssize_t n = (ssize_t)len;

	if (!to)
		return -ENOMEM;
	if (bytes)
		memcpy(to + 16, bytes, len);
	else
		n = ckpt_read_some(t, addr, to + 16, len);
	if (n <= 0) {
		ckpt_chunk_trim(c, c->data_len - 16 - len);
		return 0;
	}
	ckpt_chunk_trim(c, c->data_len - len + (uint64_t)n);
	len = (uint64_t)n;
	memcpy(to, &addr, 8);
	memcpy(to + 8, &len, 8);
	tl->data_len += 16 + len;
	return 0;
}

int ckpt_log_data(struct ckpt_timeline *tl, struct ckpt_task *t, uint64_t addr, uint64_t len)
{
	/* The first readable part is enough, see ckpt_call_outputs(). */
	return len ? add_bytes(tl, addr, NULL, t, len) : 0;
}

int ckpt_log_bytes(struct ckpt_timeline *tl, uint64_t addr, const void *bytes, uint64_t len)
{
	return len ? add_bytes(tl, addr, bytes, NULL, len) : 0;
}

int ckpt_log_note(struct ckpt_timeline *tl, const void *bytes, uint64_t len)
{
	return len ? add_bytes(tl, CKPT_NOTE, bytes, NULL, len) : 0;
}

static uint64_t begin_of(const struct ckpt_chunk *c, bool data)
{
	return data ? c->data_first : c->first;
}

/* The chunk with event number i / offset i of all data. */
static struct ckpt_chunk *find(const struct ckpt_timeline *tl, uint64_t i, bool data)
{
	size_t lo = 0, hi = tl->nchunks;

	while (hi - lo > 1) {
		size_t mid = (lo + hi) / 2;

		if (begin_of(tl->chunks[mid], data) <= i)
			lo = mid;
		else
			hi = mid;
	}
	return tl->chunks[lo];
}

struct ckpt_event ckpt_log_event(struct ckpt_timeline *tl, uint64_t i)
{
	struct ckpt_chunk *c;

	assert(i >= tl->log_begin && i < tl->nevents);
	c = find(tl, i, false);
	if (ckpt_chunk_load(c))
		return (struct ckpt_event){ .kind = CKPT_EV_LOST, .file = -1 };
	return unpack(c, i - c->first);
}

const uint8_t *ckpt_log_outputs(struct ckpt_timeline *tl, const struct ckpt_event *ev)
{
	static const uint8_t none;
	struct ckpt_chunk *c;

	if (!ev->data_len)
		return &none;
	c = find(tl, ev->data, true);
	return ckpt_chunk_load(c) ? NULL : c->data + (ev->data - c->data_first);
}

void ckpt_log_forget(struct ckpt_timeline *tl, uint64_t event)
{
	size_t n = 0;

	while (n + 1 < tl->nchunks && tl->chunks[n + 1]->first <= event)
		ckpt_chunk_unref(tl->chunks[n++]);
	memmove(tl->chunks, tl->chunks + n, (tl->nchunks - n) * sizeof(struct ckpt_chunk *));
	tl->nchunks -= n;
	index_forget(&tl->maps, event);
	index_forget(&tl->turns, event);
	tl->log_begin = event;
}

int ckpt_log_share(struct ckpt_timeline *from, uint64_t event, struct ckpt_timeline *to)
{
	to->data_len = from->data_len;
	if (event < from->nevents) {
		struct ckpt_event ev = ckpt_log_event(from, event);

		if (ev.kind == CKPT_EV_LOST)
			return -EIO;
		to->data_len = ev.data; /* or less */
	}
	to->log_begin = from->log_begin;
	to->nevents = event;
	to->chunks = calloc(from->nchunks + 1, sizeof(struct ckpt_chunk *));
	if (!to->chunks || index_share(&from->maps, event, &to->maps) ||
	    index_share(&from->turns, event, &to->turns))
		return -ENOMEM;
	to->chunks_room = from->nchunks + 1;
	while (to->nchunks < from->nchunks && from->chunks[to->nchunks]->first < event) {
		struct ckpt_chunk *c = from->chunks[to->nchunks];

		ckpt_chunk_ref(c);
		to->chunks[to->nchunks++] = c;
		if (!c->closed) /* what is added from now on is not for both */
			ckpt_chunk_close(c);
	}
	return 0;
}

void ckpt_log_free(struct ckpt_timeline *tl)
{
	for (size_t i = 0; i < tl->nchunks; i++)
		ckpt_chunk_unref(tl->chunks[i]);
	free(tl->chunks);
	free(tl->maps.events);
	free(tl->turns.events);
}

/* One descriptor per (device, inode, mtime), for the life of fred. */
static struct kept {
	dev_t dev;
	ino_t ino;
	struct timespec mtime;
	int fd;
	bool replaced; /* by a copy, since it was written */
} * kept;
static size_t nkept;

static int find_kept(const struct stat *st)
{
	for (size_t i = 0; i < nkept; i++)
		if (kept[i].dev == st->st_dev && kept[i].ino == st->st_ino &&
		    !memcmp(&kept[i].mtime, &st->st_mtim, sizeof(st->st_mtim)))
			return kept[i].fd;
	return -1;
}

int ckpt_file_keep(struct ckpt_task *t, int fd)
{
	char path[48];
	struct stat st;
	struct kept *more;
	int mine;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", t->tgid, fd);
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
		mine = find_kept(&st);
		if (mine >= 0) {
			ckpt_written_kept(&st);
			return mine;
		}
	}
	mine = open(path, O_RDONLY | O_CLOEXEC);
	if (mine < 0)
		return -1;
	more = realloc(kept, (nkept + 1) * sizeof(*kept));
	if (more)
		kept = more;
	if (!more || fstat(mine, &st) < 0) {
		close(mine);
		return -1;
	}
	ckpt_written_kept(&st);
	kept[nkept++] = (struct kept){ st.st_dev, st.st_ino, st.st_mtim, mine, false };
	return mine;
}

bool ckpt_file_is_kept(uint64_t dev, uint64_t ino)
{
	for (size_t i = 0; i < nkept; i++)
		if (kept[i].dev == dev && kept[i].ino == ino)
			return true;
	return false;
}

size_t ckpt_files_kept(uint64_t *inodes, size_t max)
{
	for (size_t i = 0; i < nkept && i < max; i++)
		inodes[i] = kept[i].ino;
	return nkept;
}

void ckpt_file_replace(int file, int by)
{
	struct stat st;

	if (fstat(file, &st) < 0)
		return;
	for (size_t i = 0; i < nkept; i++)
		if (kept[i].dev == st.st_dev && kept[i].ino == st.st_ino && !kept[i].replaced)
			kept[i].replaced = dup3(by, kept[i].fd, O_CLOEXEC) >= 0;
}
