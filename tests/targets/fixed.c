/* Linked at a fixed address.   cc: -no-pie */
int sum;

int add(int a, int b)
{
	sum = a + b;		/* MARK add */
	return sum;
}

int main(void)
{
	int r = 0;
	for (int i = 0; i < 6; i++)
		r = add(r, i);	/* MARK call */
	return r;		/* MARK last */
}
