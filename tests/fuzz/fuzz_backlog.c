/* A spool's folder as anybody may have left it: its state, a batch of roll-ups that is lost, the name of a file. */
#include "base/json_read.h"
#include "base/lines.h"
#include "ship/backlog_gaps.h"
#include "ship/backlog_state.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What was read is written, and read again as the same. */
static void try_state(struct slice text)
{
	struct backlog_state s, again;
	struct buf one = { 0 }, two = { 0 };
	struct err err;

	if (backlog_state_read(&s, text, "state", &err))
		return;
	backlog_state_write(&one, &s);
	if (backlog_state_read(&again, buf_slice(&one), "state", &err))
		abort();
	backlog_state_write(&two, &again);
	if (!slice_equal(buf_slice(&one), buf_slice(&two)))
		abort();
	backlog_state_free(&s);
	backlog_state_free(&again);
	buf_free(&one);
	buf_free(&two);
}

/* Whatever its lines say, the gaps are of as many steps as the batch was. */
static void try_batch(struct slice text)
{
	const uint64_t steps = 1000;
	struct backlog_gaps g = { .last_us = 0 };
	struct slice lines;
	uint64_t told = 0;

	backlog_gaps_add(&g, text, steps, "it was full", INT64_C(1760000000000000));
	lines = buf_slice(&g.lines);
	while (lines.n) {
		int64_t dropped = 0;

		if (!json_read_whole(json_read_member(next_line(&lines), "dropped"), &dropped) || dropped <= 0)
			abort();
		told += (uint64_t)dropped;
	}
	if (told != steps)
		abort();
	backlog_gaps_free(&g);
}

static void try_name(const char *name)
{
	struct backlog_batch b;
	char again[BACKLOG_NAME_BYTES];

	if (!backlog_batch_parse(name, &b))
		return;
	backlog_batch_name(again, &b);
	if (strcmp(name, again))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct slice text = { (const char *)data, n };
	char name[200];

	try_state(text);
	try_batch(text);
	if (n)
		memcpy(name, data, n < sizeof name - 1 ? n : sizeof name - 1);
	name[n < sizeof name - 1 ? n : sizeof name - 1] = 0;
	try_name(name);
	return 0;
}
