/* encode.c - writes a record as one JSON line, following the field table. */
#include "record/codec.h"

#include "base/clock.h"

#include <math.h>

/* Writes keys in order and opens and closes the objects their paths name.
 * Invariant: `open` is the path of the innermost open object ("" at the top). */
struct line_writer {
	struct buf *out;
	char open[64];
	bool comma; /* the next key needs one before it */
};

static size_t common_objects(const char *open, const char *path, size_t path_objects)
{
	size_t same = 0;

	for (size_t i = 0;; i++) { /* ends with the shorter of the two, or where they differ */
		bool open_ends = !open[i] || open[i] == '.', path_ends = i == path_objects || path[i] == '.';

		if (open_ends && path_ends)
			same = i;
		if (!open[i] || i == path_objects || open[i] != path[i])
			return same;
	}
}

static void close_objects(struct line_writer *w, size_t keep)
{
	size_t n = strlen(w->open);

	while (n > keep) {
		while (n > keep && w->open[n - 1] != '.')
			n--;
		if (n > keep)
			n--; /* the dot */
		buf_char(w->out, '}');
		w->comma = true;
	}
	w->open[keep] = 0;
}

static void write_name(struct line_writer *w, const char *name, size_t n)
{
	if (w->comma)
		buf_char(w->out, ',');
	buf_char(w->out, '"');
	buf_add(w->out, name, n);
	buf_add(w->out, "\":", 2);
	w->comma = true;
}

const char *const own_place_keys[OWN_PLACE_COUNT] = { "performance", "resources", "accuracy", "metadata", "" };

/* Opens the objects that `path` names, closes the others. */
static void enter_objects(struct line_writer *w, const char *path)
{
	const char *last_dot = strrchr(path, '.');
	size_t objects = last_dot ? (size_t)(last_dot - path) : 0;
	size_t at = common_objects(w->open, path, objects);

	close_objects(w, at);
	while (at < objects) {
		const char *name = path + at + (at ? 1 : 0);
		size_t n = strcspn(name, ".");

		write_name(w, name, n);
		buf_char(w->out, '{');
		w->comma = false;
		at = (size_t)(name - path) + n;
	}
	memcpy(w->open, path, objects);
	w->open[objects] = 0;
}

/* Writes the key of `path`, so that its value may follow. */
static void write_key(struct line_writer *w, const char *path)
{
	const char *last_dot = strrchr(path, '.');

	enter_objects(w, path);
	path = last_dot ? last_dot + 1 : path;
	write_name(w, path, strlen(path));
}

/* Writes the caller's own fields, which were rendered by whoever made the record. */
static void write_own(struct line_writer *w, const struct record *r, enum own_place place)
{
	const char *from = r->own;
	char path[16];

	if (!r->own || !r->own_bytes[place])
		return;
	for (int i = 0; i < (int)place; i++)
		from += r->own_bytes[i];
	snprintf(path, sizeof path, "%s%s", own_place_keys[place], place == OWN_TOP ? "" : ".");
	enter_objects(w, path);
	if (w->comma)
		buf_char(w->out, ',');
	buf_add(w->out, from, r->own_bytes[place]);
	w->comma = true;
}

_Static_assert((int)METRIC_PERFORMANCE == (int)OWN_PERFORMANCE && (int)METRIC_RESOURCES == (int)OWN_RESOURCES,
	       "groups are places");

static void write_gpu(struct line_writer *w, const struct gpu_sample *g)
{
	write_key(w, "device");
	buf_json_string(w->out, slice_of(g->device));
	for (int v = 0; v < GPU_VALUE_COUNT; v++)
		if (isfinite(g->value[v])) {
			write_key(w, gpu_value_specs[v].key);
			buf_json_decimal(w->out, g->value[v], gpu_value_specs[v].decimals);
		}
}

static void write_gpus(struct line_writer *w, const struct record *r)
{
	if (!r->gpu || !r->n_gpus)
		return;
	write_key(w, field_specs[F_GPUS].path);
	for (size_t i = 0; i < r->n_gpus; i++) {
		buf_add(w->out, i ? ",{" : "[{", 2);
		write_gpu(&(struct line_writer){ .out = w->out }, &r->gpu[i]);
		buf_char(w->out, '}');
	}
	buf_char(w->out, ']');
}

