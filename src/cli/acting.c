/* acting.c - reads the reactions, opens the checkpoints, and says how to draw after going back. */
#include "cli/acting.h"

#include <math.h>
#include <unistd.h>

enum { REWIND_MIB = 64, HOLD_BACK = 256, STRETCH_TOKENS = 128, REWIND_MIB_MAX = 1 << 20, BYTE_VOCAB = 1024 };

/* In the order in which they are checked: the worst comes first. */
static const struct {
	enum rwkvmon_sign sign;
	enum alarm_type alarm;
	enum text_id what;
} signs[] = {
	{ RWKVMON_NON_FINITE, ALARM_NON_FINITE, TEXT_SIGN_NON_FINITE },
	{ RWKVMON_LOOP, ALARM_MODE_COLLAPSE, TEXT_SIGN_LOOP },
	{ RWKVMON_NEAR_LOOP, ALARM_MODE_COLLAPSE, TEXT_SIGN_NEAR_LOOP },
	{ RWKVMON_FREEZE, ALARM_MODE_COLLAPSE, TEXT_SIGN_FREEZE },
	{ RWKVMON_LOW_ENTROPY, ALARM_MODE_COLLAPSE, TEXT_SIGN_LOW_ENTROPY },
};

enum { SIGNS = sizeof signs / sizeof *signs };

static uint64_t first_bad(const struct rwkvmon_verdict *v, enum rwkvmon_sign sign)
{
	return v->first_bad[__builtin_ctz((unsigned)sign)];
}

static bool fires(const struct rwkvmon_verdict *v, enum rwkvmon_sign sign)
{
	return v->fires & (uint32_t)sign;
}

/* Other alarms may fire since earlier tokens: they have no part in it. */
static uint64_t first_of_alarm(const struct rwkvmon_verdict *v, enum alarm_type alarm)
{
	uint64_t first = UINT64_MAX;

	for (size_t i = 0; i < SIGNS; i++)
		if (signs[i].alarm == alarm && fires(v, signs[i].sign) && first_bad(v, signs[i].sign) < first)
			first = first_bad(v, signs[i].sign);
	return first;
}

struct acting_sign acting_sign(const struct acting *a, const struct rwkvmon_verdict *v)
{
	const uint64_t length = v->first_bad_token + v->go_back_tokens - 1;
	size_t i = 0;

	while (i < SIGNS && !(fires(v, signs[i].sign) && a->to[signs[i].alarm] != ACT_COUNT))
		i++;
	if (i == SIGNS)
		return (struct acting_sign){ .alarm = ALARM_TYPE_COUNT };
	return (struct acting_sign){ .alarm = signs[i].alarm,
				     .what = signs[i].what,
				     .length = length,
				     .since = first_bad(v, signs[i].sign),
				     .back = length + 1 - first_of_alarm(v, signs[i].alarm) };
}

static bool has_sign(enum alarm_type alarm)
{
	for (size_t i = 0; i < SIGNS; i++)
		if (signs[i].alarm == alarm)
			return true;
	return false;
}

static int read_reaction(struct acting *a, const char *given, struct err *err)
{
	struct slice all = slice_of(given);
	const char *equals = strchr(given, '=');
	enum alarm_type alarm =
		equals ? alarm_by_id((struct slice){ given, (size_t)(equals - given) }) : ALARM_TYPE_COUNT;
	enum act_type act;

	if (alarm == ALARM_TYPE_COUNT || !has_sign(alarm)) {
		err_set(err, ERR_USAGE, "--on: found \"%.*s\", expected mode_collapse=ACT or non_finite=ACT",
			SLICE_ARG(all));
		return err_hint(err, "such as --on mode_collapse=rewind");
	}
	if (a->to[alarm] != ACT_COUNT)
		return err_set(err, ERR_USAGE, "--on %s is given twice", alarm_specs[alarm].id);
	act = act_by_id(slice_of(equals + 1));
	if (act != ACT_STOP && act != ACT_REWIND && act != ACT_WARN)
		return err_set(err, ERR_USAGE, "--on %s: found \"%s\", expected stop, rewind or warn",
			       alarm_specs[alarm].id, equals + 1);
	a->to[alarm] = act;
	a->any = true;
	return 0;
}

