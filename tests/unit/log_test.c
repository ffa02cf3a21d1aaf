/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The log within a tiny budget: what was written comes back, from memory and
 * from disk; a full disk ends nothing. Each part is a process of its own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ckptcore/record.h"
#include "ckptcore/store.h"
#include "tests/unit/ok.h"

#define LIMIT (256u << 10) /* of memory: a quarter of the budget of 1 MB */

static char folder[] = "/tmp/fred-log-XXXXXX";

/* What event i of history h is. */
static uint64_t mix(uint64_t h, uint64_t i)
{
	uint64_t x = (h << 32 ^ i) + 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static size_t fill(uint64_t h, uint64_t i, uint8_t *buf)
{
	size_t len = mix(h, i) % 300;

	for (size_t k = 0; k < len; k++) /* one half can be compressed */
		buf[k] = k % 2 ? (uint8_t)(mix(h, i + k) >> 7) : (uint8_t)i;
	return len;
}

static void add(struct ckpt_timeline *tl, uint64_t h, uint64_t n)
{
	uint8_t buf[300];

	while (n--) {
		uint64_t i = tl->nevents;
		struct ckpt_event ev = { .kind = CKPT_EV_CALL,
					 .nr = (int16_t)(mix(h, i) % 300),
					 .result = (int64_t)mix(h, i + 7),
					 .ip = i,
					 .file = -1 };

		need(!ckpt_log_add(tl, &ev));
		need(!ckpt_log_note(tl, buf, fill(h, i, buf)));
	}
}

static bool same(struct ckpt_timeline *tl, uint64_t h, uint64_t i)
{
	struct ckpt_event ev = ckpt_log_event(tl, i);
	const uint8_t *at = ckpt_log_outputs(tl, &ev);
	uint8_t buf[300];
	size_t len = fill(h, i, buf);

	return at && ev.kind == CKPT_EV_CALL && ev.nr == (int16_t)(mix(h, i) % 300) &&
	       ev.result == (int64_t)mix(h, i + 7) && ev.ip == i &&
	       ev.data_len == (len ? len + 16 : 0) && (!len || !memcmp(at + 16, buf, len));
}

static void spots(struct ckpt_timeline *tl, uint64_t h, uint64_t from, uint64_t to, int n)
{
	for (int k = 0; k < n; k++)
		need(same(tl, h, from + mix(99, (uint64_t)k) % (to - from)));
}

static struct ckpt_timeline *history(uint64_t n)
{
	struct ckpt_timeline *tl = ckpt_timeline_create();

	need(tl);
	add(tl, 1, n);
	return tl;
}

/* The store's file: the one descriptor in the folder. */
static int store_fd(void)
{
	struct dirent *e;
	DIR *d = opendir("/proc/self/fd");
	char path[300], to[300];
	int fd = -1;

	need(d);
	while ((e = readdir(d))) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%s", e->d_name);
		n = readlink(path, to, sizeof(to) - 1);
		to[n > 0 ? n : 0] = 0;
		if (!strncmp(to, folder, strlen(folder)))
			fd = atoi(e->d_name);
	}
	closedir(d);
	need(fd >= 0);
	return fd;
}

static off_t file_size(void)
{
	struct stat st;

	need(!fstat(store_fd(), &st));
	return st.st_size;
}

static void spots_come_back(void)
{
	struct ckpt_timeline *tl = history(100000);
	uint64_t raw = tl->nevents * sizeof(uint32_t) + tl->data_len;

	ok(ckpt_store_memory() <= LIMIT + (64 << 10) + 1000, "%llu bytes of %llu are in memory",
	   (unsigned long long)ckpt_store_memory(), (unsigned long long)raw);
	ok(ckpt_store_disk() > 0 && ckpt_store_disk() < raw, "%llu are on disk",
	   (unsigned long long)ckpt_store_disk());
	spots(tl, 1, 0, tl->nevents, 5000);
	for (uint64_t i = 0; i < tl->nevents; i += 3)
		need(same(tl, 1, i));
	add(tl, 1, 5000);
	spots(tl, 1, 0, tl->nevents, 500);
	ok(ckpt_store_memory() <= LIMIT + (64 << 10) + 1000, "reading it keeps the limit");
	need(!ckpt_store_stuck());
}

static void nobody_else_sees_it(void)
{
	struct ckpt_timeline *tl = history(20000);
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "%s/fred", folder);
	need(!stat(path, &st));
	ok((st.st_mode & 0777) == 0700, "the folder has mode %o", st.st_mode & 0777);
	need(!fstat(store_fd(), &st));
	ok(st.st_nlink == 0 && (st.st_mode & 0777) == 0600, "the file has no name and mode %o",
	   st.st_mode & 0777);
	ckpt_timeline_destroy(tl);
	ok(ckpt_store_memory() == 0 && ckpt_store_disk() == 0, "nothing of it stays");
}

