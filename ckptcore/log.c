/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The append-only log of events, and the files that mappings in it need. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "ckptcore/internal.h"

static bool changes_mappings(const struct ckpt_event *ev)
{
	return ev->kind == CKPT_EV_CALL && (ev->nr == SYS_brk || ev->nr == SYS_mmap ||
					    ev->nr == SYS_munmap || ev->nr == SYS_mremap);
}

static int note_mapping(struct ckpt_timeline *tl)
{
	if (tl->nmaps == tl->maps_room) {
		size_t room = tl->maps_room ? tl->maps_room * 2 : 256;
		uint64_t *more = realloc(tl->maps, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		tl->maps = more;
		tl->maps_room = room;
	}
	tl->maps[tl->nmaps++] = tl->nevents;
	return 0;
}

uint64_t ckpt_log_next_map(const struct ckpt_timeline *tl, uint64_t i)
{
	size_t lo = 0, hi = tl->nmaps;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (tl->maps[mid] < i)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < tl->nmaps ? tl->maps[lo] : tl->nevents;
}

int ckpt_log_add(struct ckpt_timeline *tl, const struct ckpt_event *event)
{
	struct ckpt_event *ev;

	if (tl->nevents == tl->events_room) {
		uint64_t room = tl->events_room ? tl->events_room * 2 : 1024;
		struct ckpt_event *more = realloc(tl->events, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		tl->events = more;
		tl->events_room = room;
	}
	if (changes_mappings(event) && note_mapping(tl))
		return -ENOMEM;
	ev = &tl->events[tl->nevents++];
	*ev = *event;
	ev->data = tl->data_len;
	ev->data_len = 0;
	ckpt_stats.events++;
	ckpt_stats.log_bytes += sizeof(*ev);
	return 0;
}

void ckpt_log_undo(struct ckpt_timeline *tl)
{
	tl->data_len = tl->events[--tl->nevents].data;
	if (tl->nmaps && tl->maps[tl->nmaps - 1] == tl->nevents)
		tl->nmaps--;
}

struct ckpt_event ckpt_log_event(struct ckpt_timeline *tl, uint64_t i)
{
	assert(i >= tl->log_begin && i < tl->nevents);
	return tl->events[i];
}

const uint8_t *ckpt_log_outputs(struct ckpt_timeline *tl, const struct ckpt_event *ev)
{
	return tl->data + ev->data;
}

int ckpt_log_data(struct ckpt_timeline *tl, struct ckpt_task *t, uint64_t addr, uint64_t len)
{
	struct ckpt_event *ev = &tl->events[tl->nevents - 1];
	uint64_t need = tl->data_len + 16 + len;
	ssize_t n;

	if (len == 0)
		return 0;
	if (need > tl->data_room) {
		uint64_t room = need + need / 2 + 65536;
		uint8_t *more = realloc(tl->data, room);

		if (!more)
			return -ENOMEM;
		tl->data = more;
		tl->data_room = room;
	}
	/* The first readable part is enough, see ckpt_call_outputs(). */
	n = ckpt_read_some(t, addr, tl->data + tl->data_len + 16, len);
	if (n <= 0)
		return 0;
	len = (uint64_t)n;
	memcpy(tl->data + tl->data_len, &addr, 8);
	memcpy(tl->data + tl->data_len + 8, &len, 8);
	tl->data_len += 16 + len;
	ev->data_len += (uint32_t)(16 + len);
	ckpt_stats.log_bytes += 16 + len;
	return 0;
}

/* Gives the pages of [from, to) back. They stay part of their array: events keep
 * their names, and nobody reads those any more. */
static void give_back(uint8_t *from, uint8_t *to)
{
	const uintptr_t page = 4095;
	uintptr_t lo = ((uintptr_t)from + page) & ~page, hi = (uintptr_t)to & ~page;

	if (lo < hi && madvise((void *)lo, hi - lo, MADV_DONTNEED))
		return; /* locked memory: nothing is gained, nothing lost */
}

static uint64_t data_begin(const struct ckpt_timeline *tl, uint64_t event)
{
	return event < tl->nevents ? tl->events[event].data : tl->data_len;
}

void ckpt_log_forget(struct ckpt_timeline *tl, uint64_t event)
{
	uint64_t begin = data_begin(tl, event);

	give_back((uint8_t *)(tl->events + tl->log_begin), (uint8_t *)(tl->events + event));
	give_back(tl->data + data_begin(tl, tl->log_begin), tl->data + begin);
	tl->log_begin = event;
}

uint64_t ckpt_log_bytes(const struct ckpt_timeline *tl)
{
	return (tl->nevents - tl->log_begin) * sizeof(*tl->events) + tl->data_len -
	       data_begin(tl, tl->log_begin);
}

/* One descriptor per (device, inode, mtime), for the life of fred. */
static struct kept {
	dev_t dev;
	ino_t ino;
	struct timespec mtime;
	int fd;
} * kept;
static size_t nkept;

int ckpt_file_keep(struct ckpt_task *t, int fd)
{
	char path[48];
	struct stat st;
	struct kept *more;
	int mine;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", t->tgid, fd);
	mine = open(path, O_RDONLY | O_CLOEXEC);
	if (mine < 0 || fstat(mine, &st) < 0)
		return -1;
	for (size_t i = 0; i < nkept; i++)
		if (kept[i].dev == st.st_dev && kept[i].ino == st.st_ino &&
		    !memcmp(&kept[i].mtime, &st.st_mtim, sizeof(st.st_mtim))) {
			close(mine);
			return kept[i].fd;
		}
	more = realloc(kept, (nkept + 1) * sizeof(*kept));
	if (!more) {
		close(mine);
		return -1;
	}
	kept = more;
	kept[nkept++] = (struct kept){ st.st_dev, st.st_ino, st.st_mtim, mine };
	return mine;
}
