/* ship.c - running logs → events and roll-ups → spool → the fleet's engine. */
#include "ship/shipper.h"

#include "base/secret.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/follow.h"
#include "cli/tell.h"
#include "export/url.h"
#include "read/sources.h"
#include "report/terminal.h"
#include "ship/sender.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

enum { SPOOL_DEFAULT_MB = 256, CLOSE_MS = 5000, ONCE_MS = 60000, TURNS_QUIET = 3 };

struct shipping {
	struct backlog *spool;
	struct shipper *shipper;
	struct sender *sender;
	struct follow *files;
	struct buf places;      /* as of the last turn; before the first one, the spool's */
	unsigned quiet;         /* turns in which nothing came */
	_Atomic uint64_t taken; /* rows */
	uint64_t taken_before;
	uint64_t lost_before; /* lines, when the spool was opened */
	_Atomic bool all_read;
	pthread_mutex_t lock; /* of the trouble */
	struct err trouble;
	bool troubled;
};

/* --- between threads ---------------------------------------------------------------------- */

static void ship_rows(void *ctx, struct columns *rows, struct slice lines, const char *file)
{
	struct shipping *s = ctx;

	atomic_fetch_add(&s->taken, rows->n);
	shipper_take(s->shipper, rows, lines, file);
}

static void note_trouble(struct shipping *s, const struct err *err)
{
	pthread_mutex_lock(&s->lock);
	s->trouble = *err;
	s->troubled = true;
	pthread_mutex_unlock(&s->lock);
}

static bool take_trouble(struct shipping *s, struct err *err)
{
	bool any;

	pthread_mutex_lock(&s->lock);
	any = s->troubled;
	if (any)
		*err = s->trouble;
	s->troubled = false;
	pthread_mutex_unlock(&s->lock);
	return any;
}

static void turned(void *ctx, struct slice places, bool all_read)
{
	struct shipping *s = ctx;
	const uint64_t taken = atomic_load(&s->taken);
	struct err err = { 0 };
	int rc;

	buf_clear(&s->places);
	buf_add(&s->places, places.p, places.n);
	s->quiet = all_read && taken == s->taken_before ? s->quiet + 1 : 0;
	s->taken_before = taken;
	if (s->quiet >= TURNS_QUIET)
		atomic_store(&s->all_read, true);
	rc = shipper_turn(s->shipper, places, false, &err);
	if (rc > 0)
		sender_wake(s->sender);
	if (rc < 0)
		note_trouble(s, &err);
}

/* --- opening -------------------------------------------------------------------------------- */

/* Beside the first log, or in the first folder. */
static void default_spool(struct buf *out, const char *first)
{
	const char *slash = strrchr(first, '/');
	struct stat st;

	if (!stat(first, &st) && S_ISDIR(st.st_mode))
		buf_printf(out, "%s/", first);
	else if (slash)
		buf_add(out, first, (size_t)(slash + 1 - first));
	buf_str(out, "rwkv_ship.spool");
}

static uint64_t lost_lines(const struct shipping *s)
{
	struct backlog_counts n;

	backlog_count(s->spool, &n);
	return n.lost[BACKLOG_EVENTS] + n.lost[BACKLOG_ROLLUPS];
}

static int open_spool(struct shipping *s, const struct options *opts, struct buf *places, struct err *err)
{
	const uint64_t mb = opts->spool_mb == UINT64_MAX ? SPOOL_DEFAULT_MB : opts->spool_mb;
	struct buf dir = { 0 };
	int rc;

	if (opts->spool)
		buf_str(&dir, opts->spool);
	else
		default_spool(&dir, opts->argument[0]);
	if (!mb || mb > UINT32_MAX)
		rc = err_set(err, ERR_USAGE, "--spool-mb: expected a whole number from 1 on");
	else
		rc = dir.failed ? err_set(err, ERR_NOMEM, "no memory to ship")
				: backlog_open(&s->spool, dir.p, mb << 20, places, err);
	if (!rc)
		s->lost_before = lost_lines(s);
	buf_free(&dir);
	return rc;
}

static int open_sender(struct shipping *s, const struct options *opts, struct err *err)
{
	struct sender_config cfg = { .url = opts->ship_to, .ca = opts->to_ca, .clock = &clock_system };
	char *token = NULL;
	int rc = secret_read(&token, opts->to_token, err);

	cfg.token = token;
	rc = rc ? rc : sender_open(&s->sender, s->spool, &cfg, err);
	free(token);
	return rc;
}

static int open_all(struct shipping *s, const struct options *opts, struct err *err)
{
	struct follow_options how = {
		.take = ship_rows, .turned = turned, .ctx = s, .once = opts->ship_once, .slowly = !opts->ship_once
	};
	struct buf places = { 0 };
	int rc = url_check_base("--to", opts->ship_to, err);

	rc = rc ? rc : url_check_ca("to-ca", opts->ship_to, opts->to_ca, err);

	rc = rc ? rc : open_spool(s, opts, &places, err);
	if (!rc)
		rc = shipper_open(&s->shipper, &(struct shipper_config){ s->spool, &clock_system, opts->ship_text },
				  err);
	rc = rc ? rc : open_sender(s, opts, err);
	how.places = buf_slice(&places);
	buf_add(&s->places, places.p, places.used);
	if (!rc && s->places.failed)
		rc = err_set(err, ERR_NOMEM, "no memory to ship");
	rc = rc ? rc : follow_open(&s->files, opts->argument, opts->n_arguments, &how, err);
	buf_free(&places);
	return rc;
}

