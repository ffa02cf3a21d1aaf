/*
 * The table of system calls: what a replayed copy ("puppet") has to do instead
 * of a call, and which memory of the program the kernel writes in it.
 *
 * The table itself is calls.tbl; gen-calls.py makes calls.gen.c of it, which
 * is read by the functions here.  A recorder uses them in this order:
 *
 *	call = ckpt_call_find(nr);		NULL is a barrier, too
 *	class = ckpt_call_class(call, args);	at entry
 *	ckpt_call_enter(call, args, &reader, &entry);
 *	... the kernel executes the call ...
 *	ckpt_call_outputs(call, args, result, &reader, &entry, ranges, ...);
 *
 * and saves the contents of the ranges.  args are the six argument registers
 * rdi, rsi, rdx, r10, r8, r9 at entry; result is rax at the exit stop, where
 * an interrupted call still shows the kernel's internal -512 to -516.
 *
 * Only the 64-bit entry is described: a call by int $0x80 has the numbers of
 * i386 and must be taken for a barrier without asking.
 */
#ifndef CKPT_CALLS_H
#define CKPT_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What becomes of a call, in the live program and in a puppet. */
enum ckpt_call_class {
	/** Effects can't be described: snapshot after the call. */
	CKPT_CALL_BARRIER,
	/** Result and outputs are recorded, and given back in the puppet. */
	CKPT_CALL_ANSWER,
	/** Executed again in the puppet, which it shapes (if it succeeded live). */
	CKPT_CALL_REDO,
	/** mmap of private or anonymous memory: address and descriptor need care. */
	CKPT_CALL_MMAP,
	/** Never executed, also not live: fails with ckpt_call_refusal(). */
	CKPT_CALL_REFUSE,
	/** fork, vfork, clone, clone3. */
	CKPT_CALL_FORK,
	/** execve, execveat. */
	CKPT_CALL_EXEC,
	/** exit, exit_group. */
	CKPT_CALL_EXIT,
	/** rt_sigreturn: registers and mask come from the frame. */
	CKPT_CALL_SIGRETURN,
	/**
	 * restart_syscall: the thread's interrupted call goes on. The caller
	 * uses the call, args and entry of that one for the outputs.
	 */
	CKPT_CALL_RESTART,
};

/** Properties of a call, see ckpt_call_flags(). */
enum ckpt_call_flag {
	/** May sleep. */
	CKPT_CALL_BLOCKS = 1 << 0,
	/** The result, if not negative, is a new descriptor. */
	CKPT_CALL_NEWFD = 1 << 1,
	/** Waits with another signal mask: it holds for a handler that ends the wait. */
	CKPT_CALL_SIGMASK = 1 << 2,
	/** Other threads may see outputs while the call still sleeps. */
	CKPT_CALL_EARLY = 1 << 3,
};

/** A range of the program's memory. */
struct ckpt_range {
	uint64_t addr;
	/** In bytes. */
	uint64_t len;
};

/** How the functions here read the program's memory. */
struct ckpt_call_reader {
	/** Fills buf with len bytes from addr; 0, or a negative errno if any can't be read. */
	int (*read)(void *ctx, uint64_t addr, void *buf, size_t len);
	void *ctx;
};

/** Outputs of one call at most. */
#define CKPT_CALL_MAX_OUTS 6
/** Buffers of one call that can be remembered: UIO_MAXIOV, and some for a msghdr. */
#define CKPT_CALL_MAX_VEC 1032
/** Ranges that ckpt_call_outputs() can return for one call. */
#define CKPT_CALL_MAX_RANGES (CKPT_CALL_MAX_VEC + 2 * CKPT_CALL_MAX_OUTS)

/**
 * What has to be known from before a call: filled by ckpt_call_enter(), one
 * per thread. No pointers, may be copied. 16 KiB, of which a call without a
 * list of buffers touches the first 128 bytes only.
 */
struct ckpt_call_entry {
	/**
	 * Set by the caller, after ckpt_call_enter(), if the descriptor was opened
	 * with O_DIRECT: such a read also writes its buffer behind the result
	 * (the rest of the file's last block), and even if it fails.
	 */
	bool direct;
	/** A list of buffers could not be read or has not all been remembered. */
	bool cut;
	/** Bit i: word[i] could be read. */
	uint16_t have;
	uint32_t n_vec;
	uint64_t word[2 * CKPT_CALL_MAX_OUTS];
	struct ckpt_range vec[CKPT_CALL_MAX_VEC];
};

struct ckpt_call;

/**
 * Finds a system call by its number (x86-64).
 * Returns NULL if the table doesn't have it: to be treated as a barrier, which
 * all functions here do when call is NULL.
 */
const struct ckpt_call *ckpt_call_find(long nr);

/** Name of a system call, e.g. "openat"; "?" if the table doesn't have it. */
const char *ckpt_call_name(long nr);

/**
 * Name of the case of a call whose class depends on its arguments, e.g.
 * "TCGETS" for an ioctl; NULL if the call has no cases.
 */
const char *ckpt_call_case(const struct ckpt_call *call, const uint64_t args[6]);

/** Class of a call with these arguments. */
enum ckpt_call_class ckpt_call_class(const struct ckpt_call *call, const uint64_t args[6]);

