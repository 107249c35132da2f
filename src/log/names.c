/* names.c - fills in {pid}, {session} and {time}; knows rotated names. */
#include "log/names.h"

#include <ctype.h>
#include <time.h>
#include <unistd.h>

/* Pattern of a time stamp such as "20250911T123456.789Z": d is a digit. */
static const char stamp_pattern[] = "ddddddddTdddddd.dddZ";
enum { STAMP_BYTES = sizeof stamp_pattern - 1, SESSION_BYTES = 100 };

static void add_stamp(struct buf *out, int64_t wall_us)
{
	time_t seconds = (time_t)(wall_us / 1000000);
	struct tm tm = { 0 };
	char text[40];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof text, "%Y%m%dT%H%M%S", &tm);
	buf_printf(out, "%s.%03dZ", text, (int)(wall_us / 1000 % 1000));
}

static void add_default(struct buf *out, int64_t wall_us, unsigned nth)
{
	time_t now = (time_t)(wall_us / 1000000);
	struct tm tm = { 0 };
	char name[64];

	localtime_r(&now, &tm);
	strftime(name, sizeof name, "rwkv_monitor_%Y%m%d_%H%M%S", &tm);
	buf_str(out, name);
	if (nth > 1)
		buf_printf(out, "_%u", nth);
	buf_str(out, ".log");
}

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Appends the id so that it is always part of one file name: not a folder, not hidden, not too long. */
static void add_session(struct buf *out, const char *id)
{
	size_t n = strnlen(id, SESSION_BYTES);

	for (size_t i = 0; i < n; i++)
		buf_char(out, is_plain(id[i]) || (id[i] == '.' && i) ? id[i] : '_');
}

static bool starts(const char *p, const char *word)
{
	return !strncmp(p, word, strlen(word));
}

struct slice log_name_unknown(const char *path)
{
	static const char *const known[] = { "{pid}", "{session}", "{time}" };

	for (const char *p = path; (p = strchr(p, '{')); p++) {
		size_t n = 1 + strspn(p + 1, "abcdefghijklmnopqrstuvwxyz_");
		bool is_known = n == 1 || p[n] != '}'; /* no placeholder at all */

		for (size_t i = 0; i < sizeof known / sizeof *known; i++)
			is_known |= starts(p, known[i]);
		if (!is_known)
			return (struct slice){ p, n + 1 };
	}
	return (struct slice){ "", 0 };
}

void log_name_expand(struct buf *out, const char *path, const char *session_id, int64_t wall_us, unsigned nth)
{
	if (!*path)
		add_default(out, wall_us, nth);
	while (*path)
		if (starts(path, "{pid}")) {
			buf_printf(out, "%ld", (long)getpid());
			path += strlen("{pid}");
		} else if (starts(path, "{session}")) {
			add_session(out, session_id);
			path += strlen("{session}");
		} else if (starts(path, "{time}")) {
			add_stamp(out, wall_us);
			path += strlen("{time}");
		} else {
			buf_char(out, *path++);
		}
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n > m && !strcmp(name + n - m, end);
}

bool log_name_is_zst(const char *path)
{
	return ends_with(path, ".zst");
}

/* Where ".log", ".log.zst" or another extension begins; the end when there is none. */
static const char *extension_of(const char *path)
{
	const char *base = base_of(path), *end = path + strlen(path), *p = log_name_is_zst(path) ? end - 4 : end;

	while (--p > base)
		if (*p == '.')
			return p;
	return log_name_is_zst(path) ? end - 4 : end;
}

void log_name_rotated(struct buf *out, const char *path, int64_t wall_us)
{
	const char *extension = extension_of(path);

	buf_add(out, path, (size_t)(extension - path));
	buf_char(out, '.');
	add_stamp(out, wall_us);
	buf_str(out, extension);
}

static bool is_stamp(const char *p)
{
	for (int i = 0; i < STAMP_BYTES; i++)
		if (stamp_pattern[i] == 'd' ? !isdigit((unsigned char)p[i]) : p[i] != stamp_pattern[i])
			return false;
	return true;
}

bool log_name_is_rotated(const char *path, const char *name)
{
	const char *base = base_of(path), *extension = extension_of(path);
	size_t stem = (size_t)(extension - base), n = strlen(name);

	return n == stem + 1 + STAMP_BYTES + strlen(extension) && !memcmp(name, base, stem) && name[stem] == '.' &&
	       is_stamp(name + stem + 1) && !strcmp(name + n - strlen(extension), extension);
}
