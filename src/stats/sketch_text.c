/* sketch_text.c - bins as pairs of numbers, five bits a character. */
#include "stats/sketch_text.h"

#include "base/array.h"
#include "stats/sketch_kernels.h"

#include <stdlib.h>
#include <string.h>

enum { FINEST = 8, COARSEST = 4, KEYS = 0x7ff << FINEST /* of finite values */ };

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const uint64_t COUNT_MOST = UINT64_C(1) << 53;

/* --- writing ------------------------------------------------------------------------- */

struct bin {
	uint32_t key; /* of FINEST */
	uint64_t n;
};

/* The bins of one sign, by ascending size. */
struct bins {
	struct bin *bin; /* (n) */
	size_t n, cap;
};

struct listing {
	struct bins side[2]; /* positive, negative */
	uint64_t zeros;
	bool failed;
};

static uint32_t key_of(double size)
{
	uint64_t bits;

	memcpy(&bits, &size, sizeof bits);
	return (uint32_t)(bits >> SKETCH_BIN_SHIFT);
}

/* A walk comes by ascending value, or in the order of few values: neighbours may share a bin. */
static void list_run(void *ctx, double low, double high, uint64_t count)
{
	struct listing *l = ctx;
	struct bins *side = &l->side[high < 0];
	const uint32_t key = key_of(high < 0 ? -high : low);

	if (!(low > 0) && !(high < 0)) {
		l->zeros += count;
		return;
	}
	if (side->n && side->bin[side->n - 1].key == key) {
		side->bin[side->n - 1].n += count;
		return;
	}
	if (!array_grow(&side->bin, side->n, &side->cap, 64, sizeof *side->bin)) {
		l->failed = true;
		return;
	}
	side->bin[side->n++] = (struct bin){ key, count };
}

/* Negative values come with the largest first. */
static void reverse(struct bins *b)
{
	for (size_t i = 0; i < b->n / 2; i++) {
		const struct bin other = b->bin[i];

		b->bin[i] = b->bin[b->n - 1 - i];
		b->bin[b->n - 1 - i] = other;
	}
}

/* Joins the bins that one bit less of the mantissa no longer tells apart; keys stay those of FINEST. */
static void join(struct bins *b, int resolution)
{
	const int lost = FINEST - resolution;
	size_t left = 0;

	for (size_t i = 0; i < b->n; i++)
		if (left && b->bin[left - 1].key >> lost == b->bin[i].key >> lost)
			b->bin[left - 1].n += b->bin[i].n;
		else
			b->bin[left++] = b->bin[i];
	b->n = left;
}

static void put(struct buf *out, uint64_t n)
{
	for (; n >= 32; n >>= 5)
		buf_char(out, digits[32 + (n & 31)]);
	buf_char(out, digits[n]);
}

static void put_bins(struct buf *out, const struct bins *b, int resolution)
{
	uint32_t before = 0;

	for (size_t i = 0; i < b->n; i++) {
		const uint32_t key = b->bin[i].key >> (FINEST - resolution);

		put(out, key - before);
		put(out, b->bin[i].n);
		before = key;
	}
}

static void put_listing(struct buf *out, const struct listing *l, int resolution)
{
	buf_char(out, (char)('0' + resolution));
	put(out, l->zeros);
	put(out, l->side[0].n);
	put_bins(out, &l->side[0], resolution);
	put_bins(out, &l->side[1], resolution);
}

bool sketch_write(struct buf *out, const struct sketch *s, size_t most_bytes)
{
	struct listing l = { .zeros = 0 };
	struct buf text = { 0 };
	int resolution = FINEST;
	bool fine;

	sketch_walk(s, list_run, &l);
	reverse(&l.side[1]);
	put_listing(&text, &l, resolution);
	while (text.used > most_bytes && resolution > COARSEST) {
		resolution--;
		join(&l.side[0], resolution);
		join(&l.side[1], resolution);
		buf_clear(&text);
		put_listing(&text, &l, resolution);
	}
	fine = !l.failed && !text.failed && !s->failed;
	if (fine)
		buf_add(out, text.p, text.used);
	free(l.side[0].bin);
	free(l.side[1].bin);
	buf_free(&text);
	return fine;
}

