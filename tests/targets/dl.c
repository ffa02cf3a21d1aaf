/* Opens a library, calls into it, closes it.   cc: -ldl */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	void *lib = dlopen(argc > 1 ? argv[1] : "./plugin", RTLD_NOW);	/* MARK open */
	if (!lib)
		return puts(dlerror()), 1;
	int (*work)(int) = (int (*)(int))dlsym(lib, "plugin_work");
	int r = work(1);	/* MARK call */
	r = work(r);		/* MARK second */
	dlclose(lib);		/* MARK close */
	printf("%d\n", r);	/* MARK print */
	return 0;		/* MARK last */
}
