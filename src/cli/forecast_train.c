/* forecast_train.c - reads the logs one by one, trains, saves, and judges on the sessions left out. */
#include "cli/forecast_train.h"

#include "analyze/learning.h"
#include "cli/analysis.h"
#include "cli/args.h"
#include "cli/progress.h"
#include "cli/tell.h"
#include "read/mapping.h"
#include "read/sources.h"
#include "report/learning.h"

#include <math.h>

enum { ROUNDS = 300, PATIENCE = 30, UNITS = 32, LAYERS = 1, SEED = 1 };

enum { TOO_SHORT_TOLD = 8 }; /* logs by name */

/* A log has at most FINDINGS_SESSIONS_MAX more. */
enum { SESSIONS_MOST = TRAINED_SESSIONS_MAX - FINDINGS_SESSIONS_MAX };

static int check(const struct options *opts, struct err *err)
{
	if (!opts->n_arguments || !opts->output || !strcmp(opts->output, "-")) {
		err_set(err, ERR_USAGE, "forecast --train: name logs, and a file for the model");
		return err_hint(err, "%s", "rwkvmon forecast --train logs/ -o model.safetensors");
	}
	if (opts->lstm)
		return err_set(err, ERR_USAGE, "forecast --train: makes a model and takes none; leave out --lstm");
	if (opts->units != UINT64_MAX && (!opts->units || opts->units > LSTM_UNITS_MAX))
		return err_set(err, ERR_USAGE, "--units: found %llu, expected 1 to %d", (unsigned long long)opts->units,
			       LSTM_UNITS_MAX);
	if (opts->layers != UINT64_MAX && (!opts->layers || opts->layers > LSTM_LAYERS_MAX))
		return err_set(err, ERR_USAGE, "--layers: found %llu, expected 1 to %d",
			       (unsigned long long)opts->layers, LSTM_LAYERS_MAX);
	return 0;
}

/* --- logs -------------------------------------------------------------------------------- */

static void see(void *ctx, const struct columns *c)
{
	learning_see(ctx, c);
}

static int read_log(const char *path, const struct options *opts, const struct analyze_options *how,
		    const struct mapping *map, struct err *err)
{
	const struct read_observer observer = { .see = see, .ctx = how->learning };
	const struct log_set log = { .path = &path, .n = 1, .map = map, .observer = &observer };
	struct findings findings = { 0 };
	struct analysis *a = NULL;
	int rc = analyze_open(&a, how, err);

	learning_next(how->learning);
	if (!rc)
		rc = analysis_read_logs(a, &log, opts, &findings, err);
	analyze_close(a);
	findings_free(&findings);
	return rc;
}

static void tell_left_out(const struct sources *files)
{
	struct err err;

	for (size_t i = 0; i < files->n_left_out && i < INPUT_SKIPPED_MAX; i++) {
		err_set(&err, ERR_OPEN, "%s: left out: %s", files->left_out[i].file,
			err_words(files->left_out[i].reason));
		tell("%s\n", err.text);
	}
}

/* Logs from which nothing is learned, told when too few are left. */
struct too_short {
	struct buf words;
	size_t n;
};

static void note_too_short(struct too_short *to, const char *path, size_t points)
{
	char known[24], needed[24];

	if (to->n++ >= TOO_SHORT_TOLD)
		return;
	snprintf(known, sizeof known, "%zu", points);
	snprintf(needed, sizeof needed, "%d", FORECAST_POINTS_LEAST);
	text_fill(&to->words, tell_lang(), points ? TEXT_FORECAST_LOG_SHORT : TEXT_FORECAST_LOG_WITHOUT, path, known,
		  needed);
}

static void tell_too_short(const struct too_short *of)
{
	char more[24];

	if (of->n)
		tell("%s", buf_text(&of->words));
	snprintf(more, sizeof more, "%zu", of->n - TOO_SHORT_TOLD);
	if (of->n > TOO_SHORT_TOLD)
		tell_text(TEXT_FORECAST_LOGS_MORE, more);
}

/* A file found in a directory that is not a log of ours is left out; it does not end the training. */
static int read_each(const struct sources *files, const struct options *opts, const struct analyze_options *how,
		     const struct mapping *map, struct too_short *too_short, struct err *err)
{
	int rc = 0;

	if (!opts->quiet)
		tell_left_out(files);
	for (size_t i = 0; i < files->n && !rc; i++) {
		if (how->learning->set.n_sessions > SESSIONS_MOST)
			return err_set(err, ERR_UNSUPPORTED,
				       "found more than %d sessions; expected fewer: name fewer logs", SESSIONS_MOST);
		const size_t had = how->learning->set.n;

		rc = read_log(files->file[i].path, opts, how, map, err);
		if (!rc && how->learning->set.n == had)
			note_too_short(too_short, files->file[i].path, how->learning->most_points);
		if (rc != -ERR_FORMAT || !files->file[i].found)
			continue;
		rc = 0;
		if (!opts->quiet)
			tell("%s\n", err->text);
	}
	return rc;
}

