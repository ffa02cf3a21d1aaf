/* The same repeated string instruction with the same registers, again and again. */
char a[4096];
int k;

static void clear(void)
{
	char *p = a;
	unsigned long n = sizeof(a);

	asm volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(0) : "memory"); /* MARK clear */
}

int main(void)
{
	for (k = 0; k < 20; k++)
		clear();
	return 0;
}
