/* yaml.c - copies libyaml's document into an arena, with positions; depth and size are bounded. */
#include "base/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <yaml.h>

enum { DEPTH_MAX = 32, NODES_MAX = 10000 };

struct copier {
	yaml_document_t *doc;
	struct arena *arena;
	size_t nodes;
	const char *trouble; /* NULL while there is no error */
};

static const struct yaml_node *copy_node(struct copier *c, int id, int depth);

static void copy_sequence(struct copier *c, struct yaml_node *to, const yaml_node_t *from, int depth)
{
	to->n = (size_t)(from->data.sequence.items.top - from->data.sequence.items.start);
	to->item = arena_alloc(c->arena, to->n, sizeof *to->item);
	for (size_t i = 0; i < to->n && to->item; i++)
		to->item[i] = copy_node(c, from->data.sequence.items.start[i], depth);
}

static void copy_mapping(struct copier *c, struct yaml_node *to, const yaml_node_t *from, int depth)
{
	to->n = (size_t)(from->data.mapping.pairs.top - from->data.mapping.pairs.start);
	to->key = arena_alloc(c->arena, to->n, sizeof *to->key);
	to->item = arena_alloc(c->arena, to->n, sizeof *to->item);
	for (size_t i = 0; i < to->n && to->key && to->item; i++) {
		to->key[i] = copy_node(c, from->data.mapping.pairs.start[i].key, depth);
		to->item[i] = copy_node(c, from->data.mapping.pairs.start[i].value, depth);
		if (to->key[i] && to->key[i]->kind != YAML_SCALAR)
			c->trouble = "a key must be a plain word";
	}
}

static const struct yaml_node *copy_node(struct copier *c, int id, int depth)
{
	const yaml_node_t *from = yaml_document_get_node(c->doc, id);
	struct yaml_node *to;

	if (c->trouble)
		return NULL;
	if (depth > DEPTH_MAX || ++c->nodes > NODES_MAX) {
		c->trouble = "too deep or too large";
		return NULL;
	}
	to = arena_alloc(c->arena, 1, sizeof *to);
	if (!to || !from) {
		c->trouble = "out of memory";
		return NULL;
	}
	to->line = (int)from->start_mark.line + 1;
	to->column = (int)from->start_mark.column + 1;
	if (from->type == YAML_SEQUENCE_NODE) {
		to->kind = YAML_SEQUENCE;
		copy_sequence(c, to, from, depth + 1);
	} else if (from->type == YAML_MAPPING_NODE) {
		to->kind = YAML_MAPPING;
		copy_mapping(c, to, from, depth + 1);
	} else {
		to->text = arena_copy(
			c->arena, (struct slice){ (const char *)from->data.scalar.value, from->data.scalar.length });
	}
	return to;
}

static int copy_document(const struct yaml_node **out, struct arena *a, yaml_document_t *doc, const char *name,
			 struct err *err)
{
	struct copier c = { .doc = doc, .arena = a };

	if (!yaml_document_get_root_node(doc))
		return err_set(err, ERR_RULE, "%s: is empty", name);
	*out = copy_node(&c, 1, 0);
	if (a->failed)
		return err_set(err, ERR_NOMEM, "%s: no memory to read it", name);
	return c.trouble ? err_set(err, ERR_RULE, "%s: %s", name, err_words(c.trouble)) : 0;
}

static int refuse_large(const yaml_event_t *at, const char *name, struct err *err)
{
	return err_set(err, ERR_RULE, "%s:%zu:%zu: is too deep or too large: at most %d levels and %d values", name,
		       at->start_mark.line + 1, at->start_mark.column + 1, DEPTH_MAX, NODES_MAX);
}

static int not_yaml(const yaml_parser_t *parser, const char *name, struct err *err)
{
	char said[ERR_SAID_BYTES];

	return err_set(err, ERR_RULE, "%s:%zu:%zu: is no YAML: %s", name, parser->problem_mark.line + 1,
		       parser->problem_mark.column + 1,
		       err_said(said, parser->problem ? parser->problem : "cannot be read"));
}

