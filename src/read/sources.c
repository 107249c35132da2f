/* sources.c - names, patterns and directories into files, each once, in the order of rotation. */
#include "read/sources.h"

#include "base/hash.h"
#include "spec/skipped.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOKS_MAX = 8, HELD_MAX = 128, BEGINNING_BYTES = 4096 };

static int no_memory(struct err *err)
{
	return err_set(err, ERR_NOMEM, "no memory for the list of files");
}

static size_t place_of(const struct sources *s, dev_t device, ino_t inode)
{
	return (size_t)((uint64_t)inode * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)device) & (2 * s->cap - 1);
}

static void put(struct sources *s, size_t index)
{
	size_t at = place_of(s, s->file[index].device, s->file[index].inode);

	while (s->place[at])
		at = (at + 1) & (2 * s->cap - 1);
	s->place[at] = index + 1;
}

/* The places by inode are twice as many as there is room for files, a power of two. */
static bool grow(struct sources *s)
{
	size_t cap = s->cap ? 2 * s->cap : 16;
	struct source *grown = realloc(s->file, cap * sizeof *grown);
	size_t *place = grown ? calloc(2 * cap, sizeof *place) : NULL;

	s->file = grown ? grown : s->file;
	if (!place)
		return false;
	free(s->place);
	s->place = place;
	s->cap = cap;
	for (size_t i = 0; i < s->n; i++)
		put(s, i);
	return true;
}

static int append(struct sources *s, const char *path, struct source what, struct err *err)
{
	if (s->n == s->cap && !grow(s))
		return no_memory(err);
	what.path = arena_copy(&s->arena, slice_of(path));
	if (!what.path)
		return no_memory(err);
	s->n_held += what.fd >= 0;
	s->file[s->n++] = what;
	put(s, s->n - 1);
	return 0;
}

static int cannot_open(const char *path, int os_errno, struct err *err)
{
	int rc = err_set_os(err, ERR_OPEN, os_errno, "%s: cannot be opened", path);

	if (os_errno == ENOENT)
		err_hint(err, "name a log file, a directory of logs, or - for standard input");
	return rc;
}

static int leave_out(struct sources *s, const char *path, enum skipped_id why, struct err *err)
{
	struct skipped_line *at = &s->left_out[s->n_left_out];

	if (s->n_left_out++ >= INPUT_SKIPPED_MAX)
		return 0;
	*at = (struct skipped_line){ arena_copy(&s->arena, slice_of(path)), 0, skipped_specs[why].text[LANG_EN] };
	return at->file ? 0 : no_memory(err);
}

static enum skipped_id reason_of(int os_errno)
{
	if (os_errno == ENOENT || os_errno == ELOOP || os_errno == ENOTDIR)
		return SKIPPED_FILE_GONE;
	return os_errno == EACCES || os_errno == EPERM ? SKIPPED_FILE_DENIED : SKIPPED_FILE_CLOSED;
}

static bool is_there(const struct sources *s, const struct stat *st)
{
	if (!s->cap || !st->st_ino)
		return false;
	for (size_t at = place_of(s, st->st_dev, st->st_ino); s->place[at]; at = (at + 1) & (2 * s->cap - 1)) {
		const struct source *f = &s->file[s->place[at] - 1];

		if (f->inode && f->device == st->st_dev && f->inode == st->st_ino)
			return true;
	}
	return false;
}

/* Opens the file, so that a name that cannot be read is refused before any work is done. Returns the descriptor, or -1
 * with errno; *st describes what was opened. */
