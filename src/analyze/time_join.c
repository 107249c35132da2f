/* time_join.c - processes of a host that ran one after the other become one part: what the host's times were. */
#include "analyze/time_packed.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>

/* The part of one process. */
struct member {
	size_t at; /* among all */
	uint64_t key;
	int64_t begin_us; /* of its process */
};

/* What they are joined into. */
struct joined {
	struct time_part *part;
	size_t first; /* of them, among all */
	uint64_t key;
	int64_t end_us;
	bool several, numbered;
};

/* One part at a time, with room for all that it may have. */
struct room {
	struct time_part part;
	struct stretch stretch[STRETCHES_MAX];
	struct exchange exchange[HISTORY_EXCHANGES];
	uint64_t packed[TIME_PACKED_MAX];
};

static int by_key_and_begin(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	if (x->begin_us != y->begin_us)
		return x->begin_us < y->begin_us ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

/* --- sums ------------------------------------------------------------------------------ */

static void add_sizes(struct sizes *to, const struct sizes *of)
{
	to->n += of->n;
	for (size_t i = 0; i < SIZE_BINS; i++) {
		to->count[i] += of->count[i];
		to->sum[i] += of->sum[i];
	}
}

/* `later`: how much more x is in `to` than it was in `of`. */
static void add_line(struct sums_line *to, const struct sums_line *of, double later)
{
	to->n += of->n;
	to->x += of->x + of->n * later;
	to->y += of->y;
	to->xx += of->xx + 2 * later * of->x + of->n * later * later;
	to->yy += of->yy;
	to->xy += of->xy + later * of->y;
}

void by_length_join(struct by_length *to, const struct by_length *of)
{
	add_line(&to->all, &of->all, 0);
	to->xx += of->xx;
	to->yy += of->yy;
	to->xy += of->xy;
	to->sequences += of->sequences;
	to->rising += of->rising;
}

static void add_text(struct text_level *to, const struct text_level *of)
{
	to->share += of->share;
	to->rate += of->rate;
	to->nats += of->nats;
	to->calls += of->calls;
	to->rates += of->rates;
	to->entropies += of->entropies;
	to->cycles += of->cycles;
}

static void add_whole(struct whole_sum *to, const struct whole_sum *of)
{
	to->seconds += of->seconds;
	to->pct += of->pct;
}

static void add_calls(struct time_part *to, const struct time_part *of)
{
	add_sizes(&to->decode, &of->decode);
	add_sizes(&to->pause, &of->pause);
	for (size_t i = 0; i < TIME_BINS; i++) {
		to->by_chunk[i].calls += of->by_chunk[i].calls;
		to->by_chunk[i].tokens += of->by_chunk[i].tokens;
		to->by_chunk[i].ms += of->by_chunk[i].ms;
	}
	to->decode_calls += of->decode_calls;
	to->decode_tokens += of->decode_tokens;
	to->prefill_calls += of->prefill_calls;
	to->prefill_tokens += of->prefill_tokens;
	to->decode_ms += of->decode_ms;
	to->prefill_ms += of->prefill_ms;
	to->pause_ms += of->pause_ms;
	to->stall_pause_ms += of->stall_pause_ms;
	to->stall_pauses += of->stall_pauses;
	to->answer_pause_ms += of->answer_pause_ms;
	to->answer_pauses += of->answer_pauses;
	to->stall_prefill_ms += of->stall_prefill_ms;
	to->stall_prefills += of->stall_prefills;
	add_whole(&to->waiting, &of->waiting);
	add_whole(&to->stopped, &of->stopped);
}

static void add_lines(struct time_part *to, const struct time_part *of)
{
	const double later = to->steps ? (double)(of->from_us - to->from_us) / 60e6 : 0;

	add_line(&to->pause_length, &of->pause_length, 0);
	add_line(&to->pause_time, &of->pause_time, later);
	add_line(&to->batch, &of->batch, 0);
	by_length_join(&to->by_length, &of->by_length);
	to->length_time += of->length_time + later * of->pause_length.x;
}

static double fed_nats(const struct fed_session *s)
{
	return s->nats / s->tokens;
}

static void add_output(struct time_part *to, const struct time_part *of)
{
	to->leaks += of->leaks;
	to->leaks_checked += of->leaks_checked;
	to->jumps += of->jumps;
	to->nonfinite += of->nonfinite;
	to->bans += of->bans;
	to->fed_surprisal += of->fed_surprisal;
	to->fed_tokens += of->fed_tokens;
	if (of->fed_sessions && (!to->fed_sessions || fed_nats(&of->fed_worst) > fed_nats(&to->fed_worst)))
		to->fed_worst = of->fed_worst;
	to->fed_sessions += of->fed_sessions;
	certain_join(&to->same_rate, &of->same_rate);
	certain_join(&to->higher_rate, &of->higher_rate);
	certain_join(&to->any_rate, &of->any_rate);
	certain_go_on(&to->sessions, &of->sessions);
	if (of->state.rises > to->state.rises)
		to->state = of->state;
	to->loop_tokens += of->loop_tokens;
	add_text(&to->near, &of->near);
	add_text(&to->beside, &of->beside);
	if (of->loop_longest > to->loop_longest) {
		to->loop_longest = of->loop_longest;
		to->loop_period = of->loop_period;
	}
	if (!*to->loop_session) {
		to->loop_session = of->loop_session;
		to->loop_us = of->loop_us;
	}
}

/* --- in their order ---------------------------------------------------------------------- */

/* The latest of both. */
static void add_exchanges(struct time_part *to, const struct time_part *of)
{
	const size_t all = to->n_exchanges + of->n_exchanges,
		     over = all > HISTORY_EXCHANGES ? all - HISTORY_EXCHANGES : 0;

	memmove(to->exchange, to->exchange + over, (to->n_exchanges - over) * sizeof *to->exchange);
	to->n_exchanges -= over;
	memcpy(to->exchange + to->n_exchanges, of->exchange, of->n_exchanges * sizeof *to->exchange);
	to->n_exchanges += of->n_exchanges;
	to->prompts += of->prompts;
}

static void add_first(struct time_part *to, const struct time_part *of)
{
	if (first_calls_ms(to->first, to->n_first) > first_calls_ms(of->first, of->n_first))
		return;
	memcpy(to->first, of->first, sizeof to->first);
	to->n_first = of->n_first;
}

static bool stretch_room(struct time_part *p, struct arena *arena)
{
	const size_t cap = 2 * p->n_stretches + 16;
	struct stretch *more;

	if (p->n_stretches < p->stretches_cap)
		return true;
	p->stretches_cap = cap < STRETCHES_MAX ? cap : STRETCHES_MAX;
	more = arena_alloc(arena, p->stretches_cap, sizeof *more);
	if (more && p->n_stretches)
		memcpy(more, p->stretch, p->n_stretches * sizeof *more);
	p->stretch = more;
	return more;
}

/* As if they had come after the others: several of few calls count as one. False when memory is out. */
static bool add_stretches(struct time_part *to, const struct time_part *of, struct arena *arena)
{
	while (to->per_stretch < of->per_stretch)
		stretches_halve(to);
	for (size_t i = 0; i < of->n_stretches; i++) {
		struct stretch next = of->stretch[i];
		struct stretch *last = to->n_stretches ? &to->stretch[to->n_stretches - 1] : NULL;

		next.renewed += i == 0;
		if (last && last->calls + next.calls <= to->per_stretch) {
			stretch_join(last, &next);
			continue;
		}
		if (to->n_stretches == STRETCHES_MAX)
			stretches_halve(to);
		if (!stretch_room(to, arena))
			return false;
		to->stretch[to->n_stretches++] = next;
	}
	return true;
}

static bool join(struct time_part *to, const struct time_part *of, struct arena *arena)
{
	add_calls(to, of);
	add_lines(to, of);
	add_output(to, of);
	add_exchanges(to, of);
	add_first(to, of);
	if (!to->has_start)
		to->about = of->about;
	to->has_start |= of->has_start;
	to->shared |= of->shared;
	to->gpu_used |= of->gpu_used;
	to->starts += of->starts;
	widen_span(&to->from_us, &to->to_us, !to->steps, of->from_us, of->to_us);
	to->steps += of->steps;
	return add_stretches(to, of, arena) && devices_join(&to->devices, &of->devices, arena);
}

/* --- who is joined ------------------------------------------------------------------------- */

/* Stretches of its own, which is full: before it grows, it is copied. */
static bool own_stretches(struct time_part *p, struct arena *arena)
{
	struct stretch *all = arena_alloc(arena, p->n_stretches + 1, sizeof *all);

	if (all && p->n_stretches)
		memcpy(all, p->stretch, p->n_stretches * sizeof *all);
	p->stretch = all;
	p->stretches_cap = p->n_stretches;
	return all;
}

/* A copy, but for stretches of the book; NULL when memory is out. */
static struct time_part *copy_of(const struct room *room, struct arena *arena)
{
	const struct time_part *p = &room->part;
	struct time_part *out = arena_alloc(arena, 1, sizeof *out);

	if (!out)
		return NULL;
	*out = *p;
	out->exchange = arena_alloc(arena, p->n_exchanges + 1, sizeof *out->exchange);
	if (!out->exchange || !devices_finish(&out->devices, &p->devices, arena))
		return NULL;
	memcpy(out->exchange, p->exchange, p->n_exchanges * sizeof *out->exchange);
	return p->stretch != room->stretch || own_stretches(out, arena) ? out : NULL;
}

/* For those that are joined into it. */
static bool room_to_join(struct time_part *p, struct arena *arena)
{
	struct exchange *all = arena_alloc(arena, HISTORY_EXCHANGES, sizeof *all);

	if (all)
		memcpy(all, p->exchange, p->n_exchanges * sizeof *all);
	p->exchange = all;
	return all && own_stretches(p, arena);
}

/* What goes on in that part: the latest of equal key that ended before its process began, or any if it has no steps;
 * `n`: there is none. */
static size_t predecessor(const struct joined *j, size_t n, const struct member *m, const struct time_part *p)
{
	size_t best = n;

	for (size_t i = n; !p->mixed && i-- > 0 && j[i].key == m->key;)
		if ((!p->steps || j[i].end_us <= m->begin_us) && !j[i].part->mixed &&
		    (best == n || j[i].end_us > j[best].end_us))
			best = i;
	return best;
}

/* Keeps the part as it is now, whatever is joined into it; `room`: to use. */
static bool keep_own(struct time_own *own, const struct time_part *p, uint64_t room[TIME_PACKED_MAX],
		     struct arena *arena)
{
	const size_t n = time_pack(room, p);
	uint64_t *packed = arena_alloc(arena, n, sizeof *packed);

	if (packed)
		memcpy(packed, room, n * sizeof *packed);
	own->whole = NULL;
	own->packed = packed;
	return packed;
}

/* Returns to which of *n it belongs. One that nothing is joined into stays the part of its process, too. */
static size_t put(struct joined *j, size_t *n, const struct member *m, struct room *room, struct time_own *own,
		  struct arena *arena, bool *fine)
{
	const struct time_part *p = &room->part;
	const size_t at = predecessor(j, *n, m, p);

	own[m->at] = (struct time_own){ .mixed = p->mixed, .shared = p->shared };
	if (at == *n) {
		own[m->at].whole = copy_of(room, arena);
		j[(*n)++] =
			(struct joined){ .part = own[m->at].whole, .first = m->at, .key = m->key, .end_us = p->to_us };
		*fine = j[at].part;
		return at;
	}
	*fine = j[at].several ||
		(keep_own(&own[j[at].first], j[at].part, room->packed, arena) && room_to_join(j[at].part, arena));
	j[at].several = true;
	j[at].end_us = p->to_us > j[at].end_us ? p->to_us : j[at].end_us;
	*fine = *fine && keep_own(&own[m->at], p, room->packed, arena) && join(j[at].part, p, arena);
	return at;
}

/* In the order of their first steps. */
static void number(struct time_breakdown *t, struct joined *j, const size_t *of)
{
	for (size_t i = 0; i < t->n_own; i++) {
		struct joined *in = &j[of[i]];

		if (!in->numbered) {
			in->part->number = (uint16_t)t->n_parts;
			t->part[t->n_parts++] = in->part;
			in->numbered = true;
		}
		t->own[i].number = in->part->number;
	}
}

/* --- one process after the other ------------------------------------------------------------- */

/* Chains of sessions by their part, in their order: 1 + index; 0 ends. */
struct chains {
	size_t *first, *next; /* (n_own), (n) */
};

static bool chain(struct chains *c, const struct time_session *session, size_t n, size_t n_own)
{
	c->first = calloc(n_own + 1, sizeof *c->first);
	c->next = calloc(n + 1, sizeof *c->next);
	for (size_t i = n; c->first && c->next && i-- > 0;) {
		const size_t part = session[i].times->part;

		if (!part || part > n_own)
			continue;
		c->next[i] = c->first[part - 1];
		c->first[part - 1] = i + 1;
	}
	return c->first && c->next;
}

/* Part i with all that its sessions know. */
static bool finish_own(struct room *room, const struct time_book *b, size_t i, const struct time_session *session,
		       const struct chains *c, struct arena *arena)
{
	struct time_part *p = &room->part;

	p->stretch = room->stretch;
	p->exchange = room->exchange;
	if (!time_book_part(b, i, p, arena))
		return false;
	for (size_t k = c->first[i]; k; k = c->next[k - 1])
		time_part_count(p, &session[k - 1], arena);
	return true;
}

struct time_part *time_own_part(const struct time_own *own, struct arena *arena)
{
	struct time_part *p = own->whole ? NULL : arena_alloc(arena, 1, sizeof *p);
	const uint64_t *rest = p ? time_unpack(p, own->packed) : NULL;

	if (!p)
		return own->whole;
	p->number = own->number;
	p->stretch = arena_alloc(arena, p->n_stretches + 1, sizeof *p->stretch);
	p->exchange = arena_alloc(arena, time_exchanges(p) + 1, sizeof *p->exchange);
	if (!p->stretch || !p->exchange)
		return NULL;
	time_unpack_rest(p, rest);
	return p;
}

struct time_breakdown *time_breakdown_finish(const struct time_book *b, const struct time_session *session, size_t n,
					     struct arena *arena)
{
	struct time_breakdown *t = arena_alloc(arena, 1, sizeof *t);
	struct member *m = calloc(b->n_parts + 1, sizeof *m);
	struct joined *j = calloc(b->n_parts + 1, sizeof *j);
	size_t *of = calloc(b->n_parts + 1, sizeof *of), n_joined = 0;
	struct room *room = malloc(sizeof *room);
	struct chains c = { 0 };
	bool fine = chain(&c, session, n, b->n_parts) && !b->failed && t && m && j && of && room;

	if (fine)
		t->own = arena_alloc(arena, b->n_parts + 1, sizeof *t->own);
	fine = fine && t->own;
	for (size_t i = 0; fine && i < b->n_parts; i++)
		m[i] = (struct member){ i, b->place[i].key, b->process[b->place[i].process].begin_us };
	if (fine && b->n_parts)
		qsort(m, b->n_parts, sizeof *m, by_key_and_begin);
	for (size_t i = 0; fine && i < b->n_parts; i++) {
		const size_t at = m[i].at;

		fine = finish_own(room, b, at, session, &c, arena);
		if (fine)
			of[at] = put(j, &n_joined, &m[i], room, t->own, arena, &fine);
	}
	if (fine)
		t->part = arena_alloc(arena, n_joined + 1, sizeof(struct time_part *));
	fine = fine && t->part && !arena->failed;
	if (fine) {
		t->n_own = b->n_parts;
		number(t, j, of);
	}
	free(m);
	free(j);
	free(of);
	free(room);
	free(c.first);
	free(c.next);
	return fine ? t : NULL;
}

void time_breakdown_let_go(const struct time_breakdown *t)
{
	for (size_t i = 0; i < t->n_parts; i++) {
		t->part[i]->stretch = NULL;
		t->part[i]->n_stretches = t->part[i]->stretches_cap = 0;
	}
}
