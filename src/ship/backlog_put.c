/* backlog_put.c - batches in memory, the oldest first. */
#include "ship/backlog_put.h"

#include "base/array.h"

#include <stdlib.h>

/* The batch that takes so many bytes more; NULL: no memory. */
static struct put *room_for(struct puts *p, size_t bytes, size_t most_bytes)
{
	struct put *last = p->n ? &p->put[p->n - 1] : NULL;

	if (last && (!last->lines || last->text.used + bytes <= most_bytes))
		return last;
	if (!array_grow(&p->put, p->n, &p->cap, 4, sizeof *p->put))
		return NULL;
	last = &p->put[p->n++];
	*last = (struct put){ .lines = 0 };
	return last;
}

bool puts_add(struct puts *p, struct slice lines, uint64_t n, uint64_t steps, size_t most_bytes)
{
	struct put *to = room_for(p, lines.n, most_bytes);

	if (!to || !buf_reserve(&to->text, lines.n + 1)) {
		if (to)
			to->text.failed = false; /* what it has is whole */
		return false;
	}
	buf_add(&to->text, lines.p, lines.n);
	to->lines += n;
	to->steps += steps;
	p->bytes += lines.n;
	return true;
}

void puts_drop_first(struct puts *p)
{
	p->bytes -= p->put[0].text.used;
	buf_free(&p->put[0].text);
	memmove(p->put, p->put + 1, --p->n * sizeof *p->put);
}

void puts_free(struct puts *p)
{
	while (p->n)
		puts_drop_first(p);
	free(p->put);
	*p = (struct puts){ .n = 0 };
}
