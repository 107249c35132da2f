/* faults.c - wrappers around libc calls that fail when armed. */
#include "faults.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>
#include <zstd_errors.h>

const char *const fault_names[FAULT_CALL_COUNT] = {
#define X(name) #name,
	FAULT_CALLS(X)
#undef X
};

/* Written while `nth` is 0. */
static struct slot {
	struct fault fault;
	_Atomic unsigned nth, calls;
} armed[3];
static _Atomic unsigned hits;
static _Atomic int64_t clock_offset_s;

static void arm(struct slot *s, struct fault f)
{
	s->fault = f;
	s->calls = 0;
	s->nth = f.nth;
}

void fault_arm(struct fault f)
{
	hits = 0;
	arm(&armed[0], f);
}

void fault_add(struct fault f)
{
	arm(armed[1].nth ? &armed[2] : &armed[1], f);
}

void fault_disarm(void)
{
	for (size_t i = 0; i < sizeof armed / sizeof *armed; i++)
		armed[i].nth = 0;
}

unsigned fault_hits(void)
{
	return hits;
}

static void (*watcher)(enum fault_call call, size_t n);

void fault_watch(void (*seen)(enum fault_call call, size_t n))
{
	watcher = seen;
}

void fault_clock_jump(int64_t seconds)
{
	clock_offset_s += seconds;
}

static bool has_its_turn(struct slot *s, enum fault_call call)
{
	unsigned from = s->nth, n;

	if (!from || s->fault.call != call)
		return false;
	n = ++s->calls;
	return s->fault.persistent ? n >= from : n == from;
}

static bool fails(enum fault_call call)
{
	const struct fault *f = NULL;

	for (size_t i = 0; !f && i < sizeof armed / sizeof *armed; i++)
		f = has_its_turn(&armed[i], call) ? &armed[i].fault : NULL;
	if (!f)
		return false;
	hits++;
	if (f->slow_us) {
		usleep(f->slow_us);
		return false;
	}
	errno = f->error;
	return true;
}

/* --wrap sends calls of NAME to __wrap_NAME; __real_NAME is libc's. */
#define WRAP(type, name, params, call, failed, ...)                                                                    \
	type __real_##name params;                                                                                     \
	type __wrap_##name params;                                                                                     \
	type __wrap_##name params                                                                                      \
	{                                                                                                              \
		return fails(call) ? (failed) : __real_##name(__VA_ARGS__);                                            \
	}

WRAP(void *, malloc, (size_t n), FAULT_MALLOC, NULL, n)
WRAP(void *, calloc, (size_t n, size_t m), FAULT_MALLOC, NULL, n, m)
WRAP(void *, realloc, (void *p, size_t n), FAULT_MALLOC, NULL, p, n)
WRAP(void *, aligned_alloc, (size_t a, size_t n), FAULT_MALLOC, NULL, a, n)
WRAP(ssize_t, pread, (int fd, void *to, size_t n, off_t at), FAULT_PREAD, -1, fd, to, n, at)
WRAP(int, fsync, (int fd), FAULT_FSYNC, -1, fd)
WRAP(int, ftruncate, (int fd, off_t n), FAULT_FTRUNCATE, -1, fd, n)
WRAP(int, flock, (int fd, int how), FAULT_FLOCK, -1, fd, how)
WRAP(int, fstat, (int fd, struct stat *st), FAULT_FSTAT, -1, fd, st)
WRAP(int, stat, (const char *path, struct stat *st), FAULT_STAT, -1, path, st)
WRAP(int, renameat2, (int a, const char *from, int b, const char *to, unsigned how), FAULT_RENAME, -1, a, from, b, to,
     how)
WRAP(int, rename, (const char *from, const char *to), FAULT_OLD_RENAME, -1, from, to)
WRAP(int, unlink, (const char *path), FAULT_UNLINK, -1, path)
WRAP(DIR *, opendir, (const char *path), FAULT_OPENDIR, NULL, path)
WRAP(ZSTD_CCtx *, ZSTD_createCCtx, (void), FAULT_ZSTD, NULL)
WRAP(size_t, ZSTD_compress2, (ZSTD_CCtx * c, void *to, size_t cap, const void *from, size_t n), FAULT_ZSTD,
     (size_t)-ZSTD_error_memory_allocation, c, to, cap, from, n)
WRAP(int, pthread_create, (pthread_t * t, const pthread_attr_t *a, void *(*f)(void *), void *c), FAULT_THREAD, EAGAIN,
     t, a, f, c)

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	va_list args;
	int mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, int) : 0;
	va_end(args);
	return fails(FAULT_OPEN) ? -1 : __real_open(path, flags, mode);
}

/* A close that fails has closed, as on Linux. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
	int rc = __real_close(fd);

	return fails(FAULT_CLOSE) ? -1 : rc;
}

ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n)
{
	const bool failing = fails(FAULT_WRITE);
	ssize_t put;

	if (failing && errno)
		return errno == FAULT_NOTHING ? 0 : -1;
	put = __real_write(fd, p, failing && n > 1 ? n / 2 : n);
	if (watcher && put > 0)
		watcher(FAULT_WRITE, (size_t)put);
	return put;
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
	int rc = fails(FAULT_FDATASYNC) ? -1 : __real_fdatasync(fd);

	if (watcher && !rc)
		watcher(FAULT_FDATASYNC, 0);
	return rc;
}

int __real_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	int rc = __real_clock_gettime(clock, t);

	if (clock == CLOCK_REALTIME)
		t->tv_sec += clock_offset_s;
	return rc;
}