static int open_regular(const char *path, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0 && fstat(fd, st)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Compares both files block by block, until they differ or end. */
static bool same_bytes(int a, int b)
{
	enum { BLOCK = 1 << 16 };
	static _Thread_local char ours[BLOCK], theirs[BLOCK];
	ssize_t n = 0;

	for (off_t at = 0;; at += n) {
		n = pread(a, ours, BLOCK, at);
		if (n < 0 || pread(b, theirs, BLOCK, at) != n || memcmp(ours, theirs, (size_t)n))
			return false;
		if (!n)
			return true;
	}
}

static uint64_t beginning_of(int fd)
{
	char bytes[BEGINNING_BYTES];
	const ssize_t n = fd >= 0 ? pread(fd, bytes, sizeof bytes, 0) : 0;

	return hash_of((struct slice){ bytes, n > 0 ? (size_t)n : 0 });
}

/* Files that are not kept open are opened once more. */
static bool is_copy_of(const struct source *f, int fd)
{
	struct stat st;
	const int theirs = f->fd >= 0 ? f->fd : open_regular(f->path, &st);
	const bool same = theirs >= 0 && (f->fd >= 0 || (st.st_dev == f->device && st.st_ino == f->inode)) &&
			  same_bytes(theirs, fd);

	if (theirs >= 0 && f->fd < 0)
		close(theirs);
	return same;
}

/* Does one of the files taken hold the same bytes? Only files of the same size that begin alike are read. */
static bool is_copy(const struct sources *s, const struct source *what)
{
	for (size_t i = 0; i < s->n && what->bytes && what->fd >= 0; i++) {
		const struct source *f = &s->file[i];

		if (f->regular && f->bytes == what->bytes && f->beginning == what->beginning && is_copy_of(f, what->fd))
			return true;
	}
	return false;
}

static int add_regular(struct sources *s, const char *path, const struct stat *st, int fd, bool found, struct err *err)
{
	struct source what = { .fd = fd,
			       .found = found,
			       .regular = true,
			       .bytes = (uint64_t)st->st_size,
			       .beginning = beginning_of(fd),
			       .device = st->st_dev,
			       .inode = st->st_ino };
	bool twice = is_there(s, st), copy = !twice && is_copy(s, &what);
	int rc;

	if (twice || copy) {
		s->n_again++;
		if (fd >= 0)
			close(fd);
		return leave_out(s, path, twice ? SKIPPED_FILE_TWICE : SKIPPED_FILE_COPY, err);
	}
	if (fd >= 0 && s->n_held == HELD_MAX) {
		close(fd);
		what.fd = -1;
	}
	s->total_bytes += what.bytes;
	rc = append(s, path, what, err);
	if (rc && what.fd >= 0)
		close(what.fd);
	return rc;
}

/* --- what was named ----------------------------------------------------------------- */

/* A pipe: opening it here would eat its beginning. Twice, the second one would wait for a writer that does not come. */
static int add_stream(struct sources *s, const char *path, const struct stat *st, bool *sized, struct err *err)
{
	if (is_there(s, st))
		return leave_out(s, path, SKIPPED_FILE_TWICE, err);
	*sized = false;
	return append(s, path, (struct source){ .fd = -1, .device = st->st_dev, .inode = st->st_ino }, err);
}

/* A file that stands at its beginning is the one of that name; of another one, this is the rest. */
static int add_stdin(struct sources *s, const char *path, bool *sized, struct err *err)
{
	struct stat st;

	if (fstat(STDIN_FILENO, &st) || (S_ISREG(st.st_mode) && lseek(STDIN_FILENO, 0, SEEK_CUR) > 0))
		st = (struct stat){ .st_ino = 0 };
	return add_stream(s, path, &st, sized, err);
}

static int add_named(struct sources *s, const char *path, struct stat *st, bool hold, bool *sized, struct err *err)
{
	int fd;

	if (!S_ISREG(st->st_mode))
		return add_stream(s, path, st, sized, err);
	fd = open_regular(path, st);
	if (fd < 0)
		return cannot_open(path, errno, err);
	if (!hold) {
		close(fd);
		fd = -1;
	}
	return add_regular(s, path, st, fd, false, err);
}

/* --- directories and patterns ------------------------------------------------------- */

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n > m && !strcmp(name + n - m, end);
}

static bool cut_end(struct slice *name, const char *end)
{
	size_t m = strlen(end);

	if (name->n <= m || memcmp(name->p + name->n - m, end, m))
		return false;
	name->n -= m;
	return true;
}