/* What stands behind the metrics of a group. */
static void end_group(struct line_writer *w, const struct record *r, enum metric_group group)
{
	if (group == METRIC_RESOURCES)
		write_gpus(w, r);
	write_own(w, r, (enum own_place)group);
}

/* The caller's own fields of accuracy follow later, because the layer norms also belong to that group. */
static void write_metrics(struct line_writer *w, const struct record *r)
{
	enum metric_group at = METRIC_PERFORMANCE;

	for (uint64_t left = r->have; left; left &= left - 1) {
		const int m = __builtin_ctzll(left);
		const struct metric_spec *s = &metric_specs[m];
		char path[64];
		size_t group = strlen(metric_group_keys[s->group]);

		if (!isfinite(r->metric[m]))
			continue;
		for (; at < s->group; at++)
			end_group(w, r, at);
		memcpy(path, metric_group_keys[s->group], group);
		path[group] = '.';
		memcpy(path + group + 1, s->key, strlen(s->key) + 1);
		write_key(w, path);
		buf_json_decimal(w->out, r->metric[m], s->decimals);
	}
	for (; at < METRIC_ACCURACY; at++)
		end_group(w, r, at);
}

static void write_norms(struct line_writer *w, const char *path, const struct record *r)
{
	if (!r->layer_norm || !r->n_layer_norm)
		return;
	write_key(w, path);
	buf_char(w->out, '[');
	for (size_t i = 0; i < r->n_layer_norm; i++) {
		if (i)
			buf_char(w->out, ',');
		buf_json_decimal(w->out, (double)r->layer_norm[i], 4); /* null when not finite */
	}
	buf_char(w->out, ']');
}

static void write_tokens(struct line_writer *w, const char *path, const struct record *r)
{
	if (!r->tokens)
		return;
	write_key(w, path);
	buf_char(w->out, '[');
	for (size_t i = 0; i < r->n_tokens; i++) {
		if (i)
			buf_char(w->out, ',');
		buf_u64(w->out, r->tokens[i]);
	}
	buf_char(w->out, ']');
}

static void write_time(struct line_writer *w, const char *path, int64_t time_us)
{
	char text[TIME_TEXT_BYTES];

	time_format(text, time_us);
	write_key(w, path);
	buf_char(w->out, '"');
	buf_add(w->out, text, TIME_TEXT_BYTES - 1);
	buf_char(w->out, '"');
}

static void write_string(struct line_writer *w, const char *path, struct slice text)
{
	write_key(w, path);
	buf_json_string(w->out, text);
}

static void write_count(struct line_writer *w, const char *path, uint64_t count)
{
	write_key(w, path);
	buf_u64(w->out, count);
}

static void write_object(struct line_writer *w, const struct record *r);

/* --- fields whose values are members of struct record -------------------------------- */

static void write_timestamp(struct line_writer *w, const char *path, const struct record *r)
{
	write_time(w, path, r->time_us);
}

static void write_event(struct line_writer *w, const char *path, const struct record *r)
{
	write_string(w, path, slice_of(event_ids[r->event]));
}

static void write_sequence_length(struct line_writer *w, const char *path, const struct record *r)
{
	write_count(w, path, r->sequence_length);
}

static void write_groups(struct line_writer *w, const char *path, const struct record *r)
{
	(void)path; /* each metric has its own */
	write_metrics(w, r);
}

/* They stand inside their group: write_metrics has written them. */
static void write_nothing(struct line_writer *w, const char *path, const struct record *r)
{
	(void)w;
	(void)path;
	(void)r;
}

static void write_layer_norms(struct line_writer *w, const char *path, const struct record *r)
{
	write_norms(w, path, r);
	write_own(w, r, OWN_ACCURACY);
}

static void write_details(struct line_writer *w, const char *path, const struct record *r)
{
	if (!r->details)
		return;
	write_key(w, path);
	write_object(&(struct line_writer){ .out = w->out }, r->details);
}

