/* scrape.c - reads expositions line by line and takes rates from two of them. */
#include "tui/scrape.h"

#include "base/array.h"
#include "spec/families.h"
#include "spec/text.h"

#include <math.h>
#include <stdlib.h>

/* --- which series mean what ------------------------------------------------------------- */

static const struct {
	const char *prefix;
	bool speaks_for_itself; /* series without a label for a model are the server's */
} sources[] = {
#define SOURCE(prefix, speaks_for_itself) { prefix, speaks_for_itself },
#include "tui/scraped.def"
};

static const struct {
	const char *name;
	enum scrape_histogram histogram;
} histograms[] = {
#define HISTOGRAM(name, meaning) { name, SCRAPE_##meaning },
#include "tui/scraped.def"
};

static const struct {
	const char *name;
	enum scrape_histogram histogram;
	size_t part; /* of struct scrape_counts */
} parts[] = {
#define PART(name, meaning, member) { name, SCRAPE_##meaning, offsetof(struct scrape_counts, member) },
#include "tui/scraped.def"
};

static const struct {
	const char *name, *label, *value; /* label "": any */
	enum scrape_number number;
} numbers[] = {
#define NUMBER(name, label, value, meaning) { name, label, value, SCRAPE_##meaning },
#include "tui/scraped.def"
};

/* --- reading a line ------------------------------------------------------------------------ */

enum { LABELS_MAX = 16 };

struct sample {
	struct slice name;
	struct {
		struct slice key;
		char value[BOARD_TEXT]; /* unescaped, cut */
	} label[LABELS_MAX];
	size_t n_labels;
	double value;
};

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ':';
}

static struct slice parse_name(const char **p, const char *end)
{
	const char *from = *p;

	while (*p < end && is_name_char(**p))
		(*p)++;
	return (struct slice){ from, (size_t)(*p - from) };
}

static void skip_blanks(const char **p, const char *end)
{
	while (*p < end && (**p == ' ' || **p == '\t'))
		(*p)++;
}

/* The value in quotes at p; false when it does not end. */
static bool parse_quoted(const char **p, const char *end, char out[BOARD_TEXT])
{
	size_t n = 0;

	if (*p == end || **p != '"')
		return false;
	for ((*p)++; *p < end && **p != '"'; (*p)++) {
		char c = **p;

		if (c == '\\' && *p + 1 < end) {
			c = *++*p;
			c = c == 'n' ? '\n' : c;
		}
		if (n + 1 < BOARD_TEXT)
			out[n++] = c;
	}
	out[n] = 0;
	if (*p == end)
		return false;
	(*p)++;
	return true;
}

static bool parse_labels(const char **p, const char *end, struct sample *s)
{
	if (*p == end || **p != '{')
		return true;
	for ((*p)++; *p < end && **p != '}';) {
		char ignored[BOARD_TEXT];
		bool room = s->n_labels < LABELS_MAX;
		struct slice label;

		skip_blanks(p, end);
		label = parse_name(p, end);
		if (!label.n || *p == end || *(*p)++ != '=' ||
		    !parse_quoted(p, end, room ? s->label[s->n_labels].value : ignored))
			return false;
		if (room)
			s->label[s->n_labels++].key = label;
		skip_blanks(p, end);
		if (*p < end && **p == ',')
			(*p)++;
		skip_blanks(p, end);
	}
	if (*p == end)
		return false;
	(*p)++;
	return true;
}

/* False for comments, blank lines and anything that is not a sample. */
static bool read_sample(struct slice line, struct sample *s)
{
	const char *p = line.p, *end = line.p + line.n;
	char number[64], *rest;
	size_t n;

	s->n_labels = 0;
	s->name = parse_name(&p, end);
	if (!s->name.n || !parse_labels(&p, end, s))
		return false;
	skip_blanks(&p, end);
	n = (size_t)(end - p) < sizeof number - 1 ? (size_t)(end - p) : sizeof number - 1;
	memcpy(number, p, n);
	number[n] = 0;
	s->value = strtod(number, &rest);
	return rest != number;
}

