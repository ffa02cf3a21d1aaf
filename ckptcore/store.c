/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "ckptcore/budget.h"
#include "ckptcore/store.h"

#define MEMORY_SHARE 4 /* of the budget: one byte in so many is the log's */
#define DISK_SHARE 2   /* of what is free on the file system, likewise */
#define CHUNK_MIN (64ull << 10)
#define CHUNK_MAX (1ull << 20)
#define LEVEL 1 /* the program waits meanwhile: 300 MB a second */

/* The closed chunks in memory, in the order in which they came there: filled, or read
 * back. Using one again doesn't move it. */
static struct ckpt_chunk *oldest, *newest;
static uint64_t in_memory, on_disk;
static char stuck[320]; /* why the oldest can't go to disk; "": it can */

static uint64_t memory_limit(void)
{
	return ckpt_budget()->bytes / MEMORY_SHARE;
}

static uint64_t size_of(const struct ckpt_chunk *c)
{
	return c->n * sizeof(*c->starts) + c->data_len;
}

/* ---------------------------------------------------------------- the file */

/* Parts of the file that nobody uses, in order of their places. */
struct hole {
	uint64_t at, len;
	struct hole *next;
};

static struct {
	int fd;
	bool opened;
	char folder[256];
	uint64_t end;	/* nothing is behind it */
	uint64_t limit; /* as large as it may become */
	struct hole *holes;
} file = { .fd = -1 };

/* All folders on the way to path, and path itself, only for the user. */
static int make_folders(const char *path)
{
	char part[sizeof(file.folder)];

	for (const char *p = strchr(path + 1, '/');; p = strchr(p + 1, '/')) {
		size_t n = p ? (size_t)(p - path) : strlen(path);

		memcpy(part, path, n);
		part[n] = 0;
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return -errno;
		if (!p)
			return chmod(path, 0700) < 0 ? -errno : 0;
	}
}

static int open_file(void)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char path[sizeof(file.folder) + 16];
	struct statvfs fs;
	int n, err;

	file.opened = true;
	if (state && state[0] == '/')
		n = snprintf(file.folder, sizeof(file.folder), "%s/fred", state);
	else
		n = snprintf(file.folder, sizeof(file.folder), "%s/.local/state/fred",
			     home && home[0] == '/' ? home : "");
	if (n >= (int)sizeof(file.folder))
		return -ENAMETOOLONG;
	err = make_folders(file.folder);
	if (err)
		return err;
	file.fd = open(file.folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (file.fd < 0) { /* not every file system can do that */
		snprintf(path, sizeof(path), "%s/log-XXXXXX", file.folder);
		file.fd = mkostemp(path, O_CLOEXEC);
		if (file.fd < 0)
			return -errno;
		unlink(path);
	}
	if (!fstatvfs(file.fd, &fs))
		file.limit = (uint64_t)fs.f_bavail * fs.f_frsize / DISK_SHARE;
	return 0;
}

/* A place for len bytes. */
static int take_place(uint64_t len, uint64_t *ret)
{
	for (struct hole **p = &file.holes; *p; p = &(*p)->next) {
		struct hole *h = *p;

		if (h->len < len)
			continue;
		*ret = h->at;
		h->at += len;
		h->len -= len;
		if (!h->len) {
			*p = h->next;
			free(h);
		}
		return 0;
	}
	if (file.end + len > file.limit)
		return -EDQUOT;
	*ret = file.end;
	file.end += len;
	return 0;
}

static void free_place(uint64_t at, uint64_t len)
{
	struct hole **p = &file.holes, *before = NULL, *h;

	if (!len)
		return;
	while (*p && (*p)->at < at) {
		before = *p;
		p = &before->next;
	}
	if (before && before->at + before->len == at) {
		before->len += len;
	} else {
		h = malloc(sizeof(*h));
		if (!h)
			return; /* that place is lost, no more */
		*h = (struct hole){ at, len, *p };
		*p = h;
		before = h;
	}
	h = before->next;
	if (h && before->at + before->len == h->at) {
		before->len += h->len;
		before->next = h->next;
		free(h);
	}
	/* What ends the file needn't be remembered. */
	for (p = &file.holes; *p; p = &(*p)->next)
		if ((*p)->at + (*p)->len == file.end) {
			file.end = (*p)->at;
			free(*p);
			*p = NULL;
			break;
		}
}

