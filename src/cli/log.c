/* log.c - `rwkvmon log`: what is wrong with a log, line by line; a new file of what is right. */
#include "analyze/missing.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/utf8.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/tell.h"
#include "read/read.h"
#include "read/sources.h"
#include "report/terminal.h"
#include "spec/skipped.h"
#include "spec/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { SESSIONS_FIRST = 1 << 10, TROUBLES_LISTED = 1000, TROUBLES_SHOWN = 20, NEW_MODE = 0640 };

/* What a line is. */
enum line_kind {
	LINE_FINE,
	LINE_TORN,
	LINE_FOREIGN,
	LINE_DOUBLE,
	LINE_LOST,
	LINE_LEFT_OUT, /* a file or a folder that was not asked for, or was read under another name: nothing is lost */
	LINE_KINDS
};

static const char *const kind_keys[LINE_KINDS] = { "fine", "torn", "foreign", "double", "lost", "left_out" };

/* The line numbers of a session. */
struct numbered {
	uint64_t hash; /* of its id; 0: free */
	uint64_t is;   /* of an id without an instance: the hash of the first session that has it; else 0 */
	uint64_t file; /* in which its first line was last seen; 0: never */
	uint64_t steps;
	struct missing_track track;
};

struct trouble {
	enum line_kind kind;
	char *file;
	uint64_t line;
	const char *reason;
};

struct checking {
	uint64_t lines, count[LINE_KINDS], missing, dropped, sessions, unnumbered;
	uint64_t file;            /* the number of the one being read, from 1 */
	bool repeated;            /* the line is a session's first one again: fine, and not needed twice in one file */
	struct numbered *session; /* (room), open addressing; a power of two, four times what is in it */
	size_t room, used;
	struct trouble trouble[TROUBLES_LISTED];
	size_t n_troubles;
	int to; /* the new file, or -1 */
	int write_errno;
	struct buf pending; /* of the new file */
	bool failed;        /* memory ran out */
};

static void note(struct checking *c, enum line_kind kind, const char *file, uint64_t line, const char *reason)
{
	c->count[kind]++;
	if (kind == LINE_FINE || c->n_troubles == TROUBLES_LISTED)
		return;
	c->trouble[c->n_troubles] = (struct trouble){ kind, strdup(file), line, reason };
	c->failed |= !c->trouble[c->n_troubles].file;
	c->n_troubles += c->trouble[c->n_troubles].file != NULL;
}

static uint64_t key_of(struct slice id, struct slice instance)
{
	uint64_t h = hash_more(hash_of(id), instance);

	return h ? h : 1;
}

static struct numbered *place_of(struct checking *c, uint64_t hash)
{
	size_t at = hash & (c->room - 1);

	while (c->session[at].hash && c->session[at].hash != hash)
		at = (at + 1) & (c->room - 1);
	return &c->session[at];
}

/* Room for the two rows that a line may bring. False when memory is out. */
static bool make_room(struct checking *c)
{
	struct numbered *old = c->session;
	const size_t had = c->room;

	if (4 * (c->used + 2) <= had)
		return true;
	c->room = had ? 2 * had : SESSIONS_FIRST;
	c->session = calloc(c->room, sizeof *c->session);
	if (!c->session) {
		c->session = old;
		c->room = had;
		return false;
	}
	for (size_t i = 0; i < had; i++)
		if (old[i].hash)
			*place_of(c, old[i].hash) = old[i];
	free(old);
	return true;
}

/* Lines that do not name their instance belong to the first session with that id; one that no line has named yet is
 * that of the first instance that one names. NULL: memory is out. */
static struct numbered *session_of(struct checking *c, const struct record *r)
{
	struct slice id = fields_text(r->session, F_SESSION_ID), instance = fields_text(r->session, F_INSTANCE);
	uint64_t alone = key_of(id, (struct slice){ "", 0 }), hash = instance.n ? key_of(id, instance) : alone;
	struct numbered *first, *s;

