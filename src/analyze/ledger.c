#include "analyze/ledger.h"

#include <math.h>

enum { CHANNEL_DECODE, CHANNEL_PAUSE, CHANNELS };
enum { PAUSE_MAX_MS = 1000, MICRO = 1000 };

bool ledger_open(struct ledger_book *c)
{
	*c = (struct ledger_book){ .from_us = 0 };
	return buckets_open(&c->over_time, LEDGER_POINTS_MAX, CHANNELS);
}

void ledger_close(struct ledger_book *c)
{
	buckets_free(&c->over_time);
	arena_free(&c->texts);
}

static void line_add(struct ledger_line *l, double x, double y)
{
	l->n++;
	l->x += x;
	l->y += y;
	l->xx += x * x;
	l->yy += y * y;
	l->xy += x * y;
}

static struct ledger_bin *bin_of(struct ledger_bin bins[], uint64_t length)
{
	int i = length ? 63 - __builtin_clzll(length) : 0;

	return &bins[i < LEDGER_BINS ? i : LEDGER_BINS - 1];
}

static void bin_add(struct ledger_bin *b, const struct record *rec, uint64_t length, uint64_t tokens, double ms)
{
	b->calls++;
	b->tokens += tokens;
	b->length += (double)length;
	b->ms += ms;
	if (record_has(rec, M_TOKEN_REPETITION_PCT)) {
		b->repetitions++;
		b->repetition_pct += rec->metric[M_TOKEN_REPETITION_PCT];
	}
}

static void add_pause(struct ledger_book *c, const struct record *rec, double ms)
{
	double length = (double)rec->sequence_length / 1e3, minutes = (double)(rec->time_us - c->from_us) / 60e6;

	c->sum.pause_ms += ms;
	line_add(&c->sum.pause_length, length, ms);
	line_add(&c->sum.pause_time, minutes, ms);
	c->sum.length_time += length * minutes;
	buckets_add(&c->over_time, buckets_at(&c->over_time, rec->time_us), CHANNEL_PAUSE, MICRO, ms);
}

static void decode_step(struct ledger_book *c, const struct ledger_track *t, const struct record *rec, double ms)
{
	uint64_t tokens = rec->token_count ? rec->token_count : 1;
	double pause = (double)(rec->time_us - t->end_us) / 1e3 - ms;

	c->sum.decode_calls++;
	c->sum.decode_tokens += tokens;
	c->sum.decode_ms += ms;
	bin_add(bin_of(c->sum.by_length, rec->sequence_length), rec, rec->sequence_length, tokens, ms);
	buckets_add(&c->over_time, buckets_at(&c->over_time, rec->time_us), CHANNEL_DECODE, MICRO, ms / (double)tokens);
	if (t->end_us && pause > -PAUSE_MAX_MS && pause < PAUSE_MAX_MS)
		add_pause(c, rec, pause); /* rounding of times makes some negative: they add up */
}

static void prefill_step(struct ledger_book *c, const struct record *rec, double ms)
{
	c->sum.prefill_calls++;
	c->sum.prefill_tokens += rec->token_count;
	c->sum.prefill_ms += ms;
	bin_add(bin_of(c->sum.by_chunk, rec->token_count), rec, rec->token_count, rec->token_count, ms);
}

void ledger_end(struct ledger_book *c, struct ledger_track *t)
{
	if (t->prompt <= 0)
		return;
	line_add(&c->sum.prompts, (double)t->turn, t->prompt);
	c->sum.first_prompt = c->sum.sequences ? c->sum.first_prompt : t->prompt;
	c->sum.last_prompt = t->prompt;
	c->sum.prompt_tokens += t->prompt;
	c->sum.sequences++;
	t->turn++;
	t->prompt = 0;
}

/* A prompt ends where the next one begins: after decode, or with another sequence. */
static void follow_prompt(struct ledger_book *c, struct ledger_track *t, const struct record *rec, bool prefill)
{
	if (prefill && (!t->in_prompt || rec->sequence != t->sequence))
		ledger_end(c, t);
	if (prefill)
		t->prompt += rec->token_count;
	t->in_prompt = prefill;
}

static void count_leak(struct ledger_book *c, const struct record *rec)
{
	if (!record_has(rec, M_STATE_LEAK))
		return;
	c->sum.leaks_checked++;
	c->sum.leaks += rec->metric[M_STATE_LEAK] > 1e-6;
}

void ledger_step(struct ledger_book *c, struct ledger_track *t, const struct record *rec)
{
	bool prefill = rec->phase == PHASE_PREFILL || (rec->phase == PHASE_UNKNOWN && rec->token_count > 1);
	double ms = record_has(rec, M_CHUNK_PROCESS_TIME_MS) && (prefill || rec->phase == PHASE_DECODE) ?
			    rec->metric[M_CHUNK_PROCESS_TIME_MS] :
		    record_has(rec, M_TOKEN_LATENCY_MS) ?
			    rec->metric[M_TOKEN_LATENCY_MS] * (rec->token_count ? rec->token_count : 1) :
			    (double)NAN;

	c->from_us = c->from_us ? c->from_us : rec->time_us;
	if (t->begun && rec->sequence != t->sequence)
		t->end_us = 0; /* what lies between two sequences is the user's time */
	count_leak(c, rec);
	follow_prompt(c, t, rec, prefill);
	if (isfinite(ms) && ms >= 0 && ms < 1e9) {
		if (prefill)
			prefill_step(c, rec, ms);
		else
			decode_step(c, t, rec, ms);
	}
	t->end_us = rec->time_us;
	t->sequence = rec->sequence;
	t->begun = true;
	c->failed |= c->over_time.failed;
}

