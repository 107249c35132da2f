/* mapping.c - a mapping file is one YAML mapping: one of our names, then a path, or how to read the value. */
#include "read/mapping.h"

#include "base/file.h"
#include "base/suggest.h"
#include "base/yaml.h"
#include "record/decode_paths.h"

#include <math.h>
#include <stdlib.h>

enum { FILE_MAX_BYTES = 1 << 20, NAMES_MAX = METRIC_COUNT + FIELD_COUNT };

/* A path that the file names. */
struct named_path {
	const char *name, *path; /* ours and theirs */
	const struct reading_use *use;
};

struct mapping {
	struct arena arena;
	struct paths *paths;
	struct field_map fields;
	bool has_time, has_metric;
	struct named_path named[NAMES_MAX];
	size_t n_named;
};

/* The metric or field that one of our names stands for. */
struct target {
	const char *name;
	enum path_kind kind;
	int id;
};

struct parsing {
	const char *file;
	struct mapping *m;
	struct err *err;
	struct target target[NAMES_MAX];
	size_t n_targets;
};

/* How one name is to be read, as it is written. */
struct entry {
	const char *path, *value;
	const struct yaml_node *words, *format, *scale;
	const struct yaml_node *at_path, *at_value;
};

static int expected(const struct parsing *p, const struct yaml_node *at, const char *what)
{
	static const char *const kinds[] = { "a word", "a list", "a mapping" };

	if (at->text)
		return yaml_error(p->err, ERR_MAP, p->file, at, "found \"%.80s\"; expected %s", at->text,
				  err_words(what));
	return yaml_error(p->err, ERR_MAP, p->file, at, "found %s; expected %s", err_words(kinds[at->kind]),
			  err_words(what));
}

static int unknown_word(const struct parsing *p, const struct yaml_node *at, const char *what, struct suggestion *s)
{
	int rc = expected(p, at, what);

	if (s->best)
		err_hint(p->err, "did you mean \"%s\"?", s->best);
	return rc;
}

/* The index of the node's word in `words`; -1, with an error, if it is none of them. */
static int word_of(const struct parsing *p, const struct yaml_node *at, const char *what, const char *const *words,
		   int n)
{
	struct suggestion s = { .word = slice_of(at->text ? at->text : "") };

	for (int i = 0; at->text && i < n; i++) {
		if (!strcmp(at->text, words[i]))
			return i;
		suggest_offer(&s, words[i]);
	}
	unknown_word(p, at, what, &s);
	return -1;
}

/* Fields of steps that are single values, by the last step of their paths, and the instance. */
static bool is_mappable(int f)
{
	const struct field_spec *s = &field_specs[f];

	if (s->kind == KIND_METRICS || s->kind == KIND_DETAILS || s->kind == KIND_TOKENS || s->kind == KIND_NUMBERS ||
	    s->kind == KIND_GPUS || s->kind == KIND_JSON)
		return false;
	return s->owner != OWNER_EXTRA && (field_in_event((enum field_id)f, EVENT_INFERENCE_STEP) || f == F_INSTANCE);
}

static void list_targets(struct parsing *p)
{
	for (int m = 0; m < METRIC_COUNT; m++)
		p->target[p->n_targets++] = (struct target){ metric_specs[m].id, PATH_METRIC, m };
	for (int f = 0; f < FIELD_COUNT; f++) {
		const char *dot = strrchr(field_specs[f].path, '.');

		if (is_mappable(f))
			p->target[p->n_targets++] =
				(struct target){ dot ? dot + 1 : field_specs[f].path, PATH_FIELD, f };
	}
}

static int find_target(const struct parsing *p, const struct yaml_node *name, struct target *out)
{
	struct suggestion s = { .word = slice_of(name->text) };

	for (size_t i = 0; i < p->n_targets; i++) {
		if (!strcmp(p->target[i].name, name->text)) {
			*out = p->target[i];
			return 0;
		}
		suggest_offer(&s, p->target[i].name);
	}
	return unknown_word(
		p, name, "one of rwkvmon's names: timestamp, session_id, phase, a metric such as token_latency_ms", &s);
}

