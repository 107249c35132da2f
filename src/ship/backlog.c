/* backlog.c - batches of lines as files, counted by a state that is replaced at once. */
#include "ship/backlog_gaps.h"
#include "ship/backlog_put.h"
#include "ship/backlog_state.h"

#include "base/array.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/lines.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { READ_MOST = 64 << 20 };

struct backlog {
	char *dir;
	int dir_fd, lock_fd;
	uint64_t most_bytes;
	struct puts puts[BACKLOG_KINDS];
	bool owed; /* the last commit of places failed: the next one is of them, too */

	pthread_mutex_t lock;        /* of all below; of `state`, of what is lost */
	struct backlog_state state;  /* `batches`: the number of the next one */
	uint64_t kept_number;        /* batches that the state on disk names have smaller ones */
	struct backlog_batch *batch; /* (n), by number: on disk */
	size_t n, cap;
	uint64_t bytes;
	uint64_t sending;         /* the number of the batch that is on its way; 0: none */
	struct backlog_gaps gaps; /* of what was lost, for the next commit */
};

static bool list_batch(struct backlog *s, const struct backlog_batch *b)
{
	if (!array_grow(&s->batch, s->n, &s->cap, 64, sizeof *s->batch))
		return false;
	s->batch[s->n++] = *b;
	s->bytes += b->bytes;
	return true;
}

/* --- opening ----------------------------------------------------------------------------- */

static uint64_t random_number(void)
{
	uint64_t n = 0;
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, &n, sizeof n) != sizeof n)
		n = (uint64_t)clock_wall_us(&clock_system) * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)getpid() << 40;
	if (fd >= 0)
		close(fd);
	return n;
}

static int fail(const struct backlog *s, int error, struct err *err)
{
	err_set_os(err, ERR_WRITE, error, "the spool %s cannot be used", s->dir);
	return err_hint(err, "name a folder that this user can write with --spool");
}

static int open_dir(struct backlog *s, struct err *err)
{
	if (mkdir(s->dir, 0700) && errno != EEXIST)
		return fail(s, errno, err);
	s->dir_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir_fd < 0)
		return fail(s, errno, err);
	s->lock_fd = openat(s->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock_fd < 0)
		return fail(s, errno, err);
	if (!flock(s->lock_fd, LOCK_EX | LOCK_NB))
		return 0;
	err_set(err, ERR_WRITE, "the spool %s is used by another process", s->dir);
	return err_hint(err,
			"one `rwkvmon ship` ships all logs of a host; or give each a folder of its own with --spool");
}

/* Without a file, or with an empty one, nothing was kept yet. */
static int read_state(struct backlog *s, struct err *err)
{
	struct buf path = { 0 }, text = { 0 };
	int rc = 0;

	buf_printf(&path, "%s/state", s->dir);
	if (!access(path.p ? path.p : "", F_OK))
		rc = file_read(&text, path.p, READ_MOST, err);
	if (!rc && (path.failed || text.failed))
		rc = err_set(err, ERR_NOMEM, "no memory for the spool");
	if (!rc && text.used)
		rc = backlog_state_read(&s->state, buf_slice(&text), path.p, err);
	s->kept_number = s->state.batches;
	buf_free(&path);
	buf_free(&text);
	return rc;
}