static const char *label_of(const struct sample *s, const char *key)
{
	for (size_t i = 0; i < s->n_labels; i++)
		if (slice_is(s->label[i].key, key))
			return s->label[i].value;
	return NULL;
}

/* --- a text ------------------------------------------------------------------------------------ */

/* The rest of `name` behind `prefix`; NULL when it does not begin so. */
static const char *behind(struct slice name, const char *prefix, size_t *n)
{
	size_t length = strlen(prefix);

	if (name.n < length || memcmp(name.p, prefix, length))
		return NULL;
	*n = name.n - length;
	return name.p + length;
}

static void add_bucket(struct scrape_counts *h, double bound, double count)
{
	size_t at = 0;

	while (at < h->n && h->bound[at] < bound)
		at++;
	if (at < h->n && h->bound[at] == bound) {
		h->count[at] += count; /* of another model */
		return;
	}
	if (h->n == SCRAPE_BOUNDS)
		return;
	memmove(&h->bound[at + 1], &h->bound[at], (h->n - at) * sizeof *h->bound);
	memmove(&h->count[at + 1], &h->count[at], (h->n - at) * sizeof *h->count);
	h->bound[at] = bound;
	h->count[at] = count;
	h->n++;
}

static bool add_histogram(struct scrape_values *v, const struct sample *s)
{
	for (size_t i = 0; i < sizeof histograms / sizeof *histograms; i++) {
		struct scrape_counts *h = &v->histogram[histograms[i].histogram];
		size_t n;
		const char *rest = behind(s->name, histograms[i].name, &n);
		const char *bound = label_of(s, "le");

		if (!rest || !isfinite(s->value))
			continue;
		if (n == 4 && !memcmp(rest, "_sum", 4))
			h->sum += s->value;
		else if (n == 6 && !memcmp(rest, "_count", 6))
			h->total += s->value;
		else if (n == 7 && !memcmp(rest, "_bucket", 7) && bound && !isnan(strtod(bound, NULL)))
			add_bucket(h, strtod(bound, NULL), s->value);
		else
			continue;
		return true;
	}
	return false;
}

static void add_part(struct scrape_values *v, const struct sample *s)
{
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (slice_is(s->name, parts[i].name) && isfinite(s->value)) {
			struct scrape_counts *h = &v->histogram[parts[i].histogram];

			*(double *)(void *)((char *)h + parts[i].part) += s->value;
		}
}

static bool set_number(struct scrape_values *v, const struct sample *s)
{
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		const char *value = *numbers[i].label ? label_of(s, numbers[i].label) : NULL;
		double *to = &v->number[numbers[i].number];

		if (!slice_is(s->name, numbers[i].name) ||
		    (*numbers[i].label && (!value || strcmp(value, numbers[i].value))))
			continue;
		*to = isnan(*to) ? s->value : *to + s->value;
		return true;
	}
	return false;
}

static bool is_family(const struct sample *s, enum family_id id)
{
	return slice_is(s->name, family_specs[id].prom);
}

static void add_alarm(struct scrape_values *v, const struct sample *s)
{
	const char *id = label_of(s, family_specs[FAM_ALARM_ACTIVE].label);
	enum alarm_type type = id ? alarm_by_id(slice_of(id)) : ALARM_TYPE_COUNT;

	if (type != ALARM_TYPE_COUNT)
		v->alarm[type] |= s->value > 0;
}

static void forget(struct scrape_values *v)
{
	*v = (struct scrape_values){ .number = { 0 } };
	for (int i = 0; i < SCRAPE_NUMBERS; i++)
		v->number[i] = (double)NAN;
}

/* The name of the last row, in which all count that found no row of their own; /metrics names its own last one so. */
static const char others[] = "other";

