/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Checks the table of system calls against the kernel: a child makes many calls
 * with real arguments; its whole writable memory is compared before and after
 * each, and every byte that changed must be in a range the table gives. A call
 * is "seen writing" if it changed memory at all, so that the check has a meaning.
 *
 * The test of a group of calls is a function in groups[] of calls_groups.h. -v names the
 * calls with outputs that were not seen writing.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <asm/prctl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ckptcore/calls.h"

#define MARK 999999 /* the call that names the group that starts */
#define MAX_AREAS 512
#define MAX_AREA_SIZE (1 << 20)

#include "tests/unit/calls_groups.h"

/* The tracer's side. */

struct area {
	uint64_t start;
	uint64_t end;
	unsigned char *data;
};

/* The child's writable memory at one moment. */
struct memory {
	struct area area[MAX_AREAS];
	size_t n;
	unsigned char *pool;
	size_t size;
};

/* What was seen of a call, or of one of its cases. */
struct seen {
	long nr;
	const char *name;
	int checked;
	int wrote;
	bool declares;
};

static struct seen seen[2048];
static size_t n_seen;
static int mem_fd, failures, restarts;
static bool verbose;

static int read_child(void *ctx, uint64_t addr, void *to, size_t len)
{
	(void)ctx;
	return pread(mem_fd, to, len, addr) == (ssize_t)len ? 0 : -EFAULT;
}

static const struct ckpt_call_reader reader = { .read = read_child };

static void take(struct memory *m, pid_t pid)
{
	char path[64], line[512], perms[8];
	unsigned long start, end;
	size_t used = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "r");
	m->n = 0;
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx %7s", &start, &end, perms) != 3 || perms[1] != 'w')
			continue;
		if (end - start > MAX_AREA_SIZE) /* none of ours: the sanitizer's */
			continue;
		if (m->n == MAX_AREAS || used + end - start > m->size ||
		    pread(mem_fd, m->pool + used, end - start, start) != (ssize_t)(end - start)) {
			printf("not ok - can't read %s", line);
			exit(1);
		}
		m->area[m->n++] = (struct area){ start, end, m->pool + used };
		used += end - start;
	}
	if (f)
		fclose(f);
}

static bool in_ranges(uint64_t addr, const struct ckpt_range *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (addr >= r[i].addr && addr - r[i].addr < r[i].len)
			return true;
	}
	return false;
}

/* Counts the bytes that changed, and returns the address of one in no range, or 0. */
static uint64_t compare(const struct memory *a, const struct memory *b, const struct ckpt_range *r,
			size_t n, size_t *changed)
{
	uint64_t bad = 0;

	for (size_t i = 0; i < a->n; i++) {
		for (size_t k = 0; k < b->n; k++) {
			const struct area *x = &a->area[i], *y = &b->area[k];
			uint64_t from = x->start > y->start ? x->start : y->start;
			uint64_t to = x->end < y->end ? x->end : y->end;

			if (from >= to || !memcmp(x->data + (from - x->start),
						  y->data + (from - y->start), to - from))
				continue;
			for (uint64_t p = from; p < to; p++) {
				if (x->data[p - x->start] == y->data[p - y->start])
					continue;
				++*changed;
				if (!bad && !in_ranges(p, r, n))
					bad = p;
			}
		}
	}
	return bad;
}

static bool writable(const struct memory *m, const struct ckpt_range *r)
{
	for (size_t i = 0; i < m->n; i++) {
		if (r->addr >= m->area[i].start && r->addr + r->len <= m->area[i].end)
			return true;
	}
	return false;
}

static void count(const struct ckpt_call *c, const uint64_t args[6], size_t n, size_t changed)
{
	const char *name = ckpt_call_case(c, args);
	struct seen *s;

	for (s = seen; s < seen + n_seen; s++) {
		if (s->nr == c->nr && s->name == name)
			break;
	}
	if (s == seen + n_seen)
		seen[n_seen++] = (struct seen){ .nr = c->nr, .name = name };
	s->checked++;
	s->wrote += changed > 0;
	s->declares |= n > 0;
}

