/* engine_row.c - names of a line's members, and where their values go. */
#include "ship/engine_row.h"

#include "base/clock.h"
#include "ship/engine_value.h"

#include <math.h>
#include <stdlib.h>

enum { KEYS_MOST = 512, KEY_BYTES = 96, PARTS = 2 /* all steps except prefill; prefill */ };

/* What a member is: of a metric, or of the roll-up. */
enum member {
	NOTHING,
	COUNT,
	SUM,
	MIN,
	MAX,
	SKETCH,
	TIME,
	ID,
	INSTANCE,
	MODEL,
	STRATEGY,
	SECONDS,
	RECORDS,
	TOKENS,
	PREFILL_TOKENS,
	MEMBERS
};

struct key {
	char name[KEY_BYTES];
	size_t n;
	enum member member;
	enum metric_id metric;
	int part;
};

struct metric_texts {
	struct metric_part part;
	unsigned have; /* bits of members */
	struct slice sketch;
};

struct engine_rows {
	struct key key[KEYS_MOST]; /* (n_keys), in the order in which they came */
	size_t n_keys, next;       /* next: that is expected */
	struct key odd;            /* for which there is no room */
	struct slice own[MEMBERS];
	struct metric_texts of[PARTS][METRIC_COUNT];
	uint64_t known[PARTS]; /* bits of metrics */
	struct buf text[3];
	struct summed_metric metric[PARTS][METRIC_COUNT];
	struct sketch_runs runs[PARTS][METRIC_COUNT];
};

struct engine_rows *engine_rows_open(void)
{
	return calloc(1, sizeof(struct engine_rows));
}

void engine_rows_close(struct engine_rows *r)
{
	if (!r)
		return;
	for (int part = 0; part < PARTS; part++)
		for (int m = 0; m < METRIC_COUNT; m++)
			sketch_runs_free(&r->runs[part][m]);
	for (size_t i = 0; i < sizeof r->text / sizeof *r->text; i++)
		buf_free(&r->text[i]);
	free(r);
}

/* --- names --------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum member member;
} of_rollup[] = {
	{ "_time", TIME },
	{ "rollup.id", ID },
	{ "instance", INSTANCE },
	{ "metadata.model_name", MODEL },
	{ "metadata.strategy", STRATEGY },
	{ "rollup.seconds", SECONDS },
	{ "rollup.records", RECORDS },
	{ "rollup.tokens", TOKENS },
	{ "rollup.prefill.tokens", PREFILL_TOKENS },
}, of_metric[] = {
	{ "count", COUNT }, { "sum", SUM }, { "min", MIN }, { "max", MAX }, { "sketch", SKETCH },
};

static bool begins(struct slice *name, const char *prefix)
{
	const size_t n = strlen(prefix);

	if (name->n < n || memcmp(name->p, prefix, n))
		return false;
	*name = (struct slice){ name->p + n, name->n - n };
	return true;
}

/* "rollup.metrics.token_latency_ms.count" */
static void classify_metric(struct key *k, struct slice name)
{
	const int part = begins(&name, "rollup.metrics.") ? 0 : begins(&name, "rollup.prefill.") ? 1 : -1;
	const char *dot = part < 0 ? NULL : memrchr(name.p, '.', name.n);

	if (!dot)
		return;
	k->part = part;
	k->metric = metric_by_id((struct slice){ name.p, (size_t)(dot - name.p) });
	name = (struct slice){ dot + 1, name.n - (size_t)(dot + 1 - name.p) };
	for (size_t i = 0; k->metric < METRIC_COUNT && i < sizeof of_metric / sizeof *of_metric; i++)
		if (slice_is(name, of_metric[i].name))
			k->member = of_metric[i].member;
}

static struct key classify(struct slice name)
{
	struct key k = { .member = NOTHING };

	for (size_t i = 0; i < sizeof of_rollup / sizeof *of_rollup; i++)
		if (slice_is(name, of_rollup[i].name))
			k.member = of_rollup[i].member;
	if (k.member == NOTHING)
		classify_metric(&k, name);
	return k;
}

/* Keys come in the order of the line before, except for those that one of the two lacks. */
static const struct key *key_of(struct engine_rows *r, struct slice name)
{
	struct key *k = &r->odd;

	for (size_t i = 0; i < r->n_keys; i++) {
		const size_t at = r->next + i < r->n_keys ? r->next + i : r->next + i - r->n_keys;

		if (r->key[at].n == name.n && !memcmp(r->key[at].name, name.p, name.n)) {
			r->next = at + 1 < r->n_keys ? at + 1 : 0;
			return &r->key[at];
		}
	}
	if (r->n_keys < KEYS_MOST && name.n <= KEY_BYTES)
		k = &r->key[r->n_keys++];
	*k = classify(name);
	k->n = name.n <= KEY_BYTES ? name.n : 0;
	memcpy(k->name, name.p, k->n);
	r->next = 0;
	return k;
}

/* --- values ------------------------------------------------------------------------------------- */

static double number_of(struct slice value)
{
	double n;

	return json_read_number(value, &n) ? n : (double)NAN;
}

