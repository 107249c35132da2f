/* convert.c - writes a model file as .safetensors, and prints the size and load time of both files. */
#include "runtime/convert.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/doctor.h"
#include "cli/progress.h"
#include "cli/tell.h"
#include "runtime/model.h"
#include "spec/text.h"

#include <math.h>
#include <string.h>
#include <strings.h>

static void show_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct progress *p = ctx;
	char amount[64];

	if (done == total || !progress_due(p))
		return;
	snprintf(amount, sizeof amount, "%.0f / %.0f MB", (double)done / 1e6, (double)total / 1e6);
	progress_draw(p, text(TEXT_PROGRESS_CONVERTING, tell_lang()), (double)done / (double)total, amount);
}

/* A file that opens faster than this is too small for a meaningful time. */
static const double WORTH_TELLING_MS = 50;

/* Milliseconds until the model could generate: the quicker of two tries, the file being cached by then. */
static int time_load(const char *path, const char *strategy, double *ms, struct err *err)
{
	const struct model_options how = { .strategy = strategy };

	*ms = INFINITY;
	for (int i = 0; i < 2; i++) {
		struct model *m;
		int rc = model_open(&m, path, &how, err);

		if (rc)
			return rc;
		*ms = fmin(*ms, (double)model_info(m)->load_ns / 1e6);
		model_close(m);
	}
	return 0;
}

static void add_json(struct buf *to, const struct convert_result *r, double before_ms, double after_ms)
{
	struct json out = { .out = to };

	jw_object(&out);
	jw_put_u64(&out, "tensors", r->tensors);
	jw_put_u64(&out, "in_bytes", r->in_bytes);
	jw_put_u64(&out, "out_bytes", r->out_bytes);
	jw_put_u64(&out, "overflowed", r->overflowed);
	jw_put_double(&out, "load_ms_before", before_ms);
	jw_put_double(&out, "load_ms_after", after_ms);
	jw_end(&out);
	buf_char(to, '\n');
}

static void say_words(struct buf *text, enum lang lang, const char *out, const struct convert_result *r,
		      double before_ms, double after_ms)
{
	char tensors[24], mb[24], share[24], ms[24], times[24], overflowed[24];

	snprintf(tensors, sizeof tensors, "%llu", (unsigned long long)r->tensors);
	snprintf(mb, sizeof mb, "%.1f", (double)r->out_bytes / 1e6);
	snprintf(share, sizeof share, "%.2f", (double)r->out_bytes / (double)(r->in_bytes ? r->in_bytes : 1));
	snprintf(ms, sizeof ms, "%.2f", after_ms);
	snprintf(times, sizeof times, "%.2f", after_ms / before_ms);
	snprintf(overflowed, sizeof overflowed, "%llu", (unsigned long long)r->overflowed);
	text_fill(text, lang, TEXT_CONVERTED, out, tensors, mb, share);
	if (before_ms >= WORTH_TELLING_MS)
		text_fill(text, lang, TEXT_CONVERTED_OPENS, ms, times);
	buf_char(text, '\n');
	if (r->overflowed)
		text_fill(text, lang, TEXT_CONVERTED_INFINITE, overflowed);
}

static int say(const struct options *opts, const char *out, const struct convert_result *r, double before_ms,
	       double after_ms, struct err *err)
{
	struct buf text = { 0 };

	if (opts->json)
		add_json(&text, r, before_ms, after_ms);
	else
		say_words(&text, args_lang(opts->lang), out, r, before_ms, after_ms);
	return answer(&text, !opts->json, err);
}

/* Damage inside would only be packed again; NaN and Inf may be meant. */
static int look_inside(const char *path, enum lang lang, struct err *err)
{
	struct model_facts facts = { .named = true };
	char n[24];

	weights_look(&facts, path, INFINITY); /* converting reads all of it, too */
	if (facts.damaged_storages) {
		err_set(err, ERR_FORMAT, "%s: storage %s does not match its CRC-32: the file is damaged inside", path,
			facts.damaged);
		return err_hint(err, "download it again, and compare its SHA-256 with the page it came from");
	}
	snprintf(n, sizeof n, "%zu", facts.nonfinite_tensors);
	if (facts.nonfinite_tensors)
		args_say(lang, TEXT_CONVERT_NONFINITE, facts.nonfinite, n);
	return 0;
}

/* The result is .safetensors whatever it is called: a name of another form would mislead whoever loads it. */
static int check_name(const char *path, struct err *err)
{
	static const char *const others[] = { ".pth", ".pt", ".bin", ".gguf", ".ggml", ".onnx", ".zip" };
	const char *end = strrchr(path, '.');

	for (size_t i = 0; end && i < sizeof others / sizeof *others; i++)
		if (!strcasecmp(end, others[i])) {
			err_set(err, ERR_USAGE, "%s: convert writes .safetensors, not %s", path, end);
			return err_hint(err, "such as: %s", command_specs[COMMAND_CONVERT].example);
		}
	return 0;
}

int command_convert(const struct options *opts, struct err *err)
{
	struct progress progress = progress_start(!opts->quiet);
	struct convert_options how = { .dtype = opts->to, .progress = show_progress, .ctx = &progress };
	const char *strategy = opts->to && !strcmp(opts->to, "int8") ? "cpu fp32i8" : NULL; /* alike on both sides */
	struct convert_result result;
	double before_ms = 0, after_ms = 0;
	int rc;

	if (opts->n_arguments != 1 || !opts->output) {
		if (opts->n_arguments == 1)
			err_set(err, ERR_USAGE, "convert: --output is missing: the file for the result");
		else
			err_set(err, ERR_USAGE, "convert: found %zu model files, expected one", opts->n_arguments);
		return err_hint(err, "such as: %s", command_specs[COMMAND_CONVERT].example);
	}
	rc = check_name(opts->output, err);
	if (!rc)
		rc = time_load(opts->argument[0], strategy, &before_ms,
			       err); /* refuses what is no model before anything is written */
	if (!rc)
		rc = look_inside(opts->argument[0], args_lang(opts->lang), err);
	if (!rc)
		rc = convert_to_safetensors(opts->argument[0], opts->output, &how, &result, err);
	progress_clear(&progress);
	if (!rc)
		rc = time_load(opts->output, strategy, &after_ms, err);
	return rc ? rc : say(opts, opts->output, &result, before_ms, after_ms, err);
}
