/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * symbols.h - what the search needs to know of the program's code
 *
 * Where functions begin and end, where statements start, how to find the frame
 * at a pc, where instructions and calls are: read from the ELF, DWARF and call
 * frame information of whatever a process has mapped, with elfutils and
 * capstone. Nothing here stops, changes or even touches a process, except that
 * fred_sym_refresh() reads files in /proc; memory comes from the caller's
 * reader.
 *
 * What is parsed from a file is kept in link-time addresses and keyed by the
 * file's identity (device, inode, mtime, size), so a restarted program, a fork
 * or the same library at another address costs nothing. One struct fred_sym
 * describes one address space at a time: that of the last fred_sym_refresh().
 * Everything is parsed at the first question that needs it.
 *
 * Not thread-safe: one struct fred_sym belongs to one thread.
 *
 * Files: symbols.c (files and mappings), symbols_debug.c (debug information in
 * files of its own), symbols_elf.c (symbols, FDEs),
 * symbols_functions.c, symbols_lines.c, symbols_cfi.c (rules at a pc),
 * symbols_code.c (such rules for code without), symbols_unwind.c,
 * symbols_insn.c, symbols_pads.c (exceptions); they share symbols_internal.h.
 */
#ifndef FRED_SYMBOLS_H
#define FRED_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifndef __must_check
#define __must_check __attribute__((__warn_unused_result__))
#endif

struct fred_sym;

/**
 * struct fred_sym_reader - how to read the program's memory
 * @read: copies @len bytes at @addr to @buf; 0 or a negative errno. All or
 *        nothing. It must give the program's own bytes where the debugger has
 *        patched breakpoints.
 * @ctx:  handed to @read
 */
struct fred_sym_reader {
	int (*read)(void *ctx, uint64_t addr, void *buf, size_t len);
	void *ctx;
};

/** enum fred_reg - registers in x86's own order, as in instruction encodings */
enum fred_reg {
	FRED_RAX,
	FRED_RCX,
	FRED_RDX,
	FRED_RBX,
	FRED_RSP,
	FRED_RBP,
	FRED_RSI,
	FRED_RDI,
	FRED_R8,
	FRED_R9,
	FRED_R10,
	FRED_R11,
	FRED_R12,
	FRED_R13,
	FRED_R14,
	FRED_R15,
	FRED_RIP,
	FRED_NREGS,
};

/** enum fred_function_source - what a struct fred_function is known from */
enum fred_function_source {
	FRED_FUNCTION_DWARF,  /* a DW_TAG_subprogram */
	FRED_FUNCTION_SYMBOL, /* an ELF symbol */
	FRED_FUNCTION_FDE,    /* only its call frame information */
	FRED_FUNCTION_PLT,    /* one linkage stub (or, in .plt, the resolver's stub) */
};

#define FRED_FUNCTION_RANGES 4

/**
 * struct fred_function - a function of the program
 * @name:       as in the source, without scope or arguments, or the ELF symbol;
 *              NULL if unknown. Lives as long as the struct fred_sym.
 * @linkage:    the ELF (mangled) name if the source has another, or NULL
 * @entry:      address of the first instruction
 * @source:     where this comes from
 * @has_lines:  the line table has statements in it
 * @starts_body: the statement at @entry is one of its body, as in optimized code,
 *              not the prologue
 * @n_ranges:   how many of @ranges are used, at least 1
 * @ranges:     [lo, hi) parts, the one with the entry first; a cold part that
 *              the compiler moved away is one more range
 */
struct fred_function {
	const char *name;
	const char *linkage;
	uint64_t entry;
	enum fred_function_source source;
	bool has_lines;
	bool starts_body;
	size_t n_ranges;
	struct fred_range {
		uint64_t lo;
		uint64_t hi;
	} ranges[FRED_FUNCTION_RANGES];
};

/**
 * struct fred_statement - the start of a statement in the line table
 * @addr: where it starts
 * @file: full path of the source file, interned: equal paths are equal
 *        pointers. Lives as long as the struct fred_sym.
 * @line: line number, never 0
 */
