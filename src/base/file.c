#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int map_descriptor(struct file_map *out, int fd, const char *path, struct err *err)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st))
		return err_set_os(err, ERR_READ, errno, "%s: cannot be examined", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_READ, "%s: is not a regular file", path);
	if (!st.st_size)
		return 0;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return err_set_os(err, ERR_READ, errno, "%s: cannot be mapped", path);
	*out = (struct file_map){ p, (size_t)st.st_size };
	return 0;
}

int file_map(struct file_map *out, const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc;

	*out = (struct file_map){ 0 };
	if (fd < 0)
		return err_set_os(err, ERR_OPEN, errno, "%s: cannot be opened", path);
	rc = map_descriptor(out, fd, path, err);
	close(fd);
	return rc;
}

void file_unmap(struct file_map *m)
{
	if (m->p)
		munmap((void *)(uintptr_t)m->p, m->n);
	*m = (struct file_map){ 0 };
}

static int read_descriptor(struct buf *out, int fd, const char *path, size_t limit, struct err *err)
{
	for (;;) {
		ssize_t got;

		if (!buf_reserve(out, 1 << 16))
			return err_set(err, ERR_NOMEM, "%s: no memory to read it", path);
		got = read(fd, out->p + out->used, 1 << 16);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_set_os(err, ERR_READ, errno, "%s: cannot be read", path);
		if (!got)
			return 0;
		out->used += (size_t)got;
		out->p[out->used] = 0;
		if (out->used > limit)
			return err_set(err, ERR_FORMAT, "%s: is larger than the %zu bytes allowed here", path, limit);
	}
}

int file_read(struct buf *out, const char *path, size_t limit, struct err *err)
{
	bool is_stdin = !strcmp(path, "-");
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return err_set_os(err, ERR_OPEN, errno, "%s: cannot be opened", path);
	rc = read_descriptor(out, fd, is_stdin ? "standard input" : path, limit, err);
	if (!is_stdin)
		close(fd);
	return rc;
}

int file_write_all(int fd, struct slice bytes)
{
	while (bytes.n) {
		ssize_t put = write(fd, bytes.p, bytes.n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return errno;
		bytes.p += put;
		bytes.n -= (size_t)put;
	}
	return 0;
}

static int write_beside(const char *path, const char *beside, struct slice bytes, struct err *err)
{
	int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int os_errno;

	if (fd < 0)
		return err_set_os(err, ERR_WRITE, errno, "%s: cannot be created", path);
	os_errno = file_write_all(fd, bytes);
	if (close(fd) && !os_errno)
		os_errno = errno;
	if (!os_errno && rename(beside, path))
		os_errno = errno;
	if (!os_errno)
		return 0;
	unlink(beside);
	return err_set_os(err, ERR_WRITE, os_errno, "%s: cannot be written", path);
}

/* Something that is no regular file (a pipe, /dev/full, a terminal) is written in place. */
static int write_in_place(const char *path, struct slice bytes, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	int os_errno = fd < 0 ? errno : file_write_all(fd, bytes);

	if (fd >= 0 && close(fd) && !os_errno)
		os_errno = errno;
	return os_errno ? err_set_os(err, ERR_WRITE, os_errno, "%s: cannot be written", path) : 0;
}

bool file_replaceable(const char *path, char **replace)
{
	struct stat named, itself;
	bool exists = !stat(path, &named);

	*replace = NULL;
	if (exists ? !S_ISREG(named.st_mode) : !lstat(path, &itself))
		return true;
	*replace = exists ? realpath(path, NULL) : strdup(path);
	return *replace;
}

int file_write(const char *path, struct slice bytes, struct err *err)
{
	char *beside = NULL, *target;
	int rc;

	if (!strcmp(path, "-")) {
		rc = file_write_all(STDOUT_FILENO, bytes);
		return rc ? err_set_os(err, ERR_WRITE, rc, "standard output: cannot be written") : 0;
	}
	if (!file_replaceable(path, &target))
		return err_set(err, ERR_NOMEM, "%s: no memory to write it", path);
	if (!target)
		return write_in_place(path, bytes, err);
	if (asprintf(&beside, "%s.%ld.tmp", target, (long)getpid()) < 0)
		rc = err_set(err, ERR_NOMEM, "%s: no memory to write it", path);
	else
		rc = write_beside(target, beside, bytes, err);
	free(beside);
	free(target);
	return rc;
}
