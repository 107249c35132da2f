/* segment.c - locks, repairs the tail, appends whole lines, syncs. */
#include "log/segment.h"

#include "base/file.h"
#include "log/frames.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_TRIES = 5, LOCK_MISSES_MAX = 20 };

int segment_open(struct segment *s, const char *path, bool zst, unsigned mode)
{
	const int flags = O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK;
	struct stat st;
	bool special = !stat(path, &st) && !S_ISREG(st.st_mode);

	*s = (struct segment){ .path = path, .zst = zst };
	/* A pipe or a device is opened only for writing, and never waited for: a process that also opened it for
	 * reading would be its own reader, and block for ever when the real reader leaves. */
	s->fd = file_beyond_standard(open(path, (special ? O_WRONLY : O_RDWR) | flags, (mode_t)mode));
	if (s->fd < 0)
		return errno;
	if (!special)
		fcntl(s->fd, F_SETFL, fcntl(s->fd, F_GETFL) & ~O_NONBLOCK);
	if (!fstat(s->fd, &st)) {
		s->regular = S_ISREG(st.st_mode);
		s->dev = st.st_dev;
		s->ino = st.st_ino;
		s->size = s->regular ? (uint64_t)st.st_size : 0;
	}
	return 0;
}

int segment_claim(const char *path, unsigned mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);

	return fd < 0 ? errno : close(fd) ? errno : 0;
}

int segment_close(struct segment *s)
{
	int rc = s->fd >= 0 && close(s->fd) ? errno : 0;

	s->fd = -1;
	return rc == EINTR ? 0 : rc; /* Linux has closed it nevertheless */
}

/* 0: this process holds the lock; EAGAIN: another process does; ENOTSUP: the file system has no locks, or the holder
 * never releases it. */
static int lock_file(struct segment *s)
{
	const struct timespec moment = { .tv_nsec = 200000 };

	for (int i = 0; i < LOCK_TRIES; i++) {
		if (!flock(s->fd, LOCK_EX | LOCK_NB)) {
			s->lock_misses = 0;
			return 0;
		}
		if (errno != EWOULDBLOCK && errno != EINTR)
			return ENOTSUP;
		nanosleep(&moment, NULL);
	}
	return ++s->lock_misses > LOCK_MISSES_MAX ? ENOTSUP : EAGAIN;
}

static bool still_named(const struct segment *s)
{
	struct stat st;

	if (stat(s->path, &st))
		return errno != ENOENT && errno != ENOTDIR; /* unknown: stay with this file */
	return st.st_dev == s->dev && st.st_ino == s->ino;
}

static int write_all(int fd, struct slice bytes, size_t *done)
{
	*done = 0;
	while (*done < bytes.n) {
		ssize_t put = write(fd, bytes.p + *done, bytes.n - *done);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put ? errno : EIO;
		*done += (size_t)put;
	}
	return 0;
}

/* Repairs the tail that a dead writer left: cuts off a torn frame, ends a torn line. */
static int repair_tail(struct segment *s, bool locked)
{
	char last = '\n';

	if (s->size == s->good_end)
		return 0;
	if (s->size < s->good_end) /* another process truncated it */
		s->good_end = 0;
	if (s->zst) {
		uint64_t end = frames_whole_end(s->fd, s->good_end, s->size);

		if (end < s->size && locked && !ftruncate(s->fd, (off_t)end))
			s->size = end;
	} else if (s->size && (pread(s->fd, &last, 1, (off_t)s->size - 1) != 1 || last != '\n')) {
		size_t done; /* an extra blank line is harmless; two lines joined in one would be lost */
		int rc = write_all(s->fd, (struct slice){ "\n", 1 }, &done);

		if (rc)
			return rc;
		s->size++;
	}
	s->good_end = s->size;
	return 0;
}

static size_t whole_lines(const struct segment *s, struct slice lines, size_t done)
{
	if (s->zst)
		return done == lines.n ? done : 0;
	while (done && lines.p[done - 1] != '\n')
		done--;
	return done;
}

static int append_regular(struct segment *s, struct slice lines, bool locked, size_t *taken)
{
	struct stat st;
	size_t done;
	int rc;

	if (fstat(s->fd, &st))
		return errno;
	s->size = (uint64_t)st.st_size;
	rc = repair_tail(s, locked);
	if (rc)
		return rc;
	rc = write_all(s->fd, lines, &done);
	*taken = whole_lines(s, lines, done);
	if (done > *taken && locked && !ftruncate(s->fd, (off_t)(s->size + *taken)))
		done = *taken;
	if (done == *taken)
		s->good_end = s->size + *taken; /* otherwise the next append repairs it */
	s->size += done;
	return rc;
}

int segment_append(struct segment *s, struct slice lines, size_t *taken)
{
	int lock, rc;

	*taken = 0;
	if (!s->regular)
		return write_all(s->fd, lines, taken);
	lock = lock_file(s);
	if (lock == EAGAIN)
		return EAGAIN;
	rc = still_named(s) ? append_regular(s, lines, lock == 0, taken) : ESTALE;
	if (lock == 0)
		flock(s->fd, LOCK_UN);
	return rc;
}

static int rename_new(const char *from, const char *to)
{
	if (!renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE))
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return errno;
	if (!access(to, F_OK)) /* a file system without NOREPLACE: a small race remains */
		return EEXIST;
	return rename(from, to) ? errno : 0;
}

int segment_rename(struct segment *s, const char *to)
{
	int lock = lock_file(s), rc;

	if (lock == EAGAIN)
		return EAGAIN;
	rc = still_named(s) ? rename_new(s->path, to) : ESTALE;
	if (rc == ENOENT) /* without the lock, another process may still be faster */
		rc = ESTALE;
	if (lock == 0)
		flock(s->fd, LOCK_UN);
	return rc;
}

/* A file system that cannot sync this kind of file cannot lose its data either. */
static int sync_error(void)
{
	return errno == EINVAL || errno == EROFS || errno == ENOTSUP ? 0 : errno;
}

/* The name of a new or renamed file is on the disk once its directory is synced. A directory that may not be read
 * cannot be synced, so its time is left to the kernel. */
static int sync_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];
	int fd, rc;

	snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash + 1 - path) : 1, slash ? path : ".");
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	rc = fsync(fd) ? sync_error() : 0;
	close(fd);
	return rc;
}

int segment_sync(struct segment *s)
{
	int rc;

	rc = fdatasync(s->fd) ? sync_error() : 0;
	if (!rc && s->regular && !s->name_synced) {
		rc = sync_name(s->path);
		s->name_synced = !rc;
	}
	return rc;
}
