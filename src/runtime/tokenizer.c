/* tokenizer.c - opens whichever kind a file holds; bytes as tokens. */
#include "runtime/tokenizer.h"

#include "base/array.h"
#include "base/file.h"
#include "base/utf8.h"
#include "runtime/tokenizer_kind.h"

#include <stdlib.h>
#include <string.h>

/* -- bytes ------------------------------------------------------------------------------- */

static int bytes_encode(const struct tokenizer *t, struct slice text, struct token_list *out, struct err *err)
{
	int rc = 0;

	(void)t;
	for (size_t i = 0; i < text.n && !rc; i++)
		rc = token_list_add(out, (unsigned char)text.p[i], err);
	return rc;
}

static struct slice bytes_bytes(const struct tokenizer *t, uint32_t id)
{
#define B1(n) (char)(n)
#define B4(n) B1(n), B1((n) + 1), B1((n) + 2), B1((n) + 3)
#define B16(n) B4(n), B4((n) + 4), B4((n) + 8), B4((n) + 12)
#define B64(n) B16(n), B16((n) + 16), B16((n) + 32), B16((n) + 48)
	static const char all[256] = { B64(0), B64(64), B64(128), B64(192) };

	return id < t->vocab ? (struct slice){ all + id, 1 } : (struct slice){ NULL, 0 };
}

static void bytes_close(struct tokenizer *t)
{
	free(t);
}

static const struct tokenizer_kind kind_bytes = { "bytes", bytes_encode, bytes_bytes, bytes_close };

int tokenizer_open_bytes(struct tokenizer **out, struct err *err)
{
	*out = calloc(1, sizeof **out);
	if (!*out)
		return err_set(err, ERR_NOMEM, "no memory for a tokenizer");
	**out = (struct tokenizer){ &kind_bytes, 256 };
	return 0;
}

/* -- vocabulary files ---------------------------------------------------------------------- */

enum { FILE_BYTES_MAX = 1 << 26 };

/* What Notepad puts before a text. */
static struct slice without_mark(struct slice text)
{
	if (text.n >= 3 && !memcmp(text.p, "\xef\xbb\xbf", 3))
		return (struct slice){ text.p + 3, text.n - 3 };
	return text;
}

/* {"1": ...}: the World vocabulary as web-rwkv and Ai00 have it. */
static bool is_world_json(struct slice text)
{
	size_t i = 0;

	while (i < text.n && strchr(" \t\r\n{", text.p[i]) && text.p[i])
		i++;
	if (i == text.n || text.p[i++] != '"')
		return false;
	for (size_t digits = 0; i < text.n && text.p[i] >= '0' && text.p[i] <= '9'; i++)
		if (++digits > 7)
			return false;
	return i > 1 && i < text.n && text.p[i] == '"' && text.p[i - 1] >= '0' && text.p[i - 1] <= '9';
}

static int refuse_world_json(const char *path, struct err *err)
{
	err_set(err, ERR_UNSUPPORTED, "%s: is the World vocabulary in web-rwkv's JSON", path);
	return err_hint(err,
			"Give rwkv_vocab_v20230424.txt, from which it was made (github.com/BlinkDL/ChatRWKV, folder "
			"tokenizer).");
}

static bool is_json(struct slice text)
{
	while (text.n && strchr(" \t\r\n", text.p[0]) && text.p[0])
		text.p++, text.n--;
	return text.n && text.p[0] == '{';
}

int tokenizer_open(struct tokenizer **out, const char *path, struct err *err)
{
	struct file_map map;
	int rc = file_map(&map, path, err);
	struct slice text = { rc ? NULL : (const char *)map.p, rc ? 0 : map.n };

	*out = NULL;
	if (rc)
		return rc;
	text = without_mark(text);
	if (is_json(text) && is_world_json(text))
		rc = refuse_world_json(path, err);
	else if (text.n > FILE_BYTES_MAX)
		rc = err_set(err, ERR_FORMAT, "%s: is larger than any vocabulary (%d bytes)", path, FILE_BYTES_MAX);
	else
		rc = is_json(text) ? tokenizer_open_bpe(out, text, path, err)
				   : tokenizer_open_world(out, text, path, err);
	file_unmap(&map);
	return rc;
}

/* -- any kind ---------------------------------------------------------------------------- */

void tokenizer_close(struct tokenizer *t)
{
	if (t)
		t->kind->close(t);
}

const char *tokenizer_name(const struct tokenizer *t)
{
	return t->kind->name;
}

size_t tokenizer_vocab(const struct tokenizer *t)
{
	return t->vocab;
}

int tokenizer_encode(const struct tokenizer *t, struct slice text, struct token_list *out, struct err *err)
{
	return t->kind->encode(t, text, out, err);
}

struct slice tokenizer_bytes(const struct tokenizer *t, uint32_t id)
{
	return t->kind->bytes(t, id);
}

int token_list_add(struct token_list *l, uint32_t id, struct err *err)
{
	if (!array_grow(&l->ids, l->n, &l->cap, 256, sizeof *l->ids))
		return err_set(err, ERR_NOMEM, "no memory for %zu tokens", 2 * l->n);
	l->ids[l->n++] = id;
	return 0;
}

void token_list_free(struct token_list *l)
{
	free(l->ids);
	*l = (struct token_list){ 0 };
}

/* -- text on its way out ------------------------------------------------------------------- */

static const char replacement[] = "\xef\xbf\xbd";

static void add_whole(struct buf *out, const char *p, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t bytes = utf8_char_bytes(p + i, n - i);

		if (bytes)
			buf_add(out, p + i, bytes);
		else
			buf_str(out, replacement);
		i += bytes ? bytes : 1;
	}
}

void text_stream_push(struct text_stream *s, struct slice bytes, struct buf *out)
{
	/* The pending bytes and the new ones meet, at most 8 at a time. */
	while (bytes.n) {
		char joined[8];
		size_t take = bytes.n < sizeof joined - s->n ? bytes.n : sizeof joined - s->n, n = s->n + take, whole;

		memcpy(joined, s->pending, s->n);
		memcpy(joined + s->n, bytes.p, take);
		whole = utf8_whole_prefix(joined, n);
		add_whole(out, joined, whole);
		s->n = n - whole; /* at most 3: the beginning of one character */
		memcpy(s->pending, joined + whole, s->n);
		bytes.p += take;
		bytes.n -= take;
	}
}

void text_stream_end(struct text_stream *s, struct buf *out)
{
	if (s->n)
		buf_str(out, replacement);
	s->n = 0;
}
