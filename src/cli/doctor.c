#include "cli/doctor.h"

#include "base/file.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "report/terminal.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* `text` with each %s taking the next word. Words come from files and programs: cleaned by who draws. */
static const char *const *fill(struct buf *out, const char *text, const char *const *word)
{
	for (; *text; text++)
		if (text[0] == '%' && text[1] == 's')
			buf_str(out, *word++), text++;
		else
			buf_char(out, *text);
	return word;
}

/* What was found, and what to do about it (may be empty). */
static void words_of(const struct answer *a, enum lang lang, struct buf *found, struct buf *fix)
{
	const struct finding_spec *spec = &finding_specs[a->found];
	const char *word[ANSWER_WORDS + 1];

	for (int i = 0; i < ANSWER_WORDS; i++)
		word[i] = a->word[i];
	word[ANSWER_WORDS] = "";
	fill(fix, spec->fix[lang], fill(found, spec->text[lang], word));
}

static int count_problems(const struct answer answers[CHECK_COUNT])
{
	int n = 0;

	for (int i = 0; i < CHECK_COUNT; i++)
		n += finding_specs[answers[i].found].state == FINDING_PROBLEM;
	return n;
}

/* -- as JSON ------------------------------------------------------------------------------- */

static void json_text(struct buf *out, const char *key, const char *text)
{
	buf_printf(out, ",\"%s\":", key);
	buf_json_string(out, slice_of(text));
}

static void json_check(struct buf *out, enum check_id id, const struct answer *a, enum lang lang)
{
	struct buf found = { 0 }, fix = { 0 };
	const struct finding_spec *spec = &finding_specs[a->found];

	words_of(a, lang, &found, &fix);
	buf_printf(out, "%s{\"id\":\"%s\",\"state\":\"%s\"", id ? "," : "", check_specs[id].id, finding_state_names[spec->state]);
	json_text(out, "title", check_specs[id].title[lang]);
	json_text(out, "found", found.p ? found.p : "");
	if (spec->state == FINDING_PROBLEM)
		json_text(out, "fix", fix.p ? fix.p : "");
	buf_char(out, '}');
	out->failed |= found.failed || fix.failed;
	buf_free(&found);
	buf_free(&fix);
}

static void json_plans(struct buf *out, const struct facts *f)
{
	struct plan plans[PLANS_MAX];
	size_t n = f->model.readable ? plans_make(plans, f) : 0;

	buf_str(out, "],\"strategies\":[");
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "%s{\"strategy\":", i ? "," : "");
		buf_json_string(out, slice_of(plans[i].strategy));
		buf_printf(out, ",\"ram_bytes\":%llu,\"vram_bytes\":%llu,\"fits\":%s}", (unsigned long long)plans[i].ram,
			   (unsigned long long)plans[i].vram, plans[i].fits ? "true" : "false");
	}
}

static void draw_json(struct buf *out, const struct answer answers[CHECK_COUNT], const struct facts *f)
{
	buf_printf(out, "{\"problems\":%d,\"checks\":[", count_problems(answers));
	for (int i = 0; i < CHECK_COUNT; i++)
		json_check(out, (enum check_id)i, &answers[i], f->lang);
	json_plans(out, f);
	buf_str(out, "]}\n");
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

static size_t columns(void)
{
	struct winsize size;
	bool known = isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col;

	return !known ? 80 : size.ws_col < 50 ? 50 : size.ws_col > 120 ? 120 : size.ws_col;
}

static void draw_text(struct buf *out, const struct answer answers[CHECK_COUNT], const struct facts *f)
{
	struct term t = { .out = out, .lang = f->lang, .color = isatty(STDOUT_FILENO) && !getenv("NO_COLOR"), .columns = columns() };
	int problems = count_problems(answers);

	for (int i = 0; i < CHECK_COUNT; i++)
		draw_check(&t, (enum check_id)i, &answers[i]);
	term_newline(&t);
	if (problems)
		buf_printf(out, f->lang == LANG_ZH ? "发现 %d 个问题。\n" : problems == 1 ? "%d problem found.\n" : "%d problems found.\n", problems);
	else
		buf_str(out, f->lang == LANG_ZH ? "未发现问题。\n" : "No problem found.\n");
}

int command_doctor(const struct options *opts, struct err *err)
{
	const char *root = getenv("RWKVMON_DOCTOR_ROOT"); /* a test's machine */
	struct answer answers[CHECK_COUNT];
	struct buf text = { 0 };
	struct facts facts;
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
	rc = text.failed ? err_set(err, ERR_NOMEM, "no memory for the answer") : file_write("-", buf_slice(&text), err);
	buf_free(&text);
	if (rc || !problems)
		return rc;
	return err_set(err, ERR_VERDICT, "%s", "");
}
