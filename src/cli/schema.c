/* schema.c - the field and metric tables as a JSON Schema. */
#include "cli/documents.h"

#include "spec/fields.h"
#include "spec/metrics.h"

/* Properties come in the order of the log, so objects open and close but never come back.
 * Invariant: `open` is the path of the innermost open object. */
struct schema_writer {
	struct buf *out;
	char open[96];
	bool comma;
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
		buf_str(w->out, "}}");
		w->comma = true;
	}
}

static void name(struct schema_writer *w, struct slice key)
{
	buf_str(w->out, w->comma ? ",\n" : "\n");
	buf_json_string(w->out, key);
	buf_str(w->out, ": ");
	w->comma = true;
}

static void property(struct schema_writer *w, const char *path, const char *type, const char *help)
{
	size_t at = shared(w->open, path);
	const char *dot;

	close_to(w, at);
	path += at + (at ? 1 : 0);
	while ((dot = strchr(path, '.'))) {
		size_t n = strlen(w->open);

		name(w, (struct slice){ path, (size_t)(dot - path) });
		buf_str(w->out, "{\"type\": \"object\", \"properties\": {");
		snprintf(w->open + n, sizeof w->open - n, "%s%.*s", n ? "." : "", (int)(dot - path), path);
		w->comma = false;
		path = dot + 1;
	}
	name(w, slice_of(path));
	buf_printf(w->out, "{%s, \"description\": ", type);
	buf_json_string(w->out, slice_of(help));
	buf_char(w->out, '}');
}

static const char *type_of(enum field_kind kind)
{
	switch (kind) {
	case KIND_TIME:
		return "\"type\": \"string\", \"pattern\": \"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\\\.[0-9]{3}Z$\"";
	case KIND_COUNT:
		return "\"type\": \"integer\", \"minimum\": 0";
	case KIND_NUMBER:
		return "\"type\": \"number\"";
	case KIND_TOKENS:
		return "\"type\": \"array\", \"items\": {\"type\": \"integer\", \"minimum\": 0}";
	case KIND_NUMBERS:
		return "\"type\": \"array\", \"items\": {\"type\": [\"number\", \"null\"]}";
	case KIND_DETAILS:
		return "\"$ref\": \"#\"";
	case KIND_PHASE:
		return "\"enum\": [\"prefill\", \"decode\"]";
	default:
		return "\"type\": \"string\"";
	}
}

static void event_property(struct schema_writer *w, const struct field_spec *f)
{
	struct buf type = { 0 };

	buf_str(&type, "\"enum\": [");
	for (int e = 0; e < EVENT_TYPE_COUNT; e++)
		buf_printf(&type, "%s\"%s\"", e ? ", " : "", event_ids[e]);
	buf_char(&type, ']');
	property(w, f->path, type.failed ? "" : type.p, f->help);
	buf_free(&type);
}

static void metric_properties(struct schema_writer *w)
{
	for (int m = 0; m < METRIC_COUNT; m++) {
		const struct metric_spec *s = &metric_specs[m];
		char path[96], help[400];

		snprintf(path, sizeof path, "%s.%s", metric_group_keys[s->group], s->key);
		snprintf(help, sizeof help, "%s%s%s%s", s->help[LANG_EN], *s->unit ? " Unit: " : "", s->unit, *s->unit ? "." : "");
		property(w, path, "\"type\": \"number\"", help);
	}
}

void document_schema(struct buf *out)
{
	struct schema_writer w = { .out = out };

	buf_str(out, "{\"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
		     "\"title\": \"rwkvmon log, format 1: one line\",\n"
		     "\"type\": \"object\",\n"
		     "\"required\": [\"timestamp\", \"session_id\", \"event_type\"],\n"
		     "\"properties\": {");
	for (int f = 0; f < FIELD_COUNT; f++) {
		const struct field_spec *s = &field_specs[f];

		if (s->kind == KIND_METRICS)
			metric_properties(&w);
		else if (s->kind == KIND_EVENT)
			event_property(&w, s);
		else
			property(&w, s->path, type_of(s->kind), s->help);
	}
	close_to(&w, 0);
	buf_str(out, "\n}}\n");
}
