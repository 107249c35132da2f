/* decode_shape.c - keeps shapes, learns them from lines, and decodes lines by them. */
#include "record/decode_shape.h"

#include "base/cpu.h"
#include "record/decode_bytes.h"
#include "record/decode_time.h"
#include "record/decode_walk.h"

#include <stdlib.h>

enum {
	SHAPES_MAX = 8,
	STEP_FIRST = 8,   /* lines that are tried at once if the last ones did not all fit */
	MISSES = 32,      /* consecutive lines without a shape, after which only … */
	LEARN_EVERY = 64, /* … one of so many is learned, */
	PASS_MOST = 2048  /* and one of so many is tried */
};

struct shapes {
	walk_take *take;
	walk_find *find;
	struct known *known;
	struct minute minute;
	struct shape *order[SHAPES_MAX]; /* (n), most recently used first */
	size_t n;
	uint32_t learned;

	size_t step;          /* lines to try at once */
	size_t missed;        /* lines without a shape, in a row */
	size_t pass, passing; /* lines to leave to other decoders after a miss; of them, those still to come */
	bool has_missed;

	/* The line that stopped the last run, if only its session fields were unknown. */
	const char *strange;
	const struct shape *strange_shape;
	struct slice strange_text[KEPT_TEXTS];

	struct walk walk;
	struct leaves leaves;
	struct shape shape[SHAPES_MAX];
};

struct shapes *shapes_open(struct known *known)
{
	struct shapes *ss = aligned_alloc(64, (sizeof *ss + 63) / 64 * 64);

	if (!ss)
		return NULL;
	memset(ss, 0, offsetof(struct shapes, walk));
	ss->known = known;
	ss->step = STEP_FIRST;
	ss->take = walk_take_scalar;
	ss->find = walk_find_scalar;
#if defined(__x86_64__)
	if (cpu_features()->avx2) {
		ss->take = walk_take_avx2;
		ss->find = walk_find_avx2;
	}
#elif defined(__aarch64__)
	if (cpu_features()->neon) {
		ss->take = walk_take_neon;
		ss->find = walk_find_neon;
	}
#endif
	return ss;
}

void shapes_close(struct shapes *ss)
{
	free(ss);
}

/* --- a line becomes a shape ------------------------------------------------------- */

/* State while a shape is made from a line. */
struct making {
	struct shape *s;
	struct slice line;
	size_t at;       /* of the line: what is in the shape so far */
	bool in_stretch; /* the previous piece has a session value, and only such values have followed */
	bool fits;
};

static struct piece *add_piece(struct making *m)
{
	struct piece *f = &m->s->piece[m->s->n];

	m->fits &= m->s->n + 1 < PIECES_MAX;
	if (!m->fits)
		return NULL;
	m->s->n++;
	memset(f, 0, sizeof *f);
	return f;
}

/* Adds the fixed text up to there, in pieces; returns the last. NULL: there are too many. */
static struct piece *add_fixed(struct making *m, size_t upto)
{
	for (;;) {
		size_t left = upto - m->at, n = left < PIECE_BYTES ? left : PIECE_BYTES;
		struct piece *f = add_piece(m);

		if (!f)
			return NULL;
		memcpy(f->text, m->line.p + m->at, n);
		memset(f->mask, 0xff, n);
		f->bytes = (uint8_t)n;
		m->at += n;
		if (m->at == upto)
			return f;
	}
}

static int kind_of_field(enum field_id f, enum leaf_kind leaf)
{
	bool is_text = leaf == LEAF_TEXT;

	switch (f) {
	case F_SEQUENCE_LENGTH:
	case F_SEQUENCE:
	case F_TOKEN_COUNT:
	case F_BATCH_SIZE:
	case F_RECORD:
		return is_text ? VALUE_TEXT : VALUE_COUNT;
	case F_TIMESTAMP:
		return is_text ? VALUE_TIME : VALUE_NUMBER;
	case F_SESSION_ID:
		return is_text ? VALUE_SESSION_ID : VALUE_NUMBER;
	case F_PHASE:
		return is_text ? VALUE_PHASE : VALUE_NUMBER;
	case F_TEXT:
		return is_text ? VALUE_TEXT : VALUE_NUMBER;
	default:
		return field_specs[f].owner == OWNER_SESSION ? VALUE_KEPT : -1;
	}
}

