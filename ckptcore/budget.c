/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/resource.h>

#include "ckptcore/budget.h"

#define PAGE 4096
#define HUGE_PAGE (2ull << 20)
#define SHARE 4		/* of the memory: one in so many bytes */
#define PROCESS_SHARE 8 /* of the processes; puppets and the program need some */
#define MIN_SNAPS 4	/* below that there is no going back to speak of */
#define UNLIMITED (1ull << 60)

/* ------------------------------------------------------------------ limits */

static uint64_t memory_total(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* The number in a cgroup's file. "max", or no such file: no limit. */
static uint64_t read_limit(const char *folder, const char *file)
{
	char path[4400];
	unsigned long long n;
	FILE *f;
	bool found;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	f = fopen(path, "re");
	found = f && fscanf(f, "%llu", &n) == 1;
	if (f)
		fclose(f);
	return found && n < UNLIMITED ? n : UNLIMITED;
}

/* Where a controller's groups are: NULL for version 2. False: nowhere. */
static bool find_mount(const char *controller, char *ret, size_t size)
{
	FILE *f = fopen("/proc/self/mounts", "re");
	char line[4096], where[1024], type[64], options[1024];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s %1023s %63s %1023s", where, type, options) != 3)
			continue;
		if (controller) {
			char *word = strtok(options, ",");

			while (word && strcmp(word, controller))
				word = strtok(NULL, ",");
			found = !strcmp(type, "cgroup") && word;
		} else {
			found = !strcmp(type, "cgroup2");
		}
	}
	if (f)
		fclose(f);
	if (found)
		snprintf(ret, size, "%s", where);
	return found;
}

/* The least limit that our group or one above it has. */
static uint64_t least_limit(const char *controller, const char *group, const char *file)
{
	char folder[2100];
	uint64_t least = UNLIMITED, n;
	size_t root;

	if (!find_mount(controller, folder, 1024))
		return UNLIMITED;
	root = strlen(folder);
	/* Inside of a container the path may be that of the host, and not be
	 * there: the mount is the group itself then. */
	snprintf(folder + root, sizeof(folder) - root, "%s", group);
	for (;;) {
		char *slash;

		n = read_limit(folder, file);
		if (n < least)
			least = n;
		slash = strrchr(folder + root, '/');
		if (!slash)
			return least;
		*slash = 0;
	}
}

static uint64_t cgroup_limit(const char *controller, const char *file, const char *file_v2)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	uint64_t least = UNLIMITED, n;
	char line[1024];

	while (f && fgets(line, sizeof(line), f)) {
		char *names = strchr(line, ':'), *group = names ? strchr(names + 1, ':') : NULL;

		if (!group)
			continue;
		*group++ = 0;
		group[strcspn(group, "\n")] = 0;
		names++;
		if (!*names) {
			n = least_limit(NULL, group, file_v2);
		} else {
			char *word = strtok(names, ",");

			while (word && strcmp(word, controller))
				word = strtok(NULL, ",");
			n = word ? least_limit(controller, group, file) : UNLIMITED;
		}
		if (n < least)
			least = n;
	}
	if (f)
		fclose(f);
	return least;
}

static uint64_t process_limit(void)
{
	uint64_t n = cgroup_limit("pids", "pids.max", "pids.max");
	struct rlimit own;

	/* It doesn't bind root. */
	if (geteuid() && !getrlimit(RLIMIT_NPROC, &own) && own.rlim_cur < n)
		n = own.rlim_cur;
	return n;
}

int ckpt_parse_size(const char *text, uint64_t *ret)
{
	static const char suffixes[] = "kmgt";
	const char *suffix;
	char *end;
	unsigned long long n;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno)
		return -EINVAL;
	if (*end) {
		suffix = strchr(suffixes, tolower((unsigned char)*end));
		if (!suffix || end[1])
			return -EINVAL;
		for (; suffix >= suffixes; suffix--) {
			if (n > UNLIMITED >> 10)
				return -EINVAL;
			n <<= 10;
		}
	}
	*ret = n;
	return 0;
}

const struct ckpt_budget *ckpt_budget(void)
{
	static struct ckpt_budget b;
	const char *text = getenv("FRED_BUDGET");
	uint64_t limit;

	if (b.bytes)
		return &b;
	if (!text || ckpt_parse_size(text, &b.bytes)) {
		b.bytes = memory_total();
		limit = cgroup_limit("memory", "memory.limit_in_bytes", "memory.max");
		if (limit < b.bytes)
			b.bytes = limit;
		b.bytes /= SHARE;
	}
	b.bytes += !b.bytes;
	limit = process_limit() / PROCESS_SHARE;
	b.snaps = limit < CKPT_MAX_SNAPS ? (size_t)limit : CKPT_MAX_SNAPS;
	if (b.snaps < MIN_SNAPS)
		b.snaps = MIN_SNAPS;
	return &b;
}

/* --------------------------------------------------------------- measuring */

/* By faults, and of small pages by the kernel on its own. It counts them for the
 * system only. */
static uint64_t huge_pages_made(void)
{
	static const char *const names[] = { "thp_fault_alloc ", "thp_collapse_alloc " };
	FILE *f = fopen("/proc/vmstat", "re");
	uint64_t sum = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
			if (!strncmp(line, names[i], strlen(names[i])))
				sum += strtoull(line + strlen(names[i]), NULL, 10);
	if (f)
		fclose(f);
	return sum;
}

struct ckpt_memory ckpt_memory_of(pid_t pid)
{
	struct ckpt_memory m = { .pid = pid };
	unsigned long long resident, files, faults;
	char text[1024], *p;

	/* The name may contain anything. */
	if (ckpt_proc_read(pid, "stat", text, sizeof(text)) > 0 && (p = strrchr(text, ')')) &&
	    sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %llu", &faults) == 1)
		m.faults = faults;
	if (ckpt_proc_read(pid, "statm", text, sizeof(text)) > 0 &&
	    sscanf(text, "%*u %llu %llu", &resident, &files) == 2 && resident > files)
		m.anon = (resident - files) * PAGE;
	if (m.anon >= HUGE_PAGE)
		m.huge = huge_pages_made();
	return m;
}

uint64_t ckpt_memory_private(pid_t pid)
{
	return ckpt_proc_number(pid, "smaps_rollup", "Private_Dirty", 10) * 1024;
}

/*
 * To be exact one would visit each page of t, which costs as much as the fork
 * that a snapshot is. Each page that it wrote cost it a fault, though, counted
 * by the kernel; those of which it got more memory wrote no page of the copy's.
 * That is right as long as it doesn't give memory back and get new one all the
 * time, or by huge pages, of which one is one fault or none. Errors add up; so,
 * when faults were many in comparison with its size (they have cost ten times what
 * the visits do), or somebody has got a huge page, its pages are visited.
 */
uint64_t ckpt_memory_lost(const struct ckpt_task *t, const struct ckpt_memory *then,
			  const struct ckpt_memory *now)
{
	uint64_t wrote = (now->faults - then->faults) * PAGE, shared;

	if (wrote > now->anon / 8 || now->huge != then->huge) {
		wrote = ckpt_memory_private(t->tgid);
		if (wrote > now->anon)
			wrote = now->anon;
	}
	/* What it has, and did not write, it shares with the copy. */
	shared = now->anon > wrote ? now->anon - wrote : 0;
	return then->anon > shared ? then->anon - shared : 0;
}
