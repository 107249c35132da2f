/* The installed header compiles alone. */
#include <rwkvmon.h>
