/* retext.c - UTF-16 and wrapped lines into plain lines. */
#include "read/retext.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/json_read.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>

enum { PULL_BYTES = 64 << 10, LOOK_LINES = 256, LOOK_MOST = 64 << 10, PREFIX_MAX = 512, PENDING_MAX = 16 };

/* Pieces of a line whose last one is still to come; of each stream its own. */
struct pending {
	uint64_t stream;
	struct buf text; /* may be empty */
	bool is;
};

struct retext {
	enum text_form form;
	bool goes_on, ended;
	read_pull *pull;
	void *ctx;
	struct buf in; /* as it comes, from `at` on not yet used */
	size_t at;
	struct buf out; /* from out_at on not yet pulled */
	size_t out_at;
	size_t out_ready; /* up to where it may be pulled: while pieces are pending and the source goes on, what comes
			   * between them waits, too */
	struct pending pending[PENDING_MAX];
	struct buf scratch; /* of one line */
	uint64_t used, whole;
};

/* --- one wrapped line ------------------------------------------------------------------- */

static bool has(struct slice text, const char *word)
{
	return memmem(text.p, text.n, word, strlen(word)) != NULL;
}

static struct slice trim(struct slice s)
{
	while (s.n && strchr(" \t\r\n", s.p[0]) && s.p[0])
		s.p++, s.n--;
	while (s.n && strchr(" \t\r\n", s.p[s.n - 1]) && s.p[s.n - 1])
		s.n--;
	return s;
}

static bool is_record(struct slice s)
{
	s = trim(s);
	return s.n && *s.p == '{' && has(s, "\"event_type\"");
}

static void add_code(struct buf *out, uint32_t c)
{
	char bytes[4];
	size_t n = utf8_encode(bytes, c);

	buf_add(out, bytes, n);
}

/* The bytes of a JSON array of their numbers: so journald writes a text that is not UTF-8 or has control characters.
 * False: it is none. */
static bool add_numbered_bytes(struct buf *out, struct slice s)
{
	const char *end = s.p + s.n;

	for (const char *p = s.p; p < end;) {
		const char *first;
		unsigned byte = 0;

		while (p < end && *p == ' ')
			p++;
		for (first = p; p < end && p - first < 3 && *p >= '0' && *p <= '9'; p++)
			byte = byte * 10 + (unsigned)(*p - '0');
		if (p == first || byte > UINT8_MAX)
			return false;
		while (p < end && *p == ' ')
			p++;
		if (p == end || (*p != ',' && *p != ']'))
			return false;
		buf_char(out, (char)(unsigned char)byte);
		if (*p++ == ']')
			return true;
	}
	return false;
}

/* What is behind `"key":`; n 0: there is nothing. */
static struct slice value_of(struct slice line, const char *key)
{
	const char *at = memmem(line.p, line.n, key, strlen(key)), *end = line.p + line.n;

	if (!at)
		return (struct slice){ line.p, 0 };
	for (at += strlen(key); at < end && (*at == ' ' || *at == ':'); at++)
		;
	return (struct slice){ at, (size_t)(end - at) };
}

/* A text as a JSON string or as numbers of bytes; false: it is neither. */
static bool add_text(struct buf *out, struct slice value)
{
	if (!value.n || (*value.p != '"' && *value.p != '['))
		return false;
	if (*value.p == '[')
		return add_numbered_bytes(out, (struct slice){ value.p + 1, value.n - 1 });
	return json_read_string(out, value) != 0;
}

/* Without the colour's end, ESC [ 0 m. */
static struct slice cut_colour(struct slice text)
{
	size_t n = text.n;

	if (!n || text.p[n - 1] != 'm')
		return text;
	for (n--; n && ((text.p[n - 1] >= '0' && text.p[n - 1] <= '9') || text.p[n - 1] == ';');)
		n--;
	return n >= 2 && text.p[n - 1] == '[' && text.p[n - 2] == '\033' ? trim((struct slice){ text.p, n - 2 }) : text;
}

/* What follows a prefix such as a colour or a service's name; n 0: no record does. */
static struct slice behind_prefix(struct slice line)
{
	const struct slice text = cut_colour(line);
	const char *brace = text.n ? memchr(text.p, '{', text.n < PREFIX_MAX ? text.n : PREFIX_MAX) : NULL;
	struct slice rest = { brace, brace ? (size_t)(text.p + text.n - brace) : 0 };

