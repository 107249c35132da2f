/* decode_layout.c - which layouts are kept, and how a line becomes one. */
#include "record/decode_layout.h"

#include "base/clock.h"
#include "base/cpu.h"
#include "record/decode_bytes.h"
#include "record/decode_layout_match.h"

#include <stdlib.h>

enum {
	LAYOUTS_MAX = 8,
	RUN_PAUSE_MAX = 64, /* lines until a run is tried again */
	PATIENCE = 32,	  /* lines in a row that match nothing, until only … */
	RETRY_EVERY = 64, /* … one of so many is tried and learned; */
	RETRY_PASSED = 2048 /* one of so many where lines go another way than the long one */
};

/* Of the text from `base` on. */
struct marks {
	const char *base, *upto; /* NULL: of no text */
	size_t n, next;		 /* next: first of the present line */
	uint16_t at[MARKS_MAX + MARKS_AT_ONCE];
};

struct layouts {
	layout_match *match;
	layout_run *run; /* NULL: there is none for this processor */
	marks_find *find;
	struct layout *order[LAYOUTS_MAX]; /* (n), the one matched last first */
	size_t n;
	unsigned missed; /* in a row */
	size_t passed;	 /* lines that went another way since the last of them was tried */
	unsigned run_pause, run_wait; /* lines to wait after a run of none; of them to come */
	struct minute minute;
	struct marks marks;
	struct leaves leaves;
	struct layout layout[LAYOUTS_MAX];
};

struct layouts *layouts_open(void)
{
	struct layouts *ls = aligned_alloc(64, (sizeof *ls + 63) / 64 * 64);

	if (!ls)
		return NULL;
	memset(ls, 0, sizeof *ls);
	ls->match = layout_match_scalar;
	ls->find = marks_find_scalar;
#if defined(__x86_64__)
	if (cpu_features()->avx2) {
		ls->match = layout_match_avx2;
		ls->find = marks_find_avx2;
	}
	if (cpu_features()->avx512) {
		ls->match = layout_match_avx512;
		ls->run = layout_run_avx512;
	}
	if (cpu_features()->vbmi2)
		ls->find = marks_find_vbmi2;
#endif
	return ls;
}

void layouts_close(struct layouts *ls)
{
	free(ls);
}

static bool pauses(const struct layouts *ls)
{
	return ls->missed > PATIENCE && ls->missed % RETRY_EVERY;
}

static void move_to_front(struct layouts *ls, size_t i)
{
	struct layout *l = ls->order[i];

	memmove(ls->order + 1, ls->order, i * sizeof *ls->order);
	ls->order[0] = l;
}

void layouts_feed(struct layouts *ls)
{
	ls->marks.base = ls->marks.upto = NULL;
}

/* Finds the first marks from p on, so many at least, unless the text has fewer. */
static bool find_marks(struct layouts *ls, const char *p, const char *end, size_t least)
{
	struct marks *m = &ls->marks;

	if (m->base)
		while (m->next < m->n && m->base + m->at[m->next] < p)
			m->next++;
	if (m->base && m->n - m->next >= least)
		return true;
	if (!m->base || m->upto < end) {
		m->base = p;
		m->next = 0;
		m->n = ls->find(p, end, m->at, &m->upto);
	}
	return m->n - m->next >= least;
}

bool layouts_match(struct layouts *ls, const char **p, const char *end, struct decoded *out)
{
	if (pauses(ls))
		return false;
	for (size_t i = 0; i < ls->n; i++) {
		struct layout *l = ls->order[i];

		if (!find_marks(ls, *p, end, l->marks + 1u) ||
		    !ls->match(l, &ls->minute, ls->marks.base, ls->marks.at + ls->marks.next, *p, out))
			continue;
		*p = ls->marks.base + ls->marks.at[ls->marks.next + l->marks] + 1;
		ls->marks.next += l->marks + 1u;
		if (i)
			move_to_front(ls, i);
		ls->missed = 0;
		return true;
	}
	return false;
}

