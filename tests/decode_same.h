/* decode_same.h - two decodings of one line, the short way and the long way: are they the same? */
#ifndef RWKVMON_TESTS_DECODE_SAME_H
#define RWKVMON_TESTS_DECODE_SAME_H

#include "record/columns.h"

#include <stdlib.h>

static inline bool same_values(const struct field_values *a, const struct field_values *b)
{
	if (memcmp(a->have, b->have, sizeof a->have))
		return false;
	for (int f = 0; f < FIELD_COUNT; f++) {
		if (!fields_have(a, (enum field_id)f))
			continue;
		if (field_is_text((enum field_id)f) ? !slice_equal(a->v[f].text, b->v[f].text)
						    : memcmp(&a->v[f].number, &b->v[f].number, sizeof(double)) != 0)
			return false;
	}
	return true;
}

static inline bool same_gpus(const struct record *a, const struct record *b)
{
	return a->n_gpus == b->n_gpus && (!a->n_gpus || !memcmp(a->gpu, b->gpu, a->n_gpus * sizeof *a->gpu));
}

/* To the bit: -0 is not 0. */
static inline bool same_record(const struct record *a, const struct record *b)
{
	if (a->time_us != b->time_us || a->event != b->event || a->phase != b->phase || a->sequence != b->sequence ||
	    a->token_count != b->token_count || a->batch_size != b->batch_size || a->ordinal != b->ordinal ||
	    a->sequence_length != b->sequence_length || a->have != b->have || a->nonfinite != b->nonfinite ||
	    a->tokens != b->tokens || a->n_tokens != b->n_tokens || a->details != b->details ||
	    a->n_layer_norm != b->n_layer_norm ||
	    (a->n_layer_norm && memcmp(a->layer_norm, b->layer_norm, a->n_layer_norm * sizeof *a->layer_norm)) ||
	    !same_gpus(a, b) || !a->text.p != !b->text.p || !slice_equal(a->text, b->text))
		return false;
	for (int m = 0; m < METRIC_COUNT; m++)
		if (record_has(a, (enum metric_id)m) && memcmp(&a->metric[m], &b->metric[m], sizeof(double)))
			return false;
	return same_values(a->session, b->session) && same_values(a->extra, b->extra);
}

/* A line as a text of its own, in memory that ends with what may be read behind it: bytes of all sorts, by the line's
 * length, since they must not matter. */
static inline char *text_of_line(struct slice line)
{
	static const char behind[] = "\n\0\"}\xff{7,";
	char *text = malloc(line.n + 1 + DECODE_PADDING);

	if (!text)
		return NULL;
	if (line.n)
		memcpy(text, line.p, line.n);
	text[line.n] = '\n';
	memset(text + line.n + 1, behind[line.n % (sizeof behind - 1)], DECODE_PADDING);
	return text;
}

/* Is what was kept as a decimal the same number? */
static inline bool decimals_hold(const struct decoded *d)
{
	for (int m = 0; m < METRIC_COUNT; m++)
		if (d->decimal >> m & 1 && (!record_has(&d->rec, (enum metric_id)m) ||
					    (double)d->scaled[m] / metric_specs[m].scale != d->rec.metric[m]))
			return false;
	return true;
}

/* The session's name apart, which rows have for themselves. */
static inline bool same_session(const struct field_values *a, const struct field_values *b)
{
	struct field_values x = *a, y = *b;

	x.v[F_SESSION_ID].text = y.v[F_SESSION_ID].text = (struct slice){ "", 0 };
	return same_values(&x, &y);
}

/* Is a metric's double what the row's decimal is, to the bit? */
static inline bool same_double(const struct columns *c, size_t row, int m)
{
	double value = columns_value(c, row, (enum metric_id)m);

	return !memcmp(&c->value[m][row], &value, sizeof value);
}

