/* engine.c - one question after the other; each line of an answer is one JSON object of texts. */
#include "ship/engine.h"

#include "base/array.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/lines.h"
#include "export/http_ask.h"
#include "ship/engine_row.h"
#include "ship/engine_value.h"

#include <ctype.h>
#include <stdlib.h>

enum {
	SILENT_MS = 60000,
	WHOLE_MS = 600000, /* for an answer: engines end one much earlier (VictoriaLogs after 30 s) */
	LINE_MOST = 4 << 20,
	ROWS_MOST = 1 << 16 /* of a slice, about */,
	SLICES_MOST = 4096,
	OWNERS_MOST = 256 << 20 /* bytes */
};
static const int64_t SLICE_LEAST_US = INT64_C(60000000);

/* Which ids came, of one slice of time: an open table of hashes, never more than half full. */
struct seen {
	uint64_t *hash; /* (cap), 0: free */
	size_t n, cap;
};

/* What is taken in the order of time, once all of a slice has come. */
struct time_rows {
	struct summed_times *row; /* (n) */
	size_t n, cap;
};

struct asking {
	struct analysis *a;
	const struct engine_question *q;
	struct engine_answer *out;
	enum logsql_id id;
	struct buf rest; /* of a line that is not whole yet */
	struct seen seen;
	struct engine_rows *rows;
	struct time_rows times;
	struct buf owners;       /* lines, until all of a slice have come */
	bool counted;            /* records and tokens are the engine's */
	uint64_t rollups, asked; /* that there are; those that had come when the slice was asked for */
	bool failed;             /* no memory */
	bool late;               /* the answer was not whole after WHOLE_MS */
};

/* --- seen ----------------------------------------------------------------------------------- */

static bool put_hash(struct seen *s, uint64_t hash)
{
	size_t at = hash & (s->cap - 1);

	while (s->hash[at] && s->hash[at] != hash)
		at = (at + 1) & (s->cap - 1);
	if (s->hash[at])
		return false;
	s->hash[at] = hash;
	s->n++;
	return true;
}

static bool seen_grow(struct seen *s)
{
	struct seen grown = { .cap = s->cap ? 2 * s->cap : 4096 };

	if (2 * s->n < s->cap)
		return true;
	grown.hash = calloc(grown.cap, sizeof *grown.hash);
	if (!grown.hash)
		return false;
	for (size_t i = 0; i < s->cap; i++)
		if (s->hash[i])
			put_hash(&grown, s->hash[i]);
	free(s->hash);
	*s = grown;
	return true;
}

/* True when the id is new. */
static bool is_new(struct asking *a, struct slice id)
{
	uint64_t h = hash_of(id);

	h ^= h >> 29;
	a->failed |= !seen_grow(&a->seen);
	return a->failed || put_hash(&a->seen, h ? h : 1);
}

/* --- roll-ups ------------------------------------------------------------------------------------ */

static int by_time(const void *a, const void *b)
{
	const struct time_summed *x = &((const struct summed_times *)a)->sums,
				 *y = &((const struct summed_times *)b)->sums;
	const int order = (x->to_us > y->to_us) - (x->to_us < y->to_us);

	return order ? order : (x->from_us > y->from_us) - (x->from_us < y->from_us);
}

static void read_times(struct asking *a)
{
	struct time_rows *t = &a->times;

	if (t->n)
		qsort(t->row, t->n, sizeof *t->row, by_time);
	for (size_t i = 0; i < t->n; i++)
		analyze_take_times(a->a, &t->row[i]);
	t->n = 0;
}

/* False: the line is no roll-up, or says of a metric what no roll-up does. */
static bool read_rollup(struct asking *a, struct slice line)
{
	struct engine_row row;

	a->out->rows++;
	if (!a->rows)
		a->rows = engine_rows_open();
	if (!a->rows || !array_grow(&a->times.row, a->times.n, &a->times.cap, 1024, sizeof *a->times.row)) {
		a->failed = true;
		return true;
	}
	if (!engine_row_read(a->rows, line, &row))
		return false;
	if (!is_new(a, row.id)) {
		a->out->twice++;
		return true;
	}
	a->failed |= !engine_row_metrics(a->rows, &row);
	row.sums.counted = a->counted;
	if (row.sums.records)
		analyze_take_summed(a->a, &row.sums, &a->times.row[a->times.n++]);
	if (a->times.n == 8 * ROWS_MOST) /* a slice that has more than was told */
		read_times(a);
	return row.fine;
}

