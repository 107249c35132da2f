/* decode_paths.c - built once from the field and metric tables.
 *
 * A row is (object, key) -> path. A key may also hold several steps at once, as writers of
 * flat JSON have them: {"accuracy.logits_entropy": 4.2} is {"accuracy": {"logits_entropy": 4.2}}. */
#include "record/decode_paths.h"

#include "spec/fields.h"
#include "spec/metrics.h"

#include <assert.h>
#include <pthread.h>

enum { KEY_MAX_BYTES = 64, ROWS_MAX = 512, SLOT_BITS = 11, SLOTS = 1 << SLOT_BITS };

const struct path path_top = { .kind = PATH_OBJECT };

static struct row {
	char key[KEY_MAX_BYTES];
	uint16_t n, in; /* bytes of key; node it stands in */
	struct path is;
} rows[ROWS_MAX];

static uint16_t slots[SLOTS]; /* row + 1; 0: free */
static uint16_t n_rows, n_nodes;
static pthread_once_t rows_once = PTHREAD_ONCE_INIT;

static_assert(3 * (METRIC_COUNT + FIELD_COUNT) < ROWS_MAX, "every path, in each object above it");

static uint64_t load(const char *p, size_t n)
{
	uint64_t x = 0;

	memcpy(&x, p, n);
	return x;
}

/* The ends of a key tell our keys apart; its length and place are mixed in. */
static size_t slot_of(uint16_t in, struct slice key)
{
	uint64_t a = 0, b = 0;

	if (key.n >= 8) {
		a = load(key.p, 8);
		b = load(key.p + key.n - 8, 8);
	} else if (key.n >= 4) {
		a = load(key.p, 4);
		b = load(key.p + key.n - 4, 4);
	} else if (key.n) {
		a = (uint64_t)(unsigned char)key.p[0] << 16 | (uint64_t)(unsigned char)key.p[key.n / 2] << 8 |
		    (unsigned char)key.p[key.n - 1];
	}
	a = (a ^ (b << 29 | b >> 35)) + (in + 1u) * UINT64_C(0x9e3779b97f4a7c15) + key.n;
	a ^= a >> 32;
	return a * UINT64_C(0xff51afd7ed558ccd) >> (64 - SLOT_BITS);
}

static const struct path *find(uint16_t in, struct slice key)
{
	for (size_t at = slot_of(in, key); slots[at]; at = (at + 1) % SLOTS) {
		const struct row *row = &rows[slots[at] - 1];

		if (row->n == key.n && row->in == in && !memcmp(row->key, key.p, key.n))
			return &row->is;
	}
	return NULL;
}

static void add(uint16_t in, struct slice key, struct path is)
{
	struct row *row = &rows[n_rows++];
	size_t at = slot_of(in, key);

	while (slots[at])
		at = (at + 1) % SLOTS;
	slots[at] = n_rows;
	memcpy(row->key, key.p, key.n);
	row->n = (uint16_t)key.n;
	row->in = in;
	row->is = is;
}

/* The path as one key of the top and of every object it leads through. */
static void add_everywhere(struct slice path, struct path is)
{
	uint16_t in = 0;

	for (size_t at = 0;;) {
		struct slice rest = { path.p + at, path.n - at };
		const char *dot = memchr(rest.p, '.', rest.n);

		if (!find(in, rest))
			add(in, rest, is);
		if (!dot)
			return;
		in = find(in, (struct slice){ rest.p, (size_t)(dot - rest.p) })->node;
		at = (size_t)(dot + 1 - path.p);
	}
}

static void add_path(const char *text, enum path_kind kind, int id)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++) {
		struct slice object = { text, i };

		if (text[i] == '.' && !find(0, object))
			add_everywhere(object, (struct path){ .node = ++n_nodes, .kind = PATH_OBJECT });
	}
	add_everywhere((struct slice){ text, n }, (struct path){ .node = ++n_nodes, .id = (uint16_t)id, .kind = kind });
}

static void fill(void)
{
	for (int m = 0; m < METRIC_COUNT; m++) {
		char path[KEY_MAX_BYTES];

		snprintf(path, sizeof path, "%s.%s", metric_group_keys[metric_specs[m].group], metric_specs[m].key);
		add_path(path, PATH_METRIC, m);
	}
	for (int f = 0; f < FIELD_COUNT; f++)
		if (field_specs[f].kind != KIND_METRICS && field_specs[f].kind != KIND_DETAILS)
			add_path(field_specs[f].path, PATH_FIELD, f);
}

void paths_init(void)
{
	pthread_once(&rows_once, fill);
}

const struct path *path_find(const struct path *in, struct slice key)
{
	return in ? find(in->node, key) : NULL;
}
