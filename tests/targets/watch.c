/* Values that change now and then. */
int level;
int other;
struct { int a, b; } pair;
char text[8];

static int bump(int by)
{
	int local = by;
	local += 1;		/* MARK local */
	level += local;		/* MARK bump */
	return local;
}

int main(void)
{
	for (int i = 0; i < 5; i++) {
		other = level;	/* MARK read */
		if (i % 2)
			bump(i);	/* MARK call */
		pair.b = i;	/* MARK pair */
		text[i] = 'a' + i;
	}
	level = 0;		/* MARK reset */
	return other;		/* MARK last */
}
