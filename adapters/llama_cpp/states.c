/* states.c - finds the layers of a state in what llama.cpp writes, and compares two of them. */
#include "states.h"

#include <stdlib.h>
#include <string.h>

enum { LAYER_HEADER = 12, START_MAX = 256, TYPE_F32 = 0, SAMPLES = 4096 };

static uint64_t number(const uint8_t *p, size_t bytes)
{
	uint64_t v = 0;

	memcpy(&v, p, bytes); /* little-endian, as written on this machine */
	return v;
}

bool state_reserve(struct state *s, size_t n)
{
	uint8_t *more = n > s->cap ? realloc(s->bytes, n) : s->bytes;

	if (!more)
		return false;
	s->bytes = more;
	s->cap = n > s->cap ? n : s->cap;
	return true;
}

/* Bytes of a layer's part when n_layer of them, all alike, stand at `at`; 0 when they do not. */
static size_t part_bytes(const struct state *s, size_t at, size_t n_layer)
{
	uint64_t bytes = at + LAYER_HEADER <= s->n ? number(s->bytes + at + 4, 8) : 0;

	if (!bytes || bytes % sizeof(float) || bytes > s->n || n_layer * (bytes + LAYER_HEADER) > s->n - at)
		return 0;
	for (size_t i = 0; i < n_layer; i++) {
		const uint8_t *p = s->bytes + at + i * (bytes + LAYER_HEADER);

		if (number(p, 4) != TYPE_F32 || number(p + 4, 8) != bytes)
			return 0;
	}
	return (size_t)bytes;
}

bool state_understand(struct state *s, size_t n_layer, size_t n_embd)
{
	s->n_layer = n_layer;
	for (size_t at = 0; n_embd && at < START_MAX && at + 8 + LAYER_HEADER < s->n; at += 4) {
		if (number(s->bytes + at, 4) || number(s->bytes + at + 4, 4) != n_layer)
			continue;
		s->shift_at = at + 8;
		s->shift_bytes = part_bytes(s, s->shift_at, n_layer);
		if (!s->shift_bytes || s->shift_bytes % (n_embd * sizeof(float)))
			continue;
		s->wkv_at = s->shift_at + n_layer * (s->shift_bytes + LAYER_HEADER);
		s->wkv_bytes = part_bytes(s, s->wkv_at, n_layer);
		if (s->wkv_bytes && s->wkv_at + n_layer * (s->wkv_bytes + LAYER_HEADER) == s->n)
			return true;
	}
	return false;
}

static const uint8_t *shift_of(const struct state *s, size_t layer)
{
	return s->bytes + s->shift_at + layer * (s->shift_bytes + LAYER_HEADER) + LAYER_HEADER;
}

static const uint8_t *wkv_of(const struct state *s, size_t layer)
{
	return s->bytes + s->wkv_at + layer * (s->wkv_bytes + LAYER_HEADER) + LAYER_HEADER;
}

static void add_layer(struct rwkvmon_state_sums *sums, const uint8_t *was, const uint8_t *is, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += sizeof(float)) {
		float f, g;
		double a, b;

		memcpy(&f, was + i, sizeof f);
		memcpy(&g, is + i, sizeof g);
		a = (double)f;
		b = (double)g;
		sums->dot += a * b;
		sums->old_norm2 += a * a;
		sums->new_norm2 += b * b;
		sums->change_norm2 += (b - a) * (b - a);
		sums->nonfinite += !(b - b == 0);
	}
}

bool state_compare(const struct state *was, const struct state *is, struct rwkvmon_state_sums sums[STATE_PARTS])
{
	if (was->n != is->n || was->shift_at != is->shift_at || was->wkv_at != is->wkv_at)
		return false;
	for (size_t i = 0; i < is->n_layer; i++) {
		add_layer(&sums[0], shift_of(was, i), shift_of(is, i), is->shift_bytes);
		add_layer(&sums[1], wkv_of(was, i), wkv_of(is, i), is->wkv_bytes);
	}
	return true;
}

const struct rwkvmon_tensor *state_tensors(struct state *s)
{
	if (!s->tensors)
		s->tensors = calloc(s->n_layer * STATE_PARTS, sizeof *s->tensors);
	for (size_t i = 0; s->tensors && i < s->n_layer; i++) {
		struct rwkvmon_tensor *t = &s->tensors[STATE_PARTS * i];

		t[0] = (struct rwkvmon_tensor){ shift_of(s, i), s->shift_bytes / sizeof(float), RWKVMON_F32,
						RWKVMON_SHIFT };
		t[1] = (struct rwkvmon_tensor){ wkv_of(s, i), s->wkv_bytes / sizeof(float), RWKVMON_F32, RWKVMON_WKV };
	}
	return s->tensors;
}

static uint64_t mixed(uint64_t h)
{
	h *= UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

uint64_t state_number(const uint8_t *bytes, size_t n)
{
	uint64_t h = n, step = n / 8 / SAMPLES + 1;

	for (size_t i = 0; i < n / 8; i += step)
		h = mixed(h ^ number(bytes + 8 * i, 8));
	return mixed(h ^ number(bytes + n / 8 * 8, n % 8));
}

void state_free(struct state *s)
{
	free(s->bytes);
	free(s->tensors);
	*s = (struct state){ 0 };
}