/* Beside logs each instance is a row, in a process each model. */
static struct scrape_row *row_of(struct scrape *s, const struct sample *sample)
{
	const char *name = label_of(sample, "instance");
	struct scrape_row *row;

	name = name ? name : label_of(sample, "model");
	name = name ? name : s->name;
	for (size_t i = 0; i < s->n_rows; i++)
		if (!strcmp(s->row[i].name, name))
			return &s->row[i];
	if (s->n_rows == SCRAPE_ROWS)
		return &s->row[SCRAPE_ROWS - 1];
	if (s->n_rows == SCRAPE_ROWS - 1)
		name = others;
	row = &s->row[s->n_rows++];
	*row = (struct scrape_row){ .name = "" };
	forget(&row->now);
	forget(&row->before);
	snprintf(row->name, sizeof row->name, "%s", name);
	for (size_t i = 0; i < BOARD_POINTS; i++)
		row->latency[i] = (double)NAN;
	return row;
}

static void push(double point[BOARD_POINTS], double value)
{
	memmove(point, point + 1, (BOARD_POINTS - 1) * sizeof *point);
	point[BOARD_POINTS - 1] = value;
}

/* --- what happened between two texts --------------------------------------------------------------- */

/* Mean of what was added since the previous text; of everything, if this is the first text or the counters were
 * reset. */
static double recent_mean(const struct scrape_counts *now, const struct scrape_counts *before)
{
	bool anew = now->total < before->total;
	double total = now->total - (anew ? 0 : before->total), sum = now->sum - (anew ? 0 : before->sum);

	return total > 0 ? sum / total : (double)NAN;
}

static double rate(double now, double before, double seconds)
{
	if (isnan(now) || isnan(before) || !(seconds > 0))
		return (double)NAN;
	return (now - (before <= now ? before : 0)) / seconds;
}

static void add_number(double *to, double value)
{
	*to = isnan(*to) ? value : isnan(value) ? *to : *to + value;
}

/* Gauges that describe the whole process are not added up over its models. */
static bool is_shared(int number)
{
	return number == SCRAPE_VRAM_DEVICE || number == SCRAPE_VRAM_LIMIT || number == SCRAPE_GPU ||
	       number == SCRAPE_MEMORY || number == SCRAPE_REPETITION || number == SCRAPE_UP;
}

static void add_values(struct scrape_values *to, const struct scrape_values *v)
{
	for (int i = 0; i < SCRAPE_HISTOGRAMS; i++) {
		const struct scrape_counts *h = &v->histogram[i];

		to->histogram[i].sum += h->sum;
		to->histogram[i].total += h->total;
		for (size_t k = 0; k < h->n; k++)
			add_bucket(&to->histogram[i], h->bound[k], h->count[k]);
	}
	for (int i = 0; i < SCRAPE_NUMBERS; i++)
		if (is_shared(i))
			to->number[i] = fmax(to->number[i], v->number[i]);
		else
			add_number(&to->number[i], v->number[i]);
	for (int i = 0; i < ALARM_TYPE_COUNT; i++)
		to->alarm[i] |= v->alarm[i];
}

static void total_of(const struct scrape *s, struct scrape_values *now, struct scrape_values *before)
{
	forget(now);
	forget(before);
	for (size_t i = 0; i < s->n_rows; i++) {
		add_values(now, &s->row[i].now);
		add_values(before, &s->row[i].before);
	}
}

static double seconds_between(const struct scrape *s)
{
	return s->before_us ? (double)(s->time_us - s->before_us) / 1e6 : (double)NAN;
}