static bool cut_log(struct slice *name)
{
	return cut_end(name, ".log") || cut_end(name, ".jsonl") || cut_end(name, ".ndjson");
}

/* What rotation puts behind a name: .1, -20250911, .2025-09-11_12-30, -20250911-1757592000, .2025-09-11T12:30:00Z,
 * .old. */
static void cut_rotation(struct slice *name)
{
	struct slice left = *name;
	bool digits = false;

	if (cut_end(name, ".old"))
		return;
	while (left.n && strchr("0123456789.-_:TZ+", left.p[left.n - 1])) {
		digits |= left.p[left.n - 1] >= '0' && left.p[left.n - 1] <= '9';
		left.n--;
	}
	if (digits && left.n < name->n && strchr(".-_", left.p[left.n]))
		*name = left;
}

bool source_is_log(const char *path)
{
	static const char *const packed[] = { ".gz", ".zst", ".xz", ".bz2", ".lz4" };
	struct slice name = slice_of(path), whole;

	if (*name.p == '.')
		return false;
	for (size_t i = 0; i < sizeof packed / sizeof *packed; i++)
		if (cut_end(&name, packed[i]))
			break;
	whole = name;
	if (cut_log(&name))
		return true;
	cut_rotation(&whole);
	return cut_log(&whole);
}

/* Neither a log nor surely something else (run.log.bak, run.log~): not read, and not passed over in silence. */
static bool is_nearly_log(const char *name)
{
	static const char *const own[] = { ".part", ".tmp" }; /* of analyze --partial; a file that is being written */

	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (ends_with(name, own[i]))
			return false;
	return *name != '.' && (strstr(name, ".log") || strstr(name, ".jsonl") || strstr(name, ".ndjson"));
}

