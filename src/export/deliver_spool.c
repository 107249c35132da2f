/* deliver_spool.c - the file in which critical alarms wait for the next start. */
#include "export/deliver_spool.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/json_read.h"
#include "base/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN_TRIES = 4096 }; /* one that is lost was another process's turn */

uint64_t spool_number(const char *to)
{
	return hash_of(slice_of(to));
}

/* The file of that name is still the open one. */
static bool is_still(int fd, const char *path)
{
	struct stat open_one, named;

	return !fstat(fd, &open_one) && !lstat(path, &named) && open_one.st_dev == named.st_dev &&
	       open_one.st_ino == named.st_ino;
}

/* Opens and locks it; -1: errno says why. One that was removed or replaced meanwhile is opened again. */
static int open_locked(const char *path, bool create)
{
	for (int i = 0; i < OPEN_TRIES; i++) {
		int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (create ? O_CREAT : 0), 0600);
		struct stat st;

		if (fd < 0)
			return -1;
		if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
			close(fd);
			errno = EINVAL;
			return -1;
		}
		if (!flock(fd, LOCK_EX) && is_still(fd, path))
			return fd;
		close(fd);
	}
	errno = EAGAIN;
	return -1;
}

static int read_all(int fd, struct buf *out)
{
	char part[4096];
	ssize_t n = 0;

	while (out->used < 2 * SPOOL_BYTES && (n = read(fd, part, sizeof part)) > 0)
		buf_add(out, part, (size_t)n);
	return n < 0 ? errno : out->failed ? ENOMEM : 0;
}

/* An empty file may become a spool; whatever else lies there stays as it is. */
static bool is_spool(struct slice text)
{
	return !text.n || json_read_member(next_line(&text), "to").n;
}

bool spool_is_foreign(const char *path)
{
	struct buf text = { 0 };
	int fd = open_locked(path, false);
	bool foreign = fd >= 0 ? !read_all(fd, &text) && !is_spool(buf_slice(&text))
			       : errno == EINVAL || errno == EISDIR || errno == ELOOP;

	if (fd >= 0)
		close(fd);
	buf_free(&text);
	return foreign;
}

/* A new file, as one whole on the disk. What a crash left of an earlier one makes room. */
static int write_beside(const char *beside, struct slice text)
{
	int fd, rc;

	unlink(beside);
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return errno;
	rc = file_write_all(fd, text);
	if (!rc && fsync(fd))
		rc = errno;
	if (close(fd) && !rc)
		rc = errno;
	return rc;
}

/* Makes the file hold `text` alone, at once: a crash leaves the old lines or the new ones. An empty one is removed. The
 * lock is the old file's; whoever waited for it opens the new one. */
static int write_all(const char *path, struct slice text)
{
	char *beside;
	int rc;

	if (!text.n)
		return unlink(path) ? errno : 0;
	if (asprintf(&beside, "%s.new", path) < 0)
		return ENOMEM;
	rc = write_beside(beside, text);
	if (!rc && rename(beside, path))
		rc = errno;
	if (rc)
		unlink(beside);
	free(beside);
	return rc;
}

/* The newest lines that fit; *dropped gets how many do not. */
static struct slice newest(struct slice text, size_t *dropped)
{
	size_t lines = 0;

	*dropped = 0;
	for (size_t i = 0; i < text.n; i++)
		lines += text.p[i] == '\n';
	while (text.n && (lines > SPOOL_ALARMS || text.n > SPOOL_BYTES)) {
		next_line(&text);
		lines -= lines > 0;
		++*dropped;
	}
	return text;
}

static void add_line(struct buf *out, uint64_t number, const struct message *m)
{
	struct json j = { .out = out };
	char to[17];

	snprintf(to, sizeof to, "%016" PRIx64, number);
	jw_object(&j);
	jw_put_text(&j, "to", to);
	jw_put_i64(&j, "time_us", m->time_us);
	jw_put_slice(&j, "rule", m->rule);
	jw_put_slice(&j, "text", m->text);
	jw_end(&j);
	buf_char(out, '\n');
}

int spool_put(const char *path, uint64_t number, const struct message *list, size_t *dropped)
{
	struct buf text = { 0 };
	int fd = open_locked(path, true), rc;

	*dropped = 0;
	if (fd < 0)
		return errno;
	rc = read_all(fd, &text);
	if (!rc && !is_spool(buf_slice(&text)))
		rc = EEXIST;
	for (; list; list = list->next)
		add_line(&text, number, list);
	if (!rc)
		rc = text.failed ? ENOMEM : write_all(path, newest(buf_slice(&text), dropped));
	buf_free(&text);
	close(fd);
	return rc;
}

/* *out gets the message of a line; NULL: the line has another form. It gets a rule name of its own, so that an alarm of
 * this session with the same rule is not mistaken for it. False: no memory. */
static bool read_message(struct slice line, struct message **out)
{
	struct buf rule = { 0 }, text = { 0 };
	struct message facts = { .firing = true, .critical = true, .late = true };
	bool fine = true;

	*out = NULL;
	if (json_read_whole(json_read_member(line, "time_us"), &facts.time_us) &&
	    json_read_text(&rule, json_read_member(line, "rule")) &&
	    json_read_text(&text, json_read_member(line, "text"))) {
		if (!memmem(rule.p ? rule.p : "", rule.used, " (of ", 5))
			buf_printf(&rule, " (of %" PRId64 ")", facts.time_us);
		facts.rule = buf_slice(&rule);
		facts.text = buf_slice(&text);
		*out = rule.failed || text.failed ? NULL : message_new(&facts);
		fine = *out;
	}
	buf_free(&rule);
	buf_free(&text);
	return fine;
}

static void keep_line(struct buf *out, struct slice line)
{
	buf_add(out, line.p, line.n);
	buf_char(out, '\n');
}

int spool_take(const char *path, uint64_t number, void (*take)(void *ctx, struct message *m), void *ctx)
{
	struct buf text = { 0 }, left = { 0 };
	char wanted[24];
	int fd = open_locked(path, false), rc;
	struct slice rest;

	if (fd < 0)
		return errno == ENOENT ? 0 : errno;
	snprintf(wanted, sizeof wanted, "\"%016" PRIx64 "\"", number);
	rc = read_all(fd, &text);
	if (!rc && !is_spool(buf_slice(&text)))
		rc = EEXIST;
	rest = buf_slice(&text);
	while (!rc && rest.n) {
		struct slice line = next_line(&rest), to = json_read_member(line, "to");
		struct message *m = NULL;

		if (to.n && (!slice_is(to, wanted) || !read_message(line, &m)))
			keep_line(&left, line);
		if (m)
			take(ctx, m);
	}
	if (!rc && left.failed)
		rc = ENOMEM;
	else if (!rc && (!left.used || left.used != text.used)) /* else nothing was taken: the file stays as it is */
		rc = write_all(path, buf_slice(&left));
	buf_free(&text);
	buf_free(&left);
	close(fd);
	return rc;
}
