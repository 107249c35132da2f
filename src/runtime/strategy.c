/* strategy.c - a small parser: segments joined by ->, each a device, a type and a count of layers. */
#include "runtime/strategy.h"

#include "base/slice.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEGMENTS_MAX = 32, COUNT_MAX = 100000 };

struct segment {
	struct strategy_layer layer;
	size_t count; /* layers asked for, then given */
	bool has_count, plus;
	size_t streamed; /* of these, the last ones */
};

static const char *const dtype_names[] = { "fp32", "fp16", "bf16" };

const char *strategy_dtype_name(enum strategy_dtype d)
{
	return dtype_names[d];
}

static bool skip(struct slice *s, const char *word)
{
	size_t n = strlen(word);

	if (s->n < n || memcmp(s->p, word, n))
		return false;
	s->p += n;
	s->n -= n;
	return true;
}

/* Digits; false when there are none. Large numbers mean "all", whatever they are. */
static bool read_count(struct slice *s, size_t *out)
{
	bool any = false;

	for (*out = 0; s->n && isdigit((unsigned char)*s->p); s->p++, s->n--) {
		*out = *out < COUNT_MAX ? *out * 10 + (size_t)(*s->p - '0') : *out;
		any = true;
	}
	return any;
}

static bool read_device(struct slice *s, char out[16])
{
	static const char *const plain[] = { "cpu", "mps", "dml" };
	size_t number;

	for (int i = 0; i < 3; i++)
		if (skip(s, plain[i])) {
			snprintf(out, 16, "%s", plain[i]);
			return true;
		}
	if (!skip(s, "cuda"))
		return false;
	snprintf(out, 16, "cuda");
	if (skip(s, ":")) {
		if (!read_count(s, &number))
			return false;
		snprintf(out, 16, "cuda:%zu", number);
	}
	return true;
}

static bool read_segment(struct slice s, struct segment *out)
{
	int d = 0;

	*out = (struct segment){ 0 };
	if (!read_device(&s, out->layer.device) || !skip(&s, " "))
		return false;
	while (d < 3 && !skip(&s, dtype_names[d]))
		d++;
	if (d == 3)
		return false;
	out->layer.dtype = (enum strategy_dtype)d;
	out->layer.int8 = skip(&s, "i8");
	if (!out->layer.int8 && !skip(&s, "i4"))
		skip(&s, "i3");
	if (skip(&s, " *")) {
		out->has_count = read_count(&s, &out->count);
		out->plus = out->has_count && skip(&s, "+");
		return out->has_count && !s.n;
	}
	return !s.n;
}

static struct slice trim(struct slice s)
{
	while (s.n && *s.p == ' ')
		s.p++, s.n--;
	while (s.n && s.p[s.n - 1] == ' ')
		s.n--;
	return s;
}

static int refuse(const char *text, struct slice at, struct err *err)
{
	err_set(err, ERR_USAGE,
		"strategy \"%s\": \"%.*s\" is not understood; expected DEVICE DTYPE[i8] [*LAYERS[+]], "
		"segments joined by \"->\"",
		text, SLICE_ARG(at));
	return err_hint(err, "Devices: cpu, cuda, cuda:N, mps, dml. Types: fp32, fp16, bf16. Example: \"cuda "
			     "fp16i8 *10 -> cpu fp32\".");
}

/* Splits at "->", reads each part, rebuilds the text. */
static int read_segments(struct strategy *out, struct segment seg[SEGMENTS_MAX], size_t *n, const char *text,
			 struct err *err)
{
	size_t used = 0;

	*n = 0;
	for (const char *p = text, *end;; p = end + 2) {
		struct slice part;
		int wrote;

		end = strstr(p, "->");
		part = trim(end ? (struct slice){ p, (size_t)(end - p) } : slice_of(p));
		if (*n == SEGMENTS_MAX || !read_segment(part, &seg[*n]))
			return refuse(text, part, err);
		wrote = snprintf(out->text + used, sizeof out->text - used, "%s%.*s", *n ? " -> " : "",
				 SLICE_ARG(part));
		if (wrote < 0 || (size_t)wrote >= sizeof out->text - used)
			return refuse(text, part, err);
		used += (size_t)wrote;
		(*n)++;
		if (!end)
			return 0;
	}
}

static void share_rest(struct segment *seg, size_t n, size_t rest)
{
	size_t sharers = 0;

	for (size_t i = 0; i < n; i++)
		sharers += !seg[i].has_count;
	for (size_t i = 0; i < n && sharers; i++) {
		if (seg[i].has_count)
			continue;
		seg[i].count = rest / sharers--;
		rest -= seg[i].count;
	}
	seg[n - 1].count += rest;
}

/* Layers are assigned from the left; a segment that comes too late gets none. */
static void divide(struct segment *seg, size_t n, size_t layers)
{
	size_t given = 0, streamer = n;

	for (size_t i = 0; i < n; i++) {
		if (seg[i].count > layers - given)
			seg[i].count = layers - given;
		given += seg[i].count;
		if (seg[i].plus)
			streamer = i;
	}
	if (streamer < n) {
		seg[streamer].streamed = layers - given;
		seg[streamer].count += layers - given;
	} else if (given < layers) {
		share_rest(seg, n, layers - given);
	}
}

int strategy_parse(struct strategy *out, const char *text, size_t n_layer, struct err *err)
{
	struct segment seg[SEGMENTS_MAX];
	size_t n, at = 0;
	int rc;

	*out = (struct strategy){ .n = n_layer + 1 };
	rc = read_segments(out, seg, &n, text, err);
	if (rc)
		return rc;
	out->layers = calloc(out->n, sizeof *out->layers);
	if (!out->layers)
		return err_set(err, ERR_NOMEM, "no memory for the strategy of %zu layers", out->n);
	divide(seg, n, out->n);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < seg[i].count; j++) {
			out->layers[at] = seg[i].layer;
			out->layers[at++].stream = j >= seg[i].count - seg[i].streamed;
		}
	out->rescale = strstr(text, "fp16") ? 6 : 0;
	return 0;
}

void strategy_free(struct strategy *s)
{
	free(s->layers);
	*s = (struct strategy){ 0 };
}