static const struct {
	enum metric_id metric;
	int histogram; /* -1: of `number` */
	enum scrape_number number;
	double scale, offset;
} shown[] = {
	{ M_TOKEN_LATENCY_MS, SCRAPE_LATENCY, 0, 1000, 0 },
	{ M_THROUGHPUT_TPS, -1, SCRAPE_DECODE_TOKENS, 1, 0 },
	{ M_TIME_TO_FIRST_TOKEN_MS, SCRAPE_FIRST_TOKEN, 0, 1000, 0 },
	{ M_CHUNK_PROCESS_TIME_MS, SCRAPE_CHUNK, 0, 1000, 0 },
	{ M_LOGITS_ENTROPY, SCRAPE_ENTROPY, 0, 1, 0 },
	{ M_TOKEN_REPETITION_PCT, -1, SCRAPE_REPETITION, 100, 0 },
	{ M_STATE_SIMILARITY, SCRAPE_DISTANCE, 0, -1, 1 },
	{ M_GPU_UTILIZATION_PCT, -1, SCRAPE_GPU, 100, 0 },
	{ M_PROCESS_MEMORY_MB, -1, SCRAPE_MEMORY, 1.0 / 1048576, 0 },
	{ M_QUANT_KL_NATS, SCRAPE_KL, 0, 1, 0 },
	{ M_REQUESTS_RUNNING, -1, SCRAPE_RUNNING, 1, 0 },
};

enum { SHOWN = sizeof shown / sizeof *shown };
_Static_assert((int)SHOWN <= (int)BOARD_METRICS, "one place each");

static double now_of(size_t i, const struct scrape_values *now, const struct scrape_values *before, double seconds)
{
	double value;

	if (shown[i].histogram >= 0)
		value = recent_mean(&now->histogram[shown[i].histogram], &before->histogram[shown[i].histogram]);
	else if (shown[i].number == SCRAPE_DECODE_TOKENS)
		value = rate(now->number[SCRAPE_DECODE_TOKENS], before->number[SCRAPE_DECODE_TOKENS], seconds);
	else
		value = now->number[shown[i].number];
	return value * shown[i].scale + shown[i].offset;
}

static void note_alarms(struct scrape_row *row, int64_t time_us)
{
	for (int type = 0; type < ALARM_TYPE_COUNT; type++) {
		if (!row->now.alarm[type])
			continue;
		if (!row->before.alarm[type])
			row->alarm_from_us[type] = time_us;
		row->alarm_to_us[type] = time_us;
	}
}

static void note_points(struct scrape *s)
{
	struct scrape_values now, before;

	total_of(s, &now, &before);
	for (size_t i = 0; i < SHOWN; i++)
		push(s->point[i], now_of(i, &now, &before, seconds_between(s)));
	for (size_t i = 0; i < s->n_rows; i++)
		push(s->row[i].latency, 1000 * recent_mean(&s->row[i].now.histogram[SCRAPE_LATENCY],
							   &s->row[i].before.histogram[SCRAPE_LATENCY]));
}

/* The kind of server that writes such series; -1: none that is known. */
static int source_of(const struct sample *sample)
{
	size_t rest;

	for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
		if (behind(sample->name, sources[i].prefix, &rest) && rest)
			return (int)i;
	return -1;
}

static uint64_t whole(double value)
{
	return value > 0 && value < 9e18 ? (uint64_t)value : 0;
}

/* What the process says of all its series together. */
static void take_own(struct scrape *s, const struct sample *sample)
{
	const char *verdict = label_of(sample, family_specs[FAM_VERDICT].label);

	if (is_family(sample, FAM_OTHER_LABEL_SETS))
		s->summed_up = whole(sample->value);
	for (int i = 0; i < VERDICT_COUNT && verdict && is_family(sample, FAM_VERDICT); i++)
		if (!strcmp(verdict, verdict_ids[i]) && sample->value > 0)
			s->verdict = i;
	s->tells_alarms |= is_family(sample, FAM_ALARM_ACTIVE);
}

