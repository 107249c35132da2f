/* follow.c - one thread reads all followed files; follow_look finds new ones. */
#include "cli/follow.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "cli/follow_known.h"
#include "read/read.h"
#include "read/sources.h"
#include "read/texts.h"
#include "spec/skipped.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	HELD_MAX = 128,
	TURN_BYTES = 8 << 20,
	TURN_BYTES_MOST = 64 << 20, /* for a line that is longer */
	SCAN_MS = 1000,
	PAUSE_MS = 100, /* between turns */
	SLOW_PAUSE_MS = 500,
	SCANS_GONE = 3,
	SCANS_COPY = 3,     /* a copy that is there so long is none that rotation makes just now */
	SCANS_PATIENT = 60, /* … and is still to be compared with another one that cannot be read to its end */
	SCANS_FOLDERS = 60, /* from one search for folders with logs to the next */
	TROUBLES_MAX = 64,
	LEFT_OUT_MAX = 1024, /* reported entries of directories */
};

/* A pipe or a terminal that was named: read by a thread of its own as long as it lasts. */
struct stream {
	struct follow *owner;
	const char *path;
	struct columns *rows;
	pthread_t thread;
};

struct follow {
	const char *const *names;
	size_t n_names;
	struct follow_options how;
	struct buf places; /* as of this turn */
	_Atomic bool stopping;

	struct known_list known; /* the reading thread's, as is the next */
	struct columns *rows;
	uint64_t turn;
	unsigned scans;
	uint64_t left_out[LEFT_OUT_MAX]; /* ring of hashes of what was reported */
	size_t n_left_out;
	pthread_t thread;
	bool running;
	struct stream *stream; /* (n_streams) */
	size_t n_streams;
	atomic_size_t n_files;

	pthread_mutex_t lock; /* of the troubles, a ring */
	struct err trouble[TROUBLES_MAX];
	size_t n_trouble, n_told;
};

static bool is_stopping(void *ctx)
{
	return atomic_load_explicit(&((struct follow *)ctx)->stopping, memory_order_relaxed);
}

/* A caller that has not asked for a long time gets only the latest ones. */
static void tell(struct follow *f, const struct err *err)
{
	pthread_mutex_lock(&f->lock);
	f->trouble[f->n_trouble++ % TROUBLES_MAX] = *err;
	if (f->n_trouble - f->n_told > TROUBLES_MAX)
		f->n_told = f->n_trouble - TROUBLES_MAX;
	pthread_mutex_unlock(&f->lock);
}

