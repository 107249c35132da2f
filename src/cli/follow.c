#include "cli/follow.h"

#include "read/read.h"
#include "read/sources.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 256, KNOWN_MAX = 4 * FILES_MAX };

/* A file that was seen: the one we read, or what was renamed away from its name. */
struct known {
	dev_t device;
	ino_t inode;
};

struct followed {
	struct follow *owner;
	char *path;
	pthread_t thread;
	struct err trouble;
	_Atomic bool failed; /* and then trouble says why */
	bool told;
};

struct follow {
	const char *const *names;
	size_t n_names;
	follow_take *take;
	void *ctx;
	struct followed file[FILES_MAX];
	size_t n_files, left_out;
	pthread_mutex_t lock;	       /* of what is known */
	struct known known[KNOWN_MAX]; /* a ring */
	size_t n_known;
	_Atomic bool stopping;
};

static bool is_stopping(void *ctx)
{
	return atomic_load_explicit(&((struct follow *)ctx)->stopping, memory_order_relaxed);
}

static bool is_known(const struct follow *f, const struct stat *st)
{
	size_t n = f->n_known < KNOWN_MAX ? f->n_known : KNOWN_MAX;

	for (size_t i = 0; i < n; i++)
		if (f->known[i].device == st->st_dev && f->known[i].inode == st->st_ino)
			return true;
	return false;
}

static void remember(struct follow *f, const struct stat *st)
{
	pthread_mutex_lock(&f->lock);
	if (!is_known(f, st))
		f->known[f->n_known++ % KNOWN_MAX] = (struct known){ st->st_dev, st->st_ino };
	pthread_mutex_unlock(&f->lock);
}

/* A reader goes from a rotated file to the next by itself: what it reads is not new to follow_look. */
static void on_opened(void *ctx, int fd)
{
	struct stat st;

	if (!fstat(fd, &st))
		remember(ctx, &st);
}

/* All records that there are; with a `stop` also those that come. */
static int read_whole(struct followed *file, bool (*stop)(void *), struct err *err)
{
	const struct read_options how = { .stop = stop, .stop_ctx = file->owner, .opened = on_opened, .opened_ctx = file->owner };
	const char *slash = strrchr(file->path, '/'), *path = file->path;
	struct reader *reader;
	struct record r;
	int rc = read_open(&reader, &path, 1, &how, err);

	if (rc)
		return rc;
	while (!is_stopping(file->owner) && (rc = read_next(reader, &r, err)) > 0)
		file->owner->take(file->owner->ctx, &r, slash ? slash + 1 : file->path);
	read_close(reader);
	return rc < 0 ? rc : 0;
}

/* A compressed file is complete, or its writer keeps it: it is read as it stands. */
static void *read_file(void *ctx)
{
	struct followed *file = ctx;
	int rc = read_whole(file, is_stopping, &file->trouble);

	if (rc == -ERR_UNSUPPORTED)
		rc = read_whole(file, NULL, &file->trouble);
	if (rc && !is_stopping(file->owner))
		atomic_store_explicit(&file->failed, true, memory_order_release);
	return NULL;
}

static bool is_followed(const struct follow *f, const char *path)
{
	for (size_t i = 0; i < f->n_files; i++)
		if (!strcmp(f->file[i].path, path))
			return true;
	return false;
}

/* Signals stay with the thread that waits for them. */
static bool start_thread(struct followed *file)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	rc = pthread_create(&file->thread, NULL, read_file, file);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return !rc;
}

static void add_file(struct follow *f, const char *path)
{
	struct followed *file = &f->file[f->n_files];
	struct stat st;
	bool known;

	if (stat(path, &st) || is_followed(f, path))
		return;
	pthread_mutex_lock(&f->lock);
	known = is_known(f, &st); /* one of ours, renamed by rotation */
	pthread_mutex_unlock(&f->lock);
	if (known)
		return;
	if (f->n_files == FILES_MAX) {
		f->left_out++;
		remember(f, &st);
		return;
	}
	*file = (struct followed){ .owner = f, .path = strdup(path) };
	if (!file->path || !start_thread(file)) {
		free(file->path);
		f->left_out++;
		return;
	}
	f->n_files++;
	remember(f, &st);
}

void follow_look(struct follow *f)
{
	for (size_t i = 0; i < f->n_names; i++) {
		struct sources found;

		if (!sources_find(&found, &f->names[i], 1, NULL))
			for (size_t k = 0; k < found.n; k++)
				add_file(f, found.path[k]);
		sources_free(&found);
	}
}

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

int follow_open(struct follow **out, const char *const *names, size_t n, follow_take *take, void *ctx, struct err *err)
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
	f->take = take;
	f->ctx = ctx;
	follow_look(f);
	*out = f;
	return 0;
}

const struct err *follow_trouble(struct follow *f)
{
	for (size_t i = 0; i < f->n_files; i++)
		if (!f->file[i].told && atomic_load_explicit(&f->file[i].failed, memory_order_acquire)) {
			f->file[i].told = true;
			return &f->file[i].trouble;
		}
	return NULL;
}

size_t follow_files(const struct follow *f)
{
	return f->n_files;
}

size_t follow_left_out(const struct follow *f)
{
	return f->left_out;
}

void follow_close(struct follow *f)
{
	if (!f)
		return;
	atomic_store(&f->stopping, true);
	for (size_t i = 0; i < f->n_files; i++) {
		pthread_join(f->file[i].thread, NULL);
		free(f->file[i].path);
	}
	pthread_mutex_destroy(&f->lock);
	free(f);
}
