/* model.c - opens what --model, --strategy and --state name. */
#include "cli/model.h"

#include "base/file.h"
#include "cli/doctor.h"
#include "cli/tell.h"

enum { THREADS_MAX = 256 };

int cli_model_open(struct model **out, const struct options *opts, struct err *err)
{
	struct model_options how = { .strategy = opts->strategy, .skip_zeros = opts->skip_zeros };
	int rc = opts->model ? model_open(out, opts->model, &how, err) : model_open_embedded(out, &how, err);

	if (rc == -ERR_OPEN && !err->hint[0])
		err_hint(err, "check the path, or leave --model out for the small model that is built in");
	return rc;
}

size_t cli_model_tell_damaged(const struct options *opts, uint64_t most_bytes)
{
	struct model_facts facts = { .named = true };
	struct stat st;

	if (!opts->model || stat(opts->model, &st) || (uint64_t)st.st_size > most_bytes)
		return 0;
	weights_look_at_checksums(&facts, opts->model);
	if (facts.damaged_storages && !opts->quiet)
		tell_text(TEXT_EVAL_DAMAGED, facts.damaged, opts->model);
	return facts.damaged_storages;
}

int cli_run_open(struct run **out, const struct model *m, const struct options *opts, size_t chunk_len, struct err *err)
{
	struct run_config cfg = { .chunk_len = chunk_len,
				  .threads = opts->threads == UINT64_MAX ? 1 : (int)opts->threads };
	int rc;

	*out = NULL;
	if (opts->threads != UINT64_MAX && (!opts->threads || opts->threads > THREADS_MAX))
		return err_set(err, ERR_USAGE, "--threads: expected 1 to %d", THREADS_MAX);
	rc = run_open(out, m, &cfg, err);
	return rc || !opts->state ? rc : run_load_state(*out, opts->state, err);
}

void cli_model_name(char *out, size_t bytes, const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	const char *name = slash ? slash + 1 : path ? path : "tiny-rwkv7";
	const char *dot = strrchr(name, '.');
	size_t n = dot && dot > name ? (size_t)(dot - name) : strlen(name);

	snprintf(out, bytes, "%.*s", (int)n, name);
}

int cli_state_save(const struct run *run, const struct model *m, const char *path, struct err *err)
{
	struct slice state = { (const char *)run_state_flat(run), model_info(m)->state_floats * sizeof(float) };

	return file_write(path, state, err);
}
