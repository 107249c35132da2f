/* sources.c - names, patterns and directories into files, each once, in the order of rotation. */
#include "read/sources.h"

#include "base/hash.h"
#include "read/texts.h"
#include "spec/skipped.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOKS_MAX = 8, HELD_MAX = 128, BEGINNING_BYTES = 4096, FOLDERS_MAX = 1024 };

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

static void index_all(struct sources *s)
{
	if (s->cap)
		memset(s->place, 0, 2 * s->cap * sizeof *s->place);
	for (size_t i = 0; i < s->n; i++)
		put(s, i);
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
	index_all(s);
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

/* Files that are read under another name, and folders that nobody asked for: nothing is lost. */
static const enum skipped_id needless[] = { SKIPPED_FILE_TWICE, SKIPPED_FILE_COPY, SKIPPED_FOLDER, SKIPPED_FOLDERS };

bool source_is_needless(const char *reason)
{
	for (size_t i = 0; i < sizeof needless / sizeof *needless; i++)
		if (!strcmp(reason, skipped_specs[needless[i]].text[LANG_EN]))
			return true;
	return false;
}

static int leave_out(struct sources *s, const char *path, enum skipped_id why, struct err *err)
{
	struct skipped_line *at;

	s->n_needless += source_is_needless(skipped_specs[why].text[LANG_EN]);
	if (s->n_left_out >= INPUT_SKIPPED_MAX) {
		s->n_left_out++;
		return 0;
	}
	at = &s->left_out[s->n_left_out++];
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

static struct source_text text_of(int fd)
{
	char bytes[BEGINNING_BYTES];
	enum packing packing;
	const size_t n = fd >= 0 ? texts_beginning(fd, bytes, sizeof bytes, &packing) : 0;

	return (struct source_text){ n, hash_of((struct slice){ bytes, n }),
				     hash_of((struct slice){ bytes, n < TEXTS_LEAST ? n : TEXTS_LEAST }) };
}

/* May one text be what the other begins with? Empty ones are copies of nothing. */
static bool may_be_copy(const struct source_text *a, const struct source_text *b)
{
	const size_t n = a->n < b->n ? a->n : b->n;

	return a->n == b->n ? n && a->hash == b->hash : n >= TEXTS_LEAST && a->least == b->least;
}

/* Files that are not kept open are opened once more. */
static enum texts_relation relation_of(const struct source *f, int fd)
{
	struct stat st;
	const int theirs = f->fd >= 0 ? f->fd : open_regular(f->path, &st);
	enum texts_relation is = TEXTS_DIFFER;

	if (theirs >= 0 && (f->fd >= 0 || (st.st_dev == f->device && st.st_ino == f->inode)))
		is = texts_compare(fd, theirs);
	if (theirs >= 0 && f->fd < 0)
		close(theirs);
	return is;
}

/* The file taken that is a copy of this one, or of which this one is; *is says which. NULL: none. */
static struct source *copy_of(struct sources *s, const struct source *what, enum texts_relation *is)
{
	for (size_t i = 0; i < s->n && what->fd >= 0; i++) {
		struct source *f = &s->file[i];

		if (!f->regular || !may_be_copy(&f->text, &what->text))
			continue;
		*is = relation_of(f, what->fd);
		if (*is != TEXTS_DIFFER)
			return f;
	}
	return NULL;
}

static int leave_again(struct sources *s, const char *path, int fd, enum skipped_id why, struct err *err)
{
	s->n_again++;
	if (fd >= 0)
		close(fd);
	return leave_out(s, path, why, err);
}

/* The longer one takes the place of its copy, which is left out. */
static int replace(struct sources *s, struct source *copy, const char *path, struct source what, struct err *err)
{
	const char *left = copy->path;
	const int fd = copy->fd;

	what.path = arena_copy(&s->arena, slice_of(path));
	if (!what.path) {
		close(what.fd);
		return no_memory(err);
	}
	s->total_bytes += what.bytes - copy->bytes;
	s->n_held += (what.fd >= 0) - (size_t)(fd >= 0);
	*copy = what;
	index_all(s);
	return leave_again(s, left, fd, SKIPPED_FILE_COPY, err);
}

static int add_regular(struct sources *s, const char *path, const struct stat *st, int fd, bool found, struct err *err)
{
	struct source what = { .fd = fd,
			       .found = found,
			       .regular = true,
			       .bytes = (uint64_t)st->st_size,
			       .text = text_of(fd),
			       .device = st->st_dev,
			       .inode = st->st_ino };
	enum texts_relation is;
	struct source *copy;
	int rc;

	if (is_there(s, st))
		return leave_again(s, path, fd, SKIPPED_FILE_TWICE, err);
	copy = copy_of(s, &what, &is);
	if (copy && is == TEXTS_FIRST_IN_IT)
		return leave_again(s, path, fd, SKIPPED_FILE_COPY, err);
	if (fd >= 0 && s->n_held == HELD_MAX && !(copy && copy->fd >= 0)) {
		close(fd);
		what.fd = -1;
	}
	if (copy)
		return replace(s, copy, path, what, err);
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

	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->file[i].path, "-"))
			return err_set(err, ERR_USAGE, "- is named twice: standard input can be read once");
	if (fstat(STDIN_FILENO, &st) || (S_ISREG(st.st_mode) && lseek(STDIN_FILENO, 0, SEEK_CUR) > 0))
		st = (struct stat){ .st_ino = 0 };
	return add_stream(s, path, &st, sized, err);
}

