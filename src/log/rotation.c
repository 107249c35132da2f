/* rotation.c - renames without replacing another file; removes the oldest files, by name. */
#include "log/rotation.h"

#include "log/names.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <unistd.h>

enum { NAME_TRIES = 1000 };

int rotation_rename(struct segment *s, int64_t wall_us, int64_t *stamp_us)
{
	int64_t at = wall_us > *stamp_us ? wall_us : *stamp_us + 1000;
	int rc = EEXIST;

	for (int i = 0; i < NAME_TRIES && rc == EEXIST; i++, at += 1000) {
		struct buf name = { 0 };

		log_name_rotated(&name, s->path, at);
		rc = name.failed ? ENOMEM : segment_rename(s, name.p);
		if (!rc)
			*stamp_us = at;
		buf_free(&name);
	}
	return rc;
}

/* The directory's part of a path with its slash, "" for the working directory. */
static size_t directory_bytes(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash + 1 - path) : 0;
}

static int remove_in(const char *path, const char *name)
{
	struct buf full = { 0 };
	int rc;

	buf_add(&full, path, directory_bytes(path));
	buf_str(&full, name);
	rc = full.failed ? ENOMEM : unlink(full.p) && errno != ENOENT ? errno : 0;
	buf_free(&full);
	return rc;
}

/* Counts the rotated files and finds the oldest. */
static int look(const char *path, size_t *n, char oldest[NAME_MAX + 1])
{
	struct buf dir = { 0 };
	const struct dirent *entry;
	DIR *d;

	*n = 0;
	buf_add(&dir, path, directory_bytes(path));
	if (!dir.used)
		buf_char(&dir, '.');
	d = dir.failed ? NULL : opendir(dir.p);
	buf_free(&dir);
	if (!d)
		return errno;
	while ((entry = readdir(d)))
		if (log_name_is_rotated(path, entry->d_name) && (!(*n)++ || strcmp(entry->d_name, oldest) < 0))
			memcpy(oldest, entry->d_name, strlen(entry->d_name) + 1);
	closedir(d);
	return 0;
}

int rotation_prune(const char *path, unsigned keep)
{
	char oldest[NAME_MAX + 1] = "";
	size_t n;
	int rc;

	while (!(rc = look(path, &n, oldest)) && n > keep && !(rc = remove_in(path, oldest)))
		;
	return rc;
}