/* A limit of file sizes sends a signal that would end fred. */
static int write_all(const void *buf, size_t len, uint64_t at)
{
	const struct timespec now = { 0, 0 };
	sigset_t xfsz, before;
	ssize_t n = 0;
	int err = 0;

	sigemptyset(&xfsz);
	sigaddset(&xfsz, SIGXFSZ);
	pthread_sigmask(SIG_BLOCK, &xfsz, &before);
	while (!err && len) {
		n = pwrite(file.fd, buf, len, (off_t)at);
		if (n < 0 && errno != EINTR)
			err = -errno;
		if (n == 0)
			err = -ENOSPC;
		if (n > 0) {
			buf = (const uint8_t *)buf + n;
			len -= (size_t)n;
			at += (uint64_t)n;
		}
	}
	if (err == -EFBIG)
		sigtimedwait(&xfsz, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

/* ----------------------------------------------------- packing, unpacking */

static void unlink_chunk(struct ckpt_chunk *c)
{
	*(c->prev ? &c->prev->next : &oldest) = c->next;
	*(c->next ? &c->next->prev : &newest) = c->prev;
	c->prev = c->next = NULL;
}

static void append_chunk(struct ckpt_chunk *c)
{
	c->prev = newest;
	*(newest ? &newest->next : &oldest) = c;
	newest = c;
}

/* Compresses into a place that is as large as it may become. */
static int compress(ZSTD_CCtx *ctx, const struct ckpt_chunk *c, uint64_t at, uint64_t *ret)
{
	static uint8_t buf[128 << 10];
	ZSTD_inBuffer in[2] = { { c->starts, c->n * sizeof(*c->starts), 0 },
				{ c->data, c->data_len, 0 } };
	uint64_t done = 0;
	int err = 0;

	ZSTD_CCtx_reset(ctx, ZSTD_reset_session_and_parameters);
	ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, 1);
	for (int i = 0; !err && i < 2; i++) {
		size_t left;

		do {
			ZSTD_outBuffer out = { buf, sizeof(buf), 0 };

			left = ZSTD_compressStream2(ctx, &out, &in[i],
						    i ? ZSTD_e_end : ZSTD_e_continue);
			if (ZSTD_isError(left))
				return -EIO;
			err = write_all(buf, out.pos, at + done);
			done += out.pos;
		} while (!err && (i ? left > 0 : in[i].pos < in[i].size));
	}
	*ret = done;
	return err;
}

static int pack(struct ckpt_chunk *c)
{
	static ZSTD_CCtx *ctx;
	uint64_t room = ZSTD_compressBound(size_of(c)) + 64, len;
	int err = 0;

	if (!ctx)
		ctx = ZSTD_createCCtx();
	if (!ctx)
		return -ENOMEM;
	if (!file.opened)
		err = open_file();
	if (!err && file.fd < 0)
		err = -ENOENT;
	if (!err)
		err = take_place(room, &c->at);
	if (err)
		return err;
	err = compress(ctx, c, c->at, &len);
	if (err)
		len = 0;
	free_place(c->at + len, room - len);
	if (err)
		return err;
	c->packed = true;
	c->packed_len = len;
	on_disk += len;
	return 0;
}

static void leave_memory(struct ckpt_chunk *c)
{
	unlink_chunk(c);
	in_memory -= size_of(c);
	free(c->starts);
	free(c->data);
	c->starts = NULL;
	c->data = NULL;
}

/* Brings what is over the limit to disk, if it can. */
static void keep_limit(void)
{
	int err = 0;

	while (!err && oldest && in_memory > memory_limit()) {
		if (!oldest->packed)
			err = pack(oldest);
		if (!err)
			leave_memory(oldest);
	}
	stuck[0] = 0;
	if (err == -EDQUOT)
		snprintf(stuck, sizeof(stuck), "%s: it has half of what was free there",
			 file.folder);
	else if (err)
		snprintf(stuck, sizeof(stuck), "%s: %s", file.folder, strerror(-err));
}

static int decompress(struct ckpt_chunk *c, const void *packed)
{
	static ZSTD_DCtx *ctx;
	ZSTD_inBuffer in = { packed, c->packed_len, 0 };
	ZSTD_outBuffer out[2] = { { c->starts, c->n * sizeof(*c->starts), 0 },
				  { c->data, c->data_len, 0 } };
	size_t left = 1;

	if (!ctx)
		ctx = ZSTD_createDCtx();
	if (!ctx)
		return -ENOMEM;
	ZSTD_DCtx_reset(ctx, ZSTD_reset_session_only);
	for (int i = 0; i < 2; i++)
		do {
			size_t before = in.pos, had = out[i].pos;

			left = ZSTD_decompressStream(ctx, &out[i], &in);
			if (ZSTD_isError(left) || (in.pos == before && out[i].pos == had && left))
				return -EIO;
		} while (out[i].pos < out[i].size || (i && left));
	return 0;
}

static int unpack(struct ckpt_chunk *c)
{
	uint8_t *packed = malloc(c->packed_len);
	uint64_t done = 0;
	int err = 0;

	c->starts = malloc(c->n * sizeof(*c->starts));
	c->data = malloc(c->data_len + 1);
	if (!packed || !c->starts || !c->data)
		err = -ENOMEM;
	while (!err && done < c->packed_len) {
		ssize_t n =
			pread(file.fd, packed + done, c->packed_len - done, (off_t)(c->at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			err = n ? -errno : -EIO;
		done += n > 0 ? (uint64_t)n : 0;
	}
	if (!err)
		err = decompress(c, packed);
	free(packed);
	if (err) {
		free(c->starts);
		free(c->data);
		c->starts = NULL;
		c->data = NULL;
	}
	return err;
}

/* ------------------------------------------------------------------ chunks */

struct ckpt_chunk *ckpt_chunk_create(uint64_t first, uint64_t data_first)
{
	struct ckpt_chunk *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->refs = 1;
	c->first = first;
	c->data_first = data_first;
	return c;
}

void ckpt_chunk_ref(struct ckpt_chunk *c)
{
	c->refs++;
}

void ckpt_chunk_unref(struct ckpt_chunk *c)
{
	if (--c->refs)
		return;
	if (c->starts || c->data || !c->closed) {
		in_memory -= size_of(c);
		if (c->closed)
			unlink_chunk(c);
	}
	if (c->packed) {
		on_disk -= c->packed_len;
		free_place(c->at, c->packed_len);
	}
	free(c->starts);
	free(c->data);
	free(c);
}

int ckpt_chunk_event(struct ckpt_chunk *c)
{
	if (c->n == c->room) {
		uint64_t room = c->room ? c->room * 2 : 64;
		uint32_t *more = realloc(c->starts, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		c->starts = more;
		c->room = room;
	}
	in_memory += sizeof(*c->starts);
	c->starts[c->n++] = (uint32_t)c->data_len; /* it isn't full yet */
	return 0;
}

uint8_t *ckpt_chunk_data(struct ckpt_chunk *c, uint64_t len)
{
	if (c->data_len + len > c->data_room) {
		uint64_t room = c->data_len + len + c->data_room + 4096;
		uint8_t *more = realloc(c->data, room);

		if (!more)
			return NULL;
		c->data = more;
		c->data_room = room;
	}
	c->data_len += len;
	in_memory += len;
	return c->data + c->data_len - len;
}

void ckpt_chunk_trim(struct ckpt_chunk *c, uint64_t data_len)
{
	in_memory -= c->data_len - data_len;
	c->data_len = data_len;
}

void ckpt_chunk_undo(struct ckpt_chunk *c)
{
	ckpt_chunk_trim(c, c->starts[--c->n]);
	in_memory -= sizeof(*c->starts);
}

bool ckpt_chunk_full(const struct ckpt_chunk *c)
{
	uint64_t size = memory_limit() / 16;

	size = size < CHUNK_MIN ? CHUNK_MIN : size > CHUNK_MAX ? CHUNK_MAX : size;
	return size_of(c) >= size;
}

void ckpt_chunk_close(struct ckpt_chunk *c)
{
	uint32_t *starts = realloc(c->starts, (c->n + !c->n) * sizeof(*starts));
	uint8_t *data = realloc(c->data, c->data_len + 1);

	if (starts)
		c->starts = starts;
	if (data)
		c->data = data;
	c->closed = true;
	append_chunk(c);
	keep_limit();
}

int ckpt_chunk_load(struct ckpt_chunk *c)
{
	int err;

	if (c->starts)
		return 0;
	err = unpack(c);
	if (err)
		return err;
	append_chunk(c);
	in_memory += size_of(c);
	/* It is the last that could go, and goes only if it is all there is. */
	while (oldest != c && in_memory > memory_limit() && (oldest->packed || !pack(oldest)))
		leave_memory(oldest);
	return 0;
}

uint64_t ckpt_store_memory(void)
{
	return in_memory;
}

uint64_t ckpt_store_disk(void)
{
	return on_disk;
}

const char *ckpt_store_stuck(void)
{
	if (in_memory > memory_limit())
		keep_limit();
	return stuck[0] && in_memory > memory_limit() ? stuck : NULL;
}