/* Whoever takes the text as a name would stop there. */
static int refuse_nul(const yaml_event_t *at, const char *name, struct err *err)
{
	return err_set(err, ERR_RULE, "%s:%zu:%zu: holds a NUL character", name, at->start_mark.line + 1,
		       at->start_mark.column + 1);
}

static int refuse_second(const yaml_event_t *at, const char *name, struct err *err)
{
	return err_set(err, ERR_RULE, "%s:%zu:%zu: begins a second YAML document; expected one in a file", name,
		       at->start_mark.line + 1, at->start_mark.column + 1);
}

/* Runs before a document is built, because the library's time and memory grow with the square of the depth, and because
 * loading reads the first document alone. */
static int check_size(struct slice text, const char *name, struct err *err)
{
	yaml_parser_t parser;
	yaml_event_t e;
	int depth = 0, nodes = 0, documents = 0, rc = 0;
	bool over = false;

	if (!yaml_parser_initialize(&parser))
		return err_set(err, ERR_NOMEM, "%s: no memory to read it", name);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.n);
	while (!rc && !over) {
		if (!yaml_parser_parse(&parser, &e)) {
			rc = not_yaml(&parser, name, err);
			break;
		}
		documents += e.type == YAML_DOCUMENT_START_EVENT;
		nodes += e.type == YAML_SCALAR_EVENT || e.type == YAML_ALIAS_EVENT;
		if (e.type == YAML_SEQUENCE_START_EVENT || e.type == YAML_MAPPING_START_EVENT) {
			depth++;
			nodes++;
		}
		depth -= e.type == YAML_SEQUENCE_END_EVENT || e.type == YAML_MAPPING_END_EVENT;
		over = e.type == YAML_STREAM_END_EVENT;
		if (depth > DEPTH_MAX || nodes > NODES_MAX)
			rc = refuse_large(&e, name, err);
		else if (documents > 1)
			rc = refuse_second(&e, name, err);
		else if (e.type == YAML_SCALAR_EVENT && memchr(e.data.scalar.value, 0, e.data.scalar.length))
			rc = refuse_nul(&e, name, err);
		yaml_event_delete(&e);
	}
	yaml_parser_delete(&parser);
	return rc;
}

int yaml_parse_shipped(const struct yaml_node **out, struct arena *a, struct slice text, const char *name,
		       struct err *err)
{
	yaml_parser_t parser;
	yaml_document_t doc;
	int rc;

	*out = NULL;
	if (!yaml_parser_initialize(&parser))
		return err_set(err, ERR_NOMEM, "%s: no memory to read it", name);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.n);
	if (!yaml_parser_load(&parser, &doc)) {
		rc = not_yaml(&parser, name, err);
		yaml_parser_delete(&parser);
		return rc;
	}
	rc = copy_document(out, a, &doc, name, err);
	yaml_document_delete(&doc);
	yaml_parser_delete(&parser);
	return rc;
}

int yaml_parse(const struct yaml_node **out, struct arena *a, struct slice text, const char *name, struct err *err)
{
	int rc;

	*out = NULL;
	text.p = text.p ? text.p : ""; /* the library would end the program on NULL */
	rc = check_size(text, name, err);
	return rc ? rc : yaml_parse_shipped(out, a, text, name, err);
}

const struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key)
{
	for (size_t i = 0; mapping && mapping->kind == YAML_MAPPING && i < mapping->n; i++)
		if (!strcmp(mapping->key[i]->text, key))
			return mapping->item[i];
	return NULL;
}

bool yaml_repeats(const struct yaml_node *mapping, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (!strcmp(mapping->key[j]->text, mapping->key[i]->text))
			return true;
	return false;
}

int yaml_error(struct err *err, enum err_code code, const char *name, const struct yaml_node *at, const char *fmt, ...)
{
	char text[400];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, err_words(fmt), args);
	va_end(args);
	return err_set(err, code, "%s:%d:%d: %s", name, at->line, at->column, text);
}