static void write_sequence(struct line_writer *w, const char *path, const struct record *r)
{
	write_own(w, r, OWN_METADATA); /* the first field after metadata */
	write_count(w, path, r->sequence);
}

static void write_phase(struct line_writer *w, const char *path, const struct record *r)
{
	if (r->phase > PHASE_UNKNOWN && r->phase < PHASE_COUNT)
		write_string(w, path, slice_of(phase_ids[r->phase]));
}

static void write_token_count(struct line_writer *w, const char *path, const struct record *r)
{
	write_count(w, path, r->token_count);
}

static void write_sampled_every(struct line_writer *w, const char *path, const struct record *r)
{
	if (r->sampled_every > 1)
		write_count(w, path, r->sampled_every);
}

static void write_ordinal(struct line_writer *w, const char *path, const struct record *r)
{
	if (r->ordinal)
		write_count(w, path, r->ordinal - 1);
}

static void write_batch_size(struct line_writer *w, const char *path, const struct record *r)
{
	if (r->batch_size > 1)
		write_count(w, path, r->batch_size);
}

static void write_text(struct line_writer *w, const char *path, const struct record *r)
{
	if (r->text.p)
		write_string(w, path, r->text);
}

/* One row per field that belongs to the record itself. */
static void (*const field_writers[FIELD_COUNT])(struct line_writer *w, const char *path, const struct record *r) = {
	[F_TIMESTAMP] = write_timestamp,
	[F_EVENT_TYPE] = write_event,
	[F_SEQUENCE_LENGTH] = write_sequence_length,
	[F_METRICS] = write_groups,
	[F_GPUS] = write_nothing,
	[F_LAYER_NORMS] = write_layer_norms,
	[F_DETAILS] = write_details,
	[F_SEQUENCE] = write_sequence,
	[F_PHASE] = write_phase,
	[F_TOKEN_COUNT] = write_token_count,
	[F_SAMPLED_EVERY] = write_sampled_every,
	[F_TOKENS] = write_tokens,
	[F_TEXT] = write_text,
	[F_RECORD] = write_ordinal,
	[F_BATCH_SIZE] = write_batch_size,
};

static void write_value(struct line_writer *w, enum field_id f, const struct field_values *values)
{
	const struct field_spec *s = &field_specs[f];

	if (!values || !fields_have(values, f))
		return;
	if (s->kind == KIND_TEXT) {
		write_string(w, s->path, values->v[f].text);
	} else if (s->kind == KIND_JSON) {
		write_key(w, s->path);
		buf_add(w->out, values->v[f].text.p, values->v[f].text.n);
	} else if (isfinite(values->v[f].number)) {
		write_key(w, s->path);
		buf_json_double(w->out, values->v[f].number);
	}
}

/* Does a stream's session_start leave it out, since its instance's said it? */
static bool is_said(const struct record *r, enum field_id f)
{
	const struct field_values *of = r->instance;

	if (r->event != EVENT_SESSION_START || !of || field_in_event(f, EVENT_INFERENCE_STEP))
		return false;
	if (!fields_have(of, f) || !fields_have(r->session, f))
		return false;
	if (!field_is_text(f))
		return of->v[f].number == r->session->v[f].number;
	return of->v[f].text.n == r->session->v[f].text.n &&
	       !memcmp(of->v[f].text.p, r->session->v[f].text.p, of->v[f].text.n);
}

static void write_object(struct line_writer *w, const struct record *r)
{
	buf_char(w->out, '{');
	for (int f = 0; f < FIELD_COUNT; f++) {
		if (!field_in_event((enum field_id)f, r->event))
			continue;
		if (field_specs[f].owner == OWNER_RECORD)
			field_writers[f](w, field_specs[f].path, r);
		else if (!is_said(r, (enum field_id)f))
			write_value(w, (enum field_id)f, field_specs[f].owner == OWNER_SESSION ? r->session : r->extra);
	}
	if (r->event == EVENT_INFERENCE_STEP)
		write_own(w, r, OWN_TOP);
	close_objects(w, 0);
	buf_char(w->out, '}');
}

void record_encode(struct buf *out, const struct record *r)
{
	write_object(&(struct line_writer){ .out = out }, r);
	buf_char(out, '\n');
}
