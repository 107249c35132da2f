/* own_fields.c - renders fields into JSON once, when they change. */
#include "collect/own_fields.h"

#include "base/buf.h"

enum { NAME_MAX_BYTES = 40 };

static bool is_name(const char *p)
{
	size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	return n && n <= NAME_MAX_BYTES && !p[n] && !(*p >= '0' && *p <= '9');
}

/* The place of a path, its name in *name; OWN_PLACE_COUNT when there is no such group. */
static enum own_place place_of(const char *path, const char **name)
{
	const char *dot = strchr(path, '.');

	*name = dot ? dot + 1 : path;
	if (!dot)
		return OWN_TOP;
	for (int place = 0; place < OWN_TOP; place++)
		if (slice_is((struct slice){ path, (size_t)(dot - path) }, own_place_keys[place]))
			return (enum own_place)place;
	return OWN_PLACE_COUNT;
}

/* Is `known` the path itself or something inside it? */
static bool meets(const char *path, const char *known)
{
	size_t n = strlen(path);

	return !strncmp(path, known, n) && (!known[n] || known[n] == '.');
}

static bool is_taken(const char *path)
{
	char metric[128];

	for (int f = 0; f < FIELD_COUNT; f++)
		if (*field_specs[f].path && meets(path, field_specs[f].path))
			return true;
	for (int m = 0; m < METRIC_COUNT; m++) {
		snprintf(metric, sizeof metric, "%s.%s", metric_group_keys[metric_specs[m].group], metric_specs[m].key);
		if (meets(path, metric))
			return true;
	}
	return false;
}

static void join(struct own_fields *own)
{
	own->blob_bytes = 0;
	for (int place = 0; place < OWN_PLACE_COUNT; place++) {
		size_t before = own->blob_bytes;

		for (size_t i = 0; i < own->n; i++) {
			const struct own_field *f = &own->field[i];

			if ((int)f->place != place)
				continue;
			if (own->blob_bytes > before)
				own->blob[own->blob_bytes++] = ',';
			memcpy(own->blob + own->blob_bytes, f->json, f->n);
			own->blob_bytes += f->n;
		}
		own->place_bytes[place] = (uint16_t)(own->blob_bytes - before);
	}
}

static struct own_field *find(struct own_fields *own, const char *path)
{
	for (size_t i = 0; i < own->n; i++)
		if (!strcmp(own->field[i].path, path))
			return &own->field[i];
	return NULL;
}

static int check(const struct own_fields *own, const char *path, bool is_new, struct err *err)
{
	const char *name;

	if (place_of(path, &name) == OWN_PLACE_COUNT || !is_name(name))
		return err_set(err, ERR_USAGE,
			       "\"%.80s\": expected name, or performance., resources., accuracy. or metadata. and a "
			       "name of letters, "
			       "digits and _, at most %d",
			       path, NAME_MAX_BYTES);
	if (is_taken(path))
		return err_set(err, ERR_USAGE, "\"%s\": the log has a field of this name", path);
	if (is_new && own->n == OWN_FIELDS_MAX)
		return err_set(err, ERR_USAGE, "\"%s\": there are %d fields of your own already", path, OWN_FIELDS_MAX);
	return 0;
}

int own_fields_set(struct own_fields *own, const char *path, struct slice json_value, struct err *err)
{
	struct own_field *f = path ? find(own, path) : NULL;
	const char *name;
	int rc = check(own, path ? path : "", !f, err);

	if (rc)
		return rc;
	place_of(path, &name);
	if (strlen(name) + 4 + json_value.n >= OWN_JSON_BYTES) /* quotes, colon, comma */
		return err_set(err, ERR_USAGE, "\"%s\": the value is longer than %d bytes", path,
			       OWN_JSON_BYTES - NAME_MAX_BYTES - 4);
	f = f ? f : &own->field[own->n++];
	f->place = place_of(path, &name);
	snprintf(f->path, sizeof f->path, "%s", path);
	f->n = (size_t)snprintf(f->json, sizeof f->json, "\"%s\":%.*s", name, SLICE_ARG(json_value));
	join(own);
	return 0;
}

void own_fields_remove(struct own_fields *own, const char *path)
{
	struct own_field *f = path ? find(own, path) : NULL;

	if (!f)
		return;
	own->n--;
	memmove(f, f + 1, (size_t)(own->field + own->n - f) * sizeof *f);
	join(own);
}