static int is_of_interest(const struct dirent *entry)
{
	return source_is_log(entry->d_name) || is_nearly_log(entry->d_name);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* `is_log`: by its name, or since a pattern names it. *gone: it was there when the directory was read, and is no more.
 */
static int add_found(struct sources *s, const char *path, bool is_log, bool hold, bool *gone, struct err *err)
{
	struct stat st, itself;
	int fd;

	if (stat(path, &st)) {
		*gone |= errno == ENOENT && lstat(path, &itself);
		return leave_out(s, path, reason_of(errno), err);
	}
	if (S_ISDIR(st.st_mode))
		return 0;
	if (!S_ISREG(st.st_mode))
		return leave_out(s, path, SKIPPED_FILE_KIND, err);
	if (!is_log)
		return leave_out(s, path, SKIPPED_FILE_NAME, err);
	if (is_there(s, &st)) {
		s->n_again++;
		return 0;
	}
	fd = open_regular(path, &st);
	if (fd < 0) {
		*gone |= errno == ENOENT;
		return leave_out(s, path, reason_of(errno), err);
	}
	if (!hold || !S_ISREG(st.st_mode)) {
		close(fd);
		fd = -1;
	}
	return S_ISREG(st.st_mode) ? add_regular(s, path, &st, fd, true, err)
				   : leave_out(s, path, SKIPPED_FILE_KIND, err);
}

static int add_entry(struct sources *s, const char *dir, const char *name, bool hold, bool *gone, struct err *err)
{
	const char *slash = ends_with(dir, "/") ? "" : "/";
	char *path;
	int rc;

	if (asprintf(&path, "%s%s%s", dir, slash, name) < 0)
		return no_memory(err);
	rc = add_found(s, path, source_is_log(name), hold, gone, err);
	free(path);
	return rc;
}

/* Takes back the files that this reading of the directory added. */
static void forget(struct sources *s, size_t n, size_t n_left_out, uint64_t total_bytes)
{
	while (s->n > n) {
		struct source *last = &s->file[--s->n];

		if (last->fd >= 0) {
			close(last->fd);
			s->n_held--;
		}
	}
	s->n_left_out = n_left_out;
	s->total_bytes = total_bytes;
	if (s->cap)
		memset(s->place, 0, 2 * s->cap * sizeof *s->place);
	for (size_t i = 0; i < s->n; i++)
		put(s, i);
}

static int look_into(struct sources *s, const char *dir, bool hold, bool *changed, struct err *err)
{
	struct dirent **entry = NULL;
	struct stat before = { 0 }, after = { 0 };
	int n, rc = 0;

	*changed = stat(dir, &before) != 0;
	n = scandir(dir, &entry, is_of_interest, by_name);
	if (n < 0)
		return cannot_open(dir, errno, err);
	for (int i = 0; i < n; i++) {
		if (!rc)
			rc = add_entry(s, dir, entry[i]->d_name, hold, changed, err);
		free(entry[i]);
	}
	free(entry);
	*changed |= stat(dir, &after) != 0 || before.st_mtim.tv_sec != after.st_mtim.tv_sec ||
		    before.st_mtim.tv_nsec != after.st_mtim.tv_nsec;
	return rc;
}

static int nothing_in(const struct sources *s, const char *dir, size_t n_left_out, struct err *err)
{
	const struct skipped_line *first = &s->left_out[n_left_out];
	int rc;

	if (s->n_left_out > n_left_out && n_left_out < INPUT_SKIPPED_MAX) {
		rc = err_set(err, ERR_OPEN, "%s: none of its logs can be read", dir);
		err_hint(err, "%s: %s", first->file, err_words(first->reason));
		return rc;
	}
	rc = err_set(err, ERR_OPEN, "%s: no *.log, *.jsonl or *.ndjson in this directory", dir);
	err_hint(err, "name the files themselves when they are called otherwise");
	return rc;
}

/* A directory in which files are renamed meanwhile may show a file twice or not at all: it is looked at again. */
static int add_directory(struct sources *s, const char *dir, bool hold, struct err *err)
{
	size_t n = s->n, n_left_out = s->n_left_out, n_again = s->n_again;
	uint64_t total_bytes = s->total_bytes;
	bool changed = true;
	int rc = 0;

	for (int look = 0; changed && !rc && look < LOOKS_MAX; look++) {
		forget(s, n, n_left_out, total_bytes);
		rc = look_into(s, dir, hold, &changed, err);
	}
	return rc || s->n > n || s->n_again > n_again ? rc : nothing_in(s, dir, n_left_out, err);
}

static int add_pattern(struct sources *s, const char *pattern, bool hold, struct err *err)
{
	glob_t found = { 0 };
	size_t n = s->n, n_left_out = s->n_left_out, n_again = s->n_again;
	bool gone = false;
	int rc = glob(pattern, 0, NULL, &found) ? cannot_open(pattern, ENOENT, err) : 0;

	for (size_t i = 0; !rc && i < found.gl_pathc; i++)
		rc = add_found(s, found.gl_pathv[i], true, hold, &gone, err);
	globfree(&found);
	if (!rc && s->n == n && s->n_again == n_again && s->n_left_out > n_left_out)
		rc = nothing_in(s, pattern, n_left_out, err);
	return rc;
}

static int add_name(struct sources *s, const char *name, bool hold, bool *sized, struct err *err)
{
	struct stat st;

	if (!strcmp(name, "-"))
		return add_stdin(s, name, sized, err);
	if (stat(name, &st))
		return errno == ENOENT && strpbrk(name, "*?[") ? add_pattern(s, name, hold, err)
							       : cannot_open(name, errno, err);
	if (S_ISDIR(st.st_mode))
		return add_directory(s, name, hold, err);
	return add_named(s, name, &st, hold, sized, err);
}

int sources_find(struct sources *s, const char *const *names, size_t n, bool hold, struct err *err)
{
	bool sized = true;
	int rc = 0;

	*s = (struct sources){ .n = 0 };
	for (size_t i = 0; i < n && !rc; i++)
		rc = add_name(s, names[i], hold, &sized, err);
	if (!sized)
		s->total_bytes = 0;
	return rc;
}

void sources_free(struct sources *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->file[i].fd >= 0)
			close(s->file[i].fd);
	arena_free(&s->arena);
	free(s->file);
	free(s->place);
	*s = (struct sources){ .n = 0 };
}