struct fred_statement {
	uint64_t addr;
	const char *file;
	uint32_t line;
};

/** struct fred_cfa - at this pc, the canonical frame address is @reg + @offset */
struct fred_cfa {
	enum fred_reg reg;
	int64_t offset;
};

/** enum fred_frame_how - how a frame's caller was found, best first */
enum fred_frame_how {
	FRED_FRAME_CFI,	  /* call frame information */
	FRED_FRAME_CODE,  /* the code was followed from the function's entry */
	FRED_FRAME_ENTRY, /* guess: return address still at the top of the stack */
	FRED_FRAME_RBP,	  /* guess: push rbp; mov rbp, rsp was done */
	FRED_FRAME_END,	  /* the caller is not known: no cfa, no ret */
};

/**
 * struct fred_frame - one frame of the call stack
 * @pc:     in frame 0 and in a frame interrupted by a signal, the next
 *          instruction; otherwise the address that the callee returns to
 * @sp:     stack pointer in this frame
 * @cfa:    canonical frame address: stack pointer in the caller after return
 *          (for a signal frame: at the interruption); 0 if unknown
 * @ret:    pc in the caller; 0 in the outermost frame
 * @how:    how @cfa and @ret were found
 * @signal: the kernel's signal frame: @ret is an exact pc, no return address
 * @exact:  @pc is exact: frame 0, or the frame that a signal interrupted
 */
struct fred_frame {
	uint64_t pc;
	uint64_t sp;
	uint64_t cfa;
	uint64_t ret;
	enum fred_frame_how how;
	bool signal;
	bool exact;
};

/** enum fred_insn_kind - what an instruction does to the pc */
enum fred_insn_kind {
	FRED_INSN_OTHER,
	FRED_INSN_CALL,
	FRED_INSN_RET, /* ret, retf, iret */
	FRED_INSN_JMP,
	FRED_INSN_JCC,	   /* jcc, jrcxz, loop */
	FRED_INSN_SYSCALL, /* syscall, sysenter, int n */
	FRED_INSN_BAD,	   /* not decodable: a single byte */
};

/**
 * struct fred_insn - an instruction
 * @addr:   its address
 * @target: where a direct call, jmp or jcc goes to; 0 otherwise
 * @size:   1 to 15 bytes
 * @kind:   an enum fred_insn_kind
 */
struct fred_insn {
	uint64_t addr;
	uint64_t target;
	uint8_t size;
	uint8_t kind;
};

/**
 * fred_sym_create() - make an empty description, of no process yet
 * @ret: the new object; fred_sym_destroy() frees it and every string from it
 * Return: 0 or -ENOMEM, -ENOTSUP (libraries unusable)
 */
int fred_sym_create(struct fred_sym **ret) __must_check;
/** fred_sym_destroy() - free everything; NULL is fine. Always returns NULL. */
struct fred_sym *fred_sym_destroy(struct fred_sym *sym);

/**
 * fred_sym_refresh() - describe what @pid has mapped now
 * @pid: a process that doesn't run at the moment
 *
 * Cheap when nothing changed since the last call; to be called after everything
 * that may have mapped or unmapped code. Files that can't be read are rebuilt
 * from the process's memory (vdso, deleted files), or else left without
 * information; that is no error.
 * Return: 0, or a negative errno when /proc/PID/maps can't be read
 */
int fred_sym_refresh(struct fred_sym *sym, pid_t pid) __must_check;

/**
 * fred_sym_tell_debug() - where the debug information of a file is
 * @file:  a program or library
 * @debug: the file that the debugger reads it from; NULL: from none but @file itself
 *
 * To be said before the fred_sym_refresh() from which on it is to hold.
 * Return: 0, -ENOMEM
 */
int fred_sym_tell_debug(struct fred_sym *sym, const char *file, const char *debug) __must_check;

/**
 * fred_sym_function() - the function that contains @pc
 * Return: 0; -ENOENT when nothing is known of @pc
 */