/* --- running ---------------------------------------------------------------------------------- */

static void tell_news(struct shipping *s)
{
	struct err trouble;
	char words[400];

	while (s->files && follow_trouble(s->files, &trouble))
		tell_text(TEXT_TOLD, trouble.text);
	if (take_trouble(s, &trouble))
		tell_text(TEXT_TOLD, trouble.text);
	if (sender_news(s->sender, words, sizeof words))
		tell_text(TEXT_TOLD, words);
}

/* Until a signal ends it, or with --once all is read. */
static void run(struct shipping *s, bool once, const sigset_t *ends)
{
	const struct timespec tenth = { .tv_nsec = 100000000 };

	while (sigtimedwait(ends, NULL, &tenth) <= 0 && !(once && atomic_load(&s->all_read)))
		tell_news(s);
}

static void say_end(struct shipping *s, enum lang lang, uint64_t arrived)
{
	struct backlog_counts n;
	char sent[TERM_TEXT], waits[TERM_TEXT], lost[TERM_TEXT];

	backlog_count(s->spool, &n);
	args_say(lang, TEXT_SHIP_END, term_count(sent, arrived),
		 term_count(waits, n.lines[BACKLOG_EVENTS] + n.lines[BACKLOG_ROLLUPS]),
		 term_count(lost, n.lost[BACKLOG_EVENTS] + n.lost[BACKLOG_ROLLUPS]));
}

/* --once was to send all: what could not be sent, or never will. */
static int say_left(const struct shipping *s, struct err *err)
{
	const uint64_t lost = lost_lines(s) - s->lost_before;
	struct backlog_counts left;

	backlog_count(s->spool, &left);
	if (lost) {
		err_set(err, ERR_WRITE, "ship: %llu lines were lost", (unsigned long long)lost);
		return err_hint(err, "the engine refused them, or the spool had no room for them; see above");
	}
	if (!left.batches)
		return 0;
	err_set(err, ERR_WRITE, "ship: %llu lines could not be sent and wait in the spool",
		(unsigned long long)(left.lines[BACKLOG_EVENTS] + left.lines[BACKLOG_ROLLUPS]));
	return err_hint(err, "the next `rwkvmon ship` with the same --spool sends them");
}

/* There was no log: why. */
static int say_none(const char *name, struct err *err)
{
	struct buf place = { 0 };
	enum skipped_id why;
	int rc;

	if (source_is_denied(name, &place, &why)) {
		rc = err_set_os(err, ERR_OPEN, EACCES, "%s: cannot be opened", buf_text(&place));
	} else {
		err_set(err, ERR_OPEN, "%s: no *.log, *.jsonl or *.ndjson to ship", name);
		rc = err_hint(err, "name the files themselves when they are called otherwise");
	}
	buf_free(&place);
	return rc;
}

/* What was read and not yet summed up goes into the spool, and what is in there is tried once more. What was lost on
 * the way is told to the engine by the next one that sends. */
static int finish(struct shipping *s, const struct options *opts, struct err *err)
{
	const bool any_log = follow_files(s->files);
	uint64_t arrived;
	int rc;

	follow_close(s->files);
	s->files = NULL;
	rc = shipper_turn(s->shipper, buf_slice(&s->places), true, err);
	sender_wake(s->sender);
	arrived = sender_finish(s->sender, opts->ship_once ? ONCE_MS : CLOSE_MS);
	if (rc >= 0 && lost_lines(s) > s->lost_before)
		rc = backlog_commit(s->spool, NULL, err);
	tell_news(s);
	if (!opts->quiet)
		say_end(s, args_lang(opts->lang), arrived);
	if (rc < 0 || !opts->ship_once)
		return rc < 0 ? rc : 0;
	rc = say_left(s, err);
	if (rc || any_log)
		return rc;
	return say_none(opts->argument[0], err);
}

static void close_all(struct shipping *s)
{
	follow_close(s->files);
	sender_close(s->sender);
	shipper_close(s->shipper);
	backlog_close(s->spool);
	buf_free(&s->places);
	pthread_mutex_destroy(&s->lock);
}

static int check(const struct options *opts, struct err *err)
{
	if (args_need_log(opts, err))
		return -ERR_USAGE;
	if (opts->ship_to)
		return 0;
	err_set(err, ERR_USAGE, "ship: --to is missing: the address of the engine");
	return err_hint(err, "such as --to http://127.0.0.1:9428; docs/FLEET.md says how to start one");
}

int command_ship(const struct options *opts, struct err *err)
{
	struct shipping s = { .lock = PTHREAD_MUTEX_INITIALIZER };
	char files[TERM_TEXT];
	sigset_t ends;
	int rc = check(opts, err);

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	rc = rc ? rc : open_all(&s, opts, err);
	if (!rc) {
		if (!opts->quiet && !opts->ship_once)
			args_say(args_lang(opts->lang), TEXT_SHIP_FOLLOWED, term_count(files, follow_files(s.files)));
		run(&s, opts->ship_once, &ends);
		tell_news(&s);
		rc = finish(&s, opts, err);
	}
	close_all(&s);
	return rc;
}
