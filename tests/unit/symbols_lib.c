/* SPDX-License-Identifier: GPL-3.0-or-later */
/* symbols_lib.c - a library that symbols_target.c loads with dlopen() */
int lib_twice(int x);

int lib_twice(int x)
{
	int r = x + x;

	__asm__ volatile("int3");
	return r;
}