	return brace && is_record(rest) && rest.p[rest.n - 1] == '}' ? rest : (struct slice){ text.p, 0 };
}

/* What a line holds. */
struct inner {
	struct slice text;
	bool is;         /* false: the line is not wrapped */
	bool sure;       /* a container's, whatever is in it */
	bool part;       /* its end comes with the next one of its stream */
	uint64_t stream; /* 0 where there is but one */
};

static uint64_t stream_of(struct slice value)
{
	const char *end = value.n > 1 ? memchr(value.p + 1, '"', value.n - 1) : NULL;

	return end ? hash_of((struct slice){ value.p, (size_t)(end - value.p) }) : 0;
}

/* Docker ends each line's last piece with a line end; its driver for the journal says which pieces are not the last. */
static void tell_part(struct inner *in, struct slice line, bool log)
{
	struct slice stream = value_of(line, "\"stream\""), id = value_of(line, "\"CONTAINER_PARTIAL_ID\"");

	if (log && stream.n) {
		in->sure = true;
		in->part = !in->text.n || in->text.p[in->text.n - 1] != '\n';
		in->text.n -= !in->part;
	} else if (id.n) {
		in->part = has(line, "\"CONTAINER_PARTIAL_MESSAGE\"");
	}
	in->stream = stream_of(id.n ? id : stream);
}

/* A JSON object that holds the line as a text. */
static struct inner out_of_object(struct slice line, struct buf *scratch)
{
	static const char *const keys[] = { "\"log\"", "\"MESSAGE\"", "\"message\"", "\"line\"" };

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		struct inner in = { .is = true };

		buf_clear(scratch);
		if (!add_text(scratch, value_of(line, keys[i])) || scratch->failed)
			continue;
		in.text = buf_slice(scratch);
		tell_part(&in, line, i == 0);
		return in;
	}
	return (struct inner){ .is = false };
}

/* TIME stdout F REST, or P where the rest goes on; tags may follow, as in F:TAG. An end may have nothing to add. */
static struct inner out_of_cri(struct slice line)
{
	static const char *const streams[] = { " stdout ", " stderr " };
	const char *end = line.p + line.n;

	for (size_t i = 0; i < 2; i++) {
		const char *at = memmem(line.p, line.n < 64 ? line.n : 64, streams[i], strlen(streams[i])), *text;

		at = at ? at + strlen(streams[i]) : end;
		if (at == end || (*at != 'F' && *at != 'P') || (at + 1 < end && at[1] != ' ' && at[1] != ':'))
			continue;
		text = memchr(at, ' ', (size_t)(end - at));
		text = text ? text + 1 : end;
		return (struct inner){ { text, (size_t)(end - text) }, true, true, *at == 'P', i };
	}
	return (struct inner){ .is = false };
}

/* The line inside, in *scratch or in the line itself. Of a piece, every byte counts, blanks at its ends too. */
static struct inner retext_unwrap(struct slice line, struct buf *scratch)
{
	const char *brace;
	struct inner in;

	line.n -= line.n && line.p[line.n - 1] == '\r';
	in = out_of_cri(line);
	if (in.is)
		return in;
	line = trim(line);
	brace = memchr(line.p, '{', line.n < PREFIX_MAX ? line.n : PREFIX_MAX);
	if (brace && brace == line.p && !is_record(line))
		return out_of_object(line, scratch);
	if (brace && brace != line.p)
		in = (struct inner){ .text = behind_prefix(line) };
	in.is = in.text.n;
	return in;
}

/* Without a prefix that the program itself, or a shell, has put before the record. */
static struct slice bare(struct slice text)
{
	const struct slice trimmed = trim(text), record = behind_prefix(trimmed);

	return record.n ? record : trimmed;
}

/* --- what a text is ---------------------------------------------------------------------- */

/* The first line that says so. */
static enum text_form form_of_lines(struct slice text, bool all, int *lines)
{
	struct buf scratch = { 0 };
	enum text_form form = FORM_UNDECIDED;