static int add_named(struct sources *s, const char *path, struct stat *st, bool *sized, struct err *err)
{
	int fd;

	if (!S_ISREG(st->st_mode))
		return add_stream(s, path, st, sized, err);
	fd = open_regular(path, st);
	if (fd < 0)
		return cannot_open(path, errno, err);
	if (!(s->how & SOURCES_HOLD)) {
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
static int add_found(struct sources *s, const char *path, bool is_log, bool *gone, struct err *err)
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
	if (!(s->how & SOURCES_HOLD) || !S_ISREG(st.st_mode)) {
		close(fd);
		fd = -1;
	}
	return S_ISREG(st.st_mode) ? add_regular(s, path, &st, fd, true, err)
				   : leave_out(s, path, SKIPPED_FILE_KIND, err);
}

/* NULL: no memory. The caller frees it. */
static char *path_in(const char *dir, const char *name)
{
	const size_t n = strlen(dir);
	char *path;

	return asprintf(&path, "%s%s%s", dir, n && dir[n - 1] == '/' ? "" : "/", name) < 0 ? NULL : path;
}

static int add_entry(struct sources *s, const char *dir, const char *name, bool *gone, struct err *err)
{
	char *path = path_in(dir, name);
	int rc;

	if (!path)
		return no_memory(err);
	rc = add_found(s, path, source_is_log(name), gone, err);
	free(path);
	return rc;
}

/* Takes back the files that this reading of the directory added. */
static void forget(struct sources *s, size_t n, size_t n_left_out, size_t n_needless, uint64_t total_bytes)
{
	while (s->n > n) {
		struct source *last = &s->file[--s->n];

		if (last->fd >= 0) {
			close(last->fd);
			s->n_held--;
		}
	}
	s->n_left_out = n_left_out;
	s->n_needless = n_needless;
	s->total_bytes = total_bytes;
	index_all(s);
}

/* --- the folders of a directory, which are not read --- */

static int is_folder(const struct dirent *entry)
{
	return *entry->d_name != '.' &&
	       (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN || entry->d_type == DT_LNK);
}

static int is_log_entry(const struct dirent *entry)
{
	return entry->d_type != DT_DIR && source_is_log(entry->d_name);
}

static bool holds_logs(const char *dir)
{
	struct dirent **entry = NULL;
	const int n = scandir(dir, &entry, is_log_entry, NULL);

	for (int i = 0; i < n; i++)
		free(entry[i]);
	free(entry);
	return n > 0;
}

/* A folder that is searched: its depth below the one that was named, whose *left folders more are looked into. */
struct searched {
	const char *path;
	dev_t device; /* of the one that was named; a link to it is none of its folders */
	ino_t inode;
	unsigned depth, *left;
};

static int search_folders(struct sources *s, const struct searched *in, struct err *err);

/* Links lead anywhere and in circles: they are followed where they lie in the directory itself. */
static int search_folder(struct sources *s, const struct searched *in, const char *path, struct err *err)
{
	const struct searched inside = { path, in->device, in->inode, in->depth + 1, in->left };
	struct stat st, itself;
	int rc = 0;

	if (stat(path, &st) || lstat(path, &itself) || !S_ISDIR(st.st_mode))
		return 0;
	if (S_ISLNK(itself.st_mode) && (in->depth || (st.st_dev == in->device && st.st_ino == in->inode)))
		return 0;
	if (!*in->left)
		return 0;
	if (!--*in->left)
		return leave_out(s, in->path, SKIPPED_FOLDERS, err);
	if (holds_logs(path))
		rc = leave_out(s, path, SKIPPED_FOLDER, err);
	return rc || S_ISLNK(itself.st_mode) ? rc : search_folders(s, &inside, err);
}

static int search_folders(struct sources *s, const struct searched *in, struct err *err)
{
	struct dirent **entry = NULL;
	const int n = scandir(in->path, &entry, is_folder, by_name);
	int rc = 0;

	for (int i = 0; i < n; i++) {
		char *path = rc ? NULL : path_in(in->path, entry[i]->d_name);

		if (!rc)
			rc = path ? search_folder(s, in, path, err) : no_memory(err);
		free(path);
		free(entry[i]);
	}
	free(entry);
	return rc;
}

static int list_folders(struct sources *s, const char *dir, struct err *err)
{
	struct stat st;
	unsigned left = FOLDERS_MAX;

	if (!(s->how & SOURCES_FOLDERS) || stat(dir, &st))
		return 0;
	return search_folders(s, &(struct searched){ dir, st.st_dev, st.st_ino, 0, &left }, err);
}

static int look_into(struct sources *s, const char *dir, bool *changed, struct err *err)
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
			rc = add_entry(s, dir, entry[i]->d_name, changed, err);
		free(entry[i]);
	}
	free(entry);
	*changed |= stat(dir, &after) != 0 || before.st_mtim.tv_sec != after.st_mtim.tv_sec ||
		    before.st_mtim.tv_nsec != after.st_mtim.tv_nsec;
	return rc;
}