/* --- the other questions -------------------------------------------------------------------------- */

static int64_t time_of(struct slice value)
{
	int64_t us;

	return time_parse(engine_bare(value), &us) ? us : INT64_MIN;
}

/* Whose steps there are, in the order in which they began. */
struct owner_line {
	int64_t first_us;
	struct slice line;
};

static int by_first(const void *a, const void *b)
{
	const struct owner_line *x = a, *y = b;
	const int order = (x->first_us > y->first_us) - (x->first_us < y->first_us);
	const size_t n = x->line.n < y->line.n ? x->line.n : y->line.n;

	return order ? order : memcmp(x->line.p, y->line.p, n);
}

static void read_counts(struct asking *a, const struct owner_line *of)
{
	struct buf text[3] = { { 0 } };
	const struct summed_owner owner = { engine_text(&text[0], json_read_member(of->line, "instance")),
					    engine_text(&text[1], json_read_member(of->line, "metadata.model_name")),
					    engine_text(&text[2], json_read_member(of->line, "metadata.strategy")) };
	const struct summed_counts n = { engine_whole(json_read_member(of->line, "records")),
					 engine_whole(json_read_member(of->line, "tokens")),
					 engine_whole(json_read_member(of->line, "dropped")) };

	analyze_take_counts(a->a, &owner, &n, of->first_us);
	for (int i = 0; i < 3; i++)
		buf_free(&text[i]);
}

/* Of a slice, all owners: the engine has no order. */
static void read_owners(struct asking *a)
{
	struct slice rest = buf_slice(&a->owners);
	struct owner_line *owner;
	size_t n = 0;

	for (size_t i = 0; i < rest.n; i++)
		n += rest.p[i] == '\n';
	owner = calloc(n + 1, sizeof *owner);
	a->failed |= !owner;
	n = 0;
	while (owner && rest.n) {
		const struct slice line = next_line(&rest);
		const int64_t first_us = time_of(json_read_member(line, "first"));

		a->out->bad += first_us == INT64_MIN;
		if (first_us != INT64_MIN)
			owner[n++] = (struct owner_line){ first_us, line };
	}
	if (n)
		qsort(owner, n, sizeof *owner, by_first);
	for (size_t i = 0; i < n; i++)
		read_counts(a, &owner[i]);
	free(owner);
	buf_clear(&a->owners);
}

static void keep_owner(struct asking *a, struct slice line)
{
	buf_add(&a->owners, line.p, line.n);
	buf_char(&a->owners, '\n');
	a->failed |= a->owners.failed;
}

static bool read_alarms(struct asking *a, struct slice line, struct slice instance)
{
	const enum alarm_type type = alarm_by_id(engine_bare(json_read_member(line, "alarm_type")));

	if (type == ALARM_TYPE_COUNT)
		return false;
	analyze_take_alarms(a->a, instance, type, engine_whole(json_read_member(line, "alarms")));
	return true;
}

static bool read_device(struct asking *a, struct slice line, struct slice instance)
{
	struct buf gpu = { 0 }, cpu = { 0 };
	const struct slice of_gpu = engine_text(&gpu, json_read_member(line, "gpu")),
			   of_cpu = engine_text(&cpu, json_read_member(line, "cpu"));

	analyze_take_device(a->a, instance, of_gpu, of_cpu);
	buf_free(&gpu);
	buf_free(&cpu);
	return true;
}

/* Unless another session began after it. */
static bool read_ends(struct asking *a, struct slice line, struct slice instance)
{
	const int64_t began = time_of(json_read_member(line, "began")),
		      ended = time_of(json_read_member(line, "ended"));

	if (ended != INT64_MIN && ended >= began)
		analyze_take_end(a->a, instance, ended);
	return ended != INT64_MIN || began != INT64_MIN;
}

