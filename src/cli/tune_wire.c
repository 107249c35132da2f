/* tune_wire.c - whole writes and reads of a pipe. */
#include "cli/tune_wire.h"

#include <errno.h>
#include <unistd.h>

bool wire_put(int fd, const void *bytes, size_t n)
{
	const char *p = bytes;

	while (n) {
		ssize_t wrote = write(fd, p, n);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return false;
		p += wrote;
		n -= (size_t)wrote;
	}
	return true;
}

bool wire_get(int fd, void *bytes, size_t n)
{
	char *p = bytes;

	while (n) {
		ssize_t got = read(fd, p, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		p += got;
		n -= (size_t)got;
	}
	return true;
}