bool follow_trouble(struct follow *f, struct err *err)
{
	bool any;

	pthread_mutex_lock(&f->lock);
	any = f->n_told < f->n_trouble;
	if (any)
		*err = f->trouble[f->n_told++ % TROUBLES_MAX];
	pthread_mutex_unlock(&f->lock);
	return any;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* --- what is told, each once ---------------------------------------------------------- */

static bool was_told(struct follow *f, const char *file, const char *reason)
{
	const uint64_t hash = hash_more(hash_of(slice_of(file)), slice_of(reason));

	for (size_t i = 0; i < LEFT_OUT_MAX && i < f->n_left_out; i++)
		if (f->left_out[i] == hash)
			return true;
	f->left_out[f->n_left_out++ % LEFT_OUT_MAX] = hash;
	return false;
}

static void tell_one_left_out(struct follow *f, const char *file, const char *reason)
{
	struct err err;

	if (was_told(f, file, reason))
		return;
	err_set(&err, ERR_OPEN, "%s: left out: %s", file, err_words(reason));
	tell(f, &err);
}

/* Lines of another program among ours are nobody's loss. */
static bool is_foreign(const char *reason)
{
	return !strcmp(reason, skipped_specs[SKIPPED_NOT_OBJECT].text[LANG_EN]) ||
	       !strcmp(reason, skipped_specs[SKIPPED_NO_EVENT_TYPE].text[LANG_EN]);
}

/* What was written and is lost, once for each reason of a file. */
static void tell_lost(struct follow *f, const struct known *k, const struct input_stats *in)
{
	struct err err;

	for (size_t i = 0; i < in->n_skipped; i++) {
		const char *reason = in->skipped[i].reason;

		if (is_foreign(reason) || was_told(f, k->path, reason))
			continue;
		err_set(&err, ERR_READ, "%s: some of it is lost: %s", k->path, err_words(reason));
		tell(f, &err);
	}
}

/* --- reading what has grown ----------------------------------------------------------- */

static void tell_broken(struct follow *f, struct known *k, const struct err *err)
{
	if (!k->told)
		tell(f, err);
	k->told = true;
}

static void tell_read(struct follow *f, const struct known *k, const struct input_stats *in)
{
	struct input_stats piece = *in;

	if (!f->how.read)
		return;
	for (size_t i = 0; k->at.text && i < piece.n_skipped; i++)
		piece.skipped[i].line = 0;
	f->how.read(f->how.ctx, &piece);
}

/* Reads a piece of the file. If no line of the first piece is a record, this is reported once. */
static void read_piece(struct follow *f, struct known *k, int fd, uint64_t most)
{
	struct reader *reader;
	struct slice lines;
	struct err err = { 0 };
	const struct input_stats *in;
	int rc = read_open_at(&reader, k->path, fd, &k->at, most, &err);

	if (rc) {
		tell_broken(f, k, &err);
		return;
	}
	if (k->last || (f->how.once && (k->packing || k->size - k->at.at <= (off_t)most)))
		read_await_no_more(reader);
	while (!(is_stopping(f) && read_may_pause(reader)) && (rc = read_columns(reader, f->rows, &lines, &err)) > 0)
		f->how.take(f->how.ctx, f->rows, lines, base_name(k->path));
	in = read_input(reader);
	tell_read(f, k, in);
	if (rc < 0) {
		tell_broken(f, k, &err);
	} else if (!k->at.text && in->skipped_lines && !in->records) {
		err_set(&err, ERR_FORMAT, "%s: no log so far: line %llu: %s", k->path,
			(unsigned long long)in->skipped[0].line, err_words(in->skipped[0].reason));
		tell_broken(f, k, &err);
	} else {
		tell_lost(f, k, in);
	}
	k->at = rc < 0 ? (struct read_place){ k->size, k->at.text, k->at.text, k->at.home_us } : read_place(reader);
	read_close(reader);
}

/* The file's beginning is compared whenever the file has changed. */
static bool begins_anew(const struct known *k, int fd, off_t size)
{
	return size < k->at.at || (k->head.n && !head_is(&k->head, fd));
}

static void read_grown(struct follow *f, struct known *k, int fd)
{
	const struct read_place before = k->at;

	for (off_t most = TURN_BYTES; most <= TURN_BYTES_MOST && !is_stopping(f); most *= 2) {
		read_piece(f, k, fd, (uint64_t)most);
		k->more = !k->packing && k->size - before.at > most;
		if (!k->more || k->at.text != before.text)
			return;
	}
}

static int open_known(struct known *k, struct stat *st)
{
	int fd = open(k->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || fstat(fd, st) || st->st_dev != k->device || st->st_ino != k->inode) {
		if (fd >= 0)
			close(fd); /* the name belongs to another file by now: the next scan handles it */
		return -1;
	}
	return fd;
}

/* Closes the descriptor of the file that has been unchanged longest. */
static void hold(struct follow *f, struct known *k, int fd)
{
	struct known *oldest = NULL;

	for (size_t i = 0; f->known.n_held >= HELD_MAX && i < f->known.n; i++)
		if (f->known.file[i]->fd >= 0 && (!oldest || f->known.file[i]->used < oldest->used))
			oldest = f->known.file[i];
	if (oldest)
		known_let_go(&f->known, oldest);
	k->fd = fd;
	f->known.n_held++;
}

static unsigned turns_per_scan(const struct follow *f)
{
	return f->how.slowly ? SCAN_MS / SLOW_PAUSE_MS : SCAN_MS / PAUSE_MS;
}

/* Has the file changed since it was last read? *st is its present state. A file without a descriptor is checked once
 * per scan.
 */
static bool has_changed(const struct follow *f, const struct known *k, struct stat *st)
{
	if (k->fd < 0 && f->turn % turns_per_scan(f))
		return false;
	if (k->fd >= 0 ? fstat(k->fd, st) : stat(k->path, st))
		return false;
	return st->st_size != k->size || k->more;
}

/* A copy waits until what it was copied from is truncated or gone, unless it has grown beyond it. */
static bool waits_for_twin(struct known *k, const struct stat *st)
{
	const struct known *of = k->twin;
	struct stat twin;

	if (!of)
		return false;
	if ((of->fd >= 0 ? fstat(of->fd, &twin) : stat(of->path, &twin)) || of->more || of->size != twin.st_size ||
	    of->packing != k->packing || st->st_size <= twin.st_size)
		return true;
	known_part(k);
	return false;
}

/* The open frame is decompressed from its beginning each time, so it is not looked at for every little that comes: it
 * has grown by an eighth, or for a while not at all. */
static bool waits_for_frame(const struct follow *f, const struct known *k, const struct stat *st)
{
	if (!k->packing || k->at.text == k->at.at_text || st->st_size < k->at.at)
		return false;
	return st->st_size - k->size < (st->st_size - k->at.at) / 8 && f->turn - k->seen_turn < turns_per_scan(f);
}

/* A copy that is still being written, and short, may turn out to be none. */
static bool is_still_a_copy(const struct follow *f, struct known *k, const struct stat *st)
{
	return (k->head.n == HEAD_BYTES || k->seen_turn != f->turn) && waits_for_twin(k, st);
}

static bool open_and_hold(struct follow *f, struct known *k, struct stat *st)
{
	int fd = k->fd < 0 ? open_known(k, st) : k->fd;

	if (fd >= 0 && k->fd < 0)
		hold(f, k, fd);
	return fd >= 0;
}

static void note_size(const struct follow *f, struct known *k, off_t size)
{
	if (size == k->seen_size)
		return;
	k->seen_size = size;
	k->is_copy = false;
	k->scans_copy = 0;
	k->seen_turn = f->turn;
}

static void look_at(struct follow *f, struct known *k)
{
	struct stat st;

	if (!has_changed(f, k, &st))
		return;
	note_size(f, k, st.st_size);
	if (waits_for_frame(f, k, &st) || is_still_a_copy(f, k, &st) || !open_and_hold(f, k, &st))
		return;
	if (begins_anew(k, k->fd, st.st_size))
		known_restart(&f->known, k, k->fd);
	known_look_again(&f->known, k, k->fd);
	if (waits_for_twin(k, &st))
		return;
	k->size = st.st_size;
	k->used = f->turn;
	if (k->size > k->at.at)
		read_grown(f, k, k->fd);
}

/* --- looking for files ----------------------------------------------------------------- */

static void tell_left_out(struct follow *f, const struct sources *found, const char *name)
{
	const size_t n = found->n_left_out < INPUT_SKIPPED_MAX ? found->n_left_out : INPUT_SKIPPED_MAX;
	char more[24];
	struct err err;

	for (size_t i = 0; i < n; i++)
		tell_one_left_out(f, found->left_out[i].file, found->left_out[i].reason);
	snprintf(more, sizeof more, "%zu", found->n_left_out - n);
	if (found->n_left_out == n || was_told(f, name, more))
		return;
	err_set(&err, ERR_OPEN, "%s: left out: %s more", name, more);
	tell(f, &err);
}

/* A name that shows nothing now may show something later; one that may not be read never will. */
static void tell_denied(struct follow *f, const char *name)
{
	struct buf place = { 0 };
	enum skipped_id why;

	if (source_is_denied(name, &place, &why))
		tell_one_left_out(f, buf_text(&place), skipped_specs[why].text[LANG_EN]);
	buf_free(&place);
}

/* All of it was read, and nothing came since. */
static bool is_read(const struct known *k)
{
	struct stat st;

	return !k->more && !(k->fd >= 0 ? fstat(k->fd, &st) : stat(k->path, &st)) && st.st_size == k->size;
}

/* Both texts are compared: a copy is left alone, what is longer is read from there on, and what goes on in another way
 * from its beginning. */
static void settle_copy(struct follow *f, struct known *k)
{
	const int ours = open(k->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const int theirs = open(k->twin->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const bool both = ours >= 0 && theirs >= 0;
	enum texts_relation is = both ? texts_compare(ours, theirs) : TEXTS_DIFFER;

	if (ours >= 0)
		close(ours);
	if (theirs >= 0)
		close(theirs);
	if (!both || !is_read(k->twin))
		return; /* one is gone, or was truncated: the next look decides */
	k->is_copy = is == TEXTS_FIRST_IN_IT;
	if (is == TEXTS_SECOND_IN_IT)
		known_part(k);
	else if (is == TEXTS_DIFFER)
		known_is_no_copy(k);
	else
		tell_one_left_out(f, k->path, skipped_specs[SKIPPED_FILE_COPY].text[LANG_EN]);
}

/* One that rotation makes is a copy for a moment only: what it was copied from is truncated, or goes. */
static void settle_copies(struct follow *f)
{
	const unsigned long_enough = f->how.once ? 1 : SCANS_COPY;

	for (size_t i = 0; i < f->known.n; i++) {
		struct known *k = f->known.file[i];

		k->scans_copy = k->twin ? k->scans_copy + 1 : 0;
		if (k->twin && !k->is_copy && k->scans_copy >= long_enough && is_read(k->twin))
			settle_copy(f, k);
	}
}

static void rename_known(struct known *k, const char *path)
{
	char *copy = strcmp(k->path, path) ? strdup(path) : NULL;

	if (!copy)
		return;
	free(k->path);
	k->path = copy;
}

static void find_file(struct follow *f, const struct source *file)
{
	struct known *k = known_find(&f->known, file->device, file->inode);
	struct stat st;
	int fd;

	if (k) {
		rename_known(k, file->path);
		k->seen = true;
		return;
	}
	fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		if (fd >= 0)
			close(fd);
		return;
	}
	k = known_find(&f->known, st.st_dev, st.st_ino);
	k = k ? k : known_add(&f->known, file->path, &st, fd);
	if (!k || k->fd >= 0) {
		close(fd);
		return;
	}
	k->seen = true;
	k->size = 0; /* nothing of it was read */
	k->used = f->turn;
	hold(f, k, fd);
}

/* What may wait behind a piece of a line: nobody will write the piece's end. */
static void read_last(struct follow *f, struct known *k)
{
	if (k->twin || k->last)
		return;
	k->last = true;
	if (k->packing || k->size > k->at.at)
		read_grown(f, k, k->fd);
}

/* A file that has lost its name is read to its end; its writer may need a moment to notice the loss. */
static void leave_gone(struct follow *f)
{
	for (size_t i = 0; i < f->known.n; i++) {
		struct known *k = f->known.file[i];
		const uint64_t before = k->at.text;

		if (k->seen)
			k->scans_gone = 0;
		if (k->seen || k->fd < 0)
			continue;
		look_at(f, k);
		if (k->at.text != before)
			k->scans_gone = 0;
		if (k->scans_gone++ < SCANS_GONE)
			continue;
		read_last(f, k);
		known_let_go(&f->known, k);
	}
	known_forget_gone(&f->known);
}

static void scan(struct follow *f)
{
	const unsigned how = f->scans++ % SCANS_FOLDERS ? SOURCES_LOOK : SOURCES_FOLDERS;

	for (size_t i = 0; i < f->known.n; i++)
		f->known.file[i]->seen = false;
	for (size_t i = 0; i < f->n_names; i++) {
		struct sources found;

		if (sources_find(&found, &f->names[i], 1, how, NULL))
			tell_denied(f, f->names[i]);
		for (size_t k = 0; k < found.n; k++)
			if (found.file[k].regular)
				find_file(f, &found.file[k]);
		tell_left_out(f, &found, f->names[i]);
		sources_free(&found);
	}
	settle_copies(f);
	leave_gone(f);
	atomic_store(&f->n_files, f->known.n + f->n_streams);
}

static bool is_unsettled(const struct known *k)
{
	return k->twin && !k->is_copy && k->scans_copy < SCANS_PATIENT;
}

/* It was let go before anything of it was read: there are more files than can be held. */
static bool is_unread(const struct known *k)
{
	return k->fd < 0 && !k->size && !k->twin && !is_read(k);
}

/* A file that was not reached yet counts as read to its end where it does not grow any more, unless this is the only
 * look at it; what may be a copy has to be compared first. */
static bool is_more(const struct follow *f)
{
	bool more = false;

	for (size_t i = 0; i < f->known.n; i++) {
		const struct known *k = f->known.file[i];

		more |= k->more || (f->how.once && (is_unsettled(k) || is_unread(k)));
	}
	return more;
}

static void tell_turn(struct follow *f, bool more)
{
	if (!f->how.turned)
		return;
	buf_clear(&f->places);
	known_places(&f->known, &f->places);
	f->how.turned(f->how.ctx, buf_slice(&f->places), !more);
}

static void pause_turn(const struct follow *f, bool more)
{
	const int64_t ms = f->how.slowly && !more ? SLOW_PAUSE_MS : PAUSE_MS;

	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

static void *run(void *ctx)
{
	struct follow *f = ctx;
	bool more;

	while (!is_stopping(f)) {
		f->turn++;
		if (f->turn % turns_per_scan(f) == 0)
			scan(f);
		for (size_t i = 0; i < f->known.n && !is_stopping(f); i++)
			look_at(f, f->known.file[i]);
		more = is_more(f);
		tell_turn(f, more);
		if (!is_stopping(f))
			pause_turn(f, more);
	}
	return NULL;
}

/* --- pipes ------------------------------------------------------------------------------ */

static void *read_stream(void *ctx)
{
	struct stream *s = ctx;
	const struct read_options how = { .stop = is_stopping, .stop_ctx = s->owner };
	struct reader *reader;
	struct slice lines;
	struct err err = { 0 };
	int rc = read_open(&reader, &s->path, 1, &how, &err);

	while (!rc && !is_stopping(s->owner) && (rc = read_columns(reader, s->rows, &lines, &err)) > 0) {
		s->owner->how.take(s->owner->how.ctx, s->rows, lines, base_name(s->path));
		rc = 0;
	}
	if (rc < 0 && !is_stopping(s->owner))
		tell(s->owner, &err);
	read_close(reader);
	return NULL;
}

/* Signals stay with the thread that waits for them. */
static bool start_thread(pthread_t *thread, void *(*work)(void *), void *ctx)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	rc = pthread_create(thread, NULL, work, ctx);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return !rc;
}

static bool is_stream(const char *name)
{
	struct stat st;

	return !stat(name, &st) && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static struct columns *rows_open(void)
{
	return aligned_alloc(64, sizeof(struct columns));
}

static bool start(struct follow *f)
{
	f->rows = rows_open();
	f->stream = calloc(f->n_names ? f->n_names : 1, sizeof *f->stream);
	for (size_t i = 0; f->rows && f->stream && i < f->n_names; i++)
		if (is_stream(f->names[i])) {
			struct stream *s = &f->stream[f->n_streams];

			*s = (struct stream){ .owner = f, .path = f->names[i], .rows = rows_open() };
			if (!s->rows || !start_thread(&s->thread, read_stream, s)) {
				free(s->rows);
				return false;
			}
			f->n_streams++;
		}
	scan(f);
	f->running = f->rows && f->stream && start_thread(&f->thread, run, f);
	return f->running;
}

/* --- open, close ------------------------------------------------------------------------ */

/* A directory may be empty and a pattern match nothing yet; a file must be there. */
static int try_name(const char *name, struct err *err)
{
	struct stat st;

	if (!strcmp(name, "-")) {
		err_set(err, ERR_USAGE, "serve: standard input cannot be followed beside other files");
		return err_hint(err, "write it to a file and name that");
	}
	if (!stat(name, &st) || strpbrk(name, "*?["))
		return 0;
	err_set_os(err, ERR_OPEN, errno, "%s: cannot be opened", name);
	return err_hint(err, "name a log file, or the directory where logs will be");
}

int follow_open(struct follow **out, const char *const *names, size_t n, const struct follow_options *how,
		struct err *err)
{
	struct follow *f;

	*out = NULL;
	for (size_t i = 0; i < n; i++)
		if (try_name(names[i], err))
			return -(int)err->code;
	f = calloc(1, sizeof *f);
	if (!f)
		return err_set(err, ERR_NOMEM, "no memory for the list of files");
	pthread_mutex_init(&f->lock, NULL);
	f->names = names;
	f->n_names = n;
	f->how = *how;
	known_resume(&f->known, how->places);
	if (!start(f)) {
		follow_close(f);
		return err_set(err, ERR_SYSTEM, "the threads that read the logs cannot be started");
	}
	*out = f;
	return 0;
}

size_t follow_files(struct follow *f)
{
	return atomic_load(&f->n_files);
}

void follow_close(struct follow *f)
{
	if (!f)
		return;
	atomic_store(&f->stopping, true);
	if (f->running)
		pthread_join(f->thread, NULL);
	for (size_t i = 0; i < f->n_streams; i++) {
		pthread_join(f->stream[i].thread, NULL);
		free(f->stream[i].rows);
	}
	known_free_all(&f->known);
	buf_free(&f->places);
	pthread_mutex_destroy(&f->lock);
	free(f->stream);
	free(f->rows);
	free(f);
}
