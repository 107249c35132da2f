/* watch.c - a dashboard over running logs: read --follow → analyze → board → terminal; or over addresses of /metrics:
 * fetch → scrape → board → terminal.
 *
 * One thread reads each log and pushes its rows under a lock, or fetches each address; the main thread takes a board
 * under the same lock whenever it draws, so that keys never wait for a disk or a network. */
#include "analyze/analyze.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/analysis.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/metrics_address.h"
#include "cli/tell.h"
#include "read/read.h"
#include "tui/console.h"
#include "tui/scrape.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOGS_MAX = 64, ROWS = 24, COLUMNS = 80, KEY_MS = 100 };
static const double INTERVAL_LEAST_S = 0.1, INTERVAL_MOST_S = 3600;

struct watch;

struct log_thread {
	struct watch *watch;
	const char *path;
	pthread_t thread;
	bool started;
	struct err err; /* why it ended; code 0 if it was told to end */
	atomic_bool failed;
};

struct watch {
	struct analysis *analysis;
	struct ruleset *rules;
	struct scrape *scrape; /* (n), when addresses are watched; NULL: logs are */
	pthread_mutex_t lock;  /* of the analysis, or the scrapes */
	atomic_bool stop;
	atomic_uint interval_ms; /* between two fetches */
	struct log_thread log[LOGS_MAX];
	size_t n;
	char source[BOARD_TEXT];
	enum lang lang;
};

static bool asked_to_stop(void *ctx)
{
	const struct watch *w = ctx;

	return atomic_load(&w->stop);
}

/* Reads one log as it grows, until the watch stops. */
static void *follow(void *ctx)
{
	struct log_thread *log = ctx;
	struct watch *w = log->watch;
	struct read_options how = { .stop = asked_to_stop, .stop_ctx = w };
	struct reader *reader = NULL;
	struct columns *rows = aligned_alloc(64, sizeof *rows);
	int rc = rows ? read_open(&reader, &log->path, 1, &how, &log->err)
		      : err_set(&log->err, ERR_NOMEM, "no memory to read %s", log->path);

	while (!rc && !atomic_load(&w->stop) && (rc = read_columns(reader, rows, NULL, &log->err)) > 0) {
		pthread_mutex_lock(&w->lock);
		analyze_push_columns(w->analysis, rows);
		pthread_mutex_unlock(&w->lock);
		rc = 0;
	}
	read_close(reader);
	free(rows);
	if (rc < 0 && !atomic_load(&w->stop))
		atomic_store(&log->failed, true);
	return NULL;
}

/* --- addresses ------------------------------------------------------------------------- */

/* Fetches once and takes what comes; what goes wrong is the scrape's trouble. */
static int fetch(struct watch *w, size_t i, const char *argument, struct err *err)
{
	struct buf text = { 0 };
	int rc = metrics_fetch(&text, argument, err);

	pthread_mutex_lock(&w->lock);
	rc = rc ? rc : metrics_take(&w->scrape[i], buf_slice(&text), argument, err);
	if (rc)
		snprintf(w->scrape[i].trouble, sizeof w->scrape[i].trouble, "%.250s", err->text);
	pthread_mutex_unlock(&w->lock);
	buf_free(&text);
	return rc;
}

static void pause_ms(unsigned ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 }, NULL);
}

static void *fetch_on(void *ctx)
{
	struct log_thread *target = ctx;
	struct watch *w = target->watch;

	while (!atomic_load(&w->stop)) {
		struct err err;

		fetch(w, (size_t)(target - w->log), target->path, &err); /* trouble is shown */
		for (unsigned waited = 0; waited < atomic_load(&w->interval_ms) && !atomic_load(&w->stop);
		     waited += KEY_MS)
			pause_ms(KEY_MS);
	}
	return NULL;
}

/* All arguments are logs, or all are addresses. */
static int open_scrapes(struct watch *w, const struct options *opts, struct err *err)
{
	size_t addresses = 0;

	for (size_t i = 0; i < opts->n_arguments; i++)
		addresses += metrics_is_address(opts->argument[i]);
	if (!addresses)
		return 0;
	if (addresses < opts->n_arguments || addresses > SCRAPE_TARGETS)
		return err_set(err, ERR_USAGE, "watch: expected logs alone, or at most %d addresses alone",
			       SCRAPE_TARGETS);
	if (opts->session || opts->goal)
		return err_set(err, ERR_USAGE, "watch: --%s is for logs, not for addresses",
			       opts->session ? "session" : "goal");
	if (metrics_addresses_differ(opts->argument, opts->n_arguments, err))
		return -(int)err->code;
	w->scrape = calloc(addresses, sizeof *w->scrape);
	return w->scrape ? 0 : err_set(err, ERR_NOMEM, "no memory for what is fetched");
}