static void fail(const struct ckpt_call *c, const uint64_t args[6], int64_t result,
		 const char *what, uint64_t addr, uint64_t len)
{
	const char *name = ckpt_call_case(c, args);

	failures++;
	printf("# %s %s(%#lx, %#lx, %#lx, %#lx, %#lx, %#lx) = %ld: %s %#lx+%#lx (buf%+ld)\n",
	       c->name, name ? name : "", args[0], args[1], args[2], args[3], args[4], args[5],
	       result, what, addr, len, (long)(addr - (uint64_t)buf));
}

/* Has this call shaped the memory, so that a comparison says nothing? */
static bool shapes_memory(long nr)
{
	return nr == SYS_brk || nr == SYS_mmap || nr == SYS_munmap || nr == SYS_mremap ||
	       nr == SYS_madvise;
}

/* At the exit of a call: compares what the table says with what happened. */
static void check(const struct ckpt_call *c, const uint64_t args[6], int64_t result,
		  const struct ckpt_call_entry *entry, const struct memory *before,
		  const struct memory *after)
{
	static struct ckpt_range ranges[CKPT_CALL_MAX_RANGES];
	enum ckpt_call_class class = ckpt_call_class(c, args);
	size_t n = 0, changed = 0, declared = 0;
	uint64_t bad;
	int err;

	if ((class != CKPT_CALL_ANSWER && class != CKPT_CALL_REDO) || shapes_memory(c->nr))
		return;
	err = ckpt_call_outputs(c, args, result, &reader, entry, ranges, CKPT_CALL_MAX_RANGES, &n);
	if (err) {
		if (err != -EOPNOTSUPP || result != -EFAULT)
			fail(c, args, result, "outputs failed", -err, 0);
		return;
	}
	bad = compare(before, after, ranges, n, &changed);
	if (bad)
		fail(c, args, result, "undeclared write at", bad, 1);
	for (size_t i = 0; i < n; i++) {
		declared += ranges[i].len;
		if (result >= 0 && !writable(after, &ranges[i]))
			fail(c, args, result, "not writable", ranges[i].addr, ranges[i].len);
	}
	if (declared > changed + 65536)
		fail(c, args, result, "absurdly much declared", 0, declared);
	if (verbose && result >= 0 && declared > 2 * changed + 64)
		printf("# %s %s: %zu bytes declared, %zu changed\n", c->name,
		       ckpt_call_case(c, args) ?: "", declared, changed);
	count(c, args, n, changed);
}

static void trace(pid_t pid)
{
	static struct ckpt_call_entry entry;
	static struct memory before, after;
	const struct ckpt_call *c = NULL;
	char name[64] = "";
	uint64_t args[6] = { 0 };
	int status, sig = 0, failed_before = 0;
	bool inside = false;

	before.size = after.size = 64 << 20;
	before.pool = malloc(before.size);
	after.pool = malloc(after.size);
	waitpid(pid, &status, 0);
	ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	for (;;) {
		struct user_regs_struct regs;

		ptrace(PTRACE_SYSCALL, pid, NULL, (long)sig);
		waitpid(pid, &status, 0);
		if (!WIFSTOPPED(status))
			break;
		sig = WSTOPSIG(status);
		if (sig != (SIGTRAP | 0x80)) {
			if (sig == SIGUSR2) /* so that the call is restarted */
				sig = 0;
			continue;
		}
		sig = 0;
		ptrace(PTRACE_GETREGS, pid, NULL, &regs);
		inside = !inside;
		if (inside && regs.orig_rax == MARK) {
			if (*name)
				printf("%sok - %s\n", failures > failed_before ? "not " : "", name);
			failed_before = failures;
			*name = '\0';
			if (regs.rdi)
				read_child(NULL, regs.rdi, name, sizeof(name) - 1);
			c = NULL;
		} else if (inside) {
			const struct ckpt_call *now = ckpt_call_find(regs.orig_rax);
			uint64_t a[6] = { regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9 };

			take(&before, pid);
			if (ckpt_call_class(now, a) == CKPT_CALL_RESTART) {
				restarts++;
				continue; /* goes on with the call, args, and entry of before */
			}
			c = now;
			memcpy(args, a, sizeof(args));
			ckpt_call_enter(c, args, &reader, &entry);
			read_child(NULL, (uint64_t)&direct, &entry.direct, sizeof(entry.direct));
		} else if (c) {
			take(&after, pid);
			check(c, args, regs.rax, &entry, &before, &after);
		}
	}
	if (!WIFEXITED(status) || *name) {
		printf("not ok - child ended with %#x in group '%s'\n", status, name);
		failures++;
	}
}

