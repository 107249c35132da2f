/* careless.c - every size, count and enum of the caller's structs is checked before anything reads it. */
#include "collect/careless.h"

#include "collect/collector.h"
#include "spec/settings.h"

#include <math.h>

enum {
	STRUCT_MAX = 4096,                                          /* bytes: no version of a struct will be larger */
	CONFIG_LEAST = offsetof(struct rwkvmon_config, model_name), /* the first version had more */
	START_LEAST = offsetof(struct rwkvmon_start, n_declared) + sizeof(size_t),
	STREAM_LEAST = offsetof(struct rwkvmon_stream_config, label) + sizeof(char *),
	STEP_LEAST = offsetof(struct rwkvmon_step, text_bytes) + sizeof(size_t),
};

static const size_t VALUES_MAX = SIZE_MAX / 64; /* so that sums of bytes do not wrap around */

static bool is_size(size_t size, size_t least)
{
	return size >= least && size <= STRUCT_MAX && size % sizeof(void *) == 0;
}

/* A size of 0 means that the caller forgot it: the struct has at least the members of its first version. */
static bool copy_struct(void *to, size_t size, const void *from, size_t least)
{
	size_t given = 0;

	if (!from)
		return false;
	memcpy(&given, from, sizeof given);
	if (given && !is_size(given, least))
		return false;
	collector_copy_struct(to, size, from, least);
	return true;
}

static bool are_tensors(const struct rwkvmon_tensor *t, size_t n)
{
	size_t values = 0;

	if (!t || n > VALUES_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		if ((unsigned)t[i].dtype >= VALUE_TYPE_COUNT || (unsigned)t[i].part >= PART_COUNT)
			return false;
		if ((t[i].count && !t[i].data) || t[i].count > VALUES_MAX - values)
			return false;
		values += t[i].count;
	}
	return true;
}

bool careless_tensors(const struct rwkvmon_tensor *t, size_t n)
{
	return n && are_tensors(t, n);
}

static bool are_sums(const struct rwkvmon_state_sums *s, size_t n)
{
	if (!s || n > VALUES_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned)s[i].part >= PART_COUNT)
			return false;
	return true;
}

bool careless_step(struct rwkvmon_step *step, const struct rwkvmon_step *given)
{
	if (!copy_struct(step, sizeof *step, given, STEP_LEAST))
		return false;
	if (!step->tokens || !step->n_tokens || step->n_tokens > UINT32_MAX)
		return false;
	if ((unsigned)step->phase > RWKVMON_DECODE)
		step->phase = RWKVMON_PHASE_UNKNOWN;
	if (!step->logits || (unsigned)step->logits_dtype >= VALUE_TYPE_COUNT || step->n_logits > VALUES_MAX) {
		step->logits = NULL;
		step->n_logits = 0;
		step->logits_dtype = RWKVMON_F32;
	}
	if (step->n_state && !are_tensors(step->state, step->n_state))
		step->n_state = 0;
	if (step->n_sums && !are_sums(step->sums, step->n_sums))
		step->n_sums = 0;
	if (!step->numbers)
		step->n_numbers = 0;
	if (!step->text || step->text_bytes > UINT32_MAX) {
		step->text = NULL;
		step->text_bytes = 0;
	}
	return true;
}

size_t careless_stride(const struct rwkvmon_step *steps)
{
	size_t size = steps->struct_size ? steps->struct_size : sizeof *steps;

	return is_size(size, STEP_LEAST) ? size : 0;
}

int careless_stream(struct rwkvmon_stream_config *stream, const struct rwkvmon_stream_config *given, struct err *err)
{
	memset(stream, 0, sizeof *stream);
	if (!given || copy_struct(stream, sizeof *stream, given, STREAM_LEAST))
		return 0;
	err_set(err, ERR_USAGE, "the stream's struct_size is %zu, which is no size of it", given->struct_size);
	return err_hint(err, "struct rwkvmon_stream_config cfg = { .struct_size = sizeof cfg, ... };");
}

bool careless_start(struct rwkvmon_start *start, const struct rwkvmon_start *given)
{
	if (!copy_struct(start, sizeof *start, given, START_LEAST))
		return false;
	if (!start->n_state || !are_tensors(start->state, start->n_state))
		return false;
	if (!start->declared)
		return !start->n_declared;
	/* A state with a different number of tensors is a different state, whatever its values. */
	return start->n_declared != start->n_state || are_tensors(start->declared, start->n_declared);
}

static int check_sizes(const struct rwkvmon_config *config, struct err *err)
{
	if (config && is_size(config->struct_size, CONFIG_LEAST))
		return 0;
	if (!config)
		err_set(err, ERR_USAGE, "there is no configuration");
	else if (!config->struct_size) /* every member would be its default: no log, silently */
		err_set(err, ERR_USAGE, "the configuration's struct_size is 0");
	else
		err_set(err, ERR_USAGE, "the configuration's struct_size is %zu, which is no size of it",
			config->struct_size);
	return err_hint(err, "struct rwkvmon_config cfg = { .struct_size = sizeof cfg, ... };");
}

/* `cfg` is as long as this library's. */
static int check_members(const struct rwkvmon_config *cfg, struct err *err)
{
	struct setting_value goal;

	if ((unsigned)cfg->fsync >= LOG_SYNC_COUNT)
		return err_set(err, ERR_USAGE, "fsync is %d; expected one of enum rwkvmon_sync", (int)cfg->fsync);
	if (isnan(cfg->overhead_budget_pct))
		return err_set(err, ERR_USAGE, "overhead_budget_pct is not a number");
	if (cfg->overhead_budget_pct > 100)
		return err_set(err, ERR_USAGE, "overhead_budget_pct: found %g, expected up to 100",
			       cfg->overhead_budget_pct);
	if (cfg->lang && *cfg->lang && lang_of(cfg->lang) == LANG_COUNT)
		return err_set(err, ERR_USAGE, "lang is \"%.40s\"; expected \"en\" or \"zh\"", cfg->lang);
	if (cfg->log_state_norms && cfg->n_layer > NORMS_MAX)
		return err_set(err, ERR_USAGE, "log_state_norms: the model has %u layers; at most %d can be logged",
			       (unsigned)cfg->n_layer, NORMS_MAX);
	if (cfg->log_mode & ~0777U)
		return err_set(err, ERR_USAGE, "log_mode is %#o; expected permissions such as 0640",
			       (unsigned)cfg->log_mode);
	return cfg->goal && *cfg->goal ? setting_read(&goal, &setting_specs[SETTING_goal], "goal", cfg->goal, err) : 0;
}

int careless_config(const struct rwkvmon_config *config, struct err *err)
{
	struct rwkvmon_config cfg;
	int rc = check_sizes(config, err);

	if (rc)
		return rc;
	collector_copy_struct(&cfg, sizeof cfg, config, 0);
	return check_members(&cfg, err);
}
