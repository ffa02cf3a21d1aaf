/* Reads single keys with echo off, so that debugger and program need different terminal modes. */
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

int keys;

int main(void)
{
	struct termios old, raw;
	tcgetattr(0, &old);
	raw = old;
	raw.c_lflag &= ~(ICANON | ECHO);
	tcsetattr(0, TCSANOW, &raw);
	char c = 0;
	while (c != 'q') {
		if (read(0, &c, 1) != 1)
			break;
		keys++;			/* MARK key */
		struct termios now;
		tcgetattr(0, &now);
		printf("key %d echo %d canon %d\n", c, !!(now.c_lflag & ECHO), !!(now.c_lflag & ICANON));
	}
	tcsetattr(0, TCSANOW, &old);
	return 0;
}