/* Is the row what the long way says of its line? */
static inline bool same_row(const struct columns *c, size_t row, const struct decoded *line)
{
	struct record rec;

	columns_record(c, row, &rec);
	if (rec.time_us != line->rec.time_us || rec.event != line->rec.event || rec.phase != line->rec.phase ||
	    rec.sequence != line->rec.sequence || rec.token_count != line->rec.token_count ||
	    rec.batch_size != line->rec.batch_size || rec.ordinal != line->rec.ordinal ||
	    rec.sequence_length != line->rec.sequence_length || rec.have != line->rec.have ||
	    rec.nonfinite != line->rec.nonfinite || rec.n_layer_norm != line->rec.n_layer_norm ||
	    !same_gpus(&rec, &line->rec) || c->decimal[row] != (line->decimal & line->rec.have) ||
	    !slice_equal(c->session_id[row], line->session_id))
		return false;
	for (int m = 0; m < METRIC_COUNT; m++)
		if (record_has(&rec, (enum metric_id)m) &&
		    (columns_value(c, row, (enum metric_id)m) != line->rec.metric[m] || !same_double(c, row, m)))
			return false; /* -0 is 0 where it is a decimal */
	return same_session(rec.session, line->rec.session);
}

/* Memory for one line's row. */
static inline struct columns *columns_for_one(void)
{
	static struct columns c;

	c.n = c.n_whole = 0;
	return &c;
}

/* `quick` has learned from other lines; `plain` has any_order set. The line holds no line end. */
static inline bool decoded_alike(struct record_decoder *quick, struct record_decoder *plain, struct slice line)
{
	struct columns *c = columns_for_one();
	char *text = text_of_line(line);
	enum decode_result x = DECODE_OK, y = DECODE_OK;
	struct decoded a, b;
	bool same;

	if (!text)
		return true;
	record_decoder_release(quick);
	record_decoder_release(plain);
	record_decoder_feed(quick, (struct slice){ text, line.n + 1 });
	record_decoder_feed(plain, (struct slice){ text, line.n + 1 });
	same = record_decode_next(plain, &b, &y);
	if (same && record_decode_run(quick, c)) {
		same = y == DECODE_OK && c->n == 1 && quick->p == plain->p && same_row(c, 0, &b);
	} else if (same) {
		same = record_decode_next(quick, &a, &x) && x == y && quick->p == plain->p;
		if (same && x == DECODE_OK)
			same = same_record(&a.rec, &b.rec) && slice_equal(a.session_id, b.session_id) &&
			       a.decimal == b.decimal && decimals_hold(&a) && decimals_hold(&b);
	}
	free(text);
	return same;
}

/* The rows that quick made of the next lines, and those lines one by one. */
static inline bool same_rows(const struct columns *c, size_t from, struct record_decoder *plain)
{
	enum decode_result result;
	struct decoded line;

	for (size_t row = from; row < c->n; row++) {
		record_decoder_release(plain);
		if (!record_decode_next(plain, &line, &result) || result != DECODE_OK || !same_row(c, row, &line))
			return false;
	}
	return true;
}

/* A text of several lines, taken in runs where that goes; each line has its end. c: memory to work in. *in_runs +=
 * lines that were. What lines became is held as long as it may be. */
static inline bool decoded_runs_alike(struct record_decoder *quick, struct record_decoder *plain, struct slice lines,
				      struct columns *c, size_t *in_runs)
{
	char *text = text_of_line(lines);
	bool same = true, more = true;

	if (!text)
		return true;
	record_decoder_release(quick);
	record_decoder_feed(quick, (struct slice){ text, lines.n });
	record_decoder_feed(plain, (struct slice){ text, lines.n });
	while (same && more) {
		enum decode_result x, y;
		struct decoded a, b;

		if (record_decoder_full(quick))
			record_decoder_release(quick);
		record_decoder_release(plain);
		c->n = c->n_whole = 0;
		*in_runs += record_decode_run(quick, c);
		same = same_rows(c, 0, plain) && quick->p == plain->p;
		more = record_decode_next(quick, &a, &x);
		if (!same || !more)
			break;
		same = record_decode_next(plain, &b, &y) && x == y && quick->p == plain->p;
		c->n = c->n_whole = 0;
		if (same && x == DECODE_OK) {
			columns_add(c, &a);
			same = same_row(c, 0, &b);
		}
	}
	free(text);
	return same && quick->p == quick->end;
}

#endif