	for (*lines = 0; *lines < LOOK_LINES && text.n && form == FORM_UNDECIDED; ++*lines) {
		const char *end = memchr(text.p, '\n', text.n);
		struct slice line = { text.p, end ? (size_t)(end - text.p) : text.n };
		struct inner in;

		if (!end && !all)
			break;
		in = retext_unwrap(line, &scratch);
		if (in.is && (in.sure || in.part || is_record(bare(in.text))))
			form = FORM_WRAPPED;
		else if (is_record(line))
			form = FORM_PLAIN;
		text = (struct slice){ line.p + line.n + (end != NULL), text.n - line.n - (end != NULL) };
	}
	buf_free(&scratch);
	return form;
}

enum text_form text_form_of(struct slice begin, bool all)
{
	enum text_form form;
	int lines;

	if (begin.n >= 2 && !memcmp(begin.p, "\xff\xfe", 2) && (begin.n < 4 || begin.p[2] || begin.p[3]))
		return FORM_UTF16LE;
	if (begin.n >= 2 && !memcmp(begin.p, "\xfe\xff", 2))
		return FORM_UTF16BE;
	form = form_of_lines(begin, all, &lines);
	return form == FORM_UNDECIDED && (all || begin.n >= LOOK_MOST || lines >= LOOK_LINES) ? FORM_PLAIN : form;
}

/* --- the stream --------------------------------------------------------------------------- */

struct retext *retext_open(enum text_form form, struct slice begin, bool goes_on, read_pull *pull, void *ctx)
{
	struct retext *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->form = form;
	t->goes_on = goes_on;
	t->pull = pull;
	t->ctx = ctx;
	buf_add(&t->in, begin.p, begin.n);
	if (!t->in.failed)
		return t;
	retext_close(t);
	return NULL;
}

void retext_close(struct retext *t)
{
	if (!t)
		return;
	buf_free(&t->in);
	buf_free(&t->out);
	for (size_t i = 0; i < PENDING_MAX; i++)
		buf_free(&t->pending[i].text);
	buf_free(&t->scratch);
	free(t);
}

uint64_t retext_whole(const struct retext *t)
{
	return t->whole;
}

bool retext_is_drained(const struct retext *t)
{
	return t->out_at == t->out_ready;
}

static uint32_t unit_at(const struct retext *t, size_t at)
{
	unsigned char a = (unsigned char)t->in.p[at], b = (unsigned char)t->in.p[at + 1];

	return t->form == FORM_UTF16LE ? (uint32_t)(b << 8 | a) : (uint32_t)(a << 8 | b);
}

/* Whole characters; an odd byte and half a pair wait for the rest. */
static void convert_utf16(struct retext *t)
{
	while (t->in.used - t->at >= 2) {
		uint32_t c = unit_at(t, t->at), low;

		if (c >= 0xd800 && c < 0xdc00) {
			if (t->in.used - t->at < 4)
				break;
			low = unit_at(t, t->at + 2);
			if (low >= 0xdc00 && low < 0xe000) {
				add_code(&t->out, 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00)));
				t->at += 4;
				continue;
			}
		}
		if (c >= 0xd800 && c < 0xe000)
			c = 0xfffd;
		add_code(&t->out, c);
		t->at += 2;
		if (c == '\n')
			t->whole = t->used + t->at;
	}
	t->out_ready = t->out.used;
}

static struct pending *pending_of(struct retext *t, uint64_t stream)
{
	for (size_t i = 0; i < PENDING_MAX; i++)
		if (t->pending[i].is && t->pending[i].stream == stream)
			return &t->pending[i];
	return NULL;
}

static size_t pending_bytes(const struct retext *t)
{
	size_t n = 0;

	for (size_t i = 0; i < PENDING_MAX; i++)
		n += t->pending[i].is ? t->pending[i].text.used + 1 : 0;
	return n;
}

static void put_text(struct retext *t, struct slice text)
{
	buf_add(&t->out, text.p, text.n);
	buf_char(&t->out, '\n');
}

static void put_pending(struct retext *t, struct pending *p)
{
	put_text(t, bare(buf_slice(&p->text)));
	t->out.failed |= p->text.failed;
	buf_clear(&p->text);
	p->is = false;
}

