/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Position-independent code for the inside of the program. Whether it takes the
 * time from the kernel or from the ring, the registers are the same when it
 * writes the result, which may fault: that is a moment to come back to. They don't
 * tell where the ring is. Nor may the stack differ, so the call into the vsyscall
 * page has another one.
 */
#include <stddef.h>

#include "ckptcore/arch/x86_64/clock_code.h"
#include "ckptcore/arch/x86_64/quick_code.h"
#include "ckptcore/clock.h"

_Static_assert(offsetof(struct ckpt_ring, left) == 0, "");
_Static_assert(offsetof(struct ckpt_ring, at) == 8, "");
_Static_assert(offsetof(struct ckpt_ring, replay) == 16, "");
_Static_assert(offsetof(struct ckpt_ring, monotonic) == 24, "");
_Static_assert(offsetof(struct ckpt_ring, scratch) == 32, "");
_Static_assert(offsetof(struct ckpt_ring, last) == 64, "");
_Static_assert(offsetof(struct ckpt_ring, values) == 80, "");
_Static_assert(CKPT_QUICK_NOTES - CKPT_RING == 0x8000, "");
_Static_assert(offsetof(struct ckpt_quick_notes, open) == 0, "");
_Static_assert(offsetof(struct ckpt_quick_notes, ask) == 368, "");

asm(".pushsection .rodata\n"
    ".intel_syntax noprefix\n"
    ".globl ckpt_clock_code, ckpt_clock_code_real, ckpt_clock_code_end\n"
    "ckpt_clock_code:\n"
    "	movabs r8, 0x1122334455667788\n" /* the ring */
    "	cmp qword ptr [r8], 0\n"
    "	je 9f\n"
    "	cmp eax, 228\n" /* clock_gettime(edi, rsi) */
    "	jne 1f\n"
    "	cmp edi, 1\n" /* CLOCK_REALTIME, CLOCK_MONOTONIC */
    "	ja 9f\n"
    "	test rsi, rsi\n"
    "	jz 9f\n"
    "	jmp 2f\n"
    "1:	cmp eax, 96\n" /* gettimeofday(rdi, rsi) */
    "	jne 2f\n"
    "	test rsi, rsi\n"
    "	jnz 9f\n"
    "	test rdi, rdi\n"
    "	jz 9f\n"
    "2:	mov r9, rdi\n"
    "	mov r10, rsi\n"
    "	mov r11d, eax\n"
    "	cmp qword ptr [r8 + 16], 0\n"
    "	je 3f\n"
    /* From the ring. */
    "	mov rcx, [r8 + 8]\n"
    "	mov rax, [r8 + rcx * 8 + 80]\n"
    "	jmp 6f\n"
    /* From the kernel. */
    "3:	mov rdx, rsp\n"
    "	lea rsp, [r8 + 64]\n"
    "	cmp eax, 201\n" /* time(rdi) */
    "	je 4f\n"
    "	cmp qword ptr [r8 + 0x8000], 0\n"
    "	je 1f\n"
    /* By a call that no tracer sees, see quick.h: that is faster. */
    "	mov [r8 + 48], r11\n"
    "	xor edi, edi\n"
    "	cmp eax, 228\n"
    "	cmove edi, r9d\n"
    "	lea rsi, [r8 + 32]\n"
    "	mov eax, 228\n"
    "	call [r8 + 0x8000 + 368]\n"
    "	mov r11, [r8 + 48]\n"
    "	test eax, eax\n"
    "	jnz 1f\n"
    "	imul rax, [r8 + 32], 1000000000\n"
    "	add rax, [r8 + 40]\n"
    "	jmp 5f\n"
    "1:	lea rdi, [r8 + 32]\n"
    "	xor esi, esi\n"
    "	mov rax, -0xa00000\n"
    "	call rax\n"
    "	imul rax, [r8 + 32], 1000000\n"
    "	add rax, [r8 + 40]\n"
    "	imul rax, rax, 1000\n"
    "	cmp r11d, 228\n"
    "	jne 5f\n"
    "	cmp r9d, 1\n"
    "	jne 5f\n"
    "	add rax, [r8 + 24]\n"
    /* That is some us early: no earlier than what the other way has told. */
    "5:	xor esi, esi\n"
    "	cmp r11d, 228\n"
    "	cmove esi, r9d\n"
    "	mov rcx, [r8 + rsi * 8 + 64]\n"
    "	sub rcx, rax\n"
    "	cmp rcx, 4000\n"
    "	ja 1f\n"
    "	add rax, rcx\n"
    "1:	mov [r8 + rsi * 8 + 64], rax\n"
    "	jmp 5f\n"
    "4:	xor edi, edi\n"
    "	mov rax, -0xa00000 + 0x400\n"
    "	call rax\n"
    "5:	mov rsp, rdx\n"
    "	mov rdi, r9\n"
    "	mov rsi, r10\n"
    "	mov rcx, [r8 + 8]\n"
    "	mov [r8 + rcx * 8 + 80], rax\n"
    "6:	inc qword ptr [r8 + 8]\n"
    "	dec qword ptr [r8]\n"
    "	xor edx, edx\n"
    "	cmp r11d, 228\n"
    "	jne 7f\n"
    "	mov ecx, 1000000000\n"
    "	div rcx\n"
    "	xor r8d, r8d\n"
    "	mov [rsi], rax\n"
    "	mov [rsi + 8], rdx\n"
    "	xor eax, eax\n"
    "	ret\n"
    "7:	cmp r11d, 96\n"
    "	jne 8f\n"
    "	mov ecx, 1000\n"
    "	div rcx\n"
    "	xor edx, edx\n"
    "	mov ecx, 1000000\n"
    "	div rcx\n"
    "	xor r8d, r8d\n"
    "	mov [rdi], rax\n"
    "	mov [rdi + 8], rdx\n"
    "	xor eax, eax\n"
    "	ret\n"
    "8:	mov ecx, edx\n"
    "	xor r8d, r8d\n"
    "	test rdi, rdi\n"
    "	jz 1f\n"
    "	mov [rdi], rax\n"
    "1:	ret\n"
    "9:	mov r8d, eax\n" /* the same, and flags, whatever led here */
    "	cmp eax, eax\n"
    "ckpt_clock_code_real:\n"
    "	syscall\n"
    "	ret\n"
    "ckpt_clock_code_end:\n"
    ".att_syntax\n"
    ".popsection\n");