static int open_watch(struct watch *w, const struct options *opts, struct err *err)
{
	struct analyze_options how = { .session = opts->session };
	int rc = analysis_rules(&w->rules, opts, err);

	pthread_mutex_init(&w->lock, NULL);
	atomic_init(&w->stop, false);
	atomic_init(&w->interval_ms, 1000);
	how.rules = w->rules;
	snprintf(w->source, sizeof w->source, opts->n_arguments > 1 ? "%s +%zu" : "%s", opts->argument[0],
		 opts->n_arguments - 1);
	rc = rc ? rc : analysis_told(&how.diagnose, opts, err);
	rc = rc ? rc : open_scrapes(w, opts, err);
	return rc ? rc : analyze_open(&w->analysis, &how, err);
}

static void close_watch(struct watch *w)
{
	atomic_store(&w->stop, true);
	for (size_t i = 0; i < w->n; i++)
		if (w->log[i].started)
			pthread_join(w->log[i].thread, NULL);
	analyze_close(w->analysis);
	free(w->scrape);
	ruleset_close(w->rules);
	pthread_mutex_destroy(&w->lock);
}

/* What is known now; the findings live as long as the caller wants. */
static int look(struct watch *w, const struct input_stats *input, struct board *board, struct err *err)
{
	struct findings f = { 0 };
	int rc;

	if (w->scrape) {
		pthread_mutex_lock(&w->lock);
		board_from_scrapes(board, w->scrape, w->n, w->source, w->lang);
		pthread_mutex_unlock(&w->lock);
		return 0;
	}
	pthread_mutex_lock(&w->lock);
	rc = analyze_finish(w->analysis, input, &f, err);
	pthread_mutex_unlock(&w->lock);
	if (!rc)
		board_from_findings(board, &f, w->source, w->lang);
	for (size_t i = 0; i < w->n; i++)
		if (atomic_load(&w->log[i].failed))
			snprintf(board->trouble, sizeof board->trouble, "%s", w->log[i].err.text);
	findings_free(&f);
	return rc;
}

/* --- one frame --------------------------------------------------------------------------- */

static size_t size_from(const char *variable, size_t otherwise)
{
	const char *text = getenv(variable);
	long value = text ? strtol(text, NULL, 10) : 0;

	return value >= 1 && value <= FRAME_COLUMNS_MAX ? (size_t)value : otherwise;
}

static int print_frame(const struct board *board, struct dashboard_view *view, struct err *err)
{
	struct frame frame;
	struct buf out = { 0 };

	if (!frame_open(&frame, size_from("LINES", ROWS), size_from("COLUMNS", COLUMNS)))
		return err_set(err, ERR_NOMEM, "no memory for the screen");
	dashboard_draw(&frame, board, view);
	frame_text(&out, &frame);
	frame_free(&frame);
	return answer(&out, true, err);
}

static int print_json(const struct board *board, struct err *err)
{
	struct buf out = { 0 };

	board_json(&out, board);
	return answer(&out, false, err);
}

/* Needs two texts: rates are differences between them. */
static int fetch_once(struct watch *w, const struct options *opts, double interval_s, struct err *err)
{
	int rc = 0;

	for (int k = 0; k < 2 && !rc; k++) {
		for (size_t i = 0; i < opts->n_arguments && !rc; i++)
			rc = fetch(w, i, opts->argument[i], err);
		if (!k && !rc)
			pause_ms((unsigned)(interval_s * 1000));
	}
	w->n = opts->n_arguments;
	return rc;
}

/* All there is, once. */
static int read_once(struct watch *w, const struct options *opts, struct board *board, struct err *err)
{
	struct reader *reader = NULL;
	int rc = read_open(&reader, opts->argument, opts->n_arguments, NULL, err);

	if (!rc)
		rc = parallel_read(reader, w->analysis, NULL, parallel_read_threads(reader, UINT64_MAX), err);
	if (!rc)
		rc = look(w, read_input(reader), board, err);
	read_close(reader);
	return rc;
}

static int once(struct watch *w, const struct options *opts, struct dashboard_view *view, struct err *err)
{
	struct board *board = calloc(1, sizeof *board);
	int rc;

	if (!board)
		return err_set(err, ERR_NOMEM, "no memory for the frame");
	if (w->scrape) {
		rc = fetch_once(w, opts, view->interval_s, err);
		rc = rc ? rc : look(w, NULL, board, err);
	} else {
		rc = read_once(w, opts, board, err);
	}
	if (!rc)
		rc = opts->json ? print_json(board, err) : print_frame(board, view, err);
	free(board);
	return rc;
}

/* --- the screen ------------------------------------------------------------------------------ */

/* Reports missing logs before the screen opens. */
static int probe(const char *path, struct err *err)
{
	struct reader *reader = NULL;
	int rc;

	if (!strcmp(path, "-")) {
		err_set(err, ERR_USAGE, "watch: standard input brings the keys, it cannot bring a log too");
		return err_hint(err, "use --once, or name a file");
	}
	rc = read_open(&reader, &path, 1, NULL, err);
	read_close(reader);
	return rc;
}

