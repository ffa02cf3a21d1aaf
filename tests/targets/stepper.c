/* Many short lines in a long loop, for stepping benchmarks. */
long a, b, c;

int main(void)
{
	for (int i = 0; i < 1000000; i++) {
		a += i;
		b ^= a;
		c = a - b;
	}
	return (int)(c & 1);
}
