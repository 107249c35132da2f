/* small_file.c - one open, one read, one number. */
#include "collect/small_file.h"

#include <math.h>
#include <stdarg.h>

static bool read_file(char *out, size_t bytes, const char *path)
{
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(out, 1, bytes - 1, f) : 0;

	if (f)
		fclose(f);
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
