#include "read/sources.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int no_memory(struct err *err)
{
	return err_set(err, ERR_NOMEM, "no memory for the list of files");
}

static int append(struct sources *s, const char *path, struct err *err)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 16;
		const char **grown = realloc(s->path, cap * sizeof *grown);

		if (!grown)
			return no_memory(err);
		s->path = grown;
		s->cap = cap;
	}
	s->path[s->n] = arena_copy(&s->arena, slice_of(path));
	return s->path[s->n++] ? 0 : no_memory(err);
}

static int cannot_open(const char *path, int os_errno, struct err *err)
{
	int rc = err_set_os(err, ERR_OPEN, os_errno, "%s: cannot be opened", path);

	if (os_errno == ENOENT)
		err_hint(err, "name a log file, a directory of logs, or - for standard input");
	return rc;
}

/* Opens it once, so that a name that cannot be read is refused before any work is done. */
static int try_file(struct sources *s, const char *path, const struct stat *st, bool *sized, struct err *err)
{
	int fd;

	if (!S_ISREG(st->st_mode)) {
		*sized = false; /* a pipe: opening it here would eat its beginning */
		return append(s, path, err);
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cannot_open(path, errno, err);
	close(fd);
	s->total_bytes += (uint64_t)st->st_size;
	return append(s, path, err);
}

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

/* run.log, and what becomes of it elsewhere: run.log.1, run.log-20250911, each perhaps .gz or .zst. */
static int is_log(const struct dirent *entry)
{
	struct slice name = slice_of(entry->d_name), whole;

	if (*name.p == '.')
		return false;
	if (!cut_end(&name, ".gz"))
		cut_end(&name, ".zst");
	whole = name;
	while (name.n && name.p[name.n - 1] >= '0' && name.p[name.n - 1] <= '9')
		name.n--;
	if (name.n == whole.n || !(cut_end(&name, ".") || cut_end(&name, "-")))
		name = whole;
	return cut_end(&name, ".log") || cut_end(&name, ".jsonl");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_entry(struct sources *s, const char *dir, const char *name, bool *sized, struct err *err)
{
	const char *slash = ends_with(dir, "/") ? "" : "/";
	size_t n = strlen(dir) + strlen(name) + 2;
	char *path = malloc(n);
	struct stat st;
	int rc = 0;

	if (!path)
		return no_memory(err);
	snprintf(path, n, "%s%s%s", dir, slash, name);
	if (stat(path, &st))
		rc = cannot_open(path, errno, err);
	else if (!S_ISDIR(st.st_mode))
		rc = try_file(s, path, &st, sized, err);
	free(path);
	return rc;
}

static int add_directory(struct sources *s, const char *dir, bool *sized, struct err *err)
{
	struct dirent **entry = NULL;
	size_t before = s->n;
	int n = scandir(dir, &entry, is_log, by_name), rc = 0;

	if (n < 0)
		return cannot_open(dir, errno, err);
	for (int i = 0; i < n; i++) {
		if (!rc)
			rc = add_entry(s, dir, entry[i]->d_name, sized, err);
		free(entry[i]);
	}
	free(entry);
	if (!rc && s->n == before) {
		rc = err_set(err, ERR_OPEN, "%s: no *.log or *.jsonl in this directory", dir);
		err_hint(err, "name the files themselves when they are called otherwise");
	}
	return rc;
}

static int add_pattern(struct sources *s, const char *pattern, bool *sized, struct err *err)
{
	glob_t found = { 0 };
	int rc = glob(pattern, 0, NULL, &found) ? cannot_open(pattern, ENOENT, err) : 0;

	for (size_t i = 0; !rc && i < found.gl_pathc; i++) {
		struct stat st;

		if (stat(found.gl_pathv[i], &st))
			rc = cannot_open(found.gl_pathv[i], errno, err);
		else if (!S_ISDIR(st.st_mode))
			rc = try_file(s, found.gl_pathv[i], &st, sized, err);
	}
	globfree(&found);
	return rc;
}

static int add_name(struct sources *s, const char *name, bool *sized, struct err *err)
{
	struct stat st;

	if (!strcmp(name, "-")) {
		*sized = false;
		return append(s, name, err);
	}
	if (stat(name, &st))
		return errno == ENOENT && strpbrk(name, "*?[") ? add_pattern(s, name, sized, err)
							       : cannot_open(name, errno, err);
	if (S_ISDIR(st.st_mode))
		return add_directory(s, name, sized, err);
	return try_file(s, name, &st, sized, err);
}

int sources_find(struct sources *s, const char *const *names, size_t n, struct err *err)
{
	bool sized = true;
	int rc = 0;

	*s = (struct sources){ .n = 0 };
	for (size_t i = 0; i < n && !rc; i++)
		rc = add_name(s, names[i], &sized, err);
	if (!sized)
		s->total_bytes = 0;
	return rc;
}

void sources_free(struct sources *s)
{
	arena_free(&s->arena);
	free(s->path);
	*s = (struct sources){ .n = 0 };
}
