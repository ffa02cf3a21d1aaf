/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A library for the inside of gdb; core.py loads it. It answers those of gdb's
 * calls of ptrace and waitpid whose results fred has laid down here (see
 * ptrace-plugin/facts.h), and keeps what it writes of breakpoints; all others are
 * made as before. gdb's calls come here because its table of imported functions
 * is changed; what else is in the process keeps its own. Without this library
 * everything works, but slower.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "ptrace-plugin/facts.h"

struct vpt_facts *fred_facts_start(void);
const size_t fred_facts_size = sizeof(struct vpt_facts);

/* Written by fred, while we stand in a call. */
static struct vpt_facts facts;

static bool told(long tid)
{
	return *(volatile uint64_t *)&facts.valid && facts.tid == tid;
}

static bool user_word(unsigned long at, long *ret)
{
	if (at == offsetof(struct user, u_debugreg[6]))
		*ret = (long)facts.dr6;
	else if (at <= sizeof(facts.regs) - 8 && at % 8 == 0)
		memcpy(ret, (char *)&facts.regs + at, 8);
	else
		return false;
	return true;
}

/* A stop came while gdb resumed its thread. fred has sent no signal for it: gdb
 * would be stopped once more, by that. */
static void announce(void)
{
	struct sigaction sa;
	sigset_t chld, old;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	if (pthread_sigmask(SIG_BLOCK, &chld, &old) || sigaction(SIGCHLD, NULL, &sa))
		return;
	if (sigismember(&old, SIGCHLD) || sa.sa_flags & SA_SIGINFO)
		raise(SIGCHLD); /* gdb itself says when it may come */
	else if (sa.sa_handler != SIG_DFL && sa.sa_handler != SIG_IGN)
		sa.sa_handler(SIGCHLD);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static bool resumes(int request)
{
	return request == PTRACE_CONT || request == PTRACE_SINGLESTEP || request == PTRACE_SYSCALL;
}

static long our_ptrace(long request, long tid, unsigned long addr, void *data)
{
	long word;

	if (told((pid_t)tid)) {
		switch ((int)request) {
		case PTRACE_GETREGS:
			memcpy(data, &facts.regs, sizeof(facts.regs));
			return 0;
		case PTRACE_GETSIGINFO:
			memcpy(data, &facts.siginfo, sizeof(facts.siginfo));
			return 0;
		case PTRACE_PEEKUSER:
			if (!user_word(addr, &word))
				break;
			errno = 0;
			return word;
		}
	}
	word = ptrace((int)request, (pid_t)tid, addr, data);
	if (resumes((int)request) && told(facts.tid) && facts.event)
		announce();
	return word;
}

static pid_t our_waitpid(pid_t pid, int *status, int options)
{
	bool any = pid == -1 && options & __WALL;

	if (told(facts.tid) && facts.event && (any || pid == facts.tid)) {
		if (status)
			*status = facts.event;
		facts.event = 0;
		return facts.tid;
	}
	if (told(facts.tid) && facts.quiet && !facts.event && any && options & WNOHANG)
		return 0;
	return waitpid(pid, status, options);
}

/* Reads what memory has, but for breakpoints that are written here only. Of a program that may run
 * fred has to know before: by a write, of nothing. */
static ssize_t our_pread(int fd, void *buf, size_t len, off_t at)
{
	bool stands = told(facts.tid), memory = fd > 0 && fd == facts.memory;
	ssize_t n;

	if (memory && !stands && pwrite(fd, buf, 0, at))
		errno = 0; /* the read says what is wrong */
	n = pread(fd, buf, len, at);
	if (!memory || !stands)
		return n;
	for (int i = 0; i < facts.nsites; i++) {
		uint64_t offset = facts.site[i] - (uint64_t)at;

		if (n > 0 && offset < (uint64_t)n)
			((uint8_t *)buf)[offset] = facts.wanted[i];
	}
	return n;
}

static ssize_t our_pwrite(int fd, const void *buf, size_t len, off_t at)
{
	for (int i = 0; len == 1 && told(facts.tid) && fd == facts.memory && i < facts.nsites; i++)
		if (facts.site[i] == (uint64_t)at) {
			facts.wanted[i] = *(const uint8_t *)buf;
			return 1;
		}
	return pwrite(fd, buf, len, at);
}

/* Of the program's mappings gdb sees its own only: fred hears of opens to write. */
static int our_open(const char *path, int flags, ...)
{
	const char *name = strrchr(path, '/');
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (name && !strncmp(path, "/proc/", 6) &&
	    (!strcmp(name, "/maps") || !strcmp(name, "/smaps")))
		flags |= O_ACCMODE;
	return open(path, flags, mode);
}

/* Whether path is /proc/PROCESS/task/TID/stat of the thread. */
static bool is_its_stat(const char *path)
{
	int process, tid, len = 0;

	return sscanf(path, "/proc/%d/task/%d/stat%n", &process, &tid, &len) == 2 && len &&
	       !path[len] && tid == facts.tid;
}

/*
 * gdb wants to know at each stop which core the thread runs on. Where a copy plays that, the
 * file is made by fred, with many calls, and says nothing new.
 */
static FILE *our_fopen(const char *path, const char *mode)
{
	static char text[1024];
	static size_t len;
	static int32_t tid;
	FILE *f;

	if (!told(facts.tid) || !facts.copy || *mode != 'r' || !is_its_stat(path))
		return fopen64(path, mode);
	if (tid != facts.tid) {
		f = fopen64(path, mode);
		if (!f)
			return NULL;
		len = fread(text, 1, sizeof(text), f);
		fclose(f);
		tid = len && len < sizeof(text) ? facts.tid : 0;
		if (!tid)
			return fopen64(path, mode);
	}
	return fmemopen(text, len, "r");
}

static const struct {
	const char *name;
	void *function;
} ours[] = {
	{ "ptrace", our_ptrace },   { "waitpid", our_waitpid }, { "pread64", our_pread },
	{ "pwrite64", our_pwrite }, { "pread", our_pread },	{ "pwrite", our_pwrite },
	{ "open", our_open },	    { "fopen", our_fopen },	{ "fopen64", our_fopen },
};

/* What the program's dynamic section says. */
struct image {
	uintptr_t base, relro, relro_end;
	const ElfW(Sym) * symbols;
	const char *strings;
	const ElfW(Rela) * relocs[2]; /* of calls, and the others */
	size_t n[2];
};

static void read_dynamic(struct image *im, const ElfW(Dyn) * d)
{
	for (; d->d_tag != DT_NULL; d++) {
		switch (d->d_tag) {
		case DT_SYMTAB:
			im->symbols = (const void *)d->d_un.d_ptr;
			break;
		case DT_STRTAB:
			im->strings = (const void *)d->d_un.d_ptr;
			break;
		case DT_JMPREL:
			im->relocs[0] = (const void *)d->d_un.d_ptr;
			break;
		case DT_PLTRELSZ:
			im->n[0] = d->d_un.d_val / sizeof(ElfW(Rela));
			break;
		case DT_RELA:
			im->relocs[1] = (const void *)d->d_un.d_ptr;
			break;
		case DT_RELASZ:
			im->n[1] = d->d_un.d_val / sizeof(ElfW(Rela));
			break;
		}
	}
}

/* The first image is the program itself. */
static int read_image(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct image *im = arg;

	(void)size;
	im->base = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_DYNAMIC)
			read_dynamic(im, (const void *)(im->base + p->p_vaddr));
		if (p->p_type == PT_GNU_RELRO) {
			im->relro = im->base + p->p_vaddr;
			im->relro_end = im->relro + p->p_memsz;
		}
	}
	return 1;
}