static void what_is_forgotten_makes_room(void)
{
	struct ckpt_timeline *tl = history(60000);
	off_t size = file_size();

	for (int i = 0; i < 20; i++) {
		ckpt_log_forget(tl, tl->nevents - 30000);
		add(tl, 1, 30000);
	}
	spots(tl, 1, tl->log_begin, tl->nevents, 500);
	ok(file_size() < size + size / 2, "the file has %lld bytes, before %lld",
	   (long long)file_size(), (long long)size);
}

static void histories_share(void)
{
	struct ckpt_timeline *a = history(50000), *b = ckpt_timeline_create();
	uint64_t memory;

	need(b && !ckpt_log_share(a, 41234, b));
	add(a, 1, 20000);
	add(b, 2, 30000);
	spots(a, 1, 0, a->nevents, 500);
	spots(b, 1, 0, 41234, 500);
	spots(b, 2, 41234, b->nevents, 500);
	need(same(b, 1, 41233) && same(b, 2, 41234) && same(a, 1, 41234));
	memory = ckpt_store_disk();
	ckpt_timeline_destroy(a);
	spots(b, 1, 0, 41234, 500);
	spots(b, 2, 41234, b->nevents, 500);
	ok(ckpt_store_disk() < memory, "two histories with one beginning");
	ckpt_timeline_destroy(b);
	need(!ckpt_store_memory() && !ckpt_store_disk());
}

/* Until it can't go on to disk, and then on without the oldest part. */
static void fill_up(const char *word)
{
	struct ckpt_timeline *tl = history(1000);

	while (!ckpt_store_stuck()) {
		need(tl->nevents < 400000);
		add(tl, 1, 1000);
	}
	ok(strstr(ckpt_store_stuck(), word), "full after %llu events: %s",
	   (unsigned long long)tl->nevents, ckpt_store_stuck());
	add(tl, 1, 3000);
	spots(tl, 1, 0, tl->nevents, 500);
	ckpt_log_forget(tl, tl->nevents / 2);
	need(!ckpt_store_stuck());
	add(tl, 1, 2000);
	spots(tl, 1, tl->log_begin, tl->nevents, 500);
	ok(ckpt_store_memory() <= LIMIT + (64 << 10) + 1000, "without the oldest part it goes on");
}

static void file_size_is_limited(void)
{
	const struct rlimit limit = { 4 << 20, RLIM_INFINITY };

	need(!setrlimit(RLIMIT_FSIZE, &limit));
	fill_up("File too large");
}

static void disk_is_full(void)
{
	if (mount("none", folder, "tmpfs", 0, "size=8m") < 0) {
		puts("# skipped: only root can mount a small file system");
		return;
	}
	fill_up("half of what was free there");
	umount2(folder, MNT_DETACH);
}

