/* columns_code.c - names and sets of fields once, then one quantity of all rows after the other.
 *
 *     rows, ids, sets        whole numbers
 *     id...                  texts
 *     set...                 for each field that is known 1 + its number, and its value; 0
 *     quantity...            `runs` (0, 1), then values, or values each with how often it follows
 *     row...                 of those that are no plain steps: set of `extra` + 1, layer norms, GPUs: of each its name,
 * bits of the values that are known, and these
 */
#include "record/columns_code.h"

#include "base/hash.h"
#include "record/decode_known.h"

#include <math.h>
#include <stdlib.h>

enum {
	SETS_MAX = COLUMNS_ROWS + COLUMNS_WHOLE,
	SET_SLOTS = 4 * COLUMNS_ROWS,
	NORMS_MAX = DECODE_LINE_MAX / 2, /* of a row: a line holds no more */
};

static const int64_t YEAR_0_US = INT64_C(-62168256000000000), YEAR_10000_US = INT64_C(253402387200000000);
static const int64_t DECIMAL_MOST = INT64_C(1) << 51;
static const uint64_t COUNT_MOST = (UINT64_C(1) << 53) + 1;

/* What the same session had in the row before. */
struct before {
	uint64_t sequence, sequence_length, ordinal;
};

struct columns_coder {
	uint64_t v[COLUMNS_ROWS]; /* the quantity at hand */
	uint32_t id[COLUMNS_ROWS], set[COLUMNS_ROWS];
	struct before before[COLUMNS_ROWS]; /* by id */

	/* Encoding. */
	uint32_t id_of[KNOWN_SESSIONS]; /* 1 + id, by `who` */
	struct slice name[COLUMNS_ROWS];
	uint32_t slot[SET_SLOTS]; /* 1 + set, by address */
	const struct field_values *of[SETS_MAX];
	size_t n_ids, n_sets;

	/* Decoding. */
	struct field_values *values; /* (sets_cap) */
	size_t sets_cap;
	float *norms; /* (norms_cap) */
	size_t norms_cap;
	struct gpu_sample gpu[COLUMNS_WHOLE][GPUS_MAX];
};

struct columns_coder *columns_coder_open(void)
{
	return calloc(1, sizeof(struct columns_coder));
}

void columns_coder_close(struct columns_coder *k)
{
	if (!k)
		return;
	free(k->values);
	free(k->norms);
	free(k);
}

/* The text with its NUL. */
static uint64_t hash_word(uint64_t h, const char *text)
{
	return hash_byte(hash_more(h, slice_of(text)), 0);
}

uint64_t columns_code_vocabulary(void)
{
	uint64_t h = HASH_BEGIN;

	for (int m = 0; m < METRIC_COUNT; m++) {
		h = hash_word(h, metric_specs[m].id);
		h = hash_more(h, (struct slice){ (const char *)&metric_specs[m].scale, sizeof metric_specs[m].scale });
	}
	for (int f = 0; f < FIELD_COUNT; f++) {
		h = hash_word(h, field_specs[f].path);
		h = hash_more(h, (struct slice){ (const char *)&field_specs[f].kind, sizeof field_specs[f].kind });
	}
	for (int v = 0; v < GPU_VALUE_COUNT; v++)
		h = hash_word(h, gpu_value_specs[v].key);
	for (int e = 0; e < EVENT_TYPE_COUNT; e++)
		h = hash_word(h, event_ids[e]);
	return h;
}

/* --- numbers, texts ----------------------------------------------------------------- */

void code_number(struct buf *out, uint64_t value)
{
	unsigned char bytes[10];
	size_t n = 0;

	for (; value >= 0x80; value >>= 7)
		bytes[n++] = (unsigned char)(value | 0x80);
	bytes[n++] = (unsigned char)value;
	buf_add(out, bytes, n);
}

void code_text(struct buf *out, struct slice text)
{
	code_number(out, text.n);
	buf_add(out, text.n ? text.p : "", text.n);
}

uint64_t code_read_number(struct code_reader *r)
{
	uint64_t value = 0;

	for (unsigned shift = 0; r->p < r->end && shift < 64; shift += 7) {
		unsigned char byte = (unsigned char)*r->p++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return value;
	}
	r->bad = true;
	return 0;
}

struct slice code_read_text(struct code_reader *r)
{
	uint64_t n = code_read_number(r);
	struct slice text = { r->p, 0 };

	r->bad |= n > (uint64_t)(r->end - r->p);
	if (r->bad)
		return text;
	text.n = (size_t)n;
	r->p += n;
	return text;
}