/* Where lines differ from one to the next, runs are tried less and less often. */
static void learn_from_run(struct layouts *ls, size_t lines)
{
	if (lines)
		ls->run_pause = ls->missed = 0;
	else if (ls->run_pause < RUN_PAUSE_MAX)
		ls->run_pause = 2 * ls->run_pause + 1;
	ls->run_wait = ls->run_pause;
}

bool layouts_missed(const struct layouts *ls)
{
	return ls->missed;
}

void layouts_pass(struct layouts *ls, size_t lines)
{
	ls->passed += lines;
	if (ls->passed < RETRY_PASSED)
		return;
	ls->passed = 0;
	ls->missed = 2 * RETRY_EVERY; /* the next line is tried */
	ls->run_wait = 0;
}

size_t layouts_run(struct layouts *ls, const char **p, const char *end, struct columns *c)
{
	struct layout *l = ls->n ? ls->order[0] : NULL;
	size_t marks, all = 0, lines = RUN_LINES;

	if (ls->run_wait) {
		ls->run_wait--;
		return 0;
	}
	if (!ls->run || !l || !l->has_lanes || !l->lanes.runs || pauses(ls))
		return 0;
	marks = l->marks + 1u;
	while (lines == RUN_LINES && c->n + RUN_LINES <= COLUMNS_ROWS && find_marks(ls, *p, end, RUN_LINES * marks)) {
		lines = ls->run(l, &ls->minute, ls->marks.base, ls->marks.at + ls->marks.next, *p, c);
		learn_from_run(ls, lines);
		all += lines;
		ls->marks.next += lines * marks;
		if (lines)
			*p = ls->marks.base + ls->marks.at[ls->marks.next - 1] + 1;
	}
	return all;
}

struct leaves *layouts_leaves(struct layouts *ls, struct slice line, bool may_learn)
{
	bool wanted = may_learn && !pauses(ls) && line.n && line.n <= LAYOUT_LINE_MAX;

	ls->missed++;
	ls->leaves.n = 0;
	ls->leaves.unfit = false;
	return wanted ? &ls->leaves : NULL;
}

/* False: such a value belongs to what may not change. */
static bool operand_of(const struct leaf *leaf, struct operand *o)
{
	bool is_field = leaf->path && leaf->path->kind == PATH_FIELD;
	bool is_metric = leaf->path && leaf->path->kind == PATH_METRIC;
	int kind = leaf->kind == LEAF_NUMBER ? OPERAND_NUMBER : OPERAND_OTHER_TEXT;

	if (leaf->kind == LEAF_NUMBER && is_metric) {
		o->metric = (uint8_t)leaf->path->id;
		kind = OPERAND_METRIC;
	} else if (leaf->kind == LEAF_NUMBER && is_field) {
		kind = leaf->path->id == F_SEQUENCE_LENGTH ? OPERAND_SEQUENCE_LENGTH
		       : leaf->path->id == F_SEQUENCE	   ? OPERAND_SEQUENCE
		       : leaf->path->id == F_TOKEN_COUNT   ? OPERAND_TOKEN_COUNT
							   : -1;
	} else if (leaf->kind == LEAF_TEXT && is_field) {
		kind = leaf->path->id == F_TIMESTAMP	? OPERAND_TIME
		       : leaf->path->id == F_SESSION_ID ? OPERAND_SESSION_ID
		       : leaf->path->id == F_TEXT	? OPERAND_TEXT
							: -1;
	}
	o->kind = (uint8_t)kind;
	return kind >= 0;
}

static void move_texts(struct field_values *values, const char *from, const char *to)
{
	for (int f = 0; f < FIELD_COUNT; f++)
		if (field_specs[f].kind == KIND_TEXT && fields_have(values, (enum field_id)f))
			values->v[f].text.p = to + (values->v[f].text.p - from);
}

bool layouts_crowded(const struct layouts *ls)
{
	return ls->n == LAYOUTS_MAX;
}

static struct layout *next_layout(struct layouts *ls)
{
	if (ls->n == LAYOUTS_MAX) {
		move_to_front(ls, ls->n - 1);
	} else {
		ls->order[ls->n] = &ls->layout[ls->n];
		ls->n++;
		move_to_front(ls, ls->n - 1);
	}
	return ls->order[0];
}