static void others_fill_the_disk(void)
{
	static char block[1 << 16];
	struct ckpt_timeline *tl;
	char path[64];
	int fd;

	if (mount("none", folder, "tmpfs", 0, "size=4m") < 0)
		return;
	tl = history(10000);
	snprintf(path, sizeof(path), "%s/other", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	need(fd >= 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	close(fd);
	while (!ckpt_store_stuck())
		add(tl, 1, 100);
	ok(strstr(ckpt_store_stuck(), "No space left"), "full: %s", ckpt_store_stuck());
	spots(tl, 1, 0, tl->nevents, 500);
	need(!unlink(path));
	need(!ckpt_store_stuck());
	spots(tl, 1, 0, tl->nevents, 500);
	umount2(folder, MNT_DETACH);
}

static void folder_cannot_be_had(void)
{
	setenv("XDG_STATE_HOME", "/proc/nowhere", 1);
	struct ckpt_timeline *tl = history(20000);

	ok(ckpt_store_stuck() && strstr(ckpt_store_stuck(), "/proc/nowhere/fred"), "no folder: %s",
	   ckpt_store_stuck());
	spots(tl, 1, 0, tl->nevents, 500);
}

/* What was damaged is said to be lost, and is never taken for an event. */
static void damage_is_noticed(void)
{
	struct ckpt_timeline *tl = history(50000), *branch;
	uint8_t noise[4096];
	int fd = store_fd(), lost = 0;
	off_t size = file_size();

	memset(noise, 0x55, sizeof(noise));
	for (off_t at = 0; at < size; at += 8192)
		need(pwrite(fd, noise, sizeof(noise), at) == sizeof(noise));
	for (uint64_t i = 0; i < tl->nevents; i += 7) {
		struct ckpt_event ev = ckpt_log_event(tl, i);

		lost += ev.kind == CKPT_EV_LOST;
		need(ev.kind == CKPT_EV_LOST || same(tl, 1, i));
		branch = i % 700 ? NULL : ckpt_timeline_create();
		if (branch)
			need(ckpt_log_share(tl, i, branch) == (ev.kind == CKPT_EV_LOST ? -EIO : 0));
		ckpt_timeline_destroy(branch);
	}
	ok(lost > 1000, "%d of 7143 events are lost", lost);
}

/* Values of all lengths, each at each place. */
static struct ckpt_event edge_event(size_t i)
{
	static const uint64_t edge[] = {
		0,	   1,	       255,	  256, 0xffffffff, 0x7fffffffe4f0, (uint64_t)-512,
		INT64_MAX, 1ull << 63, UINT64_MAX
	};
	const size_t n = sizeof(edge) / sizeof(*edge);
	struct ckpt_event ev = { .kind = (uint8_t)(i % (CKPT_EV_SIGNAL + 1)),
				 .turn = i % 2,
				 .nr = (int16_t)(i % 3 ? (int)i * 7 : -1),
				 .result = (int64_t)edge[i % n],
				 .ip = edge[(i + i / n) % n],
				 .file = (int)(i % 5) * 1000 - 1 };

	for (size_t k = 0; k < 6; k++)
		ev.args[k] = edge[(i * (k + 2) + k) % n];
	return ev;
}

static void values_stay_as_they_are(void)
{
	struct ckpt_timeline *tl = ckpt_timeline_create();

	for (size_t i = 0; i < 100; i++) {
		const struct ckpt_event ev = edge_event(i);

		need(!ckpt_log_add(tl, &ev));
		need(i % 4 || !ckpt_log_note(tl, "abc", 3));
	}
	for (size_t i = 0; i < 100; i++) {
		const struct ckpt_event ev = edge_event(i), now = ckpt_log_event(tl, i);

		need(now.kind == ev.kind && now.turn == ev.turn && now.nr == ev.nr);
		need(now.result == ev.result && now.ip == ev.ip && now.file == ev.file);
		need(!memcmp(now.args, ev.args, sizeof(ev.args)));
		need(now.data_len == (i % 4 ? 0 : 16 + 3));
	}
	ok(true, "each value stays as it is");
}

/* As a small program's read(): registers that it doesn't use have other pointers. */
static void a_call_is_small(void)
{
	const struct ckpt_event ev = { .kind = CKPT_EV_CALL,
				       .nr = SYS_read,
				       .result = 64,
				       .args = { 3, 0x7fffffffe4f0, 64, 0x7ffff7de2b60,
						 0x1999999999999999 },
				       .ip = 0x7ffff7ecb2ad,
				       .file = -1 };
	struct ckpt_timeline *tl = ckpt_timeline_create();
	uint64_t before, size;
	uint8_t buf[64] = { 0 };

	add(tl, 1, 1); /* the first makes the chunk */
	before = ckpt_store_memory();
	need(!ckpt_log_add(tl, &ev) && !ckpt_log_note(tl, buf, sizeof(buf)));
	size = ckpt_store_memory() - before - sizeof(buf);
	ok(size <= 64, "a call has %llu bytes beyond its data", (unsigned long long)size);
}

static void the_newest_is_taken_back(void)
{
	struct ckpt_timeline *tl = history(3000);
	struct ckpt_event ev = { .kind = CKPT_EV_CALL, .nr = SYS_mmap, .file = -1 };

	for (int i = 0; i < 5000; i++) {
		need(!ckpt_log_add(tl, &ev) && !ckpt_log_note(tl, "12345", 5));
		need(ckpt_log_next_map(tl, tl->nevents - 1) == tl->nevents - 1);
		ckpt_log_undo(tl);
		need(ckpt_log_next_map(tl, tl->nevents) == tl->nevents);
		add(tl, 1, 1);
	}
	spots(tl, 1, 0, tl->nevents, 2000);
	ok(tl->nevents == 8000, "an event taken back leaves nothing");
}

static void part(void (*test)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	need(pid >= 0);
	if (!pid) {
		test();
		exit(0);
	}
	need(waitpid(pid, &status, 0) == pid);
	need(status == 0);
}

int main(void)
{
	static void (*const parts[])(void) = {
		spots_come_back,	  nobody_else_sees_it,	   what_is_forgotten_makes_room,
		histories_share,	  file_size_is_limited,	   disk_is_full,
		others_fill_the_disk,	  folder_cannot_be_had,	   damage_is_noticed,
		the_newest_is_taken_back, values_stay_as_they_are, a_call_is_small,
	};
	char command[80];

	setvbuf(stdout, NULL, _IOLBF, 0);
	need(mkdtemp(folder));
	setenv("XDG_STATE_HOME", folder, 1);
	setenv("FRED_BUDGET", "1M", 1);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		part(parts[i]);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	need(!system(command));
	return 0;
}
