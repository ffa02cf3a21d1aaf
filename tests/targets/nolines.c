/* Without line numbers. cc: -g0 */
int total;

static void add(int n)
{
	total += n;
}

int main(void)
{
	for (int i = 1; i < 5; i++)
		add(i);
	return total;
}
