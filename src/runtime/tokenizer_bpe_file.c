/* tokenizer_bpe_file.c - reads the JSON form of HuggingFace's tokenizers, as far as GPT-NeoX's 20B_tokenizer.json uses
 * it:
 *     model.vocab   {"token": id}, tokens spelled in GPT-2's alphabet of 256 letters, one per byte
 *     model.merges  ["a b", ...] or [["a", "b"], ...], best first
 *     added_tokens  [{id, content, special, normalized, ...}]
 * Any other feature that would change the result is refused by name. */
#include "runtime/tokenizer_bpe.h"

#include "base/utf8.h"

#include <jansson.h>
#include <stdlib.h>

enum { ID_LIMIT = 1 << 20, TOKEN_BYTES_MAX = 1024, ADDED_MAX = 4096 };

struct reader {
	struct bpe *b;
	const char *label;
	struct err *err;
	const json_t *vocab;
	uint16_t byte_of[0x180]; /* code point of the alphabet -> byte + 1; 0: none */
};

/* -- what is not supported ----------------------------------------------------------------- */

static int refuse(struct reader *r, const char *what)
{
	err_set(r->err, ERR_UNSUPPORTED, "%s: %s", r->label, err_words(what));
	return err_hint(r->err, "Give the 20B_tokenizer.json that RWKV-4 Pile models were trained with, or a World "
				"vocabulary (rwkv_vocab_v20230424.txt).");
}

static bool is_type(const json_t *part, const char *type)
{
	const char *found = json_string_value(json_object_get(part, "type"));

	return found && !strcmp(found, type);
}

static bool is_empty(const json_t *v)
{
	return !v || json_is_null(v) || json_is_false(v) || (json_is_string(v) && !json_string_length(v));
}

static int check_parts(struct reader *r, const json_t *root, const json_t *model)
{
	static const char *const unused[] = { "dropout", "continuing_subword_prefix", "end_of_word_suffix",
					      "byte_fallback", "ignore_merges" };
	const json_t *normalizer = json_object_get(root, "normalizer"), *pre = json_object_get(root, "pre_tokenizer");

	if (!json_is_object(json_object_get(model, "vocab")) || !json_is_array(json_object_get(model, "merges")))
		return refuse(r, "has no model.vocab and model.merges; expected a BPE tokenizer");
	if (json_object_get(model, "type") && !is_type(model, "BPE"))
		return refuse(r, "model.type is not BPE");
	if (!is_empty(normalizer) && !is_type(normalizer, "NFC"))
		return refuse(r, "normalizer: expected none or NFC");
	if (!is_type(pre, "ByteLevel") || json_is_true(json_object_get(pre, "add_prefix_space")) ||
	    json_is_false(json_object_get(pre, "use_regex")))
		return refuse(r, "pre_tokenizer: expected ByteLevel with its pattern and without add_prefix_space");
	for (size_t i = 0; i < sizeof unused / sizeof *unused; i++)
		if (!is_empty(json_object_get(model, unused[i]))) {
			char what[80];

			snprintf(what, sizeof what, err_words("model.%s is set; expected it unused"), unused[i]);
			return refuse(r, what);
		}
	r->b->nfc = !is_empty(normalizer);
	return 0;
}

/* -- the alphabet --------------------------------------------------------------------------- */

/* Bytes that print stand for themselves, the others for 256, 257, … in order. */
static void make_alphabet(struct reader *r)
{
	uint32_t further = 256;

	for (uint32_t byte = 0; byte < 256; byte++) {
		bool prints = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);

		r->byte_of[prints ? byte : further++] = (uint16_t)(byte + 1);
	}
}

/* The bytes a token of n <= TOKEN_BYTES_MAX bytes of text stands for: false when it has a letter beyond the alphabet.
 */
static bool spell(const struct reader *r, const char *text, size_t n, unsigned char out[TOKEN_BYTES_MAX], size_t *n_out)
{
	*n_out = 0;
	for (size_t at = 0, bytes; at < n; at += bytes) {
		uint32_t c = utf8_decode(text + at, &bytes);

		if (c >= sizeof r->byte_of / sizeof *r->byte_of || !r->byte_of[c])
			return false;
		out[(*n_out)++] = (unsigned char)(r->byte_of[c] - 1);
	}
	return true;
}

/* -- tokens --------------------------------------------------------------------------------- */

static int bad_id(struct reader *r, const char *text)
{
	return err_set(r->err, ERR_FORMAT, "%s: the token \"%.64s\" has no id from 0 to %d", r->label, text,
		       ID_LIMIT - 1);
}