	if (!make_room(c))
		return NULL;
	first = place_of(c, alone);
	if (!first->hash) {
		c->sessions++;
		c->used++;
		*first = (struct numbered){ .hash = alone };
	}
	first->is = first->is ? first->is : hash != alone ? hash : 0;
	if (hash == alone || hash == first->is)
		return first;
	s = place_of(c, hash);
	c->sessions += !s->hash;
	c->used += !s->hash;
	s->hash = hash;
	return s;
}

/* A number occurs once, wherever; a session's first line is repeated once in each file of a log that rotates. */
static bool is_double(struct checking *c, const struct record *r)
{
	struct numbered *s = session_of(c, r);
	bool first, here, fresh;

	c->unnumbered += !r->ordinal;
	c->repeated = false;
	c->failed |= !s;
	if (!s)
		return false;
	first = r->ordinal == 1;
	here = first && s->file == c->file;
	c->repeated = first && s->file && !here;
	s->file = first ? c->file : s->file;
	if (c->repeated)
		return false;
	if (here)
		return true;
	s->steps += r->event == EVENT_INFERENCE_STEP;
	fresh = missing_event(&s->track, r);
	c->failed |= s->track.numbers.failed;
	return !fresh;
}

static enum line_kind kind_of(struct checking *c, struct record_decoder *d, struct slice line, const char **reason)
{
	struct record r;
	enum decode_result result = record_decode(d, line, &r);

	if (result == DECODE_BLANK)
		return LINE_KINDS;
	*reason = result == DECODE_OK ? "its number was there before" : decode_reasons[result];
	if (result == DECODE_OK)
		return is_double(c, &r) ? LINE_DOUBLE : LINE_FINE;
	return result == DECODE_MALFORMED ? LINE_TORN : LINE_FOREIGN;
}

/* Whole lines go out together. */
static void flush_new(struct checking *c)
{
	if (c->to >= 0 && !c->write_errno)
		c->write_errno = file_write_all(c->to, buf_slice(&c->pending));
	c->failed |= c->pending.failed;
	buf_clear(&c->pending);
}

static void check_line(struct checking *c, struct record_decoder *d, struct slice line, const char *file, uint64_t at)
{
	const char *reason;
	enum line_kind kind;
	size_t behind;

	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	kind = kind_of(c, d, line, &reason);
	if (kind == LINE_KINDS)
		return;
	c->lines++;
	note(c, kind, file, at, reason);
	behind = kind == LINE_TORN ? record_decode_behind(d, line) : 0;
	if (behind) /* decodes, so that it is not torn in turn */
		check_line(c, d, (struct slice){ line.p + behind, line.n - behind }, file, at);
	if (kind != LINE_FINE || c->to < 0 || c->repeated)
		return;
	buf_add(&c->pending, line.p, line.n);
	buf_char(&c->pending, '\n');
	if (c->pending.used > 1 << 20)
		flush_new(c);
}

static void check_block(struct checking *c, struct record_decoder *d, const struct block *b, uint64_t *line)
{
	struct slice text = b->text;

	if (b->begins) {
		*line = 0;
		c->file++;
	}
	if (b->lost)
		note(c, LINE_LOST, b->name, *line += b->lost_line, b->lost);
	while (text.n) {
		const char *end = memchr(text.p, '\n', text.n);
		size_t n = end ? (size_t)(end - text.p) : text.n;

		check_line(c, d, (struct slice){ text.p, n }, b->name, ++*line);
		text = (struct slice){ text.p + n + (end != NULL), text.n - n - (end != NULL) };
	}
	if (b->lost_behind)
		note(c, LINE_LOST, b->name, ++*line, b->lost_behind);
	if (b->shrunk)
		note(c, LINE_LOST, b->name, *line, "became shorter while it was read");
}

/* Before the first line. Of those that are not listed it is only known how many are needless. */
static void note_left_out(struct checking *c, const struct input_stats *in)
{
	for (size_t i = 0; i < in->n_skipped; i++)
		note(c, source_is_needless(in->skipped[i].reason) ? LINE_LEFT_OUT : LINE_LOST, in->skipped[i].file, 0,
		     in->skipped[i].reason);
	c->count[LINE_LEFT_OUT] = in->needless;
	c->count[LINE_LOST] = in->skipped_lines - in->needless;
}