int fred_sym_function(struct fred_sym *sym, uint64_t pc, struct fred_function *ret) __must_check;

/**
 * fred_sym_statements() - the statement starts of a function
 * @ret: sorted by address, one per address; free() it. NULL when there are none.
 * @n:   how many
 *
 * These are the addresses that gdb takes for starts of a line when it steps.
 * Code inlined into the function counts with its own file and line.
 * Return: 0 (also when there are none), -ENOMEM
 */
int fred_sym_statements(struct fred_sym *sym, const struct fred_function *f,
			struct fred_statement **ret, size_t *n) __must_check;

/**
 * fred_sym_user_statements() - the statement starts of the user's code
 * @pc:  0: of the main program and every library with line information outside
 *       the system's library directories; otherwise of the one file that
 *       contains @pc, whatever it is
 * @ret: sorted by address, one per address; free() it. NULL when there are none.
 * @n:   how many
 * Return: 0, -ENOENT (nothing is mapped from a file at @pc), -ENOMEM
 */
int fred_sym_user_statements(struct fred_sym *sym, uint64_t pc, struct fred_statement **ret,
			     size_t *n) __must_check;

/**
 * fred_sym_cfa() - how to compute the canonical frame address at @pc
 * Return: 0; -ENOENT: no call frame information covers @pc; -EOPNOTSUPP: it
 * isn't a register plus an offset (as in the PLT)
 */
int fred_sym_cfa(struct fred_sym *sym, uint64_t pc, struct fred_cfa *ret) __must_check;

/**
 * fred_sym_unwind() - the call stack
 * @regs:   registers of the stopped thread
 * @reader: its memory
 * @frames: room for @max frames; frame 0 is the current one
 * @n:      how many were found, at least 1 when @max is
 *
 * The last frame has a ret of 0 when the stack ended there or can't be followed
 * (its how is FRED_FRAME_CFI when the program says that it ended), and another
 * one when only @max stopped it.
 * Return: 0, -EINVAL (@max is 0), -ENOMEM
 */
int fred_sym_unwind(struct fred_sym *sym, const uint64_t regs[FRED_NREGS],
		    const struct fred_sym_reader *reader, struct fred_frame *frames, size_t max,
		    size_t *n) __must_check;

/**
 * fred_sym_instructions() - decode [lo, hi) from lo on
 * @ret: the instructions that start in the range; free() it. An undecodable
 *       byte is one FRED_INSN_BAD. An instruction that @hi cuts is BAD, too.
 * @n:   how many
 * Return: 0, the reader's error, -EINVAL (empty or over 64 MiB), -ENOMEM
 */
int fred_sym_instructions(struct fred_sym *sym, const struct fred_sym_reader *reader, uint64_t lo,
			  uint64_t hi, struct fred_insn **ret, size_t *n) __must_check;

/** struct fred_pad - an exception out of [lo, hi) may go on at @pad, in the same function */
struct fred_pad {
	uint64_t lo;
	uint64_t hi;
	uint64_t pad;
};

/**
 * fred_sym_pads() - where exceptions are caught, or cleaned up after, in a function
 * @ret: free() it; NULL when there are none
 * @n:   how many
 * Return: 0 (also when there are none), -ENOENT (the function's tables can't be read), -ENOMEM
 */
int fred_sym_pads(struct fred_sym *sym, const struct fred_function *f, struct fred_pad **ret,
		  size_t *n) __must_check;

/**
 * fred_sym_call_before() - the call that pushed a return address
 * @ret_addr: address of the call instruction that ends exactly at @retaddr
 *
 * Where the code before is known (function or statement start), the answer is an
 * instruction of the linear decode from there; elsewhere the most plausible.
 * Return: 0; -ENOENT: no call ends there; the reader's error
 */
int fred_sym_call_before(struct fred_sym *sym, const struct fred_sym_reader *reader,
			 uint64_t retaddr, uint64_t *ret_addr) __must_check;

#endif