static bool id_of(const json_t *value, uint32_t *out)
{
	json_int_t v = json_is_integer(value) ? json_integer_value(value) : -1;

	*out = (uint32_t)v;
	return v >= 0 && v < ID_LIMIT;
}

/* Largest id of both lists, checked on the way. */
static int count_ids(struct reader *r, const json_t *added)
{
	const char *text;
	json_t *value;
	size_t i;
	uint32_t id;

	json_object_foreach((json_t *)(uintptr_t)r->vocab, text, value)
	{
		if (!id_of(value, &id))
			return bad_id(r, text);
		if (id >= r->b->base.vocab)
			r->b->base.vocab = id + 1;
	}
	json_array_foreach(added, i, value)
	{
		text = json_string_value(json_object_get(value, "content"));
		if (!text || !*text || !id_of(json_object_get(value, "id"), &id))
			return bad_id(r, text ? text : "");
		if (id >= r->b->base.vocab)
			r->b->base.vocab = id + 1;
	}
	return r->b->base.vocab ? 0 : err_set(r->err, ERR_FORMAT, "%s: holds no tokens", r->label);
}

static int set_bytes(struct reader *r, uint32_t id, const void *p, size_t n)
{
	struct slice *to = &r->b->by_id[id];

	if (to->p)
		return err_set(r->err, ERR_FORMAT, "%s: id %u occurs twice", r->label, id);
	*to = (struct slice){ arena_copy(&r->b->arena, (struct slice){ p, n }), n };
	return to->p ? 0 : err_set(r->err, ERR_NOMEM, "%s: no memory for a vocabulary", r->label);
}

static int read_vocab(struct reader *r)
{
	unsigned char bytes[TOKEN_BYTES_MAX];
	const char *text;
	json_t *value;
	int rc = 0;

	json_object_foreach((json_t *)(uintptr_t)r->vocab, text, value)
	{
		uint32_t id = (uint32_t)json_integer_value(value);
		size_t n, length = strlen(text);

		if (rc)
			break;
		if (length > TOKEN_BYTES_MAX)
			return err_set(r->err, ERR_FORMAT, "%s: token %u is longer than %d bytes", r->label, id,
				       TOKEN_BYTES_MAX);
		if (!spell(r, text, length, bytes, &n)) {
			rc = set_bytes(r, id, text, length);
			continue;
		}
		if (n == 1)
			r->b->of_byte[bytes[0]] = id;
		rc = set_bytes(r, id, bytes, n);
	}
	return rc;
}

static int longer_first(const void *a, const void *b)
{
	const struct bpe_added *x = a, *y = b;

	return x->text.n != y->text.n ? (x->text.n < y->text.n) - (x->text.n > y->text.n)
				      : (x->id > y->id) - (x->id < y->id);
}

/* Added tokens say their text plainly; special ones have none when they are shown. */
static int read_added(struct reader *r, const json_t *added)
{
	static const char *const unused[] = { "single_word", "lstrip", "rstrip" };
	struct bpe *b = r->b;
	json_t *value;
	size_t i;

	if (json_array_size(added) > ADDED_MAX)
		return refuse(r, "has more than 4096 added tokens");
	b->added = arena_alloc(&b->arena, json_array_size(added) + 1, sizeof *b->added);
	if (!b->added)
		return err_set(r->err, ERR_NOMEM, "%s: no memory for a vocabulary", r->label);
	json_array_foreach(added, i, value)
	{
		const char *text = json_string_value(json_object_get(value, "content"));
		struct bpe_added *a = &b->added[b->n_added++];
		bool special = json_is_true(json_object_get(value, "special"));

		for (size_t j = 0; j < sizeof unused / sizeof *unused; j++)
			if (json_is_true(json_object_get(value, unused[j])))
				return refuse(r, "added_tokens with single_word, lstrip or rstrip are not supported");
		a->id = (uint32_t)json_integer_value(json_object_get(value, "id"));
		a->normalised = json_is_true(json_object_get(value, "normalized"));
		a->text = (struct slice){ arena_copy(&b->arena, slice_of(text)), strlen(text) };
		if (!a->text.p)
			return err_set(r->err, ERR_NOMEM, "%s: no memory for a vocabulary", r->label);
		b->by_id[a->id] = special ? (struct slice){ "", 0 } : a->text;
	}
	qsort(b->added, b->n_added, sizeof *b->added, longer_first);
	return 0;
}

/* -- merges --------------------------------------------------------------------------------- */