void ledger_start(struct ledger_book *c, const struct record *rec)
{
	enum { TEXT_MAX = 512 };

	c->sum.sessions_started++;
	if (c->sum.has_start)
		return;
	c->sum.has_start = true;
	for (int f = 0; f < FIELD_COUNT; f++) {
		const struct field_spec *spec = &field_specs[f];
		struct slice text;

		if (spec->owner != OWNER_SESSION || !fields_have(rec->session, (enum field_id)f))
			continue;
		if (spec->kind != KIND_TEXT) {
			fields_set_number(&c->sum.about, (enum field_id)f, rec->session->v[f].number);
			continue;
		}
		text = rec->session->v[f].text;
		text.n = text.n < TEXT_MAX ? text.n : TEXT_MAX;
		text.p = arena_copy(&c->texts, text);
		fields_set_text(&c->sum.about, (enum field_id)f, text);
	}
	c->failed |= c->texts.failed;
}

static void line_merge(struct ledger_line *into, const struct ledger_line *from)
{
	into->n += from->n;
	into->x += from->x;
	into->y += from->y;
	into->xx += from->xx;
	into->yy += from->yy;
	into->xy += from->xy;
}

static void bins_merge(struct ledger_bin into[], const struct ledger_bin from[])
{
	for (int i = 0; i < LEDGER_BINS; i++) {
		into[i].calls += from[i].calls;
		into[i].tokens += from[i].tokens;
		into[i].length += from[i].length;
		into[i].ms += from[i].ms;
		into[i].repetitions += from[i].repetitions;
		into[i].repetition_pct += from[i].repetition_pct;
	}
}

static void prompts_merge(struct ledger *into, const struct ledger *from)
{
	if (!from->sequences)
		return;
	line_merge(&into->prompts, &from->prompts);
	into->first_prompt = into->sequences ? into->first_prompt : from->first_prompt;
	into->last_prompt = from->last_prompt;
	into->prompt_tokens += from->prompt_tokens;
	into->sequences += from->sequences;
}

/* Texts of `about` stay with their own log's arena, so they are copied. */
static void about_merge(struct ledger_book *into, const struct ledger_book *from)
{
	struct record start = { .session = &from->sum.about };
	uint64_t started = into->sum.sessions_started + from->sum.sessions_started;

	if (!into->sum.has_start && from->sum.has_start)
		ledger_start(into, &start);
	into->sum.sessions_started = started;
}

void ledger_merge(struct ledger_book *into, const struct ledger_book *from)
{
	struct ledger *a = &into->sum;
	const struct ledger *b = &from->sum;

	bins_merge(a->by_length, b->by_length);
	bins_merge(a->by_chunk, b->by_chunk);
	a->decode_calls += b->decode_calls;
	a->decode_tokens += b->decode_tokens;
	a->prefill_calls += b->prefill_calls;
	a->prefill_tokens += b->prefill_tokens;
	a->decode_ms += b->decode_ms;
	a->prefill_ms += b->prefill_ms;
	a->pause_ms += b->pause_ms;
	a->length_time += b->length_time;
	a->leaks += b->leaks;
	a->leaks_checked += b->leaks_checked;
	line_merge(&a->pause_length, &b->pause_length);
	line_merge(&a->pause_time, &b->pause_time);
	prompts_merge(a, b);
	about_merge(into, from);
	buckets_merge(&into->over_time, &from->over_time);
	into->failed |= from->failed || into->over_time.failed;
}

static double mean_of(const struct bucket_cell *cell)
{
	return cell && cell->count ? (double)cell->sum / ((double)cell->count * MICRO) : (double)NAN;
}

static void take_points(const struct buckets *b, struct ledger *out)
{
	int64_t width_us = (int64_t)1000 << b->width_bits;

	for (int64_t i = b->first; b->any && i <= b->last; i++) {
		const struct bucket_cell *decode = buckets_cell(b, CHANNEL_DECODE, i);

		if (!decode || !decode->count)
			continue;
		out->point[out->n_points++] = (struct ledger_point){
			.from_us = i * width_us,
			.to_us = (i + 1) * width_us,
			.calls = decode->count,
			.decode_ms = mean_of(decode),
			.pause_ms = mean_of(buckets_cell(b, CHANNEL_PAUSE, i)),
		};
	}
}

const struct ledger *ledger_finish(const struct ledger_book *c, struct arena *arena)
{
	struct ledger *out = arena_alloc(arena, 1, sizeof *out);

	if (!out || c->failed)
		return NULL;
	*out = c->sum;
	for (int f = 0; f < FIELD_COUNT; f++)
		if (field_specs[f].kind == KIND_TEXT && fields_have(&c->sum.about, (enum field_id)f))
			out->about.v[f].text.p = arena_copy(arena, c->sum.about.v[f].text);
	out->point = arena_alloc(arena, LEDGER_POINTS_MAX, sizeof *out->point);
	if (!out->point)
		return NULL;
	take_points(&c->over_time, out);
	return out;
}
