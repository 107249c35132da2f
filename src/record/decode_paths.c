/* decode_paths.c - the keys of our own logs, built once from the field and metric tables, or of other programs' logs.
 *
 * A row is (object, key) -> path. A key may also hold several path steps at once, as in flat JSON:
 * {"accuracy.logits_entropy": 4.2} is {"accuracy": {"logits_entropy": 4.2}}. */
#include "record/decode_paths.h"

#include "spec/fields.h"
#include "spec/metrics.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

enum { KEY_MAX_BYTES = PATH_KEY_MAX + 1, ROWS_MAX = 640, SLOT_BITS = 11, SLOTS = 1 << SLOT_BITS };

const struct path path_top = { .kind = PATH_OBJECT };

/* The first and the last eight bytes of a key, which may overlap: all of it up to 16. */
struct ends {
	uint64_t first, last;
};

struct paths {
	struct row {
		struct ends ends;
		char key[KEY_MAX_BYTES];
		uint16_t n, in; /* bytes of key; node it stands in */
		struct path is;
	} row[ROWS_MAX];
	uint16_t slot[SLOTS]; /* row + 1; 0: free */
	uint16_t n_rows, n_nodes;
};

static struct paths own;
static pthread_once_t own_once = PTHREAD_ONCE_INIT;

static_assert(3 * (METRIC_COUNT + FIELD_COUNT) + 20 < ROWS_MAX, "every path, in each object above it");

static uint64_t load(const char *p, size_t n)
{
	uint64_t x = 0;

	memcpy(&x, p, n);
	return x;
}

static inline struct ends ends_of(struct slice key)
{
	if (key.n >= 8)
		return (struct ends){ load(key.p, 8), load(key.p + key.n - 8, 8) };
	if (key.n >= 4)
		return (struct ends){ load(key.p, 4), load(key.p + key.n - 4, 4) };
	if (!key.n)
		return (struct ends){ 0, 0 };
	return (struct ends){ (uint64_t)(unsigned char)key.p[0] << 8 | (unsigned char)key.p[key.n / 2],
			      (unsigned char)key.p[key.n - 1] };
}

/* The ends distinguish our keys; length and object are mixed in. */
static inline size_t slot_of(uint16_t in, struct ends ends, size_t n)
{
	uint64_t a = (ends.first ^ (ends.last << 29 | ends.last >> 35)) + (in + 1u) * UINT64_C(0x9e3779b97f4a7c15) + n;

	a ^= a >> 32;
	return a * UINT64_C(0xff51afd7ed558ccd) >> (64 - SLOT_BITS);
}

static const struct path *find(const struct paths *p, uint16_t in, struct slice key)
{
	struct ends ends = ends_of(key);

	for (size_t at = slot_of(in, ends, key.n); p->slot[at]; at = (at + 1) % SLOTS) {
		const struct row *row = &p->row[p->slot[at] - 1];

		if (row->n == key.n && row->in == in && row->ends.first == ends.first && row->ends.last == ends.last &&
		    (key.n <= 16 || !memcmp(row->key + 8, key.p + 8, key.n - 16)))
			return &row->is;
	}
	return NULL;
}

static void add(struct paths *p, uint16_t in, struct slice key, struct path is)
{
	struct row *row = &p->row[p->n_rows++];
	struct ends ends = ends_of(key);
	size_t at = slot_of(in, ends, key.n);

	while (p->slot[at])
		at = (at + 1) % SLOTS;
	p->slot[at] = p->n_rows;
	memcpy(row->key, key.p, key.n);
	row->n = (uint16_t)key.n;
	row->in = in;
	row->ends = ends;
	row->is = is;
}

/* The path as one key of the top and of every object it leads through, which are there. */
static void add_everywhere(struct paths *p, struct slice path, struct path is)
{
	uint16_t in = 0;

	for (size_t at = 0;;) {
		struct slice rest = { path.p + at, path.n - at };
		const char *dot = memchr(rest.p, '.', rest.n);

		if (!find(p, in, rest))
			add(p, in, rest, is);
		if (!dot)
			return;
		in = find(p, in, (struct slice){ rest.p, (size_t)(dot - rest.p) })->node;
		at = (size_t)(dot + 1 - path.p);
	}
}

static bool has_room(const struct paths *p, const char *path)
{
	size_t dots = 0;

	for (const char *at = path; *at; at++)
		dots += *at == '.';
	return strlen(path) <= PATH_KEY_MAX && p->n_rows + (dots + 1) * (dots + 2) < ROWS_MAX;
}

bool paths_add(struct paths *p, const char *path, enum path_kind kind, int id, const struct reading *reading)
{
	size_t n = strlen(path);

	if (!has_room(p, path) || find(p, 0, (struct slice){ path, n }))
		return false;
	for (size_t i = 0; i < n; i++) {
		struct slice object = { path, i };
		const struct path *known = path[i] == '.' ? find(p, 0, object) : NULL;

		if (known && known->kind != PATH_OBJECT)
			return false;
		if (path[i] == '.' && !known)
			add_everywhere(p, object, (struct path){ .node = ++p->n_nodes, .kind = PATH_OBJECT });
	}
	add_everywhere(p, (struct slice){ path, n },
		       (struct path){ .node = ++p->n_nodes, .id = (uint16_t)id, .kind = kind, .reading = reading });
	return true;
}

static void fill_own(void)
{
	for (int m = 0; m < METRIC_COUNT; m++) {
		char path[KEY_MAX_BYTES];

		snprintf(path, sizeof path, "%s.%s", metric_group_keys[metric_specs[m].group], metric_specs[m].key);
		paths_add(&own, path, PATH_METRIC, m, NULL);
	}
	for (int f = 0; f < FIELD_COUNT; f++)
		if (field_specs[f].kind != KIND_METRICS && field_specs[f].kind != KIND_DETAILS)
			paths_add(&own, field_specs[f].path, PATH_FIELD, f, NULL);
}

const struct paths *paths_own(void)
{
	pthread_once(&own_once, fill_own);
	return &own;
}

struct paths *paths_open(void)
{
	return calloc(1, sizeof(struct paths));
}

void paths_close(struct paths *p)
{
	free(p);
}

const struct path *path_find(const struct paths *p, const struct path *in, struct slice key)
{
	return in ? find(p, in->node, key) : NULL;
}