/* VALUE_NONE: such a value belongs to the fixed text. */
static enum value_kind kind_of(const struct leaf *leaf)
{
	int kind = leaf->kind == LEAF_TEXT ? VALUE_TEXT : VALUE_NUMBER;

	if (leaf->path && leaf->path->kind == PATH_METRIC && leaf->kind == LEAF_NUMBER)
		kind = VALUE_METRIC;
	else if (leaf->path && leaf->path->kind == PATH_FIELD)
		kind = kind_of_field((enum field_id)leaf->path->id, leaf->kind);
	return kind < 0 ? VALUE_NONE : (enum value_kind)kind;
}

/* Consecutive session values form one stretch. */
static void add_stretch(struct making *m, bool is_kept)
{
	struct shape *s = m->s;

	if (!is_kept) {
		m->in_stretch = false;
		return;
	}
	if (!m->in_stretch) {
		m->fits &= s->n_kept < KEPT_TEXTS;
		if (!m->fits)
			return;
		s->kept[s->n_kept++].first = (uint8_t)(s->n - 1);
		m->in_stretch = true;
	}
	s->kept[s->n_kept - 1].last = (uint8_t)(s->n - 1);
}

static bool is_twice(const struct leaves *leaves, size_t i)
{
	const struct path *path = leaves->leaf[i].path;

	for (size_t k = 0; path && k < i; k++)
		if (leaves->leaf[k].path && leaves->leaf[k].path->kind == path->kind &&
		    leaves->leaf[k].path->id == path->id)
			return true;
	return false;
}

static void add_value(struct making *m, const struct leaf *leaf, enum value_kind kind)
{
	struct piece *f = add_fixed(m, leaf->from);

	/* The character after the value marks its end. Numbers are read from 8 bytes before their end on. */
	m->fits &= f && leaf->to < m->line.n && leaf->from >= 8 &&
		   !memchr(m->line.p + leaf->from, m->line.p[leaf->to], leaf->to - leaf->from);
	if (!m->fits)
		return;
	f->kind = (uint8_t)kind;
	f->stop = m->line.p[leaf->to];
	f->id = leaf->path ? (uint8_t)leaf->path->id : 0;
	m->at = leaf->to;
	if (kind == VALUE_METRIC)
		m->s->metrics |= metric_bit(leaf->path->id);
	add_stretch(m, kind == VALUE_KEPT);
}

_Static_assert(METRIC_COUNT <= UINT8_MAX && FIELD_COUNT <= UINT8_MAX, "ids fit a byte");

/* The place for a new shape; that of the last one if all are in use. */
static struct shape *place_for_one(struct shapes *ss)
{
	struct shape *s = ss->n == SHAPES_MAX ? ss->order[SHAPES_MAX - 1] : &ss->shape[ss->n];

	ss->n += ss->n < SHAPES_MAX;
	memmove(ss->order + 1, ss->order, (ss->n - 1) * sizeof(struct shape *));
	ss->order[0] = s;
	return s;
}

/* A line that cannot become a shape leaves a shape that no line matches. */
static void make_shape(struct shapes *ss, struct slice line, const struct record *out)
{
	const struct leaves *leaves = &ss->leaves;
	struct shape *s = place_for_one(ss);
	struct making m = { .s = s, .line = line, .fits = !leaves->unfit };

	s->n = s->n_kept = 0;
	s->metrics = 0;
	s->serial = ++ss->learned;
	s->fixed = *out;
	for (size_t i = 0; i < leaves->n && m.fits; i++) {
		enum value_kind kind = kind_of(&leaves->leaf[i]);

		m.fits &= !is_twice(leaves, i);
		if (kind != VALUE_NONE && m.fits)
			add_value(&m, &leaves->leaf[i], kind);
	}
	if (m.fits)
		m.fits = add_fixed(&m, line.n);
	if (!m.fits) {
		memmove(ss->order, ss->order + 1, (ss->n - 1) * sizeof(struct shape *));
		ss->order[ss->n - 1] = s;
		s->n = 0;
	}
}

struct leaves *shapes_leaves(struct shapes *ss, struct slice line)
{
	bool wanted = line.n && line.n <= SHAPE_LINE_MAX &&
		      (ss->missed < MISSES || ss->missed % LEARN_EVERY == 0 || line.p == ss->strange);

