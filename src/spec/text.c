/* text.c - the rows of text.def. */
#include "spec/text.h"

#include <string.h>

static const char *const texts[TEXT_COUNT][LANG_COUNT] = {
#define TEXT(name, en, zh) [TEXT_##name] = { en, zh },
#include "spec/text.def"
#undef TEXT
};

const char *text(enum text_id id, enum lang lang)
{
	return texts[id][lang];
}

static void put_plain(struct buf *out, struct slice piece)
{
	buf_add(out, piece.p, piece.n);
}

static struct slice between(const char *from, const char *to)
{
	return (struct slice){ from, (size_t)(to - from) };
}

/* Words without %s; `value` stands before them. */
static void put_worded(struct buf *out, struct slice words, const char *value, text_put *put)
{
	const char *at = words.p, *end = words.p + words.n, *open, *bar, *close;

	while ((open = memchr(at, '{', (size_t)(end - at))) && (bar = memchr(open, '|', (size_t)(end - open))) &&
	       (close = memchr(bar, '}', (size_t)(end - bar)))) {
		put(out, between(at, open));
		put(out, strcmp(value, "1") ? between(bar + 1, close) : between(open + 1, bar));
		at = close + 1;
	}
	put(out, between(at, end));
}

const char *const *text_fill_as(struct buf *out, const char *words, const char *const *values, text_put *put)
{
	const char *value = "", *hole;

	for (; (hole = strstr(words, "%s")); words = hole + 2) {
		put_worded(out, between(words, hole), value, put);
		value = *values++;
		buf_str(out, value);
	}
	put_worded(out, between(words, words + strlen(words)), value, put);
	return values;
}

const char *const *text_fill_words(struct buf *out, const char *words, const char *const *values)
{
	return text_fill_as(out, words, values, put_plain);
}

void text_fill_list(struct buf *out, enum lang lang, enum text_id id, const char *const *values)
{
	text_fill_words(out, text(id, lang), values);
}