static int read_scalar(const struct parsing *p, const struct yaml_node *node, const char *what, const char **out)
{
	if (node->kind != YAML_SCALAR || !node->text[0])
		return expected(p, node, what);
	*out = node->text;
	return 0;
}

/* A path alone, or { path: …, value: …, scale: …, format: …, words: … }. */
static int read_entry(const struct parsing *p, const struct yaml_node *node, struct entry *e)
{
	static const char *const keys[] = { "path", "value", "scale", "format", "words" };

	*e = (struct entry){ .at_path = node, .at_value = node };
	if (node->kind != YAML_MAPPING)
		return read_scalar(p, node, "a path such as request.duration, or { path: …, scale: … }", &e->path);
	for (size_t i = 0; i < node->n; i++) {
		const struct yaml_node *item = node->item[i];
		int rc = 0;

		switch (word_of(p, node->key[i], "path, value, scale, format or words", keys, 5)) {
		case 0:
			e->at_path = item;
			rc = read_scalar(p, item, "a path such as request.duration", &e->path);
			break;
		case 1:
			e->at_value = item;
			rc = read_scalar(p, item, "a value that all lines share", &e->value);
			break;
		case 2:
			e->scale = item;
			break;
		case 3:
			e->format = item;
			break;
		case 4:
			e->words = item;
			break;
		default:
			return -ERR_MAP;
		}
		if (rc)
			return rc;
	}
	if (!e->path == !e->value)
		return yaml_error(p->err, ERR_MAP, p->file, node,
				  "expected either `path` (where it stands) or `value` (the same for all lines)");
	return 0;
}

/* Powers of ten move the decimal point, which loses nothing. */
static int read_scale(const struct parsing *p, const struct yaml_node *node, struct reading *out)
{
	char *end;
	double scale = node->text ? strtod(node->text, &end) : 0;
	double exponent = scale > 0 ? rint(log10(scale)) : 0;

	if (!node->text || end == node->text || *end || !isfinite(scale) || scale == 0)
		return expected(
			p, node,
			"a number that turns the value into our unit, such as 1000 for seconds as milliseconds");
	if (scale > 0 && fabs(exponent) <= 22 &&
	    strtod(node->text, NULL) == (exponent < 0 ? 1 / pow(10, -exponent) : pow(10, exponent)))
		out->exponent = (int)exponent;
	else
		out->factor = scale;
	return 0;
}