static uint16_t marks_in(const char *p, size_t n)
{
	uint16_t marks = 0;

	for (size_t i = 0; i < n; i++)
		marks = (uint16_t)(marks + is_mark(p[i]));
	return marks;
}

/* The last mark before the value, if there is one since the value before: its colon, in general. */
static void anchor(struct operand *o, struct slice line, size_t value, uint16_t *marks)
{
	size_t mark = value;

	while (mark > o->fixed && !is_mark(line.p[mark - 1]))
		mark--;
	o->anchored = mark > o->fixed && value - (mark - 1) <= UINT8_MAX;
	o->gap = o->anchored ? (uint8_t)(value - (mark - 1)) : 0;
	*marks = (uint16_t)(*marks + marks_in(line.p + o->fixed, o->fixed_bytes));
	o->mark = (uint16_t)(*marks - 1);
}

/* The fixed bytes before operand i in pieces; false: too many. */
static bool add_segments(struct lanes *s, size_t i, size_t fixed, size_t bytes)
{
	for (size_t skip = 0; skip < bytes; skip += SEGMENT_BYTES) {
		size_t n = bytes - skip < SEGMENT_BYTES ? bytes - skip : SEGMENT_BYTES;

		if (s->n_segments == SEGMENTS_MAX)
			return false;
		s->segment[s->n_segments] = (struct segment){ (uint16_t)i, (uint16_t)skip, (uint16_t)(fixed + skip) };
		s->mask[s->n_segments++] = n == SEGMENT_BYTES ? UINT64_MAX : (UINT64_C(1) << n) - 1;
	}
	return true;
}

static void swap_segments(struct lanes *s, size_t a, size_t b)
{
	struct segment segment = s->segment[a];
	uint64_t mask = s->mask[a];

	s->segment[a] = s->segment[b];
	s->mask[a] = s->mask[b];
	s->segment[b] = segment;
	s->mask[b] = mask;
}

static void put_short_first(struct lanes *s)
{
	for (size_t i = 0; i < s->n_segments; i++)
		if (s->mask[i] <= UINT32_MAX)
			swap_segments(s, i, s->n_short++);
}

/* Digits behind the point of operand i in the layout's own line. */
static uint8_t fraction_of(const struct layout *l, size_t i)
{
	const char *from = l->line + l->operand[i].fixed + l->operand[i].fixed_bytes;
	const char *to = l->line + (i + 1 < l->n ? l->operand[i + 1].fixed : l->tail), *point = memchr(from, '.', (size_t)(to - from));

	return point && to - point - 1 <= FRACTION_MAX ? (uint8_t)(to - point - 1) : 0;
}

/* False: the operands do not all have a place of their own, or bytes before the line would have to be read. */
static bool lay_lanes(struct layout *l)
{
	struct lanes *s = &l->lanes;

	memset(s, 0, sizeof *s);
	if (!l->n || l->n > LANES_MAX || l->operand[0].fixed_bytes < 8)
		return false;
	for (size_t i = l->n; i < LANES_MAX; i++)
		s->end_gap[i] = 8; /* lanes of no operand are read, too: nothing before the line */
	for (size_t i = 0; i < l->n; i++) {
		const struct operand *o = &l->operand[i];
		bool is_count = o->kind == OPERAND_SEQUENCE_LENGTH || o->kind == OPERAND_SEQUENCE || o->kind == OPERAND_TOKEN_COUNT;

		if (!o->anchored || !add_segments(s, i, o->fixed, o->fixed_bytes))
			return false;
		s->start_mark[i] = o->mark;
		s->start_gap[i] = o->gap;
		s->end_mark[i] = i + 1 < l->n ? o[1].mark : l->marks;
		s->end_gap[i] = i + 1 < l->n ? o[1].gap - o[1].fixed_bytes : -(int32_t)l->tail_bytes;
		s->counts |= (uint32_t)is_count << i;
		s->fraction[i] = fraction_of(l, i);
		s->has_session |= o->kind == OPERAND_SESSION_ID;
		if (o->kind != OPERAND_METRIC)
			continue;
		if (s->have & metric_bit(o->metric))
			return false;
		s->have |= metric_bit(o->metric);
		s->metrics |= UINT32_C(1) << i;
		s->decimals[i] = metric_specs[o->metric].decimals;
	}
	s->runs = l->marks < RUN_MARKS;
	if (!add_segments(s, l->n, l->tail, l->tail_bytes))
		return false;
	put_short_first(s);
	return true;
}