/* --- reading ------------------------------------------------------------------------- */

struct cursor {
	const char *p, *end;
	bool bad;
};

/* 1 + the digit's value; 0: it is none. */
static const uint8_t value_of_digit[256] = {
#define TEN(c, v)                                                                                                      \
	[c] = v, [c + 1] = v + 1, [c + 2] = v + 2, [c + 3] = v + 3, [c + 4] = v + 4, [c + 5] = v + 5, [c + 6] = v + 6, \
	[c + 7] = v + 7, [c + 8] = v + 8, [c + 9] = v + 9
	TEN('A', 1), TEN('K', 11), ['U'] = 21,   ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25,
	['Z'] = 26,  TEN('a', 27), TEN('k', 37), ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50,
	['y'] = 51,  ['z'] = 52,   TEN('0', 53), ['-'] = 63, ['_'] = 64,
#undef TEN
};

/* At most `most`; what is larger is no text of ours. */
static uint64_t get(struct cursor *c, uint64_t most)
{
	const int only = c->p < c->end ? value_of_digit[(unsigned char)*c->p] - 1 : -1;
	uint64_t n = 0;

	if (only >= 0 && only < 32) { /* most have one digit */
		c->p++;
		c->bad |= (uint64_t)only > most;
		return (uint64_t)only;
	}
	for (unsigned shift = 0; c->p < c->end && shift < 60; shift += 5) {
		const int digit = value_of_digit[(unsigned char)*c->p++] - 1;

		if (digit < 0)
			break;
		n |= (uint64_t)(digit & 31) << shift;
		if (digit < 32) {
			c->bad |= n > most;
			return n;
		}
	}
	c->bad = true;
	return 0;
}

static void add_run(struct sketch_runs *r, struct sketch_run run)
{
	if (!array_grow(&r->run, r->n, &r->cap, 256, sizeof *r->run)) {
		r->failed = true;
		return;
	}
	r->run[r->n++] = run;
	r->count += run.n;
}

/* A pair; the key grows by the distance. */
static void read_pair(struct sketch_runs *r, struct cursor *c, uint32_t *key, int resolution, bool negative)
{
	const int shift = FINEST - resolution;
	const uint64_t most = (uint64_t)KEYS >> shift;
	const uint64_t distance = get(c, most), n = get(c, COUNT_MOST);

	c->bad |= *key + distance >= most || !n;
	*key += (uint32_t)distance;
	if (!c->bad)
		add_run(r, (struct sketch_run){ sketch_middle(*key << shift, shift, negative), n, *key << shift,
						(uint8_t)shift });
}

bool sketch_runs_read(struct sketch_runs *out, struct slice text)
{
	struct cursor c = { text.p, text.p + text.n, text.n < 3 || *text.p < '0' + COARSEST || *text.p > '0' + FINEST };
	const int resolution = c.bad ? FINEST : *c.p++ - '0';
	const uint64_t zeros = c.bad ? 0 : get(&c, COUNT_MOST), n = c.bad ? 0 : get(&c, text.n);
	uint32_t key = 0;

	out->n = 0;
	out->count = 0;
	if (!c.bad && zeros)
		add_run(out, (struct sketch_run){ .n = zeros });
	for (uint64_t i = 0; !c.bad && i < n; i++)
		read_pair(out, &c, &key, resolution, false);
	key = 0;
	while (!c.bad && c.p < c.end)
		read_pair(out, &c, &key, resolution, true);
	return !c.bad && !out->failed;
}

void sketch_runs_free(struct sketch_runs *r)
{
	free(r->run);
	*r = (struct sketch_runs){ .n = 0 };
}
