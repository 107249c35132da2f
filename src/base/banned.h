/* banned.h - functions whose misuse is easy and whose replacement is at hand.
 *
 * The build includes this file before every source file. Use snprintf, memcpy with a
 * length, strtok-free scanning, strtol, gmtime_r. */
#ifndef RWKVMON_BASE_BANNED_H
#define RWKVMON_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets strtok atoi atol atoll atof
#pragma GCC poison asctime ctime gmtime localtime tmpnam mktemp

#endif