static void put_double(struct buf *out, double value)
{
	uint64_t bits;
	unsigned char bytes[8];

	memcpy(&bits, &value, sizeof bits);
	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(bits >> 8 * i);
	buf_add(out, bytes, sizeof bytes);
}

/* Finite; anything else is none of ours. */
static double decode_double(struct code_reader *r)
{
	uint64_t bits = 0;
	double value;

	r->bad |= r->end - r->p < 8;
	for (int i = 0; !r->bad && i < 8; i++)
		bits |= (uint64_t)(unsigned char)*r->p++ << 8 * i;
	memcpy(&value, &bits, sizeof value);
	r->bad |= !isfinite(value);
	return r->bad ? 0 : value;
}

/* --- one quantity ------------------------------------------------------------------- */

static void put_values(struct columns_coder *k, struct buf *out, size_t n)
{
	size_t runs = n > 0;

	for (size_t i = 1; i < n; i++)
		runs += k->v[i] != k->v[i - 1];
	code_number(out, 2 * runs < n);
	for (size_t i = 0, next; i < n; i = next) {
		next = i + 1;
		code_number(out, k->v[i]);
		if (2 * runs >= n)
			continue;
		while (next < n && k->v[next] == k->v[i])
			next++;
		code_number(out, next - i);
	}
}

static void decode_values(struct columns_coder *k, struct code_reader *r, size_t n)
{
	uint64_t runs = code_read_number(r);

	r->bad |= runs > 1;
	for (size_t i = 0; !r->bad && i < n;) {
		uint64_t value = code_read_number(r), times = runs ? code_read_number(r) : 1;

		r->bad |= !times || times > n - i;
		for (; !r->bad && times; times--)
			k->v[i++] = value;
	}
	if (r->bad)
		memset(k->v, 0, n * sizeof *k->v);
}

/* --- names and sets ----------------------------------------------------------------- */