void layouts_learn(struct layouts *ls, struct slice line, const struct record *out)
{
	const struct leaves *leaves = &ls->leaves;
	uint16_t marks = 0;
	struct layout *l;
	size_t at = 0;

	if (leaves->unfit || out->event != EVENT_INFERENCE_STEP)
		return;
	l = next_layout(ls);
	l->n = 0;
	for (size_t i = 0; i < leaves->n; i++) {
		struct operand *o = &l->operand[l->n];

		if (!operand_of(&leaves->leaf[i], o))
			continue;
		o->fixed = (uint16_t)at;
		o->fixed_bytes = (uint16_t)(leaves->leaf[i].from - at);
		anchor(o, line, leaves->leaf[i].from, &marks);
		at = leaves->leaf[i].to;
		marks = (uint16_t)(marks + marks_in(line.p + leaves->leaf[i].from, at - leaves->leaf[i].from));
		l->n++;
	}
	l->tail = (uint16_t)at;
	l->tail_bytes = (uint16_t)(line.n - at);
	l->marks = (uint16_t)(marks + marks_in(line.p + at, line.n - at));
	memcpy(l->line, line.p, line.n);
	l->fixed = *out;
	l->session = *out->session;
	l->extra = *out->extra;
	move_texts(&l->session, line.p, l->line);
	move_texts(&l->extra, line.p, l->line);
	l->has_lanes = lay_lanes(l);
}

/* Digits only; false when one is none. */
static bool take_digits(const char *p, size_t n, int64_t *value)
{
	bool fine = true;

	*value = 0;
	for (size_t i = 0; i < n; i++) {
		fine &= is_digit(p[i]);
		*value = *value * 10 + (p[i] - '0');
	}
	return fine;
}

/* ":SS.mmmZ" */
static bool take_milliseconds(const char *p, int64_t *us)
{
	const uint64_t others = UINT64_C(0xff000000ff0000ff), digits = ~others;
	const uint64_t want = UINT64_C(0x5a0000002e00003a);
	uint64_t x = load8(p), d = (x & digits) - (UINT64_C(0x3030303030303030) & digits);

	/* A byte below '0' borrows and, like one above '9', has a bit among the high ones afterwards. */
	if ((x & others) != want || ((d | (d + (UINT64_C(0x0606060606060606) & digits))) & UINT64_C(0xf0f0f0f0f0f0f0f0) & digits))
		return false;
	*us = (int64_t)((d >> 8 & 0xff) * 10000000 + (d >> 16 & 0xff) * 1000000 + (d >> 32 & 0xff) * 100000 +
			(d >> 40 & 0xff) * 10000 + (d >> 48 & 0xff) * 1000);
	return *us < 60000000;
}

/* "…:SS.mmmZ" or "…:SS.uuuuuuZ" behind the minute; what has another form is left to time_parse. */
static bool in_minute(struct slice text, int64_t *us)
{
	const char *p = text.p;
	int64_t second, fraction;

	if (text.n == 24)
		return take_milliseconds(p + MINUTE_BYTES, us);
	if (text.n != 27 || p[26] != 'Z' || p[16] != ':' || p[19] != '.')
		return false;
	if (!take_digits(p + 17, 2, &second) || second > 59 || !take_digits(p + 20, 6, &fraction))
		return false;
	*us = second * 1000000 + fraction;
	return true;
}

bool layout_time(struct minute *minute, struct slice text, int64_t *us)
{
	int64_t rest;
	bool plain = in_minute(text, &rest);

	if (plain && load8(text.p) == load8(minute->text) && load8(text.p + 8) == load8(minute->text + 8)) {
		*us = minute->us + rest;
		return true;
	}
	if (!time_parse(text, us))
		return false;
	if (plain) {
		memcpy(minute->text, text.p, MINUTE_BYTES);
		minute->us = *us - rest;
	}
	return true;
}
