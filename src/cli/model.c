#include "cli/model.h"

#include "base/file.h"

int cli_model_open(struct model **out, const struct options *opts, struct err *err)
{
	struct model_options how = { .strategy = opts->strategy };
	int rc = opts->model ? model_open(out, opts->model, &how, err) : model_open_embedded(out, &how, err);

	if (rc == -ERR_OPEN && !err->hint[0])
		err_hint(err, "check the path, or leave --model out for the small model that is built in");
	return rc;
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