static bool read_text(struct scrape *s, struct slice text)
{
	bool any = false;

	while (text.n) {
		const char *end = memchr(text.p, '\n', text.n);
		struct slice line = { text.p, end ? (size_t)(end - text.p) : text.n };
		struct sample sample;
		struct scrape_values *v;
		int source;

		text.p += line.n + (end != NULL);
		text.n -= line.n + (end != NULL);
		if (!read_sample(line, &sample) || (source = source_of(&sample)) < 0)
			continue;
		any = true;
		take_own(s, &sample);
		if (!sources[source].speaks_for_itself && !label_of(&sample, "model") && !label_of(&sample, "instance"))
			continue; /* about the process that answers */
		v = &row_of(s, &sample)->now;
		add_part(v, &sample);
		if (!add_histogram(v, &sample) && !set_number(v, &sample) && is_family(&sample, FAM_ALARM_ACTIVE))
			add_alarm(v, &sample);
	}
	return any;
}

bool scrape_take(struct scrape *s, struct slice text, int64_t time_us)
{
	struct scrape *next = malloc(sizeof *next);
	bool any;

	if (!next)
		return false;
	*next = *s;
	for (size_t i = 0; i < next->n_rows; i++) {
		next->row[i].before = next->row[i].now;
		forget(&next->row[i].now);
	}
	if (!next->texts)
		for (size_t i = 0; i < BOARD_METRICS; i++)
			for (size_t k = 0; k < BOARD_POINTS; k++)
				next->point[i][k] = (double)NAN;
	next->summed_up = 0;
	next->verdict = -1;
	next->tells_alarms = false;
	any = read_text(next, text);
	if (any) {
		next->first_us = next->texts++ ? next->first_us : time_us;
		next->before_us = next->time_us;
		next->time_us = time_us;
		next->trouble[0] = 0;
		for (size_t i = 0; i < next->n_rows; i++)
			note_alarms(&next->row[i], time_us);
		note_points(next);
		*s = *next;
	}
	free(next);
	return any;
}

/* --- a board ------------------------------------------------------------------------------------------- */

static struct board_quantile scaled(struct board_quantile q, double scale, double offset)
{
	const double low = q.low * scale + offset, high = q.high * scale + offset;

	q.value = q.value * scale + offset;
	q.low = fmin(low, high);
	q.high = fmax(low, high);
	return q;
}

/* The quantile of cumulative counts; unknown when there are none. */
static struct board_quantile quantile(const struct scrape_counts *h, double q)
{
	double rank = q * h->total, below = 0, from = -INFINITY;

	for (size_t i = 0; i < h->n; i++) {
		const double to = h->bound[i], share = (rank - below) / (h->count[i] - below);

		if (h->count[i] >= rank && h->count[i] > below)
			return (struct board_quantile){ .value = isfinite(from) && isfinite(to)
									 ? from + (to - from) * share
									 : (double)NAN,
							.between = true,
							.low = from,
							.high = to };
		below = fmax(below, h->count[i]);
		from = to;
	}
	return (struct board_quantile){ .value = (double)NAN };
}

static double since(double now, double before)
{
	return isnan(now) ? now : now - (before <= now ? before : 0);
}

struct scrape_step scrape_step(const struct scrape_row *row)
{
	const struct scrape_values *now = &row->now, *before = &row->before;
	const struct scrape_counts *h = &now->histogram[SCRAPE_LATENCY], *was = &before->histogram[SCRAPE_LATENCY];

	return (struct scrape_step){
		.decode_tokens = since(now->number[SCRAPE_DECODE_TOKENS], before->number[SCRAPE_DECODE_TOKENS]),
		.decode_seconds = h->total > 0 ? since(h->sum, was->sum) : (double)NAN,
		.prefill_tokens = since(now->number[SCRAPE_PREFILL_TOKENS], before->number[SCRAPE_PREFILL_TOKENS]),
		.running = now->number[SCRAPE_RUNNING],
		.waiting = now->number[SCRAPE_WAITING],
	};
}