/* What is said of an instance. */
static bool read_of_instance(struct asking *a, struct slice line)
{
	struct buf room = { 0 };
	const struct slice instance = engine_text(&room, json_read_member(line, "instance"));
	bool fine = true;

	if (a->id == LOGSQL_ALARMS)
		fine = read_alarms(a, line, instance);
	else if (a->id == LOGSQL_DEVICES)
		fine = read_device(a, line, instance);
	else if (a->id == LOGSQL_ENDS)
		fine = read_ends(a, line, instance);
	else if (a->id == LOGSQL_GAPS)
		analyze_take_lost(a->a, instance, engine_whole(json_read_member(line, "dropped")));
	buf_free(&room);
	return fine;
}

/* --- an answer ---------------------------------------------------------------------------------------- */

static void read_line(struct asking *a, struct slice line)
{
	bool fine = true;

	if (!line.n)
		return;
	if (a->id == LOGSQL_SKETCHES)
		fine = read_rollup(a, line);
	else if (a->id == LOGSQL_COUNTS)
		keep_owner(a, line);
	else if (a->id == LOGSQL_ROLLUPS)
		a->rollups += engine_whole(json_read_member(line, "rollups"));
	else
		fine = read_of_instance(a, line);
	a->out->bad += !fine;
}

static void show_progress(struct asking *a)
{
	const uint64_t came = a->out->rows < a->rollups ? a->out->rows : a->rollups;

	if (a->q && a->q->progress && a->id == LOGSQL_SKETCHES)
		a->q->progress(a->q->ctx, came, a->rollups + 1);
}

static bool receive_piece(void *ctx, struct slice piece)
{
	struct asking *a = ctx;

	a->out->bytes += piece.n;
	for (const char *end; piece.n && (end = memchr(piece.p, '\n', piece.n));) {
		const size_t n = (size_t)(end - piece.p);

		if (a->rest.used) {
			buf_add(&a->rest, piece.p, n);
			read_line(a, buf_slice(&a->rest));
			buf_clear(&a->rest);
		} else {
			read_line(a, (struct slice){ piece.p, n });
		}
		piece = (struct slice){ end + 1, piece.n - n - 1 };
	}
	buf_add(&a->rest, piece.p, piece.n);
	show_progress(a);
	return !a->failed && !a->rest.failed && a->rest.used <= LINE_MOST && a->owners.used <= OWNERS_MOST;
}

static void add_encoded(struct buf *out, const char *text)
{
	for (; *text; text++)
		if (isalnum((unsigned char)*text) || strchr("-_.~", *text))
			buf_char(out, *text);
		else
			buf_printf(out, "%%%02X", (unsigned)(unsigned char)*text);
}

static void make_url(struct buf *out, const struct engine_question *q, enum logsql_id id, int64_t from_us,
		     int64_t to_us)
{
	char from[TIME_TEXT_BYTES], to[TIME_TEXT_BYTES];
	size_t n = strlen(q->url);

	while (n && q->url[n - 1] == '/')
		n--;
	time_format(from, from_us);
	time_format(to, to_us);
	buf_add(out, q->url, n);
	buf_str(out, "/select/logsql/query?query=");
	add_encoded(out, logsql_specs[id].query);
	buf_printf(out, "&start=%s&end=%s", from, to);
}

static int ask(struct asking *a, enum logsql_id id, int64_t from_us, int64_t to_us, struct err *err)
{
	const uint64_t begun_ns = clock_mono_ns(&clock_system);
	struct buf url = { 0 };
	int rc;

	a->id = id;
	buf_clear(&a->rest);
	make_url(&url, a->q, id, from_us, to_us);
	rc = url.failed ? err_set(err, ERR_NOMEM, "no memory to ask")
			: http_ask(&(struct http_ask){ .what = "fleet",
						       .url = url.p,
						       .token = a->q->token,
						       .ca = a->q->ca,
						       .silent_ms = SILENT_MS,
						       .whole_ms = WHOLE_MS,
						       .take = receive_piece,
						       .ctx = a },
				   err);
	a->late = rc && clock_mono_ns(&clock_system) - begun_ns >= WHOLE_MS * UINT64_C(1000000);
	if (!rc && a->rest.used)
		read_line(a, buf_slice(&a->rest));
	if (a->failed)
		rc = err_set(err, ERR_NOMEM, "no memory for the engine's answer");
	buf_free(&url);
	return rc;
}