static int read_all(struct checking *c, struct reader *reader, struct err *err)
{
	struct record_decoder d = { .any_order = true };
	struct block b = { 0 };
	uint64_t line = 0;
	int rc;

	note_left_out(c, read_input(reader));
	while ((rc = read_block(reader, &b, err)) > 0)
		check_block(c, &d, &b, &line);
	flush_new(c);
	for (size_t i = 0; i < c->room; i++)
		c->missing += missing_count(&c->session[i].track, c->session[i].steps);
	for (size_t i = 0; i < c->room; i++)
		c->dropped += c->session[i].track.told;
	block_free(&b);
	record_decoder_free(&d);
	return rc;
}

/* --- what is said -------------------------------------------------------------------------- */

static bool all_fine(const struct checking *c)
{
	return c->count[LINE_FINE] == c->lines && !c->count[LINE_LOST] && !c->missing;
}

static uint64_t troubles_of(const struct checking *c)
{
	uint64_t n = 0;

	for (int k = LINE_FINE + 1; k < LINE_KINDS; k++)
		n += c->count[k];
	return n;
}

static void say_json(struct buf *to, const struct checking *c)
{
	struct json out = { .out = to };

	jw_object(&out);
	jw_put_u64(&out, "lines", c->lines);
	for (int k = 0; k <= LINE_LOST; k++)
		jw_put_u64(&out, kind_keys[k], c->count[k]);
	jw_put_u64(&out, "missing", c->missing);
	jw_put_u64(&out, "sessions", c->sessions);
	jw_put_u64(&out, "unnumbered", c->unnumbered);
	jw_put_u64(&out, kind_keys[LINE_LEFT_OUT], c->count[LINE_LEFT_OUT]);
	jw_put_u64(&out, "dropped", c->dropped);
	jw_put_array(&out, "troubles");
	for (size_t i = 0; i < c->n_troubles; i++) {
		jw_object(&out);
		jw_put_text(&out, "kind", kind_keys[c->trouble[i].kind]);
		jw_put_text(&out, "file", c->trouble[i].file);
		jw_put_u64(&out, "line", c->trouble[i].line);
		jw_put_text(&out, "reason", c->trouble[i].reason);
		jw_end(&out);
	}
	jw_end(&out);
	jw_end(&out);
	buf_char(to, '\n');
}

static void say_sums(struct buf *out, const struct checking *c, const struct report_options *how)
{
	char n[4 + LINE_KINDS][TERM_TEXT];
	struct term t = term_begin(out, how);
	struct buf said = { 0 };

	text_fill(&said, how->lang, TEXT_LOG_LINES, term_count(n[0], c->lines), term_count(n[1], c->count[LINE_FINE]),
		  term_count(n[2], c->count[LINE_TORN]), term_count(n[3], c->count[LINE_FOREIGN]),
		  term_count(n[4], c->count[LINE_DOUBLE]), term_count(n[5], c->count[LINE_LOST]),
		  term_count(n[6], c->missing), term_count(n[7], c->sessions));
	if (c->dropped)
		text_fill(&said, how->lang, TEXT_LOG_DROPPED, term_count(n[0], c->dropped));
	if (c->unnumbered)
		text_fill(&said, how->lang, TEXT_LOG_UNNUMBERED, term_count(n[0], c->unnumbered));
	term_lines(&t, TINT_PLAIN, said.p ? said.p : "");
	out->failed |= said.failed;
	buf_free(&said);
}

/* The lines that name a file stay whole, for programs that read FILE:LINE. */
static void say_text(struct buf *out, const struct checking *c, const struct report_options *how)
{
	const size_t shown = c->n_troubles < TROUBLES_SHOWN ? c->n_troubles : TROUBLES_SHOWN;
	char more[TERM_TEXT], line[24];

	say_sums(out, c, how);
	for (size_t i = 0; i < shown; i++) {
		const struct trouble *t = &c->trouble[i];

		snprintf(line, sizeof line, "%llu", (unsigned long long)t->line);
		text_fill(out, how->lang, TEXT_LOG_LINE, t->file, line,
			  t->kind == LINE_LEFT_OUT ? err_words("left out") : err_words(kind_keys[t->kind]),
			  skipped_reason(t->reason, how->lang));
	}
	if (troubles_of(c) > shown)
		text_fill(out, how->lang, TEXT_LOG_MORE, term_count(more, troubles_of(c) - shown));
}