static int read_logs(struct learning *learning, const struct options *opts, struct too_short *too_short,
		     struct err *err)
{
	struct analyze_options how = { .learning = learning, .session = opts->session };
	struct sources files = { .n = 0 };
	struct ruleset *rules = NULL;
	struct mapping *map = NULL;
	int rc = analysis_rules(&rules, opts, err);

	how.rules = rules;
	if (!rc)
		rc = analysis_parse_time(&how.since_us, "since", opts->since, err);
	if (!rc)
		rc = analysis_parse_time(&how.until_us, "until", opts->until, err);
	if (!rc && opts->map)
		rc = mapping_open(&map, opts->map, err);
	if (!rc)
		rc = sources_find(&files, opts->argument, opts->n_arguments, SOURCES_HOLD | SOURCES_FOLDERS, err);
	if (!rc)
		rc = read_each(&files, opts, &how, map, too_short, err);
	sources_free(&files);
	if (!rc)
		analysis_tell_unread(opts, map);
	mapping_close(map);
	ruleset_close(rules);
	return rc;
}

/* --- training ---------------------------------------------------------------------------- */

static void show_progress(void *ctx, const struct learn_progress *p)
{
	struct progress *progress = ctx;
	char loss[32], best[32], round[32];
	struct buf words = { 0 };

	if (!progress_due(progress))
		return;
	snprintf(loss, sizeof loss, "%.4f", p->loss);
	snprintf(best, sizeof best, "%.4f", p->best_loss);
	snprintf(round, sizeof round, "%zu", p->best);
	text_fill(&words, tell_lang(), TEXT_PROGRESS_LOSS, loss, best, round);
	progress_draw(progress, text(TEXT_PROGRESS_TRAINING, tell_lang()), (double)p->round / (double)p->rounds,
		      buf_text(&words));
	buf_free(&words);
}

static uint64_t given(uint64_t value, uint64_t otherwise)
{
	return value == UINT64_MAX ? otherwise : value;
}

static int train(struct trained **out, const struct learn_set *set, const struct options *opts,
		 struct learn_progress *end, struct err *err)
{
	struct progress progress = progress_start(!opts->quiet);
	const struct learn_options how = { .units = (size_t)given(opts->units, UNITS),
					   .layers = (size_t)given(opts->layers, LAYERS),
					   .rounds = ROUNDS,
					   .patience = PATIENCE,
					   .seed = given(opts->train_seed, SEED),
					   .progress = show_progress,
					   .stop = analysis_interrupted,
					   .ctx = &progress };
	int rc;

	analysis_catch_interrupts();
	rc = learn_train(out, set, &how, end, err);
	progress_clear(&progress);
	if (rc || end->best)
		return rc;
	if (analysis_interrupted(NULL))
		return err_set(err, ERR_VERDICT, "stopped before the first round was better: no model is written");
	err_set(err, ERR_VERDICT,
		"nothing was learned that forecasts other sessions better than no change does: no "
		"model is written");
	return err_hint(err, "the other methods of `rwkvmon forecast` need no training");
}

static int say(const struct learning_result *r, const struct options *opts, struct err *err)
{
	const struct report_options how = args_report(opts, NULL);
	struct buf out = { 0 };

	if (opts->json)
		report_learning_json(&out, r);
	else
		report_learning_text(&out, r, &how);
	return answer(&out, !opts->json, err);
}

static int learn(const struct learning *learning, const struct options *opts, struct err *err)
{
	struct learning_result r = { .path = opts->output, .from = learning };
	struct trained *model = NULL;
	int rc = train(&model, &learning->set, opts, &r.end, err);

	if (!rc)
		rc = trained_save(model, opts->output, err);
	if (!rc) {
		r.weights = model->net->n;
		r.n_rows = learning_judge(learning, model, r.row);
		rc = say(&r, opts, err);
	}
	if (!rc && !opts->quiet)
		tell_text(TEXT_WRITTEN_TO, opts->output);
	trained_close(model);
	return rc;
}

int forecast_train(const struct options *opts, const struct stated_limits *limits, struct err *err)
{
	struct too_short too_short = { .n = 0 };
	struct learning learning;
	int rc = check(opts, err);

	if (rc)
		return rc;
	learning_open(&learning, limits);
	rc = read_logs(&learning, opts, &too_short, err);
	if (!rc) {
		rc = learn_deal(&learning.set, given(opts->train_seed, SEED), err);
		if (rc && !opts->quiet)
			tell_too_short(&too_short);
	}
	if (!rc)
		rc = learn(&learning, opts, err);
	buf_free(&too_short.words);
	learning_free(&learning);
	return rc;
}
