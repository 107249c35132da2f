/* banned.h - forbids functions that are easy to misuse and have a safe replacement.
 *
 * The build includes this file before every source file. Use snprintf, memcpy with a length, scanning without strtok,
 * strtol, gmtime_r. */
#ifndef RWKVMON_BASE_BANNED_H
#define RWKVMON_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* With _FORTIFY_SOURCE, compilers other than gcc define these as macros. */
#undef sprintf
#undef vsprintf

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets strtok atoi atol atoll atof
#pragma GCC poison asctime ctime gmtime localtime tmpnam mktemp

#endif