static double last_known(const double point[BOARD_POINTS])
{
	for (size_t i = BOARD_POINTS; i-- > 0;)
		if (isfinite(point[i]))
			return point[i];
	return (double)NAN;
}

/* Of the points, for what has no histogram. */
static double point_quantile(const double point[BOARD_POINTS], double q)
{
	double known[BOARD_POINTS];
	size_t n = 0;

	for (size_t i = 0; i < BOARD_POINTS; i++)
		if (isfinite(point[i]))
			known[n++] = point[i];
	if (!n)
		return (double)NAN;
	sort_doubles(known, n);
	return known[(size_t)(q * (double)(n - 1) + 0.5)];
}

static bool adds_up(enum metric_id metric)
{
	return metric == M_THROUGHPUT_TPS || metric == M_REQUESTS_RUNNING;
}

static void sum_points(double out[BOARD_POINTS], const struct scrape *s, size_t n, size_t metric)
{
	for (size_t k = 0; k < BOARD_POINTS; k++) {
		double sum = 0, count = 0;

		for (size_t i = 0; i < n; i++)
			if (s[i].texts && isfinite(s[i].point[metric][k])) {
				sum += s[i].point[metric][k];
				count++;
			}
		out[k] = !(count > 0) ? (double)NAN : adds_up(shown[metric].metric) ? sum : sum / count;
	}
}

/* Without buckets the means have to do. */
static struct board_quantile quantile_of(const struct scrape_counts *h, const double point[BOARD_POINTS], size_t i,
					 double q)
{
	if (!h || !h->n)
		return (struct board_quantile){ .value = point_quantile(point, q) };
	return scaled(quantile(h, shown[i].scale < 0 ? 1 - q : q), shown[i].scale, shown[i].offset);
}

static void fill_metrics(struct board *b, const struct scrape *s, size_t n, const struct scrape_values *all)
{
	for (size_t i = 0; i < SHOWN; i++) {
		const struct scrape_counts *h = shown[i].histogram >= 0 ? &all->histogram[shown[i].histogram] : NULL;
		struct board_metric *m = &b->metric[b->n_metrics];

		*m = (struct board_metric){ .metric = shown[i].metric, .limit = (double)NAN };
		sum_points(m->point, s, n, i);
		m->now = last_known(m->point);
		m->p50 = quantile_of(h, m->point, i, 0.5);
		m->p95 = quantile_of(h, m->point, i, 0.95);
		b->n_metrics += isfinite(m->now) || isfinite(m->p50.value) || m->p50.between;
	}
}

static double vram_of(const struct scrape_values *v)
{
	double used =
		isnan(v->number[SCRAPE_VRAM_DEVICE]) ? v->number[SCRAPE_VRAM_PROCESS] : v->number[SCRAPE_VRAM_DEVICE];

	return used / 1048576;
}

struct targets {
	const struct scrape *of; /* (n) */
	size_t n;
};

/* By its address, too, where another one has a row of that name. */
static void name_row(char out[BOARD_TEXT], const struct targets *all, const struct scrape *of,
		     const struct scrape_row *row)
{
	bool alone = true;

	for (size_t i = 0; i < all->n; i++)
		for (size_t k = 0; &all->of[i] != of && k < all->of[i].n_rows; k++)
			alone &= strcmp(all->of[i].row[k].name, row->name) != 0;
	if (alone)
		snprintf(out, BOARD_TEXT, "%s", row->name);
	else
		snprintf(out, BOARD_TEXT, "%.63s %.63s", of->name, row->name);
}

