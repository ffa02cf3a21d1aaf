/* The window size as the program sees it. */
#include <stdio.h>
#include <sys/ioctl.h>

void show(void)
{
	struct winsize w = { 0 };
	int r = ioctl(0, TIOCGWINSZ, &w);
	printf("%d: %d rows %d columns\n", r, w.ws_row, w.ws_col);	/* MARK show */
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	show();
	show();			/* MARK second */
	return 0;
}
