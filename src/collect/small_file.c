/* small_file.c - one open, one read, one number; no stream, whose buffer and questions cost more than the reading. */
#include "collect/small_file.h"

#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool read_file(char *out, size_t bytes, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	ssize_t more = fd < 0 ? 0 : 1;

	while (more > 0 && n < bytes - 1) {
		more = read(fd, out + n, bytes - 1 - n);
		n += more > 0 ? (size_t)more : 0;
	}
	if (fd >= 0)
		close(fd);
	out[n] = 0;
	return n > 0;
}

bool small_file_read(char *out, size_t bytes, const char *fmt, ...)
{
	char path[1200];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(path, sizeof path, fmt, args);
	va_end(args);
	out[0] = 0;
	return n > 0 && (size_t)n < sizeof path && read_file(out, bytes, path);
}

double small_file_number(const char *fmt, ...)
{
	char path[1200], text[64], *end;
	double value;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(path, sizeof path, fmt, args);
	va_end(args);
	if (n <= 0 || (size_t)n >= sizeof path || !read_file(text, sizeof text, path))
		return NAN;
	value = strtod(text, &end);
	return end > text && (*end == '\n' || !*end) ? value : NAN;
}