/* The two halves of "a b" or ["a", "b"]; false when it is neither. */
static bool halves(const json_t *merge, struct slice half[2])
{
	const char *text = json_string_value(merge), *space = text ? strchr(text, ' ') : NULL;

	if (json_array_size(merge) == 2) {
		for (size_t i = 0; i < 2; i++)
			half[i] = slice_of(json_string_value(json_array_get(merge, i)));
		return half[0].p && half[1].p;
	}
	if (!space)
		return false;
	half[0] = (struct slice){ text, (size_t)(space - text) };
	half[1] = slice_of(space + 1);
	return true;
}

static bool look_up(const struct reader *r, struct slice text, uint32_t *id)
{
	const json_t *value = text.n ? json_object_getn(r->vocab, text.p, text.n) : NULL;

	return value && id_of(value, id);
}

static int by_pair(const void *a, const void *b)
{
	const struct bpe_merge *x = a, *y = b;

	if (x->left != y->left)
		return x->left < y->left ? -1 : 1;
	if (x->right != y->right)
		return x->right < y->right ? -1 : 1;
	return (x->rank > y->rank) - (x->rank < y->rank);
}

static int read_merge(struct reader *r, const json_t *merge, struct bpe_merge *out)
{
	struct slice half[2];
	char joined[4 * TOKEN_BYTES_MAX];

	if (!halves(merge, half) || half[0].n + half[1].n > sizeof joined)
		return err_set(r->err, ERR_FORMAT, "%s: merge %u is no pair of tokens", r->label, out->rank);
	memcpy(joined, half[0].p, half[0].n);
	memcpy(joined + half[0].n, half[1].p, half[1].n);
	if (look_up(r, half[0], &out->left) && look_up(r, half[1], &out->right) &&
	    look_up(r, (struct slice){ joined, half[0].n + half[1].n }, &out->into))
		return 0;
	err_set(r->err, ERR_FORMAT, "%s: merge %u (\"%.*s\" and \"%.*s\") joins tokens that are not in the vocabulary",
		r->label, out->rank, SLICE_ARG(half[0]), SLICE_ARG(half[1]));
	return err_hint(r->err, "The file is incomplete or was changed: download it again.");
}

static int read_merges(struct reader *r, const json_t *merges)
{
	struct bpe *b = r->b;
	size_t n = json_array_size(merges), kept = 0;
	int rc = 0;

	b->merges = arena_alloc(&b->arena, n + 1, sizeof *b->merges);
	if (!b->merges)
		return err_set(r->err, ERR_NOMEM, "%s: no memory for merges", r->label);
	for (size_t i = 0; i < n && !rc; i++) {
		b->merges[i].rank = (uint32_t)i;
		rc = read_merge(r, json_array_get(merges, i), &b->merges[i]);
	}
	if (rc)
		return rc;
	qsort(b->merges, n, sizeof *b->merges, by_pair);
	for (size_t i = 0; i < n; i++) { /* of a pair that is there twice, the later one counts, as in a map */
		bool same = kept && b->merges[kept - 1].left == b->merges[i].left &&
			    b->merges[kept - 1].right == b->merges[i].right;

		b->merges[kept - same] = b->merges[i];
		kept += !same;
	}
	b->n_merges = kept;
	return 0;
}

int bpe_read(struct bpe *b, struct slice json, const char *label, struct err *err)
{
	struct reader r = { .b = b, .label = label, .err = err };
	char said[ERR_SAID_BYTES];
	json_error_t where;
	json_t *root = json_loadb(json.p, json.n, JSON_REJECT_DUPLICATES, &where);
	const json_t *model = json_object_get(root, "model"), *added = json_object_get(root, "added_tokens");
	int rc;

	if (!root)
		return err_set(err, ERR_FORMAT, "%s:%d:%d: %s; expected a tokenizer's JSON", label, where.line,
			       where.column, err_said(said, where.text));
	r.vocab = json_object_get(model, "vocab");
	make_alphabet(&r);
	for (int i = 0; i < 256; i++)
		b->of_byte[i] = BPE_NONE;
	rc = check_parts(&r, root, model);
	if (!rc)
		rc = count_ids(&r, added);
	if (!rc) {
		b->by_id = arena_alloc(&b->arena, b->base.vocab, sizeof *b->by_id);
		rc = b->by_id ? read_vocab(&r) : err_set(err, ERR_NOMEM, "%s: no memory for a vocabulary", label);
	}
	if (!rc)
		rc = read_added(&r, added);
	if (!rc)
		rc = read_merges(&r, json_object_get(model, "merges"));
	json_decref(root);
	return rc;
}