	ss->leaves.n = 0;
	ss->leaves.unfit = false;
	return wanted ? &ss->leaves : NULL;
}

void shapes_learn(struct shapes *ss, struct slice line, const struct record *out, struct known_fields *fields)
{
	const struct shape *s = ss->strange_shape;
	bool is_strange = line.p == ss->strange;

	ss->strange = NULL;
	if (out->event != EVENT_INFERENCE_STEP || !fields)
		return;
	if (is_strange)
		known_text_add(ss->known, s->serial, ss->strange_text, s->n_kept, fields);
	else
		make_shape(ss, line, out);
}

/* --- decoding lines by shapes ----------------------------------------------------- */

/* Lines at hand that are rows of c from `row` on. */
struct taking {
	struct shapes *ss;
	struct columns *c;
	size_t row, n;
	const char *base;
	uint32_t to[WALK_LINES]; /* line ends */
	uint64_t taken;          /* bits of lines */
	size_t strange;          /* the first line with unknown session fields; n: none */
};

static size_t line_start(const struct taking *t, size_t line)
{
	return line ? t->to[line - 1] + 1u : 0;
}

/* Lines not yet taken. */
static void list_lines(const struct taking *t, struct walk *w)
{
	w->base = t->base;
	w->n = 0;
	for (size_t i = 0; i < t->n; i++) {
		if (t->taken >> i & 1)
			continue;
		w->line[w->n] = (uint8_t)i;
		w->from[w->n] = (uint32_t)line_start(t, i);
		w->to[w->n++] = t->to[i];
	}
}

static void note_taken(struct taking *t, uint64_t fits)
{
	const struct walk *w = &t->ss->walk;

	if (w->n == t->n) {
		t->taken = fits;
		return;
	}
	for (; fits; fits &= fits - 1)
		t->taken |= UINT64_C(1) << w->line[__builtin_ctzll(fits)];
}

static uint64_t fill_times(struct taking *t, const struct shape *s, size_t q, uint64_t fits)
{
	const struct walk *w = &t->ss->walk;
	const struct walk_values values = walk_values(s, w, q);

	for (uint64_t left = fits; left; left &= left - 1) {
		size_t k = (size_t)__builtin_ctzll(left);

		if (!minute_time(&t->ss->minute, walk_value(&values, k), &t->c->time_us[t->row + w->line[k]]))
			fits &= ~(UINT64_C(1) << k);
	}
	return fits;
}

static uint64_t fill_sessions(struct taking *t, const struct shape *s, size_t q, uint64_t fits)
{
	const struct walk *w = &t->ss->walk;
	const struct walk_values values = walk_values(s, w, q);

	for (uint64_t left = fits; left; left &= left - 1) {
		size_t k = (size_t)__builtin_ctzll(left), row = t->row + w->line[k];
		const struct known_session *of = known_plain_session(t->ss->known, walk_value(&values, k));

		if (!of) {
			fits &= ~(UINT64_C(1) << k);
			continue;
		}
		t->c->who[row] = of->number;
		t->c->session_id[row] = of->id;
	}
	return fits;
}

static uint64_t fill_phases(struct taking *t, const struct shape *s, size_t q, uint64_t fits)
{
	const struct walk *w = &t->ss->walk;
	const struct walk_values values = walk_values(s, w, q);

	for (uint64_t left = fits; left; left &= left - 1) {
		size_t k = (size_t)__builtin_ctzll(left), row = t->row + w->line[k];
		struct slice text = walk_value(&values, k);

		if (slice_is(text, "decode"))
			t->c->phase[row] = PHASE_DECODE;
		else if (slice_is(text, "prefill"))
			t->c->phase[row] = PHASE_PREFILL;
		else
			fits &= ~(UINT64_C(1) << k);
	}
	return fits;
}

static uint64_t pass_texts(const struct taking *t, const struct shape *s, size_t q, uint64_t fits)
{
	const struct walk *w = &t->ss->walk;
	const struct walk_values values = walk_values(s, w, q);

	for (uint64_t left = fits; left; left &= left - 1) {
		size_t k = (size_t)__builtin_ctzll(left);
		struct slice text = walk_value(&values, k);

		if (plain_prefix(text.p, text.p + text.n) != text.n)
			fits &= ~(UINT64_C(1) << k);
	}
	return fits;
}

