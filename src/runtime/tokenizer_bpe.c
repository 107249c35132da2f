/* tokenizer_bpe.c - byte-level BPE: the text is cut at added tokens, normalised, cut into pieces (tokenizer_split.h),
 * and within a piece the pair of neighbours with the lowest rank is merged until no pair is left. */
#include "runtime/tokenizer_bpe.h"

#include "runtime/tokenizer_split.h"

#include <stdlib.h>

/* -- merging within a piece ------------------------------------------------------------------ */

/* A token of the piece; merged ones leave the list. Indices, NONE at the ends. */
struct symbol {
	uint32_t id, prev, next;
};

/* A possible merge, kept in a heap: lowest rank first, then leftmost. It is stale when the
 * symbols have changed since. */
struct candidate {
	uint32_t rank, at, left, right, into;
};

struct piece {
	const struct bpe *b;
	struct symbol *symbol;
	struct candidate *heap;
	size_t n, n_heap;
};

static const struct bpe_merge *find_merge(const struct bpe *b, uint32_t left, uint32_t right)
{
	size_t lo = 0, hi = b->n_merges;

	while (lo < hi) {
		size_t middle = lo + (hi - lo) / 2;
		const struct bpe_merge *m = &b->merges[middle];

		if (m->left == left && m->right == right)
			return m;
		if (m->left < left || (m->left == left && m->right < right))
			lo = middle + 1;
		else
			hi = middle;
	}
	return NULL;
}

static bool before(const struct candidate *a, const struct candidate *b)
{
	return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void heap_push(struct piece *p, struct candidate c)
{
	size_t i = p->n_heap++;

	for (; i && before(&c, &p->heap[(i - 1) / 2]); i = (i - 1) / 2)
		p->heap[i] = p->heap[(i - 1) / 2];
	p->heap[i] = c;
}

static struct candidate heap_pop(struct piece *p)
{
	struct candidate top = p->heap[0], last = p->heap[--p->n_heap];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < p->n_heap) {
		if (child + 1 < p->n_heap && before(&p->heap[child + 1], &p->heap[child]))
			child++;
		if (!before(&p->heap[child], &last))
			break;
		p->heap[i] = p->heap[child];
		i = child;
	}
	p->heap[i] = last;
	return top;
}

/* The pair that begins at symbol `at`, when it can be merged. */
static void consider(struct piece *p, uint32_t at)
{
	const struct symbol *s = &p->symbol[at];
	const struct bpe_merge *m;

	if (at == BPE_NONE || s->next == BPE_NONE)
		return;
	m = find_merge(p->b, s->id, p->symbol[s->next].id);
	if (m)
		heap_push(p, (struct candidate){ m->rank, at, m->left, m->right, m->into });
}

/* Each merge removes a symbol and adds at most two candidates: 3 n of them in all. */
static void merge_all(struct piece *p)
{
	for (uint32_t i = 0; i + 1 < p->n; i++)
		consider(p, i);
	while (p->n_heap) {
		struct candidate c = heap_pop(p);
		struct symbol *s = &p->symbol[c.at], *gone;

		if (s->id != c.left || s->next == BPE_NONE || p->symbol[s->next].id != c.right)
			continue;
		gone = &p->symbol[s->next];
		s->id = c.into;
		s->next = gone->next;
		gone->id = BPE_NONE;
		if (s->next != BPE_NONE)
			p->symbol[s->next].prev = c.at;
		if (s->prev != BPE_NONE)
			consider(p, s->prev);
		consider(p, c.at);
	}
}

/* Room for the longest piece so far. */
struct room {
	struct symbol *symbol;
	struct candidate *heap;
	size_t n;
};

static int reserve_symbols(struct room *room, size_t n, struct err *err)
{
	struct symbol *symbol;
	struct candidate *heap;

	if (n <= room->n)
		return 0;
	symbol = realloc(room->symbol, n * sizeof *symbol);
	if (symbol)
		room->symbol = symbol;
	heap = realloc(room->heap, 3 * n * sizeof *heap);
	if (heap)
		room->heap = heap;
	if (!symbol || !heap)
		return err_set(err, ERR_NOMEM, "no memory to split %zu bytes into tokens", n);
	room->n = n;
	return 0;
}

static int encode_piece(const struct bpe *b, struct room *room, struct slice text, struct token_list *out,
			struct err *err)
{
	struct piece p = { .b = b, .n = text.n };
	int rc = reserve_symbols(room, text.n, err);