static bool is_listed(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

static bool is_skipped(const char *name, const struct input_stats *in)
{
	for (size_t i = 0; i < in->n_skipped; i++)
		if (!strcmp(in->skipped[i].file, name))
			return true;
	return false;
}

/* The logs to watch: not those that were named before, nor copies. What is left out is said. */
static int choose_logs(const char **out, size_t *n, const struct options *opts, struct err *err)
{
	struct reader *reader = NULL;
	const struct input_stats *in;
	int rc = 0;

	for (size_t i = 0; i < opts->n_arguments && !rc; i++)
		rc = probe(opts->argument[i], err);
	rc = rc ? rc : read_open(&reader, opts->argument, opts->n_arguments, NULL, err);
	if (rc)
		return rc;
	in = read_input(reader);
	for (size_t i = 0; i < opts->n_arguments; i++) {
		const char *name = opts->argument[i];
		struct stat st;
		const bool is_file =
			!stat(name, &st) && S_ISREG(st.st_mode); /* of files, not all that are skipped are listed */
		const bool left_out = (is_file || is_skipped(name, in)) && !is_listed(name, in->files, in->n_files);

		if (!left_out && !is_listed(name, out, *n))
			out[(*n)++] = name;
	}
	analysis_tell_skipped(opts, in->skipped_lines, in->skipped);
	read_close(reader);
	return 0;
}

static int start(struct watch *w, const struct options *opts, struct err *err)
{
	const char *watched[LOGS_MAX];
	size_t n = 0;
	int rc = 0;

	if (opts->n_arguments > LOGS_MAX)
		return err_set(err, ERR_USAGE, "watch: %zu logs, at most %d can be watched at once", opts->n_arguments,
			       LOGS_MAX);
	if (w->scrape)
		for (n = 0; n < opts->n_arguments; n++)
			watched[n] = opts->argument[n];
	else
		rc = choose_logs(watched, &n, opts, err);
	for (size_t i = 0; i < n && !rc; i++) {
		struct log_thread *log = &w->log[i];

		*log = (struct log_thread){ .watch = w, .path = watched[i] };
		rc = pthread_create(&log->thread, NULL, w->scrape ? fetch_on : follow, log);
		if (rc)
			return err_set_os(err, ERR_SYSTEM, rc, "no thread to read %s", log->path);
		log->started = true;
		w->n++;
	}
	return rc;
}

static int show(const struct board *board, struct dashboard_view *view, struct err *err)
{
	struct frame frame;
	size_t rows, columns;

	console_size(&rows, &columns);
	if (!frame_open(&frame, rows, columns))
		return err_set(err, ERR_NOMEM, "no memory for the screen");
	dashboard_draw(&frame, board, view);
	console_show(&frame);
	frame_free(&frame);
	return 0;
}

/* Keys until the user leaves; the board is looked at again after each interval. */
static int run_screen(struct watch *w, struct dashboard_view *view, struct err *err)
{
	struct board *board = calloc(1, sizeof *board);
	uint64_t due_ns = 0;
	int rc = board ? 0 : err_set(err, ERR_NOMEM, "no memory for the screen");

	while (!rc) {
		uint64_t now_ns = clock_mono_ns(&clock_system);
		int key;

		if (now_ns >= due_ns && !view->paused) {
			rc = look(w, NULL, board, err);
			due_ns = now_ns + (uint64_t)(view->interval_s * 1e9);
			atomic_store(&w->interval_ms, (unsigned)(view->interval_s * 1000));
		}
		rc = rc ? rc : show(board, view, err);
		key = rc ? CONSOLE_ENDED : console_key(KEY_MS);
		if (key == CONSOLE_ENDED || (key >= 0 && !dashboard_key(view, key)))
			break;
	}
	free(board);
	return rc;
}

static int interactive(struct watch *w, const struct options *opts, struct dashboard_view *view, struct err *err)
{
	int rc = start(w, opts, err);

	if (!rc)
		rc = console_open(args_color(), err);
	if (rc)
		return rc;
	rc = run_screen(w, view, err);
	console_close();
	return rc;
}

int command_watch(const struct options *opts, struct err *err)
{
	bool screen = !opts->once && !opts->json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	struct dashboard_view view = { .lang = args_lang(opts->lang),
				       .ascii = !tell_draws(),
				       .focus = DASH_ROWS,
				       .interval_s = isnan(opts->interval) ? 1 : opts->interval };
	struct watch w = { .lang = view.lang };
	int rc;

	if (args_need_log(opts, err))
		return -ERR_USAGE;
	if (!isnan(opts->interval) && (opts->interval < INTERVAL_LEAST_S || opts->interval > INTERVAL_MOST_S))
		return err_set(err, ERR_USAGE, "--interval: found %g, expected %g to %g seconds", opts->interval,
			       INTERVAL_LEAST_S, INTERVAL_MOST_S);
	rc = open_watch(&w, opts, err);
	if (!rc)
		rc = screen ? interactive(&w, opts, &view, err) : once(&w, opts, &view, err);
	close_watch(&w);
	return rc;
}