static inline struct slice kept_text_of(const struct shape *s, const struct walk *w, size_t i, size_t k)
{
	const uint32_t from = w->start[s->kept[i].first][k];

	return (struct slice){ w->base + from, walk_end(s, w, s->kept[i].last, k) - from };
}

static inline bool is_as_kept(const struct kept_text *kept, const struct shape *s, const struct walk *w, size_t k)
{
	bool same = kept && kept->shape == s->serial;

	for (size_t i = 0; same && i < s->n_kept; i++) {
		const struct slice text = kept_text_of(s, w, i, k);

		same = kept->text[i].n == text.n && !memcmp(kept->text[i].p, text.p, text.n);
	}
	return same;
}

/* Line k of the walk has other fields than its session's last line: those of others, or unknown ones. */
static __attribute__((noinline)) const struct kept_text *find_kept(struct taking *t, const struct shape *s, size_t k)
{
	struct shapes *ss = t->ss;
	const size_t line = ss->walk.line[k];
	const struct kept_text *kept;
	struct slice text[KEPT_TEXTS];

	for (size_t i = 0; i < s->n_kept; i++)
		text[i] = kept_text_of(s, &ss->walk, i, k);
	kept = known_text(ss->known, s->serial, text, s->n_kept);
	if (kept || line >= t->strange)
		return kept;
	t->strange = line;
	ss->strange = t->base + line_start(t, line);
	ss->strange_shape = s;
	memcpy(ss->strange_text, text, sizeof text);
	return NULL;
}

/* The session fields that lines give; they must equal known ones. */
static uint64_t fill_kept(struct taking *t, const struct shape *s, bool has_session, uint64_t fits)
{
	struct shapes *ss = t->ss;

	for (uint64_t left = fits; left; left &= left - 1) {
		size_t k = (size_t)__builtin_ctzll(left), row = t->row + ss->walk.line[k];
		struct known_session *session = has_session ? known_by_number(ss->known, t->c->who[row]) : NULL;
		const struct kept_text *kept = session ? session->kept : NULL;

		if (__builtin_expect(!is_as_kept(kept, s, &ss->walk, k), 0)) {
			kept = find_kept(t, s, k);
			if (session)
				session->kept = kept;
		}
		if (kept)
			t->c->session[row] = &kept->fields->values;
		else
			fits &= ~(UINT64_C(1) << k);
	}
	return fits;
}

/* Inline, because n is known where they are called: vectors are made of them. */
#define FILL(name, type)                                                                                               \
	static inline __attribute__((always_inline)) void name(type *to, type value, size_t n)                         \
	{                                                                                                              \
		for (size_t i = 0; i < n; i++)                                                                         \
			to[i] = value;                                                                                 \
	}

FILL(fill_64, uint64_t)
FILL(fill_32, uint32_t)
FILL(fill_16, uint16_t)

/* What all lines of the shape have in common, into n rows. */
static inline __attribute__((always_inline)) void put_fixed(struct columns *c, size_t row, size_t n,
							    const struct shape *s, uint16_t nobody)
{
	const struct record *fixed = &s->fixed;

	fill_64(c->sequence_length + row, fixed->sequence_length, n);
	fill_64(c->have + row, fixed->have, n);
	fill_64(c->nonfinite + row, fixed->nonfinite, n);
	fill_64(c->decimal + row, s->metrics, n);
	fill_64(c->ordinal + row, fixed->ordinal, n);
	fill_32(c->sequence + row, fixed->sequence, n);
	fill_32(c->token_count + row, fixed->token_count, n);
	fill_32(c->batch_size + row, fixed->batch_size, n);
	memset(c->event + row, (int)fixed->event, n);
	memset(c->phase + row, (int)fixed->phase, n);
	memset(c->whole + row, 0, n);
	fill_16(c->who + row, nobody, n);
	for (size_t i = 0; i < n; i++)
		c->session_id[row + i] = (struct slice){ "", 0 };
}