static uint32_t set_of(struct columns_coder *k, const struct field_values *values)
{
	size_t at = ((uintptr_t)values >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 48;

	for (; k->slot[at]; at = (at + 1) % SET_SLOTS)
		if (k->of[k->slot[at] - 1] == values)
			return k->slot[at] - 1;
	k->of[k->n_sets] = values;
	k->slot[at] = (uint32_t)++k->n_sets;
	return k->slot[at] - 1;
}

static uint32_t id_of(struct columns_coder *k, const struct columns *c, size_t row)
{
	uint32_t *id = &k->id_of[c->who[row]];

	if (!*id) {
		k->name[k->n_ids] = c->session_id[row];
		*id = (uint32_t)++k->n_ids;
	}
	return *id - 1;
}

static void put_set(struct buf *out, const struct field_values *values)
{
	for (int f = 0; f < FIELD_COUNT; f++) {
		if (!fields_have(values, (enum field_id)f) || field_specs[f].kind == KIND_JSON)
			continue;
		code_number(out, 1 + (uint64_t)f);
		if (field_specs[f].kind == KIND_TEXT)
			code_text(out, values->v[f].text);
		else
			put_double(out, values->v[f].number);
	}
	code_number(out, 0);
}

static void decode_set(struct code_reader *r, struct field_values *values)
{
	uint64_t f, last = 0;

	memset(values->have, 0, sizeof values->have);
	for (; !r->bad && (f = code_read_number(r)) && !r->bad; last = f) {
		enum field_kind kind;

		r->bad |= f <= last || f > FIELD_COUNT;
		if (r->bad)
			return;
		kind = field_specs[f - 1].kind;
		r->bad |= kind != KIND_TEXT && kind != KIND_COUNT && kind != KIND_NUMBER;
		if (kind == KIND_TEXT)
			fields_set_text(values, (enum field_id)(f - 1), code_read_text(r));
		else
			fields_set_number(values, (enum field_id)(f - 1), decode_double(r));
	}
}

/* Is there more to the row than its columns? */
static bool is_whole(const struct columns *c, size_t row)
{
	return c->whole[row];
}

static const struct record *whole_of(const struct columns *c, size_t row)
{
	return &c->record[c->whole[row] - 1];
}

static void collect(struct columns_coder *k, const struct columns *c, size_t from, size_t n)
{
	k->n_ids = k->n_sets = 0;
	memset(k->slot, 0, sizeof k->slot);
	memset(k->id_of, 0, sizeof k->id_of);
	for (size_t i = 0; i < n; i++) {
		k->id[i] = id_of(k, c, from + i);
		k->set[i] = set_of(k, c->session[from + i]);
	}
	for (size_t i = from; i < from + n; i++)
		if (is_whole(c, i) && whole_of(c, i)->extra)
			set_of(k, whole_of(c, i)->extra);
	memset(k->before, 0, k->n_ids * sizeof *k->before);
}

/* --- encoding ----------------------------------------------------------------------- */

#define PUT(expression)                                                                                                \
	do {                                                                                                           \
		for (size_t i = 0, row = from; i < n; i++, row++)                                                      \
			k->v[i] = (expression);                                                                        \
		put_values(k, out, n);                                                                                 \
	} while (0)

/* The value before, which *before becomes. */
static uint64_t change(uint64_t *before, uint64_t now)
{
	uint64_t difference = now - *before;

	*before = now;
	return code_fold(difference);
}

static void put_rows(struct columns_coder *k, struct buf *out, const struct columns *c, size_t from, size_t n)
{
	uint64_t time = 0;

	PUT(k->id[row - from]);
	PUT(k->set[row - from]);
	PUT(change(&time, (uint64_t)c->time_us[row]));
	PUT(c->event[row]);
	PUT(c->phase[row]);
	PUT(is_whole(c, row));
	PUT(change(&k->before[k->id[row - from]].sequence, c->sequence[row]));
	PUT(change(&k->before[k->id[row - from]].sequence_length, c->sequence_length[row]));
	PUT(change(&k->before[k->id[row - from]].ordinal, c->ordinal[row]));
	PUT(c->token_count[row]);
	PUT(c->batch_size[row]);
	PUT(c->have[row]);
	PUT(c->nonfinite[row]);
	PUT(c->decimal[row] & c->have[row]);
}

static void put_metric(struct columns_coder *k, struct buf *out, const struct columns *c, size_t from, size_t n, int m)
{
	uint64_t before = 0;
	size_t decimals = 0;

	for (size_t row = from; row < from + n; row++)
		if (c->have[row] & c->decimal[row] & metric_bit((enum metric_id)m))
			k->v[decimals++] = change(&before, (uint64_t)c->scaled[m][row]);
	put_values(k, out, decimals);
	for (size_t row = from; row < from + n; row++)
		if (c->have[row] & ~c->decimal[row] & metric_bit((enum metric_id)m))
			put_double(out, c->value[m][row]);
}

static void put_gpu(struct buf *out, const struct gpu_sample *g)
{
	uint64_t known = 0;

	for (int v = 0; v < GPU_VALUE_COUNT; v++)
		known |= (uint64_t)(isfinite(g->value[v]) != 0) << v;
	code_text(out, slice_of(g->device));
	code_number(out, known);
	for (int v = 0; v < GPU_VALUE_COUNT; v++)
		if (known >> v & 1)
			put_double(out, g->value[v]);
}

static void put_whole(struct columns_coder *k, struct buf *out, const struct record *r)
{
	code_number(out, r->extra ? 1 + (uint64_t)set_of(k, r->extra) : 0);
	code_number(out, r->layer_norm ? r->n_layer_norm : 0);
	for (size_t i = 0; r->layer_norm && i < r->n_layer_norm; i++) {
		uint32_t bits;

		memcpy(&bits, &r->layer_norm[i], sizeof bits);
		buf_add(out,
			(const unsigned char[]){ (unsigned char)bits, (unsigned char)(bits >> 8),
						 (unsigned char)(bits >> 16), (unsigned char)(bits >> 24) },
			4);
	}
	code_number(out, r->gpu ? r->n_gpus : 0);
	for (size_t i = 0; r->gpu && i < r->n_gpus; i++)
		put_gpu(out, &r->gpu[i]);
}

void columns_encode(struct columns_coder *k, struct buf *out, const struct columns *c, size_t from, size_t n)
{
	uint64_t any = 0;

	collect(k, c, from, n);
	code_number(out, n);
	code_number(out, k->n_ids);
	code_number(out, k->n_sets);
	for (size_t i = 0; i < k->n_ids; i++)
		code_text(out, k->name[i]);
	for (size_t i = 0; i < k->n_sets; i++)
		put_set(out, k->of[i]);
	put_rows(k, out, c, from, n);
	for (size_t row = from; row < from + n; row++)
		any |= c->have[row];
	for (; any; any &= any - 1)
		put_metric(k, out, c, from, n, __builtin_ctzll(any));
	for (size_t row = from; row < from + n; row++)
		if (is_whole(c, row))
			put_whole(k, out, whole_of(c, row));
}

/* --- decoding ----------------------------------------------------------------------- */

#define TAKE(most, statement)                                                                                          \
	do {                                                                                                           \
		decode_values(k, r, n);                                                                                \
		for (size_t row = 0; row < n; row++) {                                                                 \
			uint64_t v = k->v[row];                                                                        \
                                                                                                                       \
			statement;                                                                                     \
			r->bad |= v > (most);                                                                          \
		}                                                                                                      \
	} while (0)

static uint64_t changed(uint64_t *before, uint64_t folded)
{
	return *before += code_unfold(folded);
}

static void decode_places(struct columns_coder *k, struct code_reader *r, struct columns *c, size_t n)
{
	uint64_t time = 0;

	TAKE(k->n_ids - 1, k->id[row] = (uint32_t)v);
	TAKE(k->n_sets - 1, k->set[row] = (uint32_t)v);
	if (r->bad)
		return;
	for (size_t row = 0; row < n; row++) {
		c->session_id[row] = k->name[k->id[row]];
		c->who[row] = (uint16_t)k->id[row];
		c->session[row] = &k->values[k->set[row]];
	}
	decode_values(k, r, n);
	for (size_t row = 0; row < n; row++) {
		c->time_us[row] = (int64_t)changed(&time, k->v[row]);
		r->bad |= c->time_us[row] < YEAR_0_US || c->time_us[row] > YEAR_10000_US;
	}
}

static void decode_rows(struct columns_coder *k, struct code_reader *r, struct columns *c, size_t n)
{
	const uint64_t metrics = METRIC_COUNT < 64 ? (UINT64_C(1) << METRIC_COUNT % 64) - 1 : UINT64_MAX;

	decode_places(k, r, c, n);
	if (r->bad)
		return;
	TAKE(EVENT_TYPE_COUNT - 1, c->event[row] = (uint8_t)v);
	TAKE(PHASE_COUNT - 1, c->phase[row] = (uint8_t)v);
	TAKE(1, c->whole[row] = (uint8_t)v);
	TAKE(UINT32_MAX, c->sequence[row] = (uint32_t)(v = changed(&k->before[k->id[row]].sequence, v)));
	TAKE(COUNT_MOST, c->sequence_length[row] = v = changed(&k->before[k->id[row]].sequence_length, v));
	TAKE(COUNT_MOST, c->ordinal[row] = v = changed(&k->before[k->id[row]].ordinal, v));
	TAKE(UINT32_MAX, c->token_count[row] = (uint32_t)v);
	TAKE(UINT32_MAX, c->batch_size[row] = (uint32_t)v);
	TAKE(UINT64_MAX, c->have[row] = v; r->bad |= v & ~metrics);
	TAKE(UINT64_MAX, c->nonfinite[row] = v; r->bad |= v & ~(metrics & ~c->have[row]));
	TAKE(UINT64_MAX, c->decimal[row] = v; r->bad |= v & ~c->have[row]);
}

static void decode_metric(struct columns_coder *k, struct code_reader *r, struct columns *c, size_t n, int m)
{
	const uint64_t bit = metric_bit((enum metric_id)m);
	uint64_t before = 0;
	size_t decimals = 0, at = 0;

	for (size_t row = 0; row < n; row++)
		decimals += (c->decimal[row] & bit) != 0;
	decode_values(k, r, decimals);
	for (size_t row = 0; row < n; row++) {
		c->scaled[m][row] = c->decimal[row] & bit ? (int64_t)changed(&before, k->v[at++]) : 0;
		r->bad |= c->scaled[m][row] <= -DECIMAL_MOST || c->scaled[m][row] >= DECIMAL_MOST;
		c->value[m][row] = c->decimal[row] & bit ? (double)c->scaled[m][row] / metric_specs[m].scale : 0;
	}
	for (size_t row = 0; !r->bad && row < n; row++)
		if (c->have[row] & ~c->decimal[row] & bit)
			c->value[m][row] = decode_double(r);
}

static const float *read_norms(struct columns_coder *k, struct code_reader *r, size_t *used, size_t n)
{
	float *norms = k->norms + *used;

	r->bad |= n > NORMS_MAX || n > (size_t)(r->end - r->p) / 4 || n > k->norms_cap - *used;
	for (size_t i = 0; !r->bad && i < n; i++, r->p += 4) {
		const unsigned char *p = (const unsigned char *)r->p;
		uint32_t bits = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;

		memcpy(&norms[i], &bits, sizeof bits);
	}
	*used += r->bad ? 0 : n;
	return norms;
}

static void decode_gpu(struct code_reader *r, struct gpu_sample *g)
{
	struct slice device = code_read_text(r);
	uint64_t known = code_read_number(r);

	r->bad |= known >> GPU_VALUE_COUNT || memchr(device.p, 0, device.n) || !gpu_sample_begin(g, device);
	for (int v = 0; !r->bad && v < GPU_VALUE_COUNT; v++)
		if (known >> v & 1)
			g->value[v] = decode_double(r);
}

static void decode_gpus(struct columns_coder *k, struct code_reader *r, const struct columns *c, struct record *rec)
{
	uint64_t n = code_read_number(r);
	struct gpu_sample *gpu = k->gpu[c->n_whole];

	r->bad |= n > GPUS_MAX;
	for (size_t i = 0; !r->bad && i < n; i++)
		decode_gpu(r, &gpu[i]);
	rec->gpu = n ? gpu : NULL;
	rec->n_gpus = r->bad ? 0 : (size_t)n;
}

static void decode_whole(struct columns_coder *k, struct code_reader *r, struct columns *c, size_t row, size_t *norms)
{
	uint64_t extra = code_read_number(r), n = code_read_number(r);
	struct record *rec = &c->record[c->n_whole];

	r->bad |= extra > k->n_sets || n > NORMS_MAX || c->n_whole == COLUMNS_WHOLE;
	if (r->bad)
		return;
	c->whole[row] = 0;
	columns_record(c, row, rec);
	if (extra)
		rec->extra = &k->values[extra - 1];
	rec->layer_norm = n ? read_norms(k, r, norms, (size_t)n) : NULL;
	rec->n_layer_norm = (size_t)n;
	decode_gpus(k, r, c, rec);
	c->whole[row] = (uint8_t)++c->n_whole;
}

/* Steps without norms and GPUs are plain; all else is whole. */
static bool whole_where_due(const struct columns *c, size_t n)
{
	for (size_t row = 0; row < n; row++)
		if (c->event[row] != EVENT_INFERENCE_STEP && !is_whole(c, row))
			return false;
	return true;
}

/* False: no memory. */
static bool reserve(struct columns_coder *k, size_t bytes)
{
	if (k->n_sets > k->sets_cap) {
		free(k->values);
		k->values = malloc(k->n_sets * sizeof *k->values);
		k->sets_cap = k->values ? k->n_sets : 0;
	}
	if (bytes / 4 + 1 > k->norms_cap) {
		free(k->norms);
		k->norms = malloc((bytes / 4 + 1) * sizeof *k->norms);
		k->norms_cap = k->norms ? bytes / 4 + 1 : 0;
	}
	return k->values && k->norms;
}

static void decode_names(struct columns_coder *k, struct code_reader *r)
{
	for (size_t i = 0; !r->bad && i < k->n_ids; i++)
		k->name[i] = code_read_text(r);
	for (size_t i = 0; !r->bad && i < k->n_sets; i++)
		decode_set(r, &k->values[i]);
	memset(k->before, 0, k->n_ids * sizeof *k->before);
}

bool columns_decode(struct columns_coder *k, struct slice bytes, struct columns *c)
{
	struct code_reader r = { bytes.p, bytes.p + bytes.n, false };
	uint64_t n = code_read_number(&r), ids = code_read_number(&r), sets = code_read_number(&r), any = 0;
	size_t norms = 0;

	c->n = c->n_whole = 0;
	if (r.bad || !n || n > COLUMNS_ROWS || !ids || ids > n || !sets || sets > SETS_MAX || sets > bytes.n)
		return false;
	k->n_ids = (size_t)ids;
	k->n_sets = (size_t)sets;
	if (!reserve(k, bytes.n))
		return false;
	decode_names(k, &r);
	if (!r.bad)
		decode_rows(k, &r, c, (size_t)n);
	if (r.bad || !whole_where_due(c, (size_t)n))
		return false;
	for (size_t row = 0; row < n; row++)
		any |= c->have[row];
	for (; !r.bad && any; any &= any - 1)
		decode_metric(k, &r, c, (size_t)n, __builtin_ctzll(any));
	for (size_t row = 0; !r.bad && row < n; row++)
		if (is_whole(c, row))
			decode_whole(k, &r, c, row, &norms);
	if (r.bad || r.p != r.end)
		return false;
	c->n = (size_t)n;
	return true;
}