/* The class by arguments; what is unknown must be a barrier. */
static void check_classes(void)
{
	static const struct {
		long nr;
		uint64_t args[6];
		enum ckpt_call_class class;
	} t[] = {
		{ SYS_read, { 0 }, CKPT_CALL_ANSWER },
		{ 500, { 0 }, CKPT_CALL_BARRIER },
		{ -1, { 0 }, CKPT_CALL_BARRIER },
		{ 1L << 40, { 0 }, CKPT_CALL_BARRIER },
		{ 0x40000000, { 0 }, CKPT_CALL_BARRIER }, /* x32 */
		{ SYS_ioctl, { 0, TCGETS }, CKPT_CALL_ANSWER },
		{ SYS_ioctl, { 0, TCGETS | 7L << 32 }, CKPT_CALL_ANSWER },
		{ SYS_ioctl, { 0, 0x80087777 }, CKPT_CALL_BARRIER },
		{ SYS_fcntl, { 0, 4711 }, CKPT_CALL_BARRIER },
		{ SYS_ioctl, { 0, 0x81004506 }, CKPT_CALL_ANSWER }, /* EVIOCGNAME(256) */
		{ SYS_ioctl, { 0, 0x40004506 }, CKPT_CALL_BARRIER },
		{ SYS_prctl, { 4711 }, CKPT_CALL_BARRIER },
		{ SYS_prctl, { 59 }, CKPT_CALL_REFUSE },
		{ SYS_futex, { 0, FUTEX_WAIT_PRIVATE }, CKPT_CALL_ANSWER },
		{ SYS_futex, { 0, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME }, CKPT_CALL_ANSWER },
		{ SYS_futex, { 0, FUTEX_LOCK_PI_PRIVATE }, CKPT_CALL_ANSWER },
		{ SYS_mmap, { 0, 1, 3, MAP_PRIVATE | MAP_FIXED }, CKPT_CALL_MMAP },
		{ SYS_mmap, { 0, 1, 3, MAP_SHARED | MAP_ANONYMOUS }, CKPT_CALL_MMAP },
		{ SYS_mmap, { 0, 1, 3, MAP_SHARED, 5 }, CKPT_CALL_BARRIER },
		{ SYS_mmap, { 0, 1, 3, 0x28 }, CKPT_CALL_REFUSE },
		{ SYS_madvise, { 0, 1, MADV_DONTNEED }, CKPT_CALL_REDO },
		{ SYS_madvise, { 0, 1, MADV_FREE }, CKPT_CALL_REFUSE },
		{ SYS_madvise, { 0, 1, MADV_REMOVE }, CKPT_CALL_ANSWER },
		{ SYS_getsockopt, { 0, 6, 35 }, CKPT_CALL_BARRIER },
		{ SYS_getsockopt, { 0, 6, 11 }, CKPT_CALL_ANSWER },
		{ SYS_getsockopt, { 0, 77, 11 }, CKPT_CALL_BARRIER },
		{ 334, { 0 }, CKPT_CALL_REFUSE },
		{ SYS_clone, { 0 }, CKPT_CALL_FORK },
		{ SYS_execve, { 0 }, CKPT_CALL_EXEC },
		{ SYS_exit_group, { 0 }, CKPT_CALL_EXIT },
		{ SYS_rt_sigreturn, { 0 }, CKPT_CALL_SIGRETURN },
	};
	static const uint64_t none[6];
	bool good = !strcmp(ckpt_call_name(SYS_openat), "openat") &&
		    !strcmp(ckpt_call_name(500), "?") &&
		    ckpt_call_refusal(ckpt_call_find(334), none) == ENOSYS &&
		    (ckpt_call_flags(ckpt_call_find(SYS_read), none) & CKPT_CALL_BLOCKS) &&
		    ckpt_call_fd_args(ckpt_call_find(SYS_dup2), none) == 3 &&
		    ckpt_call_path_args(ckpt_call_find(SYS_openat), none) == 2;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		enum ckpt_call_class class = ckpt_call_class(ckpt_call_find(t[i].nr), t[i].args);

		if (class != t[i].class)
			printf("# %s %#lx: %s\n", ckpt_call_name(t[i].nr), t[i].args[1],
			       ckpt_call_class_name(class));
		good &= class == t[i].class;
	}
	printf("%sok - classes\n", good ? "" : "not ");
	failures += !good;
}