static int read_format(const struct parsing *p, const struct yaml_node *node, struct reading *out)
{
	static const char *const forms[] = { "iso", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns" };
	int form = word_of(p, node, "iso, epoch_s, epoch_ms, epoch_us or epoch_ns", forms, 5);

	out->time = form < 0 ? TIME_ISO : (enum time_form)form;
	return form < 0 ? -ERR_MAP : 0;
}

static int meaning_of(const struct parsing *p, const struct target *t, const struct yaml_node *node)
{
	if (field_specs[t->id].kind == KIND_EVENT)
		return word_of(p, node, "an event type such as inference_step", event_ids, EVENT_TYPE_COUNT);
	return word_of(p, node, "prefill or decode", phase_ids, PHASE_COUNT);
}

static int read_words(const struct parsing *p, const struct target *t, const struct yaml_node *node,
		      struct reading *out)
{
	struct reading_word *word;

	if (node->kind != YAML_MAPPING || !node->n)
		return expected(p, node, "a mapping of their words to ours, such as { prompt: prefill }");
	word = arena_alloc(&p->m->arena, node->n, sizeof *word);
	if (!word)
		return err_set(p->err, ERR_NOMEM, "no memory for the mapping");
	for (size_t i = 0; i < node->n; i++) {
		word[i].word = arena_copy(&p->m->arena, slice_of(node->key[i]->text));
		word[i].means = meaning_of(p, t, node->item[i]);
		if (word[i].means < 0)
			return -ERR_MAP;
		if (!word[i].word)
			return err_set(p->err, ERR_NOMEM, "no memory for the mapping");
	}
	out->word = word;
	out->n_words = node->n;
	return 0;
}

/* Which of scale, format and words go with what the name stands for. */
static int check_entry(const struct parsing *p, const struct target *t, const struct entry *e)
{
	enum field_kind kind = t->kind == PATH_FIELD ? field_specs[t->id].kind : KIND_NUMBER;
	bool is_number = kind == KIND_NUMBER || kind == KIND_COUNT, is_word = kind == KIND_EVENT || kind == KIND_PHASE;

	if (e->scale && !is_number)
		return yaml_error(p->err, ERR_MAP, p->file, e->scale, "`scale` goes with numbers; %s is none", t->name);
	if (e->format && kind != KIND_TIME)
		return yaml_error(p->err, ERR_MAP, p->file, e->format, "`format` goes with timestamp alone");
	if (e->words && !is_word)
		return yaml_error(p->err, ERR_MAP, p->file, e->words, "`words` goes with event_type and phase alone");
	if (e->value && (t->kind == PATH_METRIC || kind == KIND_TIME || kind == KIND_EVENT))
		return yaml_error(p->err, ERR_MAP, p->file, e->at_value,
				  "%s cannot be the same for all lines: expected `path`", t->name);
	if (e->value && is_number && t->id != F_TOKEN_COUNT && t->id != F_CHUNK_LEN)
		return yaml_error(p->err, ERR_MAP, p->file, e->at_value,
				  "%s cannot be the same for all lines: expected `path`", t->name);
	return 0;
}

static int set_constant(const struct parsing *p, const struct target *t, const struct entry *e)
{
	struct field_map *map = &p->m->fields;
	char *end, *text;
	double number = strtod(e->value, &end);
	bool whole = !*end && number >= 1 && number <= UINT32_MAX && number == rint(number);

	if (field_specs[t->id].kind == KIND_PHASE) {
		int phase = meaning_of(p, t, e->at_value);

		map->phase = phase < 0 ? PHASE_UNKNOWN : (enum phase)phase;
		return phase < 0 ? -ERR_MAP : 0;
	}
	if (field_specs[t->id].kind == KIND_COUNT) {
		if (!whole)
			return expected(p, e->at_value, "a whole number");
		if (t->id == F_TOKEN_COUNT)
			map->token_count = (uint32_t)number;
		else
			fields_set_number(&map->session, (enum field_id)t->id, number);
		return 0;
	}
	text = arena_copy(&p->m->arena, slice_of(e->value));
	if (!text)
		return err_set(p->err, ERR_NOMEM, "no memory for the mapping");
	fields_set_text(&map->session, (enum field_id)t->id, slice_of(text));
	return 0;
}

static int add_path(const struct parsing *p, const struct target *t, const struct entry *e)
{
	struct reading *how = arena_alloc(&p->m->arena, 1, sizeof *how);
	struct named_path *named = &p->m->named[p->m->n_named];
	int rc = 0;

	if (how)
		how->use = arena_alloc(&p->m->arena, 1, sizeof *how->use);
	named->path = arena_copy(&p->m->arena, slice_of(e->path));
	if (!how || !how->use || !named->path)
		return err_set(p->err, ERR_NOMEM, "no memory for the mapping");
	named->name = t->name;
	named->use = how->use;
	p->m->n_named++;
	how->factor = 1;
	if (e->scale)
		rc = read_scale(p, e->scale, how);
	if (!rc && e->format)
		rc = read_format(p, e->format, how);
	if (!rc && e->words)
		rc = read_words(p, t, e->words, how);
	if (rc || paths_add(p->m->paths, e->path, t->kind, t->id, how))
		return rc;
	if (strlen(e->path) > PATH_KEY_MAX)
		return yaml_error(p->err, ERR_MAP, p->file, e->at_path, "the path is longer than %d bytes",
				  PATH_KEY_MAX);
	return yaml_error(p->err, ERR_MAP, p->file, e->at_path,
			  "\"%s\" is used twice, or leads through or to another path", e->path);
}

static int read_name(struct parsing *p, const struct yaml_node *name, const struct yaml_node *node)
{
	struct target target = { 0 };
	struct entry e;
	int rc = find_target(p, name, &target);

	if (!rc)
		rc = read_entry(p, node, &e);
	if (!rc)
		rc = check_entry(p, &target, &e);
	if (!rc)
		rc = e.value ? set_constant(p, &target, &e) : add_path(p, &target, &e);
	if (target.kind == PATH_METRIC)
		p->m->has_metric = true;
	else if (target.id == F_TIMESTAMP)
		p->m->has_time = true;
	else if (target.id == F_EVENT_TYPE)
		p->m->fields.all_steps = false;
	return rc;
}

/* Of two values for one key, in a mapping however deep, neither is known to be the one that was meant. */
static int refuse_repeated(const struct parsing *p, const struct yaml_node *node)
{
	int rc = 0;

	for (size_t i = 0; i < node->n && !rc; i++)
		rc = node->kind == YAML_MAPPING && yaml_repeats(node, i)
			     ? yaml_error(p->err, ERR_MAP, p->file, node->key[i],
					  "found \"%.80s\" a second time; expected each key once", node->key[i]->text)
			     : refuse_repeated(p, node->item[i]);
	return rc;
}

static int read_names(struct parsing *p, const struct yaml_node *top)
{
	if (top->kind != YAML_MAPPING)
		return expected(p, top, "a mapping of our names to their paths, such as timestamp: time");
	if (refuse_repeated(p, top))
		return -ERR_MAP;
	for (size_t i = 0; i < top->n; i++) {
		int rc = read_name(p, top->key[i], top->item[i]);

		if (rc)
			return rc;
	}
	if (p->m->has_time && p->m->has_metric)
		return 0;
	return yaml_error(p->err, ERR_MAP, p->file, top, "expected %s",
			  p->m->has_time ? err_words("a metric, such as token_latency_ms: duration_ms")
					 : err_words("`timestamp`: the path of each line's time"));
}

int mapping_parse(struct mapping **out, struct slice text, const char *name, struct err *err)
{
	struct parsing p = { .file = name, .err = err };
	struct arena tree = { 0 };
	const struct yaml_node *top = NULL;
	int rc;

	*out = NULL;
	p.m = calloc(1, sizeof *p.m);
	if (p.m)
		p.m->paths = paths_open();
	if (!p.m || !p.m->paths) {
		mapping_close(p.m);
		return err_set(err, ERR_NOMEM, "no memory for the mapping");
	}
	p.m->fields.paths = p.m->paths;
	p.m->fields.all_steps = true;
	list_targets(&p);
	rc = yaml_parse(&top, &tree, text, name, err);
	if (!rc)
		rc = read_names(&p, top);
	arena_free(&tree);
	if (rc) {
		mapping_close(p.m);
		return rc;
	}
	*out = p.m;
	return 0;
}

int mapping_open(struct mapping **out, const char *path, struct err *err)
{
	struct buf text = { 0 };
	int rc = file_read(&text, path, FILE_MAX_BYTES, err);

	*out = NULL;
	if (!rc)
		rc = mapping_parse(out, buf_slice(&text), path, err);
	buf_free(&text);
	return rc;
}

void mapping_close(struct mapping *m)
{
	if (!m)
		return;
	paths_close(m->paths);
	arena_free(&m->arena);
	free(m);
}

static bool is_read(const struct named_path *n)
{
	return atomic_load_explicit(&n->use->read, memory_order_relaxed);
}

bool mapping_next_unread(const struct mapping *m, size_t *at, struct unread_path *out)
{
	bool has_lines = false;

	for (size_t i = 0; i < m->n_named; i++)
		has_lines |= is_read(&m->named[i]);
	while (has_lines && *at < m->n_named) {
		const struct named_path *n = &m->named[(*at)++];

		if (is_read(n))
			continue;
		*out = (struct unread_path){ n->name, n->path,
					     atomic_load_explicit(&n->use->found, memory_order_relaxed) };
		return true;
	}
	return false;
}

const struct field_map *mapping_fields(const struct mapping *m)
{
	return m ? &m->fields : NULL;
}