static void fill_row(struct board_row *out, const struct scrape_row *row, double seconds)
{
	const struct scrape_values *v = &row->now;

	*out = (struct board_row){
		.records = whole(v->histogram[SCRAPE_LATENCY].total),
		.tokens = whole(v->number[SCRAPE_DECODE_TOKENS]) + whole(v->number[SCRAPE_PREFILL_TOKENS]),
		.throughput = rate(v->number[SCRAPE_DECODE_TOKENS], row->before.number[SCRAPE_DECODE_TOKENS], seconds),
		.latency_p50 = scaled(quantile(&v->histogram[SCRAPE_LATENCY], 0.5), 1000, 0),
		.latency_p95 = scaled(quantile(&v->histogram[SCRAPE_LATENCY], 0.95), 1000, 0),
		.vram = vram_of(v),
		.bad = v->number[SCRAPE_NONFINITE] > 0,
	};
	memcpy(out->point, row->latency, sizeof out->point);
	for (int type = 0; type < ALARM_TYPE_COUNT; type++)
		out->events += v->alarm[type];
}

/* Whether x stands before y: what is on before what is over, then the latest, then in the order of the table. */
static bool alarm_is_before(const struct board_alarm *x, const struct board_alarm *y)
{
	if (x->firing != y->firing)
		return x->firing;
	return x->from_us != y->from_us ? x->from_us > y->from_us : x->type < y->type;
}

/* Into its place; when the board is full, the last one makes room. */
static void add_board_alarm(struct board *b, const struct board_alarm *a)
{
	size_t at = b->n_alarms;

	b->alarms_total++;
	while (at && alarm_is_before(a, &b->alarm[at - 1]))
		at--;
	if (at == BOARD_ALARMS)
		return;
	b->n_alarms += b->n_alarms < BOARD_ALARMS;
	memmove(&b->alarm[at + 1], &b->alarm[at], (b->n_alarms - 1 - at) * sizeof *b->alarm);
	b->alarm[at] = *a;
}

static void fill_alarms(struct board *b, const struct targets *all, const struct scrape *s,
			const struct scrape_row *row)
{
	for (int type = 0; type < ALARM_TYPE_COUNT; type++) {
		struct board_alarm a = { .type = (enum alarm_type)type,
					 .severity = alarm_specs[type].severity,
					 .from_us = row->alarm_from_us[type],
					 .to_us = row->alarm_to_us[type],
					 .worst = (double)NAN,
					 .limit = (double)NAN,
					 .firing = row->alarm_to_us[type] == s->time_us };

		if (!row->alarm_to_us[type])
			continue;
		name_row(a.session, all, s, row);
		add_board_alarm(b, &a);
	}
}

static void fill_target(struct board *b, const struct targets *all, const struct scrape *s, struct scrape_values *sums)
{
	for (size_t i = 0; i < s->n_rows; i++) {
		add_values(sums, &s->row[i].now);
		fill_alarms(b, all, s, &s->row[i]);
	}
	if (*s->trouble)
		snprintf(b->trouble, sizeof b->trouble, "%s", s->trouble);
	b->from_us = s->texts && (!b->from_us || s->first_us < b->from_us) ? s->first_us : b->from_us;
	b->to_us = s->time_us > b->to_us ? s->time_us : b->to_us;
	if (s->texts > 1)
		b->point_seconds = (double)(s->time_us - s->first_us) / 1e6 / (double)(s->texts - 1);
}

/* A row of a target, and how bad it is. */
struct ranked {
	const struct scrape *of;
	const struct scrape_row *row;
	int critical, alarms;
};

static struct ranked rank(const struct scrape *s, const struct scrape_row *row)
{
	struct ranked r = { s, row, row->now.number[SCRAPE_NONFINITE] > 0, 0 };

	for (int type = 0; type < ALARM_TYPE_COUNT; type++) {
		r.alarms += row->now.alarm[type];
		r.critical |= row->now.alarm[type] && alarm_specs[type].severity == SEVERITY_CRITICAL;
	}
	return r;
}

/* A target that publishes no verdict: only what is bad is known. */
static enum verdict verdict_by_alarms(const struct scrape *s)
{
	enum verdict worst = VERDICT_UNDECIDED;

