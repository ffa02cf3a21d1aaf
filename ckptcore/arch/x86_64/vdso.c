/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Every process on a machine has the same vdso, so our own copy tells where its
 * functions lie. They are overwritten in the task's memory (private copies of
 * the pages result), which is right for static, Go and attached programs too.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/auxv.h>
#include <sys/syscall.h>

#include "ckptcore/arch/x86_64/clock_code.h"
#include "ckptcore/arch/x86_64/quick_code.h"
#include "ckptcore/arch/x86_64/vdso.h"
#include "ckptcore/clock.h"

#define INJECT_OFFSET 16 /* in __vdso_getcpu's room: syscall; int3 */
#define CLOCK_OFFSET 10	 /* in __vdso_clock_gettime's, behind the jump there */
#define NEAR_OFFSET 16	 /* in __vdso_gettimeofday's */
#define CLOCK_FUNCTION "__vdso_clock_gettime"

static const struct {
	const char *name;
	int nr; /* -1: fails with ENOSYS, callers fall back */
	bool reads_clock;
} functions[] = {
	{ CLOCK_FUNCTION, SYS_clock_gettime, true },
	{ "__vdso_gettimeofday", SYS_gettimeofday, true },
	{ "__vdso_clock_getres", SYS_clock_getres, false },
	{ "__vdso_time", SYS_time, true },
	{ "__vdso_getcpu", SYS_getcpu, false },
	{ "__vdso_getrandom", -1, false },
};

/* Offset of a dynamic symbol from the start of our own vdso; 0: none. *size: its. */
static uint64_t symbol_offset(const char *name, size_t *size)
{
	const char *base = (const char *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)base;
	const Elf64_Sym *sym = NULL;
	const char *str = NULL;
	size_t n = 0;

	if (!base)
		return 0;
	for (int i = 0; i < eh->e_shnum; i++) {
		const Elf64_Shdr *sh = (const Elf64_Shdr *)(base + eh->e_shoff) + i;

		if (sh->sh_type == SHT_DYNSYM) {
			const Elf64_Shdr *link =
				(const Elf64_Shdr *)(base + eh->e_shoff) + sh->sh_link;

			sym = (const Elf64_Sym *)(base + sh->sh_offset);
			n = sh->sh_size / sizeof(*sym);
			str = base + link->sh_offset;
		}
	}
	for (size_t i = 0; i < n; i++)
		if (!strcmp(str + sym[i].st_name, name)) {
			*size = sym[i].st_size;
			return sym[i].st_value;
		}
	return 0;
}

/* A thread's number, not its process's: a dead leader has no memory. */
static uint64_t vdso_base(pid_t tid)
{
	Elf64_auxv_t aux[64];
	char path[32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/auxv", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, aux, sizeof(aux));
	close(fd);
	for (ssize_t i = 0; i < n / (ssize_t)sizeof(*aux); i++)
		if (aux[i].a_type == AT_SYSINFO_EHDR)
			return aux[i].a_un.a_val;
	return 0;
}

int ckpt_vdso_find(struct ckpt_task *t)
{
	uint64_t base = vdso_base(t->tid);
	static uint8_t code[8192];

	if (!base || ckpt_read(t, base, code, sizeof(code)) < 0)
		return -ENOENT;
	t->syscall_ip = 0;
	for (size_t i = 0; i + 3 < sizeof(code); i++) {
		if (code[i] != 0x0f || code[i + 1] != 0x05)
			continue;
		if (!t->syscall_ip || code[i + 2] == 0xcc) {
			t->syscall_ip = base + i;
			t->int3_after = code[i + 2] == 0xcc;
		}
		if (t->int3_after)
			break;
	}
	return t->syscall_ip ? 0 : -ENOENT;
}

uint64_t ckpt_vdso_zero(const struct ckpt_task *t)
{
	uint64_t base = vdso_base(t->tid);

	return base ? base + EI_PAD : 0;
}

int ckpt_vdso_clock(struct ckpt_task *t, bool on)
{
	static const uint8_t call[] = { 0x0f, 0x05, 0xc3 }; /* syscall; ret */
	const size_t len = (size_t)(ckpt_clock_code_end - ckpt_clock_code);
	const uint64_t ring = CKPT_RING;
	uint8_t code[len];

	if (!on)
		return ckpt_write(t, t->clock_code, call, sizeof(call));
	memcpy(code, ckpt_clock_code, len);
	memcpy(code + CKPT_CLOCK_CODE_RING, &ring, sizeof(ring));
	return ckpt_write(t, t->clock_code, code, len);
}

/* Whether its function has room for the code. */
static uint64_t clock_place(uint64_t base)
{
	size_t size, needed = CLOCK_OFFSET + (size_t)(ckpt_clock_code_end - ckpt_clock_code);
	uint64_t at = symbol_offset(CLOCK_FUNCTION, &size);

	return at && size >= needed ? base + at + CLOCK_OFFSET : 0;
}

/* Of its gettimeofday no more than a jump is left. */
static uint64_t near_place(uint64_t base)
{
	size_t size;
	uint64_t at = symbol_offset("__vdso_gettimeofday", &size);

	return at && size >= NEAR_OFFSET + CKPT_QUICK_SITES * CKPT_QUICK_JUMP ?
		       base + at + NEAR_OFFSET :
		       0;
}

int ckpt_vdso_patch(struct ckpt_task *t, bool clock)
{
	uint64_t base = vdso_base(t->tid);
	size_t size;
	int err;

	if (!base)
		return -ENOENT;
	t->clock_code = clock ? clock_place(base) : 0;
	t->near_code = t->clock_code ? near_place(base) : 0;
	if (t->clock_code && (err = ckpt_vdso_clock(t, false)))
		return err;
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		uint64_t at = symbol_offset(functions[i].name, &size);
		int32_t value = functions[i].nr < 0 ? -ENOSYS : functions[i].nr;
		int32_t jump = (int32_t)(t->clock_code - (base + at + 10));
		uint8_t code[10] = { 0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0xc3, 0xcc, 0xcc };

		if (!at)
			continue;
		memcpy(code + 1, &value, 4);
		if (functions[i].nr < 0)
			memset(code + 5, 0xc3, 3);
		if (functions[i].reads_clock && t->clock_code) {
			code[5] = 0xe9;
			memcpy(code + 6, &jump, 4);
		}
		err = ckpt_write(t, base + at, code, sizeof(code));
		if (err)
			return err;
		if (functions[i].nr == SYS_getcpu) {
			err = ckpt_write(t, base + at + INJECT_OFFSET, "\x0f\x05\xcc", 3);
			if (err)
				return err;
			t->syscall_ip = base + at + INJECT_OFFSET;
			t->int3_after = true;
		}
	}
	return 0;
}