/* As few as hold ROWS_MOST each, were they spread evenly: whatever a slice is asked for, the engine reads what lies
 * near it, too. */
static int64_t width_of(const struct asking *a)
{
	const int64_t whole = a->q->to_us - a->q->from_us;
	uint64_t slices = 1 + a->rollups / ROWS_MOST;
	int64_t width;

	slices = slices < SLICES_MOST ? slices : SLICES_MOST;
	width = (whole / (int64_t)slices + 999) / 1000 * 1000;
	return width < SLICE_LEAST_US ? SLICE_LEAST_US : width;
}

/* An engine ends an answer that takes it too long: what is missing is asked for by halves; what had come is known. One
 * that does not even end it is not asked again. */
static int ask_rollups(struct asking *a, int64_t from_us, int64_t to_us, struct err *err)
{
	const uint64_t before = a->out->rows;
	const int64_t half = (to_us - from_us) / 2000 * 1000;
	int rc = ask(a, LOGSQL_SKETCHES, from_us, to_us, err);

	if (!rc || a->failed || a->late || a->out->rows == before || half < SLICE_LEAST_US)
		return rc;
	rc = ask_rollups(a, from_us, from_us + half - 1000, err);
	return rc ? rc : ask_rollups(a, from_us + half, to_us, err);
}

/* Lines that were sent twice have the same time: they are in one slice. */
static int ask_slice(struct asking *a, int64_t from_us, int64_t to_us, struct err *err)
{
	int rc;

	free(a->seen.hash);
	a->seen = (struct seen){ .n = 0 };
	rc = ask(a, LOGSQL_COUNTS, from_us, to_us, err);
	if (!rc)
		read_owners(a);
	rc = rc ? rc : ask_rollups(a, from_us, to_us, err);
	if (!rc)
		read_times(a);
	return rc;
}

/* Times are told in milliseconds, both ends included: a slice ends one before the next begins. */
static int ask_slices(struct asking *a, struct err *err)
{
	const struct engine_question *q = a->q;
	int rc = ask(a, LOGSQL_ROLLUPS, q->from_us, q->to_us, err);
	const int64_t width = width_of(a);

	for (int64_t from = q->from_us / 1000 * 1000; !rc && a->rollups && from < q->to_us; from += width)
		rc = ask_slice(a, from, from + width < q->to_us ? from + width - 1000 : q->to_us, err);
	return rc;
}

static void free_asking(struct asking *a)
{
	free(a->seen.hash);
	for (size_t i = 0; i < a->times.n; i++)
		summed_times_free(&a->times.row[i]);
	free(a->times.row);
	engine_rows_close(a->rows);
	buf_free(&a->owners);
	buf_free(&a->rest);
}

bool engine_take(struct analysis *a, enum logsql_id id, struct slice answer, struct engine_answer *out)
{
	struct asking asking = { .a = a, .out = out, .id = id };

	receive_piece(&asking, answer);
	if (asking.rest.used)
		read_line(&asking, buf_slice(&asking.rest));
	read_owners(&asking);
	read_times(&asking);
	free_asking(&asking);
	return !asking.failed && !asking.rest.failed;
}

int engine_ask(struct analysis *a, const struct engine_question *q, struct engine_answer *out, struct err *err)
{
	static const enum logsql_id after[] = { LOGSQL_GAPS, LOGSQL_ALARMS, LOGSQL_DEVICES, LOGSQL_ENDS };
	struct asking asking = { .a = a, .q = q, .out = out, .counted = true };
	int rc;

	*out = (struct engine_answer){ .rows = 0 };
	rc = ask_slices(&asking, err);
	for (size_t i = 0; !rc && i < sizeof after / sizeof *after; i++)
		rc = ask(&asking, after[i], q->from_us, q->to_us, err);
	free_asking(&asking);
	return rc;
}
