/* cc: assembly.s
 *
 * Calls functions in assembly, each twice, so that there is an earlier call to be led into by mistake. */
long plain(long), pushes(long), aligns(long), bare(long);
long sum;

int main(void)
{
	sum += plain(1);	/* MARK plain-a */
	sum += plain(2);	/* MARK plain-b */
	sum += pushes(3);	/* MARK pushes-a */
	sum += pushes(4);	/* MARK pushes-b */
	sum += aligns(5);	/* MARK aligns-a */
	sum += aligns(6);	/* MARK aligns-b */
	sum += bare(7);		/* MARK bare-a */
	sum += bare(8);		/* MARK bare-b */
	return sum & 1;		/* MARK end */
}
