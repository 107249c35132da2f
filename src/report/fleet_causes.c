/* fleet_causes.c - the causes of a fleet: of how many instances each is. */
#include "base/json.h"
#include "report/fleet.h"
#include "report/verdict_text.h"

#include <math.h>
#include <stdlib.h>

enum { NAMES = 3, NAMES_JSON = 10 };

/* Instances of one cause, the worst first. */
struct of_cause {
	const struct instance_findings **in; /* (n) */
	size_t n;
};

/* Takes the next instances that were not listed yet and have the same cause, and moves them together. */
static struct of_cause next_cause(const struct instance_findings **in, size_t n)
{
	struct of_cause out = { .in = in, .n = 1 };

	for (size_t i = 1; i < n; i++) {
		const struct instance_findings *one = in[i];

		if (one->cause != in[0]->cause)
			continue;
		memmove(&in[out.n + 1], &in[out.n], (i - out.n) * sizeof *in);
		in[out.n++] = one;
	}
	return out;
}

static const struct instance_findings **by_trouble(const struct findings *f, struct buf *out)
{
	const struct instance_findings **in = malloc((f->n_instances + 1) * sizeof(const struct instance_findings *));

	out->failed |= !in;
	if (in)
		instances_by_trouble(f, in);
	return in;
}

static void name_some(struct buf *out, const struct of_cause *of, enum lang lang)
{
	char n[TERM_TEXT];

	for (size_t i = 0; i < of->n && i < NAMES; i++)
		buf_printf(out, "%s%s", !i ? "" : text(TEXT_LIST_COMMA, lang), instance_shown(of->in[i]->instance));
	if (of->n <= NAMES)
		return;
	buf_str(out, text(TEXT_LIST_COMMA, lang));
	text_fill(out, lang, TEXT_FLEET_CAUSE_MORE, term_count(n, of->n - NAMES), cause_specs[of->in[0]->cause].id);
}

static void cause_words(struct buf *out, const struct of_cause *of, enum lang lang)
{
	const struct cause_spec *cause = &cause_specs[of->in[0]->cause];
	struct buf names = { 0 };
	char n[TERM_TEXT];

	buf_printf(out, "%s%s%s", cause->title[lang], text(TEXT_COLON, lang), term_count(n, of->n));
	if (cause_is_bad(cause->kind)) {
		name_some(&names, of, lang);
		text_fill(out, lang, TEXT_IN_BRACKETS, buf_text(&names));
	}
	buf_free_into(&names, out);
}

static size_t instances_by_chance(const struct findings *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_instances; i++)
		n += f->instance[i].by_chance != 0;
	return n;
}

/* Names what does not count, among so many: "The first calls are slow: 3, …". */
static void say_by_chance(struct buf *out, const struct findings *f, enum lang lang)
{
	struct buf causes = { 0 };
	char n[TERM_TEXT];

	for (int c = 0; c < CAUSE_COUNT; c++) {
		size_t found = 0;

		for (size_t i = 0; i < f->n_instances; i++)
			found += f->instance[i].by_chance >> c & 1;
		if (found)
			buf_printf(&causes, "%s%s%s%s", causes.used ? text(TEXT_LIST_COMMA, lang) : "",
				   cause_specs[c].title[lang], text(TEXT_COLON, lang), term_count(n, found));
	}
	if (causes.used)
		text_fill(out, lang, TEXT_FLEET_BY_CHANCE, term_count(n, instances_by_chance(f)), causes.p);
	buf_free_into(&causes, out);
}

/* Says of how many instances there is less than of the others, and what does not count. False: there was no memory for
 * all of it; so it is with fleet_causes_each. */
static bool each_left_out(const struct findings *f, enum lang lang, fleet_line_fn *line, void *ctx)
{
	const struct {
		enum text_id words;
		uint64_t n;
	} left_out[] = { { TEXT_FLEET_UNTIMED, f->instances_untimed }, { TEXT_FLEET_UNLISTED, f->sessions_unlisted } };
	struct buf words = { 0 };
	bool whole;
	char n[TERM_TEXT];

	for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++) {
		buf_rewind(&words);
		if (left_out[i].n)
			text_fill(&words, lang, left_out[i].words, term_count(n, left_out[i].n));
		if (words.used)
			line(ctx, words.p, VERDICT_UNDECIDED);
	}
	buf_rewind(&words);
	say_by_chance(&words, f, lang);
	if (words.used)
		line(ctx, words.p, VERDICT_UNDECIDED);
	whole = !words.failed;
	buf_free(&words);
	return whole;
}