static int say(const struct checking *c, const struct options *opts, struct err *err)
{
	struct report_options how = args_report(opts, NULL);
	struct buf out = { 0 };

	if (opts->json)
		say_json(&out, c);
	else
		say_text(&out, c, &how);
	if (!opts->json && out.p && !out.failed) {
		utf8_clean(out.p);
		out.used = strlen(out.p);
	}
	out.failed |= c->failed;
	return answer(&out, !opts->json, err);
}

/* --- the command --------------------------------------------------------------------------- */

/* Never overwrites an existing file, above all not the old log. */
static int open_new(struct checking *c, const char *path, struct err *err)
{
	size_t n = path ? strlen(path) : 0;

	if (!path || !strcmp(path, "-")) {
		err_set(err, ERR_USAGE, "log repair: no new file is named");
		return err_hint(err, "rwkvmon log repair run.log --output whole.log");
	}
	if ((n > 4 && !strcmp(path + n - 4, ".zst")) || (n > 3 && !strcmp(path + n - 3, ".gz")))
		return err_set(err, ERR_USAGE, "%s: the new file is written as plain lines; name it *.log", path);
	c->to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, NEW_MODE);
	if (c->to >= 0)
		return 0;
	err_set_os(err, ERR_WRITE, errno, "%s: cannot be created", path);
	return errno == EEXIST ? err_hint(err, "repair writes a new file and changes none that is there")
			       : -(int)err->code;
}

static int close_new(struct checking *c, const char *path, struct err *err)
{
	if (c->to < 0)
		return 0;
	if (!c->write_errno && fsync(c->to) && errno != EINVAL)
		c->write_errno = errno;
	if (close(c->to) && !c->write_errno)
		c->write_errno = errno;
	return c->write_errno ? err_set_os(err, ERR_WRITE, c->write_errno, "%s: cannot be written", path) : 0;
}

static int check_logs(const struct options *opts, bool repair, struct err *err)
{
	struct checking c = { .to = -1 };
	const struct read_options how = { .with_text = true };
	struct reader *reader = NULL;
	int rc = read_open(&reader, opts->argument + 1, opts->n_arguments - 1, &how, err), closed;

	if (!rc && repair)
		rc = open_new(&c, opts->output, err);
	if (!rc)
		rc = read_all(&c, reader, err);
	if (!rc && c.failed)
		rc = err_set(err, ERR_NOMEM, "no memory to check with");
	if (!rc && !c.lines)
		rc = err_set(err, ERR_FORMAT, "%s: is empty", opts->argument[1]);
	if (!rc && repair && !c.count[LINE_FINE])
		rc = err_set(err, ERR_FORMAT, "%s: there is no whole line to keep", opts->argument[1]);
	if (rc && c.to >= 0)
		unlink(opts->output);
	closed = close_new(&c, opts->output, rc ? NULL : err);
	if (!rc && closed) /* half a copy would stand in the way of the next one */
		unlink(opts->output);
	rc = rc ? rc : closed;
	if (!rc)
		rc = say(&c, opts, err);
	if (!rc && !repair && !all_fine(&c))
		rc = err_set(err, ERR_VERDICT, "log check: the log is not whole");
	for (size_t i = 0; i < c.n_troubles; i++)
		free(c.trouble[i].file);
	for (size_t i = 0; i < c.room; i++)
		missing_free(&c.session[i].track);
	buf_free(&c.pending);
	free(c.session);
	read_close(reader);
	return rc;
}

int command_log(const struct options *opts, struct err *err)
{
	const char *what = opts->n_arguments ? opts->argument[0] : "";
	bool repair = !strcmp(what, "repair");

	if (opts->n_arguments < 2 || (!repair && strcmp(what, "check"))) {
		err_set(err, ERR_USAGE, "log: expected check or repair, and then logs");
		return err_hint(err, "such as: %s", command_specs[COMMAND_LOG].example);
	}
	return check_logs(opts, repair, err);
}
