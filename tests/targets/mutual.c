/* Two functions that call each other. */
int calls;

int odd(int n);

int even(int n)
{
	calls++;		/* MARK even */
	if (n == 0)
		return 1;
	return odd(n - 1);
}

int odd(int n)
{
	calls++;		/* MARK odd */
	if (n == 0)
		return 0;
	return even(n - 1);
}

int main(void)
{
	int r = even(7);	/* MARK call */
	r += odd(4);
	return r;		/* MARK last */
}
