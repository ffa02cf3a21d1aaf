/* The library that dl.c opens.   cc: -shared -fPIC */
int plugin_state = 40;

int plugin_work(int x)
{
	int y = x * 2;		/* MARK work */
	plugin_state += y;
	return plugin_state;
}