/* Every call that the kernel's header has must be in the table, by its name. */
static void check_header(void)
{
	static const char *const paths[] = { "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
					     "/usr/include/asm/unistd_64.h" };
	char line[256], name[64];
	int n = 0, bad = 0;
	FILE *f = NULL;
	long nr;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]) && !f; i++)
		f = fopen(paths[i], "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "#define __NR_%63s %ld", name, &nr) != 2)
			continue;
		n++;
		if (strcmp(ckpt_call_name(nr), name)) {
			bad++;
			printf("# %ld %s: not in ckptcore/calls.tbl\n", nr, name);
		}
	}
	if (f)
		fclose(f);
	printf("%sok - %d calls of asm/unistd_64.h\n", bad || !n ? "not " : "", n);
	failures += bad || !n;
}

/* A kernel newer than the table has calls behind its end: all others are ENOSYS. */
static void check_kernel(void)
{
	long bad = 0;

	for (long nr = (long)ckpt_n_calls; nr < (long)ckpt_n_calls + 64; nr++) {
		if (syscall(nr, -1L, -1L, -1L, -1L, -1L, -1L) == -1 && errno == ENOSYS)
			continue;
		bad++;
		printf("# the kernel has a call %ld that is not in ckptcore/calls.tbl\n", nr);
	}
	printf("%sok - the kernel's newest call\n", bad ? "not " : "");
	failures += bad > 0;
}

int main(int argc, char **argv)
{
	int checked = 0, wrote = 0, kinds = 0;
	char path[128];
	pid_t pid;

	verbose = argc > 1 && !strcmp(argv[1], "-v");
	setvbuf(stdout, NULL, _IOLBF, 0);
	check_classes();
	check_header();
	check_kernel();
	if (!mkdtemp(dir) || chdir(dir))
		return 1;
	pid = fork();
	if (pid == 0)
		child();
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem_fd = open(path, O_RDONLY | O_CLOEXEC);
	trace(pid);
	for (struct seen *s = seen; s < seen + n_seen; s++) {
		checked += s->checked;
		wrote += s->wrote;
		kinds += s->wrote > 0;
		if (verbose && s->declares && !s->wrote)
			printf("# not seen writing: %s %s\n", ckpt_call_name(s->nr), s->name ?: "");
	}
	printf("# %d calls of %zu kinds checked; %d of %d kinds seen writing\n", checked, n_seen,
	       wrote, kinds);
	if (!restarts) {
		printf("not ok - no call was restarted\n");
		failures++;
	}
	snprintf(path, sizeof(path), "rm -rf %s", dir);
	if (chdir("/") || system(path))
		return 1;
	return failures != 0;
}