static bool set_slot(const struct image *im, uintptr_t slot, void *function)
{
	uintptr_t page = (uintptr_t)getpagesize(), first = slot & ~(page - 1);
	bool constant = slot >= im->relro && slot < im->relro_end;

	if (constant && mprotect((void *)first, page, PROT_READ | PROT_WRITE))
		return false;
	*(void **)slot = function;
	if (constant)
		mprotect((void *)first, page, PROT_READ);
	return true;
}

/* Where fred is to lay the facts down; NULL: gdb can't be made to read them. */
struct vpt_facts *fred_facts_start(void)
{
	struct image im = { 0 };
	bool found = false;

	dl_iterate_phdr(read_image, &im);
	if (!im.symbols || !im.strings)
		return NULL;
	for (size_t k = 0; k < 2; k++)
		for (size_t i = 0; im.relocs[k] && i < im.n[k]; i++) {
			const ElfW(Rela) *r = &im.relocs[k][i];
			const char *name = im.strings + im.symbols[ELF64_R_SYM(r->r_info)].st_name;

			if (ELF64_R_TYPE(r->r_info) != R_X86_64_JUMP_SLOT &&
			    ELF64_R_TYPE(r->r_info) != R_X86_64_GLOB_DAT)
				continue;
			for (size_t o = 0; o < sizeof(ours) / sizeof(*ours); o++)
				if (!strcmp(name, ours[o].name))
					found |= set_slot(&im, im.base + r->r_offset,
							  ours[o].function);
		}
	return found ? &facts : NULL;
}