	p.symbol = room->symbol;
	p.heap = room->heap;
	for (uint32_t i = 0; i < text.n && !rc; i++) {
		uint32_t id = b->of_byte[(unsigned char)text.p[i]];

		p.symbol[i] = (struct symbol){ id, i - 1, i + 1 < text.n ? i + 1 : BPE_NONE }; /* 0 - 1: BPE_NONE */
		if (id == BPE_NONE)
			rc = err_set(err, ERR_UNSUPPORTED, "the vocabulary has no token for the byte 0x%02x",
				     (unsigned char)text.p[i]);
	}
	if (rc)
		return rc;
	merge_all(&p);
	for (uint32_t i = 0; i != BPE_NONE && !rc; i = p.symbol[i].next)
		rc = token_list_add(out, p.symbol[i].id, err);
	return rc;
}

/* -- cutting at added tokens ------------------------------------------------------------------ */

/* The longest added token of the kind that stands at the beginning of the text, or NULL. */
static const struct bpe_added *added_at(const struct bpe *b, struct slice text, bool normalised)
{
	for (size_t i = 0; i < b->n_added; i++) {
		const struct bpe_added *a = &b->added[i];

		if (a->normalised == normalised && a->text.n <= text.n && !memcmp(a->text.p, text.p, a->text.n))
			return a;
	}
	return NULL;
}

struct encoding {
	const struct bpe *b;
	struct room room;
	struct token_list *out;
	struct err *err;
};

typedef int stretch_fn(struct encoding *e, struct slice text);

/* Each stretch between added tokens of the kind goes to `fn`, the tokens themselves to the list. */
static int cut(struct encoding *e, struct slice text, bool normalised, stretch_fn *fn)
{
	size_t from = 0, at = 0;
	int rc = 0;

	if (!text.n)
		return 0; /* text.p may be NULL */
	while (at < text.n && !rc) {
		const struct bpe_added *a = added_at(e->b, (struct slice){ text.p + at, text.n - at }, normalised);

		if (!a) {
			at++;
			continue;
		}
		rc = fn(e, (struct slice){ text.p + from, at - from });
		if (!rc)
			rc = token_list_add(e->out, a->id, e->err);
		from = at += a->text.n;
	}
	return rc ? rc : fn(e, (struct slice){ text.p + from, text.n - from });
}

static int encode_pieces(struct encoding *e, struct slice text)
{
	int rc = 0;

	while (text.n && !rc) {
		size_t n = split_piece(text);

		rc = encode_piece(e->b, &e->room, (struct slice){ text.p, n }, e->out, e->err);
		text.p += n;
		text.n -= n;
	}
	return rc;
}

static int encode_stretch(struct encoding *e, struct slice text)
{
	struct buf normal = { 0 };
	int rc;

	if (!e->b->nfc)
		return cut(e, text, true, encode_pieces);
	split_normalise(&normal, text);
	rc = normal.failed ? err_set(e->err, ERR_NOMEM, "no memory to normalise %zu bytes", text.n)
			   : cut(e, buf_slice(&normal), true, encode_pieces);
	buf_free(&normal);
	return rc;
}

/* -- the kind --------------------------------------------------------------------------------- */

static int encode(const struct tokenizer *t, struct slice text, struct token_list *out, struct err *err)
{
	struct encoding e = { .b = (const struct bpe *)t, .out = out, .err = err };
	int rc;

	if (text.n >= UINT32_MAX)
		return err_set(err, ERR_UNSUPPORTED, "%zu bytes of text at once; expected less than 4 GiB", text.n);
	rc = cut(&e, text, false, encode_stretch);
	free(e.room.symbol);
	free(e.room.heap);
	return rc;
}

static struct slice bytes_of(const struct tokenizer *t, uint32_t id)
{
	return id < t->vocab ? ((const struct bpe *)t)->by_id[id] : (struct slice){ NULL, 0 };
}

static void close_bpe(struct tokenizer *t)
{
	struct bpe *b = (struct bpe *)t;

	arena_free(&b->arena);
	free(b);
}

static const struct tokenizer_kind kind_bpe = { "bpe", encode, bytes_of, close_bpe };

int tokenizer_open_bpe(struct tokenizer **out, struct slice json, const char *label, struct err *err)
{
	struct bpe *b = calloc(1, sizeof *b);
	int rc;

	*out = NULL;
	if (!b)
		return err_set(err, ERR_NOMEM, "%s: no memory for a tokenizer", label);
	b->base.kind = &kind_bpe;
	rc = bpe_read(b, json, label, err);
	if (rc)
		close_bpe(&b->base);
	else
		*out = &b->base;
	return rc;
}