	for (size_t i = 0; i < s->n_rows; i++) {
		const struct ranked r = rank(s, &s->row[i]);
		const enum verdict v = r.critical ? VERDICT_CRITICAL : r.alarms ? VERDICT_ATTENTION : VERDICT_UNDECIDED;

		worst = v > worst ? v : worst;
	}
	return worst;
}

/* The worst of all targets, and by what they were judged. */
static void judge(struct board *b, const struct scrape *s, size_t n, enum lang lang)
{
	bool told = true, tells_alarms = true;
	enum verdict worst = VERDICT_HEALTHY;

	for (size_t i = 0; i < n; i++) {
		const bool has_verdict = s[i].texts && s[i].verdict >= 0;
		enum verdict v = has_verdict ? (enum verdict)s[i].verdict : verdict_by_alarms(&s[i]);

		v = *s[i].trouble && v < VERDICT_ATTENTION ? VERDICT_ATTENTION : v;
		worst = v > worst ? v : worst;
		told &= has_verdict;
		tells_alarms &= has_verdict || s[i].tells_alarms;
	}
	b->verdict = n ? worst : VERDICT_UNDECIDED;
	b->not_judged = b->verdict == VERDICT_UNDECIDED && b->records && !told;
	snprintf(b->sentence, sizeof b->sentence, "%s",
		 text(told           ? TEXT_WATCH_JUDGED_THERE
		      : tells_alarms ? TEXT_WATCH_BY_ALARMS
				     : TEXT_WATCH_NO_ALARMS,
		      lang));
}

static int worst_first(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->critical != y->critical)
		return y->critical - x->critical;
	if (x->alarms != y->alarms)
		return y->alarms - x->alarms;
	return x->of != y->of ? (x->of > y->of) - (x->of < y->of) : (x->row > y->row) - (x->row < y->row);
}

/* Of all targets, at most SCRAPE_TARGETS. A target's "other" stands for as many as it says. */
static void fill_rows(struct board *b, const struct scrape *s, size_t n)
{
	struct ranked all[SCRAPE_TARGETS * SCRAPE_ROWS];
	size_t found = 0;

	for (size_t i = 0; i < n && i < SCRAPE_TARGETS; i++) {
		b->rows_total += s[i].summed_up ? s[i].summed_up - 1 : 0;
		for (size_t k = 0; k < s[i].n_rows; k++)
			all[found++] = rank(&s[i], &s[i].row[k]);
	}
	if (found)
		qsort(all, found, sizeof *all, worst_first);
	for (size_t i = 0; i < found && i < BOARD_ROWS; i++) {
		struct board_row *row = &b->row[b->n_rows++];

		fill_row(row, all[i].row, seconds_between(all[i].of));
		name_row(row->name, &(struct targets){ s, n }, all[i].of, all[i].row);
	}
	b->rows_total += found;
}

void board_from_scrapes(struct board *out, const struct scrape *s, size_t n, const char *source, enum lang lang)
{
	struct scrape_values all;

	*out = (struct board){ .by_instance = true, .point_seconds = (double)NAN };
	snprintf(out->source, sizeof out->source, "%s", source);
	forget(&all);
	for (size_t i = 0; i < n; i++)
		fill_target(out, &(struct targets){ s, n }, &s[i], &all);
	fill_rows(out, s, n);
	fill_metrics(out, s, n, &all);
	out->records = whole(all.histogram[SCRAPE_LATENCY].total + all.histogram[SCRAPE_CHUNK].total);
	out->tokens = whole(all.number[SCRAPE_DECODE_TOKENS]) + whole(all.number[SCRAPE_PREFILL_TOKENS]);
	out->sessions = out->rows_total;
	out->dropped = whole(all.number[SCRAPE_DROPPED]);
	out->vram_used = vram_of(&all);
	out->vram_limit = all.number[SCRAPE_VRAM_LIMIT] / 1048576;
	judge(out, s, n, lang);
}
