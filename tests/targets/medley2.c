/* medley, optimized.   cc: -O2 */
#include "medley.c"