static void put_all_pending(struct retext *t)
{
	for (size_t i = 0; i < PENDING_MAX; i++)
		if (t->pending[i].is)
			put_pending(t, &t->pending[i]);
}

static struct pending *new_pending(struct retext *t, uint64_t stream)
{
	size_t i = 0;

	while (i < PENDING_MAX && t->pending[i].is)
		i++;
	if (i == PENDING_MAX)
		put_pending(t, &t->pending[--i]); /* more streams at once than anyone has seen */
	t->pending[i].is = true;
	t->pending[i].stream = stream;
	return &t->pending[i];
}

static void put_line(struct retext *t, struct slice line)
{
	const struct inner in = retext_unwrap(line, &t->scratch);
	struct pending *p = in.is ? pending_of(t, in.stream) : NULL;

	t->out.failed |= t->scratch.failed;
	if (!in.is || (!p && !in.part)) {
		put_text(t, in.is ? bare(in.text) : line);
		return;
	}
	p = p ? p : new_pending(t, in.stream);
	buf_add(&p->text, in.text.p, in.text.n);
	if (!in.part || p->text.used > RETEXT_LINE_MAX)
		put_pending(t, p);
}

static void convert_lines(struct retext *t)
{
	for (;;) {
		struct slice rest = { t->in.p + t->at, t->in.used - t->at };
		const char *end = rest.n ? memchr(rest.p, '\n', rest.n) : NULL;
		bool last = !end && rest.n && (t->ended || rest.n > RETEXT_LINE_MAX);

		if (!end && !last)
			break;
		rest.n = end ? (size_t)(end - rest.p) : rest.n;
		put_line(t, rest);
		t->at += rest.n + (end != NULL);
		if (t->goes_on && t->out.used - t->out_ready > RETEXT_BETWEEN_MAX)
			put_all_pending(t);
		if (!pending_bytes(t)) {
			t->whole = t->used + t->at;
			t->out_ready = t->out.used;
		}
	}
	if (t->ended)
		put_all_pending(t);
	if (!t->goes_on)
		t->out_ready = t->out.used;
}

static void convert(struct retext *t)
{
	if (t->form == FORM_WRAPPED)
		convert_lines(t);
	else
		convert_utf16(t);
}

bool retext_await_no_more(struct retext *t)
{
	const size_t ready = t->out_ready;

	t->ended = true; /* a last line without its end is one now */
	convert(t);
	put_all_pending(t);
	t->whole = t->used + t->at;
	t->out_ready = t->out.used;
	return t->out_ready > ready;
}

/* 0: there is more in `out`, or the end has come; -1 with errno. */
static int pull_more(struct retext *t)
{
	ssize_t got;

	memmove(t->in.p, t->in.p + t->at, t->in.used - t->at);
	t->in.used -= t->at;
	t->used += t->at;
	t->at = 0;
	if (!buf_reserve(&t->in, PULL_BYTES)) {
		errno = ENOMEM;
		return -1;
	}
	got = t->pull(t->ctx, t->in.p + t->in.used, PULL_BYTES);
	if (got < 0)
		return -1;
	t->in.used += (size_t)got;
	t->ended = !got && !t->goes_on;
	return got > 0;
}

static void drop_pulled(struct retext *t)
{
	memmove(t->out.p, t->out.p + t->out_at, t->out.used - t->out_at);
	t->out.used -= t->out_at;
	t->out_ready -= t->out_at;
	t->out_at = 0;
}

ssize_t retext_pull(void *ctx, void *buffer, size_t n)
{
	struct retext *t = ctx;

	while (retext_is_drained(t)) {
		int more;

		if (t->out_at)
			drop_pulled(t);
		convert(t);
		if (t->out.failed) {
			errno = ENOMEM;
			return -1;
		}
		if (t->out_ready)
			break;
		if (t->ended)
			return 0;
		more = pull_more(t);
		if (more < 0)
			return -1;
		if (!more && t->goes_on)
			return 0;
	}
	n = n < t->out_ready - t->out_at ? n : t->out_ready - t->out_at;
	memcpy(buffer, t->out.p + t->out_at, n);
	t->out_at += n;
	return (ssize_t)n;
}
