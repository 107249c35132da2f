/* doctor.c - draws the checks as text or JSON. */
#include "cli/doctor.h"

#include "base/file.h"
#include "base/json.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/tell.h"
#include "report/terminal.h"
#include "spec/text.h"

#include <stdlib.h>
#include <unistd.h>

/* What was found, and what to do about it (may be empty). Words come from files and programs: the caller removes
 * control characters. */
static void words_of(const struct answer *a, enum lang lang, struct buf *found, struct buf *fix)
{
	const struct finding_spec *spec = &finding_specs[a->found];
	const char *word[ANSWER_WORDS + 1];

	for (int i = 0; i < ANSWER_WORDS; i++)
		word[i] = a->word[i];
	word[ANSWER_WORDS] = "";
	text_fill_words(fix, spec->fix[lang], text_fill_words(found, spec->text[lang], word));
}

static int count_problems(const struct answer answers[CHECK_COUNT])
{
	int n = 0;

	for (int i = 0; i < CHECK_COUNT; i++)
		n += finding_specs[answers[i].found].state == FINDING_PROBLEM;
	return n;
}

/* -- as JSON ------------------------------------------------------------------------------- */

static void put_check(struct json *out, enum check_id id, const struct answer *a, enum lang lang)
{
	struct buf found = { 0 }, fix = { 0 };
	const struct finding_spec *spec = &finding_specs[a->found];

	words_of(a, lang, &found, &fix);
	jw_object(out);
	jw_put_text(out, "id", check_specs[id].id);
	jw_put_text(out, "state", finding_state_names[spec->state]);
	jw_put_text(out, "title", check_specs[id].title[lang]);
	jw_put_text(out, "found", found.p ? found.p : "");
	if (spec->state == FINDING_PROBLEM)
		jw_put_text(out, "fix", fix.p ? fix.p : "");
	jw_end(out);
	out->out->failed |= found.failed || fix.failed;
	buf_free(&found);
	buf_free(&fix);
}

static void put_plans(struct json *out, const struct set_up *f)
{
	struct plan plans[PLANS_MAX];
	size_t n = f->model.readable ? plans_make(plans, f) : 0;

	jw_put_array(out, "strategies");
	for (size_t i = 0; i < n; i++) {
		jw_object(out);
		jw_put_text(out, "strategy", plans[i].strategy);
		jw_put_u64(out, "ram_bytes", plans[i].ram);
		jw_put_u64(out, "vram_bytes", plans[i].vram);
		jw_put_bool(out, "fits", plans[i].fits);
		jw_end(out);
	}
	jw_end(out);
}

static void draw_json(struct buf *to, const struct answer answers[CHECK_COUNT], const struct set_up *f)
{
	struct json json = { .out = to }, *out = &json;

	jw_object(out);
	jw_put_i64(out, "problems", count_problems(answers));
	jw_put_array(out, "checks");
	for (int i = 0; i < CHECK_COUNT; i++)
		put_check(out, (enum check_id)i, &answers[i], f->lang);
	jw_end(out);
	put_plans(out, f);
	jw_end(out);
	buf_char(to, '\n');
}

/* -- for people ---------------------------------------------------------------------------- */

enum { TITLE_COLUMNS = 27 };

static const struct {
	const char *mark;
	enum tint tint;
} marks[FINDING_STATES] = { { "\xe2\x9c\x93", TINT_GOOD }, { "\xe2\x9c\x97", TINT_BAD }, { "\xe2\x80\x93", TINT_DIM } };

static void wrap_clean(struct term *t, enum tint tint, const struct buf *text, size_t indent)
{
	struct buf clean = { 0 };

	term_clean_all(&clean, t, text->p ? text->p : "");
	term_wrap(t, tint, clean.p ? clean.p : "", indent);
	term_newline(t);
	t->out->failed |= clean.failed;
	buf_free(&clean);
}

static void draw_check(struct term *t, enum check_id id, const struct answer *a)
{
	enum finding_state state = finding_specs[a->found].state;
	struct buf found = { 0 }, fix = { 0 };

	words_of(a, t->lang, &found, &fix);
	term_put(t, marks[state].tint, marks[state].mark);
	term_put(t, TINT_PLAIN, " ");
	term_left(t, state == FINDING_UNUSED ? TINT_DIM : TINT_BOLD, check_specs[id].title[t->lang], TITLE_COLUMNS);
	wrap_clean(t, state == FINDING_UNUSED ? TINT_DIM : TINT_PLAIN, &found, TITLE_COLUMNS + 2);
	if (state == FINDING_PROBLEM && fix.used) {
		term_put(t, TINT_WARN, "    \xe2\x86\x92 ");
		wrap_clean(t, TINT_WARN, &fix, 6);
	}
	buf_free(&found);
	buf_free(&fix);
}

static size_t doctor_columns(void)
{
	const size_t columns = args_columns();

	return !columns                        ? REPORT_COLUMNS
	       : columns < 50                  ? 50
	       : columns > REPORT_COLUMNS_MOST ? REPORT_COLUMNS_MOST
					       : columns;
}

static void draw_text(struct buf *out, const struct answer answers[CHECK_COUNT], const struct set_up *f)
{
	struct term t = { .out = out, .lang = f->lang, .color = args_color(), .columns = doctor_columns() };
	int problems = count_problems(answers);
	char n[TERM_TEXT];

	for (int i = 0; i < CHECK_COUNT; i++)
		draw_check(&t, (enum check_id)i, &answers[i]);
	term_newline(&t);
	if (problems)
		text_fill(out, f->lang, TEXT_DOCTOR_PROBLEMS, term_count(n, (uint64_t)problems));
	else
		buf_str(out, text(TEXT_DOCTOR_FINE, f->lang));
}

int command_doctor(const struct options *opts, struct err *err)
{
	const char *root = getenv("RWKVMON_DOCTOR_ROOT"); /* a test's machine */
	struct answer answers[CHECK_COUNT];
	struct buf text = { 0 };
	struct set_up facts;
	int rc, problems;

	if (opts->n_arguments) {
		err_set(err, ERR_USAGE, "doctor: takes no arguments, found \"%s\"", opts->argument[0]);
		return err_hint(err, "name a model file with --model");
	}
	facts_gather(&facts, opts, root ? root : "");
	doctor_judge(answers, &facts);
	problems = count_problems(answers);
	if (opts->json)
		draw_json(&text, answers, &facts);
	else
		draw_text(&text, answers, &facts);
	rc = answer(&text, !opts->json, err);
	if (rc || !problems)
		return rc;
	return err_set(err, ERR_VERDICT, "%s", "");
}