bool fleet_causes_each(const struct findings *f, enum lang lang, fleet_line_fn *line, void *ctx)
{
	struct buf words = { 0 };
	const struct instance_findings **in = f->n_instances > 1 ? by_trouble(f, &words) : NULL;
	bool whole = true;

	slowdown_words(&words, f, lang);
	if (in && words.used)
		line(ctx, words.p, VERDICT_ATTENTION);
	for (size_t i = 0; in && i < f->n_instances;) {
		struct of_cause of = next_cause(&in[i], f->n_instances - i);

		buf_rewind(&words);
		cause_words(&words, &of, lang);
		if (words.p)
			line(ctx, words.p, of.in[0]->verdict);
		i += of.n;
	}
	if (in)
		whole = each_left_out(f, lang, line, ctx);
	whole &= !words.failed;
	buf_free(&words);
	free(in);
	return whole;
}

static void put_line(void *ctx, const char *words, enum verdict verdict)
{
	struct term *t = ctx;
	struct buf clean = { 0 };

	term_clean_all(&clean, t, words);
	term_left(t, TINT_PLAIN, "", 2);
	term_wrap(t, verdict_tint(verdict), buf_text(&clean), 4);
	term_newline(t);
	buf_free_into(&clean, t->out);
}

void fleet_causes_text(struct term *t, const struct findings *f)
{
	if (f->n_instances < 2)
		return;
	term_heading(t, TEXT_FLEET_CAUSES, text(TEXT_FLEET_CAUSES_REMARK, t->lang));
	t->out->failed |= !fleet_causes_each(f, t->lang, put_line, t);
}

/* --- JSON -------------------------------------------------------------------------------------- */

static void put_slowdown_json(struct json *out, const struct findings *f, enum lang lang)
{
	const struct slowdown *s = &f->slowdown;
	struct buf words = { 0 };

	slowdown_words(&words, f, lang);
	jw_object(out);
	jw_put_text(out, "scope", slowdown_scope_ids[s->scope]);
	jw_put_u64(out, "instances", s->slowed);
	jw_put_u64(out, "of", s->of);
	jw_put_u64(out, "together", s->together);
	jw_put_time(out, "from", s->from_us, s->slowed != 0);
	jw_put_time(out, "to", s->to_us, s->slowed != 0);
	jw_put_digits(out, "times", s->slowed ? s->times : (double)NAN, 4);
	jw_put_known_text(out, "worst", s->instance);
	jw_put_object(out, "shared");
	for (int what = 0; what < SHARED_COUNT; what++)
		if (s->shared[what])
			jw_put_text(out, shared_ids[what], s->shared[what]);
	jw_end(out);
	jw_put_text(out, "text", buf_text(&words));
	jw_end(out);
	buf_free_into(&words, out->out);
}

static void put_text_json(void *ctx, const char *words, enum verdict verdict)
{
	(void)verdict;
	jw_text(ctx, words);
}

void fleet_causes_json(struct json *out, const struct findings *f, enum lang lang)
{
	const struct instance_findings **in = by_trouble(f, out->out);

	jw_object(out);
	jw_key(out, "slowdown");
	put_slowdown_json(out, f, lang);
	jw_put_array(out, "causes");
	for (size_t i = 0; in && i < f->n_instances;) {
		struct of_cause of = next_cause(&in[i], f->n_instances - i);

		jw_object(out);
		jw_put_text(out, "cause", cause_specs[of.in[0]->cause].id);
		jw_put_text(out, "title", cause_specs[of.in[0]->cause].title[lang]);
		jw_put_u64(out, "instances", of.n);
		jw_put_array(out, "worst");
		for (size_t k = 0; k < of.n && k < NAMES_JSON; k++)
			jw_known_text(out, of.in[k]->instance);
		jw_end(out);
		jw_end(out);
		i += of.n;
	}
	jw_end(out);
	jw_put_u64(out, "instances_untimed", f->instances_untimed);
	jw_put_u64(out, "sessions_unlisted", f->sessions_unlisted);
	jw_put_u64(out, "instances_by_chance", instances_by_chance(f));
	jw_put_array(out, "left_out");
	out->out->failed |= !each_left_out(f, lang, put_text_json, out);
	jw_end(out);
	jw_end(out);
	free(in);
}
