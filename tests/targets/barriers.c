/* Calls that are replayed, and such after which there is a snapshot instead. */
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int k;

int main(void)
{
	k = 1; /* MARK first */
	if (vfork() == 0)
		_exit(4);
	wait(NULL);
	k = 2;
	ioctl(1, 0x80087777, 0);
	k = 3;
	getppid();
	ioctl(1, 0x80087777, 0);
	k = 4;
	return 0; /* MARK last */
}