static int nothing_in(const struct sources *s, const char *dir, size_t n_left_out, struct err *err)
{
	const bool any = s->n_left_out > n_left_out && n_left_out < INPUT_SKIPPED_MAX;
	const struct skipped_line *first = &s->left_out[any ? n_left_out : 0];
	int rc;

	/* folders come behind files */
	if (any && first->reason != skipped_specs[SKIPPED_FOLDER].text[LANG_EN])
		rc = err_set(err, ERR_OPEN, "%s: none of its logs can be read", dir);
	else
		rc = err_set(err, ERR_OPEN, "%s: no *.log, *.jsonl or *.ndjson in this directory", dir);
	if (any)
		err_hint(err, "%s: %s", first->file, err_words(first->reason));
	else
		err_hint(err, "name the files themselves when they are called otherwise");
	return rc;
}

/* A directory in which files are renamed meanwhile may show a file twice or not at all: it is looked at again. */
static int add_directory(struct sources *s, const char *dir, struct err *err)
{
	size_t n = s->n, n_left_out = s->n_left_out, n_needless = s->n_needless, n_again = s->n_again;
	uint64_t total_bytes = s->total_bytes;
	bool changed = true;
	int rc = 0;

	for (int look = 0; changed && !rc && look < LOOKS_MAX; look++) {
		forget(s, n, n_left_out, n_needless, total_bytes);
		rc = look_into(s, dir, &changed, err);
	}
	if (!rc)
		rc = list_folders(s, dir, err);
	return rc || s->n > n || s->n_again > n_again ? rc : nothing_in(s, dir, n_left_out, err);
}

/* The folder in which a pattern begins. */
static void put_folder(struct buf *out, const char *pattern)
{
	size_t n = strcspn(pattern, "*?[");

	while (n && pattern[n - 1] != '/')
		n--;
	while (n > 1 && pattern[n - 1] == '/')
		n--;
	buf_add(out, n ? pattern : ".", n ? n : 1);
}

bool source_is_denied(const char *name, struct buf *place, enum skipped_id *why)
{
	struct stat st;
	bool folder = !stat(name, &st) && S_ISDIR(st.st_mode);
	bool pattern = strpbrk(name, "*?[") && access(name, F_OK);

	if (pattern)
		put_folder(place, name);
	else
		buf_str(place, name);
	*why = pattern || folder ? SKIPPED_FOLDER_DENIED : SKIPPED_FILE_DENIED;
	return !place->failed && faccessat(AT_FDCWD, buf_text(place), R_OK, AT_EACCESS) && errno == EACCES;
}

static int none_matches(const char *pattern, struct err *err)
{
	struct buf place = { 0 };
	enum skipped_id why;
	int rc = source_is_denied(pattern, &place, &why) ? cannot_open(buf_text(&place), EACCES, err)
							 : cannot_open(pattern, ENOENT, err);

	buf_free(&place);
	return rc;
}

static int add_pattern(struct sources *s, const char *pattern, struct err *err)
{
	glob_t found = { 0 };
	size_t n = s->n, n_left_out = s->n_left_out, n_again = s->n_again;
	unsigned left = FOLDERS_MAX;
	const struct searched matched = { .path = pattern, .left = &left };
	bool gone = false;
	int rc = glob(pattern, 0, NULL, &found) ? none_matches(pattern, err) : 0;

	for (size_t i = 0; !rc && i < found.gl_pathc; i++)
		rc = add_found(s, found.gl_pathv[i], true, &gone, err);
	for (size_t i = 0; !rc && i < found.gl_pathc && (s->how & SOURCES_FOLDERS); i++)
		rc = search_folder(s, &matched, found.gl_pathv[i], err);
	globfree(&found);
	if (!rc && s->n == n && s->n_again == n_again)
		rc = nothing_in(s, pattern, n_left_out, err);
	return rc;
}

static int add_name(struct sources *s, const char *name, bool *sized, struct err *err)
{
	struct stat st;

	if (!strcmp(name, "-"))
		return add_stdin(s, name, sized, err);
	if (stat(name, &st))
		return errno == ENOENT && strpbrk(name, "*?[") ? add_pattern(s, name, err)
							       : cannot_open(name, errno, err);
	if (S_ISDIR(st.st_mode))
		return add_directory(s, name, err);
	return add_named(s, name, &st, sized, err);
}

int sources_find(struct sources *s, const char *const *names, size_t n, unsigned how, struct err *err)
{
	bool sized = true;
	int rc = 0;

	*s = (struct sources){ .how = how };
	for (size_t i = 0; i < n && !rc; i++)
		rc = add_name(s, names[i], &sized, err);
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
