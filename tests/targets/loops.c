/* Loops in every layout that confuses line stepping. */
int grid[3][4];
int count;

int main(void)
{
	int sum = 0;		/* MARK first */
	for (int i = 0; i < 3; i++) sum += i;	/* MARK one-line */
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < 4; j++)
			grid[i][j] = ++count;	/* MARK nested */
	int k = 3;
	while (k--)
		sum += k;	/* MARK while */
	do {
		sum -= 2;	/* MARK do */
	} while (sum > 0);
again:
	k++;			/* MARK goto */
	if (k < 3)
		goto again;
	while (k < 1000) k++;	/* MARK busy */
	sum += k; sum += 2; sum += grid[2][3];	/* MARK three */
	return sum & 1;		/* MARK last */
}