/* Decodes the remaining lines by one shape. */
static void decode_by_shape(struct taking *t, struct shape *s)
{
	struct walk *w = &t->ss->walk;
	bool has_session = false;
	int nobody = known_session(t->ss->known, (struct slice){ "", 0 });
	uint64_t fits;

	if (nobody < 0)
		return;
	list_lines(t, w);
	if (w->n == WALK_LINES)
		put_fixed(t->c, t->row, WALK_LINES, s, (uint16_t)nobody);
	else
		for (size_t k = 0; k < w->n; k++)
			put_fixed(t->c, t->row + w->line[k], 1, s, (uint16_t)nobody);
	fits = t->ss->take(s, w, t->c, t->row);
	for (size_t q = 0; fits && q < s->n; q++)
		switch (s->piece[q].kind) {
		case VALUE_TIME:
			fits = fill_times(t, s, q, fits);
			break;
		case VALUE_SESSION_ID:
			has_session = true;
			fits = fill_sessions(t, s, q, fits);
			break;
		case VALUE_PHASE:
			fits = fill_phases(t, s, q, fits);
			break;
		case VALUE_TEXT:
			fits = pass_texts(t, s, q, fits);
			break;
		default:
			break;
		}
	if (fits)
		fits = fill_kept(t, s, has_session, fits);
	note_taken(t, fits);
}

static void move_to_front(struct shapes *ss, size_t i)
{
	struct shape *s = ss->order[i];

	memmove(ss->order + 1, ss->order, i * sizeof(struct shape *));
	ss->order[0] = s;
}

/* Up to `most` lines from p on. Returns how many of them, from the first on, are rows now. */
static size_t decode_lines(struct shapes *ss, const char *p, const char *end, size_t most, struct columns *c,
			   const char **upto)
{
	struct taking t = { .ss = ss, .c = c, .row = c->n, .base = p };
	size_t lines;
	uint64_t all;

	ss->walk.readable = (size_t)(end - p) + DECODE_PADDING;
	t.n = ss->find(p, end, t.to, most);
	if (!t.n)
		return 0;
	all = t.n == WALK_LINES ? UINT64_MAX : (UINT64_C(1) << t.n) - 1;
	t.strange = t.n;
	for (size_t i = 0; i < ss->n && t.taken != all; i++) {
		uint64_t before = t.taken;

		if (!ss->order[i]->n)
			continue;
		decode_by_shape(&t, ss->order[i]);
		if (i && t.taken != before && !before)
			move_to_front(ss, i);
	}
	lines = t.taken == UINT64_MAX ? WALK_LINES : (size_t)__builtin_ctzll(~t.taken);
	if (ss->strange && lines < t.strange)
		ss->strange = NULL; /* another line stopped the run */
	*upto = p + line_start(&t, lines);
	ss->step = lines < t.n ? lines / 2 : 2 * ss->step;
	ss->step = ss->step < STEP_FIRST ? STEP_FIRST : ss->step > WALK_LINES ? WALK_LINES : ss->step;
	ss->has_missed = lines < t.n && !ss->strange;
	c->n += lines;
	return lines;
}

/* If lines match no shape, shapes are tried less and less often. */
static void learn_from_run(struct shapes *ss, size_t lines)
{
	if (lines) {
		ss->missed = ss->has_missed;
		ss->pass = 0;
	} else if (ss->has_missed) {
		ss->missed++;
		if (ss->missed > MISSES)
			ss->pass = ss->pass < PASS_MOST ? 2 * ss->pass + 1 : PASS_MOST;
	}
	ss->passing = ss->has_missed ? ss->pass : 0;
}

bool shapes_missed(const struct shapes *ss)
{
	return ss->has_missed;
}

void shapes_pass(struct shapes *ss, size_t lines)
{
	ss->passing = ss->passing > lines ? ss->passing - lines : 0;
}

size_t shapes_run(struct shapes *ss, const char **p, const char *end, struct columns *c)
{
	size_t all = 0, lines, most = ss->step;

	if (ss->passing) {
		ss->passing--;
		ss->missed++;
		return 0;
	}
	ss->strange = NULL;
	ss->has_missed = !ss->n;
	do {
		size_t room = COLUMNS_ROWS - c->n;

		most = ss->step < room ? ss->step : room;
		lines = most ? decode_lines(ss, *p, end, most, c, p) : 0;
		all += lines;
	} while (lines == most && most && *p < end && !ss->strange && !ss->has_missed);
	learn_from_run(ss, all);
	return all;
}
