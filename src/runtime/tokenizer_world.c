/* tokenizer_world.c - the World tokenizer: RWKV's own since version 4 World. Source: BlinkDL's rwkv_vocab_v20230424.txt
 * and rwkv_tokenizer.py. A line of the vocabulary is
 *     ID SPACE LITERAL SPACE BYTES
 * with a Python literal, 'text', "text" or b'bytes', that may itself contain spaces. Encoding
 * takes the longest token that matches, from the left; there are no merges and no special cases. */
#include "runtime/tokenizer_kind.h"

#include "base/arena.h"
#include "base/array.h"

#include <stdlib.h>
#include <string.h>

enum { TOKEN_BYTES_MAX = 1024, ID_MAX = 1 << 20 };

struct token {
	struct slice bytes;
	uint32_t id;
};

struct world {
	struct tokenizer base;
	struct arena arena;
	struct token *sorted; /* by bytes, so that equal beginnings lie together */
	size_t n, cap;
	struct slice *by_id; /* (vocab) */
	size_t first[257];   /* sorted[first[b] .. first[b + 1]) begin with byte b */
};

/* -- one line ------------------------------------------------------------------------------ */

struct literal {
	struct slice in;
	bool bytes; /* b'...': \xNN is a byte; otherwise a code point, written as UTF-8 */
	unsigned char out[TOKEN_BYTES_MAX];
	size_t n;
};

static bool put(struct literal *l, uint32_t byte)
{
	if (l->n == TOKEN_BYTES_MAX)
		return false;
	l->out[l->n++] = (unsigned char)byte;
	return true;
}

static bool put_code_point(struct literal *l, uint32_t c)
{
	if (l->bytes)
		return c < 0x100 && put(l, c);
	if (c < 0x80)
		return put(l, c);
	if (c < 0x800)
		return put(l, 0xc0 | c >> 6) && put(l, 0x80 | (c & 0x3f));
	if (c < 0x10000)
		return put(l, 0xe0 | c >> 12) && put(l, 0x80 | (c >> 6 & 0x3f)) && put(l, 0x80 | (c & 0x3f));
	return c < 0x110000 && put(l, 0xf0 | c >> 18) && put(l, 0x80 | (c >> 12 & 0x3f)) &&
	       put(l, 0x80 | (c >> 6 & 0x3f)) && put(l, 0x80 | (c & 0x3f));
}

static bool put_hex(struct literal *l, size_t digits)
{
	uint32_t c = 0;

	if (l->in.n < digits)
		return false;
	for (size_t i = 0; i < digits; i++) {
		char d = l->in.p[i];
		int v = d >= '0' && d <= '9'   ? d - '0'
			: d >= 'a' && d <= 'f' ? d - 'a' + 10
			: d >= 'A' && d <= 'F' ? d - 'A' + 10
					       : -1;

		if (v < 0)
			return false;
		c = c << 4 | (uint32_t)v;
	}
	l->in.p += digits;
	l->in.n -= digits;
	return put_code_point(l, c);
}

static bool put_escape(struct literal *l, char c)
{
	switch (c) {
	case 'n':
		return put(l, '\n');
	case 'r':
		return put(l, '\r');
	case 't':
		return put(l, '\t');
	case 'x':
		return put_hex(l, 2);
	case 'u':
		return put_hex(l, 4);
	case 'U':
		return put_hex(l, 8);
	case '\\':
	case '\'':
	case '"':
		return put(l, (unsigned char)c);
	default:
		return false;
	}
}

static bool read_literal(struct literal *l)
{
	char quote;

	l->bytes = l->in.n && *l->in.p == 'b';
	l->in.p += l->bytes;
	l->in.n -= l->bytes;
	if (l->in.n < 2 || (*l->in.p != '\'' && *l->in.p != '"') || l->in.p[l->in.n - 1] != *l->in.p)
		return false;
	quote = *l->in.p++;
	l->in.n -= 2;
	while (l->in.n) {
		char c = *l->in.p++;

		l->in.n--;
		if (c == quote)
			return false;
		if (c != '\\' && !put(l, (unsigned char)c))
			return false;
		if (c == '\\') {
			if (!l->in.n)
				return false;
			c = *l->in.p++;
			l->in.n--;
			if (!put_escape(l, c))
				return false;
		}
	}
	return true;
}

static bool read_number(struct slice s, uint32_t *out)
{
	*out = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9' || *out > ID_MAX)
			return false;
		*out = *out * 10 + (uint32_t)(s.p[i] - '0');
	}
	return s.n;
}

static int add_token(struct world *w, const struct literal *l, uint32_t id, struct err *err)
{
	struct token *t;

	if (!array_grow(&w->sorted, w->n, &w->cap, 1 << 16, sizeof *w->sorted))
		return err_set(err, ERR_NOMEM, "no memory for a vocabulary");
	t = &w->sorted[w->n++];
	t->id = id;
	t->bytes = (struct slice){ arena_copy(&w->arena, (struct slice){ (const char *)l->out, l->n }), l->n };
	if (!t->bytes.p)
		return err_set(err, ERR_NOMEM, "no memory for a vocabulary");
	if (id >= w->base.vocab)
		w->base.vocab = id + 1;
	return 0;
}

/* A message about what is wrong with the line, or NULL. */
static const char *read_line(struct slice line, struct literal *l, uint32_t *id)
{
	const char *first = memchr(line.p, ' ', line.n), *last = memrchr(line.p, ' ', line.n);
	uint32_t bytes;

	if (!first || first == last)
		return "expected ID LITERAL BYTES";
	if (!read_number((struct slice){ line.p, (size_t)(first - line.p) }, id) || *id >= ID_MAX)
		return "the id is no number below 1048576";
	l->n = 0;
	l->in = (struct slice){ first + 1, (size_t)(last - first - 1) };
	if (!read_literal(l) || !l->n)
		return "the token is no Python string";
	if (!read_number((struct slice){ last + 1, (size_t)(line.p + line.n - last - 1) }, &bytes) || bytes != l->n)
		return "the token's length is not the one given";
	return NULL;
}

