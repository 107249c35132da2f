/* file.c - maps, reads and replaces whole files; detects what is not a regular file. */
#include "base/file.h"

#include "base/charset.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

/* What is mapped now, for file_of_address. `p` is written last and cleared first. */
static struct {
	_Atomic(uintptr_t) p; /* 0: free; TAKEN: being filled in */
	size_t n;
	char name[FILE_LABEL_BYTES];
} mapped[64];
enum { MAPPED_MOST = sizeof mapped / sizeof *mapped, TAKEN = 1 };

static void note_mapped(const struct file_map *m, const char *path)
{
	for (size_t i = 0; m->p && i < MAPPED_MOST; i++) {
		uintptr_t none = 0;

		if (!atomic_compare_exchange_strong(&mapped[i].p, &none, TAKEN))
			continue;
		mapped[i].n = m->n;
		snprintf(mapped[i].name, sizeof mapped[i].name, "%s", path);
		utf8_clean(mapped[i].name);
		atomic_store(&mapped[i].p, (uintptr_t)m->p);
		return;
	}
}

static void forget_mapped(const struct file_map *m)
{
	for (size_t i = 0; m->p && i < MAPPED_MOST; i++) {
		uintptr_t p = (uintptr_t)m->p;

		if (atomic_compare_exchange_strong(&mapped[i].p, &p, 0))
			return;
	}
}

const char *file_of_address(const void *address)
{
	for (size_t i = 0; i < MAPPED_MOST; i++) {
		uintptr_t p = atomic_load(&mapped[i].p);

		if (p > TAKEN && (uintptr_t)address >= p && (uintptr_t)address - p < mapped[i].n)
			return mapped[i].name;
	}
	return NULL;
}

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
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* so that a pipe is refused instead of waited for */
	int rc;

	*out = (struct file_map){ 0 };
	if (fd < 0)
		return err_set_os(err, ERR_OPEN, errno, "%s: cannot be opened", path);
	rc = map_descriptor(out, fd, path, err);
	note_mapped(out, path);
	close(fd);
	return rc;
}

void file_unmap(struct file_map *m)
{
	forget_mapped(m);
	if (m->p)
		munmap((void *)(uintptr_t)m->p, m->n);
	*m = (struct file_map){ 0 };
}

void file_forget(const struct file_map *m, const void *p, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uintptr_t from = (uintptr_t)p, to = from + n, begin = (uintptr_t)m->p;

	if (!m->p || from < begin || to > begin + m->n)
		return;
	from = (from + page - 1) / page * page;
	to = to / page * page;
	if (from < to)
		madvise((void *)from, to - from, MADV_DONTNEED); /* at worst the pages stay */
}

static int read_descriptor(struct buf *out, int fd, const char *path, size_t limit, struct err *err)
{
	for (;;) {
		ssize_t got;

		if (!buf_reserve(out, 1 << 16))
			return err_set(err, ERR_NOMEM, "%s: no memory to read it", path);
		out->p[out->used] = 0;
		got = read(fd, out->p + out->used, 1 << 16);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_set_os(err, ERR_READ, errno, "%s: cannot be read", path);
		if (!got)
			return 0;
		out->used += (size_t)got;
		if (out->used > limit)
			return err_set(err, ERR_FORMAT, "%s: is larger than the %zu bytes allowed here", path, limit);
	}
}

/* Does the pipe have a writer, or data in it? Reads nothing from it. */
static bool has_writer(int fd)
{
	int probe[2];
	ssize_t n;

	if (pipe2(probe, O_CLOEXEC | O_NONBLOCK))
		return true; /* unknown: reading will wait */
	n = tee(fd, probe[1], 1, SPLICE_F_NONBLOCK);
	close(probe[0]);
	close(probe[1]);
	return n != 0;
}

static int wait_for_writer(int fd, const char *path, bool (*stop)(void *ctx), void *ctx, struct err *err)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	int waited_ms = 0;

	for (; !has_writer(fd); waited_ms += 10) {
		if (stop ? stop(ctx) : waited_ms >= FILE_PIPE_WAIT_MS)
			return err_set(err, ERR_READ, "%s: is a pipe to which nobody writes", path);
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int check_stream(int fd, const char *path, bool (*stop)(void *ctx), void *ctx, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return err_set_os(err, ERR_READ, errno, "%s: cannot be examined", path);
	if (S_ISDIR(st.st_mode))
		return err_set(err, ERR_READ, "%s: is a directory", path);
	if (S_ISBLK(st.st_mode) || (S_ISCHR(st.st_mode) && st.st_rdev != makedev(1, 3) && !isatty(fd))) /* 1, 3: null */
		return err_set(err, ERR_READ, "%s: is a device, not a file", path);
	return S_ISFIFO(st.st_mode) ? wait_for_writer(fd, path, stop, ctx, err) : 0;
}

int file_open_stream(const char *path, bool (*stop)(void *ctx), void *ctx, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int rc;

	if (fd < 0)
		return err_set_os(err, ERR_OPEN, errno, "%s: cannot be opened", path);
	rc = check_stream(fd, path, stop, ctx, err);
	if (rc) {
		close(fd);
		return rc;
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return fd;
}

int file_beyond_standard(int fd)
{
	int further;

	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	further = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (further < 0) /* out of descriptors: better there than nowhere */
		return fd;
	close(fd);
	return further;
}

int file_read(struct buf *out, const char *path, size_t limit, struct err *err)
{
	bool is_stdin = !strcmp(path, "-");
	int fd = is_stdin ? STDIN_FILENO : file_open_stream(path, NULL, NULL, err);
	int rc;

	if (fd < 0)
		return fd;
	rc = read_descriptor(out, fd, is_stdin ? err_words("standard input") : path, limit, err);
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

int file_say(int fd, struct slice text)
{
	struct buf out = { 0 };
	int rc;

	if (charset_is_utf8())
		return file_write_all(fd, text);
	charset_encode(&out, text);
	rc = out.failed ? ENOMEM : file_write_all(fd, buf_slice(&out));
	buf_free(&out);
	return rc;
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

/* Writes in place to what is not a regular file (a pipe, /dev/full, a terminal). */
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

static int answer(int failed, struct err *err)
{
	return !failed ? 0
		       : err_set_os(err, failed == EPIPE ? ERR_CLOSED : ERR_WRITE, failed,
				    "standard output: cannot be written");
}

int file_write_text(const char *path, struct slice text, struct err *err)
{
	return strcmp(path, "-") ? file_write(path, text, err) : answer(file_say(STDOUT_FILENO, text), err);
}

int file_write(const char *path, struct slice bytes, struct err *err)
{
	char *beside = NULL, *target;
	int rc;

	if (!strcmp(path, "-"))
		return answer(file_write_all(STDOUT_FILENO, bytes), err);
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
