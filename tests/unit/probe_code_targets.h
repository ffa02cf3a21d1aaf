/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Included twice by probe_code_test.c's harness: no guard. */
/* ---- functions under test; TARGET(name) names them, IN puts them in a section ---- */

IN static uint64_t TARGET(next)(uint64_t *s)
{
	*s = *s * 6364136223846793005ULL + 1442695040888963407ULL;
	return *s >> 33;
}

IN static void TARGET(sort)(int *a, int n)
{
	int i = 0, j = n - 1, p = a[n / 2];

	while (i <= j) {
		while (a[i] < p)
			i++;
		while (a[j] > p)
			j--;
		if (i <= j) {
			int t = a[i];

			a[i++] = a[j];
			a[j--] = t;
		}
	}
	if (j > 0)
		TARGET(sort)(a, j + 1);
	if (i < n - 1)
		TARGET(sort)(a + i, n - i);
}

IN static uint64_t TARGET(crc)(const void *p, size_t n)
{
	const unsigned char *b = p;
	uint32_t c = ~0U;

	while (n--) {
		c ^= *b++;
		for (int k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
	}
	return ~c;
}

IN static uint64_t TARGET(run_sort)(uint64_t seed)
{
	int a[60];

	for (int i = 0; i < 60; i++)
		a[i] = (int)TARGET(next)(&seed) % 1000;
	TARGET(sort)(a, 60);
	return TARGET(crc)(a, sizeof(a));
}

IN static uint64_t TARGET(run_sha)(uint64_t seed)
{
	uint32_t w[64], h[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)TARGET(next)(&seed);
	for (int i = 16; i < 64; i++)
		w[i] = w[i - 16] + (w[i - 15] >> 7 | w[i - 15] << 25) + w[i - 7] +
		       (w[i - 2] >> 17 | w[i - 2] << 15);
	for (int i = 0; i < 64; i++) {
		uint32_t t =
			h[7] + (h[4] >> 6 | h[4] << 26) + ((h[4] & h[5]) ^ (~h[4] & h[6])) + w[i];

		for (int k = 7; k > 0; k--)
			h[k] = h[k - 1];
		h[4] += t;
		h[0] = t + ((h[1] & h[2]) | (h[2] & h[3]));
	}
	return (uint64_t)h[0] << 32 | h[7];
}

IN static char *TARGET(put)(char *o, int64_t v, unsigned int base)
{
	char tmp[70], *p = tmp;

	if (v < 0) {
		*o++ = '-';
		v = -v;
	}
	do
		*p++ = "0123456789abcdef"[(uint64_t)v % base];
	while ((v = (int64_t)((uint64_t)v / base)));
	while (p > tmp)
		*o++ = *--p;
	return o;
}

IN static uint64_t TARGET(run_format)(uint64_t seed)
{
	static const char fmt[] = "a %d, b %x, o %o %% end";
	char out[300], *o = out;

	for (const char *f = fmt; *f; f++) {
		if (*f != '%') {
			*o++ = *f;
			continue;
		}
		switch (*++f) {
		case 'd':
			o = TARGET(put)(o, -(int64_t)TARGET(next)(&seed), 10);
			break;
		case 'x':
			o = TARGET(put)(o, (int64_t)TARGET(next)(&seed), 16);
			break;
		case 'o':
			o = TARGET(put)(o, (int64_t)TARGET(next)(&seed), 8);
			break;
		default:
			*o++ = *f;
		}
	}
	return TARGET(crc)(out, (size_t)(o - out));
}

IN static int TARGET(ack)(int m, int n)
{
	if (!m)
		return n + 1;
	return n ? TARGET(ack)(m - 1, TARGET(ack)(m, n - 1)) : TARGET(ack)(m - 1, 1);
}

IN static uint64_t TARGET(run_recursion)(uint64_t seed)
{
	return (uint64_t)TARGET(ack)(2, (int)(seed % 7));
}

IN static uint64_t TARGET(run_switch)(uint64_t seed)
{
	uint64_t acc = seed;

	for (int i = 0; i < 60; i++) {
		switch (TARGET(next)(&seed) % 9) {
		case 0:
			acc += 3;
			break;
		case 1:
			acc *= 5;
			break;
		case 2:
			acc ^= acc >> 7;
			break;
		case 3:
			acc = acc << 3 | acc >> 61;
			break;
		case 4:
			acc -= seed;
			break;
		case 5:
			acc = ~acc;
			break;
		case 6:
			acc /= 3;
			break;
		case 7:
			acc += (uint64_t)i;
			break;
		default:
			acc = -acc;
		}
	}
	return acc;
}

IN static uint64_t TARGET(run_float)(uint64_t seed)
{
	double x = 1.0, v = (double)(seed % 1000 + 2), sum = 0;
	long double l = 1.5L;
	float f[16];
	uint64_t r;

	for (int i = 0; i < 12; i++)
		x = (x + v / x) * 0.5;
	for (int i = 0; i < 16; i++)
		f[i] = (float)i * 1.25F + (float)x;
	for (int i = 0; i < 16; i++)
		sum += f[i] > 10 ? (double)f[i] : -1.0;
	for (int i = 0; i < 5; i++)
		l = l * (long double)x + 0.25L;
	sum += (double)l;
	__builtin_memcpy(&r, &sum, sizeof(r));
	return r;
}

IN static uint64_t TARGET(run_pointers)(uint64_t seed)
{
	uint64_t (*const table[])(uint64_t) = { TARGET(run_sort), TARGET(run_float),
						TARGET(run_switch) };
	uint64_t (*volatile fn)(uint64_t) = table[seed % 3];

	return fn(seed) + table[(seed + 1) % 3](seed) + 1;
}
