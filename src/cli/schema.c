/* schema.c - the field and metric tables as a JSON Schema. */
#include "cli/documents.h"

#include "base/json.h"
#include "spec/fields.h"
#include "spec/metrics.h"

/* Properties come in the order of the log, so objects open and close but never come back.
 * Invariant: `open` is the path of the innermost open object. */
struct schema_writer {
	struct json out;
	char open[96];
};

static size_t shared(const char *open, const char *path)
{
	size_t same = 0;

	for (size_t i = 0;; i++) {
		bool open_ends = !open[i] || open[i] == '.', path_ends = !path[i] || path[i] == '.';

		if (open_ends && path[i] == '.' && path_ends)
			same = i;
		if (!open[i] || open[i] != path[i])
			return same;
	}
}

static void close_to(struct schema_writer *w, size_t keep)
{
	while (strlen(w->open) > keep) {
		char *dot = strrchr(w->open, '.');

		*(dot ? dot : w->open) = 0;
		jw_end(&w->out); /* its properties */
		jw_end(&w->out);
	}
}

static void open_object(struct schema_writer *w, struct slice name)
{
	size_t n = strlen(w->open);
	char key[sizeof w->open];

	snprintf(key, sizeof key, "%.*s", SLICE_ARG(name));
	snprintf(w->open + n, sizeof w->open - n, "%s%s", n ? "." : "", key);
	jw_break(&w->out);
	jw_put_object(&w->out, key);
	jw_put_text(&w->out, "type", "object");
	jw_put_object(&w->out, "properties");
}

/* type: an object's members as JSON. */
static void property(struct schema_writer *w, const char *path, const char *type, const char *help)
{
	size_t at = shared(w->open, path);
	const char *dot;

	close_to(w, at);
	path += at + (at ? 1 : 0);
	for (; (dot = strchr(path, '.')); path = dot + 1)
		open_object(w, (struct slice){ path, (size_t)(dot - path) });
	jw_break(&w->out);
	jw_put_object(&w->out, path);
	jw_members(&w->out, slice_of(type));
	jw_put_text(&w->out, "description", help);
	jw_end(&w->out);
}

/* By a metric's id, of a roll-up's steps. */
#define SUMS                                                                                                           \
	"\"additionalProperties\": {\"type\": \"object\", \"properties\": {"                                           \
	"\"count\": {\"type\": \"integer\", \"minimum\": 0}, \"sum\": {\"type\": \"number\"}, "                        \
	"\"min\": {\"type\": \"number\"}, \"max\": {\"type\": \"number\"}, "                                           \
	"\"sketch\": {\"type\": \"string\"}}, \"required\": [\"count\"]}"

static const char prefill_type[] =
	"{\"type\": \"object\", \"properties\": {\"tokens\": {\"type\": \"integer\", \"minimum\": 0}}, " SUMS "}";

static const char *type_of(enum field_kind kind)
{
	switch (kind) {
	case KIND_TIME:
		return "{\"type\": \"string\", \"pattern\": "
		       "\"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\\\.[0-9]{3}Z$\"}";
	case KIND_COUNT:
		return "{\"type\": \"integer\", \"minimum\": 0}";
	case KIND_NUMBER:
		return "{\"type\": \"number\"}";
	case KIND_TOKENS:
		return "{\"type\": \"array\", \"items\": {\"type\": \"integer\", \"minimum\": 0}}";
	case KIND_NUMBERS:
		return "{\"type\": \"array\", \"items\": {\"type\": [\"number\", \"null\"]}}";
	case KIND_GPUS:
		return "{\"type\": \"array\", \"items\": {\"type\": \"object\", \"properties\": {"
		       "\"device\": {\"type\": \"string\"}"
#define GPU_VALUE(name, key, ...) ", \"" key "\": {\"type\": \"number\"}"
#include "spec/gpu_values.def"
		       "}, \"required\": [\"device\"]}}";
	case KIND_DETAILS:
		return "{\"$ref\": \"#\"}";
	case KIND_JSON:
		return "{\"type\": \"object\", " SUMS "}";
	case KIND_PHASE:
		return "{\"enum\": [\"prefill\", \"decode\"]}";
	default:
		return "{\"type\": \"string\"}";
	}
}

static void event_property(struct schema_writer *w, const struct field_spec *f)
{
	struct buf type = { 0 };
	struct json out = { .out = &type, .spaced = true };

	jw_object(&out);
	jw_put_array(&out, "enum");
	for (int e = 0; e < EVENT_TYPE_COUNT; e++)
		jw_text(&out, event_ids[e]);
	jw_end(&out);
	jw_end(&out);
	w->out.out->failed |= type.failed;
	property(w, f->path, type.failed ? "{}" : type.p, f->help);
	buf_free(&type);
}

/* The GPUs stand at the end of their group, as in the log. */
static void metric_properties(struct schema_writer *w)
{
	for (int m = 0; m < METRIC_COUNT; m++) {
		const struct metric_spec *s = &metric_specs[m];
		char path[96], help[400];

		snprintf(path, sizeof path, "%s.%s", metric_group_keys[s->group], s->key);
		snprintf(help, sizeof help, "%s%s%s%s", s->help[LANG_EN], *s->unit ? " Unit: " : "", s->unit,
			 *s->unit ? "." : "");
		property(w, path, "{\"type\": \"number\"}", help);
		if (s->group == METRIC_RESOURCES && metric_specs[m + 1].group != METRIC_RESOURCES)
			property(w, field_specs[F_GPUS].path, type_of(KIND_GPUS), field_specs[F_GPUS].help);
	}
}

void document_schema(struct buf *out)
{
	struct schema_writer w = { .out = { .out = out, .spaced = true } };

	jw_object(&w.out);
	jw_put_text(&w.out, "$schema", "https://json-schema.org/draft/2020-12/schema");
	jw_break(&w.out);
	jw_put_text(&w.out, "title", "rwkvmon log, format 1: one line");
	jw_break(&w.out);
	jw_put_text(&w.out, "type", "object");
	jw_break(&w.out);
	jw_put_array(&w.out, "required");
	jw_text(&w.out, "timestamp");
	jw_text(&w.out, "session_id");
	jw_text(&w.out, "event_type");
	jw_end(&w.out);
	jw_break(&w.out);
	jw_put_object(&w.out, "properties");
	for (int f = 0; f < FIELD_COUNT; f++) {
		const struct field_spec *s = &field_specs[f];

		if (s->kind == KIND_METRICS)
			metric_properties(&w);
		else if (s->kind == KIND_EVENT)
			event_property(&w, s);
		else if (s->kind != KIND_GPUS)
			property(&w, s->path, s == &field_specs[F_ROLLUP_PREFILL] ? prefill_type : type_of(s->kind),
				 s->help);
	}
	close_to(&w, 0);
	buf_char(out, '\n');
	jw_end(&w.out);
	jw_end(&w.out);
	buf_char(out, '\n');
}