static bool rewinds(const struct acting *a)
{
	for (int i = 0; i < ALARM_TYPE_COUNT; i++)
		if (a->to[i] == ACT_REWIND)
			return true;
	return false;
}

/* With --json nothing is shown before the end. Where text and what is told about it do not share a terminal, text that
 * is taken back would just stand there. */
static size_t hold_back(const struct options *opts)
{
	if (opts->json)
		return 0;
	if (opts->hold_back != UINT64_MAX)
		return (size_t)opts->hold_back;
	return isatty(STDOUT_FILENO) && isatty(STDERR_FILENO) ? 0 : HOLD_BACK;
}

/* An option that could have no effect was not meant so. */
static int check(const struct acting *a, const struct options *opts, struct err *err)
{
	if (!rewinds(a) && opts->rewind_memory != UINT64_MAX)
		return err_set(err, ERR_USAGE, "--rewind-memory has no effect without --on …=rewind");
	if (!rewinds(a) && opts->hold_back != UINT64_MAX)
		return err_set(err, ERR_USAGE, "--hold-back has no effect without --on …=rewind");
	if (rewinds(a) && !opts->hold_back && !isatty(STDOUT_FILENO)) {
		err_set(err, ERR_USAGE, "--hold-back 0: what was written into a pipe or a file cannot be taken back");
		return err_hint(err, "give --hold-back 1 or more, or --on …=stop");
	}
	if (rewinds(a) && opts->shadow_mode && !strcmp(opts->shadow_mode, "accumulated"))
		return err_set(err, ERR_USAGE, "--on …=rewind cannot take a shadow back: use --shadow-mode one_step");
	if (opts->rewind_memory != UINT64_MAX && opts->rewind_memory > REWIND_MIB_MAX)
		return err_set(err, ERR_USAGE, "--rewind-memory: expected at most %d MiB", REWIND_MIB_MAX);
	return 0;
}

int acting_open(struct acting *a, const struct options *opts, const struct run *run, struct err *err)
{
	size_t mib = opts->rewind_memory == UINT64_MAX ? REWIND_MIB : (size_t)opts->rewind_memory;
	int rc = 0;

	*a = (struct acting){ 0 };
	for (int i = 0; i < ALARM_TYPE_COUNT; i++)
		a->to[i] = ACT_COUNT;
	for (size_t i = 0; opts->on[i] && !rc; i++)
		rc = read_reaction(a, opts->on[i], err);
	if (!rc)
		rc = check(a, opts, err);
	a->adapt = (struct adapt){ .on = opts->adapt_sampling, .bytes = run_model_info(run)->n_vocab <= BYTE_VOCAB };
	a->any |= a->adapt.on;
	if (rc || !rewinds(a))
		return rc;
	a->hold_back = hold_back(opts);
	rc = checkpoints_open(&a->checkpoints, run, mib << 20, err);
	a->rewind_bytes = checkpoints_bytes(a->checkpoints);
	return rc;
}

void acting_close(struct acting *a)
{
	checkpoints_close(a->checkpoints);
	a->checkpoints = NULL;
}

struct sampler_config acting_sampling(const struct sampler_config *given, const struct rwkvmon_verdict *v)
{
	struct sampler_config bold = *given;

	if (isfinite(v->temperature))
		bold.temperature = v->temperature;
	if (isfinite(v->top_p))
		bold.top_p = v->top_p;
	if (isfinite(v->alpha_frequency))
		bold.frequency = v->alpha_frequency;
	return bold;
}

uint64_t acting_stretch(unsigned attempt)
{
	return (uint64_t)STRETCH_TOKENS << (attempt - 1);
}
