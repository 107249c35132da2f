/* sse.c - lines, of which `data:` ones add to an event and an empty one ends it. */
#include "proxy/sse.h"

static void end_event(struct sse *s, void (*event)(void *ctx, struct slice data), void *ctx)
{
	s->skipped += s->skipping;
	if (s->data.used && !s->skipping && !s->data.failed)
		event(ctx, buf_slice(&s->data));
	buf_clear(&s->data);
	s->skipping = false;
}

static void add_data(struct sse *s, struct slice value)
{
	if (value.n && *value.p == ' ')
		value = (struct slice){ value.p + 1, value.n - 1 };
	s->skipping = s->skipping || s->data.used + value.n + 1 > s->max;
	if (s->skipping)
		return;
	if (s->data.used)
		buf_char(&s->data, '\n');
	buf_add(&s->data, value.p, value.n);
}

static void read_line(struct sse *s, struct slice line, void (*event)(void *ctx, struct slice data), void *ctx)
{
	static const char name[] = "data:";

	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	if (!line.n)
		end_event(s, event, ctx);
	else if (line.n >= sizeof name - 1 && !memcmp(line.p, name, sizeof name - 1))
		add_data(s, (struct slice){ line.p + sizeof name - 1, line.n - (sizeof name - 1) });
}

/* The begin of a line, whose end is still to come. */
static void keep(struct sse *s, struct slice part)
{
	if (s->line.used + part.n > s->max)
		s->skipping = true;
	else
		buf_add(&s->line, part.p, part.n);
}

void sse_feed(struct sse *s, struct slice bytes, void (*event)(void *ctx, struct slice data), void *ctx)
{
	while (bytes.n) {
		const char *end = memchr(bytes.p, '\n', bytes.n);
		size_t n = end ? (size_t)(end - bytes.p) : bytes.n;

		if (!end || s->line.used)
			keep(s, (struct slice){ bytes.p, n });
		if (!end)
			return;
		read_line(s, s->line.used ? buf_slice(&s->line) : (struct slice){ bytes.p, n }, event, ctx);
		buf_clear(&s->line);
		bytes = (struct slice){ bytes.p + n + 1, bytes.n - n - 1 };
	}
}

void sse_free(struct sse *s)
{
	buf_free(&s->line);
	buf_free(&s->data);
}
