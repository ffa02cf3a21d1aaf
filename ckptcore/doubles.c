/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include "ckptcore/doubles.h"
#include "ckptcore/shared.h"

#define NAME "fred doubles"

static bool is_same_file(const struct ckpt_map *a, const struct ckpt_map *b)
{
	return a->inode && a->inode == b->inode && a->major == b->major && a->minor == b->minor;
}

static bool overlap(const struct ckpt_map *a, const struct ckpt_map *b)
{
	return a->offset < b->offset + (b->hi - b->lo) && b->offset < a->offset + (a->hi - a->lo);
}

bool ckpt_is_double(const struct ckpt_map *maps, size_t n, const struct ckpt_map *m)
{
	for (size_t i = 0; m->lo != CKPT_RING && i < n; i++)
		if (&maps[i] != m && is_same_file(&maps[i], m) && overlap(&maps[i], m) &&
		    ((maps[i].shared && maps[i].w) || (m->shared && m->w)))
			return true;
	return false;
}

/* The mappings of one file, and what takes its place. */
struct group {
	const struct ckpt_map **maps;
	size_t n;
	uint64_t begin; /* the first offset that is mapped, which is 0 in the new file */
	int file;
};

/* What copy has at m goes to the file. Behind the end of the former one there is nothing. */
static int save(struct ckpt_task *copy, const struct group *g, const struct ckpt_map *m)
{
	const uint64_t len = m->hi - m->lo;
	uint8_t *buf = calloc(1, len);
	int err = buf ? 0 : -ENOMEM;

	if (!err && ckpt_read_some(copy, m->lo, buf, len) < 0)
		memset(buf, 0, len);
	if (!err && pwrite(g->file, buf, len, (off_t)(m->offset - g->begin)) != (ssize_t)len)
		err = -EIO;
	free(buf);
	return err;
}

static int map(struct ckpt_task *copy, const struct group *g, const struct ckpt_map *m)
{
	struct ckpt_map there = *m;
	long res = 0;
	int err;

	there.offset -= g->begin;
	if (!m->shared)
		return ckpt_copy_replace(copy, &there, g->file);
	err = ckpt_map_file(copy, m->lo, m->hi - m->lo, ckpt_protection(m), MAP_FIXED | MAP_SHARED,
			    g->file, there.offset, &res);
	return err ? err : res < 0 ? (int)res : 0;
}

static int replace(struct ckpt_task *copy, struct group *g)
{
	int err = 0;

	g->file = memfd_create(NAME, MFD_CLOEXEC);
	if (g->file < 0)
		return -errno;
	/* What a private mapping has of its own doesn't show in a shared one. */
	for (int shared = 0; shared < 2; shared++)
		for (size_t i = 0; !err && i < g->n; i++)
			if (g->maps[i]->shared == shared)
				err = save(copy, g, g->maps[i]);
	for (size_t i = 0; !err && i < g->n; i++)
		err = map(copy, g, g->maps[i]);
	close(g->file);
	return err;
}

/* Replaces those of maps that are `taken', file by file. */
static int replace_all(struct ckpt_task *copy, const struct ckpt_map *maps, size_t n, bool *taken)
{
	struct group g = { .maps = calloc(n, sizeof(*g.maps)) };
	int err = g.maps ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < n; i++) {
		if (!taken[i])
			continue;
		g.n = 0;
		g.begin = maps[i].offset;
		for (size_t k = i; k < n; k++) {
			if (!taken[k] || !is_same_file(&maps[i], &maps[k]))
				continue;
			taken[k] = false;
			g.maps[g.n++] = &maps[k];
			if (maps[k].offset < g.begin)
				g.begin = maps[k].offset;
		}
		err = replace(copy, &g);
	}
	free(g.maps);
	return err;
}

/* Replaces copy's mappings that are such ones. */
static int replace_if(struct ckpt_task *copy, uint64_t *bytes,
		      bool (*is)(const struct ckpt_map *maps, size_t n, const struct ckpt_map *m))
{
	struct ckpt_map *maps;
	bool *taken;
	size_t n;
	int err = ckpt_maps(copy->tgid, &maps, &n);

	if (err)
		return err;
	taken = calloc(n, sizeof(*taken));
	for (size_t i = 0; taken && i < n; i++) {
		taken[i] = is(maps, n, &maps[i]);
		if (taken[i])
			*bytes += maps[i].hi - maps[i].lo;
	}
	err = taken ? replace_all(copy, maps, n, taken) : -ENOMEM;
	free(taken);
	free(maps);
	return err;
}

int ckpt_doubles_own(struct ckpt_task *copy, uint64_t *bytes)
{
	uint64_t before = *bytes;
	int err = replace_if(copy, bytes, ckpt_is_double);

	if (copy->timeline)
		copy->timeline->doubles |= *bytes != before;
	return err;
}

static bool is_ours(const struct ckpt_map *maps, size_t n, const struct ckpt_map *m)
{
	(void)maps;
	(void)n;
	return strstr(m->name, NAME);
}

int ckpt_doubles_renew(struct ckpt_task *copy)
{
	uint64_t bytes = 0;

	return copy->timeline->doubles ? replace_if(copy, &bytes, is_ours) : 0;
}