static void set_metric(struct engine_rows *r, const struct key *k, struct slice value)
{
	struct metric_texts *t = &r->of[k->part][k->metric];
	double *const numbers[] = { [SUM] = &t->part.sum, [MIN] = &t->part.min, [MAX] = &t->part.max };

	if (!(r->known[k->part] & metric_bit(k->metric)))
		*t = (struct metric_texts){ .have = 0 };
	r->known[k->part] |= metric_bit(k->metric);
	if (k->member == SKETCH) {
		t->sketch = value;
		return;
	}
	if (k->member == COUNT) {
		t->part.count = engine_whole(value);
		t->have &= ~(1u << COUNT);
		t->have |= t->part.count ? 1u << COUNT : 0;
		return;
	}
	*numbers[k->member] = number_of(value); /* of a key that comes twice, the last counts */
	t->have &= ~(1u << k->member);
	t->have |= isfinite(*numbers[k->member]) ? 1u << k->member : 0;
}

bool engine_row_read(struct engine_rows *r, struct slice line, struct engine_row *out)
{
	struct slice name, value;
	double seconds;
	int64_t time_us;

	memset(r->own, 0, sizeof r->own);
	r->known[0] = r->known[1] = 0;
	r->next = 0;
	for (size_t at = 0; json_read_pair(line, &at, &name, &value);) {
		const struct key *k = key_of(r, name);

		if (k->member >= TIME)
			r->own[k->member] = value;
		else if (k->member != NOTHING)
			set_metric(r, k, engine_bare(value));
	}
	if (!r->own[TIME].n || !time_parse(engine_bare(r->own[TIME]), &time_us))
		return false;
	seconds = r->own[SECONDS].n ? number_of(engine_bare(r->own[SECONDS])) : 0;
	*out = (struct engine_row){
		.id = r->own[ID],
		.sums = { .of = { engine_text(&r->text[0], r->own[INSTANCE]), engine_text(&r->text[1], r->own[MODEL]),
				  engine_text(&r->text[2], r->own[STRATEGY]) },
			  .from_us = time_us - (seconds > 0 && seconds < 1e6 ? (int64_t)(seconds * 1e6) : 0),
			  .to_us = time_us,
			  .records = engine_whole(r->own[RECORDS]),
			  .tokens = engine_whole(r->own[TOKENS]),
			  .prefill_tokens =
				  r->own[PREFILL_TOKENS].n ? engine_whole(r->own[PREFILL_TOKENS]) : SUMMED_UNKNOWN },
		.fine = true,
	};
	return true;
}

/* From the middle of a run's bin to its edges. */
static double half_of(const struct sketch_run *run)
{
	return run->value < 0 || run->value > 0 ? sketch_run_width(run) / 2 : 0;
}

/* The edges of the outermost bins: where extremes are not asked for, they are known to the width of a bin. */
static void read_extremes(const struct sketch_runs *runs, struct metric_part *out)
{
	const struct sketch_run *first = runs->run, *last = &runs->run[runs->n - 1], *low = first, *high = last;

	if (last->value < 0) { /* negative ones are behind all others, the largest size last */
		low = last;
		while (high > first && high->value < 0)
			high--;
	}
	out->min = low->value - half_of(low);
	out->max = high->value + half_of(high);
}

/* Where only count and sum are asked for, the mean stands for the extremes. False: it is no roll-up's. */
static bool read_metric(const struct metric_texts *t, struct sketch_runs *runs, struct summed_metric *out)
{
	const unsigned sums = 1u << COUNT | 1u << SUM, extremes = 1u << MIN | 1u << MAX;
	const bool ranged = (t->have & extremes) == extremes;

	out->part = t->part;
	out->run = NULL;
	out->n = 0;
	if ((t->have & sums) != sums || (t->have & extremes && !(ranged && t->part.min <= t->part.max)))
		return false;
	if (!ranged)
		out->part.min = out->part.max = t->part.sum / (double)t->part.count;
	if (!t->sketch.n)
		return true;
	if (!sketch_runs_read(runs, t->sketch) || runs->count != t->part.count)
		return false;
	if (!ranged && runs->n)
		read_extremes(runs, &out->part);
	out->run = runs->run;
	out->n = runs->n;
	return true;
}

bool engine_row_metrics(struct engine_rows *r, struct engine_row *row)
{
	size_t n[PARTS] = { 0 };
	bool memory = true;

	for (int part = 0; part < PARTS; part++)
		for (uint64_t left = r->known[part]; left; left &= left - 1) {
			const enum metric_id m = (enum metric_id)__builtin_ctzll(left);
			struct summed_metric *to = &r->metric[part][n[part]];
			const bool fine = read_metric(&r->of[part][m], &r->runs[part][m], to);

			to->id = m;
			n[part] += fine;
			row->fine &= fine;
			memory &= !r->runs[part][m].failed;
		}
	row->sums.decode = r->metric[0];
	row->sums.n_decode = n[0];
	row->sums.prefill = r->metric[1];
	row->sums.n_prefill = n[1];
	return memory;
}
