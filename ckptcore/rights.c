/* SPDX-License-Identifier: GPL-3.0-or-later */
/* As whom, within which limits and how urgently a process runs. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "ckptcore/outside.h"

#define LIMIT_NAME 26 /* the width of a limit's name in /proc/PID/limits */

/* The four numbers (real, effective, saved, of files) behind "NAME:". */
static bool read_ids(const char *text, const char *name, uint32_t ret[4])
{
	const char *p = strstr(text, name);

	return p &&
	       sscanf(p + strlen(name), "%u %u %u %u", &ret[0], &ret[1], &ret[2], &ret[3]) == 4;
}

static int read_groups(const char *text, struct ckpt_rights *ret)
{
	const char *p = strstr(text, "\nGroups:");
	char *end;

	if (!p)
		return -EIO;
	for (p += strlen("\nGroups:");; p = end) {
		unsigned long group;

		while (*p == ' ' || *p == '\t')
			p++;
		group = strtoul(p, &end, 10);
		if (end == p)
			return *p == '\n' ? 0 : -EIO;
		if (ret->ngroups == CKPT_GROUPS)
			return -E2BIG;
		ret->groups[ret->ngroups++] = (uint32_t)group;
	}
}

static const char *read_limit(const char *p, rlim_t *ret)
{
	char *end;

	while (*p == ' ')
		p++;
	*ret = RLIM_INFINITY;
	if (!strncmp(p, "unlimited", 9))
		return p + 9;
	*ret = strtoull(p, &end, 10);
	return end;
}

/* A line for each, in the order of their numbers, behind a headline. prlimit() would
 * want the process to be as whom we are. */
static int read_limits(pid_t pid, struct rlimit ret[RLIM_NLIMITS])
{
	char text[CKPT_PROC_SIZE], *p = text;

	if (ckpt_proc_read(pid, "limits", text, sizeof(text)) <= 0)
		return -ESRCH;
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		const char *at;

		p = strchr(p, '\n');
		if (!p || strlen(++p) < LIMIT_NAME)
			return -EIO;
		at = read_limit(p + LIMIT_NAME, &ret[i].rlim_cur);
		read_limit(at, &ret[i].rlim_max);
	}
	return 0;
}

int ckpt_rights_read(pid_t pid, struct ckpt_rights *ret)
{
	char text[CKPT_PROC_SIZE];
	struct sched_param param = { 0 };

	memset(ret, 0, sizeof(*ret));
	if (ckpt_proc_read(pid, "status", text, sizeof(text)) <= 0)
		return -ESRCH;
	if (!read_ids(text, "\nUid:", ret->uid) || !read_ids(text, "\nGid:", ret->gid))
		return -EIO;
	if (read_limits(pid, ret->limits))
		return -EIO;
	errno = 0;
	ret->nice = getpriority(PRIO_PROCESS, (id_t)pid);
	ret->policy = sched_getscheduler(pid);
	if (errno || ret->policy < 0 || sched_getparam(pid, &param) < 0)
		return -errno;
	ret->priority = param.sched_priority;
	return read_groups(text, ret);
}

static long call(struct ckpt_task *p, long nr, uint64_t a, uint64_t b, uint64_t c)
{
	long res = 0;
	int err = ckpt_inject(p, &res, nr, a, b, c, 0, 0, 0);

	return err ? err : res;
}

/* Who may change users may do so until the last of them is changed. */
static long become(struct ckpt_task *p, uint64_t at, const struct ckpt_rights *now,
		   const struct ckpt_rights *want)
{
	const uint32_t *u = want->uid, *g = want->gid;
	long res = 0;

	if (now->ngroups != want->ngroups ||
	    memcmp(now->groups, want->groups, want->ngroups * sizeof(*want->groups))) {
		if (ckpt_write(p, at, want->groups, sizeof(want->groups)))
			return -EFAULT;
		res = call(p, SYS_setgroups, want->ngroups, at, 0);
	}
	if (res >= 0 && memcmp(now->gid, g, sizeof(now->gid))) {
		res = call(p, SYS_setresgid, g[0], g[1], g[2]);
		if (res >= 0 && g[3] != g[1])
			res = call(p, SYS_setfsgid, g[3], 0, 0);
	}
	if (res >= 0 && memcmp(now->uid, u, sizeof(now->uid))) {
		res = call(p, SYS_setresuid, u[0], u[1], u[2]);
		if (res >= 0 && u[3] != u[1])
			res = call(p, SYS_setfsuid, u[3], 0, 0);
	}
	return res;
}

/* Each by a call of its own: what it might do itself it may do now. */
static long limit(struct ckpt_task *p, uint64_t at, const struct ckpt_rights *now,
		  const struct ckpt_rights *want)
{
	const struct sched_param param = { .sched_priority = want->priority };
	long res = 0;

	if (now->policy != want->policy || now->priority != want->priority) {
		if (ckpt_write(p, at, &param, sizeof(param)))
			return -EFAULT;
		res = call(p, SYS_sched_setscheduler, 0, (uint64_t)want->policy, at);
	}
	if (res >= 0 && now->nice != want->nice)
		res = call(p, SYS_setpriority, PRIO_PROCESS, 0, (uint64_t)want->nice);
	for (uint64_t i = 0; i < RLIM_NLIMITS && res >= 0; i++) {
		if (!memcmp(&now->limits[i], &want->limits[i], sizeof(now->limits[i])))
			continue;
		if (ckpt_write(p, at, &want->limits[i], sizeof(want->limits[i])))
			return -EFAULT;
		res = call(p, SYS_setrlimit, i, at, 0);
	}
	return res;
}

long ckpt_rights_give(struct ckpt_task *p, uint64_t at, const struct ckpt_rights *want)
{
	struct ckpt_rights now;
	long res = ckpt_rights_read(p->tgid, &now);

	if (res >= 0)
		res = limit(p, at, &now, want);
	return res < 0 ? res : become(p, at, &now, want);
}
