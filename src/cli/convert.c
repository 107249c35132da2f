/* convert.c - a model file as .safetensors, and what that is worth: size and load time of both. */
#include "base/file.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "runtime/convert.h"
#include "runtime/model.h"

#include <math.h>

static void show_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct progress *p = ctx;
	char text[64];

	if (done == total || !progress_due(p))
		return;
	snprintf(text, sizeof text, "%.0f of %.0f MB", (double)done / 1e6, (double)total / 1e6);
	progress_draw(p, "converting", (double)done / (double)total, text);
}

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

static int say(const struct options *opts, const char *out, const struct convert_result *r, double before_ms, double after_ms,
	       struct err *err)
{
	struct buf text = { 0 };
	int rc;

	if (opts->json) {
		buf_printf(&text, "{\"tensors\":%llu,\"in_bytes\":%llu,\"out_bytes\":%llu,\"overflowed\":%llu,\"load_ms_before\":",
			   (unsigned long long)r->tensors, (unsigned long long)r->in_bytes, (unsigned long long)r->out_bytes,
			   (unsigned long long)r->overflowed);
		buf_json_double(&text, before_ms);
		buf_str(&text, ",\"load_ms_after\":");
		buf_json_double(&text, after_ms);
		buf_str(&text, "}\n");
	} else {
		buf_printf(&text, "%s: %llu tensors, %.1f MB (%.2f of the original), opens in %.2f ms (%.2f of the original)\n", out,
			   (unsigned long long)r->tensors, (double)r->out_bytes / 1e6,
			   (double)r->out_bytes / (double)(r->in_bytes ? r->in_bytes : 1), after_ms,
			   before_ms > 0 ? after_ms / before_ms : 1);
		if (r->overflowed)
			buf_printf(&text, "warning: %llu values were too large for fp16 and became infinite; use bf16\n",
				   (unsigned long long)r->overflowed);
	}
	rc = text.failed ? err_set(err, ERR_NOMEM, "no memory for the answer") : file_write("-", buf_slice(&text), err);
	buf_free(&text);
	return rc;
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
		err_set(err, ERR_USAGE, "convert: name one model file, and where the result goes");
		return err_hint(err, "%s", command_specs[COMMAND_CONVERT].example);
	}
	rc = time_load(opts->argument[0], strategy, &before_ms, err); /* refuses what is no model before anything is written */
	if (!rc)
		rc = convert_to_safetensors(opts->argument[0], opts->output, &how, &result, err);
	progress_clear(&progress);
	if (!rc)
		rc = time_load(opts->output, strategy, &after_ms, err);
	return rc ? rc : say(opts, opts->output, &result, before_ms, after_ms, err);
}