static int by_number(const void *a, const void *b)
{
	const struct backlog_batch *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

/* Batches that the state names wait; others were cut off by a crash, and their steps are read again. */
static int find_batches(struct backlog *s, struct err *err)
{
	DIR *dir = opendir(s->dir);
	bool fine = dir;

	for (const struct dirent *e; dir && fine && (e = readdir(dir));) {
		struct backlog_batch b;
		struct stat st;

		if (!backlog_batch_parse(e->d_name, &b))
			continue;
		if (b.number >= s->kept_number || fstatat(s->dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW)) {
			unlinkat(s->dir_fd, e->d_name, 0);
			continue;
		}
		b.bytes = (uint64_t)st.st_size;
		fine = list_batch(s, &b);
	}
	if (dir)
		closedir(dir);
	if (!dir)
		return fail(s, errno, err);
	if (s->n)
		qsort(s->batch, s->n, sizeof *s->batch, by_number);
	return fine ? 0 : err_set(err, ERR_NOMEM, "no memory for the spool");
}

int backlog_open(struct backlog **out, const char *dir, uint64_t most_bytes, struct buf *places, struct err *err)
{
	struct backlog *s = calloc(1, sizeof *s);
	int rc;

	*out = NULL;
	if (!s || !(s->dir = strdup(dir))) {
		free(s);
		return err_set(err, ERR_NOMEM, "no memory for the spool");
	}
	pthread_mutex_init(&s->lock, NULL);
	s->dir_fd = s->lock_fd = -1;
	s->most_bytes = most_bytes;
	s->state = (struct backlog_state){ .origin = random_number(), .next_id = 1, .batches = 1 };
	rc = open_dir(s, err);
	rc = rc ? rc : read_state(s, err);
	rc = rc ? rc : find_batches(s, err);
	buf_add(places, s->state.places.p, s->state.places.used);
	if (!rc && places->failed)
		rc = err_set(err, ERR_NOMEM, "no memory for the spool");
	if (rc)
		backlog_close(s);
	else
		*out = s;
	return rc;
}

void backlog_close(struct backlog *s)
{
	if (!s)
		return;
	if (s->dir_fd >= 0)
		close(s->dir_fd);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	for (int kind = 0; kind < BACKLOG_KINDS; kind++)
		puts_free(&s->puts[kind]);
	backlog_gaps_free(&s->gaps);
	backlog_state_free(&s->state);
	pthread_mutex_destroy(&s->lock);
	free(s->batch);
	free(s->dir);
	free(s);
}

/* --- dropping ------------------------------------------------------------------------------- */

static bool read_batch(const struct backlog *s, const struct backlog_batch *b, struct buf *out)
{
	char name[BACKLOG_NAME_BYTES];
	struct buf path = { 0 };
	struct err err = { 0 };
	bool fine;

	backlog_batch_name(name, b);
	buf_printf(&path, "%s/%s", s->dir, name);
	fine = !path.failed && !file_read(out, path.p, READ_MOST, &err) && !out->failed;
	buf_free(&path);
	return fine;
}

static void remove_file(const struct backlog *s, const struct backlog_batch *b)
{
	char name[BACKLOG_NAME_BYTES];

	backlog_batch_name(name, b);
	unlinkat(s->dir_fd, name, 0);
}

/* Takes it off the list; the lock is held. */
static void unlist(struct backlog *s, size_t i)
{
	s->bytes -= s->batch[i].bytes;
	memmove(&s->batch[i], &s->batch[i + 1], (--s->n - i) * sizeof *s->batch);
}

/* Counts what is lost, and tells whose steps roll-ups stood for; the lock is held. */
static void note_lost(struct backlog *s, enum backlog_kind kind, uint64_t lines, uint64_t steps, struct slice text,
		      const char *why)
{
	s->state.lost[kind] += lines;
	s->state.lost_steps += steps;
	if (kind == BACKLOG_ROLLUPS)
		backlog_gaps_add(&s->gaps, text, steps, why, clock_wall_us(&clock_system));
}

static void lose(struct backlog *s, size_t i, const char *why)
{
	const struct backlog_batch b = s->batch[i];
	struct buf text = { 0 };

	if (b.kind == BACKLOG_ROLLUPS)
		read_batch(s, &b, &text); /* else its steps have no instance */
	note_lost(s, b.kind, b.lines, b.steps, buf_slice(&text), why);
	remove_file(s, &b);
	unlist(s, i);
	buf_free(&text);
}

/* The oldest of a kind that is not on its way; s->n: there is none. */
static size_t oldest(const struct backlog *s, enum backlog_kind kind)
{
	size_t i = 0;

	while (i < s->n && (s->batch[i].kind != kind || s->batch[i].number == s->sending))
		i++;
	return i;
}

static void lose_oldest(struct backlog *s)
{
	pthread_mutex_lock(&s->lock);
	while (s->bytes > s->most_bytes) {
		const size_t rollups = oldest(s, BACKLOG_ROLLUPS), events = oldest(s, BACKLOG_EVENTS);

		if (rollups == s->n && events == s->n)
			break;
		lose(s, rollups < s->n ? rollups : events, "the spool was full");
	}
	pthread_mutex_unlock(&s->lock);
}

/* --- putting ---------------------------------------------------------------------------------- */

void backlog_id(struct backlog *s, char out[BACKLOG_ID_BYTES])
{
	snprintf(out, BACKLOG_ID_BYTES, "%016" PRIx64 "-%" PRIu64, s->state.origin, s->state.next_id++);
}

static int write_file(const struct backlog *s, const char *name, struct slice text)
{
	int fd = openat(s->dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int rc = fd < 0 ? errno : file_write_all(fd, text);

	if (!rc && fsync(fd))
		rc = errno;
	if (fd >= 0)
		close(fd);
	return rc;
}

/* The oldest batch in memory, as a file that no state names yet; what cannot be written stays where it is. */
static int write_first(struct backlog *s, enum backlog_kind kind)
{
	const struct put *put = &s->puts[kind].put[0];
	const struct backlog_batch b = { s->state.batches, kind, put->lines, put->steps, put->text.used };
	char name[BACKLOG_NAME_BYTES];
	int rc;

	backlog_batch_name(name, &b);
	rc = write_file(s, name, buf_slice(&put->text));
	if (!rc) {
		pthread_mutex_lock(&s->lock);
		rc = list_batch(s, &b) ? 0 : ENOMEM;
		pthread_mutex_unlock(&s->lock);
	}
	if (rc) {
		unlinkat(s->dir_fd, name, 0);
		return rc;
	}
	s->state.batches++;
	puts_drop_first(&s->puts[kind]);
	return 0;
}

static int write_all(struct backlog *s, enum backlog_kind kind)
{
	int rc = 0;

	while (!rc && s->puts[kind].n)
		rc = write_first(s, kind);
	return rc;
}

/* What memory has no room for; the folder cannot be written, and for long. */
static void lose_first(struct backlog *s, enum backlog_kind kind)
{
	const struct put *put = &s->puts[kind].put[0];

	pthread_mutex_lock(&s->lock);
	note_lost(s, kind, put->lines, put->steps, buf_slice(&put->text), "the spool could not be written");
	pthread_mutex_unlock(&s->lock);
	puts_drop_first(&s->puts[kind]);
}

void backlog_put(struct backlog *s, enum backlog_kind kind, struct slice line, uint64_t steps)
{
	struct puts *p = &s->puts[kind];

	if (!puts_add(p, line, 1, steps, BACKLOG_BATCH_BYTES)) {
		pthread_mutex_lock(&s->lock);
		note_lost(s, kind, 1, steps, line, "no memory");
		pthread_mutex_unlock(&s->lock);
	}
	while (p->n > 1 && !write_first(s, kind))
		;
	while (p->n > 1 && p->bytes > s->most_bytes)
		lose_first(s, kind);
}

void backlog_missed(struct backlog *s, enum backlog_kind kind, uint64_t lines, uint64_t steps)
{
	pthread_mutex_lock(&s->lock);
	note_lost(s, kind, lines, steps, slice_of(""), "no memory");
	pthread_mutex_unlock(&s->lock);
}

static int write_state(struct backlog *s)
{
	struct buf text = { 0 };
	int rc;

	pthread_mutex_lock(&s->lock);
	backlog_state_write(&text, &s->state);
	pthread_mutex_unlock(&s->lock);
	rc = text.failed ? ENOMEM : write_file(s, "state.new", buf_slice(&text));
	if (!rc && renameat(s->dir_fd, "state.new", s->dir_fd, "state"))
		rc = errno;
	if (!rc && fsync(s->dir_fd))
		rc = errno;
	buf_free(&text);
	return rc;
}

/* Line by line, so that a batch of them is no larger than others; those for which there is no memory wait. */
static void take_gaps(struct backlog *s)
{
	struct slice rest, line;

	pthread_mutex_lock(&s->lock);
	if (s->gaps.lines.failed)
		backlog_gaps_free(&s->gaps); /* what is lost is counted by the state */
	rest = buf_slice(&s->gaps.lines);
	while (rest.n) {
		const struct slice before = rest;

		line = next_line(&rest);
		line.n = (size_t)(rest.p - line.p); /* with its end */
		if (!puts_add(&s->puts[BACKLOG_EVENTS], line, 1, 0, BACKLOG_BATCH_BYTES)) {
			rest = before;
			break;
		}
	}
	backlog_gaps_keep(&s->gaps, rest);
	pthread_mutex_unlock(&s->lock);
}

static int set_places(struct backlog *s, struct slice places)
{
	struct buf set = { 0 };

	buf_add(&set, places.p, places.n);
	if (set.failed)
		return ENOMEM;
	buf_free(&s->state.places);
	s->state.places = set;
	return 0;
}

/* Batches of roll-ups, once they are closed, and the places up to which they reach are named by the same state. */
int backlog_commit(struct backlog *s, const struct slice *places, struct err *err)
{
	int rc = places ? set_places(s, *places) : 0;

	s->owed |= places != NULL;
	if (!rc && s->owed)
		rc = write_all(s, BACKLOG_ROLLUPS);
	lose_oldest(s);
	take_gaps(s);
	rc = rc ? rc : write_all(s, BACKLOG_EVENTS);
	rc = rc ? rc : write_state(s);
	if (rc)
		return fail(s, rc, err);
	s->owed = false;
	pthread_mutex_lock(&s->lock);
	s->kept_number = s->state.batches;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

/* --- sending ------------------------------------------------------------------------------------ */

static size_t place_of(const struct backlog *s, uint64_t number)
{
	size_t i = 0;

	while (i < s->n && s->batch[i].number != number)
		i++;
	return i;
}

bool backlog_next(struct backlog *s, struct backlog_batch *out)
{
	bool any = false;

	pthread_mutex_lock(&s->lock);
	for (int kind = 0; kind < BACKLOG_KINDS && !any; kind++)
		for (size_t i = 0; i < s->n && s->batch[i].number < s->kept_number && !any; i++)
			if (s->batch[i].kind == (enum backlog_kind)kind) {
				*out = s->batch[i];
				s->sending = out->number;
				any = true;
			}
	pthread_mutex_unlock(&s->lock);
	return any;
}

bool backlog_read(struct backlog *s, const struct backlog_batch *b, struct buf *out)
{
	if (read_batch(s, b, out))
		return true;
	backlog_lose(s, b, "the spool could not be read");
	return false;
}

void backlog_done(struct backlog *s, const struct backlog_batch *b)
{
	size_t i;

	pthread_mutex_lock(&s->lock);
	i = place_of(s, b->number);
	if (i < s->n) {
		remove_file(s, b);
		unlist(s, i);
	}
	pthread_mutex_unlock(&s->lock);
}

void backlog_lose(struct backlog *s, const struct backlog_batch *b, const char *why)
{
	size_t i;

	pthread_mutex_lock(&s->lock);
	i = place_of(s, b->number);
	if (i < s->n)
		lose(s, i, why);
	pthread_mutex_unlock(&s->lock);
}

void backlog_count(struct backlog *s, struct backlog_counts *out)
{
	*out = (struct backlog_counts){ .batches = 0 };
	pthread_mutex_lock(&s->lock);
	out->batches = s->n;
	out->bytes = s->bytes;
	for (size_t i = 0; i < s->n; i++)
		out->lines[s->batch[i].kind] += s->batch[i].lines;
	for (int kind = 0; kind < BACKLOG_KINDS; kind++)
		out->lost[kind] = s->state.lost[kind];
	out->lost_steps = s->state.lost_steps;
	pthread_mutex_unlock(&s->lock);
}