static int read_lines(struct world *w, struct slice text, const char *path, struct err *err)
{
	struct literal l;
	uint32_t id = 0;
	int rc = 0;

	for (size_t number = 1; text.n && !rc; number++) {
		const char *end = memchr(text.p, '\n', text.n), *wrong;
		size_t n = end ? (size_t)(end - text.p) : text.n, step = n + (end ? 1 : 0);
		struct slice line = { text.p, n && text.p[n - 1] == '\r' ? n - 1 : n };

		text.p += step;
		text.n -= step;
		if (!line.n)
			continue;
		wrong = read_line(line, &l, &id);
		if (wrong) {
			err_set(err, ERR_FORMAT, "%s:%zu: %s", path, number, err_words(wrong));
			return err_hint(err, "Give rwkv_vocab_v20230424.txt as it comes with the rwkv package.");
		}
		rc = add_token(w, &l, id, err);
	}
	return rc;
}

/* -- the index ------------------------------------------------------------------------------- */

static int compare_tokens(const void *a, const void *b)
{
	const struct token *x = a, *y = b;
	size_t n = x->bytes.n < y->bytes.n ? x->bytes.n : y->bytes.n;
	int order = memcmp(x->bytes.p, y->bytes.p, n);

	return order ? order : (x->bytes.n > y->bytes.n) - (x->bytes.n < y->bytes.n);
}

static int build_index(struct world *w, const char *path, struct err *err)
{
	if (!w->n)
		return err_set(err, ERR_FORMAT, "%s: holds no tokens", path);
	w->by_id = arena_alloc(&w->arena, w->base.vocab, sizeof *w->by_id);
	if (!w->by_id)
		return err_set(err, ERR_NOMEM, "%s: no memory for a vocabulary", path);
	qsort(w->sorted, w->n, sizeof *w->sorted, compare_tokens);
	for (size_t i = 0; i < w->n; i++) {
		const struct token *t = &w->sorted[i];

		if (w->by_id[t->id].p)
			return err_set(err, ERR_FORMAT, "%s: id %u occurs twice", path, t->id);
		if (i && slice_equal(t->bytes, w->sorted[i - 1].bytes))
			return err_set(err, ERR_FORMAT, "%s: tokens %u and %u are equal", path, w->sorted[i - 1].id,
				       t->id);
		w->by_id[t->id] = t->bytes;
		w->first[(unsigned char)t->bytes.p[0] + 1] = i + 1;
	}
	for (int b = 1; b < 257; b++) /* bytes that begin no token */
		if (w->first[b] < w->first[b - 1])
			w->first[b] = w->first[b - 1];
	return 0;
}

/* First of sorted[lo .. hi), equal in their first `depth` bytes, whose next byte is at least c. */
static size_t bound(const struct world *w, size_t lo, size_t hi, size_t depth, int c)
{
	while (lo < hi) {
		size_t middle = lo + (hi - lo) / 2;

		if ((unsigned char)w->sorted[middle].bytes.p[depth] < c)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo;
}

/* The longest token the text begins with, or NULL. */
static const struct token *longest(const struct world *w, struct slice text)
{
	unsigned char c = (unsigned char)text.p[0];
	size_t lo = w->first[c], hi = w->first[c + 1];
	const struct token *best = NULL;

	for (size_t depth = 1; lo < hi; depth++) {
		if (w->sorted[lo].bytes.n == depth)
			best = &w->sorted[lo++]; /* the shortest comes first */
		if (depth == text.n)
			break;
		c = (unsigned char)text.p[depth];
		lo = bound(w, lo, hi, depth, c);
		hi = bound(w, lo, hi, depth, c + 1);
	}
	return best;
}

/* -- the kind -------------------------------------------------------------------------------- */

static int encode(const struct tokenizer *t, struct slice text, struct token_list *out, struct err *err)
{
	const struct world *w = (const struct world *)t;
	int rc = 0;

	while (text.n && !rc) {
		const struct token *best = longest(w, text);

		if (!best)
			return err_set(err, ERR_UNSUPPORTED, "the vocabulary has no token for the byte 0x%02x",
				       (unsigned char)*text.p);
		rc = token_list_add(out, best->id, err);
		text.p += best->bytes.n;
		text.n -= best->bytes.n;
	}
	return rc;
}

static struct slice bytes_of(const struct tokenizer *t, uint32_t id)
{
	return id < t->vocab ? ((const struct world *)t)->by_id[id] : (struct slice){ NULL, 0 };
}

static void close_world(struct tokenizer *t)
{
	struct world *w = (struct world *)t;

	free(w->sorted);
	arena_free(&w->arena);
	free(w);
}

static const struct tokenizer_kind kind_world = { "world", encode, bytes_of, close_world };

int tokenizer_open_world(struct tokenizer **out, struct slice text, const char *label, struct err *err)
{
	struct world *w = calloc(1, sizeof *w);
	int rc;

	*out = NULL;
	if (!w)
		return err_set(err, ERR_NOMEM, "%s: no memory for a tokenizer", label);
	w->base.kind = &kind_world;
	rc = read_lines(w, text, label, err);
	if (!rc)
		rc = build_index(w, label, err);
	if (rc)
		close_world(&w->base);
	else
		*out = &w->base;
	return rc;
}
