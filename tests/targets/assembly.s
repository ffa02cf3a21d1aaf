# Functions of assembly's kind: no call frame information, a line for each instruction.
	.text
	.globl	plain
	.type	plain, @function
plain:
	mov	%rdi, %rax	# MARK plain-1
	add	$1, %rax	# MARK plain-2
	add	$2, %rax	# MARK plain-3
	ret			# MARK plain-4
	.size	plain, .-plain

	.globl	pushes
	.type	pushes, @function
pushes:
	push	%rbx		# MARK pushes-1
	sub	$16, %rsp	# MARK pushes-2
	mov	%rdi, %rbx	# MARK pushes-3
	call	plain		# MARK pushes-4
	add	%rbx, %rax	# MARK pushes-5
	add	$16, %rsp	# MARK pushes-6
	pop	%rbx		# MARK pushes-7
	ret			# MARK pushes-8
	.size	pushes, .-pushes

# Where the stack pointer is can't be told from the code.
	.globl	aligns
	.type	aligns, @function
aligns:
	mov	%rsp, %rcx	# MARK aligns-1
	and	$-64, %rsp	# MARK aligns-2
	mov	%rdi, %rax	# MARK aligns-3
	mov	%rcx, %rsp	# MARK aligns-4
	ret			# MARK aligns-5
	.size	aligns, .-aligns

# No type, no size.
	.globl	bare
bare:
	mov	%rdi, %rax	# MARK bare-1
	add	$1, %rax	# MARK bare-2
	ret			# MARK bare-3

	.section .note.GNU-stack,"",@progbits