/** Name of a class, e.g. "answer". */
const char *ckpt_call_class_name(enum ckpt_call_class class);

/** The (positive) errno a call of class REFUSE fails with, 0 for others. */
int ckpt_call_refusal(const struct ckpt_call *call, const uint64_t args[6]);

/** Properties of a call with these arguments: enum ckpt_call_flag, or'ed. */
unsigned int ckpt_call_flags(const struct ckpt_call *call, const uint64_t args[6]);

/**
 * Bit i is set if argument i is a descriptor.
 * AT_FDCWD and -1 (mmap) are possible values of such an argument.
 */
unsigned int ckpt_call_fd_args(const struct ckpt_call *call, const uint64_t args[6]);

/** Bit i is set if argument i is a path, which may be null. */
unsigned int ckpt_call_path_args(const struct ckpt_call *call, const uint64_t args[6]);

/**
 * Remembers what ckpt_call_outputs() needs from before the call (lengths and
 * lists of buffers, which the call itself may change). To be called at every
 * entry of a call, whatever its class.
 * What can't be read is no error here, since the call will fail as well.
 */
void ckpt_call_enter(const struct ckpt_call *call, const uint64_t args[6],
		     const struct ckpt_call_reader *reader, struct ckpt_call_entry *ret);

/**
 * Tells which memory the kernel wrote in a call.
 * @args: as at entry
 * @result: rax at exit
 * @entry: of ckpt_call_enter()
 * @out: room for max ranges; CKPT_CALL_MAX_RANGES are always enough
 * @ret_n: how many there are
 *
 * The ranges aren't sorted, may overlap, and may contain more than was
 * written. Of a successful call all of it is normally mapped, but the program
 * may have told the kernel a length greater than its buffer: then the
 * readable first part of a range is enough, as the kernel stops there, too.
 *
 * Returns 0; -EOPNOTSUPP if the outputs are unknown and the call must be
 * treated as a barrier (always so for that class, and for a call that failed
 * with EFAULT half-way through its outputs); -ENOSPC if max is too small.
 */
__attribute__((warn_unused_result)) int
ckpt_call_outputs(const struct ckpt_call *call, const uint64_t args[6], int64_t result,
		  const struct ckpt_call_reader *reader, const struct ckpt_call_entry *entry,
		  struct ckpt_range *out, size_t max, size_t *ret_n);

/*
 * What follows is for calls.c and the generated table only.
 */

enum ckpt_call_out_kind {
	CKPT_CALL_OUT_OUT,	/* len bytes at arg */
	CKPT_CALL_OUT_PTR,	/* len bytes at the address at arg + off */
	CKPT_CALL_OUT_SOCKADDR, /* address at arg, its length (int) at arg2 */
	CKPT_CALL_OUT_IOV,	/* len bytes in the buffers of the iovec at arg; arg2 of them */
	CKPT_CALL_OUT_MSGHDR,	/* the msghdr at arg */
	CKPT_CALL_OUT_MMSG,	/* as many mmsghdr at arg as the result says */
};

enum ckpt_call_when {
	CKPT_CALL_WHEN_OK,   /* result >= 0 */
	CKPT_CALL_WHEN_POS,  /* result > 0 */
	CKPT_CALL_WHEN_INTR, /* ok, or a signal ended it */
	CKPT_CALL_WHEN_ANY,
};

enum ckpt_call_len_kind {
	CKPT_CALL_LEN_NONE,
	CKPT_CALL_LEN_CONST,
	CKPT_CALL_LEN_RESULT,
	CKPT_CALL_LEN_ARG,
	CKPT_CALL_LEN_WORD,	/* low 32 bits of an argument */
	CKPT_CALL_LEN_U32,	/* 32 bits in memory at an argument + off, at entry */
	CKPT_CALL_LEN_BITS,	/* bytes of a bitmap of so many bits, in words of 8 */
	CKPT_CALL_LEN_PAGES,	/* pages of so many bytes */
	CKPT_CALL_LEN_DATA,	/* result, or the argument if direct */
	CKPT_CALL_LEN_DATA_ALL, /* result, or all buffers if direct */
};

struct ckpt_call_len {
	/* The lesser one of the two, times mul, plus add. */
	struct {
		uint8_t kind;
		uint8_t off;
		uint16_t value; /* constant or argument */
	} src[2];
	uint16_t mul;
	uint16_t add;
};

struct ckpt_call_out {
	uint8_t kind;
	uint8_t when;
	uint8_t arg;
	uint8_t arg2;
	uint16_t off;
	struct ckpt_call_len len;
};

struct ckpt_call_form {
	const char *name;
	/* It is this form if (key & mask) == value. */
	uint64_t value;
	uint64_t mask;
	uint8_t class;
	uint8_t refusal;
	uint8_t flags;
	uint8_t fd_args;
	uint8_t path_args;
	uint8_t n_outs;
	const struct ckpt_call_out *outs;
};

struct ckpt_call {
	long nr;
	const char *name;
	/* Low half of key_arg & key_mask; with key_arg2 above the low half of that. */
	uint8_t key_arg;
	uint8_t key_arg2;
	uint32_t key_mask;
	size_t n_forms;
	const struct ckpt_call_form *forms;
};

extern const struct ckpt_call ckpt_calls[];
extern const size_t ckpt_n_calls;

#endif
